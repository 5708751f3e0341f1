"""Train a net with differential privacy of each person."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import skorch
import torch
from numpy.typing import ArrayLike, NDArray
from skorch import NeuralNet
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from sklearn_ecganon.privacy import check_budget, gaussian_epsilon, gaussian_noise
from sklearn_ecganon.training._nets import EndTraining

#: Rows of each person that one step looks at.
ROWS_OF_A_PERSON = 16
CLIP = 1.0  # length of the gradient of a person
# People whose gradients are in memory at a time.
PEOPLE_CHUNK = 64
# What the epsilon of the last step may differ from the budget by, relative to it.
ROUNDING = 1e-6


class PersonPrivateNet(NeuralNet):
    """A net for rows and themselves as targets, whose steps hide each person.

    An epoch is one step. In it, every person contributes the gradient of the mean loss over
    some of their rows, shortened to the length 1, and Gaussian noise is added to the sum.
    Nothing else is learned from the rows: the losses in `history` are NaN.

    Parameters
    ----------
    module : type
        Module without layers that mix rows, such as batch normalization.
    noise : float, default=inf
        Standard deviation of the noise on the sum of gradients; see `noise_of_steps`.
    **kwargs
        As for `skorch.NeuralNet`, with ``batch_size=-1``.
    """

    def __init__(self, module: Any, *args: Any, noise: float = np.inf, **kwargs: Any) -> None:
        super().__init__(module, *args, **kwargs)
        self.noise = noise

    def train_step_single(self, batch: tuple[Tensor, Tensor], **fit_params: Any) -> Any:
        """Compute the noisy sum of gradients of one step.

        Parameters
        ----------
        batch : (Tensor of shape (n_rows, n_inputs), Tensor of shape (n_rows,))
            All rows, and the person of each as a number from 0.
        **fit_params
            Not used.

        Returns
        -------
        step : dict
            Without a loss, which would not be private.
        """
        self._set_training(True)
        X, person = batch
        module = self.module_

        def loss(parameters: dict[str, Tensor], rows: Tensor) -> Tensor:
            return self.criterion_(functional_call(module, parameters, rows), rows)

        rows = X[rows_of_people(person, ROWS_OF_A_PERSON)]
        set_private_gradient(module, loss, (rows,), self.noise)
        return {"loss": torch.tensor(float("nan")), "y_pred": X[:0]}


class PrivacyBudget(skorch.callbacks.Callback):
    """Records the epsilon that a training has spent, and ends it before it spends more.

    ``history[:, "epsilon"]`` of the net is what was spent after each epoch. The training ends
    before an epoch whose step would exceed the budget, also if the net goes on training with
    ``partial_fit`` or with more epochs than the noise was chosen for.

    Parameters
    ----------
    epsilon, delta : float
        The budget for each person.
    n_before : int, default=0
        Number of steps that were spent on something else.

    Examples
    --------
    >>> import torch
    >>> from skorch import NeuralNet
    >>> from sklearn_ecganon.training import PersonPrivateNet, PrivacyBudget, noise_of_steps
    >>> net = PersonPrivateNet(
    ...     torch.nn.LazyLinear, module__out_features=3, criterion=torch.nn.MSELoss,
    ...     batch_size=-1, train_split=None, max_epochs=2, verbose=0,
    ...     noise=noise_of_steps(1.0, 1e-5, n_steps=2),
    ...     callbacks=[("budget", PrivacyBudget(1.0, 1e-5))],
    ... )
    """

    def __init__(self, epsilon: float, delta: float, n_before: int = 0) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.n_before = n_before

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """End the training if the step of this epoch would exceed the budget."""
        if self._spent(net) > self.epsilon * (1 + ROUNDING):
            # The net has already opened the epoch that will not take place.
            net.history.pop()
            raise EndTraining

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Record the epsilon that all epochs have spent."""
        net.history.record("epsilon", self._spent(net))

    def _spent(self, net: Any) -> float:
        return spent_epsilon(net.noise, self.delta, self.n_before + len(net.history))


