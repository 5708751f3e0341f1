"""Evaluation protocols: sides, subjects and numbers of records, as published."""

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter
from sklearn_ecganon.datasets import DS1, DS2, load_protocol, time_split


def test_time_split():
    record = ECGRecord(np.arange(1000.0), 10, r_peaks=[5, 460, 995], subject="s", name="r")
    parts = time_split([record], fraction=0.45, duration=20)
    assert [p.name for p in parts] == ["r early 1", "r early 2", "r late 1", "r late 2"]
    np.testing.assert_array_equal(parts[1].signal[:, 0], np.arange(200.0, 400.0))
    np.testing.assert_array_equal(parts[2].signal[:, 0], np.arange(550.0, 750.0))
    assert all(p.subject == "s" for p in parts)
    whole = time_split([record], fraction=0.5, duration=None)
    assert [p.n_times for p in whole] == [500, 500]
    with pytest.raises(ValueError, match=r"'r': 45% of it are 45\.0 s, shorter"):
        time_split([record], duration=60)
    with pytest.raises(ValueError, match=r"fraction=0\.6"):
        time_split([record], fraction=0.6)


@pytest.fixture(scope="module")
def load(data_home):
    return lambda name: load_protocol(name, data_home=data_home, download_if_missing=False)


def check_sides(protocol):
    """The gallery is each subject's first session, and every probe has a gallery."""
    subjects, gallery = protocol.subjects, protocol.gallery
    assert len(protocol.records) == len(subjects) == len(gallery) == len(protocol.sessions)
    assert subjects.tolist() == [record.subject for record in protocol.records]
    assert protocol.sessions.tolist() == [record.session for record in protocol.records]
    for subject in np.unique(subjects):
        of_subject = subjects == subject
        held = protocol.sessions[of_subject & gallery]
        assert len(set(held)) == 1
        assert (protocol.sessions[of_subject & ~gallery] > held[0]).all()


def test_synthetic_protocol():
    protocol = load_protocol("synthetic", n_subjects=4, duration=10.0)
    check_sides(protocol)
    assert protocol.gallery.tolist() == [True, False] * 4
    beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
    assert len(beats) == 8
    assert beats.n_leads == 1
    assert "SYNTHETIC" in protocol.DESCR


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match=r"'mitdb'; choose one of .*'mitdb-time'"):
        load_protocol("mitdb")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ptbxl_database\.csv is missing"):
        load_protocol("ptbxl-300", data_home=tmp_path)
    with pytest.raises(FileNotFoundError, match="MIT-BIH"):
        load_protocol("mitdb-time", data_home=tmp_path, download_if_missing=False)


def test_mitdb_time(load):
    protocol = load("mitdb-time")
    check_sides(protocol)
    assert len(set(protocol.subjects)) == 47
    assert protocol.gallery.sum() == (~protocol.gallery).sum() == 48 * 13
    assert {record.duration for record in protocol.records} == {60.0}
    of_two = [record.name for record in protocol.records if record.subject == "201"]
    assert {name.split()[0] for name in of_two} == {"201", "202"}


def test_ecgid_same_day(load):
    protocol = load("ecgid-same-day")
    check_sides(protocol)
    assert protocol.gallery.tolist() == [True, False] * 89
    assert "Person_74" not in protocol.subjects
    numbers = [int(record.name.rpartition("_")[2]) for record in protocol.records]
    assert set(numbers[::2]) == {1}
    assert min(numbers[1::2]) == 2


def test_ecgid_across_day(load):
    protocol = load("ecgid-across-day")
    check_sides(protocol)
    assert len(protocol.records) == 310
    assert len(set(protocol.subjects[protocol.gallery])) == 90
    assert (~protocol.gallery).sum() == 83
    probes = protocol.subjects[~protocol.gallery]
    _, counts = np.unique(probes, return_counts=True)
    assert len(counts) == 20
    assert sum(sorted(counts)[-2:]) == 37


def test_ds1_and_ds2(load):
    protocol = load("mitdb-ds1-ds2")
    assert protocol.gallery is None
    names = np.array([record.name for record in protocol.records])
    assert sorted(names[protocol.train]) == sorted(DS1)
    assert sorted(names[~protocol.train]) == sorted(DS2)
    assert not {"102", "104", "107", "217"} & set(names)


def test_ludb_waves(data_home):
    protocol = load_protocol("ludb", data_home=data_home, records=["data/1", "data/2"])
    assert protocol.gallery is None
    for record, of_leads in zip(protocol.records, protocol.waves, strict=True):
        assert tuple(of_leads) == record.lead_names
        for waves in of_leads.values():
            first, last = waves.extent
            for rows in (waves.P, waves.QRS, waves.T):
                known = rows[np.isfinite(rows).all(axis=1)]
                assert (np.diff(known, axis=1) > 0).all()
                assert first <= known.min()
                assert known.max() <= last
        # The R peaks of the record are the QRS peaks of lead II.
        np.testing.assert_array_equal(of_leads["II"].QRS[:, 1], record.r_peaks)
    assert protocol.statements[0][0] == "Rhythm: Sinus bradycardia"
    assert not any("age" in line for line in protocol.statements[0])


def test_ptbxl_300(data_home):
    protocol = load_protocol("ptbxl-300", data_home=data_home)
    assert protocol.gallery is None
    assert len(protocol.records) == len(set(protocol.subjects)) == 300
    counts = dict(zip(protocol.label_names, protocol.labels.sum(axis=0).tolist(), strict=True))
    assert counts == {"NORM": 186, "MI": 42, "STTC": 55, "CD": 45, "HYP": 23}
    assert set(protocol.folds) <= set(range(1, 11))
    assert sum("AFIB" in statements for statements in protocol.statements) == 8
    assert (protocol.axes == "ALAD").sum() == 9
