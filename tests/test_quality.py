"""Signal quality: which records, leads and stretches show an ECG."""

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.datasets import fetch_ecgid, fetch_ludb, fetch_mitdb
from sklearn_ecganon.segmentation import (
    NotAnECGError,
    SignalQualityWarning,
    signal_quality,
)

RATE = 250.0
N = int(60 * RATE)
T = np.arange(N) / RATE


def ecg(seconds=60.0, seed=0):
    bunch = make_ecg_records(
        n_subjects=1, n_sessions=1, duration=seconds, sampling_rate=RATE, random_state=seed
    )
    return bunch.data[0]


def white(rng):
    return 0.3 * rng.standard_normal(N)


def random_walk(rng):
    return np.cumsum(0.01 * rng.standard_normal(N))


def fibrillation(rng):
    phase = 2 * np.pi * 4.5 * T + 2 * np.sin(2 * np.pi * 0.3 * T)
    return 0.8 * np.sin(phase) + 0.1 * rng.standard_normal(N)


def breathing(rng):
    return 0.4 * np.sin(2 * np.pi * 0.25 * T) + 0.003 * rng.standard_normal(N)


def pulse_wave(rng):
    phase = (1.2 * T) % 1
    wave = np.exp(-(((phase - 0.3) / 0.12) ** 2)) + 0.4 * np.exp(-(((phase - 0.6) / 0.12) ** 2))
    return 0.5 * wave + 0.003 * rng.standard_normal(N)


def brain_waves(rng):
    frequency = np.fft.rfftfreq(N, 1 / RATE)
    spectrum = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    trace = np.fft.irfft(spectrum / np.maximum(frequency, 0.5) ** 0.75, N)
    return 0.05 * trace / trace.std()


def mains(rng):
    return 0.5 * np.sin(2 * np.pi * 50 * T) + 0.003 * rng.standard_normal(N)


def loose_electrode(rng):
    return 0.003 * rng.standard_normal(N)


@pytest.mark.parametrize(
    "make",
    [
        white,
        random_walk,
        fibrillation,
        breathing,
        pulse_wave,
        brain_waves,
        mains,
        loose_electrode,
    ],
)
def test_signals_other_than_an_ecg_are_refused(make):
    for seed in range(3):
        record = ECGRecord(make(np.random.default_rng(seed)), RATE, name="A12")
        assert not len(signal_quality(record).best_leads())
        with pytest.raises(NotAnECGError, match=r"'A12': no lead shows beats.*on_error='mask'"):
            QRSSegmenter().fit_transform([record])


def test_skip_leaves_a_record_out_and_mask_keeps_it_empty():
    noise = ECGRecord(white(np.random.default_rng(0)), RATE, name="noise")
    records = [noise, ecg(), noise]
    skipping = QRSSegmenter(on_error="skip").fit(records)
    assert len(skipping.transform(records)) == 1
    masking = QRSSegmenter(on_error="mask").fit(records)
    beats = masking.transform(records)
    assert beats.n_beats[[0, 2]].tolist() == [0, 0]
    back = masking.inverse_transform(beats)
    assert [np.isnan(record.signal).all() for record in back] == [True, False, True]
    assert [record.n_times for record in back] == [record.n_times for record in records]
    with pytest.raises(NotAnECGError, match=r"none of 1 record\(s\)"):
        QRSSegmenter(on_error="skip").fit_transform([noise])


