"""The released profile of each record, for k-anonymity of profiles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ecganon._salt import content_key
from sklearn_ecganon.anonymizers._pseudo_identity._surrogate import profile_of
from sklearn_ecganon.anonymizers._pseudo_identity._workers import over_records
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

    def profiles(self, records: BeatSet, n_jobs: int | None) -> list[dict[str, int]]:
        """Return the released profile of each record, `SUPPRESSED` for suppressed ones.

        A record that was not seen in `fit` gets the nearest profile.

        Parameters
        ----------
        records : BeatSet
            Records, or their first stretches.
        n_jobs : int or None
            Number of joblib workers.
        """
        known = {
            row.tobytes(): int(n) for row, n in zip(self.digests, self.classes, strict=True)
        }
        classes = [known.get(_digest(record, self.salt)) for record in records]
        new = np.array([i for i, number in enumerate(classes) if number is None], dtype=np.intp)
        if len(new) and len(self.anonymous.class_sizes):
            measured = over_records(
                profile_of, records[new], lambda i, record: (record,), n_jobs
            )
            table = _table(measured, list(self.anonymous.profiles))
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
    records: Iterable[BeatSet],
    subjects: Any,
    k: int,
    contract: str,
    salt: NDArray[np.uint8],
    n_jobs: int | None,
) -> ProfileTable:
    """Choose released profiles so that at least k people share each of them.

    Parameters
    ----------
    records : iterable of BeatSet
        All records to be released, one in each. A BeatSet is one, too.
    subjects : array-like of shape (n_records,) or None
        The person of each record.
    k : int
        Smallest number of people who share a profile.
    contract : str
        Must be ``"diagnostic"``.
    salt : ndarray of uint8
        Keys the digests of the records.
    n_jobs : int or None
        Number of joblib workers.

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
    rows = Parallel(n_jobs=n_jobs)(delayed(_row)(record, salt) for record in records)
    measured = [codes for codes, _ in rows]
    names = list(dict.fromkeys(name for codes in measured for name in codes))
    if not names:
        raise ValueError(
            f"k={k}, but the waves of no record can be measured; give records with two beats "
            "or more and windows of 500 ms or more at 100 Hz or more."
        )
    anonymous = k_anonymous_profiles(_table(measured, names), subjects, k)
    digests = np.frombuffer(b"".join(digest for _, digest in rows), np.uint8)
    digests = digests.reshape(-1, _DIGEST)
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


def _row(record: BeatSet, salt: NDArray[np.uint8]) -> tuple[dict[str, int], bytes]:
    return profile_of(record), _digest(record, salt)


def _digest(record: BeatSet, salt: NDArray[np.uint8]) -> bytes:
    key = content_key(record.beats, salt)
    return hashlib.blake2b(key, digest_size=_DIGEST).digest()
