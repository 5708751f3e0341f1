"""The QRS complex as a region that an anonymizer leaves unchanged."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.regions import QRSRegion


@parametrize_with_checks([QRSRegion()])
def test_check_estimator(estimator, check):
    check(estimator)


def test_window_is_the_same_segment_around_every_r_peak(beats):
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
    """Return beats of three records with two leads."""
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
    # The QRS is one segment in all leads, holds the R peak, and grows by the margins.
    assert (np.abs(np.diff(tight.astype(int), axis=2)).sum(axis=2) == 2).all()
    assert tight[:, :, known.n_times // 2].all()
    np.testing.assert_array_equal(tight[:, 0], tight[:, 1])
    longer = (wide.sum(axis=2) - tight.sum(axis=2)) * ms
    np.testing.assert_allclose(longer, 40, atol=2 * ms)
    # The QRS holds most of the steep samples.
    steep = np.abs(np.gradient(known.beats[:, 0], axis=1))
    assert (steep * tight[:, 0]).sum() > 0.7 * (steep * wide[:, 0]).sum()


def test_delineated_does_not_depend_on_other_records(known):
    region = QRSRegion("delineated")
    whole = region.predict(known)
    for record in range(len(known)):
        alone = region.predict(known[record])
        np.testing.assert_array_equal(alone, whole[known.record == record])


def test_the_window_is_marked_where_no_qrs_is_found(known):
    flat = np.zeros((4, known.n_times))
    region = QRSRegion("delineated", sampling_rate=known.sampling_rate)
    np.testing.assert_array_equal(
        region.predict(flat), clone(region).set_params(method="window").predict(flat)
    )


def test_invalid_input_is_refused(bunch, beats):
    with pytest.raises(ValueError, match="put a QRSSegmenter before it"):
        QRSRegion().predict(bunch.data)
    with pytest.raises(ValueError, match="method"):
        QRSRegion("wavelet").predict(beats)
    with pytest.raises(ValueError, match="too slow"):
        QRSRegion("delineated", sampling_rate=80).predict(beats.beats)
