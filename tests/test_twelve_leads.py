"""Categories of 12 leads: synthetic median beats with known findings, and records of them."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter
from sklearn_ecganon.attacks._modalities import category_features
from sklearn_ecganon.contracts import (
    CATEGORIES,
    INDEPENDENT_LEADS,
    NO_P_WAVE,
    TWELVE_LEAD_CATEGORIES,
    UNMEASURED,
    Fiducials,
    Measurements,
    has_twelve_leads,
    measure,
    profiles,
    twelve_lead_categories,
)
from sklearn_ecganon.utility import UtilityScorer

RATE = 500.0
# mV of Q, R, S, ST and T of a normal beat, by lead.
NORMAL = {
    "I": (-0.05, 0.7, -0.1, 0.0, 0.25),
    "II": (-0.05, 1.0, -0.15, 0.0, 0.3),
    "V1": (0.0, 0.2, -0.8, 0.0, 0.1),
    "V2": (0.0, 0.4, -1.0, 0.05, 0.4),
    "V3": (0.0, 0.6, -0.7, 0.05, 0.45),
    "V4": (0.0, 1.2, -0.4, 0.0, 0.4),
    "V5": (-0.05, 1.3, -0.2, 0.0, 0.35),
    "V6": (-0.05, 1.0, -0.1, 0.0, 0.3),
}
NORMAL_CODES = {
    "q_anterior": 0,
    "q_lateral": 0,
    "q_inferior": 0,
    "axis": 1,
    "high_r_left": 0,
    "high_r_right": 0,
    "st_anterior": 1,
    "st_lateral": 1,
    "st_inferior": 1,
    "t_anterior": 2,
    "t_lateral": 2,
    "t_inferior": 2,
    "ventricular_conduction": 0,
    "low_voltage": 0,
    "transition": 1,
    "pr": 1,
}
#: Changes of leads, and the codes that they change.
FINDINGS = {
    "normal": ({}, {}, {}),
    "inferior infarction": (
        {"II": (-0.4, 0.5, 0, 0, 0.3), "I": (0, 0.4, -0.1, 0, 0.25)},
        {"q_ms": 40},
        {"q_inferior": 1, "axis": 0},
    ),
    "anterior infarction": (
        {"V2": (0, 0, -1.2, 0.05, 0.4), "V3": (0, 0, -1.0, 0.05, 0.45)},
        {},
        {"q_anterior": 1},
    ),
    "left axis": (
        {"II": (0, 0.2, -0.7, 0, 0.3), "I": (-0.05, 0.9, 0, 0, 0.2)},
        {},
        {"axis": 0},
    ),
    "right axis": ({"I": (0, 0.2, -0.8, 0, 0.2)}, {}, {"axis": 2}),
    "left hypertrophy": (
        {"V1": (0, 0.2, -2.0, 0, 0.1), "V5": (-0.05, 2.0, -0.2, 0, 0.35)},
        {},
        {"high_r_left": 1},
    ),
    "right hypertrophy": (
        {"V1": (0, 0.9, -0.3, 0, 0.1)},
        {},
        {"high_r_right": 1, "transition": 0},
    ),
    "anterior elevation": (
        {"V2": (0, 0.4, -1.0, 0.4, 0.6), "V3": (0, 0.6, -0.7, 0.4, 0.6)},
        {},
        {"st_anterior": 2},
    ),
    "lateral depression": (
        {"V5": (-0.05, 1.3, -0.2, -0.15, 0.35), "V6": (-0.05, 1.0, -0.1, -0.15, 0.3)},
        {},
        {"st_lateral": 0},
    ),
    "negative T": (
        {"V2": (0, 0.4, -1.0, 0, -0.3), "V3": (0, 0.6, -0.7, 0, -0.3)},
        {},
        {"t_anterior": 0},
    ),
    "flat T": (
        {"V5": (-0.05, 1.3, -0.2, 0, 0.05), "V6": (-0.05, 1.0, -0.1, 0, 0.05)},
        {},
        {"t_lateral": 1},
    ),
    "late transition": ({"V4": (0, 0.4, -1.2, 0, 0.4)}, {}, {"transition": 2}),
    "long PR": ({}, {"pr": 240}, {"pr": 2}),
    "short PR": ({}, {"pr": 100}, {"pr": 0}),
    "no P": ({}, {"p": 0.0}, {"pr": NO_P_WAVE}),
    "wide": (
        {"I": (-0.15, 0.7, -0.1, 0, 0.25), "V6": (-0.15, 1.0, -0.1, 0, 0.3)},
        {"qrs": 150},
        {"ventricular_conduction": 5},
    ),
    "low voltage": (
        {name: tuple(v * 0.3 for v in NORMAL[name][:3]) + (0, 0.3) for name in NORMAL},
        {},
        {"low_voltage": 1},
    ),
}


def bump(t, start, stop):
    inside = (t >= start) & (t <= stop)
    return np.where(inside, (1 - np.cos(2 * np.pi * (t - start) / (stop - start))) / 2, 0.0)


def beat_of(changes=None, *, rate=RATE, qrs=90.0, pr=160.0, qt=390.0, p=0.12, q_ms=20.0):
    """Return a median beat of the independent leads with its R peak in the middle."""
    t = (np.arange(round(rate)) - round(rate) // 2) * 1000 / rate
    start, stop = -0.45 * qrs, 0.55 * qrs
    end = start + qt
    rise, fall = (t - stop + 10) / 20, (end - 80 - t) / 60
    plateau = np.clip(rise, 0, 1) * np.clip(fall, 0, 1)
    rows = []
    for q, r, s, st, t_wave in (NORMAL | (changes or {})).values():
        qs = s < 0 and r == 0
        rows.append(
            q * bump(t, start, start + q_ms)
            + r * bump(t, start + (0.7 * q_ms if q else 0), start + 0.65 * qrs)
            + s * (bump(t, start, stop) if qs else bump(t, start + 0.55 * qrs, stop))
            + st * plateau
            + t_wave * bump(t, end - 190, end)
            + p * bump(t, start - pr, start - pr + 95)
        )
    edges = np.array([start, stop, start - pr if p else np.nan, end])
    return np.array(rows), Fiducials(*(round(rate) // 2 + edges * rate / 1000))


@pytest.mark.parametrize("rate", [100.0, 250.0, 360.0, 500.0])
@pytest.mark.parametrize("given", [True, False], ids=["fiducials", "rule"])
@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_changes_its_category_only(finding, given, rate):
    changes, shape, codes = FINDINGS[finding]
    beat, fiducials = beat_of(changes, rate=rate, **shape)
    categories = twelve_lead_categories(
        beat[None], INDEPENDENT_LEADS, rate, fiducials=fiducials if given else None
    )
    assert {name: int(code[0]) for name, code in categories.items()} == NORMAL_CODES | codes


def blocked(side, qrs=140.0, rate=RATE):
    """Return a beat with a bundle branch block."""
    t = (np.arange(round(rate)) - round(rate) // 2) * 1000 / rate
    start = -0.45 * qrs
    stop, half = start + qrs, start + 0.5 * qrs
    first, second = bump(t, start, half + 5), bump(t, half - 5, stop)
    if side == "right":
        leads = {"I": (0.6, -0.3), "II": (0.8, -0.2), "V1": (0.2, 0.8), "V2": (0.3, 0.6)}
        leads |= {"V3": (0.5, -0.2), "V4": (1.0, -0.3), "V5": (1.0, -0.3), "V6": (0.8, -0.3)}
        rows = [r * first + late * second for r, late in leads.values()]
        rows[2] -= 0.4 * bump(t, half - 25, half + 15)
    else:
        leads = {"I": 0.8, "II": 0.7, "V1": -1.0, "V2": -1.5, "V3": -1.2, "V4": 0.3}
        leads |= {"V5": 1.0, "V6": 1.0}
        rows = [v * (0.8 * first + second) for v in leads.values()]
    edges = np.array([start, stop, np.nan, np.nan])
    return np.array(rows), Fiducials(*(round(rate) // 2 + edges * rate / 1000))


@pytest.mark.parametrize("rate", [100.0, 500.0])
@pytest.mark.parametrize(
    ("side", "qrs", "label"),
    [
        ("right", 140, "RBBB"),
        ("right", 105, "incomplete RBBB"),
        ("left", 140, "LBBB"),
        ("left", 115, "incomplete LBBB"),
    ],
)
def test_bundle_branch_blocks(side, qrs, label, rate):
    beat, fiducials = blocked(side, qrs, rate)
    categories = twelve_lead_categories(
        beat[None], INDEPENDENT_LEADS, rate, fiducials=fiducials
    )
    code = categories["ventricular_conduction"][0]
    assert TWELVE_LEAD_CATEGORIES["ventricular_conduction"][code] == label


def test_beats_do_not_depend_on_each_other_or_on_derived_leads():
    beats = np.stack([beat_of(changes)[0] for changes, _, _ in FINDINGS.values()])
    together = twelve_lead_categories(beats, INDEPENDENT_LEADS, RATE)
    limb = np.zeros_like(beats[:, :4])  # wrong on purpose: derived leads are computed
    names = ["aVR", "aVL", "aVF", "III", *INDEPENDENT_LEADS]
    for i, beat in enumerate(beats):
        alone = twelve_lead_categories(
            np.concatenate([limb[i], beat])[None], names, RATE, r_peak=250
        )
        for name, codes in alone.items():
            assert codes[0] == together[name][i]


def test_every_code_has_a_label():
    beats = np.stack([beat_of(changes)[0] for changes, _, _ in FINDINGS.values()])
    noise = np.random.default_rng(0).normal(0, 0.5, (200, *beats.shape[1:])).cumsum(axis=2)
    for name, codes in twelve_lead_categories(
        np.concatenate([beats, noise]), INDEPENDENT_LEADS, RATE
    ).items():
        labels = TWELVE_LEAD_CATEGORIES.get(name, range(3))
        lowest = NO_P_WAVE if name == "pr" else 0
        assert codes.min() >= lowest
        assert codes.max() < len(labels)


def test_flat_beats_are_not_measured():
    beats = np.stack([np.zeros((8, 400)), beat_of()[0][:, 50:450]])
    for fiducials in (
        None,
        Fiducials(*[np.array([np.nan, value]) for value in (160, 205, 80, 400)]),
    ):
        categories = twelve_lead_categories(beats, INDEPENDENT_LEADS, RATE, fiducials=fiducials)
        assert {codes[0] for codes in categories.values()} == {UNMEASURED}
        assert UNMEASURED not in {codes[1] for codes in categories.values()}
    one_flat = np.where(np.arange(8)[:, None] == 3, 0.2, beats[1:])
    categories = twelve_lead_categories(one_flat, INDEPENDENT_LEADS, RATE)
    assert {codes[0] for codes in categories.values()} == {UNMEASURED}
    nothing = twelve_lead_categories(np.empty((0, 8, 400)), INDEPENDENT_LEADS, RATE)
    assert all(len(codes) == 0 for codes in nothing.values())


@pytest.mark.parametrize(
    ("shape", "names", "rate", "match"),
    [
        ((8, 400), INDEPENDENT_LEADS, 500.0, "give .n_beats, n_leads, n_times"),
        ((1, 7, 400), INDEPENDENT_LEADS, 500.0, "8 lead names"),
        ((1, 2, 400), ("MLII", "V1"), 500.0, "the leads are MLII, V1"),
        ((1, 8, 400), INDEPENDENT_LEADS, 90.0, "90 Hz is too slow"),
    ],
)
def test_refuses_invalid_input(shape, names, rate, match):
    with pytest.raises(ValueError, match=match):
        twelve_lead_categories(np.zeros(shape), names, rate)
    assert has_twelve_leads(["v6", *INDEPENDENT_LEADS[:7]])


def record_of(changes=None, *, n_beats=12, rr=800.0, leads=INDEPENDENT_LEADS, **shape):
    """Return a record that repeats a beat, with slight noise."""
    beat, _ = beat_of(changes, **shape)
    peaks = (np.arange(1, n_beats + 1) * rr * RATE / 1000).astype(int)
    signal = np.random.default_rng(0).normal(0, 0.003, (peaks[-1] + 600, len(beat)))
    for peak in peaks:
        half = beat.shape[1] // 2
        first = max(0, peak - half)
        signal[first : peak + half] += beat[:, first - peak + half :].T
    chosen = [INDEPENDENT_LEADS.index(lead) for lead in leads]
    return ECGRecord(signal[:, chosen], RATE, leads, r_peaks=peaks, name="synthetic")


SEGMENT = QRSSegmenter("annotated", refine=0, window=1000)


class TestMeasure:
    @pytest.mark.parametrize(
        "finding",
        ["normal", "inferior infarction", "negative T", "left axis", "long PR", "wide"],
    )
    def test_records_have_the_categories_of_their_beats(self, finding):
        changes, shape, codes = FINDINGS[finding]
        categories = measure(SEGMENT.fit_transform([record_of(changes, **shape)])).categories()
        measured = {name: int(categories[name][0]) for name in NORMAL_CODES}
        assert measured == NORMAL_CODES | codes
        assert categories["arrhythmia"][0] == categories["pauses"][0] == 0
        assert list(categories) == [*CATEGORIES, *TWELVE_LEAD_CATEGORIES]

    def test_fewer_leads_have_six_categories(self):
        two = measure(SEGMENT.fit_transform([record_of(leads=("II", "V5"))]))
        assert two.twelve_leads is None
        assert list(two.categories()) == list(CATEGORIES)
        assert len(profiles(two)[0]) == len(CATEGORIES) + 1

    def test_an_empty_record_is_not_measured(self):
        beats = SEGMENT.fit_transform([record_of(), record_of()])
        empty = replace(
            beats,
            beats=beats.beats[beats.record == 1],
            r_peaks=beats.r_peaks[beats.record == 1],
            record=np.ones(12, int),
        )
        categories = measure(empty).categories()
        for name in TWELVE_LEAD_CATEGORIES:
            assert categories[name][0] == UNMEASURED, name
            assert categories[name][1] == (NORMAL_CODES | {"arrhythmia": 0, "pauses": 0})[name]
        assert (
            len(profiles(measure(empty))[0])
            == len(CATEGORIES) + len(TWELVE_LEAD_CATEGORIES) + 1
        )

    def test_ectopic_beats_do_not_count(self):
        record = record_of()
        beats = SEGMENT.fit_transform([replace(record, beat_labels=np.full(12, "N"))])
        windows, labels = beats.beats.copy(), beats.labels.copy()
        windows[::2], labels[::2] = beat_of(FINDINGS["negative T"][0], qrs=160)[0], "V"
        mixed = measure(replace(beats, beats=windows, labels=labels)).categories()
        assert {name: int(mixed[name][0]) for name in NORMAL_CODES} == NORMAL_CODES

    def test_a_pause_is_no_gap(self):
        beats = SEGMENT.fit_transform([record_of()])
        r_peaks = beats.r_peaks + np.where(np.arange(12) >= 6, 1200, 0)  # 3.2 s
        paused = replace(beats, r_peaks=r_peaks, lengths=beats.lengths + 1200)
        assert measure(paused).categories()["pauses"] == 1
        gap = np.array([[0, r_peaks[5] + 300, r_peaks[6] - 300]])
        assert measure(replace(paused, gaps=gap)).categories()["pauses"] == 0

    @pytest.mark.parametrize(("before_r", "paced"), [(5.0, True), (150.0, True), (None, False)])
    def test_spikes_are_pacing(self, before_r, paced):
        record = record_of()
        signal = record.signal.copy()
        if before_r is not None:
            signal[record.r_peaks - round(before_r * RATE / 1000)] += 1.5
        categories = measure(
            SEGMENT.fit_transform([replace(record, signal=signal)])
        ).categories()
        label = TWELVE_LEAD_CATEGORIES["arrhythmia"][categories["arrhythmia"][0]]
        assert (label == "paced") == paced

    def test_utility_compares_them(self):
        beats = SEGMENT.fit_transform([record_of(), record_of()])
        changed = beats.beats.copy()
        changed[12:] = beat_of(FINDINGS["negative T"][0])[0]
        figures = UtilityScorer().evaluate(beats, beats.with_beats(changed))
        assert figures["agreement_t_anterior"] == 0.5
        assert figures["n_records_t_anterior"] == 2
        assert figures["agreement_axis"] == 1
        assert UtilityScorer().evaluate(beats, beats)["utility"] == 1

    def test_attackers_see_them(self):
        beats = SEGMENT.fit_transform([record_of(), record_of(FINDINGS["negative T"][0])])
        features = category_features(beats, measure(beats))
        assert features.shape == (24, 78)
        assert not np.array_equal(features[0, :23], features[-1, :23])


@pytest.mark.parametrize(
    ("rr", "pr", "paced", "label"),
    [
        ([800], 160, 0, "regular with P"),
        ([700, 900], 160, 0, "irregular with P"),
        ([800], np.nan, 0, "regular without P"),
        ([700, 900], np.nan, 0, "irregular without P"),
        ([800], 160, 1, "paced"),
    ],
)
def test_arrhythmia(rr, pr, paced, label):
    n_beats = 8
    values = {"PR": pr, "QRS": 90.0, "QT": 380.0, "ST": 0.0}
    rows = {name: np.full(n_beats, value) for name, value in values.items()}
    measured = Measurements(
        np.zeros(n_beats, int),
        1,
        RR=np.r_[np.nan, np.resize(rr, n_beats - 1).astype(float)],
        twelve_leads={"axis": np.array([1]), "paced": np.array([paced])},
        longest_rr=np.array([900.0]),
        **rows,
    )
    code = measured.categories()["arrhythmia"][0]
    assert TWELVE_LEAD_CATEGORIES["arrhythmia"][code] == label
