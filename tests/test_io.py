"""Files in and files out: what goes in comes out, in every format, whole or in stretches."""

import contextlib
import os
import re
import subprocess
import sys
import tracemalloc
import warnings
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import wfdb

from sklearn_ecganon import ECGRecord, make_ecg_records
from sklearn_ecganon.io import (
    FORMATS,
    Annotations,
    ECGReadError,
    Layout,
    Limits,
    create_record,
    open_record,
    read_record,
    write_record,
)
from sklearn_ecganon.io._channels import is_other_signal
from sklearn_ecganon.io._dicom_writer import _kind
from sklearn_ecganon.io._errors import REASONS
from sklearn_ecganon.io._layout import STANDARD_LEADS, allowed_leads
from sklearn_ecganon.io._quantization import GAINS
from sklearn_ecganon.io._wfdb_annotations import decode_annotations, encode_annotations

#: Half a unit of the digital formats at 1000 units a mV, and of the text and float32 ones.
STEP = 0.5001e-3
SUFFIX = {
    "wfdb": ".hea",
    "edf": ".edf",
    "dicom": ".dcm",
    "csv": ".csv",
    "parquet": ".parquet",
    "hdf5": ".h5",
    "npz": ".npz",
}


def twelve_leads(n_times=5000, rate=500.0, seed=0):
    rng = np.random.default_rng(seed)
    signal = np.cumsum(rng.normal(0, 0.02, (n_times, 12)), axis=0)
    peaks = np.arange(200, n_times - 100, 400)
    labels = np.resize(["N", "V", "N", "S"], len(peaks))
    return ECGRecord(signal, rate, STANDARD_LEADS, r_peaks=peaks, beat_labels=labels)


@pytest.fixture
def record():
    return twelve_leads()


def test_every_format_is_tried_here():
    assert set(SUFFIX) == {name for name, format in FORMATS.items() if format.writer}
    assert all(suffix in FORMATS[name].suffixes for name, suffix in SUFFIX.items())


@pytest.mark.parametrize("name", SUFFIX)
def test_written_records_are_read_again(tmp_path, record, name):
    path = write_record(record, tmp_path / f"r1{SUFFIX[name]}")
    again = read_record(path)
    assert (again.sampling_rate, again.lead_names, again.name) == (500.0, STANDARD_LEADS, "r1")
    np.testing.assert_allclose(again.signal, record.signal, rtol=0, atol=STEP)
    if name in ("wfdb", "edf", "npz"):
        np.testing.assert_array_equal(again.r_peaks, record.r_peaks)
        np.testing.assert_array_equal(again.beat_labels, record.beat_labels)
    else:
        assert again.r_peaks is None


@pytest.mark.parametrize("name", SUFFIX)
def test_a_copy_by_template_loses_nothing_and_is_byte_identical(tmp_path, record, name):
    path = write_record(record, tmp_path / f"r1{SUFFIX[name]}")
    copies = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        with open_record(path) as reader:
            new = write_record(reader.record(), tmp_path / folder / path.name, template=reader)
        copies.append(new.read_bytes())
        np.testing.assert_array_equal(read_record(new).signal, read_record(path).signal)
        with open_record(new) as again:
            assert again.layout == reader.layout
    assert copies[0] == copies[1] == path.read_bytes()


@pytest.mark.parametrize("name", SUFFIX)
def test_format_is_recognized_by_content_not_by_name(tmp_path, record, name):
    path = write_record(record, tmp_path / f"r1{SUFFIX[name]}")
    if name != "wfdb":
        path = path.rename(tmp_path / "r1.hea")
    with open_record(path) as reader:
        assert reader.layout.format == name


@pytest.mark.parametrize("name", SUFFIX)
def test_segments_add_up_to_the_whole(tmp_path, record, name):
    path = write_record(record, tmp_path / f"r1{SUFFIX[name]}")
    whole = read_record(path).signal
    with open_record(path) as reader:
        np.testing.assert_array_equal(np.concatenate(list(reader.chunks(777))), whole)
        np.testing.assert_array_equal(reader.read(499, 1503), whole[499:1503])
        new = tmp_path / f"r2{SUFFIX[name]}"
        with create_record(new, reader.layout, reader.annotations) as writer:
            for chunk in reader.chunks(333):
                writer.write(chunk)
        assert writer.n_clipped == 0
    content = new.read_bytes()
    content = content.replace(b"r2", b"r1") if name == "wfdb" else content
    assert content == path.read_bytes()
    np.testing.assert_array_equal(read_record(new).signal, whole)


@pytest.mark.parametrize("name", SUFFIX)
def test_leads_can_be_chosen(tmp_path, record, name):
    path = write_record(record, tmp_path / f"r1{SUFFIX[name]}")
    some = read_record(path, leads=["V2", "II"])
    assert some.lead_names == ("V2", "II")
    np.testing.assert_allclose(some.signal, record.signal[:, [7, 1]], rtol=0, atol=STEP)
    with pytest.raises(ECGReadError, match="no_lead"):
        read_record(path, leads=["V9"])
    with pytest.raises(ValueError, match="give a list"):
        read_record(path, leads="II")


@pytest.mark.parametrize("name", ["wfdb", "dicom", "csv", "parquet", "npz"])
def test_gaps_are_kept(tmp_path, record, name):
    signal = record.signal.copy()
    signal[100:220, 3] = np.nan
    path = write_record(replace(record, signal=signal), tmp_path / f"r1{SUFFIX[name]}")
    np.testing.assert_array_equal(np.isnan(read_record(path).signal), np.isnan(signal))


