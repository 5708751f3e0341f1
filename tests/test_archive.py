"""One recording through the archive's room: stretches, seams, one heart, refusals."""

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sklearn_ecganon import ECGRecord, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    NoiseAnonymizer,
    PseudoIdentityAnonymizer,
)
from sklearn_ecganon.archive import RecordAnonymizer, Secret
from sklearn_ecganon.archive import _stretches as stretches
from sklearn_ecganon.archive._marks import joined, moved_rhythms, rhythms_of
from sklearn_ecganon.archive._outcome import Refusal
from sklearn_ecganon.archive._release import pseudonym_of
from sklearn_ecganon.archive._stitcher import Stitcher
from sklearn_ecganon.io import (
    Annotations,
    ECGReadError,
    Layout,
    create_record,
    open_record,
    read_record,
    write_record,
)
from sklearn_ecganon.records import BeatSet

SECRET = Secret(bytes(range(32)))


@pytest.fixture(scope="module")
def long_record():
    """Two minutes, two leads, labelled, with a gap."""
    bunch = make_ecg_records(n_subjects=1, n_leads=2, duration=120.0, random_state=3)
    record = bunch.data[0]
    signal = np.array(record.signal)
    signal[10_000:10_700] = np.nan
    labels = record.beat_labels
    if labels is None:
        labels = np.full(len(record.r_peaks), "N")
    return replace(record, signal=signal, beat_labels=labels)


@pytest.fixture
def short_stretches(monkeypatch):
    monkeypatch.setattr(stretches, "STRETCH_S", 15.0)


def released(record, folder, release, name="in.npz", format=None):
    source = write_record(record, folder / name)
    target = folder / f"out.{format or name.split('.')[1]}"
    return release.anonymize_file(source, target), target


def test_stretches_make_what_the_whole_makes(long_record, tmp_path, short_stretches):
    path = write_record(long_record, tmp_path / "in.npz")
    with open_record(path) as reader:
        parts = list(stretches.stretches_of(reader, "annotated"))
    assert len(parts) > 5
    stitcher = Stitcher(parts[0].beats)
    stitched = [
        stitcher.add(part, part.beats, last=part.stop == long_record.n_times) for part in parts
    ]
    segmenter = QRSSegmenter("annotated")
    beats = segmenter.fit_transform([read_record(path)])
    (whole,) = segmenter.inverse_transform(beats)
    np.testing.assert_array_equal(np.concatenate(stitched), whole.signal)
    assert sum(len(part.beats.beats) for part in parts) == len(beats.beats)


def test_detection_is_that_of_the_whole(tmp_path, short_stretches):
    record = make_ecg_records(n_subjects=1, duration=300.0, random_state=5).data[0]
    write_record(record, tmp_path / "in.npz")
    with open_record(tmp_path / "in.npz") as reader:
        parts = list(stretches.stretches_of(reader, "sleepecg"))
    found = np.concatenate([part.beats.r_peaks + part.start for part in parts])
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, record.n_times)
    whole = QRSSegmenter().fit_transform([record]).r_peaks
    # Thresholds adapt to what came before, so that a beat may differ; borders lose none.
    assert len(np.intersect1d(found, whole)) >= 0.99 * max(len(found), len(whole))
    assert np.diff(found).min() > 0.3 * record.sampling_rate


def test_borders_do_not_depend_on_the_length(long_record, tmp_path, short_stretches):
    half = long_record.crop(0, 18_000)
    write_record(long_record, tmp_path / "a.npz")
    write_record(half, tmp_path / "b.npz")
    parts = []
    for name in ("a", "b"):
        with open_record(tmp_path / f"{name}.npz") as reader:
            parts.append([s.stop for s in stretches.stretches_of(reader, "sleepecg")])
    assert parts[0][:2] == parts[1][:2]


@pytest.mark.parametrize(
    "anonymizer",
    [
        NoiseAnonymizer(),
        NoiseAnonymizer(per="beat"),
        BlockAverageAnonymizer(),
        PseudoIdentityAnonymizer.from_pretrained(),
        PseudoIdentityAnonymizer.from_pretrained(0.5, contract="measurement"),
    ],
    ids=repr,
)
def test_the_archive_writes_what_stretches_in_memory_give(
    anonymizer, tmp_path, short_stretches
):
    record = make_ecg_records(n_subjects=1, duration=60.0, random_state=1).data[0]
    with open_record(write_record(record, tmp_path / "in.npz")) as reader:
        parts = list(stretches.stretches_of(reader, "sleepecg"))
    assert len(parts) > 2
    release = RecordAnonymizer(anonymizer, secret=SECRET)
    release.anonymize_file(tmp_path / "in.npz", tmp_path / "out.npz")
    pseudonym = pseudonym_of(anonymizer, SECRET, parts[0].beats)
    # The last stretch comes first, and in another pickle.
    last_first = [
        pickle.loads(pickle.dumps(pseudonym)).release(part.beats) for part in parts[::-1]
    ]
    stitcher = Stitcher(last_first[-1])
    signal = np.concatenate(
        [
            stitcher.add(part, released, last=part is parts[-1])
            for part, released in zip(parts, last_first[::-1], strict=True)
        ]
    )
    written = write_record(replace(record, signal=signal), tmp_path / "memory.npz")
    np.testing.assert_array_equal(
        read_record(tmp_path / "out.npz").signal, read_record(written).signal
    )


