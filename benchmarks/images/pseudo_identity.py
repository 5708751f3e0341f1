"""Measure synthetic people in place of those in X-rays, by attackers that learn nothing.

    OMP_NUM_THREADS=1 python -m benchmarks.images.pseudo_identity [--data nih kermany]
        [--strengths 0.25 0.5 0.75 1] [--lungs] [--warp 0] [--size 64] [--picture PNG]

The anonymizer learns from two thirds of the patients and releases images of the others. The
table shows whether the correlation of pixels still recognizes patients, how similar a release
is to the nearest image of the training set (beside other people), whether it shows who was in
the training set, and how fast it is. ``--lungs`` adds rows in which lungs stay unchanged.
``--picture`` draws originals of the last data set, their releases at the last strength, and the
training images nearest to either. `benchmarks.images.perturbation` compares retrained verifiers
and the finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit

from benchmarks._results import Results, make_parser, print_header, table
from benchmarks.images._data import correlations
from benchmarks.images._quality import nearest, nearness
from benchmarks.images.perturbation import TITLES, load_xrays
from sklearn_ecganon.images import PseudoIdentityImageAnonymizer, verification_pairs

SIDES = (32, 16)
# Images of the picture.
N_DRAWN = 8


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=list(TITLES)[:2])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.25, 0.5, 0.75, 1.0])
    parser.add_argument("--lungs", action="store_true")
    parser.add_argument("--warp", type=float, default=PseudoIdentityImageAnonymizer().warp)
    parser.add_argument("--size", type=int, default=64, help="pixels of a side, at most")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--n-images", type=int, help="only so many")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.data, arguments.strengths = ["synthetic"], [1.0]
        arguments.size, arguments.n_images = 32, 48
    print_header(arguments)
    results, rows = Results(arguments.out), []
    for name in arguments.data:
        X, y, finding, match = load_xrays(name, arguments)
        split = GroupShuffleSplit(1, test_size=1 / 3, random_state=arguments.seed)
        [(train, _)] = split.split(X, groups=y)
        is_train = np.isin(np.arange(len(X)), train)
        first = match[:, 0] if match.ndim == 2 else match
        labels = np.char.add(np.char.add(finding.astype(str), " "), first.astype(str))
        print(f"{name}: {len(train)} images to learn from, {len(X) - len(train)} to release")
        for protect in (None, "lungs") if arguments.lungs else (None,):
            for strength in arguments.strengths:
                key = {"data": name, "size": arguments.size, "seed": arguments.seed}
                key |= {"strength": strength, "protect": protect, "n_images": len(X)}
                key |= {"warp": arguments.warp}
                model = PseudoIdentityImageAnonymizer(
                    strength,
                    warp=arguments.warp,
                    protect=protect,
                    random_state=arguments.seed,
                )
                row = results.measure(
                    key,
                    lambda model=model, X=X, y=y, match=match, labels=labels, train=is_train: (
                        measure(model, X, y, match, labels, train, arguments.seed)
                    ),
                )
                rows.append({**row, **row["key"]})
    if arguments.picture is not None:
        model.fit(X[train], y[train], labels=labels[train])
        draw(model, X, labels, is_train, arguments.picture)
    names = [name for name in rows[0] if name not in ("key", "date", "seconds", "seed")]
    # A column for each setting.
    print(
        table(
            ["", *map(str, range(len(rows)))],
            [[name, *(row[name] for row in rows)] for name in names],
        )
    )
    return rows


def measure(
    model: PseudoIdentityImageAnonymizer,
    X: NDArray,
    y: NDArray,
    match: NDArray,
    labels: NDArray,
    train: NDArray[np.bool_],
    seed: int,
) -> dict[str, float]:
    """Return the figures of one setting."""
    start = process_time()
    model.fit(X[train], y[train], labels=labels[train])
    figures = {"fit, CPU s": process_time() - start}
    start = process_time()
    released = X.copy()
    released[~train] = model.transform(X[~train], labels[~train])
    figures["images/s"] = (~train).sum() / (process_time() - start)
    pairs, is_genuine = verification_pairs(y[~train], match=match[~train], random_state=0)
    for kind, side in (("originals", X), ("", released)):
        for size in SIDES:
            score = correlations(X[~train], pairs, side[~train], size)
            name = f"pixels, {size}" + (f", {kind}" if kind else "")
            figures[name] = float(roc_auc_score(is_genuine, score))
    return figures | nearness(X, released, y, train, seed)


def draw(
    model: PseudoIdentityImageAnonymizer,
    X: NDArray,
    labels: NDArray,
    train: NDArray[np.bool_],
    path: Path,
) -> None:
    """Write a picture of originals, releases, and the training images nearest to them."""
    from matplotlib.figure import Figure

    chosen = np.random.default_rng(0).choice(np.flatnonzero(~train), N_DRAWN, replace=False)
    released = model.transform(X[chosen], labels[chosen])
    shown = {
        "original": X[chosen],
        "release": released,
        "training image nearest to the release": X[train][nearest(released, X[train])],
        "training image nearest to the original": X[train][nearest(X[chosen], X[train])],
    }
    figure = Figure(figsize=(1.6 * N_DRAWN, 7.2), layout="constrained")
    axes = figure.subplots(len(shown), N_DRAWN)
    for row, (title, images) in zip(axes, shown.items(), strict=True):
        for ax, image in zip(row, images, strict=True):
            ax.imshow(image, cmap="gray", vmin=X.min(), vmax=X.max())
            ax.set_axis_off()
        row[0].set_title(title, loc="left")
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    main()
