"""Flow and noise fields of images: their bounds, protection and training."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_ecganon.images import (
    FlowFieldPerturbation,
    NoiseFieldPerturbation,
    SiameseVerifier,
    _perturbation,
    segment_lungs,
    verify_release,
)
from tests.perturbing import Kill, Middle, chest_like, smallest_jacobian, wild

pytestmark = pytest.mark.trains

METHODS = [FlowFieldPerturbation, NoiseFieldPerturbation]
SMALL = {"n_filters": 4, "max_epochs": 2, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def pictures():
    """Images of 20 x 16 of twelve people, three of each: a pattern of the person, shifted."""
    rng = np.random.default_rng(0)
    own = rng.random((12, 20, 16))
    images = np.stack([np.roll(own, shift, axis=2) for shift in range(3)], axis=1)
    return images.reshape(36, 20, 16), np.repeat(np.arange(12), 3)


@pytest.mark.parametrize("shape", [None, (20, 16)])
def test_no_deformation_at_mu_zero_up_to_the_borders(pictures, shape):
    images, y = pictures
    X = images.reshape(36, -1) if shape else images
    model = wild(FlowFieldPerturbation(mu=0, image_shape=shape, **SMALL).fit(X, y))
    np.testing.assert_allclose(model.transform(X), X, rtol=0, atol=1e-12)
    float32 = X.astype(np.float32)
    np.testing.assert_allclose(model.transform(float32), float32, rtol=0, atol=1e-6)
    moved = wild(FlowFieldPerturbation(mu=0.2, image_shape=shape, **SMALL).fit(X, y))
    assert np.abs(moved.transform(X) - X).max() > 0.1


def test_flat_images_and_square_ones_get_the_same_release(pictures):
    images, y = pictures
    square = NoiseFieldPerturbation(**SMALL).fit(images, y)
    flat = clone(square).set_params(image_shape=(20, 16)).fit(images.reshape(36, -1), y)
    new = flat.transform(images.reshape(36, -1))
    assert new.shape == (36, 320)
    np.testing.assert_array_equal(new.reshape(images.shape), square.transform(images))


def test_an_image_gets_the_same_release_alone_and_in_company(pictures):
    images, y = pictures
    for method in METHODS:
        model = method(**SMALL).fit(images, y)
        whole = model.transform(images)
        np.testing.assert_allclose(model.transform(images[4:5]), whole[4:5], atol=1e-12)
        np.testing.assert_allclose(model.transform(images[::-1])[::-1], whole, atol=1e-12)
        other = model.resalt(1)
        assert (np.abs(other.transform(images) - whole).max(axis=(1, 2)) > 0).all()
        unchanged = model.set_params(strength=0).transform(images)
        assert unchanged.tobytes() == images.tobytes()


@pytest.mark.parametrize("mu", [0.001, 0.005, 0.01, 0.1, 0.9])
def test_the_wildest_field_folds_nowhere(mu):
    rng = np.random.default_rng(0)
    images = rng.random((4, 128, 96))
    blobs = np.zeros((128, 96))
    blobs[30:60, 20:70] = 1
    blobs[100:] = rng.random((28, 96))  # weights that jump about
    for protect in (None, blobs):
        model = FlowFieldPerturbation(mu=mu, protect=protect, n_filters=1, max_epochs=1)
        field = wild(model.fit(images, [0, 0, 1, 1])).field(images)
        assert field.shape == (4, 2, 128, 96)
        assert np.abs(field[:, 0]).max() <= mu * 127 / 2 * (1 + 1e-6)
        assert protect is not None or np.abs(field).max() > min(0.5 * mu * 127 / 2, 0.3)
        assert smallest_jacobian(field) > 0


def test_the_jacobian_of_a_fold_is_negative():
    field = np.zeros((1, 2, 8, 8))
    field[0, 1, 4, 4] = 1.5
    assert smallest_jacobian(field) < 0


@pytest.mark.parametrize("method", METHODS)
def test_strength_scales_the_field(pictures, method):
    images, y = pictures
    model = method(**SMALL).fit(images, y)
    whole = model.field(images)
    np.testing.assert_allclose(model.set_params(strength=0.25).field(images), whole / 4)
    if method is NoiseFieldPerturbation:
        added = model.transform(images) - images
        np.testing.assert_allclose(added, whole[:, 0] / 4, atol=1e-12)
        assert np.abs(whole).max() <= 0.01 * model.range_


@pytest.mark.parametrize("method", METHODS)
def test_chunks_do_not_matter(pictures, method, monkeypatch):
    images, y = pictures
    model = method(protect=np.eye(20, 16), **SMALL).fit(images, y)
    whole = model.transform(images)
    monkeypatch.setattr(_perturbation, "FIELD_CHUNK", 5 * 20 * 16)
    np.testing.assert_allclose(model.transform(images), whole, rtol=0, atol=1e-12)


# protection


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["mask", "rows", "callable", "segmenter", "frozen"])
def test_protected_pixels_come_out_bit_for_bit(pictures, method, kind):
    images, y = (pictures[0].astype(np.float32), pictures[1])
    mask = np.zeros((20, 16), dtype=bool)
    mask[5:12, 3:9] = True
    rows = np.random.default_rng(1).random(images.shape) < 0.1
    protect = {
        "mask": mask,
        "rows": rows,
        "callable": lambda X: X > 0.8,
        "segmenter": Middle(),
        "frozen": FrozenEstimator(Middle()),
    }[kind]
    covered = {
        "mask": np.broadcast_to(mask, rows.shape),
        "rows": rows,
        "callable": images > 0.8,
    }
    covered = covered.get(kind, Middle().predict(images))
    model = wild(method(0.7, protect=protect, **SMALL).fit(images, y))
    new = model.transform(images)
    np.testing.assert_array_equal(new[covered], images[covered])
    assert (new[~covered] != images[~covered]).any()
    assert not model.field(images).transpose(0, 2, 3, 1)[covered].any()


def test_weights_ask_to_be_gentle(pictures):
    images, y = pictures
    free = wild(NoiseFieldPerturbation(**SMALL).fit(images, y))
    gentle = clone(free).set_params(protect=np.full((20, 16), 0.75)).fit(images, y)
    np.testing.assert_allclose(wild(gentle).field(images), free.field(images) / 4)


# training


@pytest.mark.parametrize("method", METHODS)
def test_history_and_first_step(pictures, method):
    images, y = pictures
    settings = {**SMALL, "max_epochs": 6, "lr": 0.01}
    model = method(pretraining=1.0, **settings).fit(images, y)
    assert model.n_iter_ == 6
    assert all(len(values) == 6 for values in model.history_.values())
    assert np.isnan(model.history_["class_accuracy"]).all()
    # Trained beforehand it learns to change nothing.
    error = model.history_["identity_error"]
    assert error[-1] < 0.2 * error[0]
    labelled = method(pretraining=0.0, **settings).fit(images, y, labels=y % 2)
    assert all(np.isfinite(values).all() for values in labelled.history_.values())
    assert labelled.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_epochs", [1, 3])
def test_a_killed_training_resumes_bit_for_bit(pictures, tmp_path, method, n_epochs):
    images, y = pictures
    # Two of five epochs are of the first step: it is killed in either.
    settings = {**SMALL, "max_epochs": 5, "pretraining": 0.4}
    whole = method(**settings).fit(images, y, labels=y % 2)
    part = method(**settings, checkpoint=tmp_path / "field.pt")
    with pytest.raises(SystemExit, match="killed"):
        clone(part).set_callbacks(Kill(n_epochs)).fit(images, y, labels=y % 2)
    resumed = clone(part).fit(images, y, labels=y % 2)
    assert resumed.n_iter_ == 5
    for name, values in whole.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(resumed.history_[name], values)
    for name, values in whole.net_.module_.state_dict().items():
        assert torch.equal(resumed.net_.module_.state_dict()[name], values)
    with pytest.raises(ValueError, match="with other parameters; remove the file"):
        clone(part).set_params(lr=0.1).fit(images, y, labels=y % 2)
    with pytest.raises(ValueError, match="with other data"):
        clone(part).fit(images, y, labels=y % 3)
    with pytest.raises(ValueError, match="with other data"):
        clone(part).set_params(protect=np.eye(20, 16)).fit(images, y, labels=y % 2)


def test_a_checkpoint_holds_no_sample(pictures, tmp_path):
    images, y = pictures
    path = tmp_path / "field.pt"
    model = FlowFieldPerturbation(checkpoint=path, **SMALL).fit(images, y)
    stored = path.read_bytes()
    for array in (images, model._scaled(images)):
        for row in array.reshape(36, -1)[::5]:
            for dtype in (np.float64, np.float32):
                assert row[10:14].astype(dtype).tobytes() not in stored


def test_the_auxiliary_nets_are_not_kept(pictures):
    images, y = pictures
    settings = {**SMALL}
    one = FlowFieldPerturbation(**settings).fit(images, y)
    other = FlowFieldPerturbation(**{**settings, "random_state": 1}).fit(images[::-1], y)
    for a, b in zip(
        one.net_.discriminator_.parameters(),
        other.net_.discriminator_.parameters(),
        strict=True,
    ):
        assert torch.equal(a, b)


# evaluation


@pytest.fixture(scope="module")
def people():
    """Images of 48 people: a spot of the class, over the blurred pattern of the person."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(48), 6)
    spot = np.zeros((16, 16))
    spot[5:11, 5:11] = 1
    sign = rng.choice([-1, 1], len(y))
    pattern = rng.normal(size=(48, 2, 2)).repeat(8, axis=1).repeat(8, axis=2)
    noise = 0.02 * rng.normal(size=(len(y), 16, 16))
    return sign[:, None, None] * spot + 0.2 * pattern[y] + noise, y, sign


