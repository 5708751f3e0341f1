"""Two translators that invert each other, trained against two discriminators."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.networks import TwoDiscriminators, TwoTranslators
from sklearn_ecganon.training._adversarial import AdversarialNet, Watch

# Figures of an epoch in the log, next to learning rate and duration.
LOSSES = ("generator_loss", "discriminator_loss", "cycle_error", "identity_error")
# Images are scaled to lie between -1 and 1.
RANGE = 2.0


class LeastSquaresLoss(nn.Module):
    """Squared distance of scores from 1 (real) and 0 (translated), [1]_.

    References
    ----------
    .. [1] X. Mao et al., "Least squares generative adversarial networks", ICCV, 2017.
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of scores of real and of translated images."""
        return ((real - 1).square().mean() + fake.square().mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Return the loss of the translator of images with these scores."""
        return (fake - 1).square().mean()


class CrossEntropyLoss(nn.Module):
    """Binary cross-entropy of scores that are logits of being real."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of scores of real and of translated images."""
        return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        """Return the loss of the translator of images with these scores."""
        return F.softplus(-fake).mean()


class ResidentPairs:
    """An ``iterator_train`` for skorch: random pairs of an image of each domain.

    Each domain has its own random order. The smaller domain is repeated, in other orders,
    until each image of the larger one has been used.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Its ``X`` is a dict of tensors on the device of the net: ``images`` (n, c, h, w) and
        ``of_b`` (n,), whether they are of domain B.
    batch_size : int
        Pairs of a batch.
    n_drawn : int
        Pairs of an epoch.
    """

    def __init__(self, dataset: Dataset, batch_size: int, n_drawn: int = 1) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.n_drawn = n_drawn

    def __len__(self) -> int:
        return -(-self.n_drawn // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, of_b = self.dataset.X["images"], self.dataset.X["of_b"]
        orders = [self._order(rows.nonzero()[:, 0]) for rows in (~of_b, of_b)]
        for a, b in zip(*(rows.split(self.batch_size) for rows in orders), strict=True):
            yield images[a], images[b]

    def _order(self, rows: Tensor) -> Tensor:
        n_rounds = -(-self.n_drawn // len(rows))
        orders = [torch.randperm(len(rows), device=rows.device) for _ in range(n_rounds)]
        return rows[torch.cat(orders)[: self.n_drawn]]


class ImageBuffer:
    """Recent translations, some of which replace new ones for the discriminator [1]_.

    About half of the new images are exchanged for earlier ones. Once the buffer is full, an
    exchanged new image takes the place of the earlier one.

    Parameters
    ----------
    size : int
        Number of images in the buffer; 0 is no buffer.

    References
    ----------
    .. [1] A. Shrivastava et al., "Learning from simulated and unsupervised images through
       adversarial training", CVPR, 2017.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: Tensor | None = None

    def exchange(self, new: Tensor) -> Tensor:
        """Return images (n, ...), about half of them earlier ones."""
        if not self.size:
            return new
        if self.images is None:
            self.images = new[: self.size].clone()
            return new
        n_exchanged = min(len(new), len(self.images))
        place = torch.randperm(len(self.images), device=new.device)[:n_exchanged]
        earlier, newest = self.images[place], new[:n_exchanged]
        chosen = torch.rand(n_exchanged, *[1] * (new.ndim - 1), device=new.device) < 0.5
        if len(self.images) < self.size:
            self.images = torch.cat([self.images, new])[: self.size]
        else:
            self.images[place] = torch.where(chosen, newest, earlier)
        return torch.cat([torch.where(chosen, earlier, newest), new[n_exchanged:]])


class CycleNet(AdversarialNet):
    """Two translators and two discriminators.

    Each step updates the translators, then the discriminators. The loss of the translators
    has three terms: their translations should look real to the discriminators, the
    translators should invert each other, and a translator should not change images that
    already are in its target domain.

    Parameters
    ----------
    cycle, identity : float
        Weights of the second and third term, which are mean absolute errors, relative to
        the first.
    n_latent : int
        Length of the draw of each translation.
    buffer_size : int
        Number of earlier translations of each domain for the discriminators, within an
        epoch.
    """

    def __init__(
        self,
        module: type[TwoTranslators],
        *args: Any,
        discriminator: type[TwoDiscriminators] = TwoDiscriminators,
        cycle: float = 10.0,
        identity: float = 5.0,
        n_latent: int = 1,
        buffer_size: int = 50,
        **kwargs: Any,
    ) -> None:
        self.cycle = cycle
        self.identity = identity
        self.n_latent = n_latent
        self.buffer_size = buffer_size
        super().__init__(module, *args, discriminator=discriminator, **kwargs)

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Start with empty buffers: a checkpoint between epochs holds no image."""
        super().on_epoch_begin(net, *args, **kwargs)
        self.buffers_ = ImageBuffer(self.buffer_size), ImageBuffer(self.buffer_size)
        self.figures_: list[Tensor] = []

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Update the translators, then the discriminators."""
        a, b = batch
        self.module_.train()
        self.discriminator_.train()
        translators, discriminators = self.module_, self.discriminator_
        discriminators.requires_grad_(False)
        self.optimizer_.zero_grad()
        # One pass for the translation of one domain and the identity term of the other.
        fake_b, same_b = self._translate(translators.a_to_b, torch.cat([a, b])).split(len(a))
        fake_a, same_a = self._translate(translators.b_to_a, torch.cat([b, a])).split(len(a))
        back_a = self._translate(translators.b_to_a, fake_b)
        back_b = self._translate(translators.a_to_b, fake_a)
        loss_of = self.criterion_
        adversarial = loss_of.generator(discriminators.a(fake_a)) + loss_of.generator(
            discriminators.b(fake_b)
        )
        cycle = F.l1_loss(back_a, a) + F.l1_loss(back_b, b)
        identity = F.l1_loss(same_a, a) + F.l1_loss(same_b, b)
        loss = adversarial + self.cycle * cycle + self.identity * identity
        loss.backward()
        self.optimizer_.step()

        discriminators.requires_grad_(True)
        self.discriminator_optimizer_.zero_grad()
        discriminator_loss = torch.zeros((), device=a.device)
        sides = zip(
            (discriminators.a, discriminators.b),
            (a, b),
            (fake_a, fake_b),
            self.buffers_,
            strict=True,
        )
        for discriminator, real, fake, buffer in sides:
            images = torch.cat([real, buffer.exchange(fake.detach())])
            discriminator_loss = discriminator_loss + loss_of.discriminator(
                *discriminator(images).split(len(real))
            )
        discriminator_loss.backward()
        self.discriminator_optimizer_.step()
        self.n_steps_ += 1
        # The figures stay on the device until the epoch ends.
        errors = cycle / (2 * RANGE), identity / (2 * RANGE)
        self.figures_.append(torch.stack([loss, discriminator_loss, *errors]).detach())
        return {"loss": loss.detach(), "y_pred": fake_b}

    def _translate(self, translator: nn.Module, images: Tensor) -> Tensor:
        """Return translations, each with its own draw."""
        z = torch.randn(len(images), self.n_latent, device=images.device)
        return translator(images, z)


class CycleWatch(Watch):
    """Logs the training of a `CycleNet`, and sets the learning rates of each epoch.

    Parameters
    ----------
    lr, discriminator_lr : float
        Learning rates of the first half of the epochs. In the second half they decrease
        linearly and would reach 0 one epoch after the last.
    max_epochs : int
        Number of epochs.
    checkpoint, stamp
        As in `Watch`.
    """

    def __init__(
        self,
        *,
        lr: float,
        discriminator_lr: float,
        max_epochs: int,
        checkpoint: str | os.PathLike | None,
        stamp: dict[str, str],
    ) -> None:
        super().__init__(checkpoint=checkpoint, stamp=stamp)
        self.lr = lr
        self.discriminator_lr = discriminator_lr
        self.max_epochs = max_epochs

    @property
    def lr_factor(self) -> float:
        """Factor of the learning rates in the next epoch."""
        n_constant = self.max_epochs // 2
        n_falling = self.max_epochs - n_constant
        return 1 - max(len(self.log) + 1 - n_constant, 0) / (n_falling + 1)

    def on_epoch_begin(self, net: CycleNet, **kwargs: Any) -> None:
        for optimizer, lr in (
            (net.optimizer_, self.lr),
            (net.discriminator_optimizer_, self.discriminator_lr),
        ):
            for group in optimizer.param_groups:
                group["lr"] = lr * self.lr_factor

    def figures(self, net: CycleNet) -> dict[str, float]:
        """Return the epoch's mean losses and errors.

        Raises
        ------
        ValueError
            If a loss is not finite.
        """
        means = torch.stack(net.figures_).mean(dim=0).tolist()
        if not np.isfinite(means).all():
            raise ValueError(
                "the training diverged: losses are not finite; give a smaller lr, or fewer "
                "epochs."
            )
        return {**dict(zip(LOSSES, means, strict=True)), "lr": self.lr * self.lr_factor}
