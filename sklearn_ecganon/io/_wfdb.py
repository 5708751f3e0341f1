"""WFDB, the format of PhysioNet: decoded by wfdb, after strict checks of the headers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._wfdb_annotations import decode_annotations
from sklearn_ecganon.io._wfdb_header import Header, named_files, parse_header, parse_identity
from sklearn_ecganon.io._wfdb_segment import Segment, open_segment
from sklearn_ecganon.io._wfdb_writer import WFDBWriter
from sklearn_ecganon.records import millivolts_in

#: A first line that looks like a record line; the strict parser decides.
_FIRST_LINE = re.compile(rb"[-A-Za-z0-9_]+(?:/\d+)?[ \t]+\d+(?:[ \t]+[-+.\w/()]+.*)?[ \t\r]*")

#: What the second line begins with: a file or segment, then a number. Tables of numbers have a
#: number first.
_NEXT_LINE = re.compile(rb"(?:~|(?![-+.]*[0-9][-+.0-9]*[ \t])[^ \t]+)[ \t]+[0-9]|[^ \t]+$")


def _header_bytes(path: Path, limits: Limits) -> bytes:
    with path.open("rb") as file:
        content = file.read(limits.max_header_bytes + 1)
    if len(content) > limits.max_header_bytes:
        raise ECGReadError("too_large", f"its header has over {limits.max_header_bytes} bytes")
    return content


def _read_header(path: Path, limits: Limits) -> Header:
    return parse_header(_header_bytes(path, limits), limits)


def _segments(source: Source, header: Header) -> tuple[list[Segment], Header]:
    """Return the segments of a record, and the header that names all its leads."""
    segments: list[Segment] = []
    layout: Header | None = None
    start = 0
    for position, (name, n_times) in enumerate(header.segments):
        if name != "~":
            path = source.sibling(f"{name}.hea")
            inner = _read_header(path, source.limits)
            if inner.segments:
                raise ECGReadError("bad_header", "a segment has segments itself")
            if inner.sampling_rate != header.sampling_rate:
                raise ECGReadError("mixed_rates", "its segments have different rates")
            if position == 0 and n_times == 0:
                layout = inner
            elif inner.n_times not in (None, n_times) or n_times == 0:
                raise ECGReadError("bad_length", "a segment has another length than announced")
            else:
                segment = open_segment(source, path, inner, start)
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


def _column(segment: Segment, leading: Header, channel: int) -> int | None:
    """Return the position of a lead of the record in a segment, None if it is absent."""
    signals = segment.header.signals
    if not any(signal.file == "~" for signal in leading.signals):
        return channel
    name = leading.signals[channel].description
    columns = [i for i, signal in enumerate(signals) if signal.description == name]
    return columns[0] if columns else None


def _fetch(
    segments: list[Segment], leading: Header, channels: list[int], n_times: int
) -> Callable[[int, int], NDArray[np.float64]]:
    only = segments[0]
    is_whole = only.header is leading and (only.start, only.n_times) == (0, n_times)
    if is_whole and all(signal.format != "8" for signal in only.header.signals):
        scale = millivolts_in([only.header.signals[channel].units for channel in channels])
        return lambda start, stop: only.millivolts(start, stop, channels, scale)

    # Formats that store differences can only be read from the start.
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
            inner = [column for column in columns if column is not None]
            if not present:
                continue
            scale = millivolts_in([segment.header.signals[column].units for column in inner])
            if np.isnan(scale).any():
                raise ECGReadError("bad_units", "a segment has other units than the record")
            a, b = first - segment.start, last - segment.start
            if any(s.format == "8" for s in segment.header.signals):
                if number not in whole:
                    whole[number] = segment.millivolts(0, segment.n_times, inner, scale)
                values = whole[number][a:b]
            else:
                values = segment.millivolts(a, b, inner, scale)
            signal[first - start : last - start, present] = values
        return signal

    return fetch


def _check_checksums(segments: list[Segment], limits: Limits) -> tuple[str, ...]:
    """Refuse wrong checksums, or return the code of a warning."""
    if all(segment.has_right_checksums() for segment in segments):
        return ()
    if limits.checksum == "refuse":
        raise ECGReadError("bad_checksum", "Limits(checksum='warn') reads it all the same")
    return ("bad_checksum",)


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
    return decode_annotations(path.read_bytes(), sampling_rate)


class WFDB(Format):
    """Records of PhysioNet: a header, signal files beside it, annotation files."""

    name = "wfdb"
    suffixes = (".hea",)
    writer = WFDBWriter
    has_signature = False
    sidecar_suffixes = (".dat",)
    claims_stem = True  # annotation files
    named_without_suffix = True

    def sniff(self, head: bytes) -> bool:
        """Look for a record line, and below it a line of a signal or segment."""
        lines = [line.strip() for line in head.splitlines()]
        lines = [line for line in lines if line and not line.startswith(b"#")]
        if not lines or _FIRST_LINE.fullmatch(lines[0]) is None:
            return False
        has_segments = b"/" in lines[0].split()[0]
        return has_segments or len(lines) == 1 or _NEXT_LINE.match(lines[1]) is not None

    def open(self, source: Source) -> RecordReader:
        """Open a record of one segment or of several."""
        header = _read_header(source.path, source.limits)
        if source.path.suffix != ".hea":
            raise ECGReadError("bad_path", "give a file named NAME.hea")
        if header.segments:
            segments, leading = _segments(source, header)
            n_times = sum(samples for _, samples in header.segments)
            if header.n_times not in (None, n_times):
                raise ECGReadError("bad_length", "its segments do not add up to its length")
        else:
            segments, leading = [open_segment(source, source.path, header, 0)], header
            n_times = segments[0].n_times
        selection = select_channels(
            [signal.description for signal in leading.signals],
            [signal.units for signal in leading.signals],
            source.leads,
        )
        channels, scale = selection.channels, selection.scale
        source.limits.check_shape(n_times, len(channels), header.sampling_rate)
        warnings = _check_checksums(segments, source.limits)
        annotations = None
        if source.annotator is not None:
            annotations = _read_annotations(source, source.annotator, header.sampling_rate)
        return RecordReader(
            Layout(
                self.name,
                header.sampling_rate,
                selection.names,
                n_times,
            ),
            _fetch(segments, leading, channels, n_times),
            source.limits,
            annotations=annotations,
            gain=tuple(
                leading.signals[channel].gain / unit
                for channel, unit in zip(channels, scale.tolist(), strict=True)
            ),
            warnings=(*selection.warnings, *warnings),
        )

    def sidecars(self, path: Path) -> tuple[Path, ...]:
        """Return the signal files and the headers of segments that a header names."""
        try:
            content = _header_bytes(path, Limits())
        except (ECGReadError, OSError):
            return ()  # `open` refuses the record with a reason
        # Signal files of a refused header belong to it, so that they are not counted twice.
        files = (path.with_name(name) for name in sorted(named_files(content)))
        return tuple(file for file in files if file.is_file() and file != path)

    def identity(self, source: Source) -> IdentityFacts:
        """Read the date of the record line, and the comments."""
        return parse_identity(_header_bytes(source.path, source.limits))
