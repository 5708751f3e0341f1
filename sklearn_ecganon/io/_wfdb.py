"""WFDB, the format of PhysioNet: decoded by wfdb, but only after a strict look of our own."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._errors import ECGReadError, fenced
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import (
    DEFAULT_GAIN,
    Layout,
    allowed_leads,
    chosen_leads,
    digitized,
    sixteen_bits,
)
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._wfdb_header import Header, parse_header
from sklearn_ecganon.io._wfdb_marks import decode_marks, encode_marks
from sklearn_ecganon.io._writer import RecordWriter

#: A first line that looks like a record line; the strict parser has the last word.
_FIRST_LINE = re.compile(rb"[-A-Za-z0-9_]+(?:/\d+)?[ \t]+\d+(?:[ \t]+[-+.\w/()]+.*)?[ \t\r]*")

#: The value that stands for "not recorded" in each storage format; 8 has none.
_GAPS = {
    **{"16": -(2**15), "61": -(2**15), "160": -(2**15), "516": -(2**15)},
    **{"24": -(2**23), "524": -(2**23), "32": -(2**31)},
    **{"80": -(2**7), "508": -(2**7), "212": -(2**11), "310": -(2**9), "311": -(2**9)},
}
_SMALL = frozenset(_GAPS) - {"24", "32", "524"}

#: Values read at once while checksums are verified.
_STRETCH = 2**21

#: Largest digital value that is written; the smallest is its negative, one less is a gap.
_LARGEST = 2**15 - 1


@dataclass(frozen=True)
class _Segment:
    """A stretch of a record that lies in signal files of its own."""

    base: Path
    header: Header
    start: int
    n_times: int

    @property
    def is_plain(self) -> bool:
        """All leads in one file of 16-bit numbers: no library is needed, nor its import."""
        signals = self.header.signals
        return all(
            (signal.format, signal.skew, signal.file) == ("16", 0, signals[0].file)
            for signal in signals
        )

    def digital(self, start: int, stop: int, *, aligned: bool = True) -> NDArray[np.integer]:
        """Read digital values, counted from the start of the segment."""
        if self.is_plain:
            first = self.header.signals[0]
            width = self.header.n_signals
            path = self.base.with_name(first.file)
            offset = first.offset + 2 * start * width
            values = np.fromfile(path, "<i2", (stop - start) * width, offset=offset)
            return values.reshape(stop - start, width)
        import wfdb

        small = all(signal.format in _SMALL for signal in self.header.signals)
        raw = wfdb.rdrecord(
            str(self.base),
            sampfrom=start,
            sampto=stop,
            physical=False,
            ignore_skew=not aligned,
            return_res=16 if small else 32,
        )
        return raw.d_signal

    def millivolts(
        self, start: int, stop: int, channels: list[int], scale: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Read mV of some channels, NaN where nothing was recorded."""
        digital = self.digital(start, stop)
        values = np.empty((stop - start, len(channels)), order="F")
        # One lead at a time: many times faster than along rows of two.
        for column, channel in enumerate(channels):
            signal = self.header.signals[channel]
            lead, raw = values[:, column], np.ascontiguousarray(digital[:, channel])
            np.subtract(raw, signal.baseline, out=lead, dtype=np.float64)
            lead /= signal.gain
            if scale[column] != 1:
                lead *= scale[column]
            if signal.format in _GAPS and raw.min() == _GAPS[signal.format]:
                lead[raw == _GAPS[signal.format]] = np.nan
        return values

    def survey(self) -> tuple[bool, NDArray[np.int64], NDArray[np.int64]]:
        """Read it once; return whether checksums are right, and extremes beyond 16 bits."""
        signals = self.header.signals
        total = np.zeros(len(signals), np.int64)
        low = np.zeros(len(signals), np.int64)
        high = np.zeros(len(signals), np.int64)
        gaps = np.array([[_GAPS.get(signal.format, -(2**40))] for signal in signals])
        step = max(1, _STRETCH // len(signals))
        if any(signal.format == "8" for signal in signals):
            step = self.n_times  # differences: only readable from the start
        for start in range(0, self.n_times, step):
            digital = self.digital(start, min(start + step, self.n_times), aligned=False)
            leads = np.ascontiguousarray(digital.T)
            # Only the last 16 bits count, so that it may overflow.
            total += leads.sum(axis=1, dtype=leads.dtype)
            if not all(signal.format in _SMALL for signal in signals):
                known = leads != gaps
                low = np.minimum(low, leads.min(axis=1, where=known, initial=0))
                high = np.maximum(high, leads.max(axis=1, where=known, initial=0))
        right = all(
            signal.checksum is None or (found - signal.checksum) % 2**16 == 0
            for signal, found in zip(signals, total.tolist(), strict=True)
        )
        return right, low, high


def _read_header(path: Path, limits: Limits) -> Header:
    with path.open("rb") as file:
        content = file.read(limits.max_header_bytes + 1)
    if len(content) > limits.max_header_bytes:
        raise ECGReadError("too_large", f"its header has over {limits.max_header_bytes} bytes")
    return parse_header(content, limits)


def _segment(source: Source, path: Path, header: Header, start: int) -> _Segment:
    """Check a header's signal files, before anything of their declared size is allocated."""
    n_times = header.n_times
    for file in dict.fromkeys(signal.file for signal in header.signals):
        size = source.sibling(file).stat().st_size
        frame = header.frame_bytes(file)
        first = next(signal for signal in header.signals if signal.file == file)
        if frame is None:
            found = _flac_length(path.with_name(file), header, file) - first.offset
            if n_times is None:
                n_times = found
            fits = found >= n_times
        else:
            if n_times is None:
                n_times = int((size - first.offset) / frame)
            fits = size >= header.required_bytes(file, n_times)
        if not fits:
            raise ECGReadError("truncated")
    if not n_times:
        raise ECGReadError("bad_length")
    if any(signal.skew >= n_times for signal in header.signals):
        raise ECGReadError("bad_header", "a skew is longer than the record")
    source.limits.check_shape(n_times, header.n_signals, header.sampling_rate)
    if any(signal.format == "8" for signal in header.signals):
        source.limits.check_memory(n_times * header.n_signals)
    segment = _Segment(path.with_suffix(""), header, start, n_times)
    _check_agreement(segment)
    return segment


def _flac_length(path: Path, header: Header, file: str) -> int:
    import soundfile

    info = soundfile.info(str(path))
    if info.channels != sum(signal.file == file for signal in header.signals):
        raise ECGReadError("bad_header", "a signal file has another number of channels")
    return info.frames


def _check_agreement(segment: _Segment) -> None:
    """Make sure that wfdb reads the header as we do, where it reads the signals."""
    if segment.is_plain:
        return
    import wfdb

    with fenced("bad_header"):
        theirs = wfdb.rdheader(str(segment.base))
        ours = segment.header
        if theirs.fs != ours.sampling_rate or theirs.sig_len not in (None, segment.n_times):
            raise ValueError
        for channel, signal in enumerate(ours.signals):
            found = (
                theirs.file_name[channel],
                theirs.fmt[channel],
                theirs.skew[channel] or 0,
                theirs.byte_offset[channel] or 0,
                theirs.adc_gain[channel],
                theirs.baseline[channel],
                theirs.init_value[channel] or 0,
            )
            wanted = (
                signal.file,
                signal.format,
                signal.skew,
                signal.offset,
                signal.gain,
                signal.baseline,
                signal.initial,
            )
            if found != wanted or theirs.samps_per_frame[channel] != 1:
                raise ValueError


def _segments(source: Source, header: Header) -> tuple[list[_Segment], Header]:
    """Return the segments of a record, and the header that names all its leads."""
    segments: list[_Segment] = []
    layout: Header | None = None
    start = 0
    for position, (name, n_times) in enumerate(header.segments):
        if name != "~":
            path = source.sibling(f"{name}.hea")
            part = _read_header(path, source.limits)
            if part.segments:
                raise ECGReadError("bad_header", "a segment has segments itself")
            if part.sampling_rate != header.sampling_rate:
                raise ECGReadError("mixed_rates", "its segments have different rates")
            if position == 0 and n_times == 0:
                layout = part
            elif part.n_times not in (None, n_times) or n_times == 0:
                raise ECGReadError("bad_length", "a segment has another length than announced")
            else:
                segment = _segment(source, path, part, start)
                if segment.n_times != n_times:
                    raise ECGReadError("bad_length", "a segment has another length")
                segments.append(segment)
        start += n_times
    if not segments:
        raise ECGReadError("bad_length", "it has no segment with signals")
    if layout is None:
        layout = segments[0].header
        if any(segment.header.n_signals != layout.n_signals for segment in segments):
            raise ECGReadError("bad_header", "its segments have different numbers of leads")
    if layout.n_signals != header.n_signals:
        raise ECGReadError("bad_header", "its segments have another number of leads")
    return segments, layout


def _column(segment: _Segment, leading: Header, channel: int) -> int | None:
    """Return where a lead of the record lies in a segment, None where it is absent."""
    signals = segment.header.signals
    if not any(signal.file == "~" for signal in leading.signals):
        return channel
    wanted = leading.signals[channel].description
    found = [i for i, signal in enumerate(signals) if signal.description == wanted]
    return found[0] if found else None


def _fetch(
    segments: list[_Segment], leading: Header, channels: list[int], n_times: int
) -> Callable[[int, int], NDArray[np.float64]]:
    only = segments[0]
    is_whole = only.header is leading and (only.start, only.n_times) == (0, n_times)
    if is_whole and all(signal.format != "8" for signal in only.header.signals):
        units = [only.header.signals[channel].units for channel in channels]
        _, scale = chosen_leads([str(i) for i in channels], units, None)
        return lambda start, stop: only.millivolts(start, stop, channels, scale)

    # Differences can only be read from the start, once.
    whole: dict[int, NDArray[np.float64]] = {}

    def fetch(start: int, stop: int) -> NDArray[np.float64]:
        signal = np.full((stop - start, len(channels)), np.nan, order="F")
        for number, segment in enumerate(segments):
            first = max(start, segment.start)
            last = min(stop, segment.start + segment.n_times)
            if first >= last:
                continue
            columns = [_column(segment, leading, channel) for channel in channels]
            present = [i for i, column in enumerate(columns) if column is not None]
            wanted = [column for column in columns if column is not None]
            if not present:
                continue
            units = [segment.header.signals[column].units for column in wanted]
            _, scale = chosen_leads([str(i) for i in range(len(wanted))], units, None)
            a, b = first - segment.start, last - segment.start
            if any(s.format == "8" for s in segment.header.signals):
                if number not in whole:
                    whole[number] = segment.millivolts(0, segment.n_times, wanted, scale)
                values = whole[number][a:b]
            else:
                values = segment.millivolts(a, b, wanted, scale)
            signal[first - start : last - start, present] = values
        return signal

    return fetch


def _survey(
    segments: list[_Segment], leading: Header, limits: Limits
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Verify all checksums; return warnings and the extremes of each lead, digital."""
    low = np.zeros(leading.n_signals)
    high = np.zeros(leading.n_signals)
    all_right = True
    for segment in segments:
        right, smallest, largest = segment.survey()
        all_right &= right
        for channel in range(leading.n_signals):
            column = _column(segment, leading, channel)
            if column is not None:
                low[channel] = min(low[channel], smallest[column])
                high[channel] = max(high[channel], largest[column])
    if all_right:
        return (), low, high
    if limits.checksum == "refuse":
        raise ECGReadError("bad_checksum", "Limits(checksum='warn') reads it all the same")
    return ("bad_checksum",), low, high


def _kept_scale(
    leading: Header,
    channels: list[int],
    scale: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return gain (units a mV) and baseline of each lead that a copy in 16 bits can have."""
    kept = [
        sixteen_bits(
            leading.signals[channel].gain / millivolts,
            leading.signals[channel].baseline,
            low[channel],
            high[channel],
        )
        for channel, millivolts in zip(channels, scale.tolist(), strict=True)
    ]
    return tuple(gain for gain, _ in kept), tuple(zero for _, zero in kept)


def _read_annotations(
    source: Source, annotator: str, sampling_rate: float
) -> Annotations | None:
    path = source.path.with_suffix(f".{annotator}")
    if not os.path.lexists(path):
        return None
    size = source.sibling(path.name).stat().st_size
    if size > source.limits.max_annotation_bytes:
        raise ECGReadError(
            "too_large", f"more than {source.limits.max_annotation_bytes} bytes of annotations"
        )
    return decode_marks(path.read_bytes(), sampling_rate)


class WFDBWriter(RecordWriter):
    """Writes format 16 as the samples come; the header is written last."""

    def _files(self) -> tuple[Path, ...]:
        if self.path.suffix != ".hea":
            raise ValueError(f"{self.path} is no WFDB header; call it NAME.hea.")
        if re.fullmatch(r"[-\w]+", self.path.stem, re.ASCII) is None:
            raise ValueError(
                f"{self.path.stem!r} is no WFDB record name; use letters, digits, - and _."
            )
        return tuple(self.path.with_suffix(suffix) for suffix in (".dat", ".atr", ".hea"))

    def _begin(self) -> None:
        n_leads = self.layout.n_leads
        self._gain = self.layout.gain or (DEFAULT_GAIN,) * n_leads
        self._baseline = np.rint(self.layout.baseline or (0.0,) * n_leads)
        self._sum = np.zeros(n_leads, np.int64)
        self._initial: NDArray[np.int32] | None = None
        self._high = np.full(n_leads, _LARGEST)
        self._dat = self._staged.parts[0].open("wb")

    def _append(self, chunk: NDArray[np.float64]) -> None:
        digital, clipped = digitized(
            chunk, self._gain, self._baseline, -self._high, self._high, -self._high - 1
        )
        self.n_clipped += clipped
        if self._initial is None and len(digital):
            self._initial = digital[0]
        samples = digital.astype("<i2")
        # Only the last 16 bits count, so that it may overflow.
        self._sum += samples.sum(axis=0, dtype=np.int16)
        np.ascontiguousarray(samples).tofile(self._dat)

    def _finish(self) -> None:
        self._dat.close()
        dat, atr, hea = self._staged.parts
        if self.annotations is not None and len(self.annotations):
            atr.write_bytes(encode_marks(self.annotations))
        text = io.StringIO()
        layout = self.layout
        text.write(
            f"{hea.stem} {layout.n_leads} {_plain(layout.sampling_rate)} {layout.n_times}\n"
        )
        assert self._initial is not None
        for lead, name in enumerate(layout.lead_names):
            checksum = (int(self._sum[lead]) + 2**15) % 2**16 - 2**15
            text.write(
                f"{dat.name} 16 {_plain(self._gain[lead])}({int(self._baseline[lead])})/mV "
                f"16 0 {self._initial[lead]} {checksum} 0 {name}\n"
            )
        hea.write_text(text.getvalue(), encoding="ascii")

    def _abandon(self) -> None:
        self._dat.close()


def _plain(number: float) -> str:
    return np.format_float_positional(number, trim="-")


class WFDB(Format):
    """Records of PhysioNet: a header, signal files beside it, annotation files."""

    name = "wfdb"
    suffixes = (".hea",)
    writer = WFDBWriter

    def sniff(self, head: bytes) -> bool:
        """Look for a record line."""
        for line in head.splitlines():
            if line.strip() and not line.lstrip().startswith(b"#"):
                return _FIRST_LINE.fullmatch(line.strip()) is not None
        return False

    def open(self, source: Source) -> RecordReader:
        """Open a record of one segment or of several."""
        header = _read_header(source.path, source.limits)
        # wfdb would take these for an address or a pattern.
        if source.path.suffix != ".hea" or re.search(r"::|://|[*?\[\]]", str(source.path)):
            raise ECGReadError("bad_path", "want a plain folder and a file called NAME.hea")
        if header.segments:
            segments, leading = _segments(source, header)
            n_times = sum(samples for _, samples in header.segments)
            if header.n_times not in (None, n_times):
                raise ECGReadError("bad_length", "its segments do not add up to its length")
        else:
            segments, leading = [_segment(source, source.path, header, 0)], header
            n_times = segments[0].n_times
        names = allowed_leads([signal.description for signal in leading.signals])
        units = [signal.units for signal in leading.signals]
        channels, scale = chosen_leads(names, units, source.leads)
        source.limits.check_shape(n_times, len(channels), header.sampling_rate)
        warnings, low, high = _survey(segments, leading, source.limits)
        gain, baseline = _kept_scale(leading, channels, scale, low, high)
        annotations = None
        if source.annotator is not None:
            annotations = _read_annotations(source, source.annotator, header.sampling_rate)
        return RecordReader(
            Layout(
                self.name,
                header.sampling_rate,
                tuple(names[channel] for channel in channels),
                n_times,
                gain=gain,
                baseline=baseline,
            ),
            _fetch(segments, leading, channels, n_times),
            source.limits,
            annotations=annotations,
            warnings=warnings,
        )
