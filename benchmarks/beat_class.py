"""Measure the judges of beat classes on MIT-BIH: train on DS1, test on DS2, originals only.

De Chazal's inter-patient split. Published figures stand beside ours.

    OMP_NUM_THREADS=1 python benchmarks/beat_class.py [--seeds 3]
"""

from __future__ import annotations

import argparse
from datetime import date
from time import perf_counter

import numpy as np

from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.datasets import DS1, DS2, fetch_mitdb
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="holds mitdb; default: SKLEARN_ECGANON_DATA")
    parser.add_argument("--judges", nargs="+", default=["conv", "forest"])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    records = fetch_mitdb(data_home=args.data_home, records=[*DS1, *DS2]).data
    beats = QRSSegmenter("annotated").fit_transform(records)
    counts = dict(zip(*np.unique(beats.labels, return_counts=True), strict=True))
    print(f"{date.today()}: {beats}; {', '.join(f'{n} {k}' for k, n in counts.items())}\n")
    print(
        f"{'judge':22s}" + "".join(f"{name:>10s}" for name in COLUMNS.values()) + "         s"
    )
    for name in args.judges:
        rows = []
        for seed in range(args.seeds):
            start = perf_counter()
            judge = BeatClassUtility(name, crossings=["trtr"], random_state=seed)
            figures = judge.evaluate(beats, beats)
            rows.append([figures[f"trtr_{key}"] for key in COLUMNS])
            show(f"{name}, seed {seed}", rows[-1], perf_counter() - start)
        show(f"{name}, mean", np.mean(rows, axis=0))
    print("\nPublished: " + "; ".join(f"{who}: {what}" for who, what in PUBLISHED.items()))


def show(name: str, row: list[float] | np.ndarray, seconds: float | None = None) -> None:
    taken = "" if seconds is None else f"{seconds:10.0f}"
    print(f"{name:22s}" + "".join(f"{value:10.3f}" for value in row) + taken, flush=True)


if __name__ == "__main__":
    main()
