"""Classifiers of beats: a small convolutional net, and a forest on features."""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNet

from sklearn_ecganon.networks import ConvClassifier
from sklearn_ecganon.training import (
    FIXED,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)


class BeatClassifier(Protocol):
    """Learns classes ``0 .. n_classes - 1`` from the features of beats, and predicts them."""

    def fit(self, shapes: NDArray, numbers: NDArray, y: NDArray, weight: NDArray) -> Self: ...

    def predict(self, shapes: NDArray, numbers: NDArray) -> NDArray[np.intp]: ...


class ForestBeatClassifier:
    """A random forest on the numbers of a beat."""

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def fit(self, shapes: NDArray, numbers: NDArray, y: NDArray, weight: NDArray) -> Self:
        self.forest_ = RandomForestClassifier(
            60,
            min_samples_leaf=5,
            max_features=0.3,
            # Neighboring beats are alike: a third of them suffices, in a third of the time.
            max_samples=0.3,
            random_state=self.seed,
        ).fit(numbers, y, sample_weight=weight)
        return self

    def predict(self, shapes: NDArray, numbers: NDArray) -> NDArray[np.intp]:
        return self.forest_.predict(numbers)


class ConvBeatClassifier:
    """Three convolutions on the shape of a beat, with its numbers as further inputs.

    Parameters
    ----------
    device : str
        Device of the training.
    seed : int
        Seeds the sample of beats, weights, order and dropout.
    """

    n_sampled, max_epochs, batch_size, lr = 20_000, 5, 128, 2e-3

    def __init__(self, *, device: str, seed: int) -> None:
        self.device = device
        self.seed = seed

    def fit(self, shapes: NDArray, numbers: NDArray, y: NDArray, weight: NDArray) -> Self:
        self.scaler_ = StandardScaler().fit(numbers)
        device = resolve_device(self.device)
        # Beats are sampled once by their weight, so that an epoch is a plain pass.
        sample = np.random.default_rng(self.seed).choice(
            len(y), self.n_sampled, p=weight / weight.sum()
        )
        with seeded(self.seed):
            self.net_ = NeuralNet(
                ConvClassifier,
                module__n_leads=shapes.shape[1],
                module__n_times=shapes.shape[2],
                module__n_extra=numbers.shape[1],
                module__n_classes=int(y.max()) + 1,
                module__layers=((16, 2), (32, 2), (32, 2)),
                module__kernel=7,
                module__dropout=0.5,
                criterion=torch.nn.CrossEntropyLoss,
                criterion__label_smoothing=0.1,
                optimizer=torch.optim.AdamW,
                optimizer__weight_decay=0.1,
                lr=self.lr,
                callbacks=[
                    one_cycle(self.lr, self.max_epochs * -(-self.n_sampled // self.batch_size))
                ],
                max_epochs=self.max_epochs,
                batch_size=self.batch_size,
                device=device,
                **FIXED,
            ).initialize()
            rows = torch.as_tensor(self._rows(shapes[sample], numbers[sample])).to(device)
            train(self.net_, rows, torch.as_tensor(y[sample]).to(device))
        return self

    def predict(self, shapes: NDArray, numbers: NDArray) -> NDArray[np.intp]:
        self.net_.module_.eval()
        with torch.no_grad(), single_thread():
            rows = torch.as_tensor(self._rows(shapes, numbers)).to(self.net_.device).split(256)
            classes = [self.net_.module_(batch).argmax(dim=1) for batch in rows]
        return torch.cat(classes).cpu().numpy()

    def _rows(self, shapes: NDArray, numbers: NDArray) -> NDArray[np.float32]:
        # Artifacts reach hundreds of standard deviations and would dominate the scores.
        flat = shapes.reshape(len(shapes), -1).clip(-10, 10)
        scaled = self.scaler_.transform(numbers).clip(-5, 5)
        return np.concatenate([flat, scaled], axis=1).astype(np.float32)


def make_classifier(name: str, *, device: str, seed: int) -> BeatClassifier:
    """Return an untrained classifier, ``"conv"`` or ``"forest"``."""
    if name == "forest":
        return ForestBeatClassifier(seed=seed)
    return ConvBeatClassifier(device=device, seed=seed)
