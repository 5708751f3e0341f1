"""The command on archives as hospitals have them: people, dates, tables, pauses."""

import csv
import hashlib
import json
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.archive import (
    Metadata,
    RecordAnonymizer,
    Secret,
    Subjects,
    fit_archive,
    make_anonymizer,
)
from sklearn_ecganon.cli import main
from sklearn_ecganon.exceptions import FewSubjectsWarning
from sklearn_ecganon.io import read_record, write_record

N_PEOPLE = 6


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two dated recordings of each of six people, in folders that are wards and not people."""
    root = tmp_path_factory.mktemp("people") / "in"
    bunch = make_ecg_records(n_subjects=N_PEOPLE, duration=12.0, random_state=2)
    rows = []
    for number, record in enumerate(bunch.data):
        person, visit = divmod(number, 2)
        path = f"ward{visit}/p{person}_{visit}"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_record(record, root / f"{path}.hea")
        header = root / f"{path}.hea"
        first, rest = header.read_text().split("\n", 1)
        header.write_text(f"{first} 09:30:00 {3 + 7 * visit:02d}/0{person + 1}/2004\n{rest}")
        rows.append((path, f"person {person}", 40 + 10 * (person // 2), "FM"[person % 2]))
    table = root.parent / "people.csv"
    with table.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([("file", "who", "age", "sex"), *rows])
    return root, table


def run(*words, method="noise"):
    return main(["anonymize", *map(str, words), "--method", method])


def who(archive):
    return "--subjects", archive[1], "--record-column", "file", "--subject-column", "who"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Who is who


def test_people_are_folders_tables_or_patterns(archive):
    paths = ["a/b/1.hea", "a/b/2.edf", "alone.npz"]
    assert Subjects().of(paths) == ["a/b", "a/b", "alone.npz"]
    assert Subjects.from_regex(r"/(\d)").of(paths[:2]) == ["1", "2"]
    assert Subjects.from_regex(r"^a").of(paths[:2]) == ["a", "a"]
    subjects = Subjects.from_table(archive[1], record="file", subject="who")
    assert subjects.of(["ward0/p3_0.hea", "ward1/p3_1.hea"]) == ["person 3", "person 3"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("record,subject\na.hea,x\na.dat,y\n", "gives one recording two persons"),
        ("record,person\na,x\n", "has no column 'subject'; it has record, person"),
        ("", "has no column 'record'; it has none"),
    ],
)
def test_wrong_tables(tmp_path, text, sentence):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Subjects.from_table(path)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        Subjects.from_table(tmp_path / "other.csv")


def test_every_person_must_be_known(archive, tmp_path, capsys):
    table = tmp_path / "some.csv"
    table.write_text("record,subject\nward0/p0_0,x\n")
    for words in (
        ("--subjects", table),
        ("--subject-regex", "p(0)_0"),
        ("--subject-regex", "("),
    ):
        assert run(archive[0], tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert "11 of 12 recordings have no row in the subjects table" in error
    assert "11 of 12 recordings have no match of the pattern" in error
    assert "is no regular expression" in error
    assert "p1_0" not in error
    assert not (tmp_path / "out").exists()


def test_the_key_file_holds_the_people_that_were_given(archive, tmp_path):
    key = tmp_path / "key.csv"
    assert run(archive[0], tmp_path / "out", "--key-file", key, *who(archive)) == 0
    rows = rows_of(key)
    assert {row["subject"] for row in rows} == {f"person {i}" for i in range(N_PEOPLE)}
    assert key.stat().st_mode & 0o777 == 0o600
    assert b"person" not in b"".join(p.read_bytes() for p in (tmp_path / "out").iterdir())


def test_one_pseudonym_a_person(archive, tmp_path, capsys, monkeypatch):
    from sklearn_ecganon.archive import _release

    drawn = {}
    real = _release.pseudonym_of

    def watched(anonymizer, secret, first):
        pseudonym = real(anonymizer, secret, first)
        # Intervals follow the categories of a record.
        drawn.setdefault(first.names[0], []).append(pseudonym.settled[0].identity.numbers)
        return pseudonym

    monkeypatch.setattr(_release, "pseudonym_of", watched)
    words = ("--seed-file", tmp_path / "seed", "--identity", "per-subject")
    people = who(archive)
    out = tmp_path / "out"
    assert run(archive[0], out, *words, *people, method="pseudo-identity") == 0
    printed = capsys.readouterr().out
    assert "one for each of 6 people: whoever recognizes one recording" in printed
    assert sorted(map(len, drawn.values())) == [2] * N_PEOPLE
    firsts = []
    for first, second in drawn.values():
        np.testing.assert_array_equal(first, second)
        firsts.append(first)
    assert all((a != b).any() for a, b in zip(firsts, firsts[1:], strict=False))
    assert not any("person" in name for name in drawn)
    head = json.loads((out / "manifest.jsonl").read_text().split("\n")[0])
    assert head["identity"] == "per-subject"
    # The same run with other people would mix two assignments.
    words = (*words, "--resume")
    assert run(archive[0], out, *words, method="pseudo-identity") == 2
    assert "begun with another subjects" in capsys.readouterr().err
    assert run(archive[0], out, *words, *people, method="pseudo-identity") == 0


def test_by_default_each_recording_has_a_pseudonym_of_its_own(archive, tmp_path):
    assert run(archive[0], tmp_path / "out", *who(archive)) == 0
    head = json.loads((tmp_path / "out" / "manifest.jsonl").read_text().split("\n")[0])
    assert "identity" not in head
    with pytest.raises(ValueError, match="pseudo-identity only"):
        make_anonymizer("noise", identity="per-subject")


# Dates and metadata


def test_dates_move_by_a_secret_offset_of_each_person(archive, tmp_path, capsys):
    key, seed = tmp_path / "key.csv", tmp_path / "seed"
    words = ("--key-file", key, "--seed-file", seed, "--shift-dates", *who(archive))
    assert run(archive[0], tmp_path / "out", *words) == 0
    assert "the time between recordings of one person links them" in capsys.readouterr().out
    dates = {row["record"]: row["date"] for row in rows_of(tmp_path / "out" / "metadata.csv")}
    people = {}
    for row in rows_of(key):
        people.setdefault(row["subject"], []).append(date.fromisoformat(dates[row["released"]]))
    offsets = set()
    for person, (first, second) in people.items():
        assert abs((second - first).days) == 7
        original = date(2004, int(person[-1]) + 1, 3)
        offset = (original - min(first, second)).days
        assert 365 <= offset <= 3650
        offsets.add(offset)
    assert len(offsets) == N_PEOPLE
    for path in (tmp_path / "out").glob("*.hea"):
        assert "/20" not in path.read_text()
    assert run(archive[0], tmp_path / "plain") == 0
    assert not (tmp_path / "plain" / "metadata.csv").exists()


def test_chosen_columns_come_along(archive, tmp_path, capsys):
    key = tmp_path / "key.csv"
    words = ("--key-file", key, "--metadata", archive[1], "--columns", "age,sex")
    assert run(archive[0], tmp_path / "out", *words, *who(archive)) == 0
    assert "age, sex: 0 values that only one person has are left empty; 6 of 6 people" in (
        capsys.readouterr().out
    )
    table = rows_of(tmp_path / "out" / "metadata.csv")
    assert [row["record"] for row in table] == sorted(row["record"] for row in table)
    by_name = {row["record"]: (row["age"], row["sex"]) for row in table}
    for row in rows_of(key):
        person = int(row["subject"][-1])
        assert by_name[row["released"]] == (str(40 + 10 * (person // 2)), "FM"[person % 2])


def test_metadata_of_a_record_that_was_refused_stays_behind(archive, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number, path in enumerate(sorted(archive[0].rglob("*.hea"))):
        write_record(read_record(path), source / f"{number}.hea")
    write_record(ECGRecord(np.zeros((3000, 1)), 250), source / "flat.npz")
    table = tmp_path / "table.csv"
    lines = [f"{number},{'ab'[number % 2]}" for number in range(12)]
    table.write_text("\n".join(["record,group", *lines, "flat,a"]))
    out = tmp_path / "out"
    assert run(source, out, "--metadata", table, "--columns", "group") == 1
    rows = rows_of(out / "metadata.csv")
    assert len(rows) == 12
    assert sorted(row["group"] for row in rows) == ["a"] * 6 + ["b"] * 6


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("patient_name", "ab", "is called 'name'"),
        ("PatientID", "ab", "is called 'id'"),
        ("birth_year", "ab", "is called 'birth'"),
        ("when", ["2004-12-07", "x"], "holds dates or times"),
        ("when", ["7.12.04", "x"], "holds dates or times"),
        ("when", ["7 Dec 2004", "x"], "holds dates or times"),
        ("when", ["09:30", "x"], "holds dates or times"),
        ("number", ["12345678", "x"], "holds long numbers"),
        ("contact", ["jane@doe.org", "x"], "holds long numbers or e-mail"),
        ("finding", ["sinus rhythm in a pleasant lady of great age", "x"], "holds free text"),
        ("weight", [f"{50 + i}.3" for i in range(20)], "20 different values for 20 people"),
    ],
)
def test_columns_that_identify_are_refused(tmp_path, name, values, reason):
    table = tmp_path / "table.csv"
    rows = [f"{i},{values[i % len(values)]}" for i in range(20)]
    table.write_text("\n".join([f"record,{name}", *rows]))
    paths = [f"{i}.edf" for i in range(20)]
    with pytest.raises(ValueError, match=re.escape(reason)):
        Metadata.from_table(table, [name]).released(paths, paths)


def test_a_value_of_one_person_is_left_out(tmp_path):
    table = tmp_path / "table.csv"
    ages = [50] * 9 + [61] * 9 + [97, ""]
    table.write_text("\n".join(["record,age", *(f"{i},{age}" for i, age in enumerate(ages))]))
    paths = [f"{i}.edf" for i in range(21)]
    released = Metadata.from_table(table, ["age"]).released(paths, paths)
    assert [value for (value,) in released.values] == ["50"] * 9 + ["61"] * 9 + [""] * 3
    assert (released.n_emptied, released.n_unique) == (1, 0)
    # Two recordings of one person do not make a value common.
    paths, people = ["18.edf", "0.edf"], ["x", "x"]
    assert Metadata.from_table(table, ["age"]).released(paths, people, strict=False).values == [
        ("",),
        ("",),
    ]


def test_metadata_and_columns_go_together(archive, tmp_path, capsys):
    for words in (("--metadata", archive[1]), ("--columns", "age")):
        assert run(archive[0], tmp_path / "out", *words) == 2
        assert "--metadata and --columns go together" in capsys.readouterr().err
    words = ("--metadata", archive[1], "--columns", "age,shoe", "--record-column", "file")
    assert run(archive[0], tmp_path / "out", *words) == 2
    assert "has no column 'shoe'" in capsys.readouterr().err
    words = ("--metadata", archive[1], "--columns", "age", "--record-column", "file")
    # Without people of their own, both wards are one person each.
    assert run(archive[0], tmp_path / "out", *words) == 2
    assert "different values for 2 people" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# What is checked before the run


def test_missing_libraries_are_found_before_the_run(archive, tmp_path, capsys, monkeypatch):
    from sklearn_ecganon.archive import _plan

    monkeypatch.setattr(_plan, "find_spec", lambda name: None)
    assert run(archive[0], tmp_path / "out") == 0  # WFDB needs none
    assert run(archive[0], tmp_path / "new", "--format", "dicom") == 2
    error = capsys.readouterr().err
    assert "12 recording(s) in the format 'dicom' cannot be written without pydicom" in error
    assert "pip install 'sklearn-ecganon[dicom]'" in error
    assert not (tmp_path / "new").exists()


def test_a_run_without_a_key_file_says_so(archive, tmp_path, capsys):
    run(archive[0], tmp_path / "a")
    assert "without --key-file" in capsys.readouterr().err
    run(archive[0], tmp_path / "b", "--dry-run")
    run(archive[0], tmp_path / "b", "--key-file", tmp_path / "key")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("n_jobs", [0, 10**6])
def test_numbers_of_workers_that_cannot_be_meant(archive, tmp_path, n_jobs, capsys):
    assert run(archive[0], tmp_path / "out", "--n-jobs", n_jobs) == 2
    assert f"n_jobs is {n_jobs}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["missing", "garbage", "other", "old"])
def test_a_wrong_model_is_one_line(archive, tmp_path, kind, capsys):
    from safetensors.numpy import save_file

    model = tmp_path / "model"
    if kind == "garbage":
        model.write_bytes(b"\x07" * 500)
    elif kind == "other":
        save_file({"weight": np.zeros(3)}, model)
    elif kind == "old":
        make_anonymizer().save_weights(model)
        from safetensors.numpy import load_file

        save_file({**load_file(model), "leads": np.frombuffer(b"I II", np.uint8)}, model)
    key = ("--key-file", tmp_path / "key")
    words = (archive[0], tmp_path / "out", "--model", model, *key)
    assert run(*words, method="pseudo-identity") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("ecganon: the model file")
    assert "`ecganon fit`" in error
    assert not (tmp_path / "out").exists()


def test_a_wrong_checksum_hints_at_its_option(archive, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    record = read_record(next(archive[0].rglob("*.hea")))
    write_record(record, source / "a.hea")
    content = bytearray((source / "a.dat").read_bytes())
    content[100] ^= 1
    (source / "a.dat").write_bytes(content)
    assert run(source, tmp_path / "out") == 1
    assert "--accept-bad-checksums" in capsys.readouterr().out
    assert run(source, tmp_path / "new", "--accept-bad-checksums") == 0
    assert "hint" not in capsys.readouterr().out


# Strength 0


@pytest.mark.parametrize("suffix", ["hea", "npz", "edf", "csv"])
def test_strength_zero_copies_the_samples(suffix, tmp_path):
    """Also those that are no ECG, and those between the windows of beats."""
    rng = np.random.default_rng(0)
    ecg = make_ecg_records(n_subjects=1, duration=20.0, random_state=1).data[0]
    noise = ECGRecord(np.round(0.3 * rng.standard_normal((5000, 1)), 3), 250, ("II",))
    for number, record in enumerate((ecg, noise)):
        source = tmp_path / f"{number}.{suffix}"
        write_record(record, source)
        release = RecordAnonymizer(make_anonymizer(strength=0.0))
        outcome = release.anonymize_file(source, tmp_path / f"{number}_out.{suffix}")
        before, after = (
            read_record(tmp_path / f"{name}.{suffix}") for name in (number, f"{number}_out")
        )
        np.testing.assert_allclose(after.signal, before.signal, atol=1e-9)
        if before.r_peaks is not None:
            np.testing.assert_array_equal(before.r_peaks, after.r_peaks)
            assert outcome.beats == len(before.r_peaks)


# Training


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Twenty-one people, whose lead no one knows by name."""
    root = tmp_path_factory.mktemp("crowd")
    for number, record in enumerate(
        make_ecg_records(n_subjects=21, n_sessions=1, duration=10.0, random_state=2).data
    ):
        folder = root / "wards" / str(number % 3)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(replace(record, lead_names=("Doe",)), folder / f"p{number}.npz")
    return root / "wards"