def test_gaps_become_zero_where_a_format_has_none(tmp_path, record):
    signal = record.signal.copy()
    signal[100:220, 3] = np.nan
    path = write_record(replace(record, signal=signal), tmp_path / "r1.edf")
    assert np.abs(read_record(path).signal[100:220, 3]).max() <= STEP


# ---------------------------------------------------------------- WFDB


def test_wfdb_reads_what_we_write_with_right_checksums(tmp_path, record):
    path = write_record(record, tmp_path / "r1.hea")
    raw = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
    assert raw.calc_checksum() == [checksum % 65536 for checksum in raw.checksum]
    assert raw.init_value == raw.d_signal[0].tolist()
    assert (raw.fmt, raw.sig_name) == (["16"] * 12, list(STANDARD_LEADS))
    assert (raw.comments, raw.base_date, raw.base_time) == ([], None, None)
    annotations = wfdb.rdann(str(path.with_suffix("")), "atr")
    assert annotations.sample.tolist() == record.r_peaks.tolist()
    assert annotations.symbol == record.beat_labels.tolist()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r1.atr", "r1.dat", "r1.hea"]


WFDB_FORMATS = [
    "8",
    "16",
    "24",
    "32",
    "61",
    "80",
    "160",
    "212",
    "310",
    "311",
    "508",
    "516",
    "524",
]


def _triplets(digital):
    flat = np.append(digital, np.zeros(-digital.size % 3, int)) & 0x3FF
    return flat.reshape(-1, 3).astype("<u4").T


def _format_310(digital):
    a, b, c = _triplets(digital)
    words = [a << 1 | (c & 31) << 11, b << 1 | c >> 5 << 11]
    return np.stack(words, axis=1).astype("<u2")


def _format_311(digital):
    a, b, c = _triplets(digital)
    return a | b << 10 | c << 20


#: What wfdb reads but does not write.
_PACKED = {
    "8": lambda digital: np.diff(digital, axis=0, prepend=digital[:1]).astype("i1"),
    "61": lambda digital: digital.astype(">i2"),
    "160": lambda digital: (digital + 2**15).astype("<u2"),
    "310": _format_310,
    "311": _format_311,
}


def write_with_wfdb(folder, name, fmt, n_times=3001, n_leads=3, gain=50.0):
    rng = np.random.default_rng(0)
    digital = rng.integers(-100, 100, (n_times, n_leads))
    if fmt == "8":  # differences of at most 127
        digital = np.cumsum(rng.integers(-9, 9, (n_times, n_leads)), axis=0)
    if fmt not in _PACKED:
        wfdb.wrsamp(
            name,
            250,
            ["mV"] * n_leads,
            ["I", "II", "III"][:n_leads],
            d_signal=digital,
            fmt=[fmt] * n_leads,
            adc_gain=[gain] * n_leads,
            baseline=[3] * n_leads,
            write_dir=str(folder),
        )
        return digital
    _PACKED[fmt](digital).tofile(folder / f"{name}.dat")
    lines = [f"{name} {n_leads} 250 {n_times}"]
    for lead in range(n_leads):
        checksum = (int(digital[:, lead].sum()) + 2**15) % 2**16 - 2**15
        lines.append(
            f"{name}.dat {fmt} {gain}(3)/mV 16 0 {digital[0, lead]} {checksum} 0 "
            + ["I", "II", "III"][lead]
        )
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return digital


@pytest.mark.parametrize("fmt", WFDB_FORMATS)
def test_all_storage_formats_of_wfdb(tmp_path, fmt):
    digital = write_with_wfdb(tmp_path, "a", fmt)
    with open_record(tmp_path / "a.hea") as reader:
        np.testing.assert_array_equal(reader.read(), (digital - 3) / 50.0)
        np.testing.assert_array_equal(reader.read(1001, 1500), (digital[1001:1500] - 3) / 50.0)
        assert reader.gain == (50.0, 50.0, 50.0)
        path = write_record(reader.record(), tmp_path / "b.hea", template=reader)
    np.testing.assert_allclose(read_record(path).signal, (digital - 3) / 50.0, atol=1e-9)


@pytest.mark.parametrize("unit", ["mV", "uV", "µV", "V"])
def test_units_of_wfdb(tmp_path, unit):
    np.arange(10, dtype="<i2").tofile(tmp_path / "a.dat")
    (tmp_path / "a.hea").write_text(f"a 1 250 10\na.dat 16 2/{unit} 16 0 0 45 0 II\n", "utf-8")
    factor = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3}[unit]
    expected = np.arange(10) / 2 * factor
    np.testing.assert_allclose(read_record(tmp_path / "a.hea").signal[:, 0], expected)


def test_a_channel_that_is_no_voltage_is_left_out_and_reported(tmp_path):
    np.arange(20, dtype="<i2").tofile(tmp_path / "a.dat")
    (tmp_path / "a.hea").write_text(
        "a 2 250 10\na.dat 16 2/mV 16 0 0 90 0 II\na.dat 16 2/mmHg 16 0 1 100 0 ABP\n"
    )
    with open_record(tmp_path / "a.hea") as reader:
        assert reader.warnings == ("left_out_channels",)
        assert reader.lead_names == ("II",)
        assert reader.read()[:, 0].tolist() == list(range(10))
    assert open_record(tmp_path / "a.hea", leads=["II"]).warnings == ()
    with pytest.raises(ECGReadError, match="bad_units"):
        open_record(tmp_path / "a.hea", leads=["lead 2"])


