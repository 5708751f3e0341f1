"""A net that maps beats to points on a sphere, those of one person close together."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.attacks._modalities import EXTRAS_PER_LEAD
from sklearn_ecganon.training import (
    FIXED,
    infer,
    one_cycle,
    resolve_device,
    seeded,
    train,
)

N_DIMS = 128
CHANNELS = (32, 64, 128)
KERNEL = 7
# Factor of the cosines in the margin softmax.
SCALE = 16.0

# How another day changes a beat. Times are in lengths of the window, by default 800 ms;
# amplitudes are in standard deviations of the beat.
QRS_START, QRS_END = -0.12, 0.07
P_STRETCH, T_STRETCH = 0.04, 0.08
DRIFT = 0.2
TURN = 0.3
NOISE = 0.1


class Embedder:
    """Learns an embedding from beats of known people, which then applies to any person.

    The net uses only the shape of a beat. Baseline and amplitude depend on the electrode. In
    training every beat is changed as another day would change it.

    Parameters
    ----------
    n_leads : int
        Leads of a beat.
    device : str
        Device of the training.
    seed : int
        Seeds weights, order, dropout and changes.
    n_steps : int, default=1500
        Number of training batches, for any number of beats.
    """

    batch_size = 128
    lr = 3e-3

    def __init__(self, *, n_leads: int, device: str, seed: int, n_steps: int = 1500) -> None:
        self.n_leads = n_leads
        self.device = device
        self.seed = seed
        self.n_steps = n_steps

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Learn from features (n_beats, n_features) and subject numbers from 0 upwards."""
        device = resolve_device(self.device)
        beats = self._shapes(X)
        # Every person is equally frequent, whatever their number of beats.
        most = np.bincount(y).max()
        rows = np.concatenate([np.resize(np.flatnonzero(y == s), most) for s in np.unique(y)])
        steps_per_epoch = -(-len(rows) // self.batch_size)
        max_epochs = max(1, round(self.n_steps / steps_per_epoch))
        means = torch.stack([beats[torch.as_tensor(y == s)].mean(dim=0) for s in np.unique(y)])
        with seeded(self.seed):
            self.net_ = NeuralNet(
                EmbeddingNet,
                module__n_leads=self.n_leads,
                module__n_times=beats.shape[2],
                module__means=means,
                criterion=MarginSoftmax,
                optimizer=torch.optim.AdamW,
                optimizer__weight_decay=0.05,
                lr=self.lr,
                callbacks=[one_cycle(self.lr, max_epochs * steps_per_epoch)],
                max_epochs=max_epochs,
                batch_size=self.batch_size,
                device=device,
                **FIXED,
            ).initialize()
            targets = torch.as_tensor(y[rows])
            train(self.net_, beats[torch.as_tensor(rows)].to(device), targets.to(device))
        return self

    def embed(self, X: NDArray) -> NDArray[np.float32]:
        """Return points of length 1, (n_beats, 128)."""
        net = self.net_.module_.eval()
        rows = self._shapes(X).to(self.net_.device)
        return infer(net.embed, rows, batch_size=256).cpu().numpy()

    def templates(self, X: NDArray, y: NDArray) -> NDArray[np.float32]:
        """Return the direction of everybody's mean point, (n_subjects, 128)."""
        points = self.embed(X)
        means = np.array([points[y == subject].mean(axis=0) for subject in range(y.max() + 1)])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    def _shapes(self, X: NDArray) -> Tensor:
        shapes = X[:, : X.shape[1] - EXTRAS_PER_LEAD * self.n_leads]
        return torch.as_tensor(shapes.reshape(len(X), self.n_leads, -1))


class EmbeddingNet(nn.Module):
    """Three convolutions and a dense layer, to the surface of a sphere.

    Parameters
    ----------
    n_leads, n_times : int
        Shape of one beat.
    means : Tensor of shape (n_subjects, n_leads, n_times)
        Everybody's mean beat, to mix into other beats while training.
    """

    means: Tensor

    def __init__(self, n_leads: int, n_times: int, means: Tensor) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        n_channels, length = n_leads, n_times
        for n_out in CHANNELS:
            pool = min(2, length)
            stack += [
                nn.Conv1d(n_channels, n_out, KERNEL, padding=KERNEL // 2),
                nn.BatchNorm1d(n_out),
                nn.ReLU(),
                nn.MaxPool1d(pool),
            ]
            n_channels, length = n_out, length // pool
        dense = nn.Linear(n_channels * length, N_DIMS)
        self.stack = nn.Sequential(*stack, nn.Flatten(), nn.Dropout(0.4), dense)
        self.centers = nn.Parameter(torch.randn(len(means), N_DIMS))
        self.register_buffer("means", means)

    def embed(self, beats: Tensor) -> Tensor:
        """Return a point of length 1 for each beat: (n_beats, 128)."""
        return F.normalize(self.stack(standardized(beats)))

    def forward(self, beats: Tensor) -> Tensor:
        """Return the cosines with everybody's center: (n_beats, n_subjects)."""
        if self.training:
            beats = another_day(beats, self.means)
        return self.embed(beats) @ F.normalize(self.centers).T


class MarginSoftmax(nn.Module):
    """Cross entropy of cosines, with a margin that makes the right one harder (CosFace).

    Parameters
    ----------
    margin : float, default=0.2
        Subtracted from the cosine with the right center.
    """

    def __init__(self, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, cosines: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of cosines (n_beats, n_subjects) and subject numbers y."""
        harder = cosines - self.margin * F.one_hot(y, cosines.shape[1])
        return F.cross_entropy(SCALE * harder, y, label_smoothing=0.05)


def standardized(beats: Tensor) -> Tensor:
    """Return beats (n_beats, n_leads, n_times) of mean 0 and standard deviation 1 by lead."""
    centered = beats - beats.mean(dim=2, keepdim=True)
    return centered / centered.std(dim=2, keepdim=True).clamp_min(1e-6)


def another_day(beats: Tensor, means: Tensor) -> Tensor:
    """Return beats as they might look on another day.

    Another heart rate moves P and T, but not the QRS. Respiration and skin bend the baseline.
    Muscles add noise. An electrode at another place changes the projection, which is simulated
    by adding a little of another person's mean beat.

    Parameters
    ----------
    beats : Tensor of shape (n_beats, n_leads, n_times)
        Standardized, R peak in the middle.
    means : Tensor of shape (n_subjects, n_leads, n_times)
        Everybody's mean beat.

    Returns
    -------
    changed : Tensor of the same shape
        No longer standardized.
    """
    n_beats, _, n_times = beats.shape
    device = beats.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(n_beats, *shape, device=device)

    # Time from the R peak, in window lengths. The QRS stays in place.
    time = torch.arange(n_times, device=device) / n_times - 0.5
    after, before = (time - QRS_END).clamp_min(0), (time - QRS_START).clamp_max(0)
    source = time + after * torch.expm1(T_STRETCH * normal(1))
    source = source + before * torch.expm1(P_STRETCH * normal(1))
    place = ((source + 0.5) * n_times).clamp(0, n_times - 1.001)
    left = place.floor().long()
    fraction = (place - left)[:, None]
    left = left[:, None].expand_as(beats)
    beats = beats.gather(2, left) * (1 - fraction) + beats.gather(2, left + 1) * fraction

    line = torch.linspace(-1, 1, n_times, device=device)
    beats = beats + DRIFT * (normal(1, 1) * line + normal(1, 1) * (line**2 - 1 / 3))
    others = means[torch.randint(len(means), (n_beats,), device=device)]
    beats = beats + TURN * normal(1, 1) * others
    return beats + NOISE * torch.rand(n_beats, 1, 1, device=device) * torch.randn_like(beats)
