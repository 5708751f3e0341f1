"""Pure functions on arrays: identification, detection and waveform figures, and intervals."""

from sklearn_ecganon.metrics._detection import DetectionScores as DetectionScores
from sklearn_ecganon.metrics._detection import detection_scores
from sklearn_ecganon.metrics._embedding import strip_embedding
from sklearn_ecganon.metrics._gallery import gallery_size_curve
from sklearn_ecganon.metrics._highest import HighestRank1, highest_rank1
from sklearn_ecganon.metrics._identification import (
    cmc_curve,
    equal_error_rate,
    error_rates,
    rank_k,
    tar_at_far,
)
from sklearn_ecganon.metrics._intervals import (
    Estimate,
    auc_interval,
    paired_difference,
    subject_bootstrap,
)
from sklearn_ecganon.metrics._linkability import d_sys
from sklearn_ecganon.metrics._realism import Realism, frechet_distance, strip_realism
from sklearn_ecganon.metrics._synthesis import (
    membership_advantage,
    nearest_record_ratio,
    precision_recall_density_coverage,
    two_sample_auc,
)
from sklearn_ecganon.metrics._waveform import pearson_correlation, prd, rmse

__all__ = [
    "Estimate",
    "HighestRank1",
    "Realism",
    "auc_interval",
    "cmc_curve",
    "d_sys",
    "detection_scores",
    "equal_error_rate",
    "error_rates",
    "frechet_distance",
    "gallery_size_curve",
    "highest_rank1",
    "membership_advantage",
    "nearest_record_ratio",
    "paired_difference",
    "pearson_correlation",
    "prd",
    "precision_recall_density_coverage",
    "rank_k",
    "rmse",
    "strip_embedding",
    "strip_realism",
    "subject_bootstrap",
    "tar_at_far",
    "two_sample_auc",
]
