"""Measure 12-lead releases of people whom the population does not know.

    OMP_NUM_THREADS=1 python -m benchmarks.realism [--parts realism labels categories ...]

PTB-XL (300 people) is divided into five folds of people. For each fold, a population of
synthetic people is learned from the others, LUDB and MIT-BIH, and the fold is released under
the diagnostic contract.

realism     Two-sample AUC, Frechet distance, precision and recall of strips, with the control
            of real people against other real people; for 12 leads and for lead II.
outside     The package ecgen-eval, if it is installed: Frechet distance and precision/recall of
            100 releases against 100 other people, beside 100 other people; five splits.
labels      Diagnostic superclasses: train on release and test on originals, and crosswise.
categories  Diagnostic categories that the release keeps.
validity    Limb leads, jumps, noise, R peaks and so on, beside the originals.
speed       CPU time of a recording of 10 s and 12 leads: segmentation and release.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import BeatSet, QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer, TrainingSource
from sklearn_ecganon.contracts import measure
from sklearn_ecganon.metrics import strip_realism
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation import cut_strips, stitch_record
from sklearn_ecganon.utility import label_utility, validity
from tools.train_pseudo_identity import WINDOW_MS, load_source

SAMPLING_RATE = 100.0
N_FOLDS = 5
N_SIDE = 100  # people on each side of the outside judge
N_SPLITS = 5


class OpenRelease:
    """Releases of people by populations that do not contain them.

    Parameters
    ----------
    arguments : argparse.Namespace
        The settings of the run.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        name = "synthetic" if arguments.quick else "ptbxl-300"
        self.protocol = load(name, arguments, n_subjects=24, n_sessions=1, duration=12.0)
        leads = self.protocol.segmenter.get("leads")
        segmenter = QRSSegmenter(leads=leads, on_error="mask")
        beats: BeatSet = segmenter.fit_transform(self.protocol.records)
        # A record whose beats cannot be found has no release.
        self.usable = np.flatnonzero(np.diff(beats.bounds()) > 1)
        self.beats = beats[self.usable]
        self.segmenter = segmenter
        self.records = [self.protocol.records[i] for i in self.usable]
        if arguments.quick:
            self.folds = np.arange(len(self.usable)) % 2
        else:
            self.folds = np.asarray(self.protocol.folds)[self.usable] % N_FOLDS

    @cached_property
    def released(self) -> BeatSet:
        """Return the release of all records."""
        others = []
        if not self.arguments.quick:
            others = [load_source(name, self.arguments) for name in ("ludb", "mitdb")]
        parts: dict[int, BeatSet] = {}
        for fold in np.unique(self.folds):
            inside = np.flatnonzero(self.folds != fold)
            wide = QRSSegmenter(
                window=WINDOW_MS, leads=self.segmenter.leads, on_error="mask"
            ).fit_transform([self.records[i] for i in inside])
            model = PseudoIdentityAnonymizer(random_state=self.arguments.seed)
            model.fit_sources([TrainingSource(wide), *others])
            rows = np.flatnonzero(self.folds == fold)
            release = model.transform(self.beats[rows])
            parts |= {int(row): release[i] for i, row in enumerate(rows)}
            print(f"fold {fold}: {len(inside)} people known, {len(rows)} released", flush=True)
        return BeatSet.concatenate([parts[i] for i in range(len(self.records))])

    @cached_property
    def released_records(self) -> list[ECGRecord]:
        """Return the released recordings."""
        return [stitch_record(self.released, i) for i in range(len(self.released))]

    def strips(self, records: Sequence[ECGRecord]) -> NDArray[np.float64]:
        """Return the first 10 s of each record, filtered to 1 to 40 Hz."""
        strips = cut_strips(records, sampling_rate=SAMPLING_RATE)
        first = np.unique(strips.record, return_index=True)[1]
        return strips.values[first].astype(np.float64)


def realism(study: OpenRelease) -> list[dict[str, Any]]:
    """Print realism of strips beside its control."""
    real, released = study.strips(study.records), study.strips(study.released_records)
    names = [name.upper() for name in study.records[0].lead_names]
    lines, rows = [], []
    for title, leads in (("all leads", slice(None)), ("II", [names.index("II")])):
        people = np.arange(len(real))
        figures = strip_realism(
            real[:, leads],
            released[:, leads],
            people,
            people,
            sampling_rate=SAMPLING_RATE,
            random_state=study.arguments.seed,
        )
        for name in ("auc", "frechet", "precision", "recall"):
            pair = getattr(figures, name), getattr(figures, f"{name}_control")
            lines.append((f"{title}, {name}", *pair))
            rows.append({"figure": f"{title}, {name}", "release": pair[0], "control": pair[1]})
    print(table(["figure", "release", "real against real"], lines), flush=True)
    return rows


