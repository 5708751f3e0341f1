"""Pairs of records, before and after, that every utility starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon._validation import check_records
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import resample, select_leads


class Rhythm(NamedTuple):
    """The R peaks of one record in seconds, and the classes of the beats."""

    name: str
    r_peaks: NDArray[np.float64]
    labels: NDArray[np.str_] | None


def check_pairs(before: Any, after: Any) -> tuple[Any, Any]:
    """Return before and after, each a BeatSet or a list of ECGRecord, of the same records."""
    before, after = (X if isinstance(X, BeatSet) else check_records(X) for X in (before, after))
    old, new = names_of(before), names_of(after)
    if len(old) != len(new):
        raise ValueError(
            f"before has {len(old)} records and after {len(new)}; give the same ones."
        )
    for i, (a, b) in enumerate(zip(old, new, strict=True)):
        if a != b:
            raise ValueError(
                f"record {i} is {a!r} before and {b!r} after; give the same records "
                "in the same order."
            )
    return before, after


def names_of(X: Any) -> list[str]:
    """Return the name of each record."""
    return list(X.names) if isinstance(X, BeatSet) else [record.name for record in X]


def rhythms(X: Any) -> list[Rhythm]:
    """Return the R peaks of each record of a BeatSet or a list of ECGRecord."""
    if isinstance(X, BeatSet):
        bounds = X.bounds()
        return [
            Rhythm(
                name,
                X.r_peaks[a:b] / X.sampling_rate,
                None if X.labels is None else X.labels[a:b],
            )
            for name, a, b in zip(X.names, bounds[:-1], bounds[1:], strict=True)
        ]
    for record in X:
        if record.r_peaks is None:
            raise ValueError(
                f"record {record.name!r}: has no r_peaks; give the BeatSet of a QRSSegmenter."
            )
    return [Rhythm(r.name, r.r_peaks / r.sampling_rate, r.beat_labels) for r in X]


def alike(a: ECGRecord, b: ECGRecord) -> tuple[ECGRecord, ECGRecord]:
    """Return two records cut to the leads, the rate and the length that both have.

    Parameters
    ----------
    a, b : ECGRecord
        A recording and its release. If no lead has the same name in both, the first leads
        are compared. The rate is the lower one of both.
    """
    if a.lead_names != b.lead_names:
        shared = [name for name in a.lead_names if name in b.lead_names]
        a, b = (
            select_leads(r, [r.lead_names.index(name) for name in shared] or [0])
            for r in (a, b)
        )
    rate = min(a.sampling_rate, b.sampling_rate)
    a, b = resample(a, rate), resample(b, rate)
    n_times = min(a.n_times, b.n_times)
    return _first(a, n_times), _first(b, n_times)


def _first(record: ECGRecord, n_times: int) -> ECGRecord:
    """Return the first samples of a record."""
    if record.n_times == n_times:
        return record
    peaks, labels = record.r_peaks, record.beat_labels
    if peaks is not None:
        inside = peaks < n_times
        labels = None if labels is None else labels[inside]
        peaks = peaks[inside]
    return replace(record, signal=record.signal[:n_times], r_peaks=peaks, beat_labels=labels)
