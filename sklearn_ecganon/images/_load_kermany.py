"""Chest X-rays of children with and without pneumonia."""

from __future__ import annotations

import os

import numpy as np
from sklearn.utils import Bunch

from sklearn_ecganon.images._image_sets import ImageSet, find_image_set, image_bunch

KERMANY = ImageSet(
    path="kermany-chestxray-64.npz",
    layout=(
        "NumPy arrays images, uint8 of shape (n, 64, 64), and label, patient and name, one "
        "text per image"
    ),
    source="https://data.mendeley.com/datasets/rscbjbr9sj",
    license="CC BY 4.0",
    descr="""\
Kermany's pediatric chest X-rays
=================================
5216 chest X-rays of children of one to five years, reduced to 64 x 64 pixels: 1341
normal, 2530 with a bacterial and 1345 with a viral pneumonia.

- Only the file names identify patients. They number normal children, bacterial and viral
  pneumonia separately. It is unknown whether two of these numbers are one child, and
  `subject` counts them as two (3654 in all).

License: Creative Commons Attribution 4.0.

Cite:
Kermany DS et al. Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep
Learning. Cell 172(5):1122-1131 (2018). doi:10.17632/rscbjbr9sj
""",
)


def load_kermany_chest_xrays(data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load pediatric chest X-rays: normal, bacterial and viral pneumonia.

    Nothing is downloaded.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds the file ``kermany-chestxray-64.npz``. By default the
        environment variable ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.

    Returns
    -------
    bunch : Bunch
        With the attributes

        images : ndarray of float32 of shape (5216, 64, 64)
            Gray values from 0 to 1.
        data : ndarray of float32 of shape (5216, 4096)
            The same memory, one image per row.
        target : ndarray of int of shape (5216,)
            The finding, an index into `target_names`.
        target_names : list of str
            ``["normal", "bacteria", "virus"]``.
        subject : ndarray of str of shape (5216,)
            The patient, ``"bacteria-1366"``. Numbers are not shared between findings: a
            child with two of them has two names here.
        name : ndarray of str of shape (5216,)
            File names of the publisher.
        DESCR : str
            Facts that matter, license, what to cite.

    Raises
    ------
    FileNotFoundError
        If the file does not exist; the message says where to get the images.
    ValueError
        If the file does not have the expected content.

    References
    ----------
    .. [1] Kermany DS et al. Identifying Medical Diagnoses and Treatable Diseases by
       Image-Based Deep Learning. Cell 172(5):1122-1131 (2018).

    Examples
    --------
    >>> from sklearn_ecganon.images import load_kermany_chest_xrays
    >>> bunch = load_kermany_chest_xrays()  # doctest: +SKIP
    >>> bunch.images.shape  # doctest: +SKIP
    (5216, 64, 64)
    """
    path = find_image_set(KERMANY, data_home)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("images", "label", "patient", "name")}
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}); want {KERMANY.layout}."
        ) from error
    images = arrays["images"]
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"{path}: images has shape {images.shape} and dtype {images.dtype}; want "
            f"{KERMANY.layout}."
        )
    return image_bunch(
        KERMANY,
        images,
        arrays["label"].tolist(),
        ("normal", "bacteria", "virus"),
        subject=arrays["patient"].astype(np.str_),
        name=arrays["name"].astype(np.str_),
    )
