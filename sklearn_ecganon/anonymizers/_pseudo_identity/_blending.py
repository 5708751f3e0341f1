"""Between a record and its pseudo-identity, for strengths between 0 and 1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import Description
from sklearn_ecganon.anonymizers._pseudo_identity._identity import Identity, Population, layout
from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import FiducialPoints
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import stitch_signal

_RIDGE = 0.05  # mV, of what a template has beside its components


def original_identity(population: Population, description: Description) -> Identity:
    """Return the identity in a population that is most like a described record."""
    numbers = population.people.mean(axis=0)
    parts = layout(len(population.basis), len(population.leads))
    numbers[parts["template"]] = _coefficients(
        population.basis, description.template - population.mean, numbers[parts["template"]]
    )
    numbers[parts["fiducial_points"]] = description.fiducial_points
    for name in ("wander", "offset"):
        values = getattr(description, name)
        known = np.isfinite(values)
        numbers[parts[name]] = np.where(known, values, numbers[parts[name]])
    ectopic = population.ectopic.mean(axis=0)
    ectopic = _coefficients(
        population.ectopic_basis, description.ectopic - population.ectopic_mean, ectopic
    )
    return Identity(numbers, ectopic, description.fiducial_points, description.has_p)


def _coefficients(
    basis: NDArray[np.float64], deviation: NDArray[np.float64], default: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the coefficients of what a record shows; the given ones where it shows nothing."""
    shown = np.isfinite(deviation)
    if not shown.any():
        return default
    part = basis[:, shown]
    gram = part @ part.T + _RIDGE * np.eye(len(basis))
    return np.asarray(np.linalg.solve(gram, part @ deviation[shown] + _RIDGE * default))


def blend(
    population: Population, original: Identity, drawn: Identity, strength: float
) -> Identity:
    """Return an identity between two others, with the spread of both.

    Numbers move so that their variance over people stays the same; fiducial points move in a
    straight line.
    """

    def between(a: NDArray, b: NDArray, mean: NDArray) -> NDArray[np.float64]:
        return np.asarray(
            mean + np.sqrt(1 - strength) * (a - mean) + np.sqrt(strength) * (b - mean)
        )

    mean = population.people.mean(axis=0)
    fiducial_points = (1 - strength) * np.array(original.fiducial_points) + strength * np.array(
        drawn.fiducial_points
    )
    return drawn._replace(
        numbers=between(original.numbers, drawn.numbers, mean),
        ectopic=between(original.ectopic, drawn.ectopic, population.ectopic.mean(axis=0)),
        fiducial_points=FiducialPoints(*fiducial_points.tolist()).ordered(),
        st=strength * drawn.st,
    )


def residual_of_original(
    record: BeatSet,
    written: NDArray[np.float64],
    r_peaks: NDArray[np.intp],
    origin: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return what a description leaves of a record, at new R peaks: (n_leads, n_times).

    Parameters
    ----------
    record : BeatSet
        One record.
    written : ndarray of shape (n_leads, n_times)
        The same record, written from its description at its own R peaks.
    r_peaks : ndarray of int
        New R peaks.
    origin : ndarray of int
        Beat of the record that each new R peak stands for.
    """
    residual = record.beats - windows_of(written, record.r_peaks, record.n_times)
    moved = replace(
        record,
        beats=residual[origin],
        record=np.zeros(len(origin), dtype=np.intp),
        r_peaks=r_peaks,
        labels=None,
        gaps=None,
        lead_gaps=None,
    )
    return np.nan_to_num(stitch_signal(moved, 0))


def windows_of(
    signal: NDArray[np.float64], r_peaks: NDArray[np.intp], n_times: int
) -> NDArray[np.float64]:
    """Return the windows of a signal at R peaks: (n_beats, n_leads, n_times)."""
    half = n_times // 2
    padded = np.pad(signal, ((0, 0), (half, n_times - half)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_times, axis=1)
    return np.ascontiguousarray(windows.swapaxes(0, 1)[r_peaks])
