"""Generators of perturbations of signals and images, and the nets that train them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.networks._resnet import CONV, ResNet18
from sklearn_ecganon.networks._verifier import VerificationNet

KERNEL = {1: 9, 2: 3}
ENLARGE = {1: "linear", 2: "bilinear"}
# Number of drawn points along each side; they are interpolated to the size of the input.
COARSE = {1: (16,), 2: (4, 4)}
N_DRAWN = 16
N_GROUPS = 4
# Largest slope of a smoothed displacement, and largest slope that the edge of a protected
# region adds. Their sum stays below 1, so that no field can fold.
MAX_SLOPE = 0.6
MAX_EDGE_SLOPE = 0.35


class FieldUNet(nn.Module):
    """Encoder and decoder with skip connections, for inputs of any size.

    Normalization is over groups of channels, so that rows are independent.

    Parameters
    ----------
    n_dims : {1, 2}
        Signals or images.
    n_in, n_out : int
        Channels of the input and of the output.
    n_filters : int
        Channels at full size; twice and four times as many at the coarser sizes.
    """

    def __init__(self, n_dims: int, n_in: int, n_out: int, n_filters: int) -> None:
        super().__init__()
        widths = [n_filters, 2 * n_filters, 4 * n_filters, 4 * n_filters]
        self.stem = _block(n_dims, n_in, n_filters)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for fine, coarse in pairwise(widths):
            self.down.append(_block(n_dims, fine, coarse, stride=2))
            self.up.append(_block(n_dims, fine + coarse, fine))
        self.output = CONV[n_dims](n_filters, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n_rows, n_out, *size) for (n_rows, n_in, *size)."""
        x, skips = self.stem(x), []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for block, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = block(torch.cat([skip, F.interpolate(x, size=skip.shape[2:])], dim=1))
        return self.output(x)


