"""Files that lie, end early, point elsewhere or mean harm: one clear refusal each."""

import os
import pickle
import socket
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.io import (
    ECGReadError,
    Limits,
    find_recordings,
    open_record,
    read_record,
    write_record,
)
from sklearn_ecganon.io._errors import REASONS
from sklearn_ecganon.io._files import regular_file
from sklearn_ecganon.io._limits import Limits as _Limits
from sklearn_ecganon.io._wfdb_header import parse_header
from tests.test_io import SUFFIX, twelve_leads

hypothesis = pytest.importorskip("hypothesis")
given, strategies = hypothesis.given, hypothesis.strategies

SIGNAL_LINE = "a.dat 16 200(0)/mV 16 0 0 45 0 II"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """No file may make the reader open a connection."""

    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def reason_of(path, **options):
    with pytest.raises(ECGReadError) as caught:
        read_record(path, **options)
    assert caught.value.reason in REASONS
    return caught.value.reason


def wfdb_file(folder, record="a 1 250 10", signal=SIGNAL_LINE):
    np.arange(10, dtype="<i2").tofile(folder / "a.dat")
    path = folder / "a.hea"
    path.write_text(f"{record}\n{signal}\n")
    return path


def test_the_honest_file_is_read(tmp_path):
    assert read_record(wfdb_file(tmp_path)).n_times == 10


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("a 1 -360 10", "bad_rate"),
        ("a 1 0 10", "bad_rate"),
        ("a 1 0.0 10", "bad_rate"),
        ("a 1 nan 10", "bad_rate"),
        ("a 1 inf 10", "bad_rate"),
        ("a 1 2e3 10", "bad_rate"),
        ("a 1", "bad_rate"),
        ("a 1 250 -10", "bad_length"),
        ("a 1 250 ten", "bad_length"),
        ("a 1 250 11", "truncated"),
        ("a 1 250 1000000000000", "truncated"),
        ("a 1 999999 10", "too_large"),
        ("a 2 250 10", "bad_header"),
        ("a 0 250 10", "bad_length"),
        ("a 99999 250 10", "too_large"),
        ("a 1 250 10 12:00:00 \x07", "bad_header"),
        ("a 1 250 10 ;rm", "bad_header"),
        ("a/1 1 250 10", "bad_header"),
        ("a/2 1 250 10", "bad_header"),
    ],
)
def test_record_lines(tmp_path, record, reason):
    assert reason_of(wfdb_file(tmp_path, record)) == reason


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        ("a.dat 16 0 16 0 0 45 0 II", "bad_gain"),
        ("a.dat 16 0/mV 16 0 0 45 0 II", "bad_gain"),
        ("a.dat 16 nan/mV 16 0 0 45 0 II", "bad_gain"),
        ("a.dat 16 -200/mV 16 0 0 45 0 II", "bad_gain"),
        ("a.dat 16 inf/mV 16 0 0 45 0 II", "bad_gain"),
        ("a.dat 16 1e-99/mV 16 0 0 45 0 II", "bad_gain"),
        ("a.dat 16", "bad_gain"),
        ("a.dat", "bad_header"),
        ("a.dat 17 200/mV 16 0 0 45 0 II", "unsupported"),
        ("a.dat 16x4 200/mV 16 0 0 45 0 II", "mixed_rates"),
        ("a.dat 16:99 200/mV 16 0 0 45 0 II", "bad_header"),
        ("a.dat 16+1 200/mV 16 0 0 45 0 II", "truncated"),
        ("a.dat 16 200/mV 16 0 0 46 0 II", "bad_checksum"),
        ("a.dat 16 200/mV 16 0 0 x 0 II", "bad_header"),
        ("a.dat 16 200/mmHg 16 0 0 45 0 II", "bad_units"),
        ("../a.dat 16 200/mV 16 0 0 45 0 II", "bad_path"),
        ("/etc/hostname 16 200/mV 16 0 0 45 0 II", "bad_path"),
        ("sub/a.dat 16 200/mV 16 0 0 45 0 II", "bad_path"),
        ("http://127.0.0.1/a.dat 16 200/mV 16 0 0 45 0 II", "bad_path"),
        ("s3://b/a.dat 16 200/mV 16 0 0 45 0 II", "bad_path"),
        ("- 16 200/mV 16 0 0 45 0 II", "bad_path"),
        ("~ 16 200/mV 16 0 0 45 0 II", "missing_file"),
        ("b.dat 16 200/mV 16 0 0 45 0 II", "missing_file"),
        ("a.dat 516 200/mV 16 0 0 45 0 II", "damaged"),
    ],
)
def test_signal_lines(tmp_path, signal, reason):
    assert reason_of(wfdb_file(tmp_path, signal=signal)) == reason


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["m/2 1 250 20", "m 10", "a 10"], "bad_header"),  # a segment that names itself
        (["m/1 1 250 10", "n 10"], "missing_file"),
        (["m/1 1 250 10", "../a 10"], "bad_header"),
        (["m/1 1 250 10", "/a 10"], "bad_header"),
        (["m/1 1 250 11", "a 11"], "bad_length"),
        (["m/2 1 250 30", "a 10", "a 10"], "bad_length"),
        (["m/2 1 250 20", "~ 10", "~ 10"], "bad_length"),
        (["m/3 1 250 20", "a 10", "a 10"], "bad_header"),
        (["m/1 2 250 10", "a 10"], "bad_header"),
        (["m/1 1 360 10", "a 10"], "mixed_rates"),
        (["m/1 1 250 999999999999999", "~ 999999999999999"], "bad_length"),
        (["m/2 1 250", "a 10", "~ 999999999999999"], "too_large"),
    ],
)
def test_segment_lines(tmp_path, lines, reason):
    wfdb_file(tmp_path)
    path = tmp_path / "m.hea"
    path.write_text("\n".join(lines) + "\n")
    assert reason_of(path) == reason


