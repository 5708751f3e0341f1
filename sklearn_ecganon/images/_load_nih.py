"""Chest X-rays of the NIH, of which many patients have several."""

from __future__ import annotations

import csv
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

NIH = ImageSet(
    path="nih-chestxray-128",
    layout=(
        "labels.csv, and in the folders it names, No_findings and Pneumonia, PNG images of "
        "8 bits and 128 x 128 pixels"
    ),
    source="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    license="public, cite Wang et al. 2017",
    descr="""\
NIH ChestX-ray14, a thousand images
===================================
1000 frontal chest X-rays of 682 patients, 500 without finding and 500 with pneumonia, reduced
to 128 x 128 pixels. 164 patients have two images or more, 677 pairs in all.

- Sex, age and view (AP or PA) are not known of 90 images.
- Sex and view are easy to see: compare images of different people of the same view and sex.
- The correlation of 32 x 32 pixels already verifies patients at an AUC of 0.71.

License: public; the NIH Clinical Center asks to be named and cited.

Cite:
Wang X et al. ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks on
Weakly-Supervised Classification and Localization of Common Thorax Diseases. CVPR:3462-3471
(2017).
""",
)

FINDINGS = {"No_findings": "no finding", "Pneumonia": "pneumonia"}
COLUMNS = ("file", "patient_id", "folder_label", "Finding Labels")
OPTIONAL = ("Patient Age", "Patient Gender", "View Position")


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
            The same memory, one image per row.
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
            Facts that matter, license, what to cite.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist; the message says where to get the images.
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
    >>> from sklearn_ecganon.images import load_nih_chest_xrays
    >>> bunch = load_nih_chest_xrays()  # doctest: +SKIP
    >>> len(set(bunch.subject))  # doctest: +SKIP
    682
    """
    folder = find_image_set(NIH, data_home)
    table = folder / "labels.csv"
    if not table.is_file():
        raise missing_image_set(NIH, table)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    absent = {*COLUMNS, *OPTIONAL} - set(rows[0] if rows else ())
    if absent:
        raise ValueError(f"{table} has no column {sorted(absent)[0]!r}, or no row.")
    column = {name: [row[name] for row in rows] for name in (*COLUMNS, *OPTIONAL)}
    unknown = sorted(set(column["folder_label"]) - set(FINDINGS))
    if unknown:
        raise ValueError(f"{table}: folder_label {unknown[0]!r} is none of {list(FINDINGS)}.")
    visits = [re.fullmatch(r".*_(\d+)\.png", name) for name in column["file"]]
    if not all(visits):
        raise ValueError(
            f"{table}: file {column['file'][visits.index(None)]!r} does not end in the "
            "number of the visit, like 00001280_004.png."
        )
    return image_bunch(
        NIH,
        read_pngs([folder / name for name in column["file"]]),
        [FINDINGS[label] for label in column["folder_label"]],
        tuple(FINDINGS.values()),
        subject=np.array(column["patient_id"], np.str_),
        visit=np.array([int(visit[1]) for visit in visits if visit]),
        sex=np.array(column["Patient Gender"], np.str_),
        view=np.array(column["View Position"], np.str_),
        age=np.array([float(age or "nan") for age in column["Patient Age"]]),
        findings=np.array(column["Finding Labels"], np.str_),
    )
