"""Building, training and applying GANs, for beats as images and for other images alike."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklearn_ecganon.networks import InvertibleGenerator
from sklearn_ecganon.training._adversarial import checkpoint_stamp, without_adversary
from sklearn_ecganon.training._gan import (
    GANNet,
    NonSaturatingLoss,
    ResidentGroups,
    WassersteinLoss,
)
from sklearn_ecganon.training._gan_watch import (
    MAX_WATCHED,
    GANTrainingWarning,
    GANWatch,
    diversity_of,
    train_gan,
)
from sklearn_ecganon.training._nets import FIXED, in_float64, seeded, single_thread

# Images at a time, so that they fit into the cache of a processor.
GAN_CHUNK = 256
# From this strength on a release has no part of the residual that the inversion misses.
NO_RESIDUAL = 0.25
# Parameters that may differ when a training is resumed.
MAY_DIFFER = ("strength", "max_epochs", "patience", "checkpoint", "device")


class Recipe(NamedTuple):
    """The choices that distinguish one kind of GAN from another."""

    criterion: type
    classifies: bool
    normalized: bool
    gradient_penalty: bool
    n_critic: int
    betas: tuple[float, float]


ARCHITECTURES = {
    "dcgan": Recipe(NonSaturatingLoss, False, True, False, 1, (0.0, 0.99)),
    "wgan-gp": Recipe(WassersteinLoss, False, False, True, 3, (0.0, 0.9)),
    "classifier": Recipe(NonSaturatingLoss, True, True, False, 1, (0.0, 0.99)),
}
# The parameters that all estimators of GANs have in common.
GAN_CONSTRAINTS: dict[str, Any] = {
    "architecture": [StrOptions(set(ARCHITECTURES))],
    "n_filters": [Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "epoch_size": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 2, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "discriminator_lr": [Interval(Real, 0, None, closed="left")],
    "reconstruction": [Interval(Real, 0, None, closed="left")],
    "holdout": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left"), None],
    "checkpoint": [str, os.PathLike, None],
    "device": [str],
}


def gan_net(
    estimator: Any,
    shape: tuple[int, int, int],
    *,
    n_conditions: int,
    n_record: int,
    n_beat: int,
    n_drawn: int,
    n_views: int = 1,
    net_class: type[GANNet] = GANNet,
    **options: Any,
) -> GANNet:
    """Return an initialized net: generator, encoder and discriminator.

    Parameters
    ----------
    estimator : estimator
        Has the parameters of `GAN_CONSTRAINTS`, and ``classes_`` and ``device_``.
    shape : tuple of int
        Channels, height and width of an image.
    n_conditions : int
        Length of the condition of an image.
    n_record, n_beat : int
        Lengths of the latent that images of a record share, and of that of each image.
    n_drawn : int
        Images of an epoch.
    n_views : int, default=1
        Images of a record that the discriminator sees together.
    net_class : type, default=GANNet
        Class of the net.
    **options
        Parameters of the net that replace or complete the usual ones.
    """
    recipe = ARCHITECTURES[estimator.architecture]
    sizes = dict(zip(("n_channels", "height", "width"), shape, strict=True))
    sizes |= {"n_conditions": n_conditions, "n_filters": estimator.n_filters}
    settings: dict[str, Any] = {
        **{f"module__{name}": value for name, value in sizes.items()},
        **{f"discriminator__{name}": value for name, value in sizes.items()},
        **FIXED,
        "iterator_train": ResidentGroups,
        "iterator_train__n_views": n_views,
        "iterator_train__n_drawn": n_drawn,
        **options,
    }
    net = net_class(
        InvertibleGenerator,
        module__n_record=n_record,
        module__n_beat=n_beat,
        discriminator__n_views=n_views,
        discriminator__classifies=recipe.classifies,
        discriminator__normalized=recipe.normalized,
        criterion=recipe.criterion,
        optimizer=torch.optim.Adam,
        optimizer__betas=recipe.betas,
        lr=estimator.lr,
        discriminator_lr=estimator.discriminator_lr,
        n_classes=len(estimator.classes_),
        n_critic=recipe.n_critic,
        gradient_penalty=recipe.gradient_penalty,
        reconstruction_weight=estimator.reconstruction,
        max_epochs=estimator.max_epochs,
        batch_size=estimator.batch_size,
        device=estimator.device_,
        **settings,
    )
    return net.initialize()


def fit_gan(
    estimator: Any,
    build: Callable[[], GANNet],
    X: dict[str, Tensor],
    held_out: tuple[Tensor, Tensor],
    *,
    seed: int,
    context: Any,
) -> None:
    """Train the net of an estimator, and set its ``net_``, ``history_`` and ``n_iter_``.

    Parameters
    ----------
    estimator : estimator
        As in `gan_net`. Its callbacks read ``net_`` during the training. The fitted ``net_``
        has no discriminator.
    build : callable
        Returns an initialized net.
    X : dict of str to Tensor
        Input of `ResidentGroups`.
    held_out : (Tensor, Tensor)
        Images, and the one-hot codes of their classes, whose distance from generated images
        selects the weights.
    seed : int
        Seeds the weights and the training.
    context : sklearn.callback.CallbackContext
        Context of the estimator's fit.

    Warns
    -----
    GANTrainingWarning
        If the history shows mode collapse or vanishing gradients.
    """
    # The watched images do not depend on the seed: a training that is resumed has the same.
    rng = np.random.default_rng(0)
    rows, seen_rows = (
        torch.from_numpy(rng.permutation(len(images))[:MAX_WATCHED]).to(images.device)
        for images in (held_out[0], X["images"])
    )
    training_arrays = [X[name].cpu().numpy() for name in ("images", "condition")]
    watch = GANWatch(
        held_out[0][rows],
        held_out[1][rows],
        diversity=diversity_of(X["images"][seen_rows], X["condition"][seen_rows]),
        patience=estimator.patience,
        checkpoint=estimator.checkpoint,
        stamp=checkpoint_stamp(estimator, training_arrays, left_out=MAY_DIFFER),
    )
    with seeded(seed):
        estimator.net_ = build()
        estimator.history_ = train_gan(
            estimator.net_, X, watch, estimator=estimator, context=context
        )
    estimator.n_iter_ = len(estimator.history_["dur"])
    estimator.net_ = without_adversary(estimator.net_, build)
    message = watch.warning()
    if message is not None:
        # The caller of fit, above the estimator's _learn and scikit-learn's wrappers.
        warnings.warn(message, GANTrainingWarning, stacklevel=5)


class GANInference:
    """Runs the generator of a net on arrays, in float64.

    Parameters
    ----------
    net : GANNet
        During training the running average of its weights is used.
    device : str
        The device it runs on.
    """

    def __init__(self, net: GANNet, device: str) -> None:
        self.module = in_float64(net.average_.module if net.n_steps_ else net.module_)
        self.device = device

    def generate(self, z: NDArray, condition: NDArray) -> NDArray[np.float64]:
        """Return images of latents under conditions."""
        with torch.no_grad(), single_thread():
            return self.module.generate(*self._tensors(z, condition)).cpu().numpy()

    def invert(self, images: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the latents of images, and the logits of their classes."""
        with torch.no_grad(), single_thread():
            latent, logits = self.module.invert(*self._tensors(images))
            return latent.cpu().numpy(), logits.cpu().numpy()

    def sample(self, z: NDArray, condition: NDArray) -> NDArray[np.float64]:
        """Return images of any number of latents, chunk by chunk."""
        chunks = [
            self.generate(z[rows], condition[rows]) for rows in gen_batches(len(z), GAN_CHUNK)
        ]
        return np.concatenate(chunks)

    def resynthesize(
        self,
        images: NDArray,
        z: NDArray,
        condition: NDArray | None,
        record: NDArray | None,
        strength: float,
        n_classes: int,
    ) -> NDArray[np.float64]:
        """Return images of latents between the inversion of the input and a draw.

        Parameters
        ----------
        images : ndarray of shape (n, n_channels, h, w)
            Standardized originals.
        z : ndarray of shape (n, n_record + n_beat)
            The draws.
        condition : ndarray or None
            Classes; by default the encoder determines them.
        record : ndarray of shape (n, n_record) or None
            Inversion of the record of each image; None at full strength.
        strength : float
            Fraction of the variance of the latent that comes from the draw.
        n_classes : int
            Number of classes.
        """
        if record is None and condition is not None:
            return self.generate(z, condition)
        latent, logits = self.invert(images)
        if condition is None:
            likeliest = logits.reshape(len(logits), -1, n_classes).argmax(axis=2)
            condition = np.eye(n_classes)[likeliest].reshape(len(logits), -1)
        if record is None:
            return self.generate(z, condition)
        latent[:, : record.shape[1]] = record
        mixed = (1 - strength) ** 0.5 * latent + strength**0.5 * z
        residual = images - self.generate(latent, condition)
        weight = max(1 - strength / NO_RESIDUAL, 0)
        return self.generate(mixed, condition) + weight * residual

    def _tensors(self, *arrays: NDArray) -> list[Tensor]:
        return [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in arrays]


