"""The monitors of a GAN in training: distance, diversity, early stopping and warnings."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_ecganon.training._adversarial import Watch, train_watched
from sklearn_ecganon.training._gan import GANNet

# Figures of an epoch in the log, next to its duration.
LOSSES = (
    "generator_loss",
    "discriminator_loss",
    "discriminator_accuracy",
    "generator_gradient",
    "reconstruction",
    "class_accuracy",
)
# Largest number of images on which distance and diversity are measured.
MAX_WATCHED = 1000
# Warnings begin with this epoch; the other three are their limits.
FIRST_WARNING = 5
COLLAPSED = 0.1
CERTAIN = 0.99
VANISHED = 1e-2


class GANTrainingWarning(UserWarning):
    """The training of a GAN shows mode collapse or vanishing gradients."""


class GANWatch(Watch):
    """Monitors the training of a `GANNet` after each epoch.

    It logs the figures of the epoch, measures the distance of generated images from a
    hold-out and their diversity, keeps the averaged weights with the smallest distance,
    ends the training when nothing has improved for `patience` epochs, and writes a
    checkpoint.

    Parameters
    ----------
    images, condition : Tensor
        The hold-out: images and the one-hot codes of their classes.
    diversity : float
        Mean distance of two real images of one class.
    patience : int or None
        Epochs without a smaller distance after which training ends.
    checkpoint : path or None
        File that is replaced at the end of each epoch.
    stamp : dict
        Data and parameters that a checkpoint must have in common with this training.

    Attributes
    ----------
    log : list of dict of str to float
        One entry an epoch.
    """

    net_state = (*Watch.net_state, "average_")
    watch_state = ("log", "best", "distance", "wait")

    def __init__(
        self,
        images: Tensor,
        condition: Tensor,
        *,
        diversity: float,
        patience: int | None,
        checkpoint: str | os.PathLike | None,
        stamp: dict[str, str],
    ) -> None:
        super().__init__(checkpoint=checkpoint, stamp=stamp)
        self.images, self.condition = images, condition
        self.diversity = diversity
        self.patience = patience
        self.best: dict[str, Tensor] = {}
        self.distance = np.inf
        self.wait = 0

    @property
    def done(self) -> bool:
        """Whether the last `patience` epochs brought no smaller distance."""
        return self.patience is not None and self.wait >= self.patience

    def figures(self, net: GANNet) -> dict[str, float]:
        """Return losses, distance and diversity."""
        row = self.losses(net)
        row["distance"], row["diversity"] = self._measure(net)
        return row

    def losses(self, net: GANNet) -> dict[str, float]:
        """Return the mean of each loss over the batches of the epoch, NaN without any."""
        batches = net.history[-1]["batches"]
        return {
            name: float(np.mean([batch[name] for batch in batches if name in batch] or np.nan))
            for name in LOSSES
        }

    def after_epoch(self, net: GANNet) -> None:
        """Keep the weights if their images are nearer to the hold-out than before."""
        distance = self.log[-1]["distance"]
        self.wait += 1
        if distance < self.distance:
            self.distance, self.wait = distance, 0
            self.best = copy.deepcopy(net.average_.module.state_dict())

    def warning(self) -> str | None:
        """Return a sentence about what went wrong in the training, or None."""
        if len(self.log) < FIRST_WARNING:
            return None
        last = self.log[-1]
        if last["diversity"] < COLLAPSED:
            return (
                f"mode collapse: generated images of one class differ {last['diversity']:.1%} "
                "as much as real ones do; train longer, lower lr or raise discriminator_lr."
            )
        strongest = max(row["generator_gradient"] for row in self.log)
        vanished = last["generator_gradient"] < VANISHED * strongest
        if last["discriminator_accuracy"] > CERTAIN and vanished:
            return (
                "vanishing gradient: the discriminator is right in "
                f"{last['discriminator_accuracy']:.1%} of the cases and the generator's "
                "gradient is gone; lower discriminator_lr, or take architecture='wgan-gp'."
            )
        return None

    @torch.no_grad()
    def _measure(self, net: GANNet) -> tuple[float, float]:
        """Return the distance from the hold-out, and the diversity relative to real images."""
        module: Any = net.average_.module.eval()
        n, n_latent = len(self.images), module.n_record + module.n_beat
        # Every epoch has the same latents, so that epochs can be compared.
        rng = np.random.default_rng(0)
        latents = torch.from_numpy(rng.standard_normal((2, n, n_latent), dtype=np.float32))
        one, other = (
            module.generate(z, self.condition) for z in latents.to(self.images.device)
        )
        spread = (one - other).flatten(1).norm(dim=1).mean()
        return mean_discrepancy(self.images, one), float(spread / self.diversity)


def train_gan(
    net: GANNet,
    X: dict[str, Tensor],
    watch: GANWatch,
    *,
    estimator: Any = None,
    context: Any = None,
) -> dict[str, np.ndarray]:
    """Train an initialized net until `watch` ends the training, and keep the best weights.

    Parameters
    ----------
    net : GANNet
        Initialized; afterwards ``module_`` holds the averaged weights with the smallest
        distance from the hold-out.
    X : dict of str to Tensor
        Input of `ResidentGroups`.
    watch : GANWatch
        If its checkpoint exists, training continues from it.
    estimator : estimator, optional
        Owner of `context`.
    context : sklearn.callback.CallbackContext, optional
        Context of the owner's fit, with ``max_subtasks=net.max_epochs``.

    Returns
    -------
    history : dict of str to ndarray of shape (n_epochs,)
        The log of `watch`, column by column.
    """
    history = train_watched(net, X, watch, estimator=estimator, context=context)
    if not watch.best:
        raise ValueError(
            "the training diverged: generated images are not finite; give a smaller lr."
        )
    net.module_.load_state_dict(watch.best)
    return history


def mean_discrepancy(real: Tensor, generated: Tensor) -> float:
    """Return the squared maximum mean discrepancy of two sets of images.

    Parameters
    ----------
    real, generated : Tensor of shape (n, ...)
        The images. The two numbers of images may differ.

    Returns
    -------
    discrepancy : float
        The unbiased estimate of [1]_ for Gaussian kernels of a half, one and two times the
        median distance between real images. If both sets have one distribution, it is
        close to 0 and may be negative.

    References
    ----------
    .. [1] A. Gretton et al., "A kernel two-sample test", Journal of Machine Learning
       Research 13, 723-773, 2012.
    """
    real, generated = real.flatten(1), generated.flatten(1)
    among = torch.cdist(real, real)
    scale = torch.median(among[among > 0]) if (among > 0).any() else torch.tensor(1.0)

    def kernel(distance: Tensor) -> Tensor:
        widths = [factor * scale for factor in (0.5, 1.0, 2.0)]
        return torch.stack([torch.exp(-(distance**2) / (2 * w**2)) for w in widths]).sum(0)

    def without_diagonal(values: Tensor) -> Tensor:
        n = len(values)
        return (values.sum() - values.diagonal().sum()) / max(n * (n - 1), 1)

    return float(
        without_diagonal(kernel(among))
        + without_diagonal(kernel(torch.cdist(generated, generated)))
        - 2 * kernel(torch.cdist(real, generated)).mean()
    )


def diversity_of(images: Tensor, condition: Tensor) -> float:
    """Return the mean distance of two images of one class.

    Each image is compared with the next one of its class in a random order. Classes with a
    single image do not count.
    """
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    order = order.to(images.device)
    _, code = torch.unique(condition[order], dim=0, return_inverse=True)
    order = order[torch.argsort(code, stable=True)]
    code = code.sort().values
    same = code[1:] == code[:-1]
    if not same.any():
        same = torch.ones_like(same)
    apart = (images[order[1:]] - images[order[:-1]]).flatten(1).norm(dim=1)
    return float(apart[same].mean())
