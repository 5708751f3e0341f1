"""The manifest of a run, with one line for each recording, and the key file."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._plan import Plan
from sklearn_ecganon.archive._secret import write_privately
from sklearn_ecganon.io import FORMATS, remove_unfinished

MANIFEST, JOURNAL = "manifest.jsonl", ".journal.jsonl"


class Manifest:
    """The file that lists the releases in an output folder, and how they were made.

    During a run, its lines are written to a hidden journal, in the order of completion. At
    the end the journal becomes the manifest. The manifest is sorted by name, so that it does
    not depend on that order.

    Parameters
    ----------
    folder : Path
        Output folder.
    head : dict
        The first line: what is the same for all recordings.
    """

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self._folder = folder
        self._head = head
        self.outcomes: dict[str, Outcome] = {}

    def begin(self, *, resume: bool) -> None:
        """Prepare the folder, or refuse it.

        Parameters
        ----------
        resume : bool
            Whether to read the outcomes of a run that was cut off. Otherwise the folder is
            new or empty.
        """
        if resume:
            self._recall()
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._replace(JOURNAL)
        self._journal = (self._folder / JOURNAL).open("a", encoding="ascii")

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of a recording."""
        self.outcomes[outcome.record] = outcome
        self._journal.write(f"{outcome.to_json()}\n")
        self._journal.flush()

    def finish(self) -> None:
        """Turn the journal into the manifest."""
        self._journal.close()
        self._sweep()
        self._replace(MANIFEST)
        (self._folder / JOURNAL).unlink()

    def close(self) -> None:
        """Close the journal, so that another run can resume from it."""
        self._journal.close()

    def _replace(self, name: str) -> None:
        """Write all outcomes so far to a file that appears complete or not at all."""
        lines = [json.dumps(self._head)]
        lines += [self.outcomes[record].to_json() for record in sorted(self.outcomes)]
        unfinished = self._folder / f"{JOURNAL}.part"
        unfinished.write_text("\n".join(lines) + "\n", encoding="ascii")
        os.replace(unfinished, self._folder / name)

    def _recall(self) -> None:
        if not self._folder.is_dir():
            raise ValueError("the output folder does not exist; there is nothing to resume.")
        paths = [self._folder / name for name in (MANIFEST, JOURNAL)]
        files = [_complete_lines(path) for path in paths if path.is_file()]
        names = [path.name for path in self._folder.iterdir()]
        if not files and not all(name.startswith(JOURNAL) for name in names):
            raise ValueError(
                "the output folder was not written by this program; choose another one."
            )
        for head, *_ in files:
            other = [key for key in self._head if head.get(key) != self._head[key]]
            if other:
                raise ValueError(
                    f"the output folder was begun with another {' and '.join(other)}; resume "
                    "with the same, or choose another folder."
                )
        outcomes = [Outcome.from_dict(fields) for lines in files for fields in lines[1:]]
        self.outcomes = {
            outcome.record: outcome
            for outcome in outcomes
            if outcome.outcome == "done" and (self._folder / outcome.output).is_file()
        }
        self._sweep()

    def _sweep(self) -> None:
        """Remove files that a killed process has left unfinished."""
        remove_unfinished(self._folder)


def _complete_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines that were written completely."""
    lines = path.read_text(encoding="ascii").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def usual_name(path: str) -> str:
    """Return the path of a recording as users of its format write it."""
    suffix = PurePosixPath(path).suffix
    bare = any(f.named_without_suffix and suffix in f.suffixes for f in FORMATS.values())
    return path.removesuffix(suffix) if bare else path


def write_key(
    path: Path, plan: Plan, places: dict[str, str], subjects: dict[str, str] | None = None
) -> None:
    """Write which recording became which, to a file of mode 0600.

    Parameters
    ----------
    path : Path
        CSV file with the columns ``record`` and ``released``, which `audit_folders` reads.
        An existing file is replaced.
    plan : Plan
        The recordings.
    places : dict of str to str
        Path of each release in the output folder, by the name of its job.
    subjects : dict of str to str, optional
        Person of each recording by its path, for a column ``subject``.
    """
    rows = [
        (usual_name(job.path), usual_name(places[job.name]), (subjects or {}).get(job.path, ""))
        for job in plan.jobs
    ]
    rows += [(path, outcome.record, "") for path, outcome in plan.refused]
    n_columns = 2 if subjects is None else 3
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("record", "released", "subject")[:n_columns])
    writer.writerows(row[:n_columns] for row in sorted(rows))
    write_privately(path, text.getvalue())
