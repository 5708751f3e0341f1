"""A convolutional classifier for beats of any length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

N_HIDDEN = 128


class ConvClassifier(nn.Module):
    """Convolutions with max-pooling, a dense layer, and a score for each subject.

    Parameters
    ----------
    n_leads, n_times : int
        Shape of one beat.
    n_extra : int
        Additional numbers of each beat that enter the dense layer directly.
    n_classes : int
        Number of subjects.
    layers : sequence of (int, int)
        Channels of each convolution, and the max-pooling after it (1 is none). The pooling
        is smaller where a beat is too short for it.
    kernel : int
        Kernel size of the convolutions in samples.
    dropout : float
        Dropout rate of the dense layer's 128 units.
    """

    def __init__(
        self,
        n_leads: int,
        n_times: int,
        n_extra: int,
        n_classes: int,
        *,
        layers: Sequence[tuple[int, int]],
        kernel: int,
        dropout: float,
    ) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        n_channels, length = n_leads, n_times
        for n_out, pool in layers:
            pool = min(pool, length)
            stack += [
                nn.ZeroPad1d(((kernel - 1) // 2, kernel // 2)),
                nn.Conv1d(n_channels, n_out, kernel),
                nn.ReLU(),
                nn.MaxPool1d(pool),
            ]
            n_channels, length = n_out, length // pool
        self.n_leads, self.n_times = n_leads, n_times
        self.features = nn.Sequential(*stack, nn.Flatten())
        self.hidden = nn.Linear(n_channels * length + n_extra, N_HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(N_HIDDEN, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the hidden units of rows (n_beats, n_leads * n_times + n_extra)."""
        beats, extra = x.tensor_split([self.n_leads * self.n_times], dim=1)
        features = self.features(beats.unflatten(1, (self.n_leads, self.n_times)))
        return F.relu(self.hidden(torch.cat([features, extra], dim=1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit for each subject: (n_beats, n_classes)."""
        return self.output(self.dropout(self.embed(x)))
