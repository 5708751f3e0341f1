"""Tables as people have them: read, refused with a reason, or left behind as no recording."""

import subprocess
import sys

import numpy as np
import pytest

from sklearn_ecganon import make_ecg_records
from sklearn_ecganon.io import ECGReadError, find_recordings, open_record, read_record
from sklearn_ecganon.io._amplitude import check_amplitude

RATE = 250
SIGNAL = make_ecg_records(1, duration=20.0, random_state=0).data[0].signal[:, 0].round(4)
TIMES = np.arange(len(SIGNAL)) / RATE


def rows(*columns, delimiter=","):
    return [delimiter.join(fields) for fields in zip(*columns, strict=True)]


def numbers(values, decimals=4):
    return [f"{value:.{decimals}f}" for value in values]


def comma(lines):
    return [line.replace(".", ",") for line in lines]


def clock(seconds, prefix=""):
    seconds = seconds % 86_400
    return (
        f"{prefix}{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{seconds % 60:06.3f}"
    )


T, X, HALF, UV = (
    numbers(TIMES, 3),
    numbers(SIGNAL),
    numbers(SIGNAL / 2),
    numbers(SIGNAL * 1000, 1),
)
MS = numbers(TIMES * 1000, 0)
WATCH = 'Name,A B\nDate of Birth,1970-01-01\nDevice,"Watch6,1"\nSample Rate,250 hertz\n'

#: Name, head, lines of numbers, expected leads.
TABLES = {
    "plain": ("time,II", rows(T, X), "II"),
    "semicolons and decimal commas": ("time;II", comma(rows(T, X, delimiter=";")), "II"),
    "semicolons": ("time;II", rows(T, X, delimiter=";"), "II"),
    "tabs": ("time\tII\tV1", rows(T, X, HALF, delimiter="\t"), "II V1"),
    "spaces": ("  time    II", rows(T, X, delimiter="   "), "II"),
    "double quotes": ('"time","II"', [f'"{t}","{x}"' for t, x in zip(T, X, strict=True)], "II"),
    "quoted decimal commas": (
        '"time","II"',
        comma([f'"{t}"|"{x}"' for t, x in zip(T, X, strict=True)]),
        "II",
    ),
    "elapsed times and a row of units": (
        "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'",
        rows([f"'{int(t // 60)}:{t % 60:06.3f}'" for t in TIMES], X, HALF),
        "MLII V5",
    ),
    "units in a row": ("time,II,V1\ns,uV,mV", rows(T, UV, HALF), "II V1"),
    "units in the names": ("time_ms,ECG lead II [uV]", rows(MS, UV), "II"),
    "units behind the names": ("time (ms),II_uV", rows(MS, UV), "II"),
    "a watch": (WATCH + "\nLead,Lead I\nUnit,uV\n", UV, "I"),
    "a watch in German": (
        "Name,A B\nGeburtsdatum,1970-01-01\nMessrate,250 Hertz\n\nAbleitung,Ableitung I\n"
        "Einheit,µV\n",
        [f'"{x}"' for x in comma(UV)],
        "I",
    ),
    "a chest strap": (
        "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]",
        rows(
            [f"2021-05-01T{clock(86_390 + t // 1)}" for t in TIMES],
            [str(599_616_000_000_000_000 + round(t * 1e9)) for t in TIMES],
            numbers(TIMES * 1000, 2),
            numbers(SIGNAL * 1000, 0),
            delimiter=";",
        ),
        "ECG",
    ),
    "dates and times": (
        "timestamp,ecg",
        rows([clock(t, "2021-05-01 ") for t in TIMES], X),
        "ECG",
    ),
    "over midnight": ("time,ecg", rows([clock(86_390 + t) for t in TIMES], X), "ECG"),
    "titles with a rate": (
        "Recording 5\nSampling frequency: 250 Hz\n\nII,V1",
        rows(X, HALF),
        "II V1",
    ),
    "comments with a rate": (
        '# Text File\n# {"x": {"sampling rate": 250, "label": ["ECG"]}}\n# EndOfHeader',
        rows(["0"] * len(X), X, delimiter="\t"),
        "lead 1 lead 2",
    ),
    "a delimiter at the end": ("time,II,", [f"{line}," for line in rows(T, X)], "II"),
    "marks beside it": (
        "time,II,annotation",
        [f"{line},{'N' if i % 250 == 0 else ''}" for i, line in enumerate(rows(T, X))],
        "II",
    ),
    "other signals beside it": (
        "time,patient_id,ECG,SpO2",
        rows(T, ["17"] * len(X), X, ["98"] * len(X)),
        "ECG",
    ),
}