def learn_classes(
    labels: NDArray | None, n_samples: int, architecture: str
) -> tuple[NDArray, NDArray[np.intp], NDArray[np.float64]]:
    """Return the classes, the position of each sample's class, and the frequencies.

    Without labels all samples are of one class, the empty string.
    """
    if labels is None:
        labels = np.full(n_samples, "")
    classes, codes = np.unique(labels, return_inverse=True)
    if architecture == "classifier" and len(classes) < 2:
        raise ValueError(
            "architecture='classifier' predicts classes, but all samples are of one class; "
            "give labels of two or more classes, or another architecture."
        )
    return classes, codes, np.bincount(codes) / len(codes)


def class_codes(labels: NDArray, classes: NDArray) -> NDArray[np.intp]:
    """Return the position of each label in `classes`; refuse labels not seen in `fit`."""
    if classes.tolist() == [""]:
        raise ValueError("fit saw no labels, so none can be given here; fit with labels.")
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()))
    if unknown:
        raise ValueError(
            f"label {unknown[0]!r} was not seen in fit, which saw {classes.tolist()}; remove "
            "such samples, or fit on data with this label."
        )
    return np.searchsorted(classes, labels)


def draw_codes(
    labels: Any,
    n_samples: int,
    classes: NDArray,
    frequencies: NDArray,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Return the class of each sample: as given, or drawn with the training frequencies."""
    if n_samples < 1:
        raise ValueError(f"n_samples is {n_samples}; give 1 or more.")
    if labels is None:
        return rng.choice(len(classes), n_samples, p=frequencies)
    labels = np.asarray(labels)
    if labels.shape != (n_samples,):
        raise ValueError(f"labels has shape {labels.shape}; give ({n_samples},).")
    return class_codes(labels, classes)


def hold_out(
    record: NDArray[np.intp], codes: NDArray[np.intp], fraction: float
) -> NDArray[np.bool_]:
    """Return which rows are held out: whole records, but never all rows of a class.

    `record` may also be the person of each row, so that whole people are held out.
    """
    records, place = np.unique(record, return_inverse=True)
    has_class = np.zeros((len(records), codes.max() + 1), dtype=bool)
    has_class[place, codes] = True
    n_out = min(max(round(fraction * len(records)), 1), len(records) - 1)
    n_left, out = has_class.sum(axis=0), np.zeros(len(records), dtype=bool)
    # The hold-out does not depend on the seed: a training that is resumed has the same.
    for candidate in np.random.default_rng(0).permutation(len(records)):
        if out.sum() < n_out and (n_left > has_class[candidate]).all():
            out[candidate] = True
            n_left = n_left - has_class[candidate]
    if not out.any():
        raise ValueError(
            "each record has a class that no other record has, so none can be held out; "
            "give more records, or remove rare classes."
        )
    return out[place]
