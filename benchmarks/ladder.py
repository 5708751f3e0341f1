"""Every anonymizer of the package through the same ladder, on the same recordings.

    python benchmarks/ladder.py [--data-home DIR] [--attackers lda trees] [--out DIR]

MIT-BIH, 47 subjects, 60 s records of the first 45 % of each recording (gallery, and training
data of the anonymizers: closed) against the last 45 % (probes). Prints a Markdown table and,
with --out, writes it and ``ladder.json`` there.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    KSameAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    TimeWarpAnonymizer,
)
from sklearn_ecganon.datasets import fetch_mitdb
from sklearn_ecganon.model_selection import time_split
from sklearn_ecganon.utility import waveform_utility

COLUMNS = [("original", 50), ("ignorant", 1), ("semi-informed", 1), ("semi-informed", 50)]


def methods(seed, epochs):
    yield "originals", None
    yield "noise, one a beat", NoiseAnonymizer(per="beat", random_state=seed)
    yield "noise, one a record", NoiseAnonymizer(per="record", random_state=seed)
    yield "low-pass", LowPassAnonymizer(random_state=seed)
    yield "time warp", TimeWarpAnonymizer(random_state=seed)
    yield "block average (DP-Pix)", BlockAverageAnonymizer(random_state=seed)
    yield "k-Same, k=10", KSameAnonymizer(k=10, random_state=seed)
    for region in ("pre", "all"):
        model = NonQRSVAEAnonymizer(region=region, max_epochs=epochs, random_state=seed)
        yield f"non-QRS VAE, region {region}", model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument("--attackers", nargs="+", default=["lda", "trees"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    records = time_split(fetch_mitdb(data_home=arguments.data_home).data)
    y = np.array([record.subject for record in records])
    sessions = np.array([record.session for record in records])
    early = sessions == np.sort(sessions)[0]
    beats = QRSSegmenter(leads=[0]).fit_transform(records)
    judge = ReidentificationScorer(arguments.attackers, random_state=arguments.seed)
    lines = [
        f"MIT-BIH, {len(set(y))} subjects, rank-1 in % (95 % interval) of the best of "
        f"{', '.join(arguments.attackers)}, strength 1, seed {arguments.seed}",
        "",
        "| method | "
        + " | ".join(f"{k}, {e} beat{'s' * (e > 1)}" for k, e in COLUMNS)
        + " | worst | EER there | utility |",
        "|" + "---|" * (len(COLUMNS) + 4),
    ]
    print("\n".join(lines), flush=True)
    results = {}
    for name, method in methods(arguments.seed, arguments.epochs):
        start = time.perf_counter()
        fitted = "passthrough" if method is None else method.fit(beats[early], y[early])
        result = judge.evaluate(fitted, beats, y, sessions=sessions)
        after = beats if method is None else fitted.transform(beats)
        utility = waveform_utility(beats, after)
        best, worst = result.best_of_panel(), result.worst
        cells = [best[column] for column in COLUMNS]
        line = f"| {name} | " + " | ".join(
            f"{100 * row.rank1:.1f} ({100 * row.low:.0f}-{100 * row.high:.0f})" for row in cells
        )
        line += (
            f" | {100 * worst.rank1:.1f} | {100 * worst.eer:.1f} | {utility['utility']:.2f} |"
        )
        print(line, flush=True)
        lines.append(line)
        results[name] = {
            "rows": result.to_records(),
            "utility": utility,
            "seconds": time.perf_counter() - start,
        }
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "ladder.md").write_text("\n".join(lines) + "\n")
        (arguments.out / "ladder.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
