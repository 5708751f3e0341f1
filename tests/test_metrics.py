"""Figures against hand-worked cases and closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from sklearn_ecganon.metrics import (
    detection_scores,
    equal_error_rate,
    pearson_correlation,
    rank_k,
    rmse,
    subject_bootstrap,
)


def test_rank_k_by_hand():
    scores = [[3, 2, 1], [3, 2, 1], [3, 2, 1], [1, 1, 1], [2, 2, 1]]
    y = ["c", "a", "b", "a", "b"]
    classes = ["a", "b", "c"]
    np.testing.assert_allclose(rank_k(scores, y, classes), [0, 1, 0, 1 / 3, 1 / 2])
    np.testing.assert_allclose(rank_k(scores, y, classes, k=2), [0, 1, 1, 2 / 3, 1])
    np.testing.assert_allclose(rank_k(scores, y, classes, k=3), 1)


def test_rank_k_follows_unsorted_classes_and_refuses_strangers():
    assert rank_k([[1.0, 0.0]], ["b"], ["b", "a"]).tolist() == [1.0]
    with pytest.raises(ValueError, match="'z' of a probe is not among the 2"):
        rank_k([[1.0, 0.0]], ["z"], ["b", "a"])


def test_constant_scores_are_exactly_chance():
    n = 40
    hits = rank_k(np.zeros((n, n)), np.arange(n), np.arange(n))
    assert hits.mean() == pytest.approx(1 / n)
    assert equal_error_rate(np.zeros((n, n)), np.arange(n), np.arange(n)) == 0.5


@pytest.mark.parametrize("separation", [0.5, 1.0, 2.0])
def test_equal_error_rate_of_two_normals(separation):
    # Genuine N(d, 1) against impostor N(0, 1): the EER is Phi(-d / 2).
    rng = np.random.default_rng(0)
    n = 700
    scores = rng.normal(size=(n, n))
    scores[np.diag_indices(n)] += separation
    expected = norm.cdf(-separation / 2)
    assert equal_error_rate(scores, np.arange(n), np.arange(n)) == pytest.approx(
        expected, abs=0.035
    )


def test_equal_error_rate_extremes():
    perfect, reversed_ = np.eye(3), -np.eye(3)
    assert equal_error_rate(perfect, range(3), range(3)) == 0
    assert equal_error_rate(reversed_, range(3), range(3)) == 1


def test_bootstrap_is_over_subjects():
    # One subject owns most probes and is always named; the mean is over subjects.
    hits = [1] * 90 + [0] * 10
    subjects = ["a"] * 90 + list("bcdefghijk")
    mean, low, high = subject_bootstrap(hits, subjects, random_state=0)
    assert mean == pytest.approx(1 / 11)
    assert (low, high) == (0.0, pytest.approx(3 / 11))


def test_bootstrap_width_agrees_with_the_normal_approximation():
    rng = np.random.default_rng(1)
    hits = rng.random(400)
    mean, low, high = subject_bootstrap(hits, np.arange(400), n_resamples=4000, random_state=0)
    half = 1.96 * hits.std() / 20
    assert (low, high) == (
        pytest.approx(mean - half, abs=2e-3),
        pytest.approx(mean + half, abs=2e-3),
    )


def test_bootstrap_of_extremes_keeps_an_open_end():
    mean, low, high = subject_bootstrap(np.zeros(47), np.arange(47))
    assert (mean, low) == (0, 0)
    assert (1 - high) ** 47 == pytest.approx(0.025)
    mean, low, high = subject_bootstrap(np.ones(47), np.arange(47))
    assert (mean, high) == (1, 1)
    assert low**47 == pytest.approx(0.025)


def test_detection_scores_match_one_to_one():
    scores = detection_scores([100, 200, 300], [90, 110, 290, 500], tolerance=20)
    assert scores == (2, 2, 1)
    assert scores.sensitivity == pytest.approx(2 / 3)
    assert scores.precision == 1 / 2
    assert scores.f1 == pytest.approx(4 / 7)
    assert detection_scores([], [], 10).f1 == 0
    assert detection_scores([1, 2], [], 10) == (0, 0, 2)


def test_waveform_figures():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4, 3, 50))
    expected = [
        [np.corrcoef(x, y)[0, 1] for x, y in zip(p, q, strict=True)]
        for p, q in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(pearson_correlation(a, b), expected)
    np.testing.assert_allclose(pearson_correlation(a, 3 * a + 1), 1)
    np.testing.assert_allclose(rmse(a, a + 2), 2)


def test_correlation_of_flat_lines():
    flat, wave = np.full(9, 0.1), np.sin(np.arange(9))
    assert pearson_correlation(flat, flat + 1) == 1
    assert pearson_correlation(flat, wave) == 0
