"""An audit of two folders, which is what the command does."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn_ecganon.datasets import load_records
from sklearn_ecganon.report._audit import audit
from sklearn_ecganon.report._result import AuditResult

COLUMNS = ("record", "subject", "session", "released")


def audit_folders(
    before: Path, after: Path, *, key: Path | None = None, **parameters: Any
) -> AuditResult:
    """Audit the WFDB records of a folder against their releases in another."""
    originals, released = load_records(before).data, load_records(after).data
    if key is not None:
        told = _read_key(key)
        unknown = [record.name for record in originals if record.name not in told]
        if unknown:
            raise ValueError(
                f"{key}: {len(unknown)} record(s) of {before} are not in it, for example "
                f"{unknown[0]!r}; add a line for each."
            )
        originals = [
            replace(
                record,
                subject=told[record.name].get("subject") or record.subject,
                session=told[record.name].get("session") or record.session,
            )
            for record in originals
        ]
        old_names = {row.get("released") or name: name for name, row in told.items()}
        strangers = [record.name for record in released if record.name not in old_names]
        if strangers:
            raise ValueError(
                f"{key}: does not tell what {strangers[0]!r} of {after} was before; add it "
                "to the column 'released'."
            )
        released = [replace(record, name=old_names[record.name]) for record in released]
    return audit(originals, released, **parameters)


def _read_key(path: Path) -> dict[str, dict[str, str]]:
    """Return what a key file tells of each record, by its name in BEFORE."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if "record" not in columns or set(columns) - set(COLUMNS):
            raise ValueError(
                f"{path}: has columns {columns}; want 'record' and any of {COLUMNS[1:]}."
            )
        rows = list(reader)
    names = [row["record"] for row in rows]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path}: has two lines for record {twice!r}.")
    return dict(zip(names, rows, strict=True))
