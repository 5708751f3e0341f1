"""What links an audit to its folders: hashes, and what the manifest states."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MANIFEST = "manifest.jsonl"
BLOCK = 2**20


def provenance_of(before: Path, after: Path, key: Path | None) -> dict[str, Any]:
    """Return what identifies the folders of an audit, without their names.

    Parameters
    ----------
    before, after : Path
        Folders of originals and releases.
    key : Path or None
        The key file.

    Returns
    -------
    provenance : dict of str to object
        SHA-256 of both folders (over the paths and contents of all files inside), of the
        manifest and of the key file; and the first line of the manifest, which states method,
        strength, contract and version.
    """
    manifest = after / MANIFEST
    return {
        "before_sha256": folder_sha256(before),
        "after_sha256": folder_sha256(after),
        "manifest_sha256": _file_sha256(manifest) if manifest.is_file() else None,
        "key_sha256": None if key is None else _file_sha256(key),
        "manifest": manifest_of(after),
    }


def folder_sha256(folder: Path) -> str:
    """Return the SHA-256 of a folder.

    It is that of one line for each file, ``<SHA-256 of the content>  <path>``, sorted by
    path: what ``find . -type f | sort | xargs sha256sum`` prints, without ``./``.
    """
    digest = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        name = os.fsencode(path.relative_to(folder).as_posix())
        digest.update(_file_sha256(path).encode("ascii") + b"  " + name + b"\n")
    return digest.hexdigest()


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return the first line of the manifest of a release, or None if it has none."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        try:
            head = json.loads(file.readline(2**16))
        except json.JSONDecodeError:
            return None
    return head if isinstance(head, dict) and "method" in head else None


def _files(folder: Path) -> Iterator[Path]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