def test_fit_refuses_few_people(crowd, tmp_path, capsys):
    model = tmp_path / "model"
    assert main(["fit", str(crowd), "-o", str(model)]) == 2
    error = capsys.readouterr().err
    assert "usable recordings of 3 people; training needs 20 or more" in error
    # 19 of 21 that can be used are too few as well.
    words = ["fit", str(crowd), "-o", str(model), "--subject-regex", r"p(\d+)\."]
    short = sorted(crowd.rglob("*.npz"))[:2]
    contents = {path: path.read_bytes() for path in short}
    try:
        for path in short:
            path.write_bytes(b"\x07" * 100)
        assert main(words) == 2
    finally:
        for path, content in contents.items():
            path.write_bytes(content)
    assert not model.exists()


@pytest.mark.trains
@pytest.mark.filterwarnings("default::sklearn_ecganon.exceptions.FewSubjectsWarning")
def test_a_model_of_leads_without_names_is_loaded_again(crowd, tmp_path, capsys):
    model = tmp_path / "model"
    words = [
        "fit",
        str(crowd),
        "-o",
        str(model),
        "--subject-regex",
        r"p(\d+)\.",
    ]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "trained on 21 recordings of 21 people" in printed.out
    assert "read         21 recordings" in printed.out
    assert "Trained on only 21 people" in printed.err
    loaded = PseudoIdentityAnonymizer.from_pretrained(weights=model)
    assert loaded.leads_ == ("lead 1",)
    words = (crowd, tmp_path / "out", "--model", model)
    assert run(*words, method="pseudo-identity") == 0
    head = json.loads((tmp_path / "out" / "manifest.jsonl").read_text().split("\n")[0])
    assert head["model"] == hashlib.sha256(model.read_bytes()).hexdigest()


