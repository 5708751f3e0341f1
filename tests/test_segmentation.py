"""The segmenter: detection, windows, gaps, resampling, stitching and errors."""

import logging
import os
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import periodogram
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ecganon import BeatSet, ECGRecord, QRSSegmenter
from sklearn_ecganon.segmentation import BeatCountWarning, stitch_record

RATE = 250.0


def make_record(
    peaks=None, *, seconds=12.0, rate=RATE, leads=("II",), sign=1.0, noise=0.01, **fields
):
    """Return a record with narrow QRS and wide T waves, R peaks exactly at `peaks`."""
    rng = np.random.default_rng(0)
    n_times = round(seconds * rate)
    if peaks is None:
        peaks = np.arange(round(0.5 * rate), n_times - round(0.3 * rate), round(0.8 * rate))
    ms = (np.arange(n_times)[:, None] - np.asarray(peaks)) * 1000 / rate
    beat = np.exp(-((ms / 12) ** 2)) + 0.2 * np.exp(-(((ms - 250) / 50) ** 2))
    wander = 0.1 * np.sin(np.arange(n_times) / rate)
    trace = sign * beat.sum(axis=1) + wander
    gains = 1 - 0.3 * np.arange(len(leads))
    signal = trace[:, None] * gains + noise * rng.normal(size=(n_times, len(leads)))
    fields = {"r_peaks": np.asarray(peaks), "name": "A12"} | fields
    return ECGRecord(signal, rate, leads, **fields)


def with_signal(record, change):
    signal = record.signal.copy()
    change(signal)
    return ECGRecord(
        signal, record.sampling_rate, record.lead_names, record.r_peaks, name=record.name
    )


def matches(detected, reference, reach):
    """Return the number of pairs within `reach`, with each peak in at most one pair."""
    i = j = n_pairs = 0
    while i < len(detected) and j < len(reference):
        if abs(detected[i] - reference[j]) <= reach:
            n_pairs, i, j = n_pairs + 1, i + 1, j + 1
        elif detected[i] < reference[j]:
            i += 1
        else:
            j += 1
    return n_pairs


def gross_f1(detected, reference, reach):
    records = list(zip(detected, reference, strict=True))
    pairs = sum(matches(a, b, reach) for a, b in records)
    return 2 * pairs / sum(len(a) + len(b) for a, b in records)


def peaks_of(beats):
    return [record.r_peaks for record in beats]


def assert_same(one, other):
    for field in ("beats", "record", "r_peaks", "lengths", "gaps"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert one.lead_names == other.lead_names
    assert one.names == other.names


def window_samples(beats, i, record):
    """Return the samples of a record that windows cover without crossing a gap."""
    reach = beats.r_peaks[:, None] + np.arange(beats.n_times) - beats.n_times // 2
    inside = (reach >= 0) & (reach < record.n_times)
    for _, start, stop in beats.gaps[beats.gaps[:, 0] == i]:
        after = beats.r_peaks[:, None] >= stop
        inside &= np.where(after, reach >= stop, reach < start)
    return np.unique(reach[inside])


# scikit-learn


@parametrize_with_checks([QRSSegmenter()])
def test_scikit_learn_conformance(estimator, check):
    check(estimator)


def test_clone_pickle_and_cached_pipeline(tmp_path):
    records = [make_record(), make_record(seconds=9, name="B7")]
    fitted = QRSSegmenter(window=600, refine=20).fit(records)
    assert clone(fitted).get_params() == fitted.get_params()
    again = pickle.loads(pickle.dumps(fitted))
    assert_same(again.transform(records), fitted.transform(records))
    pipeline = Pipeline(
        [("segment", QRSSegmenter()), ("pass", FunctionTransformer())], memory=str(tmp_path)
    )
    first = pipeline.fit_transform(records, ["a", "b"])
    second = clone(pipeline).fit_transform(records, ["a", "b"])
    assert_same(first, second)
    assert_same(first, QRSSegmenter().fit_transform(records))
    assert list(first.names) == ["A12", "B7"]


def test_stitched_records_have_opaque_names():
    records = [make_record(name="A12"), make_record(name="Jane Doe", sign=2.0)]
    segmenter = QRSSegmenter().fit(records)
    beats = segmenter.transform(records)
    names = [record.name for record in segmenter.inverse_transform(beats)]
    assert len(set(names)) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names)
    # Neither the original's name nor the order or choice of records has an influence.
    renamed = segmenter.transform([replace(record, name="x") for record in records[::-1]])
    assert [r.name for r in segmenter.inverse_transform(renamed)] == names[::-1]
    assert segmenter.inverse_transform(beats[1])[0].name == names[1]
    assert [stitch_record(beats, i).name for i in range(2)] == ["A12", "Jane Doe"]


def test_records_of_the_same_content_get_different_opaque_names():
    record = make_record()
    segmenter = QRSSegmenter().fit([record])
    first, second = segmenter.inverse_transform(segmenter.transform([record, record]))
    assert second.name == f"{first.name}_2"


