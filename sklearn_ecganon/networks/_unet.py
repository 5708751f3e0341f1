"""A one-dimensional U-Net that predicts a class for each sample, such as its wave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class UNet1d(nn.Module):
    """Encoder and decoder over halved resolutions, with a skip connection at each.

    The first convolution halves the sampling rate and the last one doubles it again, so that
    most of the work is at half the rate of the input. Batch normalization matters in
    training only: in evaluation mode it is a fixed factor and offset, which :meth:`fuse`
    merges into the convolutions, and rows are independent. The layers are those of images of
    one line, because PyTorch computes them on the CPU without reordering the channels.

    Parameters
    ----------
    n_classes : int
        Number of logits for each sample.
    widths : sequence of int, default=(8, 16, 24, 32, 32)
        Channels at each resolution, from the finest (half the input's rate) on.
    kernel : int, default=7
        Kernel size of the convolutions, an odd number of samples.
    """

    def __init__(
        self, n_classes: int, widths: Sequence[int] = (8, 16, 24, 32, 32), kernel: int = 7
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
        self.pool = nn.MaxPool2d((1, 2))
        self.widen = nn.Upsample(scale_factor=(1, 2), mode="bilinear")
        self.output = nn.Conv2d(widths[0], 2 * n_classes, (1, kernel), padding=(0, kernel // 2))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n_rows, n_classes, n_times) for signals (n_rows, n_times).

        `n_times` must be a multiple of `stride`.
        """
        x = x[:, None, None].contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(self.pool(x))
        x = self.bottom(x)
        for block, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = block(torch.cat([skip, self.widen(x)], dim=1))
        # Each column at half the rate has the logits of two samples.
        return self.output(x).squeeze(2).unflatten(1, (-1, 2)).transpose(2, 3).flatten(2)

    def fuse(self) -> Self:
        """Merge each batch normalization into its convolution, for evaluation only.

        Returns
        -------
        net : UNet1d
            Itself, in evaluation mode. It cannot be trained or loaded into any more.
        """
        self.eval()
        for block in self.modules():
            if not isinstance(block, nn.Sequential):
                continue
            convolution, normalization = block[0], block[1]
            if isinstance(convolution, nn.Conv2d) and isinstance(normalization, nn.BatchNorm2d):
                block[0] = fuse_conv_bn_eval(convolution, normalization)
                block[1] = nn.Identity()
        return self


def _block(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, (1, kernel), (1, stride), (0, kernel // 2), bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )
