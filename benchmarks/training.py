"""Seconds of training through skorch against a plain PyTorch loop over the same nets.

Both train the same module on batches of the same size, in turn, in one run. The figure is the
ratio of their times from the first batch to the last.

    OMP_NUM_THREADS=1 python -m benchmarks.training [--device cuda] [--rounds 5]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks._results import make_parser, print_header
from benchmarks._speed import (
    Step,
    compare,
    one_cycle,
    shuffled,
    train_plainly,
    untrained,
)
from sklearn_ecganon import NonQRSVAEAnonymizer
from sklearn_ecganon.attacks._attackers import ConvAttacker

VAE_BATCH, CONV_BATCH, CONV_LR = 64, 128, 4e-3


def compare_vae(rows: np.ndarray, device: str, n_epochs: int, n_rounds: int) -> dict[str, Any]:
    """Compare the training of the non-QRS VAE."""
    model = NonQRSVAEAnonymizer(max_epochs=n_epochs, device=device, random_state=0)

    def estimator() -> float:
        return model.fit(rows).history_["dur"].sum()

    def plain() -> float:
        region = rows[:, model.columns_]
        low, span = region.min(axis=1, keepdims=True), np.ptp(region, axis=1, keepdims=True)
        X = torch.as_tensor((region - low) / span, dtype=torch.float32).to(model.device_)
        net, loss_of = untrained(model.net_.module_), model.net_.criterion_
        step = Step(
            lambda batch: loss_of(net(batch[0]), batch[0]),
            torch.optim.Adam(net.parameters(), lr=1e-3),
        )
        return sum(train_plainly(lambda: shuffled(VAE_BATCH, X), [step], n_epochs)[1])

    return compare("VAE, batches of 64", n_rounds, estimator, plain, n_epochs * len(rows))


def compare_attacker(
    X: np.ndarray, y: np.ndarray, device: str, n_steps: int, n_rounds: int
) -> dict[str, Any]:
    """Compare the training of the small convolutional attacker."""
    attacker = ConvAttacker("small-conv", n_leads=1, device=device, seed=0, n_steps=n_steps)
    per_epoch = -(-len(X) // CONV_BATCH)
    n_epochs = -(-n_steps // per_epoch)

    def estimator() -> float:
        return sum(attacker.fit(X, y).net_.history[:, "dur"])

    def plain() -> float:
        net = untrained(attacker.net_.module_)
        rows = torch.as_tensor(X).to(attacker.net_.device)
        targets = torch.as_tensor(y).to(rows.device)
        adam = torch.optim.AdamW(net.parameters(), lr=CONV_LR, weight_decay=0.1)

        def loss(batch: Any) -> torch.Tensor:
            return F.cross_entropy(net(batch[0]), batch[1], label_smoothing=0.1)

        step = Step(loss, adam, one_cycle(adam, CONV_LR, n_epochs * per_epoch))
        batches = lambda: shuffled(CONV_BATCH, rows, targets)  # noqa: E731
        return sum(train_plainly(batches, [step], n_epochs)[1])

    name = "small-conv, batches of 128"
    return compare(name, n_rounds, estimator, plain, n_epochs * len(X))


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beats", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args(argv)
    n_steps = 300
    if arguments.quick:
        arguments.rounds, arguments.beats, arguments.epochs, n_steps = 2, 1000, 1, 10
    print_header(arguments)
    rows = np.random.default_rng(arguments.seed).normal(size=(arguments.beats, 288))
    X, y = rows[:, :98].astype(np.float32), np.arange(len(rows)) % 47
    return [
        compare_vae(rows, arguments.device, arguments.epochs, arguments.rounds),
        compare_attacker(X, y, arguments.device, n_steps, arguments.rounds),
    ]


if __name__ == "__main__":
    main()