def write(folder, head, lines, name="a.csv", encoding="utf-8"):
    text = (f"{head}\n" if head else "") + "\n".join(lines) + "\n"
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize("name", TABLES)
def test_layouts_that_are_read(tmp_path, name):
    head, lines, leads = TABLES[name]
    if name == "quoted decimal commas":
        head, lines = head.replace(",", ";"), [line.replace("|", ";") for line in lines]
    with open_record(write(tmp_path, head, lines)) as reader:
        assert reader.sampling_rate == pytest.approx(RATE, rel=1e-6)
        assert reader.lead_names == tuple(
            leads.split() if "lead" not in leads else ("lead 1", "lead 2")
        )
        signal = reader.read()
    column = 1 if "lead" in leads else 0
    np.testing.assert_allclose(signal[:, column], SIGNAL, atol=0.51e-3)
    assert find_recordings(tmp_path).recordings[0].format == "csv"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(tmp_path, encoding, end):
    text = end.join(["time;ECG II (µV)", *rows(T, UV, delimiter=";")]) + end
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    record = read_record(tmp_path / "a.csv")
    assert record.lead_names == ("II",)
    np.testing.assert_allclose(record.signal[:, 0], SIGNAL, atol=1e-4)


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ("", X),
        ("", comma(X)),
        ("", rows(X, HALF)),
        ("ECG", comma(X)),
        ("sample,II", rows(map(str, range(len(X))), X)),
        ("a,b", rows(X, HALF)),
    ],
)
def test_a_table_without_a_rate_is_refused_unless_specified(tmp_path, head, lines):
    path = write(tmp_path, head, lines)
    with pytest.raises(ECGReadError, match="give sampling_rate") as caught:
        read_record(path)
    assert caught.value.reason == "bad_rate"
    record = read_record(path, sampling_rate=RATE)
    assert record.sampling_rate == RATE
    np.testing.assert_allclose(record.signal[:, 0], SIGNAL)


@pytest.mark.parametrize("name", ["uV", "V", "mV"])
def test_amplitudes_that_fit_another_unit_are_refused_with_it(tmp_path, name):
    factor = {"uV": 1000.0, "V": 1e-3, "mV": 1.0}[name]
    path = write(tmp_path, "time,II", rows(T, numbers(SIGNAL * factor, 7)))
    if name != "mV":
        with pytest.raises(ECGReadError, match=f"would fit {name}") as caught:
            read_record(path)
        assert caught.value.reason == "bad_units"
    np.testing.assert_allclose(read_record(path, units=name).signal[:, 0], SIGNAL, atol=1e-4)
    with pytest.raises(ValueError, match="give 'V'"):
        read_record(path, units="Pa")


def test_raw_counts_fit_no_unit():
    check_amplitude(SIGNAL[:, np.newaxis], "mV")
    check_amplitude(np.zeros((5, 1)), "mV")  # no signal at all is for others to refuse
    check_amplitude(np.full((5, 1), np.nan), "mV")
    with pytest.raises(ECGReadError, match="fit no unit of voltage"):
        check_amplitude(SIGNAL[:, np.newaxis] * 1e9, "mV")
    drift = SIGNAL[:, np.newaxis] + np.linspace(0, 300, len(SIGNAL))[:, np.newaxis]
    with pytest.raises(ECGReadError, match="bad_units"):
        check_amplitude(drift, "mV")


@pytest.mark.parametrize(
    "lines",
    [
        ["patient_id,age,sex,diagnosis", *(f"{i},{i % 90},F,AFIB" for i in range(200))],
        ["patient_id,age,height,weight", *(f"{i},{i % 90},170,60" for i in range(200))],
        ["rr", *(str(800 + i % 9) for i in range(200))],
        ["time,event", *(f"2021-01-01 10:00:{i % 60:02d},start" for i in range(200))],
        ["Recordings of Jane Doe", "", "in two visits."],
        ["name;city", "Jane;Paris"],
    ],
)
def test_other_tables_are_ignored(tmp_path, lines):
    write(tmp_path, "", lines)
    contents = find_recordings(tmp_path)
    assert (contents.recordings, contents.refused, contents.n_other) == ([], [], 1)


