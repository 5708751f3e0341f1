"""Synthetic people: what a release holds, and what it must not."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_ecganon import BeatSet, ECGRecord, QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.anonymizers._pseudo_identity._analysis import describe
from sklearn_ecganon.anonymizers._pseudo_identity._background import background
from sklearn_ecganon.anonymizers._pseudo_identity._cycles import (
    NORMAL,
    SUPRAVENTRICULAR,
    VENTRICULAR,
    find_beat_classes,
    window_times,
)
from sklearn_ecganon.anonymizers._pseudo_identity._identity import (
    Identity,
    draw_identity,
    fiducial_points_of,
)
from sklearn_ecganon.anonymizers._pseudo_identity._intervals import (
    N_MEASURED,
    Intervals,
    draw_intervals,
    measure_record,
    with_intervals,
)
from sklearn_ecganon.anonymizers._pseudo_identity._leads import (
    STANDARD_LEADS,
    lead_matrix,
    observed_leads,
)
from sklearn_ecganon.anonymizers._pseudo_identity._population import _mixture
from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import (
    STANDARD,
    FiducialPoints,
    from_standard,
    to_standard,
)
from sklearn_ecganon.anonymizers._pseudo_identity._weights import SHIPPED, load_population
from sklearn_ecganon.anonymizers._pseudo_identity._writer import (
    Rhythm,
    add_spikes,
    write_beats,
)
from sklearn_ecganon.contracts import TOLERANCES, category, is_paced, measure
from sklearn_ecganon.segmentation import stitch_record


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

    assert unlike(1.0) < 0.02
    assert unlike(0.5) > 4 * unlike(1.0)


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


def test_beats_of_a_record_are_of_one_person(exact, beats):
    new = exact.transform(beats)
    means = [new.beats[new.record == i].mean(axis=0).ravel() for i in range(len(new))]
    halves = []
    for i in range(len(new)):
        own = new.beats[new.record == i]
        parts = own[: len(own) // 2].mean(axis=0), own[len(own) // 2 :].mean(axis=0)
        halves.append(np.linalg.norm(parts[0] - parts[1]))
    apart = [np.linalg.norm(a - b) for a, b in zip(means, means[1:], strict=False)]
    assert np.median(halves) < np.median(apart) / 2


def test_identity_key_joins_records(beats):
    model = PseudoIdentityAnonymizer.from_pretrained(
        contract="measurement", identity=lambda name: "one", random_state=0
    )
    plans = [model.pseudonym(record).settled[0] for record in beats]
    numbers = [plan.identity.numbers for plan in plans]
    assert all((row == numbers[0]).all() for row in numbers)


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
    model = PseudoIdentityAnonymizer(weights=None, n_people=20, random_state=0).fit(both)
    assert model.n_people_ == 20
    assert np.isfinite(model.transform(both).beats).all()


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
    for windows in (shipped.transform(beats).beats, shipped.transform(beats).signals[0][None]):
        one, two, three, right, left, foot = np.moveaxis(windows, 1, 0)
        step = 1e-9
        np.testing.assert_allclose(three, two - one, atol=step)
        np.testing.assert_allclose(right, -(one + two) / 2, atol=step)
        np.testing.assert_allclose(left, one - two / 2, atol=step)
        np.testing.assert_allclose(foot, two - one / 2, atol=step)


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


def test_refuses_unknown_contract(beats):
    with pytest.raises(ValueError, match="contract"):
        PseudoIdentityAnonymizer.from_pretrained(contract="both")


def test_kinds_without_labels():
    record = one_record(n_beats=20)
    times = window_times(record.n_times, 250.0)
    windows, before = record.beats.copy(), np.full(20, 800.0)
    windows[5] = -np.exp(-(((times - 20) / 60) ** 2))
    before[9] = 500.0
    beat_classes = find_beat_classes(windows, before, None, times)
    assert beat_classes[5] == VENTRICULAR
    assert beat_classes[9] == SUPRAVENTRICULAR
    assert (np.delete(beat_classes, [5, 9]) == NORMAL).all()


def test_artifacts_are_no_ventricular_beats():
    record = one_record(n_beats=20)
    times = window_times(record.n_times, 250.0)
    height, before = np.ptp(record.beats), np.full(20, 800.0)
    wide = -height * np.exp(-(((times - 20) / 60) ** 2))
    symmetric = -height * np.exp(-((times / 60) ** 2))
    for name, artifact in {
        "slope": record.beats[5] + 3 * height * times / 400,
        "step": record.beats[5] + 2 * height * (times > 0),
        "huge": 20 * symmetric,
        "small": 0.1 * wide,
    }.items():
        windows = record.beats.copy()
        windows[5], windows[12] = artifact, wide
        before[5] = 500.0
        beat_classes = find_beat_classes(windows, before, None, times)
        assert beat_classes[5] != VENTRICULAR, name
        assert beat_classes[12] == VENTRICULAR, name


def test_times_go_to_the_standard_axis_and_back():
    mark = FiducialPoints(-170.0, -60.0, 80.0, 420.0)
    times = np.arange(-390.0, 690.0, 7.0)
    np.testing.assert_allclose(to_standard(from_standard(times, mark), mark), times)
    np.testing.assert_allclose(to_standard(np.array(mark), mark), STANDARD)


def test_landmarks_get_the_intervals():
    mark = with_intervals(
        FiducialPoints(-160.0, -40.0, 50.0, 330.0), Intervals(150, 120, 400, 0.0)
    )
    assert mark.offset - mark.onset == pytest.approx(120)
    assert mark.onset - mark.p_onset == pytest.approx(150)
    assert mark.t_offset - mark.onset == pytest.approx(400)


@pytest.mark.parametrize("number", [-4.0, -1.0, 0.0, 1.0, 4.0])
def test_drawn_intervals_stay_in_their_categories(number):
    cases = [(160, 90, 380, 0.0), (110, 130, 470, -0.2), (230, 100, 400, 0.15)]
    for pr, qrs, qt, st in cases:
        codes = {
            "pr": int(category("pr", pr)),
            "wide_qrs": int(category("wide_qrs", qrs)),
            "qtc": int(category("qtc", qt)),
            "st": int(category("st", st)),
        }
        drawn = draw_intervals(
            Intervals(pr, qrs, qt, st), codes, STANDARD, (1000.0, 810.0), np.full(4, number)
        )
        assert category("pr", drawn.PR) == codes["pr"]
        assert category("wide_qrs", drawn.QRS) == codes["wide_qrs"]
        assert category("qtc", drawn.QT / 0.9) == codes["qtc"]
        assert category("st", drawn.ST) == codes["st"]
    absent = draw_intervals(
        Intervals(np.nan, 90, 380, 0), codes, STANDARD, (800, 800), np.zeros(4)
    )
    assert np.isnan(absent.PR)


def test_leads_by_name():
    matrix = lead_matrix(("MLII", "III", "aVF", "V1", "thing"), STANDARD_LEADS)
    np.testing.assert_array_equal(matrix[0, :2], [0, 1])
    np.testing.assert_array_equal(matrix[1, :2], [-1, 1])
    np.testing.assert_array_equal(matrix[2, :2], [-0.5, 1])
    assert matrix[3, 2] == 1
    assert matrix[4].sum() == 1


def test_leads_of_a_model_follow_from_those_of_a_record():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 50))
    shown = observed_leads(np.stack([two - one, two - one / 2]), ("III", "aVF"), STANDARD_LEADS)
    np.testing.assert_allclose(shown[:2], [one, two], atol=1e-9)
    assert np.isnan(shown[2:]).all()


def test_mixtures_keep_the_spread_and_copy_only_without_novelty():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 4)) * [1, 2, 3, 4]
    group = np.arange(50)
    copies = np.stack([_mixture(vectors, group, i, 0.0, rng) for i in group])
    np.testing.assert_allclose(copies, vectors)
    mixed = np.stack([_mixture(vectors, group, i % 50, 0.7, rng) for i in range(4000)])
    np.testing.assert_allclose(mixed.std(axis=0), vectors.std(axis=0), rtol=0.1)
    nearest = np.linalg.norm(mixed[:50] - vectors, axis=1)
    assert np.median(nearest) > 0.5 * np.median(np.linalg.norm(vectors, axis=1))


def test_a_description_shows_the_waves_of_a_record():
    record = one_record()
    shown = describe(record, STANDARD_LEADS)
    assert shown.has_p
    assert np.isfinite(shown.template[1]).all()
    assert np.isnan(shown.template[[0, 2, 7]]).all()
    at_r = np.argmin(np.abs(np.arange(-400.0, 700.0, 4.0)))
    assert shown.template[1, at_r] == pytest.approx(1.0, abs=0.1)
    assert -230 < shown.fiducial_points.p_onset < shown.fiducial_points.onset < 0


def test_draws_have_the_categories_of_the_record():
    population, _ = load_population(SHIPPED)
    rng = np.random.default_rng(0)
    wide = 0
    for row in range(0, 3000, 150):
        codes = {name: int(values[row]) for name, values in population.categories.items()}
        identity = draw_identity(population, codes, None, rng)
        mark = identity.fiducial_points
        # One with the fewest other categories is drawn, which may be one with one more.
        wide += (mark.offset - mark.onset >= 120) == (codes["wide_qrs"] == 1)
    assert wide >= 18


def test_fibrillation_has_no_p_wave():
    """In front of the QRS all beats are flat, and fibrillatory waves fill the gaps."""
    population, _ = load_population(SHIPPED)
    row = int(np.flatnonzero(population.has_p)[0])
    numbers = population.people[row]
    mark = fiducial_points_of(population, numbers)
    peaks, beat_classes = 200.0 + 200.0 * np.arange(50), np.zeros(50, dtype=int)
    rhythm = Rhythm(peaks, beat_classes, 250.0, 10_400)
    matrix = lead_matrix(("II", "V1"), population.leads)
    columns = 100 + np.arange(int(mark.p_onset / 4), int((mark.onset - 72) / 4))
    heights = []
    for has_p in (True, False):
        identity = Identity(numbers, population.ectopic[0], mark, has_p)
        signal = write_beats(population, identity, matrix, rhythm, None)
        beat = signal[:, 1900:2100][:, columns]
        heights.append(np.ptp(beat, axis=1).max())
    assert heights[1] < 0.3 * heights[0]
    assert heights[0] > 0.05
    rngs = [np.random.default_rng(0) for _ in range(2)]
    waves, still = (
        background(
            population, identity, matrix, peaks, 10_400, 250.0, rng, fibrillation=fibrillation
        )
        for rng, fibrillation in zip(rngs, (True, False), strict=True)
    )
    power = np.abs(np.fft.rfft(waves[1] - still[1]))
    peak = np.fft.rfftfreq(10_400, 1 / 250)[power.argmax()]
    assert 3.5 < peak < 9


def test_pacing_spikes_are_written_again():
    record = one_record(rate=500.0, rr=400)
    windows = record.beats.copy()
    windows[:, :, 200 - 35 : 200 - 34] += 2.0
    paced = record.with_beats(windows)
    assert is_paced(paced.beats, 500.0)
    new = PseudoIdentityAnonymizer.from_pretrained(random_state=0).transform(paced)
    assert is_paced(new.beats, 500.0)
    assert not is_paced(record.beats, 500.0)


def test_a_strip_has_no_steps(shipped, bunch):
    beats = QRSSegmenter("annotated").fit_transform(bunch.data[:2])
    new = shipped.transform(beats)
    for i in range(len(new)):
        signal = stitch_record(new, i).signal
        peaks = new.r_peaks[new.record == i]
        near = np.abs(np.arange(len(signal) - 1)[:, np.newaxis] - peaks).min(axis=1) < 40
        assert np.abs(np.diff(signal[:, 0]))[~near].max() < 0.1
        quiet = np.abs(np.diff(signal[:, 0])) < 1e-7
        longest = max(map(len, "".join("x" if q else " " for q in quiet).split()), default=0)
        assert longest < 0.25 * new.sampling_rate


def test_signals_and_windows_are_the_same(shipped, beats):
    new = shipped.transform(beats)
    half = new.n_times // 2
    for i, (start, stop) in enumerate(zip(new.bounds()[:-1], new.bounds()[1:], strict=True)):
        inside = [k for k in range(start, stop) if new.r_peaks[k] >= half]
        k = inside[len(inside) // 2]
        first = new.r_peaks[k] - half
        np.testing.assert_array_equal(
            new.beats[k], new.signals[i][:, first : first + new.n_times]
        )


def test_the_step_of_recorded_numbers_is_kept(shipped):
    record = one_record()
    fine = shipped.transform(record).beats
    coarse = shipped.transform(record.with_beats(np.rint(record.beats / 0.005) * 0.005)).beats
    assert np.abs(coarse / 0.005 - np.rint(coarse / 0.005)).max() < 1e-6
    assert np.abs(fine / 0.005 - np.rint(fine / 0.005)).max() > 0.1


def test_statements_choose_the_person():
    population, names = load_population(SHIPPED)
    rng = np.random.default_rng(0)
    for name in ("NORM", "CLBBB"):
        wanted = np.array([other in (name, "SR") for other in names])
        column = names.index(name)
        for _ in range(5):
            drawn = draw_identity(population, {}, wanted, rng)
            nearest = np.abs(population.people - drawn.numbers).sum(axis=1).argmin()
            assert population.statements[nearest, column]


def test_noise_and_beats_do_not_depend_on_the_block():
    population, _ = load_population(SHIPPED)
    numbers = population.people[0]
    identity = Identity(
        numbers, population.ectopic[0], fiducial_points_of(population, numbers), True
    )
    matrix = lead_matrix(("I", "II", "III"), population.leads)
    peaks = 100.0 + 200.0 * np.arange(200)
    beat_classes = np.zeros(200, dtype=int)
    rhythm = Rhythm(peaks, beat_classes, 250.0, 41_000)
    whole = write_beats(population, identity, matrix, rhythm, None)
    some = write_beats(
        population, identity, matrix, Rhythm(peaks[:10], beat_classes[:10], 250.0, 41_000), None
    )
    np.testing.assert_allclose(whole[:, :1900], some[:, :1900], atol=1e-12)
    behind = background(
        population, identity, matrix, peaks, 41_000, 250.0, np.random.default_rng(0)
    )
    np.testing.assert_allclose(behind[2], behind[1] - behind[0], atol=1e-9)
    before = whole.copy()
    add_spikes(whole, population, identity, matrix, rhythm, np.random.default_rng(0))
    spikes = whole - before
    np.testing.assert_allclose(spikes[2], spikes[1] - spikes[0], atol=1e-9)
    assert (np.abs(spikes[1]) > 0).sum() >= 190


def test_pretrained_weights_survive_clone_and_search(beats):
    from sklearn.base import clone

    model = clone(PseudoIdentityAnonymizer(random_state=0))
    one = model.fit_transform(beats)
    two = clone(model).set_params(strength=1.0, n_jobs=2).fit_transform(beats)
    np.testing.assert_array_equal(one.beats, two.beats)


def test_categories_of_long_records_use_all_beats():
    """Intervals are read from some beats, the rhythm from all."""
    record = one_record(n_beats=3 * N_MEASURED, rr=230)
    measured = measure_record(record)
    assert measured is not None
    whole = measure(record).categories()
    for name in ("rate_zone", "irregularity", "qtc"):
        assert measured[1][name] == whole[name][0]
