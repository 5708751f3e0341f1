"""EDF and DICOM as recorders write them: inverted, blank, interrupted, in several groups."""

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.io import ECGReadError, open_record, read_record, write_record
from sklearn_ecganon.io._layout import STANDARD_LEADS
from tests.test_io import STEP, twelve_leads

DIGITAL = np.random.default_rng(0).integers(-1500, 1500, 2500)
BLANK = {
    **{"digital": 0 * DIGITAL, "label": "-", "unit": ""},
    **dict.fromkeys(("low", "high", "bottom", "top"), 0),
}


def edf_file(path, signals, *, reserved=b"", onsets=None):
    """Write an EDF file of ten seconds field by field; each signal is a dict."""
    if onsets is not None:
        track = [f"+{onset:.10g}\x14\x14\0".encode().ljust(40, b"\0") for onset in onsets]
        signals = [*signals, {"label": "EDF Annotations", "per": 20, "bytes": track}]

    def field(value, width):
        return (value if isinstance(value, bytes) else str(value).encode())[:width].ljust(width)

    main = ("0", "X X X X", "Startdate X X X X", "01.01.20", "00.00.00")
    main += (256 * (1 + len(signals)), reserved, 10, 1, len(signals))
    columns = (("label", "ECG II"), ("", ""), ("unit", "uV"), ("low", -5000), ("high", 5000))
    columns += (("bottom", -5000), ("top", 5000), ("", ""), ("per", 250), ("", ""))
    content = b"".join(map(field, main, (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)))
    for (key, default), width in zip(columns, (16, 80, 8, 8, 8, 8, 8, 80, 8, 32), strict=True):
        content += b"".join(field(signal.get(key, default), width) for signal in signals)
    for number in range(10):
        for signal in signals:
            if "bytes" in signal:
                content += signal["bytes"][number]
            else:
                block = signal["digital"][250 * number : 250 * (number + 1)]
                content += block.astype("<i2").tobytes()
    path.write_bytes(content)
    return path


def test_a_negative_gain(tmp_path):
    signal = {"digital": -DIGITAL, "low": 5000, "high": -5000}
    with open_record(edf_file(tmp_path / "a.edf", [signal])) as reader:
        np.testing.assert_allclose(reader.read()[:, 0], DIGITAL / 1000)
        assert reader.gain == (1000.0,)


def test_a_blank_channel(tmp_path):
    path = edf_file(tmp_path / "a.edf", [{"digital": DIGITAL}, BLANK])
    with open_record(path) as reader:
        assert (reader.lead_names, reader.warnings) == (("II",), ("left_out_channels",))
        np.testing.assert_allclose(reader.read()[:, 0], DIGITAL / 1000)
    assert open_record(path, leads=["II"]).warnings == ()
    with pytest.raises(ECGReadError, match="bad_gain"):
        open_record(edf_file(tmp_path / "b.edf", [BLANK | {"unit": "uV"}]))


@pytest.mark.parametrize("unit", ["µV".encode(), "μV".encode(), "µV".encode("latin-1")])
def test_a_micro_sign(tmp_path, unit):
    path = edf_file(tmp_path / "a.edf", [{"digital": DIGITAL, "unit": unit}])
    np.testing.assert_allclose(read_record(path).signal[:, 0], DIGITAL / 1000)


@pytest.mark.parametrize("reserved", [b"EDF+C", b"EDF+D"])
def test_times_that_do_not_jump(tmp_path, reserved):
    onsets = np.arange(10) + 0.25 + 0.001 * np.arange(10)  # the clock of the recorder drifts
    path = edf_file(
        tmp_path / "a.edf", [{"digital": DIGITAL}], reserved=reserved, onsets=onsets
    )
    with open_record(path) as reader:
        assert reader.warnings == ()
        np.testing.assert_allclose(reader.read()[:, 0], DIGITAL / 1000)


@pytest.mark.parametrize("reserved", [b"EDF+C", b"EDF+D"])
def test_pauses_are_gaps(tmp_path, reserved):
    onsets = [0, 1, 2, 5, 6, 7, 8, 9.5, 10.5, 11.5]
    path = edf_file(
        tmp_path / "a.edf", [{"digital": DIGITAL}], reserved=reserved, onsets=onsets
    )
    expected = np.full(int(12.5 * 250), np.nan)
    for number, onset in enumerate(onsets):
        start = int(onset * 250)
        expected[start : start + 250] = DIGITAL[250 * number : 250 * (number + 1)] / 1000
    with open_record(path) as reader:
        assert reader.warnings == ("time_gaps",)
        np.testing.assert_allclose(reader.read()[:, 0], expected)
        for start, stop in ((0, 10), (700, 1300), (760, 1240), (2240, 2400), (3000, 3125)):
            np.testing.assert_allclose(reader.read(start, stop)[:, 0], expected[start:stop])


