"""The header of EDF and BDF: fixed fields of ASCII, each checked before it is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._identity import IdentityFacts, date_or_none
from sklearn_ecganon.io._limits import Limits

BDF = b"\xffBIOSEMI"
#: Widths of the fields of the file, and of those of each signal.
MAIN_WIDTHS = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
SIGNAL_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
#: Labels of the signals that hold annotations.
ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")

_DATE = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{2})")
_INTEGER = re.compile(r"[+-]?[0-9]{1,8}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Signal:
    """Declaration of one signal in the header.

    Attributes
    ----------
    label, units : str
        As they stand in the file.
    physical : tuple of (float, float)
        Values that belong to the smallest and the largest digital value. The first may be
        the larger one: the signal is inverted then.
    digital : tuple of (int, int)
        Smallest and largest digital value.
    per_record : int
        Samples in one data record.
    place : int
        Samples before it in a data record.
    """

    label: str
    units: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    per_record: int
    place: int

    @property
    def is_blank(self) -> bool:
        """Whether the range of values is empty, as for inputs that were not connected."""
        return self.physical[0] == self.physical[1] or self.digital[0] >= self.digital[1]

    @property
    def gain(self) -> float:
        """Digital units a physical unit; negative where the signal is inverted."""
        (low, high), (bottom, top) = self.physical, self.digital
        return (top - bottom) / (high - low)


@dataclass(frozen=True)
class Header:
    """Content of the header, checked against the size of the file.

    Attributes
    ----------
    variant : str
        ``"edf"``, ``"edf+"``, ``"bdf"`` or ``"bdf+"``.
    n_records : int
        Data records.
    duration : float
        Of a data record, in seconds.
    signals : tuple of Signal
        Those with annotations included.
    """

    variant: str
    n_records: int
    duration: float
    signals: tuple[Signal, ...]

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return 3 if self.variant.startswith("bdf") else 2

    @property
    def size(self) -> int:
        """Bytes of the header."""
        return 256 * (1 + len(self.signals))

    @property
    def per_record(self) -> int:
        """Samples of all signals in one data record."""
        return sum(signal.per_record for signal in self.signals)

    @property
    def record_bytes(self) -> int:
        """Bytes of a data record."""
        return self.per_record * self.width


def read_header(path: Path, limits: Limits) -> Header:
    """Return the content of the header after checking it against the size of the file."""
    with path.open("rb") as file:
        main = [field[0] for field in _split(file.read(256), MAIN_WIDTHS)]
        n_signals = int(_number(main[9], _INTEGER, "bad_header"))
        if n_signals < 1:
            raise ECGReadError("bad_length", "it has no signals")
        if n_signals > limits.max_leads:
            raise ECGReadError("too_large", f"more than {limits.max_leads} signals")
        fields = _split(file.read(256 * n_signals), SIGNAL_WIDTHS, n_signals)
    if _number(main[5], _INTEGER, "bad_header") != 256 * (1 + n_signals):
        raise ECGReadError("bad_header", "it gives another length of itself")
    kind = "bdf" if main[0] == BDF else "edf"
    reserved = main[6].decode("ascii", "replace").strip().upper()
    has_plus = reserved.startswith(("EDF+C", "BDF+C", "EDF+D", "BDF+D"))
    n_records = int(_number(main[7], _INTEGER, "bad_length"))
    duration = _number(main[8], _NUMBER, "bad_rate")
    signals: list[Signal] = []
    place = 0
    for i in range(n_signals):
        per_record = int(_number(fields[8][i], _INTEGER, "bad_length"))
        if per_record < 1:
            raise ECGReadError("bad_length")
        low, high = (_number(fields[k][i], _NUMBER, "bad_gain") for k in (3, 4))
        bottom, top = (int(_number(fields[k][i], _INTEGER, "bad_gain")) for k in (5, 6))
        label, units = (_text(fields[k][i]) for k in (0, 2))
        signals.append(Signal(label, units, (low, high), (bottom, top), per_record, place))
        place += per_record
    header = Header(kind + "+" * has_plus, n_records, duration, tuple(signals))
    if n_records < 1:
        raise ECGReadError("bad_length", "it does not state its number of data records")
    if path.stat().st_size < header.size + n_records * header.record_bytes:
        raise ECGReadError("truncated")
    return header


def _number(field: bytes, pattern: re.Pattern[str], reason: str) -> float:
    text = field.decode("ascii", "replace").strip()
    if pattern.fullmatch(text) is None or not np.isfinite(float(text)):
        raise ECGReadError(reason)
    return float(text)


def _text(field: bytes) -> str:
    """Return a field as text; the micro sign is often written in UTF-8."""
    try:
        return field.decode("utf-8").strip()
    except UnicodeDecodeError:
        return field.decode("latin-1").strip()


def _split(content: bytes, widths: tuple[int, ...], times: int = 1) -> list[list[bytes]]:
    """Split a header into its fields; each is repeated `times` times in a row."""
    fields, place = [], 0
    for width in widths:
        fields.append([content[place + i * width :][:width] for i in range(times)])
        place += width * times
    return fields


def eight_characters(number: float) -> str:
    """Return a number in at most eight characters, as precisely as they allow."""
    for digits in range(8, 0, -1):
        text = np.format_float_positional(
            number, precision=digits, unique=False, fractional=False, trim="-"
        )
        if len(text) <= 8:
            return text
    raise ValueError(f"{number:g} cannot be written in the eight characters of EDF.")


def read_identity_fields(path: Path) -> IdentityFacts:
    """Return the start date of a file, and its fields about the patient and the recording."""
    with path.open("rb") as file:
        fields = _split(file.read(256), MAIN_WIDTHS)
    patient, recording, start_date = (
        fields[number][0].decode("latin-1").strip() for number in (1, 2, 3)
    )
    match = _DATE.fullmatch(start_date)
    acquired = None
    # The standard prescribes this date for anonymized recordings.
    if match is not None and start_date != "01.01.85":
        day, month, year = map(int, match.groups())
        acquired = date_or_none(year + (1900 if year >= 85 else 2000), month, day)
    return IdentityFacts(acquired, (f"patient: {patient}", f"recording: {recording}"))
