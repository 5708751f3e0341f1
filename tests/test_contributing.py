"""The example anonymizer of CONTRIBUTING.md fulfills the contract."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_ecganon import ReidentificationScorer

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


@pytest.fixture
def snippets():
    return re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def gain(snippets, monkeypatch, tmp_path):
    # Other processes must be able to import the file, as the page requires.
    (tmp_path / "gain_anonymizer.py").write_text(snippets[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gain_anonymizer", raising=False)
    return importlib.import_module("gain_anonymizer").GainAnonymizer


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_example_passes_every_check(gain, snippets):
    assert "check_anonymizer(GainAnonymizer())" in snippets[1]
    exec(compile(snippets[1], "CONTRIBUTING.md", "exec"), {"GainAnonymizer": gain})


def test_example_has_one_factor_per_record_and_does_not_protect(gain, snippets, beats, bunch):
    assert "GainAnonymizer().fit(beats)" in snippets[2]
    model = gain(random_state=0).fit(beats)
    new = model.transform(beats)
    factors = new.beats[:, 0].max(axis=1) / beats.beats[:, 0].max(axis=1)
    for record in range(len(beats)):
        np.testing.assert_allclose(
            factors[new.record == record], factors[new.record == record][0]
        )
    scorer = ReidentificationScorer("lda", min_original=0)
    result = scorer.evaluate(model, beats, bunch.subject, sessions=bunch.session)
    assert result.worst.rank1 > 0.9