@pytest.mark.parametrize(
    ("onsets", "reason"),
    [([0, 1, 1.5, *range(3, 10)], "bad_header"), ([*range(9), 1e9], "too_large")],
)
def test_times_that_cannot_be(tmp_path, onsets, reason):
    path = edf_file(tmp_path / "a.edf", [{"digital": DIGITAL}], onsets=onsets)
    with pytest.raises(ECGReadError) as caught:
        open_record(path)
    assert caught.value.reason == reason


# ---------------------------------------------------------------- DICOM


def dicom_groups(folder, groups):
    """Write a DICOM file of several multiplex groups: leads, samples, offset in ms, label."""
    pydicom = pytest.importorskip("pydicom")
    items = []
    for number, (leads, signal, offset, label) in enumerate(groups):
        path = write_record(ECGRecord(signal, 500, leads), folder / f"g{number}.dcm")
        data = pydicom.dcmread(path)
        data.WaveformSequence[0].MultiplexGroupTimeOffset = f"{offset}"
        data.WaveformSequence[0].MultiplexGroupLabel = label
        items.append(data.WaveformSequence[0])
    data.WaveformSequence = items
    data.save_as(folder / "a.dcm")
    return folder / "a.dcm"


def test_leads_in_time_order_become_gaps(tmp_path):
    """Four groups of three leads, 2.5 s each, beside a rhythm strip and a median beat."""
    whole = np.random.default_rng(0).normal(0, 0.3, (5000, 12)).round(3)
    groups = [(STANDARD_LEADS, np.full((600, 12), 7.0), 0, "MEDIAN BEAT")]
    for number in range(4):
        columns = slice(3 * number, 3 * number + 3)
        start = 1250 * number
        piece = whole[start : start + 1250, columns]
        groups.append((STANDARD_LEADS[columns], piece, 2500 * number, f"RHYTHM {number}"))
    groups.append((("II",), whole[:, [1]], 0, "RHYTHM STRIP"))
    with open_record(dicom_groups(tmp_path, groups)) as reader:
        assert sorted(reader.lead_names) == sorted(STANDARD_LEADS)
        signal = reader.read()
        assert signal.shape == (5000, 12)
        assert np.nanmax(np.abs(signal)) < 7
        for column, lead in enumerate(reader.lead_names):
            position = STANDARD_LEADS.index(lead)
            expected = np.full(5000, np.nan)
            start = 0 if lead == "II" else position // 3 * 1250
            stop = 5000 if lead == "II" else start + 1250
            expected[start:stop] = whole[start:stop, position]
            np.testing.assert_allclose(signal[:, column], expected, atol=1e-9)


def test_a_median_beat_alone_is_refused(tmp_path):
    groups = [(("I", "II"), np.ones((600, 2)), 0, "MEDIAN BEAT")]
    with pytest.raises(ECGReadError, match="median beat"):
        open_record(dicom_groups(tmp_path, groups))


def test_dicom_of_32_bits(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    record = twelve_leads()
    data = pydicom.dcmread(write_record(record, tmp_path / "a.dcm"))
    group = data.WaveformSequence[0]
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.4"
    wide = np.frombuffer(group.WaveformData, "<i2").astype("<i4") * 1000
    group.WaveformData = wide.tobytes()
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 32, "SL"
    group.WaveformPaddingValue = np.array(-(2**31), "<i4").tobytes()
    for channel in group.ChannelDefinitionSequence:
        channel.ChannelSensitivity, channel.WaveformBitsStored = "0.001", 32
    data.save_as(tmp_path / "b.dcm")
    with open_record(tmp_path / "b.dcm") as reader:
        np.testing.assert_allclose(reader.read(), record.signal, atol=STEP)
        new = write_record(reader.record(), tmp_path / "c.dcm", template=reader)
    released = pydicom.dcmread(new)
    assert released.SOPClassUID == data.SOPClassUID
    group = released.WaveformSequence[0]
    assert (group.WaveformBitsAllocated, group.WaveformSampleInterpretation) == (32, "SL")
    assert float(group.ChannelDefinitionSequence[0].ChannelSensitivity) == 1
    np.testing.assert_allclose(read_record(new).signal, record.signal, atol=STEP)
