"""Who is who in an archive: the person of each recording."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self

from sklearn_ecganon.io import FORMATS

__all__ = ["Subjects"]


@dataclass(frozen=True)
class Subjects:
    r"""The rule that gives the person of each recording.

    Without a table and without a pattern, the recordings of one folder are those of one
    person, unless they lie in the input folder itself: then each is a person of its own.

    Parameters
    ----------
    table : dict of str to str, optional
        Person of each recording, by its path in the input folder, with or without
        extension.
    pattern : re.Pattern, optional
        Is searched for in the path. The person is its first group, or all of what it
        matches if it has no group.

    Examples
    --------
    >>> from sklearn_ecganon.archive import Subjects
    >>> Subjects().of(["p10/s1.hea", "p10/s2.hea", "alone.edf"])
    ['p10', 'p10', 'alone.edf']
    >>> Subjects.from_regex(r"files/p\d+/(p\d+)/").of(["files/p10/p10001/s4/4.hea"])
    ['p10001']
    """

    table: dict[str, str] | None = field(default=None, repr=False)
    pattern: re.Pattern[str] | None = None

    @classmethod
    def from_table(
        cls, path: str | os.PathLike[str], *, record: str = "record", subject: str = "subject"
    ) -> Self:
        """Read the persons from a CSV file.

        Parameters
        ----------
        path : str or path-like
            The file, with a head line. Commas, semicolons or tabs separate its columns.
        record, subject : str
            Names of the columns that hold the path of a recording and its person.

        Returns
        -------
        subjects : Subjects
            The rule.

        Raises
        ------
        ValueError
            If the file cannot be read, lacks a column, or gives one recording two persons.
        """
        table: dict[str, str] = {}
        for row in read_table(path, [record, subject]):
            key, person = without_suffix(row[record]), row[subject]
            if table.setdefault(key, person) != person:
                raise ValueError("the subjects table gives one recording two persons.")
        return cls(table)

    @classmethod
    def from_regex(cls, pattern: str) -> Self:
        """Read the person of a recording out of its path.

        Parameters
        ----------
        pattern : str
            A regular expression.

        Returns
        -------
        subjects : Subjects
            The rule.

        Raises
        ------
        ValueError
            If the expression is not valid.
        """
        try:
            return cls(pattern=re.compile(pattern))
        except re.error as error:
            raise ValueError(
                f"the subject pattern is no regular expression: {error}."
            ) from None

    def of(self, paths: Sequence[str]) -> list[str]:
        """Return the person of each recording.

        Parameters
        ----------
        paths : sequence of str
            Paths relative to the input folder.

        Returns
        -------
        subjects : list of str
            One for each path.

        Raises
        ------
        ValueError
            If there is a recording whose person is not known. The message counts such
            recordings, but does not show their paths.
        """
        subjects = [self._of(path) for path in paths]
        n_unknown = subjects.count("")
        if n_unknown:
            what = (
                "row in the subjects table" if self.pattern is None else "match of the pattern"
            )
            raise ValueError(
                f"{n_unknown} of {len(paths)} recordings have no {what}; the person of every "
                "recording must be known."
            )
        return subjects

    def _of(self, path: str) -> str:
        if self.table is not None:
            return self.table.get(path) or self.table.get(without_suffix(path), "")
        if self.pattern is not None:
            match = self.pattern.search(path)
            if match is None:
                return ""
            return (match.group(1) if self.pattern.groups else match.group()) or ""
        folder = PurePosixPath(path).parent.as_posix()
        return path if folder == "." else folder


def without_suffix(path: str) -> str:
    """Return the path of a recording without its extension, if that is one of a format."""
    path = path.strip().replace("\\", "/").removeprefix("./")
    suffix = PurePosixPath(path).suffix
    known = {end for format in FORMATS.values() for end in format.suffixes}
    known.update(end for format in FORMATS.values() for end in format.sidecar_suffixes)
    return path[: -len(suffix)] if suffix.lower() in known else path


def read_table(
    path: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Return columns of a CSV file, one dict for each line.

    Parameters
    ----------
    path : str or path-like
        Commas, semicolons or tabs separate its columns.
    columns : sequence of str, optional
        Names of the columns to return; by default all.

    Returns
    -------
    rows : list of dict of str to str
        Values without blanks at their ends.

    Raises
    ------
    ValueError
        If the file cannot be read, or if a column is missing.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"the table cannot be read: {reason}.") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = names
    columns = names if columns is None else columns
    missing = [name for name in columns if name not in names]
    if missing:
        raise ValueError(
            f"the table has no column {missing[0]!r}; it has {', '.join(names) or 'none'}."
        )
    return [{name: (row[name] or "").strip() for name in columns} for row in reader]
