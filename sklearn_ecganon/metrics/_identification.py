"""Who is it, and is it the same one: figures from scores against every gallery subject."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state


def rank_k(scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike, k: int = 1) -> NDArray:
    """Tell for each probe whether its subject is among the `k` best scores.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.
    k : int, default=1
        How many guesses the attacker has.

    Returns
    -------
    hits : ndarray of float of shape (n_probes,)
        1.0 for a hit, 0.0 for a miss. Ties are shared: a subject tied with `m` others over
        the last guesses gets the chance of being drawn among them, so that an attacker
        whose scores are all equal scores exactly chance.

    Raises
    ------
    ValueError
        If a probe's subject is not in `classes`.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import rank_k
    >>> rank_k([[0.9, 0.1], [0.8, 0.2]], ["a", "b"], ["a", "b"])
    array([1., 0.])
    """
    scores, y_true, classes = np.asarray(scores), np.asarray(y_true), np.asarray(classes)
    column = _columns(y_true, classes)
    own = scores[np.arange(len(scores)), column][:, np.newaxis]
    better = (scores > own).sum(axis=1)
    tied = (scores == own).sum(axis=1)
    return np.clip((k - better) / tied, 0.0, 1.0)


def equal_error_rate(scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike) -> float:
    """Return the equal error rate of verification: every probe against every subject.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike. Scores of different probes are compared with each other.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.

    Returns
    -------
    eer : float
        The rate at which false matches and false non-matches are equal, interpolated
        between thresholds: 0 for perfect separation, 0.5 for guessing.

    Notes
    -----
    Computed from the empirical distributions of the genuine and impostor scores, where a
    tie counts half; `sklearn.metrics.det_curve` degenerates to one point when the scores
    separate perfectly.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import equal_error_rate
    >>> equal_error_rate([[0.9, 0.1], [0.2, 0.8]], ["a", "b"], ["a", "b"])
    0.0
    """
    scores, classes = np.asarray(scores, dtype=float), np.asarray(classes)
    genuine = np.zeros(scores.shape, dtype=bool)
    genuine[np.arange(len(scores)), _columns(np.asarray(y_true), classes)] = True
    own, other = np.sort(scores[genuine]), np.sort(scores[~genuine])
    thresholds = np.unique(scores)
    # Accept at >= threshold; the last column is the threshold above every score.
    missed = np.append(np.searchsorted(own, thresholds, "left"), len(own)) / len(own)
    matched = 1 - np.append(np.searchsorted(other, thresholds, "left"), len(other)) / len(other)
    gap = missed - matched
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0 or after == 0:
        return float((missed[after] + matched[after]) / 2)
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(missed[after - 1] + share * (missed[after] - missed[after - 1]))


def subject_bootstrap(
    hits: ArrayLike,
    subjects: ArrayLike,
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[float, float, float]:
    """Return the mean over subjects of each subject's mean, and its bootstrap interval.

    Probes of one person resemble each other, so people are resampled, not probes.

    Parameters
    ----------
    hits : array-like of shape (n_probes,)
        One figure a probe, for example of :func:`rank_k`.
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
    mean, low, high : float
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
        return mean, 0.0, float(1 - tail ** (1 / n))
    if (means == 1).all():
        return mean, float(tail ** (1 / n)), 1.0
    draws = check_random_state(random_state).randint(n, size=(n_resamples, n))
    low, high = np.quantile(means[draws].mean(axis=1), [tail, 1 - tail])
    return mean, float(low), float(high)


def _columns(y_true: NDArray, classes: NDArray) -> NDArray[np.intp]:
    order = np.argsort(classes)
    place = np.minimum(np.searchsorted(classes[order], y_true), len(classes) - 1)
    column = order[place]
    missing = classes[column] != y_true
    if missing.any():
        raise ValueError(
            f"subject '{y_true[missing][0]}' of a probe is not among the "
            f"{len(classes)} gallery subjects."
        )
    return column
