"""Making, fetching and reading records."""

import hashlib
import os
import re
import shutil
import time
from datetime import date
from datetime import time as time_of_day

import numpy as np
import pytest
import wfdb
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.datasets import (
    _fetch,
    fetch_ecgid,
    fetch_ludb,
    fetch_mitdb,
    get_data_home,
    load_records,
    make_ecg_records,
)
from sklearn_ecganon.datasets._synthetic import _leak
from sklearn_ecganon.io import (
    FORMATS,
    Layout,
    Limits,
    create_record,
    open_record,
    read_identity,
    write_record,
)
from sklearn_ecganon.records import STANDARD_LEADS

WRITABLE = [name for name, format in FORMATS.items() if format.writer is not None]

# ---------------------------------------------------------------- synthetic records


def _windows(record, ms=800):
    half = int(ms / 2000 * record.sampling_rate)
    peaks = record.r_peaks
    peaks = peaks[(peaks >= half) & (peaks < record.n_times - half)]
    beats = record.signal[peaks[:, np.newaxis] + np.arange(-half, half), 0]
    return (beats - beats.mean(1, keepdims=True)) / beats.std(1, keepdims=True)


def _rank_one(bunch, evidence=20):
    """Shrunken LDA, session 1 against session 2: rank-1 with one beat and with many."""
    first = [r for r in bunch.data if r.session == "01"]
    second = [r for r in bunch.data if r.session == "02"]
    beats = [_windows(r) for r in first]
    subject = np.repeat([r.subject for r in first], [len(b) for b in beats])
    attacker = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
    attacker.fit(np.concatenate(beats), subject)
    single, many = [], []
    for record in second:
        scores = np.log(np.maximum(attacker.predict_proba(_windows(record)), 1e-300))
        guesses = attacker.classes_[scores.argmax(1)]
        single.extend(guesses == record.subject)
        for start in range(0, len(scores) - evidence + 1, evidence):
            total = scores[start : start + evidence].sum(0)
            many.append(attacker.classes_[total.argmax()] == record.subject)
    return np.mean(single), np.mean(many)


