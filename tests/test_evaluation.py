"""Releases and their one evaluation: the same probes everywhere, attackers on any modality."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from sklearn_ecganon import QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import NoiseAnonymizer
from sklearn_ecganon.attacks import Attacker, Evaluation
from sklearn_ecganon.attacks._attackers import ATTACKERS, PANELS, resolve_panel
from sklearn_ecganon.attacks._feature_sets import beat_scores, row_scores
from sklearn_ecganon.attacks._modalities import MODALITIES, Features, extract_features
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.metrics import Estimate, auc_interval, paired_difference
from sklearn_ecganon.model_selection import PrivacyUtilityScorer
from sklearn_ecganon.releases import Release
from sklearn_ecganon.report import audit
from sklearn_ecganon.utility import UtilityScorer, validity


@pytest.fixture(scope="module")
def noise(beats):
    return NoiseAnonymizer(strength=0.5, random_state=0).fit(beats)


@pytest.fixture(scope="module")
def release(beats, bunch, noise):
    return Release.by(noise, beats, bunch.subject, sessions=bunch.session)


@pytest.fixture(scope="module")
def scorer():
    return ReidentificationScorer("lda", min_original=0)


@pytest.fixture(scope="module")
def evaluation(release, scorer):
    return evaluate(release, scorer)


class TestRelease:
    def test_holds_originals_release_and_views(self, release, beats, bunch, first, noise):
        np.testing.assert_array_equal(release.in_gallery, first)
        np.testing.assert_array_equal(release.original.beats, beats.beats)
        np.testing.assert_array_equal(release.released.beats, noise.transform(beats).beats)
        assert [len(view) for view in release.retrained] == [first.sum()] * 3
        views = [view.beats for view in release.retrained]
        assert not np.array_equal(views[0], views[1])
        assert not np.array_equal(views[0], release.released[np.flatnonzero(first)].beats)

    def test_probes_are_the_later_sessions(self, release, bunch, first):
        before, after = release.probes()
        assert (
            before.names
            == after.names
            == tuple(
                record.name
                for record, early in zip(bunch.data, first, strict=True)
                if not early
            )
        )
        np.testing.assert_array_equal(release.probe_subjects(), bunch.subject[~first])

    def test_records_are_segmented_once(self, bunch, monkeypatch):
        n_calls = []
        transform = QRSSegmenter.transform
        monkeypatch.setattr(
            QRSSegmenter,
            "transform",
            lambda self, X: n_calls.append(len(X)) or transform(self, X),
        )
        pipeline = Pipeline([("segment", QRSSegmenter()), ("noise", NoiseAnonymizer())])
        pipeline.fit(bunch.data)
        n_calls.clear()
        release = Release.by(pipeline, bunch.data, bunch.subject)
        evaluate(release, ReidentificationScorer(["lda", "template"], min_original=0))
        assert n_calls == [len(bunch.data)]

    def test_a_random_split_deals_beats(self, beats, bunch):
        release = Release.by("passthrough", beats, bunch.subject, split="random")
        assert release.in_gallery is None
        assert release.probes()[0] is beats

    def test_bad_split(self, beats, bunch):
        with pytest.raises(ValueError, match="split='beat'; choose from"):
            Release.by("passthrough", beats, bunch.subject, split="beat")

    def test_without_views_only_the_ignorant_attacker_is_evaluated(self, beats, bunch, noise):
        release = Release.by(noise, beats, bunch.subject, sessions=bunch.session, n_views=0)
        evaluation = evaluate(release, "lda", contract=None)
        assert {row.knowledge for row in evaluation.rows} == {"original", "ignorant"}
        with pytest.raises(ValueError, match="no view of the gallery"):
            evaluate(release, "lda", knowledge=["semi-informed"])

    def test_of_pairs_keeps_the_signals(self, bunch):
        released = [replace(record, signal=0.9 * record.signal) for record in bunch.data]
        release = Release.of_pairs(bunch.data, released)
        before, after = release.recordings
        assert [record.name for record in before] == list(release.original.names)
        np.testing.assert_array_equal(after[3].signal, released[3].signal)
        assert len(release.retrained) == 1
        assert not release.cut

    def test_single_releases_allow_no_informed_attacker(self, bunch, first):
        alone = [record for record, early in zip(bunch.data, first, strict=True) if early]
        release = Release.of_pairs(alone, alone)
        assert release.cut
        assert release.retrained == ()
        assert len(release.subjects) == 2 * len(alone)


class TestBesidesAttackers:
    def test_validity_is_of_the_probes(self, evaluation, release):
        assert evaluation.validity.n_records == len(release.probe_subjects())
        stitched = validity(*release.probes()).to_dict()
        assert evaluation.validity.to_dict() == pytest.approx(stitched, nan_ok=True)

    def test_realism_and_labels_need_records_and_enough_people(self, release, bunch):
        with pytest.raises(ValueError, match="give at least 20"):
            evaluate(release, "lda", realism=True)
        with pytest.raises(ValueError, match="'sex' has 1 class in 12"):
            evaluate(release, "lda", labels={"sex": ["F"] * len(release.subjects)})
        with pytest.raises(ValueError, match="'sex' has 1 values for"):
            evaluate(release, "lda", labels={"sex": ["F"]})
        arrays = replace(release, original=release.original.beats)
        with pytest.raises(ValueError, match="give records or a BeatSet"):
            evaluate(arrays, "lda", realism=True)


class TestSameProbes:
    def test_every_caller_measures_the_same(
        self, release, evaluation, scorer, beats, bunch, noise
    ):
        """Scorer, search and audit agree with `evaluate` on figures of the same name."""
        utility = UtilityScorer().evaluate(*release.probes())["utility"]
        assert evaluation.utility == utility
        ladder = scorer.evaluate(noise, beats, bunch.subject, sessions=bunch.session)
        assert ladder == evaluation
        scores = PrivacyUtilityScorer(scorer)(noise, beats, bunch.subject, bunch.session)
        assert scores["utility"] == utility
        assert scores["privacy"] == evaluation.privacy
        audited = audit(
            beats,
            noise.transform(beats),
            bunch.subject,
            sessions=bunch.session,
            attackers="lda",
        )
        assert audited.evaluation.utility == utility
        by_knowledge = {
            name: [row.rank1 for row in result.rows if row.knowledge == "ignorant"]
            for name, result in (("audit", audited.evaluation), ("evaluate", evaluation))
        }
        assert by_knowledge["audit"] == by_knowledge["evaluate"]

    def test_utility_does_not_look_at_the_gallery(self, beats, bunch, noise, scorer, first):
        release = Release.by(noise, beats, bunch.subject, sessions=bunch.session, n_views=1)
        silent = release.released.beats.copy()
        silent[first[release.released.record]] = 0
        spoilt = replace(release, released=release.released.with_beats(silent))
        assert evaluate(spoilt, scorer).utility == evaluate(release, scorer).utility

    def test_one_seed_fixes_every_figure(self, release, scorer, evaluation):
        assert evaluate(release, scorer) == evaluation


class TestEvaluation:
    def test_has_the_headline(self, evaluation):
        assert isinstance(evaluation, Evaluation)
        assert evaluation.privacy == pytest.approx(
            min(1, 1 - (evaluation.worst.rank1 - 1 / 6) / (5 / 6))
        )
        assert isinstance(evaluation.excess, Estimate)
        text = repr(evaluation)
        assert len(text) < 300
        for word in ("worst", "privacy", "floor", "excess", "utility", "6"):
            assert word in text

    def test_becomes_a_table(self, evaluation):
        frame = evaluation.to_frame()
        assert len(frame) == len(evaluation.rows) + len(evaluation.floor_rows)
        assert {"attacker", "modality", "knowledge", "rank1", "panel"} <= set(frame.columns)

    def test_becomes_json(self, evaluation):
        figures = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
        assert figures["rank1"] == evaluation.worst.rank1
        assert figures["utility"]["utility"] == evaluation.utility
        assert len(figures["ladder"]) == len(evaluation.rows) + len(evaluation.floor_rows)

    def test_html_escapes(self, evaluation):
        rows = tuple(row._replace(attacker="<b>") for row in evaluation.rows)
        page = replace(evaluation, rows=rows)._repr_html_()
        assert "<b>" not in page
        assert "&lt;b&gt;" in page

    def test_print_is_the_ladder(self, evaluation):
        text = str(evaluation)
        assert any(line.split()[:2] == ["lda", "semi-informed"] for line in text.splitlines())
        assert "utility, measured on the probes" in text

    def test_utility_is_unknown_until_it_is_measured(self, release, scorer):
        ladder = scorer.identify(release)
        assert ladder.utility is None
        assert "utility" not in ladder.scores()


class TestAttackersOfOnesOwn:
    def test_on_any_modality(self, release):
        neighbors = KNeighborsClassifier(5)
        # Strips have two dimensions, which this classifier does not take.
        modalities = [name for name in MODALITIES if name != "strip"]
        panel = [Attacker(neighbors, modality=modality) for modality in modalities]
        scorer = ReidentificationScorer(
            panel, min_original=0, evidence=["recording"], contract=None
        )
        modality_of = {row.attacker: row.modality for row in evaluate(release, scorer).rows}
        for modality in modalities:
            suffix = "" if modality == "waveform" else f"-{modality}"
            assert modality_of[f"KNeighborsClassifier{suffix}"] == modality
        assert modality_of["fusion"] == "all"

    def test_two_of_a_kind_get_two_names(self):
        panel = [Attacker(KNeighborsClassifier(k), "rhythm") for k in (1, 2)]
        assert list(resolve_panel(panel, has_rhythm=True)) == [
            "KNeighborsClassifier-rhythm",
            "KNeighborsClassifier-rhythm-2",
        ]

    def test_a_subclass_needs_no_classifier(self, beats, bunch, first):
        class Guess(Attacker):
            def fit(self, X, y):
                self.n_subjects_ = y.max() + 1
                return self

            def enroll(self, X, y):
                return self

            def log_proba(self, X):
                return np.zeros((len(X), self.n_subjects_))

        scorer = ReidentificationScorer(Guess(), min_original=0, contract=None)
        result = scorer.evaluate("passthrough", beats, bunch.subject, sessions=bunch.session)
        assert {row.attacker for row in result.rows} == {"Guess"}
        assert result.worst.rank1 == pytest.approx(1 / 6)

    def test_trains_on_and_compares_with_few_rows_of_each_subject(self, release):
        counts = []

        class Counting(Attacker):
            def fit(self, X, y):
                counts.append(np.bincount(y).max())
                return super().fit(X, y)

            def enroll(self, X, y):
                counts.append(np.bincount(y).max())
                return super().enroll(X, y)

        scorer = ReidentificationScorer(
            Counting(KNeighborsClassifier(1)), min_original=0, contract=None, max_beats=5
        )
        scorer.identify(release)
        # Trained on originals and on the views, enrolled on the views.
        assert counts == [5, 5, 5]

    def test_unknown_modality(self, release):
        with pytest.raises(ValueError, match="has modality 'smell'; choose from"):
            evaluate(release, Attacker(KNeighborsClassifier(), "smell"))

    def test_also_as_a_classifier(self, beats, bunch, first):
        attacker = Attacker(KNeighborsClassifier(5))
        scorer = ReidentificationScorer(attacker).fit(beats[first], bunch.subject[first])
        assert scorer.score(beats[~first], bunch.subject[~first]) > 0.5
        assert not hasattr(attacker, "classifier_")  # the user's own object is not changed


def test_the_registry_is_consistent():
    assert set(PANELS) == {"default", "strongest"}
    for name, entry in ATTACKERS.items():
        assert entry.modality in MODALITIES, name
    for contract in ("diagnostic", "measurement"):
        assert any(entry.floor_of == contract for entry in ATTACKERS.values())


class TestRowsOfSeveralBeats:
    """Attackers whose rows are strips of a record are combined like all others."""

    features = Features(
        values=np.array([[0.0, 4.0], [2.0, 1.0]]), row_of_beat=np.array([0, 0, -1, 1])
    )

    def test_properties_of_beats_by_row(self):
        of_rows = self.features.per_row(np.array([7, 7, 8, 9]))
        np.testing.assert_array_equal(of_rows, [7, 9])

    def test_scores_of_all_beats_sum_to_those_of_the_rows(self):
        class Echo:
            def log_proba(self, X):
                return X

        scores = beat_scores(Echo(), self.features, np.arange(4))
        expected = row_scores(Echo(), self.features.values)
        np.testing.assert_allclose(scores[:2].sum(axis=0), expected[0])
        np.testing.assert_allclose(scores[3], expected[1])
        np.testing.assert_array_equal(scores[2], 0)

    def test_a_modality_of_whole_records(self, beats, bunch, monkeypatch):
        """One row a record: its mean beat; evidence below 20 beats is not reported."""

        def mean_beats(source):
            means = [
                source.windows[source.beats.record == i].mean(axis=0).ravel()
                for i in range(len(source.beats))
            ]
            return Features(np.array(means, dtype=np.float32), source.beats.record)

        whole = MODALITIES["waveform"]._replace(
            extract=mean_beats, needs_records=True, min_evidence=20
        )
        monkeypatch.setitem(MODALITIES, "whole", whole)
        attacker = Attacker(KNeighborsClassifier(1), "whole")
        scorer = ReidentificationScorer(
            [attacker, "lda"], min_original=0, contract=None, evidence=(1, 100)
        )
        result = scorer.evaluate("passthrough", beats, bunch.subject, sessions=bunch.session)
        rows = [row for row in result.rows if row.modality == "whole"]
        assert {row.evidence for row in rows} == {100}
        assert {row.panel for row in rows} == {"full"}
        assert max(row.rank1 for row in rows if row.knowledge == "original") > 0.5
        assert "-" in str(result)

    def test_arrays_are_refused(self, beats):
        source = type("Source", (), {"windows": beats.beats, "beats": None})
        with pytest.raises(ValueError, match="rhythm need RR intervals"):
            extract_features({"rhythm"}, source)


class TestIntervals:
    def test_paired_difference_has_open_ends(self):
        assert paired_difference([1.0] * 10, [1.0] * 10).low == pytest.approx(-0.308, abs=1e-3)
        assert paired_difference([0.0] * 10, [1.0] * 10).high == pytest.approx(-0.692, abs=1e-3)

    def test_auc_by_hand(self):
        assert auc_interval([2, 3], [1, 2], random_state=0).value == 0.875
        assert auc_interval([2, 3], [0, 1]) == (1.0, pytest.approx(0.025**0.5), 1.0)

    def test_format(self):
        assert f"{Estimate(0.1, -0.05, 0.2):+.1%}" == "+10.0 % [-5.0, +20.0]"
        assert f"{Estimate(0.5, 0.25, 0.75):.2f}" == "0.50 [0.25, 0.75]"
