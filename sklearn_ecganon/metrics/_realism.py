"""How well released strips can be distinguished from real ones, with a control."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigvalsh
from sklearn.preprocessing import StandardScaler

from sklearn_ecganon.metrics._embedding import strip_embedding
from sklearn_ecganon.metrics._random import generator
from sklearn_ecganon.metrics._synthesis import precision_recall_density_coverage, two_sample_auc


class Realism(NamedTuple):
    """How realistic generated strips are, with real strips against real strips as control.

    All figures are means over the splits.

    Attributes
    ----------
    auc, auc_control : float
        Two-sample AUC of generated against real strips of other people, and of real strips
        against real strips of other people. Chance is 0.5; a value clearly
        below it is a sign of copies.
    auc_spread : float
        Standard deviation of `auc_control` over the splits.
    frechet, frechet_control : float
        Frechet distance in the standardized embedding.
    precision, precision_control : float
        Fraction of generated strips among the real ones.
    recall, recall_control : float
        Fraction of real strips among the generated ones.
    n_groups : int
        Number of people.
    """

    auc: float
    auc_control: float
    auc_spread: float
    frechet: float
    frechet_control: float
    precision: float
    precision_control: float
    recall: float
    recall_control: float
    n_groups: int

    @property
    def frechet_ratio(self) -> float:
        """The Frechet distance as a multiple of its control."""
        return self.frechet / self.frechet_control

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.n_groups} people       generated   real against real",
                f"two-sample AUC    {self.auc:9.3f}   {self.auc_control:.3f} "
                f"+- {self.auc_spread:.3f}",
                f"Frechet distance  {self.frechet:9.2f}   {self.frechet_control:.2f}",
                f"precision         {self.precision:9.3f}   {self.precision_control:.3f}",
                f"recall            {self.recall:9.3f}   {self.recall_control:.3f}",
            ]
        )


def frechet_distance(real: ArrayLike, generated: ArrayLike) -> float:
    """Return the Frechet distance of two sets, each taken as a normal distribution.

    Parameters
    ----------
    real : array-like of shape (n_real, n_features)
        Embedded real samples.
    generated : array-like of shape (n_generated, n_features)
        Embedded generated samples.

    Returns
    -------
    distance : float
        ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``, 0 for equal moments. It is biased
        upwards in small samples: compare only figures of the same sample size.

    Raises
    ------
    ValueError
        If the sets differ in their features, hold NaN, or have fewer than two samples.

    Notes
    -----
    The distance of [1]_ in an embedding of the caller's choice.

    References
    ----------
    .. [1] M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter, "GANs trained
       by a two time-scale update rule converge to a local Nash equilibrium", NIPS, 2017.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import frechet_distance
    >>> round(frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]), 6)
    9.0
    """
    sides = [np.asarray(side, dtype=float) for side in (real, generated)]
    if any(side.ndim != 2 or len(side) < 2 or not np.isfinite(side).all() for side in sides):
        raise ValueError(
            "real and generated must be tables of finite numbers with two rows or more."
        )
    if sides[0].shape[1] != sides[1].shape[1]:
        raise ValueError(
            f"real has {sides[0].shape[1]} features and generated {sides[1].shape[1]}."
        )
    means = [side.mean(axis=0) for side in sides]
    # The trace of the root needs no matrix larger than the number of samples: with centered
    # factors A and B it is the sum of the singular values of A B^T.
    factors = [(s - m) / np.sqrt(len(s) - 1) for s, m in zip(sides, means, strict=True)]
    cross = factors[0] @ factors[1].T
    gram = cross @ cross.T if len(cross) <= cross.shape[1] else cross.T @ cross
    root = np.sqrt(np.clip(eigvalsh(gram), 0, None)).sum()
    spread = sum(float((factor**2).sum()) for factor in factors)
    return float(max(0.0, ((means[0] - means[1]) ** 2).sum() + spread - 2 * root))


def strip_realism(
    real: ArrayLike,
    generated: ArrayLike,
    real_groups: ArrayLike,
    generated_groups: ArrayLike,
    *,
    sampling_rate: float,
    n_splits: int = 5,
    n_neighbors: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> Realism:
    """Compare generated strips, and real ones as control, with real strips of other people.

    Parameters
    ----------
    real : array-like of shape (n_real, n_leads, n_times)
        Real strips in mV without gaps.
    generated : array-like of shape (n_generated, n_leads, n_times)
        Generated or released strips of the same leads, length and rate.
    real_groups, generated_groups : array-like of shape (n_real,) and (n_generated,)
        The person of each strip; an equal name is the same person on both sides.
    sampling_rate : float
        In Hz.
    n_splits : int, default=5
        Random divisions of the people into two halves; the figures are means.
    n_neighbors : int, default=5
        Neighbors of precision and recall.
    random_state : int, RandomState or None, default=None
        Draws the halves and seeds the classifiers.

    Returns
    -------
    realism : Realism
        Figures of the release, each beside its control.

    Raises
    ------
    ValueError
        If the strips do not fit each other or their groups, or there are too few people.

    Notes
    -----
    In every split the real strips of one half of the people are compared with the
    generated strips of the other half, and with the real strips of the other half.
    Therefore no person is on both sides, figure and control have the same sample sizes, and
    the classifier cannot recognize a person. The embedding is `strip_embedding`,
    standardized on the real strips of the first half; AUC by 100 extremely randomized
    trees over folds by person.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.metrics import strip_realism
    >>> real = np.random.default_rng(0).normal(size=(40, 1, 400)).cumsum(axis=2)
    >>> people = np.arange(40)
    >>> realism = strip_realism(
    ...     real, 3 * real, people, people, sampling_rate=100.0, random_state=0
    ... )
    >>> realism.auc > realism.auc_control + 0.1
    True
    """
    sides = [np.asarray(side, dtype=float) for side in (real, generated)]
    groups = [np.asarray(names) for names in (real_groups, generated_groups)]
    for name, side, of_side in zip(("real", "generated"), sides, groups, strict=True):
        if of_side.shape != (len(side),):
            raise ValueError(f"{name} has {len(side)} strips but {of_side.size} groups.")
    if sides[0].shape[1:] != sides[1].shape[1:]:
        raise ValueError(f"strips have shapes {sides[0].shape} and {sides[1].shape}.")
    embedded = [strip_embedding(side, sampling_rate) for side in sides]
    people = np.unique(groups[0])
    if len(people) < 20 or len(np.intersect1d(people, groups[1])) < 20:
        raise ValueError(
            f"{len(people)} people with real strips, "
            f"{len(np.intersect1d(people, groups[1]))} of them with generated ones; give at "
            "least 20."
        )
    rng = generator(random_state)
    rows = []
    for _ in range(n_splits):
        first = rng.permutation(people)[: len(people) // 2]
        in_first = [np.isin(of_side, first) for of_side in groups]
        scaler = StandardScaler().fit(embedded[0][in_first[0]])
        reference = scaler.transform(embedded[0][in_first[0]])
        names = groups[0][in_first[0]]
        seed = int(rng.integers(2**31 - 1))
        row: list[float] = []
        for i in (1, 0):
            others = ~in_first[i]
            compared = scaler.transform(embedded[i][others])
            row += _compare(reference, compared, names, groups[i][others], n_neighbors, seed)
        rows.append(row)
    table = np.array(rows)
    mean = table.mean(axis=0)
    return Realism(
        auc=float(mean[0]),
        auc_control=float(mean[4]),
        auc_spread=float(table[:, 4].std()),
        frechet=float(mean[1]),
        frechet_control=float(mean[5]),
        precision=float(mean[2]),
        precision_control=float(mean[6]),
        recall=float(mean[3]),
        recall_control=float(mean[7]),
        n_groups=len(people),
    )


def _compare(
    real: NDArray,
    other: NDArray,
    real_groups: NDArray,
    other_groups: NDArray,
    n_neighbors: int,
    seed: int,
) -> list[float]:
    """Return AUC, Frechet distance, precision and recall."""
    auc = two_sample_auc(real, other, real_groups, other_groups, random_state=seed)
    near = precision_recall_density_coverage(real, other, n_neighbors=n_neighbors)
    return [auc, frechet_distance(real, other), near.precision, near.recall]