@pytest.mark.parametrize("arrhythmia", ["none", "ectopic"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_subjects_are_recognized_across_sessions_but_not_from_any_beat(arrhythmia, seed):
    bunch = make_ecg_records(20, arrhythmia=arrhythmia, random_state=seed)
    single, many = _rank_one(bunch)
    assert many >= 0.95
    assert 0.6 < single < 1.0


def test_shape_of_the_bunch():
    bunch = make_ecg_records(3, n_sessions=2, duration=5.0, sampling_rate=200, random_state=0)
    assert [type(record) for record in bunch.data] == [ECGRecord] * 6
    assert {record.signal.shape for record in bunch.data} == {(1000, 1)}
    assert bunch.subject.tolist() == ["s001", "s001", "s002", "s002", "s003", "s003"]
    assert bunch.session.tolist() == ["01", "02"] * 3
    assert [record.subject for record in bunch.data] == bunch.subject.tolist()
    assert [record.session for record in bunch.data] == bunch.session.tolist()
    assert len({record.name for record in bunch.data}) == 6
    assert "3 subjects" in bunch.DESCR


def test_same_seed_same_records_and_more_subjects_change_none():
    few = make_ecg_records(2, duration=5.0, random_state=7)
    many = make_ecg_records(4, n_sessions=2, duration=5.0, random_state=7)
    other = make_ecg_records(2, duration=5.0, random_state=8)
    for one, same in zip(few.data, many.data, strict=False):
        np.testing.assert_array_equal(one.signal, same.signal)
    assert not np.array_equal(few.data[0].signal, other.data[0].signal)


@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_generators_are_random_states_too(kind):
    one, same = (make_ecg_records(1, duration=3, random_state=kind(3)) for _ in range(2))
    np.testing.assert_array_equal(one.data[0].signal, same.data[0].signal)
    generator = kind(3)
    make_ecg_records(1, duration=3, random_state=generator)
    later = make_ecg_records(1, duration=3, random_state=generator)
    assert not np.array_equal(one.data[0].signal, later.data[0].signal)


@pytest.mark.parametrize("seed", [None, 0])
def test_the_global_generator_is_left_alone(seed):
    before = np.random.get_state()  # noqa: NPY002
    make_ecg_records(1, duration=3, random_state=seed)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_twelve_leads_follow_einthoven_and_goldberger():
    record = make_ecg_records(1, n_leads=12, duration=5, random_state=0).data[0]
    assert record.lead_names == STANDARD_LEADS
    one, two, three, avr, avl, avf = record.signal.T[:6]
    np.testing.assert_allclose(three, two - one, atol=1e-12)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-12)
    np.testing.assert_allclose(avr, -(one + two) / 2, atol=1e-12)
    np.testing.assert_allclose(avf, (two + three) / 2, atol=1e-12)


def test_fewer_leads_are_the_same_leads():
    twelve = make_ecg_records(1, n_leads=12, duration=5, random_state=0).data[0]
    for n_leads in range(1, 12):
        record = make_ecg_records(1, n_leads=n_leads, duration=5, random_state=0).data[0]
        assert record.lead_names[:2] == ("II", "V5")[:n_leads]
        columns = [twelve.lead_names.index(lead) for lead in record.lead_names]
        np.testing.assert_array_equal(record.signal, twelve.signal[:, columns])


def test_r_peaks_lie_on_the_qrs_and_p_lies_before_it():
    bunch = make_ecg_records(12, duration=20, n_leads=12, sampling_rate=500, random_state=1)
    offsets, p_delays, t_delays = [], [], []
    for record in bunch.data:
        peaks = record.r_peaks[(record.r_peaks > 200) & (record.r_peaks < record.n_times - 300)]
        beats = record.signal[peaks[:, np.newaxis] + np.arange(-200, 300)]
        power = ((beats - np.median(beats, axis=1, keepdims=True)) ** 2).sum(2)
        offsets.extend(2.0 * (power.argmax(1) - 200))
        two = beats[..., record.lead_names.index("II")].mean(0)
        p_delays.append(2.0 * (two[80:170].argmax() + 80 - 200))
        t_delays.append(2.0 * (np.abs(two[270:420] - two[260]).argmax() + 270 - 200))
    assert np.mean(np.abs(offsets) <= 8) > 0.95
    assert -230 < np.median(p_delays) < -110
    assert 200 < np.median(t_delays) < 350


def test_amplitude_and_rate_are_those_of_people():
    bunch = make_ecg_records(20, duration=20, random_state=2)
    height = [np.percentile(record.signal, 99.5) for record in bunch.data]
    rate = [60 * 250 / np.diff(record.r_peaks).mean() for record in bunch.data]
    assert 0.5 < np.median(height) < 1.6
    assert max(height) < 3
    assert min(rate) > 40
    assert max(rate) < 120


def test_successive_beats_differ():
    record = make_ecg_records(1, duration=60, random_state=0).data[0]
    beats = _windows(record)
    assert beats.std(0).mean() > 0.05
    assert np.diff(record.r_peaks).std() > 1


def test_sessions_differ_in_rate_and_noise():
    bunch = make_ecg_records(10, duration=20, random_state=0)
    pairs = np.array([np.diff(r.r_peaks).mean() for r in bunch.data]).reshape(10, 2)
    change = np.abs(np.diff(np.log(pairs), axis=1))
    assert 0.01 < change.mean() < 0.2
    noise = np.array([np.diff(r.signal[:, 0]).__abs__().mean() for r in bunch.data])
    assert np.ptp(np.log(noise.reshape(10, 2)), axis=1).max() > 0.1


def test_without_arrhythmia_all_beats_are_normal():
    for record in make_ecg_records(3, duration=10, random_state=0).data:
        assert set(record.beat_labels) == {"N"}


def test_ectopic_beats_are_early_and_ventricular_ones_are_wide():
    bunch = make_ecg_records(8, duration=60, arrhythmia="ectopic", n_leads=12, random_state=0)
    kinds = [set(record.beat_labels) for record in bunch.data]
    assert kinds == ([{"N", "S", "V"}] * 2 + [{"N"}] * 2) * 4

    for record in bunch.data:
        rr = np.diff(record.r_peaks)
        median_rr = np.median(rr)
        labels = record.beat_labels[1:]
        assert (rr[labels == "V"] < 0.85 * median_rr).all()
        assert (rr[labels == "S"] < 0.95 * median_rr).all()
        for beat in np.flatnonzero(labels == "V"):
            if beat + 1 < len(rr):
                assert rr[beat] + rr[beat + 1] == pytest.approx(2 * median_rr, rel=0.2)
        fraction = np.mean(record.beat_labels == "V")
        assert fraction <= 0.15

    record = bunch.data[0]
    power = np.sqrt(((record.signal - np.median(record.signal, axis=0)) ** 2).sum(1))
    width = {
        kind: np.median(
            [
                (power[p - 40 : p + 40] > power[p] / 2).sum()
                for p in record.r_peaks[record.beat_labels == kind]
                if 40 <= p < record.n_times - 40
            ]
        )
        for kind in "NSV"
    }
    assert width["V"] > 1.8 * width["N"]
    assert width["S"] < 1.4 * width["N"]


def test_short_records_have_room_for_no_ectopic_beat():
    record = make_ecg_records(1, duration=2, arrhythmia="ectopic", random_state=0).data[0]
    assert set(record.beat_labels) == {"N"}


def test_the_leaky_sum_of_gaussians_agrees_with_neurokit():
    import neurokit2

    rate, duration = 250, 20
    reference = neurokit2.ecg_simulate(
        duration=duration, sampling_rate=rate, noise=0, heart_rate=60, heart_rate_std=0
    )
    angle = np.deg2rad([-70, -15, 0, 15, 100])
    slope, width = np.array([1.2, -5, 30, -7.5, 0.75]), np.array([0.25, 0.1, 0.1, 0.1, 0.4])
    phase = 2 * np.pi * np.arange(rate * duration) / rate
    away = np.angle(np.exp(1j * (phase[:, np.newaxis] - angle)))
    waves = (slope * width**2 / (2 * np.pi) * np.exp(-0.5 * (away / width) ** 2)).sum(1)
    ours = _leak(waves[:, np.newaxis], rate)[:, 0]
    # Its breathing baseline, which leaks as the waves do; ours is added to the leads.
    breath = np.pi / 2
    ours += 0.005 * (np.sin(phase / 4) - breath * np.cos(phase / 4)) / (1 + breath**2)
    middle = slice(5 * rate, 15 * rate)
    assert np.corrcoef(ours[middle], reference[middle])[0, 1] > 0.99


def test_generating_records_is_fast():
    make_ecg_records(1, duration=2, random_state=0)
    start = time.process_time()  # of the CPU: other programs on the machine do not count
    make_ecg_records(30, duration=60, random_state=0)
    assert time.process_time() - start < 20  # s; 2 s were measured


@pytest.mark.parametrize(
    "bad",
    [
        {"n_subjects": 0},
        {"n_sessions": 1.5},
        {"duration": 1.0},
        {"sampling_rate": 0},
        {"n_leads": 13},
        {"arrhythmia": "flutter"},
        {"random_state": "seed"},
    ],
)
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        make_ecg_records(**bad)


# ---------------------------------------------------------------- fetching


def _write_record(folder, name, leads=("MLII", "V5"), beats=True, n_times=720, **more):
    rng = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    folder.mkdir(parents=True, exist_ok=True)
    units = more.pop("units", ["mV"] * len(leads))
    wfdb.wrsamp(
        name,
        fs=360,
        units=units,
        sig_name=list(leads),
        p_signal=rng.normal(size=(n_times, len(leads))),
        fmt=["16"] * len(leads),
        write_dir=str(folder),
        **more,
    )
    if beats:
        symbol = ["+", "N", "V", "/", "~", "A", "F"]
        sample = np.array([10, 50, 150, 250, 300, 350, 450])
        wfdb.wrann(name, "atr", sample, symbol, write_dir=str(folder))


def _write_sums(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    (folder / "SHA256SUMS.txt").write_text(
        "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()} "
            f"{path.relative_to(folder).as_posix()}\n"
            for path in files
        )
    )


@pytest.fixture
def server(tmp_path, monkeypatch):
    """PhysioNet with a small mitdb, and a list of what was asked of it."""
    root = tmp_path / "server" / "mitdb"
    for name, leads in {
        "100": ("MLII", "V5"),
        "114": ("V5", "MLII"),
        "202": ("MLII", "V1"),
    }.items():
        _write_record(root, name, leads)
    (root / "RECORDS").write_text("100\n114\n202\n")
    (root / "not-needed.html").write_text("more")
    _write_sums(root)
    asked = []

    def dl_full_file(url, save_file_name):
        asked.append(url.removeprefix("https://physionet.org/files/mitdb/1.0.0/"))
        shutil.copy(root / asked[-1], save_file_name)

    monkeypatch.setattr(_fetch.wfdb_download, "get_version", lambda slug: "1.0.0")
    monkeypatch.setattr(_fetch.wfdb_download, "dl_full_file", dl_full_file)
    return root, asked


def test_download_announces_its_size_and_fetches_nothing_else(server, tmp_path, capsys):
    _, asked = server
    home = tmp_path / "home"
    bunch = fetch_mitdb(data_home=home)
    printed = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert "MIT-BIH Arrhythmia Database" in printed
    assert "9 files" in printed
    assert "MB" in printed
    assert "ODC-By 1.0" in printed
    assert "not-needed.html" not in asked
    assert len(asked) == len(set(asked)) == 11
    assert not [path for path in (home / "mitdb").iterdir() if path.name.startswith(".")]
    assert [record.name for record in bunch.data] == ["100", "114", "202"]
    asked.clear()
    fetch_mitdb(data_home=home, download_if_missing=False)
    assert asked == []


def test_mitdb_leads_beats_and_persons(server, tmp_path):
    root, _ = server
    bunch = fetch_mitdb(data_home=tmp_path / "home")
    assert bunch.subject.tolist() == ["100", "114", "201"]
    assert bunch.session.tolist() == ["1", "1", "1"]
    assert "ODC-By" in bunch.DESCR
    record = bunch.data[1]
    assert record.lead_names == ("MLII", "V5")
    assert record.r_peaks.tolist() == [50, 150, 250, 350, 450]
    assert record.beat_labels.tolist() == ["N", "V", "Q", "S", "F"]
    np.testing.assert_array_equal(
        record.signal, wfdb.rdrecord(str(root / "114")).p_signal[:, ::-1]
    )


def test_only_the_requested_records(server, tmp_path):
    _, asked = server
    bunch = fetch_mitdb(data_home=tmp_path / "home", records=["202"])
    assert [record.name for record in bunch.data] == ["202"]
    assert sorted(asked) == ["202.atr", "202.dat", "202.hea", "RECORDS", "SHA256SUMS.txt"]


@pytest.mark.parametrize(
    ("records", "message"), [(["100", "999"], "'999'"), ([], "empty list"), ("100", "string")]
)
def test_unknown_records_are_named(server, tmp_path, records, message):
    with pytest.raises(ValueError, match=message):
        fetch_mitdb(data_home=tmp_path / "home", records=records)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ConnectionError])
