"""Measure privacy and utility of the shipped pseudo-identities.

    OMP_NUM_THREADS=1 python -m benchmarks.pseudo_identity [--parts ladder utility ...]
        [--contracts diagnostic measurement] [--weights FILE] [--attackers default]

ladder   MIT-BIH in time: waveform, rhythm and both, with the floor of the contract; informed
         attackers retrain. Closed: the shipped model was trained on these subjects. Open:
         give ``--weights`` from ``tools/train_pseudo_identity.py --leave-out mitdb``.
ecgid    The same on ECG-ID, on the same day and across days.
utility  Beat classes (DS1/DS2, train and test on real and on released), R peaks detected again,
         preserved categories and intervals, two-sample AUC of beats.
salts    Beat classes by a forest over five salts: the variation between salts.
speed    Beats per second.
front    Worst rank-1 (waveform) and the fraction of the contract that is kept, by strength.
fibrillation
         P waves in one minute of annotated atrial fibrillation of MIT-BIH, up to three for each
         episode: height of the mean beat before the QRS, and how often no P wave is found.
channels Rank-1 from baseline, wander, noise, amplitude, jitter and polarity, each alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils import Bunch

from benchmarks._results import Results, load, make_parser, print_header
from sklearn_ecganon import BeatSet, QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.contracts import NO_P_WAVE, measure
from sklearn_ecganon.datasets import fetch_mitdb, get_data_home
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.metrics import precision_recall_density_coverage, two_sample_auc
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.releases import Release
from sklearn_ecganon.utility import BeatClassUtility, DetectionUtility

EVIDENCE = 50  # beats of a probe, for attackers on one channel
N_BEATS = 40  # of a record and class, in two-sample tests
N_FOLDS = 5  # of records, in two-sample tests
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
N_MINUTES = 3  # of an episode of fibrillation
P_WINDOW_S = (-0.28, -0.07)  # around the R peak


class Study:
    """One contract of the shipped model.

    Parameters
    ----------
    contract : str
        ``"diagnostic"`` or ``"measurement"``.
    arguments : argparse.Namespace
        The settings of the run.
    """

    def __init__(self, contract: str, arguments: argparse.Namespace) -> None:
        self.contract = contract
        self.arguments = arguments

    def model(self, strength: float = 1.0) -> PseudoIdentityAnonymizer:
        """Return the fitted model at a strength."""
        return PseudoIdentityAnonymizer.from_pretrained(
            strength,
            weights=self.arguments.weights,
            contract=self.contract,
            random_state=self.arguments.seed,
        )

    def load(self, name: str, **quick: Any) -> tuple[Bunch, BeatSet]:
        """Return a protocol and its beats."""
        protocol = load(name, self.arguments, **quick)
        return protocol, QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)

    def attack(
        self, protocol: str, strength: float = 1.0, attackers: Any = None, **settings: Any
    ) -> dict[str, Any]:
        """Print and return the evaluation of a release of a protocol's records."""
        description, beats = self.load(protocol)
        release = Release.by(
            self.model(strength),
            beats,
            description.subjects,
            sessions=description.sessions,
            split="session",
            random_state=self.arguments.seed,
        )
        evaluation = evaluate(
            release,
            attackers or self.arguments.attackers,
            self.contract,
            n_jobs=self.arguments.n_jobs,
            **settings,
        )
        print(f"{description.DESCR}, strength {strength:g}\n{evaluation}\n", flush=True)
        figures = evaluation.to_dict()
        return {"protocol": description.name, "strength": strength, **figures}

    def ladder(self) -> list[dict[str, Any]]:
        """Attack MIT-BIH."""
        return [self.attack("mitdb-time")]

    def ecgid(self) -> list[dict[str, Any]]:
        """Attack ECG-ID."""
        return [self.attack(f"ecgid-{days}-day") for days in ("across", "same")]

    def front(self) -> list[dict[str, Any]]:
        """Attack MIT-BIH at several strengths, with two quick attackers."""
        quick = {"attackers": ["lda", "trees"], "knowledge": ["semi-informed"]}
        return [self.attack("mitdb-time", strength, **quick) for strength in STRENGTHS]

    def channels(self) -> list[dict[str, Any]]:
        """Print rank-1 from each residual channel alone, before and after."""
        protocol, beats = self.load("mitdb-time")
        gallery, probes = np.flatnonzero(protocol.gallery), np.flatnonzero(~protocol.gallery)
        release, rows = self.model(), []
        views = [release.resalt(1000 + s).transform(beats[gallery]) for s in range(3)]
        released = release.transform(beats[probes])
        sides = protocol.subjects, protocol.gallery
        print(f"{'channel':<10}{'original':>9}{'released':>9}   rank-1 in %, {EVIDENCE} beats")
        for name in residual_channels(beats[:1]):
            before = identify_by_channel(name, [beats[gallery]], beats[probes], *sides)
            after = identify_by_channel(name, views, released, *sides)
            print(f"{name:<10}{100 * before:9.1f}{100 * after:9.1f}", flush=True)
            rows.append({"channel": name, "original": before, "released": after})
        return rows

    def _classified(self) -> tuple[BeatSet, dict[str, Any], dict[str, Any]]:
        """Return beats with classes, the sides of DS1/DS2, and parameters of the classifier."""
        protocol, beats = self.load("mitdb-ds1-ds2", n_sessions=1, duration=40.0)
        names = np.array(beats.names)
        if self.arguments.quick:
            train, classes = np.arange(len(names)) < len(names) // 2, ("N", "V")
        else:
            train, classes = protocol.train, ("N", "S", "V", "F")
        return beats, {"train": names[train], "test": names[~train]}, {"classes": classes}

    def salts(self) -> list[dict[str, Any]]:
        """Print the mean and the spread over salts of the classes that a forest learns."""
        before, sides, settings = self._classified()
        utility, rows = BeatClassUtility("forest", **settings), []
        for salt in range(2 if self.arguments.quick else 5):
            after = self.model().resalt(self.arguments.seed + salt).transform(before)
            rows.append({"salt": salt, **utility.evaluate(before, after, **sides)})
        for name in list(rows[0])[1:]:
            values = [row[name] for row in rows]
            print(f"{name:<26}{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}")
        return rows

    def utility(self) -> list[dict[str, Any]]:
        """Print the utility of released recordings of MIT-BIH."""
        before, sides, settings = self._classified()
        after = self.model().transform(before)
        figures: dict[str, float] = {}
        for name in ("forest",) if self.arguments.quick else ("conv", "forest"):
            classified = BeatClassUtility(name, **settings).evaluate(before, after, **sides)
            figures |= {
                f"{name}, {key}": value
                for key, value in classified.items()
                if key.endswith("macro_f1")
            }
        figures |= DetectionUtility().evaluate(before, after)
        old, new = measure(before), measure(after)
        categories = old.categories(), new.categories()
        for name, values in categories[0].items():
            figures[f"preserved, {name}"] = float(np.mean(values == categories[1][name]))
        for name, values in old.medians().items():
            error = np.abs(values - new.medians()[name])
            figures[f"median error, {name}"] = float(np.nanmedian(error))
        for label in ("N", "V"):
            real, released = (sample(x, label, self.arguments.seed) for x in (before, after))
            if len(np.unique(real[1])) < N_FOLDS:
                continue
            figures[f"two-sample AUC, {label}"] = two_sample_auc(
                real[0], released[0], real[1], released[1], random_state=self.arguments.seed
            )
        real, released = median_beats(before), median_beats(after)
        for name, pair in {
            "released": (real, released),
            "real": (real[::2], real[1::2]),
        }.items():
            if len(pair[0]) > 5:  # the number of neighbors of these figures
                scores = precision_recall_density_coverage(*pair)._asdict()
                figures |= {f"{name} median beats, {key}": v for key, v in scores.items()}
        for name, value in figures.items():
            print(f"{name:<40}{value:8.3f}")
        return [figures]

    def speed(self) -> list[dict[str, Any]]:
        """Print how many beats are released per second."""
        _, beats = self.load("mitdb-time")
        model, start = self.model(), perf_counter()
        model.transform(beats)
        seconds = perf_counter() - start
        print(f"{len(beats.beats)} beats of one lead in {seconds:.1f} s")
        return [{"beats/s": len(beats.beats) / seconds}]

    def fibrillation(self) -> list[dict[str, Any]]:
        """Print what stands in front of the QRS in atrial fibrillation."""
        records = fibrillating(self.arguments)
        before = QRSSegmenter("annotated", leads=[0]).fit_transform(records)
        after = self.model().transform(before)
        row: dict[str, float] = {"n_minutes": float(len(records))}
        for side, beats in (("original", before), ("release", after)):
            heights = [p_height(record) for record in beats]
            row |= {
                f"{side}, median height in mV": float(np.median(heights)),
                f"{side}, largest height in mV": float(np.max(heights)),
                f"{side}, above 0.05 mV": float((np.array(heights) > 0.05).mean()),
                f"{side}, no P wave": float(
                    (measure(beats).categories()["pr"] == NO_P_WAVE).mean()
                ),
            }
        for name, value in row.items():
            print(f"{name:<40}{value:8.3f}")
        return [row]


