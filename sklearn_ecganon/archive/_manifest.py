"""What a run did, a line a recording: kept while it runs, sorted when it ends."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._plan import Plan
from sklearn_ecganon.archive._secret import write_privately
from sklearn_ecganon.io import remove_unfinished

MANIFEST, JOURNAL = "manifest.jsonl", ".journal.jsonl"


class Manifest:
    """The file that tells what is in an output folder, and by which method.

    While a run goes on its lines lie in a hidden journal, in the order they came. At its
    end they become the manifest, sorted by name: the same whatever the order was.

    Parameters
    ----------
    folder : Path
        Output folder.
    head : dict
        What is the same for all recordings: the first line.
    """

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self._folder = folder
        self._head = head
        self.outcomes: dict[str, Outcome] = {}

    def begin(self, *, resume: bool) -> None:
        """Make the folder ready, or refuse to go on with it.

        Parameters
        ----------
        resume : bool
            Go on with a run that was cut off: what is done is known then. Otherwise the
            folder is new or empty.
        """
        if resume:
            self._recall()
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._replace(JOURNAL)
        self._journal = (self._folder / JOURNAL).open("a", encoding="ascii")

    def add(self, outcome: Outcome) -> None:
        """Note what became of a recording."""
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
        """Leave the journal for a run that goes on from here."""
        self._journal.close()

    def _replace(self, name: str) -> None:
        """Write all that is known so far, complete or not at all."""
        lines = [json.dumps(self._head)]
        lines += [self.outcomes[record].to_json() for record in sorted(self.outcomes)]
        part = self._folder / f"{JOURNAL}.part"
        part.write_text("\n".join(lines) + "\n", encoding="ascii")
        os.replace(part, self._folder / name)

    def _recall(self) -> None:
        if not self._folder.is_dir():
            raise ValueError("OUT does not exist; there is nothing to --resume.")
        paths = [self._folder / name for name in (MANIFEST, JOURNAL)]
        found = [_whole_lines(path) for path in paths if path.is_file()]
        names = [path.name for path in self._folder.iterdir()]
        if not found and not all(name.startswith(JOURNAL) for name in names):
            raise ValueError("OUT was not made by this command; choose another folder.")
        for part in found:
            other = [key for key in self._head if part[0].get(key) != self._head[key]]
            if other:
                raise ValueError(
                    f"OUT was begun with another {' and '.join(other)}; resume with the same, "
                    "or choose another folder."
                )
        outcomes = [Outcome.from_dict(fields) for part in found for fields in part[1:]]
        self.outcomes = {
            outcome.record: outcome
            for outcome in outcomes
            if outcome.outcome == "done" and (self._folder / outcome.output).is_file()
        }
        self._sweep()

    def _sweep(self) -> None:
        """Remove what killed processes had begun."""
        remove_unfinished(self._folder)


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines that were written to their end."""
    lines = path.read_text(encoding="ascii").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def write_key(path: Path, plan: Plan, places: dict[str, str]) -> None:
    """Write which recording became which, for those who must re-link: mode 0600.

    Parameters
    ----------
    path : Path
        CSV file with the columns ``record`` and ``released``, as ``ecganon audit --key``
        reads it; what is there is replaced.
    plan : Plan
        Knows the inputs.
    places : dict of str to str
        Output of each job by its name.
    """
    rows = [(job.path, places[job.name]) for job in plan.jobs]
    rows += [(path, outcome.record) for path, outcome in plan.refused]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("record", "released"))
    writer.writerows(sorted(rows))
    write_privately(path, text.getvalue())
