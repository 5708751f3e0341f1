"""Measure the classifiers of beats on MIT-BIH: train on DS1, test on DS2, originals only.

De Chazal's inter-patient split. The published figures stand below ours.

    OMP_NUM_THREADS=1 python -m benchmarks.beat_class [--seeds 3]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.utility import BeatClassUtility

COLUMNS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro-F1",
    "sensitivity_S": "S Se",
    "precision_S": "S +P",
    "sensitivity_V": "V Se",
    "precision_V": "V +P",
    "sensitivity_F": "F Se",
    "precision_F": "F +P",
}
PUBLISHED = {
    "de Chazal 2004": "accuracy .86",
    "Mondéjar-Guerra 2019": "accuracy .945",
    "deep nets, inter-patient": "macro-F1 .60-.75",
}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--classifiers", nargs="+", default=["conv", "forest"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args(argv)
    classes = ("N", "S", "V", "F")
    if arguments.quick:
        arguments.classifiers, arguments.seeds, classes = ["forest"], 1, ("N", "V")
    print_header(arguments)
    protocol = load("mitdb-ds1-ds2", arguments, n_sessions=1, duration=40.0)
    beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
    train = np.arange(len(beats)) < len(beats) // 2 if arguments.quick else protocol.train
    # Records, not subjects: 201 and 202 are one person, on both sides of the split.
    groups = np.array(beats.names)
    sides = {"train": groups[train], "test": groups[~train]}
    counts = dict(zip(*np.unique(beats.labels, return_counts=True), strict=True))
    print(f"{beats}; {', '.join(f'{n} {name}' for name, n in counts.items())}\n", flush=True)
    results, rows = Results(arguments.out), []
    for name in arguments.classifiers:
        for seed in range(arguments.seeds):
            utility = BeatClassUtility(
                name, classes=classes, crossings=["trtr"], random_state=seed
            )
            row = results.measure(
                {"protocol": protocol.name, "classifier": name, "seed": seed},
                lambda utility=utility: utility.evaluate(beats, beats, groups, **sides),
            )
            rows.append(row)
    header = ["classifier", *COLUMNS.values(), "s"]
    figures = {
        name: [row for row in rows if row["key"]["classifier"] == name]
        for name in arguments.classifiers
    }
    lines = []
    for name, of_name in figures.items():
        values = [[row.get(f"trtr_{key}", np.nan) for key in COLUMNS] for row in of_name]
        for row, numbers in zip(of_name, values, strict=True):
            lines.append((f"{name}, seed {row['key']['seed']}", *numbers, row["seconds"]))
        lines.append((f"{name}, mean", *np.mean(values, axis=0).tolist(), None))
    print(table(header, lines))
    print("\nPublished: " + "; ".join(f"{who}: {what}" for who, what in PUBLISHED.items()))
    return rows


if __name__ == "__main__":
    main()
