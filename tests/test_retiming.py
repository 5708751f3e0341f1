"""Another heart's rhythm: nothing of the old numbers, all of the diagnosis."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers._pseudo_identity._retiming import retime
from sklearn_ecganon.contracts import category
from sklearn_ecganon.datasets import load_protocol
from sklearn_ecganon.segmentation import BeatCountWarning

DURATION = 60.0
SEEDS = range(20)


def rng(seed=0):
    return np.random.default_rng(seed)


def peaks(rr):
    at = 0.3 + np.r_[0, np.cumsum(rr)]
    return at[at < DURATION - 0.06]


def sinus(mean_rr, *, spread=0.03, seed=0):
    return peaks(mean_rr * (1 + spread * rng(seed).standard_normal(200)))


def ectopic(unit, classes, *, mean_rr=0.8, spread=0.02, seed=0):
    """Return R peaks and labels of a rhythm that repeats `unit`, in shares of mean_rr."""
    n = 300 // len(unit)
    noise = 1 + spread * rng(seed).standard_normal(n * len(unit))
    at = peaks(mean_rr * np.tile(unit, n) * noise)
    return at, np.array(["N", *classes * n])[: len(at)]


def chaos(mean_rr=0.7, seed=0):
    return peaks(mean_rr * rng(seed).uniform(0.6, 1.4, 200))


RHYTHMS = {
    "slow": (sinus(1.2), "N"),
    "normal": (sinus(0.8), "N"),
    "fast": (sinus(0.45), "N"),
    "swinging": (sinus(0.9, spread=0.085), "N"),
    "fibrillating": (chaos(), "N"),
    "paced": (sinus(1.01, spread=0.001), "Q"),
    "bigeminy": ectopic((0.65, 1.35), "VN"),
    "single": ectopic((1,) * 12 + (0.7, 1.3) + (1,) * 12, "N" * 12 + "VN" + "N" * 12),
    "hardly early": ectopic((1,) * 12 + (0.84, 1.0) + (1,) * 12, "N" * 12 + "SN" + "N" * 12),
    "salvo": ectopic((1,) * 8 + (0.55,) * 5 + (1.3,), "N" * 8 + "V" * 5 + "N"),
    "only ectopic": (sinus(0.5), "V"),
    "arrest": (np.delete(sinus(1.0), np.arange(20, 26)), "N"),
    "at the border": (peaks(np.full(200, 1.0001)), "N"),
}


def classes_of(r_peaks):
    """Return rate zone and irregularity as the contract sees them."""
    rr = np.diff(r_peaks)
    unrest = np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean() if len(rr) > 1 else np.nan
    return int(category("rate_zone", 60 / rr.mean())), int(category("irregularity", unrest))


def ratios(r_peaks, beats):
    return np.diff(r_peaks)[beats - 1] / np.median(np.diff(r_peaks))


@pytest.fixture(params=RHYTHMS)
def rhythm(request):
    r_peaks, labels = RHYTHMS[request.param]
    return r_peaks, np.broadcast_to(labels, r_peaks.shape)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("strength", [0.3, 1.0])
class TestEveryRhythm:
    def test_zone_and_irregularity_survive(self, rhythm, labelled, strength):
        r_peaks, labels = rhythm
        for seed in SEEDS:
            given = labels if labelled else None
            new, _ = retime(r_peaks, given, DURATION, rng(seed), strength=strength)
            assert classes_of(new) == classes_of(r_peaks)
            assert classes_of(np.round(new * 100) / 100)[0] == classes_of(r_peaks)[0]

    def test_beats_lie_in_order_within_the_record(self, rhythm, labelled, strength):
        r_peaks, labels = rhythm
        for seed in SEEDS:
            given = labels if labelled else None
            new, source = retime(r_peaks, given, DURATION, rng(seed), strength=strength)
            assert new.shape == source.shape
            assert (np.diff(new) > 0.1).all()
            assert new[0] >= 0.06
            assert new[-1] <= DURATION - 0.06
            assert set(source) <= set(range(len(r_peaks)))


class TestNothingOfThePersonIsLeft:
    @pytest.mark.parametrize("labels", ["N", None])
    def test_another_rate_and_variability_give_the_same_release(self, labels):
        people = sinus(0.62, spread=0.01), sinus(0.97, spread=0.05, seed=1)
        given = [None if labels is None else np.full(len(p), labels) for p in people]
        a, b = (
            retime(p, label, DURATION, rng(3)).r_peaks
            for p, label in zip(people, given, strict=True)
        )
        np.testing.assert_array_equal(a, b)

    def test_another_prematurity_gives_the_same_release(self):
        people = [
            ectopic((1,) * 6 + (early, 2 - early), "N" * 6 + "VN", mean_rr=mean_rr)
            for early, mean_rr in ((0.5, 0.8), (0.8, 0.803))
        ]
        a, b = (retime(*person, DURATION, rng(3)).r_peaks for person in people)
        np.testing.assert_array_equal(a, b)

    def test_each_draw_is_another_heart(self):
        r_peaks, labels = sinus(0.8), None
        rates = [
            60 / np.diff(retime(r_peaks, labels, DURATION, rng(s))[0]).mean() for s in SEEDS
        ]
        assert np.std(rates) > 4
        spreads = [np.diff(retime(r_peaks, labels, DURATION, rng(s))[0]).std() for s in SEEDS]
        assert max(spreads) > 2 * min(spreads)

    def test_the_same_key_gives_the_same_heart(self):
        a, b = (retime(sinus(0.8), None, DURATION, rng(5)) for _ in range(2))
        np.testing.assert_array_equal(a.r_peaks, b.r_peaks)
        np.testing.assert_array_equal(a.source, b.source)

    def test_both_margins_are_drawn(self):
        drawn = np.array([retime(sinus(0.8), None, DURATION, rng(s))[0] for s in SEEDS], object)
        assert len({new[0] for new in drawn}) == len({new[-1] for new in drawn}) == len(SEEDS)


class TestTheDiagnosisIsKept:
    def test_all_ectopic_beats_stay_early_and_in_order(self):
        r_peaks, labels = ectopic((1,) * 7 + (0.7, 1.3), "N" * 7 + "VN")
        for seed in SEEDS:
            new, source = retime(r_peaks, labels, DURATION, rng(seed))
            assert (np.diff(source) >= 0).all()
            beats = np.flatnonzero(labels[source] == "V")
            np.testing.assert_array_equal(source[beats], np.flatnonzero(labels == "V"))
            assert (ratios(new, beats) < 0.9).all()
            followed = beats[beats < len(new) - 1] + 1
            assert (ratios(new, followed) > 1.05).all()

    def test_runs_of_ectopic_beats_keep_their_length(self):
        """A beat of class V that is not early may be part of a slow run."""
        r_peaks, labels = ectopic((1,) * 16, "N" * 12 + "V" * 4)
        for seed in SEEDS:
            source = retime(r_peaks, labels, DURATION, rng(seed)).source
            np.testing.assert_array_equal(
                source[labels[source] == "V"], np.flatnonzero(labels == "V")
            )

    def test_no_pause_is_made_up_after_an_interpolated_beat(self):
        r_peaks, labels = ectopic((1,) * 8 + (0.6, 0.95), "N" * 8 + "SN")
        new, source = retime(r_peaks, labels, DURATION, rng())
        beats = np.flatnonzero(labels[source] == "S")
        followed = beats[beats < len(new) - 1] + 1
        assert (ratios(new, followed) < 1.2).all()

    def test_a_late_beat_of_class_v_does_not_come_early(self):
        r_peaks, labels = ectopic((1,) * 8 + (1.0,), "N" * 8 + "V")
        new, source = retime(r_peaks, labels, DURATION, rng())
        assert (ratios(new, np.flatnonzero(labels[source] == "V")) > 0.85).all()

    def test_a_pause_stays_one_and_an_arrest_a_long_one(self):
        for missing, least in ((1, 1.4), (5, 2.3)):
            r_peaks = np.delete(sinus(0.9), 30 + np.arange(missing))
            for seed in SEEDS:
                new, source = retime(r_peaks, None, DURATION, rng(seed))
                rr = np.diff(new)
                assert source[1 + rr.argmax()] == 30
                assert rr.max() > least * np.median(rr)

    def test_bigeminy_goes_on_where_no_run_can_give_or_take(self):
        r_peaks, labels = ectopic((0.65, 1.35), "VN")
        new, source = retime(r_peaks, labels, DURATION, rng(1))
        assert len(new) != len(r_peaks)
        after = labels[source][1:] != labels[source][:-1]
        assert after.mean() > 0.97

    def test_a_longer_bigeminy_does_not_tell_its_old_length(self):
        labels = np.where(np.random.default_rng(0).random(90) < 0.45, "V", "N")
        labels[1::2] = np.where(labels[::2] == "V", "N", "V")  # no runs to take from
        r_peaks = 0.5 + np.cumsum(np.where(labels == "V", 0.7, 1.2))
        longer = 0
        for seed in range(20):
            _, source = retime(r_peaks, labels, r_peaks[-1] + 0.5, rng(seed))
            new = labels[source]
            if len(new) > len(labels) + 10:
                longer += 1
                assert (new[len(labels) :] != new[: -len(labels)]).any()
        assert longer >= 3

    def test_silence_at_the_ends_is_not_filled(self):
        r_peaks = sinus(0.8)
        r_peaks = r_peaks[(r_peaks > 10) & (r_peaks < 45)]
        new = retime(r_peaks, None, DURATION, rng()).r_peaks
        assert 0 < abs(new[0] - r_peaks[0]) < 0.8
        assert 0 < abs(new[-1] - r_peaks[-1]) < 0.8


def with_pauses(mean_rr, lengths, *, duration=180.0, seed=0):
    """Return the R peaks of a sinus rhythm that pauses of these lengths interrupt."""
    rr = mean_rr * (1 + 0.03 * rng(seed).standard_normal(1000))
    for number, length in enumerate(lengths):
        rr[12 * (number + 1)] = length
    r_peaks = 0.3 + np.cumsum(rr)
    return r_peaks[r_peaks < duration - 0.3]


def pauses_of(r_peaks):
    rr = np.diff(r_peaks)
    return rr[rr >= 3.0]


class TestPauses:
    @pytest.mark.parametrize(
        ("length", "low", "high"),
        [(3.0, 3.0, 5.0), (4.9, 3.0, 5.0), (6.0, 5.0, 10.0), (20.0, 18.0, 22.0)],
    )
    @pytest.mark.parametrize("strength", [0.5, 1.0])
    def test_a_pause_stays_in_its_class(self, length, low, high, strength):
        r_peaks = with_pauses(0.85, [length])
        lengths = []
        for seed in SEEDS:
            new, source = retime(r_peaks, None, 180.0, rng(seed), strength=strength)
            rounded = np.diff(np.rint(new * 100)) / 100  # as samples at 100 Hz
            (pause,) = rounded[rounded >= 3.0]
            assert low <= pause <= high
            assert source[1 + rounded.argmax()] == np.diff(r_peaks).argmax() + 1
            lengths.append(pause)
        assert np.ptp(lengths) > 0.2 * (high - low) * strength

    def test_the_rhythm_around_pauses_is_another(self):
        r_peaks = with_pauses(0.85, [4.0, 7.0, 3.5])
        rates = []
        for seed in SEEDS:
            new = retime(r_peaks, None, 180.0, rng(seed)).r_peaks
            assert len(pauses_of(new)) == 3
            assert classes_of(new) == classes_of(r_peaks)
            rates.append(60 / np.median(np.diff(new)))
        assert np.std(rates) > 3

    def test_pauses_between_single_beats_and_ectopic_pairs(self):
        """Not one beat of this record can be left out or repeated."""
        labels = np.array(["N", *["V", "N"] * 14])
        rr = np.tile([0.5, 1.1], 14)
        rr[[5, 6, 19]] = 3.4, 4.1, 12.0
        r_peaks = 0.4 + np.r_[0, np.cumsum(rr)]
        for seed in SEEDS:
            new, _ = retime(r_peaks, labels, r_peaks[-1] + 0.4, rng(seed))
            assert (np.diff(new) > 0.1).all()
            assert len(pauses_of(new)) == 3
            assert sum(pauses_of(new) > 10) == 1

    def test_nothing_but_pauses_stays_as_it_was(self):
        r_peaks = np.array([1.0, 5.0, 12.0])
        np.testing.assert_array_equal(retime(r_peaks, None, 15.0, rng()).r_peaks, r_peaks)

    def test_no_pause_is_made_up(self):
        slow = np.cumsum(np.full(40, 1.4))
        missed = np.delete(slow, [10, 20, 30])  # 2.8 s, which is no pause yet
        for seed in SEEDS:
            assert not len(pauses_of(retime(missed, None, 60.0, rng(seed)).r_peaks))

    def test_a_silent_end_stays_silent(self):
        r_peaks = with_pauses(0.9, [], duration=100.0)
        for seed in SEEDS:
            new = retime(r_peaks, None, r_peaks[-1] + 3.1, rng(seed)).r_peaks
            assert r_peaks[-1] + 3.1 - new[-1] >= 3.0

    def test_a_pause_does_not_make_a_long_record_irregular(self):
        r_peaks = with_pauses(0.85, [3.2], duration=1800.0)
        r_peaks = 0.3 + np.r_[0, np.cumsum(np.r_[np.diff(r_peaks), np.full(1500, 0.85)])]
        for seed in range(5):
            new = retime(r_peaks, None, r_peaks[-1] + 0.3, rng(seed)).r_peaks
            assert len(pauses_of(new)) == 1
            assert classes_of(new) == classes_of(r_peaks)


class TestStrength:
    def test_none_returns_the_old_beats_bit_for_bit(self, rhythm):
        r_peaks, labels = rhythm
        new, source = retime(r_peaks, labels, DURATION, rng(), strength=0)
        np.testing.assert_array_equal(new, r_peaks)
        np.testing.assert_array_equal(source, np.arange(len(r_peaks)))

    def test_hardly_any_hardly_moves_them(self):
        r_peaks = sinus(0.8)
        new, _ = retime(r_peaks, None, DURATION, rng(), strength=1e-6)
        np.testing.assert_allclose(new, r_peaks, atol=1e-3)


class TestInput:
    def test_nothing_comes_of_nothing(self):
        new, source = retime([], None, DURATION, rng())
        assert len(new) == len(source) == 0

    def test_a_single_beat_comes_anywhere(self):
        new, source = zip(
            *(retime([3.0], None, DURATION, rng(s)) for s in range(8)), strict=True
        )
        assert np.ptp(new) > DURATION / 4
        assert all(s.tolist() == [0] for s in source)
        assert 0 < min(new)[0] < max(new)[0] < DURATION

    @pytest.mark.parametrize("rr", [0.4, 0.8, 1.5])
    @pytest.mark.parametrize("n", [2, 3, 4])
    def test_few_beats_in_a_short_record(self, n, rr):
        r_peaks = 0.1 + rr * np.arange(n)
        duration = r_peaks[-1] + 0.1
        for seed in SEEDS:
            new, _ = retime(r_peaks, ["N"] * n, duration, rng(seed))
            assert (np.diff(new, prepend=0, append=duration) > 0).all()
            assert classes_of(new)[0] == classes_of(r_peaks)[0]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"r_peaks": [1.0, 0.5]}, "increase from 0 to duration"),
            ({"r_peaks": [1.0, 70.0]}, "increase from 0 to duration"),
            ({"r_peaks": [[1.0, 2.0]]}, "one row"),
            ({"r_peaks": [1.0, np.nan]}, "increase from 0 to duration"),
            ({"r_peaks": [1.0, 1.0]}, "same moment twice"),
            ({"labels": ["N"]}, r"labels has shape \(1,\).*2 R peaks"),
            ({"strength": 1.5}, "strength=1.5"),
        ],
    )
    def test_refusals(self, change, message):
        given = {"r_peaks": [1.0, 2.0], "labels": None, "strength": 1.0} | change
        with pytest.raises(ValueError, match=message):
            retime(given["r_peaks"], given["labels"], 60.0, rng(), strength=given["strength"])


@pytest.fixture(scope="module")
def real(data_home):
    """Return R peaks and labels of each minute of MIT-BIH, its subject, and if it is early."""
    protocol = load_protocol("mitdb-time", data_home=data_home)
    with warnings.catch_warnings():
        # 207 holds minutes of ventricular flutter, which have hardly any beats.
        warnings.simplefilter("ignore", BeatCountWarning)
        beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
    rhythms = [
        (beats.r_peaks[a:b] / beats.sampling_rate, beats.labels[a:b])
        for a, b in pairwise(beats.bounds())
    ]
    return rhythms, protocol.subjects, protocol.gallery


class TestMITBIH:
    @pytest.mark.parametrize("labelled", [True, False])
    def test_zone_and_irregularity_survive(self, real, labelled):
        agree = []
        for seed, (r_peaks, labels) in enumerate(real[0]):
            if len(r_peaks) > 5:
                new = retime(r_peaks, labels if labelled else None, DURATION, rng(seed)).r_peaks
                agree.append(classes_of(np.round(new * 360) / 360) == classes_of(r_peaks))
        assert np.mean(agree) >= 0.99

    @pytest.mark.slow
    def test_a_retrained_forest_loses_the_person(self, real):
        rhythms, subject, early = real

        def named(*views):
            X, test = np.concatenate(views[:-1]), views[-1][~early]
            y = np.tile(subject, len(views) - 1)
            gallery = np.tile(early, len(views) - 1)
            forest = ExtraTreesClassifier(50, min_samples_leaf=2, random_state=0)
            forest.fit(X[gallery], y[gallery])
            return np.mean(forest.predict(test) == subject[~early])

        def release(salt):
            return np.array(
                [
                    numbers(retime(r_peaks, labels, DURATION, rng([salt, i])).r_peaks)
                    for i, (r_peaks, labels) in enumerate(rhythms)
                ]
            )

        old = np.array([numbers(r_peaks) for r_peaks, _ in rhythms])
        assert named(old, old) > 0.4
        assert named(*(release(salt) for salt in range(3))) < 0.2


def numbers(r_peaks):
    """Return what one record's RR series says of a person."""
    rr = np.diff(r_peaks)
    if len(rr) < 2:
        return np.zeros(6)
    spread = np.percentile(rr, [5, 50, 95])
    return np.array([len(rr), rr.mean(), np.abs(np.diff(rr)).mean(), *spread])
