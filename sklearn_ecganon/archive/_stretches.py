"""A recording as a row of stretches, each with its beats, in the memory of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.archive._outcome import Refusal
from sklearn_ecganon.io import RecordReader
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation._detectors import find_beats
from sklearn_ecganon.segmentation._leads import used_leads
from sklearn_ecganon.segmentation._windows import cut_windows

# Borders are part of the result, so that these numbers are no parameters.
STRETCH_S = 1800.0
MOST_VALUES = 2**22  # samples times leads: 12 leads at 1 kHz come in stretches of 6 minutes
OVERLAP_S = 10.0  # detectors learn their thresholds in the first two
WINDOW_MS, REFINE_MS = 800.0, 40.0
MIN_RATE = 100.0


@dataclass(frozen=True)
class Stretch:
    """A part of a recording that begins and ends between two beats.

    Parameters
    ----------
    start, stop : int
        First and one past the last sample.
    signal : ndarray of shape (stop - start, n_leads)
        In mV.
    beats : BeatSet
        One record, counted from `start`; it may have no beats.
    dead : ndarray of bool of shape (n_leads,)
        Leads that are flat or missing all the time.
    """

    start: int
    stop: int
    signal: NDArray[np.float64]
    beats: BeatSet
    dead: NDArray[np.bool_]


def stretches_of(reader: RecordReader, detector: str) -> Iterator[Stretch]:
    """Yield the stretches of a recording, in order and without gaps.

    Parameters
    ----------
    reader : RecordReader
        Read from one stretch to the next, each with ten seconds around it in which beats
        are found too.
    detector : str
        As of `QRSSegmenter`.
    """
    rate, n_times = reader.sampling_rate, reader.n_times
    n_window = max(1, round(WINDOW_MS * rate / 1000))
    if detector != "annotated" and rate < MIN_RATE:
        raise Refusal("too_slow")
    if n_times < n_window:
        raise Refusal("too_short")
    length = int(min(STRETCH_S * rate, max(MOST_VALUES / reader.n_leads, 60 * rate)))
    overlap = round(OVERLAP_S * rate)
    start = 0
    while start < n_times:
        # The last one takes what would be too little for one of its own.
        wanted = n_times if n_times - start < 1.5 * length else start + length
        low, high = max(0, start - overlap), min(n_times, wanted + overlap)
        signal = np.asfortranarray(reader.read(low, high))
        dead = np.fmin.reduce(signal) == np.fmax.reduce(signal)
        dead |= np.isnan(signal).all(axis=0)
        stop = wanted
        found = None
        if not dead.all():
            live = signal if not dead.any() else np.where(dead, 0.0, signal)
            record = _record(reader, live, low)
            lead = _detection_lead(record, dead)
            found = find_beats(
                record, lead, detector=detector, refine=REFINE_MS, n_times=n_window
            )
            peaks = found.r_peaks[found.r_peaks >= start - low] + low
            after = np.searchsorted(peaks, wanted)
            if wanted < n_times and 0 < after < len(peaks):
                stop = int(peaks[after - 1 : after + 1].sum() // 2 + 1)
            inside = (found.r_peaks >= start - low) & (found.r_peaks < stop - low)
            beats = cut_windows([replace(found, r_peaks=found.r_peaks[inside])], reader.n_leads)
            n_known = 0 if record.r_peaks is None else len(record.r_peaks)
            labelled = 2 * n_known >= len(found.r_peaks)
            beats = _counted_from(beats, low, start, stop, labelled=labelled)
        else:
            beats = _without_beats(reader, n_window, stop - start)
        yield Stretch(start, stop, signal[start - low : stop - low], beats, dead)
        start = stop


def _record(reader: RecordReader, signal: NDArray, low: int) -> ECGRecord:
    known: dict[str, Any] = {}
    if reader.annotations is not None:
        marks = reader.annotations.within(low, low + len(signal))
        known = {"r_peaks": marks.r_peaks - low, "beat_labels": marks.beat_labels}
    return ECGRecord(signal, reader.sampling_rate, reader.lead_names, **known)


def _detection_lead(record: ECGRecord, dead: NDArray[np.bool_]) -> int:
    """Return MLII, II or the first lead, among those that are alive."""
    alive = np.flatnonzero(~dead).tolist()
    used, lead = used_leads(record, alive, None)
    return used[lead]


def _counted_from(
    beats: BeatSet, low: int, start: int, stop: int, *, labelled: bool
) -> BeatSet:
    """Return beats of a signal that began at `low` as those of the stretch inside of it.

    Where fewer than half of the beats are annotated, annotations are no classes of beats:
    some databases mark the first ten, and some the changes of rhythm.
    """
    gaps = beats.gaps
    if gaps is not None:
        gaps = np.clip(gaps + [0, low - start, low - start], 0, stop - start)
        gaps = gaps[gaps[:, 1] < gaps[:, 2]]
    return replace(
        beats,
        r_peaks=beats.r_peaks + (low - start),
        lengths=np.array([stop - start]),
        labels=beats.labels if labelled else None,
        gaps=gaps,
    )


def _without_beats(reader: RecordReader, n_window: int, length: int) -> BeatSet:
    nothing = np.empty(0, np.intp)
    return BeatSet(
        beats=np.empty((0, reader.n_leads, n_window)),
        record=nothing,
        r_peaks=nothing,
        lengths=np.array([length]),
        sampling_rate=reader.sampling_rate,
        lead_names=(reader.lead_names,),
        names=("",),
    )
