"""Train the shipped pseudo-identities, and measure how much they memorize.

    OMP_NUM_THREADS=1 python -m tools.train_pseudo_identity [--out FILE] [--epochs 10]

The script trains `PseudoIdentityAnonymizer` on MIT-BIH (48 recordings, 2 leads, AAMI classes),
LUDB (200 persons, 12 leads) and ECG-ID (90 persons, lead I), writes the weights without a salt,
and prints losses, sizes, and the distances of sampled identities to training records and to
each other.

``--leave-out mitdb`` trains without a database, for the open figures of
`benchmarks.pseudo_identity`. ``--membership ecgiddb`` measures memorization: it
trains in the same way, but on a random half of the people of one database, and then attacks
person by person.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks._results import QUICK, make_parser, print_header
from sklearn_ecganon import BeatSet, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer, TrainingSource
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import fetch_ecgid, fetch_ludb, fetch_mitdb

LEADS = ("MLII", "V1", "II", "I", "V5", "V2", "V4", "V3", "V6")
# The files of LUDB scale each lead to about the same amplitude. The amplitudes of leads in mV
# are learned from the other databases, except for these, which have typical values.
AMPLITUDES = {"II": 1.5, "V3": 1.9, "V6": 1.5}
DATABASES = ("mitdb", "ludb", "ecgiddb")


def load_source(name: str, arguments: argparse.Namespace) -> TrainingSource:
    """Return a database and what it may teach, or with ``--quick`` a synthetic stand-in."""
    n_leads = {"mitdb": 2, "ludb": 12, "ecgiddb": 1}[name]
    home = arguments.data_home
    if arguments.quick:
        settings = QUICK | {"random_state": DATABASES.index(name), "n_sessions": 1}
        bunch = make_ecg_records(**settings, n_leads=n_leads)
    elif name == "mitdb":
        bunch = fetch_mitdb(data_home=home)
    elif name == "ludb":
        bunch = fetch_ludb(data_home=home)
    else:
        bunch = fetch_ecgid(data_home=home, filtered=True)
    if name == "mitdb":
        # Half an hour of a person has a larger weight than ten seconds.
        beats = QRSSegmenter("annotated").fit_transform(bunch.data)
        return TrainingSource(beats, bunch.subject, weight=2.0)
    # The baseline of the filtered recordings of ECG-ID is not that of raw recordings.
    teaches = {"ludb": (), "ecgiddb": ("amplitude",)}[name]
    beats = QRSSegmenter().fit_transform(bunch.data)
    return TrainingSource(beats, bunch.subject, teaches=teaches)


def train(sources: list[TrainingSource], arguments: argparse.Namespace) -> Any:
    """Return the fitted model."""
    model = PseudoIdentityAnonymizer(max_epochs=arguments.epochs, random_state=arguments.seed)
    return model.fit_sources(sources, leads=LEADS, amplitudes=AMPLITUDES)


def measure_membership(arguments: argparse.Namespace, names: list[str]) -> list[dict[str, Any]]:
    """Print whether members of the training data can be distinguished from other people."""
    sources = {name: load_source(name, arguments) for name in names}
    source = sources[arguments.membership]
    subjects = np.asarray(source.subjects)
    people = np.unique(subjects)
    rng = np.random.default_rng(arguments.seed)
    members = np.isin(subjects, rng.permutation(people)[: len(people) // 2])
    sources[arguments.membership] = replace(
        source, beats=source.beats[np.flatnonzero(members)], subjects=subjects[members]
    )
    model = train(list(sources.values()), arguments)
    beats = first_lead(source.beats)
    scorer = MembershipInferenceScorer(random_state=arguments.seed)
    scorer.fit(beats[np.flatnonzero(~members)], subjects[~members])
    result = scorer.evaluate(model, beats[np.flatnonzero(members)], subjects[members])
    print(result)
    return [row._asdict() for row in result.rows]


def first_lead(beats: BeatSet) -> BeatSet:
    """Return the first lead of each record."""
    return replace(
        beats,
        beats=np.ascontiguousarray(beats.beats[:, :1]),
        lead_names=tuple(names[:1] for names in beats.lead_names),
    )


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--leave-out", nargs="*", default=[], choices=DATABASES)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--membership", choices=DATABASES)
    arguments = parser.parse_args(argv)
    n_draws = 100_000
    if arguments.quick:
        arguments.epochs, n_draws = 1, 200
    print_header(arguments)
    names = [name for name in DATABASES if name not in arguments.leave_out]
    if arguments.membership:
        return measure_membership(arguments, names)
    sources = [load_source(name, arguments) for name in names]
    start = perf_counter()
    model = train(sources, arguments)
    losses = model.history_["train_loss"]
    print(
        f"{', '.join(names)}: {sum(len(source.beats) for source in sources)} records, trained "
        f"in {perf_counter() - start:.0f} s; losses {', '.join(f'{x:.0f}' for x in losses)}"
    )
    figures = model.draw_distances(sources, n_draws, arguments.seed)
    for name, value in figures.items():
        print(f"{name:<28}{value:.5f}")
    if arguments.out:
        model.save_weights(arguments.out)
        loaded = PseudoIdentityAnonymizer.from_pretrained(weights=arguments.out)
        released = loaded.transform(sources[0].beats[:1])
        print(
            f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB; it releases "
            f"{len(released.beats)} beats of {released.n_leads} lead(s) of one record"
        )
    return [{"final loss": float(losses[-1]), **figures}]


if __name__ == "__main__":
    main()
