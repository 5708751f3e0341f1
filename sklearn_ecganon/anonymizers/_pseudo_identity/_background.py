"""The baseline, the noise and the fibrillatory waves of a recording."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len
from scipy.interpolate import make_interp_spline

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import (
    WANDER_HZ,
    phases,
)
from sklearn_ecganon.anonymizers._pseudo_identity._identity import Identity, Population, section
from sklearn_ecganon.anonymizers._pseudo_identity._leads import STANDARD_LEADS
from sklearn_ecganon.anonymizers._pseudo_identity._variation import BANDS, PHASES

_WANDER_RATE = 8.0  # Hz, at which the baseline is drawn
_HIGHEST_HZ = 100.0  # of muscle noise
_SLOPE = 1.0  # amplitude of noise falls with this power of the frequency
_BURST_S = 0.12  # the amplitude of muscle noise changes within this time
_BURST = 0.4  # standard deviation of its logarithm
# Of the described noise: templates and deviations hold a part of it. With this fraction the
# median slope of released strips is that of originals. It was chosen on 150 people of PTB-XL
# whom the population did not know, and who are among those of the published figures.
_NOISE = 0.5
_SETTLE_S = 0.4  # a stretch begins and ends at its mean baseline

# Fibrillatory waves: largest in V1, smallest in the lateral leads.
_FIBRILLATION_HZ = (5.0, 9.0)
_FIBRILLATION_MV = (0.015, 0.05)  # amplitude in V1
_FIBRILLATION = dict(
    zip(STANDARD_LEADS, (0.25, 0.55, 1.0, 0.6, 0.35, 0.25, 0.25, 0.25), strict=True)
)


def background(
    population: Population,
    identity: Identity,
    matrix: NDArray[np.float64],
    peaks: NDArray[np.float64],
    n_samples: int,
    rate: float,
    rng: np.random.Generator,
    *,
    fibrillation: bool = False,
) -> NDArray[np.float64]:
    """Return baseline, noise and fibrillatory waves: (n_leads, n_samples) in mV.

    Parameters
    ----------
    population : Population
        Correlations and spectrum.
    identity : Identity
        Levels.
    matrix : ndarray of shape (n_leads, n_model_leads)
        How leads are made of those of the model.
    peaks : ndarray of shape (n_beats,)
        R peaks in samples.
    n_samples : int
        Length.
    rate : float
        In Hz.
    rng : numpy.random.Generator
        Source of the draws.
    fibrillation : bool, default=False
        Whether the atria fibrillate.
    """
    signal = _wander(population, identity, matrix, n_samples, rate, rng)
    signal += _noise(population, identity, matrix, peaks, n_samples, rate, rng)
    if fibrillation:
        signal += _fibrillatory_waves(population, matrix, n_samples, rate, rng)
    return signal


def _wander(
    population: Population,
    identity: Identity,
    matrix: NDArray,
    n_samples: int,
    rate: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the baseline, which starts and ends at its mean."""
    level = np.exp(section(population, identity.numbers, "wander"))
    offset = matrix @ section(population, identity.numbers, "offset")
    factor = _factor(matrix, level, population.wander_correlation)
    n_slow = int(n_samples / rate * _WANDER_RATE) + 24
    sources = _colored(
        factor.shape[1], n_slow, _WANDER_RATE, WANDER_HZ, population.wander_spectrum, rng
    )
    curve = factor @ _upsampled(sources, n_samples, rate)
    n_settle = min(n_samples // 4, round(_SETTLE_S * rate))
    if n_settle:
        ramp = (1 - np.cos(np.pi * (np.arange(n_settle) + 0.5) / n_settle)) / 2
        curve[:, :n_settle] *= ramp
        curve[:, -n_settle:] *= ramp[::-1]
    return curve + offset[:, np.newaxis]


def _upsampled(
    sources: NDArray[np.float64], n_samples: int, rate: float
) -> NDArray[np.float64]:
    """Interpolate sources at the rate of the baseline by cubic splines, from the ninth value.

    The places between two values repeat every few samples, and so do their weights.
    """
    coefficients = make_interp_spline(np.arange(sources.shape[1]), sources, k=3, axis=1).c.T
    ratio = Fraction(_WANDER_RATE / rate).limit_denominator(1000)
    n_slow, period = ratio.numerator, ratio.denominator
    left, u = np.divmod(np.arange(period) * (n_slow / period), 1.0)
    weights = np.zeros((n_slow + 3, period))
    of_basis = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, 1 + 3 * u * (1 + u - u**2), u**3)
    for i, weight in enumerate(of_basis):  # of the cubic B-spline on uniform knots
        weights[left.astype(np.intp) + i, np.arange(period)] = weight / 6
    n_periods = -(-n_samples // period)
    padded = np.pad(coefficients[:, 7:], ((0, 0), (0, n_slow)), mode="edge")
    windows = sliding_window_view(padded, n_slow + 3, axis=1)[:, ::n_slow][:, :n_periods]
    return np.asarray((windows @ weights).reshape(len(sources), -1)[:, :n_samples])


def _colored(
    n_sources: int,
    n_samples: int,
    rate: float,
    frequencies: NDArray,
    log_amplitude: NDArray,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return independent noises with unit variance and an amplitude by frequency."""
    n_fft = next_fast_len(n_samples, real=True)
    at = np.fft.rfftfreq(n_fft, 1 / rate)
    inside = _between(at, 0.5 * frequencies[0], frequencies[-1] + 0.05)
    if not len(at[inside]):
        return np.zeros((n_sources, n_samples))
    amplitude = np.exp(np.interp(at[inside], frequencies, log_amplitude))
    return _from_lines(n_sources, n_fft, inside, amplitude, rng)[:, :n_samples].astype(float)


def _between(frequencies: NDArray[np.floating], low: float, high: float) -> slice:
    """Return where increasing frequencies are at least `low` and below `high`."""
    return slice(*np.searchsorted(frequencies, [low, high]).tolist())


def _from_lines(
    n_sources: int,
    n_fft: int,
    inside: slice,
    amplitude: NDArray,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return noises with unit variance and the given amplitude of the chosen lines.

    Single precision is far below the resolution of recorders, and takes half the time.
    """
    numbers = rng.standard_normal((n_sources, len(amplitude), 2))
    # The sum of the squares is the variance, by Parseval's theorem.
    scale = n_fft / (2 * np.sqrt((amplitude**2).sum()))
    numbers *= (amplitude * scale)[:, np.newaxis]
    lines = np.zeros((n_sources, n_fft // 2 + 1), dtype=np.complex64)
    lines[:, inside] = numbers.astype(np.float32).view(np.complex64)[..., 0]
    return np.asarray(irfft(lines, n=n_fft, axis=1))


def _factor(
    matrix: NDArray, level: NDArray[np.float64], correlation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a factor of the covariance of the leads, of as few columns as possible."""
    covariance = matrix @ (level[:, np.newaxis] * correlation * level) @ matrix.T
    energy, directions = np.linalg.eigh(covariance)
    is_positive = energy > 1e-9 * energy[-1]
    return directions[:, is_positive] * np.sqrt(energy[is_positive])


def _noise(
    population: Population,
    identity: Identity,
    matrix: NDArray,
    peaks: NDArray[np.float64],
    n_samples: int,
    rate: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return noise whose amplitude changes with the phase of the beat, and in bursts."""
    n_leads = len(population.leads)
    levels = section(population, identity.numbers, "noise").reshape(len(BANDS), n_leads)
    shapes = section(population, identity.numbers, "noise_shape").reshape(len(BANDS), -1)
    n_fft = next_fast_len(n_samples, real=True)
    at = np.fft.rfftfreq(n_fft, 1 / rate)
    _, phase = phases(peaks, n_samples, identity.fiducial_points, rate)
    column = (phase - PHASES[0]) / (PHASES[1] - PHASES[0])
    low = column.clip(0, len(PHASES) - 1.001).astype(np.intp)
    weight = (column - low).clip(0, 1).astype(np.float32)
    bursts = _bursts(n_samples, rate, rng)
    signal = np.zeros((len(matrix), n_samples))
    for i, (first, last) in enumerate(BANDS):
        highest = _HIGHEST_HZ if i == len(BANDS) - 1 else last
        inside = _between(at, first, min(highest, 0.45 * rate))
        within = at[inside] < last
        if not within.any():
            continue
        # The level is that of the band up to its end; above it there is more.
        amplitude = at[inside] ** -_SLOPE
        total = np.sqrt((amplitude**2).sum() / (amplitude[within] ** 2).sum())
        factor = _factor(matrix, np.exp(levels[i]), population.noise_correlation[i])
        sources = _from_lines(factor.shape[1], n_fft, inside, amplitude, rng)[:, :n_samples]
        knots = np.exp(shapes[i]).astype(np.float32)
        envelope = (knots[1:] - knots[:-1])[low]
        envelope *= weight
        envelope += knots[low]
        envelope *= bursts
        sources *= envelope
        signal += (_NOISE * total * factor) @ sources  # leads add up in double precision
    return signal


def _bursts(n_samples: int, rate: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a random amplitude around 1 that changes slowly."""
    step = max(1, round(_BURST_S * rate))
    knots = np.exp(_BURST * rng.standard_normal(n_samples // step + 3))
    knots /= np.exp(_BURST**2)
    turn = (1 - np.cos(np.pi * np.arange(step) / step)) / 2
    bursts = knots[:-1, np.newaxis] + turn * np.diff(knots)[:, np.newaxis]
    return bursts.reshape(-1)[:n_samples].astype(np.float32)


def _fibrillatory_waves(
    population: Population,
    matrix: NDArray,
    n_samples: int,
    rate: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return waves of 5 to 9 Hz with a changing rate and amplitude."""
    pattern = np.array([_FIBRILLATION.get(name.upper(), 0.5) for name in population.leads])
    n_knots = int(n_samples / rate) + 3
    times = np.arange(n_samples) / rate
    signal = np.zeros((len(matrix), n_samples))
    size = np.exp(rng.uniform(*np.log(_FIBRILLATION_MV)))
    center = rng.uniform(*_FIBRILLATION_HZ)
    for share in (1.0, 0.6):  # two sources that are not in step
        knots = center * (1 + 0.12 * rng.standard_normal(n_knots))
        frequency = np.interp(times, np.arange(n_knots), knots)
        turn = 2 * np.pi * (np.cumsum(frequency) / rate + rng.random())
        loud = np.interp(times, np.arange(n_knots), np.exp(0.4 * rng.standard_normal(n_knots)))
        wave = (np.sin(turn) + 0.3 * np.sin(2 * turn + 0.8)) * loud
        direction = matrix @ (pattern * np.exp(0.2 * rng.standard_normal(len(pattern))))
        signal += (share * size) * direction[:, np.newaxis] * wave
    return signal
