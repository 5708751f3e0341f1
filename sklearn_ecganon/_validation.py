"""One gate for everything that arrives as X, so that refusals read the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from sklearn_ecganon.records import BeatSet, ECGRecord

# Records, and what is handed in by mistake where a list of records is wanted.
_NO_ROW = (ECGRecord, BeatSet, str, PathLike, dict, NoneType)


def _knows_columns(estimator: Any) -> bool:
    return not hasattr(estimator, "n_times_") or hasattr(estimator, "n_features_in_")


class ArrayFeatureNamesMixin(OneToOneFeatureMixin):
    """Columns have names for an estimator fitted on arrays; records have no columns.

    Without `get_feature_names_out` scikit-learn does not try to put a BeatSet into a data
    frame where ``set_config(transform_output="pandas")`` asks for one.
    """

    @available_if(_knows_columns)
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return the names of the input's columns, which are the output's.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names; those seen in `fit` by default.

        Returns
        -------
        feature_names_out : ndarray of str
            One name a column.
        """
        return super().get_feature_names_out(input_features)


def forget_columns(estimator: Any) -> None:
    """Remove what an earlier fit on arrays left: records have no columns."""
    for attribute in ("n_features_in_", "feature_names_in_"):
        vars(estimator).pop(attribute, None)


def is_records(X: Any) -> bool:
    """Tell whether X is meant as a list of ECGRecord; `check_records` makes sure.

    So is an empty list, a record outside of one, and a list of file names or the like.
    """
    if isinstance(X, ECGRecord):
        return True
    if isinstance(X, np.ndarray) and (X.dtype != object or X.ndim != 1):
        return False
    is_sequence = isinstance(X, list | tuple | np.ndarray)
    return is_sequence and (not len(X) or any(isinstance(item, _NO_ROW) for item in X))


def check_records(X: Any) -> list[ECGRecord]:
    """Return X as a list, or say which item is not a record."""
    if isinstance(X, ECGRecord):
        raise ValueError(f"X is record {X.name!r} by itself; give a list, [record].")
    if len(X) == 0:
        raise ValueError("X is an empty list; give at least one record.")
    for position, item in enumerate(X):
        if not isinstance(item, ECGRecord):
            raise ValueError(
                f"item {position} of X is a {type(item).__name__}; want ECGRecord everywhere."
            )
    return list(X)


def validate_beats(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    labels: ArrayLike | None = None,
    rate: float | None = None,
) -> BeatSet:
    """Return X as a BeatSet, or raise an error that says what is wrong with it.

    Each row of an array becomes a record of one beat.

    Parameters
    ----------
    estimator : estimator
        Keeps ``n_features_in_`` when X is an array, and names itself in errors.
    X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
        What the user passed.
    reset : bool
        True in `fit`, False afterwards.
    labels : array-like of shape (n_beats,), optional
        Clinical class of each beat, in place of those of a BeatSet.
    rate : float, optional
        Sampling rate of an array in Hz. It is NaN by default.

    Returns
    -------
    beats : BeatSet
        Its windows are float64 or float32, as they came.
    """
    if isinstance(X, BeatSet):
        if len(X.beats) == 0:
            raise ValueError("X is a BeatSet without a single beat.")
        if reset:
            forget_columns(estimator)
        beats = X
    else:
        beats = _beats_of_rows(_check_array(estimator, X, reset=reset), rate)
    if labels is None:
        return beats
    labels = np.asarray(labels)
    if labels.shape != (len(beats.beats),):
        raise ValueError(
            f"labels has shape {labels.shape}; want one for each of the "
            f"{len(beats.beats)} beats."
        )
    return replace(beats, labels=labels)


def _check_array(estimator: Any, X: Any, *, reset: bool) -> NDArray:
    """Return an array of beats: (n_beats, n_leads, n_times)."""
    if is_records(X):
        check_records(X)
        raise ValueError(
            f"{type(estimator).__name__} works on beats, but X is a list of ECGRecord; put a "
            "QRSSegmenter before it: Pipeline([('segment', QRSSegmenter()), ...])."
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
    if X.ndim > 3 or 0 in X.shape:
        raise ValueError(
            f"X has shape {X.shape}; want (n_beats, n_times) or (n_beats, n_leads, n_times)."
        )
    return X[:, np.newaxis, :] if X.ndim == 2 else X


def _beats_of_rows(values: NDArray, rate: float | None) -> BeatSet:
    """Return each row of an array as a record of one beat."""
    n_beats, n_leads, n_times = values.shape
    return BeatSet(
        beats=values,
        record=np.arange(n_beats),
        r_peaks=np.full(n_beats, n_times // 2),
        lengths=np.full(n_beats, n_times),
        sampling_rate=np.nan if rate is None else float(rate),
        lead_names=(tuple(f"lead {i + 1}" for i in range(n_leads)),) * n_beats,
        names=(ECGRecord.name,) * n_beats,
    )


def is_flat(X: Any) -> bool:
    """Return whether X is a two-dimensional array, one beat a row."""
    if isinstance(X, BeatSet) or is_records(X):
        return False
    return (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) == 2


def layout_of(beats: BeatSet) -> tuple[int, int, float | None]:
    """Return leads, samples and rate of beats; the rate is None where it is unknown."""
    rate = None if np.isnan(beats.sampling_rate) else beats.sampling_rate
    return beats.n_leads, beats.n_times, rate


def check_layout(estimator: Any, found: Sequence[Any], fitted: Sequence[Any]) -> None:
    """Refuse beats that are not laid out as those the estimator was fitted on."""
    if tuple(found) != tuple(fitted):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on {shape_sentence(fitted)}, but X has "
            f"{shape_sentence(found)}."
        )


def shape_sentence(layout: Sequence[Any]) -> str:
    """Return a layout of beats in words, for errors."""
    n_leads, n_times, rate = layout
    at = "" if rate is None else f" at {rate:g} Hz"
    return f"{n_leads} lead(s) of {n_times} samples{at}"


def fitted_on_rows(estimator: Any) -> bool:
    """Return whether an estimator was fitted on a two-dimensional array, one beat a row."""
    columns = getattr(estimator, "n_features_in_", None)
    return estimator.n_leads_ == 1 and columns == estimator.n_times_
