"""Generator, encoder and discriminator for small images of any size."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

# Convolutions coarsen an image to at most this number of rows and columns (a line to its
# square), in at most MAX_LEVELS steps.
COARSEST = 4
MAX_LEVELS = 4
N_HIDDEN = 128
SLOPE = 0.2
N_GROUPS = 4


class Grid(NamedTuple):
    """Kernels and strides of the convolutions over an image.

    Attributes
    ----------
    kernel, factor : tuple of int
        Size of a kernel in pixels, and factor of a coarsening, in each direction.
    sizes : list of tuple of int
        Height and width at each level, beginning with the image itself.
    """

    kernel: tuple[int, int]
    factor: tuple[int, int]
    sizes: list[tuple[int, int]]

    @classmethod
    def of(cls, height: int, width: int) -> Grid:
        """Return kernels of 3 x 3 and a factor of 2, or of 9 and 4 for an image of one line.

        Both have nine weights and reduce the number of pixels to a quarter, so that a
        generator of lines and one of images have the same size [1]_ and can be compared.

        References
        ----------
        .. [1] C. Donahue, J. McAuley, M. Puckette, "Adversarial audio synthesis", ICLR,
           2019, flattens DCGAN in this way.
        """
        line = min(height, width) == 1
        kernel, factor = (9, 4) if line else (3, 2)
        coarsest = COARSEST**2 if line else COARSEST
        sizes = [(height, width)]
        while max(sizes[-1]) > coarsest and len(sizes) <= MAX_LEVELS:
            h, w = sizes[-1]
            sizes.append((-(-h // factor), -(-w // factor)))
        wide = [side > 1 for side in (height, width)]
        return cls(
            (kernel if wide[0] else 1, kernel if wide[1] else 1),
            (factor if wide[0] else 1, factor if wide[1] else 1),
            sizes,
        )

    @property
    def padding(self) -> tuple[int, int]:
        """Padding that preserves the size of an image."""
        return self.kernel[0] // 2, self.kernel[1] // 2

    def widths(self, width: int) -> list[int]:
        """Return the channels at each level: doubled twice at most."""
        return [width * min(2**level, 4) for level in range(len(self.sizes))]


class InvertibleGenerator(nn.Module):
    """A conditional generator with an encoder that predicts latent and class of an image.

    One part of the latent belongs to the record, the other to the beat. Rows are
    independent.

    Parameters
    ----------
    n_channels, height, width : int
        Shape of an image.
    n_record, n_beat : int
        Dimensions of the two parts of the latent.
    n_conditions : int
        Length of the condition, a one-hot code of the class of each window of an image.
    n_filters : int
        Channels of the convolutions at full size.
    """

    def __init__(
        self,
        n_channels: int,
        height: int,
        width: int,
        *,
        n_record: int,
        n_beat: int,
        n_conditions: int,
        n_filters: int,
    ) -> None:
        super().__init__()
        self.n_record, self.n_beat = n_record, n_beat
        grid = Grid.of(height, width)
        widths = grid.widths(n_filters)
        n_latent = n_record + n_beat
        self.style = nn.Sequential(
            nn.Linear(n_latent + n_conditions, N_HIDDEN),
            nn.LeakyReLU(SLOPE),
            nn.Linear(N_HIDDEN, N_HIDDEN),
            nn.LeakyReLU(SLOPE),
        )
        self.start = nn.Linear(N_HIDDEN, widths[-1] * grid.sizes[-1][0] * grid.sizes[-1][1])
        self.coarsest = (widths[-1], *grid.sizes[-1])
        ways = list(pairwise(zip(widths, grid.sizes, strict=True)))
        self.up = nn.ModuleList(
            _Up(n_in, n_out, size, grid) for (n_out, size), (n_in, _) in reversed(ways)
        )
        self.output = nn.Conv2d(widths[0], n_channels, grid.kernel, padding=grid.padding)
        self.encoder = _trunk(n_channels, grid, n_filters)
        self.latent = nn.Linear(N_HIDDEN, n_latent + n_conditions)

    def generate(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return images (n, n_channels, height, width) of latents (n, n_record + n_beat)."""
        style = self.style(torch.cat([z, condition], dim=1))
        x = self.start(style).unflatten(1, self.coarsest)
        for block in self.up:
            x = block(x, style)
        return self.output(x)

    def invert(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the latent of images, and logits of the classes: (n, n_conditions)."""
        both = self.latent(self.encoder(images))
        return both.tensor_split([self.n_record + self.n_beat], dim=1)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return `generate` of latents and conditions."""
        return self.generate(z, condition)


class Discriminator(nn.Module):
    """Distinguishes generated from real groups of images, and may predict their classes.

    All images of a group are of one record and form the channels of the input, so that the
    discriminator also checks whether they belong together [1]_. The spread of the features
    within a batch is a further input [2]_, so that it recognizes a generator that repeats
    itself.

    Parameters
    ----------
    n_views : int
        Images of a group.
    n_channels, height, width : int
        Shape of one of them.
    n_conditions : int
        Length of the condition of one of them.
    n_filters : int
        Channels of the convolutions at full size.
    classifies : bool
        True if the discriminator predicts the classes (it returns logits), False if it gets
        them as an input (a projection onto the features [3]_).
    normalized : bool
        Whether weights are divided by their spectral norm.
    compares : bool, default=True
        Whether the spread within the batch is an input. Without it groups are independent.

    References
    ----------
    .. [1] C. Donahue et al., "Semantically decomposing the latent spaces of generative
       adversarial networks", ICLR, 2018.
    .. [2] T. Karras et al., "Progressive growing of GANs", ICLR, 2018.
    .. [3] T. Miyato, M. Koyama, "cGANs with projection discriminator", ICLR, 2018.
    """

    def __init__(
        self,
        n_views: int,
        n_channels: int,
        height: int,
        width: int,
        *,
        n_conditions: int,
        n_filters: int,
        classifies: bool,
        normalized: bool,
        compares: bool = True,
    ) -> None:
        super().__init__()
        self.features = _trunk(n_views * n_channels, Grid.of(height, width), n_filters)
        self.score = nn.Linear(N_HIDDEN + 1, 1)
        self.classifies = classifies
        self.compares = compares
        n_codes = n_views * n_conditions
        self.classes = nn.Linear(N_HIDDEN, n_codes) if classifies else None
        self.projection = None if classifies else nn.Linear(n_codes, N_HIDDEN, bias=False)
        if normalized:
            for layer in self.modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return scores (n,) of groups, and logits of the classes if it classifies.

        Parameters
        ----------
        images : Tensor of shape (n, n_views, n_channels, height, width)
            Groups of images.
        condition : Tensor of shape (n, n_views, n_conditions)
            Their classes.
        """
        features = self.features(images.flatten(1, 2))
        spread = torch.zeros_like(features[:, :1])
        if self.compares:
            spread = spread + (features.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        score = self.score(torch.cat([features, spread], dim=1))[:, 0]
        if self.classes is not None:
            return score, self.classes(features)
        assert self.projection is not None
        return score + (features * self.projection(condition.flatten(1))).sum(dim=1), None


class _Up(nn.Module):
    """Enlarge and convolve; the style scales and shifts each channel."""

    def __init__(self, n_in: int, n_out: int, size: tuple[int, int], grid: Grid) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(n_in, n_out, grid.kernel, padding=grid.padding)
        self.style = nn.Linear(N_HIDDEN, 2 * n_out)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = self.conv(F.interpolate(x, size=self.size, mode="bilinear"))
        scale, shift = self.style(style)[:, :, None, None].chunk(2, dim=1)
        return F.leaky_relu(
            F.group_norm(x, math.gcd(N_GROUPS, x.shape[1])) * (1 + scale) + shift, SLOPE
        )


def _trunk(n_channels: int, grid: Grid, n_filters: int) -> nn.Sequential:
    """Return convolutions from an image to 128 numbers."""
    widths = grid.widths(n_filters)
    layers: list[nn.Module] = [
        nn.Conv2d(n_channels, widths[0], grid.kernel, padding=grid.padding),
        nn.LeakyReLU(SLOPE),
    ]
    for n_in, n_out in pairwise(widths):
        layers += [
            nn.Conv2d(n_in, n_out, grid.kernel, grid.factor, grid.padding),
            nn.LeakyReLU(SLOPE),
        ]
    h, w = grid.sizes[-1]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(widths[-1] * h * w, N_HIDDEN), nn.LeakyReLU(SLOPE)
    )
