"""Pure functions on arrays: identification, verification, detection and waveform figures."""

from sklearn_ecganon.metrics._detection import detection_scores
from sklearn_ecganon.metrics._identification import (
    equal_error_rate,
    rank_k,
    subject_bootstrap,
)
from sklearn_ecganon.metrics._waveform import pearson_correlation, rmse

__all__ = [
    "detection_scores",
    "equal_error_rate",
    "pearson_correlation",
    "rank_k",
    "rmse",
    "subject_bootstrap",
]
