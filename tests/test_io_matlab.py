"""Arrays of MATLAB in the layouts of the challenges."""

import zlib

import numpy as np
import pytest
import scipy.io

from sklearn_ecganon.io import (
    ECGReadError,
    Limits,
    _matlab,
    find_recordings,
    open_record,
    read_record,
)
from tests.hospital_files import rhythm

SIGNAL = rhythm(3000, 12)


def reason_of(path, **options):
    with pytest.raises(ECGReadError) as caught:
        read_record(path, **options)
    return caught.value.reason


def write_73(path, arrays):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116))
    return path


def write(path, version, arrays):
    if version == "7.3":
        return write_73(path, arrays)
    scipy.io.savemat(path, arrays, format=version[0], do_compression=version == "5 compressed")
    return path


VERSIONS = ["4", "5", "5 compressed", "7.3"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transposed", [False, True])
def test_versions(tmp_path, version, transposed):
    array = SIGNAL if transposed else SIGNAL.T
    path = write(tmp_path / "a.mat", version, {"val": array, "fs": np.array([[500.0]])})
    with open_record(path) as reader:
        assert (reader.layout.format, reader.sampling_rate) == ("matlab", 500.0)
        assert reader.lead_names[:4] == ("I", "II", "III", "aVR")
        np.testing.assert_allclose(reader.read(), SIGNAL)
    assert find_recordings(tmp_path).recordings[0].format == "matlab"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_single_lead(tmp_path, version):
    path = write(tmp_path / "a.mat", version, {"val": SIGNAL[:, :1].T})
    np.testing.assert_allclose(read_record(path, sampling_rate=500).signal, SIGNAL[:, :1])


@pytest.mark.parametrize("version", VERSIONS)
def test_microvolts_as_integers(tmp_path, version):
    array = np.rint(SIGNAL.T * 1000).astype("<i2")
    path = write(tmp_path / "a.mat", version, {"val": array})
    assert reason_of(path) == "bad_rate"
    with pytest.raises(ECGReadError, match="would fit uV"):
        read_record(path, sampling_rate=500)
    record = read_record(path, sampling_rate=500, units="uV")
    np.testing.assert_allclose(record.signal, SIGNAL, atol=0.51e-3)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_structures(tmp_path, version):
    if version == "7.3":
        path = write(tmp_path / "a.mat", version, {"ECG/data": SIGNAL.T, "ECG/sex": [1]})
    else:
        ecg = {"sex": "Female", "age": 74, "data": SIGNAL.T}
        path = write(tmp_path / "a.mat", version, {"ECG": ecg})
    record = read_record(path, sampling_rate=500)
    np.testing.assert_allclose(record.signal, SIGNAL)


def test_a_header_of_wfdb_beside_it_says_more(tmp_path):
    array = np.rint(SIGNAL[:, :1].T * 1000).astype("<i2")
    scipy.io.savemat(tmp_path / "A0001.mat", {"val": array}, format="4")
    (tmp_path / "A0001.hea").write_text(
        "A0001 1 500 3000 05-Feb-2020 11:39:16\nA0001.mat 16+24 1000/mV\n"
    )
    (file,) = find_recordings(tmp_path).recordings
    assert (file.path, file.format) == ("A0001.hea", "wfdb")
    record = read_record(tmp_path / "A0001.hea")
    np.testing.assert_allclose(record.signal, SIGNAL[:, :1], atol=0.51e-3)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "arrays", [{"weights": SIGNAL}, {"val": np.zeros((2, 3), bool) * 1.0j}]
)
def test_other_arrays(tmp_path, version, arrays):
    path = write(tmp_path / "a.mat", version, arrays)
    # Complex numbers of version 4 are not even taken for a recording.
    assert reason_of(path, sampling_rate=500) in ("bad_header", "unknown_format")


def test_arrays_that_are_large_only_when_unpacked(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"val": np.zeros((12, 2**19))}, do_compression=True)
    assert path.stat().st_size < 2**18
    assert reason_of(path, sampling_rate=500, limits=Limits(max_values=2**20)) == "too_large"
    # An element that unpacks without an end in sight.
    bomb = zlib.compress(bytes(2**24))
    head = path.read_bytes()[:128]
    path.write_bytes(head + (15).to_bytes(4, "little") + len(bomb).to_bytes(4, "little") + bomb)
    assert reason_of(path, sampling_rate=500, limits=Limits(max_values=2**20)) == "too_large"


def test_links_in_version_73_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    write_73(tmp_path / "other.mat", {"val": SIGNAL})
    path = write_73(tmp_path / "a.mat", {"x1": [1.0]})
    with h5py.File(path, "r+") as file:
        file["val"] = h5py.ExternalLink(str(tmp_path / "other.mat"), "val")
    assert reason_of(path, sampling_rate=500) == "bad_header"


@pytest.mark.parametrize("version", ["4", "5", "5 compressed"])
def test_damaged_files(tmp_path, version):
    path = write(tmp_path / "a.mat", version, {"val": SIGNAL[:200].T})
    honest = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(12):  # each runs in a separate process
        content = bytearray(honest)
        for place in rng.integers(0, min(len(honest), 400), 3):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content[: rng.integers(10, len(content) + 1)])
        try:
            record = read_record(path, sampling_rate=500, limits=Limits(max_values=2**20))
        except ECGReadError:
            continue
        assert not np.isinf(record.signal).any()


def test_a_decoder_that_crashes_refuses_one_file(tmp_path, monkeypatch):
    """SciPy is compiled: a damaged file may end the process, which must not be ours."""
    path = write(tmp_path / "a.mat", "5", {"val": SIGNAL.T})
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(_matlab, "_SCRIPT", crash)
    assert reason_of(path, sampling_rate=500) == "damaged"
    crash.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(_matlab, "_MOST_SECONDS", 0.5)
    assert reason_of(path, sampling_rate=500) == "too_large"
