"""Audit the recordings of a folder against their releases in another folder."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.datasets import load_records
from sklearn_ecganon.io import Limits
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.report._audit import audit
from sklearn_ecganon.report._result import AuditResult

COLUMNS = ("record", "subject", "session", "released")


def audit_folders(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    *,
    key: str | os.PathLike[str] | None = None,
    sampling_rate: float | None = None,
    units: str | None = None,
    limits: Limits | None = None,
    **parameters: Any,
) -> AuditResult:
    """Audit the recordings of a folder against their releases in another folder.

    Both folders may hold any format that `load_records` reads, also different ones.
    Recordings that cannot be read are left out; the result lists them.

    Parameters
    ----------
    before, after : str or path-like
        Folder of the originals, and folder of the releases.
    key : str or path-like, optional
        CSV file with a column ``record`` and any of ``subject``, ``session`` and
        ``released``, as `RecordAnonymizer.anonymize_folder` writes it. ``record`` is the
        path of an original in `before`, and ``released`` that of its release in `after`,
        both with or without extension. The line of a file that holds several recordings
        applies to each of them. By default a record was released under its own name, its
        subject is its folder, and its session its date of acquisition.
    sampling_rate, units : float and str, optional
        For originals that do not state theirs, as in `load_records`.
    limits : Limits, optional
        How much one file may ask for, and whether a wrong checksum is an error.
    **parameters
        Parameters of `audit`.

    Returns
    -------
    result : AuditResult
        Who could be recognized in the release, and what it is still good for.

    Raises
    ------
    ValueError
        If a folder holds no recording, if the key does not fit the folders, or for the
        reasons of `audit`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> from sklearn_ecganon.archive import RecordAnonymizer
    >>> from sklearn_ecganon.io import write_record
    >>> from sklearn_ecganon.report import audit_folders
    >>> folder = Path(tempfile.mkdtemp())
    >>> for record in make_ecg_records(n_subjects=3, duration=20, random_state=0).data:
    ...     (folder / "in" / record.subject).mkdir(parents=True, exist_ok=True)
    ...     _ = write_record(record, folder / "in" / record.subject / f"{record.session}.edf")
    >>> key = folder / "key.csv"
    >>> _ = RecordAnonymizer(NoiseAnonymizer(strength=1)).anonymize_folder(
    ...     folder / "in", folder / "out", key_file=key
    ... )
    >>> result = audit_folders(folder / "in", folder / "out", key=key, attackers="lda")
    >>> result.n_samples, result.evaluation.n_subjects
    (6, 3)
    """
    originals = load_records(
        before, sampling_rate=sampling_rate, units=units, limits=limits, on_error="omit"
    )
    # A table keeps its layout, so a release may lack its rate too; its unit is always mV.
    releases = load_records(after, sampling_rate=sampling_rate, limits=limits, on_error="omit")
    if key is None:
        old, new = originals.data, releases.data
    else:
        rows = _read_key(Path(key))
        old = _with_subjects(originals, rows, key, before)
        new = _with_old_names(releases, originals, rows, key, after)
    result = audit(old, new, **parameters)
    left_out = {
        f"{side}: {path}": reason
        for side, bunch in (("before", originals), ("after", releases))
        for path, reason in bunch.omitted.items()
    }
    return replace(result, omitted=left_out | result.omitted)


def _read_key(path: Path) -> dict[str, dict[str, str]]:
    """Return the lines of a key file, by the path of the original in it."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "record" not in columns or set(columns) - set(COLUMNS):
            raise ValueError(
                f"{path}: has columns {columns}; give 'record' and any of {COLUMNS[1:]}."
            )
        rows = list(reader)
    records = [row["record"] for row in rows]
    if len(set(records)) < len(records):
        repeated = next(record for record in records if records.count(record) > 1)
        raise ValueError(f"{path}: has two lines for record {repeated!r}; keep one.")
    return dict(zip(records, rows, strict=True))


def _numbered(bunch: Bunch) -> Iterator[tuple[ECGRecord, tuple[str, str], str]]:
    """Yield each record, its file as a key may spell it, and its number in that file.

    The number is ``"#3"``, for example, or empty where the file holds one recording.
    """
    n_in_file = Counter(bunch.files)
    n_seen: Counter[str] = Counter()
    for record, file in zip(bunch.data, bunch.files, strict=True):
        number = f"#{n_seen[file]}" if n_in_file[file] > 1 else ""
        n_seen[file] += 1
        yield record, (file, PurePosixPath(file).with_suffix("").as_posix()), number


def _with_subjects(
    originals: Bunch, rows: dict[str, dict[str, str]], key: Any, before: Any
) -> list[ECGRecord]:
    """Return the originals with the subjects and sessions of the key."""
    records: list[ECGRecord] = []
    missing: list[str] = []
    for record, spellings, number in _numbered(originals):
        paths = [path + end for end in dict.fromkeys((number, "")) for path in spellings]
        row = next((rows[path] for path in paths if path in rows), None)
        if row is None:
            missing.append(record.name)
            continue
        subject, session = row.get("subject"), row.get("session")
        records.append(
            replace(
                record, subject=subject or record.subject, session=session or record.session
            )
        )
    if missing:
        raise ValueError(
            f"{key}: {len(missing)} record(s) of {before} are not in it, for example "
            f"{missing[0]!r}; add a line for each."
        )
    return records


def _with_old_names(
    releases: Bunch, originals: Bunch, rows: dict[str, dict[str, str]], key: Any, after: Any
) -> list[ECGRecord]:
    """Return the releases under the names of their originals.

    A release whose original could not be read is left out.
    """
    old_paths = {row.get("released") or path: path for path, row in rows.items()}
    old_names = {
        path + number: record.name
        for record, spellings, number in _numbered(originals)
        for path in spellings
    }
    records: list[ECGRecord] = []
    for record, spellings, number in _numbered(releases):
        paths = [old_paths[path + number] for path in spellings if path + number in old_paths]
        paths += [old_paths[path] + number for path in spellings if path in old_paths]
        if not paths:
            raise ValueError(
                f"{key}: no line has {record.name!r} of {after} as its release; add it to "
                "the column 'released'."
            )
        if paths[0] in old_names:
            records.append(replace(record, name=old_names[paths[0]]))
    return records