def test_transform_changes_nothing_in_the_estimator_or_the_records():
    record = make_record()
    segmenter = QRSSegmenter().fit([record])
    before, signal = pickle.dumps(segmenter), record.signal.copy()
    segmenter.inverse_transform(segmenter.transform([record]))
    assert pickle.dumps(segmenter) == before
    np.testing.assert_array_equal(record.signal, signal)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        QRSSegmenter().transform([make_record()])


def test_n_jobs_does_not_change_the_result():
    records = [make_record(name=str(i), seconds=8 + i) for i in range(3)]
    one_job = QRSSegmenter(band=(0.5, 40), sampling_rate=200).fit_transform(records)
    two_jobs = QRSSegmenter(band=(0.5, 40), sampling_rate=200, n_jobs=2).fit_transform(records)
    assert_same(one_job, two_jobs)


def test_a_record_does_not_depend_on_the_other_records():
    records = [make_record(name=str(i), seconds=8 + i) for i in range(3)]
    segmenter = QRSSegmenter().fit(records)
    together = segmenter.transform(records[::-1])
    for i, record in enumerate(records[::-1]):
        assert_same(together[i], segmenter.transform([record]))


# Detection and refinement


@pytest.mark.parametrize("detector", ["sleepecg", "neurokit", "xqrs", "gqrs", "annotated"])
def test_detectors_find_the_peaks(detector):
    record = make_record(seconds=30)
    beats = QRSSegmenter(detector).fit_transform([record])
    assert gross_f1([beats.r_peaks], [record.r_peaks], 1) > 0.97


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("offset", [0.0, 3.0, -3.0])
def test_peaks_are_the_extremum_of_either_polarity_at_any_offset(sign, offset):
    record = make_record(sign=sign, noise=0.001)
    record = with_signal(record, lambda signal: signal.__iadd__(offset))
    misplaced = ECGRecord(record.signal, RATE, r_peaks=record.r_peaks + 8)  # 32 ms late
    beats = QRSSegmenter("annotated").fit_transform([misplaced])
    np.testing.assert_array_equal(beats.r_peaks, record.r_peaks)
    center = beats.beats[:, 0, beats.n_times // 2]
    assert (np.sign(center - np.median(beats.beats[:, 0], axis=1)) == sign).all()


def test_refine_is_limited_and_can_be_switched_off():
    record = make_record(noise=0.001)
    late = ECGRecord(record.signal, RATE, r_peaks=record.r_peaks + 8)
    unrefined = QRSSegmenter("annotated", refine=0).fit_transform([late])
    np.testing.assert_array_equal(unrefined.r_peaks, record.r_peaks + 8)
    limited = QRSSegmenter("annotated", refine=12).fit_transform([late])
    np.testing.assert_array_equal(limited.r_peaks, record.r_peaks + 5)


def test_windows_hold_the_signal_around_the_peak():
    record = make_record(leads=("II", "V1"))
    beats = QRSSegmenter(window=500).fit_transform([record])
    assert beats.beats.shape[1:] == (2, 125)
    k = 3
    start = beats.r_peaks[k] - 125 // 2
    np.testing.assert_array_equal(beats.beats[k].T, record.signal[start : start + 125])
    assert beats.lengths.tolist() == [record.n_times]
    assert beats.names == ("A12",)
    assert beats.sampling_rate == RATE


def test_detection_lead_is_mlii_or_ii_in_any_case_and_position():
    record = make_record(leads=("V5", "mlii"))
    for lead, expected in ((None, 1), ("V5", 0), ("v5", 0), (1, 1)):
        signal = record.signal.copy()
        signal[record.r_peaks + 5, 1 - expected] += 5.0  # the other lead would be off by 5
        spiky = ECGRecord(signal, RATE, record.lead_names)
        beats = QRSSegmenter(detection_lead=lead).fit_transform([spiky])
        assert gross_f1([beats.r_peaks], [record.r_peaks], 1) > 0.95, lead


def test_leads_are_kept_in_the_given_order():
    record = make_record(leads=("I", "II", "V1"))
    beats = QRSSegmenter(leads=["V1", 0]).fit_transform([record])
    assert beats.lead_names == (("V1", "I"),)
    k = 2
    start = beats.r_peaks[k] - beats.n_times // 2
    expected = record.signal[start : start + beats.n_times, [2, 0]].T
    np.testing.assert_array_equal(beats.beats[k], expected)


def test_detection_lead_need_not_be_kept():
    record = make_record(leads=("I", "II"))
    noisy = with_signal(
        record, lambda s: s[:, 0].__setitem__(slice(None), np.sin(np.arange(len(s)) / 30))
    )
    beats = QRSSegmenter(leads=["I"], detection_lead="II").fit_transform([noisy])
    assert beats.lead_names == (("I",),)
    assert gross_f1([beats.r_peaks], [record.r_peaks], 1) > 0.95


def test_labels_come_from_the_nearest_annotated_beat():
    record = make_record()
    names = np.array(["N", "V"] * 20)[: len(record.r_peaks)]
    # The annotation of beat 3 is missing, and that of beat 5 is 40 ms late.
    known = np.delete(record.r_peaks, 3)
    known[4] += 10
    labeled = ECGRecord(
        record.signal, RATE, r_peaks=known, beat_labels=np.delete(names, 3), name="A12"
    )
    beats = QRSSegmenter().fit_transform([labeled])
    nearest = np.abs(beats.r_peaks[:, None] - record.r_peaks).argmin(axis=1)
    expected = np.where(nearest == 3, "Q", names[nearest])
    assert "Q" in expected
    assert beats.labels.tolist() == expected.tolist()


def test_labels_only_if_all_records_have_them():
    labeled = make_record()
    labeled = make_record(beat_labels=["N"] * len(labeled.r_peaks))
    assert QRSSegmenter().fit_transform([labeled, make_record()]).labels is None
    assert set(QRSSegmenter().fit_transform([labeled]).labels) == {"N"}


def test_annotated_keeps_its_labels():
    peaks = np.array([300, 500, 700, 790, 1000])
    record = make_record(peaks, seconds=6, beat_labels=list("NNNVS"))
    beats = QRSSegmenter("annotated").fit_transform([record])
    np.testing.assert_array_equal(beats.r_peaks, peaks)
    assert beats.labels.tolist() == list("NNNVS")


def test_without_annotated_beats_all_labels_are_q():
    record = make_record(r_peaks=np.array([], dtype=int), beat_labels=[])
    assert set(QRSSegmenter().fit_transform([record]).labels) == {"Q"}


# Edges, gaps, high rates


def test_beats_at_the_edges_are_padded_or_dropped_and_counted(caplog):
    peaks = np.array([10, 200, 400, 600, 800, 960, 1240])  # 40 ms from both ends
    record = make_record(peaks, seconds=5)
    segmenter = QRSSegmenter("annotated").fit([record])
    with caplog.at_level(logging.INFO, logger="sklearn_ecganon"):
        beats = segmenter.transform([record])
    np.testing.assert_array_equal(beats.r_peaks, peaks[1:-1])
    assert "1 records: 5 beats, 2 dropped, 0 padded, 2 overlapping" in caplog.text
    counts = segmenter.describe([record])
    assert counts["name"].tolist() == ["A12"]
    assert counts["beats"].tolist() == [5]
    assert counts["dropped"].tolist() == [2]
    assert counts["padded"].tolist() == [0]
    assert counts["overlapping"].tolist() == [2]  # 160 samples apart, windows are 200
    assert counts["heart_rate"] == pytest.approx(7 * 60 / 5)


def test_padding_repeats_the_last_recorded_sample():
    record = make_record(np.array([30, 230, 430, 630]), seconds=2.6)
    segmenter = QRSSegmenter("annotated").fit([record])
    beats = segmenter.transform([record])
    assert segmenter.describe([record])["padded"].tolist() == [2]
    first, last = beats.beats[0, 0], beats.beats[-1, 0]
    np.testing.assert_array_equal(first[:70], record.signal[0, 0])
    np.testing.assert_array_equal(first[70:], record.signal[:130, 0])
    np.testing.assert_array_equal(last[:120], record.signal[530:, 0])
    np.testing.assert_array_equal(last[120:], record.signal[-1, 0])


def test_gaps_of_all_leads_split_the_record():
    record = make_record(seconds=24, leads=("II", "V1"))
    gap = slice(2000, 2500)
    holed = with_signal(record, lambda s: s[gap].fill(np.nan))
    segmenter = QRSSegmenter().fit([holed])
    beats = segmenter.transform([holed])
    np.testing.assert_array_equal(beats.gaps, [[0, 2000, 2500]])
    assert beats.lead_gaps is None
    known = record.r_peaks[(record.r_peaks < 1985) | (record.r_peaks >= 2515)]
    assert gross_f1([beats.r_peaks], [known], 1) > 0.97
    assert np.isfinite(beats.beats).all()
    before = beats.beats[np.flatnonzero(beats.r_peaks < 2000)[-1]]
    after = beats.beats[np.flatnonzero(beats.r_peaks > 2500)[0]]
    assert (before[:, -1] == record.signal[1999]).all()
    assert (after[:, 0] == record.signal[2500]).all()
    back = segmenter.inverse_transform(beats)[0]
    np.testing.assert_array_equal(
        np.isnan(back.signal).all(axis=1), np.arange(6000) // 500 == 4
    )
    reached = window_samples(beats, 0, holed)
    np.testing.assert_array_equal(back.signal[reached], record.signal[reached])


def test_a_gap_of_one_lead_does_not_affect_the_others():
    record = make_record(seconds=24, leads=("II", "V1"))
    gap = slice(2000, 2500)
    for lead in (0, 1):
        holed = with_signal(record, lambda s, lead=lead: s[gap, lead].fill(np.nan))
        segmenter = QRSSegmenter().fit([holed])
        beats = segmenter.transform([holed])
        assert not len(beats.gaps)
        np.testing.assert_array_equal(beats.lead_gaps, [[0, lead, 2000, 2500]])
        assert gross_f1([beats.r_peaks], [record.r_peaks], 1) > 0.97
        assert np.isfinite(beats.beats).all()
        back = segmenter.inverse_transform(beats)[0].signal
        assert np.isnan(back[gap, lead]).all()
        assert np.isnan(back).sum() == 500
        np.testing.assert_array_equal(back[gap, 1 - lead], record.signal[gap, 1 - lead])
        pair = BeatSet.concatenate([beats[[0]], beats])[[1]]
        np.testing.assert_array_equal(pair.lead_gaps, beats.lead_gaps)


def test_single_missing_samples_are_bridged_and_stay_missing():
    record = make_record(seconds=24)
    holed = with_signal(record, lambda s: s[::200].fill(np.nan))
    segmenter = QRSSegmenter()
    beats = segmenter.fit_transform([holed])
    assert gross_f1([beats.r_peaks], [record.r_peaks], 2) > 0.97
    back = segmenter.inverse_transform(beats)[0].signal
    np.testing.assert_array_equal(np.isnan(back), np.isnan(holed.signal))


def test_gaps_at_the_ends_and_a_stretch_without_beats():
    def holes(signal):
        signal[:500] = np.nan
        signal[2000:2100] = np.nan
        signal[2200:2300] = np.nan  # leaves 100 samples, half a window
        signal[5500:] = np.nan

    record = with_signal(make_record(seconds=24), holes)
    segmenter = QRSSegmenter().fit([record])
    beats = segmenter.transform([record])
    expected = [[0, 0, 500], [0, 2000, 2100], [0, 2200, 2300], [0, 5500, 6000]]
    np.testing.assert_array_equal(beats.gaps, expected)
    back = segmenter.inverse_transform(beats)[0].signal[:, 0]
    assert np.isnan(back[2000:2300]).all()
    assert np.isfinite(np.delete(back, np.r_[:500, 2000:2300, 5500:6000])).all()


def test_a_flat_stretch_has_no_beats():
    def change(signal):
        signal[2000:2100] = np.nan
        signal[2100:4000] = 0.3
        signal[4000:4100] = np.nan

    record = with_signal(make_record(seconds=24), change)
    beats = QRSSegmenter().fit_transform([record])
    assert not ((beats.r_peaks > 2000) & (beats.r_peaks < 4100)).any()
    assert (beats.r_peaks < 2000).sum() > 5
    assert (beats.r_peaks > 4100).sum() > 5


def test_indexed_beats_keep_their_gaps():
    records = [
        with_signal(make_record(seconds=24, name=str(i)), lambda s: s[2000:2100].fill(np.nan))
        for i in range(3)
    ]
    segmenter = QRSSegmenter().fit(records)
    chosen = segmenter.transform(records)[[2, 0]]
    back = segmenter.inverse_transform(chosen)
    assert chosen.names == ("2", "0")
    assert all(np.isnan(r.signal[2000:2100]).all() for r in back)


def test_overlapping_windows_are_counted_and_none_overlaps_across_a_gap():
    peaks = 150 + np.cumsum([0, 250, 199, 200, 250, 190])  # windows are 200 samples
    record = make_record(peaks, seconds=6.4)
    segmenter = QRSSegmenter("annotated", refine=0).fit([record])
    assert segmenter.describe([record])["overlapping"].tolist() == [4]
    holed = with_signal(record, lambda s: s[peaks[-1] - 140 : peaks[-1] - 80].fill(np.nan))
    assert segmenter.describe([holed])["overlapping"].tolist() == [2]


def test_implausible_rates_warn():
    fast = make_record(np.arange(100, 2900, 50))  # 300 per minute
    with pytest.warns(BeatCountWarning, match="'A12'.*280 per minute"):
        QRSSegmenter("annotated").fit_transform([fast])
    slow = make_record(np.array([500]))
    with pytest.warns(BeatCountWarning, match="'A12'.*5 per minute"):
        QRSSegmenter("annotated").fit_transform([slow])


# Resampling and filtering


@pytest.mark.parametrize(("rate", "target"), [(500.0, 250.0), (250.0, 360.0), (360.0, 250.0)])
def test_resampling_moves_peaks_and_lengths(rate, target):
    record = make_record(rate=rate, noise=0)
    beats = QRSSegmenter(sampling_rate=target).fit_transform([record])
    assert beats.sampling_rate == target
    assert beats.lengths[0] == np.ceil(record.n_times * target / rate)
    assert beats.n_times == round(0.8 * target)
    expected = record.r_peaks * target / rate
    assert len(beats.r_peaks) >= len(expected) - 1
    distance = np.abs(beats.r_peaks[:, None] - expected).min(axis=1)
    assert (distance <= 1).all()
    k = len(beats.r_peaks) // 2
    times = (beats.r_peaks[k] + np.arange(beats.n_times) - beats.n_times // 2) / target
    expected = np.interp(times, np.arange(record.n_times) / rate, record.signal[:, 0])
    np.testing.assert_allclose(beats.beats[k, 0], expected, atol=0.05)


def test_mixed_rates_are_resampled_to_one_with_gaps_and_annotations():
    slow = make_record(rate=250, seconds=24, name="slow")
    fast = make_record(rate=500, seconds=24, name="fast")
    fast = with_signal(fast, lambda s: s[4001:5000].fill(np.nan))
    beats = QRSSegmenter("annotated", sampling_rate=250).fit_transform([slow, fast])
    np.testing.assert_array_equal(beats.gaps, [[1, 2001, 2500]])
    assert beats.lengths.tolist() == [6000, 6000]
    known = slow.r_peaks[(slow.r_peaks < 1985) | (slow.r_peaks >= 2515)]
    peaks = beats.r_peaks[beats.record == 1]
    assert len(peaks) == len(known)
    assert np.abs(peaks - known).max() <= 1


def test_annotations_that_coincide_at_a_lower_rate_are_merged():
    peaks = np.array([300, 700, 701, 1100, 1500])
    record = make_record(np.delete(peaks, 2), rate=500, seconds=4)
    record = ECGRecord(record.signal, 500, r_peaks=peaks, beat_labels=list("NVFSN"))
    beats = QRSSegmenter("annotated", sampling_rate=125, refine=0).fit_transform([record])
    assert beats.r_peaks.tolist() == [75, 175, 275, 375]
    assert beats.labels.tolist() == list("NVSN")


def test_band_removes_other_frequencies():
    record = make_record(seconds=20, noise=0)
    hum = 0.5 * np.sin(2 * np.pi * 60 * np.arange(record.n_times) / RATE)[:, None]
    noisy = ECGRecord(record.signal + hum + 2.0, RATE, r_peaks=record.r_peaks)
    segmenter = QRSSegmenter("annotated", band=(0.5, 35)).fit([noisy])
    signal = segmenter.inverse_transform(segmenter.transform([noisy]))[0].signal[:, 0]
    frequency, power = periodogram(signal, RATE)
    _, before = periodogram(noisy.signal[:, 0], RATE)
    at = np.abs(frequency - 60).argmin()
    assert power[at] < 0.01 * before[at]
    assert abs(signal.mean()) < 0.05


# Stitching


@pytest.mark.parametrize("window", [300, 500, 801, 1600])
@pytest.mark.parametrize("seed", range(3))
def test_untouched_beats_stitch_without_error_inside_windows(window, seed):
    rng = np.random.default_rng(seed)
    rr = rng.choice([10, 12, 40, 90, 150, 200, 300, 700], size=30)  # down to 40 ms
    peaks = 60 + np.cumsum(rr)
    signal = rng.normal(size=(peaks[-1] + 200, 2))
    signal[rng.integers(100, len(signal) - 100) :][:30] = np.nan
    record = ECGRecord(signal, RATE, r_peaks=peaks, name="A12")
    segmenter = QRSSegmenter("annotated", window=window, refine=0).fit([record])
    beats = segmenter.transform([record])
    back = segmenter.inverse_transform(beats)[0]
    reached = window_samples(beats, 0, record)
    np.testing.assert_array_equal(back.signal[reached], record.signal[reached])
    rebuilt = np.setdiff1d(np.flatnonzero(np.isfinite(signal[:, 0])), reached)
    assert not np.isin(back.signal[rebuilt], signal).any()  # no original sample returns
    assert np.isfinite(back.signal[rebuilt]).all()
    # Bridges of a second and more carry noise, which has no largest value.
    assert np.abs(back.signal[rebuilt]).max() <= 1.5 * np.abs(beats.beats).max()


def test_stitched_records_keep_names_leads_peaks_and_labels():
    record = make_record(leads=("II", "V1"))
    record = make_record(leads=("II", "V1"), beat_labels=["N"] * len(record.r_peaks))
    segmenter = QRSSegmenter().fit([record])
    beats = segmenter.transform([record])
    back = segmenter.inverse_transform(beats)[0]
    assert back.lead_names == ("II", "V1")
    assert back.sampling_rate == RATE
    assert back.n_times == record.n_times
    np.testing.assert_array_equal(back.r_peaks, beats.r_peaks)
    np.testing.assert_array_equal(back.beat_labels, beats.labels)
    np.testing.assert_array_equal(segmenter.transform([back]).r_peaks, beats.r_peaks)


def test_the_signal_between_windows_is_never_used():
    record = make_record(np.arange(200, 4800, 400), seconds=20)  # 1600 ms apart
    segmenter = QRSSegmenter("annotated", window=400).fit([record])
    beats = segmenter.transform([record])
    covered = window_samples(beats, 0, record)
    outside = np.setdiff1d(np.arange(record.n_times), covered)
    other = with_signal(record, lambda s: s.__setitem__(outside, 0.4))
    first = segmenter.inverse_transform(beats)[0]
    second = segmenter.inverse_transform(segmenter.transform([other]))[0]
    np.testing.assert_array_equal(first.signal, second.signal)


def stitch(windows, peaks, length):
    windows = np.asarray(windows, dtype=float)
    beats = BeatSet(
        beats=windows,
        record=np.zeros(len(windows), dtype=int),
        r_peaks=np.asarray(peaks),
        lengths=np.array([length]),
        sampling_rate=RATE,
        lead_names=(tuple(f"lead {i}" for i in range(windows.shape[1])),),
        names=("A12",),
    )
    return QRSSegmenter().fit([make_record()]).inverse_transform(beats)[0].signal


def test_bridges_are_smooth_and_settle_at_the_level_of_the_ends():
    windows = np.empty((2, 1, 40))
    windows[0], windows[1] = 1.0, -1.0
    windows[0, 0, -1] = 2.0  # one outlier at the end must not determine the bridge
    signal = stitch(windows, [100, 300], 400)[:, 0]
    assert signal[119] == 2.0
    tail = signal[119:124]
    # The bridge starts at the end without a step and reaches the mean of 5 samples.
    assert (np.diff(tail) < 0).all()
    np.testing.assert_allclose(signal[125:130], 1.2, atol=0.03)
    bridge = signal[125:280]
    assert (np.diff(bridge) <= 0).all()
    assert np.abs(np.diff(bridge)).max() < 0.03
    np.testing.assert_array_equal(signal[:80], 1.0)
    np.testing.assert_array_equal(signal[320:], -1.0)


def test_a_pause_holds_noise_that_obeys_the_leads():
    rng = np.random.default_rng(0)
    limb = 0.02 * rng.normal(size=(2, 2, 200))  # I and II in mV
    limb[:, :, 95:105] += 1.0
    windows = np.concatenate([limb, limb[:, 1:] - limb[:, :1]], axis=1)  # and III
    signal = stitch(windows, [300, 2300], 2600)
    pause = signal[500:2100]
    np.testing.assert_allclose(pause[:, 2], pause[:, 1] - pause[:, 0], atol=1e-6)
    spread = np.diff(pause, axis=0).std(axis=0)
    assert ((spread > 0.0005) & (spread < 0.02)).all()
    assert np.abs(pause).max() < 0.2  # no beat of 1 mV
    np.testing.assert_array_equal(signal[200:400].T, windows[0])
    np.testing.assert_array_equal(stitch(windows, [300, 2300], 2600), signal)


def test_overlapping_windows_that_disagree_are_cross_faded():
    windows = np.empty((2, 1, 100))
    windows[0], windows[1] = 1.0, -1.0
    signal = stitch(windows, [100, 160], 260)[:, 0]
    np.testing.assert_array_equal(signal[:110], 1.0)
    np.testing.assert_array_equal(signal[150:], -1.0)
    fade = signal[110:150]
    assert (np.diff(fade) < 0).all()
    assert np.abs(np.diff(signal)).max() < 0.1


def test_at_a_high_rate_each_peak_comes_from_its_beat():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(5, 2, 200))
    peaks = np.array([150, 160, 161, 200, 280])
    signal = stitch(windows, peaks, 500)
    np.testing.assert_array_equal(signal[peaks], windows[:, :, 100])
    # A sample between two peaks comes from these two beats.
    low = np.minimum(windows[3, :, 140], windows[4, :, 60])
    high = np.maximum(windows[3, :, 140], windows[4, :, 60])
    assert ((signal[240] >= low) & (signal[240] <= high)).all()


def test_stitching_in_blocks_does_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    windows, peaks = rng.normal(size=(40, 2, 60)), 50 + 70 * np.arange(40)
    whole = stitch(windows, peaks, 3000)
    monkeypatch.setattr("sklearn_ecganon.segmentation._stitching._BLOCK", 7)
    np.testing.assert_array_equal(stitch(windows, peaks, 3000), whole)


def test_a_record_without_beats_comes_back_empty():
    segmenter = QRSSegmenter().fit([make_record()])
    beats = segmenter.transform([make_record()])
    empty = BeatSet(
        beats.beats[:0],
        beats.record[:0],
        beats.r_peaks[:0],
        beats.lengths,
        RATE,
        beats.lead_names,
        beats.names,
    )
    back = segmenter.inverse_transform(empty)[0]
    assert back.n_times == beats.lengths[0]
    assert np.isnan(back.signal).all()


# Arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shift", [-9, 0, 7])
def test_rows_are_recentered(dtype, sign, shift):
    rng = np.random.default_rng(0)
    time = np.arange(200) - 100
    rows = (sign * np.exp(-(((time - shift) / 4) ** 2)) + 2).astype(dtype)
    rows = np.repeat(rows[None], 3, axis=0) + 0.001 * rng.normal(size=(3, 200)).astype(dtype)
    moved = QRSSegmenter().fit_transform(rows)
    assert moved.dtype == dtype
    assert moved.shape == rows.shape
    assert (np.abs(moved - 2).argmax(axis=1) == 100).all()
    expected = rows[:, np.clip(np.arange(200) + shift, 0, 199)]
    np.testing.assert_array_equal(moved, expected)


def test_rows_move_no_farther_than_refine():
    rows = np.zeros((2, 200))
    rows[:, 130] = 1.0  # 120 ms after the center
    np.testing.assert_array_equal(QRSSegmenter().fit_transform(rows).argmax(axis=1), 120 + 20)
    unrefined = QRSSegmenter(refine=0).fit_transform(rows)
    np.testing.assert_array_equal(unrefined, rows)
    far = QRSSegmenter(refine=120).fit_transform(rows)
    assert (far.argmax(axis=1) == 100).all()
    half = QRSSegmenter(refine=120, sampling_rate=125).fit_transform(rows)
    assert (half.argmax(axis=1) != 100).all()


def test_three_dimensions_move_all_leads_with_the_first():
    rows = np.zeros((2, 3, 100))
    rows[0, 0, 52], rows[0, 1, 10], rows[1, 0, 48], rows[1, 2, 49] = 1, 2, -1, 3
    segmenter = QRSSegmenter().fit(rows)
    assert (segmenter.n_features_in_, segmenter.n_leads_, segmenter.n_times_) == (3, 3, 100)
    moved = segmenter.transform(rows)
    assert moved[0, 0, 50] == 1
    assert moved[0, 1, 8] == 2
    assert moved[1, 0, 50] == -1
    assert moved[1, 2, 51] == 3
    with pytest.raises(ValueError, match=r"fitted on 3 lead.* of 100 samples.* of 90 samples"):
        segmenter.transform(rows[:, :, :90])
    with pytest.raises(ValueError, match="fitted on"):
        segmenter.transform(rows[:, :, 0])
    np.testing.assert_array_equal(segmenter.inverse_transform(moved), moved)


def test_data_frames_keep_their_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 5)), columns=list("abcde"))
    segmenter = QRSSegmenter().set_output(transform="pandas").fit(frame)
    assert list(segmenter.transform(frame).columns) == list("abcde")