def test_signals_of_one_file_must_stand_together_and_agree(tmp_path):
    for order, formats in ((("a", "b", "a"), "16 16 16"), (("a", "a", "b"), "16 80 16")):
        lines = ["a 3 250 10"]
        for file, fmt in zip(order, formats.split(), strict=True):
            lines.append(f"{file}.dat {fmt} 200/mV 16 0 0 0 0 II")
        with pytest.raises(ECGReadError, match="bad_header"):
            parse_header("\n".join(lines).encode(), _Limits())


def test_a_huge_length_allocates_nothing(tmp_path):
    path = wfdb_file(tmp_path, "a 1 250 1000000000000")
    wfdb_file(tmp_path, "a 1 250 1000000000000")
    read_record(write_record(twelve_leads(), tmp_path / "warm.hea"))
    tracemalloc.start()
    try:
        assert reason_of(path) == "truncated"
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_sparse_file_of_any_length_is_refused(tmp_path):
    path = wfdb_file(tmp_path, "a 1 250 500000000000")
    with (tmp_path / "a.dat").open("r+b") as file:
        file.truncate(10**12)
    assert reason_of(path) == "too_large"


def test_limits_are_limits(tmp_path):
    path = write_record(twelve_leads(), tmp_path / "r1.hea")
    for limits in (
        Limits(max_leads=11),
        Limits(max_rate=499),
        Limits(max_duration=9.9),
        Limits(max_values=59_999),
        Limits(max_header_bytes=100),
        Limits(max_annotation_bytes=10),
    ):
        assert reason_of(path, limits=limits) == "too_large"
    with open_record(path, limits=Limits(max_values=12_000)) as reader:
        assert reader.read(0, 1000).shape == (1000, 12)
        with pytest.raises(ECGReadError, match="too_large"):
            reader.read(0, 1001)


def test_annotations_that_do_not_fit(tmp_path):
    path = write_record(twelve_leads(), tmp_path / "r1.hea")
    for content in (
        struct.pack("<5H", 59 << 10, 99, 0, 1 << 10, 0),  # all of them beyond the end
        struct.pack("<5H", 59 << 10, 0xFFFF, 0xFFF0, 1 << 10, 0),  # before the start
        b"\x01",
        struct.pack("<2H", 1 << 10 | 5, 1 << 10 | 7),  # cut off
    ):
        path.with_suffix(".atr").write_bytes(content)
        assert reason_of(path) == "bad_annotations"
        assert read_record(path, annotator=None).n_times == 5000


def test_a_few_annotations_that_do_not_fit_are_dropped_and_counted(tmp_path):
    path = write_record(twelve_leads(), tmp_path / "r1.hea")
    beat = 1 << 10
    for words, n_dropped, beats in (
        ((beat | 5, beat | 0, beat | 9), 1, [5, 14]),  # two beats at one sample
        ((beat | 5, beat | 9, 59 << 10, 99, 0, beat), 1, [5, 14]),  # beyond the end
        (
            (59 << 10, 0xFFFF, 0xFFF0, beat, beat | 100, beat | 7),
            1,
            [84, 91],
        ),  # before the start
        ((beat | 50, 59 << 10, 0xFFFF, 0xFFF0, beat), 0, [34, 50]),  # out of order
    ):
        path.with_suffix(".atr").write_bytes(struct.pack(f"<{len(words) + 1}H", *words, 0))
        with open_record(path) as reader:
            assert reader.annotations.r_peaks.tolist() == beats
            assert reader.n_dropped_annotations == n_dropped
            assert reader.warnings == ("dropped_annotations",) * bool(n_dropped)


# ---------------------------------------------------------------- where files lie


def test_links_must_not_lead_out(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    path = wfdb_file(inside)
    (inside / "a.dat").rename(outside / "a.dat")
    (inside / "a.dat").symlink_to(outside / "a.dat")
    assert reason_of(path) == "outside_root"
    assert read_record(path, root=tmp_path).n_times == 10
    (inside / "b.hea").symlink_to(outside / "a.dat")
    assert reason_of(inside / "b.hea") == "outside_root"
    assert reason_of(outside / "a.dat", root=inside) == "outside_root"
    assert reason_of(inside / ".." / "out" / "a.dat", root=inside) == "outside_root"


def test_annotations_must_not_lead_out_either(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    path = write_record(twelve_leads(), inside / "r1.hea")
    (inside / "r1.atr").rename(tmp_path / "r1.atr")
    (inside / "r1.atr").symlink_to(tmp_path / "r1.atr")
    assert reason_of(path) == "outside_root"


def test_files_that_are_not_regular(tmp_path):
    loop = tmp_path / "loop.hea"
    loop.symlink_to(loop)
    assert reason_of(loop) == "not_a_file"
    os.mkfifo(tmp_path / "pipe.hea")
    assert reason_of(tmp_path / "pipe.hea") == "not_a_file"
    assert reason_of(tmp_path) == "not_a_file"
    assert reason_of("/dev/zero") == "not_a_file"
    assert reason_of(tmp_path / "absent.hea") == "missing_file"
    assert reason_of(tmp_path / "absent" / "a.hea") == "missing_file"
    path = wfdb_file(tmp_path)
    (tmp_path / "a.dat").unlink()
    os.mkfifo(tmp_path / "a.dat")
    assert reason_of(path) == "not_a_file"
    (tmp_path / "a.dat").unlink()
    (tmp_path / "a.dat").symlink_to(tmp_path / "a.dat")
    assert reason_of(path) == "not_a_file"


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    path = wfdb_file(tmp_path)
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(ECGReadError, match="unreadable"):
        regular_file(path, tmp_path.resolve())


@pytest.mark.parametrize("name", ["x::y", "s3:", "a[1]", "study [final]", "a*b", "what?"])
@pytest.mark.parametrize("fmt", ["16", "80"])
def test_folders_that_look_like_addresses_or_patterns(tmp_path, name, fmt):
    folder = tmp_path / name
    folder.mkdir()
    path = wfdb_file(folder, "a 1 250 5", f"a.dat {fmt} 200/mV 8 0 0")
    signal = read_record(path).signal[:, 0]
    stored = np.arange(5) if fmt == "16" else np.array([np.nan, np.nan, -127, np.nan, -126])
    np.testing.assert_allclose(signal, stored / 200)


@pytest.mark.parametrize(
    "header",
    [
        "a 2 62.5 100\na_e.dat 16x4 200/mV 16 0 0 0 0 II\na_p.dat 16 1/mmHg 16 0 0 0 0 ABP\n",
        "a 2 -5 100\na_e.dat 16 200/mV 16 0 0 0 0 II\na_p.dat 16 200/mV 16 0 0 0 0 V1\n",
        "a/2 1 250 20\ns1 ten\ns2 10\n",
    ],
)
def test_a_header_that_is_refused_keeps_its_signal_files(tmp_path, header):
    """One recording is refused, not one for each of its files."""
    (tmp_path / "a.hea").write_text(header)
    if header.startswith("a/"):
        for name in ("s1", "s2"):
            (tmp_path / f"{name}.hea").write_text(f"{name} 1 250 10\n{name}.dat 16 0/mV\n")
            (tmp_path / f"{name}.dat").write_bytes(bytes(20))
    else:
        for name in ("a_e.dat", "a_p.dat"):
            (tmp_path / name).write_bytes(bytes(800))
    contents = find_recordings(tmp_path)
    assert [file.path for file in contents.recordings] == ["a.hea"]
    assert contents.refused == []
    with pytest.raises(ECGReadError):
        open_record(tmp_path / "a.hea")


# ---------------------------------------------------------------- other formats


def test_foreign_formats_give_advice(tmp_path):
    path = tmp_path / "x"
    for content, hint in (
        (b"GDF 2.20" + bytes(600), "GDF is not supported; convert it to EDF"),
        (b"<?xml version='1.0'?><CardiologyECG/>", "export DICOM"),
        ("<?xml version='1.0'?><waveforms/>".encode("utf-16"), "export DICOM"),
    ):
        path.write_bytes(content)
        with pytest.raises(ECGReadError, match=hint) as caught:
            read_record(path)
        assert caught.value.reason == "unsupported"


TITLE = b"Recordings of Jane Doe\n\nin two visits.\n"


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 5000, b"hello\nworld\n", b"PK\x03\x04xx", TITLE]
)
def test_unknown_formats(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert reason_of(tmp_path / "x") == "unknown_format"


@pytest.mark.parametrize("name", SUFFIX)
def test_truncated_files(tmp_path, name):
    path = write_record(twelve_leads(), tmp_path / f"r1{SUFFIX[name]}")
    data = path.with_suffix(".dat") if name == "wfdb" else path
    content = data.read_bytes()
    if name == "csv":  # cut inside a line; a table that ends after one is whole
        data.write_bytes(content[: content.rindex(b",")])
        assert reason_of(path) == "bad_header"
        return
    data.write_bytes(content[: int(len(content) * 0.7)])
    assert reason_of(path) in ("truncated", "damaged")


def edf_with(path, n_signals=12, **fields):
    places = {
        "records": (236, 8),
        "duration": (244, 8),
        "header": (184, 8),
        "signals": (252, 4),
    }
    ns = n_signals
    places |= {
        "low": (256 + ns * 104, 8),
        "high": (256 + ns * 112, 8),
        "bottom": (256 + ns * 120, 8),
        "per_record": (256 + ns * 216, 8),
        "reserved": (192, 44),
    }
    content = bytearray(path.read_bytes())
    for field, value in fields.items():
        place, width = places[field]
        content[place : place + width] = value.encode().ljust(width)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"records": "-1"}, "bad_length"),
        ({"records": "0"}, "bad_length"),
        ({"records": "99999999"}, "truncated"),
        ({"records": "1e3"}, "bad_length"),
        ({"duration": "0"}, "bad_rate"),
        ({"duration": "-1"}, "bad_rate"),
        ({"duration": "nan"}, "bad_rate"),
        ({"duration": "1e-9"}, "too_large"),
        ({"header": "256"}, "bad_header"),
        ({"signals": "-1"}, "bad_length"),
        ({"signals": "9999"}, "too_large"),
        ({"low": "nan"}, "bad_gain"),
        ({"per_record": "-5"}, "bad_length"),
        ({"per_record": "99999999"}, "truncated"),
        ({"per_record": "499"}, "mixed_rates"),
    ],
)
def test_edf_headers(tmp_path, fields, reason):
    record = ECGRecord(twelve_leads().signal, 500, twelve_leads().lead_names)
    path = edf_with(write_record(record, tmp_path / "a.edf"), **fields)
    assert reason_of(path) == reason


@pytest.mark.parametrize("fields", [{"low": "32.767"}, {"bottom": "32767"}])
def test_a_blank_channel_of_edf_is_left_out(tmp_path, fields):
    path = edf_with(write_record(twelve_leads(), tmp_path / "a.edf"), n_signals=13, **fields)
    with open_record(path) as reader:
        assert reader.warnings == ("left_out_channels",)
        assert reader.lead_names == twelve_leads().lead_names[1:]
    assert reason_of(path, leads=["I"]) == "bad_gain"


def test_dicom_with_false_declarations(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    path = write_record(twelve_leads(), tmp_path / "a.dcm")

    def changed(**fields):
        data = pydicom.dcmread(path)
        group = data.WaveformSequence[0]
        for field, value in fields.items():
            holder = group if field in group else group.ChannelDefinitionSequence[0]
            setattr(data if field in data else holder, field, value)
        data.save_as(tmp_path / "b.dcm")
        return tmp_path / "b.dcm"

    assert reason_of(changed(NumberOfWaveformSamples=2**32 - 1)) == "too_large"
    assert reason_of(changed(NumberOfWaveformSamples=5001)) == "truncated"
    assert reason_of(changed(NumberOfWaveformChannels=11)) == "bad_header"
    assert reason_of(changed(SamplingFrequency="0")) == "bad_rate"
    assert reason_of(changed(ChannelSensitivity="0")) == "bad_gain"
    assert reason_of(changed(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")) == "unsupported"
    assert reason_of(changed(WaveformSampleInterpretation="MB")) == "unsupported"
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "b.dcm")
    assert reason_of(tmp_path / "b.dcm") == "unsupported"


def npz_with(path, array, name="signal.npy", header=None):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (
        header or ("<f8", (10, 1))
    )
    head = head.ljust(117) + "\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            name, b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.encode() + array
        )
        archive.writestr(
            "sampling_rate.npy",
            b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
            + "{'descr': '<f8', 'fortran_order': False, 'shape': (), }".ljust(117).encode()
            + b"\n" + struct.pack("<d", 250),
        )  # fmt: skip
    return path


def test_numpy_archives_with_false_declarations(tmp_path):
    path = tmp_path / "a.npz"
    assert read_record(npz_with(path, bytes(80))).n_times == 10
    assert reason_of(npz_with(path, bytes(80), header=("<f8", (10**12, 1)))) == "truncated"
    assert reason_of(npz_with(path, bytes(80), header=("<f8", (-10, -1)))) == "damaged"
    assert reason_of(npz_with(path, bytes(80), header=("|O", (10, 1)))) == "bad_header"
    assert reason_of(npz_with(path, bytes(80), header=("<f8", (10,)))) == "bad_header"
    zeros = bytes(2**24)
    bomb = npz_with(path, zeros, header=("<f8", (2**21, 1)))
    assert bomb.stat().st_size < 2**16
    assert reason_of(bomb, limits=Limits(max_values=2**20)) == "too_large"


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_never_loaded(tmp_path):
    mark = tmp_path / "executed"
    array = np.array([[_Touch(mark)]], dtype=object)
    np.savez(tmp_path / "a.npz", signal=array, sampling_rate=250)
    assert reason_of(tmp_path / "a.npz") == "bad_header"
    (tmp_path / "b.npz").write_bytes(pickle.dumps(_Touch(mark)))
    assert reason_of(tmp_path / "b.npz") == "unknown_format"
    assert not mark.exists()


def test_hdf5_that_points_elsewhere(tmp_path):
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(240)) * 4)
    path = tmp_path / "a.h5"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["tracings"] = np.ones((1, 10, 12))

    def external_storage(file):
        file.create_dataset("tracings", (1, 10, 12), "f8", external=[(str(secret), 0, 960)])

    def external_link(file):
        file["tracings"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "tracings")

    def soft_link(file):
        file["tracings"] = h5py.SoftLink("/elsewhere")

    def virtual(file):
        layout = h5py.VirtualLayout((1, 10, 12), "f8")
        source = h5py.VirtualSource(str(tmp_path / "other.h5"), "tracings", (1, 10, 12))
        layout[:] = source
        file.create_virtual_dataset("tracings", layout)

    for plant in (external_storage, external_link, soft_link, virtual):
        with h5py.File(path, "w") as file:
            plant(file)
        assert reason_of(path, sampling_rate=400) == "bad_header"


def test_hdf5_that_is_large_only_when_unpacked(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", (1, 10**9, 12), "f8", chunks=(1, 10**6, 12))
    assert path.stat().st_size < 2**16
    assert reason_of(path, sampling_rate=400) == "too_large"
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", (1, 10**9, 12), "f8", chunks=(1, 10**6, 12))
    limits = Limits(max_duration=1e9)
    assert reason_of(path, sampling_rate=400, limits=limits) == "too_large"


def test_text_that_is_not_a_table(tmp_path):
    path = tmp_path / "a.csv"
    for text, reason in (
        ("time,II\n0,1\n0.01,x\n0.02,3\n", "damaged"),
        ("time,II\n0,1\n0.01,inf\n0.02,3\n", "damaged"),
        ("time,II\n0,1\n0,2\n0,3\n", "bad_rate"),
        ("time,II\n0,1\n-0.1,2\n-0.2,3\n", "bad_rate"),
        ("time,II\n0,1\n,2\n0.2,3\n", "bad_rate"),
        ("time\n0\n0.1\n", "bad_length"),
        ("2020-01-01 10:00,II\n2020-01-01 10:01,1\n", "bad_rate"),
        ("1,2\n3,4\n", "unknown_format"),
        ("time,II\n0,1\n0.01,2,9\n", "bad_header"),
    ):
        path.write_text(text)
        assert reason_of(path) == reason, text
    path.write_text("time," + ",".join(f"c{i}" for i in range(400)) + "\n" + "0," * 400 + "0\n")
    assert reason_of(path) == "too_large"


def test_a_missing_library_is_reported(tmp_path, monkeypatch):
    path = write_record(twelve_leads(), tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ECGReadError, match=r"sklearn-ecganon\[hdf5\]"):
        read_record(path)


def test_errors_travel_between_processes():
    error = ECGReadError("truncated", "more words")
    again = pickle.loads(pickle.dumps(error))
    assert (again.reason, str(again)) == ("truncated", str(error))
    assert isinstance(again, ValueError)


# ---------------------------------------------------------------- fuzzing


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """One small honest file of each format."""
    folder = tmp_path_factory.mktemp("fuzz")
    record = twelve_leads(n_times=500)
    return {
        name: write_record(record, folder / f"r1{suffix}") for name, suffix in SUFFIX.items()
    }


def survives(path):
    """Either a refusal with a known reason, or a record that keeps its promises."""
    try:
        with open_record(path, limits=Limits(max_values=2**20)) as reader:
            record = reader.record()
    except ECGReadError:
        return None
    assert np.isfinite(record.sampling_rate)
    assert not np.isinf(record.signal).any()
    return record


MUTATIONS = strategies.lists(
    strategies.tuples(
        strategies.integers(0, 2**20), strategies.binary(max_size=6), strategies.integers(0, 6)
    ),
    min_size=1,
    max_size=6,
)


def mutate(content, changes):
    for place, new, cut in changes:
        place %= len(content) + 1
        content = content[:place] + new + content[place + cut :]
    return content


# HDF5's own library is not meant for files that were damaged on purpose.
@pytest.mark.parametrize("name", [name for name in SUFFIX if name != "hdf5"])
def test_damaged_files_of_every_format(samples, name):
    path = samples[name]
    honest = path.read_bytes()

    @hypothesis.settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(MUTATIONS)
    def run(changes):
        path.write_bytes(mutate(honest, changes))
        survives(path)

    try:
        run()
    finally:
        path.write_bytes(honest)


NUMBERS = strategies.one_of(
    strategies.integers(-(10**13), 10**13).map(str),
    strategies.floats().map(repr),
    strategies.sampled_from(["", "0", "-1", "nan", "1e999", "٣", "0x10", "1_000", "+5", "~"]),
)
WORDS = strategies.text(strategies.characters(max_codepoint=0x2FF), max_size=8)


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(strategies.data())
def test_wfdb_headers_with_one_field_replaced(data):
    """What is still read must say the same to wfdb as it does to us."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = wfdb_file(folder, "a 1 250 10", "a.dat 80 200(3)/mV 8 0 0 45 0 II")
        lines = [line.split(" ") for line in path.read_text().splitlines()]
        row = data.draw(strategies.integers(0, 1))
        column = data.draw(strategies.integers(0, len(lines[row]) - 1))
        lines[row][column] = data.draw(NUMBERS | WORDS)
        (folder / "a.dat").write_bytes(bytes([128] * 6 + [137] * 5 + [128] * 9))
        path.write_text("\n".join(" ".join(line) for line in lines) + "\n", "utf-8")
        record = survives(path)
        # wfdb takes a length of 0 for an empty record; it means an unknown length.
        if record is not None and parse_header(path.read_bytes(), _Limits()).n_times:
            import wfdb

            theirs = wfdb.rdrecord(str(path.with_suffix("")))
            assert theirs.fs == record.sampling_rate
            unit = {"mV": 1, "uV": 1e-3, "V": 1e3}[theirs.units[0]]
            np.testing.assert_allclose(theirs.p_signal * unit, record.signal)


@hypothesis.settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(strategies.binary(max_size=400))
def test_annotation_files_of_any_bytes(samples, content):
    path = samples["wfdb"].with_suffix(".atr")
    path.write_bytes(content)
    record = survives(samples["wfdb"])
    if record is not None:
        assert (np.diff(record.r_peaks) > 0).all()