def rows_of_people(person: Tensor, n_rows: int) -> Tensor:
    """Return rows of each person, drawn with replacement: (n_people, n_rows).

    Parameters
    ----------
    person : Tensor of shape (n,)
        The person of each row as a number. People without a row get none.
    n_rows : int
        Rows of each person.
    """
    order = torch.argsort(person)
    _, counts = torch.unique(person, return_counts=True)
    starts = torch.cumsum(counts, 0) - counts
    fraction = torch.rand(len(counts), n_rows, device=person.device)
    within = torch.minimum((fraction * counts[:, None]).long(), counts[:, None] - 1)
    return order[starts[:, None] + within]


def set_private_gradient(
    module: nn.Module,
    loss: Callable[..., Tensor],
    people: tuple[Tensor, ...],
    noise: float,
) -> None:
    """Set the gradient of each parameter to a sum over people, clipped by person, with noise.

    Parameters
    ----------
    module : torch.nn.Module
        Its parameters get the gradients.
    loss : callable
        Takes a dict of parameters and the data of one person, and returns a scalar.
    people : tuple of Tensor of shape (n_people, ...)
        The data of all people, which `loss` gets person by person.
    noise : float
        Standard deviation of the noise on each number of the sum.
    """
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    totals = {name: torch.zeros_like(p) for name, p in parameters.items()}
    of_people = vmap(grad(loss), in_dims=(None, *[0] * len(people)), randomness="different")
    for chunk in zip(*(data.split(PEOPLE_CHUNK) for data in people), strict=True):
        # An infinite gradient could not be clipped, and would reveal the person.
        gradients = {
            name: torch.nan_to_num(gradient, 0.0, 0.0, 0.0)
            for name, gradient in of_people(parameters, *chunk).items()
        }
        lengths = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()])
        factor = CLIP / lengths.norm(dim=0).clamp(min=CLIP)
        for name, total in totals.items():
            total += torch.tensordot(factor, gradients[name], dims=1)
    for name, parameter in module.named_parameters():
        parameter.grad = totals[name] + noise * torch.randn_like(parameter)


def noise_of_steps(epsilon: float, delta: float, n_steps: int) -> float:
    """Return the noise with which a number of steps spend a budget.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee for each person.
    n_steps : int
        Number of steps of the whole training. All people take part in each of them, so that
        the steps compose to one Gaussian mechanism exactly.

    Returns
    -------
    noise : float
        Standard deviation on each number of the sum of gradients.
    """
    return gaussian_noise(epsilon, delta, CLIP * np.sqrt(n_steps))


def spent_epsilon(noise: float, delta: float, n_steps: int) -> float:
    """Return the epsilon that was spent after a number of steps."""
    return gaussian_epsilon(noise, delta, CLIP * np.sqrt(n_steps))


def private_seed(seed: int, random_state: Any) -> int:
    """Return the seed of noise: without a `random_state`, one of 63 bits.

    The 31 bits of scikit-learn's seeds could be tried out.
    """
    return seed if random_state is not None else secrets.randbits(63)


def numbered_people(subjects: ArrayLike | None, epsilon: float, delta: float) -> NDArray:
    """Return the number of each record's person from 0.

    Parameters
    ----------
    subjects : array-like of shape (n_records,) or None
        The person of each record.
    epsilon, delta : float
        The guarantee that is asked for.

    Raises
    ------
    ValueError
        If subjects are missing, or if the budget means nothing for so many people.
    """
    if subjects is None:
        raise ValueError(
            f"epsilon={epsilon} is a guarantee for people; give y, the subject of each record."
        )
    check_budget(epsilon, delta)
    people, numbers = np.unique(np.asarray(subjects), return_inverse=True)
    if delta * len(people) >= 1:
        raise ValueError(
            f"delta={delta} with {len(people)} people; give a delta below one over the number "
            "of people."
        )
    return numbers