def test_fit_counts_the_recordings_it_reads(crowd, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        PseudoIdentityAnonymizer, "fit", lambda self, X, y: seen.append(sorted(set(y))) or self
    )
    monkeypatch.setattr(PseudoIdentityAnonymizer, "save_weights", lambda self, path: None)
    calls = []
    subjects = Subjects.from_regex(r"p(\d+)\.")
    result = fit_archive(
        crowd, tmp_path / "m", subjects=subjects, on_progress=lambda *n: calls.append(n)
    )
    assert (result.n_records, result.n_subjects, result.left_out) == (21, 21, {})
    assert calls == [(n, 21) for n in range(22)]
    assert len(seen[0]) == 21


@pytest.mark.trains
def test_few_people_are_warned_of_in_python():
    bunch = make_ecg_records(n_subjects=3, duration=10.0, random_state=0)
    beats = QRSSegmenter().fit_transform(bunch.data)
    model = PseudoIdentityAnonymizer(weights=None, random_state=0)
    with pytest.warns(FewSubjectsWarning, match="only 3 people"):
        model.fit(beats, [record.subject for record in bunch.data])


# Pauses


@pytest.mark.parametrize("contract", ["diagnostic", "measurement"])
def test_pauses_stay_pauses(contract, tmp_path):
    """The beats are annotated, so that the test depends on no detector."""
    record = make_ecg_records(n_subjects=1, n_sessions=1, duration=80.0, random_state=5).data[0]
    rate, middle = 250, len(record.r_peaks) // 2
    cut = record.r_peaks[middle] + rate // 2
    release = RecordAnonymizer(
        make_anonymizer(contract=contract), secret=Secret(bytes(32)), detector="annotated"
    )
    rng = np.random.default_rng(0)
    for seconds, low, high in ((3.0, 3.0, 5.0), (6.0, 5.0, 10.0), (20.0, 18.0, 24.0)):
        silence = record.signal[cut] + 0.003 * rng.standard_normal((round(seconds * rate), 1))
        signal = np.concatenate([record.signal[:cut], silence, record.signal[cut:]])
        peaks = record.r_peaks.copy()
        peaks[middle + 1 :] += len(silence)
        path, released = tmp_path / f"{seconds:.0f}.hea", tmp_path / f"new_{seconds:.0f}.hea"
        write_record(ECGRecord(signal, rate, ("II",), r_peaks=peaks), path)
        release.anonymize_file(path, released)
        after = read_record(released)
        rr = np.diff(after.r_peaks)
        assert low <= rr.max() / rate <= high
        if contract == "measurement":
            np.testing.assert_array_equal(rr, np.diff(peaks))
        first = after.r_peaks[rr.argmax()]
        line = after.signal[first + 150 : first + rr.max() - 150, 0]
        assert np.ptp(line) < 0.5 * np.ptp(after.signal)  # there is no beat in it
        assert len(np.unique(np.diff(line, 2))) > 3  # and no ruled line


def test_a_stretch_does_not_end_in_a_pause(tmp_path, monkeypatch):
    from sklearn_ecganon.archive import _stretches
    from sklearn_ecganon.io import open_record

    record = make_ecg_records(n_subjects=1, n_sessions=1, duration=80.0, random_state=5).data[0]
    rate = 250
    cut = record.r_peaks[len(record.r_peaks) // 2] + rate // 2
    silence = record.signal[cut] + 0.003 * np.random.default_rng(0).standard_normal((1000, 1))
    signal = np.concatenate([record.signal[:cut], silence, record.signal[cut:]])
    path = tmp_path / "a.hea"
    write_record(ECGRecord(signal, rate, ("II",)), path)
    monkeypatch.setattr(_stretches, "STRETCH_S", (cut + 500) / rate)
    monkeypatch.setattr(_stretches, "MAX_VALUES", cut + 500)
    with open_record(path) as reader:
        stretches = list(_stretches.stretches_of(reader, "sleepecg"))
    assert len(stretches) == 2
    assert stretches[0].stop < cut
    assert stretches[1].beats.r_peaks[0] + stretches[1].start < cut + 100
