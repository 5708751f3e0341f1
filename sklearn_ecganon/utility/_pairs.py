"""Pairs of records, before and after, that every utility starts from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon._validation import check_records
from sklearn_ecganon.records import BeatSet


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
