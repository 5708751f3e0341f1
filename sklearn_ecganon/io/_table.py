"""Read tables with one column for each lead and one row for each sample: CSV and Parquet."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._amplitude import check_amplitude
from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError, load_extra, sanitized
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._table_layout import (
    SECONDS,
    Column,
    TableLayout,
    decoded,
    split_name,
    table_layout,
)
from sklearn_ecganon.io._table_writer import CSVWriter, ParquetWriter

#: How far the steps of a column of times may differ from one another.
_JITTER = 0.01
#: s; from one row to the next, a clock that goes back by more has passed midnight.
_HALF_A_DAY = 43_200.0
#: Characters in which the layout of a table is looked for.
_HEAD = 2**16
_RATE_COLUMNS = frozenset(("sampling_rate", "samplingrate", "sample_rate", "fs", "sfreq"))


def _rate_of_times(seconds: NDArray[np.float64]) -> float:
    """Return the rate of a column of times, in Hz."""
    steps = np.diff(seconds)
    if not len(steps) or not np.isfinite(steps).all():
        raise ECGReadError("bad_rate", "its column of times has gaps or is too short")
    mean = (seconds[-1] - seconds[0]) / len(steps)
    # Times often have few decimals: each is rounded, but their mean is accurate.
    resolution = 10.0 ** -_decimals(seconds)
    if not mean > 0 or np.abs(steps - mean).max() > _JITTER * mean + resolution:
        raise ECGReadError("bad_rate", "the steps of its column of times are not all the same")
    rate = 1 / mean
    nearest = round(rate)
    # If the decimals cannot distinguish 360 Hz from 359.9999 Hz, use the integer.
    uncertainty = rate * resolution / (seconds[-1] - seconds[0])
    is_whole = nearest and abs(rate - nearest) <= uncertainty
    return float(nearest) if is_whole else float(rate)


def _decimals(values: NDArray[np.float64]) -> int:
    some = values[:: max(1, len(values) // 100)]
    return next((n for n in range(7) if np.allclose(some, some.round(n), 0, 1e-9)), 7)


def _seconds_of_clock(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return seconds since the first row from times of a clock, with or without a date."""
    texts = [text.strip("[]'\" ").replace(",", ".") for text in texts]
    seconds = np.empty(len(texts))
    for row, text in enumerate(texts):
        clock = next(field for field in re.split(r"[T ]", text) if ":" in field)
        clock = re.sub(r"(?:Z|[-+]\d{2}:?\d{2})$", "", clock)
        fields = [float(field) for field in clock.split(":")]
        seconds[row] = sum(value * 60**i for i, value in enumerate(reversed(fields)))
    # A day is added at each midnight, so that no dates are needed.
    days = np.cumsum(np.diff(seconds, prepend=seconds[:1]) < -_HALF_A_DAY)
    return seconds + 86_400.0 * days


