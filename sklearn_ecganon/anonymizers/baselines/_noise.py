"""Add noise."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet


class NoiseAnonymizer(BaseAnonymizer):
    """Add white Gaussian noise to the beats.

    The simplest baseline. With ``per="beat"`` every beat gets noise of its own, which is
    how noise is mostly added, and which an attacker averages away: the mean of n beats
    holds 1 / sqrt(n) of it. With ``per="record"`` all beats of a record get the same noise,
    which no average removes; their differences from each other are then untouched.

    Parameters
    ----------
    strength : float, default=1.0
        Factor of the noise. 0 returns the input bit for bit.
    noise : float, default=1.0
        Standard deviation of the noise at full strength, as a multiple of `scale_`.
    per : {"record", "beat"}, default="record"
        Whether the beats of a record share one draw or get one each.
    random_state : int, RandomState instance or None, default=None
        Source of the salt. A salt that comes from a number can be drawn again by anyone who
        guesses the number: leave None for a release.

    Attributes
    ----------
    scale_ : ndarray of shape (n_leads, 1)
        Root mean square of the training beats about their own means, in mV.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    BlockAverageAnonymizer : Noise on block averages, sized by a privacy budget.

    Notes
    -----
    This baseline follows no publication. Rows of an array are records, so that both values
    of `per` do the same to an array.

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
        variance = beats.beats.var(axis=2, dtype=np.float64)
        self.scale_ = np.sqrt(variance.mean(axis=0))[:, np.newaxis]

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        size = self.n_leads_ * self.n_times_
        if self.per == "beat":
            noise = draws.for_beats(size)
        else:
            noise = draws.for_records(size)[beats.record]
        scale = self.strength * self.noise * self.scale_
        return beats.with_beats(beats.beats + scale * noise.reshape(beats.beats.shape))
