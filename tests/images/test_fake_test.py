"""FakeTest: a classifier of real images that is asked about generated ones."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.images import FakeTest, FakeTestMonitor
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.networks import ResNet18

pytestmark = pytest.mark.trains


def waves(n, seed, shape=(12, 12)):
    """Return noise, half of it with a wave that starts anywhere, and the class of each."""
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 2, "wave", "none")
    X = 0.3 * rng.normal(size=(n, *shape))
    phase = rng.uniform(0, 2 * np.pi, (n, *[1] * len(shape)))
    return X + np.sin(np.arange(shape[-1]) + phase) * (y == "wave").reshape(phase.shape), y


@pytest.fixture(scope="module")
def classifier():
    return FakeTest(width=4, max_epochs=8, batch_size=16).fit(*waves(120, 0))


def test_resnet_has_eighteen_layers_in_one_and_two_dimensions():
    for n_dims, size in ((1, (64,)), (2, (32, 24))):
        net = ResNet18(n_dims, 3, 5, width=4)
        layers = [
            m for name, m in net.named_modules()
            if isinstance(m, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d)
            and "short" not in name
        ]  # fmt: skip
        assert len(layers) == 18
        assert net(torch.randn(2, 3, *size)).shape == (2, 5)
        assert net.embed(torch.randn(2, 3, *size)).shape == (2, 32)


def test_real_images_are_classified_and_figures_are_scikit_learns(classifier):
    X, y = waves(80, 1)
    row = classifier.evaluate(X, y, n_iterations=7)
    assert row.accuracy > 0.8  # five seeds: 0.98, standard deviation 0.02
    proba = classifier.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert row.accuracy == accuracy_score(y, classifier.predict(X))
    assert row.auc == roc_auc_score(y == "wave", proba[:, 1])
    assert row.f1 == f1_score(y, classifier.predict(X), average="macro")
    assert row.n_iterations == 7


def test_images_that_do_not_show_their_class_are_noise_to_the_classifier(classifier):
    X, y = waves(200, 2)
    mixed = np.random.default_rng(0).permutation(y)
    assert classifier.evaluate(X, mixed).accuracy < 0.65
    swapped = np.where(y == "wave", "none", "wave")
    assert classifier.evaluate(X, swapped).accuracy < 0.2  # five seeds: 0.02 (0.01)


def test_telling_apart_what_is_alike_and_what_is_not():
    X, _ = waves(90, 3)
    other, _ = waves(90, 4)
    asked = FakeTest(width=4, max_epochs=8, batch_size=16)
    # Five seeds: 0.49 (standard deviation 0.04) and 0.98 (0.01).
    assert asked.tell_apart(X, other).auc < 0.7
    assert asked.tell_apart(X, np.abs(other)).auc > 0.85


def test_groups_stay_on_one_side():
    # Only an image of the same group on the other side of the split helps the classifier.
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(60), 4)
    X = rng.random((60, 4, 4)).repeat(3, axis=1).repeat(3, axis=2)[group]
    asked = FakeTest(width=4, max_epochs=12, batch_size=16)
    first = group < 30
    leaky = asked.tell_apart(X[first], X[~first])
    honest = asked.tell_apart(X[first], X[~first], group[first], group[~first])
    # Five seeds: 0.95 (standard deviation 0.01) and 0.49 (0.05).
    assert leaky.auc > honest.auc + 0.2


def test_colors_and_flat_images():
    X, y = waves(60, 5)
    flat = FakeTest(image_shape=(12, 12), width=4, max_epochs=1).fit(X.reshape(60, -1), y)
    square = FakeTest(width=4, max_epochs=1).fit(X, y)
    np.testing.assert_array_equal(
        flat.predict_proba(X.reshape(60, -1)), square.predict_proba(X)
    )
    with pytest.raises(ValueError, match="fitted on images of 12 x 12 pixels"):
        square.predict(X[:, :, 1:])
    color = FakeTest(width=4, max_epochs=1).fit(np.stack([X, X, X], axis=-1), y)
    assert color.size_ == (12, 12, 3)
    with pytest.raises(ValueError, match="12 x 12 pixels in color"):
        color.predict(X)


def test_three_classes():
    X, y = waves(90, 6)
    y = np.where(np.arange(90) < 30, "other", y)
    X[:30] += 3
    row = FakeTest(width=4, max_epochs=8, batch_size=16).fit(X, y).evaluate(X, y)
    # Five seeds: 0.98 (standard deviation 0.02) and 1.00.
    assert row.accuracy > 0.6
    assert row.auc > 0.8


def test_same_seed_same_classifier_also_from_a_pickle(classifier):
    X, _ = waves(40, 7)
    expected = classifier.predict_proba(X)
    again = FakeTest(width=4, max_epochs=8, batch_size=16).fit(*waves(120, 0))
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(classifier)).predict_proba(X), expected
    )


def test_a_generator_of_beats_is_followed_by_their_images():
    X, y = waves(64, 8, (48,))
    imager = BeatImager("raster").fit(X)
    classifier = FakeTest(width=4, max_epochs=2, batch_size=16).fit(imager.transform(X), y)
    labels = np.tile(["none", "wave"], 10)
    monitor = FakeTestMonitor(classifier, labels, every=2, to_images=imager.transform)
    gan = GANImageAnonymizer(n_filters=4, batch_size=16, max_epochs=4, random_state=0)
    gan.set_callbacks(monitor).fit(X, labels=y)
    per_epoch = -(-gan._n_drawn // 16)
    assert [row.n_iterations for row in monitor.rows] == [2 * per_epoch, 4 * per_epoch]
    assert all(0 <= row.accuracy <= 1 for row in monitor.rows)


def test_refuses_in_clear_words(classifier):
    X, y = waves(40, 9)
    with pytest.raises(ValueError, match="y holds one class, 'a'"):
        FakeTest().fit(X, ["a"] * 40)
    with pytest.raises(ValueError, match=r"but fit saw \['none', 'wave'\]"):
        classifier.evaluate(X, ["wave"] * 40)
    with pytest.raises(ValueError, match=r"X has shape \(40, 2, 2, 6, 6\)"):
        FakeTest().fit(X.reshape(40, 2, 2, 6, 6), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier.evaluate(X, y[:3])
    with pytest.raises(ValueError, match="give both or neither"):
        classifier.tell_apart(X, X, real_groups=y)
