"""The released profile of each record, for k-anonymity of profiles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon._salt import content_key
from sklearn_ecganon.contracts import (
    UNMEASURED,
    KAnonymousProfiles,
    k_anonymous_profiles,
    nearest_profiles,
)
from sklearn_ecganon.records import BeatSet

_DIGEST = 16  # bytes
#: The profile of a suppressed record.
SUPPRESSED: dict[str, int] = {}


class ProfileTable(NamedTuple):
    """Released profiles, and which of them each record seen in `fit` gets.

    Attributes
    ----------
    anonymous : KAnonymousProfiles
        The profiles.
    salt : ndarray of uint8
        Keys the digests.
    digests : ndarray of uint8 of shape (n_records, 16)
        Digest of the beats of each record, in increasing order.
    classes : ndarray of int of shape (n_records,)
        Profile of each of them, -1 if it is suppressed.
    """

    anonymous: KAnonymousProfiles
    salt: NDArray[np.uint8]
    digests: NDArray[np.uint8]
    classes: NDArray[np.intp]

    def profiles(
        self, records: BeatSet, measure_all: Callable[[BeatSet], list[dict[str, int]]]
    ) -> list[dict[str, int]]:
        """Return the released profile of each record, `SUPPRESSED` for suppressed ones.

        A record that was not seen in `fit` gets the nearest profile.

        Parameters
        ----------
        records : BeatSet
            Records, or their first stretches.
        measure_all : callable
            Returns the profiles of all records of a BeatSet.
        """
        known = {
            row.tobytes(): int(n) for row, n in zip(self.digests, self.classes, strict=True)
        }
        classes = [known.get(digest) for digest in _digests(records, self.salt)]
        new = np.array([i for i, number in enumerate(classes) if number is None], dtype=np.intp)
        if len(new) and len(self.anonymous.class_sizes):
            table = _table(measure_all(records[new]), list(self.anonymous.profiles))
            nearest = nearest_profiles(table, self.anonymous.profiles)
            for i, number in zip(new, nearest.tolist(), strict=True):
                classes[i] = number
        return [
            SUPPRESSED
            if number is None or number < 0
            else {name: int(codes[number]) for name, codes in self.anonymous.profiles.items()}
            for number in classes
        ]


def learn_profiles(
    records: BeatSet,
    subjects: Any,
    k: int,
    contract: str,
    salt: NDArray[np.uint8],
    measure_all: Callable[[BeatSet], list[dict[str, int]]],
) -> ProfileTable:
    """Choose released profiles so that at least k people share each of them.

    Parameters
    ----------
    records : BeatSet
        All records to be released.
    subjects : array-like of shape (n_records,) or None
        The person of each record.
    k : int
        Smallest number of people who share a profile.
    contract : str
        Must be ``"diagnostic"``.
    salt : ndarray of uint8
        Keys the digests of the records.
    measure_all : callable
        Returns the profiles of all records of a BeatSet.

    Raises
    ------
    ValueError
        If the contract is another one, if subjects are missing, if k is above their number,
        or if no record has a profile.
    """
    if contract != "diagnostic":
        raise ValueError(
            f"k={k} with contract={contract!r}, which preserves numbers that nobody shares; "
            "use contract='diagnostic'."
        )
    if subjects is None:
        raise ValueError(f"k={k} needs to know who is who; give y, the subject of each record.")
    measured = measure_all(records)
    names = list(dict.fromkeys(name for codes in measured for name in codes))
    if not names:
        raise ValueError(
            f"k={k}, but the waves of no record can be measured; give records with two beats "
            "or more and windows of 500 ms or more at 100 Hz or more."
        )
    anonymous = k_anonymous_profiles(_table(measured, names), subjects, k)
    digests = np.frombuffer(b"".join(_digests(records, salt)), np.uint8).reshape(-1, _DIGEST)
    order = np.lexsort(digests.T[::-1])
    # Equal records of one person are one entry; nothing depends on the order of the input.
    _, first = np.unique(digests[order], axis=0, return_index=True)
    order = order[first]
    return ProfileTable(anonymous, salt, digests[order], anonymous.classes[order])


def _table(
    measured: Sequence[dict[str, int]], names: Sequence[str]
) -> dict[str, NDArray[np.intp]]:
    return {
        name: np.array([codes.get(name, UNMEASURED) for codes in measured], dtype=np.intp)
        for name in names
    }


def _digests(records: BeatSet, salt: NDArray[np.uint8]) -> list[bytes]:
    return [
        hashlib.blake2b(content_key(record.beats, salt), digest_size=_DIGEST).digest()
        for record in records
    ]
