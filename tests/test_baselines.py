"""The baselines: effect of strength, shared and independent draws, and edge cases."""

import numpy as np
import pytest
from scipy.stats import kstest, laplace
from sklearn.base import clone

from sklearn_ecganon import BeatSet
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    KSameAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    TimeWarpAnonymizer,
)

BASELINES = [
    BlockAverageAnonymizer(),
    KSameAnonymizer(),
    LowPassAnonymizer(),
    NoiseAnonymizer(),
    NoiseAnonymizer(per="beat"),
    TimeWarpAnonymizer(),
]


def beat_set(values, record, labels=None):
    """Return beats of shape (n_beats, n_leads, n_times) at 250 Hz, with labels or without."""
    n = int(max(record)) + 1
    return BeatSet(
        beats=np.asarray(values, dtype=float),
        record=np.asarray(record),
        r_peaks=np.arange(len(values)) * 200,
        lengths=np.full(n, 10_000),
        sampling_rate=250.0,
        lead_names=(("I",),) * n,
        names=tuple(f"r{i}" for i in range(n)),
        labels=None if labels is None else np.asarray(labels),
    )


@pytest.mark.parametrize("baseline", BASELINES, ids=repr)
def test_change_grows_continuously_with_strength(baseline, beats):
    model = clone(baseline).set_params(random_state=0).fit(beats)
    changes = []
    for strength in (0.0, 1e-9, 0.1, 0.25, 0.5, 0.75, 1.0):
        new = model.set_params(strength=strength).transform(beats).beats
        changes.append(np.sqrt(np.mean((new - beats.beats) ** 2)))
    assert changes[0] == 0
    assert changes[1] < 1e-6
    assert (np.diff(changes) > 0).all()


@pytest.mark.parametrize("baseline", BASELINES, ids=repr)
def test_invalid_parameters_are_refused(baseline, beats):
    invalid = {"noise": 0, "per": "lead", "cutoff": 0, "spread": -1, "epsilon": 0, "m": 0}
    invalid |= {"amplitude": 0, "block_width": 0, "k": 1, "max_stretch": 1.0, "strength": 2}
    for name in invalid.keys() & baseline.get_params().keys():
        with pytest.raises(ValueError, match=f"'{name}'.*must be"):
            clone(baseline).set_params(**{name: invalid[name]}).fit(beats)


def test_noise_per_record_is_shared_and_noise_per_beat_averages_out(beats):
    shared = NoiseAnonymizer(random_state=0).fit(beats)
    independent = NoiseAnonymizer(per="beat", random_state=0).fit(beats)
    np.testing.assert_array_equal(shared.scale_, independent.scale_)
    for record in range(len(beats)):
        rows = beats.record == record
        noise = (shared.transform(beats).beats - beats.beats)[rows] / shared.scale_
        np.testing.assert_allclose(noise, np.broadcast_to(noise[0], noise.shape), atol=1e-9)
        assert noise[0].std() == pytest.approx(1, abs=0.2)
        noise = (independent.transform(beats).beats - beats.beats)[rows] / independent.scale_
        assert noise.std() == pytest.approx(1, abs=0.05)
        assert noise.mean(axis=0).std() == pytest.approx(1 / np.sqrt(len(noise)), rel=0.2)