PARTS: dict[str, Callable[[Study], list[dict[str, Any]]]] = {
    "ladder": Study.ladder,
    "ecgid": Study.ecgid,
    "utility": Study.utility,
    "speed": Study.speed,
    "front": Study.front,
    "channels": Study.channels,
    "salts": Study.salts,
    "fibrillation": Study.fibrillation,
}


def fibrillating(arguments: argparse.Namespace) -> list[ECGRecord]:
    """Return minutes of annotated atrial fibrillation, or with ``--quick`` other ones."""
    if arguments.quick:
        return list(load("synthetic", arguments).records)
    records = []
    for record in fetch_mitdb(data_home=arguments.data_home).data:
        path = get_data_home(arguments.data_home) / "mitdb" / record.name.rpartition("/")[2]
        annotation = wfdb.rdann(str(path), "atr")
        changes = [
            (sample, note.strip("\x00"))
            for sample, note in zip(annotation.sample, annotation.aux_note, strict=True)
            if note.startswith("(")
        ]
        ends = [sample for sample, _ in changes[1:]] + [record.n_times]
        minute = round(60 * record.sampling_rate)
        for (start, rhythm), end in zip(changes, ends, strict=True):
            if rhythm == "(AFIB":
                starts = range(start, end - minute + 1, minute)
                records += [record.crop(first, first + minute) for first in starts[:N_MINUTES]]
    return records


