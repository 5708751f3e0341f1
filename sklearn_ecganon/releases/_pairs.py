"""Recordings before and after with the same records, leads, rate and windows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ecganon._validation import check_records, is_records
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases._apply import take
from sklearn_ecganon.releases._split import gallery_probe_split, session_labels
from sklearn_ecganon.segmentation import QRSSegmenter


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


def match_pairs(
    before: Any, after: Any, subjects: ArrayLike | None, sessions: ArrayLike | None
) -> Pairs:
    """Match recordings with their releases, and cut both into comparable beats."""
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
    if of_records or isinstance(before, BeatSet):
        matched, partners, omitted = _match_samples(before, after)
        # Subjects and sessions describe the samples of `before`; select the same samples.
        subjects = _select(subjects, len(before), matched, "subjects")
        sessions = _select(sessions, len(before), matched, "sessions")
        before = take(before, matched)
        after = _rename(take(after, partners), _names(before))
    elif len(before) != len(after):
        raise ValueError(
            f"before has {len(before)} rows and after {len(after)}; give the same beats in "
            "the same order."
        )
    else:
        before, after = np.asarray(before), np.asarray(after)
    y = np.asarray(column_or_1d(_record_subjects(before) if subjects is None else subjects))
    check_consistent_length(before, y)
    labels = session_labels(before, sessions)
    if of_records:
        return _cut_alike(before, after, y, labels, omitted)
    _, y, in_gallery, split = gallery_probe_split(before, y, "auto", labels)
    return Pairs(before, after, y, in_gallery, split, omitted=omitted)


def _cut_alike(
    before: list[ECGRecord],
    after: list[ECGRecord],
    y: NDArray,
    sessions: NDArray | None,
    omitted: dict[str, str],
) -> Pairs:
    """Cut records before and after into beats of the same leads, rate and window."""
    old, subjects, in_gallery, split = gallery_probe_split(before, y, "auto", sessions)
    new, *_ = gallery_probe_split(after, y, "auto", sessions)
    leads = _common_leads([*old, *new])
    rate = min(record.sampling_rate for record in (*old, *new))
    beats_of_sides = []
    for records in (old, new):
        annotated = all(record.r_peaks is not None for record in records)
        segmenter = QRSSegmenter(
            "annotated" if annotated else "sleepecg",
            leads=leads,
            sampling_rate=rate,
            check_quality=records is old,  # attackers use every release, whatever its quality
        )
        beats_of_sides.append([_beats_or_reason(segmenter, record) for record in records])
    usable, reasons = _usable(old, beats_of_sides, subjects, in_gallery)
    omitted = omitted | reasons
    n_probed = len(set(subjects[usable & ~in_gallery]))
    if n_probed < 2:
        subject_has = "subject has" if n_probed == 1 else "subjects have"
        raise ValueError(
            f"{n_probed} {subject_has} both a gallery and a probe recording; an audit needs "
            f"at least two. {_omission_sentence(omitted)}"
        )
    chosen = np.flatnonzero(usable)
    before_beats, after_beats = (
        BeatSet.concatenate([beats for i in chosen if isinstance(beats := side[i], BeatSet)])
        for side in beats_of_sides
    )
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
    )


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
        reasons = [beats for beats in sides if isinstance(beats, str)]
        if reasons:
            usable[i] = False
            omitted[records[i].name] = reasons[0]
    has_gallery = np.isin(subjects, subjects[usable & in_gallery])
    for position in np.flatnonzero(usable & ~has_gallery):
        usable[position] = False
        omitted[records[position].name] = "its subject has no usable gallery recording"
    return usable, omitted


def _match_samples(before: Any, after: Any) -> tuple[NDArray, NDArray, dict[str, str]]:
    """Return the positions that belong together, by name or else in order."""
    old, new = _names(before), _names(after)
    if not set(new) <= set(old):
        if len(old) == len(new) and not set(old) & set(new):
            return np.arange(len(old)), np.arange(len(old)), {}
        unmatched = next(name for name in new if name not in set(old))
        raise ValueError(
            f"after has a record {unmatched!r} that before lacks; give released records the "
            "names of their originals, or equally many other names in the same order."
        )
    for names, side in ((old, "before"), (new, "after")):
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{side} has two records named {repeated!r}; names must differ.")
    place = {name: i for i, name in enumerate(new)}
    matched = [i for i, name in enumerate(old) if name in place]
    omitted = {name: "not in the release" for name in old if name not in place}
    return np.array(matched), np.array([place[old[i]] for i in matched]), omitted


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


def _beats_or_reason(segmenter: QRSSegmenter, record: ECGRecord) -> BeatSet | str:
    """Return the beats of a record, or the reason why it has none."""
    try:
        beats = segmenter.fit_transform([record])
    except ValueError as error:
        return str(error)
    if isinstance(beats, BeatSet) and len(beats.beats):
        return beats
    return "no beat was detected"


def _omission_sentence(omitted: dict[str, str]) -> str:
    if not omitted:
        return ""
    name, reason = next(iter(omitted.items()))
    return f"{len(omitted)} record(s) were left out, for example {name!r}: {reason}."
