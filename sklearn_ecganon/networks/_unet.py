"""A one-dimensional U-Net that predicts a class for each sample, such as its wave."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class UNet1d(nn.Module):
    """Encoder and decoder over halved resolutions, with a skip connection at each.

    The first convolution halves the sampling rate and the last one doubles it again, so that
    most of the work is at half the rate of the input. Batch normalization matters in
    training only: in evaluation mode it is a fixed factor and offset, and rows are
    independent.

    Parameters
    ----------
    n_classes : int
        Number of logits for each sample.
    widths : sequence of int, default=(16, 32, 48, 64, 64)
        Channels at each resolution, from the finest (half the input's rate) on.
    kernel : int, default=7
        Kernel size of the convolutions, an odd number of samples.
    """

    def __init__(
        self, n_classes: int, widths: Sequence[int] = (16, 32, 48, 64, 64), kernel: int = 7
    ) -> None:
        super().__init__()
        self.stride = 2 ** len(widths)
        self.stem = _block(1, widths[0], kernel, stride=2)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for fine, coarse in zip(widths[:-1], widths[1:], strict=True):
            self.down.append(_block(fine, coarse, kernel))
            self.up.append(_block(fine + coarse, fine, kernel))
        self.bottom = nn.Sequential(
            _block(widths[-1], widths[-1], kernel), _block(widths[-1], widths[-1], kernel)
        )
        self.pool = nn.MaxPool1d(2)
        self.widen = nn.Upsample(scale_factor=2, mode="linear")
        self.output = nn.Conv1d(widths[0], 2 * n_classes, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n_rows, n_classes, n_times) for signals (n_rows, n_times).

        `n_times` must be a multiple of `stride`.
        """
        x = self.stem(x.unsqueeze(1))
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(self.pool(x))
        x = self.bottom(x)
        for block, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = block(torch.cat([skip, self.widen(x)], dim=1))
        # Each column at half the rate has the logits of two samples.
        return self.output(x).unflatten(1, (-1, 2)).transpose(2, 3).flatten(2)


def _block(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm1d(n_out),
        nn.ReLU(),
    )
