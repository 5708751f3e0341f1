"""Shared base of the estimators that learn one network from images."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval
from skorch import NeuralNet
from torch import Tensor, nn

from sklearn_ecganon.images._validation import check_images
from sklearn_ecganon.training import (
    FIXED,
    NetStateMixin,
    in_float64,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)

# Images that go through a network at a time.
CHUNK = 64


class ImageLearner(NetStateMixin, BaseEstimator):
    """Base of the estimators that learn one network from images, on a one-cycle schedule.

    A subclass writes ``_build_net()``, which returns ``self._net(...)``, and calls in turn
    ``_images``, ``_train`` and, once it is fitted, ``_infer``.
    """

    _parameter_constraints: dict = {
        "image_shape": ["array-like", None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "random_state": ["random_state"],
    }
    _accepts_color = False
    # Subtracted from all pixels, and what they are then divided by.
    _offset, _scale = 0.0, 1.0

    image_shape: ArrayLike | None
    max_epochs: int
    batch_size: int
    lr: float
    device: str
    random_state: Any

    def _images(self, X: ArrayLike, *, reset: bool) -> NDArray[np.float32]:
        """Return images for the network: (n, n_channels, h, w)."""
        images = check_images(
            self,
            X,
            reset=reset,
            image_shape=self.image_shape,
            color=self._accepts_color,
            dtype=np.float32,
        )
        return np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, np.newaxis]

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _train(
        self, n_rows: int, seed: int, make_tensors: Callable[[], tuple[Tensor, Tensor]]
    ) -> None:
        """Train a new network on the tensors that `make_tensors` puts on the device."""
        self._n_steps = self.max_epochs * -(-n_rows // self.batch_size)
        self.device_ = resolve_device(self.device)
        with seeded(seed):
            self.net_ = self._build_net()
            self.history_ = train(self.net_, *make_tensors())
        self.n_iter_ = len(self.history_["train_loss"])

    def _build_net(self) -> NeuralNet:
        raise NotImplementedError

    def _net(self, module: type[nn.Module], **settings: Any) -> NeuralNet:
        """Return an initialized net with the common optimizer and schedule."""
        net = NeuralNet(
            module,
            optimizer=torch.optim.AdamW,
            lr=self.lr,
            callbacks=[one_cycle(self.lr, self._n_steps)],
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **{**FIXED, **settings},
        )
        return net.initialize()

    def _infer(
        self, images: NDArray[np.float32], forward: Callable[[Any, Tensor], Tensor]
    ) -> NDArray:
        """Return ``forward(module, images)``, chunk by chunk and without gradients."""
        module = in_float64(self.net_.module_)
        with torch.no_grad(), single_thread():
            chunks = [
                forward(module, self._tensor(images[rows]).double())
                for rows in gen_batches(len(images), CHUNK)
            ]
            return torch.cat(chunks).cpu().numpy()

    def _tensor(self, images: NDArray[np.float32]) -> Tensor:
        """Return scaled images on the device."""
        scaled = (images - np.float32(self._offset)) / np.float32(self._scale)
        return torch.from_numpy(scaled).to(self.device_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags
