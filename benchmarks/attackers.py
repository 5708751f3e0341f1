"""How well each attacker names originals, and what tricks that destroy nothing do to it.

    python benchmarks/attackers.py [--data-home DIR] [--attackers lda session ...]
        [--protocols mitdb same-day across-day] [--controls] [--seed 0]

mitdb: first 45 % of each record against the last 45 %, in records of 60 s, 47 subjects.
same-day: ECG-ID, rec_1 of each person against the next recording of the same date.
across-day: ECG-ID, everybody's first date against the later dates of 20 persons; two of them
own 37 of the 83 probes, so that the mean over persons stands beside that over recordings.
Whole recordings are the evidence where "50" stands for ECG-ID: they hold 15 to 50 beats.
Rank-1 in % is the mean over persons, its 95 % interval from a bootstrap over them.
"""

import argparse
import time

import numpy as np
from scipy.signal import resample

from sklearn_ecganon import QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.datasets import fetch_ecgid, fetch_mitdb, time_split

EVIDENCE = {"mitdb": (1, 20, 50), "same-day": (1, 5, 50), "across-day": (1, 5, 50)}


def there_and_back(beats):
    """Resample beats to three quarters of their rate, and back."""
    n_times = beats.shape[-1]
    return resample(resample(beats, n_times * 3 // 4, axis=-1), n_times, axis=-1)


CONTROLS = {
    "gain x 1.3": lambda beats: 1.3 * beats,
    "shift by 25 samples": lambda beats: np.roll(beats, 25, axis=-1),
    "offset of 0.2 mV": lambda beats: beats + 0.2,
    "polarity flip": lambda beats: -beats,
    "resampled there and back": there_and_back,
}


class Control:
    """A release that changes every beat alike."""

    def __init__(self, change):
        self.change = change

    def transform(self, X):
        """Return X changed."""
        return X.with_beats(self.change(X.beats))


def protocol(name, data_home):
    """Return beats, and subject and session of each record."""
    if name == "mitdb":
        records = time_split(fetch_mitdb(data_home=data_home).data)
        sessions = [record.session for record in records]
    else:
        records = fetch_ecgid(data_home=data_home).data
        records.sort(key=lambda r: (r.subject, int(r.name.rpartition("_")[2])))
        sessions = [record.session for record in records]
        if name == "same-day":
            records, sessions = first_two_of_a_day(records)
    beats = QRSSegmenter(leads=[0]).fit_transform(records)
    return beats, np.array([record.subject for record in records]), np.array(sessions)


def first_two_of_a_day(records):
    """Return everybody's first recording and the next of that date, and their order."""
    own = {}
    for record in records:
        kept = own.setdefault(record.subject, [])
        if len(kept) < 2 and (not kept or kept[0].session == record.session):
            kept.append(record)
    pairs = [(record, str(i)) for kept in own.values() for i, record in enumerate(kept)]
    return [record for record, _ in pairs], [order for _, order in pairs]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home")
    parser.add_argument(
        "--attackers",
        nargs="+",
        default=["template", "lda", "trees", "small-conv", "siamese", "session"],
    )
    parser.add_argument("--protocols", nargs="+", default=list(EVIDENCE), choices=EVIDENCE)
    parser.add_argument("--controls", action="store_true", help="retrains for each of five")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.protocols:
        beats, y, sessions = protocol(name, arguments.data_home)
        most = max(EVIDENCE[name])
        print(f"\n{name}: {len(set(y))} subjects, {len(beats)} records, seed {arguments.seed}")
        for attacker in arguments.attackers:
            judge = ReidentificationScorer(
                [attacker],
                knowledge=["ignorant"],
                evidence=EVIDENCE[name],
                n_views=1,
                min_original=0,
                random_state=arguments.seed,
            )
            start = time.perf_counter()
            result = judge.evaluate("passthrough", beats, y, sessions=sessions)
            seconds = time.perf_counter() - start
            rows = [row for row in result.rows if row.knowledge == "original"]
            cells = [
                f"{row.evidence}: {100 * row.rank1:.1f} [{100 * row.low:.1f}, "
                f"{100 * row.high:.1f}], of probes {100 * row.rank1_probes:.1f}"
                for row in rows
            ]
            print(f"  {attacker:<12}" + " | ".join(cells) + f" | {seconds:.0f} s", flush=True)
            if not arguments.controls:
                continue
            judge.set_params(knowledge=["semi-informed"])
            for control, change in CONTROLS.items():
                result = judge.evaluate(Control(change), beats, y, sessions=sessions)
                by = {row.knowledge: row.rank1 for row in result.rows if row.evidence == most}
                difference = 100 * (by["semi-informed"] - by["original"])
                print(f"    {control:<26}{difference:+.1f} points, {most} beats", flush=True)


if __name__ == "__main__":
    main()