def test_all_stretches_share_one_draw_and_no_noise_of_beats(tmp_path, short_stretches):
    record = make_ecg_records(n_subjects=1, duration=90.0, random_state=1).data[0]
    with open_record(write_record(record, tmp_path / "in.npz")) as reader:
        parts = list(stretches.stretches_of(reader, "sleepecg"))
    assert len(parts) > 3
    pseudonym = pseudonym_of(NoiseAnonymizer(), SECRET, parts[0].beats)
    noise = [pseudonym.release(part.beats).beats - part.beats.beats for part in parts]
    joined_noise = np.concatenate(noise)
    expected = np.broadcast_to(joined_noise[0], joined_noise.shape)
    np.testing.assert_allclose(joined_noise, expected, atol=1e-12)
    assert joined_noise.std() > 0.01
    pseudonym = pseudonym_of(NoiseAnonymizer(per="beat"), SECRET, parts[0].beats)
    noise = [pseudonym.release(part.beats).beats - part.beats.beats for part in parts]
    for one, other in pairwise(noise):
        n_beats = min(len(one), len(other))
        correlation = np.corrcoef(one[:n_beats].ravel(), other[:n_beats].ravel())[0, 1]
        assert abs(correlation) < 0.2  # of 3000 numbers or more: ten standard deviations


@pytest.fixture(scope="module")
def model():
    return PseudoIdentityAnonymizer.from_pretrained()


def test_the_same_bytes_whatever_the_threads(model, long_record, tmp_path, monkeypatch):
    from sklearn_ecganon.archive import _release

    monkeypatch.setattr(stretches, "STRETCH_S", 15.0)
    contents = []
    for n_threads in (1, 3):
        monkeypatch.setattr(_release, "N_THREADS", n_threads)
        folder = tmp_path / str(n_threads)
        folder.mkdir()
        _, target = released(
            long_record, folder, RecordAnonymizer(model, secret=SECRET), "in.hea", "hea"
        )
        contents.append([target.with_suffix(s).read_bytes() for s in (".dat", ".atr", ".hea")])
    assert contents[0] == contents[1]


def test_another_secret_makes_another_heart(model, long_record, tmp_path):
    outcomes = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        release = RecordAnonymizer(model, secret=Secret(bytes([number] * 32)))
        outcomes.append(released(long_record, folder, release))
    signals = [read_record(target).signal for _, target in outcomes]
    assert np.nanmean(signals[0] == signals[1]) < 0.05
    assert outcomes[0][0].input != outcomes[1][0].input
    assert RecordAnonymizer(model).settings.secret != RecordAnonymizer(model).settings.secret


def test_nothing_of_the_input_is_left_at_full_strength(model, long_record, tmp_path):
    _, target = released(
        long_record, tmp_path, RecordAnonymizer(model, secret=SECRET), "in.hea", "hea"
    )
    before, after = read_record(tmp_path / "in.hea"), read_record(target)
    assert before.n_times == after.n_times
    assert before.lead_names == after.lead_names
    for lead in (before.signal == after.signal).T:
        runs = np.diff(np.flatnonzero(np.r_[True, ~lead, True])) - 1
        assert runs.max() < 20


@pytest.mark.parametrize("name", ["in.hea", "in.edf", "in.npz", "in.csv"])
def test_formats_stay(name, tmp_path):
    record = make_ecg_records(n_subjects=1, duration=20.0, random_state=1).data[0]
    outcome, target = released(
        record, tmp_path, RecordAnonymizer(NoiseAnonymizer(0.1), secret=SECRET), name
    )
    with open_record(tmp_path / name) as old, open_record(target) as new:
        assert (old.layout.format, old.gain) == (new.layout.format, new.gain)
        assert (old.n_times, old.sampling_rate) == (new.n_times, new.sampling_rate)
        assert outcome.format == new.layout.format
        if old.annotations is None:
            assert new.annotations is None
        else:  # this method does not move beats, so that marks stay as they were
            np.testing.assert_array_equal(old.annotations.samples, new.annotations.samples)


