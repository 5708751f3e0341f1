"""Audits: any two sets of recordings, as a table, a file and a page."""

import csv
import hashlib
import json
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import wfdb
from scipy.signal import resample_poly
from sklearn.ensemble import RandomForestClassifier

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import LowPassAnonymizer
from sklearn_ecganon.cli import main
from sklearn_ecganon.datasets import fetch_ecgid
from sklearn_ecganon.io import FORMATS, Layout, create_record, write_record
from sklearn_ecganon.releases import Release
from sklearn_ecganon.report import (
    ABOVE,
    BELOW,
    MIN_SUBJECTS,
    UNKNOWN,
    AuditResult,
    Decision,
    audit,
    audit_folders,
    singling_out,
)
from sklearn_ecganon.report._labels import CHECKS, describe_figure
from sklearn_ecganon.report._provenance import folder_sha256
from sklearn_ecganon.report._sessions import enough_probed
from sklearn_ecganon.segmentation import stitch_record
from sklearn_ecganon.utility import label_utility

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
    result = audit(bunch.data, bunch.data, attackers="lda")
    assert result.evaluation.worst.rank1 == max(
        row.rank1 for row in result.evaluation.rows if row.knowledge == "original"
    )
    assert result.evaluation.utility == 1.0
    assert not result.omitted


def test_matched_by_name_whatever_the_order(bunch, released, result):
    again = audit(bunch.data, released[::-1], attackers=["lda", "rhythm"])
    assert again.evaluation == result.evaluation
    assert again.evaluation.utility == result.evaluation.utility


def test_matched_in_order_if_the_caller_says_so(bunch, released, result):
    opaque = [replace(record, name=f"r{i}") for i, record in enumerate(released)]
    with pytest.raises(ValueError, match="'r0' that before lacks"):
        audit(bunch.data, opaque)
    again = audit(bunch.data, opaque, paired="order", attackers=["lda", "rhythm"])
    assert again.evaluation == result.evaluation
    partners = {new.name: old.name for new, old in zip(opaque, bunch.data, strict=True)}
    again = audit(bunch.data, opaque[::-1], paired=partners, attackers=["lda", "rhythm"])
    assert again.evaluation == result.evaluation


def test_what_the_release_lacks_is_listed(bunch, released):
    result = audit(bunch.data, released[1:], attackers="lda")
    first = bunch.data[0].name
    assert result.omitted == {first: "not in the release"}
    # The other recording of its subject is in the gallery only.
    assert (result.evaluation.n_subjects, result.evaluation.n_probe_subjects) == (4, 3)
    assert f"left out: {first}" in str(result)


def test_a_subject_without_a_gallery_is_left_out(bunch, released):
    flat = replace(released[0], signal=np.zeros_like(released[0].signal))
    result = audit(bunch.data, [flat, *released[1:]], attackers="lda")
    assert "no usable gallery" in result.omitted[bunch.data[1].name]
    assert result.evaluation.n_subjects == 3


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
    assert audit(bunch.data, slower, attackers="lda").evaluation.n_subjects == 4


def test_other_names_of_leads(bunch, released):
    renamed = [replace(record, lead_names=("channel A",)) for record in released]
    result = audit(bunch.data, renamed, attackers="lda")
    assert result.settings["leads"] == [0]
    assert result.evaluation.n_subjects == 4


def first_session(bunch, records):
    first = sorted(bunch.session)[0]
    return [record for record, s in zip(records, bunch.session, strict=True) if s == first]


def test_single_recordings_are_cut_in_two(bunch, released):
    before = first_session(bunch, bunch.data)
    result = audit(before, first_session(bunch, released), attackers="lda")
    assert result.evaluation.split == "time"
    assert (result.n_pairs, result.n_samples) == (len(before), 2 * len(before))
    # The half of a release identifies the other half, which would be no attack.
    assert {row.knowledge for row in result.evaluation.rows} == {"original", "ignorant"}
    assert "only attackers that know the originals" in result.verdict
    assert set(result.maps) == {"before"}
    jsonschema.validate(result.to_dict(), schema())


