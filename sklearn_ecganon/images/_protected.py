"""Regions of images that a method must not change."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.images._lungs import segment_lungs
from sklearn_ecganon.training import check_protection, refuse_full_protection

# Regions that a method can protect by name.
BY_NAME: dict[str, Callable[[NDArray], NDArray]] = {"lungs": segment_lungs}
NAMES = ", ".join(map(repr, BY_NAME))


def protected_region(
    protect: ArrayLike | Callable[..., ArrayLike] | Any, images: NDArray
) -> NDArray[np.float64]:
    """Return how much of each pixel is protected, from 0 (free) to 1 (unchanged).

    Parameters
    ----------
    protect : None, str, array-like, callable, or object with ``predict``
        As an anonymizer takes it.
    images : ndarray of shape (n, h, w)
        Images in the units of the user.

    Returns
    -------
    mask : ndarray of shape (n, 1, h, w), or (1, 1, h, w)
        The latter where all images are protected alike.

    Raises
    ------
    ValueError
        If `protect` is an unknown name, if its mask has another size than the images, or
        if it leaves nothing to change.

    Warns
    -----
    UserWarning
        If a region with a name is not found in an image.
    """
    size = images.shape[1:]
    if protect is None:
        return np.zeros((1, 1, *size))
    if isinstance(protect, str):
        if protect not in BY_NAME:
            raise ValueError(
                f"protect is {protect!r}; regions with a name are {NAMES}. "
                "Give it, a mask, a callable, or an object with predict."
            )
        mask = BY_NAME[protect](images)
        empty = np.flatnonzero(~mask.any(axis=(1, 2)))
        if len(empty):
            warnings.warn(
                f"no {protect} found in {len(empty)} of {len(images)} images, the first of "
                f"which is {empty[0]}: nothing is protected there. Give masks of your own.",
                UserWarning,
                stacklevel=2,
            )
        protect = mask
    find = getattr(protect, "predict", protect)
    mask = check_protection(find(images) if callable(find) else find)
    flat = (images[0].size,)
    if mask.shape in {images.shape, (len(images), *flat)}:
        mask = mask.reshape(len(images), 1, *size)
    elif mask.shape in {size, flat}:
        mask = mask.reshape(1, 1, *size)
    else:
        raise ValueError(
            f"protect gives a mask of shape {mask.shape}; give {size} for all images alike, "
            f"or {images.shape}, one mask for each image."
        )
    refuse_full_protection(mask)
    return mask
