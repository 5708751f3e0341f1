"""The QRS complex of a beat."""

from __future__ import annotations

from itertools import pairwise
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ecganon._validation import is_flat, validate_beats
from sklearn_ecganon.delineation import Delineator
from sklearn_ecganon.records import BeatSet, ECGRecord

# The delineator needs a strip of some seconds. Windows are joined, beginning with the last
# one, and repeated until the strip has this length.
SHORTEST_STRIP_MS = 2500.0


class QRSRegion(BaseEstimator):
    """Mark the QRS complex of each beat, which an anonymizer can then leave unchanged.

    There is nothing to learn: `fit` only checks X, and `predict` works without it.

    Parameters
    ----------
    method : {"window", "delineated"}, default="window"
        ``"window"``: the same interval around every R peak. ``"delineated"``: from the QRS
        onset to the QRS offset of :class:`~sklearn_ecganon.delineation.Delineator`, one
        interval for all leads of a beat; the window where there is no onset or offset.
    width : float, default=140.0
        Length of the window in ms, half of it on each side of the R peak.
    margin : float, default=10.0
        Time in ms that is added on each side of a delineated QRS.
    sampling_rate : float, default=250.0
        Sampling rate of array input in Hz. A BeatSet has its own.

    Attributes
    ----------
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    sklearn_ecganon.anonymizers.FlowFieldAnonymizer : Has a parameter `protect` for it.

    Notes
    -----
    The beats of a record of a BeatSet are delineated together, as one strip. Rows of an
    array are delineated one by one, which takes some milliseconds per row. The QRS complex
    identifies people as well: a protected region is not anonymized.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.regions import QRSRegion
    >>> records = make_ecg_records(n_subjects=2, duration=10.0, random_state=0).data
    >>> beats = QRSSegmenter().fit_transform(records)
    >>> mask = QRSRegion(width=100).predict(beats)
    >>> mask.shape == beats.beats.shape
    True
    >>> float(mask[0, 0].sum() / beats.sampling_rate)  # seconds
    0.1
    """

    _parameter_constraints: dict = {
        "method": [StrOptions({"window", "delineated"})],
        "width": [Interval(Real, 0, None, closed="neither")],
        "margin": [Interval(Real, 0, None, closed="left")],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        method: str = "window",
        *,
        width: float = 140.0,
        margin: float = 10.0,
        sampling_rate: float = 250.0,
    ) -> None:
        self.method = method
        self.width = width
        self.margin = margin
        self.sampling_rate = sampling_rate

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: BeatSet | ArrayLike, y: Any = None) -> Self:
        """Check the beats.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats in mV, R peak at column ``n_times // 2``.
        y : ignored
            For compatibility with scikit-learn.

        Returns
        -------
        self : QRSRegion
            The object itself.
        """
        validate_beats(self, X, reset=True)
        return self

    def predict(self, X: BeatSet | ArrayLike) -> NDArray[np.bool_]:
        """Mark the QRS of each beat.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats in mV, R peak at column ``n_times // 2``.

        Returns
        -------
        mask : ndarray of bool
            True within the QRS. It has the shape of X, or of the windows of a BeatSet.

        Raises
        ------
        ValueError
            If X does not hold beats, or if ``method="delineated"`` gets less than 100 Hz.
        """
        self._validate_params()
        beats = validate_beats(self, X, reset=False, rate=self.sampling_rate)
        rate = beats.sampling_rate
        n_beats, n_leads, n_times = beats.beats.shape
        half = self.width / 2 * rate / 1000
        first, stop = np.full(n_beats, -half), np.full(n_beats, half)
        if self.method == "delineated":
            margin = self.margin * rate / 1000
            names = beats.lead_names if isinstance(X, BeatSet) else [()] * len(beats)
            bounds = beats.bounds()
            for rows, leads in zip(pairwise(bounds), names, strict=True):
                onset, offset = _edges(beats.beats[slice(*rows)], rate, leads)
                delineated = np.isfinite(onset) & np.isfinite(offset)
                first[slice(*rows)][delineated] = onset[delineated] - margin
                # The sample at the offset belongs to the QRS.
                stop[slice(*rows)][delineated] = offset[delineated] + margin + 1
        time = np.arange(n_times) - n_times // 2
        inside = (time >= first[:, np.newaxis]) & (time < stop[:, np.newaxis])
        if is_flat(X):
            return inside
        return np.repeat(inside[:, np.newaxis], n_leads, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        return tags


def _edges(
    windows: NDArray, rate: float, lead_names: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return onset and offset of each QRS in samples from the R peak, NaN where unknown.

    Parameters
    ----------
    windows : ndarray of shape (n_beats, n_leads, n_times)
        Beats of one record.
    rate : float
        Sampling rate in Hz.
    lead_names : tuple of str
        Names of the leads; empty if unknown.
    """
    n_beats, n_leads, n_times = windows.shape
    # Without this baseline both ends are 0, so that windows join without a step.
    ramp = np.linspace(0, 1, n_times)
    baseline = windows[:, :, :1] + (windows[:, :, -1:] - windows[:, :, :1]) * ramp
    flat = windows - baseline
    if not np.ptp(flat, axis=2).any():
        return np.full(n_beats, np.nan), np.full(n_beats, np.nan)
    n_windows = max(n_beats + 2, int(np.ceil(SHORTEST_STRIP_MS * rate / 1000 / n_times)))
    order = np.arange(-1, n_windows - 1) % n_beats
    strip = flat[order].transpose(1, 0, 2).reshape(n_leads, -1).T
    r_peaks = np.arange(n_windows) * n_times + n_times // 2
    record = ECGRecord(strip, rate, lead_names, r_peaks=r_peaks)
    waves = Delineator().delineate(record).combined()
    # The first window of the strip is a copy of the last beat.
    beats = slice(1, 1 + n_beats)
    onset, offset = (
        waves["QRS", point][beats, 0] - r_peaks[beats] for point in ("onset", "offset")
    )
    return onset, offset
