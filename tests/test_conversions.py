"""Records from the objects of other packages and back, drawings, and tables for notebooks."""

import builtins
import importlib

import numpy as np
import pandas as pd
import pytest
import wfdb

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.records import _conversion_checks


@pytest.fixture(scope="module")
def record():
    """Ten seconds of two leads with a gap in one of them."""
    [record] = make_ecg_records(
        n_subjects=1, n_sessions=1, n_leads=2, duration=10.0, random_state=0
    ).data
    signal = record.signal.copy()
    signal[100:150, 1] = np.nan
    return ECGRecord(signal, 250.0, ("I", "II"), name="A12", subject="Jane Doe")


def assert_same_signal(again, record, atol=1e-12):
    assert (again.sampling_rate, again.lead_names) == (250.0, ("I", "II"))
    assert again.subject is None
    np.testing.assert_allclose(again.signal, record.signal, atol=atol)


def test_wfdb_and_back(record, tmp_path):
    converted = record.to_wfdb()
    assert_same_signal(ECGRecord.from_wfdb(converted), record)
    converted.wrsamp(write_dir=str(tmp_path))
    read = wfdb.rdrecord(str(tmp_path / "A12"))
    again = ECGRecord.from_wfdb(read)
    assert_same_signal(again, record, atol=6e-4)
    assert again.name == "A12"
    assert (read.adc_gain, read.baseline, read.comments) == ([1000, 1000], [0, 0], [])
    assert "Jane" not in (tmp_path / "A12.hea").read_text()
    digital = wfdb.rdrecord(str(tmp_path / "A12"), physical=False)
    assert_same_signal(ECGRecord.from_wfdb(digital, name="x"), record, atol=6e-4)


def test_wfdb_units_and_channels(record):
    other = record.to_wfdb()
    other.p_signal = np.c_[other.p_signal * [1000, 1], np.ones(2500)]
    other.units = ["uV", "mV", "mmHg"]
    other.sig_name = ["I", "II", "ABP"]
    assert_same_signal(ECGRecord.from_wfdb(other), record)
    other.units = ["mV", "mV", "mmHg"]
    with pytest.raises(ValueError, match="mV high"):
        ECGRecord.from_wfdb(other)
    other.units = ["mmHg"] * 3
    with pytest.raises(ValueError, match="no channel is a voltage"):
        ECGRecord.from_wfdb(other)
    with pytest.raises(ValueError, match="without p_signal"):
        ECGRecord.from_wfdb(wfdb.Record())


def test_a_large_wfdb_record_gets_a_coarser_gain_and_an_allowed_name(record):
    large = ECGRecord(10 * record.signal / np.nanmax(np.abs(record.signal)) * 5, 250.0,
                      ("I", "II"), name="Jané Doe/3")  # fmt: skip
    converted = large.to_wfdb()
    assert min(converted.adc_gain) == 500
    assert converted.record_name == "Jan__Doe_3"


def test_frame_and_back(record):
    frame = record.to_frame()
    assert list(frame.columns) == ["I", "II"]
    assert_same_signal(ECGRecord.from_frame(frame), record)
    stamped = frame.set_axis(pd.to_timedelta(frame.index, unit="s"))
    assert_same_signal(ECGRecord.from_frame(stamped), record)
    plain = frame.reset_index(drop=True) * 1000
    again = ECGRecord.from_frame(plain, 250.0, units="uV", name="B7", session="2")
    assert_same_signal(again, record)
    assert (again.name, again.session) == ("B7", "2")


def test_frames_that_are_refused(record):
    frame = record.to_frame()
    with pytest.raises(ValueError, match=r"give sampling_rate="):
        ECGRecord.from_frame(frame.reset_index(drop=True))
    with pytest.raises(ValueError, match=r"frame.set_index\('time'\)"):
        ECGRecord.from_frame(frame.reset_index())
    with pytest.raises(ValueError, match="'note' has dtype object"):
        ECGRecord.from_frame(frame.assign(note="x"))
    with pytest.raises(ValueError, match="equal steps"):
        ECGRecord.from_frame(frame.drop(frame.index[100]))
    with pytest.raises(ValueError, match=r"record 'B7'.*give units='uV'"):
        ECGRecord.from_frame(1000 * frame, name="B7")
    with pytest.raises(ValueError, match="no voltage"):
        ECGRecord.from_frame(frame, units="kg")


def test_xarray_and_back(record):
    pytest.importorskip("xarray")
    array = record.to_xarray()
    assert_same_signal(ECGRecord.from_xarray(array), record)
    assert ECGRecord.from_xarray(array).name == "A12"
    assert_same_signal(ECGRecord.from_xarray(array.T), record)
    renamed = (1000 * array).rename(time="t", lead="channel").assign_attrs(units="uV")
    again = ECGRecord.from_xarray(renamed, time_dim="t", lead_dim="channel")
    assert_same_signal(again, record)
    single = ECGRecord.from_xarray(array.sel(lead="II"))
    assert single.lead_names == ("II",)
    np.testing.assert_array_equal(single.signal[:, 0], record.signal[:, 1])
    with pytest.raises(ValueError, match="give time_dim"):
        ECGRecord.from_xarray(renamed)
    with pytest.raises(ValueError, match="give sampling_rate"):
        ECGRecord.from_xarray(array.drop_vars("time"))
    with pytest.raises(ValueError, match="give units='uV'"):
        ECGRecord.from_xarray(array * 1000, units="mV")


