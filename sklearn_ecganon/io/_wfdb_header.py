"""A strict reader of WFDB headers, which refuses everything that it does not fully understand.

wfdb itself takes a missing rate as 250 Hz, a rate of -360 as 250, a gain of 0 or NaN as 200,
and goes on where a line does not match. Here every line is matched from end to end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._identity import IdentityFacts, date_in_comments, date_or_none
from sklearn_ecganon.io._limits import Limits

#: Bytes of one sample in each storage format; None where only a library knows (FLAC).
SAMPLE_BYTES = {
    **{"8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2},
    **{"212": 3 / 2, "310": 4 / 3, "311": 4 / 3},
    **{"508": None, "516": None, "524": None},
}

_FILE = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_]{0,127}(?:\.[A-Za-z0-9_]{1,16})?")
_RECORD = re.compile(r"[-A-Za-z0-9_]+(?:/(?P<n_segments>[0-9]{1,6}))?")
_RATE = re.compile(
    r"(?P<rate>[0-9]{1,9}(?:\.[0-9]{0,25})?)(?:/-?[0-9]+\.?[0-9]*(?:\(-?[0-9]+\.?[0-9]*\))?)?"
)
_STORAGE = re.compile(
    r"(?P<format>[0-9]{1,3})(?:x(?P<per_frame>[0-9]{1,5}))?"
    r"(?::(?P<skew>[0-9]{1,9}))?(?:\+(?P<offset>[0-9]{1,12}))?"
)
_GAIN = re.compile(
    r"(?P<gain>[0-9]{1,12}(?:\.[0-9]{0,25})?(?:[eE][+-]?[0-9]{1,2})?)"
    r"(?:\((?P<baseline>-?[0-9]{1,10})\))?(?:/(?P<units>\S{1,20}))?"
)
_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_NUMBER = re.compile(r"-?[0-9]{1,10}")
_SEGMENT = re.compile(
    r"(?P<name>~|[A-Za-z0-9_][-A-Za-z0-9_]{0,127})[ \t]+(?P<n_times>[0-9]{1,15})"
)


@dataclass(frozen=True)
class Signal:
    """One signal line."""

    file: str
    format: str
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    initial: int
    checksum: int | None
    description: str


@dataclass(frozen=True)
class Header:
    """One header: either signals or segments, (name, samples) each, are empty."""

    sampling_rate: float
    n_signals: int
    n_times: int | None
    signals: tuple[Signal, ...] = ()
    segments: tuple[tuple[str, int], ...] = ()

    def frame_bytes(self, file: str) -> float | None:
        """Bytes of one sample of all signals in a signal file."""
        inside = [signal for signal in self.signals if signal.file == file]
        size = SAMPLE_BYTES[inside[0].format]
        return None if size is None else size * len(inside)

    def required_bytes(self, file: str, n_times: int) -> int:
        """Smallest size of a signal file with a number of samples."""
        first = next(signal for signal in self.signals if signal.file == file)
        return first.offset + ceil(n_times * (self.frame_bytes(file) or 0) - 1e-6)


def parse_header(content: bytes, limits: Limits) -> Header:
    """Return the content of a header, or refuse it.

    Parameters
    ----------
    content : bytes
        Of the header file.
    limits : Limits
        How many leads there may be.
    """
    # Libraries interpret a zero byte, a bell or a vertical tab differently.
    if re.search(rb"[^\t\n\r -~\x80-\xff]", content):
        raise ECGReadError("bad_header", "it holds control characters")
    lines = [line for line in _lines(content) if not line.startswith("#")]
    if not lines:
        raise ECGReadError("bad_header", "it has no record line")
    record, signal_lines = lines[0].split(), lines[1:]
    name = _RECORD.fullmatch(record[0])
    if name is None or len(record) < 2 or not re.fullmatch(r"[0-9]{1,5}", record[1]):
        raise ECGReadError("bad_header", "its record line is malformed")
    rate = _RATE.fullmatch(record[2]) if len(record) > 2 else None
    if rate is None or not float(rate["rate"]) > 0:
        raise ECGReadError("bad_rate")
    n_times = None
    if len(record) > 3:
        if not re.fullmatch(r"[0-9]{1,15}", record[3]):
            raise ECGReadError("bad_length")
        n_times = int(record[3]) or None  # 0 means the same as nothing
    # The time of day and the date follow, in several spellings.
    if not all(re.fullmatch(r"[-:/.,\w]+", field, re.ASCII) for field in record[4:]):
        raise ECGReadError("bad_header", "its record line is malformed")
    n_signals = int(record[1])
    if n_signals > limits.max_leads:
        raise ECGReadError("too_large", f"more than {limits.max_leads} leads")
    common = (float(rate["rate"]), n_signals, n_times)
    if name["n_segments"] is not None:
        segments = tuple(_segment(line) for line in signal_lines)
        if not segments or len(segments) != int(name["n_segments"]):
            raise ECGReadError("bad_header", "it declares another number of segments")
        return Header(*common, segments=segments)
    if n_signals == 0:
        raise ECGReadError("bad_length", "it has no signals")
    if n_signals != len(signal_lines):
        raise ECGReadError("bad_header", "it declares another number of signals")
    signals = tuple(_signal(line) for line in signal_lines)
    files = [file for file, _ in groupby(signals, key=lambda signal: signal.file)]
    if len(set(files)) != len(files):
        raise ECGReadError("bad_header", "the signals of one file do not stand together")
    for _, group in groupby(signals, key=lambda signal: signal.file):
        if len({(signal.format, signal.offset) for signal in group}) > 1:
            raise ECGReadError("bad_header", "one file has two storage formats")
    return Header(*common, signals=signals)


def named_files(content: bytes) -> set[str]:
    """Return the plain file names at the beginnings of lines, also in a faulty header.

    Parameters
    ----------
    content : bytes
        Content of the header file.
    """
    lines = [line.split() for line in _lines(content) if not line.startswith("#")]
    suffix = ".hea" if lines and "/" in lines[0][0] else ""
    names = {line[0] for line in lines[1:] if _FILE.fullmatch(line[0])}
    return {name + suffix for name in names}


def parse_identity(content: bytes) -> IdentityFacts:
    """Return the date and the comments of a header.

    Parameters
    ----------
    content : bytes
        Content of the header file.
    """
    lines = _lines(content)
    comments = [line.lstrip("# \t") for line in lines if line.startswith("#")]
    record = next((line.split() for line in lines if not line.startswith("#")), [])
    # The date is the sixth field, after the time of day.
    match = _DATE.fullmatch(record[5]) if len(record) > 5 else None
    acquired = date_in_comments(comments)
    if match is not None:
        acquired = date_or_none(int(match[3]), int(match[2]), int(match[1]))
    return IdentityFacts(acquired, tuple(comment for comment in comments if comment))


def _lines(content: bytes) -> list[str]:
    """Return the lines that are not empty."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = (line.strip() for line in re.split(r"\r\n|\n|\r", text))
    return [line for line in lines if line]