def test_fit_on_records_forgets_arrays():
    segmenter = QRSSegmenter().fit(np.zeros((3, 50)))
    assert segmenter.n_features_in_ == 50
    segmenter.fit([make_record()])
    assert not hasattr(segmenter, "n_features_in_")
    rows = segmenter.transform(segmenter.transform([make_record()]).beats)  # 3-D of one lead
    assert rows.shape[1:] == (1, 200)


def test_tensors_are_accepted_with_dispatch_on_and_off():
    torch = pytest.importorskip("torch")
    rows = torch.zeros((3, 50))
    expected = QRSSegmenter().fit_transform(rows.numpy())
    np.testing.assert_array_equal(QRSSegmenter().fit_transform(rows), expected)
    if os.environ.get("SCIPY_ARRAY_API") == "1":
        with config_context(array_api_dispatch=True):
            np.testing.assert_array_equal(QRSSegmenter().fit_transform(rows), expected)


# Invalid input


def nan_leads(signal):
    signal[:] = np.nan


def flat_leads(signal):
    signal[:] = 0.7
    signal[50:80, 1] = np.nan


def saturated_leads(signal):
    signal[np.arange(len(signal)) % 6 == 0] = 5.12


INVALID_RECORDS = {
    "nan": (with_signal(make_record(leads=("II", "V1")), nan_leads), "lead 'II' is all NaN"),
    "flat": (
        with_signal(make_record(leads=("II", "V1")), flat_leads),
        "lead 'II' is flat at 0.7 mV, and 1 other",
    ),
    "saturated": (
        with_signal(make_record(leads=("II", "V1")), saturated_leads),
        "lead 'II' is saturated: 17 % of it is at its extreme, 5.12 mV",
    ),
    "short": (make_record([50], seconds=0.7, leads=("II", "V1")), "lasts 700 ms"),
    "rate": (make_record(rate=500, leads=("II", "V1")), "has 500 Hz.*sampling_rate=250"),
    "leads": (make_record(leads=("II",)), r"has 1 lead\(s\).*expects 2"),
}