def test_with_the_software_single_recordings_have_informed_attackers(bunch, released):
    before = first_session(bunch, bunch.data)
    after = first_session(bunch, released)
    # A low-pass filter has no secret, so its release is the view of an attacker too.
    release = Release.of_pairs(before, after, views=[after])
    # Attackers on strips read the signals of the views.
    names = [record.name for record in release.retrained_recordings[0]]
    assert names == list(release.retrained[0].names) == [record.name for record in before]
    result = audit(before, after, views=[after], attackers="lda")
    levels = {row.knowledge for row in result.evaluation.rows}
    assert {"lazy-informed", "semi-informed"} <= levels
    assert not result.is_ignorant
    with pytest.raises(ValueError, match="a view lacks 1 record"):
        audit(before, after, views=[after[1:]], attackers="lda")


def test_arrays(bunch, released):
    old, new = (QRSSegmenter("annotated").fit_transform(r) for r in (bunch.data, released))
    subjects = bunch.subject[old.record]
    with pytest.raises(ValueError, match="paired='order'"):
        audit(old.beats[:, 0], new.beats[:, 0], subjects)
    result = audit(old.beats[:, 0], new.beats[:, 0], subjects, paired="order", attackers="lda")
    assert result.evaluation.floor is None
    assert not result.maps
    jsonschema.validate(result.to_dict(), schema())


class TestPairing:
    """A release that is paired with wrong originals looks private, so it is refused."""

    def rotated(self, records):
        names = [record.name for record in records]
        return [
            replace(record, name=name)
            for record, name in zip(records[2:] + records[:2], names, strict=True)
        ]

    def test_identical_signals_under_other_names(self, bunch):
        with pytest.raises(ValueError, match=r"pairing looks wrong.*is identical to"):
            audit(bunch.data, self.rotated(bunch.data))

    def test_correlated_signals_under_other_names(self, bunch):
        changed = [
            replace(record, signal=1.3 * np.roll(record.signal, 10, axis=0) + 0.2)
            for record in bunch.data
        ]
        with pytest.raises(ValueError, match=r"pairing looks wrong.*correlates by"):
            audit(bunch.data, self.rotated(changed))
        # The right pairs are not refused.
        assert Release.of_pairs(bunch.data, changed).n_identical == 0

    def people(self, n_subjects):
        """Return rows around one template for each person, two rows each, and the subjects."""
        templates = np.random.RandomState(0).normal(size=(n_subjects, 60))
        subjects = np.repeat(np.arange(n_subjects), 2)
        return templates[subjects], subjects

    def test_a_permutation_that_recognizes_more(self):
        rows, subjects = self.people(20)
        released = rows + np.random.RandomState(1).normal(scale=0.2, size=rows.shape)
        mixed = np.roll(released, 2, axis=0)
        with pytest.raises(ValueError, match="resemble an original of their own"):
            Release.of_pairs(rows, mixed, subjects, paired="order")
        Release.of_pairs(rows, released, subjects, paired="order")

    @pytest.mark.parametrize("seed", range(10))
    def test_a_private_release_is_not_refused(self, seed):
        rows, subjects = self.people(20)
        noise = np.random.RandomState(100 + seed).normal(size=rows.shape)
        Release.of_pairs(rows, noise, subjects, paired="order")

    def test_copies_among_the_originals_are_no_mistake(self, bunch):
        twins = [*bunch.data, replace(bunch.data[0], name="copy")]
        assert Release.of_pairs(twins, twins).n_identical == len(twins)


def test_annotations_count_where_they_are_all_beats(bunch, released):
    detected = audit(
        [replace(r, r_peaks=None, beat_labels=None) for r in bunch.data],
        [replace(r, r_peaks=None, beat_labels=None) for r in released],
        attackers="lda",
    )
    partial = [
        replace(r, r_peaks=r.r_peaks[:5], beat_labels=r.beat_labels[:5]) for r in bunch.data
    ]
    result = audit(
        partial,
        [replace(r, r_peaks=None, beat_labels=None) for r in released],
        attackers="lda",
    )
    assert result.evaluation == detected.evaluation
    assert result.evaluation.utility == detected.evaluation.utility


