"""Linkability of two releases of one person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.metrics._identification import check_scores
from sklearn_ecganon.metrics._random import generator


class Linkability(NamedTuple):
    """How well mated scores are separated from non-mated ones, and how well by chance alone."""

    value: float
    p_value: float
    null: NDArray[np.float64]
    edges: NDArray[np.float64]
    local: NDArray[np.float64]


def d_sys(
    scores: ArrayLike,
    y_true: ArrayLike,
    classes: ArrayLike,
    *,
    omega: float = 1.0,
    n_bins: int | None = None,
    n_permutations: int = 1000,
    random_state: int | np.random.RandomState | None = None,
) -> Linkability:
    """Return the system's overall linkability, and its distribution by chance alone.

    A probe's score against its own subject is mated, against all others non-mated.

    Parameters
    ----------
    scores : array-like of shape (n_probes, n_subjects)
        Finite; scores of different probes are compared with each other.
    y_true : array-like of shape (n_probes,)
        Subject of each probe.
    classes : array-like of shape (n_subjects,)
        Subject of each column.
    omega : float, default=1.0
        Prior odds of a pair being mated.
    n_bins : int, optional
        Bins of the score histograms. By default a tenth of the number of mated scores,
        between 2 and 100.
    n_permutations : int, default=1000
        How often the subjects are permuted for the null distribution.
    random_state : int, RandomState or None, default=None
        Draws the permutations.

    Returns
    -------
    linkability : Linkability
        Named tuple of `value`, D_sys from 0 (unlinkable) to 1 (fully linkable);
        `p_value`, the fraction of permutations with as high a value; `null` of shape
        (n_permutations,), their D_sys; `edges` of shape (n_bins + 1,) and `local` of shape
        (n_bins,), the linkability D(s) of a pair whose score falls into each bin.

    Raises
    ------
    ValueError
        If a score is not finite, there are no impostors, or the scores do not fit the
        subjects.

    Notes
    -----
    Source: [1]_. With the likelihood ratio ``LR(s) = p(s | mated) / p(s | non-mated)``,
    ``D(s) = 2 * omega * LR / (1 + omega * LR) - 1`` where ``omega * LR > 1``, else 0, and
    D_sys is the mean of D over mated scores. Densities are histograms with bins of one
    width between the smallest and the largest score, as in the authors' implementation.
    Scores with a long tail fall into few bins and look less linkable than they are: rescale
    them first (ranks, or a logistic function).

    Deviation: the null distribution. The estimate is never negative, so that unlinkable
    scores show some linkability in small samples. Subjects are permuted as a whole, because
    the scores of one person resemble each other: permuting scores one by one would make p
    too small.

    References
    ----------
    .. [1] M. Gomez-Barrero, J. Galbally, C. Rathgeb, C. Busch, "General framework to
       evaluate unlinkability in biometric template protection systems", IEEE Transactions
       on Information Forensics and Security 13(6), 1406-1420, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.metrics import d_sys
    >>> perfect = d_sys(np.eye(20), range(20), range(20), random_state=0)
    >>> perfect.value
    1.0
    >>> perfect.p_value < 0.01
    True
    """
    scores, columns = check_scores(scores, y_true, classes)
    n_subjects = scores.shape[1]
    if n_subjects < 2:
        raise ValueError("linkability needs impostors; the gallery has 1 subject or none.")
    if not np.isfinite(scores).all():
        raise ValueError("scores holds infinite values; histograms need finite ones.")
    if n_bins is None:
        n_bins = int(np.clip(len(scores) // 10, 2, 100))
    edges = np.histogram_bin_edges(scores, n_bins)
    bins = np.searchsorted(edges[1:-1], scores, side="right")
    total = np.bincount(bins.ravel(), minlength=n_bins)

    def linkability(mated_columns: NDArray[np.intp]) -> tuple[float, NDArray[np.float64]]:
        counts = np.bincount(bins[np.arange(len(bins)), mated_columns], minlength=n_bins)
        mated, other = counts / counts.sum(), (total - counts) / (total - counts).sum()
        # (omega LR - 1) / (omega LR + 1), without dividing by an empty bin.
        both = omega * mated + other
        local = np.maximum(omega * mated - other, 0) / np.where(both > 0, both, 1.0)
        return float(mated @ local), local

    value, local = linkability(columns)
    rng = generator(random_state)
    null = np.array(
        [linkability(rng.permutation(n_subjects)[columns])[0] for _ in range(n_permutations)]
    )
    p_value = (1 + int(np.count_nonzero(null >= value))) / (1 + n_permutations)
    return Linkability(value, p_value, null, edges, local)
