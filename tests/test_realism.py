"""Strips beside strips: embedding, Frechet distance, and the control of real against real."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from sklearn_ecganon import make_ecg_records
from sklearn_ecganon.metrics import frechet_distance, strip_embedding, strip_realism
from sklearn_ecganon.segmentation import cut_strips


@pytest.fixture(scope="module")
def strips():
    """One strip of 5 s of each of 60 people."""
    bunch = make_ecg_records(60, n_sessions=1, duration=5.0, random_state=0)
    return cut_strips(bunch.data, duration=5.0).values


class TestEmbedding:
    def test_is_deterministic_by_strip_and_finite_for_flat_leads(self, strips):
        whole = strip_embedding(strips, 125.0)
        assert whole.shape == (60, 108)
        # Sums over other batches may differ in the last bits.
        np.testing.assert_allclose(strip_embedding(strips[7:8], 125.0)[0], whole[7], rtol=1e-9)
        assert np.isfinite(strip_embedding(np.zeros((1, 3, 500)), 100.0)).all()

    def test_the_band_of_a_sine_has_its_power(self):
        time = np.arange(1250) / 125
        for band, frequency in ((2, 2.5), (8, 17.0)):
            powers = strip_embedding(np.sin(2 * np.pi * frequency * time)[None, None], 125.0)
            assert powers[0, :12].argmax() == band

    def test_the_order_of_leads_is_ignored(self, strips):
        pair = strips[:40].reshape(20, 2, -1)
        np.testing.assert_allclose(
            strip_embedding(pair, 125.0), strip_embedding(pair[:, ::-1], 125.0)
        )

    def test_leads_one_after_the_other_have_the_same_mean(self, strips):
        pair = strips[:40].reshape(20, 2, -1)
        by_lead = strip_embedding(pair, 125.0, by_lead=True).reshape(20, 2, 54)
        np.testing.assert_allclose(by_lead.mean(axis=1), strip_embedding(pair, 125.0)[:, :54])

    @pytest.mark.parametrize("shape", [(3, 500), (0, 1, 500), (3, 1, 150)])
    def test_refuses_other_shapes(self, shape):
        with pytest.raises(ValueError, match="give"):
            strip_embedding(np.zeros(shape), 100.0)


def test_frechet_distance_equals_the_textbook_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), 2 * rng.normal(size=(70, 4)) + 1
    first, second = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    expected += np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(a, b) == pytest.approx(expected)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    # More features than samples: the covariance is singular.
    assert np.isfinite(frechet_distance(rng.normal(size=(5, 30)), rng.normal(size=(6, 30))))


class TestRealism:
    def test_real_against_real_is_chance_and_a_smooth_copy_is_exposed(self, strips):
        people = np.arange(60)
        kernel = np.ones(9) / 9
        smooth = np.apply_along_axis(np.convolve, 2, strips, kernel, "same")
        exposed = strip_realism(
            strips, smooth, people, people, sampling_rate=125.0, n_splits=2, random_state=0
        )
        honest = strip_realism(
            strips, strips, people, people, sampling_rate=125.0, n_splits=2, random_state=0
        )
        assert honest.auc == honest.auc_control
        assert honest.frechet == honest.frechet_control
        # 60 people: the control has a standard error of about .08 in one split.
        assert abs(honest.auc_control - 0.5) < 0.25
        assert exposed.auc > 0.9
        assert exposed.frechet_ratio > 2
        assert "real against real" in str(exposed)

    def test_refuses_what_does_not_fit(self, strips):
        people = np.arange(60)
        with pytest.raises(ValueError, match="59 groups"):
            strip_realism(strips, strips, people, people[1:], sampling_rate=125.0)
        with pytest.raises(ValueError, match="shapes"):
            strip_realism(strips, strips[..., 1:], people, people, sampling_rate=125.0)
        with pytest.raises(ValueError, match="least 20"):
            strip_realism(strips, strips, people // 6, people // 6, sampling_rate=125.0)
