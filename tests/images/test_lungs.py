"""The lungs of chest X-rays, with the weights that come with the package."""

import numpy as np
import pytest

from sklearn_ecganon.images import UNetSegmenter, load_montgomery_chest_xrays, segment_lungs
from sklearn_ecganon.images._lungs import SHIPPED, clean_lungs, save_lungs
from tests.images.test_segmenter import discs_and_bars
from tests.perturbing import chest_like


def test_lungs_of_a_drawing_are_its_dark_ellipses():
    X = chest_like(6, 128)
    masks = segment_lungs(X)
    assert masks.dtype == bool
    for mask, image in zip(masks, X, strict=True):
        # The net learned from X-rays, so that the outlines of a drawing are only similar.
        assert 0.1 < mask.mean() < 0.45
        assert image[mask].mean() < 0.4 < image[~mask].mean() + 0.1
        left, right = mask[:, :64].sum(), mask[:, 64:].sum()
        assert min(left, right) > 0.5 * max(left, right)


def test_size_range_and_company_do_not_matter():
    X = chest_like(4, 128)
    masks = segment_lungs(X)
    np.testing.assert_array_equal(segment_lungs(X[2:3]), masks[2:3])
    assert (segment_lungs(1000 * X - 300) == masks).mean() > 0.999
    small = segment_lungs(chest_like(4, 64))
    assert small.shape == (4, 64, 64)
    assert (small == masks[:, ::2, ::2]).mean() > 0.9


def test_weights_are_small_and_go_through_a_file(tmp_path):
    assert SHIPPED.stat().st_size < 1e6
    images, masks = discs_and_bars(16)
    segmenter = UNetSegmenter(n_filters=3, max_epochs=1, augment=True, random_state=0)
    segmenter.fit(images, masks)
    path = tmp_path / "weights.safetensors"
    save_lungs(segmenter, path)
    assert segment_lungs(images, weights=path).shape == images.shape
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="holds no weights of a lung segmenter"):
        segment_lungs(images, weights=path)
    with pytest.raises(ValueError, match="holds no weights of a lung segmenter"):
        segment_lungs(images, weights=tmp_path / "absent")


def test_two_parts_without_holes_are_left():
    mask = np.zeros((1, 60, 80), dtype=bool)
    lungs = mask.copy()
    lungs[0, 6:36, 12:30] = lungs[0, 6:36, 42:60] = True
    mask |= lungs
    mask[0, 30:33, 15:18] = False  # a hole
    mask[0, 50:56, 3:9] = True  # a speck
    mask[0, :, 70:] = True  # air beside the patient
    mask[0, 20:22, 60:70] = True  # and a bridge to it
    clean = clean_lungs(mask)
    assert clean[0, 31, 16]
    assert not clean[0, 50:, :].any()
    assert not clean[0, :, 63:].any()
    # Corners and the beginning of the bridge differ.
    assert (clean != lungs).sum() < 0.04 * lungs.sum()
    assert not clean_lungs(np.zeros((2, 5, 5), dtype=bool)).any()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 8, 8, 3)), r"X has shape \(2, 8, 8, 3\) and dtype float64; give gray"),
        (np.zeros((8, 8)), r"X has shape \(8, 8\)"),
        (np.full((1, 8, 8), np.nan), "NaN or infinity"),
        (np.full((1, 8, 8), "a"), "dtype <U1"),
    ],
)
def test_other_arrays_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        segment_lungs(X)


def test_montgomery_images_and_masks_belong_together(tmp_path):
    from PIL import Image

    for name, value in (("MCUCXR_0001_0.png", 51), ("MCUCXR_0104_1.png", 255)):
        for folder in ("images", "masks"):
            path = tmp_path / "montgomery-lungs-128" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 6), value, dtype=np.uint8)).save(path)
    bunch = load_montgomery_chest_xrays(tmp_path)
    assert bunch.images.shape == bunch.masks.shape == (2, 4, 6)
    assert bunch.masks[:, 0, 0].tolist() == [False, True]
    assert bunch.target.tolist() == [0, 1]
    assert bunch.subject.tolist() == ["0001", "0104"]
    path.rename(path.with_name("MCUCXR_0200_1.png"))
    with pytest.raises(FileNotFoundError, match=r"masks/MCUCXR_0104_1.png does not exist"):
        load_montgomery_chest_xrays(tmp_path)
    Image.fromarray(np.zeros((5, 6), dtype=np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"MCUCXR_0104_1.png has"):
        load_montgomery_chest_xrays(tmp_path)
    path.parent.parent.joinpath("images", "MCUCXR_0104_1.png").rename(
        path.parent.parent / "images" / "other.png"
    )
    with pytest.raises(ValueError, match=r"other.png is not named as expected"):
        load_montgomery_chest_xrays(tmp_path)
