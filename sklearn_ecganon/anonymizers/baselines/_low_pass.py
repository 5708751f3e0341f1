"""Low-pass filter of beats."""

from __future__ import annotations

from numbers import Real

import numpy as np
from scipy.fft import dct, idct
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet


class LowPassAnonymizer(BaseAnonymizer):
    """Smooth the beats by a low-pass filter whose cut-off falls with strength.

    This baseline removes high frequencies, but low frequencies identify people as well, and
    attackers who retrain on smoothed beats use them.

    Parameters
    ----------
    strength : float, default=1.0
        The cut-off is ``cutoff / strength``. 0 returns the input bit for bit.
    cutoff : float, default=5.0
        Frequency in Hz at which full strength halves the power.
    spread : float, default=0.1
        Standard deviation of the logarithm of the cut-off between records. The cut-off is
        drawn once for each record and is the same for all its beats.
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
    BlockAverageAnonymizer : Coarsens the beats by block averages.

    Notes
    -----
    This baseline follows no publication. The filter has a Gaussian frequency response and
    zero phase, so it neither rings nor moves the R peak. It is applied to the discrete
    cosine transform of each beat, which extends the window by its mirror image. The filter
    therefore causes no step at the ends of the window, and it preserves the mean.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import LowPassAnonymizer
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> smooth = LowPassAnonymizer(random_state=0).fit_transform(beats)
    >>> bool(smooth.beats.max() < 0.5 * beats.beats.max())
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "cutoff": [Interval(Real, 0, None, closed="neither")],
        "spread": [Interval(Real, 0, None, closed="left")],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        cutoff: float = 5.0,
        spread: float = 0.1,
        sampling_rate: float = 250.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.cutoff = cutoff
        self.spread = spread
        self.sampling_rate = sampling_rate
        self.random_state = random_state

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        factor = np.exp(self.spread * draws.for_records(1))
        cutoff = self.cutoff * factor / self.strength
        frequencies = np.arange(self.n_times_) * self.sampling_rate_ / (2 * self.n_times_)
        gain = 0.5 ** (0.5 * (frequencies / cutoff) ** 2)
        spectrum = dct(beats.beats.astype(np.float64)) * gain[beats.record][:, np.newaxis]
        return beats.with_beats(idct(spectrum))
