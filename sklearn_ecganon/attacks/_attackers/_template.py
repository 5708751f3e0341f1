"""The oldest attacker: compare with everybody's mean beat."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sklearn_ecganon.attacks._modalities import EXTRAS_PER_LEAD

# A cosine that is higher by this amount makes a subject e times more likely.
TEMPERATURE = 0.02


class TemplateAttacker:
    """Cosine similarity of a beat's shape with the mean beat of each subject.

    Parameters
    ----------
    n_leads : int
        Leads of a beat.
    """

    def __init__(self, n_leads: int) -> None:
        self.n_leads = n_leads

    def fit(self, X: NDArray, y: NDArray) -> Self:
        shapes = self._shapes(X)
        means = np.array([shapes[y == subject].mean(axis=0) for subject in range(y.max() + 1)])
        self.means_ = _unit(means)
        return self

    def log_proba(self, X: NDArray) -> NDArray:
        return log_softmax(_unit(self._shapes(X)) @ self.means_.T / TEMPERATURE, axis=1)

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        return copy.copy(self).fit(X, y)

    def _shapes(self, X: NDArray) -> NDArray:
        shapes = X[:, : X.shape[1] - EXTRAS_PER_LEAD * self.n_leads]
        return shapes.astype(np.float64)


def _unit(rows: NDArray) -> NDArray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
