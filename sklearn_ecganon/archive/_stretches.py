"""Read a recording as a sequence of stretches with their beats, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.archive._outcome import Refusal
from sklearn_ecganon.io import RecordReader
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import cut_windows, find_beats, used_leads

# The result depends on the borders of the stretches, so these are constants.
STRETCH_S = 1800.0
MAX_VALUES = 2**22  # samples times leads: stretches of 12 leads at 1 kHz take 6 minutes
OVERLAP_S = 10.0  # detectors adapt their thresholds during the first two seconds
WINDOW_MS, REFINE_MS = 800.0, 40.0
MIN_RATE = 100.0


@dataclass(frozen=True)
class Stretch:
    """A segment of a recording that begins and ends between two beats.

    Parameters
    ----------
    start, stop : int
        First sample, and one past the last.
    signal : ndarray of shape (stop - start, n_leads)
        In mV.
    beats : BeatSet
        One record whose positions count from `start`; it may have no beats.
    dead : ndarray of bool of shape (n_leads,)
        Leads that are flat or missing throughout.
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
        Each stretch is read with ten seconds before and after it, in which beats are
        detected too.
    detector : str
        As in `QRSSegmenter`.
    """
    rate, n_times = reader.sampling_rate, reader.n_times
    n_window = max(1, round(WINDOW_MS * rate / 1000))
    if detector != "annotated" and rate < MIN_RATE:
        raise Refusal("too_slow")
    if n_times < n_window:
        raise Refusal("too_short")
    length = int(min(STRETCH_S * rate, max(MAX_VALUES / reader.n_leads, 60 * rate)))
    overlap = round(OVERLAP_S * rate)
    start = 0
    while start < n_times:
        # A rest that is too short for a stretch of its own is added to the last one.
        planned = n_times if n_times - start < 1.5 * length else start + length
        low, high = max(0, start - overlap), min(n_times, planned + overlap)
        signal = np.asfortranarray(reader.read(low, high))
        dead = np.fmin.reduce(signal) == np.fmax.reduce(signal)
        dead |= np.isnan(signal).all(axis=0)
        stop = planned
        if not dead.all():
            live = signal if not dead.any() else np.where(dead, 0.0, signal)
            record = _record(reader, live, low)
            lead = _detection_lead(record, dead)
            detected = find_beats(
                record, [lead], detector=detector, refine=REFINE_MS, n_times=n_window
            )
            peaks = detected.r_peaks[detected.r_peaks >= start - low] + low
            after = np.searchsorted(peaks, planned)
            if planned < n_times and 0 < after < len(peaks):
                stop = int(peaks[after - 1 : after + 1].sum() // 2 + 1)
            inside = (detected.r_peaks >= start - low) & (detected.r_peaks < stop - low)
            detected_inside = replace(detected, r_peaks=detected.r_peaks[inside])
            beats = cut_windows([detected_inside], reader.n_leads)
            n_annotated = 0 if record.r_peaks is None else len(record.r_peaks)
            labeled = 2 * n_annotated >= len(detected.r_peaks)
            beats = _counted_from(beats, low, start, stop, labeled=labeled)
        else:
            beats = _without_beats(reader, n_window, stop - start)
        yield Stretch(start, stop, signal[start - low : stop - low], beats, dead)
        start = stop


def _record(reader: RecordReader, signal: NDArray, low: int) -> ECGRecord:
    beats: dict[str, Any] = {}
    if reader.annotations is not None:
        inside = reader.annotations.within(low, low + len(signal))
        beats = {"r_peaks": inside.r_peaks - low, "beat_labels": inside.beat_labels}
    return ECGRecord(signal, reader.sampling_rate, reader.lead_names, **beats)


def _detection_lead(record: ECGRecord, dead: NDArray[np.bool_]) -> int:
    """Return MLII, II or the first lead, among those that are not dead."""
    alive = np.flatnonzero(~dead).tolist()
    used, lead = used_leads(record, alive, None)
    return used[lead]


def _counted_from(beats: BeatSet, low: int, start: int, stop: int, *, labeled: bool) -> BeatSet:
    """Return the beats of a signal that begins at `low` as those of the stretch inside it.

    If fewer than half of the beats are annotated, the annotations are not used as classes of
    beats. Some databases annotate the first ten beats only, and some the changes of rhythm.
    """
    gaps = beats.gaps
    if gaps is not None:
        gaps = np.clip(gaps + [0, low - start, low - start], 0, stop - start)
        gaps = gaps[gaps[:, 1] < gaps[:, 2]]
    return replace(
        beats,
        r_peaks=beats.r_peaks + (low - start),
        lengths=np.array([stop - start]),
        labels=beats.labels if labeled else None,
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
