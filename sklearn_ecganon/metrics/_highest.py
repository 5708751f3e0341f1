"""A permutation test for the highest of many figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.metrics._identification import check_scores
from sklearn_ecganon.metrics._random import generator


class HighestRank1(NamedTuple):
    """The highest of many rank-1 figures, and how high it gets by chance.

    Attributes
    ----------
    value : float
        The highest rank-1, each a mean over subjects.
    p_value : float
        How often the highest figure under permuted subjects is as high.
    null : ndarray of shape (n_permutations,)
        The highest figures under permuted subjects.
    """

    value: float
    p_value: float
    null: NDArray[np.float64]


def highest_rank1(
    cells: Sequence[tuple[ArrayLike, ArrayLike]],
    classes: ArrayLike,
    *,
    n_permutations: int = 1000,
    random_state: int | np.random.RandomState | None = None,
) -> HighestRank1:
    """Test the highest of many rank-1 figures against chance.

    With 20 people and 60 combinations of attacker, knowledge and evidence, useless attackers
    exceed chance in some of them. This test takes that into account.

    Parameters
    ----------
    cells : sequence of (scores, y_true)
        One pair for each figure: scores of shape (n_probes, n_subjects), higher is more
        alike, and the subject of each probe, of shape (n_probes,). The cells may differ in
        their probes, but must be about the same subjects.
    classes : array-like of shape (n_subjects,)
        Subject of each column, the same in all cells.
    n_permutations : int, default=1000
        How often the subjects are permuted.
    random_state : int, RandomState or None, default=None
        Draws the permutations.

    Returns
    -------
    test : HighestRank1
        Named tuple of `value`, `p_value` and `null`.

    Raises
    ------
    ValueError
        If there is no cell, scores do not fit the subjects, or cells differ in the
        subjects that they probe.

    Notes
    -----
    The maximum statistic of [1]_. One permutation of the probed subjects renames the
    probes of every cell alike, which preserves how the cells depend on each other. Probes
    of one subject stay together. ``p = (1 + n_as_high) / (1 + n_permutations)``.

    References
    ----------
    .. [1] P. H. Westfall, S. S. Young, "Resampling-based multiple testing", Wiley, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.metrics import highest_rank1
    >>> noise = np.random.default_rng(0).normal(size=(9, 20, 20))
    >>> cells = [(scores, np.arange(20)) for scores in noise]
    >>> highest_rank1(cells, np.arange(20), random_state=0).p_value > 0.05
    True
    >>> highest_rank1([(np.eye(20), np.arange(20))], np.arange(20), random_state=0).p_value
    0.000999000999000999
    """
    if not len(cells):
        raise ValueError("cells is empty; give at least one pair of scores and subjects.")
    hits, probed = [], None
    for scores, y_true in cells:
        table, columns = check_scores(scores, y_true, classes)
        best = table == table.max(axis=1, keepdims=True)
        credit = best / best.sum(axis=1, keepdims=True)  # ties share the hit
        subjects, row, n_probes = np.unique(columns, return_inverse=True, return_counts=True)
        if probed is not None and not np.array_equal(subjects, probed):
            raise ValueError("the cells differ in the subjects that they probe.")
        probed = subjects
        sums = np.zeros((len(subjects), len(subjects)))
        np.add.at(sums, row, credit[:, subjects])
        hits.append(sums / n_probes[:, np.newaxis])
    table = np.array(hits)
    n_subjects = table.shape[1]
    rows = np.arange(n_subjects)
    value = float(table[:, rows, rows].mean(axis=1).max())
    rng = generator(random_state)
    null = np.array(
        [
            table[:, rows, rng.permutation(n_subjects)].mean(axis=1).max()
            for _ in range(n_permutations)
        ]
    )
    # Means of the same numbers in another order differ in their last bits.
    n_as_high = int(np.count_nonzero(null >= value - 1e-9))
    return HighestRank1(value, (1 + n_as_high) / (1 + n_permutations), null)