def test_an_interrupted_download_goes_on(server, tmp_path, monkeypatch, interruption):
    _, asked = server
    whole = _fetch.wfdb_download.dl_full_file

    def breaks(url, save_file_name):
        if url.endswith("114.dat"):
            with open(save_file_name, "wb") as file:
                file.write(b"half of")
            raise interruption("cable pulled")
        whole(url, save_file_name)

    monkeypatch.setattr(_fetch.wfdb_download, "dl_full_file", breaks)
    folder = tmp_path / "home" / "mitdb"
    error = OSError if issubclass(interruption, Exception) else interruption
    with pytest.raises(error, match="cable pulled"):
        fetch_mitdb(data_home=tmp_path / "home")
    assert not (folder / "114.dat").exists()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    files = {path.name for path in folder.iterdir()}
    assert {"SHA256SUMS.txt", "RECORDS", "100.hea"} <= files

    monkeypatch.setattr(_fetch.wfdb_download, "dl_full_file", whole)
    asked.clear()
    assert len(fetch_mitdb(data_home=tmp_path / "home").data) == 3
    assert "114.dat" in asked
    assert not files & set(asked)


def test_a_damaged_download_is_named_and_deleted(server, tmp_path):
    root, _ = server
    (root / "114.dat").write_bytes(b"tampered with")
    with pytest.raises(OSError, match=r"114\.dat does not match .*SHA256SUMS"):
        fetch_mitdb(data_home=tmp_path / "home")
    assert not (tmp_path / "home" / "mitdb" / "114.dat").exists()


