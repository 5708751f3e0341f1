"""Run an anonymizer or a Pipeline so that originals and releases can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.segmentation import QRSSegmenter


def as_beats(X: Any) -> Any:
    """Return records as a BeatSet cut by the defaults of QRSSegmenter, and beats unchanged."""
    return QRSSegmenter().fit_transform(X) if is_records(X) else X


def segment_first(X: Any, estimator: Any) -> tuple[Any, Any]:
    """Run the leading steps of a Pipeline up to the one that turns records into beats.

    Attackers compare a release with its originals, so both must be cut in the same way. A
    step that changes records into other records is a part of the release and is not run here.

    Parameters
    ----------
    X : list of ECGRecord, BeatSet or ndarray
        Original recordings.
    estimator : estimator, Pipeline or "passthrough"
        The fitted anonymizer.

    Returns
    -------
    X : list of ECGRecord, BeatSet or ndarray
        Original beats, or the records if the estimator works on records.
    remaining_steps : estimator, Pipeline or "passthrough"
        The steps that turn X into the release.
    """
    if isinstance(estimator, Pipeline):
        for position, (_, step) in enumerate(estimator.steps):
            if not is_records(X):
                return X, estimator[position:]
            if step in (None, "passthrough"):
                continue
            transformed = step.transform(X)
            if is_records(transformed):
                return X, estimator[position:]
            X = transformed
        return X, "passthrough"
    return X, estimator


def apply(estimator: Any, X: Any) -> Any:
    """Return the release of X; ``"passthrough"`` releases X itself."""
    return X if isinstance(estimator, str) else estimator.transform(X)


def with_fresh_salt(estimator: Any, random_state: np.random.RandomState) -> Any:
    """Return the same fitted software with another secret, in every step that has one."""
    if isinstance(estimator, Pipeline):
        return Pipeline(
            [(name, with_fresh_salt(step, random_state)) for name, step in estimator.steps]
        )
    if hasattr(estimator, "resalt"):
        return estimator.resalt(random_state.randint(2**31 - 1))
    return estimator


def take(X: Any, chosen: NDArray) -> Any:
    """Return the chosen samples of a list, a BeatSet or an array."""
    rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    return [X[i] for i in rows] if isinstance(X, list) else X[rows]


def need_two_subjects(y: NDArray) -> None:
    """Refuse targets of a single subject."""
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"y holds one class (subject '{y[0]}'); give recordings of at least two subjects."
        )