def _times(
    columns: Sequence[Column], values: dict[int, NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """Return the seconds of the finest column of times, None without such a column."""
    candidates = []
    for position, column in enumerate(columns):
        if not column.is_time or position not in values or column.unit.lower() == "min":
            continue
        seconds = values[position] * SECONDS.get(column.unit.lower(), 1.0)
        n_distinct = len(np.unique(seconds))
        candidates.append((n_distinct, column.kind == "number", -position, seconds))
    if not candidates:
        return None
    return max(candidates, key=lambda candidate: candidate[:3])[3]


def _reader(
    format: str,
    columns: Sequence[Column],
    values: dict[int, NDArray[np.float64]],
    rate: float | None,
    source: Source,
) -> RecordReader:
    """Return a reader of columns of numbers, by their position."""
    seconds = _times(columns, values)
    if source.sampling_rate is not None:
        rate = source.sampling_rate
    elif seconds is not None:
        rate = _rate_of_times(seconds)
        if rate < 10 and not any(c.is_time and c.unit for c in columns):
            raise ECGReadError(
                "bad_rate",
                "a step of its column of times is longer than 0.1 s; name its unit "
                "as in 'time [ms]', or give sampling_rate=...",
            )
    if rate is None:
        raise ECGReadError("bad_rate", "give sampling_rate=..., or a column time")
    positions = [
        position
        for position, column in enumerate(columns)
        if position in values
        and column.kind == "number"
        and not column.is_time
        and not column.is_index
    ]
    labels = [columns[position].name for position in positions]
    units = [columns[position].unit or source.units or "mV" for position in positions]
    selection = select_channels(labels, units, source.leads)
    chosen = [positions[channel] for channel in selection.channels]
    signal = np.column_stack([values[position] for position in chosen])
    for unit in dict.fromkeys(units[channel] for channel in selection.channels):
        same = [i for i, channel in enumerate(selection.channels) if units[channel] == unit]
        check_amplitude(signal[:, same], unit)
    signal *= selection.scale
    layout = Layout(format, rate, selection.names, len(signal))
    return RecordReader.of_array(layout, signal, source.limits, warnings=selection.warnings)


class CSV(Format):
    """Text with one line for each sample."""

    name = "csv"
    suffixes = (".csv", ".tsv", ".txt")
    writer = CSVWriter
    has_signature = False
    needs_suffix = True  # archives hold many other tables

    def sniff(self, head: bytes) -> bool:
        """Look for lines of numbers below names, units or titles of a recording."""
        text = decoded(head)
        return text is not None and table_layout(text, is_cut=len(head) >= 4096) is not None

    def open(self, source: Source) -> RecordReader:
        """Read the whole table."""
        # Each value needs at least two bytes.
        source.limits.check_memory(source.size // 2)
        text = decoded(source.path.read_bytes())
        layout = None if text is None else table_layout(text[:_HEAD], is_cut=len(text) > _HEAD)
        if text is None or layout is None:
            raise ECGReadError("bad_header", "its lines do not all have the same columns")
        if len(layout.columns) > source.limits.max_leads + 1:
            raise ECGReadError("too_large", f"more than {source.limits.max_leads} leads")
        values = _numbers(text, layout)
        return _reader(self.name, layout.columns, values, layout.sampling_rate, source)


def _numbers(text: str, layout: TableLayout) -> dict[int, NDArray[np.float64]]:
    """Return the columns of numbers and times, by position."""
    import pandas as pd

    used = [i for i, c in enumerate(layout.columns) if c.kind in ("number", "clock")]
    kinds = {
        i: np.float64 if layout.columns[i].kind == "number" else str  # type: ignore[misc]
        for i in used
    }
    body = text.split("\n", layout.n_skipped)[-1] if layout.n_skipped else text
    n_fields = len(layout.columns)
    _check_widths(body, layout.delimiter, n_fields)
    with sanitized():
        table: Any = pd.read_csv(
            io.StringIO(body),
            sep=r"\s+" if layout.delimiter == " " else layout.delimiter or "\x01",
            decimal=layout.decimal,
            # The faster conversions of pandas crash the process on exponents of many digits.
            float_precision="round_trip",
            header=None,
            names=range(n_fields),
            index_col=False,
            usecols=used,
            dtype=kinds,
            quotechar="'" if body.lstrip().startswith("'") else '"',
            skipinitialspace=True,
            na_values=["-"],
        )
        return {
            i: _seconds_of_clock(table[i].tolist())
            if layout.columns[i].kind == "clock"
            else table[i].to_numpy(np.float64)
            for i in used
        }


def _check_widths(body: str, delimiter: str, n_fields: int) -> None:
    """Refuse lines that are too short, which pandas would fill up silently."""
    if delimiter in ("", " ") or '"' in body:
        return
    n_lines = sum(1 for line in body.splitlines() if line.strip())
    if body.count(delimiter) != (n_fields - 1) * n_lines:
        raise ECGReadError("bad_header", "not all its lines have one value a column")


class Parquet(Format):
    """Columns of numbers in a Parquet file, or one row of lists for each recording."""

    name = "parquet"
    suffixes = (".parquet",)
    library = ("pyarrow", "parquet")
    writer = ParquetWriter

    def sniff(self, head: bytes) -> bool:
        """Look for the signature."""
        return head.startswith(b"PAR1")

    def open(self, source: Source) -> RecordReader:
        """Read the whole table after checking its size."""
        parquet = load_extra("pyarrow.parquet", "parquet")
        types = load_extra("pyarrow.types", "parquet")
        with source.path.open("rb") as stream:
            file = parquet.ParquetFile(stream)
            schema = file.schema_arrow
            n_values = sum(
                file.metadata.row_group(group).column(column).num_values
                for group in range(file.metadata.num_row_groups)
                for column in range(file.metadata.num_columns)
            )
            source.limits.check_memory(max(n_values, file.metadata.num_rows))
            if len(schema.names) > source.limits.max_leads + 1:
                raise ECGReadError("too_large", f"more than {source.limits.max_leads} leads")
            lists = [
                field.name
                for field in schema
                if types.is_list(field.type)
                or (types.is_large_list(field.type) or types.is_fixed_size_list(field.type))
            ]
            table = file.read()
        if lists:
            return _nested(self.name, table, lists, source)
        columns, values = [], {}
        for position, field in enumerate(schema):
            column = _column(field.name, "number")
            if types.is_temporal(field.type):
                column = Column(column.name or "time", "ns", "number")
                stamps = table.column(position).to_numpy().astype("datetime64[ns]")
                values[position] = (stamps - stamps[:1]).astype(np.int64).astype(np.float64)
            elif types.is_floating(field.type) or types.is_integer(field.type):
                values[position] = table.column(position).to_numpy().astype(np.float64)
            else:
                column = Column(column.name, "", "text")
            columns.append(column)
        if not values:
            raise ECGReadError("bad_header", "there are no numeric columns")
        return _reader(self.name, columns, values, None, source)


def _column(text: str, kind: str) -> Column:
    """Return a column whose name may hold a unit."""
    return Column(*split_name(text), kind)


def _nested(format: str, table: Any, lists: list[str], source: Source) -> RecordReader:
    """Read one row, whose lists are leads, or a list of leads."""
    n_records = table.num_rows
    if not 0 <= source.index < n_records:
        raise ECGReadError("no_lead", f"it holds {n_records} recordings")
    row = table.slice(source.index, 1)
    rate = None
    for name in table.column_names:
        if name.lower() in _RATE_COLUMNS:
            rate = float(row.column(name)[0].as_py())
    columns: list[Column] = []
    values: dict[int, NDArray[np.float64]] = {}
    for name in lists:
        array = np.array(row.column(name)[0].as_py(), np.float64)
        if array.ndim == 2:
            array = array.T if array.shape[0] < array.shape[1] else array
            leads = list(array.T)
        else:
            leads = [array]
        for lead in leads:
            values[len(columns)] = lead
            columns.append(_column(name, "number"))
    if len({len(lead) for lead in values.values()}) != 1:
        raise ECGReadError("bad_header", "its lists have different lengths")
    reader = _reader(format, columns, values, rate, source)
    reader.n_records = n_records
    return reader
