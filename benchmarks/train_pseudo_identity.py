"""Train the model that comes with the package, and say what it remembers of whom.

    OMP_NUM_THREADS=1 python benchmarks/train_pseudo_identity.py [--data-home DIR] [--out FILE]

Trains `PseudoIdentityAnonymizer` on MIT-BIH (48 records, 2 leads, AAMI classes), LUDB (200
persons, 12 leads) and ECG-ID (90 persons, lead I), writes the weights without a salt, and
prints losses, sizes, how near draws come to training records and to each other.

``--leave-out mitdb`` trains without a database: the open figures of `pseudo_identity.py`.

``--membership ecgiddb`` asks instead what a model remembers of whom: it trains in the same way,
but on half of the people of one database, drawn by the seed, and attacks person by person.
"""

import argparse
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.anonymizers._pseudo_identity._cycles import (
    MODEL_RATE,
    NORMAL,
    window_times,
)
from sklearn_ecganon.anonymizers._pseudo_identity._population import (
    Hearts,
    draw_norm,
)
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import fetch_ecgid, fetch_ludb, fetch_mitdb

CHANNELS = ("MLII", "V1", "II", "I", "V5", "V2", "V4", "V3", "V6")
# LUDB's files have each lead scaled to about the same height. What a lead measures in mV
# is taken from the other databases, or from these usual heights.
USUAL_MV = {"II": 1.5, "V3": 1.9, "V6": 1.5}


def sources(data_home, names):
    """Yield name, beats, and the person of each record."""
    if "mitdb" in names:
        bunch = fetch_mitdb(data_home=data_home)
        yield "mitdb", QRSSegmenter("annotated").fit_transform(bunch.data), bunch.subject
    if "ludb" in names:
        bunch = fetch_ludb(data_home=data_home)
        yield "ludb", QRSSegmenter().fit_transform(bunch.data), bunch.subject
    if "ecgiddb" in names:
        bunch = fetch_ecgid(data_home=data_home, filtered=True)
        yield "ecgiddb", QRSSegmenter().fit_transform(bunch.data), bunch.subject


def empty_model(parameters):
    model = PseudoIdentityAnonymizer(**parameters)
    model.channels_ = CHANNELS
    model.times_ = window_times(round(0.8 * MODEL_RATE), MODEL_RATE)
    model.sampling_rate_ = model.n_times_ = model.n_leads_ = None
    return model


def gather(data_home, names, keep=None):
    """Return the hearts of several databases; `keep` chooses records by database and name."""
    model, parts = empty_model({}), []
    for name, beats, persons in sources(data_home, names):
        chosen = np.arange(len(beats))
        if keep is not None:
            chosen = np.flatnonzero([keep(name, record) for record in beats.names])
        hearts = model._hearts(beats[chosen], np.asarray(persons)[chosen])
        if name != "mitdb":  # without labels: what is not normal there may be an artefact
            hearts = hearts.of_beats(hearts.kinds == NORMAL)
        if name == "ludb":
            hearts.size[:] = hearts.level[:] = hearts.wander[:] = np.nan
        if name == "ecgiddb":  # filtered: its noise is not that of a recording
            hearts.level[:] = hearts.wander[:] = np.nan
        if name == "mitdb":
            hearts.weight *= 2.0  # half an hour says more than ten seconds
        parts.append(hearts)
    return Hearts.concatenate(parts)


def train(hearts, seed, **parameters):
    model = empty_model({"random_state": seed, **parameters})
    model.salt_ = np.zeros(16, dtype=np.uint8)  # is not written
    model._learn(hearts, seed)
    sizes = model.population_["size"]
    for lead, height in USUAL_MV.items():
        sizes[0, CHANNELS.index(lead)] = np.log(height)
    return model


def say_distances(model, hearts, n_draws, seed):
    """Print how near draws are to training records, and to each other."""
    population = model.population_
    latents = model._encode(hearts.rows)
    norms = np.array(
        [
            latents[(hearts.record == i) & (hearts.kinds == 0)].mean(axis=0)
            for i in np.unique(hearts.record[hearts.kinds == 0])
        ]
    )
    rng = np.random.default_rng(seed)
    said = hearts.categories[rng.integers(len(hearts.weight), size=n_draws)]
    draws = np.array([draw_norm(population, s, rng) for s in said])
    unit = np.linalg.inv(population["distance"]).T
    norms, draws = norms @ unit, draws @ unit
    scale = np.sqrt(2 * norms.shape[1])
    nearest = np.concatenate(
        [cdist(part, norms).min(axis=1) for part in np.array_split(draws, 100)]
    )
    among = cdist(norms, norms) / scale
    np.fill_diagonal(among, np.inf)
    pairs = cdist(draws[:4000], draws[4000:8000]) / scale
    nearest /= scale
    print(
        f"{n_draws} draws: nearest training norm at {nearest.min():.2f} (smallest), "
        f"{np.median(nearest):.2f} (median); training records among each other: nearest at "
        f"{np.median(among.min(axis=1)):.2f} (median); share of draws nearer than 0.6 to a "
        f"training record: {(nearest < 0.6).mean():.5f}; share of pairs of draws nearer than "
        f"0.6: {(pairs < 0.6).mean():.2e}"
    )


def membership(data_home, names, database, epochs, seed):
    """Print whether people of a database can be told from those the model has not seen."""
    [(_, beats, persons)] = sources(data_home, [database])
    people = np.unique(persons)
    members = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
    seen = np.isin(persons, members)
    known = {name for name, own in zip(beats.names, seen, strict=True) if own}
    hearts = gather(data_home, names, lambda source, name: source != database or name in known)
    model = train(hearts, seed, max_epochs=epochs)
    judge = MembershipInferenceScorer(random_state=seed)
    one_lead = first_lead(beats)
    judge.fit(one_lead[np.flatnonzero(~seen)], persons[~seen])
    print(judge.evaluate(model, one_lead[np.flatnonzero(seen)], persons[seen]))


def first_lead(beats):
    return replace(
        beats,
        beats=np.ascontiguousarray(beats.beats[:, :1]),
        lead_names=tuple(names[:1] for names in beats.lead_names),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument("--leave-out", nargs="*", default=[])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--membership", choices=["mitdb", "ludb", "ecgiddb"])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = [n for n in ("mitdb", "ludb", "ecgiddb") if n not in arguments.leave_out]
    if arguments.membership:
        print(f"{date.today()}: half of {arguments.membership}, seed {arguments.seed}")
        membership(
            arguments.data_home, names, arguments.membership, arguments.epochs, arguments.seed
        )
        return
    start = time.perf_counter()
    hearts = gather(arguments.data_home, names)
    print(
        f"{date.today()}: {', '.join(names)}: {len(hearts.weight)} records, "
        f"{len(hearts.rows)} beats, gathered in {time.perf_counter() - start:.0f} s"
    )
    start = time.perf_counter()
    model = train(hearts, arguments.seed, max_epochs=arguments.epochs)
    losses = ", ".join(f"{loss:.0f}" for loss in model.history_["train_loss"])
    print(f"trained in {time.perf_counter() - start:.0f} s; losses {losses}")
    say_distances(model, hearts, 100_000, arguments.seed)
    if arguments.out:
        model.save_weights(arguments.out)
        print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
