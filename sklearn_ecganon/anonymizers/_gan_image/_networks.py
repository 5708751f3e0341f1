"""The networks of each architecture, and how a trained generator is used."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from torch import Tensor

from sklearn_ecganon.anonymizers._gan_image._pictures import Pictures
from sklearn_ecganon.anonymizers._gan_image._samples import likeliest
from sklearn_ecganon.networks import InvertibleGenerator
from sklearn_ecganon.training import (
    FIXED,
    MAX_WATCHED,
    GANNet,
    GANWatch,
    NonSaturatingLoss,
    ResidentGroups,
    WassersteinLoss,
    checkpoint_stamp,
    diversity_of,
    in_float64,
    single_thread,
)

# Parameters that may differ when a training is resumed.
NOT_TRAINED = ("strength", "max_epochs", "patience", "checkpoint", "device")
# From this strength on, nothing of an original is added to the image of its latent.
NOTHING_ADDED = 0.25
# Images at a time; as many as stay in the cache of a processor.
CHUNK = 256


class Recipe(NamedTuple):
    """The parts in which the architectures differ."""

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


def gan_net(
    architecture: str,
    shape: tuple[int, int, int],
    *,
    n_classes: int,
    n_windows: int,
    n_filters: int,
    n_record: int,
    n_beat: int,
    n_views: int,
    n_drawn: int,
    **settings: Any,
) -> GANNet:
    """Return an initialized net.

    Parameters
    ----------
    architecture : str
        A key of `ARCHITECTURES`.
    shape : tuple of int
        Channels, height and width of an image.
    n_classes, n_windows : int
        Beat classes, and beats in an image.
    n_filters : int
        Channels of the convolutions at full size.
    n_record, n_beat : int
        Dimensions of the two parts of the latent.
    n_views : int
        Images of one record that the discriminator sees side by side.
    n_drawn : int
        Images drawn in an epoch.
    **settings
        Other parameters of `GANNet`.
    """
    recipe = ARCHITECTURES[architecture]
    layout: dict[str, Any] = dict(
        zip(("n_channels", "height", "width"), shape, strict=True),
        n_conditions=n_windows * n_classes,
        n_filters=n_filters,
    )
    settings |= {f"module__{name}": value for name, value in layout.items()}
    settings |= {f"discriminator__{name}": value for name, value in layout.items()}
    settings |= {**FIXED, "iterator_train": ResidentGroups}
    settings |= {"iterator_train__n_views": n_views, "iterator_train__n_drawn": n_drawn}
    net = GANNet(
        InvertibleGenerator,
        module__n_record=n_record,
        module__n_beat=n_beat,
        discriminator__n_views=n_views,
        discriminator__classifies=recipe.classifies,
        discriminator__normalized=recipe.normalized,
        criterion=recipe.criterion,
        optimizer=torch.optim.Adam,
        optimizer__betas=recipe.betas,
        n_classes=n_classes,
        n_critic=recipe.n_critic,
        gradient_penalty=recipe.gradient_penalty,
        **settings,
    )
    return net.initialize()


def watch_of(
    estimator: Any, seen: tuple[NDArray, NDArray], images: NDArray, condition: NDArray
) -> GANWatch:
    """Return the watch that compares generated images with those held out.

    Parameters
    ----------
    estimator : GANImageAnonymizer
        Owner of the parameters.
    seen : tuple of ndarray
        Images that the nets learn from, and their one-hot classes.
    images, condition : ndarray
        Images that are held out, and their one-hot classes.
    """

    def tensor(values: NDArray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32).to(estimator.device_)

    rng = np.random.default_rng(0)
    held = rng.permutation(len(images))[:MAX_WATCHED]
    shown = rng.permutation(len(seen[0]))[:MAX_WATCHED]
    return GANWatch(
        tensor(images[held]),
        tensor(condition[held]),
        diversity=diversity_of(*(tensor(values[shown]) for values in seen)),
        patience=estimator.patience,
        checkpoint=estimator.checkpoint,
        stamp=checkpoint_stamp(estimator, seen, left_out=NOT_TRAINED),
    )


class Inference:
    """Runs a trained generator on arrays, in float64: no row depends on its batch."""

    def __init__(self, net: GANNet, device: str) -> None:
        # While the net is trained, the running average of its weights is shown.
        module = net.average_.module if net.n_steps_ else net.module_
        self.module = in_float64(module)
        self.n_classes = net.n_classes
        self.device = device

    def generate(self, z: NDArray, condition: NDArray) -> NDArray[np.float64]:
        """Return the images of latents and one-hot classes."""
        with torch.no_grad(), single_thread():
            return self.module.generate(*self._tensors(z, condition)).cpu().numpy()

    def invert(self, images: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the latents of images, and logits of their classes."""
        with torch.no_grad(), single_thread():
            latent, logits = self.module.invert(*self._tensors(images))
            return latent.cpu().numpy(), logits.cpu().numpy()

    def mean_inversion(
        self, pictures: Pictures, traces: NDArray, owner: NDArray[np.intp], n_latent: int
    ) -> NDArray[np.float64]:
        """Return the mean of the first latents of each record: (n_records, n_latent)."""
        summed = np.zeros((owner[-1] + 1, n_latent))
        for rows in gen_batches(len(owner), CHUNK):
            latents, _ = self.invert(pictures.paint(traces[rows]))
            np.add.at(summed, owner[rows], latents[:, :n_latent])
        return summed / np.maximum(np.bincount(owner), 1)[:, np.newaxis]

    def redraw(
        self,
        images: NDArray,
        latents: NDArray,
        condition: NDArray | None,
        settled: NDArray | None,
        strength: float,
    ) -> NDArray[np.float64]:
        """Return images between the originals and those of drawn latents.

        Parameters
        ----------
        images : ndarray of shape (n_images, n_channels, height, width)
            Originals.
        latents : ndarray of shape (n_images, n_latent)
            Drawn for them.
        condition : ndarray or None
            One-hot classes; the encoder predicts them where they are not known.
        settled : ndarray of shape (n_images, n_latent_record) or None
            Latents of the originals' records; None at full strength.
        strength : float
            Fraction of the latent's variance that is drawn.
        """
        if settled is None and condition is not None:
            return self.generate(latents, condition)
        inverted, logits = self.invert(images)
        condition = likeliest(logits, self.n_classes) if condition is None else condition
        if settled is None:
            return self.generate(latents, condition)
        inverted[:, : settled.shape[1]] = settled
        mixed = (1 - strength) ** 0.5 * inverted + strength**0.5 * latents
        missed = images - self.generate(inverted, condition)
        fraction = max(1 - strength / NOTHING_ADDED, 0)
        return self.generate(mixed, condition) + fraction * missed

    def _tensors(self, *arrays: NDArray) -> list[Tensor]:
        return [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in arrays]
