"""Helpers of all comparisons: the beats of both sides, and agreement beyond chance."""

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
    """The fraction of values that agree, and the fraction expected by chance."""

    fraction: float
    chance: float = 0.0

    @property
    def kappa(self) -> float:
        """Cohen's kappa; 1 if both sides hold one and the same class throughout."""
        if self.chance == 1:
            return 1.0
        return float((self.fraction - self.chance) / (1 - self.chance))


def agreement(a: NDArray, b: NDArray) -> Agreement:
    """Compare two lists of classes; NaN if they are empty."""
    if not len(a):
        return Agreement(np.nan, np.nan)
    chance = sum(np.mean(a == value) * np.mean(b == value) for value in np.unique(a))
    return Agreement(float(np.mean(a == b)), float(chance))


def paired_beats(before: Any, after: Any) -> tuple[BeatSet, BeatSet]:
    """Return the beats of both sides; records are cut at their annotated R peaks."""
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
    """Measure both sides alike: if one has no labels, those of the other are ignored."""
    old, new = paired_beats(before, after)
    if old.labels is None or new.labels is None:
        old, new = replace(old, labels=None), replace(new, labels=None)
    return measure(old), measure(new)
