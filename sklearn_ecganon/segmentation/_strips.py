"""Strips: segments of a recording of one length that are not cut into beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation._leads import kept_leads
from sklearn_ecganon.segmentation._signals import resample, select_leads
from sklearn_ecganon.segmentation._stitching import stitch_record


class Strips(NamedTuple):
    """Strips of several records, flat over records.

    Attributes
    ----------
    values : ndarray of float32 of shape (n_strips, n_leads, n_times)
        Signals in mV.
    record : ndarray of int of shape (n_strips,)
        Index of the record of each strip, in increasing order.
    start : ndarray of float of shape (n_strips,)
        Start of each strip in s, from the start of its record.
    """

    values: NDArray[np.float32]
    record: NDArray[np.intp]
    start: NDArray[np.float64]


def cut_strips(
    X: Sequence[ECGRecord] | BeatSet,
    *,
    duration: float = 10.0,
    hop: float | None = None,
    sampling_rate: float = 125.0,
    band: tuple[float, float] | None = (1.0, 40.0),
    leads: Sequence[str | int] | None = None,
) -> Strips:
    """Cut records into strips of one length and one sampling rate.

    Parameters
    ----------
    X : sequence of ECGRecord, or BeatSet
        Recordings of any length and rate. A BeatSet is stitched first, so that the strips
        show the recordings as they would be shared.
    duration : float, default=10.0
        Length of a strip in s. A shorter recording is repeated until it is long enough.
    hop : float, optional
        Largest distance in s between the starts of neighboring strips; by default
        `duration`. The strips of a recording are spread evenly from its start to its end.
    sampling_rate : float, default=125.0
        Rate of the strips in Hz.
    band : (float, float) or None, default=(1.0, 40.0)
        Pass band in Hz of a Butterworth filter of order 2, run both ways, which removes
        baseline wander and mains hum. None applies no filter, for comparisons of realism.
    leads : sequence of str or int, optional
        Leads to keep; by default all, in the order of each record. All records must have
        the same number of leads.

    Returns
    -------
    strips : Strips
        Signals and the record of each strip. Gaps are bridged by straight lines, and a lead
        without samples is 0. Strips without a recorded sample are left out, unless the
        record has no other strips.

    Raises
    ------
    ValueError
        If the records differ in their number of leads, if a lead is missing, or if there is
        no record.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.segmentation import cut_strips
    >>> bunch = make_ecg_records(n_subjects=2, duration=25.0, random_state=0)
    >>> strips = cut_strips(bunch.data[:2])
    >>> strips.values.shape, strips.record.tolist()
    ((6, 1, 1250), [0, 0, 0, 1, 1, 1])
    """
    if duration <= 0 or sampling_rate <= 0 or (hop is not None and hop <= 0):
        raise ValueError(
            f"duration={duration}, hop={hop} and sampling_rate={sampling_rate} must be above 0."
        )
    if not len(X):
        raise ValueError("X holds no record; give at least one.")
    records = (stitch_record(X, i) for i in range(len(X))) if isinstance(X, BeatSet) else X
    length = max(1, round(duration * sampling_rate))
    step = length if hop is None else max(1, round(hop * sampling_rate))
    values: list[NDArray[np.float32]] = []
    starts: list[NDArray[np.float64]] = []
    for record in records:
        cut, start = _cut_record(record, length, step, sampling_rate, band, leads)
        if values and cut.shape[1] != values[0].shape[1]:
            raise ValueError(
                f"record {record.name!r} has {cut.shape[1]} lead(s), but others have "
                f"{values[0].shape[1]}; choose the same leads of all records by leads=."
            )
        values.append(cut)
        starts.append(start)
    counts = [len(start) for start in starts]
    of_strip = np.repeat(np.arange(len(counts)), counts)
    return Strips(np.concatenate(values), of_strip, np.concatenate(starts))


def _cut_record(
    record: ECGRecord,
    length: int,
    step: int,
    rate: float,
    band: tuple[float, float] | None,
    leads: Sequence[str | int] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the strips of one record, (n_strips, n_leads, length), and their starts in s."""
    record = select_leads(record, kept_leads(record, leads))
    filled = ECGRecord(_bridge_gaps(record.signal), record.sampling_rate, record.lead_names)
    signal = resample(filled, rate).signal.T
    source = np.arange(signal.shape[1]) * record.sampling_rate / rate
    nearest = source.astype(np.intp).clip(0, record.n_times - 1)
    is_recorded = np.isfinite(record.signal[nearest]).any(axis=1)
    if band is not None:
        sos = butter(2, band, btype="bandpass", fs=rate, output="sos")
        signal = sosfiltfilt(sos, signal, padlen=min(round(rate), signal.shape[1] - 1))
    if signal.shape[1] < length:
        n_repeats = -(-length // signal.shape[1])
        signal = np.tile(signal, n_repeats)[:, :length]
        is_recorded = np.tile(is_recorded, n_repeats)[:length]
    last = signal.shape[1] - length
    starts = np.rint(np.linspace(0, last, 1 + -(-last // step))).astype(np.intp)
    holds_signal = np.array([is_recorded[a : a + length].any() for a in starts])
    starts = starts[holds_signal] if holds_signal.any() else starts[:1]
    strips = np.stack([signal[:, a : a + length] for a in starts]).astype(np.float32)
    return strips, starts / rate


def _bridge_gaps(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the signal with a straight line across each gap, and 0 for an empty lead."""
    missing = np.isnan(signal)
    if not missing.any():
        return signal
    filled = np.where(missing, 0.0, signal)
    time = np.arange(len(signal))
    for lead in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        known = ~missing[:, lead]
        filled[:, lead] = np.interp(time, time[known], signal[known, lead])
    return filled
