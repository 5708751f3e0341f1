"""What a GAN of images makes of beats, and of X-rays: every bar in one table.

    OMP_NUM_THREADS=1 python benchmarks/gan_image.py ecg [--configurations dcgan/stack ...]
    OMP_NUM_THREADS=1 python benchmarks/gan_image.py xray

``ecg``: MIT-BIH, de Chazal's people. The generator is trained on 60 s records of DS1; DS2
has never been seen by it. A configuration is an architecture and an arrangement of the
image; ``stack`` with one beat and one lead is a line, and the generator one of signals.

``xray``: paediatric chest X-rays, normal against pneumonia, split by patient. A judge that
learnt from real images is asked about generated ones after 100, 200, 500 iterations and at
the end, where the founding work has 0.63, 0.57 and 0.55.
"""

from __future__ import annotations

import argparse
import os
import warnings
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np

from sklearn_ecganon import BeatSet, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import fetch_mitdb
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.metrics import precision_recall_density_coverage, two_sample_auc
from sklearn_ecganon.model_selection import time_split
from sklearn_ecganon.segmentation import BeatCountWarning
from sklearn_ecganon.utility import DS1, DS2, BeatClassUtility, FakeTest, FakeTestMonitor

# Arrangement of an image, and beats in it.
ARRANGEMENTS = {
    "raster": ("raster", 1),
    "serpentine": ("serpentine", 1),
    "stack": ("stack", 1),
    "stack8": ("stack", 8),
    "rgb": ("rgb", 3),
    "time-frequency": ("time-frequency", 1),
}
N_COMPARED = 4000
# 201 (DS1) and 202 (DS2) are one person.
TWICE = "201"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["ecg", "xray"])
    parser.add_argument("--data-home", default=os.environ.get("SKLEARN_ECGANON_DATA"))
    parser.add_argument("--configurations", nargs="+", default=["dcgan/stack"])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rate", type=float, default=125.0, help="of the beats, in Hz")
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="realism only, no attackers")
    arguments = parser.parse_args()
    print(f"{date.today()}, seed {arguments.seed}")
    {"ecg": ecg, "xray": xray}[arguments.what](arguments)


def ecg(arguments: argparse.Namespace) -> None:
    with warnings.catch_warnings():
        # Flutter in record 207 is annotated without beats.
        warnings.simplefilter("ignore", BeatCountWarning)
        records = fetch_mitdb(data_home=arguments.data_home, records=[*DS1, *DS2]).data
        segmenter = QRSSegmenter("annotated", leads=[0], sampling_rate=arguments.rate)
        whole = segmenter.fit_transform(records)
        parts = time_split(records)
        beats = segmenter.transform(parts)
    subjects = np.array([record.subject for record in parts])
    sessions = np.array([record.session for record in parts])
    first = np.array([name.split()[0] in DS1 for name in beats.names])
    print(beats)
    original = BeatClassUtility(crossings=["trtr"]).evaluate(whole, whole)
    print(f"TRTR macro-F1 {original['trtr_macro_f1']:.3f}\n")
    for configuration in arguments.configurations:
        architecture, arrangement = configuration.split("/")
        name, n_beats = ARRANGEMENTS[arrangement]
        imager = BeatImager(name, standardization="z-score", windows_per_image=n_beats)
        model = GANImageAnonymizer(
            architecture=architecture,
            imager=imager,
            n_filters=arguments.filters,
            max_epochs=arguments.epochs,
            patience=None,
            random_state=arguments.seed,
        )
        start = perf_counter()
        model.fit(beats[first])
        n_weights = sum(w.numel() for w in model.net_.module_.parameters())
        print(
            f"{configuration}: images of {model.pictures_.shape}, {n_weights} weights, "
            f"{model.n_iter_} epochs in {perf_counter() - start:.0f} s, smallest distance "
            f"{model.history_['distance'].min():.4f}, diversity "
            f"{model.history_['diversity'][-1]:.2f}"
        )
        show(realism(model, beats, subjects, first))
        if not arguments.quick:
            release = model.transform(whole)
            figures = BeatClassUtility(crossings=["tstr", "trts"]).evaluate(whole, release)
            show({k: v for k, v in figures.items() if "macro" in k or "balanced" in k})
            show(privacy(model, beats, subjects, sessions, first))
        print(flush=True)


