"""Another heart's handwriting: what a release holds, and what it must not."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ecganon import BeatSet, ECGRecord, QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.anonymizers._pseudo_identity._anonymizer import SHIPPED
from sklearn_ecganon.anonymizers._pseudo_identity._background import learn_noise, make_noise
from sklearn_ecganon.anonymizers._pseudo_identity._cycles import (
    NORMAL,
    SUPRAVENTRICULAR,
    VENTRICULAR,
    find_kinds,
    join,
    own_part,
    window_times,
)
from sklearn_ecganon.anonymizers._pseudo_identity._landmarks import (
    Landmarks,
    draw_targets,
    find_landmarks,
    fit_landmarks,
)
from sklearn_ecganon.anonymizers._pseudo_identity._leads import lead_weights, own_channels
from sklearn_ecganon.anonymizers._pseudo_identity._population import (
    MIN_DISTANCE,
    _mixture,
    distance,
    draw_heart,
)
from sklearn_ecganon.contracts import TOLERANCES, category, measure


@pytest.fixture(scope="module")
def shipped():
    return PseudoIdentityAnonymizer.from_pretrained(random_state=0)


@pytest.fixture(scope="module")
def exact():
    return PseudoIdentityAnonymizer.from_pretrained(contract="measurement", random_state=0)


def one_record(n_beats=40, labels=None, leads=("II",), rate=250.0, rr=200):
    """A record of one shape, with a QRS of 60 ms and a T wave."""
    time = window_times(round(0.8 * rate), rate)
    beat = np.exp(-((time / 15) ** 2)) + 0.25 * np.exp(-(((time - 260) / 50) ** 2))
    beat += 0.12 * np.exp(-(((time + 160) / 25) ** 2))
    windows = np.tile(beat, (n_beats, len(leads), 1))
    windows += 0.005 * np.random.default_rng(0).normal(size=windows.shape)
    return BeatSet(
        windows,
        np.zeros(n_beats, dtype=int),
        100 + rr * np.arange(n_beats),
        np.array([200 + rr * n_beats]),
        rate,
        (tuple(leads),),
        ("A12",),
        None if labels is None else np.asarray(labels),
    )


def mean_of_release(strength, windows, record):
    """The mean beat of a release of windows too short to have intervals, under one key."""
    model = PseudoIdentityAnonymizer.from_pretrained(strength, identity=str, random_state=0)
    new = model.transform(record.with_beats(windows))
    return new.beats.mean(axis=0).ravel()


def test_nothing_of_the_waveform_is_left(bunch):
    # Two people, the same key, classes and count: at strength 1 nobody can tell whose it was.
    cut = QRSSegmenter("annotated", window=400).fit_transform(bunch.data)
    one, other = cut[0], cut[2]
    n_beats = min(len(one.beats), len(other.beats), 30)
    frame = one_record(n_beats, rate=one.sampling_rate)
    frame = replace(frame, beats=one.beats[:n_beats], lead_names=one.lead_names)

    def unlike(strength):
        means = [mean_of_release(strength, x.beats[:n_beats], frame) for x in (one, other)]
        return 1 - np.corrcoef(means)[0, 1]

    assert unlike(1.0) < 1e-3
    assert unlike(0.8) > 4 * unlike(1.0)


def test_measurement_keeps_r_peaks_and_intervals(exact, beats):
    new = exact.transform(beats)
    np.testing.assert_array_equal(new.r_peaks, beats.r_peaks)
    np.testing.assert_array_equal(new.labels, beats.labels)
    old, kept = measure(beats).medians(), measure(new).medians()
    for name, tolerance in TOLERANCES.items():
        assert np.nanmedian(np.abs(old[name] - kept[name])) <= tolerance


def test_diagnostic_keeps_categories_and_not_numbers(shipped, beats):
    new = shipped.transform(beats)
    assert not np.array_equal(new.r_peaks, beats.r_peaks)
    old, kept = measure(beats).categories(), measure(new).categories()
    for name in ("rate_zone", "irregularity", "wide_qrs"):
        assert (old[name] == kept[name]).mean() >= 0.9
    before, after = measure(beats).medians(), measure(new).medians()
    assert np.nanmedian(np.abs(before["QT"] - after["QT"])) > 3


def test_beats_of_a_record_are_one_heart(exact, beats):
    new = exact.transform(beats)
    means = [new.beats[new.record == i].mean(axis=0).ravel() for i in range(len(new))]
    halves = []
    for i in range(len(new)):
        own = new.beats[new.record == i]
        parts = own[: len(own) // 2].mean(axis=0), own[len(own) // 2 :].mean(axis=0)
        halves.append(np.linalg.norm(parts[0] - parts[1]))
    apart = [np.linalg.norm(a - b) for a, b in zip(means, means[1:], strict=False)]
    assert np.median(halves) < np.median(apart) / 2


@pytest.mark.parametrize("contract", ["diagnostic", "measurement"])
def test_identity_key_joins_records(beats, contract):
    drawn = []

    class Watched(PseudoIdentityAnonymizer):
        def _find_heart(self, *args):
            drawn.append(super()._find_heart(*args)[0])
            return super()._find_heart(*args)

    Watched.from_pretrained(
        contract=contract, identity=lambda name: "one", random_state=0
    ).transform(beats)
    sizes = np.array([heart.size for heart in drawn])
    assert len(sizes) == len(beats)
    assert (sizes == sizes[0]).all()


def test_a_record_without_a_name_has_no_key(beats):
    model = PseudoIdentityAnonymizer.from_pretrained(identity=str)
    nameless = replace(beats[0], names=("unnamed",))
    with pytest.raises(ValueError, match="give the records names"):
        model.pseudonym(nameless)


def test_short_windows_cannot_keep_measurements(bunch):
    beats = QRSSegmenter("annotated", window=400).fit_transform(bunch.data[:1])
    model = PseudoIdentityAnonymizer.from_pretrained(contract="measurement")
    with pytest.raises(ValueError, match="do not show the intervals"):
        model.transform(beats)


@pytest.mark.trains
def test_a_record_without_beats_teaches_nothing(beats):
    empty = one_record(0, leads=beats.lead_names[0], rate=beats.sampling_rate)
    empty = replace(empty, names=("empty",), beats=np.empty((0, *beats.beats.shape[1:])))
    both = BeatSet.concatenate([replace(beats[0], labels=None), empty])
    model = PseudoIdentityAnonymizer(max_epochs=1, random_state=0).fit(both)
    assert all(np.isfinite(value).all() for value in model.population_.values())


def test_nobody_alone_says_how_ventricular_beats_differ():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 8))
    far = np.vstack([rows, np.full((1, 8), 200.0)])
    _, _, spread = _mixture(rows, np.ones(30), 1, np.eye(8))
    _, _, with_far = _mixture(far, np.ones(31), 1, np.eye(8))
    assert np.linalg.norm(with_far) < 1.2 * np.linalg.norm(spread)


def test_strength_fades(beats):
    gone = []
    for strength in (0.01, 0.25, 0.5, 0.75, 1.0):
        model = PseudoIdentityAnonymizer.from_pretrained(
            strength, contract="measurement", random_state=0
        )
        new = model.transform(beats).beats
        gone.append(np.abs(new - beats.beats).mean())
    assert gone == sorted(gone)
    assert gone[0] < gone[-1] / 4


@pytest.mark.parametrize("rate", [200.0, 250.0, 360.0, 500.0])
@pytest.mark.parametrize("window", [500.0, 800.0, 1000.0])
def test_any_rate_and_window(shipped, bunch, rate, window):
    beats = QRSSegmenter(sampling_rate=rate, window=window).fit_transform(bunch.data[:2])
    new = shipped.transform(beats)
    assert new.n_times == beats.n_times
    centre = np.abs(new.beats[:, 0] - np.median(new.beats[:, 0], axis=1, keepdims=True))
    assert np.abs(np.median(centre.argmax(axis=1)) - beats.n_times // 2) < 0.05 * rate


@pytest.mark.parametrize("leads", [("II",), ("V5", "MLII"), ("III", "aVR"), ("x", "y", "z")])
def test_any_leads(shipped, leads):
    new = shipped.transform(one_record(leads=leads))
    assert new.n_leads == len(leads)
    assert np.isfinite(new.beats).all()
    assert (np.ptp(new.beats.mean(axis=0), axis=1) > 0.05).all()


def test_limb_leads_follow_from_each_other(shipped):
    beats = one_record(leads=("I", "II", "III", "aVR", "aVL", "aVF"))
    one, two, three, right, left, foot = shipped.transform(beats).beats.mean(axis=0)
    # exact but for noise, and ST, which is set in lead II
    for found, wanted in (
        (three, two - one),
        (right, -(one + two) / 2),
        (left, one - two / 2),
        (foot, two - one / 2),
    ):
        found, wanted = found - np.median(found), wanted - np.median(wanted)
        assert np.corrcoef(found, wanted)[0, 1] > 0.8


@pytest.mark.parametrize("contract", ["diagnostic", "measurement"])
@pytest.mark.parametrize(
    "record",
    [
        one_record(n_beats=1),
        one_record(n_beats=2),
        one_record(labels=["V"] * 40),
        one_record(labels=["Q"] * 40),
        one_record(labels=["N", "V"] * 20),
        one_record(labels=["?"] * 40),
        one_record(rr=90),
        one_record(rr=500, n_beats=10),
    ],
    ids=["one beat", "two", "all V", "all paced", "bigeminy", "unknown", "fast", "slow"],
)
def test_odd_records_work(contract, record):
    model = PseudoIdentityAnonymizer.from_pretrained(contract=contract, random_state=0)
    new = model.transform(record)
    assert len(new) == 1
    assert np.isfinite(new.beats).all()
    assert np.ptp(new.beats, axis=2).max() < 20


def test_flat_record_works(shipped):
    flat = one_record(n_beats=5)
    new = shipped.transform(flat.with_beats(np.zeros_like(flat.beats)))
    assert np.isfinite(new.beats).all()


def test_record_without_beats_stays_empty(shipped):
    record = one_record(n_beats=3)
    empty = BeatSet(
        record.beats, record.record, record.r_peaks, np.array([1000, 500]), 250.0,
        (("II",), ("II",)), ("A", "B"),
    )  # fmt: skip
    new = shipped.transform(empty)
    assert new.n_beats[1] == 0
    assert len(new) == 2


def test_gaps_are_not_crossed(shipped, bunch):
    record = bunch.data[0]
    signal = record.signal.copy()
    signal[2000:2600] = np.nan
    beats = QRSSegmenter().fit_transform([ECGRecord(signal, record.sampling_rate, name="gap")])
    new = shipped.transform(beats)
    np.testing.assert_array_equal(new.gaps, beats.gaps)
    assert not ((new.r_peaks >= 2000) & (new.r_peaks < 2600)).any()


def test_pretrained_arrays(shipped):
    rows = np.random.default_rng(0).normal(size=(20, 180)).astype(np.float32)
    new = shipped.transform(rows)
    assert new.shape == rows.shape
    assert new.dtype == np.float32
    np.testing.assert_allclose(shipped.transform(rows[:5]), new[:5], atol=1e-6)


def test_shipped_weights_are_small_and_without_a_salt():
    from safetensors.numpy import load_file

    stored = load_file(SHIPPED)
    assert SHIPPED.stat().st_size <= 3e6
    assert not any("salt" in name for name in stored)
    assert {name.partition(".")[0] for name in stored} == {
        "net", "population", "times", "channels",
    }  # fmt: skip


def test_refuses_unknown_contract(beats):
    with pytest.raises(ValueError, match="contract"):
        PseudoIdentityAnonymizer.from_pretrained(contract="both")


def test_draws_keep_their_distance(shipped):
    population = shipped.population_
    own = population["mean"]
    rng = np.random.default_rng(0)
    said = population["said"]
    drawn = [draw_heart(population, said, own, rng).norms[NORMAL] for _ in range(50)]
    assert min(distance(population, norm, own)[0] for norm in drawn) >= MIN_DISTANCE


def test_kinds_without_labels():
    record = one_record(n_beats=20)
    times = window_times(record.n_times, 250.0)
    windows, before = record.beats.copy(), np.full(20, 800.0)
    windows[5] = -np.exp(-(((times - 20) / 60) ** 2))
    before[9] = 500.0
    kinds = find_kinds(windows, before, None, times)
    assert kinds[5] == VENTRICULAR
    assert kinds[9] == SUPRAVENTRICULAR
    assert (np.delete(kinds, [5, 9]) == NORMAL).all()


def test_own_part_stops_before_the_neighbours():
    times = window_times(200, 250.0)
    own = own_part(np.array([np.inf, 500.0]), np.array([np.inf, 500.0]), times)
    assert own[0].all()
    assert times[own[1]].min() == pytest.approx(-208)
    assert times[own[1]].max() == pytest.approx(300)


def test_joined_windows_show_the_same_signal():
    rng = np.random.default_rng(0)
    windows, peaks = rng.normal(size=(4, 2, 200)), np.array([100, 220, 380, 700])
    joined = join(windows, peaks, 250.0)
    for a, b in ((0, 1), (1, 2)):
        gap = peaks[b] - peaks[a]
        # the 30 samples around the turn, in both windows
        turn = int(0.58 * gap)
        columns = np.arange(turn - 15, turn + 15)
        columns = columns[(columns + 100 < 200) & (columns + 100 - gap >= 0)]
        np.testing.assert_allclose(
            joined[a][:, columns + 100], joined[b][:, columns + 100 - gap], atol=0.2
        )
    np.testing.assert_array_equal(joined[3], windows[3])


def test_noise_has_the_colour_it_was_learnt_from():
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(size=(50, 400)), axis=1)
    slow -= np.array([np.convolve(row, np.ones(25) / 25, "same") for row in slow])
    slow /= slow.std()
    colour = learn_noise([slow], np.ones(1))
    made = make_noise(colour, (50, 400), rng)
    assert made.std() == pytest.approx(1.0, abs=0.15)
    lag = np.mean(made[:, 1:] * made[:, :-1]) / made.var()
    assert lag == pytest.approx(np.mean(slow[:, 1:] * slow[:, :-1]) / slow.var(), abs=0.05)


def test_warp_moves_landmarks_where_they_should_be():
    found = Landmarks(-160.0, -40.0, 50.0, 330.0)
    wanted = {"PR": 160.0, "QRS": 120.0, "QT": 400.0, "ST": 0.0}
    fitting = fit_landmarks(found, wanted)
    onset = -40.0 * 120 / 90
    here = np.array([onset - 160.0, onset, 0.0, 50.0 * 120 / 90, onset + 400.0])
    np.testing.assert_allclose(fitting.times(here), [-160, -40, 0, 50, 330])


def test_warped_beat_is_measured_as_wanted():
    beat = one_record().beats[0]
    found = find_landmarks(beat, 250.0, ("II",))
    assert found is not None
    wanted = {
        "PR": found.onset - found.p_onset,
        "QRS": found.offset - found.onset,
        "QT": found.t_offset - found.onset + 40,
        "ST": 0.0,
    }
    times = window_times(200, 250.0)
    moved = np.interp(fit_landmarks(found, wanted).times(times), times, beat[0])
    again = find_landmarks(moved[np.newaxis], 250.0, ("II",))
    assert again is not None
    assert again.t_offset - again.onset == pytest.approx(wanted["QT"], abs=15)


@pytest.mark.parametrize("number", [-4.0, -1.0, 0.0, 1.0, 4.0])
def test_targets_stay_in_their_categories(number):
    cases = [(160, 90, 380, 0.0), (110, 130, 470, -0.2), (230, 100, 400, 0.15)]
    for pr, qrs, qt, st in cases:
        own = {"PR": pr, "QRS": qrs, "QT": qt, "ST": st}
        drawn = draw_targets(own, (1000.0, 810.0), np.full(4, number))
        assert category("pr", drawn["PR"]) == category("pr", pr)
        assert category("wide_qrs", drawn["QRS"]) == category("wide_qrs", qrs)
        assert category("qtc", drawn["QT"] / 0.9) == category("qtc", qt)
        assert category("st", drawn["ST"]) == category("st", st)
    absent = draw_targets(
        {"PR": np.nan, "QRS": 90, "QT": 380, "ST": 0}, (800, 800), np.zeros(4)
    )
    assert np.isnan(absent["PR"])


def test_leads_by_name():
    weights = lead_weights(("MLII", "III", "aVF", "V1", "thing"), ("II", "I", "V1"))
    np.testing.assert_array_equal(weights[0], [1, 0, 0])
    np.testing.assert_array_equal(weights[1], [1, -1, 0])
    np.testing.assert_array_equal(weights[2], [1, -0.5, 0])
    np.testing.assert_array_equal(weights[3], [0, 0, 1])
    assert weights[4].sum() == 1
    assert own_channels(weights)[0] == (0, 0)