def test_noise_in_the_middle_becomes_a_gap_with_a_warning():
    record = ecg(120.0)
    signal = record.signal.copy()
    n = len(signal)
    signal[n // 3 : 2 * n // 3] = np.random.default_rng(0).normal(0, 0.3, (n // 3, 1))
    segmenter = QRSSegmenter()
    with pytest.warns(SignalQualityWarning, match=r"become gaps.*\(noise\)"):
        beats = segmenter.fit_transform([ECGRecord(signal, RATE, name="A12")])
    middle = slice(n // 3 + 10 * int(RATE), 2 * n // 3 - 10 * int(RATE))
    assert np.isnan(segmenter.inverse_transform(beats)[0].signal[middle]).all()
    inside = (beats.r_peaks > middle.start) & (beats.r_peaks < middle.stop)
    assert not inside.any()
    ends = (record.r_peaks < n // 3) | (record.r_peaks > 2 * n // 3)
    assert len(beats.r_peaks) == pytest.approx(ends.sum(), rel=0.35)


def test_flat_for_two_seconds_is_a_gap_of_that_lead():
    record = ecg()
    signal = np.c_[record.signal[:, 0], 0.7 * record.signal[:, 0]]
    flat = slice(15 * 250, 30 * 250)
    signal[flat, 1] = 0.25
    signal[flat, 1] += np.random.default_rng(0).choice([0, 0.002], 15 * 250)
    quality = signal_quality(ECGRecord(signal, RATE))
    [(lead, start, stop)] = quality.lead_gaps.tolist()
    assert lead == 1
    assert abs(start - flat.start) < 50
    assert abs(stop - flat.stop) < 50
    beats = QRSSegmenter().fit_transform([ECGRecord(signal, RATE)])
    np.testing.assert_array_equal(beats.lead_gaps, [[0, 1, start, stop]])
    assert len(beats.r_peaks) == pytest.approx(len(record.r_peaks), abs=3)


def test_heart_rate_does_not_count_flat_time():
    record = ecg(240.0, seed=3)
    signal, n = record.signal.copy(), record.n_times
    signal[n // 4 : 3 * n // 4] = 0
    segmenter = QRSSegmenter().fit([record])
    counts = segmenter.describe([ECGRecord(signal, RATE), record])
    assert counts["heart_rate"][0] == pytest.approx(counts["heart_rate"][1], rel=0.05)


def test_the_lead_with_the_better_signal_is_searched():
    record = ecg(seed=2)
    loose = loose_electrode(np.random.default_rng(0))
    beats = QRSSegmenter().fit_transform(
        [ECGRecord(np.c_[loose, record.signal[:, 0]], RATE, ("II", "V5"))]
    )
    near = np.abs(beats.r_peaks[:, None] - record.r_peaks).min(axis=1)
    assert len(beats.r_peaks) == pytest.approx(len(record.r_peaks), abs=2)
    assert (near <= 5).mean() > 0.95


def test_beats_need_a_majority_of_leads():
    record = ecg(seed=0)
    trace = record.signal[:, 0]
    spiky = trace.copy()
    between = (record.r_peaks[3:40] + record.r_peaks[4:41]) // 2
    for shift in range(-5, 6):
        spiky[between + shift] += 1.5 * np.exp(-((shift / 2) ** 2))
    rng = np.random.default_rng(0)
    others = [trace * gain + 0.01 * rng.standard_normal(N) for gain in (0.8, 0.6)]
    voting = ECGRecord(np.column_stack([spiky, *others]), RATE, ("II", "V4", "V5"))
    beats = QRSSegmenter().fit_transform([voting])
    near = np.abs(beats.r_peaks[:, None] - between).min(axis=1)
    assert not (near < 20).any()
    assert len(beats.r_peaks) == pytest.approx(len(record.r_peaks), abs=2)


def test_a_pause_stays_without_beats():
    record = ecg(120.0, seed=2)
    trace, rng = record.signal[:, 0], np.random.default_rng(0)
    for seconds in (5, 20):
        cut = record.r_peaks[len(record.r_peaks) // 2] + int(0.5 * RATE)
        pause = trace[cut] + 0.002 * rng.standard_normal(int(seconds * RATE))
        paused = np.r_[trace[:cut], pause, trace[cut:]]
        beats = QRSSegmenter().fit_transform([ECGRecord(paused, RATE)])
        inside = (beats.r_peaks > cut) & (beats.r_peaks < cut + len(pause))
        assert not inside.any()
        assert np.nanmax(beats.rr) > 1000 * seconds


def test_real_recordings_pass_and_recorded_noise_does_not(data_home):
    wfdb = pytest.importorskip("wfdb")
    recordings = fetch_ludb(data_home=data_home).data[::4]
    recordings += fetch_ecgid(data_home=data_home).data[::6]
    mitdb = fetch_mitdb(data_home=data_home).data[::4]
    recordings += [record.crop(0, 21_600) for record in mitdb]
    refused = [r.name for r in recordings if not len(signal_quality(r).best_leads())]
    assert not refused
    for name in ("bw", "ma"):
        noise = wfdb.rdrecord(f"{data_home}/nstdb/{name}", sampto=360 * 300)
        record = ECGRecord(noise.p_signal, noise.fs, ("II", "V5"), name=name)
        with pytest.raises(NotAnECGError):
            QRSSegmenter().fit_transform([record])
