"""Measure QRSSegmenter on the MIT-BIH Arrhythmia Database: accuracy, speed, stitching.

    OMP_NUM_THREADS=1 python -m benchmarks.segmentation [--repeats 5] [--detectors sleepecg]

The script reads the 48 recordings (1.3 GB in memory, 3 GB at the peak) and needs half a minute.
Times are the best of ``--repeats`` interleaved rounds. The first round also pays for memory
pages that the operating system provides for the first time; it is printed too. F1 is gross,
over all beats of the recordings, and each beat is matched at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import scipy
import sklearn
import sleepecg
from numpy.typing import NDArray

from benchmarks._results import QUICK, make_parser, print_header, table
from sklearn_ecganon import BeatSet, ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import fetch_mitdb
from sklearn_ecganon.metrics import detection_scores

TOLERANCES_MS = (150, 50)


def f1_scores(
    detected: list[NDArray], reference: list[NDArray], tolerance: float
) -> tuple[float, float]:
    """Return the gross F1, and that of the worst recording; the tolerance is in samples."""
    scores = [
        detection_scores(r, d, tolerance) for r, d in zip(reference, detected, strict=True)
    ]
    counts = np.array(scores).sum(axis=0)
    return float(2 * counts[0] / (2 * counts[0] + counts[1] + counts[2])), min(
        score.f1 for score in scores
    )


def r_peaks_of(beats: BeatSet) -> list[NDArray]:
    """Return the R peaks of each record."""
    bounds = beats.bounds()
    return [beats.r_peaks[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def detect(records: list[ECGRecord]) -> list[NDArray]:
    """Return what sleepecg alone detects in the first lead, MLII where there is one."""
    return [sleepecg.detect_heartbeats(r.signal[:, 0], r.sampling_rate) for r in records]


def timed(function: Callable, *args: Any) -> tuple[float, Any]:
    """Return the seconds of a call and what it returned."""
    start = perf_counter()
    result = function(*args)
    return perf_counter() - start, result


def measure_speed(records: list[ECGRecord], n_rounds: int) -> dict[str, Any]:
    """Print and return the seconds of detection, segmentation and stitching."""
    segmenter, rounds = QRSSegmenter(), []
    for _ in range(n_rounds):
        detection, _ = timed(detect, records)
        segmentation, beats = timed(segmenter.fit_transform, records)
        stitching, stitched = timed(segmenter.inverse_transform, beats)
        del beats, stitched  # so that the next round can use their memory
        rounds.append((detection, segmentation, stitching))
    best = np.min(rounds, axis=0)
    rows = [(i + 1, *row) for i, row in enumerate(rounds)] + [("best", *best)]
    print(table(["round", "detection, s", "segmenter, s", "stitching, s"], rows))
    print(f"segmenter / detection: {best[1] / best[0]:.2f} (bar: <= 3)\n", flush=True)
    return {"name": "speed", "ratio": float(best[1] / best[0]), "stitching": float(best[2])}


def measure_accuracy(records: list[ECGRecord], detectors: Sequence[str]) -> list[dict]:
    """Print and return F1 of the detectors, and of the R peaks of stitched records."""
    segmenter = QRSSegmenter()
    beats = segmenter.fit_transform(records)
    stitched = segmenter.inverse_transform(beats)
    original = r_peaks_of(beats)
    again = r_peaks_of(segmenter.transform(stitched))
    annotated = [record.r_peaks for record in records]
    pairs = {"sleepecg, not refined": (detect(records), annotated)}
    for name in detectors:
        detected = r_peaks_of(QRSSegmenter(name).fit_transform(records))
        pairs[f"{name}, refined"] = (detected, annotated)
    pairs["stitched / original"] = (again, original)
    pairs["the same, not refined"] = (detect(stitched), detect(records))
    rows = []
    for name, (detected, reference) in pairs.items():
        row: dict[str, Any] = {"name": name}
        for ms in TOLERANCES_MS:
            tolerance = ms * records[0].sampling_rate / 1000
            row[f"{ms} ms"], row[f"worst, {ms} ms"] = f1_scores(detected, reference, tolerance)
        rows.append(row)
    print(table(list(rows[0]), [row.values() for row in rows]))
    print("(bars: detection 0.989 and 0.983; stitched 0.99 at 50 ms)")
    largest = 0.0
    for record, copy, of_record in zip(records, stitched, beats, strict=True):
        samples = of_record.r_peaks[:, None] + np.arange(beats.n_times) - beats.n_times // 2
        samples = samples[(samples >= 0) & (samples < record.n_times)]
        error = np.abs(record.signal[samples] - copy.signal[samples]).max()
        largest = max(largest, float(error))
    print(f"largest error of a stitched record inside its windows: {largest:g} mV (bar: 0)")
    return [*rows, {"name": "largest error, mV", "error": largest}]


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--detectors",
        nargs="+",
        default=["sleepecg"],
        help="more rows in the table of F1: neurokit, and xqrs, gqrs (minutes each)",
    )
    arguments = parser.parse_args(argv)
    if arguments.quick:
        records = make_ecg_records(**QUICK, n_leads=2).data
    else:
        records = fetch_mitdb(data_home=arguments.data_home).data
    print_header(arguments)
    print(
        f"{len(records)} records, {sum(record.duration for record in records) / 3600:.1f} h; "
        f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, sleepecg {sleepecg.__version__}\n"
    )
    n_rounds = 1 if arguments.quick else arguments.repeats
    return [
        measure_speed(records, n_rounds),
        *measure_accuracy(records, arguments.detectors),
    ]


if __name__ == "__main__":
    main()