def test_mne_and_back(record):
    mne = pytest.importorskip("mne")
    raw = record.to_mne()
    assert raw.get_channel_types() == ["ecg", "ecg"]
    assert_same_signal(ECGRecord.from_mne(raw), record)
    two_kinds = raw.copy()
    two_kinds.set_channel_types({"I": "eeg"}, verbose="error")
    assert ECGRecord.from_mne(two_kinds).lead_names == ("II",)
    assert_same_signal(ECGRecord.from_mne(two_kinds, picks=["I", "II"]), record)
    two_kinds.set_channel_types({"II": "eeg"}, verbose="error")
    with pytest.raises(ValueError, match="no channel is of type 'ecg'"):
        ECGRecord.from_mne(two_kinds)
    in_millivolts = mne.io.RawArray(record.signal.T, raw.info, verbose="error")
    with pytest.raises(ValueError, match="divide values in mV by 1000"):
        ECGRecord.from_mne(in_millivolts)
    with pytest.raises(ValueError, match="continuous"):
        ECGRecord.from_mne(record)


@pytest.mark.parametrize("package", ["wfdb", "mne", "pandas", "xarray"])
def test_a_missing_package_is_named(record, package, monkeypatch):
    def without(name):
        if name == package:
            raise ImportError(name)
        return importlib.import_module(name)

    monkeypatch.setattr(_conversion_checks, "import_module", without)
    method = {"pandas": "to_frame"}.get(package, f"to_{package}")
    with pytest.raises(ImportError, match=f"{method} needs {package}.*pip install {package}"):
        getattr(record, method)()


def test_a_record_is_drawn_on_ecg_paper(record):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = record.plot(start=1, duration=4)
    assert ax.get_xlabel() == "time (s)"
    shown = ax.lines[0].get_xydata()
    assert len(ax.lines) == 2
    assert (shown[0, 0], len(shown)) == (1.0, 1000)
    # The vertical distance of two leads is a whole number of large squares.
    distance = np.nanmedian(ax.lines[0].get_ydata()) - np.nanmedian(ax.lines[1].get_ydata())
    assert distance >= 1
    assert abs(distance / 0.5 - round(distance / 0.5)) < 1e-9
    ax.figure.canvas.draw()
    assert [t.get_text() for t in ax.get_yticklabels() if t.get_text()] == ["II", "I"]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert ax.get_box_aspect() == pytest.approx((top - bottom) * 10 / ((right - left) * 25))
    one = record.plot(leads=["II"], ax=pyplot.subplots()[1], color="red")
    assert one.get_ylabel() == "lead II (mV)"
    np.testing.assert_array_equal(one.lines[0].get_ydata(), record.signal[:, 1])
    assert one.lines[0].get_color() == "red"
    pyplot.close("all")


def test_plots_that_are_refused(record):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="cannot show 8 to 12 s of 10 s"):
        record.plot(start=8, duration=4)
    with pytest.raises(ValueError, match="has no lead 'V1'; its leads are I, II"):
        record.plot(leads=["V1"])


def test_beats_are_drawn_on_ecg_paper(record):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    beats = QRSSegmenter().fit_transform([record])
    ax = beats.plot(lead="II")
    assert len(ax.lines) == len(beats.beats) + 1
    median = ax.lines[-1].get_xydata()
    np.testing.assert_array_equal(median[:, 1], np.median(beats.beats[:, 1], axis=0))
    assert median[beats.n_times // 2, 0] == 0
    with pytest.raises(ValueError, match="has no lead 2"):
        beats.plot(lead=2)
    pyplot.close("all")


def test_drawing_without_matplotlib_says_how_to_get_it(record, monkeypatch):
    original = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"ECGRecord draws with matplotlib.*\[plot\]"):
        record.plot()


def test_tables_for_notebooks_are_escaped_and_name_no_subject(record):
    tagged = ECGRecord(
        record.signal, 250.0, ("I", "<b>"), name="<script>x</script>", subject="Jane Doe"
    )
    html = tagged._repr_html_()
    assert "<script>" not in html
    assert "<b>I" not in html
    assert "&lt;script&gt;" in html
    assert "Jane" not in html
    assert "10.0 s (2500 samples)" in html
    assert "1.0%" in html  # 50 of 2 * 2500 samples
    beats = QRSSegmenter().fit_transform([record])
    table = beats._repr_html_()
    assert f'<td style="text-align:left">{len(beats.beats)}</td>' in table
    assert "800 ms" in table
