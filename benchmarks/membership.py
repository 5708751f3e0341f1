"""Find out who was in the training data of a population, by its size and with epsilon.

    OMP_NUM_THREADS=1 python -m benchmarks.membership [--people 20 50 100 300] [--views 10]

500 people of PTB-XL (300) and LUDB (200), 12 leads, 10 s at 100 Hz. 200 of them are in no
training: half of these are public, half are the non-members. PTB-XL alone has too few people
for 300 members. Populations are learned from n of the others: from nothing (no epsilon), or
by adaptation of the shipped one with epsilon = 4 and delta = 1e-5. ``recipe`` learns from all
300 and from MIT-BIH as the shipped weights do. The shipped file itself was learned from all of
these people, so that nobody of the same source is left to be a non-member.

The attackers see lead II. Each public person is released `views` times by the population. The
beats are attacked by `MembershipInferenceScorer`. The strips of 10 s are attacked likewise, in
the coordinates of `strip_embedding`: is a person nearer to the released strips than to the
public ones? Worst: the largest AUC of the three attacks, with its 95 % interval over people.
Blind: AUC of the distance to public people alone, which must not succeed. p: how often the
larger of both attacks on beats is as high if members are drawn at random.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from benchmarks._results import QUICK, Results, make_parser, print_header, table
from sklearn_ecganon import BeatSet, PseudoIdentityAnonymizer, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers import TrainingSource
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import fetch_ludb, load_protocol
from sklearn_ecganon.metrics import auc_interval, strip_embedding
from sklearn_ecganon.segmentation import stitch_record
from tools.train_pseudo_identity import WINDOW_MS, load_source, only_lead

RATE = 100.0
DELTA = 1e-5
N_OTHERS = 200  # people who are in no training
RECIPE = "recipe"


def load_people(arguments: Namespace) -> list[BeatSet]:
    """Return the beats of both databases in one layout, one record for each person."""
    if arguments.quick:
        sources = [
            make_ecg_records(
                **QUICK | {"n_subjects": 24}, n_leads=12, n_sessions=1, random_state=s
            )
            for s in (0, 1)
        ]
        records = [bunch.data for bunch in sources]
    else:
        ptbxl = load_protocol("ptbxl-300", data_home=arguments.data_home).records
        ludb = fetch_ludb(data_home=arguments.data_home, true_amplitudes=True).data
        records = [ptbxl, ludb]
    leads = records[0][0].lead_names
    segmenter = QRSSegmenter(window=WINDOW_MS, sampling_rate=RATE, leads=leads, on_error="mask")
    beats = [segmenter.fit_transform(of_database) for of_database in records]
    return [one[np.flatnonzero(one.n_beats)] for one in beats]


def divide(
    people: Sequence[BeatSet], n: int, arguments: Namespace
) -> tuple[list[BeatSet], BeatSet]:
    """Return n members of each database in proportion, and those who are in no training."""
    n_all = sum(map(len, people))
    fraction_out = (n_all // 2 if arguments.quick else N_OTHERS) / n_all
    members, others = [], []
    rng = np.random.default_rng(arguments.seed)
    for beats in people:
        order = rng.permutation(len(beats))
        n_out = round(fraction_out * len(beats))
        others.append(beats[order[:n_out]])
        n_in = round(n * len(beats) / n_all)
        members.append(beats[order[n_out : n_out + n_in]])
    return members, BeatSet.concatenate(others)


def population(
    members: Sequence[BeatSet], epsilon: float | None, arguments: Namespace, *, recipe: bool
) -> PseudoIdentityAnonymizer:
    """Return an anonymizer that has learned from the members."""
    if epsilon is None:
        sources = [TrainingSource(beats) for beats in members]
        if recipe:
            sources.append(load_source("mitdb", arguments))
        return PseudoIdentityAnonymizer(random_state=arguments.seed).fit_sources(sources)
    beats = BeatSet.concatenate(members)
    model = PseudoIdentityAnonymizer(
        epsilon=epsilon, delta=DELTA, random_state=arguments.seed
    ).fit(beats, np.arange(len(beats)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        model.save_weights(path)
        return PseudoIdentityAnonymizer.from_pretrained(
            weights=path, random_state=arguments.seed
        )


def strips_of(beats: BeatSet) -> NDArray[np.float64]:
    """Return the embedded strip of each record."""
    records = [stitch_record(beats, i) for i in range(len(beats))]
    n_times = min(len(record.signal) for record in records)
    strips = np.stack([record.signal[:n_times].T for record in records])
    return strip_embedding(np.nan_to_num(strips), RATE)


def strip_scores(
    candidates: BeatSet, released: NDArray[np.float64], public: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much nearer each person is to released strips than to public ones."""
    scale = StandardScaler().fit(public)
    rows = scale.transform(strips_of(candidates))
    near, far = (
        NearestNeighbors(n_neighbors=1)
        .fit(scale.transform(reference))
        .kneighbors(rows)[0][:, 0]
        for reference in (released, public)
    )
    return np.log(far) - np.log(near)


