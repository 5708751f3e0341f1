"""White noise on beats."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet


class NoiseAnonymizer(BaseAnonymizer):
    """Add white Gaussian noise to the beats.

    This is the simplest baseline. With ``per="beat"`` every beat gets independent noise, as
    is common, but attackers average it away: the mean of n beats holds 1 / sqrt(n) of the
    noise. With ``per="record"`` all beats of a record get the same noise, which no average
    removes, but the differences between beats do not change.

    Parameters
    ----------
    strength : float, default=1.0
        Factor by which the noise is multiplied. 0 returns the input bit for bit.
    noise : float, default=1.0
        Standard deviation of the noise at full strength, as a multiple of `scale_`.
    per : {"record", "beat"}, default="record"
        Whether all beats of a record share one draw, or each beat gets an independent draw.
    random_state : int, RandomState instance or None, default=None
        Source of the salt. A salt that comes from a number can be drawn again by anyone who
        guesses the number: leave None for a release.

    Attributes
    ----------
    scale_ : ndarray of shape (n_leads, 1)
        Median over the training beats of the standard deviation of a beat, in mV. A mean
        would follow artifacts: one recording of ECG-ID makes it nine times as large.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    BlockAverageAnonymizer : Adds noise to block averages, scaled by a privacy budget.

    Notes
    -----
    This baseline follows no publication. Each row of an array is a record, so both values
    of `per` have the same effect on arrays.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> new = NoiseAnonymizer(per="beat", random_state=0).fit_transform(beats)
    >>> noise = new.beats - beats.beats
    >>> bool(noise.mean(axis=0).std() < 0.5 * noise.std())
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="neither")],
        "per": [StrOptions({"beat", "record"})],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        noise: float = 1.0,
        per: str = "record",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.noise = noise
        self.per = per
        self.random_state = random_state

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        deviations = beats.beats.std(axis=2, dtype=np.float64)
        self.scale_ = np.median(deviations, axis=0)[:, np.newaxis]

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        size = self.n_leads_ * self.n_times_
        if self.per == "beat":
            noise = draws.for_beats(size)
        else:
            noise = draws.for_records(size)[beats.record]
        scale = self.strength * self.noise * self.scale_
        return beats.with_beats(beats.beats + scale * noise.reshape(beats.beats.shape))
