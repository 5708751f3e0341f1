"""The convolutional classifier of the non-QRS work, for any beat length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (32, 32, 64, 64, 128, 128)
POOLS = (2, 3, 3)
KERNEL = 6


class ConvClassifier(nn.Module):
    """Three pairs of convolutions, a dense layer, and a score for each subject.

    Kernels of 6; 32-32-64-64-128-128 channels; max-pooling by 2, 3 and 3 after each pair,
    smaller where a beat is too short for it; 128 hidden units with dropout 0.25.

    Parameters
    ----------
    n_leads, n_times : int
        Shape of one beat.
    n_extra : int
        Further numbers a beat that go straight into the dense layer.
    n_classes : int
        Number of subjects.
    """

    def __init__(self, n_leads: int, n_times: int, n_extra: int, n_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, length = n_leads, n_times
        for pair, pool in enumerate(POOLS):
            for out in CHANNELS[2 * pair : 2 * pair + 2]:
                layers += [
                    nn.ZeroPad1d(((KERNEL - 1) // 2, KERNEL // 2)),
                    nn.Conv1d(channels, out, KERNEL),
                    nn.ReLU(),
                ]
                channels = out
            pool = min(pool, length)
            layers.append(nn.MaxPool1d(pool))
            length //= pool
        self.n_leads, self.n_times = n_leads, n_times
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.hidden = nn.Linear(channels * length + n_extra, 128)
        self.dropout = nn.Dropout(0.25)
        self.output = nn.Linear(128, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the 128 hidden units of rows (n_beats, n_leads * n_times + n_extra)."""
        beats, extra = x.split(
            [self.n_leads * self.n_times, x.shape[1] - self.n_leads * self.n_times], 1
        )
        found = self.features(beats.unflatten(1, (self.n_leads, self.n_times)))
        return F.relu(self.hidden(torch.cat([found, extra], dim=1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit for each subject: (n_beats, n_classes)."""
        return self.output(self.dropout(self.embed(x)))
