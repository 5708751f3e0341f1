"""Train the default anonymizer on the recordings of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sklearn_ecganon.archive._subjects import Subjects
from sklearn_ecganon.io import ECGReadError, Limits, find_recordings, open_record
from sklearn_ecganon.privacy import check_budget
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import NotAnECGError, QRSSegmenter

__all__ = ["FitResult", "fit_archive"]

#: Fewest people that a model may be trained on. From 100 on there is no warning.
FEWEST_SUBJECTS = 20
#: Hz; the trained model expects beats at this rate.
MODEL_RATE, WINDOW_MS = 250.0, 1400.0


class FitResult(NamedTuple):
    """What a model was trained on.

    Attributes
    ----------
    n_records : int
        Number of recordings that were used.
    n_subjects : int
        Number of people they are of.
    left_out : dict of str to int
        Number of recordings that were left out, by reason.
    """

    n_records: int
    n_subjects: int
    left_out: dict[str, int]


def fit_archive(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    leads: Sequence[str] | None = None,
    minutes: float = 5.0,
    limits: Limits | None = None,
    subjects: Subjects | None = None,
    epsilon: float | None = None,
    delta: float = 1e-5,
    on_progress: Callable[[int, int], object] = lambda n_done, n_files: None,
) -> FitResult:
    """Train a `PseudoIdentityAnonymizer` on the recordings of a folder, and save its weights.

    Parameters
    ----------
    source : str or path-like
        A folder, which is searched together with all folders inside it.
    target : str or path-like
        File to write. It holds weights and statistics, no recording and no salt.
    leads : sequence of str, optional
        Leads to learn; by default those of the first recording by path. Recordings without
        them are left out.
    minutes : float, default=5.0
        Length of the beginning of each recording that is used, in minutes.
    limits : Limits, optional
        How much one file may ask for, and whether a wrong checksum is an error.
    subjects : Subjects, optional
        Who is who; by default the recordings of one folder are those of one person, unless
        they lie in `source` itself.
    epsilon, delta : float, optional
        Adapt the shipped population with differential privacy of each person, instead of
        learning a population from nothing. Then any number of people is accepted.
    on_progress : callable, optional
        Called with the number of recordings that have been read, and the number of all.

    Returns
    -------
    result : FitResult
        How many recordings of how many people were used.

    Raises
    ------
    ValueError
        If the folders do not exist, if the person of a recording is not known, or if fewer
        than `FEWEST_SUBJECTS` (20) people could be used without `epsilon`: a model of a few
        people draws those people again. If `epsilon` or `delta` is out of its range.

    Warns
    -----
    FewSubjectsWarning
        If fewer than 100 people could be used.

    Examples
    --------
    >>> from sklearn_ecganon.archive import fit_archive
    >>> fit_archive("ward", "ward.model")  # doctest: +SKIP
    FitResult(n_records=412, n_subjects=388, left_out={'truncated': 2})
    """
    source, target = Path(source), Path(target)
    if not target.absolute().parent.is_dir():
        raise ValueError("the folder of the model file does not exist.")
    if not source.exists():
        raise ValueError("the input does not exist; give a folder.")
    from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer

    if epsilon is not None:
        check_budget(epsilon, delta)
    fewest = FEWEST_SUBJECTS if epsilon is None else 1
    contents = find_recordings(source)
    left_out = Counter(reason for _, reason in contents.refused)
    limits = limits or Limits()
    lead_names = None if leads is None else tuple(leads)
    beat_sets: list[BeatSet] = []
    used_persons: list[str] = []
    files = contents.recordings
    persons = (subjects or Subjects()).of([file.path for file in files])
    n_persons = len(set(persons))
    if n_persons < fewest:
        raise _too_few(n_persons)
    for n_read, (file, person) in enumerate(zip(files, persons, strict=True)):
        on_progress(n_read, len(files))
        try:
            record = _beginning(contents.root, file.path, lead_names, limits, minutes)
            lead_names = lead_names or record.lead_names
            beats = QRSSegmenter(window=WINDOW_MS, sampling_rate=MODEL_RATE).fit_transform(
                [record]
            )
        except ECGReadError as error:
            left_out[error.reason] += 1
            continue
        except NotAnECGError:
            left_out["not_an_ecg"] += 1
            continue
        except ValueError:
            left_out["no_beats"] += 1
            continue
        assert isinstance(beats, BeatSet)
        beat_sets.append(beats)
        used_persons.append(person)
    on_progress(len(files), len(files))
    n_persons = len(set(used_persons))
    if n_persons < fewest:
        raise _too_few(n_persons)
    model = PseudoIdentityAnonymizer(
        weights=None if epsilon is None else "pretrained", epsilon=epsilon, delta=delta
    )
    model.fit(BeatSet.concatenate(beat_sets), used_persons).save_weights(target)
    return FitResult(len(beat_sets), n_persons, dict(left_out))


def _too_few(n_subjects: int) -> ValueError:
    return ValueError(
        f"there are usable recordings of {n_subjects} people; training needs "
        f"{FEWEST_SUBJECTS} or more, as a model of a few people draws these people again. "
        "If the folders are not people, say who is who. With epsilon=4 a model of few people "
        "does not betray them, and learns little."
    )


def _beginning(
    root: Path, path: str, leads: Sequence[str] | None, limits: Limits, minutes: float
) -> ECGRecord:
    with open_record(root / path, root=root, limits=limits, leads=leads) as reader:
        stop = min(reader.n_times, round(60 * minutes * reader.sampling_rate))
        return ECGRecord(reader.read(0, stop), reader.sampling_rate, reader.lead_names)
