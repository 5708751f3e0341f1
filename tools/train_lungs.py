"""Train the weights of the lung segmenter that come with the package.

    OMP_NUM_THREADS=1 python -m tools.train_lungs --out FILE [--epochs 40] [--folds 2]

The script measures the Dice coefficient on held-out patients in folds, then trains on all
patients of the Montgomery set and writes the weights. ``--folds 0`` skips the folds, and
without ``--out`` there are only the folds. `--picture` draws the lungs of NIH X-rays, which the
net has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from benchmarks._results import make_parser, print_header
from benchmarks.images._data import make_images, shrink
from sklearn_ecganon.images import (
    UNetSegmenter,
    load_montgomery_chest_xrays,
    load_nih_chest_xrays,
    segment_lungs,
)
from sklearn_ecganon.images._lungs import clean_lungs, save_lungs


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="a PNG of twenty NIH X-rays with lungs")
    arguments = parser.parse_args(argv)
    print_header(arguments)
    if arguments.quick:
        arguments.epochs, arguments.filters, arguments.folds = 1, 2, 2
        bunch = make_images()
        images, target = bunch.images, bunch.target
        masks = images > np.median(images)
    else:
        bunch = load_montgomery_chest_xrays(arguments.data_home)
        images, masks, target = bunch.images, bunch.masks, bunch.target
    segmenter = UNetSegmenter(
        n_filters=arguments.filters,
        augment=True,
        max_epochs=arguments.epochs,
        batch_size=8,
        random_state=arguments.seed,
    )
    rows = measure_folds(segmenter, images, masks, target, arguments.folds)
    if arguments.out is not None:
        start = perf_counter()
        segmenter.fit(images, masks)
        save_lungs(segmenter, arguments.out)
        kilobytes = arguments.out.stat().st_size / 1e3
        print(f"{arguments.out}: {kilobytes:.0f} kB, {perf_counter() - start:.0f} s")
    if arguments.picture is not None:
        draw(arguments)
    return rows


def measure_folds(
    segmenter: UNetSegmenter, images: NDArray, masks: NDArray, target: NDArray, n_folds: int
) -> list[dict[str, Any]]:
    """Return the Dice coefficient of each held-out patient."""
    rows: list[dict[str, Any]] = []
    if not n_folds:
        return rows
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    for fold, (known, new) in enumerate(folds.split(images, target)):
        fitted = clone(segmenter).fit(images[known], masks[known])
        raw = fitted.predict(images[new])
        both = {"dice": clean_lungs(raw), "dice_raw": raw}
        of_fold = [
            {"fold": fold, "patient": int(i), "target": int(target[i])}
            | {name: dice(lungs[k], masks[i]) for name, lungs in both.items()}
            for k, i in enumerate(new)
        ]
        rows += of_fold
        seconds = fitted.history_["dur"].sum()
        mean, lowest = (f([row["dice"] for row in of_fold]) for f in (np.mean, np.min))
        print(f"fold {fold}: Dice {mean:.4f}, lowest {lowest:.3f}, {seconds:.0f} s", flush=True)
    for name in ("dice_raw", "dice"):
        values = np.array([row[name] for row in rows])
        parts = [values[[row["target"] == k for row in rows]].mean() for k in (0, 1)]
        print(
            f"{name}: mean {values.mean():.4f}, median {np.median(values):.4f}, 5 % "
            f"{np.quantile(values, 0.05):.3f}, lowest {values.min():.3f}; normal "
            f"{parts[0]:.4f}, with finding {parts[1]:.4f}"
        )
    return rows


def dice(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2 * (predicted & true).sum() / max(predicted.sum() + true.sum(), 1))


def draw(arguments: Any) -> None:
    """Write a page of twenty NIH X-rays, ten of each finding, with outlined lungs."""
    from matplotlib.figure import Figure

    if arguments.quick:
        images, target = shrink(make_images().images, 64), make_images().target
    else:
        bunch = load_nih_chest_xrays(arguments.data_home)
        images, target = bunch.images, bunch.target
    rng = np.random.default_rng(arguments.seed)
    chosen = [i for k in (0, 1) for i in rng.choice(np.flatnonzero(target == k), 10, False)]
    figure = Figure(figsize=(15, 3.5), layout="constrained")
    axes = figure.subplots(2, 10).ravel()
    lungs = segment_lungs(images[chosen], weights=arguments.out)
    for ax, i, mask in zip(axes, chosen, lungs, strict=True):
        ax.imshow(images[i], cmap="gray")
        if mask.any():
            ax.contour(mask, [0.5], colors="#E69F00", linewidths=1)
        ax.set_axis_off()
    figure.suptitle("Lungs in X-rays of the NIH: above without finding, below with pneumonia")
    figure.savefig(arguments.picture, dpi=90)


if __name__ == "__main__":
    main()
