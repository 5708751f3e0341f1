"""Splits of recordings: gallery and probes, first and later sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.records import BeatSet, ECGRecord


def session_labels(X: Any, sessions: ArrayLike | None = None) -> NDArray | None:
    """Return the session of each sample, or None if the sessions are not known.

    Parameters
    ----------
    X : list of ECGRecord, BeatSet or array-like
        Samples. Only records can carry a session.
    sessions : array-like of shape (n_samples,), optional
        The sessions, if the caller knows them. They take precedence over those of the records.

    Returns
    -------
    labels : ndarray of shape (n_samples,) or None
        None if `sessions` is None and at least one sample has no session.
    """
    if sessions is not None:
        return np.asarray(sessions)
    if is_records(X) and all(record.session is not None for record in X):
        return np.array([record.session for record in X])
    return None


def first_sessions(y: NDArray, sessions: NDArray) -> NDArray[np.bool_]:
    """Return for each sample whether it belongs to the first session of its subject."""
    is_first = np.zeros(len(y), dtype=bool)
    for subject in np.unique(y):
        of_subject = y == subject
        is_first[of_subject] = sessions[of_subject] == np.sort(sessions[of_subject])[0]
    return is_first


def gallery_probe_split(
    X: Any, y: NDArray, split: str = "auto", sessions: NDArray | None = None
) -> tuple[Any, NDArray, NDArray[np.bool_], str]:
    """Divide the samples of each subject into gallery and probes.

    Parameters
    ----------
    X : list of ECGRecord, BeatSet or ndarray
        Samples. Those of one subject are in order of time.
    y : ndarray of shape (n_samples,)
        Subject of each sample.
    split : {"auto", "session", "time"}, default="auto"
        ``"session"``: the first session of each subject is gallery, the later ones are
        probes. ``"time"``: the earlier half of the samples of each subject is gallery; a
        single record is cut in two. ``"auto"``: by session if any subject has two sessions,
        otherwise by time.
    sessions : ndarray of shape (n_samples,), optional
        Session of each sample. ``split="session"`` needs it.

    Returns
    -------
    X, y : same types as given
        The samples and their subjects, after single records were cut in two.
    in_gallery : ndarray of bool of shape (n_samples,)
        True for gallery, False for probes.
    split : {"session", "time"}
        The split that was used.

    Raises
    ------
    ValueError
        If the sessions are needed but not known, if no subject has a second session, or if
        a subject has a single sample that cannot be cut.
    """
    if split == "auto":
        has_later = sessions is not None and not first_sessions(y, sessions).all()
        split = "session" if has_later else "time"
    if split == "session":
        if sessions is None:
            raise ValueError(
                "split='session' needs to know the sessions: give the records a session, or "
                "pass sessions=."
            )
        in_gallery = first_sessions(y, sessions)
        if in_gallery.all():
            raise ValueError(
                "no subject has a second session, so there is nothing to identify; use "
                "split='time', or give records of more sessions."
            )
        return X, y, in_gallery, split
    subjects, counts = np.unique(y, return_counts=True)
    is_single = np.isin(y, subjects[counts < 2])
    if is_single.any():
        X, y = _cut_in_two(X, y, is_single)
    in_gallery = np.zeros(len(y), dtype=bool)
    for subject in subjects:
        of_subject = np.flatnonzero(y == subject)
        in_gallery[of_subject[: len(of_subject) // 2]] = True
    return X, y, in_gallery, split


def _cut_in_two(
    X: Any, y: NDArray, is_single: NDArray[np.bool_]
) -> tuple[list[ECGRecord], NDArray]:
    """Cut the records of subjects that have one record only at their middle."""
    if not is_records(X):
        samples = "records of a BeatSet" if isinstance(X, BeatSet) else "rows"
        raise ValueError(
            f"{is_single.sum()} subject(s) have one recording only, for example "
            f"'{y[is_single][0]}'; {samples} cannot be cut in two: give at least two for "
            "each subject, or give ECGRecord."
        )
    halves, subjects = [], []
    for record, subject, single in zip(X, y, is_single, strict=True):
        middle = record.n_times // 2
        pieces = [record]
        if single:
            pieces = [record.crop(0, middle), record.crop(middle, record.n_times)]
        halves += pieces
        subjects += [subject] * len(pieces)
    return halves, np.array(subjects)


class SessionSplit(BaseCrossValidator):
    """Train on the first session of each subject, test on the later ones.

    A subject with a single session is in the training set only. There is one split.

    Sessions are the `groups`, or those of the records. They are compared as text:
    ``"2004-12-07"`` comes before ``"2005-01-11"``.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.model_selection import SessionSplit
    >>> bunch = make_ecg_records(n_subjects=2, n_sessions=2, duration=5.0, random_state=0)
    >>> [(train, test)] = SessionSplit().split(bunch.data, bunch.subject)
    >>> set(bunch.session[train]) & set(bunch.session[test])
    set()
    """

    __metadata_request__split = {"groups": True}

    def split(
        self, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the indices of the training and the test samples.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet or array-like
            Samples.
        y : array-like of shape (n_samples,)
            Subjects.
        groups : array-like of shape (n_samples,), optional
            Sessions. Required unless X is a list of records with sessions.

        Yields
        ------
        train, test : ndarray of int
            Positions of the first-session samples and of the later ones.
        """
        sessions = session_labels(X, groups)
        if sessions is None:
            raise ValueError(
                "SessionSplit needs sessions: pass groups=, or records with a session."
            )
        is_first = first_sessions(np.asarray(y), sessions)
        if is_first.all():
            raise ValueError(
                "no subject has a second session; cut recordings in time with "
                "datasets.time_split."
            )
        yield np.flatnonzero(is_first), np.flatnonzero(~is_first)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1.

        Parameters
        ----------
        X, y, groups : object
            Ignored. They exist for compatibility with scikit-learn.

        Returns
        -------
        n_splits : int
            Always 1.
        """
        return 1
