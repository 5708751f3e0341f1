"""Are the heartbeats found where they are."""

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
        """Share of the reference beats that were found."""
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    @property
    def precision(self) -> float:
        """Share of the detections that are reference beats (+P)."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision."""
        found = 2 * self.true_positives
        return found / max(found + self.false_positives + self.false_negatives, 1)


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
        Named tuple with ``sensitivity``, ``precision`` and ``f1``; counts add up over
        records to gross figures.

    Notes
    -----
    Walks through both series in time and pairs the earliest beats that lie within the
    tolerance, which finds the largest possible number of pairs. EC57's `bxb` may pair
    differently where two beats lie within one tolerance of each other.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import detection_scores
    >>> detection_scores([100, 400, 700], [110, 300, 705], tolerance=50)
    DetectionScores(true_positives=2, false_positives=1, false_negatives=1)
    """
    wanted, found = np.asarray(reference).tolist(), np.asarray(detected).tolist()
    i = j = matched = 0
    while i < len(wanted) and j < len(found):
        apart = found[j] - wanted[i]
        if abs(apart) <= tolerance:
            matched, i, j = matched + 1, i + 1, j + 1
        elif apart > 0:
            i += 1
        else:
            j += 1
    return DetectionScores(matched, len(found) - matched, len(wanted) - matched)