def outside(study: OpenRelease) -> list[dict[str, Any]]:
    """Print the figures of ecgen-eval over several splits, and of its control."""
    if not find_spec("ecgen_eval"):
        print("ecgen-eval is not installed")
        return []
    real, released = study.strips(study.records), study.strips(study.released_records)
    rng = np.random.default_rng(study.arguments.seed)
    rows = []
    for split in range(N_SPLITS):
        order = rng.permutation(len(real))
        first, second = order[:N_SIDE], order[N_SIDE : 2 * N_SIDE]
        release = _ecgen_eval(real[first], released[second])
        control = _ecgen_eval(real[first], real[second])
        rows += [
            {"split": split, "figure": name, "release": value, "control": control[name]}
            for name, value in release.items()
        ]
    lines = []
    for name in dict.fromkeys(row["figure"] for row in rows):
        sides = np.array(
            [(row["release"], row["control"]) for row in rows if row["figure"] == name]
        )
        ratio = sides[:, 0] / sides[:, 1]
        lines.append((name, *sides.mean(axis=0), ratio.mean(), ratio.min(), ratio.max()))
    header = ["ecgen-eval", "release", "control", "ratio", "smallest", "largest"]
    print(table(header, lines), flush=True)
    return rows


def _ecgen_eval(real: NDArray, generated: NDArray) -> dict[str, float]:
    """Return the figures of ecgen-eval, means over the leads."""
    from ecgen_eval.metrics.fd import FDMetric
    from ecgen_eval.metrics.pr_dist import PRDistMetric

    distributions = PRDistMetric().compute(real, generated)
    return {
        "FD": float(FDMetric().compute(real, generated).score),
        **{
            name: float(np.mean(list(distributions.extra[name].values())))
            for name in ("precision", "recall")
        },
    }


def labels(study: OpenRelease) -> list[dict[str, Any]]:
    """Print what a classifier of diagnostic superclasses learns from releases."""
    if study.arguments.quick:
        columns, names = np.arange(len(study.records)) % 2 == 0, None
    else:
        columns = np.asarray(study.protocol.labels)[study.usable]
        names = study.protocol.label_names
    trees = ExtraTreesClassifier(
        300, min_samples_leaf=2, class_weight="balanced", random_state=study.arguments.seed
    )
    rows = []
    for title, classifier in (("trees", trees), ("net", "net")):
        if title not in study.arguments.classifiers:
            continue
        figures = label_utility(
            study.records,
            study.released_records,
            columns,
            np.arange(len(study.records)),
            label_names=names,
            classifier=classifier,
            n_folds=N_FOLDS,
            random_state=study.arguments.seed,
        )
        rows.append({"classifier": title, **figures})
        for name, value in figures.items():
            print(f"{title + ', ' + name:<40}{value:8.3f}", flush=True)
    return rows


def categories(study: OpenRelease) -> list[dict[str, Any]]:
    """Print the fraction of records whose categories are the same in the release."""
    before, after = measure(study.beats).categories(), measure(study.released).categories()
    agreement = {name: float((values == after[name]).mean()) for name, values in before.items()}
    print(table(["category", "kept"], list(agreement.items())), flush=True)
    return [agreement]


def valid(study: OpenRelease) -> list[dict[str, Any]]:
    """Print the checks of validity.

    The R peaks of PTB-XL are not annotated. Those of the originals are the detected ones, so
    that their own F1 is 1; those of the release are where beats were written.
    """
    bounds = study.beats.bounds()
    records = [
        replace(record, r_peaks=study.beats.r_peaks[first:last], beat_labels=None)
        for record, first, last in zip(study.records, bounds[:-1], bounds[1:], strict=True)
    ]
    figures = validity(records, study.released_records)
    print(figures, flush=True)
    return [figures.to_dict()]


def speed(study: OpenRelease) -> list[dict[str, Any]]:
    """Print the CPU time of one recording."""
    records = study.records[:60]
    model = PseudoIdentityAnonymizer.from_pretrained(random_state=study.arguments.seed)
    model.transform(study.beats[:2])
    start = process_time()
    beats = study.segmenter.fit_transform(records)
    middle = process_time()
    model.transform(beats)
    stop = process_time()
    row = {
        "segmentation, ms": 1000 * (middle - start) / len(records),
        "release, ms": 1000 * (stop - middle) / len(records),
    }
    print(table(["CPU time of a recording", "ms"], list(row.items())), flush=True)
    return [row]


PARTS: dict[str, Callable[[OpenRelease], list[dict[str, Any]]]] = {
    "realism": realism,
    "outside": outside,
    "labels": labels,
    "categories": categories,
    "validity": valid,
    "speed": speed,
}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--classifiers", nargs="+", default=["trees", "net"], help="of labels")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.classifiers = ["trees"]
        arguments.parts = ["labels", "categories", "speed"]
    print_header(arguments)
    results = Results(arguments.out)
    study, rows = OpenRelease(arguments), []
    for part in arguments.parts:
        print(f"\n{part}", flush=True)
        key = {"part": part, "protocol": study.protocol.name, "seed": arguments.seed}
        row = results.measure(key, lambda part=part: {"figures": PARTS[part](study)})
        rows += [{"part": part, **one} for one in row["figures"]]
    return rows


if __name__ == "__main__":
    main()