def test_a_damaged_file_on_disk_is_named_and_left_alone(server, tmp_path):
    home = tmp_path / "home"
    fetch_mitdb(data_home=home)
    damaged = home / "mitdb" / "100.dat"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + b"?")
    with pytest.raises(OSError, match=r"100\.dat does not match"):
        fetch_mitdb(data_home=home)
    assert damaged.read_bytes() == content[:-1] + b"?"
    assert len(fetch_mitdb(data_home=home, verify=False).data) == 3
    assert len(fetch_mitdb(data_home=home, records=["114"]).data) == 1


def test_no_download_unless_allowed(server, tmp_path):
    _, asked = server
    with pytest.raises(FileNotFoundError, match="SKLEARN_ECGANON_DATA"):
        fetch_mitdb(data_home=tmp_path / "home", download_if_missing=False)
    assert asked == []
    assert not (tmp_path / "home").exists()


def test_without_checksums_on_disk(server, tmp_path):
    home = tmp_path / "home"
    fetch_mitdb(data_home=home)
    (home / "mitdb" / "SHA256SUMS.txt").unlink()
    with pytest.raises(FileNotFoundError, match="verify=False"):
        fetch_mitdb(data_home=home, download_if_missing=False)
    fetch_mitdb(data_home=home, download_if_missing=False, verify=False)
    (home / "mitdb" / "SHA256SUMS.txt").write_text("<html>busy</html>")
    with pytest.raises(OSError, match="no SHA-256 digests"):
        fetch_mitdb(data_home=home)


