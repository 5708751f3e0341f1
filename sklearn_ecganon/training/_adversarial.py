"""Shared parts of adversarial trainings: two modules, a log, checkpoints and progress."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import skorch
import torch
from skorch import NeuralNet
from torch import Tensor, nn

from sklearn_ecganon.training._nets import EndTraining, _EpochProgress, fit_net, seeded


class AdversarialNet(NeuralNet):
    """A generator and a discriminator, each with an optimizer.

    A subclass writes `train_step`.

    Parameters
    ----------
    module : type
        Class of the generator; ``module__*`` are its parameters.
    discriminator : type
        Class of the discriminator; ``discriminator__*`` are its parameters.
    discriminator_lr : float
        Learning rate of the discriminator's optimizer. Both optimizers are of one class.
    """

    def __init__(
        self,
        module: type[nn.Module],
        *args: Any,
        discriminator: type[nn.Module],
        discriminator_lr: float = 2e-4,
        **kwargs: Any,
    ) -> None:
        self.discriminator = discriminator
        self.discriminator_lr = discriminator_lr
        super().__init__(module, *args, **kwargs)

    def initialize_module(self) -> AdversarialNet:
        """Build both modules."""
        super().initialize_module()
        self.discriminator_ = self.initialized_instance(
            self.discriminator, self.get_params_for("discriminator")
        )
        self.n_steps_ = self.n_epochs_ = 0
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> AdversarialNet:
        """Build the optimizer of each module."""
        args, kwargs = self.get_params_for_optimizer(
            "optimizer", self.module_.named_parameters()
        )
        self.optimizer_ = self.optimizer(*args, **kwargs)
        kwargs["lr"] = self.discriminator_lr
        self.discriminator_optimizer_ = self.optimizer(
            list(self.discriminator_.parameters()), **kwargs
        )
        return self


class Watch(skorch.callbacks.Callback):
    """Logs the training of an `AdversarialNet` by epoch, and writes a checkpoint.

    A subclass writes ``figures(net)``, which returns the log entry of an epoch, and may
    write ``after_epoch(net)``. `net_state` and `watch_state` are the names of the attributes
    of net and watch that a checkpoint holds.

    Parameters
    ----------
    checkpoint : path or None
        File that is replaced at the end of each epoch.
    stamp : dict
        Data and parameters that a checkpoint must have in common with this training.

    Attributes
    ----------
    log : list of dict of str to float
        One entry for each epoch.
    """

    net_state: tuple[str, ...] = (
        "module_",
        "discriminator_",
        "optimizer_",
        "discriminator_optimizer_",
    )
    watch_state: tuple[str, ...] = ("log",)

    def __init__(self, *, checkpoint: str | os.PathLike | None, stamp: dict[str, str]) -> None:
        self.checkpoint = checkpoint
        self.stamp = stamp
        self.log: list[dict[str, float]] = []

    @property
    def done(self) -> bool:
        """Whether training ends after this epoch."""
        return False

    def figures(self, net: Any) -> dict[str, float]:
        """Return the log entry of the epoch that ends."""
        raise NotImplementedError

    def after_epoch(self, net: Any) -> None:
        """Do nothing by default."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.log.append({**self.figures(net), "dur": net.history[-1]["dur"]})
        net.n_epochs_ = len(self.log)
        self.after_epoch(net)
        if self.checkpoint is not None:
            self._save(net)

    def _save(self, net: Any) -> None:
        cuda = torch.cuda.is_available()
        state = {
            "stamp": self.stamp,
            "modules": {name: getattr(net, name).state_dict() for name in self.net_state},
            "n_steps": net.n_steps_,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if cuda else [],
            "watch": {name: getattr(self, name) for name in self.watch_state},
        }
        path = Path(os.fspath(self.checkpoint))  # type: ignore[arg-type]
        unfinished = path.with_name(path.name + ".part")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, net: Any) -> None:
        """Restore the state of the checkpoint, if there is one.

        Raises
        ------
        ValueError
            If the checkpoint belongs to another training.
        """
        if self.checkpoint is None or not Path(self.checkpoint).is_file():
            return
        # weights_only: a checkpoint cannot run code.
        state = torch.load(self.checkpoint, weights_only=True, map_location=net.device)
        other = [name for name in self.stamp if state["stamp"].get(name) != self.stamp[name]]
        if other:
            raise ValueError(
                f"checkpoint '{self.checkpoint}' is of a training with other "
                f"{' and '.join(other)}; remove the file, or give another path."
            )
        for name, weights in state["modules"].items():
            getattr(net, name).load_state_dict(weights)
        net.n_steps_ = state["n_steps"]
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([one.cpu() for one in state["random_cuda"]])
        for name, value in state["watch"].items():
            setattr(self, name, value)


def train_watched(
    net: AdversarialNet,
    X: dict[str, Tensor],
    watch: Watch,
    *,
    estimator: Any = None,
    context: Any = None,
) -> dict[str, np.ndarray]:
    """Train an initialized net until its last epoch, or until `watch` ends the training.

    Parameters
    ----------
    net : AdversarialNet
        Initialized.
    X : dict of str to Tensor
        Input of the net's iterator.
    watch : Watch
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
    watch.resume(net)
    bridge: list[tuple[str, skorch.callbacks.Callback]] = [("watch", watch)]
    if context is not None:
        bridge += [("progress", _EpochProgress(estimator, context))]
    net.callbacks_ += [*bridge, ("stop", _Stop(watch))]
    n_left = net.max_epochs - len(watch.log)
    if n_left > 0 and not watch.done:
        net.set_params(max_epochs=n_left)
        fit_net(net, X, None)
    # They hold data and the estimator: neither must stay in the net.
    names = ("watch", "progress", "stop")
    net.callbacks_ = [item for item in net.callbacks_ if item[0] not in names]
    return {name: np.array([row[name] for row in watch.log]) for name in watch.log[0]}


def checkpoint_stamp(
    estimator: Any, arrays: Iterable[np.ndarray], *, left_out: Iterable[str]
) -> dict[str, str]:
    """Return the identity of a training: a hash of its data, and its parameters.

    Parameters
    ----------
    estimator : estimator
        Owner of the parameters. Its `random_state` counts only if it is a number.
    arrays : iterable of ndarray
        The training data.
    left_out : iterable of str
        Parameters that may differ when a training is resumed.
    """
    data = hashlib.blake2b(digest_size=16)
    for array in arrays:
        data.update(np.ascontiguousarray(array).data)
    parameters = {
        name: value
        for name, value in estimator.get_params(deep=False).items()
        if name not in set(left_out)
    }
    if not isinstance(parameters.get("random_state"), Integral):
        parameters.pop("random_state", None)
    return {"data": data.hexdigest(), "parameters": repr(parameters)}


def without_adversary(
    net: AdversarialNet, build: Callable[[], AdversarialNet]
) -> AdversarialNet:
    """Return a new net with the trained weights of the generating module alone.

    The discriminator, which also holds information about the training data, is dropped.

    Parameters
    ----------
    net : AdversarialNet
        Trained.
    build : callable
        Returns an initialized net of the same layout.
    """
    with seeded(0):
        fresh = build()
    fresh.module_.load_state_dict(net.module_.state_dict())
    return fresh


class _Stop(skorch.callbacks.Callback):
    """Ends the training after all other callbacks of its last epoch."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if self.watch.done:
            raise EndTraining
