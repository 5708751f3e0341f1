"""What a contract keeps also identifies: floors, excess, and the panels side by side."""

import numpy as np
import pytest

from sklearn_ecganon import BeatSet, QRSSegmenter, ReidentificationScorer, make_ecg_records
from sklearn_ecganon.attacks._attackers import resolve_panel
from sklearn_ecganon.attacks._identification import plan_fusions
from sklearn_ecganon.attacks._modalities import (
    UNMEASURED,
    category_features,
    interval_features,
    rhythm_features,
)
from sklearn_ecganon.contracts import Measurements


@pytest.fixture(scope="module")
def bunch():
    return make_ecg_records(n_subjects=6, n_sessions=2, duration=20.0, random_state=1)


@pytest.fixture(scope="module")
def beats(bunch):
    return QRSSegmenter("annotated").fit_transform(bunch.data)


def evaluate(beats, bunch, attackers, anonymizer="passthrough", **parameters):
    scorer = ReidentificationScorer(attackers, min_original=0, evidence=(1, 10), **parameters)
    return scorer.evaluate(anonymizer, beats, bunch.subject, sessions=bunch.session)


class Silence:
    """Flat lines at the old R peaks: the rhythm is all that is left."""

    def transform(self, X):
        return X.with_beats(np.zeros_like(X.beats))


@pytest.mark.parametrize(
    ("contract", "modality"), [("diagnostic", "categories"), ("measurement", "intervals")]
)
def test_floor_and_excess(beats, bunch, contract, modality):
    result = evaluate(beats, bunch, ["lda", "rhythm"], contract=contract)
    assert {row.modality for row in result.floor_rows} == {modality}
    assert len({row.attacker for row in result.floor_rows}) == 3
    alike = [row for row in result.floor_rows if row.evidence == result.worst.evidence]
    assert result.floor.rank1 == max(row.rank1 for row in alike)
    excess = result.excess
    assert excess.value == pytest.approx(result.worst.rank1 - result.floor.rank1)
    assert excess.low <= excess.value <= excess.high
    assert f"floor of the {contract} contract" in str(result)


def test_floor_does_not_depend_on_the_release(beats, bunch):
    originals = evaluate(beats, bunch, ["lda"])
    silent = evaluate(beats, bunch, ["lda"], Silence())
    assert originals.floor_rows == silent.floor_rows
    assert silent.excess.value < originals.excess.value


def test_without_waveform_the_full_panel_identifies_by_rhythm(beats, bunch):
    result = evaluate(beats, bunch, ["lda", "rhythm", "intervals"], Silence())
    assert result.worst_of("waveform").high >= result.chance
    assert result.worst_of("waveform").low <= result.chance
    assert result.worst_of("full").rank1 > 2 * result.chance
    assert {row.attacker for row in result.rows if row.panel == "full"} == {
        "rhythm",
        "intervals",
        "fusion",
    }


def test_arrays_have_neither_rhythm_nor_floor(beats, bunch):
    rows, subjects = beats.beats[:, 0], bunch.subject[beats.record]
    scorer = ReidentificationScorer("default", evidence=(1,), knowledge=["ignorant"])
    panels = [set(resolve_panel("default", has_rhythm=known)) for known in (False, True)]
    assert panels[0] == {"lda", "trees", "small-conv"}
    assert panels[1] == panels[0] | {"rhythm", "intervals", "averaged-lda"}
    result = scorer.set_params(attackers="lda").evaluate("passthrough", rows, subjects)
    assert result.floor is None
    assert result.excess is None
    with pytest.raises(ValueError, match="no attacker of"):
        result.worst_of("full")


def test_same_table_with_one_or_two_workers(beats, bunch):
    one, two = (evaluate(beats, bunch, ["lda", "trees", "intervals"], n_jobs=n) for n in (1, 2))
    assert one == two
    assert str(one) == str(two)


@pytest.mark.parametrize(
    ("attackers", "fusion", "panel"),
    [
        (["lda", "rhythm"], "fusion", "full"),
        (["lda", "template"], "waveform-fusion", "waveform"),
    ],
)
def test_fusion_adds_up_the_others(beats, bunch, attackers, fusion, panel):
    result = evaluate(beats, bunch, attackers)
    for rung in ("original", "ignorant", "lazy-informed", "semi-informed"):
        parts = [result.trials[name, rung].scores for name in attackers]
        np.testing.assert_allclose(result.trials[fusion, rung].scores, sum(parts), rtol=1e-4)
    fused = {row.panel for row in result.rows if row.attacker == fusion}
    assert fused == {panel}


def test_fusions():
    assert plan_fusions({"lda": "waveform"}) == {}
    assert plan_fusions({"rhythm": "rhythm", "intervals": "intervals"}) == {}
    panel = {"lda": "waveform", "trees": "waveform", "rhythm": "rhythm"}
    assert plan_fusions(panel) == {
        "waveform-fusion": ("waveform", ["lda", "trees"]),
        "fusion": ("all", ["lda", "trees", "rhythm"]),
    }


def small_set(labels):
    return BeatSet(
        beats=np.zeros((3, 1, 8)),
        record=np.array([0, 0, 1]),
        r_peaks=np.array([100, 300, 50]),
        lengths=np.array([400, 400]),
        sampling_rate=250.0,
        lead_names=(("II",), ("II",)),
        names=("a", "b"),
        labels=labels,
    )


def measured(beats):
    numbers = {
        "PR": [160.0, np.nan, np.nan],
        "QRS": [90.0, 90.0, 140.0],
        "QT": [400.0, 400.0, 500.0],
        "ST": [0.0, 0.0, -0.2],
    }
    numbers = {name: np.array(values) for name, values in numbers.items()}
    return Measurements(beats.record, len(beats), beats.rr, labels=beats.labels, **numbers)


def test_interval_features_by_hand():
    beats = small_set(np.array(["N", "V", "N"]))
    features = interval_features(beats, measured(beats))
    np.testing.assert_array_equal(features[:, :8], rhythm_features(beats))
    # in the order of TOLERANCES: QRS, QT, PR, ST
    np.testing.assert_allclose(features[1, 8:12], [90, 400, UNMEASURED, 0])
    np.testing.assert_array_equal(features[1, 12:], [0, 0, 1, 0, 0])


def test_category_features_by_hand():
    beats = small_set(np.array(["N", "V", "N"]))
    features = category_features(beats, measured(beats))
    assert features.shape == (3, 6 + 11 * 5)
    around = features[:, 6:].reshape(3, 11, 5)
    np.testing.assert_array_equal(around[0, 5], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(around[0, 6], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(around[1, 4], [1, 0, 0, 0, 0])
    assert around[2].sum() == 1  # the only beat of its record has no neighbors
    np.testing.assert_array_equal(features[0, :6], features[1, :6])
    unlabelled = small_set(None)
    assert not category_features(unlabelled, measured(unlabelled))[:, 6:].any()
