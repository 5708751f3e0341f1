"""Pacing spikes in the beats of a record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SLOWEST = 250.0  # Hz; filters for slower recordings remove the spikes
_HALF_MS = 4.0  # a spike is over after this time on either side
_REACH_MS = (300.0, 80.0)  # search before and after R: atrial and ventricular spikes
_APART_MS = 12.0
# These limits were chosen on LUDB. They find seven of its ten paced records, and none of those
# without a pacemaker. Two of the three that are missed have bipolar pacing, with small spikes.
_LARGEST_FRACTION = 0.35  # of the largest magnitude of the beat
_TIMES_NEXT = 2.5  # larger than everything else that is as short


def is_paced(beats: NDArray[np.float64], sampling_rate: float) -> bool:
    """Return whether most beats of a record have a pacing spike.

    A spike is a deviation from the mean of the values 4 ms before and after it. In most
    beats, its root mean square over leads must be 35 % of that of the whole beat, and 2.5
    times as large as at any other time.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        In mV, with the R peak in the middle.
    sampling_rate : float
        In Hz. Below 250 Hz, spikes are not visible and the answer is False.

    Returns
    -------
    is_paced : bool
        Whether more than half of the beats have a spike.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.contracts import is_paced
    >>> is_paced(np.zeros((3, 1, 200)), 250.0)
    False
    """
    if sampling_rate < _SLOWEST or not len(beats):
        return False
    half, apart = (round(ms * sampling_rate / 1000) for ms in (_HALF_MS, _APART_MS))
    r_peak = beats.shape[2] // 2
    before, after = (round(ms * sampling_rate / 1000) for ms in _REACH_MS)
    near = beats[:, :, max(0, r_peak - before - half) : r_peak + after + half]
    if near.shape[2] <= 2 * (half + apart):
        return False
    neighbors = (near[:, :, : -2 * half] + near[:, :, 2 * half :]) / 2
    spike = np.sqrt(((near[:, :, half:-half] - neighbors) ** 2).mean(axis=1))
    at = spike.argmax(axis=1)[:, np.newaxis]
    largest = spike.max(axis=1)
    elsewhere = np.abs(np.arange(spike.shape[1]) - at) > apart
    others = np.where(elsewhere, spike, 0.0).max(axis=1)
    magnitude = np.sqrt((beats**2).mean(axis=1)).max(axis=1)
    paced = (largest >= _LARGEST_FRACTION * magnitude) & (largest >= _TIMES_NEXT * others)
    return bool(2 * np.count_nonzero(paced & (largest > 0)) > len(beats))
