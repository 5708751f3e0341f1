"""Validation of all input named X, so that errors read the same everywhere."""

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
from sklearn.utils.validation import validate_data

from sklearn_ecganon.records import BeatSet, ECGRecord, looks_like_recordings

#: s; longer than any RR interval, except in a pause.
LONGEST_BEAT = 3.0

# Records, and types that users pass by mistake instead of a list of records.
_NO_ROW = (ECGRecord, BeatSet, str, PathLike, dict, NoneType)

_FOR_ARRAYS = (
    "call sklearn_ecganon.anonymize(X, sampling_rate=...), or make records of it with "
    "sklearn_ecganon.records_from_array(X, sampling_rate=...) and put a QRSSegmenter first"
)


# scikit-learn reads from this attribute whether an output may become a data frame.
_WRAPPED_OUTPUT = "_sklearn_auto_wrap_output_keys"


class BeatFeatureNamesMixin(OneToOneFeatureMixin):
    """Name the columns after a fit on arrays of rows, and the leads after a fit on records."""

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return the names of the output's features, which are the input's.

        They are columns after a fit on rows, and leads after a fit on records, on a BeatSet
        or on an array of shape (n_beats, n_leads, n_times).

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the features; by default those seen in `fit`, or x0, x1 and so on.

        Returns
        -------
        feature_names_out : ndarray of str
            One name for each column, or for each lead.

        Raises
        ------
        ValueError
            If there is another number of `input_features`, or if there are none and a
            pretrained model does not know the number of leads.
        """
        if hasattr(self, "n_features_in_") or not hasattr(self, "n_leads_"):
            return super().get_feature_names_out(input_features)
        if input_features is None:
            if self.n_leads_ is None:
                raise ValueError(
                    f"this {type(self).__name__} takes beats of any leads; give the names of "
                    "your leads as input_features."
                )
            input_features = [f"x{lead}" for lead in range(self.n_leads_)]
        names = np.asarray(input_features, dtype=object)
        if self.n_leads_ not in (None, len(names)):
            raise ValueError(
                f"input_features has {len(names)} names, but {type(self).__name__} was fitted "
                f"on {self.n_leads_} leads; give one name for each lead."
            )
        return names


def forget_columns(estimator: Any) -> None:
    """Remove what an earlier fit on arrays has set, since records have no columns.

    Records stay records where ``set_config(transform_output="pandas")`` asks for data frames.
    """
    for attribute in ("n_features_in_", "feature_names_in_"):
        vars(estimator).pop(attribute, None)
    vars(estimator)[_WRAPPED_OUTPUT] = ()


def is_records(X: Any) -> bool:
    """Return whether X is probably meant as a list of ECGRecord; `check_records` verifies it.

    An empty list, a single record and a list of file names count as such as well.
    """
    if isinstance(X, ECGRecord):
        return True
    if isinstance(X, np.ndarray) and (X.dtype != object or X.ndim != 1):
        return False
    is_sequence = isinstance(X, list | tuple | np.ndarray)
    return is_sequence and (not len(X) or any(isinstance(item, _NO_ROW) for item in X))


def check_records(X: Any) -> list[ECGRecord]:
    """Return X as a list, or raise an error that names the item that is not a record."""
    if isinstance(X, ECGRecord):
        raise ValueError(f"X is record {X.name!r} by itself; give a list, [record].")
    if len(X) == 0:
        raise ValueError("X is an empty list; give at least one record.")
    for position, item in enumerate(X):
        if not isinstance(item, ECGRecord):
            raise ValueError(
                f"item {position} of X is a {type(item).__name__}; give only ECGRecord objects."
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
    """Return X as a BeatSet, or raise an error that explains why it is invalid.

    Each row of an array becomes a record of one beat.

    Parameters
    ----------
    estimator : estimator
        It stores ``n_features_in_`` when X is an array, and errors name its class.
    X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
        What the user passed.
    reset : bool
        True in `fit`, False afterwards.
    labels : array-like of shape (n_beats,), optional
        Clinical class of each beat, in place of the labels of a BeatSet.
    rate : float, optional
        Sampling rate of an array in Hz; by default NaN.

    Returns
    -------
    beats : BeatSet
        Its windows have the dtype of X if that is float32, else float64.
    """
    if isinstance(X, BeatSet):
        if len(X.beats) == 0:
            raise ValueError("X is a BeatSet without beats; give at least one beat.")
        if reset:
            forget_columns(estimator)
        beats = X
    else:
        values = _check_array(estimator, X, reset=reset)
        if rate is not None and values.shape[2] > LONGEST_BEAT * rate:
            raise ValueError(
                f"X has rows of {values.shape[2] / rate:.1f} s at {rate:g} Hz, which is "
                "longer than a beat; correct sampling_rate. If the rows are recordings, "
                f"{_FOR_ARRAYS}."
            )
        beats = _beats_of_rows(values, rate)
    if labels is None:
        return beats
    labels = np.asarray(labels)
    if labels.shape != (len(beats.beats),):
        raise ValueError(
            f"labels has shape {labels.shape}; give one label for each of the "
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
    if reset:
        vars(estimator).pop(_WRAPPED_OUTPUT, None)
    # NumPy reads tensors through the buffer protocol. Only the torch nets use the array API.
    with config_context(array_api_dispatch=False):
        X = validate_data(
            estimator,
            X.detach().cpu().numpy() if hasattr(X, "detach") else X,
            reset=reset,
            allow_nd=True,
            dtype=[np.float64, np.float32],
            ensure_min_features=2 if reset else 1,
        )
    if looks_like_recordings(X.shape):
        raise ValueError(
            f"X has shape {X.shape}, which looks like whole recordings, (n, n_times, n_leads), "
            f"but {type(estimator).__name__} works on beats, (n_beats, n_leads, n_times); "
            f"{_FOR_ARRAYS}."
        )
    if X.ndim > 3 or 0 in X.shape:
        raise ValueError(
            f"X has shape {X.shape}; give (n_beats, n_times) or (n_beats, n_leads, n_times)."
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
    """Return the numbers of leads and samples, and the rate, which is None if unknown."""
    rate = None if np.isnan(beats.sampling_rate) else beats.sampling_rate
    return beats.n_leads, beats.n_times, rate


def check_layout(estimator: Any, layout: Sequence[Any], fitted: Sequence[Any]) -> None:
    """Refuse beats whose layout differs from that of the training beats."""
    if tuple(layout) != tuple(fitted):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on {shape_sentence(fitted)}, but X has "
            f"{shape_sentence(layout)}; give beats of the layout seen in fit."
        )


def shape_sentence(layout: Sequence[Any]) -> str:
    """Return a description of a layout for error messages."""
    n_leads, n_times, rate = layout
    at = "" if rate is None else f" at {rate:g} Hz"
    return f"{n_leads} lead(s) of {n_times} samples{at}"


def fitted_on_rows(estimator: Any) -> bool:
    """Return whether an estimator was fitted on a two-dimensional array, one beat a row."""
    columns = getattr(estimator, "n_features_in_", None)
    return estimator.n_leads_ == 1 and columns == estimator.n_times_
