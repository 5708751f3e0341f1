"""Verification of images: pairs, the verifier, and releases that it is trained against."""

import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, rotate, shift
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.dataset import Dataset

from sklearn_ecganon.images import (
    MatchingVerifier,
    SiameseVerifier,
    WeakAttackWarning,
    load_nih_chest_xrays,
    verification_pairs,
    verify_release,
)
from sklearn_ecganon.images._matching import _typical_features
from sklearn_ecganon.images._matching_features import (
    align,
    bands,
    local_agreement,
    move,
    pair_features,
)
from sklearn_ecganon.images._pair_verifier import EVIDENCE, verification_row
from sklearn_ecganon.images._pairs import linked_pairs
from sklearn_ecganon.metrics import cmc_curve, rank_k
from sklearn_ecganon.networks import PairLoss, another_visit, standardized
from sklearn_ecganon.training import ResidentSubjects

pytestmark = pytest.mark.trains

BRIEF = {"width": 4, "max_epochs": 8, "batch_size": 16, "random_state": 0}


@parametrize_with_checks(
    [SiameseVerifier(width=2, max_epochs=2), MatchingVerifier(size=16, n_impostors=1)]
)
def test_check_estimator(estimator, check):
    check(estimator)


# ------------------------------------------------------------------- pairs


