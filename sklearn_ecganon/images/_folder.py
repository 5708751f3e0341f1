"""A folder of PNG images in, a folder of anonymized ones out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch, gen_batches
from sklearn.utils.validation import check_is_fitted

MANIFEST = "manifest.jsonl"
# Images that are in memory at a time.
CHUNK = 256
# Bytes of a new name.
NAME_BYTES = 8
# What Pillow calls gray images of one and of two bytes a pixel, and what else it opens.
GRAY = "L"
DEEP = ("I", "I;16", "I;16B", "I;16L", "F")


class ReleasedImage(NamedTuple):
    """What became of one image of a folder.

    Attributes
    ----------
    source : str
        Its path below the input folder.
    image : str or None
        The name of the release in the output folder; None if it was refused.
    reason : str or None
        Why it was refused.
    """

    source: str
    image: str | None
    reason: str | None = None


def read_image_folder(folder: str | os.PathLike[str]) -> Bunch:
    """Read all PNG images in a folder and its subfolders.

    Parameters
    ----------
    folder : str or path-like
        Holds gray images of 8 bits and of one size, with names that end in ``.png``.

    Returns
    -------
    bunch : Bunch
        With the attributes

        images : ndarray of float32 of shape (n, h, w)
            Gray values from 0 to 1.
        names : list of str
            The path of each image below the folder, sorted.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or holds no PNG images.
    ImportError
        If Pillow is not installed.
    ValueError
        If an image is in color, has 16 bits, has another size than the first one, or cannot
        be read.

    Examples
    --------
    >>> from sklearn_ecganon.images import read_image_folder
    >>> bunch = read_image_folder("xrays")  # doctest: +SKIP
    """
    root = Path(folder)
    names = _png_names(root)
    images = [_read(root / names[0], None)]
    images += [_read(root / name, images[0].shape) for name in names[1:]]
    return Bunch(images=_scaled(images), names=names)


def anonymize_folder(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    anonymizer: Any,
    *,
    labels: Mapping[str, Hashable] | None = None,
    subjects: Mapping[str, Hashable] | None = None,
    key_file: str | os.PathLike[str] | None = None,
    on_error: str = "raise",
) -> list[ReleasedImage]:
    """Anonymize all PNG images in a folder and its subfolders.

    The releases get new names, which the secret salt of the anonymizer determines, and are
    written from nothing, so that no text and no time stamp of the originals remains. The
    file ``manifest.jsonl`` describes the run and lists the releases. It names no original.

    Parameters
    ----------
    source : str or path-like
        Folder of gray images of 8 bits, of the size of the images that the anonymizer was
        fitted on.
    target : str or path-like
        Output folder; new or empty, and not within `source`.
    anonymizer : estimator
        A fitted anonymizer of images. It gets gray values from 0 to 1, as
        :func:`read_image_folder` and the loaders of this package return them.
    labels, subjects : mapping of str to label or patient, optional
        For each path below `source`, as ``"ward 3/0001.png"``: what
        :class:`PseudoIdentityImageAnonymizer` takes in ``transform``.
    key_file : str or path-like, optional
        Writes original and new names to this file, as JSON lines. It must not exist, and
        only its owner can read it. Keep it as secret as the originals.
    on_error : {"raise", "skip"}, default="raise"
        Whether an image that cannot be anonymized ends the run before anything is
        written, or is left out.

    Returns
    -------
    released : list of ReleasedImage
        One for each image, sorted by its path.

    Raises
    ------
    FileExistsError
        If `target` is not empty, or `key_file` exists.
    FileNotFoundError
        If `source` does not exist, or holds no PNG images.
    ImportError
        If Pillow is not installed.
    ValueError
        If images are in color, have 16 bits or another size, or cannot be read, and
        `on_error` is ``"raise"``; if `target` is within `source`; if an image has no
        label or subject.

    Notes
    -----
    DICOM files are not read: their pixels have 12 to 16 bits, a window to apply, and a header
    that must be cleaned. Convert them with a tool that does, such as CTP of the RSNA or
    ``dcmj2pnm`` of DCMTK. Text that is burned into the pixels stays, except where
    the method replaces the whole image.

    Examples
    --------
    >>> from sklearn_ecganon.images import anonymize_folder  # doctest: +SKIP
    >>> anonymize_folder("xrays", "shared", model)  # doctest: +SKIP
    """
    check_is_fitted(anonymizer)
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error is {on_error!r}; give 'raise' or 'skip'.")
    root, out = Path(source), Path(target)
    _check_target(root, out)
    if key_file is not None and Path(key_file).exists():
        raise FileExistsError(f"{key_file} exists; give the name of a new file.")
    names = _png_names(root)
    tables = {"labels": labels, "subjects": subjects}
    _check_tables(tables, names)
    refused = _refusals(root, names, anonymizer.size_, on_error)
    good = [name for name in names if name not in refused]
    new_names = {name: _new_name(name, anonymizer.salt_) for name in good}
    out.mkdir(parents=True, exist_ok=True)
    for rows in gen_batches(len(good), CHUNK):
        chunk = good[rows]
        images = _scaled([_read(root / name, anonymizer.size_) for name in chunk])
        extra = {
            key: [table[name] for name in chunk]
            for key, table in tables.items()
            if table is not None
        }
        new = anonymizer.transform(images, **extra)
        for name, pixels in zip(chunk, new, strict=True):
            _write(out / new_names[name], pixels)
    released = [ReleasedImage(name, new_names.get(name), refused.get(name)) for name in names]
    if key_file is not None:
        _write_key(Path(key_file), released)
    _write_manifest(out, anonymizer, released)
    return released


def _png_names(root: Path) -> list[str]:
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; give one with PNG images.")
    paths = (path for path in root.rglob("*") if path.suffix.lower() == ".png")
    names = sorted(path.relative_to(root).as_posix() for path in paths if path.is_file())
    if not names:
        raise FileNotFoundError(
            f"{root} and its subfolders hold no PNG images; other formats must be converted."
        )
    return names


def _check_target(root: Path, out: Path) -> None:
    if out.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{out} is within {root}; write releases to another place.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not empty; give a new folder.")


def _check_tables(
    tables: Mapping[str, Mapping[str, Hashable] | None], names: Sequence[str]
) -> None:
    for key, table in tables.items():
        missing = [] if table is None else [name for name in names if name not in table]
        if missing:
            raise ValueError(
                f"{key} has no entry for {missing[0]!r} and {len(missing) - 1} other images; "
                "its keys are paths below the input folder."
            )


def _refusals(
    root: Path, names: Sequence[str], size: tuple[int, int], on_error: str
) -> dict[str, str]:
    """Return why images cannot be anonymized, or raise for the first that cannot."""
    refused = {}
    for name in names:
        try:
            _read(root / name, size)
        except ValueError as error:
            if on_error == "raise":
                raise
            refused[name] = str(error)
    return refused


def _read(path: Path, size: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """Return the pixels of a gray PNG of 8 bits, of a given height and width."""
    Image = _pillow()
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read ({error}); copy it again.") from error
    if image.mode in DEEP:
        raise ValueError(
            f"{path} has more than 8 bits; apply a window and convert it to 8 bits."
        )
    if image.mode != GRAY:
        raise ValueError(
            f"{path} has the mode {image.mode}; color images, palettes and transparency are "
            "not supported. Convert it to gray (mode L)."
        )
    pixels = np.asarray(image)
    if size is not None and pixels.shape != tuple(size):
        raise ValueError(
            f"{path} has {pixels.shape[0]} x {pixels.shape[1]} pixels, expected are "
            f"{size[0]} x {size[1]}; resize it."
        )
    return pixels


def _scaled(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    return np.stack(images).astype(np.float32) / np.float32(255)


def _new_name(name: str, salt: NDArray[np.uint8]) -> str:
    digest = hashlib.blake2b(
        name.encode(), key=salt.tobytes(), digest_size=NAME_BYTES, person=b"file name"
    )
    return f"{digest.hexdigest()}.png"


def _write(path: Path, pixels: NDArray) -> None:
    values = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    _pillow().fromarray(values).save(path, format="PNG")


def _write_key(path: Path, released: Sequence[ReleasedImage]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for one in released:
            file.write(json.dumps(one._asdict()) + "\n")


def _write_manifest(out: Path, anonymizer: Any, released: Sequence[ReleasedImage]) -> None:
    """Describe the run. No name of an original, and no secret, is written."""
    from sklearn_ecganon import __version__

    names = sorted(one.image for one in released if one.image is not None)
    head = {
        "package": f"sklearn_ecganon {__version__}",
        "method": type(anonymizer).__name__,
        "strength": getattr(anonymizer, "strength", None),
        "size": [int(length) for length in anonymizer.size_],
        "n_released": len(names),
        "n_refused": len(released) - len(names),
    }
    lines = [head] + [
        {"image": name, "sha256": hashlib.sha256((out / name).read_bytes()).hexdigest()}
        for name in names
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (out / MANIFEST).write_text(text, encoding="ascii")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "PNG images are read and written with Pillow, which is not installed; run "
            'pip install "sklearn-ecganon[plot]"'
        ) from error
    return Image
