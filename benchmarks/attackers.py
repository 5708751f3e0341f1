"""Measure how well each attacker identifies originals, and releases with harmless changes.

    python -m benchmarks.attackers [--attackers lda session ...]
        [--protocols mitdb-time ecgid-same-day ecgid-across-day] [--controls]

A control (gain, shift, offset, polarity, resampling there and back) must not look private once
the attacker is retrained. Rank-1 in % is the mean over persons, its 95 % interval is from a
bootstrap over them; "of probes" is the mean over recordings: across days 37 of the 83 probes
come from two persons. Attackers on strips have no figure for few beats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import BeatSet, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.releases import Release

EVIDENCE: dict[str, tuple[int | str, ...]] = {
    "mitdb-time": (1, 20, "recording"),
    "ecgid-same-day": (1, 5, "recording"),
    "ecgid-across-day": (1, 5, "recording"),
    "synthetic": (1, 5, "recording"),
}
DEFAULT = ["template", "lda", "averaged-lda", "trees", "small-conv", "cross-fitted", "session"]


def resampled_there_and_back(beats: NDArray) -> NDArray:
    """Resample beats to three quarters of their rate, and back."""
    n_times = beats.shape[-1]
    return resample(resample(beats, n_times * 3 // 4, axis=-1), n_times, axis=-1)


CONTROLS: dict[str, Callable[[NDArray], NDArray]] = {
    "gain x 1.3": lambda beats: 1.3 * beats,
    "shift by 25 samples": lambda beats: np.roll(beats, 25, axis=-1),
    "offset of 0.2 mV": lambda beats: beats + 0.2,
    "polarity flip": lambda beats: -beats,
    "resampled there and back": resampled_there_and_back,
}


class Control:
    """A release that changes all beats in the same way.

    Parameters
    ----------
    change : callable
        Takes and returns beats of shape (n_beats, n_leads, n_times).
    """

    def __init__(self, change: Callable[[NDArray], NDArray]) -> None:
        self.change = change

    def transform(self, X: BeatSet) -> BeatSet:
        """Return X changed."""
        return X.with_beats(self.change(X.beats))


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--attackers", nargs="+", default=DEFAULT)
    parser.add_argument("--protocols", nargs="+", default=list(EVIDENCE)[:3], choices=EVIDENCE)
    parser.add_argument("--controls", action="store_true", help="retrains for each of five")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.protocols, arguments.attackers = ["synthetic"], ["lda"]
        arguments.controls = True
    print_header(arguments)
    results = Results(arguments.out)
    for name in arguments.protocols:
        protocol = load(name, arguments)
        beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
        print(f"\n{protocol.DESCR}\n")

        def attack(
            attacker: str, control: str | None, beats=beats, protocol=protocol
        ) -> dict[str, Any]:
            release = Release.by(
                "passthrough" if control is None else Control(CONTROLS[control]),
                beats,
                protocol.subjects,
                sessions=protocol.sessions,
                split="session",
                n_views=1,
                random_state=arguments.seed,
            )
            scorer = ReidentificationScorer(
                [attacker],
                contract=None,
                evidence=EVIDENCE[protocol.name],
                knowledge=["ignorant" if control is None else "semi-informed"],
                min_original=0,  # a weak attacker is an answer here, not a reason to warn
            )
            evaluation = scorer.identify(release, random_state=arguments.seed)
            return {"ladder": [row.to_dict() for row in evaluation.rows]}

        controls = [None, *CONTROLS] if arguments.controls else [None]
        lines = []
        for attacker in arguments.attackers:
            for control in controls:
                key = {"protocol": protocol.name, "attacker": attacker, "control": control}
                key["seed"] = arguments.seed
                row = results.measure(
                    key, lambda a=attacker, c=control, attack=attack: attack(a, c)
                )
                lines.append(_line(row, EVIDENCE[protocol.name]))
        header = [describe_evidence(n) for n in EVIDENCE[protocol.name]]
        print(table(["attacker", "control", *header, "of probes", "s"], lines), flush=True)
    return [
        {**row["key"], "rank1": max(one["rank1"] for one in row["ladder"])}
        for row in results.rows
    ]


def describe_evidence(evidence: int | str) -> str:
    """Return the heading of a column."""
    if isinstance(evidence, str):
        return evidence
    return f"{evidence} beat{'s' * (evidence > 1)}"


def _line(row: dict[str, Any], evidence: Sequence[int | str]) -> list[Any]:
    """Return rank-1 on originals, or for a control its difference once retrained."""
    key = row["key"]
    by_level = {(one["knowledge"], one["evidence"]): one for one in row["ladder"]}
    start = [key["attacker"], key["control"] or ""]
    if key["control"] is None:
        cells = [_rank1(by_level.get(("original", n))) for n in evidence]
        of_probes = f"{100 * by_level['original', evidence[-1]]['rank1_probes']:.1f}"
        return [*start, *cells, of_probes, f"{row['seconds']:.0f}"]
    cells = [
        _change(by_level.get(("original", n)), by_level.get(("semi-informed", n)))
        for n in evidence
    ]
    return [*start, *cells, "", f"{row['seconds']:.0f}"]


def _rank1(row: dict[str, Any] | None) -> str:
    """Return rank-1 and its interval in percent."""
    if row is None:
        return "-"
    return f"{100 * row['rank1']:.1f} ({100 * row['low']:.1f}-{100 * row['high']:.1f})"


def _change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """Return the change of rank-1 in points."""
    if before is None or after is None:
        return "-"
    return f"{100 * (after['rank1'] - before['rank1']):+.1f}"


if __name__ == "__main__":
    main()
