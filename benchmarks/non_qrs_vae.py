"""Measure re-identification from releases of the non-QRS VAE, as published and retrained.

    OMP_NUM_THREADS=1 python -m benchmarks.non_qrs_vae [--attackers lda small-conv conv]

The script prints two tables for each region, on MIT-BIH (47 subjects, lead MLII, or the first
lead where there is none):

1. the protocol of this package: 60 s records of the first 45 % against the last 45 %;
2. the published protocol: beats assigned to both sides at random, a convolutional attacker.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from benchmarks._results import load, make_parser, print_header
from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, ReidentificationScorer


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--attackers", nargs="+", default=["lda", "small-conv", "conv"])
    parser.add_argument("--epochs", type=int, default=50)
    arguments = parser.parse_args(argv)
    published = "conv"
    if arguments.quick:
        arguments.attackers, arguments.epochs, published = ["lda"], 2, "lda"
    print_header(arguments)
    protocol = load("mitdb-time", arguments)
    beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
    print(f"{protocol.DESCR}: {beats}\n")
    rows = []
    for region in ("pre", "all"):
        start = perf_counter()
        model = NonQRSVAEAnonymizer(
            region=region, max_epochs=arguments.epochs, random_state=arguments.seed
        ).fit(beats[protocol.gallery])
        print(
            f"region={region!r}, strength 1, trained on the gallery in "
            f"{perf_counter() - start:.0f} s, ELBO {-model.history_['train_loss'][-1]:.1f}"
        )
        scorer = ReidentificationScorer(arguments.attackers, random_state=arguments.seed)
        result = scorer.evaluate(model, beats, protocol.subjects, sessions=protocol.sessions)
        print(result, flush=True)
        rows += [{"region": region, "split": "time", **row} for row in result.to_records()]
        scorer = ReidentificationScorer(published, split="random", random_state=arguments.seed)
        result = scorer.evaluate(model, beats, protocol.subjects)
        print(f"published protocol:\n{result}\n", flush=True)
        rows += [{"region": region, "split": "random", **row} for row in result.to_records()]
    return rows


if __name__ == "__main__":
    main()
