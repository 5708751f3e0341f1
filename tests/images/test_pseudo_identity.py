"""Synthetic people in place of those in images."""

import pickle

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.base import clone

from sklearn_ecganon.images import PseudoIdentityImageAnonymizer, verification_pairs
from sklearn_ecganon.images._quilt import quilted_people

SIZE = (24, 20)


@pytest.fixture(scope="module")
def archive():
    """Two smooth images each of forty people; those who are ill have a bright corner."""
    rng = np.random.default_rng(0)
    coarse = rng.random((40, 6, 5)).repeat(4, axis=1).repeat(4, axis=2)
    y = np.repeat(np.arange(40), 2)
    X = coarse[y] + 0.1 * rng.standard_normal((80, *SIZE))
    labels = np.where(y % 2, "ill", "healthy")
    X[labels == "ill", :8, :8] += 2
    return X, y, labels


@pytest.fixture(scope="module")
def model(archive):
    X, y, labels = archive
    return PseudoIdentityImageAnonymizer(n_people=200, random_state=0).fit(X, y, labels=labels)


def correlation(a, b):
    rows = [
        x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(1, keepdims=True) for x in (a, b)
    ]
    rows = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in rows]
    return (rows[0] * rows[1]).sum(axis=1)


def test_strength_0_is_bit_for_bit_and_the_answer_needs_no_company(archive, model):
    X, y, labels = archive
    unchanged = clone(model).set_params(strength=0).fit(X, y, labels=labels)
    assert unchanged.transform(X, labels).tobytes() == X.tobytes()
    new = model.transform(X, labels)
    np.testing.assert_array_equal(model.transform(X[7:8], labels[7:8]), new[7:8])
    np.testing.assert_array_equal(model.transform(X[::-1], labels[::-1])[::-1], new)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(X, labels), new)
    assert model.transform(X.astype(np.float32), labels).dtype == np.float32
    other = model.resalt(1).transform(X, labels)
    assert (np.abs(other - new).max(axis=(1, 2)) > 0).mean() > 0.9
    flat = clone(model).set_params(image_shape=SIZE)
    flat.fit(X.reshape(80, -1), y, labels=labels)
    np.testing.assert_array_equal(
        flat.transform(X.reshape(80, -1), labels).reshape(X.shape), new
    )


def test_the_label_is_shown_and_the_person_is_not(archive, model):
    X, y, labels = archive
    new = model.transform(X, labels)
    corner = new[:, :8, :8].mean(axis=(1, 2)) - new[:, 12:].mean(axis=(1, 2))
    assert corner[labels == "ill"].min() > corner[labels == "healthy"].max()
    pairs, genuine = verification_pairs(y, match=labels, random_state=0)
    # Below the corner that shows the label.
    person, other, release = X[pairs[:, 0], 8:], X[pairs[:, 1], 8:], new[pairs[:, 1], 8:]
    before, after = correlation(person, other), correlation(person, release)
    assert before[genuine].min() > before[~genuine].max()
    assert abs(after[genuine].mean() - after[~genuine].mean()) < 0.2
    # No release of an image depends on more than its key and its label.
    assert not np.isin(new.reshape(80, -1)[:, 0], X[:, 0, 0]).any()


def test_more_strength_leaves_less_of_the_original(archive, model):
    X, _, labels = archive
    similar = []
    for strength in (0.3, 0.6, 0.9, 1.0):
        some = pickle.loads(pickle.dumps(model)).set_params(strength=strength)
        similar.append(correlation(X[:, 8:], some.transform(X, labels)[:, 8:]).mean())
    assert np.all(np.diff(similar) < 0)


