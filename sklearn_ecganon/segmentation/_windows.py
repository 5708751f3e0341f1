"""Beats of one record: where they are, their windows, their labels, and how many are odd."""

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


@dataclass(frozen=True)
class FoundBeats:
    """The beats of one record.

    Parameters
    ----------
    record : ECGRecord
        At the rate of the beats, filtered, the kept leads first.
    stretches : ndarray of int of shape (n_stretches, 2)
        First and one past the last sample of each stretch in which some lead was recorded.
    r_peaks : ndarray of int of shape (n_beats,)
        Increasing, in samples from the start of the record.
    n_found : int
        Beats found in the stretches, the dropped ones with them.
    n_dropped : int
        Those too close to an edge or, if annotated, where nothing was recorded.
    n_times : int
        Length of a window in samples.
    lead_gaps : ndarray of int of shape (n_lead_gaps, 3)
        Position of the lead, first and one past the last sample of each stretch that a lead
        misses inside the finite ones.
    disagreement : float
        Fraction of the candidate beats that some lead did not show.
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
        """Beats a minute of recorded signal."""
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
        every = sliding_window_view(signal, self.n_times, axis=0)
        windows = every[start.clip(0, len(every) - 1)]
        over = np.flatnonzero((start < lowest) | (start + self.n_times > highest))
        samples = start[over, None] + np.arange(self.n_times)
        samples = samples.clip(lowest[over, None], highest[over, None] - 1)
        windows[over] = signal[samples].swapaxes(1, 2)
        return windows

    def _finite_signal(self, n_leads: int) -> NDArray[np.float64]:
        """Return the first leads, short gaps interpolated and long ones at 0 mV."""
        signal = self.record.signal[:, :n_leads]
        if not len(self.lead_gaps) and not len(self.gaps):
            return signal
        rate = self.record.sampling_rate
        traces = [bridged(trace, rate) for trace in signal.T]
        return np.nan_to_num(np.column_stack(traces))

    def labels(self) -> NDArray[np.str_] | None:
        """Return the label of the annotated beat nearest to each, or Q beyond 150 ms."""
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
        """Count beats, and those that had to be treated as no other."""
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
        """Return where each window starts, and the stretch that it must not leave."""
        stretch = np.searchsorted(self.stretches[:, 1], self.r_peaks, side="right")
        return self.r_peaks - self.n_times // 2, *self.stretches[stretch].T


def cut_windows(found: list[FoundBeats], n_leads: int) -> BeatSet:
    """Put the windows of all records into one array, and log how many are odd."""
    bounds = np.cumsum([0] + [len(beats.r_peaks) for beats in found])
    # At once, not record by record: a day of ECG fills memory only once.
    windows = np.empty((bounds[-1], n_leads, found[0].n_times))
    for first, last, beats in zip(bounds[:-1], bounds[1:], found, strict=True):
        windows[first:last] = beats.windows(n_leads)
    labels = [part for beats in found if (part := beats.labels()) is not None]
    gaps = [np.c_[np.full(len(beats.gaps), i), beats.gaps] for i, beats in enumerate(found)]
    counts = [beats.counts() for beats in found]
    kinds = ("beats", "dropped", "padded", "overlapping")
    logger.info(
        "%d records: %d beats, %d dropped, %d padded, %d overlapping",
        len(found),
        *(sum(count[kind] for count in counts) for kind in kinds),
    )
    return BeatSet(
        beats=windows,
        record=np.repeat(np.arange(len(found)), np.diff(bounds)),
        r_peaks=np.concatenate([beats.r_peaks for beats in found]),
        lengths=np.array([beats.record.n_times for beats in found]),
        sampling_rate=found[0].record.sampling_rate,
        lead_names=tuple(beats.record.lead_names[:n_leads] for beats in found),
        names=tuple(beats.record.name for beats in found),
        labels=np.concatenate(labels) if len(labels) == len(found) else None,
        gaps=np.concatenate(gaps),
        lead_gaps=_lead_gaps(found, n_leads),
    )


def _lead_gaps(found: list[FoundBeats], n_leads: int) -> NDArray[np.intp] | None:
    """Return the gaps of single leads of all records, or None where there are none."""
    rows = [
        np.c_[np.full(len(beats.lead_gaps), i), beats.lead_gaps]
        for i, beats in enumerate(found)
        if len(beats.lead_gaps)
    ]
    if not rows:
        return None
    every = np.concatenate(rows)
    return every[every[:, 1] < n_leads]
