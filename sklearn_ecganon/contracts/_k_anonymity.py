"""Choose released profiles that at least k people share."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.contracts._categories import UNMEASURED
from sklearn_ecganon.contracts._profile_groups import group_people

#: Categories whose codes have no order: every change costs the same.
NOMINAL = frozenset({"ventricular_conduction", "arrhythmia"})
# Cost of a change between codes without an order, and between a wave and no wave.
_NOMINAL_COST, _ABSENT_COST = 1.0, 1.5
SUPPRESSED = -1

Codes = dict[str, NDArray[np.intp]]


class KAnonymousProfiles(NamedTuple):
    """Released profiles, each of which at least k people share.

    Attributes
    ----------
    k : int
        The requested number of people.
    profiles : dict of ndarray of int of shape (n_classes,)
        Code of each category in each released profile.
    class_sizes : ndarray of int of shape (n_classes,)
        Number of people who share each profile; k or more.
    classes : ndarray of int of shape (n_records,)
        Profile of each record, -1 for a suppressed record.
    kept : float
        Fraction of the measured categories of released records that did not change.
    """

    k: int
    profiles: Codes
    class_sizes: NDArray[np.intp]
    classes: NDArray[np.intp]
    kept: float

    @property
    def suppressed(self) -> NDArray[np.bool_]:
        """Whether each record is suppressed."""
        return self.classes == SUPPRESSED

    @property
    def codes(self) -> Codes:
        """Code of each category in each record; -2 for a suppressed record."""
        return {
            name: np.where(
                self.suppressed, UNMEASURED, np.append(values, UNMEASURED)[self.classes]
            )
            for name, values in self.profiles.items()
        }

    def to_dict(self) -> dict[str, float]:
        """Return the figures, ready for JSON.

        Returns
        -------
        figures : dict of str to float
            ``"reached"`` is the smallest number of people who share a profile, 0 if all
            records are suppressed.
        """
        return {
            "k": self.k,
            "reached": int(self.class_sizes.min(initial=self.class_sizes.sum())),
            "n_classes": len(self.class_sizes),
            "n_subjects": int(self.class_sizes.sum()),
            "n_suppressed": int(self.suppressed.sum()),
            "kept": self.kept,
        }

    def __str__(self) -> str:
        figures = self.to_dict()
        return (
            f"{figures['n_subjects']} people share {figures['n_classes']} profiles, at least "
            f"{figures['reached']} each; {self.kept:.1%} of categories kept, "
            f"{figures['n_suppressed']} of {len(self.classes)} records suppressed"
        )


def k_anonymous_profiles(
    categories: Mapping[str, ArrayLike],
    subjects: ArrayLike,
    k: int,
    *,
    most_changed: float = 0.5,
) -> KAnonymousProfiles:
    """Choose released profiles so that at least k people share each of them.

    Groups of at least k people are formed, and all records of a group get one profile: for
    each category the code that changes the least. A change to a neighboring code costs less
    than one to a distant code. All records of a person get the same profile, so that a
    combination of several recordings gives away no more than one of them.

    Parameters
    ----------
    categories : mapping of str to array-like of int of shape (n_records,)
        Codes of each category, as `Measurements.categories` returns them. Code -2 stands for
        a category that could not be measured; any code may replace it.
    subjects : array-like of shape (n_records,)
        The person of each record.
    k : int
        Smallest number of people who share a profile. 1 changes nothing, but gives all
        records of a person one profile.
    most_changed : float, default=0.5
        Largest fraction of the measured categories of a person that may change. All records
        of a person beyond it are suppressed, and so are those of a person without any
        measured category.

    Returns
    -------
    anonymous : KAnonymousProfiles
        ``print(anonymous)`` shows the figures.

    Raises
    ------
    ValueError
        If k is below 1 or above the number of people, if `most_changed` does not lie between
        0 and 1, or if the lengths differ.

    See Also
    --------
    profile_anonymity : Counts how many people share each profile.
    nearest_profiles : Assigns other records to released profiles.

    Notes
    -----
    This is k-anonymity [1]_ by microaggregation [2]_: small groups are merged, or take people
    from large groups, in the order of the fewest changes; then people move or change places
    while this reduces the changes. The search is greedy, so fewer changes may be possible.
    The result does not depend on the order of the records.

    **Theorem.** Somebody who sees a released profile, and nothing else, names the right person
    with a probability of at most 1/k, if the person was chosen at random from those released.
    Proof: every strategy names one person for each profile. It is right for at most one
    person of each of the c classes, so for c of n people, and n is at least k c.

    **Limits.** The theorem holds for an attacker who knows which people are released, and
    their original profiles. It does not hold for an attacker who can exclude members of a
    class, for example because they know how many recordings somebody has. k-anonymity
    does not hide what all members of a class have in common (l-diversity). It holds within one
    release: two releases of overlapping people can be intersected.

    References
    ----------
    .. [1] L. Sweeney, "k-anonymity: a model for protecting privacy", International Journal
       of Uncertainty, Fuzziness and Knowledge-Based Systems 10(5), 557-570, 2002.
    .. [2] J. Domingo-Ferrer, V. Torra, "Ordinal, continuous and heterogeneous k-anonymity
       through microaggregation", Data Mining and Knowledge Discovery 11(2), 195-212, 2005.

    Examples
    --------
    >>> from sklearn_ecganon.contracts import k_anonymous_profiles
    >>> categories = {"rate_zone": [1, 1, 2, 2, 1], "wide_qrs": [0, 0, 1, 1, 1]}
    >>> anonymous = k_anonymous_profiles(categories, ["a", "b", "c", "d", "e"], k=2)
    >>> anonymous.class_sizes.tolist()
    [3, 2]
    >>> anonymous.codes["wide_qrs"].tolist()
    [0, 0, 1, 1, 0]
    >>> anonymous.kept, anonymous.to_dict()["reached"]
    (0.9, 2)
    """
    table, people = _checked(categories, subjects)
    persons, person_of = np.unique(people, return_inverse=True)
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= k <= len(persons):
        raise ValueError(
            f"k={k!r} with {len(persons)} people; give a whole number from 1 to the number "
            "of people."
        )
    if not 0 <= most_changed <= 1:
        raise ValueError(f"most_changed={most_changed}; give a fraction from 0 to 1.")
    candidates = {name: _candidates(values) for name, values in table.items()}
    by_record = [_costs(name, table[name], candidates[name]) for name in table]
    cost = np.concatenate(by_record, axis=1)
    starts = np.cumsum([0, *(len(c) for c in candidates.values())])[:-1]
    by_person = np.zeros((len(persons), cost.shape[1]))
    np.add.at(by_person, person_of, cost)
    by_person /= np.bincount(person_of)[:, np.newaxis]
    measured = np.stack([values != UNMEASURED for values in table.values()], axis=1)
    served = np.bincount(person_of, measured.any(axis=1)) > 0
    while True:
        classes = np.full(len(persons), SUPPRESSED)
        n_classes = 0
        if served.sum() >= k:
            classes[served] = group_people(by_person[served], starts, int(k))
            n_classes = int(classes.max()) + 1
        profiles = _profiles_of(by_person, classes, n_classes, candidates, starts)
        changed = _n_changed(table, profiles, classes[person_of], measured)
        n_changed = np.bincount(person_of, changed)
        n_measured = np.maximum(np.bincount(person_of, measured.sum(axis=1)), 1)
        beyond = served & (n_changed > most_changed * n_measured)
        if not n_classes or not beyond.any():
            break
        served &= ~beyond
    of_records = classes[person_of]
    n_released = measured[of_records != SUPPRESSED].sum()
    kept = 1.0 - changed.sum() / n_released if n_released else 0.0
    sizes = np.bincount(classes[classes >= 0], minlength=n_classes).astype(np.intp)
    return KAnonymousProfiles(int(k), profiles, sizes, of_records, float(kept))


def nearest_profiles(
    categories: Mapping[str, ArrayLike], profiles: Mapping[str, ArrayLike]
) -> NDArray[np.intp]:
    """Return for each record the released profile that changes it the least.

    Parameters
    ----------
    categories : mapping of str to array-like of int of shape (n_records,)
        Codes of the records. Categories that `profiles` does not have are ignored.
    profiles : mapping of str to array-like of int of shape (n_classes,)
        As `KAnonymousProfiles.profiles`. Categories that the records do not have are ignored.

    Returns
    -------
    classes : ndarray of int of shape (n_records,)
        Position of the profile. Among equal ones the first is taken.

    Raises
    ------
    ValueError
        If records and profiles have no category in common.

    Examples
    --------
    >>> from sklearn_ecganon.contracts import nearest_profiles
    >>> nearest_profiles({"rate_zone": [0, 2]}, {"rate_zone": [1, 2], "st": [1, 1]})
    array([0, 1])
    """
    names = [name for name in profiles if name in categories]
    if not names:
        raise ValueError(
            f"the records have the categories {', '.join(categories)}, and the profiles have "
            f"{', '.join(profiles)}; at least one must be the same."
        )
    cost = sum(
        _costs(name, np.asarray(categories[name]), np.asarray(profiles[name])) for name in names
    )
    return np.asarray(cost).argmin(axis=1)


def _checked(categories: Mapping[str, ArrayLike], subjects: ArrayLike) -> tuple[Codes, NDArray]:
    table = {name: np.asarray(values, dtype=np.intp) for name, values in categories.items()}
    people = np.asarray(subjects)
    shapes = {values.shape for values in table.values()} | {people.shape}
    if not table or len(shapes) > 1 or people.ndim != 1 or not len(people):
        raise ValueError(
            "categories and subjects have the shapes "
            f"{', '.join(map(str, sorted(shapes)))}; give one code of at least one category, "
            "and one subject, for each of at least one record."
        )
    return table, people


def _candidates(values: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the codes that a released profile may have in a category."""
    codes = np.unique(values)
    known = codes[codes != UNMEASURED]
    return known if len(known) else codes