def test_a_recording_without_an_ecg_is_refused(tmp_path):
    np.arange(10, dtype="<i2").tofile(tmp_path / "a.dat")
    line = "a 1 250 10\na.dat 16 2/{} 16 0 0 45 0 {}\n"
    (tmp_path / "a.hea").write_text(line.format("mmHg", "ABP"))
    with pytest.raises(ECGReadError, match="bad_units"):
        open_record(tmp_path / "a.hea")
    (tmp_path / "a.hea").write_text(line.format("uV", "EEG Fpz-Cz"))
    with pytest.raises(ECGReadError, match="no_ecg"):
        open_record(tmp_path / "a.hea")
    assert open_record(tmp_path / "a.hea", leads=["lead 1"]).n_times == 10


@pytest.mark.parametrize(
    ("name", "covers"),
    [("wfdb", 32_767), ("edf", 32_767), ("bdf", 8_388_000), ("dicom", 32_767)],
)
@pytest.mark.parametrize("peak", [1.0, 32.0, 33.0, 150.0, 2000.0])
def test_the_gain_follows_the_amplitude_and_nothing_is_clipped(tmp_path, name, covers, peak):
    """A large value in the last chunk coarsens what was written before, lead by lead."""
    layout = Layout("edf" if name == "bdf" else name, 250.0, ("I", "II"), 3000,
                    variant="bdf" if name == "bdf" else "")  # fmt: skip
    signal = np.random.default_rng(0).normal(0, 0.3, (3000, 2))
    signal[2900, 1] = peak
    path = tmp_path / f"a{SUFFIX[layout.format]}"
    with create_record(path, layout) as writer:
        for start in range(0, 3000, 700):
            writer.write(signal[start : start + 700])
    assert writer.n_clipped == 0
    with open_record(path) as reader:
        again, gain = reader.read(), np.array(reader.gain)
    coarsest = next(g for g in GAINS if peak * g <= covers)
    np.testing.assert_allclose(gain, [1000, coarsest])
    # Scaled once at most: half a step of each gain.
    assert np.abs(again[:, 0] - signal[:, 0]).max() <= 0.5001 / 1000
    assert np.abs(again[:, 1] - signal[:, 1]).max() <= 0.5001 / coarsest + 0.5001 / 1000
    if name == "wfdb":
        raw = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
        assert raw.calc_checksum() == [checksum % 65536 for checksum in raw.checksum]
        assert raw.init_value == raw.d_signal[0].tolist()


@pytest.mark.parametrize("name", ["wfdb", "edf"])
def test_gaps_and_annotations_survive_a_change_of_gain(tmp_path, name):
    layout = Layout(name, 250.0, ("I",), 1000)
    signal = np.linspace(-1, 1, 1000)[:, np.newaxis].copy()
    signal[100:200] = np.nan
    signal[-1] = 400.0
    peaks = Annotations.of_beats([50, 300, 990])
    with create_record(tmp_path / f"a{SUFFIX[name]}", layout, peaks) as writer:
        for start in range(0, 1000, 270):
            writer.write(signal[start : start + 270])
    record = read_record(tmp_path / f"a{SUFFIX[name]}")
    assert record.r_peaks.tolist() == [50, 300, 990]
    expected = signal if name == "wfdb" else np.nan_to_num(signal)
    np.testing.assert_allclose(record.signal, expected, atol=0.0106)


def test_skewed_signals_are_aligned(tmp_path):
    np.arange(40, dtype="<i2").tofile(tmp_path / "a.dat")
    (tmp_path / "a.hea").write_text(
        "a 2 250 20\na.dat 16:2 1/mV 16 0 0 380 0 I\na.dat 16 1/mV 16 0 1 400 0 II\n"
    )
    signal = read_record(tmp_path / "a.hea").signal
    assert signal[:18, 0].tolist() == list(range(4, 40, 2))
    assert np.isnan(signal[18:, 0]).all()
    assert signal[:, 1].tolist() == list(range(1, 41, 2))


def test_segments_of_fixed_layout_are_joined_and_gaps_are_nan(tmp_path):
    one = write_with_wfdb(tmp_path, "s1", "16", n_times=100)
    two = write_with_wfdb(tmp_path, "s2", "212", n_times=50)
    (tmp_path / "m.hea").write_text("m/3 3 250 160\ns1 100\n~ 10\ns2 50\n")
    with open_record(tmp_path / "m.hea") as reader:
        signal = reader.read()
        np.testing.assert_array_equal(reader.read(90, 130), signal[90:130])
    np.testing.assert_array_equal(signal[:100], (one - 3) / 50)
    assert np.isnan(signal[100:110]).all()
    np.testing.assert_array_equal(signal[110:], (two - 3) / 50)


def test_segments_of_variable_layout_are_put_where_their_leads_are(tmp_path):
    one = write_with_wfdb(tmp_path, "s1", "16", n_times=100, n_leads=1)
    two = write_with_wfdb(tmp_path, "s2", "16", n_times=50, n_leads=2)
    (tmp_path / "l.hea").write_text(
        "l 2 250 0\n~ 0 50/mV 0 0 0 0 0 II\n~ 0 50/mV 0 0 0 0 0 I\n"
    )
    (tmp_path / "m.hea").write_text("m/3 2 250 150\nl 0\ns1 100\ns2 50\n")
    record = read_record(tmp_path / "m.hea")
    assert record.lead_names == ("II", "I")
    assert np.isnan(record.signal[:100, 0]).all()
    np.testing.assert_array_equal(record.signal[:100, 1], (one[:, 0] - 3) / 50)
    np.testing.assert_array_equal(record.signal[100:], (two[:, [1, 0]] - 3) / 50)


