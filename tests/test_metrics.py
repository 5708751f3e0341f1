"""Figures against cases computed by hand and closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from sklearn_ecganon.metrics import (
    cmc_curve,
    d_sys,
    detection_scores,
    equal_error_rate,
    gallery_size_curve,
    highest_rank1,
    membership_advantage,
    nearest_record_ratio,
    pearson_correlation,
    prd,
    precision_recall_density_coverage,
    rank_k,
    rmse,
    subject_bootstrap,
    tar_at_far,
    two_sample_auc,
)


def two_normals(separation, n=700):
    """Scores of n subjects, one probe each: N(separation, 1) if genuine, else N(0, 1)."""
    scores = np.random.default_rng(0).normal(size=(n, n))
    scores[np.diag_indices(n)] += separation
    return scores, np.arange(n), np.arange(n)


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
    expected = norm.cdf(-separation / 2)
    assert equal_error_rate(*two_normals(separation)) == pytest.approx(expected, abs=0.035)


def test_equal_error_rate_extremes():
    perfect, reversed_ = np.eye(3), -np.eye(3)
    assert equal_error_rate(perfect, range(3), range(3)) == 0
    assert equal_error_rate(reversed_, range(3), range(3)) == 1


def test_cmc_is_rank_k_at_every_rank_with_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(4, size=(60, 9))
    y, classes = rng.integers(9, size=60), rng.permutation(9)
    over_probes = cmc_curve(scores, y, classes, average="probes")
    over_subjects = cmc_curve(scores, y, classes)
    for k in range(1, 10):
        hits = rank_k(scores, y, classes, k)
        assert over_probes[k - 1] == pytest.approx(hits.mean())
        assert over_subjects[k - 1] == pytest.approx(subject_bootstrap(hits, y)[0])
    assert over_probes[-1] == over_subjects[-1] == 1


def test_cmc_of_constant_scores_is_the_diagonal():
    flat = cmc_curve(np.zeros((5, 5)), range(5), range(5))
    np.testing.assert_allclose(flat, [0.2, 0.4, 0.6, 0.8, 1.0])


def test_cmc_by_hand():
    # Subject a owns two probes, ranked 1 and 3; subject b one, ranked 2.
    scores = [[3, 2, 1], [1, 2, 3], [3, 2, 1]]
    y, classes = ["a", "a", "b"], ["a", "b", "c"]
    np.testing.assert_allclose(cmc_curve(scores, y, classes), [1 / 4, 3 / 4, 1])
    by_probe = cmc_curve(scores, y, classes, average="probes")
    np.testing.assert_allclose(by_probe, [1 / 3, 2 / 3, 1])
    with pytest.raises(ValueError, match="average is 'median'"):
        cmc_curve(scores, y, classes, average="median")


@pytest.mark.parametrize("far", [0.3, 0.05, 0.01])
def test_tar_of_two_normals(far):
    # TAR = 1 - Phi(Phi^-1(1 - FAR) - d).
    expected = norm.sf(norm.isf(far) - 2)
    assert tar_at_far(*two_normals(2), far=far) == pytest.approx(expected, abs=0.04)


def test_tar_by_hand():
    # Genuine 4 2, impostors 3 1: at 2 half of the impostors and all genuine pass.
    scores, y = [[4.0, 3.0], [1.0, 2.0]], ["a", "b"]
    far = [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(tar_at_far(scores, y, y, far), [0.5, 0.5, 1, 1, 1])
    # Between the points (0, 1/2) and (1/2, 1) of a tied score lies a straight line.
    tied = [[4.0, 2.0], [1.0, 2.0]]
    np.testing.assert_allclose(tar_at_far(tied, y, y, far), [0.5, 0.75, 1, 1, 1])


def test_tar_extremes():
    perfect, flat = np.eye(4), np.zeros((4, 4))
    far = [0, 1e-3, 0.5, 1]
    np.testing.assert_array_equal(tar_at_far(perfect, range(4), range(4), far), 1)
    np.testing.assert_allclose(tar_at_far(flat, range(4), range(4), far), far)
    assert tar_at_far(-perfect, range(4), range(4), 0.9) == 0


def test_tar_meets_the_equal_error_rate():
    scores, y, classes = two_normals(1.0, n=200)
    eer = equal_error_rate(scores, y, classes)
    assert tar_at_far(scores, y, classes, eer) == pytest.approx(1 - eer, abs=1e-6)


def test_scores_that_cannot_be_judged():
    scores, y = np.eye(2), ["a", "b"]
    with pytest.raises(ValueError, match=r"far is .*; give rates"):
        tar_at_far(scores, y, y, far=[0.1, 1.1])
    for verify in (equal_error_rate, tar_at_far, d_sys):
        with pytest.raises(ValueError, match="needs impostors"):
            verify([[1.0], [2.0]], ["a", "a"], ["a"])
    for figure in (rank_k, cmc_curve, equal_error_rate, tar_at_far, d_sys):
        with pytest.raises(ValueError, match=r"shape \(2, 2\); give \(2, 3\)"):
            figure(scores, y, ["a", "b", "c"])
        with pytest.raises(ValueError, match="scores holds NaN"):
            figure([[np.nan, 1.0], [0.0, 1.0]], y, y)
    with pytest.raises(ValueError, match="infinite"):
        d_sys([[1.0, -np.inf], [0.0, 1.0]], y, y)


@pytest.mark.parametrize(("separation", "omega"), [(1.0, 1.0), (2.0, 1.0), (2.0, 0.1)])
def test_d_sys_of_two_normals(separation, omega):
    # LR(s) = exp(d s - d^2 / 2); D = (omega LR - 1) / (omega LR + 1) where positive.
    def integrand(s):
        odds = np.log(omega) + separation * s - separation**2 / 2
        return norm.pdf(s - separation) * max(np.tanh(odds / 2), 0)

    expected = quad(integrand, -8, 12, limit=200)[0]
    figures = d_sys(
        *two_normals(separation, 1500),
        omega=omega,
        n_bins=40,
        n_permutations=20,
        random_state=0,
    )
    assert figures.value == pytest.approx(expected, abs=0.04)
    assert figures.p_value == 1 / 21
    assert figures.null.mean() < expected / 2


def test_d_sys_by_hand():
    # Two bins. Mated: 1 of 4 low, 3 high. Non-mated: 11 of 12 low, 1 high.
    scores = np.zeros((4, 4))
    scores[[0, 1, 2], [0, 1, 2]] = 1
    scores[3, 0] = 1
    figures = d_sys(scores, range(4), range(4), n_bins=2, n_permutations=9, random_state=0)
    high = (3 / 4 - 1 / 12) / (3 / 4 + 1 / 12)
    np.testing.assert_allclose(figures.local, [0, high])
    assert figures.value == pytest.approx(3 / 4 * high)
    np.testing.assert_array_equal(figures.edges, [0, 0.5, 1])


def test_d_sys_null_keeps_the_scores_of_a_person_together():
    # Ten equal probes of each of 30 people who cannot be separated. Shuffling the scores
    # one by one would call 58 of these 60 draws significant at 10 %.
    p_values = []
    for seed in range(60):
        per_person = np.random.default_rng(seed).normal(size=(30, 30))
        scores, y = np.repeat(per_person, 10, axis=0), np.repeat(np.arange(30), 10)
        figures = d_sys(scores, y, range(30), n_bins=10, n_permutations=60, random_state=0)
        p_values.append(figures.p_value)
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2
    assert 0.35 < np.mean(p_values) < 0.65


def test_d_sys_is_seeded_and_leaves_the_global_generator_alone():
    scores, y, classes = two_normals(0.2, 60)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    null = [
        d_sys(scores, y, classes, n_permutations=5, random_state=seed).null
        for seed in (0, 0, 1, np.random.RandomState(3), np.random.RandomState(3), None)
    ]
    np.testing.assert_array_equal(null[0], null[1])
    np.testing.assert_array_equal(null[3], null[4])
    assert not np.array_equal(null[0], null[2])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


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


def test_prd_by_hand():
    before, after = np.array([3.0, 5.0]), np.array([3.0, 6.0])
    assert prd(before, after) == pytest.approx(100 / np.sqrt(2))
    assert prd(before, after, remove_mean=False) == pytest.approx(100 / np.sqrt(34))
    # The mean of the original is removed from its size, not from the error.
    assert prd(before, before + 1) == pytest.approx(100)
    np.testing.assert_allclose(
        prd(np.stack([before, before]), [after, before]), [70.71, 0], atol=0.01
    )
    assert prd([2.0, 2.0], [2.0, 2.0]) == 0
    assert prd([2.0, 2.0], [2.0, 3.0]) == np.inf


@pytest.mark.parametrize("separation", [0.0, 1.0, 2.0])
def test_membership_advantage_of_two_normals(separation):
    # max TPR - FPR = 2 Phi(d / 2) - 1; AUC = Phi(d / sqrt 2).
    members, others = np.random.default_rng(0).normal(size=(2, 20000))
    figures = membership_advantage(members + separation, others)
    assert figures.advantage == pytest.approx(2 * norm.cdf(separation / 2) - 1, abs=0.015)
    assert figures.auc == pytest.approx(norm.cdf(separation / np.sqrt(2)), abs=0.01)


def test_membership_advantage_extremes_and_its_bias():
    assert membership_advantage([2, 3], [0, 1]) == (1, 1)
    assert membership_advantage([0, 1], [2, 3]) == (0, 0)
    assert membership_advantage([1, 1], [1, 1, 1]) == (0, 0.5)
    rng = np.random.default_rng(0)
    figures = [membership_advantage(*rng.normal(size=(2, 4000))).advantage for _ in range(200)]
    assert np.mean(figures) == pytest.approx(0.63 * np.sqrt(2 / 4000), rel=0.1)
    with pytest.raises(ValueError, match="non_member_scores must be"):
        membership_advantage([1.0], [])


def test_nearest_record_ratio_by_hand():
    train, holdout = [[0, 0], [4, 0]], [[0, 3], [9, 9]]
    figures = nearest_record_ratio([[0, 0], [0, 1], [0, 3], [4, 3]], train, holdout)
    np.testing.assert_allclose(figures, [0, 1 / 2, np.inf, 3 / 4])
    assert nearest_record_ratio([[1]], [[1]], [[1]]) == 1


def test_nearest_record_ratio_is_even_without_memorization_and_detects_copies():
    rng = np.random.default_rng(0)
    train, holdout, fresh = rng.normal(size=(3, 1500, 4, 2))
    assert (nearest_record_ratio(fresh, train, holdout) < 1).mean() == pytest.approx(
        0.5, abs=0.04
    )
    copies = train + 1e-3 * rng.normal(size=train.shape)
    assert (nearest_record_ratio(copies, train, holdout) < 1).mean() > 0.99
    with pytest.raises(ValueError, match="train has 1500 samples and holdout 20"):
        nearest_record_ratio(fresh, train, holdout[:20])
    with pytest.raises(ValueError, match="of one shape"):
        nearest_record_ratio(fresh[:, :2], train, holdout)


def test_prdc_by_hand():
    # Balls of the real samples: [-1, 1] [0, 2] [1, 5] [3, 17]; of the generated ones:
    # [0, 1] [0.5, 1.5] [-40.5, 0.5].
    real = [[0.0], [1.0], [3.0], [10.0]]
    generated = [[0.5], [1.0], [-20.0]]
    figures = precision_recall_density_coverage(real, generated, n_neighbors=1)
    # 0.5 lies in 2 real balls, 1 in 3, -20 in none; of the real samples 0 and 1 lie in
    # generated balls, 3 and 10 do not; the ball of 10 alone holds no generated sample.
    assert figures.precision == pytest.approx(2 / 3)
    assert figures.density == pytest.approx(5 / 3)
    assert figures.coverage == 3 / 4
    assert figures.recall == 1 / 2


def test_prdc_of_one_distribution():
    rng, n, m, k = np.random.default_rng(0), 1200, 800, 5
    real, generated = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    figures = precision_recall_density_coverage(real, generated, n_neighbors=k)
    steps = np.arange(1, k + 1)
    assert figures.coverage == pytest.approx(
        1 - np.prod((n - steps) / (n + m - steps)), abs=0.02
    )
    assert figures.density == pytest.approx(1, abs=0.06)
    swapped = precision_recall_density_coverage(generated, real, n_neighbors=k)
    assert (figures.precision, figures.recall) == (swapped.recall, swapped.precision)


def test_prdc_separates_fidelity_and_diversity():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 2))
    collapsed = precision_recall_density_coverage(real, 0.05 * rng.normal(size=(400, 2)))
    assert collapsed.precision > 0.99
    assert collapsed.recall < 0.1
    assert collapsed.coverage < 0.1
    assert precision_recall_density_coverage(real, real + 50) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="generated has 3 samples"):
        precision_recall_density_coverage(real, real[:3])


def test_two_sample_auc_of_two_normals():
    real, generated = np.random.default_rng(0).normal(size=(2, 3000, 1))
    linear = LogisticRegression()
    figures = two_sample_auc(real, generated + 1, classifier=linear, random_state=0)
    assert figures == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    figures = two_sample_auc(real, generated, classifier=linear, random_state=0)
    assert figures == pytest.approx(0.5, abs=0.03)


def test_two_sample_auc_detects_more_than_means_and_is_seeded():
    real, generated = np.random.default_rng(0).normal(size=(2, 300, 2, 3))
    figures = two_sample_auc(real, 3 * generated, random_state=0)
    assert figures > 0.85
    assert figures == two_sample_auc(real, 3 * generated, random_state=0)


def test_two_sample_auc_keeps_records_together():
    # Both sets hold beats of records of one kind; beats of a record are nearly the same.
    rng = np.random.default_rng(0)
    centers = np.repeat(rng.normal(size=(80, 5)), 15, axis=0)
    beats = centers + 0.01 * rng.normal(size=centers.shape)
    record = np.repeat(np.arange(80), 15)
    real, generated = beats[:600], beats[600:]
    assert two_sample_auc(real, generated, random_state=0) > 0.99
    grouped = two_sample_auc(real, generated, record[:600], record[600:], random_state=0)
    assert 0.3 < grouped < 0.7


def test_two_sample_auc_keeps_a_record_and_its_copy_together():
    # Copies look like real samples. A classifier that may have the original in training
    # and its copy in the test learns to answer the opposite.
    centers = np.random.default_rng(0).normal(size=(60, 5))
    names = [f"r{i}" for i in range(60)]
    assert two_sample_auc(centers, centers, random_state=0) < 0.3
    assert two_sample_auc(centers, centers, names, names, random_state=0) == pytest.approx(0.5)


def test_two_sample_auc_refuses():
    rows = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="give both"):
        two_sample_auc(rows, rows, real_groups=range(20))
    with pytest.raises(ValueError, match="found 19 groups for 20 real"):
        two_sample_auc(rows, rows, range(19), range(21))
    with pytest.raises(ValueError, match="lacks real or generated"):
        two_sample_auc(rows, rows, np.zeros(20), np.arange(1, 21))
    with pytest.raises(ValueError, match="generated is empty or holds NaN"):
        two_sample_auc(rows, np.full((20, 3), np.nan))


class TestGallerySize:
    def test_agrees_with_drawing_galleries(self):
        rng = np.random.default_rng(0)
        scores = rng.integers(6, size=(12, 8)).astype(float)
        y = np.arange(12) % 8
        curve = gallery_size_curve(scores, y, np.arange(8), [1, 3, 8])
        hits = np.zeros(12)
        for _ in range(3000):
            for probe, subject in enumerate(y):
                others = rng.permutation(np.delete(np.arange(8), subject))[:2]
                gallery = np.r_[subject, others]
                hits[probe] += rank_k(scores[[probe]][:, gallery], [0], [0, 1, 2])[0]
        means = np.bincount(y, hits / 3000) / np.bincount(y)
        # The standard error of 36,000 draws is below .003.
        assert curve[1] == pytest.approx(means.mean(), abs=0.012)
        assert curve[0] == 1
        whole = subject_bootstrap(rank_k(scores, y, np.arange(8)), y)[0]
        assert curve[2] == pytest.approx(whole)

    def test_never_rises_and_refuses_other_sizes(self):
        curve = gallery_size_curve(*two_normals(2.0, n=60), np.arange(1, 61))
        assert (np.diff(curve) <= 1e-12).all()
        with pytest.raises(ValueError, match="from 1 to 3"):
            gallery_size_curve(np.eye(3), range(3), range(3), [4])


class TestHighestRank1:
    def test_p_values_of_noise_are_not_small_too_often(self):
        rng = np.random.default_rng(0)
        p_values = []
        for _ in range(100):
            cells = [(rng.normal(size=(12, 12)), np.arange(12)) for _ in range(15)]
            test = highest_rank1(cells, np.arange(12), n_permutations=99, random_state=0)
            p_values.append(test.p_value)
        # Under the null 5 of 100 are expected; 15 or more have a probability below 1e-4.
        assert np.sum(np.array(p_values) <= 0.05) < 15

    def test_one_cell_that_identifies_somebody_is_significant_among_noise(self):
        rng = np.random.default_rng(0)
        cells = [(rng.normal(size=(20, 20)), np.arange(20)) for _ in range(20)]
        knows = rng.normal(size=(40, 20))
        subjects = np.arange(40) % 20
        knows[np.arange(40), subjects] += 3
        test = highest_rank1([*cells, (knows, subjects)], np.arange(20), random_state=0)
        expected = subject_bootstrap(rank_k(knows, subjects, np.arange(20)), subjects)[0]
        assert test.value == pytest.approx(expected)
        assert test.p_value < 0.01

    def test_one_cell_is_compared_with_all_renamings(self):
        # 3 subjects, all recognized: only the identity of 6 permutations is as high.
        test = highest_rank1([(np.eye(3), range(3))], range(3), random_state=0)
        assert test.p_value == pytest.approx(1 / 6, abs=0.05)

    def test_refuses_cells_of_other_subjects(self):
        with pytest.raises(ValueError, match="differ in the subjects"):
            highest_rank1([(np.eye(3), range(3)), (np.eye(3)[:2], range(2))], range(3))
        with pytest.raises(ValueError, match="empty"):
            highest_rank1([], range(3))
