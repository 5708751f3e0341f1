"""Smooth warping of the time axis of beats."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet

# Number of waves of the warp on each side of the R peak.
N_WAVES = 3


class TimeWarpAnonymizer(BaseAnonymizer):
    """Warp the time axis of each beat around a fixed R peak.

    This baseline changes intervals such as PR and QT, but not the shapes and amplitudes of
    the waves. The warp is smooth and increasing, is the same for all beats and leads of a
    record, and does not move the R peak or the ends of the window.

    Parameters
    ----------
    strength : float, default=1.0
        Factor by which the displacement in time is multiplied. 0 returns the input bit for
        bit.
    max_stretch : float, default=0.5
        Largest change of speed at full strength. At 0.5 the speed is between 0.5 and 1.5
        times the original. It must be below 1, so that time never runs backwards.
    random_state : int, RandomState instance or None, default=None
        Source of the salt. A salt that comes from a number can be drawn again by anyone who
        guesses the number: leave None for a release.

    Attributes
    ----------
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    NoiseAnonymizer : Changes amplitudes instead of times.

    Notes
    -----
    This baseline follows no publication. It adapts the time warping that is used to augment
    training data [1]_. On each side of the R peak, with u from 0 at the peak to 1 at the
    end of the window, the output at u is the input at ``u + sum_k c_k (1 - cos(2 pi k u)) /
    (2 pi k)`` for k = 1 to 3. The speed is ``1 + sum_k c_k sin(2 pi k u)``, which is 1 at
    the peak and at the ends. The c_k are drawn once for a record; their absolute values sum
    to ``strength * max_stretch``. Values between samples come from a cubic spline.

    References
    ----------
    .. [1] T. T. Um et al., "Data augmentation of wearable sensor data for Parkinson's
       disease monitoring using convolutional neural networks", ACM ICMI, 216-220, 2017.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import TimeWarpAnonymizer
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> warped = TimeWarpAnonymizer(random_state=0).fit_transform(beats)
    >>> peak = beats.n_times // 2
    >>> bool(abs(warped.beats[..., peak] - beats.beats[..., peak]).max() < 1e-9)
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "max_stretch": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        max_stretch: float = 0.5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.max_stretch = max_stretch
        self.random_state = random_state

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        times = self._warped_times(draws)
        bounds = beats.bounds()
        new = np.empty(beats.beats.shape)
        for at, start, stop in zip(times, bounds[:-1], bounds[1:], strict=True):
            values = beats.beats[start:stop].astype(np.float64)
            new[start:stop] = CubicSpline(np.arange(self.n_times_), values, axis=2)(at)
        return beats.with_beats(new)

    def _warped_times(self, draws: Draws) -> NDArray[np.float64]:
        """Return the position in the original window that each sample is read from."""
        numbers = draws.for_records(2 * N_WAVES).reshape(-1, 2, N_WAVES)
        speed = numbers / np.abs(numbers).sum(axis=2, keepdims=True)
        speed *= self.strength * self.max_stretch
        center = self.n_times_ // 2
        times = np.tile(np.arange(self.n_times_, dtype=np.float64), (len(speed), 1))
        sides = (np.arange(center, -1, -1), np.arange(center, self.n_times_))
        waves = 2 * np.pi * np.arange(1, N_WAVES + 1)[:, np.newaxis]
        for side, (columns, sign) in enumerate(zip(sides, (-1, 1), strict=True)):
            length = max(len(columns) - 1, 1)
            u = np.arange(len(columns)) / length
            shift = speed[:, side] @ ((1 - np.cos(waves * u)) / waves)
            times[:, columns] += sign * length * shift
        return times