def test_a_single_segment_keeps_its_place_and_its_leads(tmp_path):
    one = (write_with_wfdb(tmp_path, "s1", "16", n_times=100, n_leads=2) - 3) / 50
    (tmp_path / "m.hea").write_text("m/3 2 250 130\n~ 10\ns1 100\n~ 20\n")
    signal = read_record(tmp_path / "m.hea").signal
    np.testing.assert_array_equal(signal[10:110], one)
    assert np.isnan(signal[:10]).all()
    assert np.isnan(signal[110:]).all()
    (tmp_path / "l.hea").write_text(
        "l 2 250 0\n~ 0 50/mV 0 0 0 0 0 II\n~ 0 50/mV 0 0 0 0 0 I\n"
    )
    (tmp_path / "v.hea").write_text("v/2 2 250 100\nl 0\ns1 100\n")
    record = read_record(tmp_path / "v.hea")
    assert record.lead_names == ("II", "I")
    np.testing.assert_array_equal(record.signal, one[:, ::-1])
    (tmp_path / "e.hea").write_text("e/2 2 250 100\nl 0\n~ 100\n")
    with pytest.raises(ECGReadError, match="bad_length"):
        read_record(tmp_path / "e.hea")


def test_annotations_come_from_the_requested_annotator(tmp_path, record):
    path = write_record(record, tmp_path / "r1.hea")
    (tmp_path / "r1.atr").rename(tmp_path / "r1.qrs")
    assert read_record(path).r_peaks is None
    assert read_record(path, annotator=None).r_peaks is None
    assert read_record(path, annotator="qrs").r_peaks.tolist() == record.r_peaks.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_annotations_are_those_of_wfdb_both_ways(tmp_path, seed):
    rng = np.random.default_rng(seed)
    n = 300
    steps = rng.choice([0, 1, 500, 1023, 1024, 70_000, 5_000_000], n)
    samples = np.cumsum(steps) + np.arange(n)
    symbols = rng.choice(list('NLRaVFJASEj/Qrefn?~|sT*D=pB^t+u![]x()"@'), n).tolist()
    notes = [rng.choice(["(AFIB", "(N", "Jane Doe", ""]) if s in '+"' else "" for s in symbols]
    wfdb.wrann(
        "a", "atr", samples, symbols, aux_note=notes, write_dir=str(tmp_path),
        chan=rng.integers(0, 3, n), num=rng.integers(0, 3, n), subtype=rng.integers(0, 3, n),
    )  # fmt: skip
    expected = Annotations(samples, symbols, notes)
    ours = decode_annotations((tmp_path / "a.atr").read_bytes(), 250.0)
    (tmp_path / "b.atr").write_bytes(encode_annotations(ours))
    theirs = wfdb.rdann(str(tmp_path / "b"), "atr")
    for decoded in (ours, Annotations(theirs.sample, theirs.symbol, theirs.aux_note)):
        np.testing.assert_array_equal(decoded.samples, expected.samples)
        np.testing.assert_array_equal(decoded.symbols, expected.symbols)
        np.testing.assert_array_equal(decoded.notes, expected.notes)


def test_annotations_at_another_rate_are_converted(tmp_path):
    wfdb.wrann("a", "atr", np.array([100, 300]), ["N", "V"], fs=1000, write_dir=str(tmp_path))
    annotations = decode_annotations((tmp_path / "a.atr").read_bytes(), 250.0)
    assert annotations.samples.tolist() == [25, 75]


def test_checksums_are_verified_and_may_be_ignored(tmp_path, record):
    path = write_record(record, tmp_path / "r1.hea")
    dat = bytearray(path.with_suffix(".dat").read_bytes())
    dat[500] ^= 1
    path.with_suffix(".dat").write_bytes(dat)
    with pytest.raises(ECGReadError, match="bad_checksum"):
        open_record(path)
    limits = Limits(checksum="warn")
    assert open_record(path, limits=limits).warnings == ("bad_checksum",)
    with pytest.warns(UserWarning, match="bad_checksum"):
        read_record(path, limits=limits)
    with pytest.raises(ValueError, match="'refuse' or 'warn'"):
        Limits(checksum="ignore")


@pytest.mark.parametrize("record_line", ["a 3 250", "a 3 250 0"])
@pytest.mark.parametrize("fmt", WFDB_FORMATS)
def test_a_header_without_a_length(tmp_path, fmt, record_line):
    digital = write_with_wfdb(tmp_path, "a", fmt)
    path = tmp_path / "a.hea"
    path.write_text("\n".join([record_line, *path.read_text().splitlines()[1:]]) + "\n")
    with open_record(path) as reader:
        assert 3001 <= reader.n_times <= 3002  # packed formats fill up their last word
        np.testing.assert_array_equal(reader.read(0, 3001), (digital - 3) / 50.0)
        np.testing.assert_array_equal(reader.read(99, 444), (digital[99:444] - 3) / 50.0)


# ---------------------------------------------------------------- EDF


