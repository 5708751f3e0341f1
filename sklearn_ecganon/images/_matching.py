"""An attacker that moves one image onto the other and compares them place by place."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_ecganon.images._matching_features import bands, pair_features
from sklearn_ecganon.images._pairs import verification_pairs
from sklearn_ecganon.images._validation import check_images
from sklearn_ecganon.images._verifier import VerificationRow, check_subjects, verification_row
from sklearn_ecganon.training import single_thread


class MatchingVerifier(BaseEstimator):
    """Decide by matching whether two images show the same person.

    The second image is moved onto the first one by an affine map. Patches of fine structure
    are then compared, each within a small search window. Ribs, vessels and outlines of one
    person agree nearly everywhere after a small and even movement; those of two people do
    not. A logistic regression learns from known people what all this says. With few
    hundred people it recognizes more than :class:`SiameseVerifier`, because little has to
    be learned.

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
    C : float, default=0.1
        Inverse of the regularization of the logistic regression.
    random_state : int, RandomState instance or None, default=None
        Seeds the pairs that are learned from.

    Attributes
    ----------
    model_ : Pipeline
        The logistic regression.
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

    #: Name of the attacker in results.
    attacker = "matching"

    _parameter_constraints: dict = {
        "image_shape": ["array-like", None],
        "size": [Interval(Integral, 16, None, closed="left")],
        "n_impostors": [Interval(Integral, 1, None, closed="left")],
        "max_per_subject": [Interval(Integral, 1, None, closed="left")],
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
        C: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.size = size
        self.n_impostors = n_impostors
        self.max_per_subject = max_per_subject
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
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        images = self._images(X, reset=True)
        subjects = check_subjects(y, images)
        others = images if released is None else self._images(released, reset=False)
        if len(others) != len(images):
            raise ValueError(
                f"released has {len(others)} images, X has {len(images)}; give one for each."
            )
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
        self.model_ = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=self.C, class_weight="balanced", max_iter=2000),
        ).fit(self._features(images, others, chosen), target)
        return self

    def score_pairs(self, X_left: ArrayLike, X_right: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that both images of each pair are of one person.

        Parameters
        ----------
        X_left, X_right : array-like
            Images as in `fit`, as many of each.

        Returns
        -------
        scores : ndarray of shape (n,)
            Probabilities, for data in which half of all pairs are of one person.
        """
        check_is_fitted(self)
        left, right = (self._images(X, reset=False) for X in (X_left, X_right))
        check_consistent_length(left, right)
        return self._scores(left, right, np.column_stack([np.arange(len(left))] * 2))

    def evaluate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        released: ArrayLike | None = None,
        match: ArrayLike | None = None,
        max_per_subject: int | None = 10,
        random_state: int | np.random.RandomState | None = 0,
    ) -> VerificationRow:
        """Compare pairs of images of people who were not in `fit`.

        Parameters
        ----------
        X : array-like
            Images as in `fit`, of other people.
        y : array-like of shape (n,)
            The person in each.
        released : array-like of the shape of X, optional
            The same images after an anonymizer, from which the right sides then come. A
            pair is never an image and its release.
        match : array-like of shape (n,) or (n, n_columns), optional
            As in :func:`verification_pairs`.
        max_per_subject : int or None, default=10
            As in :func:`verification_pairs`.
        random_state : int, RandomState instance or None, default=0
            As in :func:`verification_pairs`.

        Returns
        -------
        row : VerificationRow
            AUC and EER.

        Raises
        ------
        ValueError
            If no pairs can be formed of these people.
        """
        check_is_fitted(self)
        pairs, is_genuine = verification_pairs(
            y, match=match, max_per_subject=max_per_subject, random_state=random_state
        )
        images = self._images(X, reset=False)
        check_consistent_length(images, y)
        others = images if released is None else self._images(released, reset=False)
        check_consistent_length(images, others)
        row = verification_row(self._scores(images, others, pairs), pairs, is_genuine, y)
        return row._replace(attacker=self.attacker)

    def _scores(
        self,
        left: NDArray[np.float32],
        right: NDArray[np.float32],
        pairs: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        return self.model_.predict_proba(self._features(left, right, pairs))[:, 1]

    def _features(
        self,
        left: NDArray[np.float32],
        right: NDArray[np.float32],
        pairs: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        with torch.no_grad(), single_thread():
            first = bands(left, self.size)
            second = first if right is left else bands(right, self.size)
            return pair_features(first, second, pairs)

    def _images(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        return check_images(
            self, X, reset=reset, image_shape=self.image_shape, dtype=np.float32
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags
