"""Whether generated samples resemble real ones, and whether they copy training samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.utils import gen_batches

from sklearn_ecganon.metrics._random import generator

# Rows of a distance matrix that are in memory at a time.
CHUNK = 1024


class MembershipAdvantage(NamedTuple):
    """How much better than guessing an attacker infers membership."""

    advantage: float
    auc: float


def membership_advantage(
    member_scores: ArrayLike, non_member_scores: ArrayLike
) -> MembershipAdvantage:
    """Return how well scores separate members of the training data from non-members.

    Parameters
    ----------
    member_scores : array-like of shape (n_members,)
        Scores of people whose data the model was trained on, one for each person; higher
        means more likely a member.
    non_member_scores : array-like of shape (n_non_members,)
        Scores of people from the same source that the model was not trained on.

    Returns
    -------
    advantage : MembershipAdvantage
        Named tuple of `advantage`, the largest true minus false positive rate over all
        thresholds, 0 to 1, and `auc`, the area under the receiver operating
        characteristic, 0.5 for guessing.

    Raises
    ------
    ValueError
        If either is empty or a score is not finite.

    Notes
    -----
    The advantage is that of [1]_, definition 4, for the attacker with the best threshold.
    Since the threshold is chosen on the same scores, it is above 0 for useless scores too:
    about ``0.63 * sqrt(1 / n_members + 1 / n_non_members)`` on average for large samples.
    The AUC has no such bias.

    References
    ----------
    .. [1] S. Yeom, I. Giacomelli, M. Fredrikson, S. Jha, "Privacy risk in machine learning:
       analyzing the connection to overfitting", IEEE CSF, 268-282, 2018.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import membership_advantage
    >>> membership_advantage([0.9, 0.8, 0.3, 0.7], [0.1, 0.4, 0.2, 0.75])
    MembershipAdvantage(advantage=0.5, auc=0.8125)
    """
    members = np.asarray(member_scores, dtype=float)
    others = np.asarray(non_member_scores, dtype=float)
    for name, values in (("member_scores", members), ("non_member_scores", others)):
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise ValueError(f"{name} must be a non-empty list of finite scores.")
    is_member = np.repeat([1, 0], [len(members), len(others)])
    both = np.concatenate([members, others])
    false, true, _ = roc_curve(is_member, both, drop_intermediate=False)
    return MembershipAdvantage(
        float((true - false).max()), float(roc_auc_score(is_member, both))
    )


def nearest_record_ratio(
    generated: ArrayLike, train: ArrayLike, holdout: ArrayLike
) -> NDArray[np.float64]:
    """Compare the distances of generated samples to training data and to a hold-out.

    Parameters
    ----------
    generated : array-like of shape (n_generated, ...)
        Samples of a model, for example beats in mV.
    train : array-like of shape (n_reference, ...)
        Samples that the model was trained on.
    holdout : array-like of shape (n_reference, ...)
        As many samples of other people, from the same source, not used in training.

    Returns
    -------
    ratio : ndarray of shape (n_generated,)
        Euclidean distance to the nearest training sample over that to the nearest held-out
        one. Below 1 the sample is nearer to the training data, at 0 it is a copy.

    Raises
    ------
    ValueError
        If the samples are of different shapes, or train and holdout of different numbers.

    Notes
    -----
    The comparison of [1]_: for a model that did not memorize, half of the ratios are below 1
    and ``(ratio < 1).mean()`` is 0.5. That needs sets of one size, as in the source, because
    the nearest sample of a larger set is nearer. Deviation: the ratio itself is returned
    instead of only which distance is smaller; if both are 0 it is 1.

    References
    ----------
    .. [1] M. Platzer, T. Reutterer, "Holdout-based empirical assessment of mixed-type
       synthetic data", Frontiers in Big Data 4:679939, 2021.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import nearest_record_ratio
    >>> train, holdout = [[0.0], [9.0]], [[2.0], [7.0]]
    >>> nearest_record_ratio([[0.0], [1.0], [5.0]], train, holdout)
    array([0., 1., 2.])
    """
    generated, train, holdout = _same_shape(generated=generated, train=train, holdout=holdout)
    if len(train) != len(holdout):
        raise ValueError(
            f"train has {len(train)} samples and holdout {len(holdout)}; the nearest "
            "sample of a larger set is nearer: give as many samples of each."
        )
    near, far = _nearest(generated, train), _nearest(generated, holdout)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((near == 0) & (far == 0), 1.0, near / far)


class PRDC(NamedTuple):
    """Fidelity (precision, density) and diversity (recall, coverage) of samples."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(
    real: ArrayLike, generated: ArrayLike, *, n_neighbors: int = 5
) -> PRDC:
    """Return whether generated samples are realistic, and cover all real ones.

    Parameters
    ----------
    real : array-like of shape (n_real, ...)
        Real samples, for example beats in mV, independent of each other: one beat or one
        mean beat of each record. Beats of one record would be each other's neighbors.
    generated : array-like of shape (n_generated, ...)
        Generated samples, likewise.
    n_neighbors : int, default=5
        Each sample's ball reaches to its `n_neighbors`-th nearest neighbor in the same set.

    Returns
    -------
    scores : PRDC
        Named tuple of `precision`, the fraction of generated samples inside some real
        sample's ball; `recall`, the fraction of real samples inside some generated sample's
        ball; `density`, the mean number of real balls around a generated sample over
        `n_neighbors` (it may exceed 1); `coverage`, the fraction of real samples with a
        generated one in their ball.

    Raises
    ------
    ValueError
        If the samples are of different shapes, or a set has `n_neighbors` samples or fewer.

    Notes
    -----
    Precision and recall as in [1]_ (there with 3 neighbors), density and coverage as in
    [2]_. Distances are Euclidean on the given samples; the sources embed images by a
    trained net. If both sets come from one distribution, density is 1 on average and
    coverage is ``1 - (n-1)...(n-k) / ((n+m-1)...(n+m-k))`` for n real and m generated
    samples and k neighbors.

    References
    ----------
    .. [1] T. Kynkaanniemi, T. Karras, S. Laine, J. Lehtinen, T. Aila, "Improved precision
       and recall metric for assessing generative models", NeurIPS, 2019.
    .. [2] M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi, J. Yoo, "Reliable fidelity and diversity
       metrics for generative models", ICML, 7176-7185, 2020.

    Examples
    --------
    >>> from sklearn_ecganon.metrics import precision_recall_density_coverage
    >>> real, generated = [[0.0], [1.0], [3.0], [10.0]], [[0.5], [1.5], [1.2]]
    >>> precision_recall_density_coverage(real, generated, n_neighbors=1)
    PRDC(precision=1.0, recall=0.5, density=2.0, coverage=0.75)
    """
    real, generated = _same_shape(real=real, generated=generated)
    for name, rows in (("real", real), ("generated", generated)):
        if len(rows) <= n_neighbors:
            raise ValueError(
                f"{name} has {len(rows)} samples; give more than n_neighbors={n_neighbors}."
            )
    # In its own set the nearest neighbor of a sample is the sample itself.
    real_radius = _nearest(real, real, n_neighbors)
    generated_radius = _nearest(generated, generated, n_neighbors)
    balls, covered = [], np.zeros(len(real), dtype=bool)
    recalled = np.zeros(len(real), dtype=bool)
    for rows in gen_batches(len(generated), CHUNK):
        distance = cdist(generated[rows], real)
        inside = distance <= real_radius
        balls.append(inside.sum(axis=1))
        covered |= inside.any(axis=0)
        recalled |= (distance <= generated_radius[rows, np.newaxis]).any(axis=0)
    around = np.concatenate(balls)
    return PRDC(
        float((around > 0).mean()),
        float(recalled.mean()),
        float(around.mean() / n_neighbors),
        float(covered.mean()),
    )


