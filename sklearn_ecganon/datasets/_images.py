"""Images of known patients: chest X-rays and slices of brain MRI, read from a folder."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import get_data_home


@dataclass(frozen=True)
class ImageSet:
    """A collection of images, as far as finding it needs to know.

    Parameters
    ----------
    path : str
        Its folder or file in the data folder.
    layout : str
        What lies there, for whoever has to put it there.
    source, licence : str
        Where the originals come from, and on which terms.
    descr : str
        The whole story, for `DESCR`.
    """

    path: str
    layout: str
    source: str
    licence: str
    descr: str


NIH = ImageSet(
    path="nih-chestxray-128",
    layout=(
        "labels.csv, and in the folders it names, No_findings and Pneumonia, PNG images of "
        "8 bits and 128 x 128 pixels"
    ),
    source="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    licence="public, cite Wang et al. 2017",
    descr="""\
NIH ChestX-ray14, a thousand images
===================================
1000 frontal chest X-rays of 682 patients, 500 without finding and 500 with pneumonia, made
smaller to 128 x 128 pixels. 164 patients have two images or more, 677 pairs in all.

- Sex, age and view (AP or PA) are not known of 90 images.
- Sex and view are easy to see: compare images of different people of the same view and sex.
- The correlation of 32 x 32 pixels already verifies patients at an AUC of 0.71.

Licence: public; the NIH Clinical Center asks to be named and cited.

Cite:
Wang X et al. ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks on
Weakly-Supervised Classification and Localization of Common Thorax Diseases. CVPR:3462-3471
(2017).
""",
)

KERMANY = ImageSet(
    path="kermany-chestxray-64.npz",
    layout=(
        "NumPy arrays images, uint8 of shape (n, 64, 64), and label, patient and name, one "
        "text an image"
    ),
    source="https://data.mendeley.com/datasets/rscbjbr9sj",
    licence="CC BY 4.0",
    descr="""\
Kermany's paediatric chest X-rays
=================================
5216 chest X-rays of children of one to five years, made smaller to 64 x 64 pixels: 1341
normal, 2530 with a bacterial and 1345 with a viral pneumonia.

- Patients are known by the file names only, which number normal children, bacterial and
  viral pneumonia apart: whether two of these numbers are one child is not known, and
  `subject` takes them for two (3654 in all).

Licence: Creative Commons Attribution 4.0.

Cite:
Kermany DS et al. Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep
Learning. Cell 172(5):1122-1131 (2018). doi:10.17632/rscbjbr9sj
""",
)

MRI = ImageSet(
    path="mri-ms-128",
    layout=(
        "the folders mni_paired, of patient07_T1_z057.png and the like, and longitudinal, of "
        "patient01_study1_T1W_z016.png; PNG images of 8 bits and 128 x 128 pixels"
    ),
    source="https://github.com/muschellij2/open_ms_data",
    licence="CC BY",
    descr="""\
Brain MRI of ten patients with multiple sclerosis
=================================================
704 axial slices, made smaller to 128 x 128 pixels, of two studies.

- `mni_paired`: 3 patients, 24 slices each, in four contrasts (T1, T1POST, T2, FLAIR) that
  lie upon each other pixel by pixel.
- `longitudinal`: 7 patients, 16 slices a contrast, four of them at two visits; not every
  contrast of every visit is there.
- Patients are numbered apart in the two studies; `subject` says which study.
- Enough to translate contrasts for real, too few people for a figure of identity.

Licence: Creative Commons Attribution.

