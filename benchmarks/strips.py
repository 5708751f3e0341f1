"""Measure attackers on strips: known people, people never seen, and the size of the gallery.

    python -m benchmarks.strips [--protocols mitdb-time ecgid-same-day] [--size small]
    python -m benchmarks.strips --releases diagnostic measurement [--attacker small-strip]

The closed attacker learns everybody in the gallery. The embedding learns one half of the people
and enrolls the other half, and the reverse; its figures are means over both. All recordings are
originals. Rank-1 is the mean over people. "linked" sums the scores of all probes of a person.

With --releases, the attacker identifies pseudo-identities of the pretrained model (strength 1,
MIT-BIH) after training on `--n-views` releases of the gallery, beside what the contract alone
identifies from the same evidence: one recording, or all recordings of a person together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.attacks import StripAttacker, StripEmbedder
from sklearn_ecganon.metrics import (
    gallery_size_curve,
    paired_difference,
    rank_k,
    subject_bootstrap,
    tar_at_far,
)
from sklearn_ecganon.releases import Release
from sklearn_ecganon.segmentation import Strips, cut_strips
from sklearn_ecganon.training import StripSize

HOP = 5.0  # s
FAR = (1e-2, 1e-3)
SIZES = (2, 5, 10, 20)


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--protocols", nargs="+", default=["mitdb-time", "ecgid-same-day"])
    parser.add_argument("--size", default="auto", choices=["auto", "small", "large"])
    parser.add_argument("--releases", nargs="*", default=[], metavar="CONTRACT")
    parser.add_argument("--attacker", default="small-strip")
    parser.add_argument("--n-views", type=int, default=3)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.protocols, arguments.n_views = ["synthetic"], 1
        arguments.releases, arguments.attacker = ["diagnostic"], QuickAttacker()
    elif arguments.releases:
        arguments.protocols = []
    print_header(arguments)
    results = Results(arguments.out)
    measure_originals(results, arguments)
    measure_releases(results, arguments)
    return results.rows


def measure_releases(results: Results, arguments: Any) -> None:
    """Print the figures of releases under each contract."""
    lines = []
    for contract in arguments.releases:
        name = "synthetic" if arguments.quick else "mitdb-time"
        key = {
            "protocol": name,
            "contract": contract,
            "attacker": attacker_name(arguments.attacker),
            "n_views": arguments.n_views,
            "seed": arguments.seed,
        }
        row = results.measure(key, partial(released, name, contract, arguments))
        lines += [(contract, *cells) for cells in row["figures"]]
    if lines:
        header = [
            "contract",
            "evidence",
            "originals",
            "release",
            "floor",
            "excess",
            "low",
            "high",
        ]
        print(table(header, lines), flush=True)


def released(name: str, contract: str, arguments: Any) -> dict[str, Any]:
    """Return rank-1 on originals and the release, the floor, and the excess by evidence."""
    protocol = load(name, arguments)
    beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
    model = PseudoIdentityAnonymizer.from_pretrained(
        1.0, contract=contract, random_state=arguments.seed
    )
    release = Release.by(
        model,
        beats,
        protocol.subjects,
        sessions=protocol.sessions,
        split="session",
        n_views=arguments.n_views,
        random_state=arguments.seed,
    )
    scorer = ReidentificationScorer(
        arguments.attacker,
        knowledge=["semi-informed"],
        contract=contract,
        evidence=["recording", "linked"],
        min_original=0,
    )
    evaluation = scorer.identify(release, random_state=arguments.seed)
    rows = {(row.knowledge, row.evidence): row for row in evaluation.rows}
    figures = []
    for evidence in ("recording", "linked"):
        floors = [row for row in evaluation.floor_rows if row.evidence == evidence]
        floor = max(floors, key=lambda row: row.rank1)
        attack = rows["semi-informed", evidence]
        excess = paired_difference(attack.subject_rank1, floor.subject_rank1, random_state=0)
        original = rows["original", evidence].rank1
        figures.append([evidence, original, attack.rank1, floor.rank1, *excess])
    return {"n_people": float(evaluation.n_subjects), "figures": figures}


class QuickAttacker(StripAttacker):
    """An attacker on strips that is hardly trained, for the test of this script."""

    modality = "strip"
    name = "quick-strip"

    def __init__(self) -> None:
        super().__init__(size=StripSize(8, 500, 1, 2), device="cpu", seed=0)


def attacker_name(attacker: Any) -> str:
    """Return the name of an attacker, for keys."""
    return attacker if isinstance(attacker, str) else attacker.name


def measure_originals(results: Results, arguments: Any) -> None:
    """Print the figures of the closed attacker and of the embedding on originals."""
    for name in arguments.protocols:
        protocol = load(name, arguments)
        strips = cut_strips(protocol.records, hop=HOP, leads=[0])
        subjects = np.unique(protocol.subjects, return_inverse=True)[1]
        size = StripSize(8, 500, 1, 2) if arguments.quick else arguments.size
        options = {"size": size, "seed": arguments.seed}
        for attack in (closed, open_set):
            key = {"protocol": protocol.name, "attack": attack.__name__, **options}
            row = results.measure(
                key,
                lambda a=attack, s=strips, y=subjects, g=protocol.gallery, o=options: a(
                    s, y, g, o
                ),
            )
            figures = [(figure, value) for figure, value in row.items() if "@" in figure]
            print(f"\n{protocol.DESCR}\n{attack.__name__}, {row['seconds']:.0f} s")
            print(table(["figure", "value"], figures), flush=True)


def closed(
    strips: Strips, subjects: NDArray, gallery: NDArray, options: dict[str, Any]
) -> dict[str, float]:
    """Return the figures of a net that learned everybody."""
    of_gallery = gallery[strips.record]
    attacker = StripAttacker(**options)
    attacker.fit(strips.values[of_gallery], subjects[strips.record[of_gallery]])
    probes = np.flatnonzero(~gallery)
    rows = np.isin(strips.record, probes)
    scores = _by_record(attacker.log_proba(strips.values[rows]), strips.record[rows], probes)
    return _figures(scores, subjects[probes])


def open_set(
    strips: Strips, subjects: NDArray, gallery: NDArray, options: dict[str, Any]
) -> dict[str, float]:
    """Return the figures of an embedding that enrolls people it never saw, over two halves."""
    order = np.random.default_rng(options["seed"]).permutation(subjects.max() + 1)
    halves = []
    for half in range(2):
        known, unseen = order[half::2], np.sort(order[1 - half :: 2])
        of_strip = subjects[strips.record]
        learned = np.isin(of_strip, known)
        embedder = StripEmbedder(**options).fit(
            strips.values[learned], np.unique(of_strip[learned], return_inverse=True)[1]
        )
        enrolled = ~learned & gallery[strips.record]
        templates = embedder.templates(
            strips.values[enrolled], np.searchsorted(unseen, of_strip[enrolled])
        )
        probes = np.flatnonzero(~gallery & np.isin(subjects, unseen))
        rows = np.isin(strips.record, probes)
        cosines = embedder.embed(strips.values[rows]) @ templates.T
        scores = _by_record(cosines, strips.record[rows], probes)
        halves.append(_figures(scores, np.searchsorted(unseen, subjects[probes])))
    return {name: float(np.mean([half[name] for half in halves])) for name in halves[0]}


def _by_record(scores: NDArray, record: NDArray, probes: NDArray) -> NDArray:
    """Return the mean score over the strips of each probe."""
    return np.array([scores[record == probe].mean(axis=0) for probe in probes])


def _figures(scores: NDArray, subjects: NDArray) -> dict[str, float]:
    people = np.arange(scores.shape[1])
    figures = {"rank-1 @ recording": _rank1(scores, subjects)}
    linked = np.array([scores[subjects == one].sum(axis=0) for one in np.unique(subjects)])
    figures["rank-1 @ linked"] = _rank1(linked, np.unique(subjects))
    for far, tar in zip(FAR, tar_at_far(scores, subjects, people, FAR), strict=True):
        figures[f"TAR @ FAR {far:g}"] = float(tar)
    sizes = [size for size in SIZES if size < len(people)] + [len(people)]
    curve = gallery_size_curve(scores, subjects, people, sizes)
    for size, value in zip(sizes, curve, strict=True):
        # Two halves may differ by one person, so that the whole gallery has a separate name.
        name = "all" if size == len(people) else str(size)
        figures[f"rank-1 @ {name} people"] = float(value)
    return figures


def _rank1(scores: NDArray, subjects: NDArray) -> float:
    hits = rank_k(scores, subjects, np.arange(scores.shape[1]))
    return subject_bootstrap(hits, subjects, random_state=0)[0]


if __name__ == "__main__":
    main()
