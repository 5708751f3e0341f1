"""The anonymizer that CONTRIBUTING.md writes in one file keeps the whole contract."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from sklearn_ecganon import ReidentificationScorer

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


@pytest.fixture
def gain(monkeypatch):
    source, measured = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    module = types.ModuleType("gain_anonymizer")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source.replace('"""..."""', "pass"), "CONTRIBUTING.md", "exec"), vars(module))
    assert "GainAnonymizer().fit(beats)" in measured
    return module.GainAnonymizer


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_example_passes_every_check(gain):
    checks = check_estimator(gain())
    assert {check["status"] for check in checks} <= {"passed", "skipped"}


def test_example_keeps_our_contract_and_is_no_protection(gain, beats, bunch):
    model = gain(random_state=0).fit(beats)
    new = model.transform(beats)
    factors = new.beats[:, 0].max(axis=1) / beats.beats[:, 0].max(axis=1)
    for record in range(len(beats)):
        np.testing.assert_allclose(
            factors[new.record == record], factors[new.record == record][0]
        )
    judge = ReidentificationScorer("lda", min_original=0)
    result = judge.evaluate(model, beats, bunch.subject, sessions=bunch.session)
    assert result.worst.rank1 > 0.9
