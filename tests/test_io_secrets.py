"""Nothing that names a patient gets through: planted in every field of every format."""

import io
import json
import re
import traceback
import zipfile

import numpy as np
import pytest
import wfdb

from sklearn_ecganon import make_ecg_records
from sklearn_ecganon.io import (
    Annotations,
    ECGReadError,
    create_record,
    open_record,
    write_record,
)

NAME, ID, BORN, STREET, REMARK = (
    "Zbigniewska",
    "7734021",
    "19530214",
    "Elmstreet",
    "hypochond",
)
DATE, TIME = "2019-08-23", "07:41:53"
SECRETS = (
    *(NAME, ID, BORN, STREET, REMARK, DATE, "20190823", "23.08.19", "23/08/2019", "23-AUG"),
    *(TIME, "07.41.53", "074153", "HOLTER-9000", "Musterklinik", "male-47"),
)
PEAKS = np.arange(100, 1900, 200)
SIGNAL = np.column_stack(
    [
        record.signal[:2000, 0]
        for record in make_ecg_records(
            n_subjects=2, n_sessions=1, duration=4.0, sampling_rate=500.0, random_state=0
        ).data
    ]
)


def plant_wfdb(folder):
    name = f"{NAME}_{ID}"
    digital = np.rint(SIGNAL * 200).astype("<i2")
    digital.tofile(folder / f"{name}.dat")
    sums = (digital.sum(axis=0, dtype=np.int64) + 2**15) % 2**16 - 2**15
    path = folder / f"{name}.hea"
    path.write_text(
        f"# {NAME}, born {BORN}\n"
        f"{name} 2 500/1.5({ID}) 2000 {TIME} 23/08/2019\n"
        f"{name}.dat 16 200/mV 12 0 {digital[0, 0]} {sums[0]} {ID} II\n"
        f"{name}.dat 16 200/mV 12 0 {digital[0, 1]} {sums[1]} {ID} {NAME} {STREET} 12\n"
        f"# {REMARK} {DATE}\n#<sex>: male-47\n"
    )
    n = len(PEAKS)
    wfdb.wrann(
        name,
        "atr",
        np.concatenate([[5, 60], PEAKS]),
        ["+", '"'] + ["N"] * n,
        aux_note=["(AFIB", f"{NAME} {REMARK}"] + [REMARK] + [""] * (n - 1),
        custom_labels=[(43, "z", f"{NAME} {ID}")],
        fs=500,
        write_dir=str(folder),
    )
    return path


def plant_edf(folder):
    edfio = pytest.importorskip("edfio")
    import datetime

    signals = [
        edfio.EdfSignal(
            SIGNAL[:, i] * 1000,
            500,
            label=label,
            transducer_type=f"{NAME} HOLTER-9000",
            physical_dimension="uV",
            physical_range=(-3000, 3000),
            prefiltering=f"HP {REMARK}",
        )
        for i, label in enumerate(["ECG II", f"{NAME} {ID}"[:16]])
    ]
    edf = edfio.Edf(
        signals,
        patient=edfio.Patient(
            code=ID, sex="F", birthdate=datetime.date(1953, 2, 14), name=NAME,
            additional=[STREET],
        ),
        recording=edfio.Recording(
            startdate=datetime.date(2019, 8, 23), investigator_technician_code="Musterklinik",
            equipment_code="HOLTER-9000", additional=[REMARK],
        ),
        starttime=datetime.time(7, 41, 53),
        data_record_duration=1,
        annotations=[edfio.EdfAnnotation(p / 500, None, "N") for p in PEAKS]
        + [edfio.EdfAnnotation(1.1, 0.5, f"{NAME} {REMARK}")],
    )  # fmt: skip
    path = folder / f"{NAME}_{ID}.edf"
    edf.write(path)
    content = bytearray(path.read_bytes())
    content[192 + 5 : 192 + 44] = f" {NAME} {BORN}".encode().ljust(39)
    content[256 + 3 * 224 : 256 + 3 * 224 + 32] = f"{STREET} {ID}".encode().ljust(32)
    path.write_bytes(content)
    return path


