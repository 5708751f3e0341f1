"""Train a net with differential privacy of each person."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from skorch import NeuralNet
from torch import Tensor
from torch.func import functional_call, grad, vmap

from sklearn_ecganon.privacy import check_budget, gaussian_epsilon, gaussian_noise

#: Rows of each person that one step looks at.
ROWS_OF_A_PERSON = 16
CLIP = 1.0  # length of the gradient of a person


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
        order = torch.argsort(person)
        counts = torch.bincount(person)
        starts = torch.cumsum(counts, 0) - counts
        shape = len(counts), ROWS_OF_A_PERSON
        within = (torch.rand(shape, device=X.device) * counts[:, None]).long()
        rows = X[order[starts[:, None] + torch.minimum(within, counts[:, None] - 1)]]
        parameters = {n: p.detach() for n, p in self.module_.named_parameters()}

        def loss(parameters: dict[str, Tensor], rows: Tensor) -> Tensor:
            return self.criterion_(functional_call(self.module_, parameters, rows), rows)

        gradients = vmap(grad(loss), in_dims=(None, 0), randomness="different")(
            parameters, rows
        )
        squares = sum(g.flatten(1).square().sum(dim=1) for g in gradients.values())
        factor = CLIP / torch.sqrt(squares).clamp(min=CLIP)
        for name, parameter in self.module_.named_parameters():
            total = torch.tensordot(factor, gradients[name], dims=1)
            parameter.grad = total + self.noise * torch.randn_like(total)
        return {"loss": torch.tensor(float("nan")), "y_pred": X[:0]}


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


def spent_epsilon(noise: float, delta: float, n_steps: int) -> NDArray[np.float64]:
    """Return the epsilon that was spent after each step: (n_steps,)."""
    steps = np.arange(1, n_steps + 1)
    return np.array([gaussian_epsilon(noise, delta, CLIP * np.sqrt(n)) for n in steps])


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
