"""A public population that is adapted to other people with differential privacy."""

import numpy as np
import pytest

from sklearn_ecganon import PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers._pseudo_identity import _private
from sklearn_ecganon.anonymizers._pseudo_identity._weights import SHIPPED, load_population
from sklearn_ecganon.cli import main
from sklearn_ecganon.io import write_record
from sklearn_ecganon.privacy import PrivateMoments, private_moments

N = _private.N_DIMENSIONS


@pytest.fixture(scope="module")
def population():
    return load_population(SHIPPED)[0]


@pytest.fixture(scope="module")
def bunch():
    return make_ecg_records(n_subjects=6, n_sessions=2, duration=10.0, random_state=0)


@pytest.fixture(scope="module")
def beats(bunch):
    return QRSSegmenter(window=1000).fit_transform(bunch.data)


def clipped(rows):
    return rows * np.minimum(1, _private.CLIP / np.linalg.norm(rows, axis=1))[:, np.newaxis]


def test_public_people_are_the_reference(population):
    rows = clipped(_private.coordinates_of(population).of(population.people))
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.cov(rows.T), np.eye(N), atol=0.02)


def test_reference_moments_change_nothing(population):
    moments = PrivateMoments(100.0, np.zeros(N), np.eye(N), 1.0, 1e-5, 1.0)
    same = _private.adapted(population, moments)
    np.testing.assert_allclose(same.people, population.people, atol=1e-8)


def test_an_adapted_population_has_the_moments(population):
    coordinates = _private.coordinates_of(population)
    mean = np.linspace(-0.5, 0.5, N)
    moments = PrivateMoments(100.0, mean, np.diag(np.linspace(0.5, 1.5, N)), 1.0, 1e-5, 1.0)
    moved = coordinates.of(_private.adapted(population, moments).people)
    public = coordinates.of(population.people)
    np.testing.assert_allclose(moved.mean(axis=0), mean + public.mean(axis=0), atol=0.1)
    ratio = moved.std(axis=0) / public.std(axis=0)
    np.testing.assert_allclose(ratio, np.sqrt(np.diag(moments.covariance)), atol=1e-6)


def test_many_people_are_learned(population):
    """Without people whose lateral T wave is positive, the adapted ones have fewer of them."""
    values = _private.coordinates_of(population).of(population.people)
    chosen = values[population.categories["t_lateral"] < 2]
    moments = private_moments(
        chosen,
        np.arange(len(chosen)),
        epsilon=4.0,
        delta=1e-5,
        clip=_private.CLIP,
        rng=np.random.default_rng(0),
    )
    adapted = _private.adapted(population, moments)
    before = (population.categories["t_lateral"] == 2).mean()
    assert (adapted.categories["t_lateral"] == 2).mean() < 0.75 * before


def test_coordinates_of_a_record_depend_on_no_other_record(population, beats):
    both = _private.coordinates_of_records(population, beats[:2], None)
    alone = _private.coordinates_of_records(population, beats[1:2], None)
    np.testing.assert_allclose(both[1], alone[0])
    assert np.abs(both[0] - both[1]).max() > 1e-3


def test_fit_learns_with_a_guarantee(bunch, beats):
    model = PseudoIdentityAnonymizer(epsilon=1.0, random_state=0).fit(beats, bunch.subject)
    moments = model.private_moments_
    assert (moments.epsilon, moments.delta) == (1.0, 1e-5)
    assert len(model.transform(beats[:1]).beats) > 5
    public = PseudoIdentityAnonymizer().fit(beats)
    assert np.abs(model._population.people - public._population.people).max() > 0
    np.testing.assert_array_equal(model._population.basis, public._population.basis)
    again = PseudoIdentityAnonymizer(epsilon=1.0, random_state=0).fit(beats, bunch.subject)
    np.testing.assert_array_equal(model._population.people, again._population.people)


def test_noise_without_a_seed_is_new_each_time(bunch, beats):
    first, second = (
        PseudoIdentityAnonymizer(epsilon=1.0).fit(beats, bunch.subject).private_moments_.mean
        for _ in range(2)
    )
    assert np.abs(first - second).min() > 0


def test_a_guarantee_travels_with_the_weights(bunch, beats, tmp_path):
    from safetensors import safe_open

    path = tmp_path / "ward.safetensors"
    model = PseudoIdentityAnonymizer(epsilon=1.0, random_state=0).fit(beats, bunch.subject)
    model.save_weights(path)
    with safe_open(path, "np") as file:
        card = file.metadata()
    assert card["epsilon"] == "1.0"
    assert card["delta"] == "1e-05"
    assert card["unit"] == "person"
    loaded = PseudoIdentityAnonymizer.from_pretrained(weights=path)
    assert loaded.n_people_ == model.n_people_


def test_the_command_learns_from_few_people_with_epsilon(bunch, tmp_path, capsys):
    for record in bunch.data:
        folder = tmp_path / "in" / record.subject
        folder.mkdir(parents=True, exist_ok=True)
        write_record(record, folder / f"{record.session}.npz")
    words = ["fit", str(tmp_path / "in"), "-o", str(tmp_path / "model")]
    assert main(words) == 2
    assert "6 people; training needs 20 or more" in capsys.readouterr().err
    for wrong in (["--epsilon", "0"], ["--epsilon", "1", "--delta", "0.3"]):
        assert main([*words, *wrong]) == 2
    assert "delta=0.3 with 6 people" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
    assert main([*words, "--epsilon", "2"]) == 0
    printed = capsys.readouterr().out
    assert "epsilon 2, delta 1e-05" in printed
    assert PseudoIdentityAnonymizer.from_pretrained(weights=tmp_path / "model").n_people_ > 100


def test_bad_input_is_refused(bunch, beats):
    with pytest.raises(ValueError, match="give y, the subject of each record"):
        PseudoIdentityAnonymizer(epsilon=1.0).fit(beats)
    with pytest.raises(ValueError, match=r"delta=0.5 with 6 people"):
        PseudoIdentityAnonymizer(epsilon=1.0, delta=0.5).fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="epsilon"):
        PseudoIdentityAnonymizer(epsilon=0.0).fit(beats, bunch.subject)
    with pytest.raises(ValueError, match="learned from X alone"):
        PseudoIdentityAnonymizer(epsilon=1.0, weights=None).fit(beats, bunch.subject)
