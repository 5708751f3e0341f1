"""Every anonymizer of the package through the same ladder: the leaderboard.

    python benchmarks/ladder.py [--data mitdb ecgid] [--attackers default] [--out DIR]
        [--methods WORD ...] [--whole]

MIT-BIH: 47 subjects, 60 s records of the first 45 % of each recording (gallery, and training
data of the anonymizers: closed) against the last 45 % (probes), annotated beats. ECG-ID: 89
subjects, their first recording against the next of the same date, detected beats. Lead 0,
strength 1. Prints a Markdown table for each database and, with --out, writes it to
``leaderboard.md`` there and all figures to ``leaderboard.json``. ``--whole`` prints every
attacker, not only the worst.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import (
    BlockAverageAnonymizer,
    CycleGANAnonymizer,
    FlowFieldAnonymizer,
    GANImageAnonymizer,
    KSameAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    NoiseFieldAnonymizer,
    PseudoIdentityAnonymizer,
    TimeWarpAnonymizer,
)
from sklearn_ecganon.datasets import fetch_ecgid, fetch_mitdb
from sklearn_ecganon.model_selection import time_split
from sklearn_ecganon.utility import UtilityScorer

HEADER = (
    "| method | waveform, 1 beat | waveform, 50 beats | full, 50 beats | worst | EER there "
    "| excess, diagnostic | excess, measurement | utility, diagnostic | utility, measurement |"
)


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
    yield "flow field", FlowFieldAnonymizer(max_epochs=30, random_state=seed)
    yield "noise field", NoiseFieldAnonymizer(max_epochs=30, random_state=seed)
    yield "CycleGAN", CycleGANAnonymizer(max_epochs=epochs, lr=1e-3, random_state=seed)
    yield "GAN", GANImageAnonymizer(max_epochs=15, random_state=seed)
    for contract in ("diagnostic", "measurement"):
        yield (
            f"pseudo-identity, {contract}",
            PseudoIdentityAnonymizer(contract=contract, random_state=seed),
        )


def load(name, home):
    """Return beats, subjects and sides of one database."""
    if name == "mitdb":
        records = time_split(fetch_mitdb(data_home=home).data)
        sides = np.array([record.session for record in records])
        segment = QRSSegmenter("annotated", leads=[0])
    else:
        records, sides = same_day(fetch_ecgid(data_home=home).data)
        segment = QRSSegmenter(leads=[0])
    return segment.fit_transform(records), np.array([r.subject for r in records]), sides


def same_day(records):
    """Return each person's first recording and the next of the same date."""
    chosen, sides = [], []
    for subject in dict.fromkeys(record.subject for record in records):
        own = [record for record in records if record.subject == subject]
        later = [record for record in own[1:] if record.session == own[0].session]
        if later:
            chosen += [own[0], later[0]]
            sides += ["1 first", "2 next"]
    return chosen, np.array(sides)


def cell(row):
    return f"{100 * row.rank1:.1f} ({100 * row.low:.0f}-{100 * row.high:.0f})"


def best(result, panel, evidence):
    """Return the highest rung of the retrained attackers of a panel."""
    rows = [r for r in result.rows if r.knowledge == "semi-informed" and r.panel == panel]
    return max((r for r in rows if r.evidence == evidence), key=lambda row: row.rank1)


def line(name, result, floors, utility):
    worst = result.worst
    excess = [f"{100 * (worst.rank1 - floors[c].rank1):+.1f}" for c in floors]
    cells = [
        cell(best(result, "waveform", 1)),
        cell(best(result, "waveform", 50)),
        cell(best(result, "full", 50)),
        f"{100 * worst.rank1:.1f} ({worst.attacker}, {worst.knowledge}, {worst.evidence})",
        f"{100 * worst.eer:.1f}",
        *excess,
        *(f"{utility[c]['utility']:.2f}" for c in floors),
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def leaderboard(database, arguments):
    """Yield the lines of one database's table, and at last all its figures."""
    beats, y, sides = load(database, arguments.data_home)
    gallery = sides == np.sort(sides)[0]
    judge = ReidentificationScorer(
        arguments.attackers[0] if len(arguments.attackers) == 1 else arguments.attackers,
        split="session",
        random_state=arguments.seed,
        n_jobs=arguments.n_jobs,
    )
    floors = {
        contract: ReidentificationScorer(
            "numbers", contract=contract, split="session", knowledge=["ignorant"]
        )
        .evaluate("passthrough", beats, y, sessions=sides)
        .floor
        for contract in ("diagnostic", "measurement")
    }
    yield (
        f"{database}, {len(set(y))} subjects, chance {100 / len(set(y)):.1f} %; floors: "
        + ", ".join(f"{name} {cell(row)}" for name, row in floors.items())
        + f". Retrained attackers, rank-1 in % (95 % interval); seed {arguments.seed}."
    )
    yield ""
    yield HEADER
    yield "|" + "---|" * (HEADER.count("|") - 1)
    figures = {}
    for name, method in methods(arguments.seed, arguments.epochs):
        if arguments.methods and not any(part in name for part in arguments.methods):
            continue
        start = time.perf_counter()
        fitted = "passthrough" if method is None else method.fit(beats[gallery], y[gallery])
        result = judge.evaluate(fitted, beats, y, sessions=sides)
        probes = beats[~gallery]
        after = probes if method is None else fitted.transform(probes)
        utility = {c: UtilityScorer(contract=c).evaluate(probes, after) for c in floors}
        yield line(name, result, floors, utility)
        if arguments.whole:
            print(result, flush=True)
        figures[name] = {
            "rows": result.to_records(),
            "utility": utility,
            "seconds": time.perf_counter() - start,
        }
    yield figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["mitdb", "ecgid"])
    parser.add_argument("--data-home")
    parser.add_argument("--attackers", nargs="+", default=["default"])
    parser.add_argument("--methods", nargs="+", help="only those with one of these words")
    parser.add_argument("--whole", action="store_true", help="print all attackers")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    told, figures = [], {}
    for database in arguments.data:
        for part in leaderboard(database, arguments):
            if isinstance(part, dict):
                figures[database] = part
                continue
            print(part, flush=True)
            told.append(part)
        print(flush=True)
        told.append("")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "leaderboard.md").write_text("\n".join(told))
        (arguments.out / "leaderboard.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
