"""How well a verifier tells chest X-rays of one patient, and how fast it is trained.

    python benchmarks/images/verification.py auc [--device cuda] [--size 128] [--seeds 5]
    python benchmarks/images/verification.py speed [--device cuda] [--rounds 3]

``auc``: NIH ChestX-ray14, a thousand images, split into folds by patient. A verifier learns
from all folds but one and is asked about the patients of that one: genuine and impostor pairs
of the same view and sex, ten of a patient at most. Beside it the correlation of 32 x 32
pixels, on the same pairs.

``speed``: images a second through skorch against a plain PyTorch loop over the same module,
with the same optimizer and schedule.
"""

import argparse
import json
import platform
import statistics
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from torch.nn import functional as F

from sklearn_ecganon.images import (
    SiameseVerifier,
    UNetSegmenter,
    load_nih_chest_xrays,
    verification_pairs,
)
from sklearn_ecganon.images._segmenter import OverlapLoss
from sklearn_ecganon.networks._verifier import PairLoss
from sklearn_ecganon.training._nets import seeded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["auc", "speed"])
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--width", type=int, default=SiameseVerifier().width)
    parser.add_argument("--epochs", type=int, default=SiameseVerifier().max_epochs)
    parser.add_argument("--batch", type=int, default=SiameseVerifier().batch_size)
    parser.add_argument("--lr", type=float, default=SiameseVerifier().lr)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1024, help="of noise, for speed")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    arguments = parser.parse_args()
    on_gpu = arguments.device != "cpu" and torch.cuda.is_available()
    where = torch.cuda.get_device_name() if on_gpu else f"{platform.machine()} CPU"
    print(f"{date.today()}, torch {torch.__version__}, {where}", flush=True)
    figures = {"auc": auc, "speed": speed}[arguments.what](arguments)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"on": where, **figures}, indent=1))