@pytest.fixture(scope="module")
def archive():
    """People with one to six images, each of one of two views and of the person's sex."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(60), rng.integers(1, 7, 60))
    sex, view = (subject % 2).astype(str), rng.integers(0, 2, len(subject)).astype(str)
    shuffled = rng.permutation(len(subject))
    return subject[shuffled], np.column_stack([sex, view])[shuffled]


def test_half_of_the_pairs_are_of_one_person(archive):
    subject, _ = archive
    pairs, is_genuine = verification_pairs(subject, random_state=0)
    same = subject[pairs[:, 0]] == subject[pairs[:, 1]]
    np.testing.assert_array_equal(same, is_genuine)
    assert is_genuine.mean() == 0.5
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_all_genuine_pairs_are_there_once_unless_capped(archive):
    subject, _ = archive
    sizes = np.bincount(subject)
    there = sizes * (sizes - 1) // 2
    pairs, is_genuine = verification_pairs(subject, max_per_subject=None, random_state=0)
    genuine = np.sort(pairs[is_genuine], axis=1)
    assert len(np.unique(genuine, axis=0)) == len(genuine) == there.sum()
    pairs, is_genuine = verification_pairs(subject, max_per_subject=3, random_state=0)
    genuine = np.sort(pairs[is_genuine], axis=1)
    np.testing.assert_array_equal(
        np.bincount(subject[genuine[:, 0]], minlength=60), np.minimum(there, 3)
    )
    assert len(np.unique(genuine, axis=0)) == len(genuine)


def test_what_is_matched_tells_nothing(archive):
    subject, match = archive
    pairs, is_genuine = verification_pairs(subject, match=match, random_state=0)
    genuine, impostor = match[pairs[is_genuine]], match[pairs[~is_genuine]]
    np.testing.assert_array_equal(genuine, impostor)
    pairs, is_genuine = verification_pairs(subject, random_state=0)
    sex = match[pairs, 0]
    assert (sex[is_genuine, 0] == sex[is_genuine, 1]).all()
    assert not (sex[~is_genuine, 0] == sex[~is_genuine, 1]).all()


def test_pairs_without_a_match_are_left_out():
    pairs, is_genuine = verification_pairs(
        ["a", "a", "b", "b", "c"], match=["x", "x", "y", "y", "x"], random_state=0
    )
    assert sorted(pairs[is_genuine][0]) == [0, 1]
    assert pairs[~is_genuine][0, 1] == 4
    assert len(pairs) == 2


def test_pairs_repeat_with_the_seed_and_differ_without(archive):
    subject, _ = archive
    first, again, other = (verification_pairs(subject, random_state=s)[0] for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("nobody", [np.nan, None])
def test_unknown_people_are_not_one_person(nobody):
    with pytest.raises(ValueError, match="subject of row 2 is missing"):
        verification_pairs([1, 1, nobody, nobody, 2, 3])


def test_impossible_pairs_are_refused():
    with pytest.raises(ValueError, match="a single person"):
        verification_pairs(["a", "a"])
    with pytest.raises(ValueError, match="no genuine pair possible: each of the 3 people"):
        verification_pairs(["a", "b", "c"])
    with pytest.raises(ValueError, match="no impostor pair possible"):
        verification_pairs(["a", "a", "b"], match=["x", "x", "y"])
    with pytest.raises(ValueError, match="inconsistent"):
        verification_pairs(["a", "a", "b"], match=["x", "x"])
    with pytest.raises(ValueError, match="max_per_subject is 0"):
        verification_pairs(["a", "a", "b"], max_per_subject=0)


def test_error_rates_of_known_scores():
    pairs = np.array([[0, 1], [0, 1], [0, 2], [0, 2]])
    is_genuine = np.array([True, True, False, False])
    subject = ["a", "a", "b"]
    perfect = verification_row(np.array([4, 3, 2, 1]), pairs, is_genuine, subject)
    assert perfect[:4] == (1.0, 0.0, 4, 1)
    equal = verification_row(np.ones(4), pairs, is_genuine, subject)
    assert equal[:2] == (0.5, 0.5)
    mixed = verification_row(np.array([4, 1, 3, 0]), pairs, is_genuine, subject)
    assert mixed[:2] == (0.75, 0.5)


# ---------------------------------------------------------------- verifier


@pytest.fixture(scope="module")
def stripes():
    """Images of 16 x 16 with stripes of a rate that identifies the person, starting anywhere.

    The pixels of two images of a person therefore do not correlate.
    """
    rng = np.random.default_rng(0)
    y, t = np.repeat(np.arange(60), 4), np.arange(16)
    rate, start = rng.uniform(0.1, 1, 60)[y, None], rng.uniform(0, 6, (240, 1))
    waves = np.sin(rate * t + start)
    return 0.5 + 0.25 * (waves[:, :, None] + waves[:, None, :]), y


@pytest.fixture(scope="module")
def fitted(stripes):
    X, y = stripes
    return SiameseVerifier(**BRIEF).fit(X[y < 40], y[y < 40])


def test_people_never_seen_are_verified(fitted, stripes):
    X, y = stripes
    row = fitted.evaluate(X[y >= 40], y[y >= 40])
    # Five seeds gave 0.79 to 0.81.
    assert row.auc > 0.7
    assert row.n_subjects == 20
    assert row.n_pairs == 2 * 20 * 6
    # As given by the scores of the same pairs.
    pairs, is_genuine = verification_pairs(y[y >= 40], random_state=0)
    scores = fitted.score_pairs(X[y >= 40][pairs[:, 0]], X[y >= 40][pairs[:, 1]])
    assert roc_auc_score(is_genuine, scores) == pytest.approx(row.auc)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert scores[is_genuine].mean() > 0.5 > scores[~is_genuine].mean()


def test_a_gallery_is_ranked_by_the_same_scores(fitted, stripes):
    X, y = stripes
    gallery, probes = X[y >= 40][::4], X[y >= 40][1::4]
    scores = fitted.score_matrix(probes, gallery)
    pairwise = fitted.score_pairs(probes, gallery)
    np.testing.assert_allclose(np.diag(scores), pairwise, rtol=1e-5)
    names = np.arange(20)
    curve = cmc_curve(scores, names, names)
    assert curve[0] == rank_k(scores, names, names).mean()
    # Guessing gives 0.25; five seeds gave 0.50 to 0.70, with a standard deviation of 0.08.
    assert curve[4] > 0.35


def test_images_come_square_or_flat(stripes):
    X, y = stripes
    known = y < 40
    square = SiameseVerifier(**BRIEF).fit(X[known], y[known])
    flat = SiameseVerifier(image_shape=(16, 16), **BRIEF)
    flat.fit(X[known].reshape(-1, 256), y[known])
    np.testing.assert_array_equal(
        square.embed(X[~known]), flat.embed(X[~known].reshape(-1, 256))
    )
    assert square.evaluate(X[~known], y[~known]).auc > 0.65
    with pytest.raises(ValueError, match="fitted on images of 16 x 16 pixels"):
        square.embed(X[:, :, :12])
    with pytest.raises(ValueError, match=r"image_shape=\(5, 5\) does not fit"):
        clone(flat).set_params(image_shape=(5, 5)).fit(X.reshape(-1, 256), y)
    with pytest.raises(ValueError, match=r"X has shape \(2, 2, 2, 2\)"):
        SiameseVerifier().fit(np.zeros((2, 2, 2, 2)), [0, 0])


def test_recordings_are_refused(bunch, beats):
    for records in (bunch.data, beats):
        with pytest.raises(ValueError, match="SiameseVerifier takes arrays of images"):
            SiameseVerifier().fit(records, bunch.subject)


def test_the_same_seed_and_a_pickle_give_the_same_verifier(fitted, stripes):
    X, y = stripes
    state = torch.get_rng_state()
    again = clone(fitted).fit(X[y < 40], y[y < 40])
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(again.embed(X), fitted.embed(X))
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.score_matrix(X, X), fitted.score_matrix(X, X))
    # Whatever the company.
    np.testing.assert_allclose(fitted.embed(X[5:6]), fitted.embed(X)[5:6], atol=1e-6)


def test_a_release_of_negatives_is_seen_through(stripes):
    # Stripes are turned to their negatives: who knows of it is not misled.
    X, y = stripes
    verifier = SiameseVerifier(**BRIEF)
    result = verify_release(verifier, X, 1 - X, y, y >= 40, n_retrain=2)
    assert len(result.auc("original")) == len(result.auc("semi-informed")) == 2
    # Five seeds gave 0.81 with a standard deviation of 0.06.
    assert result.auc("semi-informed").mean() > 0.6
    # Two negatives differ as their originals do.
    np.testing.assert_allclose(
        result.auc("lazy-informed", "pixels"), result.auc("original", "pixels"), rtol=1e-6
    )
    rungs = ("ignorant", "lazy-informed", "semi-informed")
    assert result.worst[-1] == max(
        result.auc(rung, evidence=kind).mean() for rung in rungs for kind in EVIDENCE
    )
    before = max(result.auc("original", evidence=kind).mean() for kind in EVIDENCE)
    assert result.fall == 1 - (result.worst[-1] - 0.5) / (before - 0.5)
    assert not result.weak
    table = str(result)
    assert "trained on 40 people, evaluated on 20 others" in table
    assert len(result.to_records()) == 3 + 4 * 2 * 2
    assert {row.seed for row in result.rows if row.attacker == "pixels"} == {None}


def test_a_release_that_keeps_nothing_hides_everybody(stripes):
    X, y = stripes
    other = np.random.default_rng(1).random(X.shape)
    verifier = SiameseVerifier(**BRIEF)
    result = verify_release(verifier, X, other, y, y >= 40, n_retrain=1)
    # Five seeds gave 0.50 with a standard deviation of 0.02, and a fall of 0.89 (0.02).
    assert abs(result.auc("semi-informed")[0] - 0.5) < 0.15
    assert result.fall > 0.5


def test_a_verifier_that_pixels_beat_proves_nothing():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(30), 3)
    X = rng.random((30, 8, 8))[y] + 0.01 * rng.random((90, 8, 8))
    verifier = SiameseVerifier(**BRIEF | {"max_epochs": 1})
    with pytest.warns(WeakAttackWarning, match="no more than the correlation of pixels, 1.000"):
        result = verify_release(verifier, X, X, y, y >= 15, n_retrain=1)
    assert result.weak
    assert "WEAK ATTACK" in str(result)


def test_releases_that_cannot_be_evaluated_are_refused(stripes):
    X, y = stripes
    verifier = SiameseVerifier(**BRIEF)
    with pytest.raises(ValueError, match="1 people are on both sides"):
        verify_release(verifier, X, X, y, np.arange(len(y)) < 6)
    with pytest.raises(ValueError, match="neither may be empty"):
        verify_release(verifier, X, X, y, np.ones(len(y), dtype=bool))
    with pytest.raises(ValueError, match="released has shape"):
        verify_release(verifier, X, X[:, 1:], y, y >= 40)
    with pytest.raises(ValueError, match="n_retrain is 0"):
        verify_release(verifier, X, X, y, y >= 40, n_retrain=0)
    with pytest.raises(ValueError, match="no genuine pair possible"):
        verifier.fit(X[::4], y[::4])
    with pytest.raises(ValueError, match="a single person"):
        verifier.fit(X[:4], y[:4])
    with pytest.raises(ValueError, match="released has 3 images, X has 4"):
        verifier.fit(X[2:6], y[2:6], X[2:5])


# ---------------------------------------------------------------- matching


@pytest.fixture(scope="module")
def moved_people():
    """Images of 32 x 32 with a pattern of each person, moved, and of another exposure."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(40), 3)
    patterns = gaussian_filter(rng.normal(size=(40, 48, 48)), (0, 2, 2))
    patterns = (patterns - patterns.min()) / np.ptp(patterns)
    images = []
    for person in y:
        turned = rotate(patterns[person], rng.normal(0, 4), reshape=False, mode="reflect")
        image = shift(turned, rng.normal(0, 1.5, 2), mode="reflect")[8:40, 8:40]
        images.append(image.clip(0, 1) ** rng.uniform(0.6, 1.6))
    return np.stack(images), y


