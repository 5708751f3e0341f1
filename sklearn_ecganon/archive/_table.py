"""The table of a release: what else is known about each recording and may be shared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sklearn_ecganon.archive._dates import released_date
from sklearn_ecganon.archive._manifest import usual_name
from sklearn_ecganon.archive._metadata import Metadata, metadata_text
from sklearn_ecganon.archive._plan import Plan
from sklearn_ecganon.archive._release import Settings

TABLE = "metadata.csv"


@dataclass(frozen=True)
class ReleaseTable:
    """The file ``metadata.csv`` of a release, which is sorted by opaque name.

    Parameters
    ----------
    metadata : Metadata or None
        Columns to carry over.
    shift_dates : bool
        Whether there is a column of shifted dates of acquisition.
    """

    metadata: Metadata | None = None
    shift_dates: bool = False

    def check(self, plan: Plan) -> tuple[str, ...]:
        """Look for direct identifiers before anything is written.

        Parameters
        ----------
        plan : Plan
            The recordings and their persons.

        Returns
        -------
        notes : tuple of str
            What the user should know about the table.
        """
        notes = []
        if self.metadata is not None and plan.subjects:
            released = self.metadata.released(list(plan.subjects), list(plan.subjects.values()))
            notes.append(
                f"metadata     {', '.join(self.metadata.columns)}: {released.n_emptied} values "
                f"that only one person has are left empty; {released.n_unique} of "
                f"{plan.n_subjects} people have a combination that nobody else has"
            )
        if self.shift_dates:
            notes.append(
                f"dates        moved by a secret offset for each of {plan.n_subjects} people; "
                "the time between recordings of one person links them"
            )
        return tuple(notes)

    def write(self, out: Path, settings: Settings, plan: Plan, places: dict[str, str]) -> None:
        """Write the file, if there is anything to write.

        Parameters
        ----------
        out : Path
            Output folder.
        settings : Settings
            Secret and limits of the run.
        plan : Plan
            The recordings and their persons.
        places : dict of str to str
            Path of each release that exists, by the path of its original.
        """
        if self.metadata is None and not self.shift_dates:
            return
        columns: tuple[str, ...] = ()
        rows: list[tuple[str, ...]] = [()] * len(places)
        subjects = [plan.subjects[path] for path in places]
        if self.metadata is not None and places:
            columns = self.metadata.columns
            # What was refused is not released: a value may have become that of one person.
            rows = self.metadata.released(list(places), subjects, strict=False).values
        if self.shift_dates:
            columns = (*columns, "date")
            rows = [
                (
                    *row,
                    released_date(path, plan.root, subject, settings.secret, settings.limits),
                )
                for path, subject, row in zip(places, subjects, rows, strict=True)
            ]
        names = map(usual_name, places.values())
        lines = [(name, *row) for name, row in zip(names, rows, strict=True)]
        unfinished = out / f".{TABLE}.part"
        unfinished.write_text(metadata_text(columns, lines), encoding="utf-8")
        os.replace(unfinished, out / TABLE)
