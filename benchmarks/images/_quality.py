"""What a release of images is good for, and how close it is to the images it was made from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from benchmarks.images._data import shrink
from sklearn_ecganon.images import FakeTest

# Pixels a side at which images are compared.
SIDE = 64
# Pixels of the Gaussian that is subtracted for fine detail.
FINE = 2.0
MEMBERSHIP = (
    "membership, pixels",
    "membership, fine detail",
    "membership, places",
    "membership, moved places",
)
# Different generated images without which folds may miss a side.
FEWEST = 12
# Side of the places, in pixels, that are compared one by one.
PLACE = 16
# An attacker who also looks beside each place: side, Gaussian of fine detail, largest shift.
MOVES = ((4, 1.0, 0), (8, 1.0, 0), (8, 1.0, 2), (12, 2.0, 4), (16, 1.0, 4), (32, 4.0, 3))


def two_sample(
    classifier: FakeTest, real: NDArray, patients: NDArray, generated: NDArray
) -> float:
    """Return the AUC of classifiers that distinguish generated from real images.

    The same generated image is never on both sides of a split.
    """
    names = np.unique(generated.reshape(len(generated), -1), axis=0, return_inverse=True)[1]
    if len(np.unique(names)) < FEWEST:
        return float("nan")
    groups = [f"generated {i}" for i in names.ravel()]
    return clone(classifier).tell_apart(real, generated, patients.astype(str), groups).auc


def finding_auc(
    classifiers: list[FakeTest],
    images: NDArray,
    finding: NDArray,
    real: NDArray,
    truth: NDArray,
) -> float:
    """Return the AUC, on real images, of classifiers that learned the finding from others."""
    fitted = [clone(one).fit(images, finding) for one in classifiers]
    return float(np.mean([one.evaluate(real, truth).auc for one in fitted]))


def nearness(
    images: NDArray, released: NDArray, patients: NDArray, train: NDArray[np.bool_], seed: int
) -> dict[str, float]:
    """Return how near a release is to the images that the anonymizer learned from.

    Parameters
    ----------
    images, released : ndarray of shape (n, h, w)
        Originals and releases.
    patients : ndarray of shape (n,)
        The patient of each.
    train : ndarray of bool of shape (n,)
        Those that the anonymizer learned from.
    seed : int
        Draws the half of the other patients that the release is of. The attacker compares
        the training images, and those of the other half, with this release.

    Returns
    -------
    figures : dict of str to float
        Median correlation of a release, and of another person, with the nearest training
        image; AUC of the membership of images, by whole images, by their fine detail, by
        the fine detail of the place that agrees best, and the largest AUC of attackers who
        compare places of several sizes and look for each of them in its neighborhood, too.
    """
    other = np.unique(patients[~train])
    shared = np.random.default_rng(seed).permutation(other)[: len(other) // 2]
    in_release = np.isin(patients, shared)
    outside = ~train & ~in_release
    figures: dict[str, float] = {}
    pairs = {
        "nearest training image": (released[in_release], images[train]),
        "nearest training image, other people": (images[outside], images[train]),
    }
    for name, (new, old) in pairs.items():
        figures[name] = float(np.median(_highest(_whole(new), _whole(old))))
    is_member = np.concatenate([np.ones(train.sum()), np.zeros(outside.sum())])
    asked = np.concatenate([images[train], images[outside]])
    *unmoved, moved = MEMBERSHIP
    for name, features in zip(unmoved, (_whole, _fine, _places), strict=True):
        score = _highest(features(asked), features(released[in_release]))
        figures[name] = float(roc_auc_score(is_member, score))
    figures[moved] = max(
        float(roc_auc_score(is_member, score))
        for move in MOVES
        for score in _moved_places(asked, released[in_release], *move)
    )
    return figures


def nearest(images: NDArray, others: NDArray) -> NDArray[np.intp]:
    """Return for each image which other one correlates with it most."""
    return np.argmax(_whole(images)[:, 0] @ _whole(others)[:, 0].T, axis=1)


def _whole(images: NDArray) -> NDArray[np.float64]:
    return _unit(shrink(images, min(SIDE, images.shape[1])))[:, np.newaxis]


def _fine(images: NDArray) -> NDArray[np.float64]:
    return _unit(_without_coarse(images))[:, np.newaxis]


def _places(images: NDArray) -> NDArray[np.float64]:
    """Return the fine detail of each place: (n, n_places, n_pixels)."""
    return _cut(_without_coarse(images), PLACE)


def _cut(images: NDArray, side: int) -> NDArray[np.float64]:
    """Return each place of images, centered and of length 1: (n, n_places, n_pixels)."""
    rows = torch.from_numpy(np.ascontiguousarray(images))[:, None]
    places = F.unfold(rows, side, stride=side).transpose(1, 2).numpy()
    return _unit(places.reshape(-1, side**2)).reshape(places.shape)


def _moved_places(
    asked: NDArray, release: NDArray, side: int, fine: float, reach: int
) -> list[NDArray[np.float64]]:
    """Return three scores of each image: how well its places agree with those of a release.

    The place that agrees best with any release; the mean of all places, each with the release
    that it agrees with best; and the mean of all places with the best release.
    """
    left = _cut(_without_coarse(asked, fine), side).astype(np.float32)
    other = _without_coarse(release, fine)
    best = np.full((left.shape[1], len(asked), len(release)), -1, dtype=np.float32)
    for shift in np.ndindex(2 * reach + 1, 2 * reach + 1):
        moved = np.roll(other, np.subtract(shift, reach), axis=(1, 2))
        right = _cut(moved, side).astype(np.float32)
        for agreement, one, two in zip(
            best, left.swapaxes(0, 1), right.swapaxes(0, 1), strict=True
        ):
            np.maximum(agreement, one @ two.T, out=agreement)
    highest = best.max(axis=2)
    return [highest.max(axis=0), highest.mean(axis=0), best.mean(axis=0).max(axis=1)]


def _without_coarse(images: NDArray, fine: float = FINE) -> NDArray:
    small = shrink(images, min(SIDE, images.shape[1]))
    return small - gaussian_filter(small, (0, fine, fine))


def _unit(images: NDArray) -> NDArray[np.float64]:
    rows = images.reshape(len(images), -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _highest(asked: NDArray[np.float64], release: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the highest correlation of any place of each image with one of a release."""
    by_place = [asked[:, i] @ release[:, i].T for i in range(asked.shape[1])]
    return np.max(by_place, axis=(0, 2))
