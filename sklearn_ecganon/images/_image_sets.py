"""Finding and reading collections of images, shared by all loaders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_ecganon._data_home import get_data_home


@dataclass(frozen=True)
class ImageSet:
    """Where a collection of images is, and where to get it.

    Parameters
    ----------
    path : str
        Its folder or file in the data folder.
    layout : str
        Description of the files that are expected there.
    source, license : str
        Address and license of the originals.
    descr : str
        Full description, for `DESCR`.
    """

    path: str
    layout: str
    source: str
    license: str
    descr: str


def find_image_set(images: ImageSet, data_home: str | os.PathLike[str] | None) -> Path:
    """Return the path of the images; an error says where to get them."""
    path = get_data_home(data_home) / images.path
    if not path.exists():
        raise missing_image_set(images, path)
    return path


def missing_image_set(images: ImageSet, path: Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"{path} does not exist; give data_home=, or set SKLEARN_ECGANON_DATA to the folder "
        f"that holds {images.path}: {images.layout}. The originals are at {images.source} "
        f"({images.license})."
    )


def read_pngs(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Return gray images of one size, (n, h, w)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "PNG images are read with Pillow, which is not installed; run "
            'pip install "sklearn-ecganon[plot]"'
        ) from error
    images: list[NDArray[np.uint8]] = []
    for path in paths:
        try:
            with Image.open(path, formats=["PNG"]) as image:
                pixels = np.asarray(image.convert("L"))
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error}); copy it again.") from error
        if images and pixels.shape != images[0].shape:
            raise ValueError(
                f"{path} has {pixels.shape} pixels, {paths[0].name} {images[0].shape}; all "
                "images must have one size."
            )
        images.append(pixels)
    return np.stack(images)


def image_bunch(
    images: ImageSet,
    pixels: NDArray[np.uint8],
    labels: Sequence[str],
    target_names: Sequence[str],
    **fields: Any,
) -> Bunch:
    """Return pixels in [0, 1] with their labels as numbers."""
    place = {name: position for position, name in enumerate(target_names)}
    unknown = sorted(set(labels) - set(place))
    if unknown or {len(field) for field in fields.values()} | {len(labels)} != {len(pixels)}:
        raise ValueError(
            f"{images.path}: {len(pixels)} images with {len(labels)} labels of which "
            f"{unknown or 'none'} are unknown; expected {images.layout}."
        )
    scaled = pixels.astype(np.float32) / np.float32(255)
    return Bunch(
        images=scaled,
        data=scaled.reshape(len(scaled), -1),
        target=np.array([place[label] for label in labels]),
        target_names=list(target_names),
        **fields,
        DESCR=images.descr,
    )
