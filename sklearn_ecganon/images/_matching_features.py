"""How well two images agree after one is moved onto the other, place by place."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

# Lengths below are pixels of images of this side; they scale with other sides.
REFERENCE = 128
# Standard deviations of the two Gaussians of a band: what is finer than the first, and what
# is coarser than the second, is removed.
COARSE_BAND, FINE_BAND = (2.0, 16.0), (0.7, 6.0)
# Side and distance of the patches that are compared, and how far each is moved.
PATCHES = ((20, 12), (32, 16))
REACH = 3
# Alignment: fractions of the side that images are reduced to, and steps of Adam at each.
STAGES = ((4, 60), (2, 40))
LEARNING_RATE = 0.03
# Weight of the squared zoom and shear, against the correlation.
STIFFNESS = 0.3
# Points of the distribution of the agreement of patches.
QUANTILES = np.linspace(0, 1, 9)
# Sides at which whole images are compared.
WHOLE = (8, 32, 64)
# Smallest deviation within a window, in those of the whole image.
FLAT = 0.01
# Pairs at a time.
CHUNK = 128


def bands(images: NDArray[np.float32], side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return square images, their coarse and their fine structure: three (n, 1, side, side).

    The contrast of both structures is the same everywhere, so that bright and dark places
    count alike.
    """
    rows = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))[:, None]
    height, width = (min(length, side) for length in rows.shape[2:])
    rows = F.adaptive_avg_pool2d(rows, (height, width))
    rows = F.interpolate(rows, (side, side), mode="bilinear", align_corners=False)
    centered = rows - rows.mean((2, 3), keepdim=True)
    spread = centered.std((2, 3), correction=0, keepdim=True)
    # Where all pixels are equal up to rounding, there is nothing to compare.
    level = rows.abs().amax((2, 3), keepdim=True)
    standard = torch.where(spread > 1e-6 * level, centered / spread.clamp_min(1e-30), 0.0)
    scale = side / REFERENCE
    coarse, fine = (
        _equal_contrast(standard, low * scale, high * scale)
        for low, high in (COARSE_BAND, FINE_BAND)
    )
    return standard, coarse, fine


