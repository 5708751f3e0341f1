"""Measurements, categories and profiles, compared with synthetic and annotated beats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import wfdb

from sklearn_ecganon import ECGRecord, QRSSegmenter
from sklearn_ecganon.contracts import (
    CATEGORIES,
    NO_P_WAVE,
    TOLERANCES,
    UNMEASURED,
    Measurements,
    _measure,
    category,
    measure,
    profile_anonymity,
    profiles,
)
from sklearn_ecganon.datasets import fetch_ludb
from sklearn_ecganon.delineation import Delineator
from sklearn_ecganon.records import BeatSet

RATE = 500.0
SEGMENT = QRSSegmenter("annotated", refine=0, window=1000)


def bump(t, start, stop):
    inside = (t >= start) & (t <= stop)
    return np.where(inside, (1 - np.cos(2 * np.pi * (t - start) / (stop - start))) / 2, 0.0)


def synthetic(*, rr=800, pr=160, qrs=90, qt=400, st=0.0, n_beats=20):
    """Return a record of P, QRS, ST and T with these intervals in ms, and ST in mV."""
    peaks = np.arange(1, n_beats + 1) * rr
    t = np.arange(0, (n_beats + 2) * rr, 1000 / RATE)
    signal = np.random.default_rng(0).normal(0, 0.005, len(t))
    for peak in peaks:
        start, stop = peak - qrs / 2, peak + qrs / 2
        end = start + qt
        signal += 0.15 * bump(t, start - pr, start - pr + 100)
        signal += 1.2 * bump(t, start + 0.2 * qrs, stop - 0.2 * qrs)
        signal -= 0.15 * bump(t, start, start + 0.3 * qrs)
        signal -= 0.25 * bump(t, stop - 0.3 * qrs, stop)
        signal += 0.3 * bump(t, end - 200, end)
        rise, fall = (t - stop + 20) / 20, (end - 80 - t) / 60
        signal += st * np.clip(rise, 0, 1) * np.clip(fall, 0, 1)
    r_peaks = (peaks * RATE / 1000).astype(int)
    return ECGRecord(signal, RATE, ("II",), r_peaks=r_peaks, name="synthetic")


def measurements(rr=800.0, *, n_beats=6, **values):
    """Return the measurements of one record with the same values in every beat."""
    values = {"PR": 160.0, "QRS": 90.0, "QT": 380.0, "ST": 0.0} | values
    rows = {name: np.resize(value, n_beats).astype(float) for name, value in values.items()}
    rr = np.r_[np.nan, np.resize(rr, n_beats - 1)]
    return Measurements(np.zeros(n_beats, int), 1, RR=rr, **rows)


class TestMeasure:
    @pytest.mark.parametrize(
        "intervals",
        [{}, {"qrs": 60}, {"qrs": 150}, {"pr": 100}, {"pr": 240}, {"qt": 330}, {"st": 0.2}],
    )
    def test_synthetic_intervals_are_measured(self, intervals):
        measured = measure(SEGMENT.fit_transform([synthetic(**intervals)]))
        expected = {"pr": 160, "qrs": 90, "qt": 400, "st": 0.0} | intervals
        medians = measured.medians()
        assert medians["PR"][0] == pytest.approx(expected["pr"], abs=10)
        assert medians["QRS"][0] == pytest.approx(expected["qrs"], abs=15)
        assert medians["QT"][0] == pytest.approx(expected["qt"], abs=25)
        assert medians["ST"][0] == pytest.approx(expected["st"], abs=0.04)
        np.testing.assert_allclose(measured.RR[1:], 800)
        assert np.isnan(measured.RR[0])

    @pytest.mark.parametrize(
        ("intervals", "changed"),
        [
            ({}, {}),
            ({"rr": 1100}, {"rate_zone": 0}),
            ({"rr": 550, "qt": 320}, {"rate_zone": 2}),
            ({"qrs": 150}, {"wide_qrs": 1}),
            ({"pr": 100}, {"pr": 0}),
            ({"pr": 240}, {"pr": 2}),
            ({"rr": 1000, "qt": 490}, {"qtc": 1}),
            ({"st": 0.2}, {"st": 2}),
            ({"st": -0.2}, {"st": 0}),
        ],
    )
    def test_synthetic_intervals_give_their_categories(self, intervals, changed):
        normal = {"rate_zone": 1, "irregularity": 0, "wide_qrs": 0, "pr": 1, "qtc": 0, "st": 1}
        beats = SEGMENT.fit_transform([synthetic(**intervals)])
        measured = {name: values[0] for name, values in measure(beats).categories().items()}
        assert measured == normal | changed

    def test_classes_are_measured_separately(self):
        narrow, wide = (SEGMENT.fit_transform([synthetic(qrs=q)]) for q in (80, 160))
        mixed = narrow.beats.copy()
        mixed[::5] = wide.beats[::5]
        labels = np.where(np.arange(len(mixed)) % 5 == 0, "V", "N")
        measured = measure(replace(narrow, beats=mixed, labels=labels))
        assert np.median(measured.QRS[labels == "V"]) > 130
        assert np.median(measured.QRS[labels == "N"]) < 100
        assert measured.medians()["QRS"][0] < 100
        assert measured.categories()["wide_qrs"][0] == 0

    def test_flat_and_empty_records_have_no_medians(self):
        beats = SEGMENT.fit_transform([synthetic(), synthetic()])
        flat = np.where((beats.record == 0)[:, None, None], 0.0, beats.beats)
        medians = measure(beats.with_beats(flat)).medians()
        assert all(np.isnan(flat) and np.isfinite(other) for flat, other in medians.values())
        empty = BeatSet(
            np.empty((0, 1, 500)), *[np.empty(0, int)] * 2, [9], RATE, (("II",),), "x"
        )
        assert np.isnan(measure(empty).medians()["QRS"]).all()
        assert set(measure(empty).categories()["qtc"]) == {UNMEASURED}

    def test_records_do_not_depend_on_each_other(self):
        beats = SEGMENT.fit_transform([synthetic(qrs=q) for q in (80, 120, 150)])
        whole, single = measure(beats), [measure(beats[i]) for i in (2, 0, 1)]
        for name in TOLERANCES:
            together = np.concatenate([getattr(single[i], name) for i in (1, 2, 0)])
            np.testing.assert_array_equal(getattr(whole, name), together)

    def test_a_record_is_measured_once(self, monkeypatch):
        _measure._remembered.cache_clear()
        beats = SEGMENT.fit_transform([synthetic(), synthetic(qrs=130)])
        first = measure(beats)
        with monkeypatch.context() as patch:
            patch.setattr(_measure, "_measure_strip", None)  # calling it would fail
            again = measure(beats[[1, 0, 1]])
        np.testing.assert_array_equal(again.QRS[20:40], first.QRS[:20])
        louder = measure(beats.with_beats(2 * beats.beats))
        assert louder.medians()["ST"][0] == pytest.approx(
            2 * first.medians()["ST"][0], abs=0.01
        )
        for other in (
            {"average": 1},
            {"delineator": Delineator("prominence")},
        ):
            assert not np.array_equal(measure(beats, **other).QRS, first.QRS)
        slower = replace(beats, sampling_rate=RATE / 2)
        assert measure(slower).medians()["PR"][0] > 1.5 * first.medians()["PR"][0]

    def test_the_cache_keeps_no_signal(self):
        _measure._remembered.cache_clear()
        request = _measure._MeasurementRequest(b"x", lambda: np.zeros((4, 1)))
        _measure._remembered(request)
        assert request.measure is None

    @pytest.mark.parametrize("rate", [125.0, 360.0, 1000.0])
    def test_other_rates(self, rate):
        segment = QRSSegmenter("annotated", refine=0, window=1000, sampling_rate=rate)
        medians = measure(segment.fit_transform([synthetic()])).medians()
        assert medians["PR"][0] == pytest.approx(160, abs=12)
        assert medians["QRS"][0] == pytest.approx(90, abs=15)

    def test_too_slow(self):
        beats = QRSSegmenter("annotated", sampling_rate=90.0).fit_transform([synthetic()])
        with pytest.raises(ValueError, match="'synthetic': 90 Hz is too slow"):
            measure(beats)


class TestCategories:
    @pytest.mark.parametrize(
        ("name", "values", "expected"),
        [
            ("rate_zone", [59.99, 60, 100, 100.01], [0, 1, 1, 2]),
            ("irregularity", [0.0, 0.1, 0.1001], [0, 0, 1]),
            ("wide_qrs", [119.9, 120, np.nan], [0, 1, UNMEASURED]),
            ("pr", [119.9, 120, 200, 200.1], [0, 1, 1, 2]),
            ("qtc", [449.9, 450], [0, 1]),
            ("st", [-0.11, -0.1, -0.099, 0.099, 0.1], [0, 0, 1, 1, 2]),
        ],
    )
    def test_limits(self, name, values, expected):
        assert category(name, values).tolist() == expected

    def test_rate_and_irregularity_of_known_intervals(self):
        regular = measurements([800.0])
        assert regular.categories()["rate_zone"] == 1
        assert regular.categories()["irregularity"] == 0
        # Steps of 100 around 850: RMSSD 100 is more than a tenth of the mean.
        assert measurements([800.0, 900.0]).categories()["irregularity"] == 1
        assert measurements([810.0, 890.0]).categories()["irregularity"] == 0
        assert measurements([600.0]).categories()["rate_zone"] == 1  # 100 per minute
        assert measurements([599.0]).categories()["rate_zone"] == 2
        assert measurements([1001.0]).categories()["rate_zone"] == 0

    def test_qtc_is_bazetts(self):
        # 450 ms at RR 1 s is long; at 0.64 s, 360 ms are.
        assert measurements(1000.0, QT=450.0).categories()["qtc"] == 1
        assert measurements(1000.0, QT=449.0).categories()["qtc"] == 0
        assert measurements(640.0, QT=360.0).categories()["qtc"] == 1
        assert measurements(640.0, QT=359.0).categories()["qtc"] == 0

    def test_half_of_the_beats_need_p_waves(self):
        assert measurements(PR=[160.0, np.nan]).categories()["pr"] == 1
        assert measurements(PR=[160.0, np.nan, np.nan]).categories()["pr"] == NO_P_WAVE
        lost = measurements(PR=np.nan, QRS=np.nan)
        assert lost.categories()["pr"] == lost.categories()["wide_qrs"] == UNMEASURED

    def test_medians_are_of_normal_beats_if_there_are_any(self):
        values = [90.0, 90.0, 94.0, 150.0, 150.0, 160.0]
        unlabeled = measurements(QRS=values)
        assert unlabeled.medians()["QRS"] == 122.0
        labels = np.array(["N", "N", "N", "V", "V", "V"])
        assert replace(unlabeled, labels=labels).medians()["QRS"] == 90.0
        paced = replace(unlabeled, labels=np.full(6, "Q"))
        assert paced.medians()["QRS"] == 122.0

    def test_a_single_beat_has_no_rhythm(self):
        categories = measurements(n_beats=1).categories()
        for name in ("rate_zone", "irregularity", "qtc"):
            assert categories[name] == UNMEASURED
        assert categories["wide_qrs"] == 0

    def test_every_category_is_named(self):
        assert list(measurements().categories()) == list(CATEGORIES)


def annotated_intervals(path):
    """Return PR, QRS and QT of each beat of lead II from the cardiologists' annotations."""
    annotations = wfdb.rdann(str(path), "ii")
    waves = {"p": [], "N": [], "t": []}
    for i, symbol in enumerate(annotations.symbol):
        if symbol in waves and 0 < i < len(annotations.symbol) - 1:
            waves[symbol].append(annotations.sample[i - 1 : i + 2])
    rows, end_before = [], -1
    for start, peak, stop in waves["N"]:
        after = min((n[1] for n in waves["N"] if n[1] > peak), default=np.inf)
        p = [w[0] for w in waves["p"] if end_before < w[1] < peak]
        t = [w[2] for w in waves["t"] if peak < w[1] < after]
        row = (start - p[-1] if p else np.nan, stop - start, t[0] - start if t else np.nan)
        rows.append(row)
        end_before = peak
    return 1000 / 500 * np.array(rows).T


