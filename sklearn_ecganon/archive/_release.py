"""Anonymize one file, a stretch at a time."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon.archive._marks import joined, moved_rhythms, rhythms_of
from sklearn_ecganon.archive._outcome import Outcome, Refusal
from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.archive._stitcher import Stitcher
from sklearn_ecganon.archive._stretches import Stretch, stretches_of
from sklearn_ecganon.core import Pseudonym
from sklearn_ecganon.io import (
    FORMATS,
    Annotations,
    ECGReadError,
    Layout,
    Limits,
    RecordReader,
    RecordWriter,
    create_record,
    open_record,
)
from sklearn_ecganon.records import BeatSet

# Number of stretches of one recording that are anonymized at the same time.
N_THREADS = 2

T = TypeVar("T")
Write = Callable[[NDArray[np.float64]], None]
Tell = Callable[[float], None]


@dataclass(frozen=True)
class Settings:
    """The parameters of a run, and of one recording its person."""

    anonymizer: Any
    secret: Secret
    detector: str = "sleepecg"
    format: str | None = None
    leads: tuple[str, ...] | None = None
    annotator: str | None = "atr"
    sampling_rate: float | None = None
    units: str | None = None
    limits: Limits = field(default_factory=Limits)
    subject: str = ""

    @property
    def per_subject(self) -> bool:
        """Whether all recordings of one person get the same pseudo-identity."""
        return callable(getattr(self.anonymizer, "identity", None))


@contextmanager
def deterministic() -> Iterator[None]:
    """Limit torch to one thread, also while several threads of this module use it.

    Its sums are then the same to the last bit, whatever else runs.
    """
    from sklearn_ecganon.training import single_thread

    with single_thread():
        yield


def release_file(
    settings: Settings,
    source: Path,
    root: Path,
    target: Path,
    tell: Tell = lambda fraction: None,
    subject: str = "",
) -> Outcome:
    """Anonymize one file.

    Parameters
    ----------
    settings : Settings
        The parameters of the run.
    source, root : Path
        The file, and the folder in which all its files must lie.
    target : Path
        The file to write; an existing one is replaced.
    tell : callable
        Called with the fraction that is done, from 0 to 1.
    subject : str
        Opaque key of the person. Only an anonymizer whose `identity` is a function of the
        name of a record uses it, as that name.

    Returns
    -------
    outcome : Outcome
        Without `output`, which the caller knows.

    Raises
    ------
    ECGReadError, Refusal
        If the recording is refused.
    """
    opened = partial(open_with, settings, source, root)
    settings = replace(settings, subject=subject)
    digest = settings.secret.hasher()
    with opened() as reader:
        release_format = FORMATS[reader.layout.format].release_format
        layout = reader.layout.in_format(settings.format or release_format)
        n_records = reader.n_records
        if n_records == 1:
            notes, n_beats = _release_one(settings, reader, layout, target, digest, tell)
    if n_records > 1:
        layout = replace(layout, n_records=n_records)
        readers = (opened(index) for index in range(n_records))
        notes, n_beats = _release_many(settings, readers, layout, target, digest, tell)
    return Outcome(
        target.stem,
        "done",
        input=digest.hexdigest(),
        format=layout.format,
        leads=layout.lead_names,
        sampling_rate=layout.sampling_rate,
        n_times=layout.n_times,
        n_records=n_records,
        beats=n_beats,
        warnings=tuple(sorted(notes)),
    )


def open_with(settings: Settings, source: Path, root: Path, index: int = 0) -> RecordReader:
    """Open one recording of a file as the settings say.

    Parameters
    ----------
    settings : Settings
        The parameters of the run.
    source, root : Path
        The file, and the folder in which all its files must lie.
    index : int
        Position of the recording in the file.
    """
    return open_record(
        source,
        root=root,
        limits=settings.limits,
        leads=settings.leads,
        annotator=settings.annotator,
        sampling_rate=settings.sampling_rate,
        units=settings.units,
        index=index,
    )


def _release_one(
    settings: Settings,
    reader: RecordReader,
    layout: Layout,
    target: Path,
    digest: Any,
    tell: Tell,
) -> tuple[set[str], int]:
    notes = set(reader.warnings)
    annotations: Annotations | None = None

    def stream(write: Write) -> int:
        nonlocal annotations
        annotations, n_beats = _stream(settings, reader, write, digest, notes, tell)
        if annotations is not None:
            annotations.check(layout.n_times)
        return n_beats

    if FORMATS[layout.format].annotations_first and reader.annotations is not None:
        # The positions of the annotations are known only after the last sample.
        with TemporaryFile(dir=target.parent) as spool:
            n_beats = stream(lambda chunk: np.ascontiguousarray(chunk).tofile(spool))
            with _begin(target, layout, annotations) as writer:
                for chunk in _chunks(spool, layout.n_leads):
                    writer.write(chunk)
    else:
        with _begin(target, layout, None) as writer:
            n_beats = stream(writer.write)
            writer.annotations = annotations
    if writer.n_clipped:
        notes.add("clipped")
    return notes, n_beats


def _release_many(
    settings: Settings,
    readers: Any,
    layout: Layout,
    target: Path,
    digest: Any,
    tell: Tell,
) -> tuple[set[str], int]:
    """Release all recordings of one file; a recording that is refused becomes a gap."""
    notes: set[str] = set()
    n_beats = 0
    with _begin(target, layout, None) as writer:
        for number, reader in enumerate(readers):
            with reader:
                chunks: list[NDArray[np.float64]] = []
                notes_of_one: set[str] = set()
                try:
                    _, n_beats_of_one = _stream(
                        settings,
                        reader,
                        chunks.append,
                        digest,
                        notes_of_one,
                        lambda fraction: None,
                    )
                    n_beats += n_beats_of_one
                except Refusal as refusal:
                    notes_of_one = {f"emptied_{refusal.reason}"}
                    chunks = [np.full((layout.n_times, layout.n_leads), np.nan)]
            notes |= notes_of_one
            for chunk in chunks:
                writer.write(chunk)
            tell((number + 1) / layout.n_records)
    if writer.n_clipped:
        notes.add("clipped")
    return notes, n_beats


def _begin(target: Path, layout: Layout, annotations: Annotations | None) -> RecordWriter:
    try:
        return create_record(target, layout, annotations, overwrite=True)
    except ECGReadError:
        raise
    except ValueError:
        raise Refusal("unfit_format") from None


def _chunks(spool: Any, n_leads: int, n_times: int = 2**18) -> Iterator[NDArray[np.float64]]:
    spool.seek(0)
    while len(values := np.fromfile(spool, np.float64, n_times * n_leads)):
        yield values.reshape(-1, n_leads)


def _stream(
    settings: Settings,
    reader: RecordReader,
    write: Write,
    digest: Any,
    notes: set[str],
    tell: Tell,
) -> tuple[Annotations | None, int]:
    """Write the samples of one recording; return its marks and how many beats it has."""
    if settings.anonymizer.strength == 0:
        return _copy(reader, write, digest, tell)
    pseudonym: Pseudonym | None = None
    stitcher: Stitcher | None = None
    old = reader.annotations
    # A rhythm that k people share is drawn, and the original one must not appear.
    shared = getattr(settings.anonymizer, "k", 1) > 1
    rhythms = None if old is None or shared else rhythms_of(old)
    # Rows that grow, not lists of short arrays: these would lie among the large ones that
    # come and go, and hold their room.
    peaks, labels = array("q"), bytearray()
    begun: list[Annotations] = []
    moved, is_ecg = False, False

    def tasks() -> Iterator[Callable[[], tuple[Stretch, BeatSet]]]:
        nonlocal pseudonym
        for stretch in stretches_of(reader, settings.detector):
            for lead in stretch.signal.T:
                digest.update(np.ascontiguousarray(lead))
            if pseudonym is None and len(stretch.beats.beats):
                first = stretch.beats
                if settings.per_subject and settings.subject:
                    first = replace(first, names=(settings.subject,))
                pseudonym = pseudonym_of(settings.anonymizer, settings.secret, first)
            yield partial(_released, pseudonym, stretch)

    for stretch, released in in_order(tasks(), N_THREADS):
        if not len(stretch.beats.beats):
            notes.add("beatless_stretch")
        notes |= stretch.notes
        is_ecg |= stretch.is_ecg
        if stitcher is None:
            stitcher = Stitcher(released)
        write(stitcher.add(stretch, released, last=stretch.stop == reader.n_times))
        peaks.frombytes((released.r_peaks + stretch.start).astype(np.int64).tobytes())
        n_beats = len(released.r_peaks)
        known = released.labels
        labels += b"Q" * n_beats if known is None else known.astype("S1").tobytes()
        if rhythms is not None:
            begun.append(moved_rhythms(rhythms, stretch, released))
        moved |= not np.array_equal(released.r_peaks, stretch.beats.r_peaks)
        tell(stretch.stop / reader.n_times)
    if pseudonym is None:
        raise Refusal("no_beats" if is_ecg else "not_an_ecg")
    if old is None or not moved:
        return old, len(peaks)
    beats = Annotations(
        np.frombuffer(peaks, np.int64), np.frombuffer(labels, "S1").astype("U1")
    )
    return joined(beats, begun), len(peaks)


def _copy(
    reader: RecordReader, write: Write, digest: Any, tell: Tell
) -> tuple[Annotations | None, int]:
    """Write the samples as they are: strength 0 changes nothing, and needs no beats."""
    n_read = 0
    for chunk in reader.chunks():
        for lead in chunk.T:
            digest.update(np.ascontiguousarray(lead))
        write(chunk)
        n_read += len(chunk)
        tell(n_read / reader.n_times)
    old = reader.annotations
    return old, 0 if old is None else len(old.r_peaks)


def _released(pseudonym: Pseudonym | None, stretch: Stretch) -> tuple[Stretch, BeatSet]:
    if pseudonym is None:  # no stretch has had beats yet
        return stretch, stretch.beats
    try:
        released = pseudonym.release(stretch.beats)
    except ValueError:
        raise Refusal("unfit_model") from None
    if len(stretch.beats.beats) and not len(released.beats):
        raise Refusal("suppressed")
    return stretch, released


def pseudonym_of(anonymizer: Any, secret: Secret, first: BeatSet) -> Pseudonym:
    """Return the pseudo-identity of one recording.

    It is keyed by the secret and the beats of the first stretch, so that the same recording
    gets the same one again, whatever it is called.

    Parameters
    ----------
    anonymizer : estimator
        One that is not fitted is fitted to `first`.
    secret : Secret
        Source of the salt.
    first : BeatSet
        First stretch of the recording that has beats.

    Raises
    ------
    Refusal
        If the anonymizer does not take such beats.
    """
    try:
        check_is_fitted(anonymizer)
    except NotFittedError:
        anonymizer = clone(anonymizer).fit(first)
    try:
        return anonymizer.pseudonym(first, secret.salt.tobytes())
    except ValueError:
        raise Refusal("unfit_model") from None


def in_order(tasks: Iterable[Callable[[], T]], n_threads: int) -> Iterator[T]:
    """Yield the results of tasks in their order, while the next ones run in threads."""
    running: deque[Future[T]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for task in tasks:
            running.append(pool.submit(task))
            if len(running) >= n_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