def test_no_network_is_one_clear_error(tmp_path, monkeypatch):
    def offline(slug):
        raise ConnectionError("name resolution")

    monkeypatch.setattr(_fetch.wfdb_download, "get_version", offline)
    with pytest.raises(OSError, match=r"mitdb: .* could not be downloaded .*name resolution"):
        fetch_mitdb(data_home=tmp_path)


def test_a_record_may_not_leave_its_folder(server, tmp_path):
    root, _ = server
    (root / "RECORDS").write_text("../../evil\n")
    _write_sums(root)
    with pytest.raises(OSError, match="outside"):
        fetch_mitdb(data_home=tmp_path / "home")


def test_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_ECGANON_DATA", str(tmp_path / "env"))
    assert get_data_home() == tmp_path / "env"
    assert get_data_home(tmp_path) == tmp_path
    monkeypatch.delenv("SKLEARN_ECGANON_DATA")
    assert get_data_home().name == "sklearn_ecganon_data"
    assert "~" not in str(get_data_home())


# ---------------------------------------------------------------- the real databases


@pytest.fixture
def real_data():
    if not os.environ.get("SKLEARN_ECGANON_DATA"):
        pytest.skip("SKLEARN_ECGANON_DATA is not set")


@pytest.mark.usefixtures("real_data")
def test_real_mitdb():
    start = time.process_time()  # of the CPU: other programs on the machine do not count
    bunch = fetch_mitdb(download_if_missing=False)
    assert time.process_time() - start < 20  # s; 2 s were measured
    assert len(bunch.data) == 48
    assert len(set(bunch.subject)) == 47
    without = [r.name for r in bunch.data if r.lead_names[0] != "MLII"]
    assert without == ["102", "104"]
    labels, counts = np.unique(
        np.concatenate([record.beat_labels for record in bunch.data]), return_counts=True
    )
    assert dict(zip(labels, counts, strict=True)) == {
        "N": 90631,
        "S": 2781,
        "V": 7236,
        "F": 803,
        "Q": 8043,
    }
    record = bunch.data[[r.name for r in bunch.data].index("114")]
    reference = wfdb.rdrecord(str(get_data_home() / "mitdb" / "114")).p_signal
    np.testing.assert_array_equal(record.signal, reference[:, ::-1])


@pytest.mark.usefixtures("real_data")
def test_real_ecgid():
    bunch = fetch_ecgid(download_if_missing=False)
    assert len(bunch.data) == 310
    assert len(set(bunch.subject)) == 90
    assert bunch.data[0].name == "Person_01/rec_1"
    assert bunch.data[0].lead_names == ("I",)
    assert bunch.session[0] == "2004-12-07"
    days = {person: set(bunch.session[bunch.subject == person]) for person in bunch.subject}
    assert sum(len(dates) > 1 for dates in days.values()) == 20
    clean = fetch_ecgid(records=["Person_01/rec_1"], filtered=True, download_if_missing=False)
    assert clean.data[0].lead_names == ("I",)
    roughness = [np.diff(b.data[0].signal[:, 0]).std() for b in (bunch, clean)]
    assert roughness[1] < roughness[0]


