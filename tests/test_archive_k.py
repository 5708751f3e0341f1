"""Archives whose released profiles k people share."""

import json
import shutil

import numpy as np
import pytest
import wfdb

from sklearn_ecganon import ECGRecord, make_ecg_records
from sklearn_ecganon.archive import RecordAnonymizer, Secret, Subjects, make_anonymizer
from sklearn_ecganon.cli import main
from sklearn_ecganon.io import read_record, write_record

N_PEOPLE = 6
K = 3


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """One or two recordings of each of six people, one folder for each person."""
    root = tmp_path_factory.mktemp("k") / "in"
    bunch = make_ecg_records(
        n_subjects=N_PEOPLE, duration=12.0, arrhythmia="ectopic", random_state=2
    )
    for number, record in enumerate(bunch.data):
        person, visit = divmod(number, 2)
        if person % 2 or not visit:
            (root / f"p{person}").mkdir(parents=True, exist_ok=True)
            write_record(record, root / f"p{person}" / f"{visit}.hea")
    return root


def run(archive, out, *words):
    return main(
        ["anonymize", str(archive), str(out), "--seed-file", str(out) + ".seed", *words]
    )


def test_a_command_releases_shared_profiles(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(archive, out, "--k", str(K)) == 0
    head, *lines = [
        json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()
    ]
    assert head["k"] == K
    assert head["profiles"]["reached"] >= K
    assert head["profiles"]["n_subjects"] == N_PEOPLE
    assert head["profiles"]["n_suppressed"] == 0
    assert {line["outcome"] for line in lines} == {"done"}
    assert f"k {K}" in capsys.readouterr().out


def test_the_result_depends_on_the_secret_alone(archive, tmp_path):
    """Resumed, and with two workers, the bytes are the same."""
    first, second = tmp_path / "first", tmp_path / "second"
    run(archive, first, "--k", str(K))
    (tmp_path / "second.seed").write_bytes((tmp_path / "first.seed").read_bytes())
    (tmp_path / "second.seed").chmod(0o600)
    run(archive, second, "--k", str(K), "--n-jobs", "2")
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    removed = next(first.glob("*.hea"))
    before = removed.read_bytes()
    removed.unlink()
    assert run(archive, first, "--k", str(K), "--resume") == 0
    assert removed.read_bytes() == before
    assert run(archive, first, "--k", "2", "--resume") == 2


def test_the_first_pass_shows_its_progress(archive, tmp_path, capsys):
    release = RecordAnonymizer(make_anonymizer(k=K), secret=Secret())
    calls = []
    release.anonymize_folder(
        archive, tmp_path / "out", subjects=Subjects(), on_progress=calls.append
    )
    n_files = len(calls[0].plan.jobs)
    measured = [call for call in calls if call.n_measured is not None]
    assert [call.n_measured for call in measured] == list(range(n_files + 1))
    assert measured[0].n_bytes == 0
    assert measured[-1].n_bytes == calls[0].plan.size
    # The first pass lies between the search and the begin of the second.
    assert calls[1 : n_files + 2] == measured
    assert calls[n_files + 2].to_do is not None
    assert run(archive, tmp_path / "again", "--k", str(K)) == 0
    assert f"profiles     of {n_files} recording(s) measured\n" in capsys.readouterr().out


def test_rhythms_of_the_original_are_not_annotated(archive, tmp_path):
    """With k, only what k people share is written; without k, rhythms are annotated."""
    source = tmp_path / "in"
    shutil.copytree(archive, source)
    for header in source.rglob("*.hea"):
        name, folder = header.stem, header.parent
        old = wfdb.rdann(str(folder / name), "atr")
        wfdb.wrann(
            name,
            "atr",
            np.insert(old.sample, 0, 5),
            ["+", *old.symbol],
            aux_note=["(SVTA", *old.aux_note],
            write_dir=str(folder),
        )
    notes = {}
    for k in (1, K):
        out = tmp_path / f"out{k}"
        run(source, out, "--k", str(k))
        notes[k] = set()
        for header in out.glob("*.hea"):
            record = read_record(header)
            assert isinstance(record, ECGRecord)
            assert record.r_peaks is not None
            assert set(record.beat_labels) <= set("NSVFQ")
            notes[k] |= set(wfdb.rdann(str(header.with_suffix("")), "atr").aux_note)
    assert any("SVTA" in note for note in notes[1])
    assert notes[K] == {""}


def test_a_suppressed_recording_is_refused(archive, tmp_path):
    release = RecordAnonymizer(make_anonymizer(k=K), secret=Secret())
    original = type(release.settings.anonymizer).fit_profiles

    def suppress_one(records, subjects):
        model = release.settings.anonymizer
        original(model, records, subjects)
        classes = model._profiles.classes.copy()
        classes[0] = -1
        model._profiles = model._profiles._replace(classes=classes)
        return model

    release.settings.anonymizer.fit_profiles = suppress_one
    outcomes = release.anonymize_folder(archive, tmp_path / "out", subjects=Subjects())
    reasons = [outcome.reason for outcome in outcomes if outcome.outcome == "refused"]
    assert reasons == ["suppressed"]


def test_impossible_k_is_refused_before_anything_is_written(archive, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(archive, out, "--k", "7") == 2
    assert "k=7 with 6 people" in capsys.readouterr().err
    assert not out.exists()
    assert run(archive, out, "--k", "2", "--method", "noise") == 2
    assert "method pseudo-identity only" in capsys.readouterr().err
    assert run(archive, out, "--k", "2", "--contract", "measurement") == 2
    assert "use contract='diagnostic'" in capsys.readouterr().err
    assert run(archive, out, "--k", "0") == 2


def test_an_audit_states_k_and_runs_the_same_software(archive, tmp_path, capsys):
    out, key, page = tmp_path / "out", tmp_path / "key.csv", tmp_path / "audit.html"
    assert run(archive, out, "--k", str(K), "--key-file", str(key)) == 0
    words = ["audit", str(archive), str(out), "--key", str(key), "--attackers", "lda"]
    assert main([*words, "--k", str(K), "--html", str(page)]) == 0
    text = page.read_text()
    assert "<strong>Guaranteed:</strong> each record was written from one of" in text
    assert f"people who share each profile by construction (k) {K}" in text
    capsys.readouterr()
    assert main([*words, "--k", "2"]) == 2
    assert f"made with k {K}, as its manifest states" in capsys.readouterr().err
