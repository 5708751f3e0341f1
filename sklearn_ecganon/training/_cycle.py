"""Two translators that undo each other, trained against two judges."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.networks._cycle import TwoDiscriminators, TwoTranslators
from sklearn_ecganon.training._adversarial import AdversarialNet, Watch

# What an epoch writes into the log, next to learning rate and duration.
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
    """An ``iterator_train`` for skorch: an image of each domain, paired by chance.

    Each domain is gone through in an order of its own; the smaller one starts again, in
    another order, until the larger is through.

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
    """The last translated images, some of which a judge sees in place of the newest [1]_.

    For half of the images earlier ones are shown, as soon as there are any. Once the buffer
    is full, the new image takes the place of the earlier one.

    Parameters
    ----------
    size : int
        Images kept; 0 keeps none.

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
        n_asked = min(len(new), len(self.images))
        place = torch.randperm(len(self.images), device=new.device)[:n_asked]
        earlier, newest = self.images[place], new[:n_asked]
        chosen = torch.rand(n_asked, *[1] * (new.ndim - 1), device=new.device) < 0.5
        if len(self.images) < self.size:
            self.images = torch.cat([self.images, new])[: self.size]
        else:
            self.images[place] = torch.where(chosen, newest, earlier)
        return torch.cat([torch.where(chosen, earlier, newest), new[n_asked:]])


class CycleNet(AdversarialNet):
    """Two translators and two judges.

    A step moves the translators, then the judges. The translators are to look real to the
    judges, to undo each other, and to leave alone what is of their own target domain.

    Parameters
    ----------
    cycle, identity : float
        Weights of the latter two beside the first, as mean absolute errors.
    n_latent : int
        Length of the draw that a translation is made under.
    buffer_size : int
        Translated images of each domain that are kept for the judges, within an epoch.
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
        """Move the translators, then the judges."""
        a, b = batch
        self.module_.train()
        self.discriminator_.train()
        translators, judges = self.module_, self.discriminator_
        judges.requires_grad_(False)
        self.optimizer_.zero_grad()
        # One pass translates the one domain and leaves the other alone.
        fake_b, same_b = self._drawn(translators.a_to_b, torch.cat([a, b])).split(len(a))
        fake_a, same_a = self._drawn(translators.b_to_a, torch.cat([b, a])).split(len(a))
        back_a = self._drawn(translators.b_to_a, fake_b)
        back_b = self._drawn(translators.a_to_b, fake_a)
        loss_of = self.criterion_
        adversarial = loss_of.generator(judges.a(fake_a)) + loss_of.generator(judges.b(fake_b))
        cycle = F.l1_loss(back_a, a) + F.l1_loss(back_b, b)
        identity = F.l1_loss(same_a, a) + F.l1_loss(same_b, b)
        loss = adversarial + self.cycle * cycle + self.identity * identity
        loss.backward()
        self.optimizer_.step()

        judges.requires_grad_(True)
        self.discriminator_optimizer_.zero_grad()
        judged = torch.zeros((), device=a.device)
        sides = zip((judges.a, judges.b), (a, b), (fake_a, fake_b), self.buffers_, strict=True)
        for judge, real, fake, buffer in sides:
            shown = torch.cat([real, buffer.exchange(fake.detach())])
            judged = judged + loss_of.discriminator(*judge(shown).split(len(real)))
        judged.backward()
        self.discriminator_optimizer_.step()
        self.n_steps_ += 1
        # They stay on the device until the epoch ends.
        errors = cycle / (2 * RANGE), identity / (2 * RANGE)
        self.figures_.append(torch.stack([loss, judged, *errors]).detach())
        return {"loss": loss.detach(), "y_pred": fake_b}

    def _drawn(self, translator: nn.Module, images: Tensor) -> Tensor:
        """Return translations, each under a draw of its own."""
        z = torch.randn(len(images), self.n_latent, device=images.device)
        return translator(images, z)


class CycleWatch(Watch):
    """Looks after the training of a `CycleNet`, epoch by epoch.

    Parameters
    ----------
    lr, discriminator_lr : float
        Learning rates of the first half of the epochs; in the second they go down on a line
        that would reach 0 with one epoch more.
    max_epochs : int
        Epochs in all.
    checkpoint, stamp
        As `Watch` takes them.
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
    def share(self) -> float:
        """Share of the learning rates in the epoch that comes."""
        n_still = self.max_epochs // 2
        n_falling = self.max_epochs - n_still
        return 1 - max(len(self.log) + 1 - n_still, 0) / (n_falling + 1)

    def on_epoch_begin(self, net: CycleNet, **kwargs: Any) -> None:
        for optimizer, lr in (
            (net.optimizer_, self.lr),
            (net.discriminator_optimizer_, self.discriminator_lr),
        ):
            for group in optimizer.param_groups:
                group["lr"] = lr * self.share

    def figures(self, net: CycleNet) -> dict[str, float]:
        """Return the epoch's mean losses and errors.

        Raises
        ------
        ValueError
            If they are not finite any more.
        """
        means = torch.stack(net.figures_).mean(dim=0).tolist()
        if not np.isfinite(means).all():
            raise ValueError(
                "the training diverged: losses are not finite; give a smaller lr, or fewer "
                "epochs."
            )
        return {**dict(zip(LOSSES, means, strict=True)), "lr": self.lr * self.share}
