"""Utilities: rhythms computed by hand, crossings, refused input, and figures on real data."""

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
def labeled(ectopic):
    return QRSSegmenter("annotated", refine=0).fit_transform(ectopic.data)


def noise_of(beats):
    noise = np.random.default_rng(0).normal(size=beats.beats.shape)
    # There is no rhythm either: every interval is the same.
    even = np.concatenate(
        [
            np.linspace(100, n - 100, k)
            for n, k in zip(beats.lengths, beats.n_beats, strict=True)
        ]
    ).astype(int)
    return replace(beats.with_beats(noise), r_peaks=even)


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

    def test_crossings_with_a_release_of_noise_score_low(self, labeled, ectopic):
        utility = BeatClassUtility("forest", classes=["N", "V"])
        figures = utility.evaluate(labeled, noise_of(labeled), ectopic.subject, **SIDES)
        assert len(figures) == 4 * (3 + 2 * 2)
        assert figures["trtr_macro_f1"] > 0.95
        for crossing in ("tstr", "trts", "tsts"):
            assert figures[f"{crossing}_balanced_accuracy"] < 0.7

    def test_an_identical_release_scores_like_the_original(self, labeled, ectopic):
        utility = BeatClassUtility("forest", classes=["N", "V"])
        figures = utility.evaluate(labeled, labeled, ectopic.subject, **SIDES)
        for crossing in ("tstr", "trts", "tsts"):
            assert figures[f"{crossing}_macro_f1"] == figures["trtr_macro_f1"]

    @pytest.mark.trains
    def test_the_net_learns_and_is_deterministic(self, labeled, ectopic, monkeypatch):
        monkeypatch.setattr(
            "sklearn_ecganon.utility._beat_classifiers.ConvBeatClassifier.n_sampled", 1500
        )
        utility = BeatClassUtility(classes=["N", "V"], crossings=["trtr"], random_state=1)
        figures = utility.evaluate(labeled, labeled, ectopic.subject, **SIDES)
        assert figures["trtr_macro_f1"] > 0.8  # five seeds: 1
        assert utility.evaluate(labeled, labeled, ectopic.subject, **SIDES) == figures

    def test_figures_by_hand(self):
        utility = BeatClassUtility(classes=["N", "V"])
        figures = utility._scores(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
        assert figures["accuracy"] == 0.75
        assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
        assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
        assert (figures["sensitivity_V"], figures["precision_V"]) == (1.0, 0.5)

    def test_features_show_early_beats_and_ignore_the_gain(self, labeled):
        shapes, numbers = describe_beats(labeled)
        louder = describe_beats(labeled.with_beats(3 * labeled.beats))
        np.testing.assert_allclose(shapes, louder[0], atol=1e-4)
        np.testing.assert_allclose(numbers, louder[1], atol=1e-4)
        early = labeled.labels == "V"
        assert np.median(numbers[early, 0]) < -0.1
        assert abs(np.median(numbers[~early, 0])) < 0.1

    def test_short_windows_and_single_beats_have_features(self, ectopic):
        beats = QRSSegmenter("annotated", window=200).fit_transform(ectopic.data)
        single = replace(
            beats,
            beats=beats.beats[:1],
            record=beats.record[:1],
            r_peaks=beats.r_peaks[:1],
            labels=beats.labels[:1],
        )
        for features in (*describe_beats(beats), *describe_beats(single)):
            assert np.isfinite(features).all()

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
    def test_refusals(self, labeled, ectopic, change, sides, message):
        utility = BeatClassUtility("forest", classes=["N", "V"])
        with pytest.raises(ValueError, match=message):
            utility.evaluate(labeled, replace(labeled, **change), ectopic.subject, **sides)

    def test_other_refusals(self, labeled, ectopic):
        with pytest.raises(ValueError, match="give a BeatSet"):
            BeatClassUtility().evaluate(labeled, ectopic.data)
        with pytest.raises(ValueError, match="choose among"):
            BeatClassUtility(crossings=["ttrr"]).evaluate(labeled, labeled)
        with pytest.raises(ValueError, match="groups has shape"):
            BeatClassUtility().evaluate(labeled, labeled, ["a"])

    @pytest.mark.slow
    @pytest.mark.parametrize("classifier", ["conv", "forest"])
    def test_classifiers_are_competitive(self, data_home, classifier):
        protocol = load_protocol("mitdb-ds1-ds2", data_home=data_home)
        beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
        figures = BeatClassUtility(classifier, crossings=["trtr"]).evaluate(beats, beats)
        assert figures["trtr_macro_f1"] >= 0.60
        assert figures["trtr_accuracy"] >= 0.93


class TestDetection:
    def test_beats_of_a_clean_release_are_detected_and_those_of_a_flat_one_are_not(
        self, ectopic, labeled
    ):
        figures = DetectionUtility().evaluate(ectopic.data, labeled)
        assert figures["f1_150ms"] > 0.98
        assert figures["before_f1_150ms"] > 0.98
        assert figures["f1_50ms"] <= figures["f1_150ms"]
        flat = labeled.with_beats(np.zeros_like(labeled.beats))
        lost = DetectionUtility().evaluate(labeled, flat)
        assert lost["sensitivity_150ms"] == lost["precision_150ms"] == 0
        assert lost["before_f1_150ms"] > 0.98

    def test_annotated_peaks_are_the_reference(self, labeled):
        shift = round(0.1 * labeled.sampling_rate)
        moved = replace(
            labeled,
            # The QRS does not move in time: it lies 100 ms before the annotated R peak.
            beats=np.roll(labeled.beats, -shift, axis=2),
            r_peaks=labeled.r_peaks + shift,
        )[:2]
        figures = DetectionUtility().evaluate(labeled[:2], moved)
        assert figures["f1_150ms"] > 0.9 > 0.2 > figures["f1_50ms"]

    def test_refusals(self, ectopic):
        record = replace(ectopic.data[0], r_peaks=None, beat_labels=None)
        with pytest.raises(ValueError, match="'s001_01': has no r_peaks"):
            DetectionUtility().evaluate([record], [record])


class TestHRV:
    def test_by_hand(self):
        before = rhythm([800, 900, 800, 900, 800, 900])
        after = rhythm([850] * 6)
        figures = HRVUtility().evaluate([before], [after])
        assert figures["error_mean_rr"] == pytest.approx(0)
        assert figures["error_sdnn"] == pytest.approx(np.sqrt(6 * 50**2 / 5))
        assert figures["error_rmssd"] == pytest.approx(100)
        assert figures["error_pnn50"] == pytest.approx(100)
        # 100 / 850 is irregular, 0 is not; both beat 71 times a minute.
        assert figures["agreement_irregularity"] == 0
        assert figures["agreement_rate_zone"] == figures["kappa_rate_zone"] == 1

    def test_zones_and_kappa(self):
        slow, normal, fast = ([1200] * 9, [800] * 9, [500] * 9)
        before = [rhythm(rr, name=str(i)) for i, rr in enumerate((slow, slow, normal, fast))]
        after = [rhythm(rr, name=str(i)) for i, rr in enumerate((slow, normal, normal, fast))]
        figures = HRVUtility().evaluate(before, after)
        assert figures["agreement_rate_zone"] == 0.75
        assert figures["kappa_rate_zone"] == pytest.approx((0.75 - 5 / 16) / (1 - 5 / 16))

    def test_ectopic_intervals_are_excluded_from_variability(self):
        rr = [800] * 6 + [400, 1200] + [800] * 6
        labels = np.array(["N"] * 7 + ["V"] + ["N"] * 7)
        figures = HRVUtility().evaluate([rhythm(rr, labels=labels)], [rhythm([800] * 14)])
        assert figures["error_sdnn"] == pytest.approx(0)
        assert figures["error_rmssd"] == pytest.approx(0)

    def test_records_without_normal_beats_are_left_out(self):
        paced = rhythm([800] * 8, labels=np.array(["Q"] * 9), name="paced")
        normal = rhythm([800] * 8, name="normal")
        figures = HRVUtility().evaluate([paced, normal], [paced, normal])
        assert figures["n_records_sdnn"] == 1
        assert figures["agreement_rate_zone"] == 1
        with pytest.raises(ValueError, match="mean_rr: no record"):
            HRVUtility().evaluate([paced], [paced])

    def test_spectrum_separates_slow_waves_from_breathing(self):
        beats = np.arange(300)
        slow = rhythm((800 + 50 * np.sin(2 * np.pi * 0.08 * beats)).round())
        breath = rhythm((800 + 50 * np.sin(2 * np.pi * 0.2 * beats)).round())
        figures = HRVUtility(frequency=True).evaluate([slow], [breath])
        assert figures["error_log_lf_hf"] > 4
        with pytest.raises(ValueError, match=r"log_lf_hf: no record .* over 120 s"):
            HRVUtility(frequency=True).evaluate([rhythm([800] * 9)], [rhythm([800] * 9)])

    def test_refusals(self, labeled):
        with pytest.raises(ValueError, match="'A12': has 2 RR intervals"):
            HRVUtility().evaluate([rhythm([800, 800])], [rhythm([800, 800])])
        with pytest.raises(ValueError, match="before has 8 records and after 7"):
            HRVUtility().evaluate(labeled, labeled[:7])
        with pytest.raises(
            ValueError, match="record 0 is 's001_01' before and 's004_02' after"
        ):
            HRVUtility().evaluate(labeled, labeled[::-1])


class TestWaveform:
    def test_scaled_beats(self):
        before = np.random.default_rng(0).normal(size=(5, 2, 200))
        before -= before.mean(axis=-1, keepdims=True)
        figures = WaveformUtility().evaluate(before, 1.5 * before)
        assert figures["correlation"] == pytest.approx(1)
        assert figures["prd"] == pytest.approx(50)
        assert waveform_utility(before, 1.5 * before).items() <= figures.items()

    def test_refusals(self, labeled):
        assert isinstance(labeled, BeatSet)
        with pytest.raises(ValueError, match="record 0 is"):
            WaveformUtility().evaluate(labeled, labeled[::-1])
        with pytest.raises(ValueError, match="must correspond"):
            WaveformUtility().evaluate(labeled.beats, labeled.beats[1:])
