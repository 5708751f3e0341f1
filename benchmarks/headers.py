"""Link releases to originals by the numbers in their headers, their lengths and their gaps.

    OMP_NUM_THREADS=1 python -m benchmarks.headers [--data ecgid mitdb]

Each recording is written by wfdb, which scales every file to its own extremes, and released by
`RecordAnonymizer` in every format. The attacker compares all numbers of the headers, the length
and the gap pattern of a release with those of every original, and weighs each shared value by
how few originals have it. Ties count as one over their number. At chance, one in so many
recordings is linked.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wfdb

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import ECGRecord
from sklearn_ecganon.anonymizers import LowPassAnonymizer
from sklearn_ecganon.archive import RecordAnonymizer
from sklearn_ecganon.io import FORMATS, open_record

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
PROTOCOLS = {"ecgid": "ecgid-same-day", "mitdb": "mitdb-time"}


def header_text(path: Path) -> str:
    """Return the text in which a format states its numbers."""
    if path.suffix == ".hea":
        return path.read_text()
    if path.suffix == ".edf":
        content = path.read_bytes()
        text = content[: int(content[184:192])].decode("latin-1")
        return " ".join(text[i : i + 8] for i in range(0, len(text), 8))
    if path.suffix == ".dcm":
        import pydicom

        elements = pydicom.dcmread(path).iterall()
        return " ".join(str(e.value) for e in elements if e.keyword != "WaveformData")
    return ""


def facts(path: Path) -> set[Any]:
    """Return everything about a file that is no sample: numbers, length, rate and gaps."""
    values: set[Any] = {round(float(n), 9) for n in NUMBER.findall(header_text(path))}
    with open_record(path) as reader:
        missing = np.isnan(reader.read(0, reader.n_times))
        edges = np.flatnonzero(np.diff(missing.astype(np.int8), axis=0).any(axis=1))
        values |= {("n_times", reader.n_times), ("rate", reader.sampling_rate)}
        values |= {("gap", int(edge)) for edge in edges}
    return values


def linked(originals: list[set[Any]], releases: list[set[Any]]) -> float:
    """Return the fraction of releases that the rarest shared values link, ties shared."""
    counts = Counter(value for values in originals for value in values)
    hits = 0.0
    for position, release in enumerate(releases):
        scores = np.array(
            [sum(-np.log(counts[v] / len(originals)) for v in o & release) for o in originals]
        )
        best = np.flatnonzero(scores >= scores.max() - 1e-9)
        hits += (position in best) / len(best)
    return hits / len(releases)


def write_scaled(record: ECGRecord, folder: Path, name: str) -> Path:
    """Write a record as `wfdb.wrsamp` does by default: scaled to its own extremes."""
    names = [f"ECG {lead}" for lead in record.lead_names]
    n_leads = record.n_leads
    wfdb.wrsamp(
        name,
        record.sampling_rate,
        ["mV"] * n_leads,
        names,
        p_signal=np.asarray(record.signal),
        fmt=["16"] * n_leads,
        write_dir=str(folder),
    )
    return folder / f"{name}.hea"


def link(records: Sequence[ECGRecord], format: str) -> dict[str, float]:
    """Release records in a format and link the releases."""
    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary, "in"), Path(temporary, "out")
        source.mkdir()
        out.mkdir()
        sources = [write_scaled(r, source, f"r{i}") for i, r in enumerate(records)]
        anonymizer = RecordAnonymizer(LowPassAnonymizer(), format=format)
        suffix = FORMATS[format].suffixes[0]
        # All releases have one name, so that no name links them.
        releases = [out / path.stem / f"release{suffix}" for path in sources]
        for path, target in zip(sources, releases, strict=True):
            target.parent.mkdir()
            anonymizer.anonymize_file(path, target)
        before, after = ([facts(path) for path in paths] for paths in (sources, releases))
    return {
        "linked": linked(before, after),
        "originals": linked(before, before),
        "chance": 1 / len(records),
    }


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Run the benchmark and return its rows."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=["ecgid", "mitdb"], choices=PROTOCOLS)
    arguments = parser.parse_args(argv)
    print_header(arguments)
    results = Results(arguments.out)
    formats = [name for name, format in FORMATS.items() if format.writer is not None]
    for data in arguments.data[:1] if arguments.quick else arguments.data:
        protocol = load(PROTOCOLS[data], arguments)
        # One recording a person: which person is what is asked.
        _, first = np.unique(protocol.subjects, return_index=True)
        records = [protocol.records[i] for i in np.sort(first)]
        for format in formats[:2] if arguments.quick else formats:
            results.measure(
                {"data": data, "format": format}, lambda r=records, f=format: link(r, f)
            )
    rows = results.rows
    columns = ["data", "format", "linked", "originals", "chance"]
    flat = [row["key"] | row for row in rows]
    print(table(columns, [[row[column] for column in columns] for row in flat]))
    return rows


if __name__ == "__main__":
    main()
