"""Batches of pairs of one subject, from tensors that are already on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from skorch.dataset import Dataset
from torch import Tensor

# Fraction of the pairs that come from subjects with two rows or more. A row of any other
# subject is paired with itself, and augmentation makes the two different.
PAIRED_FRACTION = 0.7


class ResidentSubjects:
    """An ``iterator_train`` for skorch: two rows of one subject, drawn in every epoch.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        ``X`` of shape (n, 1 or 2, n_channels, *size) and ``y``, the subject of each row,
        increasing from 0, as tensors on the device of the net. Where there are two views of
        a row, the left one of a pair comes from the first, the right one from the second.
    batch_size : int
        Pairs of a batch. An epoch has as many pairs as there are rows.
    """

    def __init__(self, dataset: Dataset, batch_size: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        X, y = self.dataset.X, self.dataset.y
        size = torch.bincount(y)
        first = size.cumsum(0) - size
        several = size > 1
        weight = torch.where(
            several,
            PAIRED_FRACTION / several.sum(),
            (1 - PAIRED_FRACTION) / (~several).sum(),
        )
        subject = torch.multinomial(weight, len(X), replacement=True)
        n_rows = size[subject]
        left = (torch.rand(len(subject), device=y.device) * n_rows).long()
        step = 1 + (torch.rand(len(subject), device=y.device) * (n_rows - 1)).long()
        right = (left + step) % n_rows
        for batch in torch.arange(len(subject), device=y.device).split(self.batch_size):
            rows = first[subject[batch]]
            sides = [X[rows + left[batch], 0], X[rows + right[batch], -1]]
            yield torch.stack(sides), subject[batch]
