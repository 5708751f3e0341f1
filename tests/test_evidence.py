"""How much an attacker combines, from one beat to all recordings of a person."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ecganon import ReidentificationScorer
from sklearn_ecganon.attacks._evidence import check_evidence, describe_evidence, sort_evidence
from sklearn_ecganon.attacks._feature_sets import FeatureSet
from sklearn_ecganon.attacks._strip_features import strips_of_beats
from sklearn_ecganon.attacks._trials import combine
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.releases import Release


def test_evidence_is_sorted_and_described():
    mixed = ["linked", 50, "recording", 1, 50]
    assert sort_evidence(mixed) == [1, 50, "recording", "linked"]
    words = [describe_evidence(e) for e in sort_evidence(mixed)]
    assert words == ["1 beat", "50 beats", "whole recording", "all recordings"]
    for wrong in ([], [0], ["all"], [1.5]):
        with pytest.raises(ValueError, match="give numbers of beats"):
            check_evidence(wrong)


def test_scores_are_summed_over_recordings_and_people():
    scores = np.arange(12.0).reshape(6, 2)
    probes = FeatureSet(
        features={},
        codes=np.array([0, 0, 1, 1, 1, 0]),
        probe=np.array([0, 0, 1, 1, 2, 3]),
        in_gallery=np.zeros(6, dtype=bool),
        layout=(1, 10, None),
    )
    recording = combine(scores, probes, "recording")
    np.testing.assert_array_equal(recording.scores, [[2, 4], [10, 12], [8, 9], [10, 11]])
    assert recording.subjects.tolist() == [0, 1, 1, 0]
    linked = combine(scores, probes, "linked")
    np.testing.assert_array_equal(linked.scores, [[12, 15], [18, 21]])
    assert linked.n_beats.tolist() == [3, 3]
    # A recording of two beats is the same evidence as two beats.
    np.testing.assert_array_equal(combine(scores, probes, 2).scores, recording.scores)


def test_every_strip_holds_beats_and_every_beat_a_strip(beats):
    strips, row_of_beat = strips_of_beats(beats, None)
    assert strips.shape[1:] == (beats.n_leads, 1250)
    assert np.unique(row_of_beat).tolist() == list(range(len(strips)))
    for row in range(len(strips)):
        assert len(np.unique(beats.record[row_of_beat == row])) == 1


def test_whole_signals_are_used_where_they_have_the_same_leads(beats, bunch):
    stitched, _ = strips_of_beats(beats, None)
    whole, _ = strips_of_beats(beats, bunch.data)
    assert whole.shape == stitched.shape
    assert not np.array_equal(whole, stitched)
    renamed = [replace(r, lead_names=("other",)) for r in bunch.data]
    np.testing.assert_array_equal(strips_of_beats(beats, renamed)[0], stitched)


class NearestStrip:
    """A fast attacker on strips: the spectrum of the gallery that is closest."""

    modality = "strip"
    name = "nearest-strip"

    def fit(self, X, y):
        return self.enroll(X, y)

    def enroll(self, X, y):
        other = NearestStrip()
        spectra = self._spectra(X)
        other.means_ = np.array([spectra[y == s].mean(axis=0) for s in range(y.max() + 1)])
        return other

    def log_proba(self, X):
        distance = self._spectra(X)[:, np.newaxis] - self.means_
        return -np.square(distance).sum(axis=2)

    def _spectra(self, X):
        return np.log(np.abs(np.fft.rfft(X[:, 0]))[:, 10:300:10] + 1e-6)


@pytest.fixture(scope="module")
def release(beats, bunch):
    return Release.by("passthrough", beats, bunch.subject, sessions=bunch.session)


def test_a_release_of_originals_is_identified_by_strips_and_beats(release):
    attackers = ["lda", NearestStrip()]
    scorer = ReidentificationScorer(attackers, evidence=(1, "recording", "linked"))
    evaluation = evaluate(release, scorer)
    assert evaluation.evidence == [1, "recording", "linked"]
    of_strips = {r.evidence for r in evaluation.rows if r.attacker == "nearest-strip"}
    # One beat is no strip.
    assert of_strips == {"recording", "linked"}
    assert evaluation.p_value < 0.05
    assert evaluation.profiles.n_subjects == 6
    assert evaluation.to_dict()["profiles"]["minimum"] == evaluation.profiles.minimum
    assert "whole recording" in str(evaluation)
    assert "by chance" in str(evaluation)
    assert evaluation.floor.evidence == evaluation.worst.evidence


def test_too_little_evidence_for_strips_is_refused(release):
    scorer = ReidentificationScorer([NearestStrip()], evidence=(1, 20))
    with pytest.raises(ValueError, match="add 'recording' or 'linked'"):
        scorer.identify(release)


def test_views_follow_the_attackers(beats, bunch):
    for attackers, n_views in (("lda", 3), ([NearestStrip(), "lda"], 6)):
        scorer = ReidentificationScorer(attackers)
        release = scorer.release("passthrough", beats, bunch.subject, sessions=bunch.session)
        assert len(release.retrained) == n_views
