"""Profiles of records, and the number of people who share each profile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.contracts._categories import CONTRACTS, TOLERANCES
from sklearn_ecganon.contracts._measurements import Measurements

RR_STEP = 10.0  # ms, for the mean and the standard deviation of RR


class ProfileAnonymity(NamedTuple):
    """How many people share each profile of a release.

    Attributes
    ----------
    minimum : int
        Smallest number of people who share a profile. The release is k-anonymous by profile
        for every k up to this number.
    fractions : dict of int to float
        For each k the fraction of people in a class of fewer than k: somebody is counted if
        any of their records has a profile that fewer than k people share.
    n_subjects, n_profiles : int
        Number of people, and of different profiles.
    class_sizes : ndarray of int of shape (n_records,)
        For each record the number of people who share its profile.
    """

    minimum: int
    fractions: dict[int, float]
    n_subjects: int
    n_profiles: int
    class_sizes: NDArray[np.intp]

    def to_dict(self) -> dict[str, float]:
        """Return the figures, ready for JSON.

        Returns
        -------
        figures : dict of str to float
            ``"below_2"`` is the fraction of subjects for k = 2.
        """
        figures: dict[str, float] = {
            "minimum": self.minimum,
            "n_subjects": self.n_subjects,
            "n_profiles": self.n_profiles,
        }
        return figures | {f"below_{k}": value for k, value in self.fractions.items()}

    def __str__(self) -> str:
        below = ", ".join(f"{value:.1%} below {k}" for k, value in self.fractions.items())
        return (
            f"{self.n_subjects} people with {self.n_profiles} profiles: at least "
            f"{self.minimum} share each; people in classes of size {below}"
        )


def profiles(
    measured: Measurements, contract: str = "diagnostic"
) -> list[tuple[int | str, ...]]:
    """Return the combination of all information that a contract preserves of each record.

    Parameters
    ----------
    measured : Measurements
        Result of :func:`measure`.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        ``"diagnostic"``: the categories, and which beat classes occur. ``"measurement"``:
        the median intervals in steps of twice their tolerance, mean and standard deviation
        of RR in steps of 10 ms, and which beat classes occur.

    Returns
    -------
    profiles : list of tuple of length n_records
        Equal tuples are equal profiles.

    Raises
    ------
    ValueError
        If `contract` is unknown.

    Notes
    -----
    Contracts also preserve the order of beat classes, but profiles leave it out, because it
    would make every record with an ectopic beat unique. The true equivalence classes are
    therefore smaller.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.contracts import measure, profiles
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> measured = measure(QRSSegmenter().fit_transform(bunch.data))
    >>> len(profiles(measured)) == len(bunch.data)
    True
    """
    if contract not in CONTRACTS:
        raise ValueError(f"contract={contract!r}; choose from {CONTRACTS}.")
    if contract == "diagnostic":
        columns = [values.tolist() for values in measured.categories().values()]
    else:
        medians = measured.medians()
        columns = [_steps(medians[name], 2 * TOLERANCES[name]) for name in TOLERANCES]
        columns += [_steps(values, RR_STEP) for values in _rr_moments(measured)]
    columns.append(_classes(measured))
    return list(zip(*columns, strict=True))


def profile_anonymity(
    profiles: Sequence[tuple[int | str, ...]],
    subjects: ArrayLike,
    k: Sequence[int] = (2, 5, 10),
) -> ProfileAnonymity:
    """Count how many people share each profile.

    Parameters
    ----------
    profiles : sequence of tuple of length n_records
        Result of :func:`profiles` for the released records.
    subjects : array-like of shape (n_records,)
        The person of each record.
    k : sequence of int, default=(2, 5, 10)
        Class sizes below which people are counted.

    Returns
    -------
    anonymity : ProfileAnonymity
        ``print(anonymity)`` shows it.

    Raises
    ------
    ValueError
        If there is no record, or if the numbers of profiles and subjects differ.

    Notes
    -----
    This is k-anonymity [1]_ with the profile as quasi-identifier. Several records of one
    person count once, because they do not hide each other.

    References
    ----------
    .. [1] L. Sweeney, "k-anonymity: a model for protecting privacy", International Journal
       of Uncertainty, Fuzziness and Knowledge-Based Systems 10(5), 557-570, 2002.

    Examples
    --------
    >>> from sklearn_ecganon.contracts import profile_anonymity
    >>> anonymity = profile_anonymity([(0,), (0,), (1,), (1,)], ["a", "b", "c", "c"], k=[2])
    >>> anonymity.minimum, anonymity.class_sizes.tolist()
    (1, [2, 2, 1, 1])
    >>> round(anonymity.fractions[2], 3)
    0.333
    """
    people = np.asarray(subjects)
    if not len(profiles) or people.shape != (len(profiles),):
        raise ValueError(
            f"there are {len(profiles)} profiles and {people.size} subjects; give one subject "
            "for each of at least one profile."
        )
    sharing = defaultdict(set)
    for profile, person in zip(profiles, people.tolist(), strict=True):
        sharing[profile].add(person)
    sizes = np.array([len(sharing[profile]) for profile in profiles], dtype=np.intp)
    smallest = np.array([sizes[people == person].min() for person in np.unique(people)])
    return ProfileAnonymity(
        minimum=int(sizes.min()),
        fractions={int(size): float((smallest < size).mean()) for size in k},
        n_subjects=len(smallest),
        n_profiles=len(sharing),
        class_sizes=sizes,
    )


def _steps(values: NDArray[np.float64], step: float) -> list[int | str]:
    """Return the index of the step that contains each value, and "none" for NaN."""
    return ["none" if np.isnan(value) else round(value / step) for value in values.tolist()]


def _rr_moments(measured: Measurements) -> NDArray[np.float64]:
    """Return mean and standard deviation of RR by record in ms: (2, n_records)."""
    moments = np.full((2, measured.n_records), np.nan)
    for i, (start, stop) in enumerate(pairwise(measured.bounds())):
        rr = measured.RR[start:stop]
        rr = rr[np.isfinite(rr)]
        if len(rr):
            moments[:, i] = rr.mean(), rr.std()
    return moments


def _classes(measured: Measurements) -> list[str]:
    """Return the beat classes that occur in each record, in alphabetical order."""
    if measured.labels is None:
        return [""] * measured.n_records
    bounds = pairwise(measured.bounds())
    return ["".join(np.unique(measured.labels[a:b]).tolist()) for a, b in bounds]
