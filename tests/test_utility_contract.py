"""What of a contract a release keeps: hand-worked intervals, categories and weights."""

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
from tests.test_contracts import drawn

CONTRACTS = ("diagnostic", "measurement")


@pytest.fixture(scope="module")
def ectopic():
    return make_ecg_records(4, duration=30.0, arrhythmia="ectopic", random_state=0)


@pytest.fixture(scope="module")
def labelled(ectopic):
    return QRSSegmenter("annotated", refine=0).fit_transform(ectopic.data)


def measurements(rr=(800.0, 800.0), *, labels=None, **medians):
    """Return what was measured of several records, the same numbers in all beats of one."""
    n_records = max([len(values) for values in medians.values()], default=1)
    n_beats = len(rr) + 1
    usual = {"PR": 160.0, "QRS": 90.0, "QT": 380.0, "ST": 0.0} | medians
    numbers = {k: np.repeat(np.broadcast_to(v, n_records), n_beats) for k, v in usual.items()}
    return Measurements(
        np.repeat(np.arange(n_records), n_beats),
        n_records,
        RR=np.tile(np.r_[np.nan, rr], n_records),
        labels=labels,
        **numbers,
    )


def late_minutes(home, n_records):
    records = fetch_mitdb(data_home=home, records=n_records, verify=False).data
    parts = [part for part in time_split(records) if part.name.endswith(("late 1", "late 2"))]
    return QRSSegmenter("annotated").fit_transform(parts)


class TestAgreement:
    def test_by_hand(self):
        found = agreement(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]))
        assert found == (0.75, (2 * 1 + 1 * 2 + 1 * 1) / 16)
        assert found.kappa == pytest.approx((0.75 - 5 / 16) / (1 - 5 / 16))

    def test_extremes(self):
        same, other = np.zeros(5), np.ones(5)
        assert agreement(same, same).kappa == 1
        assert agreement(same, other) == (0, 0)
        assert np.isnan(agreement(same[:0], same[:0]).kappa)


class TestInterval:
    def test_by_hand(self):
        before = measurements(QRS=[90.0, 90.0, 90.0, 90.0], PR=[160.0, np.nan, 160.0, np.nan])
        after = measurements(QRS=[92.0, 85.0, 120.0, np.nan], PR=[180.0, np.nan, np.nan, 150.0])
        found = interval_figures(before, after)
        assert found["error_QRS"] == 5
        assert found["bias_QRS"] == 2
        assert found["n_records_QRS"] == 3
        assert found["share_within_QRS"] == 0.5  # off by 2 and 5, but 30 and lost
        assert found["within_QRS"] == 0  # 2, 5, 30, lost: half way between 5 and 30
        # Off by 20 ms; none before and after; lost; made up.
        assert found["error_PR"] == found["bias_PR"] == 20
        assert found["share_within_PR"] == 0
        assert found["agreement_p_wave"] == 0.5
        assert found["error_QT"] == found["error_ST"] == 0
        assert found["within_QT"] == found["share_within_ST"] == 1

    def test_a_tolerance_is_still_kept(self):
        before = measurements()
        for name, most in TOLERANCES.items():
            usual = getattr(before, name)[0]
            at, beyond = (measurements(**{name: [usual + most * k]}) for k in (1, 1.01))
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
        found = interval_figures(lost, lost)
        for name in TOLERANCES:
            assert np.isnan([found[f"{kind}_{name}"] for kind in ("error", "within")]).all()
            assert found[f"n_records_{name}"] == 0

    def test_drawn_hearts(self):
        before = [replace(drawn(), name=str(i)) for i in range(3)]
        after = [replace(drawn(qrs=q, pr=p), name=str(i)) for i, (q, p) in enumerate(CHANGED)]
        found = IntervalUtility().evaluate(before, after)
        assert found["rr_exact"] == 1
        assert found["share_within_QRS"] == pytest.approx(2 / 3)
        assert found["share_within_PR"] == pytest.approx(2 / 3)
        assert found["agreement_p_wave"] == 1
        assert found["n_records_PR"] == 3
        assert 0 < found["delineator_error_QRS"] < TOLERANCES["QRS"]

    def test_labels_on_one_side_do_not_count(self):
        values = np.array([90.0, 150.0, 150.0])
        beats = QRSSegmenter("annotated", refine=0).fit_transform([drawn(n_beats=3)])
        wide = QRSSegmenter("annotated", refine=0).fit_transform([drawn(qrs=160, n_beats=3)])
        mixed = beats.beats.copy()
        mixed[values > 100] = wide.beats[values > 100]
        bare = beats.with_beats(mixed)
        labelled = replace(bare, labels=np.array(["N", "V", "V"]))
        assert IntervalUtility().evaluate(labelled, bare)["error_QRS"] == 0

    def test_refusals(self, labelled):
        one, two = (
            make_ecg_records(1, duration=10.0, n_leads=n, random_state=0).data for n in (1, 2)
        )
        with pytest.raises(ValueError, match=r"before has 1 lead\(s\) and after 2"):
            IntervalUtility().evaluate(one, two)
        with pytest.raises(ValueError, match="before has 8 records and after 7"):
            IntervalUtility().evaluate(labelled, labelled[:7])
        bare = replace(one[0], r_peaks=None, beat_labels=None)
        with pytest.raises(ValueError, match=r"'s001_01'.*r_peaks"):
            IntervalUtility().evaluate([bare], [bare])


