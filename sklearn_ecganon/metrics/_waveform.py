"""How similar two waveforms are: error, PRD and correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rmse(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Return the root mean square error along the last axis.

    Parameters
    ----------
    before, after : array-like of shape (..., n_times)
        Waveforms in mV.

    Returns
    -------
    error : ndarray of shape (...)
        Error in mV.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import rmse
    >>> float(rmse([0.0, 0.0], [3.0, 4.0]).round(3))
    3.536
    """
    error = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    return np.sqrt(np.mean(error**2, axis=-1))


def prd(
    before: ArrayLike, after: ArrayLike, *, remove_mean: bool = True
) -> NDArray[np.float64]:
    """Return the percentage root-mean-square difference along the last axis.

    Parameters
    ----------
    before, after : array-like of shape (..., n_times)
        Waveforms in mV.
    remove_mean : bool, default=True
        Whether the energy of the original is measured about its mean. Otherwise an offset
        of the original makes every difference look small.

    Returns
    -------
    difference : ndarray of shape (...)
        Difference in percent of the original's energy; 0 if nothing changed, infinite if a
        constant original changed.

    Notes
    -----
    ``100 * sqrt(sum((before - after)^2) / sum((before - mean)^2))``, also called PRDN; with
    ``remove_mean=False`` the mean is 0, the PRD of [1]_. Publications call both PRD, and [2]_
    shows how much they differ: state which one you report. The mean of the difference is
    not removed, so that a shifted baseline counts as a difference.

    References
    ----------
    .. [1] Y. Zigel, A. Cohen, A. Katz, "The weighted diagnostic distortion (WDD) measure
       for ECG signal compression", IEEE Transactions on Biomedical Engineering 47(11),
       1422-1430, 2000.
    .. [2] M. Blanco-Velasco et al., "On the use of PRD and CR parameters for ECG
       compression", Medical Engineering & Physics 27(9), 798-802, 2005.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import prd
    >>> before, after = [2.0, 4.0, 2.0, 4.0], [2.0, 4.0, 2.0, 5.0]
    >>> float(prd(before, after))
    50.0
    >>> float(prd(before, after, remove_mean=False).round(1))
    15.8
    """
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    center = before.mean(axis=-1, keepdims=True) if remove_mean else 0.0
    error = np.linalg.norm(after - before, axis=-1)
    energy = np.linalg.norm(before - center, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, 100.0 * error / energy)


def pearson_correlation(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Return the Pearson correlation along the last axis.

    Parameters
    ----------
    before, after : array-like of shape (..., n_times)
        Waveforms in mV.

    Returns
    -------
    correlation : ndarray of shape (...)
        Between -1 and 1; 1 if both are constant, 0 if only one is.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import pearson_correlation
    >>> float(pearson_correlation([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]).round(6))
    1.0
    """
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    a = before - before.mean(axis=-1, keepdims=True)
    b = after - after.mean(axis=-1, keepdims=True)
    norm_a, norm_b = np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1)
    # Below this limit a waveform is constant up to rounding.
    flat_a = norm_a <= 1e-12 * np.maximum(np.abs(before).max(axis=-1), 1e-300)
    flat_b = norm_b <= 1e-12 * np.maximum(np.abs(after).max(axis=-1), 1e-300)
    flat = flat_a | flat_b
    value = np.sum(a * b, axis=-1) / np.where(flat, 1.0, norm_a * norm_b)
    return np.where(flat, (flat_a & flat_b).astype(float), np.clip(value, -1.0, 1.0))