def test_edfio_reads_what_we_write(tmp_path, record):
    edfio = pytest.importorskip("edfio")
    path = write_record(record, tmp_path / "r1.edf")
    edf = edfio.read_edf(path)
    assert edf.labels == tuple(f"ECG {lead}" for lead in STANDARD_LEADS)
    assert edf.is_continuous
    assert edf.duration == 10
    np.testing.assert_allclose(
        np.array([signal.data for signal in edf.signals]).T, record.signal, rtol=0, atol=STEP
    )
    assert [mark.text for mark in edf.annotations] == record.beat_labels.tolist()
    onsets = [mark.onset * 500 for mark in edf.annotations]
    np.testing.assert_allclose(onsets, record.r_peaks, atol=1e-3)
    assert edf.local_patient_identification == "X X X X"


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_we_read_what_edfio_writes(tmp_path, kind):
    edfio = pytest.importorskip("edfio")
    rng = np.random.default_rng(0)
    edf_class, signal_class = {
        "edf": (edfio.Edf, edfio.EdfSignal),
        "bdf": (edfio.Bdf, edfio.BdfSignal),
    }[kind]
    data = rng.normal(0, 500, (2, 2560))
    signals = [
        signal_class(row, 256, label=label, physical_dimension="uV", physical_range=(-3e3, 3e3))
        for row, label in zip(data, ["ECG II", "ECG V5"], strict=True)
    ]
    slow = signal_class(np.arange(10.0), 1, label="SpO2", physical_dimension="%")
    annotations = [edfio.EdfAnnotation(1.5, None, "V"), edfio.EdfAnnotation(2, 0.5, "remark")]
    edf_class([*signals, slow], annotations=annotations).write(tmp_path / "a.edf")
    with open_record(tmp_path / "a.edf") as reader:
        assert reader.lead_names == ("II", "V5")
        assert reader.warnings == ("left_out_channels",)
        read = edfio.read_edf if kind == "edf" else edfio.read_bdf
        expected = [signal.data for signal in read(tmp_path / "a.edf").signals[:2]]
        np.testing.assert_allclose(reader.read(), np.transpose(expected) / 1000, atol=1e-9)
        assert reader.annotations.r_peaks.tolist() == [384]
        assert reader.layout.variant == f"{kind}+"
        path = write_record(reader.record(), tmp_path / "b.edf", template=reader)
    with open_record(path) as again:
        assert again.layout == reader.layout
        np.testing.assert_allclose(again.read(), reader.read(), rtol=0, atol=STEP)


def test_edf_refuses_a_length_that_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="EDF cannot hold 650011 samples at 360 Hz"):
        write_record(ECGRecord(np.zeros(650011), 360.0), tmp_path / "a.edf")
    assert list(tmp_path.iterdir()) == []


def test_edf_rounds_a_duration_that_has_no_end(tmp_path):
    """A data record of 400 samples at 360 Hz takes 1.1111... s: too long for EDF."""
    peaks = np.arange(1000, 649_000, 5000)
    record = ECGRecord(np.zeros(650_000), 360.0, r_peaks=peaks)
    again = read_record(write_record(record, tmp_path / "a.edf"))
    assert again.sampling_rate == 360.0
    np.testing.assert_array_equal(again.r_peaks, peaks)


# ---------------------------------------------------------------- DICOM

