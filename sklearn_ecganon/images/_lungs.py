"""The lungs in chest X-rays, found by a U-Net whose weights come with the package."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy import ndimage
from sklearn.utils import gen_batches
from torch.nn import functional as F

from sklearn_ecganon.images._learner import CHUNK
from sklearn_ecganon.images._segmenter import UNetSegmenter
from sklearn_ecganon.networks import FieldUNet, standardized
from sklearn_ecganon.training import infer

SHIPPED = Path(str(files("sklearn_ecganon") / "models" / "lungs.safetensors"))
# Pixels a side of the images that the net was trained on.
SIDE = 128
# Images that go through the net at a time.
BATCH = 8
# Half the width in pixels of bridges that are cut.
BRIDGE = 2
# Fraction of the left or right border that a lung may touch in a narrow image.
LONGEST_CONTACT = 0.2
# Regions smaller than this fraction of the largest one are no lung.
SMALLEST = 0.15


def segment_lungs(
    X: ArrayLike, *, weights: str | os.PathLike[str] | None = None
) -> NDArray[np.bool_]:
    """Return the lungs in frontal chest X-rays.

    A U-Net of this package finds them, at 128 pixels a side. Each mask has at most two parts,
    without holes.

    Parameters
    ----------
    X : array-like of shape (n, h, w)
        Gray frontal chest X-rays of any range and size, upright, with air in dark gray.
    weights : path, optional
        A safetensors file written by ``tools/train_lungs.py``. By default the weights that
        come with the package; their model card is ``models/lungs.md``.

    Returns
    -------
    masks : ndarray of bool of shape (n, h, w)
        True within the lungs. The heart, and lung that is hidden by it or by the diaphragm,
        is outside.

    Raises
    ------
    ValueError
        If X holds no images, values that are not finite, or a file of weights is damaged.

    See Also
    --------
    UNetSegmenter : Learns other regions from masks.
    FlowFieldPerturbation : Leaves the lungs unchanged with ``protect="lungs"``.

    Notes
    -----
    Trained on the 138 patients of the Montgomery set [1]_. The Dice coefficient of held-out
    patients, and what the net cannot do, are on its model card. It is no medical device.

    References
    ----------
    .. [1] S. Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of
       pulmonary diseases", Quantitative Imaging in Medicine and Surgery 4(6), 475-477, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import segment_lungs
    >>> segment_lungs(np.random.default_rng(0).random((2, 64, 64))).shape
    (2, 64, 64)
    """
    images = np.asarray(X)
    if images.ndim != 3 or 0 in images.shape or images.dtype.kind not in "buif":
        raise ValueError(
            f"X has shape {images.shape} and dtype {images.dtype}; give gray images, (n, h, w)."
        )
    if not np.isfinite(images).all():
        raise ValueError("X holds NaN or infinity; give finite gray values.")
    net = load_lungs(str(SHIPPED if weights is None else weights))
    size = images.shape[1:]
    masks = []
    for rows in gen_batches(len(images), CHUNK):
        x = torch.from_numpy(images[rows].astype(np.float64))[:, None]
        small = standardized(_resized(x, (SIDE, SIDE))).float()
        logits = infer(net, small, batch_size=BATCH)
        lungs = torch.from_numpy(clean_lungs(logits[:, 0].numpy() > 0))
        masks.append((_resized(lungs[:, None].double(), size) > 0.5)[:, 0].numpy())
    return np.concatenate(masks)


def _resized(x: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    if x.shape[2:] == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)


def clean_lungs(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return masks (n, 128, 128) with two parts at most, without holes.

    Thin bridges to other parts are cut. Air beside the patient is as dark as lungs: parts
    along the left or right border are left out.
    """
    clean = np.zeros_like(masks)
    for mask, new in zip(masks, clean, strict=True):
        parts, n_parts = ndimage.label(ndimage.binary_opening(mask, iterations=BRIDGE))
        area = np.bincount(parts.ravel(), minlength=n_parts + 1)
        area[0] = 0
        for side in (parts[:, 0], parts[:, -1]):
            contact = np.bincount(side, minlength=n_parts + 1)
            area[contact > LONGEST_CONTACT * len(side)] = 0
        largest = [i for i in np.argsort(area)[::-1][:2] if area[i] >= SMALLEST * area.max()]
        if not area.any():
            continue
        lungs = np.isin(parts, largest)
        # What the opening took from the outline of these parts.
        lungs |= mask & ndimage.binary_dilation(lungs, iterations=BRIDGE)
        new[:] = ndimage.binary_fill_holes(lungs)
    return clean


def save_lungs(segmenter: UNetSegmenter, path: str | os.PathLike[str]) -> None:
    """Write the weights of a fitted segmenter as float16."""
    state = segmenter.net_.module_.state_dict()
    save_file({key: value.half().cpu().contiguous() for key, value in state.items()}, path)


def load_lungs(path: str) -> FieldUNet:
    """Return the net with the weights of a file, in evaluation mode."""
    try:
        state = {key: value.float() for key, value in load_file(path).items()}
        # The first convolution has one row a filter.
        net = FieldUNet(2, 1, 1, len(state["stem.0.weight"]))
        net.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds no weights of a lung segmenter ({error}); write them with "
            "tools/train_lungs.py."
        ) from error
    return net.eval()
