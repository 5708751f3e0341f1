"""Determine the layout of a text table: titles, names, units, delimiter, decimal separator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sklearn_ecganon.io._channels import is_other_signal
from sklearn_ecganon.io._layout import allowed_leads
from sklearn_ecganon.records import MILLIVOLTS

#: Delimiter and decimal separator, the least ambiguous first. An empty delimiter means one
#: column.
_DIALECTS = (
    *((";", ","), (";", "."), ("\t", ","), ("\t", "."), ("|", "."), (",", ".")),
    *((" ", "."), (" ", ","), ("", "."), ("", ",")),
)
#: Lines that are looked at, and numeric lines that prove a recording without any name.
_MOST_LINES, _MANY_ROWS, _MOST_TITLES = 400, 50, 100

_NUMBER = {
    ".": re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"),
    ",": re.compile(r"[-+]?(?:\d+,?\d*|,\d+)(?:[eE][-+]?\d+)?"),
}
_MISSING = frozenset(("", "nan", "na", "n/a", "null", "none", "-"))
#: Times of a clock, with a date before or behind, in brackets or not.
CLOCK = re.compile(
    r"\[?(?:\d{1,4}[-./]\d{1,2}[-./]\d{1,4}[T ])?(?:\d{1,2}:)?\d{1,2}:\d{1,2}(?:[.,]\d+)?"
    r"(?:Z|[-+]\d{2}:?\d{2})?(?: \d{1,4}[-./]\d{1,2}[-./]\d{1,4})?\]?"
)
_UNIT_IN_NAME = re.compile(
    r"(?P<name>.*?)[ _]*(?:[\[(/][ ]*(?P<bracketed>[^\])]{1,12}?)[ ]*[\])]?"
    r"|_(?P<suffix>[nuµμm]?v|ns|us|ms|s|sec|seconds))",
    re.IGNORECASE,
)
_TIME_NAME = re.compile(
    r"(?:.*[ _])?(?:time|timestamp|times|zeit|temps|tiempo|elapsed time|t|seconds|millis)",
    re.IGNORECASE,
)
_INDEX_NAME = re.compile(
    r"(?:sample|samples|sample ?(?:#|no\.?|number|nr\.?|index)|index|n|#|row|unnamed: 0)",
    re.IGNORECASE,
)
_RATE_TITLE = re.compile(
    r"(?:sampl\w*[ _-]*(?:rate|freq\w*)|\bfs|\brate|freq\w*|abtast\w*|messrate)\W{1,4}"
    r"(\d+(?:[.,]\d+)?)\s*(khz)?",
    re.IGNORECASE,
)
_HERTZ = re.compile(r"(\d+(?:[.,]\d+)?)\s*(k)?(?:hz|hertz)\b", re.IGNORECASE)
_LEAD_TITLE = re.compile(r"\W*(?:lead|ableitung|d[ée]rivation|derivaci[óo]n)\W", re.IGNORECASE)

#: Seconds in one of each unit of time.
SECONDS = {
    **{"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0},
    **{"ms": 1e-3, "msec": 1e-3, "millis": 1e-3, "milliseconds": 1e-3},
    **{"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "microseconds": 1e-6},
    **{"ns": 1e-9, "nanoseconds": 1e-9, "min": 60.0},
}


# The name of an ECG, but not that of a column about recordings, as in the tables of PTB-XL
# (ecg_id) and MIMIC-IV-ECG (ecg_time).
_ECG_NAME = re.compile(
    r"(?<![a-z])(?:ecg|ekg)(?![ _-]?(?:id|date|time|file|path|count)(?![a-z]))", re.IGNORECASE
)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Without its unit; empty where there is none.
    unit : str
        As it stands in the name, in a row of units or in a title; else empty.
    kind : {"number", "clock", "text", "empty"}
        What its fields are; "empty" stands for a column without a name behind a delimiter at
        the end of each line.
    """

    name: str
    unit: str
    kind: str

    @property
    def is_time(self) -> bool:
        """Whether the column holds the time of each row."""
        return self.kind == "clock" or bool(_TIME_NAME.fullmatch(self.name))

    @property
    def is_index(self) -> bool:
        """Whether the column numbers the rows."""
        return bool(_INDEX_NAME.fullmatch(self.name))

    @property
    def is_named_lead(self) -> bool:
        """Whether the name or unit of the column is that of an ECG."""
        is_lead = not allowed_leads([self.name])[0].startswith("lead ")
        return (
            is_lead
            or _ECG_NAME.search(self.name) is not None
            or self.unit.lower() in MILLIVOLTS
        )


@dataclass(frozen=True)
class TableLayout:
    """The layout of a table.

    Attributes
    ----------
    delimiter : str
        One character; a space stands for any white space, nothing for a single column.
    decimal : str
        Decimal separator.
    n_skipped : int
        Lines before the first row of numbers.
    columns : tuple of Column
        In order.
    sampling_rate : float or None
        In Hz, where a title states it.
    """

    delimiter: str
    decimal: str
    n_skipped: int
    columns: tuple[Column, ...]
    sampling_rate: float | None


def decoded(content: bytes) -> str | None:
    """Decode text in UTF-8, UTF-16 or Latin-1; None if the bytes are not text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="ignore")
    elif content[1:40:2].count(0) > 10:
        text = content.decode("utf-16-le", errors="ignore")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            # The first bytes of a file may end inside of a character.
            is_cut = error.start >= len(content) - 3
            text = content.decode("utf-8-sig" if is_cut else "latin-1", errors="ignore")
    return None if re.search(r"[\x00-\x08\x0e-\x1b\x7f]", text) else text


def table_layout(text: str, *, is_cut: bool = False) -> TableLayout | None:
    """Return the layout of a table, None for text that is not a recording.

    Parameters
    ----------
    text : str
        From its beginning; some hundred lines are enough.
    is_cut : bool, default=False
        Whether the last line may be incomplete.
    """
    lines = text.splitlines()[:_MOST_LINES]
    if is_cut and len(lines) > 1:
        lines = lines[:-1]
    best: TableLayout | None = None
    most = 0
    for delimiter, decimal in _DIALECTS:
        rows = [_fields(line, delimiter) for line in lines]
        first = next((i for i, row in enumerate(rows) if _is_data(row, decimal)), None)
        # The first row is a gap: all its fields are missing.
        if first is None or first > _MOST_TITLES:
            continue
        width = len(rows[first])
        while first > 1 and _is_gap(rows[first - 1], width):
            first -= 1
        body = [row for row in rows[first:] if row != [""]]
        n_rows = sum(_is_row(row, width, decimal) for row in body)
        # A table with some damaged lines is a recording, too; reading refuses it.
        if 2 * n_rows < len(body):
            continue
        body = [row for row in body if len(row) == width]
        layout = _described(rows[:first], lines[:first], body, delimiter, decimal)
        if layout is None:
            continue
        n_values = n_rows * sum(column.kind in ("number", "clock") for column in layout.columns)
        if n_values > most:
            best, most = layout, n_values
    if best is None or not _is_recording(best, lines):
        return None
    return best


def _is_recording(layout: TableLayout, lines: Sequence[str]) -> bool:
    """Return whether a table is a recording; archives hold many other tables."""
    numbers = [c for c in layout.columns if c.kind == "number" and not c.is_time]
    signals = [c for c in numbers if not c.is_index and not is_other_signal(c.name)]
    if any(column.unit.lower() in MILLIVOLTS for column in numbers):
        return True
    if not signals:
        # A table with nothing but times may be a truncated recording.
        return any(column.is_time for column in layout.columns) and not numbers
    if any(column.is_named_lead for column in signals):
        return True
    if any(is_other_signal(column.name) for column in numbers):
        return False  # ids, ages and the like, and no lead
    has_text = any(column.kind == "text" for column in layout.columns)
    has_time = any(column.is_time for column in layout.columns)
    n_rows = len(lines) - layout.n_skipped
    says_so = layout.sampling_rate is not None or has_time or n_rows >= _MANY_ROWS
    return not has_text and says_so


def _described(
    head: Sequence[list[str]],
    head_lines: Sequence[str],
    body: Sequence[list[str]],
    delimiter: str,
    decimal: str,
) -> TableLayout | None:
    """Read names, units and titles above the numbers; None if they do not fit."""
    width = len(body[0])
    head = list(head)
    while head and head[-1] == [""]:
        head.pop()  # empty lines between titles and numbers
    is_beside = [len(row) == width for row in head]
    units = [""] * width
    names = [""] * width
    titles = len(head)
    has_gap = len(head) < len(head_lines)
    if head and is_beside[-1] and not (has_gap and width == 1):
        if len(head) > 1 and is_beside[-2] and all(_is_unit(field) for field in head[-1]):
            units, names, titles = head[-1], head[-2], len(head) - 2
        else:
            names, titles = head[-1], len(head) - 1
    elif head and width > 1 and delimiter not in (" ", "") and decimal == "." and not titles:
        return None
    if delimiter == "," and width == 2 and not (head and is_beside[-1]) and _is_split(body):
        return None
    rate, title_unit, title_lead = _titles(head_lines[:titles])
    columns = []
    for position in range(width):
        name, unit = split_name(names[position])
        fields = [row[position] for row in body]
        kind = _kind(fields, decimal)
        unit = unit or units[position].strip("()[]' ")
        if kind == "number" and not unit and not _TIME_NAME.fullmatch(name):
            unit = title_unit
        if not name and all(field == "" for field in fields):
            kind = "empty"
        columns.append(Column(name or (title_lead if width == 1 else ""), unit, kind))
    return TableLayout(delimiter, decimal, len(head_lines), tuple(columns), rate)


def _is_split(body: Sequence[list[str]]) -> bool:
    """Return whether two columns are one whose numbers have a decimal comma: "0,0450"."""
    whole, fraction = (set(map(len, column)) for column in zip(*body, strict=True))
    digits = all(b.isdigit() and "." not in a for a, b in body if a or b)
    return digits and max(whole) <= 5 and (len(fraction) == 1 or max(fraction) > 2)


def _titles(lines: Sequence[str]) -> tuple[float | None, str, str]:
    """Return rate, unit and lead from the lines above a table."""
    rate, unit, lead = None, "", ""
    for line in lines:
        match = _RATE_TITLE.search(line) or _HERTZ.search(line)
        if match is not None and rate is None:
            rate = float(match[1].replace(",", ".")) * (1000 if match[2] else 1)
        fields = [field.strip("\"'# ") for field in re.split(r"[,;:\t=|]", line)]
        unit = unit or next((f for f in fields[1:] if f.lower() in MILLIVOLTS), "")
        if _LEAD_TITLE.match(line) and len(fields) > 1:
            lead = lead or re.sub(r"^\S+ (?=\S+$)", "", fields[1])
    return rate or None, unit, lead


def split_name(text: str) -> tuple[str, str]:
    """Return a name and the unit in brackets or behind an underscore."""
    match = _UNIT_IN_NAME.fullmatch(text.strip())
    if match is None:
        return text.strip(), ""
    unit = (match["bracketed"] or match["suffix"] or "").strip()
    if unit.lower() not in MILLIVOLTS and unit.lower() not in SECONDS:
        return text.strip(), ""
    return match["name"].strip(), unit


def _fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line without quotes."""
    line = line.strip("\r\n")
    if delimiter == " ":
        fields = line.split() or [""]
    elif delimiter == "":
        fields = [line]
    else:
        fields = _outside_quotes(line, delimiter)
    return [field.strip().strip("\"'").strip() for field in fields]


