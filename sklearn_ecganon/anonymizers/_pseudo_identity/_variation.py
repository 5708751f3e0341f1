"""How single beats differ from their template: in a few coherent ways, and by noise."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import (
    RATE,
    Description,
    correlation_of,
)
from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import GRID

BANDS = ((0.5, 10.0), (10.0, 20.0), (20.0, 50.0))  # Hz, of the noise
PHASES = GRID[::8]  # ms, at which the noise is described
N_DEVIATIONS = 32
N_BEATS = 15  # consecutive beats of a person that deviations are learned from
_LARGEST = 6.0  # of a deviation in units of its record
_SMALLEST = 2e-4  # mV
_GAUSSIAN = 0.455  # median of the square of a standard normal number
_QUIET_MS = (420.0, -260.0)  # standard times between T and P
_RIDGE = 0.05  # of the unit length of a deviation


class Variation(NamedTuple):
    """Principal deviations of single beats, shared by all people.

    Attributes
    ----------
    basis : ndarray of shape (n_deviations, n_leads, n_grid)
        Orthonormal deviations.
    scale : ndarray of shape (n_deviations,)
        Their standard deviation, in units of the typical deviation of a person.
    persistence : ndarray of shape (n_deviations,)
        Correlation of the coefficients of two consecutive beats.
    """

    basis: NDArray[np.float64]
    scale: NDArray[np.float64]
    persistence: NDArray[np.float64]


class Noise(NamedTuple):
    """The noise of one person; NaN for leads that are not shown.

    Attributes
    ----------
    size : float
        Logarithm of the typical coherent deviation, in mV.
    level : ndarray of shape (n_bands, n_leads)
        Logarithm of the standard deviation between T and P, in mV.
    shape : ndarray of shape (n_bands, n_phases)
        Logarithm of the noise at each phase, relative to that between T and P.
    correlation : ndarray of shape (n_bands, n_leads, n_leads)
        Correlation of the noise of two leads.
    """

    size: float
    level: NDArray[np.float64]
    shape: NDArray[np.float64]
    correlation: NDArray[np.float64]


def learn_variation(people: Sequence[Description]) -> Variation:
    """Return the principal deviations of the people with the most leads."""
    n_shown = [np.isfinite(person.template).all(axis=1).sum() for person in people]
    n_leads = people[0].template.shape[0]
    rows = [np.zeros((2, n_leads, len(GRID)), dtype=np.float32)]
    owners = [np.array([-1, -2])]
    for i, person in enumerate(people):
        # A record of few leads would make the others look calm.
        if n_shown[i] == max(n_shown):
            some = person.deviations[:N_BEATS]
            values = np.nan_to_num(some) / np.float32(np.exp(_size(some)))
            rows.append(values.clip(-_LARGEST, _LARGEST))
            owners.append(np.full(len(values), i))
    flat = np.concatenate(rows).reshape(sum(map(len, rows)), -1)
    owner = np.concatenate(owners)
    # The eigenvectors of the smaller product are those of a singular value decomposition.
    _, directions = np.linalg.eigh(flat.T @ flat)
    n = min(N_DEVIATIONS, *flat.shape)
    basis = directions.T[::-1][:n].astype(float)
    coefficients = flat @ basis.T
    # Medians: a few beats deviate much more than all others.
    scale = np.maximum(np.median(np.abs(coefficients), axis=0) / np.sqrt(_GAUSSIAN), 1e-9)
    coefficients = (coefficients / scale).clip(-_LARGEST, _LARGEST)
    coefficients /= np.maximum(coefficients.std(axis=0), 1e-9)
    same = owner[1:] == owner[:-1]
    persistence = np.zeros(n)
    if same.any():
        persistence = (coefficients[1:][same] * coefficients[:-1][same]).mean(axis=0)
    return Variation(basis[:n].reshape(n, n_leads, -1), scale, persistence.clip(-0.5, 0.9))


def _size(deviations: NDArray[np.floating]) -> float:
    """Return the logarithm of the typical size of the deviations of single beats, in mV."""
    known = np.isfinite(deviations)
    share = known.mean(axis=(1, 2))
    rows = np.where(known, deviations, 0.0)
    power = (rows**2).mean(axis=(1, 2))[share > 0] / share[share > 0]
    return float(np.log(np.sqrt(np.median(power)) + 2e-3)) if len(power) else -4.0


def noise_of(person: Description, variation: Variation) -> Noise:
    """Return the noise of a person: what the principal deviations leave of each beat."""
    deviations = person.deviations
    n_leads = deviations.shape[1]
    shown = np.isfinite(person.template).all(axis=1)
    values = np.nan_to_num(deviations[:, shown])
    flat = values.reshape(len(values), -1)
    basis = variation.basis[:, shown].reshape(len(variation.basis), -1)
    # Deviations are not determined by few leads alone.
    gram = basis @ basis.T + _RIDGE * np.eye(len(basis))
    coefficients = np.linalg.solve(gram, basis @ flat.T)
    residual = values - (coefficients.T @ basis).reshape(values.shape)
    inside = np.isfinite(deviations[:, shown])
    frequency = np.fft.rfftfreq(len(GRID), 1 / RATE)
    spectrum = np.fft.rfft(np.where(inside, residual, 0.0), axis=2)
    level = np.full((len(BANDS), n_leads), np.nan)
    shape = np.zeros((len(BANDS), len(PHASES)))
    correlation = np.full((len(BANDS), n_leads, n_leads), np.nan)
    quiet = (_QUIET_MS[0] < GRID) | (_QUIET_MS[1] > GRID)
    for i, (low, high) in enumerate(BANDS):
        chosen = (frequency >= low) & (frequency < high)
        band = np.fft.irfft(spectrum * chosen, n=len(GRID), axis=2)
        power = _power(np.where(inside, band, np.nan))
        between = np.median(power[:, quiet], axis=1, keepdims=True)
        level[i, shown] = 0.5 * np.log(between[:, 0])
        ratio = 0.5 * np.log(power / between).mean(axis=0)
        shape[i] = np.interp(PHASES, GRID, ratio)
        correlation[i][np.ix_(shown, shown)] = correlation_of(
            np.moveaxis(np.where(inside, band, 0.0), 1, 0).reshape(shown.sum(), -1)
        )
    return Noise(_size(deviations[:, shown]), level, shape, correlation)


def _power(noise: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the variance of noise with holes at each phase, by medians over beats."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # phases that no beat shows
        power = np.nanmedian(noise**2, axis=0) / _GAUSSIAN
    columns = np.arange(power.shape[1])
    for lead in power:
        known = np.isfinite(lead)
        lead[:] = np.interp(columns, columns[known], lead[known]) if known.any() else 0.0
    return np.asarray(gaussian_filter1d(power, 4.0, axis=1)) + _SMALLEST**2
