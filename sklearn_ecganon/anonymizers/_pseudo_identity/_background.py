"""What lies under the beats: electrode level, wander and noise, all of them made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

AR_ORDER = 4
QUIET_MS = (-330.0, -240.0)  # from the R peak, where noise is read: before the P wave
WANDER_MEMORY = 0.7  # from one beat to the next
HEAVY_TAIL = 5.0  # degrees of freedom of the wander's steps
SMALLEST = 1e-4  # mV


class Background(NamedTuple):
    """Of one recording: one number a lead."""

    level: NDArray[np.float64]  # mV
    wander: NDArray[np.float64]  # mV
    noise: NDArray[np.float64]  # mV


def level_of(windows: NDArray) -> NDArray:
    """Return the level of each window, its median: (..., 1)."""
    return np.median(windows, axis=-1, keepdims=True)


def learn_noise(residuals: list[NDArray], weights: NDArray) -> NDArray[np.float64]:
    """Return the autoregression of noise: AR_ORDER coefficients, then the share of variance.

    Parameters
    ----------
    residuals : list of ndarray of shape (n_traces, n_times)
        What the model left over of each record, any scale.
    weights : ndarray of shape (n_records,)
        How much each record says.
    """
    total = np.zeros(AR_ORDER + 1)
    for traces, weight in zip(residuals, weights, strict=True):
        if not weight or traces.shape[1] <= 2 * AR_ORDER:
            continue
        variance = np.mean(traces**2)
        if variance > SMALLEST**2:
            lagged = [
                np.mean(traces[:, h:] * traces[:, : traces.shape[1] - h])
                for h in range(AR_ORDER + 1)
            ]
            total += weight * np.array(lagged) / variance
    if total[0] <= 0:
        return np.r_[np.zeros(AR_ORDER), 1.0]
    correlation = total / total[0]
    correlation[1:] *= 0.99  # stable, whatever was measured
    forward = solve_toeplitz(correlation[:-1], correlation[1:])
    return np.r_[forward, max(1 - forward @ correlation[1:], 1e-3)]


def make_noise(
    coefficients: NDArray[np.float64], shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return noise of unit size along the last axis, as `learn_noise` found it."""
    forward, share = coefficients[:AR_ORDER], coefficients[AR_ORDER]
    white = rng.standard_normal((*shape[:-1], shape[-1] + 50), dtype=np.float32)
    return lfilter([np.sqrt(share)], np.r_[1.0, -forward], white, axis=-1)[..., 50:]


def make_background(
    background: Background,
    coefficients: NDArray[np.float64],
    r_peaks: NDArray[np.float64],
    duration: float,
    rate: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return level, wander and noise of a recording: (n_leads, n_samples) at `rate`.

    Parameters
    ----------
    background : Background
        Sizes.
    coefficients : ndarray of shape (AR_ORDER + 1,)
        From `learn_noise`.
    r_peaks : ndarray of shape (n_beats,)
        In seconds; wander changes from beat to beat.
    duration, rate : float
        Seconds, and Hz of the result.
    rng : numpy.random.Generator
        Keyed to the record.
    """
    n_leads, n_samples = len(background.level), int(np.ceil(duration * rate)) + 1
    steps = rng.standard_t(HEAVY_TAIL, size=(n_leads, len(r_peaks) + 20))
    steps *= np.sqrt((1 - WANDER_MEMORY**2) * (HEAVY_TAIL - 2) / HEAVY_TAIL)
    wander = lfilter([1.0], [1.0, -WANDER_MEMORY], steps, axis=1)[:, 20:]
    times = np.arange(n_samples) / rate
    signal = make_noise(coefficients, (n_leads, n_samples), rng)
    signal *= background.noise[:, np.newaxis]
    for lead in range(n_leads):
        signal[lead] += np.interp(
            times, r_peaks, background.level[lead] + background.wander[lead] * wander[lead]
        )
    return signal
