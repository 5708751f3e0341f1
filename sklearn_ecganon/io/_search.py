"""Find the recordings in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import PathLike, regular_file
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._registry import FORMATS, HEAD, expected_suffixes, recognize

__all__ = ["FolderContents", "RecordingFile", "find_recordings"]


@dataclass(frozen=True)
class RecordingFile:
    """A file that holds one or more recordings.

    Parameters
    ----------
    path : str
        Relative to the folder that was searched, with ``/`` between folders.
    format : str
        Name of its format, recognized by its content.
    size : int
        Size in bytes, including the other files that its header names.
    """

    path: str
    format: str
    size: int


@dataclass(frozen=True)
class FolderContents:
    """Content of a folder, as `find_recordings` returns it.

    Parameters
    ----------
    root : Path
        The folder, with links resolved.
    recordings : list of RecordingFile
        Sorted by path.
    refused : list of (str, str)
        Path and reason code of each file that should be a recording but cannot be opened.
    n_other : int
        Number of files that are not recordings.
    """

    root: Path
    recordings: list[RecordingFile]
    refused: list[tuple[str, str]]
    n_other: int


def find_recordings(source: PathLike) -> FolderContents:
    """Find the recordings in a folder and all folders inside it.

    Recordings are recognized by their content. Only headers are read.

    Parameters
    ----------
    source : str or path-like
        A folder, or a single recording (for WFDB its header). Links to folders are not
        followed; links to files are, as long as they lead to a file inside the folder.

    Returns
    -------
    contents : FolderContents
        The recordings, the files that were refused, and how many other files there are.

    Raises
    ------
    FileNotFoundError
        If `source` does not exist.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.io import find_recordings, write_record
    >>> record = ECGRecord(np.zeros((500, 1)), 250)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_record(record, Path(folder, "a.hea"))
    ...     _ = write_record(record, Path(folder, "b.edf"))
    ...     _ = Path(folder, "notes.txt").write_text("two recordings")
    ...     contents = find_recordings(folder)
    >>> [(file.path, file.format) for file in contents.recordings], contents.n_other
    ([('a.hea', 'wfdb'), ('b.edf', 'edf')], 1)
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist; give a folder or a recording.")
    search = _Search((source if source.is_dir() else source.parent).resolve())
    if source.is_dir():
        for paths in search.folders():
            search.look_at(paths)
    else:
        search.look_at([search.root / source.name])
    search.recordings.sort(key=lambda file: file.path)
    return FolderContents(search.root, search.recordings, search.refused, search.n_other)


class _Search:
    """A search in progress."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recordings: list[RecordingFile] = []
        self.refused: list[tuple[str, str]] = []
        self.n_other = 0
        self._expected = expected_suffixes()

    def folders(self) -> Iterator[list[Path]]:
        """Yield the files of one folder after the other."""

        def unreadable(error: OSError) -> None:
            self._refuse(Path(error.filename), "unreadable")

        for folder, inner, files in os.walk(self.root, onerror=unreadable):
            here = Path(folder)
            # A link to a folder is listed like a file, so that it is refused with a reason.
            links = [name for name in inner if (here / name).is_symlink()]
            yield sorted(here / name for name in files + links)

    def look_at(self, paths: list[Path]) -> None:
        """Sort the files of one folder into recordings, refused files and others."""
        formats: dict[Path, Format] = {}
        errors: dict[Path, str] = {}
        for path in paths:
            try:
                format = _format_of(path, self.root)
            except ECGReadError as error:
                errors[path] = error.reason
                continue
            if format.needs_suffix and path.suffix.lower() not in format.suffixes:
                self.n_other += 1
            else:
                formats[path] = format
        sidecars = {path: format.sidecars(path) for path, format in formats.items()}
        claimed = {sidecar for files in sidecars.values() for sidecar in files}
        stems = {path.stem for path, format in formats.items() if format.claims_stem}
        for path, format in formats.items():
            # A file with a signature is a recording, even if other headers name it.
            if path in claimed and not format.has_signature:
                continue
            size = sum(file.stat().st_size for file in (path, *sidecars[path]))
            self.recordings.append(RecordingFile(self._relative(path), format.name, size))
        for path, reason in errors.items():
            is_unknown = reason == "unknown_format"
            if path in claimed or (is_unknown and path.stem in stems):
                continue
            if is_unknown and path.suffix.lower() not in self._expected:
                self.n_other += 1
            else:
                self._refuse(path, reason)

    def _refuse(self, path: Path, reason: str) -> None:
        self.refused.append((self._relative(path), reason))

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _format_of(path: Path, root: Path) -> Format:
    regular_file(path, root)
    try:
        with path.open("rb") as file:
            return recognize(file.read(HEAD))
    except OSError:
        raise ECGReadError("unreadable") from None


def format_for_suffix(path: Path) -> str:
    """Return the name of the format that an extension stands for."""
    for name, format in FORMATS.items():
        if format.writer is not None and path.suffix.lower() in format.suffixes:
            return name
    raise ValueError(
        f"extension {path.suffix!r} stands for no known format; give format=... "
        f"({', '.join(name for name, format in FORMATS.items() if format.writer)})."
    )
