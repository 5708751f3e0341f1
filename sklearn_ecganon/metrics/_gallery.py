"""How identification changes with the size of the gallery."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from sklearn_ecganon.metrics._identification import check_scores


def gallery_size_curve(
    scores: ArrayLike, y_true: ArrayLike, classes: ArrayLike, sizes: ArrayLike
) -> NDArray[np.float64]:
    """Return the expected rank-1 in random galleries of several sizes.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Higher means more alike. The score of a subject must not depend on who else is in
        the gallery, which holds for enrolled templates.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.
    sizes : array-like of int
        Numbers of subjects, from 1 to ``n_subjects``. The probe's subject is one of them,
        the others are sampled at random without replacement.

    Returns
    -------
    curve : ndarray of float of the shape of `sizes`
        Mean over subjects of the expected rank-1. It never rises with the size, is 1 for
        a gallery of one subject, and equals the rank-1 of all at ``n_subjects``.

    Raises
    ------
    ValueError
        If a size is out of range, or the scores do not fit the subjects.

    Notes
    -----
    The expectation is exact, without sampling: for a probe with b better impostors among
    N - 1 the probability that none of them is among n - 1 others is
    ``C(N-1-b, n-1) / C(N-1, n-1)`` [1]_. A subject tied with t impostors has each of the
    ranks b + 1 to b + t + 1 equally often.

    References
    ----------
    .. [1] P. J. Grother, P. J. Phillips, "Models of large population recognition
       performance", CVPR, 68-75, 2004.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import gallery_size_curve
    >>> scores = [[0.9, 0.1, 0.2], [0.8, 0.2, 0.1]]
    >>> gallery_size_curve(scores, ["a", "b"], ["a", "b", "c"], [1, 2, 3])
    array([1.  , 0.75, 0.5 ])
    """
    scores, columns = check_scores(scores, y_true, classes)
    n_subjects = scores.shape[1]
    size = np.asarray(sizes)
    if size.dtype.kind not in "iu" or (size < 1).any() or (size > n_subjects).any():
        raise ValueError(f"sizes is {sizes!r}; give integers from 1 to {n_subjects}.")
    genuine = scores[np.arange(len(scores)), columns][:, np.newaxis]
    n_better = (scores > genuine).sum(axis=1)
    n_tied = (scores == genuine).sum(axis=1) - 1
    flat = size.reshape(-1, 1)
    by_rank = _all_miss(np.arange(n_subjects), n_subjects - 1, flat - 1)
    total = np.concatenate([np.zeros((len(flat), 1)), by_rank.cumsum(axis=1)], axis=1)
    hits = (total[:, n_better + n_tied + 1] - total[:, n_better]) / (n_tied + 1)
    _, subject, n_probes = np.unique(columns, return_inverse=True, return_counts=True)
    means = np.array([np.bincount(subject, weights=row) / n_probes for row in hits])
    return means.mean(axis=1).reshape(size.shape)


def _all_miss(n_better: NDArray, n_others: int, n_sampled: NDArray) -> NDArray[np.float64]:
    """Return the probability that `n_sampled` of `n_others` hold none of the better ones."""
    n_left = n_others - n_better
    possible = n_left >= n_sampled
    n_left = np.where(possible, n_left, n_sampled)
    log_ratio = (
        gammaln(n_left + 1)
        - gammaln(n_left - n_sampled + 1)
        - gammaln(n_others + 1)
        + gammaln(n_others - n_sampled + 1)
    )
    return np.where(possible, np.exp(log_ratio), 0.0)
