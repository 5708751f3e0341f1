"""Losses of the nets."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class NegativeELBO(nn.Module):
    """Bernoulli reconstruction error plus divergence of the latent from its prior, in nats.

    Both terms are summed over dimensions and averaged over rows, so that their sum is the
    negative evidence lower bound of a row.
    """

    def forward(self, y_pred: tuple[Tensor, Tensor, Tensor], y_true: Tensor) -> Tensor:
        """Return the mean negative ELBO of rows `y_true` in [0, 1]."""
        logits, mean, log_variance = y_pred
        reconstruction = F.binary_cross_entropy_with_logits(logits, y_true, reduction="sum")
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        return (reconstruction + divergence) / len(y_true)
