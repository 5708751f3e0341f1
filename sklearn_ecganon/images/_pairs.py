"""Pairs of images of one person, and as many pairs of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d


def verification_pairs(
    subject: ArrayLike,
    *,
    match: ArrayLike | None = None,
    max_per_subject: int | None = 10,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Draw as many pairs of one person as pairs of two.

    Each genuine pair has an impostor pair: the first image stays, and the second is
    replaced by an image of another person that has the same value in all columns of
    `match`. So no column, and no combination of columns, distinguishes genuine from
    impostor pairs. If people tend to come back for the same view, for example, pairs of two
    views are still as often genuine as not.

    Split by people first, and call it for each side: an impostor pair has two people.

    Parameters
    ----------
    subject : array-like of shape (n,)
        The person in each image.
    match : array-like of shape (n,) or (n, n_columns), optional
        Obvious features of each image, such as view and sex. An empty text (unknown) is a
        value like the others.
    max_per_subject : int, optional
        Largest number of genuine pairs of a person, drawn without replacement, so that
        frequent visitors do not dominate. None takes all.
    random_state : int, RandomState instance or None, default=None
        Seeds the draws.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions in `subject`, genuine pairs first, each impostor pair in the order of its
        genuine one. Genuine pairs for which no other person has a matching image are left
        out.
    is_genuine : ndarray of bool of shape (n_pairs,)
        True in the first half.

    Raises
    ------
    ValueError
        If there is only one person, no person has two images, or no images match.

    Notes
    -----
    After the pairs of [1]_ and [2]_, balanced and drawn by patients. Deviations: impostors
    are matched, pairs of a person are capped.

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based patient re-identification is able to
       exploit the biometric nature of medical chest X-ray data", Scientific Reports 12,
       14851, 2022.
    .. [2] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> from sklearn_ecganon.images import verification_pairs
    >>> pairs, is_genuine = verification_pairs(list("aabbc"), random_state=0)
    >>> is_genuine.tolist()
    [True, True, False, False]
    >>> sorted(sorted(pair) for pair in pairs[is_genuine].tolist())
    [[0, 1], [2, 3]]
    """
    people = np.asarray(subject)
    if people.dtype == object or people.dtype.kind == "f":
        # All images of unknown people would count as those of one person.
        unknown = [person is None or person != person for person in people.ravel()]
        if any(unknown):
            raise ValueError(
                f"subject of row {int(np.argmax(unknown))} is missing; give the "
                "person in every image, or remove such rows."
            )
    subjects = _codes(subject)
    keys = np.zeros(len(subjects), dtype=np.intp) if match is None else _codes(match)
    check_consistent_length(subjects, keys)
    if max_per_subject is not None and max_per_subject < 1:
        raise ValueError(f"max_per_subject is {max_per_subject}; give 1 or more, or None.")
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    check_people(subjects)
    genuine = _genuine_pairs(subjects, max_per_subject, rng)
    # Either image of a pair may be the one that stays.
    genuine = np.where(rng.random(len(genuine))[:, np.newaxis] < 0.5, genuine, genuine[:, ::-1])
    others = _others_alike(genuine[:, 1], subjects, keys, rng)
    matched = others >= 0
    if not matched.any():
        raise ValueError(
            "no impostor pair possible: no image of another person has the same values of "
            "match as one of a person with two images; give fewer columns of match."
        )
    impostor = np.column_stack([genuine[:, 0], others])
    pairs = np.concatenate([genuine[matched], impostor[matched]])
    return pairs, np.arange(len(pairs)) < matched.sum()


def linked_pairs(
    pairs: NDArray[np.intp], subject: ArrayLike, match: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs of all images of the left person with the right image, and whose they are.

    Parameters
    ----------
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions in `subject`.
    subject, match : array-like
        As in `verification_pairs`.

    Returns
    -------
    linked : ndarray of int of shape (n_linked, 2)
        For each pair, its right image with each image of the left person that has the same
        value of `match` as the left image, and is not the right image.
    owner : ndarray of int of shape (n_linked,)
        The pair that each belongs to.
    """
    subjects = _codes(subject)
    keys = np.zeros(len(subjects), dtype=np.intp) if match is None else _codes(match)
    linked, owner = [], []
    for number, (left, right) in enumerate(pairs):
        alike = (subjects == subjects[left]) & (keys == keys[left])
        alike[right] = False
        images = np.flatnonzero(alike)
        linked.append(np.column_stack([images, np.full(len(images), right)]))
        owner.append(np.full(len(images), number))
    return np.concatenate(linked), np.concatenate(owner)


def check_people(subjects: NDArray[np.intp]) -> None:
    """Refuse people without any genuine pair or any impostor pair."""
    n_images = np.bincount(subjects)
    if len(n_images) < 2:
        raise ValueError(
            "y holds one class, a single person; an impostor pair needs two people."
        )
    if n_images.max() < 2:
        raise ValueError(
            f"no genuine pair possible: each of the {len(n_images)} people has a single image; "
            "give two images or more of some people."
        )


def _codes(values: ArrayLike) -> NDArray[np.intp]:
    """Return a number for each distinct value, or row of values, beginning with 0."""
    texts = np.asarray(values).astype(np.str_)
    rows = texts if texts.ndim == 2 else column_or_1d(texts)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(len(rows))


def _genuine_pairs(
    subjects: NDArray[np.intp], most: int | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return up to `most` different pairs of each person's images."""
    pairs = []
    order = np.argsort(subjects, kind="stable")
    for images in np.split(order, np.cumsum(np.bincount(subjects))[:-1]):
        n_possible = len(images) * (len(images) - 1) // 2
        numbers = np.arange(n_possible)
        if most is not None and most < n_possible:
            numbers = rng.choice(n_possible, most, replace=False)
        # Pair number k (k + 1) / 2 + j is image k + 1 with image j <= k.
        later = ((1 + np.sqrt(1 + 8 * numbers)) // 2).astype(np.intp)
        pairs.append(images[np.column_stack([numbers - later * (later - 1) // 2, later])])
    return np.concatenate(pairs)


def _others_alike(
    rows: NDArray[np.intp],
    subjects: NDArray[np.intp],
    keys: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Draw for each row a row of another person with the same key, or -1 if there is none."""
    others = np.full(len(rows), -1)
    for key in np.unique(keys[rows]):
        alike = np.flatnonzero(keys == key)
        alike = alike[np.argsort(subjects[alike], kind="stable")]
        here = np.flatnonzero(keys[rows] == key)
        person = subjects[rows[here]]
        first = np.searchsorted(subjects[alike], person, "left")
        n_of_person = np.searchsorted(subjects[alike], person, "right") - first
        n_others = len(alike) - n_of_person
        place = (rng.random(len(here)) * n_others).astype(np.intp)
        # Skip the block of the person's images.
        place += np.where(place >= first, n_of_person, 0)
        has_other = n_others > 0
        others[here[has_other]] = alike[place[has_other]]
    return others
