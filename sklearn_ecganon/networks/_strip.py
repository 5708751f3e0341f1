"""A 1-D residual net for strips of an ECG."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL = 3
STEM_KERNEL = 15
NOISE = 0.1  # most white noise in training, in standard deviations of the strip
COMPRESSION = 9.0
PEAK = 0.98  # quantile of the absolute signal that counts as its peak


class StripNet(nn.Module):
    """Five residual stages on windows of a strip, then mean and maximum of every channel.

    Parameters
    ----------
    n_leads : int
        Leads of a strip.
    n_outputs : int
        Number of logits, or of centers where `n_dims` is given.
    width : int
        Channels of the first stage; stage k has k times as many.
    window : int, default=250
        Samples that the net sees at once. In training it sees one window of each strip, at
        a random place; afterwards its output is the mean over windows that overlap by half.
    n_stages : int, default=5
        Stages of one residual block each. Every stage halves the time axis.
    dropout : float, default=0.2
        Fraction of the embedding that is dropped in training.
    n_dims : int, optional
        Dimensions of a unit sphere to embed strips on. `forward` then returns cosines with
        one learned center for each output. By default the output is linear.

    Notes
    -----
    After the residual net of [1]_. Deviations: a kernel of 15 in the first layer and of 3
    in all others, one block of two convolutions a stage, the maximum beside the mean. Short
    windows keep the net from memorizing single strips where people have few of them.
    Amplitudes are compressed by a logarithm, which gives small waves more weight, and
    training adds white noise of up to 10 % of the standard deviation.

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
        window: int = 250,
        n_stages: int = 5,
        dropout: float = 0.2,
        n_dims: int | None = None,
    ) -> None:
        super().__init__()
        self.window = window
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
        if self.training:
            return self._embed_windows(random_windows(strips, self.window))
        windows = all_windows(strips, self.window)
        points = self._embed_windows(windows.flatten(0, 1))
        mean = points.unflatten(0, windows.shape[:2]).mean(dim=1)
        return F.normalize(mean) if self.is_angular else mean

    def forward(self, strips: Tensor) -> Tensor:
        """Return logits, or cosines with the centers: (n_strips, n_outputs)."""
        points = self.embed(strips)
        if self.is_angular:
            return points @ F.normalize(self.output.weight).T
        return self.output(points)

    def _embed_windows(self, windows: Tensor) -> Tensor:
        stages = self.layers(standardize(windows))
        pooled = self.dropout(torch.cat([stages.mean(dim=2), stages.amax(dim=2)], dim=1))
        points = self.project(pooled)
        return F.normalize(points) if self.is_angular else points


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


def standardize(windows: Tensor) -> Tensor:
    """Return windows with compressed amplitudes, mean 0 by lead and standard deviation 1.

    The leads share one scale because their relative amplitudes hold information, while the
    gain of an amplifier does not.
    """
    centered = windows - windows.mean(dim=2, keepdim=True)
    sorted_ = centered.abs().flatten(1).sort(dim=1).values
    peak = sorted_[:, int(PEAK * (sorted_.shape[1] - 1))].clamp_min(1e-6)[:, None, None]
    compressed = centered.sign() * torch.log1p(COMPRESSION * centered.abs() / peak)
    compressed = compressed - compressed.mean(dim=2, keepdim=True)
    return compressed / compressed.flatten(1).std(dim=1).clamp_min(1e-6)[:, None, None]


def random_windows(strips: Tensor, window: int) -> Tensor:
    """Return one window of each strip at a random place, with white noise."""
    n_strips, n_leads, n_times = strips.shape
    width = min(window, n_times)
    start = torch.randint(n_times - width + 1, (n_strips, 1), device=strips.device)
    time = torch.arange(width, device=strips.device) + start
    windows = strips.gather(2, time[:, None].expand(-1, n_leads, -1))
    scale = strips.flatten(1).std(dim=1) * NOISE * torch.rand(n_strips, device=strips.device)
    return windows + scale[:, None, None] * torch.randn_like(windows)


def all_windows(strips: Tensor, window: int) -> Tensor:
    """Return windows that overlap by half: (n_strips, n_windows, n_leads, window)."""
    width = min(window, strips.shape[2])
    return strips.unfold(2, width, max(1, width // 2)).permute(0, 2, 1, 3)
