"""Checks of targets that all scorers share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d


def check_subjects(estimator: Any, y: ArrayLike, n_samples: int) -> NDArray:
    """Return subjects as an array, after refusing missing values and wrong lengths."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    y = np.asarray(column_or_1d(y, warn=True))
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity.")
    if len(y) != n_samples:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{n_samples}, "
            f"{len(y)}]"
        )
    return y
