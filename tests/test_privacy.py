"""Differential privacy of people: its noise, its moments, and an attack on it."""

import numpy as np
import pytest
from scipy.stats import norm

from sklearn_ecganon.privacy import (
    _moments,
    audit_epsilon,
    gaussian_epsilon,
    gaussian_noise,
    private_moments,
)

DELTA = 1e-5
CLIP = 4.5


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0, 4.0, 20.0, 100.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_noise_is_the_least_that_keeps_delta(epsilon, delta):
    scale = gaussian_noise(epsilon, delta)
    assert gaussian_epsilon(scale, delta) == pytest.approx(epsilon, rel=1e-6)
    spent = norm.cdf(0.5 / scale - epsilon * scale) - np.exp(epsilon) * norm.cdf(
        -0.5 / scale - epsilon * scale
    )
    assert spent <= delta * (1 + 1e-4)


def test_noise_agrees_with_a_numerical_integral():
    """delta is the integral of the excess of one density over exp(epsilon) times the other."""
    epsilon, delta = 1.0, 1e-3
    scale = gaussian_noise(epsilon, delta)
    x = np.linspace(-20 * scale, 1 + 20 * scale, 400_001)
    excess = norm.pdf(x, 1.0, scale) - np.exp(epsilon) * norm.pdf(x, 0.0, scale)
    assert np.trapezoid(np.maximum(excess, 0), x) == pytest.approx(delta, rel=1e-3)


def test_noise_grows_with_the_sensitivity():
    assert gaussian_noise(1.0, DELTA, 3.0) == pytest.approx(3 * gaussian_noise(1.0, DELTA))
    assert gaussian_epsilon(1.0, DELTA, 0.0) == 0.0


@pytest.mark.parametrize(
    ("epsilon", "delta", "match"),
    [
        (0.0, 1e-5, "epsilon=0"),
        (-1.0, 1e-5, "epsilon=-1"),
        (1.0, 0.0, "delta=0"),
        (1.0, 1.0, "delta=1"),
    ],
)
def test_budgets_that_mean_nothing_are_refused(epsilon, delta, match):
    with pytest.raises(ValueError, match=match):
        gaussian_noise(epsilon, delta)


def moments_of(values, subjects=None, seed=0, **options):
    subjects = np.arange(len(values)) if subjects is None else subjects
    options = {"epsilon": 4.0, "delta": DELTA, "clip": CLIP} | options
    return private_moments(values, subjects, rng=np.random.default_rng(seed), **options)


def test_sums_of_neighbors_differ_by_the_sensitivity_at_most():
    rng = np.random.default_rng(0)
    for length in (0.1, 1.0, 100.0):
        row = length * rng.standard_normal((1, 12))
        u = _moments._contributions(row, ["a"], CLIP)
        upper = np.triu_indices(12, 1)
        # The upper triangle has 1 / sqrt(2) of the noise, and weighs sqrt(2) in turn.
        products = u.T @ u
        difference = np.r_[1, u[0], np.diag(products), np.sqrt(2) * products[upper]]
        assert np.linalg.norm(difference) <= _moments.SENSITIVITY + 1e-12


def test_moments_of_many_people_are_those_of_the_people():
    rng = np.random.default_rng(0)
    true_covariance = np.diag([0.3, 1.0, 2.0])
    values = rng.multivariate_normal([1.0, 0.0, -0.5], true_covariance, 20_000)
    moments = moments_of(values, clip=6.0)
    np.testing.assert_allclose(moments.mean, [1.0, 0.0, -0.5], atol=0.05)
    np.testing.assert_allclose(moments.covariance, true_covariance, atol=0.1)
    assert moments.n_people == pytest.approx(20_000, abs=50)


def test_moments_of_few_people_are_those_of_the_reference():
    rng = np.random.default_rng(0)
    moments = moments_of(rng.standard_normal((5, 12)) + 3.0, epsilon=0.1)
    assert np.linalg.norm(moments.mean) < 1.0
    assert (np.linalg.eigvalsh(moments.covariance) > 0).all()


def test_more_records_of_a_person_are_no_more_of_them():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 12))
    again = np.r_[values, np.repeat(values[:1], 30, axis=0)]
    subjects = np.r_[np.arange(50), np.zeros(30, int)]
    first, second = moments_of(values), moments_of(again, subjects)
    np.testing.assert_allclose(first.mean, second.mean)
    np.testing.assert_allclose(first.covariance, second.covariance)


def test_bad_input_is_refused():
    values = np.zeros((200, 12))
    with pytest.raises(ValueError, match=r"delta=0.01 with 200 people"):
        moments_of(values, delta=0.01)
    with pytest.raises(ValueError, match="epsilon=0"):
        moments_of(values, epsilon=0.0)
    with pytest.raises(ValueError, match="one subject for each"):
        moments_of(values, np.arange(3))
    with pytest.raises(ValueError, match="NaN"):
        moments_of(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="clip=0"):
        moments_of(values, clip=0.0)


EPSILON = 1.0
N_RECORDS = 20  # of the canary


def bound_of(mechanism):
    """Attack moments by a canary that lies as far out as clipping permits."""
    rng = np.random.default_rng(0)
    people = 0.1 * rng.standard_normal((30, 4))
    canary = np.tile([100.0, 0.0, 0.0, 0.0], (N_RECORDS, 1))
    with_it = np.r_[people, canary]
    subjects = np.r_[np.arange(30), np.full(N_RECORDS, 30)]

    def score(values, persons, generator):
        moments = mechanism(
            values, persons, epsilon=EPSILON, delta=DELTA, clip=CLIP, rng=generator
        )
        # The noisy sums, as far as count, mean and covariance give them away.
        shrunk = 1 + 4 * (CLIP * moments.noise / moments.n_people) ** 2
        return moments.n_people + moments.mean[0] * shrunk * moments.n_people / CLIP

    return audit_epsilon(
        lambda generator: score(people, np.arange(30), generator),
        lambda generator: score(with_it, subjects, generator),
        delta=DELTA,
        n_runs=6000,
        rng=rng,
    )


def test_the_attack_stays_below_the_stated_epsilon():
    bound = bound_of(private_moments)
    # Two of the three sums are attacked, so the distance is sqrt(2 / 3) of the stated one.
    assert 0.2 < bound.epsilon < EPSILON


def test_half_of_the_noise_is_caught(monkeypatch):
    monkeypatch.setattr(
        _moments, "gaussian_noise", lambda *arguments: gaussian_noise(*arguments) / 2
    )
    assert bound_of(private_moments).epsilon > EPSILON


def test_clipping_of_records_in_place_of_people_is_caught():
    def by_record(values, subjects, **options):
        return private_moments(values, np.arange(len(values)), **options)

    assert bound_of(by_record).epsilon > 3 * EPSILON


def test_an_audit_needs_runs():
    with pytest.raises(ValueError, match="20 runs or more"):
        audit_epsilon(float, float, delta=DELTA, n_runs=4, rng=np.random.default_rng(0))
