"""EDF, EDF+C, BDF and BDF+C: fixed fields of ASCII, then data records.

Read and written here rather than by a library because both must go on in bounded memory,
every field must be checked, and none may be copied. The tests have edfio as their referee.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import AAMI_CLASSES, MARKS, RHYTHMS, Annotations
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import (
    DEFAULT_GAIN,
    MILLIVOLTS,
    Layout,
    allowed_leads,
    chosen_leads,
    digitized,
)
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter

_BDF = b"\xffBIOSEMI"
_MAIN = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
_PER_SIGNAL = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_INTEGER = re.compile(r"[+-]?[0-9]{1,8}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_TAL = re.compile(rb"([+-][0-9]+(?:\.[0-9]*)?)(?:\x15[0-9.]*)?\x14([^\x00]*)\x14\x00")
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")

#: The standard's advice for a data record, in bytes.
_RECORD_BYTES = 61440
#: Values decoded at once.
_STRETCH = 2**22


@dataclass(frozen=True)
class _Signal:
    label: str
    units: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    per_record: int
    place: int  # samples before it in a data record

    @property
    def gain(self) -> float:
        """Digital units a physical unit."""
        (low, high), (bottom, top) = self.physical, self.digital
        return (top - bottom) / (high - low)


@dataclass(frozen=True)
class _Header:
    variant: str
    n_records: int
    duration: float
    signals: tuple[_Signal, ...]

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


def _number(field: bytes, what: re.Pattern[str], reason: str) -> float:
    text = field.decode("ascii", "replace").strip()
    if what.fullmatch(text) is None or not np.isfinite(float(text)):
        raise ECGReadError(reason)
    return float(text)


def _split(content: bytes, widths: tuple[int, ...], times: int = 1) -> list[list[bytes]]:
    """Cut a header into its fields; each comes `times` times in a row."""
    fields, place = [], 0
    for width in widths:
        fields.append([content[place + i * width :][:width] for i in range(times)])
        place += width * times
    return fields


def _parse(path: Path, limits: Limits) -> _Header:
    """Return what the header says after comparing it with the size of the file."""
    with path.open("rb") as file:
        main = [field[0] for field in _split(file.read(256), _MAIN)]
        n_signals = int(_number(main[9], _INTEGER, "bad_header"))
        if n_signals < 1:
            raise ECGReadError("bad_length", "it has no signals")
        if n_signals > limits.max_leads:
            raise ECGReadError("too_large", f"more than {limits.max_leads} signals")
        fields = _split(file.read(256 * n_signals), _PER_SIGNAL, n_signals)
    if _number(main[5], _INTEGER, "bad_header") != 256 * (1 + n_signals):
        raise ECGReadError("bad_header", "it gives another length of itself")
    kind = "bdf" if main[0] == _BDF else "edf"
    reserved = main[6].decode("ascii", "replace").strip().upper()
    if reserved.startswith(("EDF+D", "BDF+D")):
        raise ECGReadError("unsupported", "it is discontinuous (EDF+D); split it at its gaps")
    variant = kind + ("+" if reserved.startswith(("EDF+C", "BDF+C")) else "")
    n_records = int(_number(main[7], _INTEGER, "bad_length"))
    duration = _number(main[8], _NUMBER, "bad_rate")
    signals: list[_Signal] = []
    place = 0
    for i in range(n_signals):
        label = fields[0][i].decode("latin-1").strip()
        per_record = int(_number(fields[8][i], _INTEGER, "bad_length"))
        low, high = (_number(fields[k][i], _NUMBER, "bad_gain") for k in (3, 4))
        bottom, top = (int(_number(fields[k][i], _INTEGER, "bad_gain")) for k in (5, 6))
        if not (low < high and bottom < top):
            raise ECGReadError("bad_gain", "its smallest and largest values are out of order")
        if per_record < 1:
            raise ECGReadError("bad_length")
        units = fields[2][i].decode("latin-1").strip()
        signals.append(_Signal(label, units, (low, high), (bottom, top), per_record, place))
        place += per_record
    header = _Header(variant, n_records, duration, tuple(signals))
    if n_records < 1:
        raise ECGReadError("bad_length", "it does not say how many data records it has")
    if path.stat().st_size < header.size + n_records * header.per_record * header.width:
        raise ECGReadError("truncated")
    return header


def _records(path: Path, header: _Header, start: int, stop: int) -> NDArray[np.int32]:
    """Read data records, shape (stop - start, samples of all signals in one)."""
    count = (stop - start) * header.per_record * header.width
    offset = header.size + start * header.per_record * header.width
    raw = np.fromfile(path, np.uint8, count, offset=offset)
    if header.width == 2:
        values = raw.view("<i2").astype(np.int32)
    else:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        values = wide.reshape(-1).view("<i4") >> 8
    return values.reshape(stop - start, header.per_record)


def _fetch(
    path: Path, header: _Header, channels: list[_Signal], scale: NDArray[np.float64]
) -> Callable[[int, int], NDArray[np.float64]]:
    block = channels[0].per_record

    def fetch(start: int, stop: int) -> NDArray[np.float64]:
        signal = np.empty((stop - start, len(channels)), order="F")
        step = max(1, _STRETCH // header.per_record)
        for first in range(start // block, ceil(stop / block), step):
            last = min(first + step, ceil(stop / block))
            records = _records(path, header, first, last)
            a, b = max(start, first * block), min(stop, last * block)
            for column, channel in enumerate(channels):
                digital = records[:, channel.place : channel.place + block].reshape(-1)
                values = (digital[a - first * block : b - first * block]).astype(np.float64)
                values -= channel.digital[0]
                values /= channel.gain
                values += channel.physical[0]
                signal[a - start : b - start, column] = values * scale[column]
        return signal

    return fetch


def _read_marks(path: Path, header: _Header, rate: float, limits: Limits) -> Annotations | None:
    """Return the marks whose text is a known beat, mark or rhythm; None where there is none."""
    tracks = [signal for signal in header.signals if signal.label in _ANNOTATIONS]
    samples, symbols, notes = [], [], []
    origin, n_bytes = None, 0
    for track in tracks:
        for record in _track_bytes(path, header, track):
            for onset, texts in _TAL.findall(record):
                n_bytes += len(texts) + len(onset)
                if n_bytes > limits.max_annotation_bytes:
                    raise ECGReadError(
                        "too_large",
                        f"more than {limits.max_annotation_bytes} bytes of annotations",
                    )
                seconds = float(onset)
                # The first says how far into its second the recording began.
                origin = seconds if origin is None else origin
                for text in texts.decode("utf-8", "replace").split("\x14"):
                    if text in AAMI_CLASSES or text in MARKS or text in RHYTHMS:
                        samples.append(round((seconds - origin) * rate))
                        symbols.append("+" if text in RHYTHMS else text)
                        notes.append(text if text in RHYTHMS else "")
    if not samples:
        return None
    order = np.argsort(samples, kind="stable")
    return Annotations(
        np.array(samples)[order], np.array(symbols)[order], np.array(notes)[order]
    )


def _track_bytes(path: Path, header: _Header, track: _Signal) -> Iterator[bytes]:
    width = header.width
    step = max(1, _STRETCH // header.per_record)
    for first in range(0, header.n_records, step):
        count = min(step, header.n_records - first) * header.per_record * width
        offset = header.size + first * header.per_record * width
        raw = np.fromfile(path, np.uint8, count, offset=offset)
        raw = raw.reshape(-1, header.per_record * width)
        place = track.place * width
        for row in raw[:, place : place + track.per_record * width]:
            yield row.tobytes()


class EDFWriter(RecordWriter):
    """Writes data records as the samples come; gaps become 0 mV."""

    def _begin(self) -> None:
        layout = self.layout
        n_leads = layout.n_leads
        kind = "bdf" if layout.variant.startswith("bdf") else "edf"
        self._width = 3 if kind == "bdf" else 2
        largest = 2 ** (8 * self._width - 1) - 1
        self._plus = layout.variant.endswith("+") or bool(self.annotations)
        self._block = layout.block or _block(layout)
        if layout.n_times % self._block:
            raise ValueError(f"{layout.n_times} samples are no whole number of data records.")
        gain = layout.gain or (DEFAULT_GAIN,) * n_leads
        baseline = layout.baseline or (0.0,) * n_leads
        ranges = layout.digital_range or ((-largest, largest),) * n_leads
        units = layout.units or ("uV",) * n_leads
        self._signals = []
        for lead in range(n_leads):
            unit = MILLIVOLTS[units[lead].lower()]
            low, high = (
                float(_eight((value - baseline[lead]) / gain[lead] / unit))
                for value in ranges[lead]
            )
            label = _label(layout.lead_names[lead])
            signal = _Signal(label, units[lead], (low, high), ranges[lead], self._block, 0)
            self._signals.append(signal)
        # What the header's eight characters say, not what they were rounded from.
        scale = np.array([MILLIVOLTS[unit.lower()] for unit in units])
        self._gain = np.array([signal.gain for signal in self._signals]) / scale
        lows = np.array([signal.physical[0] * signal.gain for signal in self._signals])
        self._low, self._high = np.array(ranges, float).T
        self._baseline = self._low - lows
        self._gaps = np.clip(np.rint(self._baseline), self._low, self._high)
        self._rest = np.empty((0, n_leads), np.int32)
        self._marks = self._grouped_marks() if self._plus else None
        self._next = 0
        self._file = self._staged.parts[0].open("wb")
        self._file.write(self._header(kind))

    def _append(self, chunk: NDArray[np.float64]) -> None:
        digital, clipped = digitized(
            chunk, self._gain, self._baseline, self._low, self._high, self._gaps
        )
        self.n_clipped += clipped
        digital = np.concatenate([self._rest, digital])
        whole = len(digital) // self._block
        self._rest = digital[whole * self._block :]
        if not whole:
            return
        blocks = digital[: whole * self._block].reshape(whole, self._block, -1)
        records = blocks.transpose(0, 2, 1).astype("<i4", order="C")
        words = records.view(np.uint8).reshape(whole, -1, 4)
        raw = np.ascontiguousarray(words[..., : self._width]).reshape(whole, -1)
        if self._marks is not None:
            tracks = np.frombuffer(
                b"".join(self._track(self._next + i) for i in range(whole)), np.uint8
            )
            raw = np.concatenate([raw, tracks.reshape(whole, -1)], axis=1)
        self._next += whole
        raw.tofile(self._file)

    def _finish(self) -> None:
        self._file.close()

    def _abandon(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _grouped_marks(self) -> NDArray[np.intp]:
        """Return where the marks of each data record begin, and settle the room they need."""
        n_records = self.layout.n_times // self._block
        marks = self.annotations
        owner = np.empty(0, np.intp) if marks is None else marks.samples // self._block
        bounds = np.searchsorted(owner, np.arange(n_records + 1))
        longest = len(f"+{self.layout.n_times / self.layout.sampling_rate:.6f}") + 10
        room = longest * (1 + int(np.diff(bounds).max(initial=0)))
        self._track_samples = ceil(room / self._width)
        return bounds

    def _track(self, number: int) -> bytes:
        """Return the annotations of one data record."""
        rate = self.layout.sampling_rate
        parts = [f"{_onset(number * self._block / rate)}\x14\x14\x00"]
        if self.annotations is not None and self._marks is not None:
            marks = self.annotations
            for i in range(self._marks[number], self._marks[number + 1]):
                text = marks.notes[i] if marks.symbols[i] == "+" else marks.symbols[i]
                parts.append(f"{_onset(marks.samples[i] / rate)}\x14{text}\x14\x00")
        return "".join(parts).encode("ascii").ljust(self._track_samples * self._width, b"\0")

    def _header(self, kind: str) -> bytes:
        """Return a header made of the layout, and otherwise of constants."""
        layout = self.layout
        signals = list(self._signals)
        if self._plus:
            largest = 2 ** (8 * self._width - 1)
            label, span = f"{kind.upper()} Annotations", (-largest, largest - 1)
            signals.append(_Signal(label, "", (-1, 1), span, self._track_samples, 0))
        reserved = f"{kind.upper()}+C" if self._plus else "24BIT" if kind == "bdf" else ""
        main = [
            "0",
            "X X X X",
            "Startdate X X X X",
            "01.01.85",  # what the standard prescribes for a date that must not be known
            "00.00.00",
            str(256 * (1 + len(signals))),
            reserved,
            str(layout.n_times // self._block),
            _eight(self._block / layout.sampling_rate),
            str(len(signals)),
        ]
        columns = [
            [signal.label for signal in signals],
            [""] * len(signals),
            [signal.units for signal in signals],
            *([_eight(signal.physical[k]) for signal in signals] for k in (0, 1)),
            *([str(signal.digital[k]) for signal in signals] for k in (0, 1)),
            [""] * len(signals),
            [str(signal.per_record) for signal in signals],
            [""] * len(signals),
        ]
        content = b"".join(
            text.encode("ascii").ljust(width)
            for texts, width in zip(
                [[text] for text in main] + columns, _MAIN + _PER_SIGNAL, strict=True
            )
            for text in texts
        )
        return (_BDF if kind == "bdf" else content[:8]) + content[8:]


def _label(lead: str) -> str:
    return lead if lead.startswith(("ECG", "lead")) else f"ECG {lead}"


def _onset(seconds: float) -> str:
    return "+" + (f"{seconds:.6f}".rstrip("0").rstrip("."))


def _eight(number: float) -> str:
    """Return a number in at most eight characters, as close as they can say it."""
    for digits in range(8, 0, -1):
        text = np.format_float_positional(
            number, precision=digits, unique=False, fractional=False, trim="-"
        )
        if len(text) <= 8:
            return text
    raise ValueError(f"{number:g} cannot be written in the eight characters of EDF.")


def _block(layout: Layout) -> int:
    """Return samples of a data record: about a second, and a divisor of the length."""
    most = max(1, _RECORD_BYTES // 2 // layout.n_leads)
    sizes = np.arange(1, min(most, layout.n_times) + 1)
    sizes = sizes[layout.n_times % sizes == 0]
    for size in sizes[np.argsort(np.abs(np.log(sizes / layout.sampling_rate)))].tolist():
        seconds = float(_eight(size / layout.sampling_rate))
        if seconds and abs(size / seconds - layout.sampling_rate) <= 1e-9 * size / seconds:
            return size
    raise ValueError(
        f"EDF cannot hold {layout.n_times} samples at {layout.sampling_rate:g} Hz without "
        "filling up its last data record; choose another format or crop the record."
    )


class EDF(Format):
    """European Data Format, of 16 bits and (BDF) 24 bits, with annotations or without."""

    name = "edf"
    suffixes = (".edf", ".bdf")
    writer = EDFWriter

    def sniff(self, head: bytes) -> bool:
        """Look for the version field."""
        return len(head) >= 256 and (head[:8] == b"0       " or head[:8] == _BDF)

    def open(self, source: Source) -> RecordReader:
        """Open a recording; signals that are not chosen may have other rates."""
        header = _parse(source.path, source.limits)
        signals = [signal for signal in header.signals if signal.label not in _ANNOTATIONS]
        names = allowed_leads([signal.label for signal in signals])
        channels, scale = chosen_leads(names, [s.units for s in signals], source.leads)
        chosen = [signals[channel] for channel in channels]
        if not chosen:
            raise ECGReadError("bad_length", "it has no signals")
        if len({signal.per_record for signal in chosen}) > 1:
            raise ECGReadError("mixed_rates", "choose leads of one rate with leads=[...]")
        block = chosen[0].per_record
        rate = block / header.duration if header.duration else 0.0
        n_times = header.n_records * block
        source.limits.check_shape(n_times, len(chosen), rate)
        source.limits.check_memory(header.per_record)
        gain = [s.gain / unit for s, unit in zip(chosen, scale.tolist(), strict=True)]
        layout = Layout(
            self.name,
            rate,
            tuple(names[channel] for channel in channels),
            n_times,
            gain=tuple(gain),
            baseline=tuple(s.digital[0] - s.physical[0] * s.gain for s in chosen),
            digital_range=tuple(s.digital for s in chosen),
            units=tuple(_UNITS[s.units.lower()] for s in chosen),
            variant=header.variant,
            block=block,
        )
        return RecordReader(
            layout,
            _fetch(source.path, header, chosen, scale),
            source.limits,
            annotations=_read_marks(source.path, header, rate, source.limits),
        )


_UNITS = {"uv": "uV", "µv": "uV", "μv": "uV", "mv": "mV", "v": "V", "nv": "nV"}
