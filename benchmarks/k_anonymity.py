"""Count what k-anonymity of profiles costs, and what categories still give away.

    OMP_NUM_THREADS=1 python -m benchmarks.k_anonymity

Categories of the diagnostic contract of ECG-ID (first recording of 89 people and the next of
the same day, lead I), LUDB (200 people, 12 leads, true amplitudes), PTB-XL (300 people, 12
leads) and MIT-BIH (records of 60 s of 47 people). All records of a person get one profile.

Kept: fraction of categories that do not change, and the same of the rarer codes (every code
but the most frequent one of a category). Attacker: knows the original profile of everybody and
names the nearest one of a released profile, which is the strongest use of categories; the
figure is the mean over people, with a 95 % interval from a bootstrap over people.

``--release`` also releases ECG-ID, and every third record of MIT-BIH, by
`PseudoIdentityAnonymizer` at strength 1 and attacks the signals: the worst of LDA and trees on
beats, and forests on rhythm and intervals, ignorant and retrained, of one recording and of all
recordings of a person; and the fraction of categories that are measured again on the release.
LUDB and PTB-XL have one recording of each person, so that there is nobody to recognize.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import QUICK, Results, load, make_parser, print_header, table
from benchmarks.leaderboard import thin_out
from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.contracts import (
    UNMEASURED,
    KAnonymousProfiles,
    k_anonymous_profiles,
    measure,
    nearest_profiles,
)
from sklearn_ecganon.datasets import fetch_ludb
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.releases import Release

Categories = dict[str, NDArray[np.intp]]

DATABASES = ("ecgid-same-day", "ludb", "ptbxl-300", "mitdb-time")
# Databases that are released and attacked, and how many of their records: every n-th.
RELEASED = {"ecgid-same-day": 1, "mitdb-time": 3}
N_BOOTSTRAP = 1000


def read(name: str, arguments: Namespace) -> tuple[Categories, NDArray]:
    """Return the categories of all records of a database, and whose they are."""
    if arguments.quick:
        bunch = make_ecg_records(random_state=arguments.seed, **QUICK)
        records, subjects, segmenter = bunch.data, bunch.subject, {}
    elif name == "ludb":
        bunch = fetch_ludb(data_home=arguments.data_home, true_amplitudes=True)
        records, subjects, segmenter = bunch.data, bunch.subject, {}
    else:
        bunch = load(name, arguments)
        records, subjects, segmenter = bunch.records, bunch.subjects, bunch.segmenter
    beats = QRSSegmenter(window=1000, **segmenter).fit_transform(records)
    return measure(beats, remember=False).categories(), np.asarray(subjects)


def fraction_kept(
    categories: Categories, anonymous: KAnonymousProfiles, *, rare: bool
) -> float:
    """Return the fraction of measured categories of released records that did not change."""
    unchanged = []
    for name, codes in anonymous.codes.items():
        original = categories[name]
        counted = (original != UNMEASURED) & ~anonymous.suppressed
        if rare and counted.any():
            counted &= original != np.bincount(original[counted] + 2).argmax() - 2
        unchanged.append((codes == original)[counted])
    return float(np.concatenate(unchanged).mean())


def attack(
    categories: Categories, subjects: NDArray, anonymous: KAnonymousProfiles, seed: int
) -> tuple[float, float, float]:
    """Return how often the nearest original profile is the right person's, and an interval."""
    released = ~anonymous.suppressed
    # One profile for each person: the same attack for each of their records.
    persons, first = np.unique(subjects[released], return_index=True)
    ungrouped = k_anonymous_profiles(categories, subjects, 1, most_changed=1.0)
    originals = {name: codes[released][first] for name, codes in ungrouped.codes.items()}
    shown = {name: codes[released][first] for name, codes in anonymous.codes.items()}
    # Equally near people are equally probable; a random order breaks the ties.
    rng = np.random.default_rng(seed)
    right = np.zeros(len(persons))
    for _ in range(20):
        order = rng.permutation(len(persons))
        guess = order[nearest_profiles(shown, {n: c[order] for n, c in originals.items()})]
        right += guess == np.arange(len(persons))
    right /= 20
    again = right[rng.integers(len(persons), size=(N_BOOTSTRAP, len(persons)))].mean(axis=1)
    low, high = np.percentile(again, [2.5, 97.5])
    return float(right.mean()), float(low), float(high)


