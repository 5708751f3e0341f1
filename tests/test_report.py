"""Audits: any two sets of recordings, as a table, a file and a page."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import wfdb

from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import LowPassAnonymizer
from sklearn_ecganon.cli import main
from sklearn_ecganon.io import FORMATS, Layout, create_record, write_record
from sklearn_ecganon.report import audit
from sklearn_ecganon.segmentation import stitch_record

WRITABLE = [name for name, format in FORMATS.items() if format.writer is not None]
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def bunch():
    return make_ecg_records(n_subjects=4, n_sessions=2, duration=20.0, random_state=0)


@pytest.fixture(scope="module")
def released(bunch):
    beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    released = LowPassAnonymizer(random_state=0).fit_transform(beats)
    return [stitch_record(released, i) for i in range(len(released))]


@pytest.fixture(scope="module")
def result(bunch, released):
    return audit(bunch.data, released, attackers=["lda", "rhythm"])


def test_the_originals_as_release_have_no_privacy_and_full_utility(bunch):
    found = audit(bunch.data, bunch.data, attackers="lda")
    assert found.evaluation.worst.rank1 == max(
        row.rank1 for row in found.evaluation.rows if row.knowledge == "original"
    )
    assert found.evaluation.utility == 1.0
    assert not found.omitted


def test_matched_by_name_whatever_the_order(bunch, released, result):
    again = audit(bunch.data, released[::-1], attackers=["lda", "rhythm"])
    assert again.evaluation == result.evaluation
    assert again.evaluation.utility == result.evaluation.utility


def test_matched_in_order_under_other_names(bunch, released, result):
    opaque = [replace(record, name=f"r{i}") for i, record in enumerate(released)]
    again = audit(bunch.data, opaque, attackers=["lda", "rhythm"])
    assert again.evaluation == result.evaluation


def test_what_the_release_lacks_is_listed(bunch, released):
    found = audit(bunch.data, released[1:], attackers="lda")
    first = bunch.data[0].name
    assert found.omitted == {first: "not in the release"}
    # What is left of its subject is only held, and not asked for.
    assert (found.evaluation.n_subjects, found.evaluation.n_probe_subjects) == (4, 3)
    assert f"left out: {first}" in str(found)


def test_a_subject_nobody_can_know_is_left_out(bunch, released):
    flat = replace(released[0], signal=np.zeros_like(released[0].signal))
    found = audit(bunch.data, [flat, *released[1:]], attackers="lda")
    assert "no usable gallery" in found.omitted[bunch.data[1].name]
    assert found.evaluation.n_subjects == 3


def test_other_rates_and_lengths(bunch, released):
    slower = [
        replace(
            record,
            signal=record.signal[: len(record.signal) // 2 * 2 : 2],
            sampling_rate=record.sampling_rate / 2,
            r_peaks=record.r_peaks // 2,
        ).crop(0, 1800)
        for record in released
    ]
    found = audit(bunch.data, slower, attackers="lda")
    assert found.evaluation.n_subjects == 4


def test_single_recordings_are_cut_in_two(bunch, released):
    first = [i for i, s in enumerate(bunch.session) if s == sorted(bunch.session)[0]]
    found = audit([bunch.data[i] for i in first], [released[i] for i in first], attackers="lda")
    assert found.evaluation.split == "time"
    assert found.n_samples == 2 * len(first)
    # Half of a release tells whose the other half is: that is no attack.
    assert {row.knowledge for row in found.evaluation.rows} == {"original", "ignorant"}
    assert "only attackers who know the originals" in found.verdict
    assert set(found.maps) == {"before"}
    jsonschema.validate(found.to_dict(), schema())


def test_arrays(bunch, released):
    old, new = (QRSSegmenter("annotated").fit_transform(r) for r in (bunch.data, released))
    subjects = bunch.subject[old.record]
    found = audit(old.beats[:, 0], new.beats[:, 0], subjects, attackers="lda")
    assert found.evaluation.floor is None
    assert not found.maps
    jsonschema.validate(found.to_dict(), schema())


def schema():
    text = (files("sklearn_ecganon.report") / "audit.schema.json").read_text("utf-8")
    return json.loads(text)


def test_json_follows_its_schema(result, tmp_path):
    result.to_json(tmp_path / "audit.json")
    told = json.loads((tmp_path / "audit.json").read_text())
    jsonschema.validate(told, schema())
    assert told["rank1"] == result.evaluation.worst.rank1
    assert told["excess"]["value"] == pytest.approx(told["rank1"] - told["floor"]["rank1"])
    assert told["identification"]["original"]["cmc"][-1] == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "audit.json"]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_page_is_self_contained_and_escapes_names(bunch, released, tmp_path):
    old, new = ([replace(r[0], name=SCRIPT), *r[1:]] for r in (bunch.data, released))
    audit(old, new[:-1], attackers="lda").to_html(tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text("utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert SCRIPT in page.text
    assert page.addresses
    assert all(address.startswith("data:image/png") for address in page.addresses)
    # besides data there is nothing a browser could fetch
    assert not re.search(r"https?://|url\(|@import", text)
    assert "Who could be recognized" in page.text


def test_verdict_tells_people_and_floor(result):
    assert result.verdict.startswith("Of 4 people")
    assert f"{result.evaluation.worst.rank1:.1%}" in result.verdict
    assert "diagnostic contract" in result.verdict
    assert "anonymous" not in result.verdict


def write(folder, records, names):
    for record, name in zip(records, names, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wfdb.wrsamp(
            path.name,
            record.sampling_rate,
            ["mV"] * record.n_leads,
            list(record.lead_names),
            record.signal,
            fmt=["16"] * record.n_leads,
            write_dir=str(path.parent),
        )


@pytest.fixture
def folders(bunch, released, tmp_path):
    names = [f"{r.subject}/{r.session}" for r in bunch.data]
    write(tmp_path / "before", bunch.data, names)
    write(tmp_path / "after", released, [f"x{i}" for i in range(len(released))])
    lines = ["record,subject,session,released"]
    lines += [f"{n},{n.split('/')[0]},{n.split('/')[1]},x{i}" for i, n in enumerate(names)]
    (tmp_path / "key.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_command(folders, capsys):
    arguments = ["audit", str(folders / "before"), str(folders / "after"), "--attackers", "lda"]
    outputs = ["--json", str(folders / "a.json"), "--html", str(folders / "a.html")]
    key = ["--key", str(folders / "key.csv")]
    assert main([*arguments, *key, *outputs, "--max-risk", "0.01"]) == 1
    told = capsys.readouterr()
    assert "Of 4 people" in told.out
    assert "more than 1.0%" in told.err
    jsonschema.validate(json.loads((folders / "a.json").read_text()), schema())
    assert (folders / "a.html").stat().st_size > 10_000
    # in order and without the key: the names have nothing in common
    assert main(arguments) == 0


@pytest.mark.parametrize("format", WRITABLE)
def test_what_anonymize_writes_audit_reads(bunch, tmp_path, capsys, format):
    suffix = FORMATS[format].suffixes[0]
    for record in bunch.data:
        folder = tmp_path / "in" / record.subject
        folder.mkdir(parents=True, exist_ok=True)
        write_record(record, folder / f"{record.session}{suffix}")
    source, out, key = (str(tmp_path / name) for name in ("in", "out", "key.csv"))
    assert main(["anonymize", source, out, "--method", "noise", "--key-file", key]) == 0
    assert all(path.suffix in FORMATS[format].suffixes for path in released_files(out))
    report = str(tmp_path / "audit.json")
    arguments = ["audit", source, out, "--key", key, "--attackers", "lda", "--json", report]
    assert main(arguments) == 0
    assert "Of 4 people" in capsys.readouterr().out
    figures = json.loads(Path(report).read_text())
    assert figures["n_samples"] == 8
    assert figures["omitted"] == {}


def released_files(folder):
    names = {json.loads(line).get("output") for line in manifest_lines(folder)}
    return [Path(name) for name in names if name]


def manifest_lines(folder):
    return Path(folder, "manifest.jsonl").read_text().splitlines()


def test_a_file_of_several_recordings_is_audited(bunch, tmp_path, capsys):
    pytest.importorskip("h5py")
    source, out, key = tmp_path / "in", tmp_path / "out", tmp_path / "key.csv"
    source.mkdir()
    records = bunch.data
    layout = Layout(
        "hdf5",
        records[0].sampling_rate,
        records[0].lead_names,
        records[0].n_times,
        n_records=len(records),
    )
    with create_record(source / "exams.h5", layout) as writer:
        for record in records:
            writer.write(record.signal)
    words = ["anonymize", str(source), str(out), "--method", "noise", "--key-file", str(key)]
    assert main(words) == 0
    (row,) = csv.DictReader(key.read_text().splitlines())
    released = row["released"]
    lines = [
        f"exams#{i},{r.subject},{r.session},{Path(released).stem}#{i}"
        for i, r in enumerate(records)
    ]
    key.write_text("\n".join(["record,subject,session,released", *lines]) + "\n")
    assert main(["audit", str(source), str(out), "--key", str(key), "--attackers", "lda"]) == 0
    assert "Of 4 people" in capsys.readouterr().out


def test_what_cannot_be_read_is_left_out_and_listed(folders, capsys):
    (folders / "before" / "s001" / "broken.edf").write_bytes(b"\x07" * 3000)
    arguments = ["audit", str(folders / "before"), str(folders / "after"), "--attackers", "lda"]
    assert main([*arguments, "--key", str(folders / "key.csv")]) == 0
    out = capsys.readouterr().out
    assert "before: s001/broken.edf: unknown_format" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("record,", "name,"), "give 'record'"),
        (lambda text: "\n".join(text.splitlines()[:-1]), "are not in it"),
        (lambda text: text.replace("x3", "x9"), "no line has 'x3'"),
        (lambda text: text + text.splitlines()[1], "two lines for record"),
    ],
)
def test_bad_key(folders, capsys, change, message):
    key = folders / "key.csv"
    key.write_text(change(key.read_text()))
    before, after = str(folders / "before"), str(folders / "after")
    assert main(["audit", before, after, "--key", str(key), "--attackers", "lda"]) == 2
    assert message in capsys.readouterr().err


def test_the_command_checks_before_it_works(folders, capsys):
    before, after = str(folders / "before"), str(folders / "after")
    page = str(folders / "nowhere" / "a.html")
    assert main(["audit", before, after, "--html", page]) == 2
    assert "its folder does not exist" in capsys.readouterr().err


def test_bad_input(bunch, released):
    with pytest.raises(ValueError, match="before lacks"):
        audit(bunch.data[:-1], released)
    with pytest.raises(ValueError, match="two records named"):
        audit(bunch.data, [released[0], *released[:-1]])
    with pytest.raises(ValueError, match="different kinds"):
        audit(bunch.data, np.zeros((4, 20)))
    with pytest.raises(ValueError, match="subjects has 2 entries"):
        audit(bunch.data, released, ["a", "b"])
    nobody = [replace(record, subject=None) for record in bunch.data]
    with pytest.raises(ValueError, match="subjects are not known"):
        audit(nobody, released)
    with pytest.raises(ValueError, match="4 rows and after 3"):
        audit(np.zeros((4, 20)), np.zeros((3, 20)), list("aabb"))
    flat = [replace(r, signal=np.zeros_like(r.signal)) for r in released]
    with pytest.raises(ValueError, match="flat"):
        audit(bunch.data, flat)
