"""Shared base of flow and noise fields of images: training, protection and release."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon.images._protected import protected_region
from sklearn_ecganon.images._transformer import BaseImageTransformer
from sklearn_ecganon.networks import N_DRAWN, NoiseField
from sklearn_ecganon.training import (
    EDGE,
    FIELD_CHUNK,
    FIELD_CONSTRAINTS,
    NOT_TRAINED,
    FieldInference,
    NetStateMixin,
    PerturbationNet,
    PerturbationWatch,
    checkpoint_stamp,
    perturbation_net,
    refuse_single_rows,
    resolve_device,
    seeded,
    soften,
    subject_numbers,
    train_watched,
    value_range,
    without_adversary,
)


class BaseFieldPerturbation(NetStateMixin, BaseImageTransformer):
    """A field for each image, predicted by a U-Net that is trained against a verifier.

    A method writes ``__init__`` and

    ``_module()``
        The class of the generator, and the parameters that only it has.
    ``_units()``
        The factor that turns the field of the net into that of `field`.
    ``_edge()``
        The length in pixels over which a field fades around what is protected.
    """

    _parameter_constraints: dict = {
        **BaseImageTransformer._parameter_constraints,
        **FIELD_CONSTRAINTS,
        "protect": [*FIELD_CONSTRAINTS["protect"], str],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        image_shape: tuple[int, int] | None = None,
        n_filters: int = 8,
        max_epochs: int = 100,
        pretraining: float = 0.2,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        batch_size: int = 64,
        lr: float = 1e-4,
        auxiliary_lr: float = 1e-3,
        checkpoint: str | os.PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.protect = protect
        self.image_shape = image_shape
        self.n_filters = n_filters
        self.max_epochs = max_epochs
        self.pretraining = pretraining
        self.classifier_weight = classifier_weight
        self.verification_weight = verification_weight
        self.batch_size = batch_size
        self.lr = lr
        self.auxiliary_lr = auxiliary_lr
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state

    @abstractmethod
    def _module(self) -> tuple[type[NoiseField], dict[str, Any]]: ...

    @abstractmethod
    def _units(self) -> float | NDArray[np.float64]: ...

    def _edge(self) -> float:
        return EDGE

    def field(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the field that `transform` applies to each image.

        It includes strength and protection; it is 0 where a pixel is protected.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.

        Returns
        -------
        field : ndarray of shape (n, n_components, h, w)
            Of a flow, two components: the displacement in pixels, down and to the right. Of
            noise, one: the value that is added to each pixel.
        """
        check_is_fitted(self)
        images = self._check(X, reset=False)
        chunks = [field for _, field in self._fields(images, self._protection(images))]
        return np.concatenate(chunks) * self._units()

    def _fit_images(
        self, images: NDArray, labels: NDArray | None, y: Any, seed: int, context: Any
    ) -> None:
        subject = subject_numbers(y, len(images))
        self.low_, self.range_ = value_range(images)
        self.classes_, codes = np.array([""]), np.zeros(len(images), dtype=np.intp)
        if labels is not None:
            self.classes_, codes = np.unique(labels, return_inverse=True)
        # A release, an attacker and a loaded model use the settings of the training.
        self._settings = self._module()[1]
        if y is not None:
            refuse_single_rows(subject)
        X = self._training_rows(images, codes, subject)
        self.device_ = resolve_device(self.device)
        with seeded(seed):
            self.net_ = self._build_net()
            tensors = {name: torch.from_numpy(x).to(self.device_) for name, x in X.items()}
            stamp = checkpoint_stamp(self, X.values(), left_out=NOT_TRAINED)
            watch = PerturbationWatch(checkpoint=self.checkpoint, stamp=stamp)
            self.history_ = train_watched(
                self.net_, tensors, watch, estimator=self, context=context
            )
        self.n_iter_ = len(self.history_["dur"])
        self.net_ = without_adversary(self.net_, self._build_net)

    def _training_rows(
        self, images: NDArray, codes: NDArray[np.intp], subject: NDArray[np.intp]
    ) -> dict[str, NDArray]:
        """Return what the nets learn from, those of one subject next to each other."""
        order = np.argsort(subject, kind="stable")
        freedom = 1 - soften(self._protection(images), self._edge())
        if len(freedom) > 1:
            freedom = freedom[order]
        freedom = np.broadcast_to(freedom, (len(images), *freedom.shape[1:]))
        return {
            "rows": self._scaled(images[order]).astype(np.float32),
            "freedom": freedom.astype(np.float32),
            "code": codes[order],
            "subject": np.unique(subject[order], return_inverse=True)[1],
            "record": np.arange(len(images)),
        }

    def _build_net(self) -> PerturbationNet:
        return perturbation_net(
            self._module()[0],
            size=self.size_,
            n_channels=1,
            n_classes=len(self.classes_),
            n_filters=self.n_filters,
            max_epochs=self.max_epochs,
            pretraining=self.pretraining,
            classifier_weight=self.classifier_weight,
            verification_weight=self.verification_weight,
            batch_size=self.batch_size,
            lr=self.lr,
            auxiliary_lr=self.auxiliary_lr,
            device=self.device_,
            **self._settings,
        )

    def _transform_images(self, images: NDArray) -> NDArray:
        mask = self._protection(images)
        model = FieldInference(self.net_.module_, self.device_)
        new = np.empty(images.shape)
        for rows, field in self._fields(images, mask):
            perturbed = model.perturb(self._scaled(images[rows]), field)
            new[rows] = perturbed[:, 0] * self.range_ + self.low_
        return np.where(mask[:, 0] == 1, images, new)

    def _fields(self, images: NDArray, mask: NDArray) -> Iterator[tuple[slice, NDArray]]:
        """Yield slices of the images, each with its fields."""
        model = FieldInference(self.net_.module_, self.device_)
        draws = self._draw(images, N_DRAWN)
        freedom = 1 - soften(mask, self._edge())
        for rows in gen_batches(len(images), max(FIELD_CHUNK // images[0].size, 1)):
            free = freedom[rows] if len(freedom) > 1 else freedom
            field = model.field(self._scaled(images[rows]), draws[rows])
            yield rows, self.strength * free * field

    def _protection(self, images: NDArray) -> NDArray[np.float64]:
        """Return how much of each pixel is protected: (n, 1, h, w), or (1, 1, h, w)."""
        return protected_region(self.protect, images)

    def _scaled(self, images: NDArray) -> NDArray[np.float64]:
        """Return images (n, 1, h, w) for the nets."""
        return ((images.astype(np.float64) - self.low_) / self.range_)[:, np.newaxis]
