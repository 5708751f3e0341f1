"""A fully connected variational autoencoder for short segments of signal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class VAE(nn.Module):
    """Encoder to a Gaussian latent and mirror-image decoder, ReLU in between.

    The decoder returns logits. Inputs, and the sigmoid of the logits, lie in [0, 1].

    Parameters
    ----------
    n_inputs : int
        Length of one input row.
    hidden : sequence of int
        Widths of the encoder's layers; the decoder uses them backwards.
    n_latent : int
        Dimensions of the latent.
    """

    def __init__(self, n_inputs: int, hidden: Sequence[int], n_latent: int) -> None:
        super().__init__()
        self.encoder = _dense([n_inputs, *hidden], last_relu=True)
        self.mean = nn.Linear(hidden[-1], n_latent)
        self.log_variance = nn.Linear(hidden[-1], n_latent)
        self.decoder = _dense([n_latent, *reversed(hidden), n_inputs], last_relu=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent, each (n_rows, n_latent)."""
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, z: Tensor) -> Tensor:
        """Return rows in [0, 1] for latents: (n_rows, n_inputs)."""
        return torch.sigmoid(self.decoder(z))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the reconstruction, latent mean and latent log-variance."""
        mean, log_variance = self.encode(x)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(z), mean, log_variance


def _dense(sizes: Sequence[int], last_relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers if last_relu else layers[:-1])
