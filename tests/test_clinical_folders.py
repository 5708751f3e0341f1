"""Folders in the layouts of CODE-15 %, MIMIC-IV-ECG and Chapman-Shaoxing, generated here."""

import numpy as np
import pytest
import wfdb

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.datasets import load_chapman, load_code15, load_mimic_iv_ecg
from sklearn_ecganon.io import write_record
from sklearn_ecganon.records import STANDARD_LEADS


def _signal(seed, n_times=5000):
    return np.random.default_rng(seed).normal(0, 0.3, (n_times, 12))


@pytest.fixture
def code15(tmp_path):
    h5py = pytest.importorskip("h5py")
    tracings = np.zeros((3, 4096, 12), dtype=np.float32)
    for i in range(2):
        tracings[i, 100:-100] = _signal(i, 3896)
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file["tracings"] = tracings
        file["exam_id"] = np.array([70, 51, 0])  # the last row is padding, as published
    (tmp_path / "exams.csv").write_text(
        "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,"
        "normal_ecg,trace_file\n"
        "51,38,True,40.1,False,True,False,False,False,True,900,False,2.0,False,exams_part0.hdf5\n"
        "70,73,False,67.1,False,False,False,False,False,False,901,,,True,exams_part0.hdf5\n"
        "99,40,False,67.1,False,False,False,False,False,False,902,,,True,exams_part9.hdf5\n"
    )
    return tmp_path, tracings


def test_code15(code15):
    folder, tracings = code15
    bunch = load_code15(folder)
    assert [record.name for record in bunch.data] == ["51", "70"]
    assert [record.statements for record in bunch.data] == [("RBBB", "AF"), ("normal_ecg",)]
    assert bunch.subject.tolist() == ["900", "901"]
    assert bunch.age.tolist() == [38, 73]
    assert bunch.sex.tolist() == ["M", "F"]
    assert "2 of 3 exams" in bunch.DESCR
    # The file's unit is half a millivolt, and exam 51 is its second row.
    np.testing.assert_allclose(
        bunch.data[0].signal[100:-100], tracings[1, 100:-100] / 2, rtol=1e-6
    )
    assert np.isnan(bunch.data[0].signal[:100]).all()
    chosen = load_code15(folder, where=lambda row: row["patient_id"] == "901")
    assert chosen.subject.tolist() == ["901"]


def test_code15_table_and_files_must_agree(code15):
    folder, _ = code15
    table = folder / "exams.csv"
    table.write_text(table.read_text().replace("\n51,", "\n52,"))
    with pytest.raises(ValueError, match=r"'52': exams\.csv places it in exams_part0\.hdf5"):
        load_code15(folder)


def test_code15_damaged_file(code15):
    folder, _ = code15
    (folder / "exams_part0.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"'exams_part0\.hdf5'.*damaged"):
        load_code15(folder)


@pytest.fixture
def mimic(tmp_path):
    table = ["subject_id,study_id,file_name,ecg_time,path"]
    for subject, study in ((10000032, 40689238), (10000032, 44458630), (10000117, 42749787)):
        path = f"files/p1000/p{subject}/s{study}/{study}"
        table.append(f"{subject},{study},{study},2180-07-23 08:44:00,{path}")
        (tmp_path / path).parent.mkdir(parents=True)
        record = ECGRecord(_signal(study), 500, STANDARD_LEADS)
        write_record(record, tmp_path / f"{path}.hea")
    table.append("1,2,2,2180-07-23 08:44:00,files/p1000/p1/s2/2")
    (tmp_path / "record_list.csv").write_text("\n".join(table) + "\n")
    return tmp_path


def test_mimic_iv_ecg(mimic):
    bunch = load_mimic_iv_ecg(mimic)
    assert bunch.subject.tolist() == ["10000032", "10000032", "10000117"]
    assert bunch.session[0] == "2180-07-23"
    assert bunch.data[0].signal.shape == (5000, 12)
    assert bunch.reports == [(), (), ()]
    assert "3 of 4 recordings" in bunch.DESCR
    (mimic / "machine_measurements.csv").write_text(
        "subject_id,study_id,report_0,report_1,report_2\n"
        "10000117,42749787,Sinus rhythm,Normal ECG,\n"
    )
    chosen = load_mimic_iv_ecg(mimic, where=lambda row: row["subject_id"] == "10000117")
    assert chosen.reports == [("Sinus rhythm", "Normal ECG")]


def test_chapman(tmp_path):
    folder = tmp_path / "WFDBRecords" / "01" / "010"
    folder.mkdir(parents=True)
    signal = _signal(0)
    wfdb.wrsamp(
        "JS00001",
        500,
        ["mV"] * 12,
        list(STANDARD_LEADS),
        p_signal=signal,
        fmt=["16"] * 12,
        adc_gain=[1000] * 12,
        baseline=[0] * 12,
        comments=["Age: 85", "Sex: Male", "Dx: 164889003,59118001,1", "Rx: Unknown"],
        write_dir=str(folder),
    )
    # The publisher's signal files are MATLAB files: a header of 24 bytes, then format 16.
    values = (folder / "JS00001.dat").read_bytes()
    (folder / "JS00001.dat").unlink()
    (folder / "JS00001.mat").write_bytes(bytes(24) + values)
    header = folder / "JS00001.hea"
    header.write_text(header.read_text().replace("JS00001.dat 16 ", "JS00001.mat 16+24 "))
    (tmp_path / "ConditionNames_SNOMED-CT.csv").write_text(
        "Acronym Name,Full Name,Snomed_CT\nAFIB,Atrial Fibrillation,164889003\n"
        "RBBB,right bundle branch block,59118001\n"
    )
    bunch = load_chapman(tmp_path)
    [record] = bunch.data
    assert record.statements == ("AFIB", "RBBB", "1")
    assert record.subject == "JS00001"
    assert bunch.age.tolist() == [85]
    assert bunch.sex.tolist() == ["M"]
    np.testing.assert_allclose(record.signal, signal, atol=0.0006)  # half a step of 1 uV
    with pytest.raises(FileNotFoundError, match="No recordings were chosen"):
        load_chapman(tmp_path, where=lambda header: header["Sex"] == "Female")


@pytest.mark.parametrize("load", [load_code15, load_mimic_iv_ecg, load_chapman])
def test_a_folder_without_its_table_is_refused(load, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\.csv is missing; give the folder"):
        load(tmp_path)
