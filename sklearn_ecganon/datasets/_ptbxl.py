"""PTB-XL, and any part of it in the layout of the publisher."""

from __future__ import annotations

import ast
import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from sklearn_ecganon._data_home import get_data_home
from sklearn_ecganon.datasets._fetch import (
    Database,
    bunch_of,
    ensure_files,
    read_published,
)

TABLE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
#: The diagnostic superclasses, in the order of `labels`.
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
#: The column of the table that names the files of each sampling rate.
COLUMNS = {100: "filename_lr", 500: "filename_hr"}
#: The table states this age for everybody above 89 years.
_AGE_ABOVE_89 = 300

PTBXL = Database(
    slug="ptb-xl",
    title="PTB-XL",
    license="CC BY 4.0",
    extensions=("hea", "dat"),
    record_size=0.025,
    descr="""\
PTB-XL
======
21,799 clinical ECG recordings of 18,869 persons, each 10 s of the 12 standard leads, with
statements of cardiologists in the vocabulary of SCP-ECG, age, sex, site, device and date.

- `labels` are the diagnostic superclasses NORM, MI, STTC, CD and HYP; several may apply.
- The publisher proposes folds 1 to 8 for training, 9 for validation and 10 for the test. All
  recordings of a person are in one fold.
- Few persons have two recordings, so that the database is for diagnoses, not for
  re-identification.

License: Creative Commons Attribution 4.0 International.

Cite:
Wagner P et al. PTB-XL, a large publicly available electrocardiography dataset. Scientific Data
7:154 (2020). doi:10.1038/s41597-020-0495-6
Goldberger AL et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation
101(23):e215-e220 (2000).
""",
)


def fetch_ptbxl(
    *,
    sampling_rate: int = 100,
    folds: Sequence[int] | None = None,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    verify: bool = True,
) -> Bunch:
    """Load PTB-XL, or some folds of it: 12 leads, 10 s, with diagnostic statements.

    Missing files are downloaded from PhysioNet (CC BY 4.0) one by one, with a progress bar. An
    interrupted download continues where it stopped.

    Parameters
    ----------
    sampling_rate : {100, 500}, default=100
        Which of the two published versions, in Hz. All recordings have 0.6 GB on disk at
        100 Hz and 2.7 GB at 500 Hz. In memory they need 2.1 GB and 10.5 GB.
    folds : sequence of int, optional
        The publisher's folds to load, 1 to 10; by default all. One fold is a tenth of the
        recordings. Only files of these folds are downloaded.
    data_home : str or path-like, optional
        The folder that holds, or will hold, the folder ``ptb-xl``. By default the
        environment variable ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.
    download_if_missing : bool, default=True
        If False, missing files raise an error.
    verify : bool, default=True
        Check each file against the publisher's SHA256SUMS.txt. Downloaded files are always
        checked.

    Returns
    -------
    bunch : Bunch
        With the attributes that :func:`load_ptbxl` describes.

    Raises
    ------
    FileNotFoundError
        If files are missing and `download_if_missing` is False.
    OSError
        If a download fails, or a file does not match the publisher's checksum; the message
        names the file.
    ValueError
        If the sampling rate or a fold does not exist, or if a record cannot be read.

    See Also
    --------
    load_ptbxl : The same for a folder that is on disk, complete or not.

    References
    ----------
    .. [1] Wagner P et al. PTB-XL, a large publicly available electrocardiography dataset.
       Scientific Data 7:154 (2020).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import fetch_ptbxl
    >>> bunch = fetch_ptbxl(folds=[10])  # doctest: +SKIP
    >>> bunch.labels.shape  # doctest: +SKIP
    (2198, 5)
    """
    column = _column(sampling_rate)
    folder = get_data_home(data_home) / PTBXL.slug
    ensure_files(PTBXL, [TABLE, STATEMENTS], folder, download_if_missing, verify)
    rows = _rows(folder, folds)
    names = [f"{row[column]}.{extension}" for row in rows for extension in PTBXL.extensions]
    # A recording at 500 Hz is five times as large as one at 100 Hz.
    size = PTBXL.record_size * sampling_rate / 100
    database = replace(PTBXL, record_size=size)
    ensure_files(database, names, folder, download_if_missing, verify)
    return _read(folder, rows, column, PTBXL.descr)


