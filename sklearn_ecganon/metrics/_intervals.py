"""Estimates with their 95 % intervals: the one place where intervals are computed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state


class Estimate(NamedTuple):
    """A figure and the ends of its interval.

    Attributes
    ----------
    value : float
        The figure.
    low, high : float
        Ends of its interval.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import Estimate
    >>> f"{Estimate(0.25, 0.125, 0.5):.1%}"
    '25.0 % [12.5, 50.0]'
    """

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Return value and interval; a ``%`` at the end of `spec` shows them in percent.

        Parameters
        ----------
        spec : str
            Format of each of the three numbers.

        Returns
        -------
        text : str
            The value, and its interval in brackets.
        """
        scale, unit = (100, " %") if spec.endswith("%") else (1, "")
        number = spec.replace("%", "f") if unit else spec
        value, low, high = (format(scale * figure, number) for figure in self)
        return f"{value}{unit} [{low}, {high}]"


def subject_bootstrap(
    hits: ArrayLike,
    subjects: ArrayLike,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
) -> Estimate:
    """Return the mean over subjects of each subject's mean, and its bootstrap interval.

    Probes of one person resemble each other, so people are resampled, not probes.

    Parameters
    ----------
    hits : array-like of shape (n_probes,)
        One figure for each probe, for example from :func:`rank_k`.
    subjects : array-like of shape (n_probes,)
        Subject of each probe.
    n_resamples : int, default=1000
        Number of bootstrap samples.
    confidence : float, default=0.95
        Coverage of the percentile interval.
    random_state : int, RandomState or None, default=None
        Draws the bootstrap samples.

    Returns
    -------
    estimate : Estimate
        The mean over subjects and the ends of its interval. When every subject scored the
        same extreme (all 0 or all 1) resampling shows no spread, and the open end is the
        exact Clopper-Pearson bound for that many subjects instead.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import subject_bootstrap
    >>> mean, low, high = subject_bootstrap([1, 1, 0, 0], list("aabb"), random_state=0)
    >>> mean, low, high
    (0.5, 0.0, 1.0)
    """
    _, index = np.unique(np.asarray(subjects), return_inverse=True)
    means = np.bincount(index, weights=np.asarray(hits, dtype=float)) / np.bincount(index)
    n, tail = len(means), (1 - confidence) / 2
    mean = float(means.mean())
    if (means == 0).all():
        return Estimate(mean, 0.0, float(1 - tail ** (1 / n)))
    if (means == 1).all():
        return Estimate(mean, float(tail ** (1 / n)), 1.0)
    draws = check_random_state(random_state).randint(n, size=(n_resamples, n))
    low, high = np.quantile(means[draws].mean(axis=1), [tail, 1 - tail])
    return Estimate(mean, float(low), float(high))


def paired_difference(
    rates: ArrayLike,
    reference: ArrayLike,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
) -> Estimate:
    """Return the mean difference of two rates of the same subjects, and its interval.

    Parameters
    ----------
    rates, reference : array-like of shape (n_subjects,)
        Two rates in [0, 1] of each subject.
    n_resamples : int, default=1000
        Number of bootstrap samples.
    confidence : float, default=0.95
        Coverage of the percentile interval.
    random_state : int, RandomState or None, default=None
        Draws the bootstrap samples.

    Returns
    -------
    estimate : Estimate
        ``mean(rates - reference)``. Subjects are resampled in pairs. If the difference is 0
        or -1 in every subject, resampling shows no spread, and the open ends are the exact
        bounds for that many subjects.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import paired_difference
    >>> paired_difference([1.0, 1.0], [1.0, 0.0], random_state=0).value
    0.5
    """
    difference = np.subtract(rates, reference)
    estimate = subject_bootstrap(
        difference,
        np.arange(len(difference)),
        n_resamples=n_resamples,
        confidence=confidence,
        random_state=random_state,
    )
    if not difference.any():  # both ends of a difference are open
        return estimate._replace(low=-estimate.high)
    if (difference == -1).all():
        bound = ((1 - confidence) / 2) ** (1 / len(difference))
        return estimate._replace(high=-float(bound))
    return estimate


def auc_interval(
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
) -> Estimate:
    """Return the AUC of two groups of scores, and its bootstrap interval.

    Parameters
    ----------
    positives, negatives : array-like of shape (n_positives,) and (n_negatives,)
        One score for each person. Positives should have the higher scores.
    n_resamples : int, default=1000
        Number of bootstrap samples. The people of each group are resampled.
    confidence : float, default=0.95
        Coverage of the percentile interval.
    random_state : int, RandomState or None, default=None
        Draws the bootstrap samples.

    Returns
    -------
    estimate : Estimate
        The AUC; ties count half. If one group is above the other throughout, resampling
        shows no spread, and the open end is the exact bound for as many independent pairs.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import auc_interval
    >>> auc_interval([3, 4], [1, 2, 3], random_state=0).value > 0.9
    True
    """
    rng = check_random_state(random_state)
    positives, negatives = np.asarray(positives, float), np.asarray(negatives, float)
    wins = np.sign(positives[:, np.newaxis] - negatives) / 2 + 0.5
    tail = (1 - confidence) / 2
    if wins.min() == wins.max() != 0.5:
        bound = float(tail ** (1 / min(wins.shape)))
        return Estimate(1.0, bound, 1.0) if wins.min() == 1 else Estimate(0.0, 0.0, 1 - bound)
    weights = [rng.multinomial(k, np.full(k, 1 / k), n_resamples) / k for k in wins.shape]
    aucs = np.einsum("ri,ij,rj->r", weights[0], wins, weights[1], optimize=True)
    low, high = np.quantile(aucs, [tail, 1 - tail])
    return Estimate(float(wins.mean()), float(low), float(high))