def auc(arguments: argparse.Namespace) -> dict:
    bunch = load_nih_chest_xrays(arguments.data_home)
    images = smaller(bunch.images, arguments.size)
    match = np.column_stack([bunch.view, bunch.sex])
    folds = GroupKFold(arguments.folds, shuffle=True, random_state=0)
    figures: dict = {"settings": vars(arguments) | {"out": None}, "pixels": [], "siamese": []}
    for fold, (known, new) in enumerate(folds.split(images, groups=bunch.subject)):
        pairs, is_genuine = verification_pairs(
            bunch.subject[new], match=match[new], random_state=0
        )
        pixels = roc_auc_score(is_genuine, correlation(images[new], pairs))
        found = []
        for seed in range(arguments.seeds):
            start = time.perf_counter()
            verifier = SiameseVerifier(
                width=arguments.width,
                max_epochs=arguments.epochs,
                batch_size=arguments.batch,
                lr=arguments.lr,
                device=arguments.device,
                random_state=seed,
            ).fit(images[known], bunch.subject[known])
            row = verifier.evaluate(images[new], bunch.subject[new], match=match[new])
            found.append(row.auc)
            print(
                f"fold {fold}, seed {seed}: AUC {row.auc:.3f}, EER {row.eer:.3f}, "
                f"{row.n_pairs // 2} genuine pairs of {row.n_subjects} patients, pixels "
                f"{pixels:.3f}, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
        figures["pixels"].append(pixels)
        figures["siamese"].append(found)
    means, spread = np.mean(figures["siamese"], axis=0), np.std(figures["siamese"], axis=1)
    print(
        f"{arguments.size} px, width {arguments.width}, {arguments.epochs} epochs: verifier "
        f"{means.mean():.3f}, by seed {np.round(means, 3).tolist()}, SD within a fold "
        f"{spread.mean():.3f}; pixels {np.mean(figures['pixels']):.3f}",
        flush=True,
    )
    return figures


def smaller(images: np.ndarray, size: int) -> np.ndarray:
    """Return images (n, h, w) of `size` pixels a side, by averaging."""
    return F.adaptive_avg_pool2d(torch.from_numpy(images)[:, None], size)[:, 0].numpy()


def correlation(
    images: np.ndarray,
    pairs: np.ndarray,
    released: np.ndarray | None = None,
    side: int = 32,
) -> np.ndarray:
    """Return the correlation of `side` x `side` pixels of each pair of image and release."""
    first, second = (
        standardized(smaller(part, side).reshape(len(part), -1))
        for part in (images, images if released is None else released)
    )
    return (first[pairs[:, 0]] * second[pairs[:, 1]]).sum(axis=1)


def standardized(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def speed(arguments: argparse.Namespace) -> dict:
    rng = np.random.default_rng(0)
    shape = (arguments.images, arguments.size, arguments.size)
    images = rng.random(shape, dtype=np.float32)
    owners = np.repeat(np.arange(len(images) // 2), 2)
    masks = images > 0.5
    verifier = SiameseVerifier(
        width=arguments.width, max_epochs=arguments.epochs, device=arguments.device
    )
    segmenter = UNetSegmenter(max_epochs=arguments.epochs, device=arguments.device)
    return {
        "verifier": report(
            "verifier",
            # Both sides of a pair are images.
            2 * arguments.epochs * len(images),
            arguments.rounds,
            lambda: verifier.fit(images, owners).history_["dur"].sum(),
            lambda: verifier_plain(verifier, images),
        ),
        "segmenter": report(
            "segmenter",
            arguments.epochs * len(images),
            arguments.rounds,
            lambda: segmenter.fit(images, masks).history_["dur"].sum(),
            lambda: segmenter_plain(segmenter, images, masks),
        ),
    }


def verifier_plain(fitted: SiameseVerifier, images: np.ndarray) -> float:
    X = torch.from_numpy(images)[:, None].to(fitted.device_)
    everybody = torch.arange(len(X) // 2, device=X.device)

    def batches():
        for _ in range(2):
            shuffled = everybody[torch.randperm(len(everybody), device=X.device)]
            for drawn in shuffled.split(fitted.batch_size):
                yield torch.stack([X[2 * drawn], X[2 * drawn + 1]]), drawn

    return plain(fitted, PairLoss(), batches)


def segmenter_plain(fitted: UNetSegmenter, images: np.ndarray, masks: np.ndarray) -> float:
    X = torch.from_numpy(images)[:, None].to(fitted.device_)
    y = torch.from_numpy(masks.astype(np.float32))[:, None].to(fitted.device_)

    def batches():
        for rows in torch.randperm(len(X), device=X.device).split(fitted.batch_size):
            yield X[rows], y[rows]

    return plain(fitted, OverlapLoss(), batches)


def plain(fitted, loss_of, batches) -> float:
    """Train a fresh module on what `batches` gives for each epoch; return the seconds."""
    with seeded(0):
        net = fitted._build_net().module_
        n_steps = fitted.max_epochs * sum(1 for _ in batches())
        adam = torch.optim.AdamW(net.parameters(), lr=fitted.lr)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            adam, max_lr=fitted.lr, total_steps=n_steps
        )
        net.train()
        start = time.perf_counter()
        for _ in range(fitted.max_epochs):
            total = 0.0
            for X, y in batches():
                adam.zero_grad()
                loss = loss_of(net(X), y)
                loss.backward()
                adam.step()
                schedule.step()
                total += loss.item() * len(y)
        return time.perf_counter() - start


def report(name, n_images, rounds, through_skorch, by_hand) -> dict:
    through_skorch()  # the first one waits for kernels to be chosen
    ratios, rates = [], []
    for _ in range(rounds):
        ours, theirs = through_skorch(), by_hand()
        ratios.append(ours / theirs)
        rates.append((n_images / ours, n_images / theirs))
    ours, theirs = np.median(rates, axis=0)
    print(
        f"{name}: {ours:.0f} images/s, plain loop {theirs:.0f} images/s, ratio of times "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {rounds} "
        "rounds)",
        flush=True,
    )
    return {"images_per_s": ours, "plain_images_per_s": theirs, "ratios": ratios}


if __name__ == "__main__":
    main()