def test_ludb_medians_are_those_of_the_cardiologists(data_home):
    if not (Path(data_home) / "ludb" / "RECORDS").is_file():
        pytest.skip("SKLEARN_ECGANON_DATA names no folder with ludb/")
    names = [f"data/{i}" for i in range(1, 201)]
    records = fetch_ludb(data_home=data_home, records=names, verify=False).data
    segment = QRSSegmenter("annotated", refine=0, leads=["II"])
    medians = measure(segment.fit_transform(records)).medians()
    annotated = [annotated_intervals(Path(data_home) / "ludb" / name) for name in names]
    for row, (name, most) in enumerate({"PR": 6, "QRS": 8, "QT": 10}.items()):
        finite = [table[row][np.isfinite(table[row])] for table in annotated]
        expected = np.array(
            [
                np.median(values) if 2 * len(values) >= table.shape[1] else np.nan
                for values, table in zip(finite, annotated, strict=True)
            ]
        )
        error = medians[name] - expected
        assert np.nanmedian(np.abs(error)) <= most, name
        assert np.abs(np.nanmedian(error)) <= most / 2, name
        if name == "PR":
            assert np.mean(np.isnan(medians[name]) == np.isnan(expected)) >= 0.95


class TestProfiles:
    def test_a_profile_holds_all_categories(self, beats):
        measured = measure(beats)
        categories = measured.categories()
        for i, profile in enumerate(profiles(measured)):
            assert profile[:-1] == tuple(int(categories[name][i]) for name in CATEGORIES)
        # Measurements separate people better than categories do.
        assert len(set(profiles(measured, "measurement"))) >= len(set(profiles(measured)))

    def test_values_within_one_step_share_a_profile(self, beats):
        measured = measure(beats)
        nudged = replace(measured, ST=measured.ST + 1e-9)
        # A median may lie on the edge of a step, but most do not.
        same = [
            a == b
            for a, b in zip(
                profiles(measured, "measurement"), profiles(nudged, "measurement"), strict=True
            )
        ]
        assert np.mean(same) > 0.9

    def test_counts_people_not_records(self):
        shared = [(0, ""), (0, ""), (0, ""), (1, ""), (1, "V"), (1, "V")]
        anonymity = profile_anonymity(shared, ["a", "a", "b", "b", "c", "d"], k=(2, 3))
        assert anonymity.class_sizes.tolist() == [2, 2, 2, 1, 2, 2]
        assert anonymity.minimum == 1
        # Only b has a record whose profile nobody shares.
        assert anonymity.fractions == {2: 0.25, 3: 1.0}
        assert anonymity.n_profiles == 3
        assert "4 people with 3 profiles" in str(anonymity)

    def test_refuses_invalid_input(self, beats):
        with pytest.raises(ValueError, match="choose from"):
            profiles(measure(beats), "none")
        with pytest.raises(ValueError, match="2 profiles and 1 subjects"):
            profile_anonymity([(0,), (1,)], ["a"])