@pytest.mark.parametrize("problem", INVALID_RECORDS)
@pytest.mark.parametrize("method", ["fit", "transform", "describe"])
def test_invalid_records_are_refused_before_anything_is_computed(problem, method, monkeypatch):
    valid = make_record(leads=("II", "V1"), name="B7")
    invalid, message = INVALID_RECORDS[problem]
    segmenter = QRSSegmenter().fit([valid])
    monkeypatch.setattr(QRSSegmenter, "_find", lambda *_: pytest.fail("computed"))
    with pytest.raises(ValueError, match=f"record 'A12': .*{message}"):
        getattr(segmenter, method)([valid, invalid])


def test_a_baseline_of_zero_is_not_a_rail():
    peaks = np.arange(125, 2900, 200)
    signal = np.zeros(3000)
    signal[peaks] = 1.0
    signal[peaks + 1] = signal[peaks - 1] = 0.4
    beats = QRSSegmenter().fit_transform([ECGRecord(signal, RATE)])
    assert len(beats.r_peaks) >= len(peaks) - 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"leads": ["II", "V9"]}, "has no lead 'V9'; its leads are 'II', 'V1'"),
        ({"leads": [2]}, "has no lead 2"),
        ({"leads": ["II", 0]}, "one lead twice"),
        ({"leads": []}, "names no lead"),
        ({"detection_lead": "aVR"}, "has no lead 'aVR'"),
        ({"band": (0.5, 130)}, "0 < low < high < 125"),
        ({"band": (40, 0.5)}, "0 < low < high < 125"),
        ({"band": (40,)}, "0 < low < high < 125"),
        ({"sampling_rate": 50}, "50 Hz is too slow"),
    ],
)
def test_parameters_that_do_not_match_the_records(parameters, message):
    with pytest.raises(ValueError, match=f"record 'A12': .*{message}"):
        QRSSegmenter(**parameters).fit([make_record(leads=("II", "V1"))])


