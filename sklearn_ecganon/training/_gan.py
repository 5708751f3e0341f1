"""Adversarial training of two modules by two optimizers, watched, stopped and resumed."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from sklearn_ecganon.networks._gan import Discriminator, InvertibleGenerator
from sklearn_ecganon.training._adversarial import AdversarialNet, Watch, train_watched

# What an epoch writes into the log, next to its duration.
LOSSES = (
    "generator_loss",
    "discriminator_loss",
    "discriminator_accuracy",
    "generator_gradient",
    "reconstruction",
    "class_accuracy",
)
GRADIENT_PENALTY = 10.0
# Images that the hold-out's distance and the diversity are measured on.
MAX_WATCHED = 1000
# Warnings: from this epoch on, and beyond these limits.
FIRST_JUDGED = 5
COLLAPSED = 0.1
CERTAIN = 0.99
VANISHED = 1e-2


class GANTrainingWarning(UserWarning):
    """The training of a GAN went wrong in one of the well-known ways."""


class NonSaturatingLoss(nn.Module):
    """Binary cross-entropy, the generator's with real and generated exchanged."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of scores (logits) of real and of generated images."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        """Return the loss of the generator of images with these scores."""
        return F.softplus(-fake).mean()


class WassersteinLoss(nn.Module):
    """Difference of the mean scores of real and generated images."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of scores of real and of generated images."""
        return fake.mean() - real.mean()

    def generator(self, fake: Tensor) -> Tensor:
        """Return the loss of the generator of images with these scores."""
        return -fake.mean()


