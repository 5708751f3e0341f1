"""The tables that say which release and which person belong to an original."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.records import ECGRecord

KEY_COLUMNS = ("record", "subject", "session", "released")
Rows = dict[str, dict[str, str]]
Attributes = dict[str, dict[str, Any]]


def read_key(path: Path) -> Rows:
    """Return the lines of a key file, by the path of the original in it."""
    columns, rows = _read(path)
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


def with_subjects_of_table(
    originals: Bunch, records: list[ECGRecord], path: Path, before: Any
) -> tuple[list[ECGRecord], Attributes]:
    """Return the originals with the subjects of a table, and the attributes of the subjects.

    Parameters
    ----------
    originals : Bunch
        From `load_records`.
    records : list of ECGRecord
        Its records, with the subjects known so far.
    path : Path
        CSV file with a column ``record`` and any of ``subject`` and ``session``, or with a
        column ``subject`` only. Other columns are attributes, such as sex and age.
    before : path-like
        The folder, for messages.
    """
    columns, rows = _read(path)
    if not {"record", "subject"} & set(columns):
        raise ValueError(f"{path}: has columns {columns}; give 'record', 'subject' or both.")
    names = [name for name in columns if name not in KEY_COLUMNS]
    if "record" not in columns:
        known = {row["subject"]: row for row in rows}
        pairs = [(record, known.get(str(record.subject), {})) for record in records]
    else:
        by_record = _by_record(path, rows)
        subject_of = {record.name: record for record in records}
        pairs = [
            (subject_of[record.name], row)
            for record, row in _rows_of(originals, by_record, path, before)
        ]
    attributes: Attributes = {name: {} for name in names}
    result = []
    for record, row in pairs:
        subject = row.get("subject") or str(record.subject)
        session = row.get("session") or record.session
        result.append(replace(record, subject=subject, session=session))
        for name in names:
            if row.get(name, "").strip():
                attributes[name].setdefault(subject, row[name].strip())
    return result, {name: _numbers(values) for name, values in attributes.items()}


def with_subjects_of_regex(records: list[ECGRecord], pattern: str) -> list[ECGRecord]:
    """Return the records with the subject that a regular expression finds in their names."""
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"subject regex {pattern!r}: {error}.") from None
    result = []
    for record in records:
        match = regex.search(record.name)
        if match is None:
            raise ValueError(
                f"subject regex {pattern!r} finds nothing in {record.name!r}; names are paths "
                "in the folder, without extension."
            )
        named = match.groupdict().get("subject")
        subject = named or (match.group(1) if regex.groups else match.group(0))
        result.append(replace(record, subject=subject))
    return result


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
            sex = re.match(r"\W*(?:sex|gender)\s*[:=]\s*([mf])", line, re.IGNORECASE)
            age = re.match(r"\W*age\s*[:=]\s*(\d{1,3})\b", line, re.IGNORECASE)
            if sex:
                attributes["sex"].setdefault(subject, sex.group(1).upper())
            if age:
                attributes["age"].setdefault(subject, float(age.group(1)))
    return {name: values for name, values in attributes.items() if values}


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        try:
            columns = list(reader.fieldnames or [])
            return columns, list(reader)
        except (csv.Error, UnicodeDecodeError):
            raise ValueError(f"{path}: is no CSV file in UTF-8; give another file.") from None


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
