"""Which recordings the attacker holds, and which he must name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.records import BeatSet


def session_labels(X: Any, sessions: ArrayLike | None) -> NDArray | None:
    """Return each sample's session: the given ones, or those the records carry."""
    if sessions is not None:
        return np.asarray(sessions)
    if is_records(X) and all(record.session is not None for record in X):
        return np.array([record.session for record in X])
    return None


def first_session(y: NDArray, sessions: NDArray) -> NDArray[np.bool_]:
    """Tell for each sample whether it is of its subject's first session."""
    first = np.zeros(len(y), dtype=bool)
    for subject in np.unique(y):
        own = y == subject
        first[own] = sessions[own] == np.sort(sessions[own])[0]
    return first


def gallery_probe_split(
    X: Any, y: NDArray, split: str, sessions: NDArray | None
) -> tuple[Any, NDArray, NDArray[np.bool_], str]:
    """Tell gallery from probes, sample by sample.

    Parameters
    ----------
    X : list of ECGRecord, BeatSet or ndarray
        Samples; those of one subject in order of time.
    y : ndarray of shape (n_samples,)
        Subjects.
    split : {"auto", "session", "time"}
        `session`: the first session of a subject is gallery, the later ones probes.
        `time`: the earlier half of a subject's samples; a single record is cut in two.
        `auto`: by session where any subject has two, by time otherwise.
    sessions : ndarray of shape (n_samples,) or None
        Session of each sample.

    Returns
    -------
    X, y : same as given
        With single records cut in two, if need be.
    in_gallery : ndarray of bool of shape (n_samples,)
        The rest are probes.
    split : str
        The split that was made.
    """
    if split == "auto":
        several = sessions is not None and not first_session(y, sessions).all()
        split = "session" if several else "time"
    if split == "session":
        if sessions is None:
            raise ValueError(
                "split='session' needs to know the sessions: give the records a session, or "
                "pass sessions=."
            )
        in_gallery = first_session(y, sessions)
        if in_gallery.all():
            raise ValueError(
                "no subject has a second session, so there is nothing to name; use "
                "split='time', or give records of more sessions."
            )
        return X, y, in_gallery, split
    subjects, counts = np.unique(y, return_counts=True)
    alone = np.isin(y, subjects[counts < 2])
    if alone.any():
        X, y = _cut_in_two(X, y, alone)
    in_gallery = np.zeros(len(y), dtype=bool)
    for subject in subjects:
        own = np.flatnonzero(y == subject)
        in_gallery[own[: len(own) // 2]] = True
    return X, y, in_gallery, split


def _cut_in_two(X: Any, y: NDArray, alone: NDArray[np.bool_]) -> tuple[list, NDArray]:
    if not is_records(X):
        kind = "records of a BeatSet" if isinstance(X, BeatSet) else "rows"
        raise ValueError(
            f"{alone.sum()} subject(s) have one recording only, for example "
            f"'{y[alone][0]}'; {kind} cannot be cut in two: give at least two a subject, or "
            "hand in ECGRecord."
        )
    cut, subjects = [], []
    for record, subject, single in zip(X, y, alone, strict=True):
        middle = record.n_times // 2
        parts = [record]
        if single:
            parts = [record.crop(0, middle), record.crop(middle, record.n_times)]
        cut += parts
        subjects += [subject] * len(parts)
    return cut, np.array(subjects)