def figures(
    people: Sequence[BeatSet], n: int | str, epsilon: float | None, arguments: Namespace
) -> dict[str, Any]:
    """Return the figures of one population."""
    n_members = max(arguments.people) if isinstance(n, str) else n
    members, others = divide(people, n_members, arguments)
    model = population(members, epsilon, arguments, recipe=n == RECIPE)
    inside, outside = (only_lead(b, "II") for b in (BeatSet.concatenate(members), others))
    names = [f"other {i}" for i in range(len(outside))]
    scorer = MembershipInferenceScorer(random_state=arguments.seed).fit(outside, names)
    is_public = np.isin(names, scorer.public_subjects_)
    public = outside[np.flatnonzero(is_public)]
    views = [
        model.resalt(arguments.seed + view).transform(public) for view in range(arguments.views)
    ]
    generated = BeatSet.concatenate(views)
    result = scorer.evaluate(generated, inside, [f"member {i}" for i in range(len(inside))])
    strips = strips_of(generated), strips_of(public)
    scores = [
        strip_scores(side, *strips) for side in (inside, outside[np.flatnonzero(~is_public)])
    ]
    of_strips = auc_interval(*scores, random_state=arguments.seed)
    by_beats = result.worst
    attacks = [
        (by_beats.auc, by_beats.low, by_beats.high, by_beats.attack),
        (of_strips.value, of_strips.low, of_strips.high, "strips"),
    ]
    auc, low, high, attack = max(attacks)
    return {
        **{row.attack: row.auc for row in result.rows},
        "strips": of_strips.value,
        "worst": auc,
        "low": low,
        "high": high,
        "by": attack,
        "blind": result.blind.auc,
        "p": result.p_value,
        "members": len(inside),
        "others": int((~is_public).sum()),
    }


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[20, 50, 100, 300])
    parser.add_argument("--views", type=int, default=10, help="releases of each public person")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.people, arguments.views = [12], 1
    print_header(arguments)
    people = load_people(arguments)
    results = Results(arguments.out)
    settings: list[tuple[int | str, float | None]] = [
        (n, epsilon) for n in arguments.people for epsilon in (None, 4.0)
    ]
    settings.append((RECIPE, None))
    columns = ["nearest", "density", "strips", "worst", "low", "high", "by", "blind", "p"]
    rows = []
    for n, epsilon in settings:
        key = {"n": n, "epsilon": epsilon, "views": arguments.views}
        key |= {"seed": arguments.seed, "quick": arguments.quick}
        row = results.measure(key, lambda n=n, e=epsilon: figures(people, n, e, arguments))
        rows.append([n, epsilon, row["members"], *(row[column] for column in columns)])
    print(table(["people", "epsilon", "members", *columns], rows), flush=True)
    return results.rows


if __name__ == "__main__":
    main()
