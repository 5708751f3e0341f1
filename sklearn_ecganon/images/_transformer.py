"""The contract of what anonymizes images: input, strength, salt and output."""

from __future__ import annotations

import copy
from abc import abstractmethod
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._salt import content_key, keyed_normals, new_salt
from sklearn_ecganon.images._validation import as_given, check_images


class BaseImageTransformer(
    OneToOneFeatureMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator
):
    """Base of all that gives images back without the person.

    A method has the parameters `strength`, `image_shape` and `random_state`, and writes

    ``_fit_images(images, labels, y, seed, context)``
        Learn from images (n, h, w). `labels` (findings) and `y` (patients) are None where
        they are not known. Epochs are counted on `context`.
    ``_transform_images(images)``
        Return new images of the same shape. It is called only with ``strength > 0``.
        Randomness comes from ``_draw(images, size)`` and from nowhere else, so that the
        result depends only on the fitted model and the image.
    """

    _parameter_constraints: dict = {
        "strength": [Interval(Real, 0, 1, closed="both")],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
    }

    strength: float
    image_shape: ArrayLike | None
    random_state: Any
    size_: tuple[int, int]

    @abstractmethod
    def _fit_images(
        self, images: NDArray, labels: NDArray | None, y: Any, seed: int, context: Any
    ) -> None: ...

    @abstractmethod
    def _transform_images(self, images: NDArray) -> NDArray: ...

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None, labels: ArrayLike | None = None) -> Self:
        """Learn from images of many patients.

        Parameters
        ----------
        X : array-like of shape (n, h, w), or (n, h * w)
            Images.
        y : array-like of shape (n,), optional
            Patient of each image.
        labels : array-like of shape (n,), optional
            Finding in each image, or another clinical class.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            If X does not hold finite real images, or labels do not fit it.
        """
        images = self._check(X, reset=True)
        if labels is not None:
            labels = np.asarray(labels)
            if labels.shape != (len(images),):
                raise ValueError(
                    f"labels has shape {labels.shape}; give one for each of the {len(images)} "
                    "images."
                )
        self.salt_ = new_salt(self.random_state)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        context = self._init_callback_context(max_subtasks=getattr(self, "max_epochs", 0))
        context.call_on_fit_task_begin(estimator=self)
        self._fit_images(images, labels, y, seed, context)
        context.call_on_fit_task_end(estimator=self)
        return self

    def transform(self, X: ArrayLike) -> NDArray:
        """Return images without the person, as far as the method goes.

        Parameters
        ----------
        X : array-like
            Images as in `fit`. Each has a secret draw of its own.

        Returns
        -------
        X_new : ndarray
            Images of the same shape and dtype.
        """
        check_is_fitted(self)
        images = self._check(X, reset=False)
        new = images if self.strength == 0 else self._transform_images(images)
        return np.array(as_given(new, X), dtype=images.dtype)

    def resalt(self, random_state: int | np.random.RandomState | None = None) -> Self:
        """Return a copy of the fitted model with another salt.

        That is how to pass a model on without its salt, and what a semi-informed attacker
        does: the same software, with a secret of their own.

        Parameters
        ----------
        random_state : int, RandomState or None, default=None
            Source of the new salt. None takes it from the operating system, which is the
            only choice for a release: a salt that comes from a number can be drawn again.

        Returns
        -------
        model : object
            A copy with the same weights.
        """
        check_is_fitted(self)
        other = copy.deepcopy(self)
        other.salt_ = new_salt(random_state)
        return other

    def _check(self, X: ArrayLike, *, reset: bool) -> NDArray:
        return check_images(self, X, reset=reset, image_shape=self.image_shape)

    def _draw(self, images: NDArray, size: int) -> NDArray[np.float64]:
        """Return standard normal numbers keyed by salt and image: (n, size)."""
        return np.array([keyed_normals(content_key(x, self.salt_), size) for x in images])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
