"""Shared parts of all estimators with a net: device, seed, progress, pickling."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import skorch
import torch
from sklearn.callback import CallbackContext
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from torch import Tensor, nn

from sklearn_ecganon.training._batches import ResidentBatches

FIXED = {
    # No inner validation split: held-out figures come from scikit-learn's splitters.
    "train_split": None,
    "iterator_train": ResidentBatches,
    "callbacks__print_log": None,
}


def one_cycle(lr: float, n_steps: int) -> LRScheduler:
    """Return the schedule of short trainings: up to `lr`, then down to about 0.

    Parameters
    ----------
    lr : float
        Highest learning rate, after three tenths of the steps.
    n_steps : int
        Steps of the whole training.
    """
    schedule = torch.optim.lr_scheduler.OneCycleLR
    return LRScheduler(schedule, step_every="batch", max_lr=lr, total_steps=n_steps)


class Untrained(torch.optim.Optimizer):
    """Placeholder optimizer of a net that is not trained.

    skorch needs an optimizer, and a real one imports torch's compiler, which takes most of a
    second.
    """

    def __init__(self, params: Any, **kwargs: Any) -> None:
        self.param_groups = []


def resolve_device(device: str) -> str:
    """Return the device that ``"auto"`` stands for on this machine, or `device` itself."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def single_thread() -> Iterator[None]:
    """Run torch on one CPU thread within the block.

    A step of these nets takes less time than waking a second thread. With a busy second core
    two threads were tens of times slower, because they wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch within the block; the global generators are restored afterward.

    Parameters
    ----------
    seed : int
        For all of torch's generators.
    """
    with single_thread(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def in_float64(module: nn.Module) -> Any:
    """Return a copy of a module for inference in which rows do not depend on their batch.

    Parameters
    ----------
    module : torch.nn.Module
        It is not changed, so that several threads may use it.
    """
    return copy.deepcopy(module).double().eval()


class EndTraining(Exception):
    """A callback raises this to end a training and keep the net."""


def fit_net(net: NeuralNet, X: Any, y: Any) -> None:
    """Train like ``net.partial_fit``, except that Ctrl-C raises an error.

    skorch takes Ctrl-C for the end of a training, and a half-trained anonymizer could then
    make a release.
    """
    net.notify("on_train_begin", X=X, y=y)
    with suppress(EndTraining):
        net.fit_loop(X, y)
    net.notify("on_train_end", X=X, y=y)


def train(
    net: NeuralNet,
    X: Tensor,
    y: Tensor,
    *,
    estimator: Any = None,
    context: CallbackContext | None = None,
) -> dict[str, np.ndarray]:
    """Fit an initialized net and return its losses by epoch.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized; training continues from its weights.
    X, y : torch.Tensor
        Rows and targets on the device of the net.
    estimator : estimator, optional
        Owner of `context`.
    context : sklearn.callback.CallbackContext, optional
        Context of the owner's fit, with ``max_subtasks=net.max_epochs``.

    Returns
    -------
    history : dict of str to ndarray of shape (n_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    """
    if context is not None:
        net.callbacks_.append(("progress", _EpochProgress(estimator, context)))
    fit_net(net, X, y)
    # The callback refers to the estimator, which holds the net, so it is removed.
    net.callbacks_ = [item for item in net.callbacks_ if item[0] != "progress"]
    return {key: np.array(net.history[:, key]) for key in ("train_loss", "dur")}


class _EpochProgress(skorch.callbacks.Callback):
    """Calls scikit-learn's callbacks for each epoch; one of them may end the training."""

    def __init__(self, estimator: Any, context: CallbackContext) -> None:
        self.estimator = estimator
        self.context = context

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(estimator=self.estimator)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        if self.epoch_.call_on_fit_task_end(estimator=self.estimator):
            raise EndTraining


def infer(forward: Callable[[Tensor], Tensor], rows: Tensor, batch_size: int) -> Tensor:
    """Apply a network to rows so that the result of a row does not depend on the others.

    The order in which a float32 product is summed depends on the size of the batch. Every
    batch therefore has the same size; the last one is filled up with zeros.

    Parameters
    ----------
    forward : callable
        Maps a batch of rows to a batch of results, on one CPU thread and without gradients.
    rows : Tensor of shape (n_rows, ...)
        Input on the device of the network.
    batch_size : int
        Rows of every batch.

    Returns
    -------
    results : Tensor of shape (n_rows, ...)
        On the same device.
    """
    results = []
    with torch.no_grad(), single_thread():
        for batch in rows.split(batch_size):
            missing = batch.new_zeros(batch_size - len(batch), *batch.shape[1:])
            results.append(forward(torch.cat([batch, missing]))[: len(batch)])
    return torch.cat(results)


class NetStateMixin:
    """Pickles the fitted ``net_`` as NumPy arrays and rebuilds it from the parameters.

    A subclass writes ``_build_net()``, which returns the initialized net from parameters
    and fitted attributes. A model trained on a GPU thereby loads on a CPU, and a pickle
    holds no optimizer, no history and no training sample.
    """

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())  # type: ignore[call-overload]
        if "net_" in state:
            weights = state["net_"].module_.state_dict()
            state["net_"] = {name: w.cpu().numpy() for name, w in weights.items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        if "net_" in state:
            self.device_ = resolve_device(self.device)  # type: ignore[attr-defined]
            with seeded(0):
                net = self._build_net()  # type: ignore[attr-defined]
            net.module_.load_state_dict(
                {name: torch.from_numpy(w.copy()) for name, w in state["net_"].items()}
            )
            self.net_ = net
