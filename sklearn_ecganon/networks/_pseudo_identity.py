"""A variational autoencoder of beats with any subset of leads."""

from __future__ import annotations

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Probability that training hides a lead, so that any single lead determines the latent.
LEAD_DROPOUT = 0.2


class BeatVAE(nn.Module):
    """Encodes a beat with any leads as a latent, and decodes the latent to all leads.

    Each lead is represented by coefficients of a fixed basis. Encoder and decoder have two
    hidden layers each.

    Parameters
    ----------
    basis : ndarray of shape (n_components, n_times)
        Orthonormal wave forms.
    n_channels : int
        Leads that the model knows.
    n_latent : int
        Dimensions of the latent.
    n_hidden : int
        Width of the hidden layers.
    """

    basis: Tensor

    def __init__(self, basis: NDArray, n_channels: int, n_latent: int, n_hidden: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.tensor(basis, dtype=torch.float32))
        self.n_channels, n_wide = n_channels, n_channels * len(basis)
        self.encoder = nn.Sequential(
            nn.Linear(n_wide + n_channels, n_hidden),
            nn.SiLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.SiLU(),
        )
        self.mean = nn.Linear(n_hidden, n_latent)
        self.log_variance = nn.Linear(n_hidden, n_latent)
        self.decoder = nn.Sequential(
            nn.Linear(n_latent, n_hidden),
            nn.SiLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.SiLU(),
            nn.Linear(n_hidden, n_wide),
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent of beats, NaN where not seen."""
        seen = x.isfinite()
        leads = seen.any(dim=2)
        if self.training:
            shown = leads & (torch.rand_like(x[:, :, 0]) >= LEAD_DROPOUT)
            leads = torch.where(shown.any(dim=1, keepdim=True), shown, leads)
        known = torch.where(seen & leads[:, :, None], x, torch.zeros_like(x))
        rows = (known @ self.basis.T).flatten(1)
        hidden = self.encoder(torch.cat([rows, leads.to(rows.dtype)], dim=1))
        return self.mean(hidden), self.log_variance(hidden).clamp(-10, 3)

    def decode(self, z: Tensor) -> Tensor:
        """Return coefficients of the basis: (n_rows, n_channels, n_components)."""
        return self.decoder(z).unflatten(1, (self.n_channels, -1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return beats (n_rows, n_channels, n_times), latent mean and log-variance."""
        mean, log_variance = self.encode(x)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decode(z) @ self.basis, mean, log_variance


class PartialELBO(nn.Module):
    """Gaussian reconstruction error where a beat was seen, plus the latent's divergence.

    Parameters
    ----------
    noise : float
        Standard deviation of the reconstruction error, in units of a lead's peak-to-peak
        amplitude; it is slightly larger for leads with a large amplitude.
    divergence : float
        Weight of the Kullback-Leibler divergence.
    """

    def __init__(self, noise: float = 0.02, divergence: float = 0.5) -> None:
        super().__init__()
        self.noise = noise
        self.divergence = divergence

    def forward(self, y_pred: tuple[Tensor, Tensor, Tensor], y_true: Tensor) -> Tensor:
        """Return the mean loss of beats (n_rows, n_channels, n_times), NaN where not seen."""
        predicted, mean, log_variance = y_pred
        seen = y_true.isfinite()
        target = torch.where(seen, y_true, torch.zeros_like(y_true))
        n_leads = seen.any(dim=2).sum(dim=1)
        scale = self.noise + 0.05 * target.std(dim=2, keepdim=True)
        # Artifacts count for at most 20 standard deviations.
        error = ((predicted - target) / scale).square().clamp(max=400) / 2
        error = torch.where(seen, error, torch.zeros_like(error)).sum(dim=(1, 2))
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return (error / n_leads.clamp(min=1).sqrt() + self.divergence * kl).mean()
