"""What lies in a tree and what it will be called, settled before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.io import ECGReadError, Limits
from sklearn_ecganon.io._files import regular_file
from sklearn_ecganon.io._registry import HEAD, formats, recognise
from sklearn_ecganon.io._wfdb_header import parse_header

#: More recordings than these go into 256 folders by the first letters of their names.
MOST_IN_A_FOLDER = 10_000

#: Files called so should be recordings; where their content is none, that is told.
SUFFIXES = frozenset((".hea", ".dat", ".edf", ".bdf", ".dcm", ".h5", ".hdf5", ".npz", ".scp"))


@dataclass(frozen=True)
class Job:
    """One file to be anonymized.

    Parameters
    ----------
    name : str
        Opaque name of what is written.
    path : str
        Of the input, relative to the root.
    format : str
        Told from its content.
    size : int
        Bytes, those of the files it names included.
    """

    name: str
    path: str
    format: str
    size: int


@dataclass(frozen=True)
class Plan:
    """Everything that is known of an archive before its recordings are opened.

    Attributes
    ----------
    root : Path
        Folder of the input.
    jobs : list of Job
        By name, which is no order of the input.
    refused : list of (str, Outcome)
        Paths of what cannot be opened at all.
    n_other : int
        Files that are no recordings, and stay behind.
    """

    root: Path
    jobs: list[Job]
    refused: list[tuple[str, Outcome]]
    n_other: int

    @property
    def formats(self) -> dict[str, int]:
        """Number of files of each format, the most first."""
        found = Counter(job.format for job in self.jobs)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def size(self) -> int:
        """Bytes of all recordings."""
        return sum(job.size for job in self.jobs)

    def place(self, job: Job, format: str | None) -> str:
        """Return the path of the output below the output folder."""
        known = formats()[format or job.format]
        suffix = Path(job.path).suffix.lower()
        if suffix not in known.suffixes or format not in (None, job.format):
            suffix = known.suffixes[0]
        folder = f"{job.name[:2]}/" if len(self.jobs) > MOST_IN_A_FOLDER else ""
        return f"{folder}{job.name}{suffix}"


def plan_archive(source: Path, secret: Secret) -> Plan:
    """Look at every file of a tree, or at a single file.

    Parameters
    ----------
    source : Path
        Links to folders are not followed; links to files are, where they stay inside.
    secret : Secret
        Makes names.
    """
    if not source.exists():
        raise ValueError("IN: there is no such folder or file.")
    root = (source if source.is_dir() else source.parent).resolve()
    jobs: list[Job] = []
    refused: list[tuple[str, Outcome]] = []
    n_other = 0

    def refuse(path: Path, reason: str) -> None:
        relative = path.relative_to(root).as_posix()
        outcome = Outcome(secret.name(relative), "refused", reason=reason)
        refused.append((relative, outcome))

    if source.is_dir():
        folders = _folders(root, refuse)
    else:
        folders = iter([(root, [root / source.name])])
    for _, paths in folders:
        found: dict[Path, str] = {}
        wrong: dict[Path, str] = {}
        for path in paths:
            try:
                format = _format_of(path, root)
                # Much that lies in archives is a table. Only what is called one is taken
                # for a recording.
                if format == "csv" and path.suffix.lower() != ".csv":
                    n_other += 1
                    continue
                found[path] = format
            except ECGReadError as error:
                wrong[path] = error.reason
        parts = _parts(found)
        stems = {path.stem for path, format in found.items() if format == "wfdb"}
        claimed = {part for names in parts.values() for part in names}
        for path, format in found.items():
            if path in claimed and format in ("wfdb", "csv"):
                continue
            size = sum(part.stat().st_size for part in (path, *parts.get(path, ())))
            relative = path.relative_to(root).as_posix()
            jobs.append(Job(secret.name(relative), relative, format, size))
        for path, reason in wrong.items():
            if path in claimed or (reason == "unknown_format" and path.stem in stems):
                continue
            if reason == "unknown_format" and path.suffix.lower() not in SUFFIXES:
                n_other += 1
            else:
                refuse(path, reason)
    names = [job.name for job in jobs]
    if len(set(names)) < len(names):
        raise ValueError("two recordings got the same name; take another secret.")
    return Plan(root, sorted(jobs, key=lambda job: job.name), refused, n_other)


def _folders(
    root: Path, refuse: Callable[[Path, str], None]
) -> Iterator[tuple[Path, list[Path]]]:
    def unreadable(error: OSError) -> None:
        refuse(Path(error.filename), "unreadable")

    for folder, inner, files in os.walk(root, onerror=unreadable):
        here = Path(folder)
        # The gate says of a link to a folder what is wrong with it.
        links = [name for name in inner if (here / name).is_symlink()]
        yield here, sorted(here / name for name in files + links)


def _format_of(path: Path, root: Path) -> str:
    regular_file(path, root)
    try:
        with path.open("rb") as file:
            return recognise(file.read(HEAD)).name
    except OSError:
        raise ECGReadError("unreadable") from None


def _parts(found: dict[Path, str]) -> dict[Path, list[Path]]:
    """Return the other files that the headers of a folder name."""
    parts = {}
    for path, format in found.items():
        if format != "wfdb":
            continue
        try:
            header = parse_header(path.read_bytes()[: Limits().max_header_bytes], Limits())
        except (ECGReadError, OSError):
            continue  # opened later, and refused then
        names = {signal.file for signal in header.signals}
        names |= {f"{name}.hea" for name, _ in header.segments}
        parts[path] = [path.with_name(name) for name in sorted(names - {"~", "~.hea"})]
        parts[path] = [part for part in parts[path] if part.is_file() and part != path]
    return parts


def check_places(source: Path, out: Path, *others: Path | None, resume: bool = False) -> None:
    """Refuse an output that lies in the input or around it, and secrets that lie in either.

    Parameters
    ----------
    source, out : Path
        Input and output.
    *others : Path or None
        Files that must lie outside of both.
    resume : bool, default=False
        Whether the output may hold something already.
    """
    inside, outside = source.resolve(), out.resolve()
    if outside.is_relative_to(inside):
        raise ValueError("OUT lies inside of IN; choose a folder outside.")
    if inside.is_relative_to(outside):
        raise ValueError("IN lies inside of OUT; choose another folder for OUT.")
    if out.exists() and not out.is_dir():
        raise ValueError("OUT is a file; give a folder.")
    if not resume and out.is_dir() and any(out.iterdir()):
        raise ValueError("OUT is not empty; choose another folder, or --resume.")
    for other in others:
        if other is None:
            continue
        place = other.resolve()
        if place.is_relative_to(outside) or place.is_relative_to(inside):
            raise ValueError(
                "the seed file and the key file tell who is who; they must lie outside of "
                "IN and OUT."
            )
        if not place.parent.is_dir():
            raise ValueError("the folder of the seed file or key file does not exist.")
