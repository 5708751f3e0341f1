"""Any scikit-learn classifier as an attacker."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

# What a subject that a classifier rules out still gets: one beat must not decide.
FLOOR = 1e-3


class ClassifierAttacker:
    """A classifier on beats, with `predict_proba`.

    Of another gallery he learns whom each of its subjects is taken for, and how often; a
    beat is then as likely a subject's as it is likely to be taken for the same people.

    Parameters
    ----------
    classifier : classifier
        Cloned before it is fitted.
    seed : int
        Given to it as `random_state` if it has one that is None.
    """

    def __init__(self, classifier: Any, seed: int) -> None:
        self.classifier = classifier
        self.seed = seed

    def fit(self, X: NDArray, y: NDArray) -> Self:
        classifier = clone(self.classifier)
        if classifier.get_params().get("random_state", 0) is None:
            classifier.set_params(random_state=self.seed)
        self.classifier_ = classifier.fit(X, y)
        self.taken_for_ = np.eye(y.max() + 1)
        return self

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        proba = self.classifier_.predict_proba(X)
        other = copy.copy(self)
        other.taken_for_ = np.array(
            [proba[y == subject].mean(axis=0) for subject in range(y.max() + 1)]
        )
        return other

    def log_proba(self, X: NDArray) -> NDArray:
        return np.log(self.classifier_.predict_proba(X) @ self.taken_for_.T + FLOOR)
