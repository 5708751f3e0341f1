"""Show what training with differential privacy of each person costs.

    OMP_NUM_THREADS=1 python -m benchmarks.private_training

`NonQRSVAEAnonymizer` is trained on lead II of every second person of PTB-XL (150 people) with
delta = 1e-5, and without noise, and released beats of the others are compared with theirs.

Error: root mean square error of the reconstruction, of regions that are scaled to [0, 1].
Mean beat: the same error of the mean region. AUC: two-sample AUC of released beats, by
extremely randomized trees. Row: time of training for each beat that a step looks at, in
microseconds.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter
from sklearn_ecganon.metrics import two_sample_auc
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.training import ROWS_OF_A_PERSON

N_STEPS = 300


def figures(
    epsilon: float | None, beats: BeatSet, y: Any, arguments: Namespace
) -> dict[str, float]:
    """Return the figures of one budget; None trains as usual."""
    train, test = np.arange(0, len(beats), 2), np.arange(1, len(beats), 2)
    model = NonQRSVAEAnonymizer(random_state=arguments.seed)
    if epsilon is not None:
        model.set_params(epsilon=epsilon, max_epochs=N_STEPS, lr=0.01)
    if arguments.quick:
        model.set_params(max_epochs=2)
    start = perf_counter()
    model.fit(beats[train], y[train])
    seconds = perf_counter() - start
    n_rows = len(beats[train].beats)
    if epsilon is not None:
        n_rows = ROWS_OF_A_PERSON * len(np.unique(y[train]))
    original = beats[test]
    region = original.beats[:, 0, model.columns_]
    low, span = region.min(axis=1, keepdims=True), np.ptp(region, axis=1, keepdims=True)
    scaled = (region - low) / np.where(span > 0, span, 1.0)
    released = model.transform(original)
    return {
        "error": reconstruction_error(model, scaled),
        "mean beat": float(np.sqrt(((scaled - scaled.mean(axis=0)) ** 2).mean())),
        "AUC": two_sample_auc(
            original.beats, released.beats, original.record, original.record, random_state=0
        ),
        "row": 1e6 * seconds / model.n_iter_ / n_rows,
    }


def reconstruction_error(model: NonQRSVAEAnonymizer, scaled: np.ndarray) -> float:
    """Return the error of reconstructions at the mean of the latent."""
    network = model.net_.module_.eval()
    rows = torch.as_tensor(scaled, dtype=torch.float32, device=model.device_)
    with torch.no_grad():
        mean, _ = network.encode(rows)
        return float(((network.decode(mean) - rows) ** 2).mean().sqrt())


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    arguments = parser.parse_args(argv)
    print_header(arguments)
    protocol = load("ptbxl-300", arguments, n_subjects=20, n_sessions=1)
    lead = 0 if arguments.quick else 1
    beats = QRSSegmenter(leads=[lead], on_error="mask").fit_transform(protocol.records)
    usable = np.flatnonzero(beats.n_beats)
    beats, y = beats[usable], np.asarray(protocol.subjects)[usable]
    results = Results(arguments.out)
    columns = ["error", "mean beat", "AUC", "row"]
    rows = []
    for epsilon in (None, 1e6, 10.0, 4.0, 1.0):
        key = {"epsilon": epsilon, "seed": arguments.seed, "quick": arguments.quick}
        row = results.measure(key, lambda e=epsilon: figures(e, beats, y, arguments))
        rows.append([str(epsilon), *(row[column] for column in columns)])
    print(table(["epsilon", *columns], rows), flush=True)
    return results.rows


if __name__ == "__main__":
    main()