def test_moved_beats_are_marked_where_they_are_now(model, long_record, tmp_path):
    written = {}
    for name, format in (("in.hea", "hea"), ("in.hea", "edf"), ("in.npz", "npz")):
        folder = tmp_path / f"{name}-{format}"
        folder.mkdir()
        release = RecordAnonymizer(
            model, secret=SECRET, format={"hea": "wfdb"}.get(format, format)
        )
        outcome, target = released(long_record, folder, release, name, format)
        peaks = read_record(target).r_peaks
        assert len(peaks) == outcome.beats
        assert not np.isin(long_record.r_peaks, peaks).all()
        written[format] = peaks
    np.testing.assert_array_equal(written["hea"], written["edf"])


def test_rhythms_move_with_their_beats_and_other_marks_do_not_come_along(tmp_path):
    beats, released = moved_beats()
    stretch = stretches.Stretch(1000, 3000, np.zeros((2000, 1)), beats, np.zeros(1, bool))
    marks = Annotations(
        [500, 1190, 1200, 1390, 1395, 1700, 1960, 1990, 2990],
        ["+", "+", "N", "+", "V", "~", "[", "+", "+"],
        ["(N", "(AFIB", "", "(B", "", "", "", "(VT", "(N"],
    )
    begun = moved_rhythms(rhythms_of(marks), stretch, released)
    moved = joined(Annotations(released.r_peaks + 1000, released.labels), [begun])
    assert list(zip(moved.samples.tolist(), moved.symbols, moved.notes, strict=True)) == [
        *[(1100, "N", ""), (1300, "+", "(AFIB"), (1300, "N", "")],
        # The first ectopic beat stays the one that bigeminy begins with ...
        *[(1600, "+", "(B"), (1600, "V", ""), (1800, "N", ""), (2100, "N", "")],
        # ... and a rhythm that ended at once is not told.
        *[(2500, "[", ""), (2500, "+", "(N"), (2500, "V", "")],
    ]


def moved_beats():
    """A stretch with five beats, two of them ectopic, and its release with six."""
    common = {"sampling_rate": 250.0, "lead_names": (("II",),), "names": ("",)}
    sets = []
    for peaks, labels in (
        ([200, 395, 600, 900, 1400], "NVNNV"),
        ([100, 300, 600, 800, 1100, 1500], "NNVNNV"),
    ):
        n = len(peaks)
        sets.append(
            BeatSet(
                np.zeros((n, 1, 200)),
                np.zeros(n, int),
                np.array(peaks),
                np.array([2000]),
                labels=np.array(list(labels)),
                **common,
            )
        )
    return sets


def test_without_marks_none_are_written(model, tmp_path):
    record = make_ecg_records(n_subjects=1, duration=20.0, random_state=1).data[0]
    record = replace(record, r_peaks=None, beat_labels=None)
    _, target = released(record, tmp_path, RecordAnonymizer(model, secret=SECRET))
    assert read_record(target).r_peaks is None


def test_sparse_marks_are_no_classes(long_record, tmp_path):
    few = replace(
        long_record, r_peaks=long_record.r_peaks[:5], beat_labels=long_record.beat_labels[:5]
    )
    write_record(few, tmp_path / "few.npz")
    write_record(long_record, tmp_path / "all.npz")
    with open_record(tmp_path / "few.npz") as reader:
        assert next(stretches.stretches_of(reader, "sleepecg")).beats.labels is None
    with open_record(tmp_path / "all.npz") as reader:
        assert "N" in next(stretches.stretches_of(reader, "sleepecg")).beats.labels


def test_a_lead_that_is_off_stays_off(long_record, tmp_path, short_stretches):
    signal = np.array(long_record.signal)
    signal[:, 1] = 0.25
    outcome, target = released(
        replace(long_record, signal=signal),
        tmp_path,
        RecordAnonymizer(NoiseAnonymizer(), secret=SECRET),
    )
    new = read_record(target).signal
    assert np.isnan(new[:, 1]).all()
    assert np.isfinite(new[:9_000, 0]).all()
    assert "flat_lead" in outcome.warnings


def test_a_stretch_without_beats_is_a_gap(tmp_path, short_stretches):
    record = make_ecg_records(n_subjects=1, duration=120.0, random_state=3).data[0]
    signal = np.array(record.signal)
    off = slice(round(30 * record.sampling_rate), round(80 * record.sampling_rate))
    signal[off] = 0.1
    record = replace(record, signal=signal, r_peaks=None, beat_labels=None)
    outcome, target = released(
        record, tmp_path, RecordAnonymizer(NoiseAnonymizer(), secret=SECRET)
    )
    assert "beatless_stretch" in outcome.warnings
    new = read_record(target).signal
    assert np.isnan(new[off]).mean() > 0.3
    assert np.isfinite(new[: off.start - 500]).all()
    assert np.isfinite(new[off.stop + 500 :]).mean() > 0.8


