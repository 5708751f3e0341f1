"""One plain PyTorch training loop, and how much longer an estimator takes than it."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class Step:
    """The update of one optimizer for each batch.

    Parameters
    ----------
    loss : callable
        Takes the batch, returns the loss.
    optimizer : torch.optim.Optimizer
        Optimizer of the weights that learn from the loss.
    schedule : optional
        A learning-rate schedule that advances with each batch.
    frozen : sequence of nn.Module
        Modules that the loss passes through without a gradient for their weights.
    """

    loss: Callable[[Any], Tensor]
    optimizer: torch.optim.Optimizer
    schedule: Any = None
    frozen: Sequence[nn.Module] = ()

    def __call__(self, batch: Any) -> float:
        for module in self.frozen:
            module.requires_grad_(False)
        self.optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        for module in self.frozen:
            module.requires_grad_(True)
        return loss.item()


def train_plainly(
    batches: Callable[[], Iterable[Any]],
    steps: Sequence[Step],
    n_epochs: int,
    after_batch: Callable[[], None] = lambda: None,
) -> tuple[list[float], list[float]]:
    """Train with a plain PyTorch loop, without a framework.

    Parameters
    ----------
    batches : callable
        Returns the batches of one epoch.
    steps : sequence of Step
        One for each optimizer; each batch passes through them in this order.
    n_epochs : int
        Epochs.
    after_batch : callable
        Called after each batch, for example to update averaged weights.

    Returns
    -------
    losses, seconds : list of float
        Mean loss of the last step, and the duration, of each epoch.
    """
    losses, seconds = [], []
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the estimators train
    for _ in range(n_epochs):
        start = perf_counter()
        of_epoch = []
        for batch in batches():
            for step in steps:
                loss = step(batch)
            of_epoch.append(loss)
            after_batch()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
        losses.append(float(np.mean(of_epoch)))
    torch.set_num_threads(n_threads)
    return losses, seconds


def shuffled(batch_size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the rows of the tensors in batches and in random order."""
    order = torch.randperm(len(tensors[0]), device=tensors[0].device)
    for rows in order.split(batch_size):
        yield tuple(tensor[rows] for tensor in tensors)


def untrained(module: nn.Module) -> nn.Module:
    """Return a copy with fresh weights, ready to train."""
    module = copy.deepcopy(module).float().requires_grad_(True).train()
    for layer in module.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return module


def one_cycle(optimizer: torch.optim.Optimizer, lr: float, n_steps: int) -> Any:
    """Return the schedule that most estimators of the package train with."""
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=n_steps)


def compare(
    name: str,
    n_rounds: int,
    estimator: Callable[[], float],
    plain: Callable[[], float],
    n_samples: int,
) -> dict[str, Any]:
    """Time an estimator and the plain loop in turn, print the ratio and return the figures.

    Parameters
    ----------
    name : str
        What is trained.
    n_rounds : int
        How often both are timed. The ratio is the median over rounds.
    estimator, plain : callable
        Train for the same number of epochs and return the seconds.
    n_samples : int
        Samples that one training passes through the net.
    """
    ours, theirs = np.array([(estimator(), plain()) for _ in range(n_rounds)]).T
    ratios = ours / theirs
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    row = {
        "name": name,
        "device": device,
        "samples/s": float(n_samples / np.median(ours)),
        "samples/s, plain loop": float(n_samples / np.median(theirs)),
        "ratio": float(np.median(ratios)),
        "lowest": float(ratios.min()),
        "highest": float(ratios.max()),
    }
    print(
        f"{name}: {row['samples/s']:.0f} samples/s, plain loop "
        f"{row['samples/s, plain loop']:.0f}; ratio of times {row['ratio']:.2f} "
        f"({row['lowest']:.2f} to {row['highest']:.2f}, {n_rounds} rounds, {device})",
        flush=True,
    )
    return row
