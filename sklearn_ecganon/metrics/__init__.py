"""Pure functions on arrays: identification, verification, detection and waveform figures."""

from sklearn_ecganon.metrics._detection import detection_scores
from sklearn_ecganon.metrics._identification import (
    cmc_curve,
    equal_error_rate,
    rank_k,
    subject_bootstrap,
    tar_at_far,
)
from sklearn_ecganon.metrics._linkability import d_sys
from sklearn_ecganon.metrics._synthesis import (
    membership_advantage,
    nearest_record_ratio,
    precision_recall_density_coverage,
    two_sample_auc,
)
from sklearn_ecganon.metrics._waveform import pearson_correlation, prd, rmse

__all__ = [
    "cmc_curve",
    "d_sys",
    "detection_scores",
    "equal_error_rate",
    "membership_advantage",
    "nearest_record_ratio",
    "pearson_correlation",
    "prd",
    "precision_recall_density_coverage",
    "rank_k",
    "rmse",
    "subject_bootstrap",
    "tar_at_far",
    "two_sample_auc",
]
