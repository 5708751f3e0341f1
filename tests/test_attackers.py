"""The attackers that learn a space: closed (session) and open-set (cross-fitted)."""

import numpy as np
import pytest
import torch

from sklearn_ecganon.attacks._attackers._conv import ConvAttacker
from sklearn_ecganon.attacks._attackers._cross_fitted import CrossFittedAttacker
from sklearn_ecganon.attacks._attackers._embedding import (
    Embedder,
    MarginSoftmax,
    another_day,
    standardized,
)
from sklearn_ecganon.attacks._attackers._lda import LDAAttacker
from sklearn_ecganon.attacks._attackers._session import SessionAttacker
from sklearn_ecganon.attacks._attackers._template import TemplateAttacker
from sklearn_ecganon.attacks._modalities import beat_features

pytestmark = pytest.mark.trains

BRIEF = {"n_leads": 1, "device": "cpu", "seed": 0, "n_steps": 40}


@pytest.fixture(scope="module")
def sides(beats, bunch, first):
    """Features and subjects of the gallery, then of the probes."""
    X, codes = beat_features(beats.beats), np.unique(bunch.subject, return_inverse=True)[1]
    mine, y = first[beats.record], codes[beats.record]
    return X[mine], y[mine], X[~mine], y[~mine]


class TestLDA:
    """The linear attacker on galleries that leave its covariance undetermined."""

    def test_one_row_of_each_person(self):
        templates = np.random.default_rng(0).normal(size=(6, 20))
        attacker = LDAAttacker().fit(templates, np.arange(6))
        assert (attacker.log_proba(templates + 0.1).argmax(axis=1) == np.arange(6)).all()

    @pytest.mark.parametrize("n_repeated", [1, 2])
    def test_few_people_with_several_rows(self, n_repeated):
        rng = np.random.default_rng(0)
        templates = rng.normal(size=(6, 20))
        y = np.concatenate([np.arange(6), np.arange(n_repeated)])
        attacker = LDAAttacker().fit(templates[y] + 0.1 * rng.normal(size=(len(y), 20)), y)
        assert (attacker.log_proba(templates).argmax(axis=1) == np.arange(6)).all()

    def test_categories_that_never_vary_within_a_person_identify(self):
        categories = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=np.float32)
        y = np.repeat(np.arange(4), 5)
        # The last column is constant and large: its rounding errors must not decide.
        X = np.column_stack([categories[y], np.full(len(y), 1234.5, dtype=np.float32)])
        attacker = LDAAttacker().fit(X, y)
        assert (attacker.log_proba(X).argmax(axis=1) == y).all()
        X[:, -1] += 1
        assert (attacker.log_proba(X).argmax(axis=1) == y).all()


@pytest.mark.parametrize("kind", [SessionAttacker, CrossFittedAttacker])
def test_learns_enrolls_and_is_deterministic(kind, sides):
    X, y, probes, subjects = sides
    state = torch.get_rng_state()
    attacker = kind(**BRIEF).fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
    scores = attacker.log_proba(probes)
    assert scores.shape == (len(probes), 6)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-4)
    # Chance is 1/6. Five seeds gave 0.98 (standard deviation 0.01) for the session attacker
    # and 0.87 (0.03) for the cross-fitted one, which learns from three people to identify six.
    assert (scores.argmax(axis=1) == subjects).mean() > 0.7
    np.testing.assert_array_equal(kind(**BRIEF).fit(X, y).log_proba(probes), scores)
    # Enrolled under other numbers, people are identified by those: 0.91 (0.10) at the least.
    enrolled = attacker.enroll(X, (y + 1) % 6)
    assert (enrolled.log_proba(probes).argmax(axis=1) == (subjects + 1) % 6).mean() > 0.5
    # Enrollment does not change the attacker.
    np.testing.assert_array_equal(attacker.log_proba(probes), scores)