#: All that a written object has, with what the basic profile of PS3.15 table E.1-1 does to it:
#: empty it (Z), put a dummy in its place (D), make a new UID (U). Without a letter: the
#: profile has no rule, and it is about samples or says what was done.
PROFILE = {
    **dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "PatientSex"), "Z"),
    **dict.fromkeys(("StudyDate", "StudyTime", "StudyID", "AccessionNumber"), "Z"),
    **dict.fromkeys(("ReferringPhysicianName", "AcquisitionContextSequence"), "Z"),
    **dict.fromkeys(("ContentDate", "ContentTime", "AcquisitionDateTime"), "D"),
    **dict.fromkeys(("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), "U"),
    # Not in the table, and empty all the same: these tell a device.
    **dict.fromkeys(("Manufacturer", "SeriesNumber"), "Z"),
    **dict.fromkeys(("SOPClassUID", "Modality", "InstanceNumber", "WaveformSequence"), ""),
    **dict.fromkeys(("PatientIdentityRemoved", "DeidentificationMethod"), ""),
    **dict.fromkeys(("DeidentificationMethodCodeSequence",), ""),
    **dict.fromkeys(("LongitudinalTemporalInformationModified",), ""),
}
GROUP = {
    *("WaveformOriginality", "NumberOfWaveformChannels", "NumberOfWaveformSamples"),
    *("SamplingFrequency", "ChannelDefinitionSequence", "WaveformBitsAllocated"),
    *("WaveformSampleInterpretation", "WaveformPaddingValue", "WaveformData"),
}
CHANNEL = {
    *("ChannelLabel", "ChannelSourceSequence", "ChannelSensitivity", "ChannelBaseline"),
    *("ChannelSensitivityUnitsSequence", "ChannelSensitivityCorrectionFactor"),
    *("ChannelSampleSkew", "WaveformBitsStored"),
}


def test_dicom_follows_the_basic_profile_line_by_line(tmp_path, record):
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.dcmread(write_record(record, tmp_path / "a.dcm"))
    other = pydicom.dcmread(write_record(twelve_leads(seed=1), tmp_path / "b.dcm"))
    assert {element.keyword for element in data} == set(PROFILE)
    for keyword, action in PROFILE.items():
        value = data[keyword].value
        if action == "Z":
            assert not value, keyword
        elif action == "D":
            assert value in ("19000101", "000000", "19000101000000"), keyword
        elif action == "U":
            assert value != other[keyword].value, keyword
    (group,) = data.WaveformSequence
    assert {element.keyword for element in group} == GROUP
    for channel in group.ChannelDefinitionSequence:
        assert {element.keyword for element in channel} == CHANNEL
    assert {element.keyword for element in data.file_meta} == {
        *("FileMetaInformationGroupLength", "FileMetaInformationVersion"),
        *("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID"),
        *("ImplementationClassUID", "ImplementationVersionName"),  # those of pydicom
    }
    assert data.preamble == bytes(128)


@pytest.mark.parametrize(
    ("n_leads", "n_times", "rate", "kind"),
    [
        (12, 5000, 500, "12-lead"),
        (12, 16385, 500, "general"),
        (16, 5000, 500, "general"),
        (12, 5000, 1001, "general"),
        (2, 5000, 128, "ambulatory"),
        (2, 3600 * 250, 250, "ambulatory"),
        (16, 5000, 128, "general"),
    ],
)
def test_the_narrowest_dicom_class_is_taken(n_leads, n_times, rate, kind):
    names = [f"lead {i + 1}" for i in range(n_leads)]
    assert _kind(Layout("dicom", rate, names, n_times)) == kind


def test_a_published_dicom_ecg(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = get_testdata_file("waveform_ecg.dcm", download=False)
        data = pydicom.dcmread(source)
        expected = data.waveform_array(0) / 1000  # microvolts
    with open_record(source) as reader:
        assert reader.lead_names == STANDARD_LEADS
        np.testing.assert_allclose(reader.read(), expected, atol=1e-9)
        path = write_record(reader.record(), tmp_path / "r1.dcm", template=reader)
    with open_record(path) as again:
        np.testing.assert_allclose(again.read(), expected, atol=STEP)
        assert again.layout.variant == reader.layout.variant
    new = pydicom.dcmread(path)
    assert new.PatientIdentityRemoved == "YES"
    assert new.PatientName == new.PatientID == ""
    assert new.SOPInstanceUID != data.SOPInstanceUID
    np.testing.assert_allclose(new.waveform_array(0) / 1000, expected, atol=STEP)
    codes = [
        c.ChannelSourceSequence[0] for c in new.WaveformSequence[0].ChannelDefinitionSequence
    ]
    assert [code.CodeValue for code in codes[:3]] == ["2:1", "2:2", "2:61"]


# ---------------------------------------------------------------- tables, HDF5, NumPy


def test_the_rate_of_a_csv_is_stated_or_specified(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("I,V1 [uV]\n0.5,100\n0.6,200\n")
    with pytest.raises(ECGReadError, match="bad_rate"):
        read_record(path)
    record = read_record(path, sampling_rate=125)
    assert (record.sampling_rate, record.lead_names) == (125, ("I", "V1"))
    np.testing.assert_allclose(record.signal, [[0.5, 0.1], [0.6, 0.2]])
    path.write_text("Time (s),II\n0.000,1\n0.003,2\n0.006,\n0.008,4\n0.011,5\n")
    record = read_record(path)
    assert record.sampling_rate == 364  # as well as thousandths of a second can tell
    assert np.isnan(record.signal[2, 0])
    path.write_text("II,V1\n,\n,\n0.5,100\n")
    assert np.isnan(read_record(path, sampling_rate=125).signal[:2]).all()
    path.write_text("time,II\n0,1\n0.002,2\n0.5,3\n")
    with pytest.raises(ECGReadError, match="bad_rate"):
        read_record(path)


@pytest.mark.parametrize("rate", [100.0, 257.0, 360.0, 1000.0])
def test_rates_survive_the_column_of_times(tmp_path, rate):
    path = write_record(ECGRecord(np.zeros(3000), rate), tmp_path / "a.csv")
    assert read_record(path).sampling_rate == rate


def test_a_file_of_code15(tmp_path):
    h5py = pytest.importorskip("h5py")
    tracings = np.zeros((3, 4096, 12), "f4")
    tracings[1, 648:3448] = np.random.default_rng(0).normal(0, 5, (2800, 12))
    with h5py.File(tmp_path / "exams.hdf5", "w") as file:
        file["tracings"] = tracings
        file["exam_id"] = [11, 22, 33]
    with open_record(tmp_path / "exams.hdf5", index=1) as reader:
        assert (reader.n_records, reader.sampling_rate) == (3, 400.0)
        assert reader.lead_names == STANDARD_LEADS
        signal = reader.read()
        assert np.isnan(signal[:648]).all()
        assert np.isnan(signal[3448:]).all()
        np.testing.assert_allclose(signal[648:3448], tracings[1, 648:3448] / 2)
        path = write_record(reader.record(), tmp_path / "r1.hdf5", template=reader)
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["tracings"][0], tracings[1], atol=1e-5)
        assert file["exam_id"][:].tolist() == [0]
    with pytest.raises(ECGReadError, match="no_lead"):
        open_record(tmp_path / "exams.hdf5", index=3)


def test_many_recordings_in_one_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    tracings = np.random.default_rng(0).normal(0, 5, (5, 4096, 12)).astype("f4")
    source, path = tmp_path / "exams.h5", tmp_path / "shared.h5"
    with h5py.File(source, "w") as file:
        file["tracings"] = tracings
        file["exam_id"] = np.arange(5) + 7734021
    with open_record(source) as reader:
        layout = replace(reader.layout, n_records=reader.n_records)
    with create_record(path, layout) as writer:
        for index in range(5):
            with open_record(source, index=index) as reader:
                for chunk in reader.chunks(1000):
                    writer.write(-chunk)
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["tracings"], -tracings, atol=1e-5)
        assert file["exam_id"][:].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="holds one recording"):
        create_record(tmp_path / "a.npz", replace(layout, format="npz"))


