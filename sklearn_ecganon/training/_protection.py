"""Masks of protected regions: checks and soft edges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter


def check_protection(protect: ArrayLike) -> NDArray[np.float64]:
    """Return `protect` as a mask of weights in [0, 1].

    Parameters
    ----------
    protect : array-like of bool or float
        1 is protected, 0 is free.

    Raises
    ------
    ValueError
        If it does not hold booleans or weights in [0, 1].
    """
    mask = np.asarray(protect)
    if mask.dtype.kind not in "buif":
        raise ValueError(
            f"protect is {type(protect).__name__} of dtype {mask.dtype}; give a mask of "
            "booleans or of weights in [0, 1], a callable, or an object with predict."
        )
    mask = mask.astype(np.float64)
    if not ((mask >= 0) & (mask <= 1)).all():
        raise ValueError(
            f"protect holds values from {mask.min():g} to {mask.max():g}; give booleans, or "
            "weights in [0, 1]."
        )
    return mask


def refuse_full_protection(mask: NDArray[np.float64]) -> None:
    """Refuse a mask (n_rows, n_channels, *size) that leaves nothing to change in a row.

    All channels share a field, which is free only where no channel is protected.
    """
    protected = (mask == 1).any(axis=1)
    full = protected.all(axis=tuple(range(1, protected.ndim)))
    if full.any():
        where = "of X" if len(mask) == 1 else f"of row {int(full.argmax())} of X"
        raise ValueError(
            f"protect covers everything {where}: nothing is left to change. Give a smaller "
            "mask, or remove such rows."
        )


def soften(protection: NDArray, width: float) -> NDArray[np.float64]:
    """Return protection that falls by at most ``1 / width`` from sample to sample.

    It is never less than the input, so that the edge lies outside the protected region.

    Parameters
    ----------
    protection : ndarray of shape (n_rows, n_channels, *size)
        From 0 to 1.
    width : float
        Length of the edge in samples.

    Returns
    -------
    soft : ndarray of shape (n_rows, 1, *size)
        For all channels together: a sample that one of them protects is protected in all.
    """
    soft = protection.max(axis=1, keepdims=True).astype(np.float64)
    neighbors = (1, 1, *[3] * (soft.ndim - 2))
    for _ in range(math.ceil(width)):
        soft = np.maximum(soft, maximum_filter(soft, neighbors) - 1 / width)
    return soft