# QRS and PR of three hearts whose originals have 90 and 160.
CHANGED = [(90, 160), (150, 160), (90, 240)]


class TestDiagnosis:
    def test_by_hand(self):
        before = measurements(QRS=[90.0, 150.0, 150.0, np.nan], ST=[0.0, 0.0, 0.0, np.nan])
        after = measurements(QRS=[119.0, 121.0, np.nan, 90.0], ST=[0.0, 0.2, -0.2, 0.0])
        found = diagnosis_figures(before, after)
        # Narrow stays, wide stays, wide is lost; the fourth could never be told.
        assert found["agreement_wide_qrs"] == pytest.approx(2 / 3)
        assert found["n_records_wide_qrs"] == 3
        chance = (1 * 1 + 2 * 1) / 9
        assert found["kappa_wide_qrs"] == pytest.approx((2 / 3 - chance) / (1 - chance))
        assert found["agreement_st"] == pytest.approx(1 / 3)
        assert found["agreement_rate_zone"] == found["kappa_rate_zone"] == 1
        assert np.isnan(found["agreement_beat_classes"])

    def test_what_carries_nothing_has_no_kappa(self):
        before = measurements(QRS=[90.0, 90.0, 90.0, 150.0])
        found = diagnosis_figures(before, measurements(QRS=[90.0] * 4))
        assert (found["agreement_wide_qrs"], found["kappa_wide_qrs"]) == (0.75, 0)

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
        found = diagnosis_figures(before, after)["agreement_beat_classes"]
        assert found == pytest.approx(agreement)

    def test_drawn_hearts(self):
        before = [replace(drawn(), name=str(i)) for i in range(3)]
        after = [replace(drawn(qrs=q, pr=p), name=str(i)) for i, (q, p) in enumerate(CHANGED)]
        found = DiagnosisUtility().evaluate(before, after)
        for name in CATEGORIES:
            wanted = 2 / 3 if name in ("wide_qrs", "pr") else 1
            assert found[f"agreement_{name}"] == pytest.approx(wanted), name

    def test_a_flat_release_keeps_the_rhythm_alone(self, labelled):
        flat = labelled.with_beats(np.zeros_like(labelled.beats))
        found = DiagnosisUtility().evaluate(labelled, flat)
        kept = {name for name in CATEGORIES if found[f"agreement_{name}"] > 0}
        assert kept == {"rate_zone", "irregularity"}