@pytest.mark.usefixtures("real_data")
def test_real_ludb():
    bunch = fetch_ludb(download_if_missing=False)
    assert len(bunch.data) == len(set(bunch.subject)) == 200
    record = bunch.data[0]
    assert record.signal.shape == (5000, 12)
    assert record.lead_names[:6] == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert record.r_peaks.tolist() == [662, 1342, 2000, 2642, 3314, 3969]
    assert record.beat_labels is None


@pytest.mark.usefixtures("real_data")
def test_amplitudes_of_ludb_can_be_restored():
    names = [f"data/{i}" for i in range(1, 21)]
    for true_amplitudes in (False, True):
        for record in fetch_ludb(
            records=names, download_if_missing=False, true_amplitudes=true_amplitudes
        ).data:
            one, two, three = record.signal[:, :3].T
            error = np.std(three - (two - one))  # apart from a constant
            assert (error < 0.003) == true_amplitudes, record.name
            assert np.allclose(np.ptp(record.signal, axis=0), 1, atol=0.01) != true_amplitudes


# ---------------------------------------------------------------- user records


def test_folders_are_persons(tmp_path):
    when = {"base_date": date(2004, 12, 7), "base_time": time_of_day(9, 30)}
    _write_record(tmp_path / "ann", "rec_2", **when)
    _write_record(tmp_path / "ann", "rec_1")
    _write_record(tmp_path, "solo", beats=False)
    bunch = load_records(tmp_path)
    assert [record.name for record in bunch.data] == ["ann/rec_1", "ann/rec_2", "solo"]
    assert bunch.subject.tolist() == ["ann", "ann", "solo"]
    assert bunch.session.tolist() == ["1", "2004-12-07", "1"]
    assert bunch.data[0].beat_labels.tolist() == ["N", "V", "Q", "S", "F"]
    assert bunch.data[2].r_peaks is None
    assert "3 records of 2 subjects" in bunch.DESCR


def test_subject_and_session_may_be_functions(tmp_path):
    _write_record(tmp_path, "ann_1")
    _write_record(tmp_path, "ann_2")
    bunch = load_records(
        tmp_path,
        subject=lambda name: name.split("_")[0],
        session=lambda name: name.split("_")[1],
    )
    assert bunch.subject.tolist() == ["ann", "ann"]
    assert bunch.session.tolist() == ["1", "2"]


def test_leads_are_chosen_by_name_and_voltages_become_mv(tmp_path):
    _write_record(tmp_path, "mixed", ("ABP", "II", "V1"), units=["mmHg", "uV", "mV"])
    assert load_records(tmp_path).data[0].lead_names == ("II", "V1")
    with pytest.raises(ValueError, match=r"'mixed'.*bad_units"):
        load_records(tmp_path, leads=["lead 1"])
    record = load_records(tmp_path, leads=["V1", "II"]).data[0]
    reference = wfdb.rdrecord(str(tmp_path / "mixed")).p_signal
    np.testing.assert_allclose(record.signal, reference[:, [2, 1]] * [1, 1e-3])
    with pytest.raises(ValueError, match=r"'mixed'.*no_lead.*lead 1, II, V1"):
        load_records(tmp_path, leads=["aVR"])
    with pytest.raises(ValueError, match="string"):
        load_records(tmp_path, leads="II")


def test_wide_samples_are_not_cut(tmp_path):
    digital = np.array([[-100_000], [100_000], [5]])
    wfdb.wrsamp(
        "wide",
        fs=250,
        units=["mV"],
        sig_name=["II"],
        d_signal=digital,
        fmt=["32"],
        adc_gain=[1000.0],
        baseline=[0],
        write_dir=str(tmp_path),
    )
    np.testing.assert_allclose(load_records(tmp_path).data[0].signal, digital / 1000)


