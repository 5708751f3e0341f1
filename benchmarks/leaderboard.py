"""Measure every anonymizer of the package by the same attackers: the leaderboard.

    python -m benchmarks.leaderboard [--protocols mitdb-time ecgid-same-day] [--out FOLDER]
        [--attackers default] [--methods WORD ...] [--without WORD ...]
        [--strengths 0.25 0.5 1] [--every 3] [--verbose]

The anonymizers are trained on the gallery (closed: they have seen these subjects). The script
prints Markdown tables for each protocol: all methods at strength 1, and the least risk at a
given utility over the strengths that were tried. That choice is made on the probes and is
therefore a little too kind to all methods. An excess is the difference between the worst
attacker and the floor at the same evidence; it is given where ``intervals`` is among the
attackers, because that attacker reads what a contract keeps. Attackers on strips train on six
views of the gallery instead of three.

With ``--out`` the folder receives ``rows.jsonl`` (each measurement as it comes; an interrupted
run continues there), ``leaderboard.md`` and ``leaderboard.svg``, a picture of risk against
utility.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import (
    BeatSet,
    NonQRSVAEAnonymizer,
    QRSSegmenter,
    ReidentificationScorer,
)
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    CycleGANAnonymizer,
    FlowFieldAnonymizer,
    GANImageAnonymizer,
    KSameAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    NoiseFieldAnonymizer,
    PseudoIdentityAnonymizer,
    TimeWarpAnonymizer,
)
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.releases import Release
from sklearn_ecganon.utility import UtilityScorer

CONTRACTS = ("diagnostic", "measurement")
TITLES = {"mitdb-time": "MIT-BIH", "ecgid-same-day": "ECG-ID", "synthetic": "synthetic"}
# Okabe and Ito's palette; the flagship has two separate colors.
COLORS = ["#8c8c8c", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#CC79A7"]
FLAGSHIP = {"pseudo-identity, diagnostic": "#D55E00", "pseudo-identity, measurement": "#000000"}
MARKERS = ["o", "s", "^"]
#: Fractions of a contract at which methods are compared.
MATCHED_UTILITY = (0.95, 0.9, 0.8, 0.7, 0.5)
HEADER = (
    "method",
    "waveform, 1 beat",
    "waveform, <= 50",
    "strip, recording",
    "strip, linked",
    "worst",
    "EER there",
    "excess, diagnostic",
    "excess, measurement",
    "utility, diagnostic",
    "utility, measurement",
)
QUICK_METHODS = ("originals", "noise per record")


def methods(seed: int, epochs: int) -> Iterator[tuple[str, Any]]:
    """Yield the name and the unfitted anonymizer of each row; None stands for originals."""
    yield "originals", None
    yield "noise per beat", NoiseAnonymizer(per="beat", random_state=seed)
    yield "noise per record", NoiseAnonymizer(per="record", random_state=seed)
    yield "low-pass", LowPassAnonymizer(random_state=seed)
    yield "time warp", TimeWarpAnonymizer(random_state=seed)
    yield "block average (DP-Pix)", BlockAverageAnonymizer(random_state=seed)
    yield "k-Same, k=10", KSameAnonymizer(k=10, random_state=seed)
    for region in ("pre", "all"):
        model = NonQRSVAEAnonymizer(region=region, max_epochs=epochs, random_state=seed)
        yield f"non-QRS VAE, region {region}", model
    yield "flow field", FlowFieldAnonymizer(max_epochs=30, random_state=seed)
    yield "noise field", NoiseFieldAnonymizer(max_epochs=30, random_state=seed)
    yield "CycleGAN", CycleGANAnonymizer(max_epochs=epochs, lr=1e-3, random_state=seed)
    yield "GAN", GANImageAnonymizer(max_epochs=15, random_state=seed)
    for contract in ("diagnostic", "measurement"):
        yield (
            f"pseudo-identity, {contract}",
            PseudoIdentityAnonymizer(contract=contract, random_state=seed),
        )


class Leaderboard:
    """The rows of one protocol.

    Parameters
    ----------
    name : str
        The protocol.
    arguments : argparse.Namespace
        The settings of the run.
    results : Results
        Where rows are stored.
    """

    def __init__(self, name: str, arguments: argparse.Namespace, results: Results) -> None:
        self.protocol: Bunch = load(name, arguments)
        if arguments.every > 1:
            thin_out(self.protocol, arguments.every)
        self.name = self.protocol.name
        self.arguments = arguments
        self.results = results
        self.settings = {
            "protocol": self.name,
            "attackers": arguments.attackers,
            "seed": arguments.seed,
            "epochs": arguments.epochs,
        }
        # Rows of whole protocols keep their key, so that older files can be continued.
        self.fraction = {"every": arguments.every} if arguments.every > 1 else {}
        self.settings |= self.fraction
        self.n_subjects = len(set(self.protocol.subjects))
        self.floors: dict[str, list[dict[str, Any]]] = {}
        self.rows: dict[str, dict[float, dict[str, Any]]] = {}
        self._beats: BeatSet | None = None

    @property
    def beats(self) -> BeatSet:
        """The beats of all records. A run that has all rows does not need them."""
        if self._beats is None:
            segmenter = QRSSegmenter(**self.protocol.segmenter)
            self._beats = segmenter.fit_transform(self.protocol.records)
        return self._beats

    def release(self, anonymizer: Any, attackers: Any, **settings: Any) -> Release:
        """Return the release of the beats by a fitted anonymizer, with the attackers' views."""
        scorer = ReidentificationScorer(
            attackers, split="session", random_state=self.arguments.seed, **settings
        )
        return scorer.release(
            anonymizer, self.beats, self.protocol.subjects, sessions=self.protocol.sessions
        )

    def measure(self) -> None:
        """Measure the floors and all rows that are missing."""
        for contract in CONTRACTS:
            key = {"protocol": self.name, "floors": contract, "seed": self.arguments.seed}
            key |= self.fraction
            row = self.results.measure(key, self._floors_of(contract))
            self.floors[contract] = row["ladder"]
        for name, method in methods(self.arguments.seed, self.arguments.epochs):
            words = self.arguments.methods
            if words and not any(word in name for word in words):
                continue
            if any(word in name for word in self.arguments.without):
                continue
            strengths = [1.0] if method is None else self.arguments.strengths
            self.rows[name] = {
                strength: self.results.measure(
                    {**self.settings, "method": name, "strength": strength},
                    lambda method=method, strength=strength: self._figures(method, strength),
                )
                for strength in strengths
            }
            for strength, row in self.rows[name].items():
                shown = ", ".join(f"{c} {u['utility']:.2f}" for c, u in row["utility"].items())
                print(
                    f"# {self.name}, {name}, {strength:g}: worst {cell(row['worst'])}, "
                    f"{shown}, {row['seconds']:.0f} s",
                    flush=True,
                )

    def _floors_of(self, contract: str) -> Callable[[], dict[str, Any]]:
        def floors() -> dict[str, Any]:
            originals = self.release("passthrough", "template", knowledge=["ignorant"])
            # The floor does not depend on the attackers: a fast and weak one suffices.
            scorer = ReidentificationScorer("template", contract=contract, min_original=0)
            evaluation = scorer.identify(originals, random_state=self.arguments.seed)
            return {"ladder": [row.to_dict() for row in evaluation.floor_rows]}

        return floors

    def floor(self, contract: str, evidence: int | str) -> dict[str, Any]:
        """Return the highest row of the floor with some evidence."""
        rows = [row for row in self.floors[contract] if row["evidence"] == evidence]
        return max(rows, key=lambda row: row["rank1"])

    def _figures(self, method: Any, strength: float) -> dict[str, Any]:
        """Attack one method at one strength; fit it if it is not yet fitted."""
        anonymizer: Any = "passthrough"
        if method is not None:
            gallery = self.protocol.gallery
            if not hasattr(method, "salt_"):
                method.fit(self.beats[gallery], self.protocol.subjects[gallery])
            anonymizer = method.set_params(strength=strength)
        attackers = self.arguments.attackers
        panel = attackers[0] if len(attackers) == 1 else attackers
        release = self.release(anonymizer, panel)
        evaluation = evaluate(release, panel, "diagnostic", n_jobs=self.arguments.n_jobs)
        if self.arguments.verbose:
            print(evaluation, flush=True)
        measurement = UtilityScorer("measurement").evaluate(*release.probes())
        return {
            "ladder": [row.to_dict() for row in evaluation.rows],
            "worst": evaluation.worst.to_dict(),
            "p_value": evaluation.p_value,
            "utility": {
                "diagnostic": evaluation.utility_figures,
                "measurement": measurement,
            },
        }

    def table(self) -> str:
        """Return the table of all methods at strength 1."""
        floors = ", ".join(
            f"{contract} {cell(self.floor(contract, evidence))} ({evidence})"
            for contract in CONTRACTS
            for evidence in ("recording", "linked")
        )
        every = self.arguments.every
        records = f"one record in {every}, " if every > 1 else ""
        caption = (
            f"{TITLES[self.name]}, {records}{self.n_subjects} subjects, chance "
            f"{100 / self.n_subjects:.1f} %; floors: {floors}. Retrained attackers, rank-1 in "
            f"% (95 % interval); seed {self.arguments.seed}."
        )
        lines = []
        for name, of_method in self.rows.items():
            if 1.0 not in of_method:
                continue
            row = of_method[1.0]
            worst, utility = row["worst"], row["utility"]
            lines.append(
                [
                    name,
                    cell(best(row["ladder"], "waveform", 1)),
                    cell(best(row["ladder"], "waveform", 50)),
                    cell(best(row["ladder"], "strip", "recording")),
                    cell(best(row["ladder"], "strip", "linked")),
                    f"{100 * worst['rank1']:.1f} ({worst['attacker']}, {worst['knowledge']}, "
                    f"{worst['evidence']})",
                    f"{100 * worst['eer']:.1f}",
                    *(self._excess(row, contract) for contract in CONTRACTS),
                    *(f"{utility[contract]['utility']:.2f}" for contract in CONTRACTS),
                ]
            )
        return f"{caption}\n\n{table(HEADER, lines)}"

    def _excess(self, row: dict[str, Any], contract: str) -> str:
        if "intervals" not in {one["attacker"] for one in row["ladder"]}:
            return "-"
        worst = row["worst"]
        floor = self.floor(contract, worst["evidence"])
        return f"{100 * (worst['rank1'] - floor['rank1']):+.1f}"

    def table_at_matched_utility(self, contract: str) -> str:
        """Return the table of the lowest risk at each utility."""
        lines = []
        for name, of_method in self.rows.items():
            points = [
                (row["worst"]["rank1"], strength, row["utility"][contract]["utility"])
                for strength, row in of_method.items()
            ]
            line = [name]
            for fraction in MATCHED_UTILITY:
                enough = [point for point in points if point[2] >= fraction]
                risk, strength, _ = min(enough, default=(None, None, None))
                line.append("-" if risk is None else f"{100 * risk:.1f} ({strength:g})")
            lines.append(line)
        header = ["method", *(f">= {fraction:g}" for fraction in MATCHED_UTILITY)]
        return (
            f"Worst rank-1 in % (at strength), by the fraction of the {contract} contract that "
            f"is kept\n\n{table(header, lines)}"
        )


