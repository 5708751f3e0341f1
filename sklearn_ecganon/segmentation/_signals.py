"""Preparation of records for beat detection: leads, filter, rate, gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from sklearn_ecganon.records import ECGRecord

BRIDGED_S = 0.2  # shorter gaps do not split a record: beats are searched across them


def gaps_of(signal: NDArray, rate: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the gaps of all leads together, and the gaps of single leads.

    Parameters
    ----------
    signal : ndarray of shape (n_times, n_leads)
        Signal with NaN in its gaps.
    rate : float
        Sampling rate in Hz.

    Returns
    -------
    gaps : ndarray of int of shape (n_gaps, 2)
        First and one past the last sample of each stretch of more than 0.2 s in which all
        leads are missing.
    lead_gaps : ndarray of int of shape (n_lead_gaps, 3)
        Position of the lead, first and one past the last sample of each other stretch in
        which a lead is missing.
    """
    missing = np.isnan(signal)
    if not missing.any():
        return np.empty((0, 2), np.intp), np.empty((0, 3), np.intp)
    gaps = runs_of(missing.all(axis=1))
    gaps = gaps[np.diff(gaps, axis=1)[:, 0] > BRIDGED_S * rate]
    covered = np.zeros(len(signal), dtype=bool)
    for start, stop in gaps:
        covered[start:stop] = True
    lead_gaps = [
        np.c_[np.full(len(runs), lead), runs]
        for lead in range(signal.shape[1])
        if len(runs := runs_of(missing[:, lead] & ~covered))
    ]
    return gaps, np.concatenate([np.empty((0, 3), np.intp), *lead_gaps])


def runs_of(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return first and one past the last position of each run of True: (n_runs, 2)."""
    edges = np.diff(mask.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges).reshape(-1, 2)


def between(runs: NDArray[np.intp], n_times: int) -> NDArray[np.intp]:
    """Return the non-empty stretches between, before and after runs: (n_stretches, 2)."""
    edges = np.r_[0, runs.ravel(), n_times].reshape(-1, 2)
    return edges[edges[:, 0] < edges[:, 1]]


def select_leads(record: ECGRecord, leads: list[int]) -> ECGRecord:
    """Return the record with these leads only, in this order."""
    if leads == list(range(record.n_leads)):
        return record
    names = tuple(record.lead_names[i] for i in leads)
    return replace(record, signal=record.signal[:, leads], lead_names=names)


def bandpass(record: ECGRecord, band: ArrayLike) -> ECGRecord:
    """Filter recorded stretches by a zero-phase Butterworth filter of order 2; band in Hz."""
    sos = butter(2, band, btype="bandpass", fs=record.sampling_rate, output="sos")
    signal = np.full_like(record.signal, np.nan)
    for leads, start, stop in _recorded(record.signal):
        # SciPy's default padding, or less if the stretch is short.
        padlen = min(3 * (2 * len(sos) + 1), stop - start - 1)
        stretch = record.signal[start:stop, leads]
        signal[start:stop, leads] = sosfiltfilt(sos, stretch, 0, padlen=padlen)
    return replace(record, signal=signal)


def resample(record: ECGRecord, rate: float) -> ECGRecord:
    """Resample recorded stretches, R peaks and labels to `rate` in Hz."""
    if rate == record.sampling_rate:
        return record
    ratio = Fraction(rate / record.sampling_rate).limit_denominator(1000)
    up, down = ratio.numerator, ratio.denominator
    signal = np.full((-(-record.n_times * up // down), record.n_leads), np.nan, order="F")
    for leads, start, stop in _recorded(record.signal):
        # New sample j has the time of old sample j / ratio. Rounding up at both ends keeps
        # the stretches apart and inside the record.
        begin, end = -(-start * up // down), -(-stop * up // down)
        stretch = record.signal[start:stop, leads]
        new = resample_poly(stretch, up, down, axis=0, padtype="line")
        signal[begin:end, leads] = new[: end - begin]
    peaks, labels = record.r_peaks, record.beat_labels
    if peaks is not None:
        peaks = np.rint(peaks * float(ratio)).astype(np.intp).clip(0, len(signal) - 1)
        peaks, first = np.unique(peaks, return_index=True)
        labels = None if labels is None else labels[first]
    return replace(record, signal=signal, sampling_rate=rate, r_peaks=peaks, beat_labels=labels)


def _recorded(signal: NDArray) -> Iterator[tuple[slice, int, int]]:
    """Yield leads, first and one past the last sample of each stretch without NaN.

    Leads that are missing at the same times are yielded together.
    """
    missing = np.isnan(signal)
    if (missing == missing[:, :1]).all():
        for start, stop in runs_of(~missing[:, 0]).tolist():
            yield slice(None), start, stop
        return
    for lead in range(signal.shape[1]):
        for start, stop in runs_of(~missing[:, lead]).tolist():
            yield slice(lead, lead + 1), start, stop


def bridged(trace: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return a lead with its short gaps interpolated.

    Parameters
    ----------
    trace : ndarray of shape (n_times,)
        Signal in mV, NaN in its gaps.
    rate : float
        Sampling rate in Hz.

    Returns
    -------
    trace : ndarray of shape (n_times,)
        Signal in which gaps of up to 0.2 s are straight lines. Longer gaps stay NaN.
    """
    missing = np.isnan(trace)
    if not missing.any() or missing.all():
        return trace
    runs = runs_of(missing)
    short = runs[np.diff(runs, axis=1)[:, 0] <= BRIDGED_S * rate]
    if not len(short):
        return trace
    filled = trace.copy()
    known = np.flatnonzero(~missing)
    samples = np.concatenate([np.arange(start, stop) for start, stop in short])
    filled[samples] = np.interp(samples, known, trace[known])
    return filled
