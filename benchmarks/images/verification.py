"""Measure how well a verifier recognizes patients in chest X-rays, and how fast it is trained.

    python -m benchmarks.images.verification auc [--device cuda] [--size 128] [--seeds 5]
        [--attackers siamese matching]
    python -m benchmarks.images.verification map [--size 64]
    python -m benchmarks.images.verification speed [--device cuda] [--rounds 3]

``auc``: NIH ChestX-ray14, a thousand images, split into folds by patient. A verifier learns
from all folds but one and is tested on the patients of that one: genuine and impostor pairs of
the same view and sex, ten of a patient at most. Settings of `MatchingVerifier` were chosen by
cross-validation among the patients of folds 1 and 2, so that fold 0 alone is untouched. The
correlation of 32 x 32 pixels on the same pairs stands beside it.

``map``: where the person is. The attackers are trained and tested on parts of images: inside
the lungs, outside of them, the border of the image, all but the border, and what is coarser or
finer than a Gaussian of 1/32 of the side. What is not shown has the mean of the image.

``speed``: images a second through skorch against a plain PyTorch loop over the same module,
with the same optimizer and schedule.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from benchmarks._results import Results, make_parser, print_header, table
from benchmarks._speed import Step, compare, one_cycle, shuffled, train_plainly, untrained
from benchmarks.images._data import correlations, load_images, shrink
from sklearn_ecganon.images import (
    MatchingVerifier,
    SiameseVerifier,
    UNetSegmenter,
    load_nih_chest_xrays,
    segment_lungs,
    verification_pairs,
)

# Width of the border of an image, as a fraction of its side.
BORDER = 1 / 8


def measure_auc(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return the AUC of each fold and seed."""
    bunch = load_images(load_nih_chest_xrays, arguments)
    images = shrink(bunch.images, min(arguments.size, bunch.images.shape[1]))
    match = np.column_stack([bunch.view, bunch.sex])
    folds = GroupKFold(arguments.folds, shuffle=True, random_state=0)
    results, rows = Results(arguments.out), []
    for fold, (known, new) in enumerate(folds.split(images, groups=bunch.subject)):
        pairs, is_genuine = verification_pairs(
            bunch.subject[new], match=match[new], random_state=0
        )
        pixels = roc_auc_score(is_genuine, correlations(images[new], pairs))

        def attack(attacker: str, seed: int, known=known, new=new) -> dict[str, Any]:
            if attacker == "matching":
                verifier = MatchingVerifier(size=images.shape[1], random_state=seed)
                verifier.fit(images[known], bunch.subject[known], match=match[known])
            else:
                verifier = SiameseVerifier(
                    width=arguments.width,
                    max_epochs=arguments.epochs,
                    batch_size=arguments.batch,
                    lr=arguments.lr,
                    device=arguments.device,
                    random_state=seed,
                ).fit(images[known], bunch.subject[known])
            row = verifier.evaluate(images[new], bunch.subject[new], match=match[new])
            return {
                "auc": row.auc,
                "eer": row.eer,
                "n_pairs": row.n_pairs,
                "n_subjects": row.n_subjects,
            }

        for attacker in arguments.attackers:
            # The other attacker hardly depends on its seed.
            for seed in range(arguments.seeds if attacker == "siamese" else 1):
                key = {"fold": fold, "seed": seed, "size": arguments.size}
                key |= {"width": arguments.width, "epochs": arguments.epochs}
                if attacker != "siamese":
                    key = {"fold": fold, "seed": seed, "size": arguments.size}
                    key |= {"attacker": attacker}
                row = results.measure(
                    key,
                    lambda attacker=attacker, seed=seed, attack=attack: attack(attacker, seed),
                )
                given = {"fold": fold, "attacker": attacker, "seed": seed}
                rows.append({**given, "pixels": float(pixels), **row})
    columns = ["fold", "attacker", "seed", "auc", "eer", "pixels", "n_pairs", "n_subjects"]
    print(table(columns, [[row[name] for name in columns] for row in rows]))
    for attacker in arguments.attackers:
        of_folds = [
            [row["auc"] for row in rows if (row["fold"], row["attacker"]) == (fold, attacker)]
            for fold in range(arguments.folds)
        ]
        print(
            f"{arguments.size} px, {attacker}: {np.mean(of_folds):.3f}, by fold "
            f"{np.round(np.mean(of_folds, axis=1), 3).tolist()}, SD within a fold "
            f"{np.std(of_folds, axis=1).mean():.3f}; "
            f"pixels {np.mean([row['pixels'] for row in rows]):.3f}"
        )
    return rows


