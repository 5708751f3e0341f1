"""A net that predicts whether two images, or two signals, are of one person."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.networks._resnet import ResNet18

# Number of cells per axis over which the last stage is averaged. Cells preserve positions.
GRID = {1: 8, 2: 3}
POOL = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d}
# Standard deviations of the augmentation, which imitates another visit. Shifts are fractions
# of the size, turns in radians, drift and noise in standard deviations of the signal.
SHIFT = {1: 0.02, 2: 0.06}
ZOOM = {1: 0.04, 2: 0.08}
TURN = 0.05
GAMMA = 0.3
# Random numbers of an affine map.
N_POSE = 5
# For masks of regions: images of other machines differ by more than those of one person.
FAR_ZOOM = 0.15
FAR_TURN = 0.1
EXPOSURE_GRID = (5, 5)
EXPOSURE = 0.6
EXPOSURE_NOISE = 0.2
DRIFT = 0.2
NOISE = 0.1


class VerificationNet(nn.Module):
    """One ResNet for both sides of a pair, and the cosine of the two embeddings.

    Every row of one side is compared with every row of the other.

    Parameters
    ----------
    n_dims : {1, 2}
        Signals or images.
    n_channels : int
        Leads or colors.
    width : int
        Channels of the first stage of the ResNet.
    augment : bool
        Whether rows are augmented in training, to imitate another visit.
    n_embedding : int
        Dimensions of the embedding.
    """

    def __init__(
        self, n_dims: int, n_channels: int, width: int, augment: bool, n_embedding: int = 64
    ) -> None:
        super().__init__()
        self.n_dims, self.augment = n_dims, augment
        self.layers = ResNet18(n_dims, n_channels, 1, width).layers
        self.dense = nn.Linear(8 * width * GRID[n_dims] ** n_dims, n_embedding)
        # An untrained net has a probability of one half at a cosine of one half.
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-5.0))

    def embed(self, x: Tensor) -> Tensor:
        """Return a point of length 1 for each row: (n_rows, n_embedding)."""
        cells = POOL[self.n_dims](self.layers(standardized(x)), GRID[self.n_dims])
        return F.normalize(self.dense(cells.flatten(1)))

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the logit of all pairs of points: (n_left, n_right)."""
        return self.log_scale.exp() * left @ right.T + self.bias

    def forward(self, pairs: Tensor) -> Tensor:
        """Return logits (n, n) of rows (2, n, n_channels, *size), left ones first."""
        x = pairs.flatten(0, 1)
        if self.training and self.augment:
            x = another_visit(x)
        left, right = self.embed(x).chunk(2)
        return self.compare(left, right)


class PairLoss(nn.Module):
    """Cross-entropy over all pairs of a batch; genuine and impostor pairs have equal weight."""

    def forward(self, logits: Tensor, subject: Tensor) -> Tensor:
        """Return the loss of logits (n, n), where row and column k are of subject[k]."""
        same = subject[:, None] == subject[None]
        genuine = (F.softplus(-logits) * same).sum() / same.sum()
        impostor = (F.softplus(logits) * ~same).sum() / (~same).sum().clamp_min(1)
        return genuine + impostor


def standardized(x: Tensor) -> Tensor:
    """Return rows (n_rows, n_channels, *size) of mean 0 and deviation 1 by channel."""
    flat = x.flatten(2)
    centered = flat - flat.mean(dim=2, keepdim=True)
    return (centered / flat.std(dim=2, correction=0, keepdim=True).clamp_min(1e-3)).view_as(x)


def another_visit(x: Tensor) -> Tensor:
    """Return rows as they might look at another visit of the same person.

    Images are shifted, turned, scaled and changed in exposure. They are never flipped,
    because anatomy is not symmetric. Signals are shifted and stretched, and get baseline
    drift and noise.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_channels, n_times) or (n_rows, n_channels, h, w)
        Images with values from 0 to 1, or signals.

    Returns
    -------
    changed : Tensor of the same shape
        Each row has its own random change.
    """
    if x.ndim == 4:
        moved = _moved(x, SHIFT[2], ZOOM[2], TURN)
        gamma = torch.exp(GAMMA * torch.randn(len(x), 1, 1, 1, device=x.device))
        return moved.clamp(1e-4, 1) ** gamma
    moved = standardized(_moved(x[:, :, None], SHIFT[1], ZOOM[1], 0.0)[:, :, 0])
    line = torch.linspace(-1, 1, x.shape[2], device=x.device)
    slope, bend, noise = torch.randn(3, len(x), 1, 1, device=x.device)
    drift = DRIFT * (slope * line + bend * (line**2 - 1 / 3))
    return moved + drift + NOISE * noise * torch.randn_like(x)


def another_exposure(x: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return images with their masks as another machine and another posture might show them.

    Images are moved as in `another_visit`, but further, and their masks with them. Contrast
    changes, and a smooth field is added, which imitates scattered rays and opacities.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_channels, h, w)
        Images of any scale.
    masks : Tensor of shape (n_rows, 1, h, w)
        0 and 1.

    Returns
    -------
    changed : Tensor of shape (n_rows, n_channels, h, w)
        Standardized images.
    masks : Tensor of shape (n_rows, 1, h, w)
        0 and 1.
    """
    both = _moved(torch.cat([x, masks], dim=1), SHIFT[2], FAR_ZOOM, FAR_TURN)
    moved, masks = both[:, :-1], (both[:, -1:] > 0.5).to(masks.dtype)
    low, high = moved.amin((2, 3), keepdim=True), moved.amax((2, 3), keepdim=True)
    unit = ((moved - low) / (high - low).clamp_min(1e-6)).clamp(1e-4, 1)
    gamma = torch.exp(GAMMA * torch.randn(len(x), 1, 1, 1, device=x.device))
    coarse = torch.randn(len(x), 1, *EXPOSURE_GRID, device=x.device)
    field = F.interpolate(coarse, size=x.shape[2:], mode="bicubic", align_corners=True)
    size = EXPOSURE * torch.rand(len(x), 1, 1, 1, device=x.device)
    noise = EXPOSURE_NOISE * torch.rand_like(size) * torch.randn_like(moved)
    return standardized(standardized(unit**gamma) + size * field + noise), masks


def _moved(x: Tensor, shift: float, zoom: float, turn: float) -> Tensor:
    """Return images under random affine maps near the identity, with continued borders."""
    pose = torch.randn(N_POSE, len(x), device=x.device)
    return move_images(x, pose, shift, zoom, turn)


def move_images(x: Tensor, pose: Tensor, shift: float, zoom: float, turn: float) -> Tensor:
    """Return images under affine maps near the identity, with continued borders.

    Parameters
    ----------
    x : Tensor of shape (n_rows, n_channels, h, w)
        Images.
    pose : Tensor of shape (5, n_rows)
        Standard normal numbers: turn, scale, aspect, and shifts down and to the right.
    shift, zoom, turn : float
        Standard deviations, as fractions of the side, as logarithms, and in radians.
    """
    angle, scale, aspect, down, along = pose
    angle = turn * angle
    wide, high = torch.exp(zoom * (scale + aspect / 2)), torch.exp(zoom * (scale - aspect / 2))
    maps = torch.stack(
        [
            torch.stack([wide * angle.cos(), -angle.sin(), 2 * shift * along], dim=1),
            torch.stack([angle.sin(), high * angle.cos(), 2 * shift * down], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(maps, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)
