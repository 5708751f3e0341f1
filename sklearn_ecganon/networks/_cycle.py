"""Translators between two domains of images or signals, and discriminators of patches."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.networks._gan import SLOPE, Grid

# Largest number of times that a discriminator coarsens an image by each factor. Its patches
# then have 49 x 49 pixels, or 81 samples.
N_COARSENED = {2: 3, 4: 1}
# Standard deviation of the initial weights through which a draw changes a translation.
STYLE = 0.1


class UNetTranslator(nn.Module):
    """A U-Net from an image to an image of the same size, with a skip connection per level.

    Each channel of each image is normalized on its own, except at full size, so that the
    amplitude of an R wave or the brightness of a tissue passes through the first skip
    connection. Rows are independent.

    Parameters
    ----------
    n_channels, height, width : int
        Shape of an image. For an image of one line all convolutions are one-dimensional.
    n_latent : int
        Length of the draw of a record, which scales and shifts the coarsest channels.
    n_filters : int
        Channels at full size.
    """

    def __init__(
        self, n_channels: int, height: int, width: int, *, n_latent: int, n_filters: int
    ) -> None:
        super().__init__()
        grid = Grid.of(height, width)
        widths = grid.widths(n_filters)
        self.stem = nn.Sequential(_conv(n_channels, widths[0], grid), nn.LeakyReLU(SLOPE))
        self.down = nn.ModuleList(
            nn.Sequential(
                _conv(n_in, n_out, grid, grid.factor),
                *_normal(n_out),
                _conv(n_out, n_out, grid),
                *_normal(n_out),
            )
            for n_in, n_out in pairwise(widths)
        )
        self.style = nn.Linear(n_latent, 2 * widths[-1])
        nn.init.normal_(self.style.weight, std=STYLE)
        nn.init.zeros_(self.style.bias)
        self.up = nn.ModuleList(
            nn.Sequential(_conv(coarse + fine, fine, grid), *_normal(fine))
            for fine, coarse in reversed(list(pairwise(widths)))
        )
        self.output = _conv(2 * widths[0], n_channels, grid)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return translations of images (n, c, h, w) under draws (n, n_latent)."""
        skips = [self.stem(x)]
        for block in self.down:
            skips.append(block(skips[-1]))
        scale, shift = self.style(z)[:, :, None, None].chunk(2, dim=1)
        x = skips.pop() * (1 + scale) + shift
        if not skips:  # the image is too small to be halved
            return self.output(torch.cat([x, x], dim=1))
        full = skips[0]
        for block, skip in zip(self.up, reversed(skips), strict=True):
            # The gradient of nearest-neighbor interpolation is the same on every device.
            x = block(torch.cat([F.interpolate(x, size=skip.shape[2:]), skip], dim=1))
        return self.output(torch.cat([x, full], dim=1))


class TwoTranslators(nn.Module):
    """A translator for each direction; the parameters are those of `UNetTranslator`."""

    def __init__(self, **shape: int) -> None:
        super().__init__()
        self.a_to_b = UNetTranslator(**shape)
        self.b_to_a = UNetTranslator(**shape)


class PatchDiscriminator(nn.Module):
    """Gives each patch of an image a score of how real it looks [1]_.

    Parameters
    ----------
    n_channels, height, width : int
        Shape of an image.
    n_filters : int
        Channels of the first convolution.

    References
    ----------
    .. [1] P. Isola et al., "Image-to-image translation with conditional adversarial
       networks", CVPR, 2017.
    """

    def __init__(self, n_channels: int, height: int, width: int, *, n_filters: int) -> None:
        super().__init__()
        grid = Grid.of(height, width)
        widths = grid.widths(n_filters)[: N_COARSENED[max(grid.factor)] + 1]
        layers = [_conv(n_channels, widths[0], grid), nn.LeakyReLU(SLOPE)]
        for n_in, n_out in pairwise(widths):
            layers += [_conv(n_in, n_out, grid, grid.factor), *_normal(n_out)]
        last = widths[-1]
        layers += [_conv(last, last, grid), *_normal(last), _conv(last, 1, grid)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (n, 1, rows, columns) of the patches of images (n, c, h, w)."""
        return self.layers(images)


class TwoDiscriminators(nn.Module):
    """A discriminator for each domain; the parameters are those of `PatchDiscriminator`."""

    def __init__(self, **shape: int) -> None:
        super().__init__()
        self.a = PatchDiscriminator(**shape)
        self.b = PatchDiscriminator(**shape)


def _conv(n_in: int, n_out: int, grid: Grid, stride: int | tuple[int, int] = 1) -> nn.Module:
    return nn.Conv2d(n_in, n_out, grid.kernel, stride, grid.padding)


def _normal(n_channels: int) -> tuple[nn.Module, nn.Module]:
    # Groups of one channel are instance normalization, which is faster in this form.
    return nn.GroupNorm(n_channels, n_channels), nn.LeakyReLU(SLOPE)
