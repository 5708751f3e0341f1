"""The open-set attacker: a net that was not trained on the people that it compares."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sklearn_ecganon.attacks._attackers._embedding import SCALE, Embedder

N_FOLDS = 2


class CrossFittedAttacker:
    """Nearest template in an embedding that was trained on other people.

    The people of the gallery are divided into two halves, and a net is trained on each. Beats
    are compared with a person's template by the net of the half without that person: no net
    compares people that it was trained on. One asymmetry remains: the net that compares a beat
    with a person of the other half may have been trained on the right person.

    Parameters
    ----------
    n_leads : int
        Leads of a beat.
    device : str
        Device of the training.
    seed : int
        Seeds the halves and the nets.
    n_steps : int, default=750
        Number of training batches of each net.
    """

    def __init__(self, *, n_leads: int, device: str, seed: int, n_steps: int = 750) -> None:
        self.n_leads = n_leads
        self.device = device
        self.seed = seed
        self.n_steps = n_steps

    def fit(self, X: NDArray, y: NDArray) -> Self:
        n_subjects = y.max() + 1
        order = np.random.default_rng(self.seed).permutation(n_subjects)
        self.fold_ = np.empty(n_subjects, dtype=np.intp)
        self.fold_[order] = np.arange(n_subjects) % N_FOLDS
        self.nets_ = []
        for fold in range(N_FOLDS):
            others = self.fold_[y] != fold
            codes = np.unique(y[others], return_inverse=True)[1]
            net = Embedder(
                n_leads=self.n_leads,
                device=self.device,
                seed=self.seed + fold,
                n_steps=self.n_steps,
            )
            self.nets_.append(net.fit(X[others], codes))
        return self._set_templates(X, y)

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        return copy.copy(self)._set_templates(X, y)

    def log_proba(self, X: NDArray) -> NDArray:
        cosines = np.empty((len(X), len(self.fold_)))
        for fold, net in enumerate(self.nets_):
            in_fold = self.fold_ == fold
            points = net.embed(X).astype(np.float64)
            cosines[:, in_fold] = points @ self.templates_[in_fold].T
        return log_softmax(SCALE * cosines, axis=1)

    def _set_templates(self, X: NDArray, y: NDArray) -> Self:
        of_nets = [net.templates(X, y) for net in self.nets_]
        self.templates_ = np.choose(self.fold_[:, np.newaxis], of_nets)
        return self
