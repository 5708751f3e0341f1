"""How much of a contract a release keeps: intervals, categories and weights by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import KSameAnonymizer, LowPassAnonymizer, NoiseAnonymizer
from sklearn_ecganon.contracts import CATEGORIES, TOLERANCES, Measurements
from sklearn_ecganon.datasets import fetch_mitdb, time_split
from sklearn_ecganon.utility import (
    BeatClassUtility,
    DiagnosisUtility,
    IntervalUtility,
    UtilityScorer,
    WaveformUtility,
)
from sklearn_ecganon.utility._compare import Agreement, agreement
from sklearn_ecganon.utility._diagnosis import diagnosis_figures
from sklearn_ecganon.utility._interval import interval_figures
from sklearn_ecganon.utility._utility_scorer import WEIGHTS, pooled
from tests.test_contracts import synthetic

CONTRACTS = ("diagnostic", "measurement")


@pytest.fixture(scope="module")
def ectopic():
    return make_ecg_records(4, duration=30.0, arrhythmia="ectopic", random_state=0)


@pytest.fixture(scope="module")
def labeled(ectopic):
    return QRSSegmenter("annotated", refine=0).fit_transform(ectopic.data)


def measurements(rr=(800.0, 800.0), *, labels=None, **medians):
    """Return measurements of several records; all beats of one record have the same."""
    n_records = max([len(values) for values in medians.values()], default=1)
    n_beats = len(rr) + 1
    of_records = {"PR": 160.0, "QRS": 90.0, "QT": 380.0, "ST": 0.0} | medians
    of_beats = {
        k: np.repeat(np.broadcast_to(v, n_records), n_beats) for k, v in of_records.items()
    }
    return Measurements(
        np.repeat(np.arange(n_records), n_beats),
        n_records,
        RR=np.tile(np.r_[np.nan, rr], n_records),
        labels=labels,
        **of_beats,
    )


def late_minutes(home, n_records):
    records = fetch_mitdb(data_home=home, records=n_records, verify=False).data
    segments = time_split(records)
    late = [segment for segment in segments if segment.name.endswith(("late 1", "late 2"))]
    return QRSSegmenter("annotated").fit_transform(late)


class TestAgreement:
    def test_by_hand(self):
        compared = agreement(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]))
        assert compared == (0.75, (2 * 1 + 1 * 2 + 1 * 1) / 16)
        assert compared.kappa == pytest.approx((0.75 - 5 / 16) / (1 - 5 / 16))

    def test_extremes(self):
        same, other = np.zeros(5), np.ones(5)
        assert agreement(same, same).kappa == 1
        assert agreement(same, other) == (0, 0)
        assert np.isnan(agreement(same[:0], same[:0]).kappa)


class TestInterval:
    def test_by_hand(self):
        before = measurements(QRS=[90.0, 90.0, 90.0, 90.0], PR=[160.0, np.nan, 160.0, np.nan])
        after = measurements(QRS=[92.0, 85.0, 120.0, np.nan], PR=[180.0, np.nan, np.nan, 150.0])
        figures = interval_figures(before, after)
        assert figures["error_QRS"] == 5
        assert figures["bias_QRS"] == 2
        assert figures["n_records_QRS"] == 3
        assert (
            figures["fraction_within_QRS"] == 0.5
        )  # errors of 2 and 5 are within; 30 and the lost wave are not
        assert figures["within_QRS"] == 0  # the median lies between 5 and 30
        # The four records: an error of 20 ms, no P wave on both sides, a lost and a new one.
        assert figures["error_PR"] == figures["bias_PR"] == 20
        assert figures["fraction_within_PR"] == 0
        assert figures["agreement_p_wave"] == 0.5
        assert figures["error_QT"] == figures["error_ST"] == 0
        assert figures["within_QT"] == figures["fraction_within_ST"] == 1

    def test_an_error_equal_to_the_tolerance_is_within_it(self):
        before = measurements()
        for name, tolerance in TOLERANCES.items():
            value = getattr(before, name)[0]
            at, beyond = (measurements(**{name: [value + tolerance * k]}) for k in (1, 1.01))
            assert interval_figures(before, at)[f"within_{name}"] == 1
            assert interval_figures(before, beyond)[f"within_{name}"] == 0

    def test_rr_beat_by_beat(self):
        before = measurements([800.0, 900.0, 800.0])
        moved = interval_figures(before, measurements([800.0, 890.0, 840.0]))
        assert (moved["rr_exact"], moved["error_RR"]) == (0, 10)
        assert interval_figures(before, before)["rr_exact"] == 1
        fewer = interval_figures(before, measurements([800.0, 900.0]))
        assert fewer["rr_exact"] == 0
        assert np.isnan(fewer["error_RR"])

    def test_nothing_to_compare(self):
        lost = measurements(QRS=[np.nan], PR=[np.nan], QT=[np.nan], ST=[np.nan])
        figures = interval_figures(lost, lost)
        for name in TOLERANCES:
            assert np.isnan([figures[f"{kind}_{name}"] for kind in ("error", "within")]).all()
            assert figures[f"n_records_{name}"] == 0

    def test_synthetic_records(self):
        before = [replace(synthetic(), name=str(i)) for i in range(3)]
        after = [
            replace(synthetic(qrs=q, pr=p), name=f"{i}") for i, (q, p) in enumerate(CHANGED)
        ]
        figures = IntervalUtility().evaluate(before, after)
        assert figures["rr_exact"] == 1
        assert figures["fraction_within_QRS"] == pytest.approx(2 / 3)
        assert figures["fraction_within_PR"] == pytest.approx(2 / 3)
        assert figures["agreement_p_wave"] == 1
        assert figures["n_records_PR"] == 3
        assert 0 < figures["delineator_error_QRS"] < TOLERANCES["QRS"]

    def test_labels_on_one_side_only_are_ignored(self):
        values = np.array([90.0, 150.0, 150.0])
        beats = QRSSegmenter("annotated", refine=0).fit_transform([synthetic(n_beats=3)])
        wide = QRSSegmenter("annotated", refine=0).fit_transform(
            [synthetic(qrs=160, n_beats=3)]
        )
        mixed = beats.beats.copy()
        mixed[values > 100] = wide.beats[values > 100]
        bare = beats.with_beats(mixed)
        labeled = replace(bare, labels=np.array(["N", "V", "V"]))
        assert IntervalUtility().evaluate(labeled, bare)["error_QRS"] == 0

    def test_refusals(self, labeled):
        one, two = (
            make_ecg_records(1, duration=10.0, n_leads=n, random_state=0).data for n in (1, 2)
        )
        with pytest.raises(ValueError, match=r"before has 1 lead\(s\) and after 2"):
            IntervalUtility().evaluate(one, two)
        with pytest.raises(ValueError, match="before has 8 records and after 7"):
            IntervalUtility().evaluate(labeled, labeled[:7])
        bare = replace(one[0], r_peaks=None, beat_labels=None)
        with pytest.raises(ValueError, match=r"'s001_01'.*r_peaks"):
            IntervalUtility().evaluate([bare], [bare])


# QRS and PR in ms of three releases; the originals have 90 and 160.
CHANGED = [(90, 160), (150, 160), (90, 240)]


class TestDiagnosis:
    def test_by_hand(self):
        before = measurements(QRS=[90.0, 150.0, 150.0, np.nan], ST=[0.0, 0.0, 0.0, np.nan])
        after = measurements(QRS=[119.0, 121.0, np.nan, 90.0], ST=[0.0, 0.2, -0.2, 0.0])
        figures = diagnosis_figures(before, after)
        # Narrow stays narrow, wide stays wide, wide is lost; the fourth had no QRS before.
        assert figures["agreement_wide_qrs"] == pytest.approx(2 / 3)
        assert figures["n_records_wide_qrs"] == 3
        chance = (1 * 1 + 2 * 1) / 9
        assert figures["kappa_wide_qrs"] == pytest.approx((2 / 3 - chance) / (1 - chance))
        assert figures["agreement_st"] == pytest.approx(1 / 3)
        assert figures["agreement_rate_zone"] == figures["kappa_rate_zone"] == 1
        assert np.isnan(figures["agreement_beat_classes"])

    def test_a_constant_release_has_a_kappa_of_zero(self):
        before = measurements(QRS=[90.0, 90.0, 90.0, 150.0])
        figures = diagnosis_figures(before, measurements(QRS=[90.0] * 4))
        assert (figures["agreement_wide_qrs"], figures["kappa_wide_qrs"]) == (0.75, 0)

    def test_beat_classes_in_order(self):
        before = measurements(labels=np.array(["N", "V", "N"]))
        after = measurements(labels=np.array(["N", "N", "V"]))
        assert diagnosis_figures(before, after)["agreement_beat_classes"] == pytest.approx(
            1 / 3
        )
        fewer = measurements([800.0], labels=np.array(["N", "V"]))
        assert diagnosis_figures(before, fewer)["agreement_beat_classes"] == pytest.approx(
            2 / 3
        )

    @pytest.mark.parametrize(
        ("other", "agreement"),
        [
            ("NNNVNN", 1),
            ("NNNNVNNN", 1),
            ("NNVVNN", 2 / 3),
            ("NNNNNNN", 1 / 3),
            ("NNSNNN", 2 / 3),
            ("VNNNNN", 2 / 3),
        ],
    )
    def test_beat_classes_at_another_rate(self, other, agreement):
        before = measurements([800.0] * 4, labels=np.array(list("NNVNN")))
        after = measurements([800.0] * (len(other) - 1), labels=np.array(list(other)))
        figures = diagnosis_figures(before, after)["agreement_beat_classes"]
        assert figures == pytest.approx(agreement)

    def test_synthetic_records(self):
        before = [replace(synthetic(), name=str(i)) for i in range(3)]
        after = [
            replace(synthetic(qrs=q, pr=p), name=f"{i}") for i, (q, p) in enumerate(CHANGED)
        ]
        figures = DiagnosisUtility().evaluate(before, after)
        for name in CATEGORIES:
            expected = 2 / 3 if name in ("wide_qrs", "pr") else 1
            assert figures[f"agreement_{name}"] == pytest.approx(expected), name

    def test_a_flat_release_keeps_only_the_rhythm(self, labeled):
        flat = labeled.with_beats(np.zeros_like(labeled.beats))
        figures = DiagnosisUtility().evaluate(labeled, flat)
        preserved = {name for name in CATEGORIES if figures[f"agreement_{name}"] > 0}
        assert preserved == {"rate_zone", "irregularity"}


class TestPooled:
    def test_by_hand(self):
        terms = {"a": Agreement(0.9, 0.5), "b": Agreement(0.4), "c": Agreement(np.nan, np.nan)}
        weights = {"a": 1.0, "b": 2.0, "c": 5.0}
        assert pooled(terms, weights) == pytest.approx((0.4 + 2 * 0.4) / (0.5 + 2))

    def test_is_the_mean_of_kappas_weighted_by_one_minus_chance(self):
        terms = {"a": Agreement(0.9, 0.5), "b": Agreement(0.7, 0.4)}
        mean = np.average([t.kappa for t in terms.values()], weights=[0.5, 0.6])
        assert pooled(terms, {"a": 1, "b": 1}) == pytest.approx(mean)

    def test_extremes(self):
        assert pooled({"a": Agreement(1.0, 1.0)}, {"a": 1}) == 1
        assert pooled({"a": Agreement(0.2, 0.5)}, {"a": 1}) == 0
        with pytest.raises(ValueError, match="none of"):
            pooled({"a": Agreement(np.nan)}, {"a": 1})


class TestUtilityScorer:
    @pytest.mark.parametrize("contract", CONTRACTS)
    def test_originals_keep_everything(self, labeled, ectopic, contract):
        scorer = UtilityScorer(contract)
        for same in (labeled, ectopic.data, replace(labeled, labels=None)):
            assert scorer.evaluate(same, same)["utility"] == 1
        one = labeled[0]
        assert scorer.evaluate(one, one)["utility"] == 1

    @pytest.mark.parametrize("contract", CONTRACTS)
    def test_more_noise_lowers_the_utility(self, labeled, contract):
        scorer = UtilityScorer(contract)
        noisy = NoiseAnonymizer(random_state=0).fit(labeled)
        utilities = [
            scorer.evaluate(labeled, noisy.set_params(strength=s).transform(labeled))["utility"]
            for s in (0.0, 0.5, 1.0)
        ]
        assert utilities[0] == 1 >= utilities[1] > utilities[2] > 0

    def test_a_flat_release_keeps_its_annotations_only(self, labeled):
        flat = labeled.with_beats(np.zeros_like(labeled.beats))
        figures = UtilityScorer("measurement").evaluate(labeled, flat)
        assert figures["utility"] < 0.3  # RR alone
        weights = dict.fromkeys(("wide_qrs", "pr", "qtc", "st", "detection"), 1.0)
        assert UtilityScorer(weights=weights).evaluate(labeled, flat)["utility"] == 0

    def test_a_contract_has_its_terms(self, labeled):
        # A constant change of the rate changes the numbers, but not the conclusions.
        faster = replace(labeled, r_peaks=(labeled.r_peaks * 0.98).astype(int))
        weights = dict.fromkeys(("beat_classes", "rate_zone", "irregularity"), 1.0)
        assert UtilityScorer(weights=weights).evaluate(labeled, faster)["utility"] == 1
        measured = UtilityScorer("measurement", weights={"RR": 1.0})
        assert measured.evaluate(labeled, faster)["utility"] == 0
        assert not {"waveform", "detection"} & set(WEIGHTS["measurement"])
        assert not {"waveform", *TOLERANCES} & set(WEIGHTS["diagnostic"])

    def test_every_term_can_be_weighted_alone(self, labeled):
        after = LowPassAnonymizer().fit_transform(labeled)
        figures = UtilityScorer().evaluate(labeled, after)
        for name, figure in {
            "QRS": "fraction_within_QRS",
            "RR": "rr_exact",
            "qtc": "kappa_qtc",
            "waveform": "waveform",
        }.items():
            alone = UtilityScorer(weights={name: 3.0}).evaluate(labeled, after)["utility"]
            assert alone == pytest.approx(max(figures[figure], 0)), name
        ratio = figures["f1_150ms"] / figures["before_f1_150ms"]
        alone = UtilityScorer(weights={"detection": 1.0}).evaluate(labeled, after)["utility"]
        assert alone == pytest.approx(min(ratio, 1))

    def test_arrays_have_a_waveform_and_nothing_else(self, labeled):
        before = labeled.beats[:, 0]
        after = before + np.random.default_rng(0).normal(0, 0.1, before.shape)
        for contract in CONTRACTS:
            figures = UtilityScorer(contract, sampling_rate=500.0).evaluate(before, after)
            alone = WaveformUtility(sampling_rate=500.0).evaluate(before, after)
            assert figures == alone | {"waveform": alone["utility"]}
            assert UtilityScorer(contract).evaluate(before, before)["utility"] == 1

    def test_records_with_other_beats_have_no_waveform_figures(self, ectopic):
        after = [
            replace(r, r_peaks=r.r_peaks[1:], beat_labels=r.beat_labels[1:])
            for r in ectopic.data
        ]
        figures = UtilityScorer().evaluate(ectopic.data, after)
        assert np.isnan([figures["waveform"], figures["correlation_qrs"], figures["prd"]]).all()
        assert figures["rr_exact"] == 0
        assert figures["agreement_beat_classes"] > 0.9
        assert figures["agreement_wide_qrs"] == 1
        # One record whose beats do not correspond does not affect the others.
        mixed = [after[0], *ectopic.data[1:]]
        assert UtilityScorer().evaluate(ectopic.data, mixed)["correlation"] == 1

    def test_short_records_have_no_variability(self, labeled):
        few = replace(
            labeled[:1],
            **{k: getattr(labeled, k)[:5] for k in ("beats", "record", "r_peaks", "labels")},
        )
        figures = UtilityScorer().evaluate(few, few)
        assert np.isnan(figures["error_rmssd"])
        assert figures["n_records_rmssd"] == 0
        assert figures["utility"] == 1
        paced = replace(labeled, labels=np.full(len(labeled.beats), "Q"))
        assert np.isnan(UtilityScorer().evaluate(paced, paced)["error_sdnn"])

    def test_a_classifier_of_beat_classes_is_a_term(self, labeled, ectopic):
        classifier = BeatClassUtility("forest", classes=["N", "V"], crossings=["trtr", "tstr"])
        sides = {"train": ["s001"], "test": ["s003"]}
        noise = np.random.default_rng(0).normal(size=labeled.beats.shape)
        # The classes of the beats are permuted, too.
        permuted = np.random.default_rng(0).permutation(labeled.labels)
        release = replace(labeled.with_beats(noise), labels=permuted)
        scorer = UtilityScorer(classifier=classifier, weights={"classifier": 1.0})
        same = scorer.evaluate(labeled, labeled, ectopic.subject, **sides)
        lost = scorer.evaluate(labeled, release, ectopic.subject, **sides)
        assert same["utility"] == 1 > lost["utility"]
        assert lost["tstr_macro_f1"] < lost["trtr_macro_f1"]

    @pytest.mark.parametrize(
        "weights", [{"qt": 1.0}, {"QT": -1.0, "QRS": 1.0}, {"QT": 0.0}, {}]
    )
    def test_refusals(self, labeled, weights):
        with pytest.raises(ValueError, match="give positive numbers for some of"):
            UtilityScorer(weights=weights).evaluate(labeled, labeled)
        with pytest.raises(ValueError, match="'contract' parameter"):
            UtilityScorer("legal").evaluate(labeled, labeled)

    def test_terms_that_cannot_be_measured(self, labeled):
        bare = replace(labeled, labels=None)
        with pytest.raises(ValueError, match=r"none of \['beat_classes'\] can be measured"):
            UtilityScorer(weights={"beat_classes": 1.0}).evaluate(bare, bare)

    def test_baselines_on_real_records(self, data_home):
        beats = late_minutes(
            data_home, [str(i) for i in (100, 103, 105, 106, 108, 111, 118, 119)]
        )
        utilities = {}
        for model in (
            LowPassAnonymizer(strength=0.3),
            LowPassAnonymizer(),
            KSameAnonymizer(k=8, random_state=0),
        ):
            after = model.fit(beats, np.repeat(np.arange(8), 2)).transform(beats)
            for contract in CONTRACTS:
                figures = UtilityScorer(contract).evaluate(beats, after)
                utilities[type(model).__name__, model.strength, contract] = figures["utility"]
        for contract in CONTRACTS:
            mild, strong = (utilities["LowPassAnonymizer", s, contract] for s in (0.3, 1))
            assert 1 > mild > strong > 0
        # All records get the same beat: rhythms stay, intervals and categories do not.
        assert utilities["KSameAnonymizer", 1, "diagnostic"] < 0.7
        assert utilities["KSameAnonymizer", 1, "measurement"] < 0.7
