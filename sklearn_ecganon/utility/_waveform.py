"""How close the released waveform is to the original, on the QRS and outside of it."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.metrics import pearson_correlation, prd, rmse
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.utility._pairs import check_pairs


def waveform_utility(
    before: BeatSet | ArrayLike,
    after: BeatSet | ArrayLike,
    *,
    qrs_width: float = 100.0,
    sampling_rate: float = 250.0,
) -> dict[str, float]:
    """Compare beats before and after, on the QRS and outside of it.

    Parameters
    ----------
    before, after : BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
        The same beats in mV, R peak at column ``n_times // 2``.
    qrs_width : float, default=100.0
        Width of the QRS around the R peak, in ms; at most half of the beat is used.
    sampling_rate : float, default=250.0
        Rate of arrays in Hz; a BeatSet knows its rate.

    Returns
    -------
    figures : dict of str to float
        Means over beats and leads: ``correlation_qrs``, ``correlation_outside`` and the
        errors in mV ``rmse_qrs``, ``rmse_outside``; and ``utility``, the mean of the two
        correlations, with 0 in place of a negative one.

    Raises
    ------
    ValueError
        If `before` and `after` are not of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.utility import waveform_utility
    >>> beats = np.random.default_rng(0).normal(size=(5, 200))
    >>> waveform_utility(beats, beats)["utility"]
    1.0
    """
    if isinstance(before, BeatSet):
        sampling_rate = before.sampling_rate
    old = np.asarray(before.beats if isinstance(before, BeatSet) else before)
    new = np.asarray(after.beats if isinstance(after, BeatSet) else after)
    if old.shape != new.shape:
        raise ValueError(
            f"before has shape {old.shape} and after {new.shape}; the beats must correspond."
        )
    n_times = old.shape[-1]
    half = max(min(round(qrs_width * sampling_rate / 2000), n_times // 4), 1)
    qrs = np.abs(np.arange(n_times) - n_times // 2) < half
    figures: dict[str, float] = {}
    for place, columns in (("qrs", qrs), ("outside", ~qrs)):
        pair = old[..., columns], new[..., columns]
        figures[f"correlation_{place}"] = float(pearson_correlation(*pair).mean())
        figures[f"rmse_{place}"] = float(rmse(*pair).mean())
    positive = [max(figures[f"correlation_{place}"], 0.0) for place in ("qrs", "outside")]
    return {"utility": sum(positive) / 2, **figures}


class WaveformUtility(BaseEstimator):
    """Compare the waveform before and after: PRD, correlation and error.

    Parameters
    ----------
    qrs_width : float, default=100.0
        Width of the QRS around the R peak, in ms; at most half of the beat is used.
    sampling_rate : float, default=250.0
        Rate of arrays in Hz; a BeatSet knows its rate.

    See Also
    --------
    waveform_utility : Computes the same figures without PRD, as a function.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.utility import WaveformUtility
    >>> beats = np.random.default_rng(0).normal(size=(5, 200))
    >>> WaveformUtility().evaluate(beats, beats)["prd"]
    0.0
    """

    _parameter_constraints: dict = {
        "qrs_width": [Interval(Real, 0, None, closed="neither")],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, *, qrs_width: float = 100.0, sampling_rate: float = 250.0) -> None:
        self.qrs_width = qrs_width
        self.sampling_rate = sampling_rate

    def evaluate(
        self, before: BeatSet | ArrayLike, after: BeatSet | ArrayLike
    ) -> dict[str, float]:
        """Return the figures of :func:`waveform_utility`, and of whole beats.

        Parameters
        ----------
        before, after : BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            The same beats in mV, R peak at column ``n_times // 2``.

        Returns
        -------
        figures : dict of str to float
            The figures of `waveform_utility`; ``correlation``, the mean over beats and leads,
            greater is better; ``prd``, the median over beats and leads in percent about the
            original's mean (PRDN), smaller is better. It is a median because the PRD of a
            flat original is infinite.

        Raises
        ------
        ValueError
            If `before` and `after` are not of the same shape, or not of the same records.
        """
        self._validate_params()
        if isinstance(before, BeatSet) and isinstance(after, BeatSet):
            check_pairs(before, after)
        figures = waveform_utility(
            before, after, qrs_width=self.qrs_width, sampling_rate=self.sampling_rate
        )
        old, new = (X.beats if isinstance(X, BeatSet) else X for X in (before, after))
        figures["correlation"] = float(pearson_correlation(old, new).mean())
        figures["prd"] = float(np.median(prd(old, new)))
        return figures
