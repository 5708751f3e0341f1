"""Regions of images, or of signals, learnt from masks."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.networks._field import FieldUNet
from sklearn_ecganon.networks._verifier import standardised
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)

CHUNK = 64


class UNetSegmenter(NetStateMixin, BaseEstimator):
    """Learn where something is in an image, from images and masks.

    A U-Net says of every pixel whether it belongs to a region: lungs, a heart, a lesion.
    What it finds can be kept as it is by an anonymizer (``protect=``). It learns from masks
    that somebody has drawn; none come with this package.

    Parameters
    ----------
    image_shape : tuple of int, optional
        Height and width of images that come flattened, one a row. None: (n, h, w) are
        images and (n, n_times) signals.
    n_filters : int, default=8
        Channels at full size; twice and four times as many below.
    max_epochs : int, default=30
        Passes over the images.
    batch_size : int, default=16
        Images of a step.
    lr : float, default=0.01
        Largest learning rate of AdamW, on a one-cycle schedule.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=None
        Seeds weights and order.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The network.
    device_ : str
        Where it was trained.
    history_ : dict of str to ndarray of shape (max_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Columns of X, or its second dimension.

    See Also
    --------
    QRSRegion : The QRS of beats, which needs no masks.
    sklearn_ecganon.anonymizers.FlowFieldAnonymizer : Takes it as ``protect=``.

    Notes
    -----
    After [1]_. Deviations: strided convolutions in place of pooling, group normalization,
    so that no image depends on another one, three resolutions below full size; in the loss
    the overlap (Dice) beside the cross-entropy, where pixels inside weigh as much as those
    outside. It takes the place of HybridGNet [2]_, with which PriCheXySeg-Net finds the
    outlines of lungs and heart; what matters there is the mask.

    It is no plain scikit-learn estimator: y is a mask of the shape of X, not a number for
    each row. Parameters, cloning and pickles are as everywhere.

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
    >>> from sklearn_ecganon.regions import UNetSegmenter
    >>> rng = np.random.default_rng(0)
    >>> masks = np.zeros((24, 16, 16), dtype=bool)
    >>> for mask, (top, left) in zip(masks, rng.integers(0, 10, (24, 2))):
    ...     mask[top : top + 6, left : left + 6] = True
    >>> images = masks + rng.normal(0, 0.3, masks.shape)
    >>> segmenter = UNetSegmenter(n_filters=4, batch_size=4, max_epochs=12, random_state=0)
    >>> segmenter.fit(images[:16], masks[:16]).score(images[16:], masks[16:]) > 0.8
    True
    """

    _parameter_constraints: dict = {
        "image_shape": [tuple, list, None],
        "n_filters": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        image_shape: tuple[int, int] | None = None,
        *,
        n_filters: int = 8,
        max_epochs: int = 30,
        batch_size: int = 16,
        lr: float = 0.01,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.n_filters = n_filters
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
        X : array-like of shape (n, h, w), (n, h * w) or (n, n_times)
            Images or signals.
        y : array-like of bool of the shape of X
            True, or 1, within the region.

        Returns
        -------
        self : UNetSegmenter
            The fitted segmenter.

        Raises
        ------
        ValueError
            If masks have another shape than X, hold other values than two, or the region
            is nowhere, or everywhere.
        """
        rows = self._rows(X, reset=True)
        masks = self._masks(y, rows)
        if masks.all() or not masks.any():
            raise ValueError(
                f"y covers {'everything' if masks.all() else 'nothing'} in all {len(masks)} "
                "images; there is nothing to learn."
            )
        self._size = rows.shape[1:]
        self._n_steps = self.max_epochs * -(-len(rows) // self.batch_size)
        self.device_ = resolve_device(self.device)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded(seed):
            self.net_ = self._build_net()
            targets = torch.from_numpy(masks[:, np.newaxis].astype(np.float32))
            self.history_ = train(self.net_, self._tensor(rows), targets.to(self.device_))
        self.n_iter_ = len(self.history_["train_loss"])
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Say where the region is.

        Parameters
        ----------
        X : array-like
            Images or signals as in `fit`.

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
        rows = self._rows(X, reset=False)
        net = self.net_.module_.eval()
        with torch.no_grad(), single_thread():
            parts = [net(self._tensor(rows[b])) > 0 for b in gen_batches(len(rows), CHUNK)]
        return torch.cat(parts).cpu().numpy().reshape(np.shape(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the Dice coefficient of the masks found and the true ones.

        Parameters
        ----------
        X : array-like
            Images or signals as in `fit`.
        y : array-like of bool of the shape of X
            True within the region.

        Returns
        -------
        dice : float
            Mean over images of twice the overlap over the sum of both areas; 1 where
            neither has any.
        """
        found = self.predict(X)
        found = found.reshape(len(found), -1)
        true = self._masks(y, self._rows(X, reset=False)).reshape(found.shape)
        areas = found.sum(axis=1) + true.sum(axis=1)
        overlap = 2 * (found & true).sum(axis=1)
        return float(np.where(areas > 0, overlap / np.maximum(areas, 1), 1.0).mean())

    def _build_net(self) -> NeuralNet:
        net = NeuralNet(
            FieldUNet,
            module__n_dims=len(self._size),
            module__n_in=1,
            module__n_out=1,
            module__n_filters=self.n_filters,
            criterion=OverlapLoss,
            optimizer=torch.optim.AdamW,
            lr=self.lr,
            callbacks=[one_cycle(self.lr, self._n_steps)],
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **FIXED,
        )
        return net.initialize()

    def _rows(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        """Return images as (n, h, w), signals as they are."""
        if isinstance(X, BeatSet) or is_records(X):
            raise ValueError(
                f"X is made of ECG records; {type(self).__name__} takes arrays of images or "
                "signals. QRSRegion marks beats."
            )
        rows = validate_data(self, X, reset=reset, allow_nd=True, dtype=np.float32)
        if self.image_shape is not None and rows.ndim == 2:
            shape = tuple(self.image_shape)
            if len(shape) != 2 or np.prod(shape) != rows.shape[1]:
                raise ValueError(
                    f"image_shape={shape} does not fit X with {rows.shape[1]} columns; want "
                    "(height, width), their product."
                )
            rows = rows.reshape(-1, *shape)
        if rows.ndim not in (2, 3) or 0 in rows.shape:
            raise ValueError(
                f"X has shape {rows.shape}; want (n, h, w), (n, h * w) with image_shape=, or "
                "signals (n, n_times)."
            )
        if not reset and rows.shape[1:] != self._size:
            raise ValueError(
                f"X has size {rows.shape[1:]}, but {type(self).__name__} was fitted on size "
                f"{self._size}."
            )
        return rows

    def _masks(self, y: ArrayLike, rows: NDArray) -> NDArray[np.bool_]:
        masks = np.asarray(y)
        if masks.shape not in {rows.shape, (len(rows), rows[0].size)}:
            raise ValueError(
                f"y has shape {masks.shape}; want one mask for each image, {rows.shape}."
            )
        if not np.isin(masks, (0, 1)).all():
            raise ValueError("y holds other values than two; want booleans, or 0 and 1.")
        return masks.reshape(rows.shape).astype(bool)

    def _tensor(self, rows: NDArray[np.float32]) -> Tensor:
        return standardised(torch.from_numpy(rows)[:, None]).to(self.device_)


class OverlapLoss(nn.Module):
    """What is missing of the overlap of the regions, and the cross-entropy of pixels.

    Pixels inside weigh as much as those outside: a region may be a hundredth of the image.
    """

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return the loss of logits (n, 1, *size) and masks of 0 and 1."""
        inside = logits.sigmoid()
        dice = (2 * (inside * masks).sum() + 1) / (inside.sum() + masks.sum() + 1)
        share = masks.mean().clamp(1e-3, 1 - 1e-3)
        weight = torch.where(masks > 0, 0.5 / share, 0.5 / (1 - share))
        return F.binary_cross_entropy_with_logits(logits, masks, weight=weight) + 1 - dice
