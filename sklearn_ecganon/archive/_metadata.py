"""Columns of a table about the recordings that are carried over to the release."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from sklearn_ecganon.archive._subjects import read_table, without_suffix

__all__ = ["Metadata"]

#: A value that fewer people share is left empty.
FEWEST_SHARED = 2
#: More different values than this fraction of the people single most of them out.
MOST_DISTINCT = 0.5
#: More words or letters in a value are free text.
MOST_WORDS, MOST_LETTERS = 5, 64
#: A column whose name holds one of these words holds a direct identifier.
# fmt: off
IDENTIFYING_WORDS = frozenset({
    "name", "names", "firstname", "lastname", "forename", "surname", "fullname",
    "initials", "id", "ids", "uid", "guid", "uuid", "pid", "mrn", "ssn", "nhs",
    "patient", "subject", "person", "accession", "birth", "birthday", "birthdate", "dob",
    "date", "datetime", "timestamp", "dates", "address", "street", "zip", "zipcode",
    "postcode", "postal", "city", "phone", "telephone", "fax", "mobile", "email", "mail",
    "url", "ip", "insurance", "account", "license", "licence", "serial", "file",
    "filename", "path", "comment", "comments", "note", "notes", "remark", "remarks",
    "report", "text", "free", "history",
})
# fmt: on
_DATE = re.compile(
    r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b|\b\d{1,2}:\d{2}\b"
    r"|\b\d{1,2}[ .-]*(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\d.,])\d{6,}|@")
_WORD = re.compile(r"[^\W\d_]{2,}")


class ReleasedColumns(NamedTuple):
    """Columns of a table that may be released.

    Attributes
    ----------
    values : list of tuple of str
        For each recording one value for each column.
    n_emptied : int
        Number of different values that only one person has, and that were left empty.
    n_unique : int
        Number of persons whose combination of values no other person has.
    """

    values: list[tuple[str, ...]]
    n_emptied: int
    n_unique: int


@dataclass(frozen=True)
class Metadata:
    """Chosen columns of a table that has a line for each recording.

    Parameters
    ----------
    columns : tuple of str
        Names of the columns.
    rows : dict of str to tuple of str
        Values, by the path of the recording without extension.
    """

    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def from_table(
        cls,
        path: str | os.PathLike[str],
        columns: Sequence[str],
        *,
        record: str = "record",
    ) -> Self:
        """Read some columns of a CSV file.

        Parameters
        ----------
        path : str or path-like
            The file, with a head line. Commas, semicolons or tabs separate its columns.
        columns : sequence of str
            Names of the columns to carry over.
        record : str, default="record"
            Name of the column that holds the path of a recording in the input folder, with
            or without extension.

        Returns
        -------
        metadata : Metadata
            The columns.

        Raises
        ------
        ValueError
            If the file cannot be read, if it lacks a column, or if the name of a chosen
            column says that it holds a direct identifier.
        """
        columns = tuple(dict.fromkeys(columns))
        for name in columns:
            spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
            words = set(re.split(r"[^a-z]+", spaced)) & IDENTIFYING_WORDS
            if words:
                raise _refused(name, f"is called {min(words)!r}")
        rows = {
            without_suffix(row[record]): tuple(row[name] for name in columns)
            for row in read_table(path, [record, *columns])
        }
        return cls(columns, rows)

    def released(
        self, paths: Sequence[str], subjects: Sequence[str], *, strict: bool = True
    ) -> ReleasedColumns:
        """Return the values that may be released, after a check for direct identifiers.

        Parameters
        ----------
        paths : sequence of str
            Paths of the recordings.
        subjects : sequence of str
            Their persons.
        strict : bool, default=True
            Whether to look for direct identifiers.

        Returns
        -------
        columns : ReleasedColumns
            The values without those that only one person has. A recording that is not in
            the table has empty values.

        Raises
        ------
        ValueError
            If a column holds dates, times, long numbers, e-mail addresses, free text, or a
            value of its own for most people.
        """
        empty = ("",) * len(self.columns)
        rows = [self.rows.get(without_suffix(path), empty) for path in paths]
        n_emptied = 0
        columns = []
        for name, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            people = _people_of(values, subjects)
            if strict:
                _check(name, people, len(set(subjects)))
            rare = {value for value in people if len(people[value]) < FEWEST_SHARED}
            n_emptied += len(rare)
            columns.append(["" if value in rare else value for value in values])
        released = list(zip(*columns, strict=True))
        combinations: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
        for subject, row in zip(subjects, released, strict=True):
            combinations[subject].add(row)
        n_people = Counter(row for own in combinations.values() for row in own)
        n_unique = sum(any(n_people[row] == 1 for row in own) for own in combinations.values())
        return ReleasedColumns(released, n_emptied, n_unique)


def _people_of(values: Sequence[str], subjects: Sequence[str]) -> dict[str, set[str]]:
    people: defaultdict[str, set[str]] = defaultdict(set)
    for value, subject in zip(values, subjects, strict=True):
        if value:
            people[value].add(subject)
    return people


def _check(name: str, people: dict[str, set[str]], n_people: int) -> None:
    """Refuse a column that identifies people by itself."""
    for value in people:
        if _DATE.search(value):
            raise _refused(name, "holds dates or times")
        if _NUMBER.search(value):
            raise _refused(name, "holds long numbers or e-mail addresses")
        if len(value) > MOST_LETTERS or len(_WORD.findall(value)) > MOST_WORDS:
            raise _refused(name, "holds free text")
    if len(people) > max(1, MOST_DISTINCT * n_people):
        raise _refused(
            name,
            f"has {len(people)} different values for {n_people} people; round or group them, "
            "or leave it out",
            advice="",
        )


def _refused(name: str, reason: str, advice: str = "; leave it out") -> ValueError:
    return ValueError(f"metadata column {name!r} {reason}{advice}.")


def metadata_text(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    """Return the lines of a metadata file, sorted by the name of the release."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("record", *columns))
    writer.writerows(sorted(rows))
    return text.getvalue()
