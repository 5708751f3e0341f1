"""GANSynthesizer: images of a class, their range, strength, resumed training and warnings."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_ecganon.images import GANSynthesizer, GANTrainingWarning
from sklearn_ecganon.networks import Discriminator
from tests.perturbing import Kill

pytestmark = pytest.mark.trains

SMALL = {"n_filters": 4, "batch_size": 16, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def pictures():
    """Images of 12 x 10 pixels: stripes across or along, of random phase and amplitude."""
    rng = np.random.default_rng(0)
    y = np.repeat(["across", "along"], 60)
    phase, amplitude = 2 * np.pi * rng.random((120, 1, 1)), rng.uniform(0.5, 1, (120, 1, 1))
    row, column = np.arange(12)[:, None], np.arange(10)
    wave = np.where((y == "across")[:, None, None], row + 0 * column, column + 0 * row)
    return amplitude * np.sin(wave + phase), y


@pytest.fixture(scope="module")
def gan(pictures):
    """Briefly trained; tests must not change it."""
    images, y = pictures
    return GANSynthesizer(**SMALL).fit(images, labels=y)


class PrefersGray(Discriminator):
    """A discriminator whose score depends only on how gray an image is."""

    def forward(self, images, condition):
        # The optimizer needs a gradient for each weight.
        nothing = sum(0 * weight.sum() for weight in self.parameters())
        return -10 * images.square().flatten(1).mean(dim=1) + nothing, None


class Collapsing(GANSynthesizer):
    """A GAN whose losses all favor the gray image."""

    def _build_net(self):
        net = super()._build_net()
        net.discriminator_.__class__ = PrefersGray
        return net.set_params(latent_weight=0, reconstruction_weight=0)


def test_mode_collapse_is_noticed_when_provoked(pictures):
    images, y = pictures
    settings = {"lr": 3e-3, "n_filters": 4, "batch_size": 16}
    settings |= {"max_epochs": 15, "patience": None, "random_state": 0}
    with pytest.warns(GANTrainingWarning, match="mode collapse"):
        collapsed = Collapsing(**settings).fit(images, labels=y)
    # Six seeds gave 0.015 with a standard deviation of 0.006.
    assert collapsed.history_["diversity"][-1] < 0.1


def test_training_stops_when_nothing_improves_and_keeps_the_best(pictures):
    images, _ = pictures
    still = GANSynthesizer(
        lr=1e-12, discriminator_lr=0, n_filters=4, patience=2,
        max_epochs=50, random_state=0,
    ).fit(images)  # fmt: skip
    assert still.n_iter_ < 50
    best = np.argmin(still.history_["distance"])
    assert still.n_iter_ == best + 1 + 2


def test_images_as_arrays_and_flattened(pictures):
    images, y = pictures
    model = GANSynthesizer(**SMALL)
    solid = clone(model).fit(images, labels=y)
    flat = clone(model).set_params(image_shape=(12, 10)).fit(images.reshape(120, -1), labels=y)
    assert solid.transform(images).shape == images.shape
    assert flat.transform(images.reshape(120, -1)).shape == (120, 120)
    np.testing.assert_allclose(solid.sample(4, random_state=0), flat.sample(4, random_state=0))
    samples = solid.sample(50)
    assert samples.min() >= images.min()
    assert samples.max() <= images.max()


def test_the_release_is_in_the_range_of_training_and_has_no_sample(gan, pictures):
    images, _ = pictures
    released = gan.transform(images)
    assert released.min() >= images.min()
    assert released.max() <= images.max()
    # Far from every original: a generator that copies would be at 0.
    apart = np.abs(released[:, None] - images).mean(axis=(2, 3))
    assert apart.min() > 0.01


def test_change_grows_with_strength_from_nothing(gan, pictures):
    images, _ = pictures
    changes = []
    for strength in (0.0, 1e-8, 0.3, 1.0):
        model = clone(gan)
        model.__setstate__({**gan.__getstate__(), "strength": strength})
        changes.append(np.abs(model.transform(images) - images).mean())
    assert changes[0] == 0
    assert 0 < changes[1] < 0.01 < changes[2]
    assert changes[1] < changes[3]


def test_another_salt_gives_other_images(gan, pictures):
    images, _ = pictures
    other = gan.resalt(1)
    assert np.abs(other.transform(images) - gan.transform(images)).max() > 1e-3


def test_a_killed_training_resumes_bit_for_bit(pictures, tmp_path):
    images, y = pictures
    settings = {**SMALL, "max_epochs": 4}
    whole = GANSynthesizer(**settings).fit(images, labels=y)
    resumable = GANSynthesizer(**settings, checkpoint=tmp_path / "gan.pt")
    with pytest.raises(SystemExit, match="killed"):
        clone(resumable).set_callbacks(Kill(2)).fit(images, labels=y)
    resumed = clone(resumable).fit(images, labels=y)
    np.testing.assert_array_equal(resumed.transform(images), whole.transform(images))
    with pytest.raises(ValueError, match="with other data"):
        clone(resumable).fit(images**3, labels=y)


@pytest.mark.parametrize(
    ("parameters", "X", "labels", "message"),
    [
        ({}, np.ones((9, 3, 3)), None, "nothing to learn from constant images"),
        ({}, np.eye(9).reshape(9, 3, 3)[:1], None, "give 2 or more"),
        ({"architecture": "classifier"}, np.eye(9).reshape(9, 3, 3), None, "two or more"),
    ],
)
def test_refusals(parameters, X, labels, message):
    with pytest.raises(ValueError, match=message):
        GANSynthesizer(**parameters).fit(X, labels=labels)


def test_labels_that_fit_did_not_see_are_refused(gan):
    with pytest.raises(ValueError, match="label 'spots' was not seen in fit"):
        gan.sample(1, ["spots"])
    with pytest.raises(ValueError, match=r"labels has shape \(1,\); give \(2,\)"):
        gan.sample(2, ["along"])
