"""Train the weights of the delineator that come with the package.

    OMP_NUM_THREADS=1 python -m tools.train_delineator --out FILE [--epochs 60]

The script trains on all records of LUDB, disturbed with the wander and the muscle noise of the
MIT-BIH Noise Stress Test Database. `benchmarks.delineation` measures the same training in
folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch

from benchmarks._results import make_parser, print_header
from benchmarks.delineation import load_annotated, load_noise
from sklearn_ecganon.delineation import Delineator, train_delineator


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args(argv)
    if arguments.out is None:
        parser.error("give --out, the safetensors file to write")
    if arguments.quick:
        arguments.epochs = 1
    torch.set_num_threads(1)
    print_header(arguments)
    protocol = load_annotated(arguments)
    start = perf_counter()
    losses = train_delineator(
        protocol.records,
        protocol.waves,
        arguments.out,
        max_epochs=arguments.epochs,
        random_state=arguments.seed,
        verbose=1,
        **load_noise(arguments),
    )
    delineation = Delineator(weights=arguments.out).delineate(protocol.records[0])
    print(
        f"{arguments.out}: {arguments.out.stat().st_size / 1e3:.0f} kB, trained in "
        f"{perf_counter() - start:.0f} s; {len(delineation.r_peaks)} beats in the first record"
    )
    return [{"epoch": i + 1, "loss": float(loss)} for i, loss in enumerate(losses)]


if __name__ == "__main__":
    main()
