"""What comparisons of before and after share: beats of both, and agreement beyond chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.contracts import Measurements, measure
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import QRSSegmenter
from sklearn_ecganon.utility._pairs import check_pairs


class Agreement(NamedTuple):
    """Share of what agrees, and what two that know nothing of each other would share."""

    share: float
    chance: float = 0.0

    @property
    def kappa(self) -> float:
        """Cohen's kappa; 1 where both name one and the same class throughout."""
        if self.chance == 1:
            return 1.0
        return float((self.share - self.chance) / (1 - self.chance))


def agreement(a: NDArray, b: NDArray) -> Agreement:
    """Compare two lists of classes; NaN where they are empty."""
    if not len(a):
        return Agreement(np.nan, np.nan)
    chance = sum(np.mean(a == value) * np.mean(b == value) for value in np.unique(a))
    return Agreement(float(np.mean(a == b)), float(chance))


def paired_beats(before: Any, after: Any) -> tuple[BeatSet, BeatSet]:
    """Return the beats of both; records are cut at the R peaks that they claim."""
    before, after = check_pairs(before, after)
    old, new = _beats(before), _beats(after)
    if old.n_leads != new.n_leads:
        raise ValueError(
            f"before has {old.n_leads} lead(s) and after {new.n_leads}; give both with the "
            "same leads, for example by QRSSegmenter(leads=...)."
        )
    return old, new


def _beats(X: Any) -> BeatSet:
    if not isinstance(X, BeatSet):
        X = QRSSegmenter("annotated", refine=0).fit_transform(X)
    return X


def measured_pair(before: Any, after: Any) -> tuple[Measurements, Measurements]:
    """Measure both alike: where one side has no labels, neither is measured by label."""
    old, new = paired_beats(before, after)
    if old.labels is None or new.labels is None:
        old, new = replace(old, labels=None), replace(new, labels=None)
    return measure(old), measure(new)
