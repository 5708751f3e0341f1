"""What a folder holds and how its releases will be named, before anything is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.archive._subjects import Subjects
from sklearn_ecganon.io import FORMATS, find_recordings

#: If there are more recordings, they go into 256 folders by the first letters of their names.
MOST_IN_A_FOLDER = 10_000


@dataclass(frozen=True)
class Job:
    """One file to be anonymized.

    Parameters
    ----------
    name : str
        Opaque name of the release.
    path : str
        Path of the original, relative to the root.
    format : str
        Format of the original, recognized by its content.
    size : int
        Bytes, including those of the other files that its header names.
    subject : str
        Opaque key of the person.
    """

    name: str
    path: str
    format: str
    size: int
    subject: str = ""


@dataclass(frozen=True)
class Plan:
    """What is known about an archive before its recordings are opened.

    Attributes
    ----------
    root : Path
        Folder of the input.
    jobs : list of Job
        Sorted by opaque name, so that the order says nothing about the input.
    refused : list of (str, Outcome)
        Path and outcome of each recording that cannot be opened at all.
    n_other : int
        Number of files that are not recordings. They are not copied.
    subjects : dict of str to str
        Person of each recording to be anonymized, by its path.
    """

    root: Path
    jobs: list[Job]
    refused: list[tuple[str, Outcome]]
    n_other: int
    subjects: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def n_subjects(self) -> int:
        """Number of persons."""
        return len(set(self.subjects.values()))

    @property
    def formats(self) -> dict[str, int]:
        """Number of files of each format, the most frequent first."""
        n_files = Counter(job.format for job in self.jobs)
        return dict(sorted(n_files.items(), key=lambda item: (-item[1], item[0])))

    def conversions(self, format: str | None) -> list[tuple[str, str, int]]:
        """Return each format, that of its releases, and the number of files.

        Parameters
        ----------
        format : str or None
            Format of all releases; by default each recording keeps its own, where that can be
            written.

        Returns
        -------
        conversions : list of (str, str, int)
            Format of the recordings, format of their releases, and number of files.
        """
        return [
            (name, format or FORMATS[name].release_format, n)
            for name, n in self.formats.items()
        ]

    def check_libraries(self, format: str | None) -> None:
        """Find out whether all libraries that reading and writing need are installed.

        Parameters
        ----------
        format : str or None
            Format of all releases, as in `conversions`.

        Raises
        ------
        ImportError
            If one is missing.
        """
        for source, target, n in self.conversions(format):
            for name, verb in ((source, "read"), (target, "written")):
                library = FORMATS[name].library
                if library is not None and find_spec(library[0]) is None:
                    module, extra = library
                    raise ImportError(
                        f"{n} recording(s) in the format {name!r} cannot be {verb} without "
                        f"{module}; run pip install 'sklearn-ecganon[{extra}]'."
                    )

    @property
    def size(self) -> int:
        """Bytes of all recordings."""
        return sum(job.size for job in self.jobs)

    def place(self, job: Job, format: str | None) -> str:
        """Return the path of a release in the output folder.

        Parameters
        ----------
        job : Job
            The recording.
        format : str or None
            Format of all releases; None keeps that of each recording.

        Returns
        -------
        path : str
            Relative to the output folder.
        """
        target = format or FORMATS[job.format].release_format
        suffixes = FORMATS[target].suffixes
        suffix = Path(job.path).suffix.lower()
        if suffix not in suffixes or target != job.format:
            suffix = suffixes[0]
        folder = f"{job.name[:2]}/" if len(self.jobs) > MOST_IN_A_FOLDER else ""
        return f"{folder}{job.name}{suffix}"


def plan_archive(source: Path, secret: Secret, subjects: Subjects | None = None) -> Plan:
    """Find the recordings of a folder, and choose the names of their releases.

    Parameters
    ----------
    source : Path
        A folder, or a single recording. Links to folders are not followed; links to files
        are, as long as they lead to a file inside the folder.
    secret : Secret
        Makes the names.
    subjects : Subjects, optional
        Gives the person of each recording; by default that is its folder.

    Raises
    ------
    ValueError
        If there is no such folder, if two recordings would get the same name, or if the
        person of a recording is not known.
    """
    if not source.exists():
        raise ValueError("the input does not exist; give a folder or a recording.")
    contents = find_recordings(source)
    paths = [file.path for file in contents.recordings]
    persons = dict(zip(paths, (subjects or Subjects()).of(paths), strict=True))
    jobs = [
        Job(
            secret.name(file.path),
            file.path,
            file.format,
            file.size,
            secret.key_of_subject(persons[file.path]),
        )
        for file in contents.recordings
    ]
    refused = [
        (path, Outcome(secret.name(path), "refused", reason=reason))
        for path, reason in contents.refused
    ]
    if len({job.name for job in jobs}) < len(jobs):
        raise ValueError("two recordings would get the same name; use another secret.")
    jobs.sort(key=lambda job: job.name)
    return Plan(contents.root, jobs, refused, contents.n_other, persons)


def check_places(source: Path, out: Path, *others: Path | None, resume: bool = False) -> None:
    """Refuse an output inside or around the input, and secret files inside either.

    Parameters
    ----------
    source, out : Path
        Input and output.
    *others : Path or None
        Files that must lie outside both.
    resume : bool, default=False
        Whether the output may already hold files.
    """
    inside, outside = source.resolve(), out.resolve()
    if outside.is_relative_to(inside):
        raise ValueError("the output folder lies inside the input folder; choose one outside.")
    if inside.is_relative_to(outside):
        raise ValueError(
            "the input lies inside the output folder; choose another output folder."
        )
    if out.exists() and not out.is_dir():
        raise ValueError("the output is a file; give a folder.")
    if not resume and out.is_dir() and any(out.iterdir()):
        raise ValueError("the output folder is not empty; choose another one, or resume.")
    for other in others:
        if other is None:
            continue
        place = other.resolve()
        if place.is_relative_to(outside) or place.is_relative_to(inside):
            raise ValueError(
                "the seed file and the key file identify people; they must lie outside the "
                "input folder and the output folder."
            )
        if place.parent.exists() and not place.parent.is_dir():
            raise ValueError(
                "the folder of the seed file or key file is a file; choose another one."
            )