def measure_map(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return the AUC of attackers who see parts of images, in the first fold."""
    bunch = load_images(load_nih_chest_xrays, arguments)
    match = np.column_stack([bunch.view, bunch.sex])
    folds = GroupKFold(arguments.folds, shuffle=True, random_state=0)
    known, new = next(folds.split(bunch.images, groups=bunch.subject))
    pairs, is_genuine = verification_pairs(bunch.subject[new], match=match[new], random_state=0)
    results, rows = Results(arguments.out), []
    for part, images in parts_of(bunch.images, arguments.size).items():

        def attack(attacker: str, images: NDArray = images) -> dict[str, float]:
            if attacker == "pixels":
                score = correlations(images[new], pairs)
                return {"auc": float(roc_auc_score(is_genuine, score))}
            settings: dict[str, Any] = {}
            if attacker == "matching":
                verifier: Any = MatchingVerifier(size=images.shape[1], random_state=0)
                settings["match"] = match[known]
            else:
                verifier = SiameseVerifier(
                    max_epochs=arguments.epochs, device=arguments.device, random_state=0
                )
            verifier.fit(images[known], bunch.subject[known], **settings)
            row = verifier.evaluate(images[new], bunch.subject[new], match=match[new])
            return {"auc": row.auc}

        key = {"what": "map", "part": part, "size": arguments.size, "epochs": arguments.epochs}
        row: dict[str, Any] = {"part": part}
        for attacker in (*arguments.attackers, "pixels"):
            measured = results.measure(
                key | {"attacker": attacker},
                lambda attacker=attacker, attack=attack: attack(attacker),
            )
            row[attacker] = measured["auc"]
        rows.append(row)
    columns = list(rows[0])
    print(table(columns, [[row[name] for name in columns] for row in rows]))
    return rows


def parts_of(images: NDArray, size: int) -> dict[str, NDArray]:
    """Return images of a size of which only a part is shown, by the name of the part."""
    lungs = segment_lungs(images)
    images = shrink(images, min(size, images.shape[1]))
    side = images.shape[1]
    lungs = shrink(lungs.astype(np.float32), side) > 0.5
    border = np.ones(images.shape, dtype=bool)
    inner = slice(round(BORDER * side), side - round(BORDER * side))
    border[:, inner, inner] = False
    means = images.mean(axis=(1, 2), keepdims=True)
    coarse = gaussian_filter(images, (0, side / 32, side / 32))
    return {
        "whole image": images,
        "lungs": np.where(lungs, images, means),
        "all but the lungs": np.where(lungs, means, images),
        "border": np.where(border, images, means),
        "all but the border": np.where(border, means, images),
        "coarse structure": coarse,
        "fine structure": images - coarse,
    }


def measure_speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Print and return the ratios of a verifier and of a segmenter to a plain loop."""
    rng = np.random.default_rng(arguments.seed)
    shape = (arguments.images, arguments.size, arguments.size)
    images = rng.random(shape, dtype=np.float32)
    owners, masks = np.repeat(np.arange(len(images) // 2), 2), images > 0.5
    settings = {"max_epochs": arguments.epochs, "device": arguments.device}
    verifier = SiameseVerifier(width=arguments.width, **settings).fit(images, owners)
    segmenter = UNetSegmenter(**settings).fit(images, masks)

    def pairs(fitted: SiameseVerifier = verifier) -> Iterator[tuple]:
        X = torch.from_numpy(images)[:, None].to(fitted.device_)
        people = torch.arange(len(X) // 2, device=X.device)
        for _ in range(2):
            for (chosen,) in shuffled(fitted.batch_size, people):
                yield torch.stack([X[2 * chosen], X[2 * chosen + 1]]), chosen

    def masked(fitted: UNetSegmenter = segmenter) -> Iterator[tuple]:
        X = torch.from_numpy(images)[:, None].to(fitted.device_)
        y = torch.from_numpy(masks.astype(np.float32))[:, None].to(fitted.device_)
        return shuffled(fitted.batch_size, X, y)

    def plain(fitted: Any, batches: Any) -> float:
        net, loss_of = untrained(fitted.net_.module_), fitted.net_.criterion_
        n_steps = fitted.max_epochs * sum(1 for _ in batches())
        adam = torch.optim.AdamW(net.parameters(), lr=fitted.lr)
        step = Step(
            lambda batch: loss_of(net(batch[0]), batch[1]),
            adam,
            one_cycle(adam, fitted.lr, n_steps),
        )
        return sum(train_plainly(batches, [step], fitted.max_epochs)[1])

    n_samples = arguments.epochs * len(images)
    return [
        compare(
            "verifier",
            arguments.rounds,
            lambda: verifier.fit(images, owners).history_["dur"].sum(),
            lambda: plain(verifier, pairs),
            2 * n_samples,  # both sides of a pair are images
        ),
        compare(
            "segmenter",
            arguments.rounds,
            lambda: segmenter.fit(images, masks).history_["dur"].sum(),
            lambda: plain(segmenter, masked),
            n_samples,
        ),
    ]


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    choices = ["auc", "map", "speed", "all"]
    parser.add_argument("what", choices=choices, nargs="?", default="all")
    parser.add_argument("--attackers", nargs="+", default=["siamese", "matching"])
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
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.size, arguments.epochs, arguments.folds, arguments.seeds = 32, 1, 2, 1
        arguments.rounds, arguments.images = 1, 32
    print_header(arguments)
    parts = {"auc": measure_auc, "map": measure_map, "speed": measure_speed}
    chosen = parts if arguments.what == "all" else [arguments.what]
    return [row for name in chosen for row in parts[name](arguments)]


if __name__ == "__main__":
    main()
