"""The command's work from Python: one file, or a tree of them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
from joblib import Parallel, delayed, effective_n_jobs

from sklearn_ecganon import __version__
from sklearn_ecganon.archive._manifest import Manifest, write_key
from sklearn_ecganon.archive._outcome import Outcome, reason_of
from sklearn_ecganon.archive._plan import Job, Plan, check_places, plan_archive
from sklearn_ecganon.archive._release import Settings, Tell, release_file, steady
from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.io import Limits

__all__ = ["RecordAnonymizer"]

# One task of a worker: a model is sent with each, so that a task must be worth it.
TASK_FILES, TASK_BYTES = 64, 2**26

PathLike = str | os.PathLike[str]


class RecordAnonymizer:
    """Anonymize recordings in files: waveform, marks, header and name.

    Each recording is read, anonymized and written a stretch of at most 30 minutes at a
    time, whose borders lie between beats; memory does not grow with its length. All
    stretches share one pseudo-identity. What is written depends on the input, the
    anonymizer and the secret alone: not on the number of workers, nor on whether a run was
    cut off and resumed.

    Parameters
    ----------
    anonymizer : estimator, optional
        Takes and returns a BeatSet. The pretrained `PseudoIdentityAnonymizer` at strength 1
        by default. One that is not fitted is fitted to the first stretch of each recording,
        which does for methods that learn no population. Its salt is that of the secret.
    secret : Secret, optional
        A new one by default, which is lost with this object.
    detector : str, default="sleepecg"
        Who finds the beats, as in `QRSSegmenter`. Their classes come from the recording's
        annotations, where at least half of the beats of a stretch have one.
    format : str, optional
        Format to write, for example ``"wfdb"``; by default that of the input.
    leads : sequence of str, optional
        Leads to keep, in order; by default all.
    annotator : str or None, default="atr"
        Extension of WFDB annotation files.
    sampling_rate : float, optional
        In Hz, for recordings that do not state theirs (tables, MATLAB files).
    units : {"V", "mV", "uV", "nV"}, optional
        For recordings that do not state theirs (tables, MATLAB files); by default mV.
    limits : Limits, optional
        How much a file may ask for.

    See Also
    --------
    sklearn_ecganon.io : Says what of a header is kept.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> from sklearn_ecganon.archive import RecordAnonymizer
    >>> from sklearn_ecganon.io import write_record
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "in").mkdir()
    >>> for record in make_ecg_records(n_subjects=1, duration=10, random_state=0).data:
    ...     _ = write_record(record, folder / "in" / f"{record.name}.edf")
    >>> release = RecordAnonymizer(NoiseAnonymizer(strength=0.5))
    >>> for outcome in release.anonymize_folder(folder / "in", folder / "out"):
    ...     print(outcome.outcome, outcome.format, outcome.beats > 5)
    done edf True
    done edf True
    """

    def __init__(
        self,
        anonymizer: Any = None,
        *,
        secret: Secret | None = None,
        detector: str = "sleepecg",
        format: str | None = None,
        leads: Sequence[str] | None = None,
        annotator: str | None = "atr",
        sampling_rate: float | None = None,
        units: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        if anonymizer is None:
            from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer

            anonymizer = PseudoIdentityAnonymizer.from_pretrained()
        self.settings = Settings(
            anonymizer,
            secret or Secret(),
            detector,
            format,
            None if leads is None else tuple(leads),
            annotator,
            sampling_rate,
            units,
            limits or Limits(),
        )

    def anonymize_file(self, source: PathLike, target: PathLike) -> Outcome:
        """Anonymize one file.

        Parameters
        ----------
        source : str or path-like
            The recording; for WFDB its header.
        target : str or path-like
            The file to write. Its name becomes the name of the record inside, so choose an
            opaque one.

        Returns
        -------
        outcome : Outcome
            What was done.

        Raises
        ------
        ECGReadError
            If the recording is refused, with a `reason`.
        Refusal
            The same, for reasons that lie in the signal.
        FileExistsError
            If the target is there.
        """
        source, target = Path(source), Path(target)
        if target.exists():
            raise FileExistsError(f"{target} is there already; choose another name.")
        with steady():
            outcome = release_file(self.settings, source, source.parent, target)
        return replace(outcome, output=target.name)

    def anonymize_folder(
        self,
        source: PathLike,
        out: PathLike,
        *,
        resume: bool = False,
        n_jobs: int | None = None,
        key_file: PathLike | None = None,
    ) -> list[Outcome]:
        """Anonymize all recordings of a tree into a folder of opaque names.

        A recording that fails leaves no output and stops no other. What was done stands in
        ``manifest.jsonl`` in the output folder.

        Parameters
        ----------
        source : str or path-like
            A folder, searched to its depth; recordings are told by their content.
        out : str or path-like
            A new or empty folder, neither inside of `source` nor around it.
        resume : bool, default=False
            Go on with a run into the same folder that was cut off; the secret, the method
            and its parameters must be the same.
        n_jobs : int, optional
            Recordings at the same time; workers of joblib's backend.
        key_file : str or path-like, optional
            File to write which recording became which, mode 0600, outside of both folders.

        Returns
        -------
        outcomes : list of Outcome
            One for each recording, by opaque name; those done by an earlier run included.

        Raises
        ------
        ValueError
            If the folders cannot be used so; nothing is written then.
        """
        source, out = Path(source), Path(out)
        key_path = None if key_file is None else Path(key_file)
        check_places(source, out, key_path, resume=resume)
        plan = plan_archive(source, self.settings.secret)
        run = Run(self.settings, plan, out, resume=resume, key_file=key_path)
        for _ in run.outcomes(n_jobs):
            pass
        return [run.manifest.outcomes[name] for name in sorted(run.manifest.outcomes)]


class Run:
    """One plan carried out.

    Parameters
    ----------
    settings : Settings
        How.
    plan : Plan
        What.
    out : Path
        Where to.
    resume : bool
        Whether a part of it is done.
    key_file : Path or None
        Where to write which recording became which.
    """

    def __init__(
        self, settings: Settings, plan: Plan, out: Path, *, resume: bool, key_file: Path | None
    ) -> None:
        self.settings, self.plan, self.out = settings, plan, out
        self.places = {job.name: plan.place(job, settings.format) for job in plan.jobs}
        self.manifest = Manifest(out, head_of(settings))
        self.manifest.begin(resume=resume)
        if key_file is not None:
            write_key(key_file, plan, self.places)
        self.todo = [job for job in plan.jobs if job.name not in self.manifest.outcomes]

    def outcomes(
        self, n_jobs: int | None = None, tell: Tell = lambda size: None
    ) -> Iterator[Outcome]:
        """Yield what became of each recording, as they come.

        Parameters
        ----------
        n_jobs : int, optional
            Recordings at the same time.
        tell : callable
            Is told the bytes of input that are done.
        """
        for job in self.todo:
            (self.out / self.places[job.name]).parent.mkdir(exist_ok=True)
        try:
            for _, outcome in self.plan.refused:
                self.manifest.add(outcome)
                yield outcome
            with steady():
                for outcome in self._all(n_jobs, tell):
                    self.manifest.add(outcome)
                    yield outcome
        finally:
            self.manifest.close()
        self.manifest.finish()

    def _all(self, n_jobs: int | None, tell: Tell) -> Iterator[Outcome]:
        root, out = self.plan.root, self.out.resolve()
        done = 0
        if effective_n_jobs(n_jobs) == 1:
            for job in self.todo:
                share_of = partial(_tell_bytes, tell, done, job.size)
                place = self.places[job.name]
                yield outcome_of(self.settings, root, out, job, place, share_of)
                done += job.size
            return
        tasks = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(
            delayed(_work)(self.settings, root, out, task) for task in self._tasks()
        )
        for size, outcomes in tasks:
            done += size
            tell(done)
            yield from outcomes

    def _tasks(self) -> Iterator[list[tuple[Job, str]]]:
        task: list[tuple[Job, str]] = []
        for job in self.todo:
            task.append((job, self.places[job.name]))
            if len(task) == TASK_FILES or sum(job.size for job, _ in task) >= TASK_BYTES:
                yield task
                task = []
        if task:
            yield task


def _tell_bytes(tell: Tell, done: int, size: int, share: float) -> None:
    tell(done + share * size)


def _work(
    settings: Settings, root: Path, out: Path, jobs: list[tuple[Job, str]]
) -> tuple[int, list[Outcome]]:
    size = sum(job.size for job, _ in jobs)
    with steady():
        return size, [outcome_of(settings, root, out, job, place) for job, place in jobs]


def outcome_of(
    settings: Settings,
    root: Path,
    out: Path,
    job: Job,
    place: str,
    tell: Tell = lambda share: None,
) -> Outcome:
    """Anonymize one recording of a run; whatever goes wrong becomes a reason."""
    try:
        outcome = release_file(settings, root / job.path, root, out / place, tell)
    except Exception as error:
        return Outcome(job.name, "refused", reason=reason_of(error))
    return replace(outcome, output=place)


def head_of(settings: Settings) -> dict[str, Any]:
    """Return what a manifest says of all its recordings."""
    anonymizer = settings.anonymizer
    head = {"method": type(anonymizer).__name__, "strength": float(anonymizer.strength)}
    if hasattr(anonymizer, "contract"):
        head["contract"] = anonymizer.contract
    return {
        "ecganon": __version__,
        **head,
        "model": _model_hash(anonymizer),
        "secret": settings.secret.sign,
        "detector": settings.detector,
        "format": settings.format,
        "leads": settings.leads and list(settings.leads),
        "sampling_rate": settings.sampling_rate,
        "units": settings.units,
    }


def _model_hash(anonymizer: Any) -> str | None:
    """Return the SHA-256 of the weights as a file, or what stands for it without such."""
    if hasattr(anonymizer, "save_weights"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights")
            anonymizer.save_weights(path)
            return hashlib.sha256(path.read_bytes()).hexdigest()
    state = anonymizer.__getstate__()
    own = ("salt_", "history_", "device_", "random_state")
    return joblib.hash({key: value for key, value in state.items() if key not in own})
