"""What a perturbation must leave alone, and how gently it comes near."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter

from sklearn_ecganon._validation import Beats


def protection_of(protect: Any, beats: Beats, size: tuple[int, ...]) -> NDArray[np.float64]:
    """Return how much of each sample is protected, from 0 to 1 (not to be touched).

    Parameters
    ----------
    protect : None, array-like, callable, or object with ``predict``
        The parameter of the anonymizer.
    beats : Beats
        What it is about.
    size : tuple of int
        Samples of a signal, or height and width of an image.

    Returns
    -------
    protection : ndarray of shape (n_beats or 1, n_leads, *size)
        One row where all are protected alike.

    Raises
    ------
    ValueError
        If the mask has another shape, holds anything but weights, or covers everything.
    """
    if protect is None:
        return np.zeros((1, 1, *size))
    find = getattr(protect, "predict", protect)
    if callable(find):
        protect = find(_as_given(beats))
    mask = _check_mask(protect)
    n_beats, n_leads, _ = beats.values.shape
    n_channels = beats.values[0].size // math.prod(size)
    row = beats.values.shape[2:] if beats.flat else beats.values.shape[1:]
    if mask.shape in {(n_beats, *row), (n_beats, n_leads, *row), (n_beats, *size)}:
        mask = mask.reshape(n_beats, -1, *size)
    elif mask.shape in {row, size}:
        mask = mask.reshape(1, -1, *size)
    else:
        raise ValueError(
            f"protect gives a mask of shape {mask.shape}; want {size} for all alike, or "
            f"{(n_beats, *row)}, the shape of X."
        )
    mask = np.broadcast_to(mask, (len(mask), n_channels, *size))
    # All leads share a field: it is free only where none of them is protected.
    covered = (mask == 1).any(axis=1).all(axis=tuple(range(1, mask.ndim - 1)))
    if covered.any():
        where = "of X" if len(mask) == 1 else f"of row {int(covered.argmax())} of X"
        raise ValueError(
            f"protect covers everything {where}: nothing is left to change. Give a smaller "
            "mask, or leave such rows out."
        )
    return mask


def soften(protection: NDArray, width: float) -> NDArray[np.float64]:
    """Return protection that goes down by at most ``1 / width`` from sample to sample.

    It is nowhere less than what came in, so that the edge lies outside of what is protected.

    Parameters
    ----------
    protection : ndarray of shape (n_rows, n_channels, *size)
        From 0 to 1.
    width : float
        Length of the edge in samples.

    Returns
    -------
    soft : ndarray of shape (n_rows, 1, *size)
        For all channels together: what one of them protects none may move.
    """
    soft = protection.max(axis=1, keepdims=True).astype(np.float64)
    neighbours = (1, 1, *[3] * (soft.ndim - 2))
    for _ in range(math.ceil(width)):
        soft = np.maximum(soft, maximum_filter(soft, neighbours) - 1 / width)
    return soft


def _as_given(beats: Beats) -> Any:
    """Return what the user handed in."""
    if beats.source is not None:
        return beats.source
    return beats.values[:, 0] if beats.flat else beats.values


def _check_mask(mask: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(mask)
    if found.dtype.kind not in "buif":
        raise ValueError(
            f"protect is {type(mask).__name__} of dtype {found.dtype}; give a mask of "
            "booleans or of weights in [0, 1], a callable, or an object with predict."
        )
    found = found.astype(np.float64)
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError(
            f"protect holds values from {found.min():g} to {found.max():g}; want booleans, or "
            "weights in [0, 1]."
        )
    return found
