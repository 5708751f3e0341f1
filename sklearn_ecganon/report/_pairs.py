"""Before and after, made comparable: the same records, leads, rate and cuts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ecganon._validation import check_records, is_records
from sklearn_ecganon.attacks._split import gallery_probe_split, session_labels
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import QRSSegmenter


@dataclass(frozen=True, eq=False)
class Pairs:
    """Originals and their releases, sample by sample.

    Parameters
    ----------
    before, after : BeatSet or ndarray
        The same records in the same order.
    subjects : ndarray of shape (n_samples,)
        Subject of each.
    in_gallery : ndarray of bool of shape (n_samples,)
        What the attacker holds identified; the rest he must name.
    split : str
        How the two were told apart.
    strips : tuple of (ECGRecord, ECGRecord)
        A few originals and their releases, to be looked at.
    omitted : dict of str to str
        Why records were left out, by name.
    leads : list of str or int
        Leads compared.
    cut : bool
        Whether single releases were cut, so that one is on both sides.
    """

    before: Any
    after: Any
    subjects: NDArray
    in_gallery: NDArray[np.bool_]
    split: str
    strips: tuple[tuple[ECGRecord, ECGRecord], ...]
    omitted: dict[str, str]
    leads: list[str] | list[int]
    cut: bool = False


def make_pairs(
    before: Any,
    after: Any,
    subjects: ArrayLike | None,
    sessions: ArrayLike | None,
    n_strips: int,
) -> Pairs:
    """Return what an audit compares."""
    of_records = is_records(before)
    if of_records != is_records(after) or isinstance(before, BeatSet) != isinstance(
        after, BeatSet
    ):
        raise ValueError(
            "before and after are of different kinds; give two lists of ECGRecord, two "
            "BeatSets or two arrays of beats."
        )
    omitted: dict[str, str] = {}
    kept = np.arange(len(before))
    if of_records or isinstance(before, BeatSet):
        kept, partner, omitted = _matched(before, after)
        # what describes each sample of `before` is narrowed down with it
        subjects, sessions = (
            None if given is None else _rows(given, len(before), kept, what)
            for given, what in ((subjects, "subjects"), (sessions, "sessions"))
        )
        before = _take(before, kept)
        after = _named(_take(after, partner), _names(before))
    elif len(before) != len(after):
        raise ValueError(
            f"before has {len(before)} rows and after {len(after)}; give the same beats in "
            "the same order."
        )
    if subjects is None:
        subjects = _own_subjects(before)
    y = np.asarray(column_or_1d(subjects))
    check_consistent_length(before, y)
    known = session_labels(before, sessions)
    if not of_records:
        _, y, in_gallery, split = gallery_probe_split(before, y, "auto", known)
        return Pairs(before, after, y, in_gallery, split, (), omitted, [])
    old, labels, in_gallery, split = gallery_probe_split(before, y, "auto", known)
    new, *_ = gallery_probe_split(after, y, "auto", known)
    leads = _common_leads([*old, *new])
    rate = min(record.sampling_rate for record in (*old, *new))
    cut = []
    for records in (old, new):
        annotated = all(record.r_peaks is not None for record in records)
        segmenter = QRSSegmenter(
            "annotated" if annotated else "sleepecg", leads=leads, sampling_rate=rate
        )
        cut.append([_beats_or_reason(segmenter, record) for record in records])
    usable = np.ones(len(old), dtype=bool)
    for i, pair in enumerate(zip(*cut, strict=True)):
        reasons = [part for part in pair if isinstance(part, str)]
        if reasons:
            usable[i] = False
            omitted[old[i].name] = reasons[0]
    held = np.isin(labels, labels[usable & in_gallery])
    for alone in np.flatnonzero(usable & ~held):
        usable[alone] = False
        omitted[old[alone].name] = "its subject has no other usable recording to be known by"
    named = set(labels[usable & ~in_gallery])
    if len(named) < 2:
        raise ValueError(
            f"{len(named)} subject(s) have a recording to be known by and one to be named; an "
            f"audit takes two or more. {_told(omitted)}"
        )
    chosen = np.flatnonzero(usable)
    sides = [
        BeatSet.concatenate([part for i in chosen if isinstance(part := side[i], BeatSet)])
        for side in cut
    ]
    first = [np.flatnonzero(usable & (labels == s))[0] for s in np.unique(labels[usable])]
    strips = tuple((old[i], new[i]) for i in first[:n_strips])
    return Pairs(
        sides[0],
        sides[1],
        labels[chosen],
        in_gallery[chosen],
        split,
        strips,
        omitted,
        leads,
        cut=len(old) > len(y),
    )


def _matched(before: Any, after: Any) -> tuple[NDArray, NDArray, dict[str, str]]:
    """Return which samples of before and after belong together: by name, else in order."""
    old, new = _names(before), _names(after)
    by_name = set(new) <= set(old)
    if not by_name:
        if len(old) == len(new) and not set(old) & set(new):
            return np.arange(len(old)), np.arange(len(old)), {}
        stranger = next(name for name in new if name not in set(old))
        raise ValueError(
            f"after has a record {stranger!r} that before lacks; name released records as "
            "their originals, or give as many, all with other names, in the same order."
        )
    for names, side in ((old, "before"), (new, "after")):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{side} has two records named {twice!r}; names must differ.")
    place = {name: i for i, name in enumerate(new)}
    kept = [i for i, name in enumerate(old) if name in place]
    omitted = {name: "not in the release" for name in old if name not in place}
    return np.array(kept), np.array([place[old[i]] for i in kept]), omitted


def _names(X: Any) -> list[str]:
    return list(X.names) if isinstance(X, BeatSet) else [r.name for r in check_records(X)]


def _take(X: Any, chosen: NDArray) -> Any:
    return X[chosen] if isinstance(X, BeatSet) else [X[i] for i in chosen]


def _named(X: Any, names: list[str]) -> Any:
    """Return records under the names they had before."""
    if isinstance(X, BeatSet):
        return replace(X, names=tuple(names))
    return [replace(record, name=name) for record, name in zip(X, names, strict=True)]


def _rows(given: ArrayLike, n_samples: int, kept: NDArray, what: str) -> NDArray:
    values = np.asarray(given)
    if len(values) != n_samples:
        raise ValueError(f"{what} has {len(values)} entries; want {n_samples}, one a record.")
    return values[kept]


def _own_subjects(before: Any) -> list[str]:
    if not is_records(before) or any(record.subject is None for record in before):
        raise ValueError(
            "subjects are not known; give subjects=, one for each sample of before."
        )
    return [record.subject for record in before]


def _common_leads(records: list[ECGRecord]) -> list[str] | list[int]:
    """Return the leads that all records have, or the first of each where there is none."""
    shared = [
        name
        for name in records[0].lead_names
        if all(name in record.lead_names for record in records)
    ]
    return shared or [0]


def _beats_or_reason(segmenter: QRSSegmenter, record: ECGRecord) -> BeatSet | str:
    """Return the beats of a record, or why it has none."""
    try:
        beats = segmenter.fit_transform([record])
    except ValueError as error:
        return str(error)
    if isinstance(beats, BeatSet) and len(beats.beats):
        return beats
    return "no beat was found"


def _told(omitted: dict[str, str]) -> str:
    if not omitted:
        return ""
    name, reason = next(iter(omitted.items()))
    return f"{len(omitted)} record(s) were left out, for example {name!r}: {reason}."