Cite:
Lesjak Ž et al. A Novel Public MR Image Dataset of Multiple Sclerosis Patients With Lesion
Segmentations Based on Multi-rater Consensus. Neuroinformatics 16:51-63 (2018).
Muschelli J et al. open_ms_data, https://github.com/muschellij2/open_ms_data (2018).
""",
)

FINDINGS = {"No_findings": "no finding", "Pneumonia": "pneumonia"}
NIH_COLUMNS = ("file", "patient_id", "folder_label", "Finding Labels")
NIH_OPTIONAL = ("Patient Age", "Patient Gender", "View Position")
SUBSETS = ("mni_paired", "longitudinal")
SLICE = re.compile(
    r"(?P<patient>patient\d+)(_study(?P<visit>\d+))?_(?P<contrast>[A-Z0-9]+)_z(?P<slice>\d+)"
)
# The two studies call them differently.
CONTRASTS = {"T1W": "T1", "T2W": "T2"}


def load_nih_chest_xrays(data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load chest X-rays of the NIH: many patients, some of whom came again.

    Nothing is downloaded.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds the folder ``nih-chestxray-128``, with ``labels.csv`` in it. By
        default the environment variable ``SKLEARN_ECGANON_DATA``, else
        ``~/sklearn_ecganon_data``.

    Returns
    -------
    bunch : Bunch
        With the attributes

        images : ndarray of float32 of shape (1000, 128, 128)
            Gray values from 0 to 1.
        data : ndarray of float32 of shape (1000, 16384)
            The same memory, one image a row.
        target : ndarray of int of shape (1000,)
            The finding, an index into `target_names`.
        target_names : list of str
            ``["no finding", "pneumonia"]``.
        subject : ndarray of str of shape (1000,)
            The patient, ``"00001280"``.
        visit : ndarray of int of shape (1000,)
            Number of the image among all of the patient that the NIH has, from 0.
        sex : ndarray of str of shape (1000,)
            ``"F"``, ``"M"``, or ``""`` where it is not known.
        view : ndarray of str of shape (1000,)
            ``"AP"``, ``"PA"``, or ``""`` where it is not known.
        age : ndarray of float of shape (1000,)
            In years, NaN where it is not known.
        findings : ndarray of str of shape (1000,)
            All findings, ``"Edema|Pneumonia"``, or ``""`` where they are not known.
        DESCR : str
            Facts that matter, licence, what to cite.

    Raises
    ------
    FileNotFoundError
        If the folder is not there; the message says where to get the images.
    ImportError
        If Pillow is not installed.
    ValueError
        If a file is not what it should be.

    References
    ----------
    .. [1] Wang X et al. ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks.
       CVPR:3462-3471 (2017).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_nih_chest_xrays
    >>> bunch = load_nih_chest_xrays()  # doctest: +SKIP
    >>> len(set(bunch.subject))  # doctest: +SKIP
    682
    """
    folder = _find(NIH, data_home)
    table = folder / "labels.csv"
    if not table.is_file():
        raise _missing(NIH, table)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    absent = {*NIH_COLUMNS, *NIH_OPTIONAL} - set(rows[0] if rows else ())
    if absent:
        raise ValueError(f"{table} has no column {sorted(absent)[0]!r}, or no row.")
    column = {name: [row[name] for row in rows] for name in (*NIH_COLUMNS, *NIH_OPTIONAL)}
    unknown = sorted(set(column["folder_label"]) - set(FINDINGS))
    if unknown:
        raise ValueError(f"{table}: folder_label {unknown[0]!r} is none of {list(FINDINGS)}.")
    visits = [re.fullmatch(r".*_(\d+)\.png", name) for name in column["file"]]
    if not all(visits):
        raise ValueError(
            f"{table}: file {column['file'][visits.index(None)]!r} does not end in the "
            "number of the visit, like 00001280_004.png."
        )
    return _bunch(
        NIH,
        _read_pngs([folder / name for name in column["file"]]),
        [FINDINGS[label] for label in column["folder_label"]],
        tuple(FINDINGS.values()),
        subject=np.array(column["patient_id"], np.str_),
        visit=np.array([int(visit[1]) for visit in visits if visit]),
        sex=np.array(column["Patient Gender"], np.str_),
        view=np.array(column["View Position"], np.str_),
        age=np.array([float(age or "nan") for age in column["Patient Age"]]),
        findings=np.array(column["Finding Labels"], np.str_),
    )