@pytest.fixture(scope="module")
def matching(moved_people):
    X, y = moved_people
    return MatchingVerifier(size=32, random_state=0).fit(X[y < 20], y[y < 20])


def test_matching_recognizes_people_who_have_moved(matching, moved_people):
    X, y = moved_people
    row = matching.evaluate(X[y >= 20], y[y >= 20])
    assert row.attacker == "matching"
    assert (row.n_pairs, row.n_subjects) == (2 * 20 * 3, 20)
    # Guessing gives 0.5 with a standard deviation of 0.05.
    assert row.auc > 0.85
    pairs, is_genuine = verification_pairs(y[y >= 20], random_state=0)
    scores = matching.score_pairs(X[y >= 20][pairs[:, 0]], X[y >= 20][pairs[:, 1]])
    assert roc_auc_score(is_genuine, scores) == pytest.approx(row.auc, abs=0.01)
    assert scores[is_genuine].mean() > 0.5 > scores[~is_genuine].mean()


def test_several_originals_of_a_person_are_linked(matching, moved_people):
    y, match = np.array(list("aaabbb")), np.array(list("ppllpp"))
    linked, owner = linked_pairs(np.array([[0, 4], [0, 1], [3, 2], [5, 4]]), y, match)
    assert [linked[owner == i].tolist() for i in range(4)] == [
        [[0, 4], [1, 4]],  # the third one has another view
        [[0, 1]],  # an image is not compared with itself
        [[3, 2]],
        [[5, 4]],
    ]
    X, y = moved_people
    new = (y >= 20) & (y < 28)
    row = matching.evaluate(X[new], y[new], evidence="linked")
    pairs, is_genuine = verification_pairs(y[new], random_state=0)
    every = np.array([(i, right) for i in range(new.sum()) for right in np.unique(pairs[:, 1])])
    shape = new.sum(), -1
    scores = matching._compare(X[new], X[new], every).reshape(shape)
    is_shown = (every[:, 0] != every[:, 1]).reshape(shape)
    column = np.searchsorted(np.unique(pairs[:, 1]), pairs[:, 1])
    means = [
        scores[(y[new] == y[new][left]) & is_shown[:, right], right].mean()
        for left, right in zip(pairs[:, 0], column, strict=True)
    ]
    expected = roc_auc_score(is_genuine, means)
    assert row.auc == pytest.approx(expected, abs=0.02)
    assert (row.evidence, row.n_pairs) == ("linked", len(pairs))
    with pytest.raises(ValueError, match="evidence is 'all'; give one of single, linked"):
        matching.evaluate(X[new], y[new], evidence="all")


