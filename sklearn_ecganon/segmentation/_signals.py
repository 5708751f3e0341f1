"""What happens to a record before its beats are found: leads, filter, rate, gaps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from sklearn_ecganon.records import ECGRecord


def stretches(signal: NDArray) -> NDArray[np.intp]:
    """Return the runs in which no lead is NaN.

    Parameters
    ----------
    signal : ndarray of shape (n_times, n_leads)
        With NaN in its gaps.

    Returns
    -------
    runs : ndarray of int of shape (n_runs, 2)
        First and one past the last sample of each, in order.
    """
    missing = np.isnan(signal).any(axis=1)
    return np.flatnonzero(np.diff(np.r_[True, missing, True])).reshape(-1, 2)


def between(runs: NDArray[np.intp], n_times: int) -> NDArray[np.intp]:
    """Return what lies between runs, and before and after them: (n_runs, 2), none empty."""
    edges = np.r_[0, runs.ravel(), n_times].reshape(-1, 2)
    return edges[edges[:, 0] < edges[:, 1]]


def select_leads(record: ECGRecord, leads: list[int]) -> ECGRecord:
    """Return the record with these leads only, in this order."""
    if leads == list(range(record.n_leads)):
        return record
    names = tuple(record.lead_names[i] for i in leads)
    return replace(record, signal=record.signal[:, leads], lead_names=names)


def bandpass(record: ECGRecord, band: ArrayLike) -> ECGRecord:
    """Filter each stretch by itself: Butterworth, order 2, both ways; `band` in Hz."""
    sos = butter(2, band, btype="bandpass", fs=record.sampling_rate, output="sos")
    signal = np.full_like(record.signal, np.nan)
    for start, stop in stretches(record.signal):
        # SciPy's own padding, or what a short stretch allows of it
        padlen = min(3 * (2 * len(sos) + 1), stop - start - 1)
        signal[start:stop] = sosfiltfilt(sos, record.signal[start:stop], 0, padlen=padlen)
    return replace(record, signal=signal)


def resample(record: ECGRecord, rate: float) -> ECGRecord:
    """Resample each stretch by itself, R peaks and labels with it; `rate` in Hz."""
    if rate == record.sampling_rate:
        return record
    ratio = Fraction(rate / record.sampling_rate).limit_denominator(1000)
    up, down = ratio.numerator, ratio.denominator
    # New sample j stands at the time of old sample j / ratio; rounding up at both ends
    # keeps the stretches apart and inside the record.
    old = stretches(record.signal)
    signal = np.full((-(-record.n_times * up // down), record.n_leads), np.nan, order="F")
    for (start, stop), (begin, end) in zip(old, -(-old * up // down), strict=True):
        piece = resample_poly(record.signal[start:stop], up, down, axis=0, padtype="line")
        signal[begin:end] = piece[: end - begin]
    peaks, labels = record.r_peaks, record.beat_labels
    if peaks is not None:
        peaks = np.rint(peaks * float(ratio)).astype(np.intp).clip(0, len(signal) - 1)
        peaks, first = np.unique(peaks, return_index=True)
        labels = None if labels is None else labels[first]
    return replace(record, signal=signal, sampling_rate=rate, r_peaks=peaks, beat_labels=labels)