@pytest.mark.filterwarnings("ignore::sklearn_ecganon.exceptions.WeakAttackWarning")
def test_fields_are_trained_against_the_verifier_that_tests_them(people):
    # Everything that the founding work does, once: a release, and verifiers trained anew.
    X, y, sign = people
    known = y < 32
    noise = NoiseFieldPerturbation(
        noise_degree=0.3, lr=3e-3, max_epochs=6, batch_size=32, random_state=0
    ).fit(X[known], y[known], labels=sign[known])
    new = noise.transform(X)
    assert np.abs(new - X).max() <= 0.3 * noise.range_ + 1e-12
    assert (np.sign(new[:, 5:11, 5:11].mean(axis=(1, 2))) == sign).mean() > 0.9
    verifier = SiameseVerifier(width=4, max_epochs=2, batch_size=32, random_state=0)
    result = verify_release(verifier, X, new, y, ~known, n_retrain=1)
    assert {row.knowledge for row in result.rows} == {
        "original", "ignorant", "lazy-informed", "semi-informed"
    }  # fmt: skip


# refusals

IMAGES = np.random.default_rng(0).random((6, 4, 5))
TWICE = [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({}, [0] * 6, "y has a single subject, 0"),
        ({}, np.arange(6), "no genuine pair possible: y has 6 subjects with one row each"),
        ({}, [0, 1], r"y has shape \(2,\); give the subject of each of the 6 records"),
        ({"image_shape": (4, 4)}, TWICE, r"4 x 5 pixels, but image_shape is \(4, 4\)"),
        ({"image_shape": (0, 20)}, TWICE, "two positive integers"),
        ({"protect": np.ones((3, 3))}, TWICE, r"mask of shape \(3, 3\); give \(4, 5\)"),
        ({"protect": np.ones((4, 5))}, TWICE, "covers everything of X"),
        ({"protect": lambda X: X >= 0}, TWICE, "covers everything of row 0 of X"),
        ({"protect": np.full((4, 5), 2)}, TWICE, r"from 2 to 2; give booleans, or weights"),
        ({"protect": np.full((4, 5), np.nan)}, TWICE, "give booleans, or weights"),
        ({"protect": lambda X: "all"}, TWICE, "protect is str"),
    ],
)
def test_refuses_in_clear_words(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        FlowFieldPerturbation(**parameters).fit(IMAGES, y)


def test_refuses_one_row_and_constant_images():
    with pytest.raises(ValueError, match="n_samples=1: a verifier learns from pairs"):
        FlowFieldPerturbation().fit(IMAGES[:1])
    with pytest.raises(ValueError, match="nothing to learn"):
        FlowFieldPerturbation().fit(np.ones((6, 4, 5)), TWICE)


def test_without_people_rows_are_paired_with_themselves():
    model = NoiseFieldPerturbation(**SMALL).fit(IMAGES)
    assert np.isfinite(model.history_["verification_loss"]).all()
    new = model.transform(IMAGES)
    assert np.isfinite(new).all()
    assert (new != IMAGES).any()


@pytest.mark.parametrize("degree", [{"mu": 0.01}, {"noise_degree": 0.01}])
def test_the_degree_is_that_of_the_training(pictures, degree):
    X, y = pictures
    method = FlowFieldPerturbation if "mu" in degree else NoiseFieldPerturbation
    trained = dict.fromkeys(degree, 0.2)
    model = method(**trained, **SMALL).fit(X, y)
    before = model.field(X)
    model.set_params(**degree)
    np.testing.assert_array_equal(model.field(X), before)
    # As an attacker's own copy has it, and whoever loads it.
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).field(X), before)


