"""Carry out a plan: one recording after the other, or several at the same time."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
from joblib import Parallel, delayed, effective_n_jobs

from sklearn_ecganon import __version__
from sklearn_ecganon.archive._manifest import Manifest, write_key
from sklearn_ecganon.archive._outcome import Outcome, reason_of
from sklearn_ecganon.archive._plan import Job, Plan
from sklearn_ecganon.archive._profiles import profiles_head
from sklearn_ecganon.archive._release import Settings, Tell, deterministic, release_file
from sklearn_ecganon.archive._table import ReleaseTable

__all__ = ["Progress"]

# Every task of a worker carries the model with it, so a task must be large enough to pay, and
# small enough for the progress to be seen.
TASK_FILES, TASK_BYTES = 8, 2**26
MOST_JOBS = 4  # workers for each processor


@dataclass(frozen=True)
class Progress:
    """How far `RecordAnonymizer.anonymize_folder` is.

    Parameters
    ----------
    plan : Plan
        What the input folder holds.
    to_do : tuple of Job or None
        The recordings of this run; None before the run has begun. Fewer than those of the
        plan if an earlier run is resumed.
    n_bytes : float
        Bytes of the input of this run that are done; in the first of two passes, bytes whose
        profiles have been measured.
    outcome : Outcome or None
        What became of the recording that was finished or refused just now.
    notes : tuple of str
        What the user should know about ``metadata.csv``.
    n_measured : int or None
        Number of files whose profiles have been measured, in the first of the two passes of
        an anonymizer with ``k > 1``; None outside of that pass.
    """

    plan: Plan
    to_do: tuple[Job, ...] | None = None
    n_bytes: float = 0.0
    outcome: Outcome | None = None
    notes: tuple[str, ...] = ()
    n_measured: int | None = None


OnProgress = Callable[[Progress], object]


class Run:
    """One plan that is carried out.

    Parameters
    ----------
    settings : Settings
        The anonymizer and everything else that is the same for all recordings.
    plan : Plan
        The recordings.
    out : Path
        The output folder.
    resume : bool
        Whether an earlier run into the same folder is continued.
    key_file : Path or None
        Where to write which recording became which.
    name_subjects : bool
        Whether the key file has a column for the person.
    table : ReleaseTable
        What else is known about each recording and goes into the release.
    on_progress : callable
        Takes a `Progress`.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        out: Path,
        *,
        resume: bool,
        key_file: Path | None,
        name_subjects: bool,
        table: ReleaseTable,
        on_progress: OnProgress,
    ) -> None:
        self.settings, self.plan, self.out = settings, plan, out
        self.places = {job.name: plan.place(job, settings.format) for job in plan.jobs}
        self._table = table
        self.manifest = Manifest(out, manifest_head(settings, plan))
        self.manifest.begin(resume=resume)
        if key_file is not None:
            write_key(key_file, plan, self.places, plan.subjects if name_subjects else None)
        to_do = (job for job in plan.jobs if job.name not in self.manifest.outcomes)
        self.progress = Progress(plan, tuple(to_do))
        self._on_progress = on_progress

    def carry_out(self, n_jobs: int | None = None) -> None:
        """Anonymize all recordings that are still to do, and complete the manifest.

        Parameters
        ----------
        n_jobs : int, optional
            Number of recordings at the same time.
        """
        self._on_progress(self.progress)
        for job in self.progress.to_do or ():
            (self.out / self.places[job.name]).parent.mkdir(exist_ok=True)
        try:
            for _, outcome in self.plan.refused:
                self._add(outcome)
            with deterministic():
                for outcome in self._outcomes(n_jobs):
                    self._add(outcome)
            self._table.write(self.out, self.settings, self.plan, self._released_places())
        finally:
            self.manifest.close()
        self.manifest.finish()

    def _released_places(self) -> dict[str, str]:
        """Return the path of each release that exists, by the path of its original."""
        done = {n for n, o in self.manifest.outcomes.items() if o.outcome == "done"}
        return {job.path: self.places[job.name] for job in self.plan.jobs if job.name in done}

    def _add(self, outcome: Outcome) -> None:
        self.manifest.add(outcome)
        self._on_progress(replace(self.progress, outcome=outcome))

    def _tell_bytes(self, n_bytes: float) -> None:
        self.progress = replace(self.progress, n_bytes=n_bytes)
        self._on_progress(self.progress)

    def _outcomes(self, n_jobs: int | None) -> Iterator[Outcome]:
        root, out = self.plan.root, self.out.resolve()
        n_done = 0
        if effective_n_jobs(n_jobs) == 1:
            for job in self.progress.to_do or ():
                tell = partial(self._tell_fraction, n_done, job.size)
                yield outcome_of(self.settings, root, out, job, self.places[job.name], tell)
                n_done += job.size
                self._tell_bytes(n_done)
            return
        tasks = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(
            delayed(_work)(self.settings, root, out, task) for task in self._tasks()
        )
        for size, outcomes in tasks:
            n_done += size
            self._tell_bytes(n_done)
            yield from outcomes

    def _tell_fraction(self, n_done: int, size: int, fraction: float) -> None:
        self._tell_bytes(n_done + fraction * size)

    def _tasks(self) -> Iterator[list[tuple[Job, str]]]:
        task: list[tuple[Job, str]] = []
        for job in self.progress.to_do or ():
            task.append((job, self.places[job.name]))
            if len(task) == TASK_FILES or sum(job.size for job, _ in task) >= TASK_BYTES:
                yield task
                task = []
        if task:
            yield task


