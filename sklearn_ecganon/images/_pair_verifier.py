"""What attackers that compare pairs of images have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_ecganon.images._pairs import check_people, linked_pairs, verification_pairs

EVIDENCE = ("single", "linked")


class VerificationRow(NamedTuple):
    """How well an attacker distinguishes pairs of one person from pairs of two.

    Attributes
    ----------
    auc : float
        Area under the receiver operating characteristic: 0.5 for guessing.
    eer : float
        Rate at which false matches and false non-matches are equal: 0.5 for guessing.
    n_pairs : int
        Genuine and impostor pairs, half of each.
    n_subjects : int
        People with genuine pairs.
    attacker : {"siamese", "matching", "pixels"}
        A trained verifier, or the correlation of pixels, which needs no training.
    knowledge : {"original", "ignorant", "lazy-informed", "semi-informed"}
        What the attacker was trained on and compares, as in :func:`verify_release`.
    seed : int or None
        Seed of the verifier.
    evidence : {"single", "linked"}
        Whether one original is compared with an image, or all originals of the person that
        show the same values of `match`.
    """

    auc: float
    eer: float
    n_pairs: int
    n_subjects: int
    attacker: str = "siamese"
    knowledge: str = "original"
    seed: int | None = None
    evidence: str = "single"


class PairVerifier:
    """Base of the attackers that compare two images.

    A subclass has `_describe`, which returns what is compared of each image, `_compare`, which
    returns the score of each pair, and `_probability`, which converts scores.
    """

    #: Name of the attacker in results.
    attacker: str

    _images: Any
    _describe: Any
    _compare: Any
    _probability: Any

    def score_pairs(self, X_left: ArrayLike, X_right: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that both images of each pair are of one person.

        Parameters
        ----------
        X_left, X_right : array-like
            Images as in `fit`, as many of each.

        Returns
        -------
        scores : ndarray of shape (n,)
            Probabilities, for data in which half of all pairs are of one person.
        """
        check_is_fitted(self)
        left, right = self._describe(X_left), self._describe(X_right)
        check_consistent_length(left, right)
        pairs = np.column_stack([np.arange(len(left))] * 2)
        return self._probability(self._compare(left, right, pairs))

    def evaluate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        released: ArrayLike | None = None,
        match: ArrayLike | None = None,
        max_per_subject: int | None = 10,
        evidence: str = "single",
        random_state: int | np.random.RandomState | None = 0,
    ) -> VerificationRow:
        """Compare pairs of images of people who were not in `fit`.

        Parameters
        ----------
        X : array-like
            Images as in `fit`, of other people.
        y : array-like of shape (n,)
            The person in each.
        released : array-like of the shape of X, optional
            The same images after an anonymizer, from which the right sides then come. A
            pair is never an image and its release.
        match : array-like of shape (n,) or (n, n_columns), optional
            As in :func:`verification_pairs`.
        max_per_subject : int or None, default=10
            As in :func:`verification_pairs`.
        evidence : {"single", "linked"}, default="single"
            ``"linked"``: an attacker who has several images of a person compares all of them
            that have the same values of `match` with the right side, and takes the mean of
            the scores.
        random_state : int, RandomState instance or None, default=0
            As in :func:`verification_pairs`.

        Returns
        -------
        row : VerificationRow
            AUC and EER.

        Raises
        ------
        ValueError
            If no pairs can be formed of these people, or `evidence` is unknown.
        """
        check_is_fitted(self)
        if evidence not in EVIDENCE:
            raise ValueError(f"evidence is {evidence!r}; give one of {', '.join(EVIDENCE)}.")
        settings = {"max_per_subject": max_per_subject, "random_state": random_state}
        return self._evaluate(X, y, released, match, (evidence,), **settings)[0]

    def _evaluate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        released: ArrayLike | None,
        match: ArrayLike | None,
        evidence: Sequence[str] = EVIDENCE,
        **settings: Any,
    ) -> list[VerificationRow]:
        """Return a row for each evidence; `settings` are those of `verification_pairs`."""
        pairs, is_genuine = verification_pairs(y, match=match, **settings)
        left = self._describe(X)
        check_consistent_length(left, y)
        right = left if released is None else self._describe(released)
        check_consistent_length(left, right)
        compared = {"single": (pairs, np.arange(len(pairs)))}
        if "linked" in evidence:
            compared["linked"] = linked_pairs(pairs, y, match)
        # Many comparisons occur in several pairs.
        every = np.concatenate([compared[kind][0] for kind in evidence])
        different, inverse = np.unique(every, axis=0, return_inverse=True)
        scores = self._compare(left, right, different)[inverse.ravel()]
        rows, start = [], 0
        for kind in evidence:
            owner = compared[kind][1]
            of_kind = scores[start : start + len(owner)]
            start += len(owner)
            means = np.bincount(owner, of_kind) / np.bincount(owner)
            row = verification_row(means, pairs, is_genuine, y)
            rows.append(row._replace(attacker=self.attacker, evidence=kind))
        return rows

    def _training_data(
        self, X: ArrayLike, y: ArrayLike, released: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[Any] | None]:
        """Return images, the person in each, and released images, after checks."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        images = self._images(X, reset=True)
        subjects = check_subjects(y, images)
        if released is None:
            return images, subjects, None
        others = self._images(released, reset=False)
        if len(others) != len(images):
            raise ValueError(
                f"released has {len(others)} images, X has {len(images)}; give one for each."
            )
        return images, subjects, others


def verification_row(
    scores: NDArray, pairs: NDArray[np.intp], is_genuine: NDArray[np.bool_], y: ArrayLike
) -> VerificationRow:
    """Return AUC and EER of the scores of pairs."""
    false, true, _ = roc_curve(is_genuine, scores, drop_intermediate=False)
    return VerificationRow(
        auc=float(roc_auc_score(is_genuine, scores)),
        # The point at which false matches become more frequent than false non-matches.
        eer=float(np.interp(0, false - (1 - true), false)),
        n_pairs=len(pairs),
        n_subjects=len(np.unique(np.asarray(y)[pairs[is_genuine, 0]])),
    )


def check_subjects(y: ArrayLike, images: NDArray[Any]) -> NDArray[np.intp]:
    """Return a number for the person in each image, from 0 upwards."""
    y = np.asarray(column_or_1d(y, warn=True))
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity.")
    check_consistent_length(images, y)
    subjects = np.unique(y, return_inverse=True)[1]
    check_people(subjects)
    return subjects
