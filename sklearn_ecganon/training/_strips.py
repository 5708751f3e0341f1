"""Trains nets on strips, for attackers and for utility alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ecganon.networks import StripNet
from sklearn_ecganon.training._nets import (
    FIXED,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)

INFERENCE_BATCH = 64
WINDOW = 250


class StripSize(NamedTuple):
    """How large a strip net is and how long it is trained.

    Attributes
    ----------
    width : int
        Channels of the first of five stages.
    n_windows : int
        Windows of 2 s that the net sees in training. Longer windows are seen fewer times, so
        that the training takes as long.
    min_epochs, max_epochs : int
        Limits on the number of epochs that follows from `n_windows`.
    """

    width: int
    n_windows: int
    min_epochs: int
    max_epochs: int


#: "small" suits two CPU cores, "large" a GPU.
STRIP_SIZES = {
    "small": StripSize(24, 60_000, 3, 150),
    "large": StripSize(64, 1_000_000, 25, 500),
}


class ArcFace(nn.Module):
    """Cross entropy of cosines after the angle to the true center grew by a margin.

    Parameters
    ----------
    margin : float, default=0.3
        Added to the angle, in radians.
    scale : float, default=20.0
        Factor from cosines to logits.

    References
    ----------
    .. [1] J. Deng, J. Guo, N. Xue, S. Zafeiriou, "ArcFace: additive angular margin loss for
       deep face recognition", CVPR, 4690-4699, 2019.
    """

    def __init__(self, margin: float = 0.3, scale: float = 20.0) -> None:
        super().__init__()
        self.margin = margin
        self.scale = scale

    def forward(self, cosines: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of cosines (n_strips, n_centers) and center numbers y."""
        rows = torch.arange(len(y), device=y.device)
        # The arc cosine has an infinite slope at 1.
        angle = torch.acos(cosines[rows, y].clamp(-1 + 1e-6, 1 - 1e-6))
        harder = torch.cos((angle + self.margin).clamp_max(torch.pi))
        logits = cosines.index_put((rows, y), harder)
        return F.cross_entropy(self.scale * logits, y)


def fit_strip_net(
    X: NDArray[np.float32],
    y: NDArray,
    *,
    n_outputs: int,
    criterion: type[nn.Module] = nn.CrossEntropyLoss,
    size: str | StripSize = "auto",
    n_dims: int | None = None,
    window: int = WINDOW,
    device: str = "auto",
    seed: int = 0,
    batch_size: int = 32,
    lr: float = 4e-3,
    **settings: Any,
) -> NeuralNet:
    """Train a `StripNet` from scratch, on the same code path for CPU and GPU.

    Parameters
    ----------
    X : ndarray of float32 of shape (n_strips, n_leads, n_times)
        Strips in mV.
    y : ndarray of shape (n_strips,) or (n_strips, n_outputs)
        Targets as `criterion` wants them.
    n_outputs : int
        Outputs of the net.
    criterion : type of torch.nn.Module, default=torch.nn.CrossEntropyLoss
        Loss of the outputs and y.
    size : {"auto", "small", "large"} or StripSize, default="auto"
        Width and length of the training; ``"auto"`` is ``"large"`` on a GPU.
    n_dims : int, optional
        Dimensions of a spherical embedding; see `StripNet`.
    window : int, default=250
        Samples that the net sees at once; see `StripNet`.
    device : str, default="auto"
        Where to train.
    seed : int, default=0
        For weights, order, dropout, windows and noise.
    batch_size : int, default=32
        Strips of one step.
    lr : float, default=4e-3
        Highest learning rate of AdamW on a one-cycle schedule.
    **settings : object
        More settings of skorch, for example ``criterion__label_smoothing``.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net, ready for `apply_strip_net`.
    """
    device = resolve_device(device)
    if isinstance(size, str):
        size = STRIP_SIZES[
            ("large" if device != "cpu" else "small") if size == "auto" else size
        ]
    n_epochs = round(size.n_windows * WINDOW / min(window, X.shape[2]) / len(X))
    max_epochs = int(np.clip(n_epochs, size.min_epochs, size.max_epochs))
    n_steps = max_epochs * -(-len(X) // batch_size)
    with seeded(seed):
        net = NeuralNet(
            StripNet,
            module__n_leads=X.shape[1],
            module__n_outputs=n_outputs,
            module__width=size.width,
            module__n_dims=n_dims,
            module__window=window,
            criterion=criterion,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=0.05,
            lr=lr,
            callbacks=[one_cycle(lr, n_steps)],
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            **settings,
            **FIXED,
        ).initialize()
        train(net, torch.as_tensor(X).to(device), torch.as_tensor(y).to(device))
    return net


def apply_strip_net(
    net: NeuralNet, X: NDArray[np.float32], *, embed: bool = False
) -> NDArray[np.float32]:
    """Return the outputs or the embedding of strips, one row a strip.

    Parameters
    ----------
    net : skorch.NeuralNet
        From `fit_strip_net`.
    X : ndarray of float32 of shape (n_strips, n_leads, n_times)
        Strips in mV.
    embed : bool, default=False
        Return the embedding instead of the outputs.
    """
    module = net.module_.eval()
    forward = module.embed if embed else module
    with torch.no_grad(), single_thread():
        batches = torch.as_tensor(X).split(INFERENCE_BATCH)
        return torch.cat([forward(batch.to(net.device)).cpu() for batch in batches]).numpy()