class NoiseField(nn.Module):
    """Adds a field that a U-Net predicts from the input and a draw.

    Parameters
    ----------
    size : sequence of int
        Samples of a signal, or height and width of an image.
    n_channels : int
        Leads or colors.
    degree : float
        Bound of the field.
    n_filters : int
        As in `FieldUNet`.
    smoothing : float
        Standard deviation in samples of the Gaussian that smooths the field; 0 is none.
    """

    kernel: Tensor

    def __init__(
        self,
        size: Sequence[int],
        n_channels: int,
        degree: float,
        n_filters: int,
        smoothing: float,
    ) -> None:
        super().__init__()
        self.degree = degree
        n_out = self._n_out(size, n_channels)
        self.unet = FieldUNet(len(size), n_channels + 1, n_out, n_filters)
        kernel = _gaussian(smoothing, longest=max(size))
        self.register_buffer("kernel", kernel, persistent=False)

    def _n_out(self, size: Sequence[int], n_channels: int) -> int:
        return n_channels

    def field(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the field of each row (n_rows, n_out, *size), within the degree.

        Parameters
        ----------
        x : Tensor of shape (n_rows, n_channels, *size)
            Values mostly between 0 and 1.
        draws : Tensor of shape (n_rows, 16)
            Standard normal numbers.
        """
        n_dims = x.ndim - 2
        channel = F.interpolate(
            draws.unflatten(1, (1, *COARSE[n_dims])),
            size=x.shape[2:],
            mode=ENLARGE[n_dims],
            align_corners=True,
        )
        field = self.degree * torch.tanh(self.unet(torch.cat([x, channel], dim=1)))
        if len(self.kernel) == 1:
            return field
        conv, n_out = (F.conv1d, F.conv2d)[n_dims - 1], field.shape[1]
        for axis in range(n_dims):
            shape = [1] * n_dims
            shape[axis] = -1
            weight = self.kernel.reshape(1, 1, *shape).expand(n_out, 1, *[-1] * n_dims)
            field = conv(field, weight, padding="same", groups=n_out)
        return field

    def perturb(self, x: Tensor, field: Tensor) -> Tensor:
        """Return x with the field added."""
        return x + field

    def forward(self, x: Tensor, draws: Tensor, freedom: Tensor) -> Tensor:
        """Return perturbed rows; `freedom` (n_rows, 1, *size) in [0, 1] scales the field."""
        return self.perturb(x, freedom * self.field(x, draws))


class FlowField(NoiseField):
    """Samples the input at places that a smooth displacement without folds determines.

    A Gaussian smooths the displacement, not the grid that it is added to: where there is no
    displacement nothing changes, also at the borders. The field holds displacements
    (n_rows, n_dims, *size) along each axis, in half sides. The displacement of a beat is 0
    in its middle, where the R peak is.

    Parameters
    ----------
    size, n_channels, n_filters : sequence of int, int, int
        As in `NoiseField`.
    degree : float
        Bound of the displacement, in half sides of the image.
    smoothing : float
        As in `NoiseField`, or more if the slope of a displacement could exceed 1 otherwise.
        A Gaussian bounds the slope of a field within -1 to 1 by
        ``sqrt(2 / pi) / smoothing``.
    """

    def __init__(
        self,
        size: Sequence[int],
        n_channels: int,
        degree: float,
        n_filters: int,
        smoothing: float,
    ) -> None:
        reach = degree * (max(size) - 1) / 2
        # The field of a beat is half of a difference of two displacements.
        steepest = math.sqrt(2 / math.pi) * reach * {1: 0.5, 2: 2.0}[len(size)]
        width = max(smoothing, steepest / MAX_SLOPE)
        super().__init__(size, n_channels, degree, n_filters, width)

    def _n_out(self, size: Sequence[int], n_channels: int) -> int:
        return len(size)

    def field(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the field of each row (n_rows, n_dims, *size), within the degree."""
        field = super().field(x, draws)
        if x.ndim > 3:
            return field
        # A shift of the whole beat hides nothing, because its R peak is known.
        middle = x.shape[2] // 2
        return (field - field[:, :, middle : middle + 1]) / 2

    def perturb(self, x: Tensor, field: Tensor) -> Tensor:
        """Return x sampled at the displaced places."""
        return warp(x, field)


def warp(x: Tensor, displacement: Tensor) -> Tensor:
    """Return x sampled at displaced places; beyond a border the border value continues.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_channels, *size)
        Signals or images.
    displacement : Tensor of shape (n_rows, n_dims, *size)
        Along each axis, in half sides: 2 is the way from the first to the last sample.
    """
    if x.ndim == 3:
        along = torch.cat([torch.zeros_like(displacement), displacement], dim=1)
        return warp(x[:, :, None], along[:, :, None])[:, :, 0]
    steps = [torch.linspace(-1, 1, n, dtype=x.dtype, device=x.device) for n in x.shape[2:]]
    places = torch.stack(torch.meshgrid(*steps, indexing="ij")) + displacement
    # grid_sample counts columns before rows.
    grid = places.flip(1).movedim(1, -1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=True)


class AuxiliaryNets(nn.Module):
    """The verifier that a perturbation is trained against, and the classifier it preserves.

    Parameters
    ----------
    n_dims, n_channels : int
        As in `VerificationNet` and in `ResNet18`.
    width : int
        Channels of the first stage of both.
    n_classes : int
        Clinical classes; there is no classifier for a single one.
    """

    def __init__(self, n_dims: int, n_channels: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.verifier = VerificationNet(n_dims, n_channels, width, augment=True)
        self.classifier = (
            ResNet18(n_dims, n_channels, n_classes, width) if n_classes > 1 else None
        )


def _gaussian(width: float, longest: int) -> Tensor:
    """Return weights of sum 1, without those beyond the length of the input."""
    radius = math.ceil(4 * width)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-(steps**2) / (2 * max(width, 1e-9) ** 2))
    reach = min(radius, longest - 1)
    return (weights / weights.sum())[radius - reach : radius + reach + 1].float()


def _block(n_dims: int, n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    conv, kernel = CONV[n_dims], KERNEL[n_dims]
    return nn.Sequential(
        conv(n_in, n_out, kernel, stride, kernel // 2),
        nn.GroupNorm(math.gcd(N_GROUPS, n_out), n_out),
        nn.ReLU(),
        conv(n_out, n_out, kernel, 1, kernel // 2),
        nn.GroupNorm(math.gcd(N_GROUPS, n_out), n_out),
        nn.ReLU(),
    )
