"""No number in a header links a release to its original."""

import re

import numpy as np
import pytest
import wfdb

from sklearn_ecganon.io import create_record, open_record
from tests.test_io import SUFFIX

N_RECORDS, N_TIMES = 12, 2500
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def original(number):
    """A record with extremes, an individual offset and rate, in mV."""
    rng = np.random.default_rng(number)
    signal = np.cumsum(rng.normal(0, 0.02, (N_TIMES, 2)), axis=0) + rng.normal()
    return signal * (1 + 0.3 * np.sin(number)), 250 + 0.01 * (number + 1)


def write_wfdb(path, signal, rate):
    """Let wfdb scale the signal to its own extremes, as `wrsamp` does by default."""
    wfdb.wrsamp(
        path.stem, rate, ["mV"] * 2, ["I", "II"], p_signal=signal, fmt=["16"] * 2,
        write_dir=str(path.parent),
    )  # fmt: skip


def write_edf(path, signal, rate):
    edfio = pytest.importorskip("edfio")
    edfio.Edf(
        [
            edfio.EdfSignal(lead, 250, label=label, physical_dimension="mV")
            for lead, label in zip(signal.T, ("ECG I", "ECG II"), strict=True)
        ]
    ).write(path)
    # The duration of a data record carries the rate.
    content = bytearray(path.read_bytes())
    duration = float(content[244:252]) * 250 / rate
    content[244:252] = f"{duration:.6f}".encode()[:8]
    path.write_bytes(content)


def write_dicom(path, signal, rate):
    pydicom = pytest.importorskip("pydicom")
    from sklearn_ecganon.io import Layout

    with create_record(path, Layout("dicom", 250, ("I", "II"), N_TIMES)) as writer:
        writer.write(signal)
    data = pydicom.dcmread(path)
    group = data.WaveformSequence[0]
    group.SamplingFrequency = f"{rate:.6f}"
    for lead, channel in zip(signal.T, group.ChannelDefinitionSequence, strict=True):
        channel.ChannelSensitivity = f"{np.abs(lead).max() / 32:.9f}"
        channel.ChannelBaseline = f"{lead.mean():.9f}"
    data.save_as(path)


def write_npz(path, signal, rate):
    np.savez(path, signal=signal, sampling_rate=rate, lead_names=np.array(["I", "II"]))


def write_hdf5(path, signal, rate):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        data = file.create_dataset("tracings", data=signal[np.newaxis])
        data.attrs["sampling_rate"] = rate
        data.attrs["scale"] = np.abs(signal).max()


WRITE = {
    "wfdb": write_wfdb,
    "edf": write_edf,
    "dicom": write_dicom,
    "npz": write_npz,
    "hdf5": write_hdf5,
}


def numbers_in_header(path):
    """Return every number that stands in the header of a file."""
    if path.suffix == ".hea":
        text = path.read_text()
    elif path.suffix == ".edf":
        content = path.read_bytes()
        text = content[: int(content[184:192])].decode("latin-1")
        # Fields stand side by side; those of numbers have eight characters each.
        main, signals = text[236:252], text[256:]
        text = " ".join(main[i : i + 8] for i in range(0, len(main), 8))
        text += " " + " ".join(signals[i : i + 8] for i in range(0, len(signals), 8))
    elif path.suffix == ".dcm":
        import pydicom

        data = pydicom.dcmread(path)
        elements = [element for element in data.iterall() if element.keyword != "WaveformData"]
        text = " ".join(
            str(element.value) for element in elements if element.VR not in ("UI", "SQ")
        )
    elif path.suffix == ".h5":
        import h5py

        with h5py.File(path) as file:
            attributes = [dict(item.attrs) for item in (file, *file.values())]
        text = " ".join(repr(float(v)) for values in attributes for v in values.values())
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            text = repr(float(arrays["sampling_rate"]))
    else:
        import pandas as pd

        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        text = repr(1 / (table["time"].iloc[-1] / (len(table) - 1)))
    return {round(float(number), 9) for number in NUMBER.findall(text)}


def release(source, target, name, number):
    """Write something else under a header that comes from the original's layout."""
    with open_record(source) as reader:
        layout = reader.layout.in_format(name)
        noise = np.random.default_rng(1000 + number).normal(0, 0.3, (layout.n_times, 2))
        with create_record(target, layout) as writer:
            writer.write(noise)
    assert writer.n_clipped == 0


@pytest.mark.parametrize("source", WRITE)
@pytest.mark.parametrize("target", SUFFIX)
def test_no_number_of_a_header_is_unique_to_a_record(tmp_path, source, target):
    before, after = [], []
    for number in range(N_RECORDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / f"a{SUFFIX[source]}"
        WRITE[source](path, *original(number))
        out = folder / f"b{SUFFIX[target]}"
        release(path, out, target, number)
        before.append(numbers_in_header(path))
        after.append(numbers_in_header(out))
    # The headers of the inputs differ; otherwise this test would prove nothing.
    unique = [
        numbers - set().union(*(before[:i] + before[i + 1 :]))
        for i, numbers in enumerate(before)
    ]
    assert all(unique)
    constant = set.intersection(*after)  # what all releases have in common links none of them
    shared = [
        numbers & released - constant for numbers, released in zip(unique, after, strict=True)
    ]
    assert shared == [set()] * N_RECORDS


@pytest.mark.parametrize("name", [name for name in SUFFIX if name in WRITE])
def test_headers_of_releases_are_all_alike(tmp_path, name):
    """Rate, gain and ranges of twelve releases of different originals are the same."""
    headers = set()
    for number in range(N_RECORDS):
        path = tmp_path / f"a{number}{SUFFIX[name]}"
        WRITE[name](path, *original(number))
        out = tmp_path / f"b{number}{SUFFIX[name]}"
        release(path, out, name, number)
        with open_record(out) as reader:
            headers.add((reader.sampling_rate, reader.gain, reader.layout.variant))
    assert len(headers) == 1