def load_ptbxl(
    folder: str | os.PathLike[str],
    *,
    sampling_rate: int = 100,
    folds: Sequence[int] | None = None,
) -> Bunch:
    """Read PTB-XL, or any part of it, from a folder in the publisher's layout.

    Parameters
    ----------
    folder : str or path-like
        The folder with ``ptbxl_database.csv``, ``scp_statements.csv`` and ``records100`` or
        ``records500``. Recordings of the table that have no file are left out and counted in
        `DESCR`.
    sampling_rate : {100, 500}, default=100
        Which of the two published versions, in Hz.
    folds : sequence of int, optional
        The publisher's folds to read, 1 to 10; by default all.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (1000, 12), or (5000, 12) at 500 Hz, in mV, leads I II III aVR
            aVL aVF V1 to V6, in the order of the table. `statements` of each record are its
            SCP-ECG codes.
        subject, session : ndarray of str of shape (n_records,)
            The number of the patient, and the date of the recording as the table states it.
        labels : ndarray of bool of shape (n_records, 5)
            Whether a statement belongs to each superclass.
        label_names : tuple of str
            NORM, MI, STTC, CD and HYP.
        folds : ndarray of int of shape (n_records,)
            The publisher's fold, 1 to 10.
        age : ndarray of float of shape (n_records,)
            In years; NaN if unknown, and 90 for everybody above 89 years.
        sex : ndarray of str of shape (n_records,)
            ``"M"``, ``"F"`` or ``""``.
        axes : ndarray of str of shape (n_records,)
            The publisher's code of the QRS axis; empty where unknown.
        DESCR : str
            Important facts, license and citations.

    Raises
    ------
    FileNotFoundError
        If a table, or all recordings, are missing.
    ValueError
        If the sampling rate or a fold does not exist, or if a record cannot be read; the
        message names it.

    See Also
    --------
    fetch_ptbxl : Download what is missing, and check it.

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_ptbxl
    >>> bunch = load_ptbxl("physionet.org/files/ptb-xl/1.0.3", folds=[10])  # doctest: +SKIP
    >>> bunch.data[0].statements  # doctest: +SKIP
    ('NORM', 'SR')
    """
    folder = Path(folder)
    column = _column(sampling_rate)
    for table in (TABLE, STATEMENTS):
        if not (folder / table).is_file():
            raise FileNotFoundError(
                f"{folder / table} is missing; give the folder that holds {TABLE}, "
                f"{STATEMENTS} and records{sampling_rate}."
            )
    rows = _rows(folder, folds)
    on_disk = [row for row in rows if (folder / f"{row[column]}.hea").is_file()]
    if not on_disk:
        raise FileNotFoundError(
            f"{folder} holds none of the {len(rows)} recordings at {sampling_rate} Hz that "
            f"its table lists, for example {rows[0][column]}.hea; download them with "
            "fetch_ptbxl, or give another sampling_rate."
        )
    descr = PTBXL.descr + (
        f"\n{len(on_disk)} of {len(rows)} recordings of the table are in {folder}.\n"
    )
    return _read(folder, on_disk, column, descr)


def _column(sampling_rate: int) -> str:
    """Return the column of the table with the file names of a sampling rate."""
    if sampling_rate not in COLUMNS:
        raise ValueError(
            f"sampling_rate is {sampling_rate!r}, but PTB-XL is published at 100 and 500 Hz; "
            "give one of them."
        )
    return COLUMNS[sampling_rate]


def _rows(folder: Path, folds: Sequence[int] | None) -> list[dict[str, str]]:
    """Return the rows of the table that belong to some folds."""
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if folds is None:
        return rows
    available = {int(row["strat_fold"]) for row in rows}
    requested = [folds] if isinstance(folds, int) else list(folds)
    unknown = sorted(set(requested) - available)
    if unknown or not requested:
        raise ValueError(
            f"folds is {unknown or 'empty'}, but the table has the folds "
            f"{sorted(available)}; choose among them."
        )
    return [row for row in rows if int(row["strat_fold"]) in requested]


def _read(folder: Path, rows: list[dict[str, str]], column: str, descr: str) -> Bunch:
    """Read the recordings of some rows, with everything that the table states about them."""
    with (folder / STATEMENTS).open(newline="", encoding="utf-8") as file:
        superclass = {row[""]: row["diagnostic_class"] for row in csv.DictReader(file)}
    data = []
    labels = np.zeros((len(rows), len(SUPERCLASSES)), dtype=bool)
    for label, row in zip(labels, rows, strict=True):
        statements = tuple(ast.literal_eval(row["scp_codes"]))
        for statement in statements:
            if superclass.get(statement):
                label[SUPERCLASSES.index(superclass[statement])] = True
        data.append(
            replace(
                read_published(folder, row[column]),
                subject=str(int(float(row["patient_id"]))),
                session=row["recording_date"][:10],
                statements=statements,
            )
        )
    return Bunch(
        **bunch_of(data, descr),
        labels=labels,
        label_names=SUPERCLASSES,
        folds=np.array([int(row["strat_fold"]) for row in rows]),
        age=np.array([_age(row["age"]) for row in rows]),
        sex=np.array([{"0": "M", "1": "F"}.get(row["sex"], "") for row in rows]),
        axes=np.array([row["heart_axis"] for row in rows]),
    )


def _age(text: str) -> float:
    """Return an age in years, where the publisher's code for high ages is 90."""
    age: Any = float(text) if text else np.nan
    return 90.0 if age == _AGE_ABOVE_89 else age
