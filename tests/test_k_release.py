"""Releases of PseudoIdentityAnonymizer whose profiles k people share."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers._pseudo_identity import _draft, _release, _surrogate
from sklearn_ecganon.anonymizers._pseudo_identity._weights import SHIPPED, load_population
from sklearn_ecganon.contracts import measure, profile_anonymity, profiles
from sklearn_ecganon.records import BeatSet

SEGMENT = QRSSegmenter(window=1000)


@pytest.fixture(scope="module")
def bunch():
    return make_ecg_records(
        n_subjects=9, n_sessions=2, duration=20.0, arrhythmia="ectopic", random_state=0
    )


@pytest.fixture(scope="module")
def beats(bunch):
    return SEGMENT.fit_transform(bunch.data)


@pytest.fixture(scope="module")
def model(bunch, beats):
    return PseudoIdentityAnonymizer(k=3, random_state=0).fit(beats, bunch.subject)


def assert_same(first, second):
    np.testing.assert_array_equal(first.r_peaks, second.r_peaks)
    for one, other in zip(first.signals, second.signals, strict=True):
        np.testing.assert_array_equal(one, other)


def test_k_people_share_each_class(model, bunch):
    anonymity = model.k_anonymity_
    assert anonymity.class_sizes.min() >= 3
    for number in range(len(anonymity.class_sizes)):
        assert len(np.unique(bunch.subject[anonymity.classes == number])) >= 3
    for person in np.unique(bunch.subject):
        assert len(np.unique(anonymity.classes[bunch.subject == person])) == 1


def test_released_records_have_the_shape_of_the_originals(model, beats):
    released = model.transform(beats)
    assert len(released) == len(beats)
    assert released.names == beats.names
    np.testing.assert_array_equal(released.lengths, beats.lengths)
    assert (released.n_beats > 5).all()


def test_a_release_depends_on_the_profile_and_the_frame_alone(bunch, beats):
    """Two records of different people with the same seeds and profile are one release."""
    population, names = load_population(SHIPPED)
    settings = _release.Settings(1.0, "diagnostic", names)
    profile = {"rate_zone": 2, "irregularity": 0, "wide_qrs": 1, "pr": 2, "qtc": 0, "st": 1}
    profile |= {"ventricular": 1, "supraventricular": 0, "paced": 0}
    seed = np.arange(4, dtype=np.uint64)
    signals = []
    for i, statements in ((0, None), (5, (("NORM",),))):
        record = replace(beats[i], statements=statements)
        plan = _release.plan_release(population, settings, record, seed, seed, False, profile)
        # Rounding follows the recorder, which belongs to the frame.
        plan = plan._replace(step=0.0)
        signals.append(_release.write_release(population, settings, record, plan, seed))
    assert np.abs(beats[0].beats[:5] - beats[5].beats[:5]).max() > 0.1
    assert_same(*signals)
    assert signals[0].labels.tolist() == signals[1].labels.tolist()
    assert signals[1].statements is None


@pytest.mark.parametrize("zone", [0, 1, 2])
@pytest.mark.parametrize("irregularity", [0, 1])
@pytest.mark.parametrize("pr", [-1, 1])
def test_a_surrogate_has_the_rhythm_of_its_profile(beats, zone, irregularity, pr):
    codes = {"rate_zone": zone, "irregularity": irregularity, "pr": pr}
    for seed in range(5):
        record = _surrogate.surrogate(beats[0], codes, np.random.default_rng(seed))
        record = replace(record, labels=np.full(len(record.r_peaks), "N"))
        settings = _release.Settings(1.0, "diagnostic", ())
        peaks, origin = _draft._retimed(record, settings, np.random.default_rng(seed))
        rr = np.diff(peaks) / record.sampling_rate
        assert np.searchsorted([60, 100], 60 / rr.mean(), side="right") == zone
        assert (np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean() > 0.1) == irregularity
        assert peaks[0] >= 0
        assert peaks[-1] < record.lengths[0]
        assert len(origin) == len(peaks)


@pytest.mark.parametrize(("code", "low", "high"), [(0, 0, 0), (1, 0.01, 0.1), (2, 0.1, 0.3)])
def test_a_surrogate_has_the_ectopic_beats_of_its_profile(beats, code, low, high):
    codes = {"rate_zone": 1, "ventricular": code}
    record = _surrogate.surrogate(beats[0], codes, np.random.default_rng(0))
    assert low <= (record.labels == "V").mean() <= high
    early = np.flatnonzero(record.labels == "V")
    rr = np.diff(record.r_peaks)
    assert (rr[early - 1] < 0.8 * np.median(rr)).all()


def test_a_surrogate_keeps_gaps_and_pauses(beats):
    gap = np.array([[0, 1000, 1500]])
    record = replace(beats[0], gaps=gap)
    made = _surrogate.surrogate(record, {"pauses": 1}, np.random.default_rng(0))
    assert not ((made.r_peaks >= 1000) & (made.r_peaks < 1500)).any()
    within = np.diff(made.r_peaks[made.r_peaks >= 1500]) / made.sampling_rate
    assert (within >= 3).sum() == 1


def test_released_profiles_are_shared(model, beats, bunch):
    """Measured on the release: far fewer profiles than before."""
    before = profile_anonymity(profiles(measure(beats)), bunch.subject)
    after = profile_anonymity(profiles(measure(model.transform(beats))), bunch.subject)
    assert after.n_profiles <= before.n_profiles + 3


def test_order_and_batch_do_not_matter(model, beats, bunch):
    released = model.transform(beats)
    order = np.random.default_rng(0).permutation(len(beats))
    for position in (0, 7):
        assert_same(model.transform(beats[order])[position], released[order[position]])
    refitted = PseudoIdentityAnonymizer(k=3, random_state=0).fit(
        beats[order], bunch.subject[order]
    )
    assert_same(refitted.transform(beats[0:1]), released[0])


def test_a_pseudonym_gives_the_same_release(model, beats):
    alone = pickle.loads(pickle.dumps(model)).pseudonym(beats[3]).release(beats[3])
    assert_same(alone, model.transform(beats)[3])


def test_other_records_get_a_released_profile(model):
    other = SEGMENT.fit_transform(
        make_ecg_records(n_subjects=1, duration=20.0, random_state=7).data
    )
    profile = model._profiles.profiles(other, None)[0]
    known = model.k_anonymity_.profiles
    rows = np.stack([known[name] for name in profile], axis=1).tolist()
    assert list(profile.values()) in rows


def test_profiles_of_records_with_different_layouts(beats, bunch, model):
    """A pretrained model takes the records one after the other."""
    pretrained = PseudoIdentityAnonymizer.from_pretrained(k=3, random_state=0)
    longer = QRSSegmenter(window=1200, sampling_rate=200.0).fit_transform(bunch.data)
    records = (beats[i] if i % 2 else longer[i] for i in range(len(beats)))
    pretrained.fit_profiles(records, bunch.subject)
    assert pretrained.k_anonymity_.class_sizes.min() >= 3
    assert len(pretrained.pseudonym(longer[0]).release(longer[0]).beats) > 5
    same = PseudoIdentityAnonymizer.from_pretrained(k=3).fit_profiles(beats, bunch.subject)
    np.testing.assert_array_equal(same.k_anonymity_.classes, model.k_anonymity_.classes)


def test_suppressed_records_have_no_beat(model, beats):
    anonymous = model.k_anonymity_
    classes = model._profiles.classes.copy()
    classes[:] = -1
    suppressing = clone(model)
    suppressing.__dict__.update(model.__dict__)
    suppressing._profiles = model._profiles._replace(classes=classes)
    released = suppressing.transform(beats[:2])
    assert len(released.beats) == 0
    assert all(not signal.any() for signal in released.signals)
    records = SEGMENT.inverse_transform(released)
    assert [len(record.signal) for record in records] == beats.lengths[:2].tolist()
    assert anonymous.suppressed.sum() == 0


def test_labels_come_from_the_profile(model, beats):
    labeled = replace(beats, labels=np.full(len(beats.beats), "N"))
    released = model.transform(labeled)
    assert released.labels is not None
    assert len(released.labels) == len(released.beats)
    assert model.transform(beats).labels is None or beats.labels is not None


def test_strength_zero_changes_nothing(beats, bunch):
    model = PseudoIdentityAnonymizer(0.0, k=3).fit(beats, bunch.subject)
    assert model.transform(beats) is beats


def test_k_with_a_strength_between_runs(beats, bunch):
    model = PseudoIdentityAnonymizer(0.5, k=3, random_state=0).fit(beats, bunch.subject)
    assert len(model.transform(beats[:2])) == 2


def test_bad_input_is_refused(beats, bunch):
    with pytest.raises(ValueError, match="needs to know who is who"):
        PseudoIdentityAnonymizer(k=2).fit(beats)
    with pytest.raises(ValueError, match="k=10 with 9 people"):
        PseudoIdentityAnonymizer(k=10).fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="contract='measurement', which preserves numbers"):
        PseudoIdentityAnonymizer(k=2, contract="measurement").fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="call fit, or fit_profiles, with all records"):
        PseudoIdentityAnonymizer.from_pretrained(k=2).transform(beats)
    with pytest.raises(ValueError, match="call fit with their records"):
        PseudoIdentityAnonymizer.from_pretrained(epsilon=1.0)
    rows = np.random.default_rng(0).standard_normal((10, 200))
    with pytest.raises(ValueError, match="waves of no record can be measured"):
        PseudoIdentityAnonymizer(k=2).fit(rows, np.arange(10))


def test_beats_without_a_rhythm_are_one_beat(beats):
    short = BeatSet(
        beats.beats[:1],
        np.zeros(1, int),
        np.array([60]),
        np.array([120]),
        beats.sampling_rate,
        beats.lead_names[:1],
        beats.names[:1],
    )
    made = _surrogate.surrogate(short, {"rate_zone": 0}, np.random.default_rng(0))
    assert made.r_peaks.tolist() == [60]


def test_k_is_searched_beside_strength(beats, bunch):
    """The training folds hold the people; records of the test folds get the nearest profile."""

    def n_beats(estimator, X, y=None):
        return float(len(estimator.transform(X).beats))

    search = GridSearchCV(
        PseudoIdentityAnonymizer(random_state=0),
        {"k": [1, 2], "strength": [0.0, 1.0]},
        cv=GroupKFold(2),
        scoring=n_beats,
        refit=False,
    )
    search.fit(beats, bunch.subject, groups=bunch.subject)
    assert (search.cv_results_["mean_test_score"] > 0).all()
