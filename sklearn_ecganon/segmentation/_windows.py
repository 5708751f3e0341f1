"""The beats found in one record: positions, windows, labels and counts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation._signals import between, bridged

logger = logging.getLogger(__name__)

_LABEL_MS = 150.0  # the match window of ANSI/AAMI EC57


def median_beat(beats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the first axis of beats without NaN.

    It is that of `numpy.median`, in a fraction of the time.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, ...)
        At least one beat.
    """
    ordered, middle = np.sort(beats, axis=0), len(beats) // 2
    return np.asarray((ordered[(len(beats) - 1) // 2] + ordered[middle]) / 2)


@dataclass(frozen=True)
class FoundBeats:
    """The beats of one record.

    Parameters
    ----------
    record : ECGRecord
        The filtered record at the rate of the beats. The leads to keep come first.
    stretches : ndarray of int of shape (n_stretches, 2)
        First and one past the last sample of each stretch in which at least one lead was
        recorded.
    r_peaks : ndarray of int of shape (n_beats,)
        Increasing positions, in samples from the start of the record.
    n_found : int
        Number of beats found in the stretches, including the dropped ones.
    n_dropped : int
        Number of beats too close to an edge or, if annotated, in a gap.
    n_times : int
        Length of a window in samples.
    lead_gaps : ndarray of int of shape (n_lead_gaps, 3)
        Position of the lead, first and one past the last sample of each stretch in which
        one lead is missing while others were recorded.
    disagreement : float
        Fraction of the candidate beats that at least one lead does not show.
    """

    record: ECGRecord
    stretches: NDArray[np.intp]
    r_peaks: NDArray[np.intp]
    n_found: int
    n_dropped: int
    n_times: int
    lead_gaps: NDArray[np.intp]
    disagreement: float = 0.0

    @property
    def heart_rate(self) -> float:
        """Beats per minute of recorded signal."""
        n_recorded = max(1, np.diff(self.stretches).sum())
        return float(60 * self.n_found * self.record.sampling_rate / n_recorded)

    @property
    def gaps(self) -> NDArray[np.intp]:
        """First and one past the last sample of each gap: (n_gaps, 2)."""
        return between(self.stretches, self.record.n_times)

    def windows(self, n_leads: int) -> NDArray[np.float64]:
        """Return the windows of the first leads, in mV: (n_beats, n_leads, n_times)."""
        signal = self._finite_signal(n_leads)
        start, lowest, highest = self._reach()
        view = sliding_window_view(signal, self.n_times, axis=0)
        windows = view[start.clip(0, len(view) - 1)]
        padded = np.flatnonzero((start < lowest) | (start + self.n_times > highest))
        samples = start[padded, None] + np.arange(self.n_times)
        samples = samples.clip(lowest[padded, None], highest[padded, None] - 1)
        windows[padded] = signal[samples].swapaxes(1, 2)
        return windows

    def _finite_signal(self, n_leads: int) -> NDArray[np.float64]:
        """Return the first leads with short gaps interpolated and long gaps at 0 mV."""
        signal = self.record.signal[:, :n_leads]
        if not len(self.lead_gaps) and not len(self.gaps):
            return signal
        rate = self.record.sampling_rate
        traces = [bridged(trace, rate) for trace in signal.T]
        return np.nan_to_num(np.column_stack(traces))

    def labels(self) -> NDArray[np.str_] | None:
        """Return the label of the nearest annotated beat, or Q beyond 150 ms."""
        known, labels = self.record.r_peaks, self.record.beat_labels
        if known is None or labels is None:
            return None
        if not len(known):
            return np.full(len(self.r_peaks), "Q")
        nearest = np.searchsorted((known[1:] + known[:-1]) / 2, self.r_peaks)
        near = np.abs(known[nearest] - self.r_peaks) <= (
            _LABEL_MS * self.record.sampling_rate / 1000
        )
        return np.where(near, labels[nearest], "Q")

    def counts(self) -> dict[str, Any]:
        """Count beats, dropped beats, and padded and overlapping windows."""
        start, lowest, highest = self._reach()
        stop = start + self.n_times
        shared = np.maximum(start, lowest)[1:] < np.minimum(stop, highest)[:-1]
        return {
            "name": self.record.name,
            "beats": len(self.r_peaks),
            "dropped": self.n_dropped,
            "padded": np.count_nonzero((start < lowest) | (stop > highest)),
            "overlapping": np.count_nonzero(np.r_[False, shared] | np.r_[shared, False]),
            "heart_rate": self.heart_rate,
        }

    def _reach(self) -> tuple[NDArray, NDArray, NDArray]:
        """Return the start of each window, and the bounds of its stretch."""
        stretch = np.searchsorted(self.stretches[:, 1], self.r_peaks, side="right")
        return self.r_peaks - self.n_times // 2, *self.stretches[stretch].T


def cut_windows(records: list[FoundBeats], n_leads: int) -> BeatSet:
    """Return the windows of all records as a BeatSet, and log the counts."""
    bounds = np.cumsum([0] + [len(beats.r_peaks) for beats in records])
    # One array for all records, so that a day of ECG is in memory only once.
    windows = np.empty((bounds[-1], n_leads, records[0].n_times))
    for first, last, beats in zip(bounds[:-1], bounds[1:], records, strict=True):
        windows[first:last] = beats.windows(n_leads)
    labels = [of_beats for beats in records if (of_beats := beats.labels()) is not None]
    gaps = [np.c_[np.full(len(beats.gaps), i), beats.gaps] for i, beats in enumerate(records)]
    counts = [beats.counts() for beats in records]
    logger.info(
        "%d records: %d beats, %d dropped, %d padded, %d overlapping",
        len(records),
        *(
            sum(count[name] for count in counts)
            for name in ("beats", "dropped", "padded", "overlapping")
        ),
    )
    return BeatSet(
        beats=windows,
        record=np.repeat(np.arange(len(records)), np.diff(bounds)),
        r_peaks=np.concatenate([beats.r_peaks for beats in records]),
        lengths=np.array([beats.record.n_times for beats in records]),
        sampling_rate=records[0].record.sampling_rate,
        lead_names=tuple(beats.record.lead_names[:n_leads] for beats in records),
        names=tuple(beats.record.name for beats in records),
        labels=np.concatenate(labels) if len(labels) == len(records) else None,
        gaps=np.concatenate(gaps),
        lead_gaps=_lead_gaps(records, n_leads),
        statements=_statements([beats.record for beats in records]),
    )


def _statements(records: list[ECGRecord]) -> tuple[tuple[str, ...] | None, ...] | None:
    """Return the statements of all records, or None if there are none."""
    statements = tuple(record.statements for record in records)
    return None if all(given is None for given in statements) else statements


def _lead_gaps(records: list[FoundBeats], n_leads: int) -> NDArray[np.intp] | None:
    """Return the gaps of single leads of all records, or None if there are none."""
    rows = [
        np.c_[np.full(len(beats.lead_gaps), i), beats.lead_gaps]
        for i, beats in enumerate(records)
        if len(beats.lead_gaps)
    ]
    if not rows:
        return None
    lead_gaps = np.concatenate(rows)
    return lead_gaps[lead_gaps[:, 1] < n_leads]
