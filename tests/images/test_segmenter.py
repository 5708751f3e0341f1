"""Regions of images that a U-Net learns from masks."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ecganon.images import UNetSegmenter
from sklearn_ecganon.networks import another_exposure
from sklearn_ecganon.training import seeded

pytestmark = pytest.mark.trains


class AlternateColumns(UNetSegmenter):
    """Takes no masks but makes its own: all that scikit-learn checks except for y."""

    def fit(self, X, y=None):
        return super().fit(X, alternate(X))

    def score(self, X, y=None):
        return super().score(X, alternate(X))


def alternate(X):
    return (np.arange(np.prod(np.shape(X))) % 2).reshape(np.shape(X))


@parametrize_with_checks([AlternateColumns(n_filters=2, max_epochs=2)])
def test_check_estimator(estimator, check):
    check(estimator)


def discs_and_bars(n, size=24, seed=0):
    """Bright discs to be found, bars of the same brightness to be left, over noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    top, left = rng.uniform(6, size - 6, (2, n, 1, 1))
    masks = (rows - top) ** 2 + (columns - left) ** 2 < rng.uniform(9, 25, (n, 1, 1))
    bars = np.abs(columns - rng.uniform(0, size, (n, 1, 1))) < 1
    return (masks | bars) + rng.normal(0, 0.3, masks.shape), masks


@pytest.fixture(scope="module")
def segmenter():
    return UNetSegmenter(max_epochs=12, batch_size=8, random_state=0).fit(*discs_and_bars(80))


def test_discs_are_found_and_bars_are_not(segmenter):
    images, masks = discs_and_bars(40, seed=1)
    assert segmenter.score(images, masks) > 0.8  # six seeds: 0.95, standard deviation 0.01
    found = segmenter.predict(images)
    assert found.dtype == bool
    assert found.shape == images.shape
    overlap = 2 * (found & masks).sum((1, 2)) / (found.sum((1, 2)) + masks.sum((1, 2)))
    assert segmenter.score(images, masks) == pytest.approx(overlap.mean())


def test_answer_does_not_depend_on_the_company_or_the_layout(segmenter):
    images, _ = discs_and_bars(10, seed=2)
    whole = segmenter.predict(images)
    np.testing.assert_array_equal(segmenter.predict(images[3:4]), whole[3:4])
    copied = pickle.loads(pickle.dumps(segmenter))
    np.testing.assert_array_equal(copied.predict(images), whole)


def test_augmentation_moves_images_with_their_masks():
    images, masks = discs_and_bars(64, seed=3)
    x = torch.from_numpy(images.astype(np.float32))[:, None]
    y = torch.from_numpy(masks.astype(np.float32))[:, None]
    with seeded(0):
        changed, moved = another_exposure(x, y)
    assert changed.shape == x.shape
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert 0.02 < (moved != y).float().mean() < 0.3
    contrast = (changed * moved).sum() / moved.sum() - changed.mean()
    unmoved = (changed * y).sum() / y.sum() - changed.mean()
    assert contrast > 1.2 * unmoved > 0
    augmented = UNetSegmenter(augment=True, max_epochs=2, random_state=0).fit(images, masks)
    assert augmented.predict(images).shape == masks.shape


def test_flat_images_and_the_same_seed_give_the_same_masks():
    images, masks = discs_and_bars(16)
    square = UNetSegmenter(max_epochs=2, random_state=0).fit(images, masks)
    flat = UNetSegmenter(image_shape=(24, 24), max_epochs=2, random_state=0)
    flat.fit(images.reshape(16, -1), masks.reshape(16, -1))
    found = flat.predict(images.reshape(16, -1))
    assert found.shape == (16, 24 * 24)
    np.testing.assert_array_equal(found.reshape(images.shape), square.predict(images))


def test_masks_that_teach_nothing_are_refused(segmenter, bunch, beats):
    images, masks = discs_and_bars(4)
    for records in (bunch.data, beats):
        with pytest.raises(ValueError, match="UNetSegmenter takes arrays of images"):
            segmenter.predict(records)
    fresh = UNetSegmenter(max_epochs=1)
    with pytest.raises(ValueError, match="covers everything"):
        fresh.fit(images, np.ones_like(masks))
    with pytest.raises(ValueError, match="covers nothing"):
        fresh.fit(images, np.zeros_like(masks))
    with pytest.raises(ValueError, match=r"y has shape \(4, 24, 23\); give one mask"):
        fresh.fit(images, masks[:, :, 1:])
    with pytest.raises(ValueError, match=r"y has shape \(4, 24, 12\); give one mask"):
        # As many pixels, laid out the other way.
        fresh.fit(images[:, :12], masks[:, :, :12])
    with pytest.raises(ValueError, match="other values than two"):
        fresh.fit(images, 0.5 * masks)
    with pytest.raises(ValueError, match=r"fitted on images of 24 x 24"):
        segmenter.predict(images[:, :, :12])
    with pytest.raises(ValueError, match=r"X has shape \(1, 2, 3, 4\)"):
        fresh.fit(np.zeros((1, 2, 3, 4)), np.zeros((1, 2, 3, 4)))
    assert segmenter.score(np.zeros((2, 24, 24)), segmenter.predict(np.zeros((2, 24, 24)))) == 1
