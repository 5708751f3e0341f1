"""The delineation methods of NeuroKit: prominence of peaks, and wavelet transform."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

_KEYS = {"P": "P", "QRS": "R", "T": "T"}


def waves_of_lead(
    trace: NDArray[np.float64], rate: float, r_peaks: NDArray[np.intp], method: str
) -> NDArray[np.float64]:
    """Delineate one lead with ``neurokit2.ecg_delineate``.

    Parameters
    ----------
    trace : ndarray of shape (n_times,)
        Signal in mV, without NaN.
    rate : float
        Sampling rate in Hz.
    r_peaks : ndarray of int of shape (n_beats,)
        R peaks in samples.
    method : {"prominence", "dwt"}
        Method of NeuroKit.

    Returns
    -------
    positions : ndarray of shape (n_beats, 3, 3)
        Onset, peak and offset of P, QRS and T in samples; NaN where NeuroKit returns none.
    """
    import neurokit2  # here, because the import takes seconds

    n_beats = len(r_peaks)
    positions = np.full((n_beats, 3, 3), np.nan)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        clean = neurokit2.ecg_clean(trace, sampling_rate=rate)
        _, points = neurokit2.ecg_delineate(
            clean, r_peaks, sampling_rate=rate, method=method, check=False
        )
    for w, key in enumerate(_KEYS.values()):
        for p, point in enumerate(("Onsets", "Peaks", "Offsets")):
            # There is no key for the R peak. NeuroKit drops points before the record's first
            # sample, so that the lists may lack the first beats.
            samples = np.asarray(points.get(f"ECG_{key}_{point}", []), dtype=float)
            positions[n_beats - len(samples) :, w, p] = samples
    positions[:, 1, 1] = r_peaks
    return positions
