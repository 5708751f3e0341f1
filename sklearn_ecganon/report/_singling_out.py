"""Singling out: values that only one person has and that the release keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases import Release

TOGETHER = "all of these together"


class SinglingOut(NamedTuple):
    """How many people one kind of value singles out.

    Attributes
    ----------
    value : str
        What is compared, for example ``"length"``.
    n_kept : int
        Releases with the same value as their original.
    n_people : int
        People who have a release that keeps a value which no other person's original has.
    fraction : float
        `n_people` divided by the number of people.
    """

    value: str
    n_kept: int
    n_people: int
    fraction: float


def singling_out(
    before: Mapping[str, Sequence[Any]],
    after: Mapping[str, Sequence[Any]],
    subjects: Sequence[str] | NDArray,
) -> tuple[SinglingOut, ...]:
    """Count the people whom a value singles out that the release keeps.

    Parameters
    ----------
    before, after : dict of str to sequence of length n_records
        Values of originals and releases by name. They must be hashable; None is an unknown
        value, which singles nobody out.
    subjects : sequence of length n_records
        The person of each record.

    Returns
    -------
    rows : tuple of SinglingOut
        One for each name, and one for all values together that a release keeps.

    Notes
    -----
    Singling out is the first of the three risks of Opinion 05/2014 of the Article 29 Working
    Party (WP216). Whoever knows the value of one person, for example the length of a
    recording from a log of the device, finds that person's release.

    Examples
    --------
    >>> from sklearn_ecganon.report import singling_out
    >>> before = {"length": [5000, 5000, 7200], "gain": [200, 200, 200]}
    >>> after = {"length": [5000, 5000, 7200], "gain": [1000, 1000, 1000]}
    >>> for row in singling_out(before, after, ["a", "b", "c"]):
    ...     print(row.value, row.n_kept, row.n_people)
    length 3 1
    gain 0 0
    all of these together 3 1
    """
    people = list(subjects)
    names = list(before)
    originals = list(zip(*(before[name] for name in names), strict=True))
    releases = list(zip(*(after[name] for name in names), strict=True))
    kept = np.array(
        [
            [a is not None and a == b for a, b in zip(old, new, strict=True)]
            for old, new in zip(originals, releases, strict=True)
        ]
    )
    rows = []
    for column, name in enumerate(names):
        mask = np.zeros_like(kept)
        mask[:, column] = kept[:, column]
        rows.append(_row(name, originals, mask, people))
    return (*rows, _row(TOGETHER, originals, kept, people))


def _row(
    name: str, originals: list[tuple], kept: NDArray[np.bool_], people: list
) -> SinglingOut:
    """Count the people who alone have the combination of values that a release keeps."""
    patterns = [tuple(row) for row in kept.tolist()]
    alone = set()
    for pattern in {one for one in patterns if any(one)}:
        combinations = [tuple(compress(values, pattern)) for values in originals]
        owners = defaultdict(set)
        for combination, person in zip(combinations, people, strict=True):
            owners[combination].add(person)
        alone |= {
            person
            for combination, person, kept_here in zip(
                combinations, people, patterns, strict=True
            )
            if kept_here == pattern and len(owners[combination]) == 1
        }
    n_kept = int(kept.any(axis=1).sum())
    return SinglingOut(name, n_kept, len(alone), len(alone) / len(set(people)))


def release_values(
    release: Release,
) -> tuple[dict[str, list[Any]], dict[str, list[Any]], list[str], list[str]]:
    """Return the values of originals and releases that need no file.

    Parameters
    ----------
    release : Release
        Of records.

    Returns
    -------
    before, after : dict of str to list of length n_records
        Length and rate, names of the leads, gaps, and number of beats.
    subjects, names : list of str of length n_records
        Person and name of each original. A record that was cut in two counts once.
    """
    assert release.recordings is not None
    assert isinstance(release.original, BeatSet)
    names = [record.name for record in release.recordings[0]]
    # The halves of a record follow each other, with its name.
    starts = [
        i for i in range(len(names)) if not release.cut or i == 0 or names[i] != names[i - 1]
    ]
    stops = [*starts[1:], len(names)]
    sides: list[dict[str, list[Any]]] = []
    beats_of_sides = (release.original.n_beats, release.released.n_beats)
    for records, n_beats in zip(release.recordings, beats_of_sides, strict=True):
        pieces = [records[a:b] for a, b in zip(starts, stops, strict=True)]
        sides.append(
            {
                "length (samples)": [sum(r.n_times for r in piece) for piece in pieces],
                "sampling rate": [piece[0].sampling_rate for piece in pieces],
                "names of the leads": [piece[0].lead_names for piece in pieces],
                "gaps": [_gaps(piece) for piece in pieces],
                "number of beats": [
                    int(n_beats[a:b].sum()) for a, b in zip(starts, stops, strict=True)
                ],
            }
        )
    subjects = [str(release.subjects[i]) for i in starts]
    return sides[0], sides[1], subjects, [names[i] for i in starts]


def _gaps(records: Sequence[ECGRecord]) -> tuple[tuple[int, ...], ...] | None:
    """Return where leads are missing, in samples of each record; None if nowhere."""
    gaps = []
    for record in records:
        missing = np.isnan(record.signal).astype(np.int8)
        if not missing.any():
            continue
        edges = np.diff(missing, axis=0, prepend=0, append=0).T
        gaps += [tuple(np.flatnonzero(lead).tolist()) for lead in edges]
    return tuple(gaps) or None
