"""The convolutional attackers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from skorch import NeuralNet
from torch import Tensor

from sklearn_ecganon.attacks._attackers._lda import LDAAttacker
from sklearn_ecganon.attacks._attackers._protocol import EnrolledAttacker
from sklearn_ecganon.attacks._modalities import EXTRAS_PER_LEAD
from sklearn_ecganon.networks import ConvClassifier
from sklearn_ecganon.training import (
    FIXED,
    infer,
    one_cycle,
    resolve_device,
    seeded,
    train,
)

NETS: dict[str, dict[str, Any]] = {
    # The classifier of the non-QRS work: three pairs, pooled by 2, 3 and 3.
    "conv": {
        "module__layers": ((32, 1), (32, 2), (64, 1), (64, 3), (128, 1), (128, 3)),
        "module__kernel": 6,
        "module__dropout": 0.25,
    },
    # This one takes half the time, and is the better attacker on MIT-BIH.
    "small-conv": {
        "module__layers": ((32, 2), (64, 2), (64, 2)),
        "module__kernel": 7,
        "module__dropout": 0.4,
    },
}

N_STEPS = {"conv": 2500, "small-conv": 1000}


class ConvAttacker:
    """A convolutional net that learns to identify subjects.

    The number of training steps does not depend on the number of beats. With another gallery,
    :class:`LDAAttacker` compares the 128 hidden units.

    Parameters
    ----------
    name : {"conv", "small-conv"}
        The architecture.
    n_leads : int
        Leads of a beat.
    device : str
        Device of the training.
    seed : int
        Seeds weights, order and dropout.
    n_steps : int, optional
        Number of training batches; by default 2500 for ``"conv"`` and 1000 for
        ``"small-conv"``. With 2500 the latter takes 2.4 times as long. On MIT-BIH it then
        identifies one point more originals from one beat, but no more people from a release.
    """

    batch_size = 128
    lr = 4e-3

    def __init__(
        self, name: str, *, n_leads: int, device: str, seed: int, n_steps: int | None = None
    ) -> None:
        self.name = name
        self.n_leads = n_leads
        self.device = device
        self.seed = seed
        self.n_steps = n_steps

    def fit(self, X: NDArray, y: NDArray) -> Self:
        steps_per_epoch = -(-len(X) // self.batch_size)
        max_epochs = -(-(self.n_steps or N_STEPS[self.name]) // steps_per_epoch)
        device = resolve_device(self.device)
        n_extra = EXTRAS_PER_LEAD * self.n_leads
        with seeded(self.seed):
            self.net_ = NeuralNet(
                ConvClassifier,
                module__n_leads=self.n_leads,
                module__n_times=(X.shape[1] - n_extra) // self.n_leads,
                module__n_extra=n_extra,
                module__n_classes=int(y.max()) + 1,
                **NETS[self.name],
                criterion=torch.nn.CrossEntropyLoss,
                # Log-scores are summed over beats. No single overconfident beat may decide.
                criterion__label_smoothing=0.1,
                optimizer=torch.optim.AdamW,
                optimizer__weight_decay=0.1,
                lr=self.lr,
                callbacks=[one_cycle(self.lr, max_epochs * steps_per_epoch)],
                max_epochs=max_epochs,
                batch_size=self.batch_size,
                device=device,
                **FIXED,
            ).initialize()
            rows, targets = torch.as_tensor(X).to(device), torch.as_tensor(y).to(device)
            train(self.net_, rows, targets)
        self.templates_ = LDAAttacker().fit(self._embed(X), y)
        return self

    def log_proba(self, X: NDArray) -> NDArray:
        return log_softmax(self._infer(X, self.net_.module_), axis=1)

    def enroll(self, X: NDArray, y: NDArray) -> EnrolledAttacker:
        return _Enrolled(self, self.templates_.enroll(self._embed(X), y))

    def _embed(self, X: NDArray) -> NDArray:
        return self._infer(X, self.net_.module_.embed)

    def _infer(self, X: NDArray, forward: Callable[[Tensor], Tensor]) -> NDArray:
        self.net_.module_.eval()
        rows = torch.as_tensor(X).to(self.net_.device)
        return infer(forward, rows, batch_size=256).cpu().numpy()


class _Enrolled:
    """A convolutional attacker that compares embeddings with those of another gallery."""

    def __init__(self, conv: ConvAttacker, templates: LDAAttacker) -> None:
        self.conv = conv
        self.templates = templates

    def log_proba(self, X: NDArray) -> NDArray:
        return self.templates.log_proba(self.conv._embed(X))
