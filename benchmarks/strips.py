"""Measure attackers on strips: known people, people never seen, and the size of the gallery.

    python -m benchmarks.strips [--protocols mitdb-time ecgid-same-day] [--size small]

The closed attacker learns everybody in the gallery. The embedding learns one half of the people
and enrolls the other half, and the reverse; its figures are means over both. All recordings are
originals. Rank-1 is the mean over people. "linked" sums the scores of all probes of a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon.attacks import StripAttacker, StripEmbedder
from sklearn_ecganon.metrics import gallery_size_curve, rank_k, subject_bootstrap, tar_at_far
from sklearn_ecganon.segmentation import Strips, cut_strips
from sklearn_ecganon.training import StripSize

HOP = 5.0  # s
FAR = (1e-2, 1e-3)
SIZES = (2, 5, 10, 20)


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--protocols", nargs="+", default=["mitdb-time", "ecgid-same-day"])
    parser.add_argument("--size", default="auto", choices=["auto", "small", "large"])
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.protocols = ["synthetic"]
    print_header(arguments)
    results = Results(arguments.out)
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
    return results.rows


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
