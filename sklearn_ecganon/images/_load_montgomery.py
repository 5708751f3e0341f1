"""Chest X-rays with lungs that radiologists outlined."""

from __future__ import annotations

import os
import re

import numpy as np
from sklearn.utils import Bunch

from sklearn_ecganon.images._image_sets import (
    ImageSet,
    find_image_set,
    image_bunch,
    missing_image_set,
    read_pngs,
)

MONTGOMERY = ImageSet(
    path="montgomery-lungs-128",
    layout=(
        "the folders images and masks, with files of the same names, MCUCXR_0001_0.png and "
        "the like; PNG images of 8 bits and 128 x 128 pixels"
    ),
    source="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets",
    license="public, cite Jaeger et al. 2014",
    descr="""\
Chest X-rays of Montgomery County, with lungs
=============================================
138 frontal chest X-rays of 138 patients, 80 normal and 58 with manifestations of
tuberculosis, reduced to 128 x 128 pixels, and masks of both lungs under the guidance of a
radiologist. The masks leave out the heart and what is behind the diaphragm.

License: public; the US National Library of Medicine asks to be named and cited.

Cite:
Jaeger S et al. Two public chest X-ray datasets for computer-aided screening of pulmonary
diseases. Quantitative Imaging in Medicine and Surgery 4(6):475-477 (2014).
""",
)


def load_montgomery_chest_xrays(data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load chest X-rays with masks of the lungs.

    Nothing is downloaded.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds the folder ``montgomery-lungs-128``. By default the environment
        variable ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.

    Returns
    -------
    bunch : Bunch
        With the attributes

        images : ndarray of float32 of shape (138, 128, 128)
            Gray values from 0 to 1.
        data : ndarray of float32 of shape (138, 16384)
            The same memory, one image per row.
        masks : ndarray of bool of shape (138, 128, 128)
            True within the lungs.
        target : ndarray of int of shape (138,)
            The finding, an index into `target_names`.
        target_names : list of str
            ``["normal", "tuberculosis"]``.
        subject : ndarray of str of shape (138,)
            The patient, ``"0001"``; each has one image.
        DESCR : str
            Facts that matter, license, what to cite.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist; the message says where to get the images.
    ImportError
        If Pillow is not installed.
    ValueError
        If a file is not what it should be, or an image has no mask of its size.

    References
    ----------
    .. [1] Jaeger S et al. Two public chest X-ray datasets for computer-aided screening of
       pulmonary diseases. Quantitative Imaging in Medicine and Surgery 4(6):475-477 (2014).

    Examples
    --------
    >>> from sklearn_ecganon.images import load_montgomery_chest_xrays
    >>> bunch = load_montgomery_chest_xrays()  # doctest: +SKIP
    >>> bunch.masks.shape  # doctest: +SKIP
    (138, 128, 128)
    """
    folder = find_image_set(MONTGOMERY, data_home)
    paths = sorted((folder / "images").glob("*.png"))
    if not paths:
        raise missing_image_set(MONTGOMERY, folder / "images" / "*.png")
    names = [re.fullmatch(r"MCUCXR_(\d+)_([01])", path.stem) for path in paths]
    if not all(names):
        raise ValueError(
            f"{paths[names.index(None)]} is not named as expected; want {MONTGOMERY.layout}."
        )
    masks = [folder / "masks" / path.name for path in paths]
    for mask in masks:
        if not mask.is_file():
            raise missing_image_set(MONTGOMERY, mask)
    images, covers = read_pngs(paths), read_pngs(masks)
    if images.shape != covers.shape:
        raise ValueError(
            f"{folder}: images have {images.shape[1:]} pixels, masks {covers.shape[1:]}; a "
            "mask must have the size of its image."
        )
    target_names = ("normal", "tuberculosis")
    return image_bunch(
        MONTGOMERY,
        images,
        [target_names[int(name[2])] for name in names if name],
        target_names,
        masks=covers > 127,
        subject=np.array([name[1] for name in names if name], np.str_),
    )
