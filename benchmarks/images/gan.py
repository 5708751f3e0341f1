"""Whether X-rays that a GAN generates show their finding, and whether they look real.

    OMP_NUM_THREADS=1 python -m benchmarks.images.gan --epochs 16 --filters 16 --seed 0

Pediatric chest X-rays, normal against pneumonia, split by patient. A classifier that learned
from real images is tested on generated ones after every 100 iterations, and on the selected
weights. In the founding work it has an accuracy of 0.63, 0.57 and 0.55 after 100, 200 and 500
iterations. A second classifier learns to distinguish real from generated images.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks._results import make_parser, print_header
from benchmarks.images._data import load_images
from sklearn_ecganon.images import (
    FakeTest,
    FakeTestMonitor,
    FakeTestRow,
    GANSynthesizer,
    load_kermany_chest_xrays,
)
from sklearn_ecganon.metrics import precision_recall_density_coverage

# An epoch is 100 iterations.
BATCH_SIZE = 32
EPOCH_SIZE = 3200


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--architecture", default="dcgan")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.epochs, arguments.filters = 1, 2
    print_header(arguments)
    bunch = load_images(load_kermany_chest_xrays, arguments)
    X, y = bunch.images, np.where(bunch.target == 0, "normal", "pneumonia")
    rng = np.random.default_rng(arguments.seed)
    patients = rng.permutation(np.unique(bunch.subject))
    test = np.isin(bunch.subject, patients[: len(patients) // 4])
    print(f"{(~test).sum()} images to learn from, {test.sum()} of other patients")
    start = perf_counter()
    epochs = {"max_epochs": 1} if arguments.quick else {}
    classifier = FakeTest(device=arguments.device, random_state=arguments.seed, **epochs)
    classifier.fit(X[~test], y[~test])
    real = classifier.evaluate(X[test], y[test])
    seconds = perf_counter() - start
    print(f"classifier ({seconds:.0f} s), real, other patients: {sentence(real)}", flush=True)
    n_each = 10 if arguments.quick else 250
    monitor = FakeTestMonitor(classifier, np.repeat(["normal", "pneumonia"], n_each))
    start = perf_counter()
    model = build(arguments).set_callbacks(monitor).fit(X[~test], labels=y[~test])
    print(f"generator: {model.n_iter_} epochs in {perf_counter() - start:.0f} s")
    for row in monitor.rows:
        print(f"  {row.n_iterations} iterations: {sentence(row)}")
    is_normal = rng.random(test.sum()) < np.mean(y == "normal")
    labels = np.where(is_normal, "normal", "pneumonia")
    fakes = model.sample(len(labels), labels, random_state=arguments.seed)
    selected = classifier.evaluate(fakes, labels)
    print(f"selected weights, classes as frequent as in real images: {sentence(selected)}")
    apart = classifier.tell_apart(X[test], fakes)
    print(f"real against generated: {sentence(apart)}")
    neighbors = precision_recall_density_coverage(X[test][:1000], fakes[:1000])
    print(f"precision {neighbors.precision:.2f}, coverage {neighbors.coverage:.2f}")
    return [
        {"images": "real", "accuracy": real.accuracy, "auc": real.auc},
        *(
            {
                "images": f"{row.n_iterations} iterations",
                "accuracy": row.accuracy,
                "auc": row.auc,
            }
            for row in monitor.rows
        ),
        {
            "images": "selected weights",
            "accuracy": selected.accuracy,
            "auc": selected.auc,
            "auc of real against generated": apart.auc,
            "precision": neighbors.precision,
            "coverage": neighbors.coverage,
        },
    ]


def build(arguments: argparse.Namespace) -> GANSynthesizer:
    return GANSynthesizer(
        architecture=arguments.architecture,
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        batch_size=BATCH_SIZE,
        lr=5e-4,
        discriminator_lr=5e-4,
        epoch_size=EPOCH_SIZE,
        patience=None,
        device=arguments.device,
        random_state=arguments.seed,
    )


def sentence(row: FakeTestRow) -> str:
    return f"accuracy {row.accuracy:.3f}, AUC {row.auc:.3f}, F1 {row.f1:.3f}"


if __name__ == "__main__":
    main()
