"""Regions to be left alone: the QRS of beats, and what a U-Net learns from masks."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.regions import QRSRegion, UNetSegmenter


class AlternateColumns(UNetSegmenter):
    """Takes no masks but makes its own: all that scikit-learn checks except for y."""

    def fit(self, X, y=None):
        return super().fit(X, alternate(X))

    def score(self, X, y=None):
        return super().score(X, alternate(X))


def alternate(X):
    return (np.arange(np.prod(np.shape(X))) % 2).reshape(np.shape(X))


@parametrize_with_checks([QRSRegion(), AlternateColumns(n_filters=2, max_epochs=2)])
def test_check_estimator(estimator, check):
    check(estimator)


# --------------------------------------------------------------------- QRS


def test_window_is_the_same_stretch_around_every_r_peak(beats):
    mask = QRSRegion(width=100).predict(beats)
    assert mask.shape == beats.beats.shape
    assert mask.dtype == bool
    ms = (np.arange(beats.n_times) - beats.n_times // 2) * 1000 / beats.sampling_rate
    assert (mask == (np.abs(ms) < 50)).all()


def test_arrays_and_beat_sets_get_the_same_mask(beats):
    region = QRSRegion(sampling_rate=beats.sampling_rate)
    mask = region.predict(beats)
    np.testing.assert_array_equal(region.predict(beats.beats), mask)
    np.testing.assert_array_equal(region.predict(beats.beats[:, 0]), mask[:, 0])


@pytest.fixture(scope="module")
def known():
    """Two leads, with the edges of the QRS known from the delineator on whole records."""
    records = make_ecg_records(
        n_subjects=3, n_sessions=1, duration=15.0, n_leads=2, random_state=0
    ).data
    return QRSSegmenter().fit_transform(records)


def test_delineated_follows_the_qrs(known):
    tight = QRSRegion("delineated", margin=0).predict(known)
    wide = QRSRegion("delineated", margin=20).predict(known)
    ms = 1000 / known.sampling_rate
    durations = tight[:, 0].sum(axis=1) * ms
    assert ((durations > 50) & (durations < 150)).all()
    # One stretch, in all leads, R peak within, and longer by a margin on either side.
    assert (np.abs(np.diff(tight.astype(int), axis=2)).sum(axis=2) == 2).all()
    assert tight[:, :, known.n_times // 2].all()
    np.testing.assert_array_equal(tight[:, 0], tight[:, 1])
    longer = (wide.sum(axis=2) - tight.sum(axis=2)) * ms
    np.testing.assert_allclose(longer, 40, atol=2 * ms)
    # Where the signal is steep, there it is.
    steep = np.abs(np.gradient(known.beats[:, 0], axis=1))
    assert (steep * tight[:, 0]).sum() > 0.7 * (steep * wide[:, 0]).sum()


def test_delineated_does_not_depend_on_other_records(known):
    region = QRSRegion("delineated")
    whole = region.predict(known)
    for record in range(len(known)):
        alone = region.predict(known[record])
        np.testing.assert_array_equal(alone, whole[known.record == record])


def test_where_no_qrs_is_found_the_window_stands(known):
    flat = np.zeros((4, known.n_times))
    region = QRSRegion("delineated", sampling_rate=known.sampling_rate)
    np.testing.assert_array_equal(
        region.predict(flat), clone(region).set_params(method="window").predict(flat)
    )


def test_what_is_no_beat_is_refused(bunch, beats):
    with pytest.raises(ValueError, match="put a QRSSegmenter before it"):
        QRSRegion().predict(bunch.data)
    with pytest.raises(ValueError, match="method"):
        QRSRegion("wavelet").predict(beats)
    with pytest.raises(ValueError, match="too slow"):
        QRSRegion("delineated", sampling_rate=50).predict(beats.beats)


# -------------------------------------------------------------------- masks


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
    assert segmenter.score(images, masks) > 0.9
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


def test_flat_images_and_the_same_seed_give_the_same_masks():
    images, masks = discs_and_bars(16)
    square = UNetSegmenter(max_epochs=2, random_state=0).fit(images, masks)
    flat = UNetSegmenter((24, 24), max_epochs=2, random_state=0)
    flat.fit(images.reshape(16, -1), masks.reshape(16, -1))
    found = flat.predict(images.reshape(16, -1))
    assert found.shape == (16, 24 * 24)
    np.testing.assert_array_equal(found.reshape(images.shape), square.predict(images))


def test_signals_have_regions_too():
    rng = np.random.default_rng(0)
    time, center = np.arange(64), rng.uniform(12, 52, (60, 1))
    masks = np.abs(time - center) < 6
    signals = np.where(masks, np.sin(time), 0) + rng.normal(0, 0.1, masks.shape)
    segmenter = UNetSegmenter(max_epochs=12, batch_size=8, random_state=0)
    assert segmenter.fit(signals[:48], masks[:48]).score(signals[48:], masks[48:]) > 0.9


def test_masks_that_teach_nothing_are_refused(segmenter, bunch, beats):
    images, masks = discs_and_bars(4)
    for records in (bunch.data, beats):
        with pytest.raises(ValueError, match="QRSRegion marks beats"):
            segmenter.predict(records)
    fresh = UNetSegmenter(max_epochs=1)
    with pytest.raises(ValueError, match="covers everything"):
        fresh.fit(images, np.ones_like(masks))
    with pytest.raises(ValueError, match="covers nothing"):
        fresh.fit(images, np.zeros_like(masks))
    with pytest.raises(ValueError, match=r"y has shape \(4, 24, 23\); want one mask"):
        fresh.fit(images, masks[:, :, 1:])
    with pytest.raises(ValueError, match=r"y has shape \(4, 24, 12\); want one mask"):
        # As many pixels, laid out the other way.
        fresh.fit(images[:, :12], masks[:, :, :12])
    with pytest.raises(ValueError, match="other values than two"):
        fresh.fit(images, 0.5 * masks)
    with pytest.raises(ValueError, match=r"fitted on size \(24, 24\)"):
        segmenter.predict(images[:, :, :12])
    with pytest.raises(ValueError, match=r"X has shape \(1, 2, 3, 4\)"):
        fresh.fit(np.zeros((1, 2, 3, 4)), np.zeros((1, 2, 3, 4)))
    assert segmenter.score(np.zeros((2, 24, 24)), segmenter.predict(np.zeros((2, 24, 24)))) == 1
