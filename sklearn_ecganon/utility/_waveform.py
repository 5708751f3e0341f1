"""How close the released waveform is to the original, on the QRS and outside of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.metrics import pearson_correlation, rmse
from sklearn_ecganon.records import BeatSet


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
        What counts as QRS around the R peak, in ms; half of the beat at most.
    sampling_rate : float, default=250.0
        Rate of arrays in Hz; a BeatSet brings its own.

    Returns
    -------
    figures : dict of str to float
        Means over beats and leads: ``correlation_qrs``, ``correlation_outside`` and the
        errors in mV ``rmse_qrs``, ``rmse_outside``; and ``utility``, the mean of the two
        correlations, where a negative one counts as 0.

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
    kept = [max(figures[f"correlation_{place}"], 0.0) for place in ("qrs", "outside")]
    return {"utility": sum(kept) / 2, **figures}