def realism(
    model: GANImageAnonymizer, beats: BeatSet, subjects: np.ndarray, first: np.ndarray
) -> dict[str, float]:
    """Compare a release with those it was learnt from, and with people never seen."""
    rng = np.random.default_rng(0)
    seen, unseen = beats[first], beats[~first]
    release = model.transform(seen)
    rows = rng.permutation(len(seen.beats))[:N_COMPARED]
    others = rng.permutation(len(unseen.beats))[:N_COMPARED]
    real, made, new = (
        part[:, 0] for part in (seen.beats[rows], release.beats[rows], unseen.beats[others])
    )
    own, of_new = subjects[first][seen.record[rows]], subjects[~first][unseen.record[others]]
    pseudo = np.array([f"pseudo {record}" for record in release.record[rows]])
    one = np.array(
        [rng.choice(np.flatnonzero(seen.record == record)) for record in np.unique(seen.record)]
    )
    prdc = precision_recall_density_coverage(seen.beats[one, 0], release.beats[one, 0])
    # Where the QRS is: its farthest sample from the beat's median, beside that of originals.
    at = [
        np.abs(part - np.median(part, axis=1, keepdims=True)).argmax(axis=1)
        for part in (real, made)
    ]
    off = [np.abs(a - seen.n_times // 2) * 1000 / seen.sampling_rate for a in at]
    return {
        "AUC against training people, by person": two_sample_auc(
            real, made, own, own, random_state=0
        ),
        "AUC against new people": two_sample_auc(new, made, of_new, pseudo, random_state=0),
        "AUC of real training against new people": two_sample_auc(
            real, new, own, of_new, random_state=0
        ),
        "precision": prdc.precision,
        "recall": prdc.recall,
        "coverage": prdc.coverage,
        "largest deflection within 40 ms (original)": float(np.mean(off[0] <= 40)),
        "largest deflection within 40 ms": float(np.mean(off[1] <= 40)),
    }


def privacy(
    model: GANImageAnonymizer,
    beats: BeatSet,
    subjects: np.ndarray,
    sessions: np.ndarray,
    first: np.ndarray,
) -> dict[str, float]:
    """Return what retrained attackers recognise, and who was in the training data."""
    judge = ReidentificationScorer(["lda", "trees"], contract=None)
    result = judge.evaluate(model, beats, subjects, sessions=sessions)
    figures = {}
    for row in result.rows:
        if row.knowledge in ("original", "semi-informed") and row.evidence in (1, 50):
            name = f"rank-1 {row.attacker}, {row.knowledge}, {row.evidence} beat(s)"
            figures[name] = row.rank1
    people = ~first & (subjects != TWICE)
    member = MembershipInferenceScorer().fit(beats[people], subjects[people])
    found = member.evaluate(model, beats[first], subjects[first])
    for row in (*found.rows, found.blind):
        figures[f"membership {row.attack}"] = row.auc
        figures[f"membership {row.attack}, low"] = row.low
        figures[f"membership {row.attack}, high"] = row.high
    return figures


def xray(arguments: argparse.Namespace) -> None:
    data = np.load(Path(arguments.data_home) / "kermany-chestxray-64.npz")
    X = data["images"].astype(np.float32)
    y = np.where(data["label"] == "normal", "normal", "pneumonia")
    rng = np.random.default_rng(arguments.seed)
    patients = rng.permutation(np.unique(data["patient"]))
    held = np.isin(data["patient"], patients[: len(patients) // 4])
    print(f"{(~held).sum()} images to learn from, {held.sum()} of other patients")
    start = perf_counter()
    judge = FakeTest("images", random_state=arguments.seed).fit(X[~held], y[~held])
    row = judge.evaluate(X[held], y[held])
    seconds = perf_counter() - start
    print(f"judge ({seconds:.0f} s), real, new patients: {sentence(row)}", flush=True)
    monitor = FakeTestMonitor(judge, np.repeat(["normal", "pneumonia"], 250))
    # An epoch is 100 iterations.
    model = GANImageAnonymizer(
        image_shape=(64, 64),
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        batch_size=32,
        epoch_size=3200,
        patience=None,
        random_state=arguments.seed,
    ).set_callbacks(monitor)
    start = perf_counter()
    model.fit(X[~held], labels=y[~held])
    print(f"generator: {model.n_iter_} epochs in {perf_counter() - start:.0f} s")
    for row in monitor.rows:
        print(f"  {row.n_iterations} iterations: {sentence(row)}")
    labels = np.where(rng.random(held.sum()) < np.mean(y == "normal"), "normal", "pneumonia")
    fakes = model.sample(len(labels), labels, random_state=arguments.seed)
    print(f"kept weights, classes as often as real: {sentence(judge.evaluate(fakes, labels))}")
    print(f"real against generated: {sentence(judge.tell_apart(X[held], fakes))}")
    prdc = precision_recall_density_coverage(X[held][:1000], fakes[:1000])
    print(f"precision {prdc.precision:.2f}, coverage {prdc.coverage:.2f}")


def sentence(row: object) -> str:
    return f"accuracy {row.accuracy:.3f}, AUC {row.auc:.3f}, F1 {row.f1:.3f}"


def show(figures: dict[str, float]) -> None:
    for name, value in figures.items():
        print(f"  {name}: {value:.3f}")


if __name__ == "__main__":
    main()