def test_matching_does_not_depend_on_exposure(matching, moved_people):
    X, _ = moved_people
    left, right = X[:20], X[20:40]
    expected = matching.score_pairs(left, right)
    # The alignment multiplies the rounding of float32.
    np.testing.assert_allclose(matching.score_pairs(left, 5 * right + 2), expected, atol=0.02)
    copied = pickle.loads(pickle.dumps(matching))
    np.testing.assert_array_equal(copied.score_pairs(left, right), expected)
    np.testing.assert_allclose(
        matching.score_pairs(left[3:4], right[3:4]), expected[3:4], atol=0.02
    )


def test_alignment_undoes_a_movement():
    rng = np.random.default_rng(0)
    wide = gaussian_filter(rng.normal(size=(64, 64)), 3)
    fixed, moving = (wide[rows, 8:56][None] for rows in (slice(8, 56), slice(10, 58)))
    first, second = (bands(image, 48)[1] for image in (fixed, moving))
    maps, agreement = align(first, second)
    before = np.corrcoef(first.flatten(), second.flatten())[0, 1]
    after = np.corrcoef(first.flatten(), move(second, maps).flatten())[0, 1]
    assert before < 0.9 < 0.95 < after
    assert agreement.item() > 0.95
    # Two of 48 pixels are 2 / 24 of half the side.
    assert maps[0, 1, 2].item() == pytest.approx(-2 / 24, abs=0.03)


