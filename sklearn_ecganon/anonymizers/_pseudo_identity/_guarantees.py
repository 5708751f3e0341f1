"""Guarantees of a release: profiles that k people share, and a budget of privacy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon.anonymizers._pseudo_identity._identity import Population
from sklearn_ecganon.anonymizers._pseudo_identity._k_profiles import (
    ProfileTable,
    learn_profiles,
)
from sklearn_ecganon.anonymizers._pseudo_identity._private import private_population
from sklearn_ecganon.contracts import KAnonymousProfiles
from sklearn_ecganon.privacy import PrivateMoments
from sklearn_ecganon.records import BeatSet


class GuaranteesMixin:
    """What `PseudoIdentityAnonymizer` guarantees by its parameters `k` and `epsilon`."""

    contract: str
    k: int
    weights: Any
    epsilon: float | None
    delta: float
    n_jobs: int | None
    random_state: Any
    salt_: NDArray[np.uint8]
    k_anonymity_: KAnonymousProfiles
    private_moments_: PrivateMoments
    _population: Population
    _profiles: ProfileTable

    def fit_profiles(self, records: Iterable[BeatSet], subjects: ArrayLike) -> Self:
        """Choose released profiles that `k` people share, for a model that is fitted.

        In contrast to `fit`, the records may have different leads, sampling rates and
        windows, and only one of them is in memory at a time. Use it after
        :meth:`from_pretrained`.

        Parameters
        ----------
        records : iterable of BeatSet
            All records that are going to be released, one in each, or their first stretches
            that have beats.
        subjects : array-like of shape (n_records,)
            The person of each record.

        Returns
        -------
        self : PseudoIdentityAnonymizer
            The fitted model.

        Raises
        ------
        ValueError
            If the contract is not ``"diagnostic"``, if k is above the number of people, or
            if no record can be measured.
        """
        check_is_fitted(self)
        self._learn_profiles(records, subjects)
        return self

    def _learn_profiles(self, records: Iterable[BeatSet], subjects: Any) -> None:
        self._profiles = learn_profiles(
            records, subjects, self.k, self.contract, self.salt_, self.n_jobs
        )
        self.k_anonymity_ = self._profiles.anonymous

    def _learn_privately(self, beats: BeatSet, subjects: Any, seed: int) -> None:
        """Adapt the population to the people of some records, if epsilon is given."""
        if self.epsilon is None:
            return
        fixed = None if self.random_state is None else seed
        self._population, self.private_moments_ = private_population(
            self._population, beats, subjects, self.epsilon, self.delta, fixed, self.n_jobs
        )

    def _released_profiles(self, first: BeatSet) -> list[dict[str, int]] | list[None]:
        """Return the profile of each record, or None for each if they keep their own."""
        if self.k == 1:
            return [None] * len(first)
        if not hasattr(self, "_profiles"):
            raise ValueError(
                f"k={self.k} depends on the other records of a release; call fit, or "
                "fit_profiles, with all records and their subjects."
            )
        return self._profiles.profiles(first, self.n_jobs)
