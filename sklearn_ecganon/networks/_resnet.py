"""ResNet-18 for images and for beats, of any width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONV = {1: nn.Conv1d, 2: nn.Conv2d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
N_BLOCKS = 2
N_STAGES = 4


class ResNet18(nn.Module):
    """Eighteen layers with residual connections, for signals (1-D) or images (2-D).

    Parameters
    ----------
    n_dims : {1, 2}
        Signals or images.
    n_channels : int
        Leads or colors.
    n_classes : int
        Number of logits.
    width : int
        Channels of the first stage; each of the other three has twice those before it.

    Notes
    -----
    As in [1]_, with two basic blocks in each of four stages. Deviations: kernels of 7 for
    beats; 16 channels instead of 64, which are enough here and take a sixteenth of the time;
    the first convolution halves the size with a kernel of 5 (2-D) or 13 (1-D), and no
    pooling follows it, because images of 64 pixels are small already.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition",
       CVPR, 770-778, 2016.
    """

    def __init__(self, n_dims: int, n_channels: int, n_classes: int, width: int = 16) -> None:
        super().__init__()
        kernel = {1: 7, 2: 3}[n_dims]
        widths = [width * 2**stage for stage in range(N_STAGES)]
        layers: list[nn.Module] = [
            CONV[n_dims](n_channels, width, 2 * kernel - 1, 2, kernel - 1, bias=False),
            NORM[n_dims](width),
            nn.ReLU(),
        ]
        n_in = width
        for stage, n_out in enumerate(widths):
            for block in range(N_BLOCKS):
                stride = 2 if stage and not block else 1
                layers.append(_Residual(n_dims, n_in, n_out, kernel, stride))
                n_in = n_out
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(n_in, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the mean of each channel of the last stage: (n_rows, 8 * width)."""
        return self.layers(x).flatten(2).mean(dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n_rows, n_classes) of rows (n_rows, n_channels, *size)."""
        return self.output(self.embed(x))


class _Residual(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, n_dims: int, n_in: int, n_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        conv, norm, pad = CONV[n_dims], NORM[n_dims], kernel // 2
        self.first = conv(n_in, n_out, kernel, stride, pad, bias=False)
        self.second = conv(n_out, n_out, kernel, 1, pad, bias=False)
        self.norms = nn.ModuleList([norm(n_out), norm(n_out)])
        self.short: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.short = nn.Sequential(conv(n_in, n_out, 1, stride, bias=False), norm(n_out))

    def forward(self, x: Tensor) -> Tensor:
        new = F.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(new)) + self.short(x))
