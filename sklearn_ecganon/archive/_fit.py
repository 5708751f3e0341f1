"""Train the default anonymizer on the recordings of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sklearn_ecganon.io import ECGReadError, Limits, find_recordings, open_record
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import NotAnECGError, QRSSegmenter

__all__ = ["fit_archive"]

#: Hz; the trained model expects beats at this rate.
MODEL_RATE = 250.0


def fit_archive(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    leads: Sequence[str] | None = None,
    minutes: float = 5.0,
    max_epochs: int = 8,
    limits: Limits | None = None,
) -> tuple[int, dict[str, int]]:
    """Train a `PseudoIdentityAnonymizer` on the recordings of a folder, and save its weights.

    Parameters
    ----------
    source : str or path-like
        A folder, which is searched together with all folders inside it. The recordings of
        one folder count as those of one person, unless they lie in `source` itself.
    target : str or path-like
        File to write. It holds weights and statistics, no recording and no salt.
    leads : sequence of str, optional
        Leads to learn; by default those of the first recording by path. Recordings without
        them are left out.
    minutes : float, default=5.0
        Length of the beginning of each recording that is used, in minutes.
    max_epochs : int, default=8
        Passes over 60,000 beats.
    limits : Limits, optional
        How much one file may ask for, and whether a wrong checksum is an error.

    Returns
    -------
    n_used : int
        Number of recordings that were used.
    left_out : dict of str to int
        Number of recordings that were left out, by reason.

    Raises
    ------
    ValueError
        If the folders do not exist, or if no recording could be used.

    Examples
    --------
    >>> from sklearn_ecganon.archive import fit_archive
    >>> fit_archive("ward", "ward.model")  # doctest: +SKIP
    (412, {'truncated': 2})
    """
    source, target = Path(source), Path(target)
    if not target.absolute().parent.is_dir():
        raise ValueError("the folder of the model file does not exist.")
    if not source.exists():
        raise ValueError("the input does not exist; give a folder.")
    from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer

    contents = find_recordings(source)
    left_out = Counter(reason for _, reason in contents.refused)
    limits = limits or Limits()
    lead_names = None if leads is None else tuple(leads)
    beat_sets: list[BeatSet] = []
    subjects: list[str] = []
    for file in contents.recordings:
        try:
            record = _beginning(contents.root, file.path, lead_names, limits, minutes)
            lead_names = lead_names or record.lead_names
            beats = QRSSegmenter(sampling_rate=MODEL_RATE).fit_transform([record])
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
        folder = PurePosixPath(file.path).parent.as_posix()
        subjects.append(file.path if folder == "." else folder)
    if not beat_sets:
        raise ValueError("none of the recordings could be used for training.")
    model = PseudoIdentityAnonymizer(max_epochs=max_epochs)
    model.fit(BeatSet.concatenate(beat_sets), subjects).save_weights(target)
    return len(beat_sets), dict(left_out)


def _beginning(
    root: Path, path: str, leads: Sequence[str] | None, limits: Limits, minutes: float
) -> ECGRecord:
    with open_record(root / path, root=root, limits=limits, leads=leads) as reader:
        stop = min(reader.n_times, round(60 * minutes * reader.sampling_rate))
        return ECGRecord(reader.read(0, stop), reader.sampling_rate, reader.lead_names)