@pytest.mark.parametrize(
    "attacker",
    [
        LDAAttacker(),
        TemplateAttacker(n_leads=1),
        ConvAttacker("small-conv", **BRIEF | {"n_steps": 5}),
        SessionAttacker(**BRIEF | {"n_steps": 5}),
        CrossFittedAttacker(**BRIEF | {"n_steps": 5}),
    ],
    ids=lambda attacker: type(attacker).__name__,
)
def test_scores_do_not_depend_on_the_other_beats(attacker, sides):
    X, y, probes, _ = sides
    for fitted in (attacker.fit(X, y), attacker.enroll(X, y)):
        scores = fitted.log_proba(probes)
        # Scores are logarithms of probabilities: 1e-6 is one part in a million.
        for rows in (slice(3, 4), slice(10, 47), np.random.default_rng(0).permutation(90)):
            np.testing.assert_allclose(
                fitted.log_proba(probes[rows]), scores[rows], rtol=0, atol=1e-6
            )


def test_baseline_and_amplitude_are_ignored(sides):
    X, y, probes, _ = sides
    attacker = SessionAttacker(**BRIEF | {"n_steps": 5}).fit(X, y)
    louder = probes.copy()
    louder[:, -2:] += 3
    np.testing.assert_array_equal(attacker.log_proba(louder), attacker.log_proba(probes))


def test_cross_fitted_attacker_never_trains_on_the_people_it_compares(sides, monkeypatch):
    X, y, _, _ = sides
    seen = []
    fit = Embedder.fit

    def spy(self, X, names):
        seen.append(X)
        return fit(self, X, names)

    monkeypatch.setattr(Embedder, "fit", spy)
    attacker = CrossFittedAttacker(**{**BRIEF, "n_steps": 1}).fit(X, y)
    assert len(seen) == 2
    for fold, trained_on in enumerate(seen):
        rows = {row.tobytes() for row in trained_on}
        for subject in range(6):
            inside = [row.tobytes() in rows for row in X[y == subject]]
            assert any(inside) == all(inside) == (attacker.fold_[subject] != fold)
    assert sorted(np.bincount(attacker.fold_)) == [3, 3]


@pytest.mark.parametrize("n_subjects", [2, 3])
def test_cross_fitted_attacker_needs_people_on_both_sides(n_subjects, sides):
    X, y, _, _ = sides
    few = y < n_subjects
    scores = CrossFittedAttacker(**{**BRIEF, "n_steps": 1}).fit(X[few], y[few]).log_proba(X)
    assert np.isfinite(scores).all()


def test_two_leads_and_short_beats():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 30)
    centers = rng.normal(size=(4, 2, 6))
    X = beat_features(centers[y] + 0.1 * rng.normal(size=(120, 2, 6)))
    attacker = SessionAttacker(n_leads=2, device="cpu", seed=0, n_steps=40).fit(X, y)
    # Chance is 1/4; six seeds gave 1.
    assert (attacker.log_proba(X).argmax(axis=1) == y).mean() > 0.6


def test_margin_by_hand():
    cosines = torch.tensor([[0.5, 0.1]])
    plain, harder = (MarginSoftmax(m)(cosines, torch.tensor([0])) for m in (0.0, 0.4))
    # Label smoothing of 0.05 over two: 0.975 of the right one, 0.025 of the other.
    expected = np.log(1 + np.exp(-16 * 0.4)) + 0.025 * 16 * 0.4
    assert float(plain) == pytest.approx(expected, rel=1e-5)
    # The margin of 0.4 takes away the whole lead.
    assert float(harder) == pytest.approx(np.log(2), rel=1e-5)


def test_another_day_leaves_the_qrs_in_place():
    time = torch.arange(100) / 100 - 0.5
    spike = torch.exp(-((time / 0.01) ** 2)).expand(64, 1, 100)
    wave = torch.exp(-(((time - 0.3) / 0.03) ** 2))
    torch.manual_seed(0)
    changed = another_day(standardized(spike + wave), torch.zeros(3, 1, 100))
    peaks = changed[:, 0, 45:56].argmax(dim=1) + 45
    assert set(peaks.tolist()) == {50}
    tops = changed[:, 0, 65:].argmax(dim=1) + 65
    assert len(set(tops.tolist())) > 3
