"""Anonymize recordings in files: a single one, or all of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sklearn_ecganon.archive._cluster import connected
from sklearn_ecganon.archive._metadata import Metadata
from sklearn_ecganon.archive._methods import make_anonymizer
from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._plan import check_places, plan_archive
from sklearn_ecganon.archive._profiles import with_shared_profiles
from sklearn_ecganon.archive._release import Settings, deterministic, release_file
from sklearn_ecganon.archive._run import Progress, Run, check_n_jobs
from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.archive._subjects import Subjects
from sklearn_ecganon.archive._table import ReleaseTable
from sklearn_ecganon.io import Limits

__all__ = ["RecordAnonymizer"]

PathLike = str | os.PathLike[str]


class RecordAnonymizer:
    """Anonymize recordings in files: waveform, annotations, header and name.

    Each recording is read, anonymized and written in chunks of at most 30 minutes, so that
    memory does not grow with its length. The borders of the chunks lie between beats, and
    all chunks share one pseudo-identity. The result depends on the input, the anonymizer
    and the secret only: not on the number of workers, and not on whether a run was cut off
    and resumed.

    Parameters
    ----------
    anonymizer : estimator or callable, optional
        Takes and returns a BeatSet. By default the pretrained `PseudoIdentityAnonymizer`
        at strength 1. An estimator that is not fitted is fitted to the first chunk of each
        recording, which is enough for methods that learn from no other person. Its salt is
        derived from the secret. A callable without parameters, such as
        ``partial(make_anonymizer, "noise")``, is called to get the estimator once the
        input folder has been searched, so that a wrong folder is reported without delay.
    secret : Secret, optional
        A new one by default, which is lost with this object.
    detector : str, default="sleepecg"
        Method that finds the beats, as in `QRSSegmenter`. Their classes come from the
        annotations of the recording, if at least half of the beats of a chunk have one.
    format : str, optional
        Format to write, for example ``"wfdb"``; by default that of the input.
    leads : sequence of str, optional
        Leads to keep, in this order; by default all.
    annotator : str or None, default="atr"
        Extension of WFDB annotation files.
    sampling_rate : float, optional
        In Hz, for recordings that do not state theirs (tables, MATLAB files).
    units : {"V", "mV", "uV", "nV"}, optional
        For recordings that do not state theirs (tables, MATLAB files); by default mV.
    limits : Limits, optional
        How much one file may ask for.

    Attributes
    ----------
    settings : Settings
        The estimator, the secret and the other parameters.

    See Also
    --------
    fit_archive : Trains the default method on an archive of your own.
    audit_folders : Measures what a release gives away.

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
        self._anonymizer = make_anonymizer if anonymizer is None else anonymizer
        self._secret = secret or Secret()
        self._detector = detector
        self._format = format
        self._leads = None if leads is None else tuple(leads)
        self._annotator = annotator
        self._sampling_rate = sampling_rate
        self._units = units
        self._limits = limits or Limits()

    @cached_property
    def settings(self) -> Settings:
        """The estimator, the secret and the other parameters."""
        is_maker = callable(self._anonymizer)
        return Settings(
            self._anonymizer() if is_maker else self._anonymizer,
            self._secret,
            self._detector,
            self._format,
            self._leads,
            self._annotator,
            self._sampling_rate,
            self._units,
            self._limits,
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
            What was written.

        Raises
        ------
        ECGReadError
            If the recording is refused, with a `reason`.
        Refusal
            If the recording is refused because of its signal, with a `reason`.
        FileExistsError
            If the target exists.
        """
        source, target = Path(source), Path(target)
        if target.exists():
            raise FileExistsError(f"{target} exists already; choose another name.")
        with deterministic():
            outcome = release_file(self.settings, source, source.parent, target)
        return replace(outcome, output=target.name)

    def anonymize_folder(
        self,
        source: PathLike,
        out: PathLike,
        *,
        resume: bool = False,
        dry_run: bool = False,
        n_jobs: int | None = None,
        scheduler: str | None = None,
        seed_file: PathLike | None = None,
        key_file: PathLike | None = None,
        subjects: Subjects | None = None,
        metadata: Metadata | None = None,
        shift_dates: bool = False,
        on_progress: Callable[[Progress], object] = lambda progress: None,
    ) -> list[Outcome]:
        """Anonymize all recordings of a folder into another folder, under opaque names.

        A recording that fails leaves no output and does not stop the others. The file
        ``manifest.jsonl`` in the output folder lists what was done. An anonymizer with
        ``k > 1`` needs a first pass over all recordings, in which their profiles are
        measured.

        Parameters
        ----------
        source : str or path-like
            A folder, which is searched together with all folders inside it, or a single
            recording. Recordings are recognized by their content.
        out : str or path-like
            A new or empty folder, neither inside `source` nor around it.
        resume : bool, default=False
            Continue a run into the same folder that was cut off. The secret, the method
            and its parameters must be the same.
        dry_run : bool, default=False
            Search the input and report it to `on_progress`, but write nothing.
        n_jobs : int, optional
            Number of recordings at the same time: workers of joblib's backend.
        scheduler : str, optional
            Address of a Dask scheduler, for example ``"tcp://host:8786"``. Its workers
            must see both folders under the same paths.
        seed_file : str or path-like, optional
            File of the secret, mode 0600, outside of both folders. If it exists, its
            secret replaces that of this object; else that of this object is written to it.
            A folder that does not exist is created with mode 0700.
        key_file : str or path-like, optional
            File to write which recording became which, mode 0600, outside of both folders.
            `audit_folders` reads it.
        subjects : Subjects, optional
            Who is who; by default the recordings of a folder are those of one person. The
            key file then has a column for the person. An anonymizer whose `identity` is a
            function gets an opaque key of the person as the name of each record, so that
            ``identity=str`` gives every person one pseudo-identity. Whoever recognizes one
            recording of a person then has recognized all of them.
        metadata : Metadata, optional
            Columns that ``metadata.csv`` in the output folder gets, after a check for direct
            identifiers. A value that only one person has is left out.
        shift_dates : bool, default=False
            Give ``metadata.csv`` a column of the dates of acquisition, moved by a secret
            number of days for each person. The time between two recordings of one person
            stays, which links them. Headers hold no date in any case.
        on_progress : callable, optional
            Called with a `Progress`: after the search, in the first of two passes, at the
            begin of the run, while it goes on, and with the outcome of each recording.

        Returns
        -------
        outcomes : list of Outcome
            One for each recording, sorted by opaque name, including those done by an
            earlier run. Empty after a dry run.

        Raises
        ------
        ValueError
            If the folders cannot be used, if there is no recording, if the person of a
            recording is not known, if a column of `metadata` identifies people, or if a
            parameter is wrong. Nothing has been written then.
        ImportError
            If a library that a format needs is not installed.
        """
        check_n_jobs(n_jobs, scheduler)
        source, out = Path(source), Path(out)
        seed_path = None if seed_file is None else Path(seed_file)
        key_path = None if key_file is None else Path(key_file)
        check_places(source, out, seed_path, key_path, resume=resume)
        secret = self._secret
        is_new = seed_path is not None and not seed_path.exists()
        if seed_path is not None and not is_new:
            secret = Secret.from_file(seed_path)
        elif resume and is_new:
            raise ValueError(
                "the seed file does not exist; give the one of the run that was cut off."
            )
        plan = plan_archive(source, secret, subjects)
        table = ReleaseTable(metadata, shift_dates=shift_dates)
        on_progress(Progress(plan, notes=table.check(plan)))
        if not plan.jobs and not plan.refused:
            raise ValueError("the input folder holds no recording.")
        plan.check_libraries(self._format)
        if dry_run:
            return []
        with connected(scheduler):
            settings = with_shared_profiles(
                replace(self.settings, secret=secret),
                plan,
                lambda n, n_bytes: on_progress(Progress(plan, n_bytes=n_bytes, n_measured=n)),
            )
            if seed_path is not None and is_new:
                secret.save(seed_path)  # only now, when no parameter can be wrong any more
            run = Run(
                settings,
                plan,
                out,
                resume=resume,
                key_file=key_path,
                name_subjects=subjects is not None,
                table=table,
                on_progress=on_progress,
            )
            run.carry_out(-1 if scheduler and not n_jobs else n_jobs)
        return [run.manifest.outcomes[name] for name in sorted(run.manifest.outcomes)]