def test_patients_can_have_one_person(archive, model):
    X, y, labels = archive
    new = model.transform(X, labels, subjects=y)
    below = new[:, 8:]
    same = correlation(below[0::2], below[1::2])
    others = correlation(below[0::2][:-2], below[1::2][2:])  # the next patient with the label
    assert np.median(same) > 0.6 > np.median(others) + 0.2
    assert (new[0::2] != new[1::2]).any(axis=(1, 2)).all()
    alone = model.transform(X[1:2], labels[1:2], subjects=y[1:2])
    np.testing.assert_allclose(alone, new[1:2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["mask", "rows", "callable"])
def test_protected_pixels_come_out_bit_for_bit(archive, model, kind):
    X, _, labels = archive
    mask = np.zeros(SIZE, dtype=bool)
    mask[3:9, 4:10] = True
    rows = np.random.default_rng(1).random(X.shape) < 0.05
    protect = {"mask": mask, "rows": rows, "callable": lambda X: X > 2.2}[kind]
    covered = {"mask": np.broadcast_to(mask, X.shape), "rows": rows, "callable": X > 2.2}[kind]
    some = pickle.loads(pickle.dumps(model)).set_params(protect=protect)
    new = some.transform(X, labels)
    np.testing.assert_array_equal(new[covered], X[covered])
    assert (new[~covered] != X[~covered]).mean() > 0.5
    with pytest.raises(ValueError, match=r"a mask of shape \(3, 3\); give \(24, 20\)"):
        some.set_params(protect=np.zeros((3, 3))).transform(X, labels)


def test_a_synthetic_person_has_the_variance_of_real_ones_and_is_none_of_them():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((60, *SIZE)).astype(np.float32)
    patients = np.repeat(np.arange(30), 2)
    people = quilted_people(images, patients, 100, 20, 5, 3.0, 0.0, np.random.default_rng(1))
    # Variance about the mean of the neighbors, and that of the mean itself.
    assert people.std() == pytest.approx(1.0, abs=0.1)
    nearest = [max(correlation(images, np.broadcast_to(p, images.shape))) for p in people]
    assert max(nearest) < 0.97
    plain = quilted_people(images, patients, 100, 20, 5, 0.0, 0.0, np.random.default_rng(1))
    nearest = [max(correlation(images, np.broadcast_to(p, images.shape))) for p in plain]
    # Five images of the same weight: one over the root of five.
    assert np.mean(nearest) == pytest.approx(0.45, abs=0.08)


def places(images, side=6):
    """Each place of images, centered and of length 1: (n_images, n_places, n_pixels)."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    rows = windows[:, ::side, ::side].reshape(len(images), -1, side**2)
    rows = rows - rows.mean(axis=2, keepdims=True)
    return rows / np.linalg.norm(rows, axis=2, keepdims=True)


def test_a_warp_hides_who_gave_a_place_and_keeps_the_power_of_each_frequency():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((60, 48, 48))
    images = gaussian_filter(images, (0, 1, 1)).astype(np.float32)
    copied, power = [], []
    for warp in (0.0, 1 / 28):
        people = quilted_people(
            images, np.arange(60), 100, 20, 5, 3.0, warp, np.random.default_rng(1)
        )
        agreement = np.einsum("pis,ois->poi", places(people), places(images))
        copied.append(np.median(agreement.max(axis=1)))
        power.append(
            [np.mean((x - gaussian_filter(x, (0, 1, 1))) ** 2) for x in (people, images)]
        )
    assert copied[0] > 0.9
    assert copied[1] < copied[0] - 0.1
    fine, real = power[1]
    assert fine == pytest.approx(real, rel=0.15)


def test_the_model_holds_no_training_image(archive, model):
    X, _, _ = archive
    unit = np.rint((X - model.low_) / (model.high_ - model.low_) * 255)
    for person in model.people_[:50]:
        assert (np.abs(unit - person) > 8).mean(axis=(1, 2)).min() > 0.05


def test_what_cannot_be_mixed_is_refused(archive, model):
    X, y, labels = archive
    fresh = clone(model)
    with pytest.raises(ValueError, match=r"2 images of 1 patient\(s\) with label 'rare'"):
        fresh.fit(X, y, labels=np.where(y == 3, "rare", labels))
    two = clone(model).fit(X[:4], y[:4]).people_ / 255.0
    span = np.ptp(X[:4])
    for image in X[:4]:
        copies = np.abs(two - (image - X[:4].min()) / span).max(axis=(1, 2)) < 0.02
        assert not copies.any()
    with pytest.raises(ValueError, match=r"80 images of 1 patient\(s\); a synthetic person"):
        fresh.fit(X, np.zeros(80))
    with pytest.raises(ValueError, match=r"y has shape \(79,\)"):
        fresh.fit(X, y[1:])
    with pytest.raises(ValueError, match=r"labels has shape \(79,\)"):
        fresh.fit(X, y, labels=labels[1:])
    with pytest.raises(ValueError, match=r"fitted with labels \['healthy', 'ill'\]; give"):
        model.transform(X)
    with pytest.raises(ValueError, match="label 'dead' was not seen in fit"):
        model.transform(X[:1], ["dead"])
    with pytest.raises(
        ValueError, match=r"labels has shape \(2,\); give one for each of the 3"
    ):
        model.transform(X[:3], labels[:2])
    with pytest.raises(ValueError, match=r"subjects has shape \(2,\)"):
        model.transform(X[:3], labels[:3], subjects=y[:2])
    with pytest.raises(ValueError, match="of gray values"):
        fresh.fit(np.zeros((4, 8, 8, 3)))
    with pytest.raises(ValueError, match=r"fitted on images of 24 x 20 pixels"):
        model.transform(X[:, :, 1:], labels)


def test_fit_transform_passes_labels(archive, model):
    X, y, labels = archive
    new = clone(model).fit_transform(X, y, labels)
    np.testing.assert_array_equal(new, model.transform(X, labels))
