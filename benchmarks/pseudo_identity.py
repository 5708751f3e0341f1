"""What the shipped pseudo-identities leave to attackers, and what they keep for use.

    OMP_NUM_THREADS=1 python benchmarks/pseudo_identity.py [--data-home DIR]
        [--parts ladder utility salts speed ecgid front channels]
        [--contracts diagnostic measurement] [--weights FILE] [--seed 0]

ladder   MIT-BIH, 47 subjects, 60 s records of the first 45 % of each recording against the
         last 45 %: waveform, rhythm and both, informed attackers retrain; the contract's
         floor beside it. Closed: the shipped model has seen these subjects. Open: give
         ``--weights`` of ``train_pseudo_identity.py --leave-out mitdb``.
ecgid    ECG-ID, same day and across days.
utility  beat classes (DS1/DS2, train and test on real and synthetic), R peaks found again,
         categories and intervals kept, two-sample AUC of beats.
salts    the same for a forest, over five salts: how much depends on the draw.
speed    beats a second.
front    worst rank-1 (waveform) and share of the contract kept, by strength.
channels what level, wander, noise, size, jitter and polarity give away, each alone.
"""

import argparse
import time
from dataclasses import replace
from datetime import date

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from sklearn_ecganon import QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.contracts import measure
from sklearn_ecganon.datasets import DS1, DS2, fetch_ecgid, fetch_mitdb, time_split
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.metrics import precision_recall_density_coverage, two_sample_auc
from sklearn_ecganon.utility import (
    BeatClassUtility,
    DetectionUtility,
)

PANEL = ["default"]
N_EVIDENCE = 50  # beats of a probe, where one channel is looked at
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
        "channels": channels,
        "salts": salts,
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
        release = judge.release(model(strength), beats, subjects, sessions=sessions)
        evaluation = evaluate(release, judge)
        worst = evaluation.worst
        print(
            f"strength {strength}: {100 * worst.rank1:.1f} %, EER {100 * worst.eer:.1f} %, "
            f"contract kept {evaluation.utility:.3f}",
            flush=True,
        )


def channels(model, arguments):
    """Print what each residual channel alone gives away, before and after."""
    beats, subjects, sessions = minutes(arguments.data_home)
    early = sessions == "1 early"
    gallery, probes = np.flatnonzero(early), np.flatnonzero(~early)
    release = model()
    views = [release.resalt(1000 + s).transform(beats[gallery]) for s in range(3)]
    released = release.transform(beats[probes])
    print(f"{'channel':<10}{'original':>9}{'released':>9}   rank-1 in %, {N_EVIDENCE} beats")
    for name in residuals(beats[:1]):
        before = one_channel(name, [beats[gallery]], beats[probes], subjects, early)
        after = one_channel(name, views, released, subjects, early)
        print(f"{name:<10}{100 * before:9.1f}{100 * after:9.1f}")


def residuals(beats):
    """Return numbers of each beat that tell of electrode and device: (n_beats, n_numbers)."""
    windows, rate = beats.beats[:, 0], beats.sampling_rate
    middle = windows.shape[1] // 2
    level = np.median(windows, axis=1)
    step = np.diff(level, prepend=level[0])
    quiet = np.diff(windows[:, middle - round(0.33 * rate) : middle - round(0.24 * rate)])
    spread = quiet.std(axis=1) + 1e-6
    colour = (quiet[:, 1:] * quiet[:, :-1]).mean(axis=1) / spread**2
    a, b, c = np.abs(windows[:, middle - 1 : middle + 2] - level[:, np.newaxis]).T
    bend = a - 2 * b + c
    offset = np.where(np.abs(bend) > 1e-9, (a - c) / (2 * np.where(bend, bend, 1)), 0)
    columns = {
        "baseline": [level],
        "wander": [step, np.abs(step)],
        "noise": [np.log(spread), colour],
        "size": [np.log(np.ptp(windows, axis=1))],
        "jitter": [offset.clip(-1, 1)],
        "polarity": [np.sign(windows[:, middle] - level)],
    }
    return {name: np.stack(values, axis=1) for name, values in columns.items()}


def one_channel(name, views, probes, subjects, early):
    """Return the share of subjects' probes that trees name from one channel."""
    known, asked = subjects[early], subjects[~early]
    trees = ExtraTreesClassifier(100, min_samples_leaf=5, random_state=0)
    trees.fit(
        np.concatenate([residuals(view)[name] for view in views]),
        np.concatenate([known[view.record] for view in views]),
    )
    scores = np.log(trees.predict_proba(residuals(probes)[name]) + 1e-3)
    right = []
    for i, subject in enumerate(asked):
        own = scores[probes.record == i][:N_EVIDENCE]
        right.append(trees.classes_[own.sum(axis=0).argmax()] == subject)
    return float(np.mean([np.mean(np.array(right)[asked == s]) for s in np.unique(asked)]))


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


def salts(model, arguments):
    before, rows = classified(arguments.data_home), []
    for salt in range(5):
        after = model().resalt(arguments.seed + salt).transform(before)
        rows.append(BeatClassUtility("forest").evaluate(before, after))
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:<26}{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}")


def classified(data_home):
    bunch = fetch_mitdb(data_home=data_home, records=[*DS1, *DS2])
    return QRSSegmenter("annotated").fit_transform(bunch.data)


def utility(model, arguments):
    before = classified(arguments.data_home)
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
    real = usual[0]
    print("real against real", precision_recall_density_coverage(real[::2], real[1::2]))


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
