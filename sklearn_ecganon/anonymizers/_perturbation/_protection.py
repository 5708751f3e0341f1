"""Protection of samples, which a perturbation leaves unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon._validation import layout_of
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import check_protection, refuse_full_protection


def protection_of(protect: Any, beats: BeatSet, *, flat: bool) -> NDArray[np.float64]:
    """Return the protection of each sample, from 0 (free) to 1 (unchanged).

    Parameters
    ----------
    protect : None, array-like, callable, or object with ``predict``
        The parameter `protect` of the anonymizer.
    beats : BeatSet
        The beats to protect.
    flat : bool
        Whether the user passed a two-dimensional array.

    Returns
    -------
    protection : ndarray of shape (n_beats or 1, n_leads, n_times)
        A single row if the protection of all beats is the same.

    Raises
    ------
    ValueError
        If the mask has another shape, holds anything but weights, or covers everything.
    """
    n_beats, n_leads, n_times = beats.beats.shape
    if protect is None:
        return np.zeros((1, 1, n_times))
    find = getattr(protect, "predict", protect)
    if callable(find):
        protect = find(_as_given(beats, flat))
    mask = check_protection(protect)
    row = (n_times,) if flat else (n_leads, n_times)
    if mask.shape in {(n_beats, *row), (n_beats, n_leads, n_times)}:
        mask = mask.reshape(n_beats, -1, n_times)
    elif mask.shape in {row, (n_times,)}:
        mask = mask.reshape(1, -1, n_times)
    else:
        raise ValueError(
            f"protect has a mask of shape {mask.shape}; give {(n_times,)} for all beats, or "
            f"{(n_beats, *row)}, the shape of X."
        )
    mask = np.broadcast_to(mask, (len(mask), n_leads, n_times))
    refuse_full_protection(mask)
    return mask


def _as_given(beats: BeatSet, flat: bool) -> Any:
    """Return the beats as the user passed them: a BeatSet, or an array of no known rate."""
    if layout_of(beats)[2] is not None:
        return beats
    return beats.beats[:, 0] if flat else beats.beats