def test_rows_of_a_mask_must_be_those_of_what_is_released():
    mask = np.zeros((6, 4, 5), dtype=bool)
    model = FlowFieldPerturbation(protect=mask, **SMALL).fit(IMAGES, TWICE)
    with pytest.raises(ValueError, match=r"shape \(6, 4, 5\); give \(4, 5\) .* \(5, 4, 5\)"):
        model.transform(IMAGES[:5])


@pytest.mark.parametrize("method", METHODS)
def test_lungs_are_protected_by_their_name(method):
    X, y = chest_like(8, 48), np.repeat(np.arange(4), 2)
    lungs = segment_lungs(X)
    assert 0.05 < lungs.mean() < 0.5
    model = wild(method(protect="lungs", **SMALL).fit(X, y))
    new = model.transform(X)
    np.testing.assert_array_equal(new[lungs], X[lungs])
    assert (new[~lungs] != X[~lungs]).any()
    with pytest.warns(
        UserWarning, match="no lungs found in 1 of 2 images, the first of which is 1"
    ):
        model.transform(np.stack([X[0], np.full((48, 48), 0.5)]))
    with pytest.raises(ValueError, match="protect is 'heart'; regions with a name are 'lungs'"):
        clone(model).set_params(protect="heart").fit(X, y)
    with pytest.raises(ValueError, match=r"a mask of shape \(47, 48\); give \(48, 48\)"):
        clone(model).set_params(protect=np.zeros((47, 48))).fit(X, y)