def test_segments_are_joined_with_their_gap(tmp_path):
    _write_record(tmp_path, "x_1", beats=False, n_times=100)
    _write_record(tmp_path, "x_2", beats=False, n_times=100)
    (tmp_path / "x_0.hea").write_text(
        "x_0 2 360 0\n~ 0 200/mV 16 0 0 0 0 MLII\n~ 0 200/mV 16 0 0 0 0 V5\n"
    )
    (tmp_path / "x.hea").write_text("x/4 2 360 250\nx_0 0\nx_1 100\n~ 50\nx_2 100\n")
    bunch = load_records(tmp_path)
    assert [record.name for record in bunch.data] == ["x"]
    signal = bunch.data[0].signal
    assert signal.shape == (250, 2)
    assert np.isnan(signal[100:150]).all()
    second = wfdb.rdrecord(str(tmp_path / "x_2")).p_signal
    np.testing.assert_allclose(signal[150:], second, atol=1e-9)


def test_segments_lie_in_the_record_s_folder(tmp_path):
    _write_record(tmp_path, "x_1", beats=False, n_times=100)
    _write_record(tmp_path / "in", "x_2", beats=False, n_times=100)
    (tmp_path / "in" / "x.hea").write_text("x/2 2 360 200\n../x_1 100\nx_2 100\n")
    with pytest.raises(ValueError, match="record 'x"):
        load_records(tmp_path / "in")


def _rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("bad 2 360 720", "bad 2 0 720", "bad_rate"),
        ("bad 2 360 720", "bad 2", "bad_rate"),
        ("bad.dat 16", "../bad.dat 16", "bad_path"),
        ("bad.dat 16", "gone.dat 16", "missing_file"),
        ("bad.dat 16 ", "bad.dat 16x2 ", "mixed_rates"),
        ("bad 2 360 720", "bad 2 360 999999999999999", "truncated"),
        ("bad 2 360 720", "bad 2 360 1000", "truncated"),
        ("bad 2 360 720", "\0\0\0", "unknown_format"),
        ("bad 2 360 720", "bad 9 360 720", "bad_header"),
        ("bad.dat 16", "bad.dat 77", "unsupported"),
    ],
)
def test_a_bad_header_is_one_error_that_names_the_record(tmp_path, old, new, reason):
    _write_record(tmp_path / "ward", "bad", beats=False)
    _write_record(tmp_path / "ward", "good")
    _rewrite(tmp_path / "ward" / "bad.hea", old, new)
    with pytest.raises(ValueError, match=rf"record 'ward/bad.*{reason}"):
        load_records(tmp_path)
    bunch = load_records(tmp_path, on_error="omit")
    assert [record.name for record in bunch.data] == ["ward/good"]
    assert bunch.omitted["ward/bad.hea"] == reason


def test_other_bad_files_name_the_record(tmp_path):
    _write_record(tmp_path, "bad")
    (tmp_path / "bad.atr").write_bytes(bytes(range(97)))
    with pytest.raises(ValueError, match=r"record 'bad'.*bad_annotations"):
        load_records(tmp_path)
    assert len(load_records(tmp_path, annotator=None).data) == 1
    (tmp_path / "bad.atr").unlink()
    (tmp_path / "bad.dat").unlink()
    with pytest.raises(ValueError, match=r"record 'bad'.*missing_file"):
        load_records(tmp_path)
    with pytest.raises(ValueError, match=r"can be read; .*'bad\.hea' \(missing_file\)"):
        load_records(tmp_path, on_error="omit")


def test_a_wrong_checksum_is_refused_or_accepted(tmp_path):
    _write_record(tmp_path, "a")
    path = tmp_path / "a.dat"
    path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    with pytest.raises(ValueError, match=r"record 'a'.*bad_checksum"):
        load_records(tmp_path)
    assert len(load_records(tmp_path, limits=Limits(checksum="warn")).data) == 1


def test_an_empty_or_absent_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no recording"):
        load_records(tmp_path)
    with pytest.raises(ValueError, match="is not a folder"):
        load_records(tmp_path / "absent")
    with pytest.raises(ValueError, match="on_error is 'skip'"):
        load_records(tmp_path, on_error="skip")


@pytest.mark.parametrize("format", WRITABLE)
def test_a_folder_of_any_format_is_read(tmp_path, format):
    suffix = FORMATS[format].suffixes[0]
    generated = make_ecg_records(n_subjects=2, duration=5.0, n_leads=12, random_state=0)
    for record in generated.data:
        folder = tmp_path / record.subject
        folder.mkdir(exist_ok=True)
        write_record(record, folder / f"{record.session}{suffix}")
    (tmp_path / "notes.txt").write_text("Four recordings.")
    bunch = load_records(tmp_path)
    assert [record.name for record in bunch.data] == [
        "s001/01",
        "s001/02",
        "s002/01",
        "s002/02",
    ]
    assert bunch.subject.tolist() == ["s001", "s001", "s002", "s002"]
    # The dates that a format prescribes for an unknown date are no sessions.
    assert bunch.session.tolist() == ["1"] * 4
    for old, new in zip(generated.data, bunch.data, strict=True):
        assert new.sampling_rate == old.sampling_rate
        assert new.lead_names == old.lead_names
        np.testing.assert_allclose(new.signal, old.signal, atol=1e-3)


