"""A generator with an encoder, trained against a discriminator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from sklearn_ecganon.networks import Discriminator, InvertibleGenerator
from sklearn_ecganon.training._adversarial import AdversarialNet

GRADIENT_PENALTY = 10.0


class NonSaturatingLoss(nn.Module):
    """Binary cross-entropy; for the generator, with real and generated exchanged."""

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
    """An ``iterator_train`` for skorch: random groups of images of one record.

    The first row of a group is drawn with weights, so that rare classes are seen. The other
    rows of the group are any rows of the same record.

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
        first_rows = torch.multinomial(X["weight"], self.n_drawn, replacement=True)
        for rows in first_rows.split(self.batch_size):
            owner = X["record"][rows, None]
            fraction = torch.rand(len(rows), self.n_views - 1, device=rows.device)
            others = first[owner] + (fraction * size[owner]).long()
            group = torch.cat([rows[:, None], others], dim=1)
            yield X["images"][group], X["condition"][group]


class GANNet(AdversarialNet):
    """An `InvertibleGenerator` against a `Discriminator`.

    Each step updates the discriminator, and every `n_critic`-th step updates the generator
    and its encoder as well. The encoder learns to predict the latents of generated images
    and to reconstruct real images through the generator. The first of these two terms also
    trains the generator: it penalizes a generator that gives one image for all latents,
    because its latents cannot be predicted [1]_.

    Parameters
    ----------
    discriminator : type
        Module class; ``discriminator__*`` are its parameters.
    discriminator_lr : float
        Learning rate of the discriminator's optimizer.
    n_classes : int
        Number of classes: length of each of the one-hot codes of a condition.
    n_critic : int
        Steps of the discriminator for one step of the generator.
    gradient_penalty : bool
        Whether the loss penalizes gradients of the discriminator between real and generated
        images whose norm is not 1 [2]_.
    latent_weight, reconstruction_weight : float
        Weights of both terms of the encoder relative to the adversarial one.
    ema : float
        Decay of the running average of the generator's weights.

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
        """Build the generator, its running average, and the discriminator."""
        super().initialize_module()
        self.average_ = AveragedModel(self.module_, multi_avg_fn=self._average)
        return self

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Update the discriminator, and in every `n_critic`-th step the generator."""
        real, condition = batch
        self.discriminator_.train()
        self.module_.train()
        updates_generator = self.n_steps_ % self.n_critic == 0
        with torch.set_grad_enabled(updates_generator):
            generated, z = self._fakes(condition)
        fake = generated.detach()
        self.discriminator_optimizer_.zero_grad()
        scores, logits = self.discriminator_(real, condition)
        fake_scores, _ = self.discriminator_(fake, condition)
        loss = self.criterion_.discriminator(scores, fake_scores)
        figures = {"discriminator_loss": loss}
        if logits is not None:
            loss = loss + cross_entropy(logits, condition, self.n_classes)
        if self.gradient_penalty:
            loss = loss + GRADIENT_PENALTY * self._penalty(real, fake, condition)
        loss.backward()
        self.discriminator_optimizer_.step()
        figures["discriminator_accuracy"] = (scores > fake_scores).float().mean()
        if updates_generator:
            figures |= self._update_generator(real, condition, generated, z)
        self.n_steps_ += 1
        # All figures are read at once: each read makes the processor wait for the device.
        for name, value in zip(figures, torch.stack([*figures.values()]).tolist(), strict=True):
            self.history.record_batch(name, value)
        return {"loss": loss.detach(), "y_pred": fake}

    def _update_generator(
        self, real: Tensor, condition: Tensor, fake: Tensor, z: Tensor
    ) -> dict[str, Tensor]:
        self.discriminator_.requires_grad_(False)
        self.optimizer_.zero_grad()
        scores, logits = self.discriminator_(fake, condition)
        adversarial = self.criterion_.generator(scores)
        figures = {"generator_loss": adversarial}
        if logits is not None:
            adversarial = adversarial + cross_entropy(logits, condition, self.n_classes)
            figures["class_accuracy"] = _accuracy(logits, condition, self.n_classes)
        flat, known = real.flatten(0, 1), condition.flatten(0, 1)
        predicted, _ = self.module_.invert(fake.flatten(0, 1))
        latent, classes = self.module_.invert(flat)
        record = latent[:, : self.module_.n_record]
        # All beats of a record share the record's part, as they do when generated.
        shared = record.unflatten(0, real.shape[:2]).mean(dim=1, keepdim=True)
        shared = shared.expand(-1, real.shape[1], -1).flatten(0, 1)
        latent = torch.cat([shared, latent[:, self.module_.n_record :]], dim=1)
        # The reconstruction of real images trains the encoder only, so the generator's
        # weights are constants here.
        constants = {name: w.detach() for name, w in self.module_.named_parameters()}
        back = functional_call(self.module_, constants, (latent, known))
        reconstruction = F.mse_loss(back, flat)
        loss = (
            adversarial
            + self.latent_weight * F.mse_loss(predicted, z)
            + self.reconstruction_weight * reconstruction
            + cross_entropy(classes, condition, self.n_classes)
        )
        loss.backward()
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
        fraction = torch.rand(len(real), 1, 1, 1, 1, device=real.device)
        between = torch.lerp(real, fake, fraction).requires_grad_(True)
        scores, _ = self.discriminator_(between, condition)
        [slope] = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()

    def _average(self, averages: Any, currents: Any, n_averaged: Any) -> None:
        # Early weights are poor, so the average is a shorter one at first.
        n_updates = self.n_steps_ // self.n_critic
        decay = min(self.ema, (1 + n_updates) / (10 + n_updates))
        torch._foreach_lerp_(averages, currents, 1 - decay)


def cross_entropy(logits: Tensor, condition: Tensor, n_classes: int) -> Tensor:
    """Return the mean cross-entropy of one-hot codes, however many are in a row."""
    codes = condition.reshape(-1, n_classes)
    return F.cross_entropy(logits.reshape(-1, n_classes), codes)


def _accuracy(logits: Tensor, condition: Tensor, n_classes: int) -> Tensor:
    predicted, known = (x.reshape(-1, n_classes).argmax(dim=1) for x in (logits, condition))
    return (predicted == known).float().mean()
