"""Averages of consecutive beats and their slopes, for attackers across days."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

N_AVERAGED = 10
LOG_SCALE = 3.0
SLOPE_LAGS = (1, 2)


def averaged_features(
    shapes: NDArray[np.float32], bounds: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return for each beat the average of ten beats around it, compressed, with its slopes.

    Averaging removes noise and respiration, which differ between days as much as people do.
    The logarithm keeps a tall QRS from outweighing the P and the T wave, and slopes ignore
    the baseline.

    Parameters
    ----------
    shapes : ndarray of float32 of shape (n_beats, n_leads, n_times)
        Beats, z-scored by lead.
    bounds : ndarray of int of shape (n_records + 1,)
        First beat of each record, and the number of beats.

    Returns
    -------
    features : ndarray of shape (n_beats, n_leads * (3 * n_times - 3))
        The average of each lead, its differences at one sample, and those at two; each is
        z-scored, then compressed by ``sign(x) log(1 + 3 |x|)``. A record of fewer than ten
        beats is averaged as a whole.
    """
    averages = np.empty_like(shapes)
    for start, stop in pairwise(bounds):
        averages[start:stop] = _moving_average(shapes[start:stop])
    waves = [averages, *(averages[..., lag:] - averages[..., :-lag] for lag in SLOPE_LAGS)]
    columns = [_compress(wave).reshape(len(shapes), -1) for wave in waves]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _moving_average(beats: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the average of the ten beats around each; the first and last share theirs."""
    if not len(beats):
        return beats.astype(np.float64)
    width = min(N_AVERAGED, len(beats))
    sums = np.cumsum(
        np.concatenate([np.zeros_like(beats[:1]), beats], dtype=np.float64), axis=0
    )
    averages = (sums[width:] - sums[:-width]) / width
    first = np.clip(np.arange(len(beats)) - width // 2, 0, len(averages) - 1)
    return averages[first]


def _compress(wave: NDArray) -> NDArray[np.float64]:
    centered = wave - wave.mean(axis=-1, keepdims=True)
    unit = centered / np.maximum(centered.std(axis=-1, keepdims=True), 1e-9)
    return np.sign(unit) * np.log1p(LOG_SCALE * np.abs(unit))
