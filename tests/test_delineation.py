"""The delineator at other rates, gains and polarities, with gaps, and with invalid input."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from sklearn_ecganon import ECGRecord, make_ecg_records
from sklearn_ecganon.datasets import WaveAnnotations
from sklearn_ecganon.delineation import Delineation, Delineator, train_delineator
from sklearn_ecganon.delineation import _unet_method as unet


@pytest.fixture(scope="module")
def record():
    """Return 10 s of two leads without R peaks."""
    bunch = make_ecg_records(1, n_sessions=1, duration=10.0, n_leads=2, random_state=1)
    return replace(bunch.data[0], r_peaks=None, beat_labels=None)


@pytest.fixture(scope="module")
def waves(record):
    return Delineator().delineate(record)


def with_signal(record, signal, **fields):
    return replace(record, signal=signal, **fields)


def by_time(waves):
    """Return positions in ms."""
    return waves.positions * 1000 / waves.sampling_rate


def test_finds_every_beat_and_its_waves_in_order():
    truth = make_ecg_records(1, n_sessions=1, duration=10.0, n_leads=2, random_state=1).data[0]
    waves = Delineator().delineate(replace(truth, r_peaks=None, beat_labels=None))
    whole = (truth.r_peaks > 25) & (truth.r_peaks < truth.n_times - 25)
    error = np.abs(truth.r_peaks[whole][:, None] - waves.r_peaks).min(axis=1)
    assert (error <= 10).all()
    assert abs(len(waves) - whole.sum()) <= 1
    inner = waves.positions[1:-1]
    assert np.isfinite(inner).all()
    assert (np.diff(inner.reshape(*inner.shape[:2], 9), axis=2) > -3).all()
    intervals = waves.intervals()
    for name, (low, high) in {"PR": (80, 250), "QRS": (50, 140), "QT": (280, 480)}.items():
        assert low < np.nanmedian(intervals[name]) < high


def test_confidence_is_a_probability_and_high_inside_waves(waves):
    assert waves.confidence.shape == (len(waves), 2, 3)
    assert ((waves.confidence >= 0) & (waves.confidence <= 1)).all()
    present = np.isfinite(waves["QRS", "peak"])
    assert (waves.confidence[..., 1][present] > 0.5).all()


def test_ventricular_beats_have_no_p_wave():
    bunch = make_ecg_records(
        5, n_sessions=1, duration=30.0, arrhythmia="ectopic", random_state=0
    )
    has_p_wave = {"N": [], "V": []}
    for record in bunch.data:
        waves = Delineator().delineate(record)
        for label, flags in has_p_wave.items():
            flags += np.isfinite(waves["P", "peak"][record.beat_labels == label, 0]).tolist()
    assert len(has_p_wave["V"]) > 5
    assert np.mean(has_p_wave["V"]) < 0.5
    assert np.mean(has_p_wave["N"]) > 0.9


@pytest.mark.parametrize("rate", [125.0, 360.0, 1000.0])
def test_edges_stay_in_time_at_other_rates(record, waves, rate):
    up = int(rate)
    signal = resample_poly(record.signal, up, 250, padtype="line")
    other = Delineator().delineate(with_signal(record, signal, sampling_rate=rate))
    assert len(other) == len(waves)
    moved = np.abs(by_time(other) - by_time(waves))[1:-1, :, :, [0, 2]]
    assert np.nanmedian(moved) <= 2
    assert np.nanquantile(moved, 0.95) <= 12


def test_gain_and_offset_do_not_change_positions(record, waves):
    other = Delineator().delineate(with_signal(record, 4 * record.signal + 3))
    np.testing.assert_allclose(other.positions, waves.positions, atol=0.05)


def test_polarity_hardly_matters(record, waves):
    other = Delineator().delineate(with_signal(record, -record.signal))
    assert len(other) == len(waves)
    moved = np.abs(by_time(other) - by_time(waves))[:, :, 1, [0, 2]]
    assert np.nanmedian(moved) <= 8


def test_the_result_is_deterministic(record, waves):
    again = Delineator().transform([record, record])
    for other in again:
        np.testing.assert_array_equal(other.positions, waves.positions)
        np.testing.assert_array_equal(other.confidence, waves.confidence)


def test_long_records_have_no_seams(record, monkeypatch):
    net = unet.load_net(unet.SHIPPED)
    rows, _ = unet.prepare(np.tile(record.signal, (2, 1)), record.sampling_rate)
    whole = unet.probabilities(net, rows)
    monkeypatch.setattr(unet, "_CHUNK", 1024)
    np.testing.assert_allclose(unet.probabilities(net, rows), whole, atol=1e-4)


def test_leads_are_mixed_and_gaps_stay_gaps():
    separate = np.array([[[0.9, 0.4]], [[0.1, np.nan]]], dtype=np.float32)
    mixed = unet.mix_leads(separate)
    np.testing.assert_allclose(mixed[:, 0, 0], [0.78, 0.22], rtol=1e-5)
    np.testing.assert_allclose(mixed[:, 0, 1], [0.4, np.nan], rtol=1e-5)


def test_given_r_peaks_define_the_beats(record, waves):
    every_second = waves.r_peaks[1::2]
    other = Delineator().delineate(replace(record, r_peaks=every_second))
    np.testing.assert_array_equal(other.r_peaks, every_second)
    np.testing.assert_array_equal(other["QRS", "onset"], waves["QRS", "onset"][1::2])


def test_r_peak_between_beats_has_no_qrs(record, waves):
    between = int(waves.r_peaks[3:5].mean())
    other = Delineator().delineate(replace(record, r_peaks=[between]))
    assert np.isnan(other["QRS", "peak"]).all()
    assert (other.confidence[..., 1] < 0.5).all()


def test_no_edge_in_a_gap(record, waves):
    signal = record.signal.copy()
    signal[1000:1300] = np.nan
    other = Delineator().delineate(with_signal(record, signal))
    assert 0 < len(other) < len(waves)
    edges = other.positions[..., [0, 2]]
    assert not ((edges > 999) & (edges < 1300)).any()


@pytest.mark.parametrize("dead", [np.nan, 0.0])
def test_a_dead_lead_has_no_waves(record, waves, dead):
    signal = np.c_[record.signal[:, 0], np.full(record.n_times, dead)]
    other = Delineator().delineate(with_signal(record, signal))
    assert np.isnan(other.positions[:, 1]).all()
    assert (other.confidence[:, 1] == 0).all()
    assert len(other) == len(waves)


@pytest.mark.parametrize("method", ["prominence", "dwt"])
def test_neurokit(record, waves, method):
    other = Delineator(method).delineate(record)
    assert other.positions.shape == (len(other), 2, 3, 3)
    assert np.isnan(other.confidence).all()
    assert np.abs(other.r_peaks[:, None] - waves.r_peaks).min(axis=1).max() <= 10
    assert np.isfinite(other["T", "offset"]).mean() > 0.5


def test_neurokit_failing_names_the_record(record):
    one_beat = replace(record, r_peaks=[1000], name="A12")
    with pytest.raises(ValueError, match=r"'A12': NeuroKit .* lead 'II' by 'prominence'"):
        Delineator("prominence").delineate(one_beat)


def test_neurokit_assigns_waves_when_one_lies_before_the_record(record, waves):
    early = waves.r_peaks[1] - 15
    cut = record.crop(early, record.n_times)
    other = Delineator("prominence").delineate(replace(cut, r_peaks=waves.r_peaks[1:] - early))
    assert (other["P", "onset"][1:] < other["QRS", "peak"][1:]).all()
    assert (other["P", "onset"][1:] > other["QRS", "peak"][:-1]).all()


def delineation_of(onsets, offsets, peaks=None, rate=1000.0):
    """Return one beat whose QRS has these edges; only the first lead has a P wave."""
    n_leads = len(onsets)
    positions = np.full((1, n_leads, 3, 3), np.nan)
    positions[0, :, 1] = np.c_[onsets, np.mean([onsets, offsets], axis=0), offsets]
    positions[0, 0, 0] = 20, 40, 60
    names = tuple(map(str, range(n_leads)))
    return Delineation(positions, np.full((1, n_leads, 3), 0.8), np.array([150]), rate, names)


def test_combined_takes_the_earliest_confirmed_onset_and_latest_confirmed_offset():
    combined = delineation_of([100, 110, 111, 112, 113], [200, 201, 202, 203, 230]).combined()
    assert combined.lead_names == ("combined",)
    assert combined["QRS", "onset"] == 110
    assert combined["QRS", "offset"] == 203
    assert np.isnan(combined["P", "onset"]).all()  # one lead of five
    np.testing.assert_allclose(combined.confidence, 0.8)


def test_combined_falls_back_to_the_median_and_to_few_leads():
    assert delineation_of([100, 120, 140], [200, 220, 240]).combined()["QRS", "onset"] == 120
    assert delineation_of([100, 104], [200, 204]).combined()["QRS", "offset"] == 204
    alone = delineation_of([100], [200]).combined()
    assert (alone["QRS", "onset"], alone["P", "peak"]) == (100, 40)


def test_intervals_are_in_ms():
    intervals = delineation_of([100.0], [150.0], rate=500.0).intervals()
    assert intervals["QRS"] == 100
    assert intervals["PR"] == 160
    assert np.isnan(intervals["QT"])


def test_points_by_name(waves):
    with pytest.raises(KeyError, match="one of"):
        waves["U", "onset"]
    assert repr(waves).startswith("Delineation('s001_01'")


@pytest.mark.parametrize("method", ["unet", "prominence"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: replace(r, signal=np.full((2500, 2), np.nan)), "flat or all NaN"),
        (lambda r: replace(r, signal=np.ones((2500, 2))), "flat or all NaN"),
        (lambda r: r.crop(0, 300), "lasts 1200 ms"),
        (lambda r: replace(r, sampling_rate=50.0), "50 Hz is too slow"),
        (lambda r: replace(r, r_peaks=[]), "no beat found"),
    ],
)
def test_errors_name_the_record(record, method, change, message):
    invalid = replace(change(record), name="A12")
    with pytest.raises(ValueError, match=f"'A12'.*{message}"):
        Delineator(method).transform([invalid])


def test_noise_has_no_beats():
    noise = ECGRecord(np.random.default_rng(0).normal(size=2500), 250.0, name="noise")
    with pytest.raises(ValueError, match="'noise': no beat found"):
        Delineator().delineate(noise)


def test_invalid_arguments(record, tmp_path):
    from safetensors.numpy import save_file

    with pytest.raises(ValueError, match="method is 'cwt'"):
        Delineator("cwt")
    with pytest.raises(ValueError, match="give a list"):
        Delineator().fit(record)
    save_file({"some": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no weights"):
        Delineator(weights=tmp_path / "other.safetensors").delineate(record)


def test_fit_returns_self_and_checks(record):
    delineator = Delineator()
    assert delineator.fit([record]) is delineator
    assert len(delineator.fit_transform([record])) == 1
    with pytest.raises(ValueError, match="lasts"):
        delineator.fit([record.crop(0, 100)])


def test_shipped_weights_are_small_and_can_be_named(record, waves):
    assert unet.SHIPPED.stat().st_size <= 1_000_000
    assert unet.SHIPPED.with_suffix(".md").is_file()
    other = Delineator(weights=str(unet.SHIPPED))
    assert str(unet.SHIPPED) in repr(other)
    np.testing.assert_array_equal(other.delineate(record).positions, waves.positions)


@pytest.mark.slow
def test_shipped_weights_on_ludb():
    """The net was trained on this data: this tests the file, not the accuracy."""
    from sklearn_ecganon.datasets import fetch_ludb

    home = os.environ.get("SKLEARN_ECGANON_DATA")
    if not home or not (Path(home) / "ludb").is_dir():
        pytest.skip("SKLEARN_ECGANON_DATA names no folder with ludb/")
    wfdb = pytest.importorskip("wfdb")
    names = [f"data/{i}" for i in range(1, 201, 10)]
    moved, upside_down, halved = [], [], []
    for record in fetch_ludb(data_home=home, records=names).data:
        annotations = wfdb.rdann(str(Path(home) / "ludb" / record.name), "ii")
        symbols = np.array(annotations.symbol)
        onsets = annotations.sample[np.flatnonzero(symbols == "N") - 1]
        ii = replace(record, signal=record.signal[:, 1], lead_names=("II",), r_peaks=None)
        predicted = Delineator().delineate(ii)["QRS", "onset"][:, 0]
        assert np.array_equal(Delineator().delineate(ii)["QRS", "onset"][:, 0], predicted)
        moved += (2 * np.nanmin(np.abs(onsets[:, None] - predicted), axis=1)).tolist()
        for other, errors, scale in (
            (replace(ii, signal=-ii.signal), upside_down, 1),
            (replace(ii, signal=ii.signal[::2], sampling_rate=250.0), halved, 2),
        ):
            edges = scale * Delineator().delineate(other)["QRS", "onset"][:, 0]
            errors += (2 * np.nanmin(np.abs(predicted[:, None] - edges), axis=1)).tolist()
    assert np.median(moved) <= 6
    assert np.mean(np.array(moved) <= 150) >= 0.99
    assert np.median(upside_down) <= 6
    assert np.median(halved) <= 2


def annotated_records():
    """Return records and, as annotations, the predictions of the shipped net."""
    bunch = make_ecg_records(3, n_sessions=1, duration=10.0, n_leads=12, random_state=0)
    waves = []
    for record in bunch.data:
        positions = Delineator().delineate(record).positions
        leads = {}
        for i, lead in enumerate(record.lead_names):
            rows = [w[np.isfinite(w).all(axis=1)] for w in np.moveaxis(positions[:, i], 1, 0)]
            edges = np.concatenate(rows)
            leads[lead] = WaveAnnotations(*rows, extent=(int(edges.min()), int(edges.max())))
        waves.append(leads)
    return bunch.data, waves


def test_a_net_is_trained_through_the_public_function(tmp_path):
    records, waves = annotated_records()
    rng = np.random.default_rng(0)
    noise = {"wander": rng.standard_normal(3000).cumsum(), "muscle": rng.standard_normal(3000)}
    path, again = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    losses = train_delineator(records, waves, path, max_epochs=2, **noise)
    assert losses.shape == (2,)
    assert np.isfinite(losses).all()
    train_delineator(records, waves, again, max_epochs=2, **noise)
    assert path.read_bytes() == again.read_bytes()
    assert Delineator(weights=path).delineate(records[0]).positions.shape[1:] == (12, 3, 3)


def test_training_refuses_invalid_input(tmp_path):
    records, waves = annotated_records()
    long = np.random.default_rng(0).standard_normal(3000)
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ValueError, match="2 entries for 3 records"):
        train_delineator(records, waves[:2], path, wander=long, muscle=long)
    with pytest.raises(ValueError, match="muscle has shape"):
        train_delineator(records, waves, path, wander=long, muscle=long[:100])
    with pytest.raises(ValueError, match="lead 'I' has no annotations"):
        train_delineator(records, [{}] * 3, path, wander=long, muscle=long)
    with pytest.raises(ValueError, match="differ in length"):
        train_delineator(
            [records[0], records[1].crop(0, 1000), records[2]],
            waves,
            path,
            wander=long,
            muscle=long,
        )
    assert not path.exists()
