"""Batches from tensors that are already on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from skorch.dataset import Dataset
from torch import Tensor


class ResidentBatches:
    """An ``iterator_train`` for skorch: shuffles once per epoch, then only slices.

    The default loader collates row by row, which costs more than a step of a small net.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Holds ``X`` and ``y`` as tensors on the device of the net.
    batch_size : int
        Rows of a batch; the last one of an epoch may be shorter.
    """

    def __init__(self, dataset: Dataset, batch_size: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        X, y = self.dataset.X, self.dataset.y
        order = torch.randperm(len(X), device=X.device)
        shuffled = X[order]
        targets = shuffled if y is X else y[order]
        for start in range(0, len(X), self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield shuffled[rows], targets[rows]