def test_noise_is_white_normal_and_independent_between_beats(beats):
    model = NoiseAnonymizer(noise=2.0, per="beat", random_state=0).fit(beats)
    assert model.scale_ == pytest.approx(np.median(beats.beats.std(axis=2)))
    noise = (model.transform(beats).beats - beats.beats)[:, 0] / (2 * model.scale_)
    assert kstest(noise.ravel(), "norm").pvalue > 1e-3
    for a, b in ((noise[:-1], noise[1:]), (noise[:, :-1], noise[:, 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_noise_does_not_follow_an_artifact(beats):
    values = beats.beats.copy()
    values[0] *= 1000
    model = NoiseAnonymizer(random_state=0)
    clean = model.fit(beats).scale_.copy()
    np.testing.assert_allclose(model.fit(beats.with_beats(values)).scale_, clean, rtol=0.2)


def test_noise_is_keyed_by_content_and_position():
    # Each record holds the same beat twice, and both records are equal.
    beat = np.sin(np.arange(40))[np.newaxis]
    twins = beat_set([beat] * 4, [0, 0, 1, 1])
    new = NoiseAnonymizer(per="beat", random_state=0).fit_transform(twins).beats
    assert np.abs(new[0] - new[1]).max() > 0.1
    np.testing.assert_array_equal(new[:2], new[2:])


def test_draws_of_unequal_records():
    values = np.random.default_rng(0).normal(size=(6, 1, 30))
    ragged = beat_set(values, [0, 0, 0, 2, 3, 3])  # record 1 has no beat
    model = NoiseAnonymizer(per="beat", random_state=0).fit(ragged)
    whole = model.transform(ragged).beats
    np.testing.assert_array_equal(whole[4:], model.transform(ragged[[3]]).beats)
    np.testing.assert_array_equal(whole[:3], model.transform(ragged[[1, 0]]).beats)


@pytest.mark.parametrize(("strength", "half_power"), [(1.0, 10.0), (0.5, 20.0)])
def test_low_pass_halves_the_power_at_the_cutoff(strength, half_power):
    model = LowPassAnonymizer(strength, cutoff=10.0, spread=0.0, sampling_rate=250.0)
    # Half-sample symmetric cosines are eigenfunctions: the filter only scales them.
    n = 500
    gains = []
    for frequency in (0.0, half_power, 3 * half_power):
        wave = np.cos(2 * np.pi * frequency * (np.arange(n) + 0.5) / 250.0)[np.newaxis]
        gain = model.fit_transform(wave) / wave
        np.testing.assert_allclose(gain, gain[0, 0], rtol=1e-6)
        gains.append(gain[0, 0])
    np.testing.assert_allclose(gains, [1, np.sqrt(0.5), np.sqrt(0.5**9)], rtol=1e-6)


def test_low_pass_is_one_filter_for_a_record_and_keeps_the_mean(beats):
    model = LowPassAnonymizer(spread=0.5, random_state=0).fit(beats)
    new = model.transform(beats).beats
    np.testing.assert_allclose(new.mean(axis=2), beats.beats.mean(axis=2), atol=1e-12)
    before, after = np.fft.rfft(beats.beats.mean(axis=2)), np.fft.rfft(new.mean(axis=2))
    np.testing.assert_allclose(before, after, atol=1e-9)
    # Beats of a record are filtered the same without the other records.
    for record in (0, 5):
        rows = beats.record == record
        pair = beat_set(beats.beats[rows], np.zeros(rows.sum(), int))
        np.testing.assert_allclose(model.transform(pair).beats, new[rows], atol=1e-12)


def test_block_averages_of_a_known_beat():
    # Blocks have 3 samples at 250 Hz, the last one has 2. The noise is negligible.
    model = BlockAverageAnonymizer(block_width=12.0, epsilon=1e12, amplitude=2.0)
    beat = [[0.0, 1.0, 2.0, 1.0, 1.0, 9.0, -1.0, -5.0]]
    expected = [[1, 1, 1, 4 / 3, 4 / 3, 4 / 3, -1.5, -1.5]]
    np.testing.assert_allclose(model.fit_transform(beat), expected, atol=1e-9)
    model.set_params(strength=0.25)
    mixed = 0.75 * np.array(beat) + 0.25 * np.array(expected)
    np.testing.assert_allclose(model.fit_transform(beat), mixed, atol=1e-9)


def test_block_noise_is_laplace_of_the_stated_scale():
    # The scale m * 2 * amplitude / (b * epsilon) is 2 * 2 * 1.5 / (10 * 0.5). The last block
    # has 8 samples.
    flat = np.zeros((4000, 28))
    model = BlockAverageAnonymizer(m=2, amplitude=1.5, epsilon=0.5, random_state=0)
    noise = model.fit_transform(flat + np.linspace(0, 1e-9, len(flat))[:, np.newaxis])
    for columns, scale in ((slice(0, 10), 1.2), (slice(10, 20), 1.2), (slice(20, 28), 1.5)):
        block = noise[:, columns]
        np.testing.assert_array_equal(block, np.broadcast_to(block[:, :1], block.shape))
        assert kstest(block[:, 0], laplace(scale=scale).cdf).pvalue > 1e-3


def test_block_noise_of_beats_and_of_records(beats):
    wide = {"block_width": 200.0, "random_state": 0}
    coarse = BlockAverageAnonymizer(epsilon=1e9, **wide).fit_transform(beats).beats
    for per in ("beat", "record"):
        new = BlockAverageAnonymizer(per=per, **wide).fit_transform(beats).beats
        noise = (new - coarse)[beats.record == 0]
        assert np.allclose(noise, noise[0], atol=1e-6) == (per == "record")


def people(n, noise=0.0, n_beats=6, seed=0):
    """Return one record for each person; templates lie on a line in pairs of neighbors."""
    rng = np.random.default_rng(seed)
    direction = np.sin(np.arange(40))
    position = 10.0 * (np.arange(n) // 2) + np.arange(n) % 2
    templates = position[:, np.newaxis] * direction
    record = np.repeat(np.arange(n), n_beats)
    values = templates[record] + noise * rng.normal(size=(len(record), 40))
    return templates, beat_set(values[:, np.newaxis], record)


def test_k_same_averages_neighbors():
    templates, beats = people(6)
    model = KSameAnonymizer(k=2, random_state=0).fit(beats)
    assert model.k_ == 2
    pairs = templates.reshape(3, 2, 40).mean(axis=1)
    averages = model.averages_[None][:, 0]
    averages = averages[np.argsort(averages[:, 1])]
    np.testing.assert_allclose(averages, pairs[np.argsort(pairs[:, 1])])
    # Every record becomes a mixture of the two averages nearest to it.
    new = model.transform(beats).beats[::6, 0]
    direction = np.sin(np.arange(40))
    position = new @ direction / (direction @ direction)
    np.testing.assert_allclose(new, position[:, np.newaxis] * direction, atol=1e-9)
    assert ((position[:3] > 0.5) & (position[:3] < 10.5)).all()  # originally 0, 1, 10
    assert ((position[3:] > 10.5) & (position[3:] < 20.5)).all()  # originally 11, 20, 21
    assert len(np.unique(position.round(6))) == 6


def test_k_same_shrinks_within_record_residuals():
    _, beats = people(4, noise=0.3)
    model = KSameAnonymizer(k=2, random_state=0).fit(beats)
    full = model.transform(beats).beats
    for record in range(4):
        rows = full[beats.record == record]
        np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))
    half = model.set_params(strength=0.5).transform(beats).beats
    np.testing.assert_allclose(half, (full + beats.beats) / 2)


def test_k_same_counts_people_not_records_or_beats():
    # Records 0 and 1 belong to one person, so the average holds all four people.
    templates, beats = people(5)
    model = KSameAnonymizer(k=4, random_state=0).fit(beats, ["a", "a", "b", "c", "d"])
    person_a = templates[:2].mean(axis=0)
    expected = np.mean([person_a, *templates[2:]], axis=0)
    np.testing.assert_allclose(model.averages_[None][:, 0], [expected])
    # The weight of a person does not depend on the number of records.
    weighted = beats[[0, 1, 1, 1, 2, 3, 4]]
    again = KSameAnonymizer(k=5, random_state=0).fit(weighted, [0, 1, 1, 1, 2, 3, 4])
    np.testing.assert_allclose(again.averages_[None][0, 0], templates.mean(axis=0))


def test_k_same_leaves_no_small_group():
    for n in range(5, 16):
        _, beats = people(n)
        model = KSameAnonymizer(k=5, random_state=0).fit(beats)
        assert len(model.averages_[None]) == n // 5


def test_k_same_with_fewer_people_than_k_averages_all():
    templates, beats = people(3)
    model = KSameAnonymizer(k=5, random_state=0).fit(beats)
    assert model.k_ == 3
    np.testing.assert_allclose(model.averages_[None][:, 0], [templates.mean(axis=0)])
    new = model.transform(beats).beats
    np.testing.assert_array_equal(new, np.broadcast_to(new[0], new.shape))
    with pytest.raises(ValueError, match="1 subject only"):
        KSameAnonymizer().fit(beats, [7, 7, 7])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        KSameAnonymizer().fit(beats, [1, 2])


def test_k_same_by_class():
    # All four people have N beats, three have V beats, and only one has F beats. An average
    # of F would reveal that person.
    _, plain = people(4, n_beats=3)
    label = np.array(["N", "V", "N"] * 3 + ["N", "F", "N"])
    values = plain.beats + np.where(label == "V", 100.0, 0.0)[:, np.newaxis, np.newaxis]
    beats = beat_set(values, plain.record, label)
    model = KSameAnonymizer(k=3, random_state=0).fit(beats)
    assert set(model.averages_) == {None, "N", "V"}
    new = model.transform(beats).beats
    ventricular = values[label == "V"].mean(axis=0)
    for row in np.flatnonzero(label == "V"):
        np.testing.assert_allclose(new[row], ventricular)
    for row in np.flatnonzero(label == "N"):
        np.testing.assert_allclose(new[row], values[label == "N"].mean(axis=0), atol=1e-9)
    overall = np.mean([values[beats.record == i].mean(axis=0) for i in range(4)], axis=0)
    np.testing.assert_allclose(new[label == "F"][0], overall)
    # Beats without labels move to the average of all beats.
    unlabeled = model.transform(beat_set(values, plain.record)).beats
    np.testing.assert_allclose(unlabeled, np.broadcast_to(overall, values.shape))


def test_time_warp_is_increasing_smooth_and_keeps_the_peak():
    ramp = beat_set(
        np.arange(201.0) + np.zeros((30, 1, 201)) + np.arange(30)[:, np.newaxis, np.newaxis],
        np.arange(30),
    )
    model = TimeWarpAnonymizer(max_stretch=0.5, random_state=0).fit(ramp)
    # The values of these beats are times, so the release shows the warped times.
    times = model.transform(ramp).beats[:, 0] - np.arange(30)[:, np.newaxis]
    np.testing.assert_allclose(times[:, [0, 100, 200]], [[0, 100, 200]] * 30, atol=1e-9)
    speed = np.diff(times, axis=1)
    assert speed.min() > 0.5 - 1e-9
    assert speed.max() < 1.5 + 1e-9
    np.testing.assert_allclose(speed[:, [0, 99, 100, 199]], 1, atol=0.1)
    assert np.abs(np.diff(speed, axis=1)).max() < 0.1
    shift = np.abs(times - np.arange(201)).max(axis=1)
    assert shift.min() > 2
    assert len(np.unique(shift.round(6))) == 30


def test_time_warp_is_the_same_for_all_beats_and_leads_of_a_record(beats):
    two_leads = beat_set(
        np.concatenate([beats.beats, -2 * beats.beats], axis=1), beats.record, beats.labels
    )
    new = TimeWarpAnonymizer(random_state=0).fit_transform(two_leads).beats
    np.testing.assert_allclose(new[:, 1], -2 * new[:, 0], atol=1e-12)
    rows = np.flatnonzero(beats.record == 3)
    ramp = two_leads.beats.copy()
    ramp[rows[1:]] = np.arange(beats.n_times)
    released = TimeWarpAnonymizer(random_state=0).fit_transform(
        beat_set(ramp, beats.record, beats.labels)
    )
    times = released.beats[rows[1:]]
    np.testing.assert_allclose(times, np.broadcast_to(times[0], times.shape), atol=1e-9)


@pytest.mark.parametrize("n_times", [2, 3, 4])
def test_time_warp_of_tiny_windows(n_times):
    rows = np.random.default_rng(0).normal(size=(5, n_times))
    new = TimeWarpAnonymizer(random_state=0).fit_transform(rows)
    assert np.isfinite(new).all()
    center = n_times // 2
    np.testing.assert_allclose(new[:, center], rows[:, center], atol=1e-9)


def test_baselines_are_not_names_of_the_package():
    import sklearn_ecganon
    from sklearn_ecganon import anonymizers

    only_here = set(anonymizers.__all__) - {"NonQRSVAEAnonymizer"}
    assert {type(baseline).__name__ for baseline in BASELINES} <= only_here
    assert not {type(baseline).__name__ for baseline in BASELINES} & set(
        sklearn_ecganon.__all__
    )
