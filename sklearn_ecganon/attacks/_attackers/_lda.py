"""The linear attacker."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis


class LDAAttacker:
    """Linear discriminant analysis with Ledoit-Wolf shrinkage and equal priors."""

    def fit(self, X: NDArray, y: NDArray) -> Self:
        n_subjects = y.max() + 1
        lda = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto", priors=np.full(n_subjects, 1 / n_subjects)
        )
        # A feature that hardly varies in the gallery must not decide by its rounding error.
        self.scale_ = np.maximum(X.std(axis=0), 1e-6)
        self.covariance_ = lda.fit(X / self.scale_, y).covariance_
        return self._set_templates(lda.means_)

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        scaled = X / self.scale_
        means = [scaled[y == subject].mean(axis=0) for subject in range(y.max() + 1)]
        return copy.copy(self)._set_templates(np.array(means))

    def log_proba(self, X: NDArray) -> NDArray:
        scaled = X.astype(np.float64) / self.scale_
        return log_softmax(scaled @ self.weights_.T + self.offset_, axis=1)

    def _set_templates(self, means: NDArray) -> Self:
        self.weights_ = np.linalg.lstsq(self.covariance_, means.T)[0].T
        self.offset_ = -0.5 * np.sum(means * self.weights_, axis=1)
        return self
