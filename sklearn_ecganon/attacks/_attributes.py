"""Inference: what a release reveals about a person beyond identity, such as sex and age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import clone, is_regressor
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_random_state

from sklearn_ecganon.metrics import strip_embedding
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import cut_strips

SAMPLING_RATE = 125.0


class AttributeInference(NamedTuple):
    """How well one attribute of a person is read from originals and from a release.

    Every figure is an AUC for an attribute with two classes, and a rank correlation for a
    number.

    Attributes
    ----------
    metric : str
        ``"AUC"`` or ``"rank correlation"``.
    original : float
        Trained on originals of other people and read from originals: what an ECG reveals.
    ignorant : float
        Trained on originals of other people and read from the release.
    informed : float
        Trained on releases of other people and read from the release.
    members, control : float
        Trained on releases, and read from originals of the people in these releases and of
        people who are not in them. Only the difference is due to taking part.
    chance : float
        0.5 for an AUC and 0 for a correlation.
    chance_high : float
        95 % of random assignments of the attribute to people stay below this.
    n_subjects : int
        People.
    """

    metric: str
    original: float
    ignorant: float
    informed: float
    members: float
    control: float
    chance: float
    chance_high: float
    n_subjects: int

    @property
    def worst(self) -> float:
        """The better one of the two readings of the release."""
        return max(self.ignorant, self.informed)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.metric}, {self.n_subjects} people, chance {self.chance:g} "
                f"(95 % below {self.chance_high:.3f})",
                f"read from originals                          {self.original:.3f}",
                f"read from the release, ignorant              {self.ignorant:.3f}",
                f"read from the release, informed              {self.informed:.3f}",
                f"learned from the release, read from members  {self.members:.3f}",
                f"learned from the release, read from others   {self.control:.3f}",
            ]
        )


def attribute_inference(
    original: Sequence[ECGRecord] | BeatSet,
    released: Sequence[ECGRecord] | BeatSet,
    attribute: ArrayLike,
    subjects: ArrayLike,
    *,
    reader: Any = None,
    leads: Sequence[str | int] | None = None,
    n_folds: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> AttributeInference:
    """Read an attribute of people from their originals and from a release.

    Parameters
    ----------
    original, released : sequence of ECGRecord, or BeatSet
        The same recordings in the same order, before and after.
    attribute : array-like of shape (n_records,)
        Two classes, for example ``"F"`` and ``"M"``, or numbers of at least three different
        values, for example ages. NaN and ``""`` mark records of unknown attribute, which
        are left out.
    subjects : array-like of shape (n_records,)
        The person of each record; figures are over people.
    reader : classifier or regressor, optional
        Learns the attribute; 300 extremely randomized trees by default.
    leads : sequence of str or int, optional
        Leads to read; by default all.
    n_folds : int, default=5
        Folds over the people.
    random_state : int, RandomState or None, default=None
        Deals the people to the folds, seeds the reader and the chance level.

    Returns
    -------
    inference : AttributeInference
        Five readings and the chance level. ``print(inference)`` shows them.

    Raises
    ------
    ValueError
        If the inputs do not fit each other, a person has two values, or there are fewer
        people than twice the folds.

    Notes
    -----
    Inference is one of the three risks of Opinion 05/2014 of the Article 29 Working Party
    (WP216). `members` against `control` is the comparison with a control group of [1]_:
    what can be concluded about anybody is science. Only conclusions that are better for
    people in the release are a risk of taking part. `informed` beside `original` shows
    how much of the attribute is left in the release, as [2]_ reports it.

    A record is described by :func:`~sklearn_ecganon.metrics.strip_embedding` of each lead,
    averaged over its strips of 10 s.

    References
    ----------
    .. [1] M. Giomi, F. Boenisch, C. Wehmeyer, B. Tasnadi, "A unified framework for
       quantifying privacy risk in synthetic data", PoPETs 2023(2), 312-328.
    .. [2] A. Nolin-Lapalme, R. Avram, J. Hussin, "PrivECG: generating private ECG for
       end-to-end anonymization", MLHC, PMLR 219, 509-528, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import attribute_inference
    >>> bunch = make_ecg_records(n_subjects=20, n_sessions=1, duration=10.0, random_state=0)
    >>> n_beats = [len(record.r_peaks) for record in bunch.data]
    >>> inference = attribute_inference(
    ...     bunch.data, bunch.data, n_beats, bunch.subject, random_state=0
    ... )
    >>> inference.metric, inference.original > 0.5
    ('rank correlation', True)
    """
    attribute, subjects = np.asarray(attribute), np.asarray(subjects)
    if not len(original) == len(released) == len(attribute) == len(subjects):
        raise ValueError(
            f"{len(original)} originals, {len(released)} released records, {len(attribute)} "
            f"attributes and {len(subjects)} subjects; give one of each for every record."
        )
    rng = check_random_state(random_state)
    known, values, is_number = _attribute(attribute)
    people, codes = np.unique(subjects[known], return_inverse=True)
    targets = _by_person(values, codes, len(people), people)
    if len(people) < 2 * n_folds:
        raise ValueError(
            f"{len(people)} people for {n_folds} folds; give at least {2 * n_folds}."
        )
    seed = int(rng.randint(2**31 - 1))
    if reader is None:
        trees = ExtraTreesRegressor if is_number else ExtraTreesClassifier
        reader = trees(300, min_samples_leaf=2, random_state=seed)
    elif is_regressor(reader) != is_number:
        raise ValueError(
            f"reader is {reader!r}, but the attribute has "
            f"{'numbers: give a regressor' if is_number else 'classes: give a classifier'}."
        )
    X = {
        "original": _describe(original, leads)[known],
        "release": _describe(released, leads)[known],
    }
    fold = rng.permutation(len(people)) % n_folds
    readings = _read(reader, X, values, codes, fold, len(people))
    figure = _rank_correlation if is_number else roc_auc_score
    permuted = [figure(rng.permutation(targets), readings["informed"]) for _ in range(200)]
    figures = {name: float(figure(targets, scores)) for name, scores in readings.items()}
    return AttributeInference(
        metric="rank correlation" if is_number else "AUC",
        chance=0.0 if is_number else 0.5,
        chance_high=float(np.quantile(permuted, 0.95)),
        n_subjects=len(people),
        **figures,
    )


def _read(
    reader: Any,
    X: dict[str, NDArray],
    values: NDArray,
    codes: NDArray[np.intp],
    fold: NDArray[np.intp],
    n_people: int,
) -> dict[str, NDArray[np.float64]]:
    """Return the readings of every person, by name of the attack."""
    sums = {
        name: np.zeros(n_people)
        for name in ("original", "ignorant", "informed", "members", "control")
    }
    for k in range(fold.max() + 1):
        rows = fold[codes] != k
        by_original = clone(reader).fit(X["original"][rows], values[rows])
        by_release = clone(reader).fit(X["release"][rows], values[rows])
        for name, model, side, tested in (
            ("original", by_original, "original", ~rows),
            ("ignorant", by_original, "release", ~rows),
            ("informed", by_release, "release", ~rows),
            ("control", by_release, "original", ~rows),
            # A person is a member in all folds but one; the first of these is used.
            ("members", by_release, "original", fold[codes] == (k + 1) % (fold.max() + 1)),
        ):
            scores = _scores(model, X[side][tested])
            means = np.bincount(codes[tested], scores, n_people)
            counts = np.bincount(codes[tested], minlength=n_people)
            sums[name][counts > 0] = (means / np.maximum(counts, 1))[counts > 0]
    return sums


def _attribute(values: NDArray) -> tuple[NDArray[np.bool_], NDArray, bool]:
    """Return which records have a value, these values, and whether they are numbers."""
    if values.dtype.kind in "fiu":
        known = np.isfinite(values.astype(float))
    else:
        known = np.array([value not in ("", None) for value in values.tolist()])
    different = np.unique(values[known])
    if len(different) == 2:
        return known, (values[known] == different[1]).astype(int), False
    if values.dtype.kind not in "fiu" or len(different) < 3:
        raise ValueError(
            f"the attribute has the values {different[:5].tolist()}; give two classes, or "
            "numbers of three values or more."
        )
    return known, values[known].astype(float), True


def _by_person(
    values: NDArray, codes: NDArray[np.intp], n_people: int, people: NDArray
) -> NDArray:
    targets = np.zeros(n_people, dtype=values.dtype)
    targets[codes] = values
    differs = targets[codes] != values
    if differs.any():
        raise ValueError(
            f"subject '{people[codes[differs][0]]}' has two values of the attribute; give "
            "each person one."
        )
    return targets


def _describe(X: Any, leads: Sequence[str | int] | None) -> NDArray[np.float64]:
    """Return one row of numbers for each record."""
    strips = cut_strips(X, sampling_rate=SAMPLING_RATE, leads=leads)
    rows = strip_embedding(strips.values, SAMPLING_RATE, by_lead=True)
    starts = np.searchsorted(strips.record, np.arange(len(X)))
    counts = np.diff(np.append(starts, len(rows)))
    return np.add.reduceat(rows, starts, axis=0) / counts[:, np.newaxis]


def _scores(model: Any, X: NDArray) -> NDArray[np.float64]:
    if is_regressor(model):
        return model.predict(X)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)[:, 1]
    return model.decision_function(X)


def _rank_correlation(targets: NDArray, scores: NDArray) -> float:
    """Return Spearman's coefficient; 0 where all scores are equal."""
    ranks = [rankdata(values) for values in (targets, scores)]
    centered = [values - values.mean() for values in ranks]
    scale = float(np.prod([np.linalg.norm(values) for values in centered]))
    return float(centered[0] @ centered[1]) / scale if scale else 0.0
