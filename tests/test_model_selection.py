"""GridSearchCV over strength, refit rules, splits, fronts."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_ecganon import (
    NonQRSVAEAnonymizer,
    PseudoIdentityAnonymizer,
    QRSSegmenter,
    ReidentificationScorer,
)
from sklearn_ecganon.anonymizers import NoiseAnonymizer
from sklearn_ecganon.model_selection import (
    PrivacyUtilityScorer,
    SessionSplit,
    max_utility,
    pareto_front,
)
from sklearn_ecganon.utility import UtilityScorer

pytestmark = pytest.mark.trains

GRID = {"identity__strength": [0.0, 1.0]}


@pytest.fixture
def pipeline():
    vae = NonQRSVAEAnonymizer(max_epochs=2, random_state=0)
    return Pipeline([("segment", QRSSegmenter()), ("identity", vae)])


def search_over(estimator, grid=GRID, **parameters):
    return GridSearchCV(
        estimator,
        grid,
        scoring=PrivacyUtilityScorer(ReidentificationScorer("lda", min_original=0)),
        refit=max_utility(risk=1.0),
        **{"cv": SessionSplit(), "error_score": "raise", **parameters},
    )


def test_grid_search_on_records(pipeline, bunch):
    search = search_over(pipeline).fit(bunch.data, bunch.subject)
    results = search.cv_results_
    np.testing.assert_array_equal(results["mean_test_utility"][0], 1.0)
    assert results["mean_test_utility"][1] < 1
    assert results["mean_test_privacy"][1] >= results["mean_test_privacy"][0]
    # Any risk is accepted, so the most useful candidate is refitted: strength 0.
    assert search.best_params_ == {"identity__strength": 0.0}
    released = search.best_estimator_.transform(bunch.data)
    assert len(released) == len(bunch.data)


def test_two_workers_give_the_same(pipeline, bunch):
    pipeline = pipeline.set_params(identity__max_epochs=1)
    one = search_over(pipeline).fit(bunch.data, bunch.subject).cv_results_
    two = search_over(pipeline, n_jobs=2).fit(bunch.data, bunch.subject).cv_results_
    for name in one:
        if name.startswith("mean_test"):
            np.testing.assert_allclose(one[name], two[name], atol=1e-6)


def test_routing_on_and_off_agree(pipeline, bunch):
    off = search_over(pipeline, cv=GroupKFold(2))
    off.fit(bunch.data, bunch.subject, groups=bunch.subject)
    with sklearn.config_context(enable_metadata_routing=True):
        on = search_over(pipeline)
        on.fit(bunch.data, bunch.subject, groups=bunch.session)
    by_session = search_over(pipeline).fit(bunch.data, bunch.subject)
    np.testing.assert_allclose(
        on.cv_results_["mean_test_privacy"], by_session.cv_results_["mean_test_privacy"]
    )
    assert np.isfinite(off.cv_results_["mean_test_privacy"]).all()


def test_routing_passes_sessions_to_the_scorer(beats, bunch):
    # A BeatSet knows no sessions: without routing the held-out records of a subject would
    # be split in time, with it by session.
    seen = []

    class Spy(PrivacyUtilityScorer):
        def __call__(self, estimator, X, y, groups=None):
            seen.append(groups)
            return super().__call__(estimator, X, y, groups)

    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            NonQRSVAEAnonymizer(max_epochs=1, random_state=0),
            {"strength": [1.0]},
            scoring=Spy(ReidentificationScorer("lda", min_original=0)),
            refit=False,
            cv=SessionSplit(),
            error_score="raise",
        )
        doubled = beats[np.repeat(np.arange(len(beats)), 2)]
        subject, session = np.repeat(bunch.subject, 2), np.repeat(bunch.session, 2)
        search.fit(doubled, subject, groups=session)
    assert [len(groups) for groups in seen] == [len(beats)]


class Counting(NoiseAnonymizer):
    calls = 0

    def transform(self, X):
        Counting.calls += 1
        return super().transform(X)


@pytest.mark.parametrize("kind", ["beats", "records", "one record a subject", "rows"])
def test_one_release_for_attackers_and_utility(beats, bunch, first, kind, monkeypatch):
    monkeypatch.setattr(Counting, "calls", 0)
    attackers = ReidentificationScorer("lda", n_views=2, min_original=0, contract=None)
    model, X, y = Counting(random_state=0), beats, bunch.subject
    if kind == "rows":
        X, y = beats.beats[:, 0], bunch.subject[beats.record]
    elif kind != "beats":
        model = Pipeline([("segment", QRSSegmenter()), ("identity", model)])
        chosen = np.flatnonzero(first) if kind == "one record a subject" else np.arange(len(y))
        X, y = [bunch.data[i] for i in chosen], y[chosen]
    model.fit(X)
    scores = PrivacyUtilityScorer(attackers)(model, X, y)
    assert Counting.calls == 1 + attackers.n_views
    assert attackers.scorer(model, X, y).items() <= scores.items()
    assert 0 < scores["utility"] < 1


@pytest.mark.parametrize("steps", ["two", "none", "unsalted"])
def test_other_pipelines_are_released_once_too(beats, bunch, steps, monkeypatch):
    monkeypatch.setattr(Counting, "calls", 0)
    attackers = ReidentificationScorer("lda", n_views=2, min_original=0, contract=None)
    model = {
        "two": Pipeline([("a", Counting(random_state=0)), ("b", Counting(random_state=1))]),
        "none": Pipeline([("a", "passthrough")]),
        "unsalted": Pipeline([("a", FunctionTransformer())]),
    }[steps].fit(beats)
    scores = PrivacyUtilityScorer(attackers)(model, beats, bunch.subject)
    if steps == "two":
        assert Counting.calls == 1 + 2 * (1 + attackers.n_views)  # and one in fit
        assert scores["utility"] < 1
    else:
        assert scores["utility"] == 1
        assert attackers.scorer(model, beats, bunch.subject).items() <= scores.items()


def test_all_scores_are_greater_is_better(beats, bunch):
    scorer = PrivacyUtilityScorer(ReidentificationScorer("lda", min_original=0))
    # With six records, weak noise may change a category that strong noise does not change.
    # Strength 0 changes nothing, so that every figure is at its best.
    weak, strong = (
        scorer(NoiseAnonymizer(strength=s, random_state=0).fit(beats), beats, bunch.subject)
        for s in (0.0, 1.0)
    )
    assert {"privacy", "utility", "correlation_qrs", "neg_rmse_outside", "neg_prd"} <= set(weak)
    assert {"neg_error_QT", "kappa_wide_qrs", "f1_150ms", "neg_error_sdnn"} <= set(weak)
    for name in weak:
        assert not name.startswith(
            ("n_records", "bias", "before", "delineator", "error", "prd")
        )
        if not name.startswith(("privacy", "neg_rank1")):
            assert weak[name] >= strong[name], name


def test_the_contract_decides_what_is_useful(beats, bunch):
    attackers = ReidentificationScorer("lda", min_original=0)
    # It keeps the categories, and changes the intervals and the rhythm.
    model = PseudoIdentityAnonymizer.from_pretrained(random_state=0)
    by_contract = [
        PrivacyUtilityScorer(attackers, UtilityScorer(contract))(model, beats, bunch.subject)
        for contract in ("diagnostic", "measurement")
    ]
    assert by_contract[0]["utility"] > by_contract[1]["utility"] + 0.2
    assert by_contract[0]["privacy"] == by_contract[1]["privacy"]


def test_grid_search_on_arrays(beats, bunch):
    rows, y = beats.beats[:, 0], bunch.subject[beats.record]
    search = search_over(
        NonQRSVAEAnonymizer(max_epochs=1, random_state=0),
        {"strength": [0.0, 1.0]},
    )
    search.fit(rows, y, groups=bunch.session[beats.record])
    assert search.cv_results_["mean_test_utility"][0] == 1.0
    assert np.isfinite(search.cv_results_["mean_test_privacy"]).all()


def test_pipeline_memory_gives_the_same(pipeline, bunch, tmp_path):
    plain = pipeline.fit_transform(bunch.data, bunch.subject)
    pipeline.set_params(memory=str(tmp_path))
    for _ in range(2):
        cached = pipeline.fit_transform(bunch.data, bunch.subject)
        np.testing.assert_array_equal(cached.beats, plain.beats)


def test_attacker_as_a_classifier_across_sessions(bunch):
    scores = cross_val_score(
        ReidentificationScorer("lda"),
        bunch.data,
        bunch.subject,
        cv=SessionSplit(),
        error_score="raise",
    )
    assert scores[0] >= 5 / 6


def test_session_split(bunch, beats):
    y = np.array(list("aabbcc"))
    sessions = np.array(["2", "10", "2021-03-01", "2020-12-31", "x", "x"])
    [(train, test)] = SessionSplit().split(np.zeros(6), y, sessions)
    assert train.tolist() == [1, 3, 4, 5]  # "10" sorts before "2": sessions are text
    assert test.tolist() == [0, 2]
    assert SessionSplit().get_n_splits() == 1
    with pytest.raises(ValueError, match="needs sessions"):
        next(SessionSplit().split(beats, bunch.subject))
    with pytest.raises(ValueError, match="time_split"):
        next(SessionSplit().split(np.zeros(6), y, np.full(6, "x")))


def results_of(privacy, utility, **others):
    columns = {"privacy": privacy, "utility": utility, **others}
    return {f"mean_test_{name}": np.array(values) for name, values in columns.items()}


def test_max_utility():
    results = results_of([0.0, 0.96, 0.99, 1.0], [1.0, 0.7, 0.8, 0.2])
    assert max_utility(risk=0.05)(results) == 2
    assert max_utility(risk=1.0)(results) == 0
    assert max_utility(risk=0.0)(results) == 3
    assert pickle.loads(pickle.dumps(max_utility(0.05)))(results) == 2
    results["mean_test_privacy"] = np.array([0.1, 0.3, np.nan, 0.2])
    with pytest.warns(UserWarning, match=r"no candidate keeps the risk at 5\.0%.* 70\.0%\.$"):
        assert max_utility(risk=0.05)(results) == 1
    with pytest.raises(ValueError, match="risk=2"):
        max_utility(2)
    with pytest.raises(ValueError, match="no candidate has finite"):
        max_utility()(results_of([np.nan, 0.5], [1.0, np.nan]))


def test_max_utility_takes_the_more_private_of_equally_useful_ones():
    assert max_utility(risk=0.1)(results_of([0.91, 0.99, 0.95], [0.8, 0.8, 0.8])) == 1


def test_max_utility_prefers_a_release_to_originals():
    # All leak alike: the most useful that changes anything, though strength 0 is more so.
    alike = results_of([0.0, 0.004, 0.0], [1.0, 0.5, 0.9])
    with pytest.warns(UserWarning, match=r"100\.0%\. The originals are no easier"):
        assert max_utility()(alike) == 2
    # Utility may be 1 where the signal did change: the waveform tells.
    changed = results_of([0.0, 0.0, 0.0], [1.0, 1.0, 0.9], neg_prd=[0.0, -3.0, -9.0])
    with pytest.warns(UserWarning, match="no easier to recognize"):
        assert max_utility()(changed) == 1
    # The method makes people easier to recognize than their originals.
    worse = results_of([0.2, 0.1], [1.0, 0.9], neg_prd=[0.0, -3.0])
    with pytest.warns(UserWarning, match="It changes nothing and releases the orig"):
        assert max_utility()(worse) == 0


def test_pareto_front_against_brute_force():
    scores = np.random.default_rng(0).integers(0, 6, size=(60, 3))
    expected = [not any((b >= a).all() and (b > a).any() for b in scores) for a in scores]
    np.testing.assert_array_equal(pareto_front(scores), expected)


def test_one_metric_makes_the_attackers_a_scorer_of_cross_val_score(bunch):
    method = make_pipeline(QRSSegmenter(), NoiseAnonymizer(random_state=0))
    arguments = (method, bunch.data, bunch.subject)
    all_figures = cross_validate(*arguments, scoring=PrivacyUtilityScorer(), cv=SessionSplit())
    for metric in ("privacy", lambda scores: scores["privacy"]):
        scorer = PrivacyUtilityScorer(metric=metric)
        scores = cross_val_score(*arguments, scoring=scorer, cv=SessionSplit())
        np.testing.assert_array_equal(scores, all_figures["test_privacy"])
    some = PrivacyUtilityScorer(metric=["utility", "privacy"])
    scores = cross_validate(*arguments, scoring=some, cv=SessionSplit())
    assert {name for name in scores if name.startswith("test")} == {
        "test_utility",
        "test_privacy",
    }
    np.testing.assert_array_equal(scores["test_privacy"], all_figures["test_privacy"])
    for metric in ("risk", ["privacy", "risk"]):
        scorer = PrivacyUtilityScorer(metric=metric)
        with pytest.raises(ValueError, match="metric is 'risk', but the figures are privacy"):
            scorer(method.fit(bunch.data), *arguments[1:])


def test_halving_search(pipeline, bunch):
    search = HalvingGridSearchCV(
        pipeline,
        {"identity__strength": [0.0, 0.5, 1.0]},
        resource="identity__max_epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        scoring=PrivacyUtilityScorer(metric="utility"),
        cv=SessionSplit(),
    )
    search.fit(bunch.data, bunch.subject)
    # Strength 0 changes nothing, and nothing is more useful.
    assert search.best_params_["identity__strength"] == 0
    assert search.best_score_ == 1
