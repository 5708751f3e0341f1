"""Train the shipped population of synthetic people.

    OMP_NUM_THREADS=1 python -m tools.train_pseudo_identity [--out FILE] [--leave-out ...]

The script trains `PseudoIdentityAnonymizer` on PTB-XL (300 people, 12 leads, 100 Hz, diagnostic
superclasses), LUDB (200 people, 12 leads, 500 Hz) and MIT-BIH (48 recordings, 2 leads, AAMI
classes), and writes the population without a salt. ``--leave-out`` trains without a database,
``--folds`` without some of the ten folds of PTB-XL, for figures on people whom the population
does not know. ECG-ID is never used. ``--membership N`` learns from N people of PTB-XL and
attacks the population: are its members nearer to the synthetic people than 100 others?
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
from sklearn_ecganon.datasets import fetch_ludb, fetch_mitdb, load_protocol

DATABASES = ("mitdb", "ludb", "ptbxl-300")
WINDOW_MS = 1400
N_OTHERS = 100  # people who are not in an attacked population


def load_source(
    name: str, arguments: argparse.Namespace, folds: Sequence[int] = ()
) -> TrainingSource:
    """Return a database, without some folds, or with ``--quick`` a synthetic stand-in."""
    segmenter = QRSSegmenter(window=WINDOW_MS, on_error="mask")
    if arguments.quick:
        n_leads = {"mitdb": 2, "ludb": 12, "ptbxl-300": 12}[name]
        settings = QUICK | {"random_state": DATABASES.index(name), "n_sessions": 1}
        bunch = make_ecg_records(**settings, n_leads=n_leads)
        return TrainingSource(segmenter.fit_transform(bunch.data), bunch.subject)
    if name == "mitdb":
        bunch = fetch_mitdb(data_home=arguments.data_home)
        segmenter.set_params(detector="annotated")
        # Half an hour of a person has a larger weight than ten seconds.
        return TrainingSource(segmenter.fit_transform(bunch.data), bunch.subject, weight=2.0)
    if name == "ludb":
        bunch = fetch_ludb(data_home=arguments.data_home, true_amplitudes=True)
        segmenter.set_params(leads=bunch.data[0].lead_names)
        return TrainingSource(segmenter.fit_transform(bunch.data), bunch.subject)
    bunch = load_protocol(name, data_home=arguments.data_home)
    records = [
        record
        for record, fold in zip(bunch.records, bunch.folds, strict=True)
        if fold not in folds
    ]
    segmenter.set_params(leads=records[0].lead_names)
    return TrainingSource(segmenter.fit_transform(records))


def measure_membership(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Print whether the people of a small population can be told from others."""
    name = "ptbxl-300"
    source = load_source(name, arguments)
    n_members = len(source.beats) // 2 if arguments.quick else arguments.membership
    order = np.random.default_rng(arguments.seed).permutation(len(source.beats))
    members, others = order[:n_members], order[n_members : n_members + N_OTHERS]
    model = PseudoIdentityAnonymizer(random_state=arguments.seed)
    model.fit_sources([TrainingSource(source.beats[members])])
    beats = only_lead(source.beats, "II")
    scorer = MembershipInferenceScorer(random_state=arguments.seed)
    scorer.fit(beats[others], others.astype(str))
    result = scorer.evaluate(model, beats[members], members.astype(str))
    print(result)
    return [row._asdict() for row in result.rows]


def only_lead(beats: BeatSet, name: str) -> BeatSet:
    """Return one lead of all records."""
    position = beats.lead_names[0].index(name)
    return replace(
        beats,
        beats=np.ascontiguousarray(beats.beats[:, [position]]),
        lead_names=((name,),) * len(beats),
    )


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--leave-out", nargs="*", default=[], choices=DATABASES)
    parser.add_argument("--folds", nargs="*", type=int, default=[], help="of PTB-XL, left out")
    parser.add_argument("--membership", type=int, metavar="N", help="attack N people of PTB-XL")
    arguments = parser.parse_args(argv)
    print_header(arguments)
    if arguments.membership:
        return measure_membership(arguments)
    names = [name for name in DATABASES if name not in arguments.leave_out]
    start = perf_counter()
    sources = [load_source(name, arguments, arguments.folds) for name in names]
    read = perf_counter()
    model = PseudoIdentityAnonymizer(random_state=arguments.seed).fit_sources(sources)
    n_records = sum(len(source.beats) for source in sources)
    print(
        f"{', '.join(names)}: {n_records} records, read in {read - start:.0f} s, learned in "
        f"{perf_counter() - read:.0f} s; {model.n_people_} synthetic people, leads "
        f"{' '.join(model.leads_)}, statements {' '.join(model.statement_names_)}"
    )
    if arguments.out:
        model.save_weights(arguments.out)
        loaded = PseudoIdentityAnonymizer.from_pretrained(weights=arguments.out)
        print(f"wrote {arguments.out}, {arguments.out.stat().st_size / 1e6:.2f} MB")
        assert np.array_equal(loaded.leads_, model.leads_)
    return [{"n_records": float(n_records), "n_people": float(model.n_people_)}]


if __name__ == "__main__":
    main()
