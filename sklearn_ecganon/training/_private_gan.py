"""Train a GAN with differential privacy of each person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.dataset import Dataset
from torch import Tensor
from torch.func import functional_call, grad
from torch.nn import functional as F

from sklearn_ecganon.training._adversarial import train_watched, without_adversary
from sklearn_ecganon.training._gan import GRADIENT_PENALTY, GANNet, cross_entropy
from sklearn_ecganon.training._gan_watch import GANWatch
from sklearn_ecganon.training._nets import seeded
from sklearn_ecganon.training._private import rows_of_people, set_private_gradient

#: Groups of images of each person that one step looks at.
GROUPS_OF_A_PERSON = 4


class ResidentPeople:
    """An ``iterator_train`` for skorch: one batch an epoch, with groups of every person.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Its ``X`` is a dict of tensors on the device of the net: ``images`` (n, c, h, w),
        ``condition`` (n, n_conditions) and ``person`` (n,), a number from 0.
    batch_size : int
        Not used: skorch passes it.
    n_views : int
        Images of a group.
    n_drawn : int
        Groups of each person.
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, n_views: int = 1, n_drawn: int = 1
    ) -> None:
        self.dataset = dataset
        self.n_views = n_views
        self.n_drawn = n_drawn

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        X = self.dataset.X
        rows = rows_of_people(X["person"], self.n_drawn * self.n_views)
        rows = rows.unflatten(1, (self.n_drawn, self.n_views))
        yield X["images"][rows], X["condition"][rows]


class PersonPrivateGANNet(GANNet):
    """A GAN whose steps hide each person.

    An epoch is one step of the discriminator. In it, every person contributes the gradient
    of the loss of some of their groups of images and of as many generated ones, shortened to
    the length 1, and Gaussian noise is added to the sum. The generator and its encoder learn
    from the discriminator and from generated images alone: they see no real image and no
    real class. Figures of real images are not in `history`.

    Parameters
    ----------
    module : type
        As for `GANNet`.
    noise : float
        Standard deviation of the noise on the sum of gradients; see `noise_of_steps`.
    frequencies : ndarray of shape (n_classes,)
        Frequencies of the classes of generated images.
    **kwargs
        As for `GANNet`, with ``iterator_train=ResidentPeople`` and
        ``discriminator__compares=False``: people must not share a gradient.
    """

    def __init__(
        self,
        module: Any,
        *args: Any,
        noise: float = np.inf,
        frequencies: NDArray | None = None,
        **kwargs: Any,
    ) -> None:
        self.noise = noise
        self.frequencies = frequencies
        super().__init__(module, *args, **kwargs)

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Update the discriminator, and in every `n_critic`-th step the generator."""
        real, condition = batch
        discriminator: Any = self.discriminator_
        # The weights' spectral norms are estimated in training mode, once for all people.
        discriminator.train()
        with torch.no_grad():
            discriminator(real[0], condition[0])
            fake, _ = self._fakes(condition.flatten(0, 1))
        discriminator.eval()
        fraction = torch.rand(*real.shape[:2], 1, 1, 1, 1, device=real.device)
        people = (real, fake.unflatten(0, real.shape[:2]), condition, fraction)
        set_private_gradient(discriminator, self._loss, people, self.noise)
        self.discriminator_optimizer_.step()
        if self.n_steps_ % self.n_critic == 0:
            figures = self._update_generator_blindly(condition.shape[2:])
            for name, value in figures.items():
                self.history.record_batch(name, float(value))
        self.n_steps_ += 1
        return {"loss": torch.tensor(float("nan")), "y_pred": fake[:0]}

    def _loss(
        self, parameters: dict, real: Tensor, fake: Tensor, condition: Tensor, fraction: Tensor
    ) -> Tensor:
        """Return the loss of the discriminator on the groups of one person."""

        def judge(images: Tensor) -> tuple[Tensor, Tensor | None]:
            return functional_call(self.discriminator_, parameters, (images, condition))

        scores, logits = judge(real)
        loss = self.criterion_.discriminator(scores, judge(fake)[0])
        if logits is not None:
            loss = loss + cross_entropy(logits, condition, self.n_classes)
        if self.gradient_penalty:
            between = torch.lerp(real, fake, fraction)
            slope = grad(lambda images: judge(images)[0].sum())(between)
            loss = loss + GRADIENT_PENALTY * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return loss

    def _update_generator_blindly(self, shape: tuple[int, int]) -> dict[str, Tensor]:
        """Update the generator and its encoder without a look at real images.

        `shape` is the number of images of a group, and the length of a condition.
        """
        n_views, n_conditions = shape
        frequencies = torch.as_tensor(self.frequencies, device=self.device)
        n_codes = self.batch_size * n_views * n_conditions // self.n_classes
        codes = torch.multinomial(frequencies, n_codes, replacement=True)
        condition = F.one_hot(codes, self.n_classes).float()
        condition = condition.reshape(self.batch_size, n_views, n_conditions)
        self.module_.train()
        self.discriminator_.requires_grad_(False)
        self.optimizer_.zero_grad()
        fake, z = self._fakes(condition)
        scores, logits = self.discriminator_(fake, condition)
        adversarial = self.criterion_.generator(scores)
        figures = {"generator_loss": adversarial.detach()}
        if logits is not None:
            adversarial = adversarial + cross_entropy(logits, condition, self.n_classes)
        latent, classes = self.module_.invert(fake.flatten(0, 1))
        loss = (
            adversarial
            + self.latent_weight * F.mse_loss(latent, z)
            + cross_entropy(classes, condition, self.n_classes)
        )
        loss.backward()
        figures["generator_gradient"] = self.module_.output.weight.grad.norm()
        self.optimizer_.step()
        self.average_.update_parameters(self.module_)
        self.discriminator_.requires_grad_(True)
        return figures


class BlindWatch(GANWatch):
    """Logs the training of a `PersonPrivateGANNet`; nothing is measured on real images."""

    def figures(self, net: Any) -> dict[str, float]:
        """Return losses and the epsilon that was spent."""
        row = self.losses(net) | {"distance": np.nan, "diversity": np.nan}
        return row | {"epsilon": net.history[-1]["epsilon"]}

    def after_epoch(self, net: Any) -> None:
        """Keep nothing: the weights of the last epoch count."""


def fit_private_gan(
    estimator: Any,
    build: Callable[[], GANNet],
    X: dict[str, Tensor],
    *,
    seed: int,
    context: Any,
) -> None:
    """Train the net of an estimator, and set its ``net_``, ``history_`` and ``n_iter_``.

    Parameters
    ----------
    estimator : estimator
        As for `gan_net`. The fitted ``net_`` has no discriminator.
    build : callable
        Returns an initialized `PersonPrivateGANNet`, with a `PrivacyBudget`.
    X : dict of str to Tensor
        Input of `ResidentPeople`.
    seed : int
        Seeds the weights, the training and its noise.
    context : sklearn.callback.CallbackContext
        Context of the estimator's fit.
    """
    nothing = torch.empty(0)
    watch = BlindWatch(
        nothing, nothing, diversity=np.nan, patience=None, checkpoint=None, stamp={}
    )
    with seeded(seed):
        net = estimator.net_ = build()
        estimator.history_ = train_watched(net, X, watch, estimator=estimator, context=context)
    net.module_.load_state_dict(net.average_.module.state_dict())
    estimator.n_iter_ = len(estimator.history_["dur"])
    estimator.net_ = without_adversary(net, build)
