"""Read large clinical archives from folders in the layout of their publishers."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import LIMITS, bunch_of, read_published
from sklearn_ecganon.io import ECGReadError, open_record, read_exam_ids
from sklearn_ecganon.records import ECGRecord

Row = dict[str, str]
Where = Callable[[Row], bool]

#: The columns of CODE-15 % that state a diagnosis.
CODE15_STATEMENTS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF", "normal_ecg")


def load_code15(folder: str | os.PathLike[str], *, where: Where | None = None) -> Bunch:
    """Read CODE-15 %, or some of its files, from a folder in the publisher's layout.

    Parameters
    ----------
    folder : str or path-like
        The folder with ``exams.csv`` and at least one ``exams_part*.hdf5``. Exams whose file
        is not there are left out. Needs the extra ``hdf5``.
    where : callable, optional
        Takes a row of ``exams.csv`` as a dict of str and returns whether to read the exam,
        for example ``lambda row: row["patient_id"] in chosen``. By default all are read.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (4096, 12) in mV at 400 Hz; NaN where the file has padding.
            `statements` are the diagnoses that the table states: 1dAVb, RBBB, LBBB, SB, ST, AF
            and normal_ecg.
        subject, session : ndarray of str of shape (n_records,)
            The number of the patient, and of the exam, because the table has no dates.
        age : ndarray of float of shape (n_records,)
            In years; NaN if unknown.
        sex : ndarray of str of shape (n_records,)
            ``"M"``, ``"F"`` or ``""``.
        DESCR : str
            Source and number of records.

    Raises
    ------
    FileNotFoundError
        If the table is missing, or no exam is on disk.
    ValueError
        If a recording cannot be read; the message names it.

    References
    ----------
    .. [1] Ribeiro AH et al. CODE-15 %: a large scale annotated dataset of 12-lead ECGs. Zenodo
       (2021). doi:10.5281/zenodo.4916206

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_code15
    >>> bunch = load_code15(  # doctest: +SKIP
    ...     "code15", where=lambda row: row["trace_file"] == "exams_part0.hdf5"
    ... )
    """
    folder = Path(folder)
    rows = _table(folder / "exams.csv", where)
    # Rows of a file follow each other in the result, whatever the order of the table.
    of_file: dict[str, list[Row]] = {}
    for row in rows:
        of_file.setdefault(row["trace_file"], []).append(row)
    data, read = [], []
    for name, of_part in of_file.items():
        path = folder / Path(name).name
        if not path.is_file():
            continue
        try:
            position = {int(exam): i for i, exam in enumerate(read_exam_ids(path))}
        except ECGReadError as error:
            raise ValueError(f"file {path.name!r}: {error}") from None
        for row in of_part:
            exam = row["exam_id"]
            if int(exam) not in position:
                raise ValueError(
                    f"record {exam!r}: exams.csv places it in {path.name}, which does not hold "
                    "it; download both again."
                )
            statements = tuple(
                name for name in CODE15_STATEMENTS if row.get(name, "").lower() == "true"
            )
            record = _read(path, folder, exam, position[int(exam)])
            data.append(
                replace(record, subject=row["patient_id"], session=exam, statements=statements)
            )
            read.append(row)
    return _bunch(
        data,
        f"CODE-15 %, {len(data)} of {len(rows)} exams of the table, from {folder}.",
        "exams",
        (row["age"] for row in read),
        ({"true": "M", "false": "F"}.get(row["is_male"].lower(), "") for row in read),
    )


def load_mimic_iv_ecg(folder: str | os.PathLike[str], *, where: Where | None = None) -> Bunch:
    """Read MIMIC-IV-ECG, or a part of it, from a folder in the publisher's layout.

    Parameters
    ----------
    folder : str or path-like
        The folder with ``record_list.csv`` and ``files/``. Recordings whose file is not there
        are left out.
    where : callable, optional
        Takes a row of ``record_list.csv`` as a dict of str and returns whether to read the
        recording, for example ``lambda row: row["subject_id"] in chosen``. By default all
        800,000 are read, which needs about 400 GB of memory.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (5000, 12) in mV at 500 Hz.
        subject, session : ndarray of str of shape (n_records,)
            The number of the subject, and the (shifted) date of the recording.
        reports : list of tuple of str
            The lines that the device printed for each recording, if
            ``machine_measurements.csv`` is in the folder; otherwise empty.
        DESCR : str
            Source and number of records.

    Raises
    ------
    FileNotFoundError
        If the table is missing, or no recording is on disk.
    ValueError
        If a recording cannot be read; the message names it.

    References
    ----------
    .. [1] Gow B et al. MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset. PhysioNet
       (2023). doi:10.13026/4nqg-sb35

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_mimic_iv_ecg
    >>> bunch = load_mimic_iv_ecg(  # doctest: +SKIP
    ...     "mimic-iv-ecg", where=lambda row: row["path"].startswith("files/p1000/")
    ... )
    """
    folder = Path(folder)
    rows = _table(folder / "record_list.csv", where)
    on_disk = [row for row in rows if (folder / f"{row['path']}.hea").is_file()]
    data = [
        replace(
            read_published(folder, row["path"]),
            subject=row["subject_id"],
            session=row["ecg_time"][:10],
        )
        for row in on_disk
    ]
    reports: dict[str, tuple[str, ...]] = {}
    machine = folder / "machine_measurements.csv"
    if machine.is_file():
        studies = {row["study_id"] for row in on_disk}
        for row in _table(machine, lambda row: row["study_id"] in studies):
            lines = (text for name, text in row.items() if name.startswith("report_"))
            reports[row["study_id"]] = tuple(line for line in lines if line)
    bunch = _bunch(
        data,
        f"MIMIC-IV-ECG, {len(data)} of {len(rows)} recordings of the table, from {folder}.",
        "recordings",
    )
    return Bunch(reports=[reports.get(row["study_id"], ()) for row in on_disk], **bunch)


def load_chapman(folder: str | os.PathLike[str], *, where: Where | None = None) -> Bunch:
    """Read the arrhythmia database of Chapman University and Shaoxing Hospital from a folder.

    Parameters
    ----------
    folder : str or path-like
        The folder with ``WFDBRecords/`` and ``ConditionNames_SNOMED-CT.csv``, as PhysioNet
        publishes them (``ecg-arrhythmia``).
    where : callable, optional
        Takes what a header states, as a dict with the keys ``"name"``, ``"Age"``, ``"Sex"`` and
        ``"Dx"``, and returns whether to read the recording. By default all are read.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (5000, 12) in mV at 500 Hz. `statements` are the publisher's
            acronyms, such as ``"AFIB"``, and SNOMED codes where there is no acronym.
        subject, session : ndarray of str of shape (n_records,)
            The name of the recording, because each person has one, and "1".
        age : ndarray of float of shape (n_records,)
            In years; NaN if unknown.
        sex : ndarray of str of shape (n_records,)
            ``"M"``, ``"F"`` or ``""``.
        DESCR : str
            Source and number of records.

    Raises
    ------
    FileNotFoundError
        If the table is missing, or no recording is on disk.
    ValueError
        If a recording cannot be read; the message names it.

    References
    ----------
    .. [1] Zheng J et al. A 12-lead electrocardiogram database for arrhythmia research covering
       more than 10,000 patients. Scientific Data 7:48 (2020).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import load_chapman
    >>> bunch = load_chapman("ecg-arrhythmia")  # doctest: +SKIP
    """
    folder = Path(folder)
    acronyms = {
        row["Snomed_CT"].strip(): row["Acronym Name"].strip()
        for row in _table(folder / "ConditionNames_SNOMED-CT.csv", None)
    }
    data, read = [], []
    for path in sorted((folder / "WFDBRecords").rglob("*.hea")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        header = {"name": path.stem, "Age": "", "Sex": "", "Dx": ""}
        try:
            comments = wfdb.rdheader(str(path.with_suffix(""))).comments
        except Exception as error:
            raise ValueError(f"record {name!r}: its header cannot be read.") from error
        for comment in comments:
            key, _, value = comment.partition(":")
            header[key.strip()] = value.strip()
        if where is not None and not where(header):
            continue
        codes = [code.strip() for code in header["Dx"].split(",") if code.strip()]
        data.append(
            replace(
                read_published(folder, name),
                subject=path.stem,
                session="1",
                statements=tuple(acronyms.get(code, code) for code in codes),
            )
        )
        read.append(header)
    return _bunch(
        data,
        f"Chapman-Shaoxing 12-lead database, {len(data)} recordings, from {folder}.",
        "recordings",
        (header["Age"] for header in read),
        (header["Sex"][:1].upper().strip("U") for header in read),
    )


def _table(path: Path, where: Where | None) -> list[Row]:
    """Return the rows of a table for which `where` is true."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; give the folder that holds {path.name}, as published."
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        return [row for row in rows if where is None or where(row)]


def _read(path: Path, root: Path, name: str, index: int) -> ECGRecord:
    """Read one recording of a file that holds many."""
    try:
        with open_record(path, root=root, limits=LIMITS, index=index) as reader:
            return reader.record(name)
    except ECGReadError as error:
        raise ValueError(f"record {name!r}: {error}") from None


def _bunch(
    data: list[ECGRecord],
    descr: str,
    what: str,
    ages: Iterable[str] | None = None,
    sexes: Iterable[str] | None = None,
) -> Bunch:
    """Return the records with what is known of the persons."""
    if not data:
        raise FileNotFoundError(
            f"{descr} No {what} were chosen, or their files are missing; give another folder "
            "or another where=."
        )
    more: dict[str, Any] = {}
    if ages is not None:
        more["age"] = np.array([_number(age) for age in ages])
    if sexes is not None:
        more["sex"] = np.array(list(sexes), dtype=np.str_)
    return Bunch(**bunch_of(data, descr), **more)


def _number(text: str) -> float:
    """Return a number; NaN for a text that is none."""
    try:
        return float(text)
    except ValueError:
        return np.nan