def thin_out(protocol: Bunch, every: int) -> None:
    """Keep every n-th record of each person's gallery, and every n-th of their probes."""
    sides = zip(protocol.subjects, protocol.gallery, strict=True)
    n_before: dict[tuple[str, bool], int] = {}
    chosen = []
    for i, side in enumerate(sides):
        place = n_before.get(side, 0)
        n_before[side] = place + 1
        if place % every == 0:
            chosen.append(i)
    protocol.records = [protocol.records[i] for i in chosen]
    for name in ("subjects", "sessions", "gallery"):
        protocol[name] = protocol[name][chosen]


def cell(row: dict[str, Any]) -> str:
    """Return rank-1 and its interval in percent; a dash for no row."""
    if not row:
        return "-"
    return f"{100 * row['rank1']:.1f} ({100 * row['low']:.0f}-{100 * row['high']:.0f})"


def best(ladder: list[dict[str, Any]], modality: str, evidence: int | str) -> dict[str, Any]:
    """Return the highest row of the retrained attackers on a modality."""
    rows = [
        row
        for row in ladder
        if row["knowledge"] == "semi-informed"
        and row["modality"] == modality
        and row["evidence"] == evidence
    ]
    return max(rows, key=lambda row: row["rank1"], default={})


def draw_picture(boards: list[Leaderboard], path: Path) -> None:
    """Draw risk against utility for each method, and the floor of each contract."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6 * len(boards)), layout="constrained")
    axes = figure.subplots(len(boards), 2, squeeze=False)
    for row, board in zip(axes, boards, strict=True):
        for ax, contract in zip(row, CONTRACTS, strict=True):
            _draw_panel(ax, board, contract)
            ax.set_title(f"{TITLES[board.name]}, {contract} contract", loc="left")
            ax.set_xlabel("utility: fraction of the contract that is kept")
        row[0].set_ylabel("worst attacker, rank-1 in %")
    several = any(len(of_method) > 1 for board in boards for of_method in board.rows.values())
    legend = {}
    for ax in axes[:, 0]:
        legend |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(
        legend.values(),
        legend.keys(),
        title="larger: more strength" if several else None,
        loc="outside right center",
        frameon=False,
        alignment="left",
    )
    figure.savefig(path)


def _draw_panel(ax: Any, board: Leaderboard, contract: str) -> None:
    floor = board.floor(contract, "linked")
    ax.axhspan(100 * floor["low"], 100 * floor["high"], color="0.93", zorder=0)
    ax.axhline(100 * floor["rank1"], color="0.5", linestyle="--", label="floor", zorder=1)
    for i, (name, of_method) in enumerate(board.rows.items()):
        color, marker = COLORS[i % len(COLORS)], MARKERS[i // len(COLORS)]
        width = 1.0
        if name in FLAGSHIP:
            color, marker, width = FLAGSHIP[name], "D", 2.4
        strengths = sorted(of_method)
        utility = [of_method[s]["utility"][contract]["utility"] for s in strengths]
        risk = [100 * of_method[s]["worst"]["rank1"] for s in strengths]
        sizes = [15 + 45 * s for s in strengths]
        ax.plot(utility, risk, color=color, linewidth=width, alpha=0.8, zorder=2)
        ax.scatter(utility, risk, sizes, color=color, marker=marker, label=name, zorder=3)
    ax.set(xlim=(0, 1.03), ylim=(0, 103))
    ax.grid(color="0.92")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--protocols", nargs="+", default=["mitdb-time", "ecgid-same-day"])
    parser.add_argument("--attackers", nargs="+", default=["default"])
    parser.add_argument("--methods", nargs="+", help="only those with one of these words")
    parser.add_argument("--without", nargs="+", default=[], help="none with one of these words")
    parser.add_argument("--strengths", nargs="+", type=float, default=[1.0])
    parser.add_argument(
        "--every", type=int, default=1, help="use only every n-th record of each side"
    )
    parser.add_argument("--verbose", action="store_true", help="print all attackers")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--n-jobs", type=int)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.protocols, arguments.attackers = ["synthetic"], ["lda", "intervals"]
        arguments.methods, arguments.epochs = list(QUICK_METHODS), 1
    print_header(arguments)
    results = Results(arguments.out and arguments.out / "rows.jsonl")
    boards, pages = [], []
    for name in arguments.protocols:
        board = Leaderboard(name, arguments, results)
        board.measure()
        boards.append(board)
        pages.append(board.table())
        pages += [board.table_at_matched_utility(contract) for contract in CONTRACTS]
    page = "\n\n".join(pages)
    print(page)
    if arguments.out:
        (arguments.out / "leaderboard.md").write_text(page + "\n")
        draw_picture(boards, arguments.out / "leaderboard.svg")
    return results.rows


if __name__ == "__main__":
    main()
