"""Slices of brain MRI in several contrasts."""

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

MRI = ImageSet(
    path="mri-ms-128",
    layout=(
        "the folders mni_paired, of patient07_T1_z057.png and the like, and longitudinal, of "
        "patient01_study1_T1W_z016.png; PNG images of 8 bits and 128 x 128 pixels"
    ),
    source="https://github.com/muschellij2/open_ms_data",
    license="CC BY",
    descr="""\
Brain MRI of ten patients with multiple sclerosis
=================================================
704 axial slices, reduced to 128 x 128 pixels, of two studies.

- `mni_paired`: 3 patients, 24 slices each, in four contrasts (T1, T1POST, T2, FLAIR) that
  are aligned pixel by pixel.
- `longitudinal`: 7 patients, 16 slices per contrast, four patients at two visits; some
  contrasts of some visits are missing.
- The two studies number patients separately; `subject` includes the study.
- There are enough slices to learn a translation, but too few people to measure identity.

License: Creative Commons Attribution.

Cite:
Lesjak Ž et al. A Novel Public MR Image Dataset of Multiple Sclerosis Patients With Lesion
Segmentations Based on Multi-rater Consensus. Neuroinformatics 16:51-63 (2018).
Muschelli J et al. open_ms_data, https://github.com/muschellij2/open_ms_data (2018).
""",
)

SUBSETS = ("mni_paired", "longitudinal")
SLICE = re.compile(
    r"(?P<patient>patient\d+)(_study(?P<visit>\d+))?_(?P<contrast>[A-Z0-9]+)_z(?P<slice>\d+)"
)
# The two studies have different names for them.
CONTRASTS = {"T1W": "T1", "T2W": "T2"}


def load_mri_slices(
    data_home: str | os.PathLike[str] | None = None, *, subset: str | None = None
) -> Bunch:
    """Load slices of brain MRI in several contrasts, of ten patients.

    Nothing is downloaded.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds the folder ``mri-ms-128``. By default the environment variable
        ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.
    subset : {"mni_paired", "longitudinal"}, optional
        One of the two studies; both by default.

    Returns
    -------
    bunch : Bunch
        Sorted by subset, patient, visit, contrast and slice, so that in ``mni_paired`` the
        images of two contrasts are the same slices in the same order. With the attributes

        images : ndarray of float32 of shape (n, 128, 128)
            Gray values from 0 to 1; 704 images of both studies.
        data : ndarray of float32 of shape (n, 16384)
            The same memory, one image per row.
        target : ndarray of int of shape (n,)
            The contrast, an index into `target_names`.
        target_names : list of str
            ``["T1", "T1POST", "T2", "FLAIR"]``.
        subject : ndarray of str of shape (n,)
            Study and patient, ``"mni_paired/patient07"``.
        visit : ndarray of int of shape (n,)
            1 or 2; 1 throughout ``mni_paired``.
        slice : ndarray of int of shape (n,)
            Number of the slice in its volume.
        subset : ndarray of str of shape (n,)
            The study.
        DESCR : str
            Facts that matter, license, what to cite.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist; the message says where to get the images.
    ImportError
        If Pillow is not installed.
    ValueError
        If `subset` is unknown, or a file does not have the expected content.

    References
    ----------
    .. [1] Lesjak Ž et al. A Novel Public MR Image Dataset of Multiple Sclerosis Patients
       With Lesion Segmentations Based on Multi-rater Consensus. Neuroinformatics 16:51-63
       (2018).

    Examples
    --------
    >>> from sklearn_ecganon.images import load_mri_slices
    >>> bunch = load_mri_slices(subset="mni_paired")  # doctest: +SKIP
    >>> t1, t2 = (bunch.images[bunch.target == i] for i in (0, 2))  # doctest: +SKIP
    >>> t1.shape == t2.shape  # doctest: +SKIP
    True
    """
    if subset is not None and subset not in SUBSETS:
        raise ValueError(f"subset is {subset!r}; give one of {SUBSETS}, or None for both.")
    folder = find_image_set(MRI, data_home)
    rows, paths = [], []
    for name in SUBSETS if subset is None else (subset,):
        if not (folder / name).is_dir():
            raise missing_image_set(MRI, folder / name)
        for path in sorted((folder / name).glob("*.png")):
            parts = SLICE.fullmatch(path.stem)
            if parts is None:
                raise ValueError(f"{path} is not named as expected; want {MRI.layout}.")
            contrast = CONTRASTS.get(parts["contrast"], parts["contrast"])
            visit, place = int(parts["visit"] or 1), int(parts["slice"])
            rows.append((name, parts["patient"], visit, contrast, place))
            paths.append(path)
    if not rows:
        raise missing_image_set(MRI, folder / "*.png")
    studies, patients, visits, contrasts, slices = zip(*rows, strict=True)
    return image_bunch(
        MRI,
        read_pngs(paths),
        contrasts,
        ("T1", "T1POST", "T2", "FLAIR"),
        subject=np.array([f"{s}/{p}" for s, p in zip(studies, patients, strict=True)], np.str_),
        visit=np.array(visits),
        slice=np.array(slices),
        subset=np.array(studies, np.str_),
    )