@pytest.mark.parametrize(
    ("head", "lines", "reason"),
    [
        ("time,II", [*rows(T, X)[:50], "oops,1", *rows(T, X)[51:90]], "damaged"),
        ("time,II", [*rows(T, X)[:90], "0.36"], "bad_header"),
        ("time,II", rows(T, X)[:40] + rows(T, X)[60:90], "bad_rate"),
        ("time,II", rows(MS, X), "bad_rate"),  # milliseconds, which it does not say
        ("time,EEG Fpz-Cz [uV]", rows(T, UV), "no_ecg"),
    ],
)
def test_recordings_that_cannot_be_read_are_recordings(tmp_path, head, lines, reason):
    path = write(tmp_path, head, lines)
    with pytest.raises(ECGReadError) as caught:
        read_record(path)
    assert caught.value.reason == reason
    assert len(find_recordings(tmp_path).recordings) == 1  # refused and counted by a run


def test_all_beginnings_of_a_watch_file_are_no_crash(tmp_path):
    head, lines, _ = TABLES["a watch"]
    whole = write(tmp_path, head, lines).read_bytes()[:3000]
    for length in range(0, len(whole), 7):
        (tmp_path / "a.csv").write_bytes(whole[:length])
        try:
            record = read_record(tmp_path / "a.csv")
        except ECGReadError:
            continue
        assert record.sampling_rate == RATE


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("exponent", ["e6553599999999535", "e-6553599999999535", "e400"])
def test_exponents_of_many_digits_crash_nothing(tmp_path, decimal, exponent):
    """Runs in a separate process: a fast conversion of pandas ends in a segmentation fault."""
    lines = [f"8{decimal}5;8{exponent}"] * 3 + comma(rows(T, X, delimiter=";"))[:50]
    path = write(tmp_path, f"time;II\n0{decimal}1;8{decimal}5", lines)
    code = (
        "import sys\nfrom sklearn_ecganon.io import ECGReadError, read_record\n"
        "try:\n    read_record(sys.argv[1], sampling_rate=250)\n"
        "except ECGReadError as error:\n    print(error.reason)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- Parquet


def parquet(path, columns):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow.table(columns), path)
    return path


def test_parquet_with_lists(tmp_path):
    path = parquet(
        tmp_path / "a.parquet",
        {"patient_id": ["Jane"], "fs": [RATE], "II": [SIGNAL], "V1_uV": [SIGNAL * 500]},
    )
    record = read_record(path)
    assert (record.sampling_rate, record.lead_names) == (RATE, ("II", "V1"))
    np.testing.assert_allclose(record.signal, np.column_stack([SIGNAL, SIGNAL / 2]))


def test_parquet_with_a_list_of_leads_a_row(tmp_path):
    rows_of_lists = [[(SIGNAL * k).tolist(), (SIGNAL / 2).tolist()] for k in (1.0, 1.5)]
    path = parquet(tmp_path / "a.parquet", {"ecg": rows_of_lists})
    with pytest.raises(ECGReadError, match="bad_rate"):
        read_record(path)
    with open_record(path, sampling_rate=RATE, index=1) as reader:
        assert reader.n_records == 2
        assert reader.n_leads == 2
        np.testing.assert_allclose(reader.read()[:, 0], SIGNAL * 1.5)
    with pytest.raises(ECGReadError, match="no_lead"):
        open_record(path, sampling_rate=RATE, index=2)


def test_parquet_with_timestamps_and_other_columns(tmp_path):
    start = np.datetime64("2021-05-01T23:59:50", "ns")
    stamps = start + np.rint(TIMES * 1e9).astype("timedelta64[ns]")
    path = parquet(
        tmp_path / "a.parquet",
        {
            "timestamp": stamps,
            "ECG": SIGNAL,
            "SpO2": np.full(len(SIGNAL), 98),
            "who": ["J"] * len(X),
        },
    )
    with open_record(path) as reader:
        assert (reader.sampling_rate, reader.lead_names) == (RATE, ("ECG",))
        assert reader.warnings == ("left_out_channels",)


@pytest.mark.parametrize(
    "table",
    [
        "ecg_id,patient_id,age,report,filename_lr\n"
        + "".join(f"{i},{15000 + i}.0,{50 + i % 30}.0,sinus,r/{i}_lr\n" for i in range(40)),
        "subject_id,study_id,ecg_time,rr_interval,report_0\n"
        + "".join(f"{i},{4 * i},2110-07-23 08:43:00,{800 + i},sinus\n" for i in range(40)),
    ],
    ids=["PTB-XL", "MIMIC-IV-ECG"],
)
def test_the_table_beside_the_recordings_is_no_recording(tmp_path, table):
    (tmp_path / "database.csv").write_text(table)
    contents = find_recordings(tmp_path)
    assert (contents.recordings, contents.refused, contents.n_other) == ([], [], 1)
