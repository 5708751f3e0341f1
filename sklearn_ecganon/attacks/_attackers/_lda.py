"""The linear attacker."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

# Variance within a person that is assumed at least, as a fraction of the variance of all rows.
# It counts where a feature differs between people and never within one, as categories do.
RIDGE = 1e-5
# A feature that varies less, relative to its largest value, is constant up to rounding errors.
CONSTANT = 1e-6


class LDAAttacker:
    """Linear discriminant analysis with Ledoit-Wolf shrinkage and equal priors.

    Features that are constant in the gallery are left out. The variation within a person is
    learned from people with several rows. If there are fewer than two of them, it is assumed
    to be that of all rows, without correlation.
    """

    def fit(self, X: NDArray, y: NDArray) -> Self:
        X = np.asarray(X, dtype=np.float64)
        deviation = X.std(axis=0)
        varies = deviation > CONSTANT * np.maximum(1.0, np.abs(X).max(axis=0))
        self.scale_ = np.where(varies, deviation, np.inf)
        scaled = X / self.scale_
        self.covariance_ = np.eye(X.shape[1])
        repeated = np.flatnonzero(np.bincount(y) > 1)
        if len(repeated) > 1:
            lda = LinearDiscriminantAnalysis(
                solver="lsqr",
                shrinkage="auto",
                priors=np.full(len(repeated), 1 / len(repeated)),
            )
            rows = np.isin(y, repeated)
            lda.fit(scaled[rows], y[rows])
            self.covariance_ = lda.covariance_ + RIDGE * np.eye(X.shape[1])
        return self._set_templates(scaled, y)

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        return copy.copy(self)._set_templates(X / self.scale_, y)

    def log_proba(self, X: NDArray) -> NDArray:
        scaled = X.astype(np.float64) / self.scale_
        return log_softmax(scaled @ self.weights_.T + self.offset_, axis=1)

    def _set_templates(self, scaled: NDArray, y: NDArray) -> Self:
        means = np.array([scaled[y == subject].mean(axis=0) for subject in range(y.max() + 1)])
        self.weights_ = np.linalg.solve(self.covariance_, means.T).T
        self.offset_ = -0.5 * np.sum(means * self.weights_, axis=1)
        return self
