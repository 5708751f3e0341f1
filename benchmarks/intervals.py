"""Compare the intervals that contracts measure with the cardiologists' annotations of LUDB.

    OMP_NUM_THREADS=1 python -m benchmarks.intervals --nets FOLDER [--window MS]

Each record is measured by a net that has not seen it, from its beats as an anonymizer would
release them. `benchmarks.delineation` trains one net for each fold into the same folder; those
that are missing are trained here. Errors are of a record's medians, which is what
IntervalUtility compares. ST is read twice from the same signal: at the annotated edges and at
those that were detected. With several leads the annotations are combined as the delineator
combines its positions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import make_parser, print_header, table
from benchmarks.delineation import fold_nets, load_annotated
from sklearn_ecganon import ECGRecord, QRSSegmenter
from sklearn_ecganon.contracts import TOLERANCES, measure, st_levels
from sklearn_ecganon.datasets import WaveAnnotations
from sklearn_ecganon.delineation import WAVES, Delineation, Delineator

LEADS = (["II"], ["II", "V5"])
QRS_REACH_MS = 150.0


def as_delineation(
    record: ECGRecord, waves: Mapping[str, WaveAnnotations], leads: list[str]
) -> Delineation:
    """Return the cardiologists' annotations in the form of a delineator's answer."""
    peaks, reach = record.r_peaks, QRS_REACH_MS * record.sampling_rate / 1000
    positions = np.full((len(peaks), len(leads), 3, 3), np.nan)
    before, after = np.r_[-1, peaks[:-1]], np.r_[peaks[1:], record.n_times]
    ranges = {"P": (before, peaks), "QRS": (peaks - reach, peaks + reach), "T": (peaks, after)}
    for i, lead in enumerate(leads):
        for w, wave in enumerate(WAVES):
            rows = getattr(waves[lead], wave)
            for beat, (low, high) in enumerate(zip(*ranges[wave], strict=True)):
                of_beat = rows[(rows[:, 1] > low) & (rows[:, 1] < high)]
                if len(of_beat):
                    positions[beat, i, w] = of_beat[-1 if wave == "P" else 0]
    unknown = np.full(positions.shape[:3], np.nan)
    return Delineation(
        positions, unknown, peaks, record.sampling_rate, tuple(leads), record.name
    )


def medians(record: ECGRecord, delineation: Delineation) -> dict[str, float]:
    """Return the medians of a record, by the rules of `Measurements.medians`."""
    trace = record.signal[:, record.lead_names.index("II")]
    edges = (delineation["QRS", point][:, 0] for point in ("onset", "offset"))
    values = {name: v[:, 0] for name, v in delineation.intervals().items()}
    values["ST"] = st_levels(trace, *edges, record.sampling_rate / 1000)
    result = {}
    for name, of_beats in values.items():
        known = of_beats[np.isfinite(of_beats)]
        enough = len(known) and (name != "PR" or 2 * len(known) >= len(of_beats))
        result[name] = float(np.median(known)) if enough else np.nan
    return result


def compare(
    leads: list[str], measured: dict[str, NDArray], annotated: dict[str, NDArray]
) -> list[dict[str, Any]]:
    """Print and return the errors of one choice of leads."""
    rows = []
    for name in TOLERANCES:
        error = measured[name] - annotated[name]
        error = error[np.isfinite(error)]
        rows.append(
            {
                "interval": name,
                "records": len(error),
                "median error": float(np.median(np.abs(error))) if len(error) else None,
                "bias": float(np.median(error)) if len(error) else None,
                "90 % within": float(np.percentile(np.abs(error), 90)) if len(error) else None,
            }
        )
    print(f"\nleads {', '.join(leads)}; ms, ST in mV")
    print(table(list(rows[0]), [row.values() for row in rows]))
    absent, not_measured = (np.isnan(side["PR"]) for side in (annotated, measured))
    print(
        f"P waves present or absent: {np.mean(absent == not_measured):.3f} of the records "
        f"agree; claimed in {(absent & ~not_measured).sum()} of {absent.sum()} without"
    )
    return [{"leads": ", ".join(leads), **row} for row in rows]


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--nets", type=Path, help="the folder of the nets, one for each fold")
    parser.add_argument("--window", type=float, default=800.0, help="of a beat, in ms")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.folds, arguments.epochs = 2, 1
    print_header(arguments)
    protocol = load_annotated(arguments)
    nets = fold_nets(protocol, arguments, arguments.nets or Path(tempfile.mkdtemp()))
    rows = []
    for leads in LEADS:
        segmenter = QRSSegmenter("annotated", refine=0, leads=leads, window=arguments.window)
        measured, annotated = (
            {name: np.full(len(protocol.records), np.nan) for name in TOLERANCES}
            for _ in range(2)
        )
        for path, unseen in nets:
            records = [protocol.records[i] for i in unseen]
            # A net that was trained for one epoch on few records is not worth measuring.
            delineator = Delineator() if arguments.quick else Delineator(weights=path)
            beats = segmenter.fit_transform(records)
            values = measure(beats, delineator=delineator).medians()
            for row, (i, record) in enumerate(zip(unseen, records, strict=True)):
                reference = as_delineation(record, protocol.waves[i], leads).combined()
                truth = medians(record, reference)
                for name in TOLERANCES:
                    measured[name][i], annotated[name][i] = values[name][row], truth[name]
        rows += compare(leads, measured, annotated)
    return rows


if __name__ == "__main__":
    main()
