"""Synthetic training beats: weighted sums of beats of several records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Number of consecutive beats that are blended with the same weights.
RUN = 16
# Standard deviations of the logarithms of a run's amplitude factor, and of its time factors
# before and after the R peak.
AMPLITUDE_SPREAD = 0.2
TIME_SPREAD = 0.1


def blend(
    values: NDArray,
    record: NDArray[np.intp],
    codes: NDArray[np.intp],
    n_blended: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return blended beats: as many, of the same classes, in the same order.

    Each run of beats is replaced by weighted sums of its beats and beats of other records,
    class by class. Its amplitude and its duration are then scaled. The weights of
    `blending_weights` preserve mean and covariance of the beats of a class.

    Parameters
    ----------
    values : ndarray of shape (n_beats, n_leads, n_times)
        Beats, in mV, the R peak at column ``n_times // 2``.
    record : ndarray of int of shape (n_beats,)
        Record of each beat, increasing.
    codes : ndarray of int of shape (n_beats,)
        Class of each beat.
    n_blended : int
        Number of records in a blend.
    rng : numpy.random.Generator
        Draws partners, weights and factors.

    Returns
    -------
    blended : ndarray of shape (n_beats, n_leads, n_times)
        The blended beats.
    run : ndarray of int of shape (n_beats,)
        Run of each beat, increasing from 0. Each run is a synthetic record.
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

    A weighted sum of independent samples then has their mean and their covariance. An
    average would have a smaller covariance. Some weights are negative.
    """
    direction = rng.normal(size=(n, n_blended))
    direction -= direction.mean(axis=1, keepdims=True)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return 1 / n_blended + np.sqrt(1 - 1 / n_blended) * direction


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
    """Return a row of the same class for each beat, from its partner record if possible."""
    fraction = rng.random(len(record))
    n_classes = codes.max() + 1
    rows = np.empty(len(record), np.intp)
    # First a row of any record, then one of the partner where the partner has the class.
    for group, target in (
        (codes, codes),
        (record * n_classes + codes, partner * n_classes + codes),
    ):
        order = np.argsort(group, kind="stable")
        size = np.bincount(group, minlength=target.max() + 1)
        first = np.cumsum(size) - size
        exists = size[target] > 0
        target = target[exists]
        rows[exists] = order[first[target] + (fraction[exists] * size[target]).astype(np.intp)]
    return rows


def _warp(values: NDArray, run: NDArray[np.intp], rng: np.random.Generator) -> NDArray:
    """Scale amplitude and time axis of the beats of each run; the R peak stays in place."""
    n_runs, n_times = run[-1] + 1, values.shape[2]
    amplitude = np.exp(rng.normal(0, AMPLITUDE_SPREAD, n_runs))
    factor = np.exp(rng.normal(0, TIME_SPREAD, (n_runs, 2)))
    since_peak = np.arange(n_times) - n_times // 2
    at = since_peak * factor[:, (since_peak > 0).astype(np.intp)] + n_times // 2
    at = np.clip(at, 0, n_times - 1)[run][:, np.newaxis]
    below = np.minimum(at.astype(np.intp), max(n_times - 2, 0))
    above = np.minimum(below + 1, n_times - 1)
    left, right = (np.take_along_axis(values, rows, axis=2) for rows in (below, above))
    return amplitude[run][:, np.newaxis, np.newaxis] * (left + (at - below) * (right - left))
