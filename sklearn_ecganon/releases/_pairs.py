"""Recordings before and after with the same records, leads, rate and windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ecganon._validation import check_records, is_records
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases._apply import take
from sklearn_ecganon.releases._pairing import (
    check_permutation,
    check_signals,
    identical_samples,
)
from sklearn_ecganon.releases._split import gallery_probe_split, session_labels
from sklearn_ecganon.segmentation import QRSSegmenter, annotations_cover


@dataclass(frozen=True, eq=False)
class Pairs:
    """Originals and their releases, sample by sample.

    Parameters
    ----------
    before, after : BeatSet or ndarray
        The same samples in the same order.
    subjects : ndarray of shape (n_samples,)
        Subject of each sample.
    in_gallery : ndarray of bool of shape (n_samples,)
        True for gallery, False for probes.
    split : {"session", "time"}
        How gallery and probes were separated.
    recordings : tuple of two lists of ECGRecord, optional
        The signals before and after, if records were given.
    omitted : dict of str to str
        Names of records that were left out, and why.
    leads : list of str or int
        Leads that are compared.
    cut : bool
        True if single releases were cut in two, so that one release is on both sides.
    views : list of BeatSet
        Releases of the gallery that an attacker made with the same software.
    view_recordings : list of list of ECGRecord
        Their signals.
    released_names : tuple of str
        Name of the release of each sample; empty for arrays.
    identical : ndarray of bool of shape (n_pairs,)
        True for each release that is its original, before single records are cut.
    """

    before: Any
    after: Any
    subjects: NDArray
    in_gallery: NDArray[np.bool_]
    split: str
    recordings: tuple[list[ECGRecord], list[ECGRecord]] | None = None
    omitted: dict[str, str] = field(default_factory=dict)
    leads: list[str] | list[int] = field(default_factory=list)
    cut: bool = False
    views: list[BeatSet] = field(default_factory=list)
    view_recordings: list[list[ECGRecord]] = field(default_factory=list)
    released_names: tuple[str, ...] = ()
    identical: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))


def match_pairs(
    before: Any,
    after: Any,
    subjects: ArrayLike | None,
    sessions: ArrayLike | None,
    paired: str | Mapping[str, str] = "name",
    views: Sequence[list[ECGRecord]] = (),
) -> Pairs:
    """Match recordings with their releases, test the pairing, and cut both into beats."""
    of_records = is_records(before)
    same_kind = of_records == is_records(after) and (
        isinstance(before, BeatSet) == isinstance(after, BeatSet)
    )
    if not same_kind:
        raise ValueError(
            "before and after are of different types; give two lists of ECGRecord, two "
            "BeatSets or two arrays of beats."
        )
    omitted: dict[str, str] = {}
    released: list[str] = []
    if of_records or isinstance(before, BeatSet):
        matched, partners, omitted = _match_samples(before, after, paired)
        # What describes each sample of `before` is narrowed down with it.
        subjects = _select(subjects, len(before), matched, "subjects")
        sessions = _select(sessions, len(before), matched, "sessions")
        before, after = take(before, matched), take(after, partners)
        released = _names(after)
        after = _rename(after, _names(before))
    elif len(before) != len(after):
        raise ValueError(
            f"before has {len(before)} rows and after {len(after)}; give the same beats in "
            "the same order."
        )
    elif paired != "order":
        raise ValueError(
            "arrays have no names by which rows could be paired; if row i of after is the "
            "release of row i of before, say so: paired='order'."
        )
    else:
        before, after = np.asarray(before), np.asarray(after)
    y = np.asarray(column_or_1d(_record_subjects(before) if subjects is None else subjects))
    check_consistent_length(before, y)
    labels = session_labels(before, sessions)
    identical = identical_samples(before, after)
    if of_records:
        check_signals(before, after, released)
        by_name = [_by_name(view, before) for view in views]
        pairs = _cut_alike(before, after, y, labels, omitted, by_name)
        names = dict(zip(_names(before), released, strict=True))
        released = [names[name] for name in _names(pairs.before)]
    elif views:
        raise ValueError("views can be given for records only; make a Release with Release.by.")
    else:
        X, y, in_gallery, split = gallery_probe_split(before, y, "auto", labels)
        pairs = Pairs(X, after, y, in_gallery, split, omitted=omitted)
    check_permutation(pairs.before, pairs.after, pairs.subjects)
    return replace(pairs, released_names=tuple(released), identical=identical)


def _by_name(view: list[ECGRecord], before: list[ECGRecord]) -> list[ECGRecord]:
    """Return the records of a view in the order of their originals."""
    by_name = {record.name: record for record in check_records(view)}
    missing = [record.name for record in before if record.name not in by_name]
    if missing:
        raise ValueError(
            f"a view lacks {len(missing)} record(s), for example {missing[0]!r}; give it the "
            "names of before."
        )
    return [by_name[record.name] for record in before]


def _cut_alike(
    before: list[ECGRecord],
    after: list[ECGRecord],
    y: NDArray,
    sessions: NDArray | None,
    omitted: dict[str, str],
    views: list[list[ECGRecord]],
) -> Pairs:
    """Cut records before and after into beats of the same leads, rate and window."""
    old, subjects, in_gallery, split = gallery_probe_split(before, y, "auto", sessions)
    new, *of_views = (
        gallery_probe_split(side, y, "auto", sessions)[0] for side in (after, *views)
    )
    everything = [record for side in (old, new, *of_views) for record in side]
    leads = _common_leads(everything)
    rate = min(record.sampling_rate for record in everything)
    beats_of_sides = [
        # Attackers try whatever was released, so only originals must be ECGs.
        [_beats_or_reason(record, leads, rate, check_quality=side is old) for record in side]
        for side in (old, new)
    ]
    beats_of_views = [
        [
            _beats_or_reason(record, leads, rate, check_quality=False) if known else ""
            for record, known in zip(side, in_gallery, strict=True)
        ]
        for side in of_views
    ]
    usable, reasons = _usable(old, [*beats_of_sides, *beats_of_views], subjects, in_gallery)
    omitted = omitted | reasons
    n_probed = len(set(subjects[usable & ~in_gallery]))
    if n_probed < 2:
        subject_has = "subject has" if n_probed == 1 else "subjects have"
        raise ValueError(
            f"{n_probed} {subject_has} both a gallery and a probe recording; an audit needs "
            f"at least two. {_omission_sentence(omitted)}"
        )
    chosen = np.flatnonzero(usable)
    known = np.flatnonzero(usable & in_gallery)
    before_beats, after_beats = (_joined(side, chosen) for side in beats_of_sides)
    return Pairs(
        before_beats,
        after_beats,
        subjects[chosen],
        in_gallery[chosen],
        split,
        recordings=(take(old, chosen), take(new, chosen)),
        omitted=omitted,
        leads=leads,
        cut=len(old) > len(y),
        views=[_joined(side, known) for side in beats_of_views],
        view_recordings=[take(side, known) for side in of_views],
    )


def _joined(side: list[BeatSet | str], chosen: NDArray[np.intp]) -> BeatSet:
    return BeatSet.concatenate([one for i in chosen if isinstance(one := side[i], BeatSet)])


def _usable(
    records: list[ECGRecord],
    beats_of_sides: list[list[BeatSet | str]],
    subjects: NDArray,
    in_gallery: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], dict[str, str]]:
    """Return which records have beats and a gallery, and why the others are left out."""
    usable = np.ones(len(records), dtype=bool)
    omitted = {}
    for i, sides in enumerate(zip(*beats_of_sides, strict=True)):
        reasons = [beats for beats in sides if isinstance(beats, str) and beats]
        if reasons:
            usable[i] = False
            omitted[records[i].name] = reasons[0]
    has_gallery = np.isin(subjects, subjects[usable & in_gallery])
    for position in np.flatnonzero(usable & ~has_gallery):
        usable[position] = False
        omitted[records[position].name] = "its subject has no usable gallery recording"
    return usable, omitted


def _match_samples(
    before: Any, after: Any, paired: str | Mapping[str, str]
) -> tuple[NDArray, NDArray, dict[str, str]]:
    """Return the positions that belong together, and which originals have no release."""
    old, new = _names(before), _names(after)
    if paired == "order":
        if len(old) != len(new):
            raise ValueError(
                f"before has {len(old)} records and after {len(new)}; paired='order' needs as "
                "many releases as originals, in the same order."
            )
        return np.arange(len(old)), np.arange(len(old)), {}
    if isinstance(paired, str):
        if paired != "name":
            raise ValueError(f"paired={paired!r}; give 'name', 'order' or a mapping of names.")
        partners = dict(zip(new, new, strict=True))
    else:
        partners = dict(paired)
    for names, side in ((old, "before"), (new, "after")):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{side} has two records named {twice!r}; names must differ.")
    stranger = next((name for name in new if partners.get(name) not in set(old)), None)
    if stranger is not None:
        raise ValueError(
            f"after has a record {stranger!r} that before lacks. Releases are not paired by "
            "guesswork: give the key file (paired= a mapping of names, --key for folders) "
            "or releases with the names of their originals. In Python, paired='order' "
            "states that both are in the same order."
        )
    place = {partners[name]: i for i, name in enumerate(new)}
    matched = [i for i, name in enumerate(old) if name in place]
    omitted = {name: "not in the release" for name in old if name not in place}
    return np.array(matched, int), np.array([place[old[i]] for i in matched], int), omitted


def _names(X: Any) -> list[str]:
    return list(X.names) if isinstance(X, BeatSet) else [r.name for r in check_records(X)]


def _rename(X: Any, names: list[str]) -> Any:
    """Return records under the names of their originals."""
    if isinstance(X, BeatSet):
        return replace(X, names=tuple(names))
    return [replace(record, name=name) for record, name in zip(X, names, strict=True)]


def _select(
    values: ArrayLike | None, n_samples: int, chosen: NDArray, name: str
) -> NDArray | None:
    """Return the chosen entries of a parameter that describes each sample."""
    if values is None:
        return None
    values = np.asarray(values)
    if len(values) != n_samples:
        raise ValueError(
            f"{name} has {len(values)} entries for {n_samples} records; give one for each."
        )
    return values[chosen]


def _record_subjects(before: Any) -> list[str]:
    if not is_records(before) or any(record.subject is None for record in before):
        raise ValueError(
            "subjects are not known; give subjects=, one for each sample of before."
        )
    return [record.subject for record in before]


def _common_leads(records: list[ECGRecord]) -> list[str] | list[int]:
    """Return the leads that all records have, or the first of each if there is none."""
    shared = [
        name
        for name in records[0].lead_names
        if all(name in record.lead_names for record in records)
    ]
    return shared or [0]


def _beats_or_reason(
    record: ECGRecord, leads: list[str] | list[int], rate: float, *, check_quality: bool
) -> BeatSet | str:
    """Return the beats of a record, or the reason why it has none.

    Annotated R peaks are taken where they are nearly all beats of the record, as the archive
    does. Otherwise beats are detected, without the annotated classes.
    """
    bare = replace(record, r_peaks=None, beat_labels=None)
    segment = partial(_segment, leads=leads, rate=rate, check_quality=check_quality)
    try:
        beats = segment(bare, "sleepecg")
        if record.r_peaks is not None:
            detected = np.rint(beats.r_peaks * (record.sampling_rate / rate)).astype(np.intp)
            if annotations_cover(record.r_peaks, detected, record.sampling_rate):
                beats = segment(record, "annotated")
    except ValueError as error:
        return str(error)
    return beats if len(beats.beats) else "no beat was detected"


def _segment(
    record: ECGRecord,
    detector: str,
    *,
    leads: list[str] | list[int],
    rate: float,
    check_quality: bool,
) -> BeatSet:
    segmenter = QRSSegmenter(
        detector, leads=leads, sampling_rate=rate, check_quality=check_quality
    )
    beats = segmenter.fit_transform([record])
    assert isinstance(beats, BeatSet)
    return beats


def _omission_sentence(omitted: dict[str, str]) -> str:
    if not omitted:
        return ""
    name, reason = next(iter(omitted.items()))
    return f"{len(omitted)} record(s) were left out, for example {name!r}: {reason}."
