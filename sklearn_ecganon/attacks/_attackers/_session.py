"""The attacker across days: a net trained on beats changed as another day would change them."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sklearn_ecganon.attacks._attackers._embedding import SCALE, Embedder


class SessionAttacker:
    """Nearest template in an embedding that was trained to ignore changes between days.

    Parameters
    ----------
    n_leads : int
        Leads of a beat.
    device : str
        Device of the training.
    seed : int
        Seeds the net.
    n_steps : int, default=1500
        Number of training batches.
    """

    def __init__(self, *, n_leads: int, device: str, seed: int, n_steps: int = 1500) -> None:
        self.n_leads = n_leads
        self.device = device
        self.seed = seed
        self.n_steps = n_steps

    def fit(self, X: NDArray, y: NDArray) -> Self:
        self.net_ = Embedder(
            n_leads=self.n_leads, device=self.device, seed=self.seed, n_steps=self.n_steps
        ).fit(X, y)
        return self._set_templates(X, y)

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        return copy.copy(self)._set_templates(X, y)

    def log_proba(self, X: NDArray) -> NDArray:
        cosines = self.net_.embed(X).astype(np.float64) @ self.templates_.T
        return log_softmax(SCALE * cosines, axis=1)

    def _set_templates(self, X: NDArray, y: NDArray) -> Self:
        self.templates_ = self.net_.templates(X, y)
        return self
