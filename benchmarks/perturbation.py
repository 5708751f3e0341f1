"""Who is still recognized after learned flow and noise fields, and what is left of the ECG.

    OMP_NUM_THREADS=1 python benchmarks/perturbation.py [--data mitdb ecgid]

Both fields are measured by the attackers of the leaderboard, at three strengths.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
from ladder import load

from sklearn_ecganon import ReidentificationScorer
from sklearn_ecganon.anonymizers import FlowFieldAnonymizer, NoiseFieldAnonymizer
from sklearn_ecganon.utility import UtilityScorer

FIELDS = {"flow": FlowFieldAnonymizer, "noise": NoiseFieldAnonymizer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--methods", nargs="+", default=[*FIELDS])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.25, 0.5, 1.0])
    parser.add_argument("--attackers", nargs="+", default=["default"])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file of JSON lines that is added to")
    arguments = parser.parse_args()
    print(f"{date.today()}, {vars(arguments)}", flush=True)
    ecg(arguments)


def anonymizer(method, arguments, **settings):
    return FIELDS[method](
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        lr=arguments.lr,
        random_state=arguments.seed,
        **settings,
    )


def tell(figures, arguments):
    """Print a line of figures, and keep it."""
    figures = {k: float(v) if isinstance(v, np.floating) else v for k, v in figures.items()}
    shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print("  " + ", ".join(f"{k} {v}" for k, v in shown.items()), flush=True)
    if arguments.out:
        with arguments.out.open("a") as file:
            file.write(json.dumps(figures) + "\n")


def ecg(arguments):
    for name in arguments.data or ["mitdb", "ecgid"]:
        beats, y, sides = load(name, arguments.data_home)
        gallery = sides == np.sort(sides)[0]
        attackers = arguments.attackers
        judge = ReidentificationScorer(
            attackers[0] if len(attackers) == 1 else attackers,
            split="session",
            random_state=arguments.seed,
        )
        print(f"{name}: {len(set(y))} subjects, {beats}")
        for method in arguments.methods:
            start = perf_counter()
            model = anonymizer(method, arguments).fit(beats[gallery], y[gallery])
            seconds = perf_counter() - start
            for strength in arguments.strengths:
                model.set_params(strength=strength)
                result = judge.evaluate(model, beats, y, sessions=sides)
                release = model.transform(beats[~gallery])
                figures = {"data": name, "method": method, "strength": strength}
                for knowledge in ("original", "ignorant", "lazy-informed", "semi-informed"):
                    rows = [row for row in result.rows if row.knowledge == knowledge]
                    best = max(rows, key=lambda row: row.rank1)
                    figures[f"rank-1, {knowledge}"] = best.rank1
                    figures[f"attacker, {knowledge}"] = f"{best.attacker} ({best.evidence})"
                for contract in ("diagnostic", "measurement"):
                    utility = UtilityScorer(contract=contract)
                    found = utility.evaluate(beats[~gallery], release)
                    figures[f"utility, {contract}"] = found["utility"]
                figures["seconds"] = seconds
                tell(figures, arguments)


if __name__ == "__main__":
    main()
