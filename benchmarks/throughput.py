"""Measure the time of anonymizing arrays of 12-lead recordings, and what larger archives cost.

    OMP_NUM_THREADS=1 python -m benchmarks.throughput [--sizes 75 150 300] [--n-jobs 1 2]
        [--protocol ludb]

The recordings are those of PTB-XL at 100 Hz that the data folder holds, or with ``--protocol
ludb`` those of LUDB at 500 Hz, 10 s each, in one array for ``anonymize``; a larger array holds
them several times. The script prints the wall time of
each size and number of workers. A line through the times of one worker separates the cost of a
recording from that of a call, which shows whether the time grows linearly. The last table
multiplies the cost of a recording.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import anonymize, records_to_array

#: PTB-XL as a whole, and MIMIC-IV-ECG.
ARCHIVES = {"PTB-XL": 21_799, "MIMIC-IV-ECG": 800_000}


def load_array(arguments: Any) -> tuple[NDArray[np.float64], float, tuple[str, ...]]:
    """Return the recordings, their sampling rate in Hz and the names of their leads."""
    records = load(arguments.protocol, arguments, n_leads=12, n_sessions=1).records
    return records_to_array(records), records[0].sampling_rate, records[0].lead_names


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--protocol", default="ptbxl-300", choices=("ptbxl-300", "ludb"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[75, 150, 300])
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.sizes, arguments.n_jobs = [2, 4], [1]
    X, rate, leads = load_array(arguments)
    print_header(arguments)

    def seconds(size: int, n_jobs: int) -> dict[str, float]:
        start, cpu = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about single recordings
            anonymize(
                X[np.arange(size) % len(X)],
                rate,
                leads,
                on_error="mask",
                n_jobs=n_jobs,
                random_state=0,
            )
        wall = time.perf_counter() - start
        return {"n": size, "n_jobs": n_jobs, "wall": wall, "cpu": time.process_time() - cpu}

    seconds(2, 1)  # load the weights
    results = Results(arguments.out)
    rows = [
        results.measure({"n": size, "n_jobs": n_jobs}, lambda s=size, j=n_jobs: seconds(s, j))
        for n_jobs in arguments.n_jobs
        for size in arguments.sizes
    ]
    print(
        table(
            ["recordings", "workers", "wall s", "CPU s of this process"],
            [[r["n"], r["n_jobs"], f"{r['wall']:.1f}", f"{r['cpu']:.1f}"] for r in rows],
        )
    )
    one = [row for row in rows if row["n_jobs"] == 1]
    if len(one) < 2:
        return rows
    slope, constant = np.polyfit([r["n"] for r in one], [r["cpu"] for r in one], 1)
    print(f"\nOne worker: {1000 * slope:.0f} ms of CPU a recording, {constant:+.1f} s a call\n")
    print(
        table(
            ["archive", "recordings", "hours of one core"],
            [[name, n, f"{slope * n / 3600:.1f}"] for name, n in ARCHIVES.items()],
        )
    )
    return rows


if __name__ == "__main__":
    main()
