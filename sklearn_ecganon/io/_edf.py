"""Read EDF, EDF+, BDF and BDF+.

Read here rather than by a library because reading must go on in bounded memory and every field
must be checked. The tests compare with edfio.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import AAMI_CLASSES, NON_BEATS, RHYTHMS, Annotations
from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._edf_header import (
    ANNOTATION_LABELS,
    BDF,
    Header,
    Signal,
    eight_characters,
    read_header,
    read_identity_fields,
)
from sklearn_ecganon.io._edf_writer import EDFWriter
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._identity import IdentityFacts
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader

#: Onset, duration and texts of an entry in an annotation signal.
_ENTRY = re.compile(rb"([+-][0-9]+(?:\.[0-9]*)?)(?:\x15[0-9.]*)?\x14([^\x00]*)\x14\x00")

#: Values decoded at once.
_CHUNK = 2**22
#: s; a data record that begins this much earlier or later than the end of the one before
#: follows it directly: recorders correct their clocks by less.
_CLOCK_TOLERANCE = 0.02


@dataclass(frozen=True)
class _Timeline:
    """The positions of the data records in time.

    Attributes
    ----------
    first_records : ndarray of int of shape (n_runs,)
        First data record of each run of records without a gap.
    starts : ndarray of int of shape (n_runs,)
        Its first sample, counted from the start of the recording.
    n_times : int
        Samples of the recording, gaps included.
    """

    first_records: NDArray[np.intp]
    starts: NDArray[np.intp]
    n_times: int

    @classmethod
    def of(
        cls, onsets: NDArray[np.float64], n_records: int, duration: float, block: int
    ) -> _Timeline:
        """Return the timeline of records that begin at `onsets`, NaN where unknown."""
        steps = np.full(n_records, duration)
        steps[1:] = np.diff(onsets)
        is_late = np.abs(steps - duration) > max(_CLOCK_TOLERANCE, 1.5 * duration / block)
        # A step after a correction of the clock is not the duration of a record.
        is_late &= ~np.isnan(steps)
        if (steps[is_late] < duration).any():
            raise ECGReadError("bad_header", "its data records overlap in time")
        first = np.concatenate([[0], np.flatnonzero(is_late)]).astype(np.intp)
        gaps = np.rint((steps[first] - duration) * (block / duration))
        gaps[0] = 0
        if not np.isfinite(gaps).all() or gaps.sum() > 2**62:
            raise ECGReadError("bad_header", "its data records begin at impossible times")
        starts = first * block + np.cumsum(gaps).astype(np.intp)
        n_times = int(starts[-1]) + (n_records - int(first[-1])) * block
        return cls(first, starts, n_times)


def _read_records(path: Path, header: Header, start: int, stop: int) -> NDArray[np.int32]:
    """Read data records, shape (stop - start, samples of all signals in one)."""
    count = (stop - start) * header.record_bytes
    raw = np.fromfile(path, np.uint8, count, offset=header.size + start * header.record_bytes)
    if header.width == 2:
        values = raw.view("<i2").astype(np.int32)
    else:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        values = wide.reshape(-1).view("<i4") >> 8
    return values.reshape(stop - start, header.per_record)


def _fetch(
    path: Path,
    header: Header,
    timeline: _Timeline,
    channels: list[Signal],
    scale: NDArray[np.float64],
) -> Callable[[int, int], NDArray[np.float64]]:
    block = channels[0].per_record
    run_stops = np.append(timeline.first_records[1:], header.n_records)
    runs = list(
        zip(
            timeline.first_records.tolist(),
            run_stops.tolist(),
            timeline.starts.tolist(),
            strict=True,
        )
    )

    def fetch(start: int, stop: int) -> NDArray[np.float64]:
        signal = np.full((stop - start, len(channels)), np.nan, order="F")
        step = max(1, _CHUNK // header.per_record)
        for run_first, run_stop, run_start in runs:
            # Sample 0 of data record r lies at (r - origin) * block, counted as in the file.
            shift = run_start - run_first * block
            low, high = max(start, run_start), min(stop, run_stop * block + shift)
            if low >= high:
                continue
            last_record = ceil((high - shift) / block)
            for first in range((low - shift) // block, last_record, step):
                last = min(first + step, last_record)
                records = _read_records(path, header, first, last)
                a, b = max(low, first * block + shift), min(high, last * block + shift)
                inside = slice(a - shift - first * block, b - shift - first * block)
                for column, channel in enumerate(channels):
                    digital = records[:, channel.place : channel.place + block].reshape(-1)
                    values = digital[inside].astype(np.float64)
                    values -= channel.digital[0]
                    values /= channel.gain
                    values += channel.physical[0]
                    signal[a - start : b - start, column] = values * scale[column]
        return signal

    return fetch


@dataclass(frozen=True)
class _Track:
    """Content of the annotation signals.

    Attributes
    ----------
    onsets : ndarray of shape (n_records,)
        Seconds at which each data record begins, NaN where that is not stated.
    seconds : list of float
        Of the annotations that may be published, from the start of the recording.
    symbols, notes : list of str
        Of the same.
    """

    onsets: NDArray[np.float64]
    seconds: list[float]
    symbols: list[str]
    notes: list[str]

    def annotations(self, sampling_rate: float) -> Annotations | None:
        """Return the annotations in samples; None if there are none."""
        if not self.seconds:
            return None
        samples = np.rint(np.array(self.seconds) * sampling_rate)
        # Positions far beyond any recording; the reader drops and counts them.
        samples = np.clip(samples, -(2.0**60), 2.0**60).astype(np.intp)
        order = np.argsort(samples, kind="stable")
        symbols, notes = np.array(self.symbols), np.array(self.notes)
        return Annotations(samples[order], symbols[order], notes[order])


def _read_track(path: Path, header: Header, limits: Limits) -> _Track:
    """Read onsets, and annotations whose text is a known beat, symbol or rhythm."""
    tracks = [signal for signal in header.signals if signal.label in ANNOTATION_LABELS]
    track = _Track(np.full(header.n_records, np.nan), [], [], [])
    origin, n_bytes = None, 0
    for number_of_track, signal in enumerate(tracks):
        for number, content in enumerate(_track_bytes(path, header, signal)):
            for place, (onset, texts) in enumerate(_ENTRY.findall(content)):
                n_bytes += len(texts) + len(onset)
                if n_bytes > limits.max_annotation_bytes:
                    raise ECGReadError(
                        "too_large",
                        f"more than {limits.max_annotation_bytes} bytes of annotations",
                    )
                seconds = float(onset)
                # The first entry states at which fraction of a second the recording began.
                origin = seconds if origin is None else origin
                if number_of_track == place == 0 and not texts.strip(b"\x14"):
                    track.onsets[number] = seconds
                for text in texts.decode("utf-8", "replace").split("\x14"):
                    if text in AAMI_CLASSES or text in NON_BEATS or text in RHYTHMS:
                        track.seconds.append(seconds - origin)
                        track.symbols.append("+" if text in RHYTHMS else text)
                        track.notes.append(text if text in RHYTHMS else "")
    return track


def _track_bytes(path: Path, header: Header, track: Signal) -> Iterator[bytes]:
    step = max(1, _CHUNK // header.per_record)
    place, length = track.place * header.width, track.per_record * header.width
    for first in range(0, header.n_records, step):
        count = min(step, header.n_records - first) * header.record_bytes
        offset = header.size + first * header.record_bytes
        raw = np.fromfile(path, np.uint8, count, offset=offset)
        for row in raw.reshape(-1, header.record_bytes)[:, place : place + length]:
            yield row.tobytes()


def _exact_rate(rate: float, block: int, duration: float) -> float:
    """Return the sampling rate before the rounding of the duration to eight characters."""
    whole = round(rate)
    if whole and abs(rate - whole) <= 1e-4 * rate:
        is_same = float(eight_characters(block / whole)) == duration
        return float(whole) if is_same else rate
    return rate


class EDF(Format):
    """European Data Format, of 16 bits and (BDF) 24 bits, with annotations or without."""

    name = "edf"
    suffixes = (".edf", ".bdf")
    writer = EDFWriter
    annotations_first = True  # they lie between the samples

    def sniff(self, head: bytes) -> bool:
        """Look for the version field."""
        return len(head) >= 256 and (head[:8] == b"0       " or head[:8] == BDF)

    def open(self, source: Source) -> RecordReader:
        """Open a recording; signals that are not chosen may have other rates."""
        header = read_header(source.path, source.limits)
        signals = [signal for signal in header.signals if signal.label not in ANNOTATION_LABELS]
        if not signals:
            raise ECGReadError("bad_length", "it has no signals")
        selection = select_channels(
            [signal.label for signal in signals],
            [signal.units for signal in signals],
            source.leads,
            is_blank=[signal.is_blank for signal in signals],
        )
        chosen = [signals[channel] for channel in selection.channels]
        if len({signal.per_record for signal in chosen}) > 1:
            raise ECGReadError("mixed_rates", "choose leads of one rate with leads=[...]")
        block = chosen[0].per_record
        rate = block / header.duration if header.duration else 0.0
        source.limits.check_shape(header.n_records * block, len(chosen), rate)
        rate = _exact_rate(rate, block, header.duration)
        source.limits.check_memory(header.per_record)
        track = _read_track(source.path, header, source.limits)
        timeline = _Timeline.of(track.onsets, header.n_records, header.duration, block)
        gains = [
            abs(signal.gain) / unit
            for signal, unit in zip(chosen, selection.scale.tolist(), strict=True)
        ]
        has_gaps = len(timeline.starts) > 1
        return RecordReader(
            Layout(self.name, rate, selection.names, timeline.n_times, variant=header.variant),
            _fetch(source.path, header, timeline, chosen, selection.scale),
            source.limits,
            annotations=track.annotations(rate),
            gain=tuple(gains),
            warnings=selection.warnings + ("time_gaps",) * has_gaps,
        )

    def identity(self, source: Source) -> IdentityFacts:
        """Read the start date, and the fields about the patient and the recording."""
        return read_identity_fields(source.path)