def pair_features(
    left: tuple[Tensor, Tensor, Tensor],
    right: tuple[Tensor, Tensor, Tensor],
    pairs: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the agreement of each pair: (n_pairs, n_features).

    Parameters
    ----------
    left, right : tuple of Tensor
        What `bands` returns.
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions in `left` and in `right`.
    """
    chunks = []
    for start in range(0, len(pairs), CHUNK):
        rows = torch.from_numpy(pairs[start : start + CHUNK])
        chunks.append(
            _features([one[rows[:, 0]] for one in left], [one[rows[:, 1]] for one in right])
        )
    return np.concatenate(chunks)


def align(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """Return affine maps (n, 2, 3) that move images onto others, and the correlation.

    Parameters
    ----------
    fixed, moving : Tensor of shape (n, 1, side, side)
        Coarse structure of both images of each pair.
    """
    n, side = len(fixed), fixed.shape[-1]
    identity = torch.eye(2, 3).expand(n, 2, 3)
    change = torch.zeros(n, 2, 3, requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=LEARNING_RATE)
    agreement = torch.zeros(n)
    for divisor, n_steps in STAGES:
        size = max(4, side // divisor)
        first, second = (F.adaptive_avg_pool2d(x, size) for x in (fixed, moving))
        for _ in range(n_steps):
            with torch.enable_grad():
                agreement = _correlation(first, move(second, identity + change))
                loss = STIFFNESS * (change[:, :, :2] ** 2).sum() - agreement.sum()
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
    return (identity + change).detach(), agreement.detach()


def move(images: Tensor, maps: Tensor) -> Tensor:
    """Return images (n, 1, h, w) moved by affine maps (n, 2, 3)."""
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False, padding_mode="border")


def local_agreement(fixed: Tensor, moved: Tensor, patch: int, step: int, reach: int) -> Tensor:
    """Return the correlation of patches: (n, (2 * reach + 1) ** 2, n_rows, n_columns).

    Parameters
    ----------
    fixed, moved : Tensor of shape (n, 1, side, side)
        Both images of each pair.
    patch, step : int
        Side of a patch, and distance between patches.
    reach : int
        Largest shift of the patches of the second image, in either direction.
    """
    side, n_shifts = fixed.shape[-1], 2 * reach + 1
    fixed, wide = fixed[:, 0], F.pad(moved, (reach,) * 4, mode="reflect")[:, 0]
    # Means of patches are products with these matrices, the second one for all shifts at once.
    still = _patch_means(side, side, patch, step, 0).to(fixed)
    all_shifts = torch.cat(
        [_patch_means(side, side + 2 * reach, patch, step, i) for i in range(n_shifts)]
    ).to(fixed)

    def of_shifts(images: Tensor) -> Tensor:
        means = all_shifts @ images @ all_shifts.T
        length = len(still)
        blocks = means.reshape(len(images), n_shifts, length, n_shifts, length)
        return blocks.transpose(2, 3).reshape(len(images), n_shifts**2, length, length)

    mean, other_mean = still @ fixed @ still.T, of_shifts(wide)
    variance = (still @ fixed**2 @ still.T - mean**2).clamp_min(1e-6)
    other_variance = (of_shifts(wide**2) - other_mean**2).clamp_min(1e-6)
    products = torch.stack(
        [
            still @ (fixed * wide[:, i : i + side, j : j + side]) @ still.T
            for i in range(n_shifts)
            for j in range(n_shifts)
        ],
        dim=1,
    )
    covariance = products - mean[:, None] * other_mean
    return covariance / (variance[:, None] * other_variance).sqrt()


def _patch_means(side: int, width: int, patch: int, step: int, shift: int) -> Tensor:
    """Return a matrix (n_patches, width) that averages each patch of a line."""
    starts = torch.arange(0, side - patch + 1, step) + shift
    place = torch.arange(width)
    inside = (place >= starts[:, None]) & (place < starts[:, None] + patch)
    return inside.float() / patch


def _features(left: list[Tensor], right: list[Tensor]) -> NDArray[np.float64]:
    """Return features, the mean of moving the right image and of moving the left one."""
    maps, agreement = align(left[1], right[1])
    both = [
        _directed_features(left, right, maps),
        _directed_features(right, left, _inverse(maps)),
    ]
    columns = [agreement[:, None], (both[0] + both[1]) / 2]
    return torch.cat(columns, dim=1).double().numpy()


def _inverse(maps: Tensor) -> Tensor:
    """Return the affine maps that undo others."""
    back = torch.linalg.inv(maps[:, :, :2])
    return torch.cat([back, -back @ maps[:, :, 2:]], dim=2)


def _directed_features(fixed: list[Tensor], moving: list[Tensor], maps: Tensor) -> Tensor:
    scale = fixed[0].shape[-1] / REFERENCE
    moved, moved_fine = move(moving[0], maps), move(moving[2], maps)
    columns = [(maps - torch.eye(2, 3))[:, :, :2].flatten(1).abs().sqrt()]
    for patch, step in PATCHES:
        columns += _patch_columns(
            fixed[2],
            moved_fine,
            max(2, round(patch * scale)),
            max(1, round(step * scale)),
            max(1, round(REACH * scale)),
        )
    for size in WHOLE:
        small, other, other_moved = (
            F.adaptive_avg_pool2d(x, min(size, fixed[0].shape[-1]))
            for x in (fixed[0], moving[0], moved)
        )
        columns += [_correlation(small, x)[:, None] for x in (other, other_moved)]
    return torch.cat(columns, dim=1)


def _patch_columns(
    fixed: Tensor, moved: Tensor, patch: int, step: int, reach: int
) -> list[Tensor]:
    """Return how well patches agree, and how unevenly they have to be moved for it."""
    agreement = local_agreement(fixed, moved, patch, step, reach)
    best, place = agreement.max(dim=1)
    n_shifts = 2 * reach + 1
    shift = torch.stack([place // n_shifts, place % n_shifts], dim=1).float() - reach
    levels = torch.quantile(best.flatten(1), torch.tensor(QUANTILES, dtype=best.dtype), dim=1)
    unmoved = agreement[:, agreement.shape[1] // 2]
    single = (
        best.mean((1, 2)),
        unmoved.mean((1, 2)),
        shift.abs().mean((1, 2, 3)),
        shift.diff(dim=2).abs().mean((1, 2, 3)),
        shift.diff(dim=3).abs().mean((1, 2, 3)),
    )
    return [levels.T, *(column[:, None] for column in single)]


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    rows = [(x - x.mean((1, 2, 3), keepdim=True)).flatten(1) for x in (first, second)]
    return F.cosine_similarity(rows[0], rows[1])


def _equal_contrast(images: Tensor, low: float, high: float) -> Tensor:
    band = _blurred(images, low) - _blurred(images, high)
    return band / _blurred(band**2, high).sqrt().clamp_min(FLAT)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    reach = min(int(3 * sigma + 0.5), images.shape[-1] - 1)
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    across = F.conv2d(padded, kernel[None, None, None, :])
    return F.conv2d(across, kernel[None, None, :, None])