@pytest.mark.parametrize(
    "parameters",
    [
        {"detector": "magic"},
        {"window": 0},
        {"leads": "II"},
        {"detection_lead": -1},
        {"sampling_rate": 0},
        {"refine": -1},
        {"band": 40},
        {"n_jobs": 1.5},
    ],
)
def test_invalid_parameters(parameters):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameters))}' parameter"):
        QRSSegmenter(**parameters).fit([make_record()])


def test_annotated_needs_peaks():
    record = ECGRecord(make_record().signal, RATE, name="A12")
    with pytest.raises(ValueError, match="'A12': has no r_peaks"):
        QRSSegmenter("annotated").fit([record])


def test_no_beat_found():
    time = np.arange(3000) / RATE
    smooth = ECGRecord(np.sin(0.2 * time), RATE, r_peaks=[], name="A12")
    with pytest.raises(ValueError, match="'A12': no beat found by detector='annotated'"):
        QRSSegmenter("annotated").fit_transform([smooth])


def test_leads_that_are_never_recorded_together():
    def change(signal):
        signal[:1500, 0] = np.nan
        signal[1500:, 1] = np.nan

    record = with_signal(make_record(leads=("II", "V1")), change)
    beats = QRSSegmenter().fit_transform([record])
    assert (beats.r_peaks < 1500).sum() > 3
    assert (beats.r_peaks > 1500).sum() > 3
    np.testing.assert_array_equal(beats.lead_gaps, [[0, 0, 0, 1500], [0, 1, 1500, 3000]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "empty list"),
        (make_record(), r"record 'A12' by itself; give a list, \[record\]"),
        ([make_record(), np.zeros(9)], "item 1 of X is a ndarray; give only ECGRecord objects"),
        ([None], "item 0 of X is a NoneType; give only ECGRecord objects"),
        (["100.dat"], "item 0 of X is a str; give only ECGRecord objects"),
        (np.zeros((3, 4)) + 1j, "Complex data not supported"),
        (np.array([["a", "b"]], dtype=object), "could not convert"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.zeros(7), "Expected 2D array"),
        (np.zeros((2, 2, 2, 2)), "shape"),
        (np.zeros((2, 3, 0)), "shape"),
    ],
)
def test_input_that_is_neither_records_nor_beats(X, message):
    with pytest.raises(ValueError, match=message):
        QRSSegmenter().fit(X)