class ResidentGroups:
    """An ``iterator_train`` for skorch: groups of images of one record, drawn anew.

    Rows are drawn with weights, so that rare classes are seen; those that complete a group
    are any rows of the same record.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Its ``X`` is a dict of tensors on the device of the net: ``images`` (n, c, h, w),
        ``condition`` (n, n_conditions), ``weight`` (n,) and ``record`` (n,), increasing
        from 0.
    batch_size : int
        Groups of a batch.
    n_views : int
        Images of a group.
    n_drawn : int
        Groups of an epoch.
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, n_views: int = 1, n_drawn: int = 1
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.n_views = n_views
        self.n_drawn = n_drawn

    def __len__(self) -> int:
        return -(-self.n_drawn // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        X = self.dataset.X
        size = torch.bincount(X["record"])
        first = size.cumsum(0) - size
        drawn = torch.multinomial(X["weight"], self.n_drawn, replacement=True)
        for rows in drawn.split(self.batch_size):
            owner = X["record"][rows, None]
            share = torch.rand(len(rows), self.n_views - 1, device=rows.device)
            others = first[owner] + (share * size[owner]).long()
            group = torch.cat([rows[:, None], others], dim=1)
            yield X["images"][group], X["condition"][group]


class GANNet(AdversarialNet):
    """An `InvertibleGenerator` against a `Discriminator`.

    A step moves the discriminator, and every `n_critic`-th the generator and its encoder as
    well. The encoder learns the latent of generated images, and to bring real ones back
    through the generator. The first of these terms reaches the generator too: an image must
    tell what it was made from, so that a generator that makes one image of everything pays
    for it [1]_.

    Parameters
    ----------
    discriminator : type
        Module class; ``discriminator__*`` are its parameters.
    discriminator_lr : float
        Learning rate of the discriminator's optimizer, of the same class as the other.
    n_classes : int
        Classes of a window: length of each of the one-hot codes of a condition.
    n_critic : int
        Steps of the discriminator to one of the generator.
    gradient_penalty : bool
        Whether the discriminator's gradient is held at length 1 between real and generated
        images, [2]_.
    latent_weight, reconstruction_weight : float
        Of both terms beside the adversarial one.
    ema : float
        Share of the averaged generator that stays at each step of the trained one.

    References
    ----------
    .. [1] A. Srivastava et al., "VEEGAN: reducing mode collapse in GANs using implicit
       variational learning", NIPS, 2017.
    .. [2] I. Gulrajani et al., "Improved training of Wasserstein GANs", NIPS, 2017.
    """

    def __init__(
        self,
        module: type[InvertibleGenerator],
        *args: Any,
        discriminator: type[Discriminator] = Discriminator,
        n_classes: int = 1,
        n_critic: int = 1,
        gradient_penalty: bool = False,
        latent_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
        ema: float = 0.999,
        **kwargs: Any,
    ) -> None:
        self.n_classes = n_classes
        self.n_critic = n_critic
        self.gradient_penalty = gradient_penalty
        self.latent_weight = latent_weight
        self.reconstruction_weight = reconstruction_weight
        self.ema = ema
        super().__init__(module, *args, discriminator=discriminator, **kwargs)

    def initialize_module(self) -> GANNet:
        """Make generator, its running average, and discriminator."""
        super().initialize_module()
        self.average_ = AveragedModel(self.module_, multi_avg_fn=self._average)
        return self

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Move the discriminator, and the generator when it is its turn."""
        real, condition = batch
        self.discriminator_.train()
        self.module_.train()
        moves = self.n_steps_ % self.n_critic == 0
        with torch.set_grad_enabled(moves):
            made, z = self._fakes(condition)
        fake = made.detach()
        self.discriminator_optimizer_.zero_grad()
        scores, logits = self.discriminator_(real, condition)
        fake_scores, _ = self.discriminator_(fake, condition)
        loss = self.criterion_.discriminator(scores, fake_scores)
        figures = {"discriminator_loss": loss}
        if logits is not None:
            loss = loss + _cross_entropy(logits, condition, self.n_classes)
        if self.gradient_penalty:
            loss = loss + GRADIENT_PENALTY * self._penalty(real, fake, condition)
        loss.backward()
        self.discriminator_optimizer_.step()
        figures["discriminator_accuracy"] = (scores > fake_scores).float().mean()
        if moves:
            figures |= self._move_generator(real, condition, made, z)
        self.n_steps_ += 1
        # One at a time, each would make the processor wait for the device.
        for name, value in zip(figures, torch.stack([*figures.values()]).tolist(), strict=True):
            self.history.record_batch(name, value)
        return {"loss": loss.detach(), "y_pred": fake}

    def _move_generator(
        self, real: Tensor, condition: Tensor, fake: Tensor, z: Tensor
    ) -> dict[str, Tensor]:
        self.discriminator_.requires_grad_(False)
        self.optimizer_.zero_grad()
        scores, logits = self.discriminator_(fake, condition)
        adversarial = self.criterion_.generator(scores)
        figures = {"generator_loss": adversarial}
        if logits is not None:
            adversarial = adversarial + _cross_entropy(logits, condition, self.n_classes)
            figures["class_accuracy"] = _accuracy(logits, condition, self.n_classes)
        flat, known = real.flatten(0, 1), condition.flatten(0, 1)
        found, _ = self.module_.invert(fake.flatten(0, 1))
        latent, classes = self.module_.invert(flat)
        record = latent[:, : self.module_.n_record]
        # All beats of a record share the record's part, as they do when generated.
        shared = record.unflatten(0, real.shape[:2]).mean(dim=1, keepdim=True)
        shared = shared.expand(-1, real.shape[1], -1).flatten(0, 1)
        latent = torch.cat([shared, latent[:, self.module_.n_record :]], dim=1)
        # The generator knows real images through the discriminator only: to bring them back
        # is the encoder's task.
        still_generator = {name: w.detach() for name, w in self.module_.named_parameters()}
        back = functional_call(self.module_, still_generator, (latent, known))
        reconstruction = F.mse_loss(back, flat)
        loss = (
            adversarial
            + self.latent_weight * F.mse_loss(found, z)
            + self.reconstruction_weight * reconstruction
            + _cross_entropy(classes, condition, self.n_classes)
        )
        loss.backward()
        # How much of the discriminator's verdict reaches the generator's last layer.
        figures["generator_gradient"] = self.module_.output.weight.grad.norm()
        figures["reconstruction"] = reconstruction
        self.optimizer_.step()
        self.average_.update_parameters(self.module_)
        self.discriminator_.requires_grad_(True)
        return figures

    def _fakes(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return groups of generated images, each of one record, and their latents."""
        n, n_views, _ = condition.shape
        module = self.module_
        record = torch.randn(n, 1, module.n_record, device=condition.device)
        beat = torch.randn(n, n_views, module.n_beat, device=condition.device)
        z = torch.cat([record.expand(-1, n_views, -1), beat], dim=2).flatten(0, 1)
        images = module.generate(z, condition.flatten(0, 1))
        return images.unflatten(0, (n, n_views)), z

    def _penalty(self, real: Tensor, fake: Tensor, condition: Tensor) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1, 1, device=real.device)
        between = torch.lerp(real, fake, share).requires_grad_(True)
        scores, _ = self.discriminator_(between, condition)
        [slope] = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    def _average(self, averages: Any, currents: Any, n_averaged: Any) -> None:
        # Early on the weights are not worth remembering: the average is a shorter one.
        n_moves = self.n_steps_ // self.n_critic
        stays = min(self.ema, (1 + n_moves) / (10 + n_moves))
        torch._foreach_lerp_(averages, currents, 1 - stays)


class GANWatch(Watch):
    """Looks after the training of a `GANNet`, epoch by epoch.

    It logs the figures of an epoch, measures how far generated images are from a hold-out
    and how diverse they are, keeps the averaged weights that came nearest, says when
    nothing has improved for `patience` epochs, and writes a checkpoint.

    Parameters
    ----------
    images, condition : Tensor
        Hold-out.
    diversity : float
        Mean distance of two real images of one class.
    patience : int or None
        Epochs without a smaller distance after which training ends.
    checkpoint : path or None
        File that is replaced at the end of each epoch.
    stamp : dict
        What a checkpoint must have been made with to be gone on with.

    Attributes
    ----------
    log : list of dict of str to float
        One entry an epoch.
    """

    parts = (*Watch.parts, "average_")
    kept = ("log", "best", "distance", "wait")

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
        """True when `patience` is over."""
        return self.patience is not None and self.wait >= self.patience

    def figures(self, net: GANNet) -> dict[str, float]:
        """Return losses, distance and diversity."""
        batches = net.history[-1]["batches"]
        row = {
            name: float(np.mean([batch[name] for batch in batches if name in batch] or np.nan))
            for name in LOSSES
        }
        row["distance"], row["diversity"] = self._measure(net)
        return row

    def judge(self, net: GANNet) -> None:
        """Keep the weights that came nearest."""
        distance = self.log[-1]["distance"]
        self.wait += 1
        if distance < self.distance:
            self.distance, self.wait = distance, 0
            self.best = copy.deepcopy(net.average_.module.state_dict())

    def warning(self) -> str | None:
        """Return what went wrong, if anything did."""
        if len(self.log) < FIRST_JUDGED:
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
        """Return distance from the hold-out, and diversity as a share of the real one."""
        module: Any = net.average_.module.eval()
        n, n_latent = len(self.images), module.n_record + module.n_beat
        # The same latents in every epoch, and none of those that training draws.
        drawn = np.random.default_rng(0).standard_normal((2, n, n_latent), dtype=np.float32)
        z = torch.from_numpy(drawn).to(self.images.device)
        one, other = (module.generate(part, self.condition) for part in z)
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
    """Train an initialised net until `watch` has seen enough, and keep the best weights.

    Parameters
    ----------
    net : GANNet
        Initialised; afterwards ``module_`` holds the averaged weights that came nearest to
        the hold-out.
    X : dict of str to Tensor
        As `ResidentGroups` takes it.
    watch : GANWatch
        Goes on from its checkpoint, if there is one.
    estimator : estimator, optional
        Owner of `context`.
    context : sklearn.callback.CallbackContext, optional
        Context of the owner's fit, made with ``max_subtasks=net.max_epochs``.

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
        The images, as many of one as of the other or not.

    Returns
    -------
    discrepancy : float
        The unbiased estimate of [1]_ for Gaussian kernels of a half, one and two times the
        median distance between real images. About 0 where both are of one distribution,
        and then on either side of it.

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

    Each is held against the next of its class in an order of chance; classes with one
    image have nothing to say.
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


def _cross_entropy(logits: Tensor, condition: Tensor, n_classes: int) -> Tensor:
    """Return the mean cross-entropy of one-hot codes, however many are in a row."""
    codes = condition.reshape(-1, n_classes)
    return F.cross_entropy(logits.reshape(-1, n_classes), codes)


def _accuracy(logits: Tensor, condition: Tensor, n_classes: int) -> Tensor:
    found, known = (x.reshape(-1, n_classes).argmax(dim=1) for x in (logits, condition))
    return (found == known).float().mean()