def plant_dicom(folder):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    from sklearn_ecganon import ECGRecord

    path = folder / f"{NAME}_{ID}.dcm"
    write_record(ECGRecord(SIGNAL, 500, ("II", "V5")), path)
    data = pydicom.dcmread(path)
    for keyword, value in {
        "PatientName": f"{NAME}^Anna",
        "PatientID": ID,
        "PatientBirthDate": BORN,
        "PatientAddress": f"{STREET} 12",
        "PatientComments": REMARK,
        "OtherPatientIDs": ID,
        "PatientAge": "066Y",
        "StudyDate": "20190823",
        "StudyTime": "074153",
        "AcquisitionDateTime": "20190823074153",
        "ContentDate": "20190823",
        "InstitutionName": "Musterklinik",
        "OperatorsName": NAME,
        "ReferringPhysicianName": NAME,
        "AccessionNumber": ID,
        "StudyID": ID,
        "Manufacturer": "HOLTER-9000",
        "DeviceSerialNumber": ID,
        "SeriesDescription": REMARK,
        "StudyInstanceUID": generate_uid(prefix=f"1.2.{ID}."),
        "SOPInstanceUID": f"1.2.{ID}.1",
    }.items():
        setattr(data, keyword, value)
    data.file_meta.MediaStorageSOPInstanceUID = f"1.2.{ID}.1"
    data.file_meta.SourceApplicationEntityTitle = NAME
    data.preamble = NAME.encode().ljust(128)
    block = data.private_block(0x0009, f"{NAME} private", create=True)
    block.add_new(1, "LO", f"{STREET} {ID}")
    note = Dataset()
    note.UnformattedTextValue = f"{NAME} {REMARK}"
    data.WaveformAnnotationSequence = [note]
    group = data.WaveformSequence[0]
    group.MultiplexGroupLabel = NAME
    channel = group.ChannelDefinitionSequence[1]
    channel.ChannelLabel = NAME
    channel.ChannelSourceSequence[0].CodeValue = "2:0"
    channel.ChannelSourceSequence[0].CodeMeaning = f"{NAME} {REMARK}"
    channel.add_new((0x003A, 0x020C), "DS", ID)  # ChannelOffset
    data.save_as(path)
    return path


def plant_csv(folder):
    path = folder / f"{NAME}_{ID}.csv"
    rows = "\n".join(f"{i / 500:.3f},{a:.3f},{b:.3f}" for i, (a, b) in enumerate(SIGNAL))
    path.write_text(f"time,II,{NAME} {ID} {DATE}\n{rows}\n")
    return path


def plant_parquet(folder):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = folder / f"{NAME}_{ID}.parquet"
    table = arrow.table(
        {"time": np.arange(2000) / 500, "II": SIGNAL[:, 0], f"{NAME} {ID}": SIGNAL[:, 1]}
    )
    secret = {"patient": f"{NAME} {BORN}", "remark": f"{REMARK} {STREET} {DATE}"}
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(secret)}), path)
    return path


def plant_hdf5(folder):
    h5py = pytest.importorskip("h5py")
    path = folder / f"{NAME}_{ID}.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("tracings", data=SIGNAL[np.newaxis] * 10)
        data.attrs["sampling_rate"] = 500.0
        data.attrs["patient"] = f"{NAME} {BORN}"
        file.attrs["remark"] = f"{REMARK} {STREET} {DATE}"
        file["exam_id"] = [int(ID)]
        file[NAME] = np.array([ID.encode(), b"Musterklinik"])
    return path


def plant_npz(folder):
    path = folder / f"{NAME}_{ID}.npz"
    np.savez(
        path,
        signal=SIGNAL,
        sampling_rate=500.0,
        lead_names=np.array(["II", f"{NAME} {STREET}"]),
        samples=np.concatenate([PEAKS, [1950]]),
        symbols=np.array(["N"] * len(PEAKS) + ["+"]),
        notes=np.array([REMARK] * len(PEAKS) + [NAME]),
        patient=np.array([ID, BORN, DATE]),
    )
    return path


PLANT = {
    "wfdb": plant_wfdb,
    "edf": plant_edf,
    "dicom": plant_dicom,
    "csv": plant_csv,
    "parquet": plant_parquet,
    "hdf5": plant_hdf5,
    "npz": plant_npz,
}


