"""Hold the intervals that contracts are about against the cardiologists' marks of LUDB.

    python benchmarks/delineation.py --nets NETS     (once: trains one net a fold)
    python benchmarks/intervals.py --nets NETS [--data-home DIR] [--window MS]

Each record is measured by a net that has not seen it, from its beats as an anonymizer would
hand them on. Errors are of a record's medians, which is what IntervalUtility compares; ST is
read twice from the same signal, at the marked edges and at those found. With more leads the
marks are combined as the delineator combines its own.
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import numpy as np
from delineation import read_marks
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from sklearn_ecganon import ECGRecord, QRSSegmenter
from sklearn_ecganon.contracts import TOLERANCES, measure, st_levels
from sklearn_ecganon.datasets import fetch_ludb, get_data_home
from sklearn_ecganon.delineation import WAVES, Delineation, Delineator

LEADS = (["II"], ["II", "V5"])
QRS_REACH_MS = 150.0


def marked(record: ECGRecord, folder: Path, leads: list[str]) -> Delineation:
    """Return what the cardiologists marked, as a delineator would say it."""
    peaks, reach = record.r_peaks, QRS_REACH_MS * record.sampling_rate / 1000
    positions = np.full((len(peaks), len(leads), 3, 3), np.nan)
    before, after = np.r_[-1, peaks[:-1]], np.r_[peaks[1:], record.n_times]
    ranges = {"P": (before, peaks), "QRS": (peaks - reach, peaks + reach), "T": (peaks, after)}
    for i, lead in enumerate(leads):
        marks = read_marks(folder / record.name, lead)
        for w, wave in enumerate(WAVES):
            rows = marks.waves[wave]
            for beat, (low, high) in enumerate(zip(*ranges[wave], strict=True)):
                own = rows[(rows[:, 1] > low) & (rows[:, 1] < high)]
                if len(own):
                    positions[beat, i, w] = own[-1 if wave == "P" else 0]
    unknown = np.full(positions.shape[:3], np.nan)
    return Delineation(
        positions, unknown, peaks, record.sampling_rate, tuple(leads), record.name
    )


def medians(record: ECGRecord, waves: Delineation) -> dict[str, float]:
    """Return the medians of a record, by the rules of `Measurements.medians`."""
    trace = record.signal[:, record.lead_names.index("II")]
    edges = (waves["QRS", point][:, 0] for point in ("onset", "offset"))
    values = {name: v[:, 0] for name, v in waves.intervals().items()}
    values["ST"] = st_levels(trace, *edges, record.sampling_rate / 1000)
    found = {}
    for name, of_beats in values.items():
        known = of_beats[np.isfinite(of_beats)]
        enough = len(known) and (name != "PR" or 2 * len(known) >= len(of_beats))
        found[name] = float(np.median(known)) if enough else np.nan
    return found


def print_table(found: dict[str, NDArray], wanted: dict[str, NDArray]) -> None:
    print(f"{'':6s}{'records':>9s}{'median error':>14s}{'bias':>9s}{'90 % within':>13s}")
    for name in TOLERANCES:
        error = found[name] - wanted[name]
        error = error[np.isfinite(error)]
        size = np.median(np.abs(error)), np.median(error), np.percentile(np.abs(error), 90)
        form = "{:14.4f}{:9.4f}{:13.4f}" if name == "ST" else "{:14.1f}{:9.1f}{:13.1f}"
        print(f"{name:6s}{len(error):9d}" + form.format(*size))
    none, none_found = (np.isnan(side["PR"]) for side in (wanted, found))
    print(
        f"P waves or none: {np.mean(none == none_found):.3f} of the records agree; claimed in "
        f"{(none & ~none_found).sum()} of {none.sum()} without"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=Path, required=True, help="by delineation.py --nets")
    parser.add_argument("--data-home", help="holds ludb; default: SKLEARN_ECGANON_DATA")
    parser.add_argument("--window", type=float, default=800.0, help="of a beat, in ms")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    records = fetch_ludb(data_home=args.data_home).data
    folder = get_data_home(args.data_home) / "ludb"
    folds = list(KFold(args.folds, shuffle=True, random_state=args.seed).split(records))
    print(f"{date.today()}: LUDB, {len(records)} records, windows of {args.window:g} ms")
    for leads in LEADS:
        segment = QRSSegmenter("annotated", refine=0, leads=leads, window=args.window)
        found, wanted = (
            {name: np.full(len(records), np.nan) for name in TOLERANCES} for _ in range(2)
        )
        for k, (_, unseen) in enumerate(folds):
            name = f"fold{k + 1}of{args.folds}-seed{args.seed}-epochs{args.epochs}.safetensors"
            chosen = [records[i] for i in unseen]
            beats = segment.fit_transform(chosen)
            measured = measure(beats, delineator=Delineator(weights=args.nets / name)).medians()
            for row, (i, record) in enumerate(zip(unseen, chosen, strict=True)):
                truth = medians(record, marked(record, folder, leads).combined())
                for name in TOLERANCES:
                    found[name][i], wanted[name][i] = measured[name][row], truth[name]
        print(f"\nleads {', '.join(leads)}; ms, ST in mV")
        print_table(found, wanted)


if __name__ == "__main__":
    main()
