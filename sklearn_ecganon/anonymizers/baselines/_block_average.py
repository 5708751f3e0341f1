"""Averages over blocks of samples, with Laplace noise."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet


class BlockAverageAnonymizer(BaseAnonymizer):
    """Replace blocks of samples by their average plus Laplace noise.

    This is DP-Pix for heartbeats. Its privacy budget `epsilon` does not protect a person:
    it hides the values of `m` samples, not the identity. The Notes explain what it covers.

    Parameters
    ----------
    strength : float, default=1.0
        Weight of the noisy block averages; the original has the remaining weight. 0 returns
        the input bit for bit. The guarantee of `epsilon` holds only at 1.
    block_width : float, default=40.0
        Length of a block in ms; at least one sample. The last block of a window may be
        shorter.
    epsilon : float, default=1.0
        Privacy budget of the Laplace noise. Smaller means more noise.
    m : int, default=1
        Number of samples, over all leads, in which neighboring inputs may differ.
    amplitude : float, default=3.0
        Beats are clipped to plus and minus this amplitude, in mV, before they are averaged.
        Do not choose it from the data, or the scale of the noise reveals the data.
    per : {"beat", "record"}, default="beat"
        Whether each beat gets independent noise, as published, or all beats of a record
        share one draw.
    sampling_rate : float, default=250.0
        Sampling rate of array input in Hz. A BeatSet has its own.
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
    NoiseAnonymizer : Gaussian noise on every sample.

    Notes
    -----
    Source: [1]_. The published method divides an image into squares of b x b pixels,
    replaces each square by its average, and adds noise of the scale 255 m / (b^2 epsilon).
    Two images are neighbors if they differ in at most m pixels. Here a block of b samples
    gets noise of the scale ``m * 2 * amplitude / (b * epsilon)``.

    What epsilon guarantees, at ``strength=1``: take two windows that differ in at most m
    samples. The output changes the odds of one window against the other by no more than a
    factor ``exp(epsilon)``. With ``per="beat"`` this holds for two whole records whose
    windows together differ in at most m samples. A sample that lies in two overlapping
    windows counts twice.

    What it does not cover:

    - People. Two people differ in all samples of all beats. The factor for n differing
      samples is ``exp(epsilon * n / m)``, which is ``exp(200)`` for the 200 samples of a
      single beat at the defaults. The average of many beats approaches the block averages
      of the person's template.
    - More than one beat with ``per="record"``: shared noise cancels in the difference of
      two beats.
    - Information outside of the windows: RR intervals, labels, record lengths.
    - Ideal random numbers. The noise is keyed by the secret salt and the content, so it is
      random only for people without the salt. It is rounded to floating point, which allows
      known attacks [2]_.

    Deviations: blocks are intervals of time instead of squares; amplitudes are clipped to a
    given range, while pixels have a fixed range; `strength` mixes the result with the
    original; all samples of a block in one lead share one draw of noise.

    References
    ----------
    .. [1] L. Fan, "Image pixelization with differential privacy", Data and Applications
       Security and Privacy XXXII (DBSec), 148-162, 2018.
    .. [2] I. Mironov, "On significance of the least significant bits for differential
       privacy", ACM CCS, 650-661, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.anonymizers import BlockAverageAnonymizer
    >>> beats = np.random.default_rng(0).normal(size=(5, 40))
    >>> coarse = BlockAverageAnonymizer(random_state=0).fit_transform(beats)
    >>> [len(np.unique(beat)) for beat in coarse]  # blocks of 10 samples at 250 Hz
    [4, 4, 4, 4, 4]
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "block_width": [Interval(Real, 0, None, closed="neither")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "m": [Interval(Integral, 1, None, closed="left")],
        "amplitude": [Interval(Real, 0, None, closed="neither")],
        "per": [StrOptions({"beat", "record"})],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        block_width: float = 40.0,
        epsilon: float = 1.0,
        m: int = 1,
        amplitude: float = 3.0,
        per: str = "beat",
        sampling_rate: float = 250.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.block_width = block_width
        self.epsilon = epsilon
        self.m = m
        self.amplitude = amplitude
        self.per = per
        self.sampling_rate = sampling_rate
        self.random_state = random_state

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        length = max(round(self.block_width * self.sampling_rate_ / 1000.0), 1)
        starts = np.arange(0, self.n_times_, length)
        lengths = np.diff(starts, append=self.n_times_)
        values = beats.beats.astype(np.float64)
        clipped = np.clip(values, -self.amplitude, self.amplitude)
        averages = np.add.reduceat(clipped, starts, axis=2) / lengths
        averages += self._laplace(beats, draws, averages[0].size).reshape(averages.shape) * (
            self.m * 2 * self.amplitude / (lengths * self.epsilon)
        )
        coarse = np.repeat(averages, lengths, axis=2)
        return beats.with_beats((1 - self.strength) * values + self.strength * coarse)

    def _laplace(self, beats: BeatSet, draws: Draws, size: int) -> NDArray[np.float64]:
        """Return draws from the standard Laplace distribution: (n_beats, size)."""
        if self.per == "beat":
            numbers = draws.for_beats(size)
        else:
            numbers = draws.for_records(size)[beats.record]
        # The normal distribution function and the Laplace quantile function convert the draws.
        return -np.sign(numbers) * (log_ndtr(-np.abs(numbers)) + np.log(2))
