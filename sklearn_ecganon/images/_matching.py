"""An attacker that moves one image onto the other and compares them place by place."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, _fit_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from torch import Tensor

from sklearn_ecganon.images._matching_features import bands, pair_features
from sklearn_ecganon.images._pair_verifier import PairVerifier
from sklearn_ecganon.images._pairs import verification_pairs
from sklearn_ecganon.images._validation import check_images
from sklearn_ecganon.training import single_thread


class MatchingVerifier(PairVerifier, BaseEstimator):
    """Decide by matching whether two images show the same person.

    The second image is moved onto the first one by an affine map. Patches of fine structure
    are then compared, each within a small search window. Ribs, vessels and outlines of one
    person agree nearly everywhere after a small and even movement; those of two people do
    not. Some images agree well with any other, so that each is also compared with a cohort of
    known people. A logistic regression learns from known people which features separate both
    cases. With a few hundred people it recognizes more of them than
    :class:`SiameseVerifier`, because it has fewer weights to learn.

    Parameters
    ----------
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
    size : int, default=128
        Pixels a side that images are resized to. Patches have a fixed fraction of it.
    n_impostors : int, default=4
        Pairs of two people for each pair of one, in training.
    max_per_subject : int, default=10
        Largest number of genuine pairs of a person in training.
    n_cohort : int, default=10
        Known people with whom each image is compared, at most.
    C : float, default=0.03
        Inverse of the regularization of the logistic regression.
    random_state : int, RandomState instance or None, default=None
        Seeds the pairs that are learned from, and the cohort.

    Attributes
    ----------
    model_ : Pipeline
        The logistic regression.
    cohort_, released_cohort_ : ndarray of float32 of shape (n_cohort, h, w)
        Images of the cohort, and the same as right sides of pairs show them.
    size_ : (int, int)
        Height and width of the images seen in `fit`.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    SiameseVerifier : Compares images by a network.
    verify_release : Trains attackers against a release.

    Notes
    -----
    An attacker of this package. Each image is filtered by a difference of two Gaussians and
    divided by its local deviation. An affine map maximizes the correlation of the coarse
    structure (Adam, two resolutions). Features of a pair are: quantiles of the normalized
    cross-correlation of patches of two sizes at their best shift; the mean without a shift;
    how far patches were shifted, and how much neighbors differ in it; zoom and shear of
    the affine map; and the correlation of whole images of three sizes, before and after it.
    All are the mean of moving the right image and of moving the left one. Beside them stands
    what both images have on average in pairs with the cohort. The idea of a cohort is that
    of score normalization in speaker verification.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from sklearn_ecganon.images import MatchingVerifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(20), 3)
    >>> people = gaussian_filter(rng.normal(size=(20, 32, 32)), (0, 2, 2))
    >>> X = people[y] + 0.05 * rng.normal(size=(60, 32, 32))
    >>> known = y < 10
    >>> verifier = MatchingVerifier(size=32, random_state=0).fit(X[known], y[known])
    >>> verifier.evaluate(X[~known], y[~known]).auc > 0.9
    True
    """

    attacker = "matching"

    _parameter_constraints: dict = {
        "image_shape": ["array-like", None],
        "size": [Interval(Integral, 16, None, closed="left")],
        "n_impostors": [Interval(Integral, 1, None, closed="left")],
        "max_per_subject": [Interval(Integral, 1, None, closed="left")],
        "n_cohort": [Interval(Integral, 2, None, closed="left")],
        "C": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        image_shape: tuple[int, int] | None = None,
        size: int = 128,
        n_impostors: int = 4,
        max_per_subject: int = 10,
        n_cohort: int = 10,
        C: float = 0.03,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.size = size
        self.n_impostors = n_impostors
        self.max_per_subject = max_per_subject
        self.n_cohort = n_cohort
        self.C = C
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        released: ArrayLike | None = None,
        *,
        match: ArrayLike | None = None,
    ) -> Self:
        """Learn from images of known people.

        Parameters
        ----------
        X : array-like of shape (n, h, w), or (n, h * w)
            Original images.
        y : array-like of shape (n,)
            The person in each. At least two people, one of whom has two images or more.
        released : array-like of the shape of X, optional
            The same images after an anonymizer. If given, the left side of every pair is an
            original and the right side a released image: the semi-informed attacker.
        match : array-like of shape (n,) or (n, n_columns), optional
            View and sex, as in :func:`verification_pairs`.

        Returns
        -------
        self : MatchingVerifier
            The trained verifier.

        Raises
        ------
        ValueError
            If there is one person, nobody has two images, X and `released` differ in
            shape, or either holds no images.
        """
        images, subjects, others = self._training_data(X, y, released)
        others = images if others is None else others
        rng = check_random_state(self.random_state)
        first = int(rng.randint(2**31 - 1))
        genuine, impostors = None, []
        for draw in range(self.n_impostors):
            # The same genuine pairs in each draw, if there are not more than the limit.
            pairs, is_genuine = verification_pairs(
                subjects,
                match=match,
                max_per_subject=self.max_per_subject,
                random_state=(first + draw) % 2**32,
            )
            genuine = pairs[is_genuine] if genuine is None else genuine
            impostors.append(pairs[~is_genuine])
        chosen = np.concatenate([genuine, *impostors])  # type: ignore[list-item]
        target = np.arange(len(chosen)) < len(chosen) - sum(map(len, impostors))
        first_images = np.unique(subjects, return_index=True)[1]
        cohort = rng.permutation(first_images)[: self.n_cohort]
        self.cohort_ = images[cohort]
        self.released_cohort_ = self.cohort_ if others is images else others[cohort]
        # Nobody is compared with themselves.
        is_other = subjects[:, None] != subjects[cohort]
        self.model_ = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=self.C, class_weight="balanced", max_iter=2000),
        ).fit(self._features(images, others, chosen, is_other), target)
        return self

    def _describe(self, X: ArrayLike) -> NDArray[np.float32]:
        return self._images(X, reset=False)

    def _compare(
        self, left: NDArray[np.float32], right: NDArray[np.float32], pairs: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        return self.model_.decision_function(self._features(left, right, pairs))

    def _probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return expit(scores)

    def _features(
        self,
        left: NDArray[np.float32],
        right: NDArray[np.float32],
        pairs: NDArray[np.intp],
        is_other: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Return the agreement of each pair, and that of both images with the cohort.

        `is_other` (n_images, n_cohort) is true where an image and one of the cohort show two
        people; None if all do.
        """
        with torch.no_grad(), single_thread():
            first = bands(left, self.size)
            second = first if right is left else bands(right, self.size)
            cohort = bands(self.cohort_, self.size)
            of_pairs = pair_features(first, second, pairs)
            if right is left and self.released_cohort_ is self.cohort_:
                typical = _typical_features(first, cohort, pairs.ravel(), is_other)
                typical = typical.reshape(len(pairs), 2, -1).sum(axis=1)
            else:
                released = bands(self.released_cohort_, self.size)
                typical = _typical_features(first, released, pairs[:, 0], is_other)
                typical += _typical_features(second, cohort, pairs[:, 1], is_other)
        return np.hstack([of_pairs, typical])

    def _images(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        return check_images(
            self, X, reset=reset, image_shape=self.image_shape, dtype=np.float32
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags


def _typical_features(
    images: tuple[Tensor, Tensor, Tensor],
    cohort: tuple[Tensor, Tensor, Tensor],
    chosen: NDArray[np.intp],
    is_other: NDArray[np.bool_] | None,
) -> NDArray[np.float64]:
    """Return the mean features of chosen images and those of a cohort, an image a row."""
    positions, inverse = np.unique(chosen, return_inverse=True)
    n_cohort = len(cohort[0])
    pairs = np.column_stack(
        [np.repeat(positions, n_cohort), np.tile(np.arange(n_cohort), len(positions))]
    )
    weights = np.ones((len(positions), n_cohort))
    if is_other is not None:
        weights *= is_other[positions]
    features = pair_features(images, cohort, pairs).reshape(len(positions), n_cohort, -1)
    means = (weights[:, :, None] * features).sum(axis=1) / weights.sum(axis=1)[:, None]
    return means[inverse]
