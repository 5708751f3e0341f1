"""What the non-QRS VAE leaves to attackers: the published claim, and the same retrained.

    python benchmarks/non_qrs_vae.py [--data-home DIR] [--attackers lda small-conv conv]

prints two tables on MIT-BIH (47 subjects, lead MLII, or the first where there is none):

1. the honest protocol: 60 s records of the first 45 % against the last 45 %;
2. the published protocol: beats dealt out at random, convolutional attacker.
"""

import argparse
import time

import numpy as np

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.datasets import fetch_mitdb, time_split


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument("--attackers", nargs="+", default=["lda", "small-conv", "conv"])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    records = time_split(fetch_mitdb(data_home=arguments.data_home).data)
    y = np.array([record.subject for record in records])
    sessions = np.array([record.session for record in records])
    beats = QRSSegmenter(leads=[0]).fit_transform(records)
    early = sessions == np.sort(sessions)[0]
    print(f"MIT-BIH: {beats}, seed {arguments.seed}, {arguments.epochs} epochs\n")
    for region in ("pre", "all"):
        start = time.perf_counter()
        model = NonQRSVAEAnonymizer(
            region=region, max_epochs=arguments.epochs, random_state=arguments.seed
        ).fit(beats[early])
        print(
            f"region={region!r}, strength 1, trained on the first 45 % of each record "
            f"in {time.perf_counter() - start:.0f} s,"
            f" ELBO {-model.history_['train_loss'][-1]:.1f}"
        )
        start = time.perf_counter()
        judge = ReidentificationScorer(arguments.attackers, random_state=arguments.seed)
        print(judge.evaluate(model, beats, y, sessions=sessions))
        print(f"({time.perf_counter() - start:.0f} s)\n", flush=True)
        judge = ReidentificationScorer("conv", split="random", random_state=arguments.seed)
        print("published protocol:")
        print(judge.evaluate(model, beats, y), "\n", flush=True)


if __name__ == "__main__":
    main()