def _work(
    settings: Settings, root: Path, out: Path, task: list[tuple[Job, str]]
) -> tuple[int, list[Outcome]]:
    """Anonymize the recordings of one task in a worker."""
    size = sum(job.size for job, _ in task)
    with deterministic():
        return size, [outcome_of(settings, root, out, job, place) for job, place in task]


def outcome_of(
    settings: Settings,
    root: Path,
    out: Path,
    job: Job,
    place: str,
    tell: Tell = lambda fraction: None,
) -> Outcome:
    """Anonymize one recording of a run. Every error becomes a reason."""
    try:
        outcome = release_file(settings, root / job.path, root, out / place, tell, job.subject)
    except Exception as error:
        return Outcome(job.name, "refused", reason=reason_of(error))
    return replace(outcome, output=place)


def check_n_jobs(n_jobs: int | None, scheduler: str | None) -> None:
    """Refuse a number of workers that cannot be meant.

    Parameters
    ----------
    n_jobs : int or None
        Number of recordings at the same time; negative numbers count down from the number
        of processors.
    scheduler : str or None
        Address of a cluster, whose processors are not counted.
    """
    n_processors = os.cpu_count() or 1
    if n_jobs == 0:
        raise ValueError("n_jobs is 0; give 1 or more, or -1 for all processors.")
    if n_jobs is not None and not scheduler and n_jobs > MOST_JOBS * n_processors:
        raise ValueError(
            f"n_jobs is {n_jobs}, but this machine has {n_processors} processors; give at most "
            f"{MOST_JOBS} for each, or -1 for as many as there are."
        )


def manifest_head(settings: Settings, plan: Plan) -> dict[str, Any]:
    """Return the first line of a manifest: what is the same for all recordings."""
    anonymizer = settings.anonymizer
    head = {"method": type(anonymizer).__name__, "strength": float(anonymizer.strength)}
    if hasattr(anonymizer, "contract"):
        head["contract"] = anonymizer.contract
    return {
        "ecganon": __version__,
        **head,
        **profiles_head(anonymizer),
        **_identity_of(settings, plan),
        "model": _model_hash(anonymizer),
        "secret": settings.secret.fingerprint,
        "detector": settings.detector,
        "format": settings.format,
        "leads": settings.leads and list(settings.leads),
        "sampling_rate": settings.sampling_rate,
        "units": settings.units,
    }


def _identity_of(settings: Settings, plan: Plan) -> dict[str, str]:
    """Return whether people keep one pseudo-identity, and a keyed digest of who is who."""
    if not settings.per_subject:
        return {}
    digest = settings.secret.hasher()
    digest.update(json.dumps(sorted(plan.subjects.items())).encode())
    return {"identity": "per-subject", "subjects": digest.hexdigest()}


def _model_hash(anonymizer: Any) -> str | None:
    """Return the SHA-256 of the weights as a file, or a hash of the state without a file."""
    if hasattr(anonymizer, "save_weights"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights")
            anonymizer.save_weights(path)
            return hashlib.sha256(path.read_bytes()).hexdigest()
    left_out = ("salt_", "history_", "device_", "random_state")
    state = anonymizer.__getstate__()
    return joblib.hash({key: value for key, value in state.items() if key not in left_out})