def test_numpy_archives_of_others(tmp_path):
    np.savez(tmp_path / "a.npz", signal=np.ones((50, 1), "f4"), sampling_rate=100)
    assert read_record(tmp_path / "a.npz").sampling_rate == 100
    np.savez(tmp_path / "b.npz", signal=np.ones((50, 1)))
    with pytest.raises(ECGReadError, match="bad_rate"):
        read_record(tmp_path / "b.npz")
    assert read_record(tmp_path / "b.npz", sampling_rate=100).n_times == 50


# ---------------------------------------------------------------- annotations and layout


def test_annotations_move_with_their_beats():
    annotations = Annotations([5, 100, 150, 200, 300, 310], "+NvLV~", ["(AFIB"] + [""] * 5)
    assert annotations.symbols.tolist() == ["+", "N", "L", "V", "~"]
    moved = annotations.retimed([110, 230, 310], ["N", "N", "V"], 400)
    assert moved.samples.tolist() == [15, 110, 230, 310, 320]
    assert moved.symbols.tolist() == ["+", "N", "L", "V", "~"]
    assert moved.notes.tolist() == ["(AFIB", "", "", "", ""]
    relabelled = annotations.retimed([110, 230, 310], ["N", "V", "V"], 400)
    assert relabelled.symbols.tolist() == ["+", "N", "V", "V", "~"]
    fewer = annotations.retimed([110, 230], ["N", "V"], 400)
    assert (fewer.samples.tolist(), fewer.symbols.tolist()) == ([110, 230], ["N", "V"])
    assert annotations.retimed(None, None, 400) is None


@pytest.mark.parametrize("target", SUFFIX)
@pytest.mark.parametrize("source", SUFFIX)
def test_from_any_format_to_any_other(tmp_path, source, target):
    record = twelve_leads()
    record = replace(record, signal=10 * record.signal)  # more than 16 bits of a microvolt
    with open_record(write_record(record, tmp_path / f"r1{SUFFIX[source]}")) as reader:
        original = reader.record()
        path = tmp_path / f"r2{SUFFIX[target]}"
        write_record(original, path, format=target, template=reader)
    again = read_record(path)
    assert (again.sampling_rate, again.lead_names) == (500.0, STANDARD_LEADS)
    np.testing.assert_allclose(again.signal, original.signal, rtol=1e-6, atol=5e-3)


def test_template_of_another_shape_is_refused(tmp_path, record):
    path = write_record(record, tmp_path / "r1.hea")
    with open_record(path) as reader:
        other = ECGRecord(np.zeros((5000, 12)), 250.0, STANDARD_LEADS, name="r2")
        with pytest.raises(ValueError, match="record 'r2' has 12 lead"):
            write_record(other, tmp_path / "r2.hea", template=reader)


def test_a_layout_has_no_place_for_text():
    texts = {field.name for field in fields(Layout) if "str" in str(field.type)}
    assert texts == {"format", "lead_names", "variant"}
    assert Layout("wfdb", 250, ("Jane Doe", "ecg ii"), 10).lead_names == ("lead 1", "II")


def test_lead_names():
    names = allowed_leads(["ECG I", "avr", "DII", "MLII", "i", "lead V3", "", "ABP", "EKG"])
    expected = ("I", "aVR", "II", "MLII", "lead 5", "V3", "lead 7", "lead 8", "ECG")
    assert names == expected
    assert allowed_leads(["ECG lead II", "MDC_ECG_LEAD_V1"]) == ("II", "V1")
    assert allowed_leads(["D1", "D2", "D3"]) == ("I", "II", "III")
    assert allowed_leads(["EKG1-EKG2", "D3"]) == ("ECG", "D3")


ECG_LABELS = (
    *("II", "ECG", "EKG1-EKG2", "V1", "C1", "MCL1", "lead 3", ""),
    *("ECG lead II", "MDC_ECG_LEAD_II", "D2", "Jane Doe", "ES"),
)
OTHER_LABELS = (
    *("EEG Fpz-Cz", "EOG horizontal", "EMG submental", "Resp oro", "C3-A2", "SpO2"),
    *("patient_id", "ABP", "Pleth", "HR", "Chin"),
)


@pytest.mark.parametrize(
    ("label", "is_other"),
    [*((label, False) for label in ECG_LABELS), *((label, True) for label in OTHER_LABELS)],
)
def test_labels_of_other_signals(label, is_other):
    assert is_other_signal(label) is is_other


@pytest.mark.parametrize(
    ("rate", "shared"),
    [
        (1000 / 3, 333.0),
        (499.98, 500.0),
        (250.0, 250.0),
        (128.2, 128.0),
        (62.47, 62.5),
        (360.0, 360.0),
    ],
)
@pytest.mark.parametrize("name", SUFFIX)
def test_rates_are_rounded(tmp_path, name, rate, shared):
    n_times = 3330 if shared == 333.0 else 2500
    path = write_record(ECGRecord(np.zeros(n_times), rate), tmp_path / f"a{SUFFIX[name]}")
    assert read_record(path).sampling_rate == pytest.approx(shared, rel=1e-9)
    assert abs(shared / rate - 1) < 0.0025


# ---------------------------------------------------------------- all or nothing


