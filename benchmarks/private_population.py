"""Show what differential privacy of people costs, by the size of a population and epsilon.

    OMP_NUM_THREADS=1 python -m benchmarks.private_population [--strips]

A simulation: the people of a hospital are drawn from the shipped population, among synthetic
people whose lateral T wave is flat or negative. The shipped population is adapted to n of them
with `epsilon` and delta = 1e-5 (``inf``: without noise; ``none``: not adapted).

Every second synthetic person is public and adapted; the people of the hospital are among the
others. The people to learn from have a normal distribution with their mean and covariance.

Mean and covariance: distance to those of all people of the hospital, in 12 coordinates.
Two-sample AUC: extremely randomized trees separate adapted people from other people of the
hospital by all numbers of their beats; .5 is chance. Strips: the same for strips of 10 s of
lead II that both write, by `strip_embedding` (some settings only). Membership: AUC of an
attacker who knows the coordinates of a person and reads the released mean, over 4000 runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks._results import Results, make_parser, print_header, table
from sklearn_ecganon import QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers._pseudo_identity._identity import Population, draw_identity
from sklearn_ecganon.anonymizers._pseudo_identity._private import (
    CLIP,
    adapted,
    coordinates_of,
)
from sklearn_ecganon.anonymizers._pseudo_identity._release import (
    Plan,
    Settings,
    write_release,
)
from sklearn_ecganon.anonymizers._pseudo_identity._weights import SHIPPED, load_population
from sklearn_ecganon.metrics import strip_embedding, two_sample_auc
from sklearn_ecganon.privacy import PrivateMoments, private_moments

DELTA = 1e-5
#: Noise that changes nothing.
WITHOUT_NOISE = 1e7
N_COMPARED = 750
N_STRIPS = 400
N_MEMBERSHIP = 4000
RATE = 100.0


def moments_of(values: NDArray, epsilon: float, rng: np.random.Generator) -> PrivateMoments:
    """Return private moments of one record for each person."""
    return private_moments(
        values,
        np.arange(len(values)),
        epsilon=min(epsilon, WITHOUT_NOISE),
        delta=DELTA,
        clip=CLIP,
        rng=rng,
    )


def membership_auc(values: NDArray, epsilon: float, n: int, rng: np.random.Generator) -> float:
    """Attack moments of people, with and without one of them."""
    scores: list[float] = []
    for i in range(N_MEMBERSHIP):
        chosen = rng.integers(len(values), size=n + 1)
        target = values[chosen[0]]
        members = chosen[:n] if i % 2 else chosen[1:]
        moments = moments_of(values[members], epsilon, rng)
        # The likelihood ratio of the mean, as far as the attacker knows the population.
        scores.append(float((target - values.mean(axis=0)) @ moments.mean))
    return float(roc_auc_score(np.arange(N_MEMBERSHIP) % 2, scores))


def strips(population: Population, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return embedded strips of lead II of people of a population."""
    bunch = make_ecg_records(n_subjects=1, n_sessions=1, duration=10.0, random_state=0)
    frame = QRSSegmenter(sampling_rate=RATE).fit_transform(bunch.data)[0]
    frame = replace(frame, lead_names=(("II",),))
    profile = {"rate_zone": 1, "irregularity": 0}
    signals = []
    for _ in range(n):
        plan = Plan(draw_identity(population, {}, None, rng), None, False, False, 0.0, profile)
        seed = rng.integers(2**63, size=4).astype(np.uint64)
        written = write_release(population, Settings(1.0, "diagnostic", ()), frame, plan, seed)
        assert written.signals is not None
        signals.append(written.signals[0])
    return strip_embedding(np.stack(signals), RATE)


def _rows(population: Population, rows: Any) -> Population:
    """Return some people of a population."""
    return population._replace(
        people=population.people[rows],
        has_p=population.has_p[rows],
        statements=population.statements[rows],
        categories={name: codes[rows] for name, codes in population.categories.items()},
    )


def figures(n: int, epsilon: float | None, arguments: Any) -> dict[str, Any]:
    """Return the figures of one setting; None is the population that is not adapted."""
    rng = np.random.default_rng(arguments.seed)
    shipped, _ = load_population(SHIPPED)
    hospital = np.flatnonzero(shipped.categories["t_lateral"] < 2)
    hospital = hospital[hospital % 2 == 1]
    others, public = _rows(shipped, hospital), _rows(shipped, slice(0, None, 2))
    coordinates = coordinates_of(public)
    values = coordinates.of(others.people)
    values = rng.multivariate_normal(values.mean(axis=0), np.cov(values.T), 50_000)
    truth = moments_of(values, np.inf, rng)
    moments = PrivateMoments(1.0, np.zeros(values.shape[1]), np.eye(values.shape[1]), 0, 0, 0)
    population = public
    if epsilon is not None:
        moments = moments_of(values[:n], epsilon, rng)
        population = adapted(public, moments)
    sides = [p.people[:, coordinates.columns] for p in (others, population)]
    n_compared = min(arguments.n_compared, *map(len, sides))
    sides = [side[rng.permutation(len(side))[:n_compared]] for side in sides]
    row = {
        "mean": float(np.linalg.norm(moments.mean - truth.mean)),
        "covariance": float(np.linalg.norm(moments.covariance - truth.covariance)),
        "AUC": two_sample_auc(*sides, random_state=arguments.seed),
        "membership": 0.5,
        "strips": None,
    }
    if epsilon is not None:
        row["membership"] = membership_auc(values, epsilon, n, rng)
    if arguments.strips and n in (300, 1500) and epsilon in (4.0, np.inf, None):
        # The same draws in all settings, so that these differ by the population only.
        pair = [
            strips(p, N_STRIPS, np.random.default_rng(arguments.seed))
            for p in (others, population)
        ]
        row["strips"] = two_sample_auc(*pair, random_state=arguments.seed)
    return row


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--strips", action="store_true", help="also compare strips")
    parser.add_argument("--n-compared", type=int, default=N_COMPARED)
    parser.add_argument(
        "--n", type=int, nargs="+", default=[20, 100, 300, 1500, 5000, 20000], help="people"
    )
    arguments = parser.parse_args(argv)
    budgets = (1.0, 4.0, 10.0, np.inf, None)
    if arguments.quick:
        arguments.n, arguments.n_compared, budgets = [100], 60, (4.0, None)
    print_header(arguments)
    results = Results(arguments.out)
    rows = []
    for n in arguments.n:
        for epsilon in budgets:
            key = {"n": n, "epsilon": str(epsilon), "seed": arguments.seed}
            key |= {"strips": arguments.strips, "quick": arguments.quick}
            row = results.measure(key, lambda n=n, e=epsilon: figures(n, e, arguments))
            names = ["mean", "covariance", "AUC", "strips", "membership"]
            rows.append([n, str(epsilon).lower(), *(row[name] for name in names)])
    print(table(["people", "epsilon", *names], rows), flush=True)
    return results.rows


if __name__ == "__main__":
    main()