class TestPooled:
    def test_by_hand(self):
        terms = {"a": Agreement(0.9, 0.5), "b": Agreement(0.4), "c": Agreement(np.nan, np.nan)}
        weights = {"a": 1.0, "b": 2.0, "c": 5.0}
        assert pooled(terms, weights) == pytest.approx((0.4 + 2 * 0.4) / (0.5 + 2))

    def test_is_the_mean_of_kappas_by_what_chance_leaves(self):
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
    def test_originals_keep_everything(self, labelled, ectopic, contract):
        scorer = UtilityScorer(contract)
        for same in (labelled, ectopic.data, replace(labelled, labels=None)):
            assert scorer.evaluate(same, same)["utility"] == 1
        one = labelled[0]
        assert scorer.evaluate(one, one)["utility"] == 1

    @pytest.mark.parametrize("contract", CONTRACTS)
    def test_more_noise_keeps_less(self, labelled, contract):
        scorer = UtilityScorer(contract)
        noisy = NoiseAnonymizer(random_state=0).fit(labelled)
        kept = [
            scorer.evaluate(labelled, noisy.set_params(strength=s).transform(labelled))[
                "utility"
            ]
            for s in (0.0, 0.5, 1.0)
        ]
        assert kept[0] == 1 > kept[1] > kept[2] > 0

    def test_a_release_without_hearts_keeps_what_is_written_beside_it(self, labelled):
        flat = labelled.with_beats(np.zeros_like(labelled.beats))
        found = UtilityScorer("measurement").evaluate(labelled, flat)
        assert found["utility"] < 0.3  # RR alone
        only = dict.fromkeys(("wide_qrs", "pr", "qtc", "st", "detection"), 1.0)
        assert UtilityScorer(weights=only).evaluate(labelled, flat)["utility"] == 0

    def test_a_contract_names_its_terms(self, labelled):
        # A steady shift of the rhythm: another person's numbers, the same conclusions.
        faster = replace(labelled, r_peaks=(labelled.r_peaks * 0.98).astype(int))
        only = dict.fromkeys(("beat_classes", "rate_zone", "irregularity"), 1.0)
        assert UtilityScorer(weights=only).evaluate(labelled, faster)["utility"] == 1
        measured = UtilityScorer("measurement", weights={"RR": 1.0})
        assert measured.evaluate(labelled, faster)["utility"] == 0
        assert not {"waveform", "detection"} & set(WEIGHTS["measurement"])
        assert not {"waveform", *TOLERANCES} & set(WEIGHTS["diagnostic"])

    def test_every_term_can_be_weighted_alone(self, labelled):
        after = LowPassAnonymizer().fit_transform(labelled)
        found = UtilityScorer().evaluate(labelled, after)
        for name, figure in {
            "QRS": "share_within_QRS",
            "RR": "rr_exact",
            "qtc": "kappa_qtc",
            "waveform": "waveform",
        }.items():
            alone = UtilityScorer(weights={name: 3.0}).evaluate(labelled, after)["utility"]
            assert alone == pytest.approx(max(found[figure], 0)), name
        ratio = found["f1_150ms"] / found["before_f1_150ms"]
        alone = UtilityScorer(weights={"detection": 1.0}).evaluate(labelled, after)["utility"]
        assert alone == pytest.approx(min(ratio, 1))

    def test_arrays_have_a_waveform_and_nothing_else(self, labelled):
        before = labelled.beats[:, 0]
        after = before + np.random.default_rng(0).normal(0, 0.1, before.shape)
        for contract in CONTRACTS:
            found = UtilityScorer(contract, sampling_rate=500.0).evaluate(before, after)
            alone = WaveformUtility(sampling_rate=500.0).evaluate(before, after)
            assert found == alone | {"waveform": alone["utility"]}
            assert UtilityScorer(contract).evaluate(before, before)["utility"] == 1

    def test_other_beats_have_no_common_waveform(self, ectopic):
        after = [
            replace(r, r_peaks=r.r_peaks[1:], beat_labels=r.beat_labels[1:])
            for r in ectopic.data
        ]
        found = UtilityScorer().evaluate(ectopic.data, after)
        assert np.isnan([found["waveform"], found["correlation_qrs"], found["prd"]]).all()
        assert found["rr_exact"] == 0
        assert found["agreement_beat_classes"] > 0.9
        assert found["agreement_wide_qrs"] == 1
        # One record whose beats do not correspond does not spoil the others.
        mixed = [after[0], *ectopic.data[1:]]
        assert UtilityScorer().evaluate(ectopic.data, mixed)["correlation"] == 1

    def test_short_records_have_no_variability(self, labelled):
        few = replace(
            labelled[:1],
            **{k: getattr(labelled, k)[:5] for k in ("beats", "record", "r_peaks", "labels")},
        )
        found = UtilityScorer().evaluate(few, few)
        assert np.isnan(found["error_rmssd"])
        assert found["n_records_rmssd"] == 0
        assert found["utility"] == 1
        paced = replace(labelled, labels=np.full(len(labelled.beats), "Q"))
        assert np.isnan(UtilityScorer().evaluate(paced, paced)["error_sdnn"])

    def test_a_judge_of_beat_classes_counts(self, labelled, ectopic):
        judge = BeatClassUtility("forest", classes=["N", "V"], crossings=["trtr", "tstr"])
        sides = {"train": ["s001"], "test": ["s003"]}
        noise = np.random.default_rng(0).normal(size=labelled.beats.shape)
        # No rhythm either: the classes of the beats are dealt anew.
        dealt = np.random.default_rng(0).permutation(labelled.labels)
        release = replace(labelled.with_beats(noise), labels=dealt)
        scorer = UtilityScorer(judge=judge, weights={"judge": 1.0})
        same = scorer.evaluate(labelled, labelled, ectopic.subject, **sides)
        lost = scorer.evaluate(labelled, release, ectopic.subject, **sides)
        assert same["utility"] == 1 > lost["utility"]
        assert lost["tstr_macro_f1"] < lost["trtr_macro_f1"]

    @pytest.mark.parametrize(
        "weights", [{"qt": 1.0}, {"QT": -1.0, "QRS": 1.0}, {"QT": 0.0}, {}]
    )
    def test_refusals(self, labelled, weights):
        with pytest.raises(ValueError, match="give positive numbers for some of"):
            UtilityScorer(weights=weights).evaluate(labelled, labelled)
        with pytest.raises(ValueError, match="'contract' parameter"):
            UtilityScorer("legal").evaluate(labelled, labelled)

    def test_terms_that_cannot_be_told(self, labelled):
        bare = replace(labelled, labels=None)
        with pytest.raises(ValueError, match=r"none of \['beat_classes'\] can be told"):
            UtilityScorer(weights={"beat_classes": 1.0}).evaluate(bare, bare)

    def test_baselines_on_real_hearts(self, data_home):
        beats = late_minutes(
            data_home, [str(i) for i in (100, 103, 105, 106, 108, 111, 118, 119)]
        )
        kept = {}
        for model in (
            LowPassAnonymizer(strength=0.3),
            LowPassAnonymizer(),
            KSameAnonymizer(k=8, random_state=0),
        ):
            after = model.fit(beats, np.repeat(np.arange(8), 2)).transform(beats)
            for contract in CONTRACTS:
                found = UtilityScorer(contract).evaluate(beats, after)
                kept[type(model).__name__, model.strength, contract] = found["utility"]
        for contract in CONTRACTS:
            mild, strong = (kept["LowPassAnonymizer", s, contract] for s in (0.3, 1))
            assert 1 > mild > strong > 0
        # Everybody gets one heart: their rhythm stays, their numbers and what they say go.
        assert kept["KSameAnonymizer", 1, "diagnostic"] < 0.7
        assert kept["KSameAnonymizer", 1, "measurement"] < 0.7
