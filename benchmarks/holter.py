"""Measure the time and memory of `ecganon anonymize` on one long recording, and its parts.

    OMP_NUM_THREADS=1 python -m benchmarks.holter [--days 1] [--repeat 1] [--method NAME]

The script joins the 48 half hours of the MIT-BIH Arrhythmia Database (two leads, 360 Hz) into a
day, repeats it ``--days`` times, and runs the command on it in a separate process. It prints
wall time, CPU time and peak memory, from the start of the interpreter to its end. Then it
prints the CPU seconds of the parts, one after the other without threads, and those of the
floor: a plain read, sleepecg and a plain write, with the detector on the whole recording and
on half hours.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sleepecg

from benchmarks._results import QUICK, make_parser, print_header, table
from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.datasets import get_data_home
from sklearn_ecganon.io import Annotations, Layout, create_record, open_record

RATE = 360.0
UNITS_PER_MV = 200.0  # of the database; the scale does not matter to the floor
N_TIMES = 650_000  # of one recording of MIT-BIH
LEADS = ("MLII", "V1")


def write_synthetic_parts(folder: Path) -> list[Path]:
    """Write a few short records in place of the database; return their headers."""
    headers = []
    settings = QUICK | {"n_subjects": 3, "n_sessions": 1}
    for record in make_ecg_records(**settings, n_leads=2, sampling_rate=RATE).data:
        path = folder / f"{record.name.replace('/', '-')}.hea"
        with create_record(path, Layout("wfdb", RATE, LEADS, record.n_times)) as writer:
            writer.write(record.signal)
            writer.annotations = Annotations(
                record.r_peaks, record.beat_labels, np.full(len(record.r_peaks), "")
            )
        headers.append(path)
    return headers


def join_recordings(headers: list[Path], path: Path, n_times: int, n_repeats: int) -> None:
    """Write one long recording, with the annotations of its parts."""
    total = n_times * len(headers) * n_repeats
    layout = Layout("wfdb", RATE, LEADS, total)
    samples, symbols, notes = [], [], []
    with create_record(path, layout) as writer:
        for number, header in enumerate(headers * n_repeats):
            with open_record(header) as reader:
                writer.write(reader.read())
                samples.append(reader.annotations.samples + number * n_times)
                symbols.append(reader.annotations.symbols)
                notes.append(reader.annotations.notes)
        writer.annotations = Annotations(*map(np.concatenate, (samples, symbols, notes)))


def run_command(source: Path, out: str, method: str) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak MB of the command as a user runs it."""
    command = [sys.executable, "-m", "sklearn_ecganon", "anonymize", str(source), out]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--method", method])
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu or usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure_parts(source: Path, target: Path, n_times: int) -> dict[str, float]:
    """Return the CPU seconds of each part, half hour by half hour.

    The parts are those of the public classes: the same work as the command's, except that
    each half hour gets a separate pseudo-identity.
    """
    seconds: dict[str, float] = defaultdict(float)
    start = time.process_time()

    def note(name: str) -> None:
        nonlocal start
        seconds[name] += time.process_time() - start
        start = time.process_time()

    model = PseudoIdentityAnonymizer.from_pretrained()
    segmenter = QRSSegmenter()
    note("load")
    with open_record(source) as reader:
        layout = Layout("wfdb", RATE, LEADS, reader.layout.n_times)
        with create_record(target, layout) as writer:
            for first in range(0, reader.layout.n_times, n_times):
                signal = reader.read(first, first + n_times)
                note("read")
                beats = segmenter.fit_transform([ECGRecord(signal, RATE, LEADS)])
                note("detect and cut")
                released = model.transform(beats)
                note("anonymize")
                [stitched] = segmenter.inverse_transform(released)
                note("stitch")
                writer.write(stitched.signal)
                note("write")
    return dict(seconds)


def measure_floor(source: Path, target: Path, n_times: int) -> dict[str, float]:
    """Return the CPU seconds of a plain read, detection and a plain write."""
    n_total = len(np.fromfile(source, "<i2")) // 2
    seconds = {}
    for name, length in (("whole", n_total), ("half hours", n_times)):
        start = time.process_time()
        digital = np.fromfile(source, "<i2").reshape(-1, 2)
        trace = digital[:, 0] / UNITS_PER_MV
        for first in range(0, len(trace), length):
            sleepecg.detect_heartbeats(trace[first : first + length], RATE)
        digital.tofile(target)
        seconds[name] = time.process_time() - start
    return seconds


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--method", default="pseudo-identity")
    parser.add_argument("--no-parts", action="store_true")
    arguments = parser.parse_args(argv)
    print_header(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = folder / "in"
        source.mkdir()
        if arguments.quick:
            parts = folder / "parts"
            parts.mkdir()
            headers, n_times = write_synthetic_parts(parts), round(QUICK["duration"] * RATE)
        else:
            headers = sorted((get_data_home(arguments.data_home) / "mitdb").glob("*.hea"))
            n_times = N_TIMES
        join_recordings(headers, source / "day.hea", n_times, arguments.days)
        hours = arguments.days * len(headers) * n_times / RATE / 3600
        print(
            f"{hours:.1f} h, 2 leads, {RATE:g} Hz, {platform.machine()}, "
            f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
        )
        for number in range(arguments.repeat):
            wall, cpu, peak = run_command(source, f"{folder}/out{number}", arguments.method)
            rows.append({"part": "command", "wall, s": wall, "CPU, s": cpu, "peak, MB": peak})
        if not arguments.no_parts:
            floor = measure_floor(source / "day.dat", folder / "floor.dat", n_times)
            for part, seconds in measure_parts(
                source / "day.hea", folder / "parts.hea", n_times
            ).items():
                rows.append({"part": part, "CPU, s": seconds})
            total = sum(row["CPU, s"] for row in rows if row["part"] != "command")
            for name, seconds in floor.items():
                rows.append({"part": f"floor, {name}", "CPU, s": seconds})
                print(f"parts together / floor, {name}: {total / seconds:.1f}")
    columns = ["part", "wall, s", "CPU, s", "peak, MB"]
    print(table(columns, [[row.get(name) for name in columns] for row in rows]))
    return rows


if __name__ == "__main__":
    main()