class TestVerdict:
    def changed(self, result, rank1, n_subjects, **changes):
        """Return the result with another number of people and another rank-1."""
        rows = tuple(
            row._replace(rank1=1.0 if row.knowledge == "original" else rank1)
            for row in result.evaluation.rows
        )
        evaluation = replace(
            result.evaluation,
            rows=rows,
            n_subjects=n_subjects,
            n_probe_subjects=n_subjects,
            weak=changes.pop("weak", False),
        )
        return replace(result, evaluation=evaluation, **changes)

    def decided(self, *arguments, **changes):
        return self.changed(*arguments, **changes).decision

    def test_three_outcomes(self, result):
        assert self.decided(result, 0.0, 100).outcome == BELOW
        assert self.decided(result, 0.10, 100).outcome == ABOVE
        close = self.decided(result, 0.08, 100)
        assert close.outcome == UNKNOWN
        assert "100 people" in close.reasons[0]

    @pytest.mark.parametrize("rank1", [0.0, 0.1, 1.0])
    def test_few_people_are_never_enough(self, result, rank1):
        assert self.decided(result, rank1, MIN_SUBJECTS - 1).outcome == UNKNOWN
        assert self.decided(result, rank1, MIN_SUBJECTS, max_risk=0.15).outcome != UNKNOWN or (
            rank1 == 0.1
        )

    def test_weak_attackers_prove_nothing(self, result):
        assert self.decided(result, 0.0, 100, weak=True).outcome == UNKNOWN
        assert self.decided(result, 0.5, 100, weak=True).outcome == ABOVE

    def test_ignorant_attackers_prove_nothing_unless_that_is_allowed(self, result):
        rows = tuple(
            row for row in result.evaluation.rows if row.knowledge in ("original", "ignorant")
        )
        ignorant = replace(result, evaluation=replace(result.evaluation, rows=rows))
        assert self.decided(ignorant, 0.0, 100).outcome == UNKNOWN
        assert self.decided(ignorant, 0.0, 100, allow_ignorant=True).outcome == BELOW
        assert self.decided(ignorant, 0.5, 100, allow_ignorant=True).outcome == ABOVE

    def test_identical_signals_are_a_risk(self, result):
        decision = self.decided(result, 0.0, 100, n_identical=result.n_pairs // 2)
        assert decision.outcome == ABOVE
        assert decision.risk == 0.5

    def test_the_upper_end_is_that_of_clopper_and_pearson(self, result):
        # If nobody of n is recognized, it is 1 - 0.05 ** (1 / n).
        decision = self.decided(result, 0.0, 20)
        assert decision.upper == pytest.approx(1 - 0.05 ** (1 / 20))
        assert self.decided(result, 1.0, 20).upper == 1

    def test_what_to_do_about_a_high_risk_is_not_what_was_done(self, result):
        at_most = {"provenance": {"manifest": {"strength": 1.0}}, "contract": "diagnostic"}
        steps = self.changed(result, 0.5, 100, max_risk=0.4, **at_most).next_steps
        words = " ".join(steps)
        assert "under an agreement" in words
        assert "Raise the strength" not in words
        assert "Choose the diagnostic contract" not in words
        steps = self.changed(result, 0.5, 100, contract="measurement").next_steps
        assert steps[0].startswith("Raise the strength")
        assert steps[1].startswith("Choose the diagnostic contract")

    def test_a_floor_above_the_limit_and_linked_recordings_have_steps_of_their_own(
        self, result
    ):
        above = self.changed(result, 0.5, 100)
        rows = tuple(
            row._replace(rank1=0.8) if row.evidence == "linked" else row
            for row in above.evaluation.rows
        )
        floors = tuple(row._replace(rank1=0.3) for row in above.evaluation.floor_rows)
        evaluation = replace(above.evaluation, rows=rows, floor_rows=floors)
        words = " ".join(replace(above, evaluation=evaluation).next_steps)
        assert "keeps recognizes 30.0 % of the people by itself" in words
        assert "from a single recording, the attacks recognize at most 50.0 %" in words

    def test_copies_of_five_people(self):
        bunch = make_ecg_records(n_subjects=5, n_sessions=2, duration=15.0, random_state=3)
        result = audit(bunch.data, bunch.data, attackers="lda")
        assert result.verdict.startswith(
            "ATTENTION: 10 of 10 signals are identical to an original."
        )
        assert result.outcome == "cannot tell"
        assert "by chance" not in result.verdict
        assert "Do not share this folder" in result.next_steps[0]

    def test_people_and_percent_are_not_mixed(self, result):
        assert result.verdict.startswith("None of 8 signals is identical to its original.")
        assert re.search(r"recognizes \d+\.\d % of 4 people at the first guess", result.verdict)
        assert "anonymous" not in result.verdict

    def test_a_panel_without_the_strongest_attackers_says_so(self, result):
        assert "the strongest attackers" in result.verdict
        rows = tuple(row._replace(modality="strip") for row in result.evaluation.rows)
        strong = replace(result, evaluation=replace(result.evaluation, rows=rows))
        assert "the strongest attackers" not in strong.verdict

    @pytest.mark.parametrize("limit", [0, 1, 5, -0.1])
    def test_the_limit_is_a_fraction(self, bunch, limit):
        with pytest.raises(ValueError, match="give a fraction between 0 and 1"):
            audit(bunch.data, bunch.data, max_risk=limit)


def test_singling_out():
    before = {"length": [1, 1, 2, 3, 3], "rate": [9, 9, 8, 8, None]}
    after = {"length": [1, 1, 2, 4, 3], "rate": [9, 9, 8, 8, None]}
    length, rate, together = singling_out(before, after, ["a", "b", "c", "d", "d"])
    # c alone has length 2, and d alone length 3, which one of two releases keeps.
    assert (length.n_kept, length.n_people, length.fraction) == (4, 2, 0.5)
    assert (rate.n_kept, rate.n_people) == (4, 0)
    assert (together.n_kept, together.n_people) == (5, 2)


def test_lengths_that_the_release_keeps_single_people_out(bunch, released):
    def trimmed(records):
        return [r.crop(0, r.n_times - 10 * i) for i, r in enumerate(records)]

    result = audit(trimmed(bunch.data), trimmed(released), attackers="lda")
    rows = {row.value: row for row in result.singled_out}
    assert rows["length (samples)"].n_people == 4
    assert rows["sampling rate"].n_people == 0
    assert any("Cut all recordings to one length" in step for step in result.next_steps)


def test_attributes_are_inferred(tmp_path):
    bunch = make_ecg_records(n_subjects=12, n_sessions=2, duration=15.0, random_state=0)
    ages = {f"s{i + 1:03d}": 20.0 + i for i in range(12)}
    ages = {
        subject: ages.get(subject, 20.0 + i) for i, subject in enumerate(set(bunch.subject))
    }
    result = audit(
        bunch.data,
        bunch.data,
        attackers="lda",
        attributes={"age": ages, "sex": dict.fromkeys(ages, "F")},
    )
    assert result.inferred["age"].metric == "rank correlation"
    assert result.inferred["age"].n_subjects == 12
    assert "not inferred" in result.omitted["attribute sex"]
    assert "inference of age" in str(result)
    result.to_html(tmp_path / "audit.html")
    assert "control" in Page((tmp_path / "audit.html").read_text("utf-8")).text
    jsonschema.validate(result.to_dict(), schema())


@pytest.mark.filterwarnings("ignore::sklearn_ecganon.attacks.WeakAttackWarning")
def test_validity_realism_labels_and_profiles_on_the_page(tmp_path, monkeypatch):
    forest = RandomForestClassifier(20)
    monkeypatch.setattr(
        "sklearn_ecganon.evaluation.label_utility", partial(label_utility, classifier=forest)
    )
    bunch = make_ecg_records(n_subjects=20, n_sessions=2, duration=10.0, random_state=0)
    rate = {
        record.name: "" if i < 3 else "fast" if len(record.r_peaks) > 11 else "slow"
        for i, record in enumerate(bunch.data)
    }
    louder = [replace(record, signal=2 * record.signal) for record in bunch.data]
    result = audit(bunch.data, louder, attackers="lda", realism=True, labels={"rate": rate})
    figures = result.to_dict()
    jsonschema.validate(figures, schema())
    checks = {row["name"]: row for row in figures["validity"]}
    assert checks["amplitude"]["after"] == pytest.approx(2 * checks["amplitude"]["before"])
    assert checks["p_waves_in_fibrillation"]["before"] is None
    assert figures["realism"]["n_groups"] == 20
    assert figures["labels"]["rate"]["n_test"] == 37
    # Training and test on originals is the same as on equally louder ones.
    crossings = figures["labels"]["rate"]
    assert crossings["trtr"] > 0.6
    assert crossings["tsts"] == pytest.approx(crossings["trtr"], abs=0.1)
    result.to_html(tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text("utf-8")
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    for words in ("Is the release a valid ECG?", "Realism", "your labels", "Singling out"):
        assert any(words in heading for heading in headings), words
    assert text.index("<td>amplitude of a lead</td>") > 0
    assert "P waves in annotated fibrillation" not in text
    for k in (2, 5, 10):
        assert f"fewer than {k} people" in text
    for words in ("valid ECG", "real against real", "release on real", "profiles: 20 people"):
        assert words in str(result)
    with pytest.raises(ValueError, match="give at least 20"):
        audit(bunch.data[:8], louder[:8], attackers="lda", realism=True)


def test_every_check_has_a_label(result):
    assert [row.name for row in result.evaluation.validity.rows] == list(CHECKS)


def test_another_rate_and_partial_annotations_are_checked_too(bunch, released):
    """As in ECG-ID, whose originals have ten annotated beats, at twice the rate."""
    fast = [
        replace(
            record,
            signal=resample_poly(record.signal, 2, 1, axis=0),
            sampling_rate=2 * record.sampling_rate,
            r_peaks=2 * record.r_peaks[:3],
            beat_labels=None,
        )
        for record in bunch.data
    ]
    result = audit(fast, released, attackers="lda").evaluation.validity.to_dict()
    assert result["heart_rate_kept"] > 0.5
    assert result["before_r_peaks_f1"] > 0.9


def test_most_exposed_releases(result):
    probes = {row.original for row in result.exposed}
    assert len(probes) == len(result.exposed) <= 4
    assert [row.n_right for row in result.exposed if row.by_worst] == sorted(
        (row.n_right for row in result.exposed if row.by_worst), reverse=True
    )
    n_by_worst = sum(row.by_worst for row in result.exposed)
    trials = result.evaluation.trials[
        result.evaluation.worst.attacker, result.evaluation.worst.knowledge
    ]
    assert n_by_worst == (trials.scores.argmax(axis=1) == trials.subjects).sum()


def schema():
    text = (files("sklearn_ecganon.report") / "audit.schema.json").read_text("utf-8")
    return json.loads(text)


def test_json_follows_its_schema(result, tmp_path):
    result.to_json(tmp_path / "audit.json")
    figures = json.loads((tmp_path / "audit.json").read_text())
    jsonschema.validate(figures, schema())
    assert figures["rank1"] == result.evaluation.worst.rank1
    assert figures["excess"]["value"] == pytest.approx(
        figures["rank1"] - figures["floor"]["rank1"]
    )
    assert figures["identification"]["original"]["cmc"][-1] == 1
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


def test_page_has_title_units_glossary_and_next_steps(result, tmp_path):
    result.to_html(tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text("utf-8")
    assert (
        f"<title>Who could be recognized in this release? Audit of {result.created[:10]}"
        in (text)
    )
    assert f"<th>{result.evaluation.worst.attacker}</th>" not in text
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings[-3:] == ["The most exposed releases", "Glossary", "What to do next"]
    assert "<td>error of QT</td>" in text
    assert re.search(r"error of QT</td><td>[^<]*</td><td class=.left.>ms<", text)
    assert result.outcome.capitalize() in text


def test_every_figure_of_utility_has_a_label_and_a_unit(result):
    labels = [describe_figure(name) for name in result.evaluation.utility_figures]
    assert len(set(labels)) == len(labels)
    assert describe_figure("error_ST") == ("error of ST", "mV")
    assert describe_figure("before_f1_50ms")[0] == "originals: F1 of R peaks, within 50 ms"
    assert describe_figure("error_pnn50")[1] == "percentage points"


def test_names_can_be_hidden(bunch, released, tmp_path):
    secret = [replace(r, name=f"ward7/{r.name}") for r in bunch.data]
    opaque = [replace(r, name=f"x{i}") for i, r in enumerate(released)]
    result = audit(secret[:-1], opaque[:-1], paired="order", attackers="lda")
    result = replace(result, omitted={"before: ward7/a.edf": "no beats in 'ward7/a'"})
    assert "ward7" in str(result)
    hidden = result.without_names()
    hidden.to_html(tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text("utf-8")
    assert "ward7" not in text + str(hidden) + json.dumps(hidden.to_dict())
    assert not any(f">{subject}<" in text for subject in bunch.subject)
    assert "before: recording" in text
    assert any(row.released in text for row in hidden.exposed)
    jsonschema.validate(hidden.to_dict(), schema())


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


def command(folders, *more, key=True):
    words = ["audit", str(folders / "before"), str(folders / "after"), "--attackers", "lda"]
    return main([*words, *(["--key", str(folders / "key.csv")] if key else []), *more])


def test_command(folders, capsys):
    outputs = ["--json", str(folders / "a.json"), "--html", str(folders / "a.html")]
    assert command(folders, *outputs, "--max-risk", "0.01") == 3
    shown = capsys.readouterr()
    assert shown.out.startswith("before: 8 recordings of 4 people in 8 sessions; after: 8")
    assert "of 4 people" in shown.out
    assert "cannot tell whether the risk is at or below 1.0%: only 4 people" in shown.err
    figures = json.loads((folders / "a.json").read_text())
    jsonschema.validate(figures, schema())
    assert figures["provenance"]["manifest"] is None
    text = (folders / "a.html").read_text("utf-8")
    for name in ("before_sha256", "after_sha256", "key_sha256"):
        assert figures["provenance"][name] in text
    assert command(folders) == 0


def test_without_a_key_names_must_match(folders, capsys):
    assert command(folders, key=False) == 2
    assert "Releases are not paired by guesswork" in capsys.readouterr().err


def test_exit_codes_are_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "1 if it is above; 3 if the audit cannot tell" in text
    assert "2 after an error" in text


@pytest.mark.parametrize("value", ["5", "0", "1", "-0.1", "much"])
def test_a_limit_that_is_no_fraction_is_refused(folders, capsys, value):
    with pytest.raises(SystemExit) as error:
        command(folders, f"--max-risk={value}")
    assert error.value.code == 2
    assert "0.05 for 5 %" in capsys.readouterr().err


def test_a_model_that_is_none_gives_one_line(folders, capsys):
    (folders / "notes.md").write_text("# Notes\n\nNo model.\n")
    assert command(folders, "--model", str(folders / "notes.md")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ecganon: ")
    assert "ecganon fit" in line


def test_status_of_the_verdict(result, folders, capsys, monkeypatch):
    from sklearn_ecganon import report

    monkeypatch.setattr(report, "audit_folders", lambda *folders, **parameters: result)
    monkeypatch.setattr(AuditResult, "decision", Decision(ABOVE, (), 0.25, 0.4))
    assert command(folders, "--max-risk", "0.2") == 1
    assert "above the limit of 20.0%: 25.0% are recognized" in capsys.readouterr().err
    assert command(folders) == 0
    monkeypatch.setattr(AuditResult, "decision", Decision(report.BELOW, (), 0.0, 0.1))
    assert command(folders, "--max-risk", "0.2") == 0


def anonymized(bunch, folder, *words):
    """Write one recording of each person, and release them by the command."""
    for record in first_session(bunch, bunch.data):
        write_record(record, folder / f"{record.subject}.edf")
    source, out, key = (str(folder.parent / name) for name in ("in", "out", "key.csv"))
    assert main(["anonymize", source, out, "--key-file", key, *words]) == 0
    return ["audit", source, out, "--key", key, "--attackers", "lda"]


def test_the_software_makes_attackers_informed(bunch, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    audit_words = anonymized(bunch, tmp_path / "in", "--method", "noise")
    report = tmp_path / "audit.json"
    assert main([*audit_words, "--json", str(report)]) == 0
    assert "only attackers that know the originals" in capsys.readouterr().out
    assert {row["knowledge"] for row in json.loads(report.read_text())["ladder"]} == {
        "original",
        "ignorant",
        "floor",
    }
    assert main([*audit_words, "--method", "noise", "--json", str(report)]) == 0
    assert "3 times with fresh secrets" in capsys.readouterr().out
    figures = json.loads(report.read_text())
    assert "semi-informed" in {row["knowledge"] for row in figures["ladder"]}
    assert figures["settings"]["n_views"] == 3
    assert figures["provenance"]["manifest"]["method"] == "NoiseAnonymizer"
    # The manifest states another strength.
    assert main([*audit_words, "--method", "noise", "--strength", "0.5"]) == 2
    assert "made with strength 1.0" in capsys.readouterr().err


# Pairs of people under one name are hard to recognize.
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.attacks.WeakAttackWarning")
def test_subjects_of_a_table_and_of_names(folders, capsys):
    rows = [line.split(",") for line in (folders / "key.csv").read_text().splitlines()]
    (folders / "key.csv").write_text("\n".join(f"{row[0]},{row[3]}" for row in rows) + "\n")
    lines = ["record,subject,height"]
    lines += [f"{row[0]},{'p1' if i < 4 else 'p2'},{170 + i}" for i, row in enumerate(rows[1:])]
    (folders / "people.csv").write_text("\n".join(lines) + "\n")
    table = str(folders / "people.csv")
    assert command(folders, "--subjects", table, "--attributes", "height") == 0
    out = capsys.readouterr().out
    assert "8 recordings of 2 people" in out
    assert "left out: attribute height: not inferred" in out
    assert command(folders, "--subjects", table, "--attributes", "weight") == 2
    assert "no column 'weight'; it has record, subject, height" in capsys.readouterr().err
    assert command(folders, "--subject-regex", "^(...)") == 2
    assert command(folders, "--subject-regex", "^(....)") == 0
    assert "8 recordings of 4 people" in capsys.readouterr().out
    assert command(folders, "--subject-regex", "patient") == 2
    assert "8 of 8 recordings have no match of the pattern" in capsys.readouterr().err
    assert command(folders, "--subject-regex", "(") == 2
    assert "is no regular expression" in capsys.readouterr().err


# The two recordings of a name are of two people.
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.attacks.WeakAttackWarning")
def test_metadata_has_sessions_and_may_have_lines_of_people(folders, capsys):
    rows = [line.split(",") for line in (folders / "key.csv").read_text().splitlines()]
    lines = ["file;session"] + [f"{row[0]};{9 - i}" for i, row in enumerate(rows[1:])]
    (folders / "sessions.csv").write_text("\n".join(lines) + "\n")
    words = ["--record-column", "file", "--metadata", str(folders / "sessions.csv")]
    assert command(folders, *words) == 0
    assert "8 recordings of 4 people in 8 sessions" in capsys.readouterr().out
    people = sorted({row[1] for row in rows[1:]})
    (folders / "people.csv").write_text(
        "person,sex\n" + "".join(f"{name},F\n" for name in people)
    )
    words = ["--subject-column", "person", "--metadata", str(folders / "people.csv")]
    assert command(folders, *words) == 0
    assert "left out: attribute sex: not inferred" in capsys.readouterr().out
    assert command(folders, "--metadata", str(folders / "people.csv")) == 2
    assert "give 'record' or 'subject'" in capsys.readouterr().err
    assert command(folders, "--labels", "diagnosis") == 2
    assert "no table of metadata is given" in capsys.readouterr().err


def test_labels_of_metadata_reach_their_records(folders, capsys, monkeypatch):
    seen = {}

    def measured(before, after, labels, groups, **parameters):
        seen.update(zip((record.name for record in before), labels, strict=True))
        assert [record.name for record in after] == list(seen)
        return dict.fromkeys(("trtr", "tstr", "trts", "tsts"), 0.5)

    monkeypatch.setattr("sklearn_ecganon.evaluation.label_utility", measured)
    rows = [line.split(",") for line in (folders / "key.csv").read_text().splitlines()]
    classes = {row[0]: "MI" if i % 3 else "NORM" for i, row in enumerate(rows[1:])}
    classes[rows[1][0]] = ""
    (folders / "classes.csv").write_text(
        "record,diagnosis\n" + "".join(f"{n}.hea,{c}\n" for n, c in classes.items())
    )
    words = ["--metadata", str(folders / "classes.csv"), "--labels", "diagnosis"]
    assert command(folders, *words) == 0
    assert seen == {name: label for name, label in classes.items() if label}
    assert re.search(r"diagnosis +0\.500 +0\.500", capsys.readouterr().out)


def test_everybody_alone_is_pointed_out(bunch, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    assert main(anonymized(bunch, tmp_path / "in", "--method", "noise")) == 0
    assert "Each recording counts as a person of its own" in capsys.readouterr().out


def test_names_are_hidden_by_the_command(folders, capsys):
    page = folders / "a.html"
    assert command(folders, "--hide-names", "--html", str(page)) == 0
    text = page.read_text("utf-8") + capsys.readouterr().out
    assert "person 1" in text
    assert not re.search(r"\bs00\d\b", text)


def test_hashes_change_with_a_byte(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_bytes(b"1")
    (tmp_path / "a").write_bytes(b"2")
    digests = [hashlib.sha256(content).hexdigest() for content in (b"2", b"1")]
    listing = f"{digests[0]}  a\n{digests[1]}  b/x\n"
    before = folder_sha256(tmp_path)
    assert before == hashlib.sha256(listing.encode()).hexdigest()
    (tmp_path / "a").write_bytes(b"3")
    assert folder_sha256(tmp_path) != before


def test_headers_single_people_out_and_tell_sex_and_age(tmp_path):
    bunch = make_ecg_records(n_subjects=4, n_sessions=2, duration=20.0, random_state=0)
    names = [f"{r.subject}/{r.session}" for r in bunch.data]
    for side in ("before", "after"):
        write(tmp_path / side, bunch.data, names)
    for i, name in enumerate(names):
        header = tmp_path / "before" / f"{name}.hea"
        header.write_text(header.read_text() + f"# Age: {30 + i // 2}\n# Sex: female\n")
    result = audit_folders(tmp_path / "before", tmp_path / "after", attackers="lda")
    rows = {row.value: row for row in result.singled_out}
    # wfdb writes the gain that fits each signal best, so that every gain is unique.
    assert rows["gain"].n_kept == 8
    assert rows["gain"].n_people == 4
    assert rows["text in the header"].n_kept == 0
    assert "people for 5 folds" in result.omitted["attribute age"]


# One linear attacker and a gallery of 20 people, across days.
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.attacks.WeakAttackWarning")
@pytest.mark.filterwarnings("ignore::sklearn_ecganon.segmentation.SignalQualityWarning")
def test_ecg_id_end_to_end(data_home, tmp_path):
    """Its release has other names of leads, and its annotations are of ten beats only."""
    bunch = fetch_ecgid(data_home=data_home, download_if_missing=False)
    several = {s for s in bunch.subject if len(set(bunch.session[bunch.subject == s])) > 1}
    for subject, name in zip(bunch.subject, (r.name for r in bunch.data), strict=True):
        if subject in several:
            (tmp_path / "in" / subject).mkdir(parents=True, exist_ok=True)
            for path in Path(data_home, "ecgiddb").glob(f"{name}.*"):
                (tmp_path / "in" / f"{subject}/{path.name}").write_bytes(path.read_bytes())
    source, out, key = (str(tmp_path / name) for name in ("in", "out", "key.csv"))
    words = ["--method", "low-pass", "--strength", "0.1"]
    assert main(["anonymize", source, out, "--key-file", key, *words]) in (0, 1)
    result = audit_folders(source, out, key=key, attackers="lda")
    # Headers state the dates, so that later dates are the probes. A few are refused.
    assert result.evaluation.split == "session"
    assert result.evaluation.n_probe_subjects >= 18
    # A weak filter keeps nearly everything, if the same beats are compared.
    assert result.evaluation.utility > 0.8
    assert set(result.inferred) == {"sex", "age"}


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
    report, page = str(tmp_path / "audit.json"), tmp_path / "audit.html"
    arguments = ["audit", source, out, "--key", key, "--attackers", "lda", "--json", report]
    assert main([*arguments, "--html", str(page)]) == 0
    # The manifest names a method, and this method has no k to state.
    assert "The manifest states:" in page.read_text("utf-8")
    assert "Guaranteed:" not in page.read_text("utf-8")
    assert "of 4 people" in capsys.readouterr().out
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
    assert "of 4 people" in capsys.readouterr().out


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
    with pytest.raises(ValueError, match="give 'name', 'order'"):
        audit(bunch.data, released, paired="time")
    with pytest.raises(ValueError, match="8 records and after 7"):
        audit(bunch.data, released[1:], paired="order")
    with pytest.raises(ValueError, match="different types"):
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


class TestPeopleWhoAreProbed:
    def records(self, n_later, n_people=24, n_recordings=2):
        """Recordings of one date, of which `n_later` people have the last on another."""
        signal = np.zeros((100, 1))
        return [
            ECGRecord(
                signal,
                100,
                subject=f"p{person}",
                session="2004-12-08" if i and person < n_later else "2004-12-07",
                name=f"p{person}/{i}",
            )
            for person in range(n_people)
            for i in range(n_recordings)
        ]

    def test_recordings_of_one_date_are_probed_if_dates_are_too_few(self):
        halves, note = enough_probed(self.records(n_later=8))
        assert note.startswith("Only 8 people were recorded on two dates")
        assert [record.session for record in halves[:4]] == ["1 earlier", "2 later"] * 2
        alone = self.records(n_later=8)[:-1]
        assert enough_probed(alone)[0][-1].session == "1 earlier"
        halves, _ = enough_probed(self.records(n_later=8, n_recordings=5))
        assert [r.session for r in halves[:5]] == ["1 earlier"] * 3 + ["2 later"] * 2

    @pytest.mark.parametrize(
        ("n_later", "n_people"), [(20, 24), (0, 24), (8, 19)], ids=["enough", "none", "few"]
    )
    def test_dates_are_kept_otherwise(self, n_later, n_people):
        records = self.records(n_later, n_people)
        assert enough_probed(records) == (records, "")