def _costs(name: str, codes: NDArray, candidates: NDArray) -> NDArray[np.float64]:
    """Return the cost of each candidate for each code: (n_codes, n_candidates)."""
    old, new = codes[:, np.newaxis], candidates[np.newaxis]
    if name in NOMINAL:
        cost = np.full(np.broadcast_shapes(old.shape, new.shape), _NOMINAL_COST)
    else:
        cost = 0.5 + 0.5 * np.abs(old - new)
        cost = np.where((old < 0) | (new < 0), _ABSENT_COST, cost)
    return np.where((old == new) | (old == UNMEASURED), 0.0, cost)


def _profiles_of(
    by_person: NDArray,
    classes: NDArray[np.intp],
    n_classes: int,
    candidates: Codes,
    starts: NDArray[np.intp],
) -> Codes:
    """Return for each class and category the candidate with the least cost."""
    total = np.zeros((n_classes, by_person.shape[1]))
    served = classes >= 0
    np.add.at(total, classes[served], by_person[served])
    blocks = np.split(total, starts[1:], axis=1)
    return {
        name: codes[np.round(block, 7).argmin(axis=1)]
        for (name, codes), block in zip(candidates.items(), blocks, strict=True)
    }


def _n_changed(
    table: Codes, profiles: Codes, classes: NDArray[np.intp], measured: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return how many measured categories of each released record change."""
    released = classes != SUPPRESSED
    changed = np.zeros(len(classes), dtype=np.intp)
    for column, (name, values) in enumerate(table.items()):
        new = np.append(profiles[name], UNMEASURED)[classes]
        changed += released & measured[:, column] & (values != new)
    return changed
