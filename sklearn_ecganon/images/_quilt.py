"""A population of synthetic people, each sewn together from places of several real images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

# Pixels a side at which images are compared to find people who are alike.
COARSE = 12
# Points a side that smooth functions of the place are drawn at, with a margin, and the
# Gaussians that smooth weights and displacements. They are interpolated to an image's size.
GRID, MARGIN = 16, 8
WEIGHT_SMOOTHING, WARP_SMOOTHING = 2.5, 3.5
# Width of the bins of spatial frequency, in half-periods a side.
BIN = 4
# Largest factor by which a spatial frequency is amplified or weakened.
LARGEST_GAIN = 2.0
# Synthetic people at a time.
CHUNK = 64


def quilted_people(
    images: NDArray[np.float32],
    patients: NDArray[np.intp],
    n_people: int,
    n_neighbors: int,
    n_others: int,
    sharpness: float,
    warp: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return synthetic images of one class.

    Parameters
    ----------
    images : ndarray of shape (n, h, w)
        Images of the class, on any scale.
    patients : ndarray of int of shape (n,)
        The patient of each.
    n_people : int
        How many synthetic images are made.
    n_neighbors, n_others : int
        Patients who resemble the drawn one, and how many of them are combined.
    sharpness : float
        0 gives all of them the same weight everywhere.
    warp : float
        Standard deviation of the smooth displacement of each image that is combined, as a
        fraction of the side.
    rng : numpy.random.Generator
        Draws everything.

    Returns
    -------
    people : ndarray of shape (n_people, h, w)
        Within the range of `images`.
    """
    features = coarse_features(images)
    people = np.empty((n_people, *images.shape[1:]), dtype=np.float32)
    leaders = rng.integers(len(images), size=n_people)
    for start in range(0, n_people, CHUNK):
        rows = slice(start, start + CHUNK)
        leads = leaders[rows]
        shape, size = (len(leads), n_others), images.shape[1:]
        weights = np.exp(sharpness * _smooth_fields(shape, size, WEIGHT_SMOOTHING, rng))
        moves = _smooth_fields((*shape, 2), size, WARP_SMOOTHING, rng)
        for person, lead, weight, move in zip(people[rows], leads, weights, moves, strict=True):
            similar = _similar(features, patients, lead, n_neighbors)
            others = rng.permutation(similar)[:n_others]
            mean = images[similar].mean(axis=0)
            weight = weight[: len(others)]
            weight = weight / np.sqrt((weight**2).sum(axis=0))
            warped = _displaced(images[others], warp * move[: len(others)])
            person[:] = mean + (weight * (warped - mean)).sum(axis=0)
    people = _with_spectrum(people, images)
    return np.clip(people, images.min(), images.max())


def coarse_features(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return standardized pixels of small copies of images, one copy a row."""
    height, width = (min(COARSE, length) for length in images.shape[1:])
    small = F.adaptive_avg_pool2d(torch.from_numpy(images)[:, None], (height, width))
    rows = small.flatten(1).double().numpy()
    centered = rows - rows.mean(axis=1, keepdims=True)
    return centered / np.maximum(centered.std(axis=1, keepdims=True), 1e-6)


def _similar(
    features: NDArray[np.float64], patients: NDArray[np.intp], lead: int, n_neighbors: int
) -> NDArray[np.intp]:
    """Return the images most similar to one, one a patient, without the patient of that one.

    Of two patients, both are returned: a synthetic person must not be a copy of the other.
    """
    distance = ((features - features[lead]) ** 2).sum(axis=1)
    order = np.argsort(distance, kind="stable")
    if len(np.unique(patients)) > 2:
        order = order[patients[order] != patients[lead]]
    first = np.sort(np.unique(patients[order], return_index=True)[1])
    return order[first[:n_neighbors]]


def _smooth_fields(
    shape: tuple[int, ...], size: tuple[int, ...], smoothing: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return smooth random functions of the place (*shape, h, w), of unit variance."""
    side = GRID + 2 * MARGIN
    noise = rng.standard_normal((*shape, side, side))
    smooth = gaussian_filter(noise, (0,) * len(shape) + (smoothing, smoothing))
    smooth = smooth[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    smooth /= smooth.std(axis=tuple(range(1, smooth.ndim)), keepdims=True)
    points = torch.from_numpy(smooth.astype(np.float32)).reshape(shape[0], -1, GRID, GRID)
    fields = F.interpolate(points, size=size, mode="bicubic", align_corners=True)
    return fields.reshape(*shape, *size).numpy()


def _displaced(images: NDArray[np.float32], fields: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images (n, h, w), each moved by a field (n, 2, h, w) of fractions of the side."""
    height, width = images.shape[1:]
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, height, width], align_corners=False)
    # The whole image is two units wide.
    grid = still + 2 * torch.from_numpy(fields).movedim(1, -1)
    rows = torch.from_numpy(images)[:, None]
    moved = F.grid_sample(
        rows, grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    return moved[:, 0].numpy()


def _with_spectrum(
    people: NDArray[np.float32], images: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return synthetic images with the power of real ones at each spatial frequency.

    Where images were moved by fractions of a pixel they have lost fine detail, and where
    parts of several ones meet there are more edges.
    """
    height, width = images.shape[1:]
    across, down = np.meshgrid(np.arange(width) / width, np.arange(height) / height)
    frequency = np.hypot(across, down) * min(height, width)
    bins = (frequency / BIN).astype(np.intp).ravel()
    mean = people.mean(axis=0)
    transformed = dctn(people - mean, axes=(1, 2), norm="ortho")
    powers = [
        np.bincount(bins, (rows**2).mean(axis=0).ravel()) / np.bincount(bins)
        for rows in (transformed, dctn(images - images.mean(axis=0), axes=(1, 2), norm="ortho"))
    ]
    gains = np.sqrt(powers[1] / np.maximum(powers[0], np.finfo(np.float32).tiny))
    gains = np.clip(gains, 1 / LARGEST_GAIN, LARGEST_GAIN)
    centers = BIN * (np.arange(len(gains)) + 0.5)
    gain = np.interp(frequency, centers, gains).astype(np.float32)
    return mean + idctn(gain * transformed, axes=(1, 2), norm="ortho")
