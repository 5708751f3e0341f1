"""The command over a tree: what it takes, what it leaves, what it says, what it survives."""

import csv
import errno
import filecmp
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, make_ecg_records
from sklearn_ecganon.anonymizers import NoiseAnonymizer
from sklearn_ecganon.archive import RecordAnonymizer, Secret
from sklearn_ecganon.cli import main
from sklearn_ecganon.io import read_record, write_record
from tests.test_io_secrets import ID, NAME, PLANT, everything_in, hits


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Six recordings in three folders, two of one name, and what lies about in archives."""
    root = tmp_path_factory.mktemp("archive") / "in"
    bunch = make_ecg_records(n_subjects=3, n_leads=2, duration=12.0, random_state=2)
    for number, record in enumerate(bunch.data):
        folder = root / record.subject
        folder.mkdir(parents=True, exist_ok=True)
        name = "visit" if number % 2 else "first"
        write_record(record, folder / f"{name}.{('hea', 'edf')[number % 2]}")
    (root / "README.txt").write_text("Recordings of Jane Doe\n\nin two visits.\n")
    return root


def run(*words):
    return main(["anonymize", *map(str, words), "--method", "noise"])


def tree(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*"))


def same(a, b):
    assert tree(a) == tree(b)
    _, mismatch, errors = filecmp.cmpfiles(
        a, b, [name for name in tree(a) if (a / name).is_file()], shallow=False
    )
    assert (mismatch, errors) == ([], [])


def lines(out):
    head, *rest = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    return head, rest


def test_one_command(archive, tmp_path, capsys):
    out, seed, key = tmp_path / "out", tmp_path / "seed", tmp_path / "key.csv"
    words = ("--seed-file", seed, "--key-file", key, "--strength", 0.1)
    assert run(archive, out, *words) == 0
    said = capsys.readouterr().out
    assert "recordings   6 (3 edf, 3 wfdb)" in said
    assert "not copied   1 other" in said
    assert "done         6:" in said
    head, rest = lines(out)
    assert (head["method"], head["strength"]) == ("NoiseAnonymizer", 0.1)
    assert [line["outcome"] for line in rest] == ["done"] * 6
    for line in rest:
        record = read_record(out / line["output"])
        assert record.n_times == line["n_times"] == 3000
        assert len(record.r_peaks) > 5
    assert key.stat().st_mode & 0o777 == 0o600
    with key.open(newline="") as file:
        known = {row["record"]: row["released"] for row in csv.DictReader(file)}
    assert len(known) == 6
    for old, new in known.items():
        # Recordings in WFDB are called by their names without the extension.
        paths = [archive / old, out / new]
        paths = [path if path.suffix else path.with_suffix(".hea") for path in paths]
        before, after = map(read_record, paths)
        assert before.lead_names == after.lead_names
        lead = before.signal[:, 0] - np.median(before.signal[:, 0])
        assert np.corrcoef(lead, after.signal[:, 0])[0, 1] > 0.8


def test_files_are_as_new_as_they_are(archive, tmp_path):
    old = time.time() - 1e6
    for path in archive.rglob("*"):
        os.utime(path, (old, old))
    run(archive, tmp_path / "out")
    assert min(p.stat().st_mtime for p in (tmp_path / "out").iterdir()) > old + 1e5


def test_a_single_recording(archive, tmp_path):
    path = next(archive.rglob("*.hea"))
    assert run(path, tmp_path / "out") == 0
    assert len(lines(tmp_path / "out")[1]) == 1


def test_the_folder_of_the_secret_is_created_for_its_owner_only(archive, tmp_path):
    secret = tmp_path / "new" / "secret"
    words = ("--seed-file", secret / "seed", "--key-file", secret / "key.csv")
    assert run(archive, tmp_path / "out", *words) == 0
    assert stat.S_IMODE(secret.stat().st_mode) == 0o700
    assert {path.name for path in secret.iterdir()} == {"seed", "key.csv"}


def test_dry_runs_write_nothing(archive, tmp_path, capsys):
    words = ("--dry-run", "--seed-file", tmp_path / "seed", "--key-file", tmp_path / "key")
    assert run(archive, tmp_path / "out", *words) == 0
    assert "recordings   6" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "out", "more", "sentence"),
    [
        ("in", "in/out", [], "output folder lies inside the input"),
        ("in", "in", [], "output folder lies inside the input"),
        ("out/in", "out", [], "input lies inside the output"),
        ("in", "full", [], "output folder is not empty"),
        ("in", "full", ["--resume", "--seed-file", "seed"], "not written by this program"),
        ("in", "new", ["--resume", "--seed-file", "seed"], "does not exist"),
        ("in", "new", ["--resume"], "--resume needs the --seed-file"),
        ("in", "new", ["--resume", "--seed-file", "none"], "the seed file does not exist"),
        ("in", "file", [], "the output is a file"),
        ("none", "new", [], "the input does not exist"),
        ("empty", "new", [], "the input folder holds no recording"),
        ("in", "new", ["--seed-file", "new/seed"], "must lie outside the input"),
        ("in", "new", ["--key-file", "in/key"], "must lie outside the input"),
        ("in", "new", ["--key-file", "file/key"], "folder of the seed file or key file"),
        ("in", "new", ["--seed-file", "open"], "chmod 600"),
        ("in", "new", ["--contract", "measurement"], "pseudo-identity only"),
        ("in", "new", ["--strength", "2"], "'strength' parameter"),
        ("in", "link", [], "output folder lies inside the input"),
        # A new seed file is made when nothing is wrong any more.
        ("in", "full", ["--seed-file", "new seed"], "output folder is not empty"),
        ("empty", "new", ["--seed-file", "new seed"], "the input folder holds no recording"),
        ("in", "new", ["--seed-file", "new seed", "--strength", "2"], "'strength' parameter"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(
    source, out, more, sentence, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    record = make_ecg_records(n_subjects=1, duration=10.0, random_state=2).data[0]
    for folder in ("in", "out/in", "full", "empty"):
        Path(folder).mkdir(parents=True)
    write_record(record, "in/a.npz")
    write_record(record, "out/in/a.npz")
    Path("full/thesis.txt").write_text("mine")
    Path("file").write_text("")
    Path("open").write_text("ab" * 32)
    Path("open").chmod(0o644)
    Path("link").symlink_to("in/deeper")
    Secret.from_file("seed")
    before = tree(tmp_path)
    assert run(source, out, *more) == 2
    assert sentence in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_bad_files_stop_nothing(archive, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    good = read_record(next(archive.rglob("*.edf")))
    write_record(good, source / "good.edf")
    content = (source / "good.edf").read_bytes()
    (source / "half.edf").write_bytes(content[: len(content) // 2])
    (source / "noise.edf").write_bytes(b"\x07" * 3000)
    (source / "empty.hea").write_bytes(b"")
    (source / "up.hea").write_text("up 1 250 1000\n../good.dat 16 200/mV 16 0 0 0 0 II\n")
    (source / "huge.hea").write_text("huge 1 250 1000000000000\nhuge.dat 16 200/mV\n")
    (source / "huge.dat").write_bytes(bytes(2000))
    (source / "lost.dat").write_bytes(bytes(2000))
    (source / "loop.edf").symlink_to("loop.edf")
    (source / "round").symlink_to(".")
    (source / "out.edf").symlink_to(next(archive.rglob("*.edf")))
    (source / "inner.edf").symlink_to("good.edf")
    os.mkfifo(source / "pipe.edf")
    write_record(ECGRecord(np.zeros((3000, 1)), 250), source / "flat.npz")
    (source / "scan.xml").write_text("<?xml version='1.0'?><RestingECG/>")
    key = tmp_path / "key.csv"
    assert run(source, tmp_path / "out", "--key-file", key) == 1
    said = capsys.readouterr().out
    with key.open(newline="") as file:
        names = {row["record"]: Path(row["released"]).stem for row in csv.DictReader(file)}
    _, rest = lines(tmp_path / "out")
    told = {line["record"]: line.get("reason", "done") for line in rest}
    assert {name: told[new] for name, new in names.items()} == {
        "good.edf": "done",
        "inner.edf": "done",
        "half.edf": "truncated",
        "noise.edf": "unknown_format",
        "empty.hea": "unknown_format",
        "up": "bad_path",
        "huge": "truncated",
        "lost.dat": "unknown_format",
        "loop.edf": "not_a_file",
        "round": "not_a_file",
        "out.edf": "outside_root",
        "pipe.edf": "not_a_file",
        "flat.npz": "no_beats",
        "scan.xml": "unsupported",
    }
    assert re.search(r"2: \d+\.\d minutes of ECG", said)
    assert "not_a_file 3" in said
    assert len([path for path in (tmp_path / "out").iterdir() if path.suffix == ".edf"]) == 2
    assert len(tree(tmp_path / "out")) == 3


def test_what_may_not_be_read_is_told(archive):
    """As a user who is not root, who may read all."""
    record = read_record(next(archive.rglob("*.edf")))
    code = (
        "import os, sys; from pathlib import Path;"
        "from sklearn_ecganon.archive import Secret;"
        "from sklearn_ecganon.archive._plan import plan_archive;"
        "os.geteuid() or (os.setgid(65534), os.setuid(65534));"
        "plan = plan_archive(Path(sys.argv[1]), Secret());"
        "print(len(plan.jobs), sorted((p, o.reason) for p, o in plan.refused))"
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        source.chmod(0o755)
        (source / "closed").mkdir()
        write_record(record, source / "a.npz")
        write_record(record, source / "b.npz")
        (source / "b.npz").chmod(0)
        (source / "closed").chmod(0)
        said = subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
        ).stdout
    assert said == "1 [('b.npz', 'unreadable'), ('closed', 'unreadable')]\n"


def test_segments_belong_to_their_record(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    record = make_ecg_records(n_subjects=1, duration=20.0, random_state=2).data[0]
    for number, start in enumerate((0, 2500)):
        write_record(record.crop(start, start + 2500), source / f"long_{number}.hea")
    for path in source.glob("*.atr"):
        path.unlink()
    (source / "long.hea").write_text("long/2 1 250 5000\nlong_0 2500\nlong_1 2500\n")
    assert run(source, tmp_path / "out") == 0
    (line,) = lines(tmp_path / "out")[1]
    assert line["n_times"] == 5000


def test_a_large_archive_is_spread_over_folders(archive, tmp_path, monkeypatch):
    from sklearn_ecganon.archive import _plan

    monkeypatch.setattr(_plan, "MOST_IN_A_FOLDER", 4)
    seed = tmp_path / "seed"
    assert run(archive, tmp_path / "out", "--seed-file", seed) == 0
    for line in lines(tmp_path / "out")[1]:
        assert line["output"].startswith(line["record"][:2] + "/")
        assert (tmp_path / "out" / line["output"]).is_file()


def test_the_order_of_work_does_not_show(archive, tmp_path):
    import joblib

    seed = tmp_path / "seed"
    run(archive, tmp_path / "a", "--seed-file", seed)
    with joblib.parallel_config("threading"):
        run(archive, tmp_path / "b", "--seed-file", seed, "--n-jobs", 2)
    same(tmp_path / "a", tmp_path / "b")
    other = tmp_path / "other"
    run(archive, tmp_path / "c", "--seed-file", other)
    assert not set(tree(tmp_path / "a")) & set(tree(tmp_path / "c")) - {"manifest.jsonl"}


@pytest.mark.parametrize("more", [["--strength", 0.5], ["--format", "npz"], ["--leads", "II"]])
def test_one_folder_is_of_one_run(archive, tmp_path, more, capsys):
    seed = tmp_path / "seed"
    run(archive, tmp_path / "out", "--seed-file", seed)
    before = tree(tmp_path / "out")
    assert run(archive, tmp_path / "out", "--seed-file", seed, "--resume", *more) == 2
    assert f"begun with another {more[0][2:]}" in capsys.readouterr().err
    Secret.from_file(tmp_path / "other")
    words = ("--seed-file", tmp_path / "other", "--resume")
    assert run(archive, tmp_path / "out", *words) == 2
    assert "begun with another secret" in capsys.readouterr().err
    assert tree(tmp_path / "out") == before


class Cut(BaseException):
    """Stands for a machine that goes off."""


@pytest.mark.parametrize("after", [0, 1, 4, 6])
@pytest.mark.parametrize("torn", [False, True])
def test_a_run_that_was_cut_off_is_resumed(archive, tmp_path, after, torn, monkeypatch):
    from sklearn_ecganon.archive import _run

    seed = tmp_path / "seed"
    assert run(archive, tmp_path / "whole", "--seed-file", seed) == 0
    real, calls = _run.release_file, []

    def cut(*arguments):
        if len(calls) == after:
            raise Cut
        calls.append(arguments)
        return real(*arguments)

    def finish(self):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(_run, "release_file", cut)
        patch.setattr(_run.Manifest, "finish", finish)
        with pytest.raises(Cut):
            run(archive, tmp_path / "out", "--seed-file", seed)
    journal = tmp_path / "out" / ".journal.jsonl"
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    if torn and after:
        journal.write_bytes(journal.read_bytes()[:-7])
        (tmp_path / "out" / ".ecganon-left").mkdir()
        (tmp_path / "out" / ".ecganon-left" / "x.dat").write_text("half")
    again = []
    monkeypatch.setattr(_run, "release_file", lambda *a: again.append(a) or real(*a))
    assert run(archive, tmp_path / "out", "--seed-file", seed, "--resume") == 0
    assert len(again) == 6 - after + (torn and after > 0)
    same(tmp_path / "whole", tmp_path / "out")
    assert run(archive, tmp_path / "out", "--seed-file", seed, "--resume") == 0
    same(tmp_path / "whole", tmp_path / "out")


def test_a_full_disk_takes_nothing_with_it(archive, tmp_path, monkeypatch, capsys):
    from sklearn_ecganon.io._wfdb import WFDBWriter

    seed = tmp_path / "seed"
    run(archive, tmp_path / "whole", "--seed-file", seed)

    def full(self, chunk):
        raise OSError(errno.ENOSPC, "No space left on device", str(archive))

    with monkeypatch.context() as patch:
        patch.setattr(WFDBWriter, "_append", full)
        assert run(archive, tmp_path / "out", "--seed-file", seed) == 1
    assert "disk_full 3" in capsys.readouterr().out
    left = tree(tmp_path / "out")
    assert len([name for name in left if name.endswith(".edf")]) == 3
    assert len(left) == 4
    assert run(archive, tmp_path / "out", "--seed-file", seed, "--resume") == 0
    same(tmp_path / "whole", tmp_path / "out")


def test_a_disk_that_is_really_full(archive, tmp_path):
    """Limit the size of a file in a process of its own: the system's own refusal."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000));"
        "from sklearn_ecganon.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["anonymize", str(archive), str(tmp_path / "out"), "--method", "noise"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "disk_full 6" in done.stdout
    assert tree(tmp_path / "out") == ["manifest.jsonl"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4000


def test_no_connection_is_opened(archive, tmp_path, monkeypatch):
    def trapped(*arguments, **keywords):
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(socket, "socket", trapped)
    monkeypatch.setattr(socket, "create_connection", trapped)
    monkeypatch.setattr(socket, "getaddrinfo", trapped)
    words = ["anonymize", str(archive), str(tmp_path / "out")]
    assert main(words) == 0


def test_no_planted_identifier_is_written(tmp_path, capfd):
    """Every format, under folders and file names that tell who it is, good and damaged."""
    source = tmp_path / f"{NAME}_{ID}" / "in"
    for name, plant in PLANT.items():
        folder = source / f"{NAME}_{ID}_{name}"
        folder.mkdir(parents=True)
        path = plant(folder)
        broken = folder / f"{NAME}_{ID}_broken"
        broken.mkdir()
        (broken / path.name).write_bytes(path.read_bytes()[:2500])
    (source / f"{NAME}.txt").write_text(NAME)
    out = tmp_path / "out"
    words = ("--seed-file", tmp_path / "seed", "--key-file", tmp_path / "key.csv")
    assert run(source, out, *words) == 1
    said = capfd.readouterr()
    assert hits((said.out + said.err).encode()) == []
    done = [line for line in lines(out)[1] if line["outcome"] == "done"]
    assert {line["format"] for line in done} == set(PLANT)
    for path in out.rglob("*"):
        assert hits(path.relative_to(out).as_posix().encode()) == []
        if path.is_file():
            assert hits(everything_in(path)) == []
    assert NAME in (tmp_path / "key.csv").read_text()


def test_from_python(archive, tmp_path):
    release = RecordAnonymizer(NoiseAnonymizer(), secret=Secret(bytes(32)))
    outcomes = release.anonymize_folder(archive, tmp_path / "a", key_file=tmp_path / "key")
    assert [o.outcome for o in outcomes] == ["done"] * 6
    again = release.anonymize_folder(archive, tmp_path / "a", resume=True)
    assert outcomes == again
    with pytest.raises(ValueError, match="not empty"):
        release.anonymize_folder(archive, tmp_path / "a")


def test_progress_from_python(archive, tmp_path):
    events = []
    made = []
    release = RecordAnonymizer(lambda: made.append(NoiseAnonymizer()) or made[-1])
    words = {"seed_file": tmp_path / "seed", "on_progress": events.append}
    assert release.anonymize_folder(archive, tmp_path / "out", dry_run=True, **words) == []
    (event,) = events
    assert (len(event.plan.jobs), event.to_do, made) == (6, None, [])
    assert list(tmp_path.iterdir()) == []
    events.clear()
    outcomes = release.anonymize_folder(archive, tmp_path / "out", **words)
    assert len(made) == 1
    assert [event.to_do is None for event in events[:2]] == [True, False]
    assert len(events[1].to_do) == 6
    reported = [event.outcome for event in events if event.outcome is not None]
    assert sorted(reported, key=lambda outcome: outcome.record) == outcomes
    sizes = [event.n_bytes for event in events]
    assert sizes == sorted(sizes)
    assert sizes[-1] == events[0].plan.size
    # The seed file decides over the secret of another object.
    events.clear()
    other = RecordAnonymizer(NoiseAnonymizer())
    assert other.anonymize_folder(archive, tmp_path / "out", resume=True, **words) == outcomes
    assert [event.to_do for event in events] == [None, ()]


def test_info_shows_no_more_than_is_kept(tmp_path, capsys):
    assert main(["info", str(PLANT["wfdb"](tmp_path))]) == 0
    said = capsys.readouterr().out
    assert "500 Hz" in said
    assert "II lead_2" in said
    assert hits(said.encode()) == []
    assert main(["info", str(tmp_path / "no.edf")]) == 2
    assert "missing_file" in capsys.readouterr().err


def test_models_that_cannot_be_written(archive, tmp_path, capsys):
    model = tmp_path / "model"
    assert main(["fit", str(archive / "README.txt"), "-o", str(model)]) == 2
    assert main(["fit", str(archive), "-o", str(tmp_path / "no" / "model")]) == 2
    assert "folder of the model file does not exist" in capsys.readouterr().err


COMMAND = [sys.executable, "-m", "sklearn_ecganon", "anonymize"]


@pytest.mark.slow
def test_killed_at_ten_moments(archive, tmp_path):
    """kill -9 while it runs; what is visible is whole, and resuming makes the same."""
    source = tmp_path / "in"
    bunch = make_ecg_records(n_subjects=20, n_leads=2, duration=60.0, random_state=2)
    for number, record in enumerate(bunch.data):
        folder = source / record.subject
        folder.mkdir(parents=True, exist_ok=True)
        write_record(record, folder / f"{number}.hea")
    seed = tmp_path / "seed"
    words = ["--seed-file", str(seed)]
    start = time.monotonic()
    subprocess.run([*COMMAND, source, tmp_path / "whole", *words], check=True)
    took = time.monotonic() - start
    rng = np.random.default_rng(0)
    n_cut = 0
    for number in range(10):
        out = tmp_path / f"out{number}"
        resume: list[str] = []
        # Killed up to twice, then left alone.
        for share in (*rng.uniform(0.1, 0.7, 2), None):
            process = subprocess.Popen([*COMMAND, source, out, *words, *resume])
            if share is not None:
                time.sleep(share * took)
                process.send_signal(signal.SIGKILL)
            process.wait()
            n_cut += process.returncode == -signal.SIGKILL
            if out.is_dir():
                for header in out.glob("*.hea"):
                    read_record(header)  # verifies checksums
                assert {p.suffix for p in out.iterdir() if p.name[0] != "."} <= {
                    *(".hea", ".dat", ".atr", ".jsonl")
                }
                resume = ["--resume"]
        assert process.returncode == 0
        same(tmp_path / "whole", out)
    assert n_cut >= 5  # the rest had finished by then


@pytest.mark.slow
def test_a_small_disk(archive, tmp_path, capsys):
    mount = tmp_path / "disk"
    mount.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mount)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this user may mount nothing")
    try:
        seed = tmp_path / "seed"
        # 2 where there is no room to note what was done, either.
        assert run(archive, mount / "out", "--seed-file", seed) in (1, 2)
        said = capsys.readouterr()
        assert "disk_full" in said.out
        assert str(mount) not in said.out + said.err
        visible = [p for p in (mount / "out").iterdir() if p.suffix in (".hea", ".edf")]
        assert 0 < len(visible) < 6
        for path in visible:
            read_record(path)
        subprocess.run(["mount", "-o", "remount,size=1m", str(mount)], check=True)
        assert run(archive, mount / "out", "--seed-file", seed, "--resume") == 0
        run(archive, tmp_path / "whole", "--seed-file", seed)
        same(tmp_path / "whole", mount / "out")
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.slow
def test_workers_make_the_same(archive, tmp_path):
    words = ("--seed-file", tmp_path / "seed")
    run(archive, tmp_path / "a", *words)
    run(archive, tmp_path / "b", *words, "--n-jobs", 2)
    same(tmp_path / "a", tmp_path / "b")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_that_loses_a_worker(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from sklearn_ecganon.archive import _run

    monkeypatch.setattr(_run, "TASK_FILES", 1)
    source = tmp_path / "in"
    source.mkdir()
    for number, record in enumerate(
        make_ecg_records(n_subjects=30, duration=120.0, random_state=2).data
    ):
        write_record(record, source / f"{number}.npz")
    words = ("--seed-file", tmp_path / "seed")
    assert run(source, tmp_path / "whole", *words) == 0
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        import threading

        victims = []

        def kill():
            while len(list((tmp_path / "out").glob("*.npz"))) < 10:
                time.sleep(0.01)
            victim = next(iter(cluster.workers.values())).pid
            os.kill(victim, signal.SIGKILL)
            victims.append(victim)

        killer = threading.Thread(target=kill)
        killer.start()
        words = (*words, "--scheduler", cluster.scheduler_address)
        assert run(source, tmp_path / "out", *words) == 0
        killer.join()
    assert victims
    same(tmp_path / "whole", tmp_path / "out")


def test_an_archive_of_a_hospital(tmp_path, capsys):
    """Carts, tables and MATLAB in one folder: released without the person, as announced."""
    pytest.importorskip("ecgdatakit")
    scipy_io = pytest.importorskip("scipy.io")
    from tests import hospital_files

    source, out = tmp_path / f"{NAME} [all]", tmp_path / "out"
    source.mkdir()
    signal = hospital_files.rhythm()
    for name, (build, suffix) in hospital_files.BUILD.items():
        (source / f"{NAME}_{name}{suffix}").write_bytes(build(signal))
    table = "\n".join(f"{value:.4f}".replace(".", ",") for value in signal[:, 1])
    (source / "table.csv").write_text(f"Name;{NAME}\n\nII\n{table}\n")
    scipy_io.savemat(source / "matrix.mat", {"val": signal.T, "name": NAME})
    (source / "people.csv").write_text(f"id,age,name\n{ID},66,{NAME}\n")
    assert run(source, out, "--sampling-rate", 500, "--units", "mV") == 0
    printed = capsys.readouterr().out
    for words in ("1 muse-xml to dicom", "1 ishne to wfdb", "1 matlab to wfdb", "1 csv,"):
        assert words in printed.replace("1 csv)", "1 csv,")
    assert "1 other file(s), which are no recordings" in printed
    _, rest = lines(out)
    assert sorted(line["format"] for line in rest) == ["csv"] + ["dicom"] * 4 + ["wfdb"] * 4
    for path in out.rglob("*"):
        if path.is_file():
            assert hits(everything_in(path)) == []


def test_a_table_without_a_unit_or_rate_is_refused_and_counted(tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    values = make_ecg_records(1, duration=10.0, random_state=0).data[0].signal[:, 0]
    for name, factor in (("no_rate", 1), ("microvolts", 1000)):
        head = "II" if name == "no_rate" else "time,II"
        times = (
            [""] * len(values) if name == "no_rate" else [f"{i / 250}," for i in range(2500)]
        )
        rows = "\n".join(f"{t}{x * factor:.3f}" for t, x in zip(times, values, strict=True))
        (source / f"{name}.csv").write_text(f"{head}\n{rows}\n")
    assert run(source, tmp_path / "out") == 1
    assert "2 refused (bad_rate 1, bad_units 1)" in capsys.readouterr().out
