"""Write the signal of a recording from an identity, whole beats on one time axis."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from sklearn_ecganon.anonymizers._pseudo_identity import _cycles as cycles
from sklearn_ecganon.anonymizers._pseudo_identity._identity import (
    Identity,
    Population,
    decode_templates,
    section,
)
from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import (
    GRID,
    GRID_MS,
    STANDARD,
    FiducialPoints,
    to_standard,
)

_FINE = 4  # samples of a written template in each sample of the grid
_BLOCK = 64  # beats written at once
_QT_POWER = 1 / 3  # of RR, by Fridericia
_QT_RANGE = (0.75, 1.2)
_P_END_MS = 8.0  # before the QRS; without a P wave nothing stands before
_P_FADE_MS = 25.0
_ECTOPIC_VARIATION = 1.5  # ventricular beats vary more
_ST_RAMP_MS = 25.0
_EDGE = 25.0  # samples of the grid in which deviations fade at both ends
_SPIKE_MS = 2.0
_SPIKE_BEFORE_MS = 15.0  # before the QRS
_SPIKE_SIZE = (0.7, 1.3)  # of the largest magnitude of the main beat


class Rhythm(NamedTuple):
    """The beats that are to be written.

    Attributes
    ----------
    peaks : ndarray of shape (n_beats,)
        R peaks in samples, between samples as well.
    beat_classes : ndarray of int of shape (n_beats,)
        Class of each beat, a position in `cycles.BEAT_CLASSES`.
    rate : float
        In Hz.
    n_samples : int
        Length of the recording.
    """

    peaks: NDArray[np.float64]
    beat_classes: NDArray[np.intp]
    rate: float
    n_samples: int


def write_beats(
    population: Population,
    identity: Identity,
    matrix: NDArray[np.float64],
    rhythm: Rhythm,
    rng: np.random.Generator | None,
) -> NDArray[np.float64]:
    """Return the beats of a recording without baseline and noise: (n_leads, n_samples).

    Every beat is zero at both ends and is added where it lies, so that nothing is joined.

    Parameters
    ----------
    population : Population
        Components of beats.
    identity : Identity
        The person.
    matrix : ndarray of shape (n_leads, n_model_leads)
        How leads are made of those of the model.
    rhythm : Rhythm
        Beats to be written.
    rng : numpy.random.Generator or None
        Draws the deviations of single beats; None writes all beats alike.
    """
    mark, beat_classes = identity.fiducial_points, rhythm.beat_classes
    shown = np.flatnonzero(matrix.any(axis=0))  # leads of the model that the record needs
    # Which template each beat has: the main, the ventricular or the fusion beat.
    curve = (beat_classes == cycles.VENTRICULAR) + 2 * (beat_classes == cycles.FUSION)
    templates = _templates(population, identity, shown, ectopic=bool(curve.any()))
    deviations = _deviations(population, identity, beat_classes, rng)
    gains = np.ones(len(beat_classes))
    if rng is not None:
        spread = float(np.exp(section(population, identity.numbers, "gain")[0]))
        gains += spread * rng.standard_normal(len(beat_classes)).clip(-3, 3)
    steps = _steps(mark, rhythm.rate)
    padding = len(steps)
    signal = np.zeros((len(shown), rhythm.n_samples + 2 * padding))
    t_offsets = _t_offsets(rhythm, mark)
    deviation_rows = population.deviation_basis[:, shown]
    if not identity.has_p:  # beats without a P wave do not differ by one either
        deviation_rows = deviation_rows * _after_p()
    for start in range(0, len(beat_classes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        first = np.floor(rhythm.peaks[rows]).astype(np.intp)
        times = (steps + (first - rhythm.peaks[rows])[:, np.newaxis]) * (1000 / rhythm.rate)
        standard = to_standard(times, mark, t_offsets[rows])
        is_ectopic = curve[rows] > 0  # these have no standard time axis
        standard[is_ectopic] = times[is_ectopic]
        position = (standard - GRID[0]) / GRID_MS
        windows = _at(templates, curve[rows], _FINE * position)
        windows *= gains[rows, np.newaxis]
        if rng is not None:
            shapes = np.moveaxis(np.tensordot(deviations[rows], deviation_rows, 1), 1, 0)
            values = _at(shapes, np.arange(len(first)), position)
            # Deviations fade out at both ends, as templates do.
            to_end = np.minimum(position, len(GRID) - 1 - position)
            windows += values * (to_end.clip(0, _EDGE) / _EDGE)
        for beat, at in enumerate((first + steps[0] + padding).tolist()):
            signal[:, at : at + len(steps)] += windows[:, beat]
    return matrix[:, shown] @ signal[:, padding:-padding]


def _templates(
    population: Population, identity: Identity, leads: NDArray[np.intp], *, ectopic: bool
) -> NDArray[np.float64]:
    """Return the main beat and, if needed, the ventricular and the fusion beat in some leads.

    Returns
    -------
    templates : ndarray of shape (n_leads, 1 or 3, n_fine)
        In mV, at four times the rate of the grid.
    """
    main = _fine(main_template(population, identity)[leads])
    if not ectopic:
        return main[:, np.newaxis]
    other = population.ectopic_mean + np.tensordot(
        identity.ectopic, population.ectopic_basis, 1
    )
    ventricular = _fine(other[leads]) if other[leads].any() else main
    return np.stack([main, ventricular, (main + ventricular) / 2], axis=1)


def main_template(population: Population, identity: Identity) -> NDArray[np.float64]:
    """Return the main beat on the standard time axis: (n_model_leads, n_grid) in mV."""
    template = decode_templates(population, identity.numbers)[0]
    if not identity.has_p:
        # The level in front of the QRS fades out within it, so that no step is left there.
        start = STANDARD.onset - _P_END_MS
        level = template[:, [np.searchsorted(GRID, start)]]
        inside = ((STANDARD.offset - GRID) / (STANDARD.offset - start)).clip(0, 1)
        template = (template - level * inside) * _after_p()
    if identity.st:
        # ST changes from the end of the QRS to the end of T.
        start, ramp = STANDARD.offset, _ST_RAMP_MS
        rise = ((GRID - start) / ramp).clip(0, 1)
        fall = ((STANDARD.t_offset - GRID) / (STANDARD.t_offset - start - 85.0)).clip(0, 1)
        template = template.copy()
        bump = (1 - np.cos(np.pi * np.minimum(rise, fall))) / 2
        template[identity.st_lead] += identity.st * bump
    return template


def _after_p() -> NDArray[np.float64]:
    """Return a weight on the standard time axis: 0 where P waves lie, 1 from the QRS on."""
    late = ((GRID - (STANDARD.onset - _P_END_MS)) / _P_FADE_MS + 1).clip(0, 1)
    return np.asarray((1 - np.cos(np.pi * late)) / 2)


@lru_cache(maxsize=1)
def _refinement() -> NDArray[np.float64]:
    """Return the matrix that interpolates templates at four times the rate, by splines."""
    n = len(GRID)
    spline = make_interp_spline(np.arange(n), np.eye(n), k=3, axis=1)
    return np.ascontiguousarray(spline(np.arange((n - 1) * _FINE + 1) / _FINE))


def _fine(template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a template at four times the rate."""
    return np.asarray(template @ _refinement())