def test_two_files_of_one_name_keep_their_extension(tmp_path):
    record = make_ecg_records(n_subjects=1, duration=5.0, random_state=0).data[0]
    for name in ("a.edf", "a.hea", "b.npz"):
        write_record(record, tmp_path / name)
    bunch = load_records(tmp_path)
    assert [record.name for record in bunch.data] == ["a.edf", "a.hea", "b"]
    assert bunch.files == ["a.edf", "a.hea", "b.npz"]


def test_recordings_of_one_file_are_numbered(tmp_path):
    pytest.importorskip("h5py")
    signal = np.random.default_rng(0).normal(size=(3, 1000, 12))
    layout = Layout("hdf5", 250.0, STANDARD_LEADS, 1000, n_records=3)
    (tmp_path / "ward").mkdir()
    with create_record(tmp_path / "ward" / "exams.h5", layout) as writer:
        writer.write(signal.reshape(-1, 12))
    bunch = load_records(tmp_path)
    names = [f"ward/exams#{number}" for number in range(3)]
    assert [record.name for record in bunch.data] == bunch.subject.tolist() == names
    for number, record in enumerate(bunch.data):
        np.testing.assert_allclose(record.signal, signal[number], atol=1e-6)


def test_dates_are_read_separately_from_the_recording(tmp_path):
    record = make_ecg_records(n_subjects=1, duration=5.0, random_state=0).data[0]
    write_record(record, tmp_path / "a.edf")
    content = bytearray((tmp_path / "a.edf").read_bytes())
    content[8:16] = b"X F X Ann"[:8]
    content[168:176] = b"07.12.04"
    (tmp_path / "a.edf").write_bytes(content)
    facts = read_identity(tmp_path / "a.edf")
    assert facts.acquired == date(2004, 12, 7)
    assert facts.comments[0].startswith("patient: X F X An")
    assert "2004" not in repr(facts)
    assert load_records(tmp_path).session.tolist() == ["2004-12-07"]
    with open_record(tmp_path / "a.edf") as reader:
        assert "2004" not in repr(vars(reader))


@pytest.mark.parametrize(
    ("lines", "acquired"),
    [
        (["Age: 25", "ECG date: 07.12.2004"], date(2004, 12, 7)),
        (["<date>: 2004-12-07 09:30:00"], date(2004, 12, 7)),
        (["Recording date = 7.12.2004"], date(2004, 12, 7)),
        (["Date of birth: 07.12.1960", "Birth date: 07.12.1960"], None),
        (["Date: 07/12/2004"], None),  # July or December
        (["Date: 31.02.2004"], None),
        (["Study date: 07.12.2004", "Date: 2004-12-08"], None),
        (["see the letter of 07.12.2004"], None),
    ],
)
def test_the_date_in_the_comments_of_a_wfdb_header(tmp_path, lines, acquired):
    record = make_ecg_records(n_subjects=1, duration=5.0, random_state=0).data[0]
    header = write_record(record, tmp_path / "a.hea")
    header.write_text(header.read_text() + "".join(f"# {line}\n" for line in lines))
    assert read_identity(header).acquired == acquired
    session = "1" if acquired is None else "2004-12-07"
    assert load_records(tmp_path).session.tolist() == [session]


def test_the_date_of_a_dicom_object(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    record = make_ecg_records(n_subjects=1, duration=5.0, n_leads=12, random_state=0).data[0]
    path = write_record(record, tmp_path / "a.dcm")
    assert read_identity(path).acquired is None
    data = pydicom.dcmread(path)
    data.AcquisitionDateTime = "20041207093000"
    data.PatientSex = "F"
    data.save_as(path)
    assert read_identity(path).acquired == date(2004, 12, 7)
    assert read_identity(path).comments == ("PatientSex: F",)
