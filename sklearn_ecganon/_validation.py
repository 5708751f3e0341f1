"""One gate for everything that arrives as X, so that refusals read the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.utils.validation import validate_data

from sklearn_ecganon.records import BeatSet, ECGRecord


class Beats(NamedTuple):
    """Beat windows with the record each belongs to; rows of an array are records."""

    values: NDArray
    record: NDArray[np.intp]
    n_records: int
    sampling_rate: float | None
    flat: bool = False  # rows of a two-dimensional array: one lead, one beat, one record

    @property
    def layout(self) -> tuple[int, int, float | None]:
        """Leads, samples and rate: what must not change between fit and transform."""
        return (*self.values.shape[1:], self.sampling_rate)


def is_records(X: Any) -> bool:
    """Tell whether X is a sequence of ECGRecord."""
    return (
        isinstance(X, (list, tuple, np.ndarray))
        and len(X) > 0
        and all(isinstance(item, ECGRecord) for item in X)
    )


def check_records(X: Any) -> list[ECGRecord]:
    """Return X as a list, or say which item is not a record."""
    for position, item in enumerate(X):
        if not isinstance(item, ECGRecord):
            raise ValueError(
                f"item {position} of X is a {type(item).__name__}; want ECGRecord everywhere."
            )
    return list(X)


def check_beats(estimator: Any, X: Any, *, reset: bool) -> Beats:
    """Return the beats in X, a BeatSet or an array, after refusing what is not one.

    Parameters
    ----------
    estimator : estimator
        Keeps ``n_features_in_`` when X is an array, and names itself in errors.
    X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
        What the user handed in.
    reset : bool
        True in `fit`, False afterwards.

    Returns
    -------
    beats : Beats
        Windows of shape (n_beats, n_leads, n_times), float64 or float32 as they came.
    """
    if isinstance(X, BeatSet):
        if len(X.beats) == 0:
            raise ValueError("X is a BeatSet without a single beat.")
        return Beats(X.beats, X.record, len(X), X.sampling_rate)
    name = type(estimator).__name__
    if is_records(X):
        raise ValueError(
            f"{name} works on beats, but X is a list of ECGRecord; put a QRSSegmenter "
            "before it: Pipeline([('segment', QRSSegmenter()), ...])."
        )
    # Tensors arrive through the buffer protocol; the array API is for our torch nets only.
    with config_context(array_api_dispatch=False):
        X = validate_data(
            estimator,
            X.detach().cpu().numpy() if hasattr(X, "detach") else X,
            reset=reset,
            allow_nd=True,
            dtype=[np.float64, np.float32],
            ensure_min_features=2 if reset else 1,
        )
    if X.ndim > 3:
        raise ValueError(
            f"X has shape {X.shape}; want (n_beats, n_times) or (n_beats, n_leads, n_times)."
        )
    values = X[:, np.newaxis, :] if X.ndim == 2 else X
    return Beats(values, np.arange(len(values)), len(values), None, flat=X.ndim == 2)


def shape_sentence(layout: Sequence[Any]) -> str:
    """Return a layout of beats in words, for errors."""
    n_leads, n_times, rate = layout
    at = "" if rate is None else f" at {rate:g} Hz"
    return f"{n_leads} lead(s) of {n_times} samples{at}"