def everything_in(path):
    """All bytes of a file, also those that are packed or stored as objects."""
    contents = [path.name.encode(), path.read_bytes()]
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                contents += [entry.filename.encode(), entry.comment, archive.read(entry)]
    elif path.suffix == ".h5":
        import h5py

        with h5py.File(path) as file:
            contents.append(repr(dict(file.attrs)).encode())
            for name, item in file.items():
                contents += [
                    name.encode(),
                    repr(dict(item.attrs)).encode(),
                    repr(item[:]).encode(),
                ]
    elif path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        table = parquet.read_table(path)
        contents += [str(table.schema).encode(), repr(table.schema.metadata).encode()]
    elif path.suffix == ".dcm":
        import pydicom

        data = pydicom.dcmread(path)
        contents += [str(data).encode(), str(data.file_meta).encode(), data.preamble]
    return b"\n".join(contents)


def hits(content):
    """Secrets in one byte or two bytes a letter, whatever the case.

    Six or seven digits occur by chance within longer numbers, so a short number counts only
    where no digit or point stands beside it.
    """
    low = content.lower()
    planted = []
    for secret in SECRETS:
        pattern = re.escape(secret.lower().encode())
        if secret.isdigit() and len(secret) < 8:
            pattern = rb"(?<![0-9.])" + pattern + rb"(?![0-9])"
        wide = [secret.lower().encode(code) in low for code in ("utf-16-le", "utf-16-be")]
        if re.search(pattern, low) or any(wide):
            planted.append(secret)
    return planted


@pytest.mark.parametrize("name", PLANT)
def test_the_search_detects_planted_identifiers(tmp_path, name):
    planted = hits(everything_in(PLANT[name](tmp_path)))
    assert {NAME, ID} <= set(planted)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("target", ["wfdb", "edf", "npz", "same"])
@pytest.mark.parametrize("name", PLANT)
def test_no_planted_identifier_is_written(tmp_path, name, target, streamed):
    hidden = tmp_path / f"{NAME}_{ID}_{DATE}"
    shared = tmp_path / "shared"
    hidden.mkdir()
    shared.mkdir()
    source = PLANT[name](hidden)
    target = name if target == "same" else target
    suffix = {"wfdb": ".hea", "dicom": ".dcm", "hdf5": ".h5"}.get(target, f".{target}")
    path = shared / f"r0001{suffix}"
    with open_record(source) as reader:
        if streamed:
            layout = reader.layout.in_format(target)
            with create_record(path, layout, reader.annotations) as writer:
                for chunk in reader.chunks(700):
                    writer.write(chunk)
        else:
            write_record(reader.record(source.stem), path, format=target, template=reader)
        first = "lead 1" if name == "hdf5" else "II"  # a file of HDF5 names no leads
        assert reader.lead_names == (first, "lead 2")
    assert list(shared.glob(".*")) == []
    for file in shared.iterdir():
        assert hits(everything_in(file)) == []
    with open_record(path) as again:
        assert again.n_times == 2000
        assert again.sampling_rate == 500
        if name in ("wfdb", "edf", "npz") and target in ("wfdb", "edf", "npz"):
            np.testing.assert_array_equal(again.annotations.r_peaks, PEAKS)


@pytest.mark.parametrize("name", PLANT)
def test_errors_do_not_quote_the_file(tmp_path, name):
    """Damage the file in many places: no refusal repeats what stands in it."""
    hidden = tmp_path / f"{NAME}_{ID}_{DATE}"
    hidden.mkdir()
    source = PLANT[name](hidden)
    content = source.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, min(len(content), 3000), 4):
            damaged[place] = rng.integers(0, 256)
        source.write_bytes(damaged[: rng.integers(10, len(content))])
        printed = io.StringIO()
        try:
            with open_record(source) as reader:
                reader.read()
        except ECGReadError as error:
            refused += 1
            traceback.print_exception(error, file=printed)
        # The test's own line numbers and the path in its own frames are not the file's.
        printed = printed.getvalue().splitlines()
        assert hits("\n".join(line for line in printed if "File" not in line).encode()) == []
    assert refused > 20


def test_messages_of_libraries_are_not_passed_on(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"time,II\n0,1\n0.01,{NAME}\n0.02,3\n")  # pandas quotes what it cannot read
    with pytest.raises(ECGReadError) as caught:
        open_record(path)
    printed = "".join(traceback.format_exception(caught.value))
    assert hits(printed.encode()) == []


def test_no_text_but_rhythms_survives_in_annotations():
    annotations = Annotations([1, 2, 3, 4], '+N+"', ["(AFIB", NAME, NAME, REMARK])
    assert annotations.symbols.tolist() == ["+", "N"]
    assert annotations.notes.tolist() == ["(AFIB", ""]
