"""A population of synthetic people, each sewn together from places of several real images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

# Pixels a side at which images are compared to find people who are alike.
COARSE = 12
# Points a side that weights are drawn at, with a margin, and the Gaussian that smooths them.
# They are interpolated to the size of an image.
GRID, MARGIN, SMOOTHING = 16, 6, 2.5
# Synthetic people at a time.
CHUNK = 64


def quilted_people(
    images: NDArray[np.float32],
    patients: NDArray[np.intp],
    n_people: int,
    n_neighbors: int,
    n_others: int,
    sharpness: float,
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
        weights = _weights(len(leads), n_others, images.shape[1:], sharpness, rng)
        for person, lead, weight in zip(people[rows], leads, weights, strict=True):
            similar = _similar(features, patients, lead, n_neighbors)
            others = rng.permutation(similar)[:n_others]
            mean = images[similar].mean(axis=0)
            weight = weight[: len(others)]
            weight = weight / np.sqrt((weight**2).sum(axis=0))
            person[:] = mean + (weight * (images[others] - mean)).sum(axis=0)
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


def _weights(
    n_people: int,
    n_others: int,
    size: tuple[int, ...],
    sharpness: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return smooth positive weights (n_people, n_others, h, w)."""
    side = GRID + 2 * MARGIN
    drawn = rng.standard_normal((n_people, n_others, side, side))
    smooth = gaussian_filter(drawn, (0, 0, SMOOTHING, SMOOTHING))
    smooth = smooth[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    smooth /= smooth.std(axis=(1, 2, 3), keepdims=True)
    points = torch.from_numpy(smooth.astype(np.float32))
    fields = F.interpolate(points, size=size, mode="bilinear", align_corners=True)
    return torch.exp(sharpness * fields).numpy()
