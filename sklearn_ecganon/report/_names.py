"""An audit without the names of originals and subjects."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any


def hide_names(result: Any) -> Any:
    """Return the result with numbers in place of the names of originals and subjects."""
    originals = [row.original for row in result.exposed]
    originals += [before.name for before, _ in result.strips]
    originals += [_bare(name) for name in result.omitted if not name.startswith("attribute ")]
    numbers = {name: f"recording {i + 1}" for i, name in enumerate(dict.fromkeys(originals))}
    subjects = dict.fromkeys(row.subject for row in result.exposed)
    people = {name: f"person {i + 1}" for i, name in enumerate(subjects)}
    exposed = tuple(
        row._replace(
            released=numbers.get(row.released, row.released),
            original=numbers[row.original],
            subject=people[row.subject],
        )
        for row in result.exposed
    )
    strips = tuple(
        (replace(before, name=numbers[before.name]), replace(after, name=numbers[before.name]))
        for before, after in result.strips
    )
    omitted = {}
    for name, reason in result.omitted.items():
        side = name[: len(name) - len(_bare(name))]
        label = numbers.get(_bare(name))
        # Reasons quote names, and values of attributes quote subjects.
        omitted[name if label is None else f"{side}{label}"] = re.sub(
            r"'[^']*'", "'...'", reason
        )
    return replace(result, exposed=exposed, strips=strips, omitted=omitted)


def _bare(name: str) -> str:
    """Return the name of a recording without the side of the audit that it is on."""
    return name.removeprefix("before: ").removeprefix("after: ")