@pytest.mark.parametrize("name", SUFFIX)
def test_a_file_that_fails_leaves_nothing(tmp_path, record, name):
    layout = Layout.of(record, name)
    path = tmp_path / f"r1{SUFFIX[name]}"
    with contextlib.suppress(RuntimeError), create_record(path, layout) as writer:
        writer.write(record.signal[:3000])
        assert not path.exists()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    short = create_record(path, layout)
    short.write(record.signal[:3000])
    with pytest.raises(ValueError, match="3000 samples for a recording of 5000"):
        short.close()
    assert list(tmp_path.iterdir()) == []
    long = create_record(path, layout)
    long.write(record.signal)
    with pytest.raises(ValueError, match="8000 samples for a recording of 5000"):
        long.write(record.signal[:3000])
    long.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_shows_nothing(tmp_path):
    code = (
        "import os, numpy as np\n"
        "from sklearn_ecganon.io import Layout, create_record\n"
        "w = create_record('r1.hea', Layout('wfdb', 250, ('I',), 9))\n"
        "w.write(np.zeros((5, 1)))\n"
        "os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".ecganon-")


def test_a_full_disk_leaves_nothing_and_loses_nothing(tmp_path):
    code = (
        "import resource, signal, numpy as np\n"
        "from sklearn_ecganon import ECGRecord\n"
        "from sklearn_ecganon.io import write_record\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "for name in ('r1.hea', 'r1.edf', 'r1.csv'):\n"
        "    try:\n"
        "        write_record(ECGRecord(np.ones((9_000, 2)), 250), name, overwrite=True)\n"
        "    except OSError:\n"
        "        print('refused')\n"
    )
    write_record(ECGRecord(np.ones((100, 2)), 250), tmp_path / "r1.hea")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused"] * 3
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_existing_file_is_not_replaced_unless_requested(tmp_path, record):
    path = write_record(record, tmp_path / "r1.hea")
    before = path.with_suffix(".dat").read_bytes()
    with pytest.raises(FileExistsError, match=r"overwrite=True"):
        write_record(replace(record, signal=-record.signal), path)
    assert path.with_suffix(".dat").read_bytes() == before
    bare = replace(record, signal=-record.signal, r_peaks=None, beat_labels=None)
    write_record(bare, path, overwrite=True)
    assert path.with_suffix(".dat").read_bytes() != before
    assert read_record(path).r_peaks is None  # no annotations of the former one


def test_an_old_header_never_describes_new_samples(tmp_path, record, monkeypatch):
    path = write_record(record, tmp_path / "r1.hea")
    moved = []

    def killed(unfinished, final):
        moved.append(final.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_record(record, path, overwrite=True)
    assert moved == ["r1.dat"]
    assert not path.exists()


def test_values_beyond_the_range_are_clipped_and_counted(tmp_path):
    layout = Layout("wfdb", 250.0, ("I",), 4)
    with create_record(tmp_path / "a.hea", layout) as writer:
        writer.write([[1.0], [40e3], [np.nan], [-50e3]])
    assert writer.n_clipped == 2
    signal = read_record(tmp_path / "a.hea").signal[:, 0]
    np.testing.assert_array_equal(signal, [1.0, 32767, np.nan, -32767])


@pytest.mark.parametrize("name", ["Jane Doe.hea", "a.b.hea", "a.dat"])
def test_names_that_wfdb_does_not_allow(tmp_path, record, name):
    with pytest.raises(ValueError, match=r"WFDB"):
        write_record(record, tmp_path / name, format="wfdb")


def test_unknown_formats_to_write(tmp_path, record):
    with pytest.raises(ValueError, match="give format="):
        write_record(record, tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="give one of"):
        write_record(record, tmp_path / "a.xyz", format="xyz")


# ---------------------------------------------------------------- light and real


def test_import_is_light():
    heavy = ["torch", "sklearn", "wfdb", "pandas", "edfio", "pydicom", "h5py", "pyarrow"]
    code = (
        "import sys, sklearn_ecganon.io\nprint([m for m in sys.argv[1:] if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["wfdb", "edf"])
def test_four_times_the_length_takes_the_same_memory(tmp_path, name):
    peaks = []
    for n_times in (2**21, 2**23):
        layout = Layout(name, 256.0, ("II", "V5"), n_times)
        source = tmp_path / f"a{n_times}{SUFFIX[name]}"
        with create_record(source, layout) as writer:
            for _ in range(n_times // 2**18):
                writer.write(np.ones((2**18, 2)))
        tracemalloc.start()
        with (
            open_record(source) as reader,
            create_record(tmp_path / f"b{source.name}", reader.layout) as writer,
        ):
            for chunk in reader.chunks(2**16):
                writer.write(chunk)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_a_synthetic_record_goes_through(tmp_path):
    record = make_ecg_records(1, duration=10.0, random_state=0).data[0]
    again = read_record(write_record(record, tmp_path / "r1.hea"))
    np.testing.assert_allclose(again.signal, record.signal, atol=STEP)
    np.testing.assert_array_equal(again.r_peaks, record.r_peaks)


def test_file_times_are_those_of_writing(tmp_path, record):
    path = write_record(record, tmp_path / "r1.hea")
    os.utime(path, (0, 0))
    with open_record(path) as reader:
        new = write_record(reader.record(), tmp_path / "r2.hea", template=reader)
    assert new.stat().st_mtime > 1e9


def test_the_user_guide_lists_every_reason():
    page = (Path(__file__).parent.parent / "docs" / "formats.rst").read_text("utf-8")
    assert set(re.findall(r"^   \* - ``(\w+)``$", page, re.MULTILINE)) >= set(REASONS)