def p_height(record: BeatSet) -> float:
    """Return how far the mean beat rises before the QRS above a line, in mV."""
    normal = np.ones(len(record.beats), dtype=bool)
    if record.labels is not None and (record.labels == "N").any():
        normal = record.labels == "N"
    beat = record.beats[normal, 0].mean(axis=0)
    times = (np.arange(len(beat)) - len(beat) // 2) / record.sampling_rate
    trace = beat[(times > P_WINDOW_S[0]) & (times < P_WINDOW_S[1])]
    return float((trace - np.linspace(trace[0], trace[-1], len(trace))).max())


def residual_channels(beats: BeatSet) -> dict[str, NDArray[np.float64]]:
    """Return numbers of each beat that electrodes and devices leave: (n_beats, n_numbers)."""
    windows, rate = beats.beats[:, 0], beats.sampling_rate
    middle = windows.shape[1] // 2
    level = np.median(windows, axis=1)
    step = np.diff(level, prepend=level[0])
    quiet = np.diff(windows[:, middle - round(0.33 * rate) : middle - round(0.24 * rate)])
    spread = quiet.std(axis=1) + 1e-6
    color = (quiet[:, 1:] * quiet[:, :-1]).mean(axis=1) / spread**2
    a, b, c = np.abs(windows[:, middle - 1 : middle + 2] - level[:, np.newaxis]).T
    bend = a - 2 * b + c
    offset = np.where(np.abs(bend) > 1e-9, (a - c) / (2 * np.where(bend, bend, 1)), 0)
    columns = {
        "baseline": [level],
        "wander": [step, np.abs(step)],
        "noise": [np.log(spread), color],
        "amplitude": [np.log(np.ptp(windows, axis=1))],
        "jitter": [offset.clip(-1, 1)],
        "polarity": [np.sign(windows[:, middle] - level)],
    }
    return {name: np.stack(values, axis=1) for name, values in columns.items()}


def identify_by_channel(
    name: str,
    views: list[BeatSet],
    probes: BeatSet,
    subjects: NDArray,
    gallery: NDArray[np.bool_],
) -> float:
    """Return the rank-1, mean over subjects, of trees that see one channel."""
    known, probed = subjects[gallery], subjects[~gallery]
    trees = ExtraTreesClassifier(100, min_samples_leaf=5, random_state=0)
    trees.fit(
        np.concatenate([residual_channels(view)[name] for view in views]),
        np.concatenate([known[view.record] for view in views]),
    )
    scores = np.log(trees.predict_proba(residual_channels(probes)[name]) + 1e-3)
    right = []
    for i, subject in enumerate(probed):
        of_probe = scores[probes.record == i][:EVIDENCE]
        right.append(trees.classes_[of_probe.sum(axis=0).argmax()] == subject)
    of_subject = [np.mean(np.array(right)[probed == s]) for s in np.unique(probed)]
    return float(np.mean(of_subject))


def sample(beats: BeatSet, label: str, seed: int) -> tuple[NDArray, NDArray]:
    """Return some beats of a class of each record, and their record."""
    rng, rows = np.random.default_rng(seed), []
    for i in range(len(beats)):
        of_record = np.flatnonzero((beats.record == i) & (beats.labels == label))
        rows.append(rng.permutation(of_record)[:N_BEATS])
    chosen = np.concatenate(rows)
    return beats.beats[chosen], beats.record[chosen]


def median_beats(beats: BeatSet) -> NDArray[np.float64]:
    """Return the median normal beat of each record that has one."""
    normal = [(beats.record == i) & (beats.labels == "N") for i in range(len(beats))]
    return np.array([np.median(beats.beats[rows], axis=0) for rows in normal if rows.any()])


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--parts", nargs="+", default=["ladder", "utility", "speed"], choices=PARTS
    )
    parser.add_argument("--contracts", nargs="+", default=["diagnostic", "measurement"])
    parser.add_argument("--attackers", nargs="+", default=["default"])
    parser.add_argument("--weights")
    parser.add_argument("--n-jobs", type=int)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.parts = ["ladder", "utility", "speed", "channels", "fibrillation"]
        arguments.contracts, arguments.attackers = ["diagnostic"], ["lda"]
    if len(arguments.attackers) == 1:
        [arguments.attackers] = arguments.attackers  # a panel, or one attacker
    print_header(arguments)
    results = Results(arguments.out)
    rows = []
    for contract in arguments.contracts:
        study = Study(contract, arguments)
        for part in arguments.parts:
            print(f"\n{part}, contract {contract!r}", flush=True)
            key = {
                "part": part,
                "contract": contract,
                "weights": arguments.weights,
                "attackers": arguments.attackers,
                "seed": arguments.seed,
                "quick": arguments.quick,
            }
            row = results.measure(
                key, lambda part=part, study=study: {"figures": PARTS[part](study)}
            )
            print(f"({row['seconds']:.0f} s)", flush=True)
            rows += [{"part": part, "contract": contract, **one} for one in row["figures"]]
    return rows


if __name__ == "__main__":
    main()