@pytest.mark.parametrize(
    ("signal", "rate", "reason"),
    [
        (np.zeros((3000, 1)), 250, "no_beats"),
        (np.full((3000, 2), np.nan), 250, "no_beats"),
        (np.random.default_rng(0).normal(size=(100, 1)), 250, "too_short"),
        (np.random.default_rng(0).normal(size=(3000, 1)), 50, "too_slow"),
    ],
)
def test_refusals(signal, rate, reason, tmp_path):
    release = RecordAnonymizer(NoiseAnonymizer(), secret=SECRET)
    source = write_record(ECGRecord(signal, rate), tmp_path / "in.npz")
    with pytest.raises(Refusal) as error:
        release.anonymize_file(source, tmp_path / "out.npz")
    assert error.value.reason == reason
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]


def test_a_model_of_other_leads_is_refused(beats, tmp_path, long_record):
    fitted = NoiseAnonymizer().fit(beats)
    with pytest.raises(Refusal, match="unfit_model"):
        released(long_record, tmp_path, RecordAnonymizer(fitted, secret=SECRET))


def test_a_format_that_cannot_hold_it_is_refused(tmp_path):
    record = make_ecg_records(n_subjects=1, duration=20.0, random_state=1).data[0]
    # A prime number of samples, too many for one data record.
    record = ECGRecord(np.resize(record.signal, (40_009, 1)), 360)
    source = write_record(record, tmp_path / "in.npz")
    release = RecordAnonymizer(NoiseAnonymizer(), secret=SECRET, format="edf")
    with pytest.raises(Refusal, match="unfit_format"):
        release.anonymize_file(source, tmp_path / "out.edf")
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]


def test_files_are_not_overwritten(tmp_path):
    record = make_ecg_records(n_subjects=1, duration=10.0, random_state=1).data[0]
    source = write_record(record, tmp_path / "in.npz")
    with pytest.raises(FileExistsError, match="another name"):
        RecordAnonymizer(NoiseAnonymizer()).anonymize_file(source, source)
    with pytest.raises(ECGReadError, match="missing_file"):
        RecordAnonymizer(NoiseAnonymizer()).anonymize_file(
            tmp_path / "no.npz", tmp_path / "out.npz"
        )


def test_recordings_in_one_file_stay_in_their_places(tmp_path):
    pytest.importorskip("h5py")
    bunch = make_ecg_records(n_subjects=3, n_leads=2, duration=10.0, random_state=1)
    signals = [record.signal for record in bunch.data[:3]]
    signals.insert(1, np.zeros_like(signals[0]))
    layout = Layout("hdf5", bunch.data[0].sampling_rate, ("I", "II"), len(signals[0]))
    with create_record(tmp_path / "in.h5", replace(layout, n_records=4)) as writer:
        for signal in signals:
            writer.write(signal)
    outcome = RecordAnonymizer(NoiseAnonymizer(0.2), secret=SECRET).anonymize_file(
        tmp_path / "in.h5", tmp_path / "out.h5"
    )
    assert (outcome.n_records, outcome.warnings) == (4, ("emptied_no_beats",))
    for index, signal in enumerate(signals):
        with open_record(tmp_path / "out.h5", index=index) as reader:
            new = np.nan_to_num(reader.read())
        if index == 1:
            assert not new.any()
        else:
            assert np.corrcoef(new[:, 0], signal[:, 0])[0, 1] > 0.8


def test_annotations_of_the_input_are_those_of_an_unmoved_output(long_record, tmp_path):
    n = len(long_record.r_peaks)
    marks = Annotations(
        [5, *long_record.r_peaks.tolist()], ["+"] + ["N"] * n, ["(AFIB"] + [""] * n
    )
    layout = Layout.of(long_record, "wfdb")
    with create_record(tmp_path / "in.hea", layout, marks) as writer:
        writer.write(long_record.signal)
    RecordAnonymizer(NoiseAnonymizer(), secret=SECRET).anonymize_file(
        tmp_path / "in.hea", tmp_path / "out.hea"
    )
    with open_record(tmp_path / "out.hea") as reader:
        assert reader.annotations.notes[0] == "(AFIB"


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "ab" * 31])
def test_seed_files_are_checked(content, tmp_path):
    path = tmp_path / "seed"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Secret.from_file(path)


def test_seed_files_are_private(tmp_path):
    path = tmp_path / "seed"
    secret = Secret.from_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Secret.from_file(path) == secret
    assert secret.key.hex() not in repr(secret)
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        Secret.from_file(path)
    with pytest.raises(ValueError, match="32 random bytes"):
        Secret(b"short")
