"""The standard time axis, on which the waves of all people lie at the same places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID_MS = 4.0
#: Times of the samples of a template, in ms from the R peak of the standard time axis.
GRID = np.arange(-400.0, 700.0, GRID_MS)
_P_FADE_MS = (60.0, 50.0)  # a template rises from zero: start before the P wave, and width
_T_FADE_MS = (160.0, 100.0)  # and returns to zero: end after the T wave, and width
_SHORTEST_MS = 15.0  # between two fiducial_points


class FiducialPoints(NamedTuple):
    """Edges of the waves of one person's beats, in ms from the R peak.

    Attributes
    ----------
    p_onset, onset, offset, t_offset : float
        Start of the P wave, start and end of the QRS complex, and end of the T wave.
    """

    p_onset: float
    onset: float
    offset: float
    t_offset: float

    def ordered(self) -> FiducialPoints:
        """Return fiducial points in their order around the R peak, with room for every wave."""
        onset = min(self.onset, -_SHORTEST_MS)
        offset = max(self.offset, _SHORTEST_MS)
        return FiducialPoints(
            min(self.p_onset, onset - 3 * _SHORTEST_MS),
            onset,
            offset,
            max(self.t_offset, offset + 6 * _SHORTEST_MS),
        )


#: Medians of 300 people of PTB-XL.
STANDARD = FiducialPoints(-208.0, -51.0, 53.0, 350.0)


def to_standard(
    times: NDArray[np.float64],
    fiducial_points: FiducialPoints,
    t_offsets: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return where times of a person's beats lie on the standard time axis.

    Parameters
    ----------
    times : ndarray of shape (n_times,) or (n_beats, n_times)
        In ms from the R peak.
    fiducial_points : FiducialPoints
        Of the person.
    t_offsets : ndarray of shape (n_beats,), optional
        End of the T wave of each beat, in place of that of the fiducial points.
    """
    here = np.array([*fiducial_points[:2], 0.0, fiducial_points.offset])
    there = np.array([*STANDARD[:2], 0.0, STANDARD.offset])
    standard = np.interp(times, here, there)
    standard += np.minimum(times - here[0], 0.0)
    end = fiducial_points.t_offset if t_offsets is None else t_offsets[:, np.newaxis]
    after = np.maximum(times - fiducial_points.offset, 0.0)
    length = end - fiducial_points.offset
    repolarization = np.minimum(after, length)
    factor = (STANDARD.t_offset - STANDARD.offset) / length
    return standard + repolarization * factor + (after - repolarization)


def from_standard(
    times: NDArray[np.float64], fiducial_points: FiducialPoints
) -> NDArray[np.float64]:
    """Return where times of the standard time axis lie in a person's beats, in ms."""
    return np.interp(times, *_knots(fiducial_points))


def _knots(fiducial_points: FiducialPoints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same moments on the standard axis and in a person's beats."""
    reach = 2000.0
    here = np.array([*STANDARD[:2], 0.0, *STANDARD[2:]])
    there = np.array([*fiducial_points[:2], 0.0, *fiducial_points[2:]])
    return (
        np.r_[here[0] - reach, here, here[-1] + reach],
        np.r_[there[0] - reach, there, there[-1] + reach],
    )


def fade() -> NDArray[np.float64]:
    """Return the weight of each sample of a template: 0 at both ends, 1 in between."""
    start, rise = _P_FADE_MS
    end, fall = _T_FADE_MS
    weight = np.minimum(
        (GRID - (STANDARD.p_onset - start)) / rise, (STANDARD.t_offset + end - GRID) / fall
    ).clip(0.0, 1.0)
    return (1 - np.cos(np.pi * weight)) / 2
