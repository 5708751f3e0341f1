"""Pauses of 3 s and more: a finding of its own, which a release keeps by its class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PAUSE_S = 3.0  # s; the shortest pause that guidelines name as a reason for a pacemaker
LIMITS = (PAUSE_S, 5.0, 10.0)  # s; a pause stays between the same two limits
LONG_SPREAD = 0.1  # a pause beyond the last limit keeps its length within this fraction
MARGIN_S = 0.02  # s; R peaks are rounded to samples, and must stay within the limits


def draw_pauses(
    lengths: NDArray[np.float64], strength: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return other lengths of pauses, each in the class of the old one.

    Parameters
    ----------
    lengths : ndarray of shape (n_pauses,)
        In seconds, each at least `PAUSE_S`.
    strength : float
        Fraction of the way from the old length to the one that is drawn.
    rng : numpy.random.Generator
        Source of the draws. Nothing is drawn from it if there is no pause.

    Returns
    -------
    lengths : ndarray of shape (n_pauses,)
        In seconds.
    """
    if not len(lengths):
        return lengths
    low, high = _limits_of(lengths)
    new = rng.uniform(low, high)
    return (1 - strength) * lengths + strength * new


def shortest_pauses(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shortest lengths in the classes of some pauses, in seconds."""
    return np.minimum(lengths, _limits_of(lengths)[0])


def _limits_of(lengths: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return how short and how long each pause may become, in seconds."""
    limits = np.array([*LIMITS, np.inf])
    pause_class = np.searchsorted(limits, lengths, side="right") - 1
    low, high = limits[pause_class] + MARGIN_S, limits[pause_class + 1] - MARGIN_S
    is_long = lengths >= LIMITS[-1]
    low = np.where(is_long, np.maximum(low, (1 - LONG_SPREAD) * lengths), low)
    high = np.where(is_long, np.maximum(low, (1 + LONG_SPREAD) * lengths), high)
    return low, high


def cap(intervals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shorten intervals that would become pauses; all others make up for it in proportion.

    Parameters
    ----------
    intervals : ndarray of shape (n_intervals,)
        RR intervals in seconds that are no pauses. Their sum stays the same.

    Returns
    -------
    intervals : ndarray of shape (n_intervals,)
        All of them shorter than `PAUSE_S`, unless their mean is not.
    """
    limit = PAUSE_S - MARGIN_S
    if not len(intervals) or intervals.mean() >= limit:
        return intervals
    while (intervals > limit + 1e-9).any():
        is_long = intervals >= limit
        shorter = intervals[~is_long]
        excess = (intervals[is_long] - limit).sum()
        intervals = np.where(is_long, limit, intervals * (1 + excess / shorter.sum()))
    return intervals
