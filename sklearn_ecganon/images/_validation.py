"""One gate for everything that arrives as images, so that all errors read the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.utils.validation import validate_data

# What scikit-learn's estimators pass through; images are converted to the first otherwise.
FLOATS = (np.float64, np.float32)


def check_images(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    image_shape: ArrayLike | None = None,
    color: bool = False,
    dtype: Any = FLOATS,
) -> NDArray:
    """Return X as an array of images, or raise an error that explains why it is not.

    Parameters
    ----------
    estimator : estimator
        Keeps ``n_features_in_`` and ``size_``, and names itself in errors.
    X : array-like of shape (n, h, w), (n, h * w) or, with `color`, (n, h, w, 3)
        What the user passed.
    reset : bool
        True in `fit`, False afterwards.
    image_shape : (int, int), optional
        Height and width of the images if they are flattened. A flat row without it is an
        image of one line.
    color : bool, default=False
        Whether color images are accepted.
    dtype : dtype or sequence of dtype
        As in :func:`sklearn.utils.check_array`.

    Returns
    -------
    images : ndarray of shape (n, h, w), or (n, h, w, 3)
        Finite real values.

    Raises
    ------
    ValueError
        If X holds no images, or images of another size than those seen in `fit`.
    """
    name = type(estimator).__name__
    first = X[0] if isinstance(X, list | tuple) and len(X) else X
    if type(first).__module__.partition(".")[0] == __name__.partition(".")[0]:
        raise ValueError(
            f"X is made of {type(first).__name__}; {name} takes arrays of images, (n, h, w). "
            "Anonymizers and attackers of ECGs are in sklearn_ecganon.anonymizers and "
            "sklearn_ecganon.attacks."
        )
    # Tensors arrive through the buffer protocol; the array API is for torch modules only.
    with config_context(array_api_dispatch=False):
        images = validate_data(
            estimator,
            X.detach().cpu().numpy() if hasattr(X, "detach") else X,
            reset=reset,
            allow_nd=True,
            dtype=list(dtype) if isinstance(dtype, tuple) else dtype,
        )
    if images.ndim == 2:
        images = images.reshape(len(images), *_size_of_rows(image_shape, images.shape[1]))
    is_color = color and images.ndim == 4 and images.shape[3] == 3
    if 0 in images.shape or not (images.ndim == 3 or is_color):
        colors = " or, in color, (n, h, w, 3)" if color else " of gray values"
        raise ValueError(
            f"X has shape {images.shape}; {name} takes images (n, h, w){colors}, or flattened "
            "ones, (n, h * w), with image_shape=(h, w)."
        )
    size = images.shape[1:]
    if image_shape is not None and images.ndim == 3 and size != _check_shape(image_shape):
        raise ValueError(
            f"X has images of {_words(size)}, but image_shape is {image_shape!r}; leave "
            "image_shape out for images that are not flattened."
        )
    if reset:
        estimator.size_ = size
    elif size != estimator.size_:
        raise ValueError(
            f"X has images of {_words(size)}, but {name} was fitted on images of "
            f"{_words(estimator.size_)}."
        )
    return images


def as_given(images: NDArray, X: Any) -> NDArray:
    """Return images (n, h, w) flattened if those in X are.

    Parameters
    ----------
    images : ndarray of shape (n, h, w)
        New images, or masks.
    X : array-like
        What the user passed.
    """
    n_dims = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    return images.reshape(len(images), -1) if n_dims == 2 else images


def _size_of_rows(image_shape: ArrayLike | None, n_columns: int) -> tuple[int, int]:
    if image_shape is None:
        return 1, n_columns
    height, width = _check_shape(image_shape)
    if height * width != n_columns:
        raise ValueError(
            f"image_shape={(height, width)} does not fit X with {n_columns} columns; give "
            "(height, width), whose product is the number of columns."
        )
    return height, width


def _check_shape(image_shape: ArrayLike) -> tuple[int, int]:
    shape = np.asarray(image_shape)
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or (shape < 1).any():
        raise ValueError(
            f"image_shape is {image_shape!r}; give (height, width), two positive integers."
        )
    return int(shape[0]), int(shape[1])


def _words(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} pixels" + (" in color" if len(size) == 3 else "")