def _outside_quotes(line: str, delimiter: str) -> list[str]:
    """Split a line at the delimiters outside of quotes."""
    if '"' not in line:
        return line.split(delimiter)
    fields, is_quoted = [""], False
    for character in line:
        if character == delimiter and not is_quoted:
            fields.append("")
            continue
        is_quoted ^= character == '"'
        fields[-1] += character
    return fields


def _is_number(field: str, decimal: str) -> bool:
    return _NUMBER[decimal].fullmatch(field) is not None


def _is_data(row: list[str], decimal: str) -> bool:
    """Return whether a line holds numbers: most fields, and no name among them."""
    numbers = [_is_number(field, decimal) for field in row]
    others = [
        field
        for field, is_number in zip(row, numbers, strict=True)
        if not is_number and field.lower() not in _MISSING and not CLOCK.fullmatch(field)
    ]
    return any(numbers) and len(others) <= len(row) // 3


def _is_gap(row: list[str], width: int) -> bool:
    return len(row) == width and row != [""] and all(f.lower() in _MISSING for f in row)


def _is_row(row: list[str], width: int, decimal: str) -> bool:
    return len(row) == width and (_is_data(row, decimal) or _is_gap(row, width))


def _is_unit(field: str) -> bool:
    text = field.strip("()[]' ").lower()
    is_clock = re.fullmatch(r"[hms:.]+|[dmy/ hs:.\[\]]+", text) is not None
    return text in MILLIVOLTS or text in SECONDS or is_clock or text in ("", "-", "#")


def _kind(fields: Sequence[str], decimal: str) -> str:
    known = [field for field in fields if field.lower() not in _MISSING]
    if 2 * sum(_is_number(field, decimal) for field in known) >= len(known):
        return "number"
    return "clock" if all(CLOCK.fullmatch(field) for field in known) else "text"
