"""What a release is still good for: hand-worked rhythms, crossings, refusals, real bars."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import DS1, DS2, load_protocol
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.utility import (
    BeatClassUtility,
    DetectionUtility,
    HRVUtility,
    WaveformUtility,
    waveform_utility,
)
from sklearn_ecganon.utility._beat_features import describe_beats

SIDES = {"train": ["s001", "s002"], "test": ["s003", "s004"]}


@pytest.fixture(scope="module")
def ectopic():
    return make_ecg_records(4, duration=60.0, arrhythmia="ectopic", random_state=0)


@pytest.fixture(scope="module")
def labelled(ectopic):
    return QRSSegmenter("annotated", refine=0).fit_transform(ectopic.data)


def noise_of(beats):
    noise = np.random.default_rng(0).normal(size=beats.beats.shape)
    # No rhythm either: every interval is the same.
    spread = np.concatenate(
        [
            np.linspace(100, n - 100, k)
            for n, k in zip(beats.lengths, beats.n_beats, strict=True)
        ]
    ).astype(int)
    return replace(beats.with_beats(noise), r_peaks=spread)


def rhythm(rr, *, name="A12", labels=None, rate=1000.0):
    """Return a record with R peaks `rr` ms apart."""
    peaks = np.cumsum(np.r_[100, rr]).astype(int)
    return ECGRecord(
        np.zeros(peaks[-1] + 100), rate, r_peaks=peaks, beat_labels=labels, name=name
    )


class TestBeatClass:
    def test_the_split_is_de_chazals(self):
        assert len(DS1) == len(DS2) == 22
        assert not set(DS1) & set(DS2)
        assert not {"102", "104", "107", "217"} & {*DS1, *DS2}

    def test_four_crossings_tell_a_useless_release(self, labelled, ectopic):
        judge = BeatClassUtility("forest", classes=["N", "V"])
        found = judge.evaluate(labelled, noise_of(labelled), ectopic.subject, **SIDES)
        assert len(found) == 4 * (3 + 2 * 2)
        assert found["trtr_macro_f1"] > 0.95
        for crossing in ("tstr", "trts", "tsts"):
            assert found[f"{crossing}_balanced_accuracy"] < 0.7

    def test_an_identical_release_scores_as_the_original(self, labelled, ectopic):
        judge = BeatClassUtility("forest", classes=["N", "V"])
        found = judge.evaluate(labelled, labelled, ectopic.subject, **SIDES)
        for crossing in ("tstr", "trts", "tsts"):
            assert found[f"{crossing}_macro_f1"] == found["trtr_macro_f1"]

    @pytest.mark.trains
    def test_the_net_learns_and_repeats_itself(self, labelled, ectopic, monkeypatch):
        monkeypatch.setattr("sklearn_ecganon.utility._judges.ConvJudge.n_drawn", 1500)
        judge = BeatClassUtility(classes=["N", "V"], crossings=["trtr"], random_state=1)
        found = judge.evaluate(labelled, labelled, ectopic.subject, **SIDES)
        assert found["trtr_macro_f1"] > 0.8  # five seeds: 1
        assert judge.evaluate(labelled, labelled, ectopic.subject, **SIDES) == found

    def test_figures_by_hand(self):
        judge = BeatClassUtility(classes=["N", "V"])
        found = judge._scores(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
        assert found["accuracy"] == 0.75
        assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
        assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
        assert (found["sensitivity_V"], found["precision_V"]) == (1.0, 0.5)

    def test_features_know_an_early_beat_and_no_gain(self, labelled):
        shapes, numbers = describe_beats(labelled)
        louder = describe_beats(labelled.with_beats(3 * labelled.beats))
        np.testing.assert_allclose(shapes, louder[0], atol=1e-4)
        np.testing.assert_allclose(numbers, louder[1], atol=1e-4)
        early = labelled.labels == "V"
        assert np.median(numbers[early, 0]) < -0.1
        assert abs(np.median(numbers[~early, 0])) < 0.1

    def test_short_windows_and_lonely_beats_can_be_described(self, ectopic):
        beats = QRSSegmenter("annotated", window=200).fit_transform(ectopic.data)
        lonely = replace(
            beats,
            beats=beats.beats[:1],
            record=beats.record[:1],
            r_peaks=beats.r_peaks[:1],
            labels=beats.labels[:1],
        )
        for found in (*describe_beats(beats), *describe_beats(lonely)):
            assert np.isfinite(found).all()

    @pytest.mark.parametrize(
        ("change", "sides", "message"),
        [
            ({"labels": None}, SIDES, "after has no labels"),
            ({}, {}, "train asks for .*'101'"),
            ({}, {"train": ["s001"], "test": ["s001"]}, "'s001' is in train and in test"),
            ({}, {"train": ["s002"], "test": ["s001"]}, "class 'V' has no beats in before's"),
            ({"sampling_rate": 360.0}, SIDES, "layout"),
        ],
    )
    def test_refusals(self, labelled, ectopic, change, sides, message):
        judge = BeatClassUtility("forest", classes=["N", "V"])
        with pytest.raises(ValueError, match=message):
            judge.evaluate(labelled, replace(labelled, **change), ectopic.subject, **sides)

    def test_other_refusals(self, labelled, ectopic):
        with pytest.raises(ValueError, match="give a BeatSet"):
            BeatClassUtility().evaluate(labelled, ectopic.data)
        with pytest.raises(ValueError, match="choose among"):
            BeatClassUtility(crossings=["ttrr"]).evaluate(labelled, labelled)
        with pytest.raises(ValueError, match="groups has shape"):
            BeatClassUtility().evaluate(labelled, labelled, ["a"])

    @pytest.mark.slow
    @pytest.mark.parametrize("judge", ["conv", "forest"])
    def test_judges_are_competitive(self, data_home, judge):
        protocol = load_protocol("mitdb-ds1-ds2", data_home=data_home)
        beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
        found = BeatClassUtility(judge, crossings=["trtr"]).evaluate(beats, beats)
        assert found["trtr_macro_f1"] >= 0.60
        assert found["trtr_accuracy"] >= 0.93


class TestDetection:
    def test_a_clean_release_is_found_and_noise_is_not(self, ectopic, labelled):
        found = DetectionUtility().evaluate(ectopic.data, labelled)
        assert found["f1_150ms"] > 0.98
        assert found["before_f1_150ms"] > 0.98
        assert found["f1_50ms"] <= found["f1_150ms"]
        flat = labelled.with_beats(np.zeros_like(labelled.beats))
        lost = DetectionUtility().evaluate(labelled, flat)
        assert lost["sensitivity_150ms"] == lost["precision_150ms"] == 0
        assert lost["before_f1_150ms"] > 0.98

    def test_claimed_peaks_count_not_real_ones(self, labelled):
        shift = round(0.1 * labelled.sampling_rate)
        moved = replace(
            labelled,
            # The QRS stays where it was in time: 100 ms before where the release says.
            beats=np.roll(labelled.beats, -shift, axis=2),
            r_peaks=labelled.r_peaks + shift,
        )[:2]
        found = DetectionUtility().evaluate(labelled[:2], moved)
        assert found["f1_150ms"] > 0.9 > 0.2 > found["f1_50ms"]

    def test_refusals(self, ectopic):
        record = replace(ectopic.data[0], r_peaks=None, beat_labels=None)
        with pytest.raises(ValueError, match="'s001_01': has no r_peaks"):
            DetectionUtility().evaluate([record], [record])


class TestHRV:
    def test_by_hand(self):
        before = rhythm([800, 900, 800, 900, 800, 900])
        after = rhythm([850] * 6)
        found = HRVUtility().evaluate([before], [after])
        assert found["error_mean_rr"] == pytest.approx(0)
        assert found["error_sdnn"] == pytest.approx(np.sqrt(6 * 50**2 / 5))
        assert found["error_rmssd"] == pytest.approx(100)
        assert found["error_pnn50"] == pytest.approx(100)
        # 100 / 850 is irregular, 0 is not; both beat 71 times a minute.
        assert found["agreement_irregularity"] == 0
        assert found["agreement_rate_zone"] == found["kappa_rate_zone"] == 1

    def test_zones_and_kappa(self):
        slow, normal, fast = ([1200] * 9, [800] * 9, [500] * 9)
        before = [rhythm(rr, name=str(i)) for i, rr in enumerate((slow, slow, normal, fast))]
        after = [rhythm(rr, name=str(i)) for i, rr in enumerate((slow, normal, normal, fast))]
        found = HRVUtility().evaluate(before, after)
        assert found["agreement_rate_zone"] == 0.75
        assert found["kappa_rate_zone"] == pytest.approx((0.75 - 5 / 16) / (1 - 5 / 16))

    def test_ectopic_intervals_do_not_count_as_variability(self):
        rr = [800] * 6 + [400, 1200] + [800] * 6
        labels = np.array(["N"] * 7 + ["V"] + ["N"] * 7)
        found = HRVUtility().evaluate([rhythm(rr, labels=labels)], [rhythm([800] * 14)])
        assert found["error_sdnn"] == pytest.approx(0)
        assert found["error_rmssd"] == pytest.approx(0)

    def test_records_without_normal_beats_are_counted_out(self):
        paced = rhythm([800] * 8, labels=np.array(["Q"] * 9), name="paced")
        free = rhythm([800] * 8, name="free")
        found = HRVUtility().evaluate([paced, free], [paced, free])
        assert found["n_records_sdnn"] == 1
        assert found["agreement_rate_zone"] == 1
        with pytest.raises(ValueError, match="mean_rr: no record"):
            HRVUtility().evaluate([paced], [paced])

    def test_spectrum_tells_slow_from_breathing(self):
        beats = np.arange(300)
        slow = rhythm((800 + 50 * np.sin(2 * np.pi * 0.08 * beats)).round())
        breath = rhythm((800 + 50 * np.sin(2 * np.pi * 0.2 * beats)).round())
        found = HRVUtility(frequency=True).evaluate([slow], [breath])
        assert found["error_log_lf_hf"] > 4
        with pytest.raises(ValueError, match=r"log_lf_hf: no record .* over 120 s"):
            HRVUtility(frequency=True).evaluate([rhythm([800] * 9)], [rhythm([800] * 9)])

    def test_refusals(self, labelled):
        with pytest.raises(ValueError, match="'A12': has 2 RR intervals"):
            HRVUtility().evaluate([rhythm([800, 800])], [rhythm([800, 800])])
        with pytest.raises(ValueError, match="before has 8 records and after 7"):
            HRVUtility().evaluate(labelled, labelled[:7])
        with pytest.raises(
            ValueError, match="record 0 is 's001_01' before and 's004_02' after"
        ):
            HRVUtility().evaluate(labelled, labelled[::-1])


class TestWaveform:
    def test_scaled_beats(self):
        before = np.random.default_rng(0).normal(size=(5, 2, 200))
        before -= before.mean(axis=-1, keepdims=True)
        found = WaveformUtility().evaluate(before, 1.5 * before)
        assert found["correlation"] == pytest.approx(1)
        assert found["prd"] == pytest.approx(50)
        assert waveform_utility(before, 1.5 * before).items() <= found.items()

    def test_refusals(self, labelled):
        assert isinstance(labelled, BeatSet)
        with pytest.raises(ValueError, match="record 0 is"):
            WaveformUtility().evaluate(labelled, labelled[::-1])
        with pytest.raises(ValueError, match="must correspond"):
            WaveformUtility().evaluate(labelled.beats, labelled.beats[1:])