def test_beats_are_not_segmented_twice():
    beats = QRSSegmenter().fit_transform([make_record()])
    with pytest.raises(ValueError, match="already segmented"):
        QRSSegmenter().fit(beats)
    with pytest.raises(ValueError, match="give only ECGRecord objects"):
        QRSSegmenter().fit([make_record()]).describe(np.zeros((3, 200)))


# Real recordings


def mitdb(**options):
    if "SKLEARN_ECGANON_DATA" not in os.environ:
        pytest.skip("SKLEARN_ECGANON_DATA is not set")
    from sklearn_ecganon.datasets import fetch_mitdb

    return fetch_mitdb(download_if_missing=False, **options).data


def check_bars(records):
    segmenter = QRSSegmenter()
    beats = segmenter.fit_transform(records)
    annotated = [record.r_peaks for record in records]
    rate = beats.sampling_rate
    assert gross_f1(peaks_of(beats), annotated, 0.15 * rate) >= 0.989
    assert gross_f1(peaks_of(beats), annotated, 0.05 * rate) >= 0.983
    stitched = segmenter.inverse_transform(beats)
    for i, (record, back) in enumerate(zip(records, stitched, strict=True)):
        reached = window_samples(beats[i], 0, record)
        np.testing.assert_array_equal(back.signal[reached], record.signal[reached])
        # Only what is no analyzable ECG is missing: 70 s in record 207, nothing elsewhere.
        missing = np.isnan(back.signal).any(axis=1).sum() / rate
        assert missing < (80 if record.name == "207" else 1e-9)
    again = segmenter.transform(stitched)
    assert gross_f1(peaks_of(again), peaks_of(beats), 0.05 * rate) >= 0.99


def test_bars_on_a_few_mitdb_records():
    check_bars(mitdb(records=["100", "119", "200"]))


@pytest.mark.slow
# Ventricular flutter of record 207 is no analyzable ECG.
@pytest.mark.filterwarnings("ignore:record '.*are not an analyzable ECG")
def test_bars_on_mitdb():
    records = mitdb()
    assert len(records) == 48
    check_bars(records)
