"""The leaderboard measures anonymizers that this package does not know."""

import json
import sys

import pytest

from sklearn_ecganon.anonymizers import NoiseAnonymizer
from sklearn_ecganon.cli import main
from sklearn_ecganon.leaderboard import (
    PROTOCOLS,
    RULES,
    Rules,
    load_anonymizer,
    results_table,
    run,
)

FAST = Rules(attackers=("lda",), knowledge=("ignorant",), evidence=(1, "recording"))
STRANGER = '''
"""An anonymizer as somebody else writes it."""

import numpy as np

from sklearn_ecganon.core import BaseAnonymizer


class GainAnonymizer(BaseAnonymizer):
    """Scale each record by a secret gain."""

    def __init__(self, strength=1.0, *, spread=0.5, random_state=None):
        self.strength = strength
        self.spread = spread
        self.random_state = random_state

    def _learn(self, beats, y, seed, context):
        pass

    def _release(self, beats, draws):
        numbers = draws.for_records(1)
        gain = np.exp(self.strength * self.spread * numbers[beats.record])
        return beats.with_beats(beats.beats * gain[:, :, np.newaxis])
'''


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A folder with the package of somebody else, which becomes the current folder."""
    package = tmp_path / "strange_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "gain.py").write_text(STRANGER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("strange_package")]:
        del sys.modules[name]


@pytest.mark.slow
def test_an_anonymizer_of_another_package_enters_by_the_published_rules(stranger, capsys):
    command = ["leaderboard", "run", "strange_package.gain:GainAnonymizer"]
    assert main([*command, "--protocol", "synthetic"]) == 0
    row = json.loads(capsys.readouterr().out)
    attacked = {(line["attacker"], line["knowledge"]) for line in row["evaluation"]["ladder"]}
    assert {(name, "semi-informed") for name in RULES.attackers} <= attacked


def test_an_anonymizer_of_another_package_enters_by_one_command(stranger, capsys, monkeypatch):
    # The attackers of the published rules train nets; see the test above.
    monkeypatch.setattr("sklearn_ecganon.leaderboard.RULES", Rules(attackers=("lda",)))
    command = ["leaderboard", "run", "strange_package.gain:GainAnonymizer"]
    options = ["--protocol", "synthetic", "--set", "spread=0.25", "--out", "gain.json"]
    assert main([*command, *options]) == 0
    assert "| strange_package.gain:GainAnonymizer | synthetic |" in capsys.readouterr().out
    text = (stranger / "gain.json").read_text()
    assert str(stranger) not in text
    row = json.loads(text)
    assert row["parameters"]["spread"] == "0.25"
    assert row["parameters"]["random_state"] == "0"
    assert {"python", "torch", "scikit-learn", "source"} <= set(row["versions"])
    assert row["hardware"]["n_cpus"] >= 1
    assert len(row["protocol_hash"]) == 64
    attacked = {(line["attacker"], line["knowledge"]) for line in row["evaluation"]["ladder"]}
    assert ("lda", "semi-informed") in attacked
    assert main(["leaderboard", "show", "gain.json"]) == 0
    assert row["protocol_hash"][:8] in capsys.readouterr().out


def test_a_row_is_reproducible_and_its_hash_depends_on_the_rules():
    rows = [run(NoiseAnonymizer(), "synthetic", rules=FAST) for _ in range(2)]
    assert rows[0]["evaluation"] == rows[1]["evaluation"]
    assert rows[0]["protocol_hash"] == rows[1]["protocol_hash"]
    fewer = Rules(attackers=("lda",), knowledge=("ignorant",), evidence=(1,))
    other = run(NoiseAnonymizer(), "synthetic", rules=fewer)
    assert other["protocol_hash"] != rows[0]["protocol_hash"]
    assert len(results_table(rows).splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sklearn_ecganon", "names no class"),
        ("sklearn_ecganon.anonymizers:Nothing", "no class or function 'Nothing'"),
        ("builtins:dict", "without fit and transform"),
    ],
)
def test_what_is_no_anonymizer_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        load_anonymizer(name)


def test_wrong_options_are_one_sentence(stranger, capsys):
    command = ["leaderboard", "run", "strange_package.gain:GainAnonymizer"]
    assert main([*command, "--set", "spread"]) == 2
    assert "write NAME=VALUE" in capsys.readouterr().err
    assert main([*command, "--out", "no/such/folder/a.json"]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert main(["leaderboard", "run", "no_such_module:A"]) == 2
    with pytest.raises(ValueError, match="choose one of ecgid-same-day"):
        run(NoiseAnonymizer(), "ptbxl-300")


def test_the_command_offers_the_protocols_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["leaderboard", "run", "--help"])
    assert f"{{{','.join(PROTOCOLS)}}}" in capsys.readouterr().out
