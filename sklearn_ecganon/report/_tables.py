"""The tables that say which release and which person belong to an original."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.archive import read_table, without_suffix
from sklearn_ecganon.records import ECGRecord

KEY_COLUMNS = ("record", "subject", "session", "released")
Rows = dict[str, dict[str, str]]
Attributes = dict[str, dict[str, Any]]
Columns = dict[str, list[str]]


def read_key(path: Path) -> Rows:
    """Return the lines of a key file, by the path of the original in it."""
    rows = _read(path)
    columns = list(rows[0]) if rows else []
    if "record" not in columns or set(columns) - set(KEY_COLUMNS):
        raise ValueError(
            f"{path}: has columns {columns}; give 'record' and any of {KEY_COLUMNS[1:]}."
        )
    return _by_record(path, rows)


def with_subjects_of_key(
    originals: Bunch, rows: Rows, key: Any, before: Any
) -> list[ECGRecord]:
    """Return the originals with the subjects and sessions of the key."""
    return [
        replace(
            record,
            subject=row.get("subject") or record.subject,
            session=row.get("session") or record.session,
        )
        for record, row in _rows_of(originals, rows, key, before)
    ]


def partners_of_key(
    releases: Bunch, originals: Bunch, rows: Rows, key: Any, after: Any
) -> dict[str, str | None]:
    """Return the name of the original of each release, None if that could not be read."""
    old_paths = {row.get("released") or path: path for path, row in rows.items()}
    old_names = {
        path + number: record.name
        for record, spellings, number in _numbered(originals)
        for path in spellings
    }
    partners: dict[str, str | None] = {}
    for record, spellings, number in _numbered(releases):
        paths = [old_paths[path + number] for path in spellings if path + number in old_paths]
        paths += [old_paths[path] + number for path in spellings if path in old_paths]
        if not paths:
            raise ValueError(
                f"{key}: no line has {record.name!r} of {after} as its release; add it to "
                "the column 'released'."
            )
        partners[record.name] = old_names.get(paths[0])
    return partners


def columns_of_table(
    path: Path, originals: Bunch, subjects: Sequence[str], *, record: str, subject: str
) -> Columns:
    """Return the columns of a table, by name, with one value for each original.

    Parameters
    ----------
    path : Path
        CSV file with a line for each recording, or for each person.
    originals : Bunch
        From `load_records`.
    subjects : sequence of str
        Their persons.
    record, subject : str
        Column that holds the path of a recording, and that of the person. If the table has
        the former, its lines are those of recordings.

    Returns
    -------
    columns : dict of str to list of str
        Empty values where the table has none.
    """
    rows = _read(path)
    names = list(rows[0]) if rows else []
    if record in names:
        by_path: Rows = {}
        for row in rows:
            by_path.setdefault(without_suffix(row[record]), row)
        lines = [by_path.get(without_suffix(file), {}) for file in originals.files]
    elif subject in names:
        by_person: Rows = {}
        for row in rows:
            by_person.setdefault(row[subject], row)
        lines = [by_person.get(person, {}) for person in subjects]
    else:
        raise ValueError(f"{path}: has columns {names}; give {record!r} or {subject!r}.")
    return {name: [line.get(name, "") for line in lines] for name in names}


def chosen_columns(path: Any, columns: Columns, names: Sequence[str]) -> Columns:
    """Return the columns of these names, which the table must have."""
    missing = [name for name in names if name not in columns]
    if missing:
        has = f"it has {', '.join(columns)}" if columns else "no table of metadata is given"
        raise ValueError(f"{path or 'audit'}: there is no column {missing[0]!r}; {has}.")
    return {name: columns[name] for name in names}


def attributes_of_columns(columns: Columns, subjects: Sequence[str]) -> Attributes:
    """Return the first known value of each attribute for each person, as numbers if all are."""
    attributes: Attributes = {}
    for name, values in columns.items():
        of_people: dict[str, str] = {}
        for person, value in zip(subjects, values, strict=True):
            if value:
                of_people.setdefault(person, value)
        attributes[name] = _numbers(of_people)
    return attributes


def attributes_of_headers(comments: Mapping[str, tuple[str, ...]]) -> Attributes:
    """Return sex and age by subject, as free text of headers often states them.

    Parameters
    ----------
    comments : dict of str to tuple of str
        Lines of the headers of each subject.
    """
    attributes: Attributes = {"sex": {}, "age": {}}
    for subject, lines in comments.items():
        for line in lines:
            sex = re.match(r"\W*(?:sex|gender)\W*[:=]\s*([mf])", line, re.IGNORECASE)
            age = re.match(r"\W*age\W*[:=]\s*(\d{1,3})\b", line, re.IGNORECASE)
            if sex:
                attributes["sex"].setdefault(subject, sex.group(1).upper())
            if age:
                attributes["age"].setdefault(subject, float(age.group(1)))
    return {name: values for name, values in attributes.items() if values}


def _read(path: Path) -> list[dict[str, str]]:
    """Return the lines of a table, with the name of the file in errors."""
    try:
        return read_table(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _by_record(path: Path, rows: list[dict[str, str]]) -> Rows:
    records = [row["record"] for row in rows]
    if len(set(records)) < len(records):
        repeated = next(record for record in records if records.count(record) > 1)
        raise ValueError(f"{path}: has two lines for record {repeated!r}; keep one.")
    return dict(zip(records, rows, strict=True))


def _numbered(bunch: Bunch) -> Iterator[tuple[ECGRecord, tuple[str, str], str]]:
    """Yield each record, its file as a table may spell it, and its number in that file.

    The number is ``"#3"``, for example, or empty where the file holds one recording.
    """
    n_in_file = Counter(bunch.files)
    n_seen: Counter[str] = Counter()
    for record, file in zip(bunch.data, bunch.files, strict=True):
        number = f"#{n_seen[file]}" if n_in_file[file] > 1 else ""
        n_seen[file] += 1
        yield record, (file, PurePosixPath(file).with_suffix("").as_posix()), number


def _rows_of(
    originals: Bunch, rows: Rows, table: Any, before: Any
) -> list[tuple[ECGRecord, dict[str, str]]]:
    """Return each original with its line of a table."""
    pairs: list[tuple[ECGRecord, dict[str, str]]] = []
    missing: list[str] = []
    for record, spellings, number in _numbered(originals):
        paths = [path + end for end in dict.fromkeys((number, "")) for path in spellings]
        row = next((rows[path] for path in paths if path in rows), None)
        if row is None:
            missing.append(record.name)
        else:
            pairs.append((record, row))
    if missing:
        raise ValueError(
            f"{table}: {len(missing)} record(s) of {before} are not in it, for example "
            f"{missing[0]!r}; add a line for each."
        )
    return pairs


def _numbers(values: dict[str, str]) -> dict[str, Any]:
    """Return the values as numbers if all are."""
    try:
        return {subject: float(value) for subject, value in values.items()}
    except ValueError:
        return dict(values)
