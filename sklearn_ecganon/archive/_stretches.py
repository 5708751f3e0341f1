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
from sklearn_ecganon.segmentation import (
    FoundBeats,
    Screened,
    annotations_cover,
    cut_windows,
    find_beats,
    is_plausible_rate,
    screen,
)

# The result depends on the borders of the stretches, so these are constants.
STRETCH_S = 1800.0
MAX_VALUES = 2**22  # samples times leads: stretches of 12 leads at 1 kHz take 6 minutes
OVERLAP_S = 10.0  # detectors adapt their thresholds during the first two seconds
WINDOW_MS, REFINE_MS = 800.0, 40.0
MIN_RATE = 100.0
MAX_DISAGREEMENT = 0.5
LONGEST_SEAM_S = 2.5  # RR interval in which a stretch may end


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
    notes : frozenset of str
        Codes of what was unusual, as in `Outcome.warnings`.
    is_ecg : bool
        False if leads were recorded and none of them shows an ECG.
    """

    start: int
    stop: int
    signal: NDArray[np.float64]
    beats: BeatSet
    notes: frozenset[str] = frozenset()
    is_ecg: bool = True


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
        record = _record(reader, signal, low)
        detected, screened, labeled = _search(record, detector, n_window)
        stop = planned
        peaks = detected.r_peaks[detected.r_peaks >= start - low] + low
        after = int(np.searchsorted(peaks, planned))
        if planned < n_times and 0 < after < len(peaks):
            after = _outside_of_pauses(peaks, after, LONGEST_SEAM_S * rate)
            stop = int(peaks[after - 1 : after + 1].sum() // 2 + 1)
        inside = (detected.r_peaks >= start - low) & (detected.r_peaks < stop - low)
        beats = cut_windows(
            [replace(detected, r_peaks=detected.r_peaks[inside])], reader.n_leads
        )
        beats = _counted_from(beats, low, start, stop, labeled=labeled)
        yield Stretch(
            start,
            stop,
            signal[start - low : stop - low],
            beats,
            _notes(record, detected, screened),
            is_ecg=bool(screened.voters or np.isnan(screened.record.signal).all()),
        )
        start = stop


def _outside_of_pauses(peaks: NDArray[np.intp], after: int, longest: float) -> int:
    """Return the beat at or before `after` that follows the beat before it without a pause.

    A pause that is cut in two would no longer be kept as a pause.
    """
    for position in range(after, 0, -1):
        if peaks[position] - peaks[position - 1] < longest:
            return position
    return after


def _search(
    record: ECGRecord, detector: str, n_window: int
) -> tuple[FoundBeats, Screened, bool]:
    """Return the beats of a segment, what was searched, and whether labels are of beats.

    Annotated beats are taken where nearly every detected one is among them. If fewer than
    half of the beats are annotated, annotations are not used as classes of beats either:
    some databases annotate the first ten beats only, and some the changes of rhythm.
    """
    annotated = detector == "annotated"
    screened = screen(record, check_quality=not annotated)
    detected = _beats_of(screened, detector, n_window)
    peaks = record.r_peaks
    n_annotated = 0 if peaks is None else len(peaks)
    if (
        not annotated
        and peaks is not None
        and annotations_cover(peaks, detected.r_peaks, record.sampling_rate)
    ):
        by_annotation = screen(record, check_quality=False)
        detected = _beats_of(by_annotation, "annotated", n_window)
        screened = replace(by_annotation, voters=screened.voters or by_annotation.voters)
    return detected, screened, 2 * n_annotated >= len(detected.r_peaks)


def _beats_of(screened: Screened, detector: str, n_window: int) -> FoundBeats:
    return find_beats(
        screened.searchable(),
        screened.voters,
        detector=detector,
        refine=REFINE_MS,
        n_times=n_window,
    )


def _notes(record: ECGRecord, detected: FoundBeats, screened: Screened) -> frozenset[str]:
    """Return the codes of what was unusual in a segment."""
    notes = {f"{reason.partition('-')[0]}_became_gap" for _, _, reason in screened.masked}
    silent = np.isnan(screened.record.signal).all(axis=0)
    if silent.any():
        notes.add("flat_lead")
    elif len(detected.lead_gaps):
        notes.add("lead_gap")
    if len(detected.gaps):
        notes.add("gap")
    if screened.voters and len(screened.voters) + silent.sum() < record.n_leads:
        notes.add("lead_without_ecg")
    if detected.disagreement > MAX_DISAGREEMENT:
        notes.add("leads_disagree")
    if len(detected.r_peaks) and not is_plausible_rate(detected.heart_rate):
        notes.add("implausible_rate")
    return frozenset(notes)


def _record(reader: RecordReader, signal: NDArray, low: int) -> ECGRecord:
    beats: dict[str, Any] = {}
    if reader.annotations is not None:
        inside = reader.annotations.within(low, low + len(signal))
        beats = {"r_peaks": inside.r_peaks - low, "beat_labels": inside.beat_labels}
    return ECGRecord(signal, reader.sampling_rate, reader.lead_names, **beats)


def _counted_from(beats: BeatSet, low: int, start: int, stop: int, *, labeled: bool) -> BeatSet:
    """Return the beats of a signal that begins at `low` as those of the stretch inside it."""

    def moved(table: NDArray | None) -> NDArray | None:
        if table is None:
            return None
        table = table.copy()
        table[:, -2:] = np.clip(table[:, -2:] + (low - start), 0, stop - start)
        return table[table[:, -2] < table[:, -1]]

    return replace(
        beats,
        r_peaks=beats.r_peaks + (low - start),
        lengths=np.array([stop - start]),
        labels=beats.labels if labeled else None,
        gaps=moved(beats.gaps),
        lead_gaps=moved(beats.lead_gaps),
    )
