"""Seconds of training through skorch against a plain PyTorch loop over the same nets.

Both train the same module from the same weights on the same batches, in turn, in one run;
the figure is the ratio of their times from the first batch to the last, pair by pair.

    python benchmarks/training.py [--device cuda] [--rounds 5]
"""

import argparse
import platform
import statistics
import time

import numpy as np
import torch
from torch.nn import functional as F

from sklearn_ecganon import NonQRSVAEAnonymizer
from sklearn_ecganon.attacks._attackers import ConvAttacker
from sklearn_ecganon.training._losses import NegativeELBO
from sklearn_ecganon.training._nets import seeded


def vae_through_skorch(rows, device, epochs):
    model = NonQRSVAEAnonymizer(max_epochs=epochs, device=device, random_state=0).fit(rows)
    return model.history_["train_loss"][-1], model.history_["dur"].sum()


def vae_plain(rows, device, epochs):
    # A fitted model tells layer sizes and region; training starts from fresh weights.
    model = NonQRSVAEAnonymizer(max_epochs=1, batch_size=len(rows), device=device).fit(rows[:8])
    region = rows[:, model.columns_]
    low, span = region.min(axis=1, keepdims=True), np.ptp(region, axis=1, keepdims=True)
    X = torch.as_tensor((region - low) / span, dtype=torch.float32).to(device)
    with seeded(0):
        net = model._build_net().module_
        adam, loss_of = torch.optim.Adam(net.parameters(), lr=1e-3), NegativeELBO()
        net.train()
        start = time.perf_counter()
        for _ in range(epochs):
            total = 0.0
            for batch in X[torch.randperm(len(X), device=X.device)].split(64):
                adam.zero_grad()
                loss = loss_of(net(batch), batch)
                loss.backward()
                adam.step()
                total += loss.item() * len(batch)
        return total / len(X), time.perf_counter() - start


def conv_through_skorch(X, y, device, n_steps):
    attacker = ConvAttacker("small-conv", n_leads=1, device=device, seed=0, n_steps=n_steps)
    history = attacker.fit(X, y).net_.history
    return history[-1, "train_loss"], sum(history[:, "dur"])


def conv_plain(X, y, device, n_steps):
    attacker = ConvAttacker("small-conv", n_leads=1, device=device, seed=0, n_steps=1)
    attacker.fit(X[:256], y[:256] * 0 + np.arange(256) % (y.max() + 1))
    net = attacker.net_.module_
    with seeded(0):
        rows, targets = torch.as_tensor(X).to(device), torch.as_tensor(y).to(device)
        adam = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.1)
        per_epoch = -(-len(rows) // 128)
        epochs = -(-n_steps // per_epoch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            adam, max_lr=4e-3, total_steps=epochs * per_epoch
        )
        net.train()
        start = time.perf_counter()
        for _ in range(epochs):
            total, order = 0.0, torch.randperm(len(rows), device=rows.device)
            for batch, target in zip(
                rows[order].split(128), targets[order].split(128), strict=True
            ):
                adam.zero_grad()
                loss = F.cross_entropy(net(batch), target, label_smoothing=0.1)
                loss.backward()
                adam.step()
                schedule.step()
                total += loss.item() * len(batch)
        return total / len(rows), time.perf_counter() - start


def report(name, rounds, through_skorch, plain):
    ratios = []
    for _ in range(rounds):
        loss, ours = through_skorch()
        plain_loss, theirs = plain()
        ratios.append(ours / theirs)
        print(
            f"  {name}: ours {ours:.2f} s (loss {loss:.3f}), plain loop {theirs:.2f} s "
            f"(loss {plain_loss:.3f}), ratio {ours / theirs:.2f}"
        )
    print(
        f"{name}: ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {rounds} rounds)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beats", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    device = arguments.device
    where = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    print(f"torch {torch.__version__} on {where}, {arguments.beats} random beats")
    rows = np.random.default_rng(0).normal(size=(arguments.beats, 288))
    report(
        "VAE, batches of 64",
        arguments.rounds,
        lambda: vae_through_skorch(rows, device, arguments.epochs),
        lambda: vae_plain(rows, device, arguments.epochs),
    )
    X = rows[:, :98].astype(np.float32)
    y = np.arange(len(X)) % 47
    report(
        "small-conv, batches of 128",
        arguments.rounds,
        lambda: conv_through_skorch(X, y, device, 300),
        lambda: conv_plain(X, y, device, 300),
    )


if __name__ == "__main__":
    main()
