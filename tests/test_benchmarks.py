"""Every script of benchmarks/ and tools/ runs to its end on synthetic data."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent
SCRIPTS = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for folder in ("benchmarks", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
    # Tools that build the package or its pages have other options, and tests of their own.
    if not path.name.startswith("_") and "make_parser" in path.read_text()
]


# The functions of these scripts have other tests, and each quick run takes 10 s or more.
SLOW = {"benchmarks.membership", "benchmarks.private_training", "benchmarks.realism"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SCRIPTS],
)
def test_every_script_has_a_quick_run(name, tmp_path, capsys):
    script = importlib.import_module(name)
    rows = script.main(["--quick", "--out", str(tmp_path / "out")])
    numbers = [v for row in rows for v in row.values() if isinstance(v, float)]
    assert rows
    assert np.isfinite(numbers).any()
    assert "quick True" in capsys.readouterr().out


def test_results_resume(tmp_path):
    from benchmarks._results import Results

    calls = []

    def figures():
        calls.append(1)
        return {"rank1": np.float64(0.25), "counts": np.arange(2), "of": {"a": np.int64(3)}}

    path = tmp_path / "rows" / "rows.jsonl"
    first = Results(path).measure({"method": "noise", "strength": 1.0}, figures)
    assert Results(path).measure({"method": "noise", "strength": 1.0}, figures) == first
    assert len(calls) == 1
    assert (first["rank1"], first["counts"], first["of"]) == (0.25, [0, 1], {"a": 3})
    Results(path).measure({"method": "noise", "strength": 0.5}, figures)
    assert len(calls) == 2
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2


def test_every_nth_record_of_each_side():
    from benchmarks.leaderboard import thin_out
    from sklearn_ecganon.datasets import load_protocol

    protocol = load_protocol("synthetic", n_subjects=2, n_sessions=6, duration=10.0)
    before = protocol.sessions[protocol.subjects == "s001"]
    thin_out(protocol, 2)
    # One record is the gallery; of five probes the first, third and fifth stay.
    assert protocol.gallery.tolist() == [True, False, False, False] * 2
    assert len(protocol.records) == 8
    of_first = protocol.subjects == "s001"
    np.testing.assert_array_equal(protocol.sessions[of_first], before[[0, 1, 3, 5]])


def test_table():
    from benchmarks._results import table

    assert table(["name", "value"], [["a", 0.5], ["b", None]]).splitlines() == [
        "| name | value |",
        "| ---- | ----: |",
        "| a    | 0.500 |",
        "| b    |     - |",
    ]


def test_the_plain_loop_learns():
    from benchmarks._speed import Step, shuffled, train_plainly, untrained

    torch.manual_seed(0)
    X = torch.randn(64, 2)
    y = X @ torch.tensor([[1.0], [-2.0]])
    net = untrained(torch.nn.Linear(2, 1))
    frozen = torch.nn.Linear(1, 1)
    before = frozen.weight.clone()
    step = Step(
        lambda batch: (net(batch[0]) - batch[1] + 0 * frozen(batch[1])).square().mean(),
        torch.optim.SGD([*net.parameters(), *frozen.parameters()], lr=0.1),
        frozen=[frozen],
    )
    losses, seconds = train_plainly(lambda: shuffled(8, X, y), [step], n_epochs=20)
    assert len(losses) == len(seconds) == 20
    assert losses[-1] < 1e-3 * losses[0]
    assert torch.equal(frozen.weight, before)
