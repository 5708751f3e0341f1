"""Synthetic images for the quick runs, and what the scripts on images share."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils import Bunch
from torch.nn import functional as F


def make_images(n_patients: int = 24, n_images: int = 2, size: int = 32) -> Bunch:
    """Return smooth random images: each patient has a pattern, each finding a bright spot.

    The attributes are those of `load_nih_chest_xrays`.
    """
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(n_patients), n_images)
    target = subject % 2
    patterns = gaussian_filter(rng.standard_normal((n_patients, size, size)), (0, 2, 2))
    noise = gaussian_filter(rng.standard_normal((len(subject), size, size)), (0, 1, 1))
    images = patterns[subject] / patterns.std() + 0.5 * noise / noise.std()
    images[target == 1, : size // 3, : size // 3] += 3.0
    images = (images - images.min()) / np.ptp(images)
    return Bunch(
        images=images.astype(np.float32),
        subject=np.array([f"p{i:02d}" for i in subject]),
        target=target,
        view=np.full(len(subject), "PA"),
        sex=np.where(subject % 4 < 2, "F", "M"),
    )


def load_images(load: Any, arguments: argparse.Namespace) -> Bunch:
    """Return what a loader of the package gives, or with ``--quick`` synthetic images."""
    return make_images() if arguments.quick else load(arguments.data_home)


def shrink(images: NDArray, size: int) -> NDArray:
    """Return images (n, h, w) of `size` pixels a side, by averaging."""
    return F.adaptive_avg_pool2d(torch.from_numpy(images)[:, None], size)[:, 0].numpy()


def correlations(
    images: NDArray, pairs: NDArray, released: NDArray | None = None, size: int = 32
) -> NDArray:
    """Return the correlation of the pixels of each pair of an image and a release.

    Parameters
    ----------
    images : ndarray of shape (n, h, w)
        Originals.
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions in `images` and in `released`.
    released : ndarray of shape (n, h, w), optional
        By default the originals.
    size : int, default=32
        Pixels of a side that images are averaged to.
    """
    first, second = (
        _standardize(shrink(side, size).reshape(len(side), -1))
        for side in (images, images if released is None else released)
    )
    return (first[pairs[:, 0]] * second[pairs[:, 1]]).sum(axis=1)


def _standardize(rows: NDArray) -> NDArray:
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
