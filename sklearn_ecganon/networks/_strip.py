"""A 1-D residual net for strips of an ECG."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL = 7
STEM_KERNEL = 15
NOISE = 0.05


class StripNet(nn.Module):
    """Five residual stages on a strip, then mean and maximum of every channel.

    Parameters
    ----------
    n_leads : int
        Leads of a strip.
    n_outputs : int
        Number of logits, or of centers where `n_dims` is given.
    width : int
        Channels of the first stage; stage k has k times as many.
    n_stages : int, default=5
        Stages of one residual block each. Every stage halves the time axis.
    dropout : float, default=0.2
        Fraction of the embedding that is dropped in training.
    n_dims : int, optional
        Dimensions of a unit sphere to embed strips on. `forward` then returns cosines with
        one learned center for each output. By default the output is linear.

    Notes
    -----
    After the attacker "ResNet1d" of Wang et al. [1]_ with fewer channels. In training every
    strip is rotated in time by a random number of samples and gets white noise of 5 % of
    its standard deviation.

    References
    ----------
    .. [1] Z. Wang, W. Yan, T. Oates, "Time series classification from scratch with deep
       neural networks: a strong baseline", IJCNN, 1578-1585, 2017.
    """

    def __init__(
        self,
        n_leads: int,
        n_outputs: int,
        width: int,
        n_stages: int = 5,
        dropout: float = 0.2,
        n_dims: int | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv1d(n_leads, width, STEM_KERNEL, 2, STEM_KERNEL // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        ]
        n_in = width
        for stage in range(1, n_stages + 1):
            layers.append(_Residual(n_in, stage * width))
            n_in = stage * width
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.is_angular = n_dims is not None
        self.project: nn.Module = (
            nn.Identity() if n_dims is None else nn.Linear(2 * n_in, n_dims)
        )
        self.output = nn.Linear(n_dims or 2 * n_in, n_outputs, bias=n_dims is None)

    def embed(self, strips: Tensor) -> Tensor:
        """Return the embedding of strips (n_strips, n_leads, n_times), one row a strip.

        Rows have length 1 where the net was built with `n_dims`.
        """
        stages = self.layers(standardize(strips))
        pooled = self.dropout(torch.cat([stages.mean(dim=2), stages.amax(dim=2)], dim=1))
        points = self.project(pooled)
        return F.normalize(points) if self.is_angular else points

    def forward(self, strips: Tensor) -> Tensor:
        """Return logits, or cosines with the centers: (n_strips, n_outputs)."""
        if self.training:
            strips = augment(strips)
        points = self.embed(strips)
        if self.is_angular:
            return points @ F.normalize(self.output.weight).T
        return self.output(points)


class _Residual(nn.Module):
    """Two convolutions beside a shortcut; the first one halves the time axis."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        pad = KERNEL // 2
        self.block = nn.Sequential(
            nn.Conv1d(n_in, n_out, KERNEL, 2, pad, bias=False),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
            nn.Conv1d(n_out, n_out, KERNEL, 1, pad, bias=False),
            nn.BatchNorm1d(n_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv1d(n_in, n_out, 1, 2, bias=False), nn.BatchNorm1d(n_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.block(x) + self.shortcut(x))


def standardize(strips: Tensor) -> Tensor:
    """Return strips with mean 0 by lead and one common standard deviation of 1.

    The leads share the scale because their relative amplitudes hold information, while
    the gain of an amplifier does not.
    """
    centered = strips - strips.mean(dim=2, keepdim=True)
    return centered / centered.flatten(1).std(dim=1).clamp_min(1e-6)[:, None, None]


def augment(strips: Tensor) -> Tensor:
    """Return strips that are rotated in time by a random amount, with 5 % white noise."""
    n_strips, n_leads, n_times = strips.shape
    shift = torch.randint(n_times, (n_strips, 1), device=strips.device)
    time = (torch.arange(n_times, device=strips.device) + shift) % n_times
    rotated = strips.gather(2, time[:, None].expand(-1, n_leads, -1))
    scale = NOISE * strips.flatten(1).std(dim=1)[:, None, None]
    return rotated + scale * torch.randn_like(rotated)
