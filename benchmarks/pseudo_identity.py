"""What the shipped pseudo-identities leave to attackers, and what they keep for use.

    OMP_NUM_THREADS=1 python benchmarks/pseudo_identity.py [--data-home DIR]
        [--parts ladder utility speed ecgid front] [--contracts diagnostic measurement]
        [--weights FILE] [--seed 0]

ladder   MIT-BIH, 47 subjects, 60 s records of the first 45 % of each recording against the
         last 45 %: waveform, rhythm and both, informed attackers retrain; the contract's
         floor beside it. Closed: the shipped model has seen these subjects. Open: give
         ``--weights`` of ``train_pseudo_identity.py --leave-out mitdb``.
ecgid    ECG-ID, same day and across days.
utility  beat classes (DS1/DS2, train and test on real and synthetic), R peaks found again,
         categories and intervals kept, two-sample AUC of beats.
speed    beats a second.
front    worst rank-1 by strength.
"""

import argparse
import time
from dataclasses import replace
from datetime import date

import numpy as np

from sklearn_ecganon import QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.contracts import measure
from sklearn_ecganon.datasets import fetch_ecgid, fetch_mitdb
from sklearn_ecganon.metrics import precision_recall_density_coverage, two_sample_auc
from sklearn_ecganon.model_selection import time_split
from sklearn_ecganon.utility import DS1, DS2, BeatClassUtility, DetectionUtility

PANEL = ["default"]
N_BEATS = 40  # of a record and class, in two-sample tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument("--parts", nargs="+", default=["ladder", "utility", "speed"])
    parser.add_argument("--contracts", nargs="+", default=["diagnostic", "measurement"])
    parser.add_argument("--attackers", nargs="+", default=PANEL)
    parser.add_argument("--weights")
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if len(arguments.attackers) == 1:
        [arguments.attackers] = arguments.attackers  # a panel, or one attacker
    parts = {
        "ladder": ladder,
        "ecgid": ecgid,
        "utility": utility,
        "speed": speed,
        "front": front,
    }
    for contract in arguments.contracts:

        def model(strength=1.0, contract=contract):
            return PseudoIdentityAnonymizer.from_pretrained(
                strength,
                weights=arguments.weights,
                contract=contract,
                random_state=arguments.seed,
            )

        for part in arguments.parts:
            start = time.perf_counter()
            print(f"\n{date.today()}, {part}, contract {contract!r}, seed {arguments.seed}")
            parts[part](model, arguments)
            print(f"({time.perf_counter() - start:.0f} s)", flush=True)


def minutes(data_home):
    records = time_split(fetch_mitdb(data_home=data_home).data)
    beats = QRSSegmenter("annotated", leads=[0]).fit_transform(records)
    subjects = np.array([record.subject for record in records])
    return beats, subjects, np.array([record.session for record in records])


def ladder(model, arguments):
    beats, subjects, sessions = minutes(arguments.data_home)
    judge = ReidentificationScorer(
        arguments.attackers,
        contract=model().contract,
        n_jobs=arguments.n_jobs,
        random_state=arguments.seed,
    )
    print(judge.evaluate(model(), beats, subjects, sessions=sessions))


def front(model, arguments):
    beats, subjects, sessions = minutes(arguments.data_home)
    judge = ReidentificationScorer(
        ["lda", "trees"], knowledge=["semi-informed"], random_state=arguments.seed
    )
    for strength in (0.25, 0.5, 0.75, 1.0):
        worst = judge.evaluate(model(strength), beats, subjects, sessions=sessions).worst
        print(f"strength {strength}: {100 * worst.rank1:.1f} %, EER {100 * worst.eer:.1f} %")


def ecgid(model, arguments):
    bunch = fetch_ecgid(data_home=arguments.data_home)
    beats = QRSSegmenter(leads=[0]).fit_transform(bunch.data)
    dates = np.asarray(bunch.session)
    earliest = {s: np.sort(dates[bunch.subject == s])[0] for s in np.unique(bunch.subject)}
    first = dates == np.array([earliest[s] for s in bunch.subject])
    judge = ReidentificationScorer(
        arguments.attackers,
        contract=model().contract,
        min_original=0.8,
        split="session",
        n_jobs=arguments.n_jobs,
        random_state=arguments.seed,
    )
    print("across days")
    print(judge.evaluate(model(), beats, bunch.subject, sessions=dates))
    same = np.flatnonzero(first)
    several = [s for s in np.unique(bunch.subject) if (bunch.subject[same] == s).sum() > 1]
    same = same[np.isin(bunch.subject[same], several)]
    print("same day")
    print(judge.set_params(split="time").evaluate(model(), beats[same], bunch.subject[same]))


def utility(model, arguments):
    names = [*DS1, *DS2]
    bunch = fetch_mitdb(data_home=arguments.data_home, records=names)
    before = QRSSegmenter("annotated").fit_transform(bunch.data)
    after = model().transform(before)
    for judge in ("conv", "forest"):
        figures = BeatClassUtility(judge).evaluate(before, after)
        shown = {k: round(v, 3) for k, v in figures.items() if k.endswith("macro_f1")}
        print(judge, shown)
    found = DetectionUtility().evaluate(before, after)
    print({k: round(v, 4) for k, v in found.items() if "f1" in k})
    old, new = measure(before), measure(after)
    kept, said = old.categories(), new.categories()
    print("categories kept", {k: round(float(np.mean(kept[k] == said[k])), 3) for k in kept})
    a, b = old.medians(), new.medians()
    print("median error", {k: round(float(np.nanmedian(abs(a[k] - b[k]))), 3) for k in a})
    for kind in ("N", "V"):
        real, made = (sample(x, kind, arguments.seed) for x in (before, after))
        auc = two_sample_auc(real[0], made[0], real[1], made[1], random_state=arguments.seed)
        print(f"two-sample AUC of {kind} beats: {auc:.3f}")
    usual = [
        np.array([np.median(x.beats[(x.record == i) & (x.labels == "N")], axis=0)
                  for i in range(len(x)) if ((x.record == i) & (x.labels == "N")).any()])
        for x in (before, after)
    ]  # fmt: skip
    print("usual beats", precision_recall_density_coverage(*usual))


def sample(beats, kind, seed):
    rng, rows = np.random.default_rng(seed), []
    for i in range(len(beats)):
        own = np.flatnonzero((beats.record == i) & (beats.labels == kind))
        rows.append(rng.permutation(own)[:N_BEATS])
    rows = np.concatenate(rows)
    return beats.beats[rows], beats.record[rows]


def speed(model, arguments):
    bunch = fetch_mitdb(data_home=arguments.data_home)
    beats = QRSSegmenter("annotated", leads=[0]).fit_transform(bunch.data)
    beats = replace(beats, beats=np.ascontiguousarray(beats.beats))
    fitted, start = model(), time.perf_counter()
    fitted.transform(beats)
    seconds = time.perf_counter() - start
    print(f"{len(beats.beats)} beats of one lead in {seconds:.1f} s")


if __name__ == "__main__":
    main()
