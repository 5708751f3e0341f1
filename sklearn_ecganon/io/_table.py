"""Tables: one column a lead in mV, one row a moment; CSV and Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError, fenced, load_extra
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter

_TIME = re.compile(r"(?:time|t)(?:[ _]*[\[(]?(?:s|sec|seconds)[\])]?)?", re.IGNORECASE)
_UNIT = re.compile(r"(?P<lead>.*?)[ _]*[\[(](?P<unit>[nuµμm]?V)[\])]", re.IGNORECASE)
#: Variant of a table without a column of times.
_UNTIMED = "no time"

#: How far the steps of a column "time" may differ from one another.
_JITTER = 0.01


def _timing(seconds: NDArray[np.float64]) -> float:
    """Return the rate of a column of times, in Hz."""
    steps = np.diff(seconds)
    if not len(steps) or not np.isfinite(steps).all():
        raise ECGReadError("bad_rate", "its column time is no row of seconds")
    mean = (seconds[-1] - seconds[0]) / len(steps)
    # Times are often written with few decimals: each may be off, the mean is not.
    resolution = 10.0 ** -_decimals(seconds)
    if not mean > 0 or np.abs(steps - mean).max() > _JITTER * mean + resolution:
        raise ECGReadError("bad_rate", "the steps of its column time are not all the same")
    rate = 1 / mean
    nearest = round(rate)
    # Where the decimals cannot tell 360 Hz from 359.9999, take the whole number.
    unsure = rate * resolution / (seconds[-1] - seconds[0])
    return float(nearest) if nearest and abs(rate - nearest) <= unsure else float(rate)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _decimals(values: NDArray[np.float64]) -> int:
    some = values[:: max(1, len(values) // 100)]
    return next((n for n in range(7) if np.allclose(some, some.round(n), 0, 1e-9)), 7)


def _reader(
    format: str,
    columns: Sequence[str],
    values: NDArray[np.float64],
    source: Source,
) -> RecordReader:
    timed = bool(columns) and _TIME.fullmatch(columns[0].strip()) is not None
    rate = _timing(values[:, 0]) if timed else source.sampling_rate
    if rate is None:
        raise ECGReadError("bad_rate", "give sampling_rate=..., or a first column time")
    if timed:
        columns, values = columns[1:], values[:, 1:]
    parts = [_UNIT.fullmatch(column.strip()) for column in columns]
    labels = [part["lead"] if part else name for part, name in zip(parts, columns, strict=True)]
    units = [part["unit"] if part else "mV" for part in parts]
    selection = select_channels(labels, units, source.leads)
    layout = Layout(
        format,
        rate,
        selection.names,
        len(values),
        variant="" if timed else _UNTIMED,
    )
    return RecordReader.of_array(
        layout, values[:, selection.channels] * selection.scale, source.limits
    )


def _columns(writer: RecordWriter, signal: NDArray[np.float64]) -> dict[str, NDArray]:
    # A table gets a column of times, without which nobody could tell its rate, unless it
    # is made after one that has none.
    columns = {lead: signal[:, i] for i, lead in enumerate(writer.layout.lead_names)}
    if writer.layout.variant != _UNTIMED:
        seconds = np.arange(len(signal)) / writer.layout.sampling_rate
        return {"time": seconds.round(6)} | columns
    return columns


class CSVWriter(RecordWriter):
    """Writes seconds and mV with six decimals."""

    def _save(self, signal: NDArray[np.float64], part: Path) -> None:
        import pandas as pd

        table = pd.DataFrame(_columns(self, signal))
        table.to_csv(part, index=False, float_format="%.6f", lineterminator="\n")


class CSV(Format):
    """Text with a line of names, then numbers."""

    name = "csv"
    suffixes = (".csv",)
    writer = CSVWriter
    has_signature = False
    needs_suffix = True  # archives hold many other tables

    def sniff(self, head: bytes) -> bool:
        """Look for a line of names over a line of as many numbers."""
        lines = head.decode("utf-8-sig", errors="replace").splitlines()
        if len(lines) < 2 or not lines[0].isprintable():
            return False
        names, first, *rest = (line.split(",") for line in lines)
        if len(first) != len(names) or any(map(_is_number, names)):
            return False
        # The first moments may be a gap; but a title over an empty line is no table.
        if not all(_is_number(field or "nan") for field in first):
            return False
        return any(_is_number(field) for row in (first, *rest) for field in row)

    def open(self, source: Source) -> RecordReader:
        """Read the whole table."""
        # Each value takes two bytes at least.
        source.limits.check_memory(source.size // 2)
        content = source.path.read_bytes()
        first = content.partition(b"\n")[0]
        if first.count(b",") > source.limits.max_leads:
            raise ECGReadError("too_large", f"more than {source.limits.max_leads} leads")
        import pandas as pd

        with fenced():
            table = pd.read_csv(
                io.BytesIO(content), dtype=np.float64, encoding="utf-8-sig", header=None,
                skiprows=1,
            )  # fmt: skip
        columns = first.decode("utf-8-sig", errors="replace").strip().split(",")
        columns = [column.strip().strip('"') for column in columns]
        # Lines that are too short would be filled up silently.
        if content.count(b",") != (len(columns) - 1) * (len(table) + 1):
            raise ECGReadError("bad_header", "not all its lines have one value a column")
        return _reader(self.name, columns, table.to_numpy(), source)


class ParquetWriter(RecordWriter):
    """Writes columns of float64 without any metadata."""

    def _save(self, signal: NDArray[np.float64], part: Path) -> None:
        arrow = load_extra("pyarrow", "parquet")
        parquet = load_extra("pyarrow.parquet", "parquet")
        parquet.write_table(arrow.table(_columns(self, signal)), part)


class Parquet(Format):
    """Columns of numbers in a Parquet file."""

    name = "parquet"
    suffixes = (".parquet",)
    writer = ParquetWriter

    def sniff(self, head: bytes) -> bool:
        """Look for the signature."""
        return head.startswith(b"PAR1")

    def open(self, source: Source) -> RecordReader:
        """Read the whole table after checking its size."""
        parquet = load_extra("pyarrow.parquet", "parquet")
        with source.path.open("rb") as stream:
            file = parquet.ParquetFile(stream)
            schema = file.schema_arrow
            source.limits.check_memory(file.metadata.num_rows * len(schema.names))
            if len(schema.names) > source.limits.max_leads + 1:
                raise ECGReadError("too_large", f"more than {source.limits.max_leads} leads")
            kinds = {str(kind) for kind in schema.types}
            if not kinds <= {"double", "float", "int16", "int32", "int64"}:
                raise ECGReadError("bad_header", "want columns of numbers")
            table = file.read()
        values = np.column_stack(
            [np.asarray(column.to_numpy(), np.float64) for column in table.columns]
        )
        return _reader(self.name, schema.names, values, source)
