"""Seconds and memory of `ecganon anonymize` over one long recording, and its parts.

    OMP_NUM_THREADS=1 python benchmarks/holter.py [--days 1] [--repeat 1] [--data-home DIR]

Joins the 48 half hours of the MIT-BIH Arrhythmia Database (two leads, 360 Hz) into a day,
as often as `--days` says, runs the command on it in a process of its own, and prints wall
time, CPU time and peak memory from the start of the interpreter to its end. Then it prints
the CPU seconds of the parts, one after the other without threads, and of the floor: bare
read, sleepecg and a digital write, with the detector on the whole recording and on half
hours.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np

from sklearn_ecganon.io import Annotations, Layout, create_record, open_record

RATE, N_TIMES = 360.0, 650_000


def join_day(data_home, path, n_days):
    """Write the long recording, with the annotations of the database."""
    headers = sorted(Path(data_home, "mitdb").glob("*.hea"))
    n = N_TIMES * len(headers)
    layout = Layout("wfdb", RATE, ("MLII", "V1"), n * n_days)
    samples, symbols, notes = [], [], []
    with create_record(path, layout) as writer:
        for day in range(n_days):
            for number, header in enumerate(headers):
                with open_record(header) as reader:
                    writer.write(reader.read())
                    samples.append(reader.annotations.samples + day * n + number * N_TIMES)
                    symbols.append(reader.annotations.symbols)
                    notes.append(reader.annotations.notes)
        writer.annotations = Annotations(*map(np.concatenate, (samples, symbols, notes)))
    return len(headers)


def run_command(source, out, method):
    """Return wall seconds, CPU seconds and peak MB of the command as a user runs it."""
    command = [sys.executable, "-m", "sklearn_ecganon", "anonymize", source, out]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen([*map(str, command), "--method", method])
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"the command ended with {status}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu or used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure_parts(source, out):
    """Return CPU seconds by part of a run in this process, one step after the other."""
    seconds = defaultdict(float)
    start = time.process_time()
    from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
    from sklearn_ecganon.archive import RecordAnonymizer, _release, _stretches
    from sklearn_ecganon.archive._stitcher import Stitcher
    from sklearn_ecganon.io import RecordReader
    from sklearn_ecganon.io._wfdb import WFDB, WFDBWriter

    model = PseudoIdentityAnonymizer.from_pretrained()
    seconds["import, load"] = time.process_time() - start

    def timed(owner, name, part):
        real = getattr(owner, name)

        def measured(*arguments, **keywords):
            begun = time.process_time()
            try:
                return real(*arguments, **keywords)
            finally:
                seconds[part] += time.process_time() - begun

        setattr(owner, name, measured)

    timed(WFDB, "open", "read")
    timed(RecordReader, "read", "read")
    timed(_stretches, "find_beats", "detect")
    timed(_stretches, "cut_windows", "cut")
    timed(PseudoIdentityAnonymizer, "transform", "network")
    timed(Stitcher, "add", "stitch")
    timed(WFDBWriter, "write", "write")
    _release.in_order = lambda tasks, n_threads: (task() for task in tasks)
    start = time.process_time()
    RecordAnonymizer(model).anonymize_file(source, out)
    total = time.process_time() - start
    named = ("read", "detect", "cut", "network", "stitch", "write")
    seconds["digest and rest"] = total - sum(seconds[part] for part in named)
    return dict(seconds)


def measure_floor(source, out):
    """Return CPU seconds of bare read, detection and write: whole, and by half hours."""
    import sleepecg

    digital = np.fromfile(source, "<i2").reshape(-1, 2)
    trace = digital[:, 0] / 200.0
    seconds = {}
    for name, length in (("whole", len(trace)), ("half hours", N_TIMES)):
        start = time.process_time()
        digital = np.fromfile(source, "<i2").reshape(-1, 2)
        trace = digital[:, 0] / 200.0
        for first in range(0, len(trace), length):
            sleepecg.detect_heartbeats(trace[first : first + length], RATE)
        digital.tofile(out)
        seconds[name] = time.process_time() - start
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", default=os.environ.get("SKLEARN_ECGANON_DATA"))
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--method", default="pseudo-identity")
    parser.add_argument("--no-parts", action="store_true")
    arguments = parser.parse_args()
    if arguments.data_home is None:
        parser.error("give --data-home, the folder of mitdb/")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in"), Path(folder, "out")
        source.mkdir()
        n = join_day(arguments.data_home, source / "day.hea", arguments.days)
        hours = arguments.days * n * N_TIMES / RATE / 3600
        print(
            f"{date.today()}, {platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
            f"load {os.getloadavg()[0]:.1f}: {hours:.1f} h, 2 leads, {RATE:g} Hz"
        )
        for number in range(arguments.repeat):
            wall, cpu, peak = run_command(source, f"{out}{number}", arguments.method)
            print(f"command      {wall:6.1f} s wall, {cpu:6.1f} s CPU, {peak:5.0f} MB")
        if arguments.no_parts:
            return
        floor = measure_floor(source / "day.dat", Path(folder, "floor.dat"))
        parts = measure_parts(source / "day.hea", Path(folder, "parts.hea"))
        for part, value in parts.items():
            print(f"{part:<16} {value:6.2f} s CPU")
        total = sum(parts.values())
        for name, value in floor.items():
            print(f"floor, {name:<10}{value:6.2f} s CPU, ratio {total / value:.1f}")


if __name__ == "__main__":
    main()