def two_sample_auc(
    real: ArrayLike,
    generated: ArrayLike,
    real_groups: ArrayLike | None = None,
    generated_groups: ArrayLike | None = None,
    *,
    classifier: ClassifierMixin | None = None,
    n_splits: int = 5,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Return how well a classifier separates generated samples from real ones.

    Parameters
    ----------
    real : array-like of shape (n_real, ...)
        Real samples, for example beats in mV.
    generated : array-like of shape (n_generated, ...)
        Generated or anonymized samples.
    real_groups : array-like of shape (n_real,), optional
        Record or subject of each sample; by default all differ.
    generated_groups : array-like of shape (n_generated,), optional
        The same for `generated`. An equal name is the same record, also across both sets:
        a record and its anonymized copy are always on the same side of a split.
    classifier : scikit-learn classifier, optional
        100 extremely randomized trees by default.
    n_splits : int, default=5
        Number of folds.
    random_state : int, RandomState or None, default=None
        Draws the folds, and seeds the default classifier.

    Returns
    -------
    auc : float
        Mean area under the receiver operating characteristic over the folds: 0.5 if the
        classifier cannot separate the sets, 1 if it always can. By chance it can be above or
        below 0.5.

    Raises
    ------
    ValueError
        If the samples are of different shapes, the groups do not fit them, or a fold lacks
        one of both sets.

    Notes
    -----
    The classifier two-sample test of [1]_. Deviations: the AUC instead of the accuracy, so
    that sets may differ in size; cross-validation instead of one split; folds keep groups
    together, because a classifier recognizes a record when it was trained on other beats of
    it.

    References
    ----------
    .. [1] D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", ICLR, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.metrics import two_sample_auc
    >>> real = np.random.default_rng(0).normal(size=(60, 3))
    >>> two_sample_auc(real, real + 9, random_state=0)
    1.0
    """
    real, generated = _same_shape(real=real, generated=generated)
    if (real_groups is None) != (generated_groups is None):
        raise ValueError("give both real_groups and generated_groups, or none of them.")
    X = np.concatenate([real, generated])
    is_real = np.repeat([1, 0], [len(real), len(generated)])
    if real_groups is None or generated_groups is None:
        groups = np.arange(len(X))
    else:
        of_sets = [np.asarray(real_groups), np.asarray(generated_groups)]
        if [names.shape for names in of_sets] != [(len(real),), (len(generated),)]:
            raise ValueError(
                f"found {of_sets[0].size} groups for {len(real)} real and {of_sets[1].size} "
                f"for {len(generated)} generated samples; give one for each."
            )
        groups = np.concatenate(of_sets)
    fold_seed, tree_seed = generator(random_state).integers(2**31 - 1, size=2).tolist()
    if classifier is None:
        classifier = ExtraTreesClassifier(100, random_state=tree_seed)
    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=fold_seed)
    splits = list(folds.split(X, is_real, groups))
    if any(len(np.unique(is_real[rows])) < 2 for split in splits for rows in split):
        raise ValueError(
            f"one of {n_splits} folds lacks real or generated samples; there are too few "
            "groups: give more, or a smaller n_splits."
        )
    return float(cross_val_score(classifier, X, is_real, scoring="roc_auc", cv=splits).mean())


def _same_shape(**samples: ArrayLike) -> list[NDArray[np.float64]]:
    """Return samples as rows, after a check that their shapes agree."""
    arrays = {name: np.asarray(values, dtype=float) for name, values in samples.items()}
    shapes = {array.shape[1:] for array in arrays.values()}
    if len(shapes) > 1 or () in shapes:
        listed = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"samples must be of one shape after the first axis; found {listed}.")
    for name, array in arrays.items():
        if not array.size or not np.isfinite(array).all():
            raise ValueError(f"{name} is empty or holds NaN or infinite values.")
    return [array.reshape(len(array), -1) for array in arrays.values()]


def _nearest(rows: NDArray, reference: NDArray, rank: int = 0) -> NDArray[np.float64]:
    """Return each row's distance to its nearest row of `reference`, counted from `rank` 0."""
    # cdist subtracts before it squares: the distance of a copy is exactly 0.
    distances = [
        np.partition(cdist(rows[chunk], reference), rank, axis=1)[:, rank]
        for chunk in gen_batches(len(rows), CHUNK)
    ]
    return np.concatenate(distances)
