"""Measure QRSSegmenter on the MIT-BIH Arrhythmia Database: accuracy, speed, stitching.

Run it with one thread, as tests do: ``OMP_NUM_THREADS=1 python benchmarks/segmentation.py``.
It reads the 48 records (1.3 GB in memory, 3 GB at the peak) and needs half a minute.

Times are the best of `--repeats` interleaved rounds: the first round also pays for pages
that the operating system hands out for the first time, and is printed too.

F1 is gross, over all beats of the 48 records, with each beat matched at most once.
"""

from __future__ import annotations

import argparse
from datetime import date
from time import perf_counter

import numpy as np
import scipy
import sklearn
import sleepecg
from numpy.typing import NDArray

from sklearn_ecganon import ECGRecord, QRSSegmenter
from sklearn_ecganon.datasets import fetch_mitdb


def matches(found: NDArray[np.intp], reference: NDArray[np.intp], reach: float) -> int:
    """Return how many beats can be paired within `reach` samples, each used once."""
    i = j = n_pairs = 0
    found, reference = found.tolist(), reference.tolist()
    while i < len(found) and j < len(reference):
        if abs(found[i] - reference[j]) <= reach:
            n_pairs, i, j = n_pairs + 1, i + 1, j + 1
        elif found[i] < reference[j]:
            i += 1
        else:
            j += 1
    return n_pairs


def f1(found: list[NDArray], reference: list[NDArray], reach: float) -> tuple[float, float]:
    """Return gross F1 and the worst record's."""
    pairs = np.array([matches(a, b, reach) for a, b in zip(found, reference, strict=True)])
    totals = np.array([len(a) + len(b) for a, b in zip(found, reference, strict=True)])
    return float(2 * pairs.sum() / totals.sum()), float((2 * pairs / totals).min())


def peaks(records: list[ECGRecord], segmenter: QRSSegmenter) -> list[NDArray]:
    beats = segmenter.fit_transform(records)
    bounds = beats.bounds()
    return [beats.r_peaks[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def bare(records: list[ECGRecord]) -> list[NDArray]:
    # the detection lead is the first: fetch_mitdb puts MLII there where it exists
    return [sleepecg.detect_heartbeats(r.signal[:, 0], r.sampling_rate) for r in records]


def timed(function, *args):
    start = perf_counter()
    result = function(*args)
    return perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="holds mitdb; default: SKLEARN_ECGANON_DATA")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--detectors",
        nargs="+",
        default=["sleepecg"],
        help="more rows in the F1 table: neurokit, and xqrs, gqrs (minutes each)",
    )
    args = parser.parse_args()
    records = fetch_mitdb(data_home=args.data_home).data
    rate = records[0].sampling_rate
    hours = sum(record.duration for record in records) / 3600
    print(
        f"{date.today()}: {len(records)} records, {hours:.1f} h, {rate:g} Hz; "
        f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, sleepecg {sleepecg.__version__}"
    )

    print("\nround   detection   segmenter   stitching  (s)")
    rounds = []
    segmenter = QRSSegmenter()
    for i in range(args.repeats):
        detection, _ = timed(bare, records)
        segmenting, beats = timed(segmenter.fit_transform, records)
        stitching, stitched = timed(segmenter.inverse_transform, beats)
        del beats, stitched  # so that the next round gets their memory
        rounds.append((detection, segmenting, stitching))
        print("{:5d}{:12.2f}{:12.2f}{:12.2f}".format(i + 1, *rounds[-1]))
    best = np.min(rounds, axis=0)
    print(" best{:12.2f}{:12.2f}{:12.2f}".format(*best))
    print(f"segmenter / detection: {best[1] / best[0]:.2f}  (bar: <= 3)")

    annotated = [record.r_peaks for record in records]
    table = {"sleepecg, not refined": (bare(records), annotated)}
    for name in args.detectors:
        found = peaks(records, QRSSegmenter(name))
        table[f"{name}, refined"] = (found, annotated)
    beats = segmenter.transform(records)
    stitched = segmenter.inverse_transform(beats)
    original = peaks(records, segmenter)
    table["stitched / original"] = (peaks(stitched, segmenter), original)
    table["  sleepecg, not refined"] = (bare(stitched), bare(records))
    print("\nF1                             150 ms    worst      50 ms    worst")
    for name, (found, reference) in table.items():
        scores = [f1(found, reference, ms * rate / 1000) for ms in (150, 50)]
        print("{:26s}{:11.4f}{:9.4f}{:11.4f}{:9.4f}".format(name, *scores[0], *scores[1]))
    print("(bars: detection 0.989 and 0.983; stitched 0.99 at 50 ms)")

    inside = 0.0
    for record, old, new in zip(records, stitched, beats, strict=True):
        reach = new.r_peaks[:, None] + np.arange(new.n_times) - new.n_times // 2
        reach = reach[(reach >= 0) & (reach < record.n_times)]
        inside = max(inside, float(np.abs(record.signal[reach] - old.signal[reach]).max()))
    print(f"largest error of a stitched record inside its windows: {inside:g} mV (bar: 0)")


if __name__ == "__main__":
    main()
