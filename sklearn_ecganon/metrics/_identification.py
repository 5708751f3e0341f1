"""Figures of identification and verification, from scores against every gallery subject."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rank_k(scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike, k: int = 1) -> NDArray:
    """Return for each probe whether its subject is among the `k` best scores.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.
    k : int, default=1
        Number of guesses that the attacker has.

    Returns
    -------
    hits : ndarray of float of shape (n_probes,)
        1.0 for a hit, 0.0 for a miss. A subject tied with `m` others over the last guesses
        gets the probability of a random choice among them, so that an attacker whose scores
        are all equal achieves exactly chance.

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
    scores, columns = check_scores(scores, y_true, classes)
    better, tied = _competitors(scores, columns)
    return np.clip((k - better) / tied, 0.0, 1.0)


def cmc_curve(
    scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike, *, average: str = "subjects"
) -> NDArray[np.float64]:
    """Return the cumulative match characteristic: the identification rate at every rank.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.
    average : {"subjects", "probes"}, default="subjects"
        Whether each subject counts the same, as in :func:`subject_bootstrap`, or each
        probe.

    Returns
    -------
    rates : ndarray of shape (n_subjects,)
        ``rates[k - 1]`` is the average of ``rank_k(scores, y_true, classes, k)``, with the
        same rule for ties. It never falls, and ends at 1.

    Raises
    ------
    ValueError
        If a probe's subject is not in `classes`, a score is NaN, or `average` is unknown.

    Notes
    -----
    Closed-set identification as in [1]_, section 5.4, where every probe counts the same
    (``average="probes"``). The mean over subjects is our default because most probes
    may be of a few people.

    References
    ----------
    .. [1] P. J. Grother, R. J. Micheals, P. J. Phillips, "Face recognition vendor test
       2002 performance metrics", AVBPA, LNCS 2688, 937-945, 2003.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import cmc_curve
    >>> cmc_curve([[0.9, 0.1, 0.2], [0.8, 0.2, 0.1]], ["a", "b"], ["a", "b", "c"])
    array([0.5, 1. , 1. ])
    """
    if average not in ("subjects", "probes"):
        raise ValueError(f"average is {average!r}; give 'subjects' or 'probes'.")
    scores, columns = check_scores(scores, y_true, classes)
    better, tied = _competitors(scores, columns)
    # A probe with b better and t tied scores rises from rank b + 1 to rank b + t.
    ranks = np.arange(1, scores.shape[1] + 1)
    hits = np.clip((ranks - better[:, np.newaxis]) / tied[:, np.newaxis], 0.0, 1.0)
    if average == "probes":
        return hits.mean(axis=0)
    subjects, index, n_probes = np.unique(columns, return_inverse=True, return_counts=True)
    sums = np.zeros((len(subjects), len(ranks)))
    np.add.at(sums, index, hits)
    return (sums / n_probes[:, np.newaxis]).mean(axis=0)


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
    missed, matched = error_rates(scores, y_true, classes)
    gap = missed - matched
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0:
        return float((missed[after] + matched[after]) / 2)
    fraction = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(missed[after - 1] + fraction * (missed[after] - missed[after - 1]))


def tar_at_far(
    scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike, far: ArrayLike = 0.01
) -> NDArray[np.float64]:
    """Return the fraction of genuine claims accepted at a given rate of false accepts.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike. Scores of different probes are compared with each other.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.
    far : float or array-like, default=0.01
        False accept rate, or several of them, between 0 and 1.

    Returns
    -------
    tar : ndarray of float, of the shape of `far`
        True accept rate: 1 for perfect separation, `far` itself for guessing.

    Raises
    ------
    ValueError
        If `far` is not between 0 and 1, there are no impostors, or the scores do not fit
        the subjects.

    Notes
    -----
    The best point of the empirical receiver operating characteristic at that rate. Between
    its points the rate is interpolated linearly, which random choices between two thresholds
    achieve [1]_. `sklearn.metrics.det_curve` degenerates to one point when the scores separate
    perfectly. Below ``1 / (n_probes * (n_subjects - 1))`` no false accept was observed, and
    the figure is not informative.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters
       27(8), 861-874, 2006.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import tar_at_far
    >>> scores = [[0.9, 0.1], [0.3, 0.2]]
    >>> tar_at_far(scores, ["a", "b"], ["a", "b"], far=[0.0, 0.5]).tolist()
    [0.5, 1.0]
    """
    rates = np.asarray(far, dtype=float)
    if not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(f"far is {rates}; give rates between 0 and 1.")
    missed, matched = error_rates(scores, y_true, classes)
    # Of several points at one rate `interp` takes the last one, which has the best TAR here.
    return np.interp(rates, matched[::-1], 1 - missed[::-1])


def check_scores(
    scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return scores in float64 and for each probe the column of its subject."""
    scores = np.asarray(scores, dtype=float)
    y_true, classes = np.asarray(y_true), np.asarray(classes)
    if scores.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"scores has shape {scores.shape}; give ({len(y_true)}, {len(classes)}), one "
            "row for each probe and one column for each gallery subject."
        )
    if np.isnan(scores).any():
        raise ValueError(
            "scores holds NaN; give every pair a score, or -inf if it cannot match."
        )
    return scores, _columns(y_true, classes)


def _competitors(
    scores: NDArray, columns: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count for each probe the scores above its subject's, and those equal to it."""
    genuine = scores[np.arange(len(scores)), columns][:, np.newaxis]
    return (scores > genuine).sum(axis=1), (scores == genuine).sum(axis=1)


def error_rates(
    scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the error rates of verification at every threshold.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.

    Returns
    -------
    false_non_match, false_match : ndarray of shape (n_thresholds,)
        Fraction of genuine pairs that are rejected and of impostor pairs that are accepted,
        in the order of increasing thresholds.

    Raises
    ------
    ValueError
        If the gallery has fewer than two subjects, or a score is NaN.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import error_rates
    >>> false_non_match, false_match = error_rates([[2, 0], [1, 3]], [0, 1], [0, 1])
    >>> false_match.tolist()
    [1.0, 0.5, 0.0, 0.0, 0.0]
    """
    scores, columns = check_scores(scores, y_true, classes)
    if scores.size == len(scores):
        raise ValueError("verification needs impostors; the gallery has 1 subject or none.")
    is_genuine = np.zeros(scores.shape, dtype=bool)
    is_genuine[np.arange(len(scores)), columns] = True
    genuine, impostor = np.sort(scores[is_genuine]), np.sort(scores[~is_genuine])
    # Merging two sorted runs is faster than sorting all scores once more.
    merged = np.sort(np.concatenate([impostor, genuine]), kind="stable")
    thresholds = merged[np.append(True, merged[1:] != merged[:-1])]
    # Scores at or above a threshold are accepted; the last threshold exceeds every score.
    n_missed = np.append(np.searchsorted(genuine, thresholds, "left"), len(genuine))
    n_passed = len(impostor) - np.searchsorted(impostor, thresholds, "left")
    return n_missed / len(genuine), np.append(n_passed, 0) / len(impostor)


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
