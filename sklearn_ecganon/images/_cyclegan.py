"""Images translated between two domains, such as two contrasts of a scanner."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon.images._transformer import BaseImageTransformer
from sklearn_ecganon.images._validation import as_given
from sklearn_ecganon.training import (
    DIRECTIONS,
    LIMIT,
    TRANSLATION_CONSTRAINTS,
    CycleNet,
    CycleWatch,
    NetStateMixin,
    Scale,
    Translation,
    check_domains,
    checkpoint_stamp,
    cycle_net,
    examples_of,
    preview_rows,
    resolve_device,
    seeded,
    split_domains,
    train_watched,
    without_adversary,
)

# Parameters that may differ when a training is resumed.
NOT_TRAINED = ("strength", "direction", "checkpoint", "device")


class CycleGANTranslator(NetStateMixin, BaseImageTransformer):
    """Translate images from one domain to another, one to one.

    Two U-Nets are trained on unpaired examples: one makes A look like B, the other B like
    A, and each undoes the other. Domains are kinds of images, such as two contrasts of a
    scanner, or groups of patients.

    What a translation hides must be measured, not assumed: it is trained so that the
    original can be recovered, see the Notes.

    Parameters
    ----------
    strength : float, default=1.0
        Between the input (0, bit for bit) and its translation (1).
    direction : {"a-to-b", "b-to-a"}, default="a-to-b"
        The direction of `transform`. It may be changed after `fit`.
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
    adversarial : {"least-squares", "cross-entropy"}, default="least-squares"
        Loss of the discriminators, and of the translators against them.
    cycle : float, default=10.0
        Weight of the round-trip error, beside the adversarial loss.
    identity : float, default=0.5
        Weight of the error on input that already is of the target domain, as a fraction of
        `cycle`.
    n_latent : int, default=4
        Length of the secret draw of an image on which its translation depends.
    n_filters : int, default=16
        Channels of the convolutions at full size.
    buffer_size : int, default=50
        Translated images that a discriminator is shown again.
    max_epochs : int, default=50
        Epochs. Over the second half of them the learning rates fall to 0.
    epoch_size : int, default=1600
        Pairs drawn in an epoch, or as many as the larger domain has.
    batch_size : int, default=8
        Pairs of a step.
    lr, discriminator_lr : float, default=0.0002 and 0.0002
        Learning rates of Adam.
    checkpoint : str or path, default=None
        File that is written after every epoch. If it exists, training continues from it and
        ends with the same weights as without an interruption, bit for bit. It holds weights
        and a hash of the data, no sample.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds training and the salt. A salt that comes from a number can be drawn again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted net. `module_` holds both translators.
    domains_ : ndarray of shape (2,)
        Names of A and of B.
    scale_ : object
        Converts input to the range of the net and back.
    history_ : dict of str to ndarray of shape (n_epochs,)
        ``generator_loss`` and ``discriminator_loss``, of both sides together;
        ``cycle_error``, mean absolute error after the round trip, and ``identity_error``,
        on input of the target domain, both as a fraction of the range;
        ``lr``; ``dur``, seconds.
    n_iter_ : int
        Number of epochs.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        The device of the net.
    size_ : (int, int)
        Height and width of the images seen in `fit`.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    verify_release : Measures what a retrained verifier still recognizes.

    Notes
    -----
    Source: [1]_, applied to medical images by the works on one-to-one translation.
    Deviations: U-Nets with skip connections take the place of residual nets, and the draw of
    an image scales and shifts their coarsest channels; batches of 8 instead of 1;
    normalization leaves out the full size; the buffers of the discriminators are empty at
    the start of each epoch, so that no checkpoint holds an image.

    Read this before a release:

    - A translation is one to one: it preserves what distinguishes an image from others. An
      attacker who translates images with the same model learns to recognize it.
    - The fitted model is a key. It was trained to recover the original after a round trip,
      so it reveals the patients of a release. Keep it like the originals.
    - Between random groups of people there is nothing to translate, and little changes: on
      NIH X-rays verifiers had an AUC of 0.84 on originals and on translations
      (``benchmarks/images/cyclegan.py``, seed 0, 2026-11-22).
    - Input that already looks like the target domain stays nearly unchanged because of the
      identity loss. Translate images of B from B to A.

    :meth:`translate` and :meth:`round_trip` do not use the secret draw.

    References
    ----------
    .. [1] J.-Y. Zhu, T. Park, P. Isola and A. A. Efros, "Unpaired image-to-image translation
       using cycle-consistent adversarial networks", ICCV, 2223-2232, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import CycleGANTranslator
    >>> rng = np.random.default_rng(0)
    >>> dark, light = rng.uniform(0, 0.5, (20, 8, 8)), rng.uniform(0.5, 1, (30, 8, 8))
    >>> model = CycleGANTranslator(n_filters=4, max_epochs=8, lr=0.005, random_state=0)
    >>> model = model.fit(np.concatenate([dark, light]), domain=["dark"] * 20 + ["light"] * 30)
    >>> bool(model.transform(dark).mean() > dark.mean() + 0.1)
    True
    >>> model.translate(light, "b-to-a").shape
    (30, 8, 8)
    """

    _parameter_constraints: dict = {
        **BaseImageTransformer._parameter_constraints,
        **TRANSLATION_CONSTRAINTS,
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        direction: str = "a-to-b",
        image_shape: tuple[int, int] | None = None,
        adversarial: str = "least-squares",
        cycle: float = 10.0,
        identity: float = 0.5,
        n_latent: int = 4,
        n_filters: int = 16,
        buffer_size: int = 50,
        max_epochs: int = 50,
        epoch_size: int = 1600,
        batch_size: int = 8,
        lr: float = 2e-4,
        discriminator_lr: float = 2e-4,
        checkpoint: str | os.PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.direction = direction
        self.image_shape = image_shape
        self.adversarial = adversarial
        self.cycle = cycle
        self.identity = identity
        self.n_latent = n_latent
        self.n_filters = n_filters
        self.buffer_size = buffer_size
        self.max_epochs = max_epochs
        self.epoch_size = epoch_size
        self.batch_size = batch_size
        self.lr = lr
        self.discriminator_lr = discriminator_lr
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        labels: ArrayLike | None = None,
        domain: ArrayLike | None = None,
    ) -> Self:
        """Learn to translate from unpaired examples of two domains.

        Parameters
        ----------
        X : array-like of shape (n, h, w), or (n, h * w)
            Images.
        y : array-like of shape (n,), optional
            Patient of each image. Without `domain`, half of them make up A, and the
            others B.
        labels : array-like, optional
            Clinical classes; not used here.
        domain : array-like of shape (n,), optional
            Domain of each image: two different values, of which the first in sorting
            order is A. By default the input is split by `y`, and if that is not known
            either, into two halves.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            If X does not hold finite real images, if there are not two domains with
            something to learn from in each, or if the training diverges.
        """
        # The `fit` of the base class knows of no domains.
        self._domain = domain
        try:
            return super().fit(X, y, labels)
        finally:
            for name in ("_domain", "_shown"):
                self.__dict__.pop(name, None)

    def translate(self, X: ArrayLike, direction: str | None = None) -> NDArray:
        """Translate at full strength, and without the secret draw.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.
        direction : {"a-to-b", "b-to-a"}, optional
            By default the parameter of that name.

        Returns
        -------
        X_new : ndarray
            The input, translated: same shape, same dtype.
        """
        return self._apply(X, self.direction if direction is None else direction)

    def round_trip(self, X: ArrayLike) -> NDArray:
        """Translate in the direction of `transform`, and back again.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.

        Returns
        -------
        X_back : ndarray
            The input after the round trip: same shape, same dtype. Its distance from X shows
            how much of the original the holder of the model recovers from a release.
        """
        back = DIRECTIONS[self.direction == DIRECTIONS[0]]
        return self._apply(X, self.direction, back)

    def _apply(self, X: ArrayLike, *directions: str) -> NDArray:
        check_is_fitted(self)
        images = self._check(X, reset=False)
        new, draws = images, np.zeros((len(images), self.n_latent))
        for direction in directions:
            new = self._translation()(new, direction, draws)
        return np.array(as_given(new, X), dtype=images.dtype)

    def _fit_images(
        self, images: NDArray, labels: NDArray | None, y: Any, seed: int, context: Any
    ) -> None:
        self.domains_, of_b = split_domains(self._domain, y, len(images))
        check_domains(self.domains_, images, of_b)
        self.scale_ = Scale.of_images(images)
        scaled = np.clip(self.scale_.forward(images), -LIMIT, LIMIT)
        self.device_ = resolve_device(self.device)
        self._n_drawn = min(self.epoch_size, int(max(of_b.sum(), (~of_b).sum())))
        self._shown = examples_of(images, of_b)
        with seeded(seed):
            self.net_ = self._build_net()
            X = {
                "images": torch.as_tensor(scaled, dtype=torch.float32).to(self.device_),
                "of_b": torch.from_numpy(of_b).to(self.device_),
            }
            watch = CycleWatch(
                lr=self.lr,
                discriminator_lr=self.discriminator_lr,
                max_epochs=self.max_epochs,
                checkpoint=self.checkpoint,
                stamp=checkpoint_stamp(self, (scaled, of_b), left_out=NOT_TRAINED),
            )
            self.history_ = train_watched(self.net_, X, watch, estimator=self, context=context)
        self.n_iter_ = len(self.history_["dur"])
        self.net_ = without_adversary(self.net_, self._build_net)

    def _transform_images(self, images: NDArray) -> NDArray:
        draws = self._draw(images, self.n_latent)
        new = self._translation()(images, self.direction, draws)
        return (1 - self.strength) * images + self.strength * new

    def _build_net(self) -> CycleNet:
        return cycle_net(
            self.scale_.shape,
            adversarial=self.adversarial,
            cycle=self.cycle,
            identity=self.identity,
            n_latent=self.n_latent,
            n_filters=self.n_filters,
            buffer_size=self.buffer_size,
            max_epochs=self.max_epochs,
            n_drawn=self._n_drawn,
            batch_size=self.batch_size,
            lr=self.lr,
            discriminator_lr=self.discriminator_lr,
            device=self.device_,
        )

    def _translation(self) -> Translation:
        return Translation(self.net_.module_, self.scale_, self.device_)

    def _preview_rows(self, n_columns: int) -> dict[str, NDArray]:
        """Return examples with their translations, forth and back, during training."""
        return preview_rows(self._translation(), self._shown, self.n_latent, n_columns)