def load_kermany_chest_xrays(data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load paediatric chest X-rays: normal, bacterial and viral pneumonia.

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
            The same memory, one image a row.
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
            Facts that matter, licence, what to cite.

    Raises
    ------
    FileNotFoundError
        If the file is not there; the message says where to get the images.
    ValueError
        If it is not what it should be.

    References
    ----------
    .. [1] Kermany DS et al. Identifying Medical Diagnoses and Treatable Diseases by
       Image-Based Deep Learning. Cell 172(5):1122-1131 (2018).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_kermany_chest_xrays
    >>> bunch = load_kermany_chest_xrays()  # doctest: +SKIP
    >>> bunch.images.shape  # doctest: +SKIP
    (5216, 64, 64)
    """
    path = _find(KERMANY, data_home)
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
    return _bunch(
        KERMANY,
        images,
        arrays["label"].tolist(),
        ("normal", "bacteria", "virus"),
        subject=arrays["patient"].astype(np.str_),
        name=arrays["name"].astype(np.str_),
    )


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
            The same memory, one image a row.
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
            Facts that matter, licence, what to cite.

    Raises
    ------
    FileNotFoundError
        If the folder is not there; the message says where to get the images.
    ImportError
        If Pillow is not installed.
    ValueError
        If `subset` is unknown, or a file is not what it should be.

    References
    ----------
    .. [1] Lesjak Ž et al. A Novel Public MR Image Dataset of Multiple Sclerosis Patients
       With Lesion Segmentations Based on Multi-rater Consensus. Neuroinformatics 16:51-63
       (2018).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_mri_slices
    >>> bunch = load_mri_slices(subset="mni_paired")  # doctest: +SKIP
    >>> t1, t2 = (bunch.images[bunch.target == i] for i in (0, 2))  # doctest: +SKIP
    >>> t1.shape == t2.shape  # doctest: +SKIP
    True
    """
    if subset is not None and subset not in SUBSETS:
        raise ValueError(f"subset is {subset!r}; want one of {SUBSETS}, or None for both.")
    folder = _find(MRI, data_home)
    rows, paths = [], []
    for name in SUBSETS if subset is None else (subset,):
        if not (folder / name).is_dir():
            raise _missing(MRI, folder / name)
        for path in sorted((folder / name).glob("*.png")):
            parts = SLICE.fullmatch(path.stem)
            if parts is None:
                raise ValueError(f"{path} is not named as expected; want {MRI.layout}.")
            contrast = CONTRASTS.get(parts["contrast"], parts["contrast"])
            visit, place = int(parts["visit"] or 1), int(parts["slice"])
            rows.append((name, parts["patient"], visit, contrast, place))
            paths.append(path)
    if not rows:
        raise _missing(MRI, folder / "*.png")
    studies, patients, visits, contrasts, slices = zip(*rows, strict=True)
    return _bunch(
        MRI,
        _read_pngs(paths),
        contrasts,
        ("T1", "T1POST", "T2", "FLAIR"),
        subject=np.array([f"{s}/{p}" for s, p in zip(studies, patients, strict=True)], np.str_),
        visit=np.array(visits),
        slice=np.array(slices),
        subset=np.array(studies, np.str_),
    )


def _find(images: ImageSet, data_home: str | os.PathLike[str] | None) -> Path:
    """Return where the images lie, or say where to get them."""
    path = get_data_home(data_home) / images.path
    if not path.exists():
        raise _missing(images, path)
    return path


def _missing(images: ImageSet, path: Path) -> FileNotFoundError:
    return FileNotFoundError(
        f"{path} is not there; give data_home=, or set SKLEARN_ECGANON_DATA to the folder that "
        f"holds {images.path}: {images.layout}. The originals are at {images.source} "
        f"({images.licence})."
    )


def _read_pngs(paths: Sequence[Path]) -> NDArray[np.uint8]:
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
            raise ValueError(f"{path} cannot be read ({error}); copy it anew.") from error
        if images and pixels.shape != images[0].shape:
            raise ValueError(
                f"{path} has {pixels.shape} pixels, {paths[0].name} {images[0].shape}; all "
                "images must have one size."
            )
        images.append(pixels)
    return np.stack(images)


def _bunch(
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
            f"{unknown or 'none'} are unknown; want {images.layout}."
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
