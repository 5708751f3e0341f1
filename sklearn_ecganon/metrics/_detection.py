"""Sensitivity and precision of heartbeat detection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class DetectionScores(NamedTuple):
    """Counts of matched, spurious and missed heartbeats."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def sensitivity(self) -> float:
        """Fraction of the reference beats that were detected."""
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    @property
    def precision(self) -> float:
        """Fraction of the detections that are reference beats (+P)."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision."""
        twice = 2 * self.true_positives
        return twice / max(twice + self.false_positives + self.false_negatives, 1)


def detection_scores(
    reference: ArrayLike, detected: ArrayLike, tolerance: float
) -> DetectionScores:
    """Match detected to reference heartbeats, one to one, within a tolerance.

    Parameters
    ----------
    reference, detected : array-like of shape (n_beats,)
        Increasing positions, both in the same unit (samples, or ms).
    tolerance : float
        Largest distance of a match, in that unit. ANSI/AAMI EC57 uses 150 ms.

    Returns
    -------
    scores : DetectionScores
        Named tuple with ``sensitivity``, ``precision`` and ``f1``. The sums of the counts
        over records give gross figures.

    Notes
    -----
    The algorithm goes through both series in time and pairs the earliest beats that lie
    within the tolerance, which gives the largest possible number of pairs. EC57's `bxb` may
    pair differently where two beats lie within one tolerance of each other.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import detection_scores
    >>> detection_scores([100, 400, 700], [110, 300, 705], tolerance=50)
    DetectionScores(true_positives=2, false_positives=1, false_negatives=1)
    """
    expected, observed = np.asarray(reference).tolist(), np.asarray(detected).tolist()
    i = j = matched = 0
    while i < len(expected) and j < len(observed):
        delay = observed[j] - expected[i]
        if abs(delay) <= tolerance:
            matched, i, j = matched + 1, i + 1, j + 1
        elif delay > 0:
            i += 1
        else:
            j += 1
    return DetectionScores(matched, len(observed) - matched, len(expected) - matched)
