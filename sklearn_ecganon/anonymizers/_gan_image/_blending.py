"""Hearts that nobody has, blended of several, for a network to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Consecutive beats that are blended with the same weights: records are cut into such runs.
RUN = 16
# Standard deviations of the logarithm of a run's size, and of its pace on either side of R.
SIZE_SPREAD = 0.2
PACE_SPREAD = 0.1


def blend(
    values: NDArray,
    record: NDArray[np.intp],
    codes: NDArray[np.intp],
    n_blended: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return as many beats, of the same classes in the same order, of blended hearts.

    Each run of beats becomes the weighted sum of beats of its own record and of others,
    class by class, and is then made larger or smaller, slower or faster. The weights of
    `blending_weights` leave mean and covariance of the beats of a class as they are.

    Parameters
    ----------
    values : ndarray of shape (n_beats, n_leads, n_times)
        Beats, in mV, the R peak at column ``n_times // 2``.
    record : ndarray of int of shape (n_beats,)
        Record of each beat, increasing.
    codes : ndarray of int of shape (n_beats,)
        Class of each beat.
    n_blended : int
        Records in a blend.
    rng : numpy.random.Generator
        Draws partners, weights, sizes and paces.

    Returns
    -------
    blended : ndarray of shape (n_beats, n_leads, n_times)
        The new beats.
    run : ndarray of int of shape (n_beats,)
        Run of each beat, increasing from 0: the records of the new hearts.
    """
    run = _runs(record)
    n_runs = run[-1] + 1
    weights = blending_weights(n_runs, n_blended, rng)[run]
    blended = weights[:, 0, np.newaxis, np.newaxis] * values
    for weight in weights[:, 1:].T:
        partner = rng.choice(np.unique(record), n_runs)[run]
        rows = _of_same_class(partner, record, codes, rng)
        blended += weight[:, np.newaxis, np.newaxis] * values[rows]
    return _warp(blended, run, rng), run


def blending_weights(n: int, n_blended: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return weights (n, n_blended) whose sum is 1, and whose squares add up to 1.

    So the weighted sum of independent draws has their mean and their covariance, while an
    average would be less varied than they are. Some weights are below 0.
    """
    drawn = rng.normal(size=(n, n_blended))
    drawn -= drawn.mean(axis=1, keepdims=True)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return 1 / n_blended + np.sqrt(1 - 1 / n_blended) * drawn


def _runs(record: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the run of each beat: up to RUN consecutive beats of one record."""
    _, first, size = np.unique(record, return_index=True, return_counts=True)
    within = np.arange(len(record)) - np.repeat(first, size)
    return np.cumsum(within % RUN == 0) - 1


def _of_same_class(
    partner: NDArray[np.intp],
    record: NDArray[np.intp],
    codes: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return for each beat one of its class: of its partner, or of anybody if he has none."""
    share = rng.random(len(record))
    n_classes = codes.max() + 1
    rows = np.empty(len(record), np.intp)
    for own, wanted in (
        (codes, codes),
        (record * n_classes + codes, partner * n_classes + codes),
    ):
        order = np.argsort(own, kind="stable")
        size = np.bincount(own, minlength=wanted.max() + 1)
        first = np.cumsum(size) - size
        found = size[wanted] > 0
        wanted = wanted[found]
        rows[found] = order[first[wanted] + (share[found] * size[wanted]).astype(np.intp)]
    return rows


def _warp(values: NDArray, run: NDArray[np.intp], rng: np.random.Generator) -> NDArray:
    """Change size and pace of the beats of each run."""
    n_runs, n_times = run[-1] + 1, values.shape[2]
    size = np.exp(rng.normal(0, SIZE_SPREAD, n_runs))
    pace = np.exp(rng.normal(0, PACE_SPREAD, (n_runs, 2)))
    since_peak = np.arange(n_times) - n_times // 2
    at = since_peak * pace[:, (since_peak > 0).astype(np.intp)] + n_times // 2
    at = np.clip(at, 0, n_times - 1)[run][:, np.newaxis]
    below = np.minimum(at.astype(np.intp), max(n_times - 2, 0))
    above = np.minimum(below + 1, n_times - 1)
    left, right = (np.take_along_axis(values, rows, axis=2) for rows in (below, above))
    return size[run][:, np.newaxis, np.newaxis] * (left + (at - below) * (right - left))
