"""Folders of PNG images: what is read, refused and written."""

import json
import stat

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sklearn.exceptions import NotFittedError

from sklearn_ecganon.images import (
    PseudoIdentityImageAnonymizer,
    anonymize_folder,
    read_image_folder,
)

SIZE = (20, 16)


@pytest.fixture
def source(tmp_path):
    """Six images in two folders, one with a text that names the patient."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "in"
    for i in range(6):
        path = folder / f"ward {i % 2}" / f"jane_doe_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = PngInfo()
        text.add_text("Patient", "Jane Doe")
        pixels = rng.integers(0, 256, SIZE, dtype=np.uint8)
        Image.fromarray(pixels).save(path, pnginfo=text)
    return folder


@pytest.fixture(scope="module")
def model():
    X = np.random.default_rng(1).random((30, *SIZE)).astype(np.float32)
    return PseudoIdentityImageAnonymizer(n_people=20, random_state=0).fit(
        X, labels=np.arange(30) % 2
    )


def labels_of(source):
    return {name: i % 2 for i, name in enumerate(read_image_folder(source).names)}


def test_images_come_out_under_new_names_and_without_texts(source, model, tmp_path):
    bunch, labels = read_image_folder(source), labels_of(source)
    assert bunch.images.shape == (6, *SIZE)
    out, key = tmp_path / "out", tmp_path / "key.jsonl"
    released = anonymize_folder(source, out, model, labels=labels, key_file=key)
    assert [one.source for one in released] == bunch.names
    new = model.transform(bunch.images, list(labels.values()))
    for one, pixels in zip(released, new, strict=True):
        with Image.open(out / one.image) as image:
            assert not image.info
            np.testing.assert_array_equal(np.asarray(image), np.rint(255 * pixels))
    shared = b"".join(path.read_bytes() for path in out.iterdir())
    assert b"jane" not in shared.lower()
    assert b"ward" not in shared
    head, *lines = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    assert head["n_released"] == len(lines) == 6
    assert head["method"] == "PseudoIdentityImageAnonymizer"
    assert {line["image"] for line in lines} == {one.image for one in released}
    keys = [json.loads(line) for line in key.read_text().splitlines()]
    assert [(one["source"], one["image"]) for one in keys] == [one[:2] for one in released]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_strength_0_copies_the_pixels(source, model, tmp_path):
    whole = PseudoIdentityImageAnonymizer(0, n_people=20, random_state=0)
    whole.fit(read_image_folder(source).images)
    for one in anonymize_folder(source, tmp_path / "out", whole):
        before = np.asarray(Image.open(source / one.source))
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / "out" / one.image)), before
        )


BAD = {
    "color": (np.zeros((*SIZE, 3), np.uint8), "has the mode RGB; color images"),
    "deep": (np.zeros(SIZE, np.uint16), "has more than 8 bits; apply a window"),
    "large": (np.zeros((20, 17), np.uint8), "has 20 x 17 pixels, expected are 20 x 16"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_images_end_the_run_before_it_starts_or_are_left_out(source, model, tmp_path, kind):
    pixels, message = BAD[kind]
    labels = labels_of(source) | {"zz.png": 0}
    Image.fromarray(pixels).save(source / "zz.png")
    with pytest.raises(ValueError, match=message):
        anonymize_folder(source, tmp_path / "out", model, labels=labels)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match=message):
        read_image_folder(source)
    released = anonymize_folder(source, tmp_path / "out", model, labels=labels, on_error="skip")
    assert [one.image is None for one in released] == 6 * [False] + [True]
    assert message.split(";")[0] in released[-1].reason
    assert len(list((tmp_path / "out").glob("*.png"))) == 6


def test_damaged_images_are_refused(source, model, tmp_path):
    path = source / "ward 0" / "jane_doe_0.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"jane_doe_0.png cannot be read"):
        anonymize_folder(source, tmp_path / "out", model, labels=labels_of_names(source))


def labels_of_names(source):
    return {path.relative_to(source).as_posix(): 0 for path in source.rglob("*.png")}


def test_wrong_arguments_are_refused(source, model, tmp_path):
    labels, out = labels_of(source), tmp_path / "out"
    with pytest.raises(NotFittedError):
        anonymize_folder(source, out, PseudoIdentityImageAnonymizer())
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        anonymize_folder(source, out, model, labels=labels, on_error="ignore")
    with pytest.raises(ValueError, match="is within"):
        anonymize_folder(source, source / "out", model, labels=labels)
    with pytest.raises(ValueError, match=r"labels has no entry for 'ward 0/jane_doe_0.png'"):
        anonymize_folder(source, out, model, labels={})
    with pytest.raises(ValueError, match=r"fitted with labels \[0, 1\]; give labels="):
        anonymize_folder(source, out, model)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        anonymize_folder(source / "absent", out, model)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="hold no PNG images"):
        read_image_folder(tmp_path / "empty")
    key = tmp_path / "key"
    key.touch()
    with pytest.raises(FileExistsError, match="key exists"):
        anonymize_folder(source, tmp_path / "new", model, labels=labels, key_file=key)
    with pytest.raises(FileExistsError, match="is not empty"):
        anonymize_folder(source, tmp_path, model, labels=labels)