def _segment(line: str) -> tuple[str, int]:
    match = _SEGMENT.fullmatch(line)
    if match is None:
        raise ECGReadError("bad_header", "a segment line is malformed")
    return match["name"], int(match["n_times"])


def _signal(line: str) -> Signal:
    fields = line.split(None, 8)
    if len(fields) < 2:
        raise ECGReadError("bad_header", "a signal line is malformed")
    storage = _STORAGE.fullmatch(fields[1])
    if storage is None:
        raise ECGReadError("bad_header", "a signal line is malformed")
    null = fields[0] == "~"  # stands in a layout for a signal that a segment may hold
    if not null and _FILE.fullmatch(fields[0]) is None:
        raise ECGReadError("bad_path")
    if storage["format"] not in SAMPLE_BYTES and not (null and storage["format"] == "0"):
        raise ECGReadError("unsupported", "it has an unknown storage format")
    if int(storage["per_frame"] or 1) != 1:
        raise ECGReadError("mixed_rates", "bring its leads to one rate first")
    gain = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    if gain is None or not 0 < float(gain["gain"]) < float("inf"):
        raise ECGReadError("bad_gain", "0 stands for 'not calibrated'")
    numbers = fields[3:8]
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        raise ECGReadError("bad_header", "a signal line is malformed")
    resolution, zero, initial, checksum, _ = [int(n) for n in numbers] + [None] * (
        5 - len(numbers)
    )
    if resolution is not None and resolution < 0:
        raise ECGReadError("bad_header", "a signal line is malformed")
    return Signal(
        file=fields[0],
        format=storage["format"],
        skew=int(storage["skew"] or 0),
        offset=int(storage["offset"] or 0),
        gain=float(gain["gain"]),
        baseline=int(gain["baseline"] or zero or 0),
        units=gain["units"] or "mV",
        initial=initial or 0,
        checksum=checksum,
        description=fields[8] if len(fields) > 8 else "",
    )
