"""Membership inference detects a model that memorizes, and no other model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import KSameAnonymizer, LowPassAnonymizer
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.attacks._membership_result import (
    null_aucs,
    permutation_p_value,
    tpr_at_fpr,
)
from sklearn_ecganon.datasets import load_protocol
from sklearn_ecganon.metrics import auc_interval
from sklearn_ecganon.model_selection import SessionSplit


@parametrize_with_checks([MembershipInferenceScorer()])
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def people():
    """Thirty-six subjects with two sessions of 6 s: the first twelve are the members."""
    bunch = make_ecg_records(n_subjects=36, n_sessions=2, duration=6.0, random_state=5)
    beats = QRSSegmenter().fit_transform(bunch.data)
    member = np.isin(bunch.subject, np.unique(bunch.subject)[:12])
    early = bunch.session == np.sort(np.unique(bunch.session))[0]
    return bunch, beats, member, early


@pytest.fixture(scope="module")
def strangers():
    """Beats of another population altogether: (n_beats, n_times)."""
    bunch = make_ecg_records(n_subjects=12, n_sessions=1, duration=20.0, random_state=99)
    return QRSSegmenter().fit_transform(bunch.data).beats[:, 0]


@pytest.fixture(scope="module")
def scorer(people):
    bunch, beats, member, _ = people
    return MembershipInferenceScorer().fit(beats[~member], bunch.subject[~member])


def attack(scorer, people, generator, session=None):
    bunch, beats, member, early = people
    chosen = member if session is None else member & (early == (session == "early"))
    return scorer.evaluate(generator, beats[chosen], bunch.subject[chosen])


@pytest.mark.parametrize("session", ["early", "late"])
def test_copies_with_noise_are_detected(scorer, people, session):
    # Both by the very recordings that were copied and by others of the same people.
    _, beats, member, early = people
    trained_on = beats[member & early].beats
    noise = np.random.default_rng(0).normal(scale=0.02, size=trained_on.shape)
    result = attack(scorer, people, trained_on + noise, session)
    assert [row.attack for row in result.rows] == ["nearest", "density"]
    assert all(row.auc > 0.9 and row.low > 0.5 for row in result.rows)
    assert result.p_value < 0.01
    assert result.privacy < 0.2
    assert (result.n_members, result.n_non_members, result.n_public) == (12, 12, 12)
    assert result.n_generated == len(trained_on)


def test_a_sampler_that_memorizes_is_detected_and_one_of_strangers_is_not(
    scorer, people, strangers
):
    _, beats, member, _ = people
    memory = KernelDensity(bandwidth=0.01).fit(beats[member].beats[:, 0])
    assert attack(scorer, people, memory).worst.auc > 0.9
    innocent = KernelDensity(bandwidth=0.01).fit(strangers)
    result = attack(scorer, people, innocent)
    assert all(row.low <= 0.5 <= row.high for row in (*result.rows, result.blind))
    assert result.p_value > 0.05
    assert not result.unlike


def test_strangers_give_an_auc_of_one_half_for_any_members(people, strangers):
    # One deal may be unlucky: an interval misses one time in twenty.
    bunch, beats, _, _ = people
    model = GaussianMixture(2, covariance_type="diag", random_state=0).fit(strangers)
    results = []
    for seed in range(10):
        chosen = np.random.default_rng(seed).permutation(np.unique(bunch.subject))[:12]
        member = np.isin(bunch.subject, chosen)
        scorer = MembershipInferenceScorer(max_beats=5, random_state=seed)
        scorer.fit(beats[~member], bunch.subject[~member])
        results.append(scorer.evaluate(model, beats[member], bunch.subject[member]))
    for attack_number in (0, 1):
        rows = [result.rows[attack_number] for result in results]
        assert np.mean([row.auc for row in rows]) == pytest.approx(0.5, abs=0.1)
        assert sum(row.low <= 0.5 <= row.high for row in rows) >= 8
    assert sum(result.p_value <= 0.05 for result in results) <= 2


def test_a_fixed_filter_has_no_members(scorer, people):
    # A filter has no weights, so that it cannot reveal its training data.
    _, beats, member, _ = people
    result = attack(scorer, people, LowPassAnonymizer().fit(beats[member]))
    assert result.worst.low <= 0.5 <= result.worst.high


def test_strength_zero_releases_what_the_attacker_has(scorer, people):
    bunch, beats, member, _ = people
    model = KSameAnonymizer(strength=0, k=2).fit(beats[member], bunch.subject[member])
    nearest, _ = attack(scorer, people, model).rows
    assert (nearest.auc, nearest.advantage, nearest.p_value) == (0.5, 0.0, 1.0)


def test_averages_of_two_people_reveal_both(scorer, people):
    bunch, beats, member, _ = people
    model = KSameAnonymizer(k=2, random_state=0).fit(beats[member], bunch.subject[member])
    leaky = attack(scorer, people, model)
    assert leaky.worst.low > 0.5
    assert leaky.p_value < 0.05


def test_pipeline_from_records_gives_the_same_figures(scorer, people):
    bunch, _, member, _ = people
    records = [r for r, m in zip(bunch.data, member, strict=True) if m]
    hold_out = [r for r, m in zip(bunch.data, member, strict=True) if not m]
    model = KSameAnonymizer(k=2, random_state=0)
    pipeline = Pipeline([("segment", QRSSegmenter()), ("identity", model)])
    pipeline.fit(records, bunch.subject[member])
    from_records = MembershipInferenceScorer().fit(hold_out, bunch.subject[~member])
    from_pipeline = from_records.evaluate(pipeline, records, bunch.subject[member])
    assert from_pipeline == attack(scorer, people, model)


def test_arrays_data_frames_and_other_classifiers(people):
    bunch, beats, member, _ = people
    rows, y = beats.beats[:, 0], bunch.subject[beats.record]
    inside = member[beats.record]
    scorer = MembershipInferenceScorer(LogisticRegression(max_iter=200), max_beats=5)
    scorer.fit(rows[~inside], y[~inside])
    result = scorer.evaluate(pd.DataFrame(rows[inside]), rows[inside], y[inside])
    assert result.worst.auc == 1.0
    assert scorer.n_features_in_ == rows.shape[1]


def test_same_seed_same_figures_other_seed_other_public_people(scorer, people, strangers):
    bunch, beats, member, _ = people
    sampler = KernelDensity(bandwidth=0.1).fit(strangers)
    assert attack(scorer, people, sampler) == attack(scorer, people, sampler)
    other = MembershipInferenceScorer(random_state=1).fit(
        beats[~member], bunch.subject[~member]
    )
    assert set(other.public_subjects_) != set(scorer.public_subjects_)
    both = {*scorer.public_subjects_, *scorer.non_member_subjects_}
    assert both == set(bunch.subject[~member])


def test_groups_that_differ_without_the_model_are_reported(people):
    bunch, beats, member, _ = people
    rng = np.random.default_rng(0)
    noisy = beats[member]
    noisy = noisy.with_beats(noisy.beats + rng.normal(scale=0.2, size=noisy.beats.shape))
    scorer = MembershipInferenceScorer().fit(beats[~member], bunch.subject[~member])
    result = scorer.evaluate(rng.normal(size=noisy.beats.shape), noisy, bunch.subject[member])
    assert result.unlike
    assert "UNLIKE GROUPS" in str(result)


def test_result_prints_the_auc_that_few_people_cannot_rule_out(scorer, people, strangers):
    result = attack(scorer, people, strangers)
    text = str(result)
    for row in (*result.rows, result.blind):
        assert f"{row.auc:.2f} [{row.low:.2f}, {row.high:.2f}]" in text
    assert f"With 12 and 12 subjects an AUC up to {result.worst.high:.2f}" in text
    assert "TPR at FPR 10%" in text
    assert "FPR 1%" not in text
    assert [row["attack"] for row in result.to_records()] == ["nearest", "density", "blind"]


def test_in_a_search(people):
    bunch, beats, member, _ = people
    scorer = MembershipInferenceScorer(n_views=1).fit(beats[~member], bunch.subject[~member])
    search = GridSearchCV(
        KSameAnonymizer(k=2, random_state=0),
        {"strength": [0.0, 1.0]},
        scoring=scorer.scorer,
        refit="privacy",
        cv=SessionSplit().split(beats[member], bunch.subject[member], bunch.session[member]),
    ).fit(beats[member], bunch.subject[member])
    scores = search.cv_results_
    assert scores["mean_test_neg_auc_nearest"][0] == -0.5
    assert scores["mean_test_privacy"][1] < scores["mean_test_privacy"][0] <= 1
    assert search.best_params_ == {"strength": 0.0}


def test_interval_covers_and_p_values_are_uniform_without_leakage():
    rng = np.random.RandomState(0)
    covered, p_values = [], []
    for _ in range(200):
        scores = rng.normal(size=30)
        _, low, high = auc_interval(scores[:18], scores[18:], random_state=rng)
        covered.append(low <= 0.5 <= high)
        nulls = null_aucs(scores[np.newaxis], 18, rng)[0]
        wins = (scores[:18, np.newaxis] > scores[18:]).mean()
        p_values.append(permutation_p_value(nulls, wins))
    assert 0.88 <= np.mean(covered) <= 0.99
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.06)


def test_interval_and_rates_by_hand():
    rng = np.random.RandomState(0)
    # All of 4 x 3 pairs won: 3 independent pairs, exact bound 0.025 ** (1 / 3).
    _, low, high = auc_interval(np.arange(4.0) + 9, np.arange(3.0), random_state=rng)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 3)), 1.0)
    _, low, high = auc_interval(np.arange(3.0), np.arange(4.0) + 9, random_state=rng)
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 3)))
    assert auc_interval(np.ones(3), np.ones(4), random_state=rng) == (0.5, 0.5, 0.5)
    others = np.arange(10.0)  # one of ten may be above the threshold: 8 is the threshold
    assert tpr_at_fpr(np.array([7.5, 8.0, 8.5, 9.5]), others, 0.1) == 0.5


def test_refuses_bad_input(scorer, people, strangers):
    bunch, beats, member, _ = people
    inside, y = beats[member], bunch.subject[member]
    with pytest.raises(ValueError, match="is a member and in the hold-out"):
        scorer.evaluate(strangers, beats[:3], bunch.subject[-3:])
    with pytest.raises(ValueError, match="found 1 members and 12 non-members"):
        scorer.evaluate(strangers, inside[:1], y[:1])
    with pytest.raises(ValueError, match="give 4 or more"):
        MembershipInferenceScorer().fit(inside[:2], ["a", "a"])
    with pytest.raises(ValueError, match="requires y"):
        scorer.evaluate(strangers, inside, None)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        scorer.evaluate(strangers, inside, y[:-1])
    with pytest.raises(ValueError, match="with transform or sample"):
        scorer.evaluate("elsewhere", inside, y)
    with pytest.raises(ValueError, match=r"was fitted on .* but X has"):
        scorer.evaluate(strangers[:, :-1], inside, y)
    at_200 = QRSSegmenter(sampling_rate=200).fit_transform(bunch.data)[member]
    with pytest.raises(ValueError, match="at 200 Hz"):
        scorer.evaluate(strangers, at_200, y)
    with pytest.raises(ValueError, match="NaN"):
        scorer.evaluate(np.full_like(strangers, np.nan), inside, y)
    with pytest.raises(ValueError, match="no beat in any record"):
        scorer.evaluate(strangers, _silence(inside, 0), np.arange(len(inside)).astype(str))


def _silence(beats, record):
    """Return the same records, one of them without its beats."""
    others = beats.record != record
    labels = None if beats.labels is None else beats.labels[others]
    return replace(
        beats,
        beats=beats.beats[others],
        record=beats.record[others],
        r_peaks=beats.r_peaks[others],
        labels=labels,
    )


# Record 207 has ventricular flutter.
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.segmentation.SignalQualityWarning")
@pytest.mark.slow
def test_models_trained_on_half_of_mitdb(data_home):
    records = load_protocol("mitdb-time", data_home=data_home).records
    records = [r for r in records if r.name.split()[-1] in ("1", "7")]
    y = np.array([record.subject for record in records])
    early = np.array([record.session == "1 early" for record in records])
    beats = QRSSegmenter(leads=[0]).fit_transform(records)
    chosen = np.random.default_rng(0).permutation(np.unique(y))[:23]
    member = np.isin(y, chosen)
    scorer = MembershipInferenceScorer().fit(beats[~member], y[~member])
    trained_on = beats[member & early]
    assert scorer.evaluate(trained_on, beats[member], y[member]).worst.auc > 0.9
    vae = NonQRSVAEAnonymizer(max_epochs=10, random_state=0).fit(trained_on)
    result = scorer.evaluate(vae, beats[member], y[member])
    assert (result.n_members, result.n_non_members, result.n_public) == (23, 12, 12)
    assert all(row.low <= 0.5 <= row.high for row in result.rows)
    # An average of two people is close to both: k-Same does give its people away.
    same = KSameAnonymizer(k=2, random_state=0).fit(trained_on, y[member & early])
    result = scorer.evaluate(same, beats[member], y[member])
    assert result.worst.low > 0.5
    assert result.p_value < 0.05