def test_patches_agree_where_they_are_moved_to():
    image = torch.from_numpy(np.random.default_rng(0).random((1, 1, 32, 32)))
    agreement = local_agreement(image, torch.roll(image, (1, -2), (2, 3)), 8, 8, 2)
    assert agreement.shape == (1, 25, 4, 4)
    # Shifted down by 1 and left by 2: of the shifts from -2 to 2, row 3 and column 0.
    inner = agreement[0, :, 1:3, 1:3]
    assert (inner.argmax(dim=0) == 3 * 5 + 0).all()
    torch.testing.assert_close(inner.amax(dim=0), torch.ones_like(inner[0]))


def test_each_image_is_compared_with_a_cohort_of_others(moved_people):
    X, y = moved_people
    X, y = X[:18].astype(np.float32), y[:18]
    verifier = MatchingVerifier(size=32, n_cohort=4, random_state=0).fit(X, y, 1 - X)
    assert verifier.cohort_.shape == (4, 32, 32)
    np.testing.assert_array_equal(verifier.released_cohort_, 1 - verifier.cohort_)
    owners = [y[(image == X).all(axis=(1, 2))].item() for image in verifier.cohort_]
    assert len(set(owners)) == 4
    assert len(MatchingVerifier(size=32, n_cohort=50).fit(X, y).cohort_) == 6
    # The mean of the features of an image with the members who are other people.
    structure, cohort = bands(X, 32), bands(verifier.cohort_, 32)
    is_other = y[:, None] != owners
    chosen = np.flatnonzero(~is_other.all(axis=1))[[0, 0]]
    typical = _typical_features(structure, cohort, chosen, is_other)
    others = np.flatnonzero(is_other[chosen[0]])
    assert len(others) == 3
    pairs = np.column_stack([np.repeat(chosen[0], 3), others])
    expected = pair_features(structure, cohort, pairs).mean(axis=0)
    # The alignment multiplies the rounding of float32.
    np.testing.assert_allclose(typical, np.tile(expected, (2, 1)), atol=0.02)


def test_images_without_content_match_nothing(matching):
    flat = np.full((2, 32, 32), 0.3)
    assert np.isfinite(matching.score_pairs(flat, flat)).all()


def test_matching_refuses_what_it_cannot_learn_from(moved_people):
    X, y = moved_people
    verifier = MatchingVerifier(size=16)
    with pytest.raises(ValueError, match="released has 3 images, X has 6"):
        verifier.fit(X[:6], y[:6], X[:3])
    with pytest.raises(ValueError, match="no genuine pair possible"):
        verifier.fit(X[::3], y[::3])
    with pytest.raises(ValueError, match="no impostor pair possible"):
        verifier.fit(X[:6], y[:6], match=y[:6])
    verifier.fit(X[:12], y[:12])
    with pytest.raises(ValueError, match="fitted on images of 32 x 32 pixels"):
        verifier.score_pairs(X[:2, :, :16], X[:2, :, :16])


def test_the_strongest_attacker_counts(moved_people):
    X, y = moved_people
    matching = MatchingVerifier(size=32, n_cohort=3, n_impostors=2)
    attackers = [SiameseVerifier(**BRIEF | {"max_epochs": 1}), matching]
    match = (y % 2).astype(str)
    result = verify_release(attackers, X, 1 - X, y, y >= 20, match=match, n_retrain=2)
    assert result.attackers == ("pixels", "siamese", "matching")
    assert len(result.auc("semi-informed")) == 2
    assert len(result.auc("semi-informed", "matching")) == 1
    # Negatives hide nobody from an attacker who was trained on negatives.
    assert result.auc("original", "matching")[0] > 0.8
    assert result.auc("semi-informed", "matching")[0] > 0.7
    assert result.worst[-1] >= result.auc("semi-informed", "matching")[0]
    assert "matching  semi-informed" in str(result)
    with pytest.raises(ValueError, match="one of each"):
        verify_release([attackers[1]] * 2, X, X, y, y >= 20)
    with pytest.raises(ValueError, match="attackers holds nothing"):
        verify_release([], X, X, y, y >= 20)