def _at(
    curves: NDArray[np.float64], curve: NDArray[np.intp], position: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the values of curves between samples: (n_leads, n_beats, n_times).

    Parameters
    ----------
    curves : ndarray of shape (n_leads, n_curves, n)
        They are zero beyond both ends.
    curve : ndarray of int of shape (n_beats,)
        Curve of each beat.
    position : ndarray of shape (n_beats, n_times)
        Where it is read.
    """
    n_leads, n_curves, n = curves.shape
    inside = (position >= 0) & (position <= n - 1)
    low = position.clip(0, n - 1.001).astype(np.intp)
    flat = curves.reshape(n_leads, n_curves * n)
    index = curve[:, np.newaxis] * n + low
    left, right = flat.take(index, axis=1), flat.take(index + 1, axis=1)
    right -= left
    right *= position - low
    left += right
    left *= inside
    return left


def _steps(mark: FiducialPoints, rate: float) -> NDArray[np.intp]:
    """Return the samples around the R peak that a beat may fill."""
    before = GRID[0] + min(mark.p_onset - STANDARD.p_onset, 0.0)
    after = GRID[-1] + max(_QT_RANGE[1] * mark.t_offset - STANDARD.t_offset, 0.0)
    return np.arange(int(before * rate / 1000) - 1, int(after * rate / 1000) + 2)


def _t_offsets(rhythm: Rhythm, mark: FiducialPoints) -> NDArray[np.float64]:
    """Return the end of T of each beat, which follows the RR interval before it."""
    if len(rhythm.peaks) < 3:
        return np.full(len(rhythm.peaks), mark.t_offset)
    rr = np.diff(rhythm.peaks)
    rr = np.r_[rr[0], rr]
    # Repolarization follows the rate with a delay.
    smooth = np.convolve(np.pad(rr, (2, 0), mode="edge"), [0.5, 0.3, 0.2], mode="valid")
    ratio = (smooth / np.median(rr)) ** _QT_POWER
    qt = (mark.t_offset - mark.onset) * ratio.clip(*_QT_RANGE)
    return mark.onset + qt


def _deviations(
    population: Population,
    identity: Identity,
    beat_classes: NDArray[np.intp],
    rng: np.random.Generator | None,
) -> NDArray[np.float64]:
    """Return the coefficients of the deviations of each beat: (n_beats, n_deviations)."""
    n = len(population.deviation_scale)
    if rng is None:
        return np.zeros((len(beat_classes), n))
    numbers = rng.standard_normal((len(beat_classes), n))
    keep = population.persistence
    numbers[1:] *= np.sqrt(1 - keep**2)
    for i in range(1, len(beat_classes)):
        numbers[i] += keep * numbers[i - 1]
    size = float(np.exp(section(population, identity.numbers, "deviation")[0]))
    factor = np.exp(0.35 * rng.standard_normal((len(beat_classes), 1)))
    factor[beat_classes == cycles.VENTRICULAR] *= _ECTOPIC_VARIATION
    return numbers * factor * (size * population.deviation_scale)


def add_spikes(
    signal: NDArray[np.float64],
    population: Population,
    identity: Identity,
    matrix: NDArray[np.float64],
    rhythm: Rhythm,
    rng: np.random.Generator,
) -> None:
    """Add pacing spikes before the QRS of all beats but ventricular ones, in place.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        In mV.
    population : Population
        Components of beats.
    identity : Identity
        The person.
    matrix : ndarray of shape (n_leads, n_model_leads)
        How leads are made of those of the model.
    rhythm : Rhythm
        The beats.
    rng : numpy.random.Generator
        Draws the size in each lead.
    """
    rate = rhythm.rate
    is_paced = rhythm.beat_classes != cycles.VENTRICULAR
    at = (
        rhythm.peaks[is_paced]
        + (identity.fiducial_points.onset - _SPIKE_BEFORE_MS) * rate / 1000
    )
    width = max(1, round(_SPIKE_MS * rate / 1000))
    beat = matrix @ main_template(population, identity)
    magnitude = np.sqrt((beat**2).mean(axis=0)).max()
    n_model = matrix.shape[1]
    signs = rng.choice([-1.0, 1.0], n_model)
    size = matrix @ (rng.uniform(*_SPIKE_SIZE, size=n_model) * signs)
    size *= magnitude / max(np.sqrt((size**2).mean()), 1e-9)
    for start in np.rint(at).astype(np.intp):
        if 0 <= start < signal.shape[1] - width:
            signal[:, start : start + width] += size[:, np.newaxis]