def figures_of(
    categories: Categories, subjects: NDArray, k: int, arguments: Namespace
) -> dict[str, Any]:
    """Return the figures of one k."""
    k = min(k, len(np.unique(subjects)))
    anonymous = k_anonymous_profiles(categories, subjects, k)
    rank_1, low, high = attack(categories, subjects, anonymous, arguments.seed)
    return anonymous.to_dict() | {
        "people": len(np.unique(subjects)),
        "suppressed": float(anonymous.suppressed.mean()),
        "kept": fraction_kept(categories, anonymous, rare=False),
        "kept, rare": fraction_kept(categories, anonymous, rare=True),
        "attacker": rank_1,
        "low": low,
        "high": high,
    }


def release_figures(name: str, k: int, arguments: Namespace) -> dict[str, Any]:
    """Return the worst attack on signals released with a k, and what the release preserves."""
    protocol = load(name, arguments)
    if RELEASED[name] > 1:
        thin_out(protocol, RELEASED[name])
    beats = QRSSegmenter(window=1000, **protocol.segmenter).fit_transform(protocol.records)
    model = PseudoIdentityAnonymizer(k=k, random_state=arguments.seed)
    model.fit(beats, protocol.subjects)
    release = Release.by(model, beats, protocol.subjects, sessions=protocol.sessions)
    attackers = ["lda"] if arguments.quick else ["lda", "trees", "rhythm", "intervals"]
    evaluation = evaluate(
        release,
        attackers,
        evidence=("recording", "linked"),
        random_state=arguments.seed,
    )
    worst = evaluation.worst
    before, after = (
        measure(side, remember=False).categories()
        for side in (release.original, release.released)
    )
    same = [(after[n] == before[n])[before[n] != UNMEASURED] for n in before]
    return {
        "worst": worst.rank1,
        "low": worst.low,
        "high": worst.high,
        "attacker": f"{worst.attacker}, {worst.knowledge}",
        "categories": float(np.concatenate(same).mean()),
    }


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--databases", nargs="+", default=list(DATABASES), choices=DATABASES)
    parser.add_argument("--k", nargs="+", type=int, default=[1, 2, 3, 5])
    parser.add_argument("--release", action="store_true", help="also attack signals")
    arguments = parser.parse_args(argv)
    print_header(arguments)
    results = Results(arguments.out)
    columns = ["people", "reached", "n_classes", "suppressed", "kept", "kept, rare"]
    columns += ["attacker", "low", "high"]
    for name in arguments.databases[:1] if arguments.quick else arguments.databases:
        measured: list[tuple[Categories, NDArray]] = []

        def figures(k: int, name: str = name, measured: list = measured) -> dict[str, Any]:
            if not measured:
                measured.append(read(name, arguments))
            return figures_of(*measured[0], k, arguments)

        rows = []
        for k in arguments.k:
            key = {"database": name, "k": k, "seed": arguments.seed, "quick": arguments.quick}
            row = results.measure(key, lambda k=k, figures=figures: figures(k))
            rows.append([k, *(row[column] for column in columns)])
        print(f"\n{name}\n{table(['k', *columns], rows)}", flush=True)
    if arguments.release:
        columns = ["worst", "low", "high", "attacker", "categories"]
        rows = []
        for name in [n for n in RELEASED if n in arguments.databases]:
            for k in (1, 5) if not arguments.quick else (2,):
                key = {"release": name, "k": k, "seed": arguments.seed}
                key |= {"quick": arguments.quick}
                row = results.measure(key, lambda n=name, k=k: release_figures(n, k, arguments))
                rows.append([name, k, *(row[column] for column in columns)])
        print(f"\nreleases\n{table(['database', 'k', *columns], rows)}", flush=True)
    return results.rows


if __name__ == "__main__":
    main()