def test_both_kinds_of_pairs_weigh_alike():
    logits = torch.tensor([[1.0, -2.0, 0.5], [0.0, 2.0, 0.5], [-1.0, 3.0, 0.1]])
    subject = torch.tensor([0, 1, 0])
    same = subject[:, None] == subject
    expected = torch.log1p(torch.exp(-logits[same])).mean()
    expected = expected + torch.log1p(torch.exp(logits[~same])).mean()
    assert PairLoss()(logits, subject).item() == pytest.approx(expected.item())


def test_batches_pair_rows_of_one_person():
    torch.manual_seed(0)
    # 100 people with one row, 50 with four. A row is its number, its release a thousand more.
    y = torch.cat([torch.arange(100), 100 + torch.arange(50).repeat_interleave(4)])
    number = torch.arange(len(y)).float()
    X = torch.stack([number, 1000 + number], dim=1)[:, :, None, None]
    batches = ResidentSubjects(Dataset(X, y), batch_size=64)
    found = list(batches)
    assert len(found) == len(batches) == 5
    pairs = torch.cat([rows for rows, _ in found], dim=1).flatten(1).long()
    left, right, owners = pairs[0], pairs[1] - 1000, torch.cat([of for _, of in found])
    assert torch.equal(y[left], owners)
    assert torch.equal(y[right], owners)
    several = owners >= 100
    assert (left != right)[several].all()
    assert (left == right)[~several].all()
    assert 0.6 < several.float().mean() < 0.8
    # Not always the same two of the four.
    assert len(set((right - left)[several].tolist())) == 6


def test_another_visit_moves_but_never_flips():
    torch.manual_seed(0)
    # A heart on the left stays on the left.
    image = torch.zeros(200, 1, 32, 32)
    image[:, :, 12:22, 4:12] = 1
    changed = another_visit(image)
    assert changed.shape == image.shape
    assert (changed[..., :16].sum((1, 2, 3)) > changed[..., 16:].sum((1, 2, 3))).all()
    assert not torch.allclose(changed[0], changed[1])
    assert changed.min() >= 0
    assert changed.max() <= 1
    signal = torch.sin(torch.arange(64) / 3).expand(200, 2, 64)
    moved = standardized(another_visit(signal))
    agreement = (moved * standardized(signal)).mean(dim=(1, 2))
    assert 0.5 < agreement.mean() < 0.99


@pytest.mark.gpu
@pytest.mark.usefixtures("full_float32")
def test_a_verifier_from_a_gpu_loads_on_a_cpu(stripes):
    X, y = stripes
    verifier = SiameseVerifier(device="cuda", **BRIEF).fit(X, y)
    expected = verifier.embed(X)
    verifier.set_params(device="cpu")
    on_cpu = pickle.loads(pickle.dumps(verifier))
    assert on_cpu.device_ == "cpu"
    # All points have length 1. Eighteen layers multiply the rounding of float32, 6e-8; a
    # network with other weights would put the points about 1 apart.
    np.testing.assert_allclose(on_cpu.embed(X), expected, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_a_trained_verifier_beats_pixels_on_chest_x_rays(data_home):
    bunch = load_nih_chest_xrays(data_home)
    X = bunch.images.reshape(-1, 64, 2, 64, 2).mean(axis=(2, 4))
    people = np.random.default_rng(0).permutation(np.unique(bunch.subject))
    test = np.isin(bunch.subject, people[: len(people) // 3])
    match = np.column_stack([bunch.view, bunch.sex])
    verifier = SiameseVerifier(random_state=0)
    result = verify_release(verifier, X, X, bunch.subject, test, match=match, n_retrain=1)
    assert result.auc("original", "pixels")[0] < 0.76
    assert result.auc("original")[0] > result.auc("original", "pixels")[0] + 0.03
    # A release that changes nothing hides nobody.
    assert result.auc("ignorant")[0] == result.auc("original")[0]
    assert result.auc("semi-informed")[0] > result.auc("original")[0] - 0.05
