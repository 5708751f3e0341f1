"""Regions of images, such as the lungs, learned from masks."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.images._learner import ImageLearner
from sklearn_ecganon.images._validation import as_given
from sklearn_ecganon.networks import FieldUNet, another_exposure, standardized
from sklearn_ecganon.training import ResidentBatches


class UNetSegmenter(ImageLearner):
    """Learn where a region of an image is, from images and masks.

    A U-Net decides for every pixel whether it belongs to a region: lungs, a heart, a lesion.
    A perturbation can leave that region unchanged (``protect=``). The U-Net learns from
    hand-drawn masks. For the lungs in chest X-rays :func:`segment_lungs` comes with weights.

    Parameters
    ----------
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
    n_filters : int, default=8
        Channels at full size; twice and four times as many at the coarser sizes.
    augment : bool, default=False
        Whether to change position, size and exposure of images, and their masks with them,
        while training. It helps where masks are few or new images come from elsewhere.
    max_epochs : int, default=30
        Passes over the images.
    batch_size : int, default=16
        Images of a step.
    lr : float, default=0.01
        Largest learning rate of AdamW, on a one-cycle schedule.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights and order.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The network.
    device_ : str
        The device it was trained on.
    history_ : dict of str to ndarray of shape (max_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    n_iter_ : int
        Number of epochs.
    size_ : (int, int)
        Height and width of the images seen in `fit`.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    segment_lungs : The lungs in chest X-rays, with weights.
    FlowFieldPerturbation : Takes a fitted segmenter as ``protect=``.
    NoiseFieldPerturbation : Takes a fitted segmenter as ``protect=``, too.

    Notes
    -----
    After [1]_. Deviations: strided convolutions in place of pooling; group normalization,
    so that no image depends on another one; three resolutions below full size; a loss of
    the overlap (Dice) in addition to the cross-entropy, in which inside and outside have the
    same weight. PriCheXySeg-Net uses HybridGNet [2]_ to find the outlines of lungs and heart;
    here a mask is enough.

    Unlike in other scikit-learn estimators, y is a mask of the shape of X, not a number for
    each row. Parameters, cloning and pickles work as usual.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical
       image segmentation", MICCAI, 234-241, 2015.
    .. [2] N. Gaggion et al., "Improving anatomical plausibility in medical image
       segmentation via hybrid graph neural networks: applications to chest X-ray analysis",
       IEEE Transactions on Medical Imaging 42(2), 546-556, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import UNetSegmenter
    >>> rng = np.random.default_rng(0)
    >>> masks = np.zeros((24, 16, 16), dtype=bool)
    >>> for mask, (top, left) in zip(masks, rng.integers(0, 10, (24, 2))):
    ...     mask[top : top + 6, left : left + 6] = True
    >>> images = masks + rng.normal(0, 0.3, masks.shape)
    >>> segmenter = UNetSegmenter(n_filters=4, batch_size=4, max_epochs=12, random_state=0)
    >>> segmenter.fit(images[:16], masks[:16]).score(images[16:], masks[16:]) > 0.5
    True
    """

    _parameter_constraints: dict = {
        **ImageLearner._parameter_constraints,
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "augment": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        image_shape: tuple[int, int] | None = None,
        n_filters: int = 8,
        augment: bool = False,
        max_epochs: int = 30,
        batch_size: int = 16,
        lr: float = 0.01,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.n_filters = n_filters
        self.augment = augment
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from images and masks.

        Parameters
        ----------
        X : array-like of shape (n, h, w), or (n, h * w)
            Images.
        y : array-like of bool of the shape of X
            True, or 1, within the region.

        Returns
        -------
        self : UNetSegmenter
            The fitted segmenter.

        Raises
        ------
        ValueError
            If masks have another shape than X or other values than two, or if the region
            covers nothing or everything.
        """
        images = self._images(X, reset=True)
        masks = _check_masks(y, X, images)
        if masks.all() or not masks.any():
            raise ValueError(
                f"y covers {'everything' if masks.all() else 'nothing'} in all {len(masks)} "
                "images; there is nothing to learn."
            )

        def make_tensors() -> tuple[Tensor, Tensor]:
            targets = torch.from_numpy(masks.astype(np.float32))
            return self._tensor(images), targets.to(self.device_)

        self._train(len(images), self._seed(), make_tensors)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Return the masks of the region.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.

        Returns
        -------
        masks : ndarray of bool of the shape of X
            True within the region.

        Raises
        ------
        ValueError
            If X has another size than the images in `fit`.
        """
        check_is_fitted(self)
        images = self._images(X, reset=False)
        return as_given(self._infer(images, lambda net, x: net(x) > 0)[:, 0], X)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the Dice coefficient of the predicted masks and the true ones.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.
        y : array-like of bool of the shape of X
            True within the region.

        Returns
        -------
        dice : float
            Mean over images of twice the overlap over the sum of both areas; 1 where
            neither has any.
        """
        predicted = self.predict(X).reshape(len(X), -1)  # type: ignore[arg-type]
        true = _check_masks(y, X, self._images(X, reset=False)).reshape(predicted.shape)
        areas = predicted.sum(axis=1) + true.sum(axis=1)
        overlap = 2 * (predicted & true).sum(axis=1)
        return float(np.where(areas > 0, overlap / np.maximum(areas, 1), 1.0).mean())

    def _build_net(self) -> NeuralNet:
        return self._net(
            FieldUNet,
            module__n_dims=2,
            module__n_in=1,
            module__n_out=1,
            module__n_filters=self.n_filters,
            criterion=OverlapLoss,
            iterator_train=ExposedBatches if self.augment else ResidentBatches,
        )

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        return standardized(super()._tensor(images))


def _check_masks(y: ArrayLike, X: ArrayLike, images: NDArray) -> NDArray[np.bool_]:
    """Return masks of shape (n, 1, h, w)."""
    masks = np.asarray(y)
    if masks.shape != np.shape(X):
        raise ValueError(
            f"y has shape {masks.shape}; give one mask for each image, of the shape of X, "
            f"{np.shape(X)}."
        )
    if not np.isin(masks, (0, 1)).all():
        raise ValueError("y holds other values than two; give booleans, or 0 and 1.")
    return masks.reshape(images.shape).astype(bool)


class ExposedBatches(ResidentBatches):
    """An ``iterator_train`` of images and masks that changes both in every epoch."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, masks in super().__iter__():
            yield another_exposure(images, masks)


class OverlapLoss(nn.Module):
    """One minus the overlap of the regions (Dice), plus the cross-entropy of pixels.

    Pixels inside have the same weight as those outside: a region may be a hundredth of the
    image.
    """

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return the loss of logits (n, 1, *size) and masks of 0 and 1."""
        inside = logits.sigmoid()
        dice = (2 * (inside * masks).sum() + 1) / (inside.sum() + masks.sum() + 1)
        fraction = masks.mean().clamp(1e-3, 1 - 1e-3)
        weight = torch.where(masks > 0, 0.5 / fraction, 0.5 / (1 - fraction))
        return F.binary_cross_entropy_with_logits(logits, masks, weight=weight) + 1 - dice
