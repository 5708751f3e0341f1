"""What a GAN of images makes of beats, and of X-rays: every bar in one table.

    OMP_NUM_THREADS=1 python benchmarks/gan_image.py ecg [--cells dcgan/stack ...] [--jobs 2]
    OMP_NUM_THREADS=1 python benchmarks/gan_image.py xray
    OMP_NUM_THREADS=1 python benchmarks/gan_image.py limits
    OMP_NUM_THREADS=1 python benchmarks/gan_image.py speed

``ecg``: MIT-BIH, de Chazal's people. The generator is trained on 60 s records of DS1; DS2
has never been seen by it. A cell is an architecture and an arrangement of the image, and may
say more: ``dcgan/raster+blended=5+strength=0.5+seed=1``. ``stack`` is a line, and the
generator one of signals. ``people=ludb`` adds the 200 people of LUDB. Each cell is trained for
the same number of the discriminator's steps. The table is written anew after each cell.

``xray``: paediatric chest X-rays, normal against pneumonia, split by patient. A judge that
learnt from real images is asked about generated ones after 100, 200, 500 iterations and at
the end, where the founding work has 0.63, 0.57 and 0.55.

``limits``: what membership inference finds, and how near new people it is, where no network
is: the training beats dealt out anew, blends of them, one normal distribution a class.

``speed``: images a second, beside a plain loop over the same nets.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import warnings
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sklearn_ecganon import BeatSet, QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.anonymizers._gan_image._blending import blend
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import DS1, DS2, fetch_ludb, fetch_mitdb, time_split
from sklearn_ecganon.images import FakeTest, FakeTestMonitor
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.metrics import precision_recall_density_coverage, two_sample_auc
from sklearn_ecganon.networks._gan import Discriminator, InvertibleGenerator
from sklearn_ecganon.segmentation import BeatCountWarning
from sklearn_ecganon.training._gan import mean_discrepancy
from sklearn_ecganon.utility import BeatClassUtility

# Arrangement of an image, and beats in it.
ARRANGEMENTS = {
    "stack": ("stack", 1),
    "raster": ("raster", 1),
    "serpentine": ("serpentine", 1),
    "time-frequency": ("time-frequency", 1),
    "rgb-concatenated": ("rgb-concatenated", 1),
    "stack8": ("stack", 8),
    "rgb3": ("rgb", 3),
}
CELLS = [f"{a}/{b}" for a in ("dcgan", "wgan-gp", "classifier") for b in ARRANGEMENTS]
N_COMPARED = 3000
# What an attacker who draws from a model looks at.
N_GENERATED = 6000
# 201 (DS1) and 202 (DS2) are one person.
TWICE = "201"
# LUDB has ten seconds of each person where MIT-BIH has minutes.
LUDB_TIMES = 5
COLUMNS = (
    "TSTR",
    "TRTR",
    "AUC new people",
    "MMD new people",
    "precision",
    "coverage",
    "coverage new people",
    "membership",
    "rank-1",
    "weights",
    "seconds",
)


class Scene(NamedTuple):
    """Beats of MIT-BIH, of whole records and of 60 s, and who they are of."""

    whole: BeatSet
    beats: BeatSet
    subjects: np.ndarray
    sessions: np.ndarray
    first: np.ndarray
    more: BeatSet | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["ecg", "xray", "limits", "speed"])
    parser.add_argument("--data-home", default=os.environ.get("SKLEARN_ECGANON_DATA"))
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--epoch-size", type=int, default=6400)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--blended", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--architecture", default="dcgan", help="of the X-rays' generator")
    parser.add_argument("--attackers", nargs="+", default=["lda", "trees"])
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of speed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for the table and each cell's figures")
    parser.add_argument("--quick", action="store_true", help="realism only, no attackers")
    arguments = parser.parse_args()
    print(f"{date.today()}, seed {arguments.seed}")
    {"ecg": ecg, "xray": xray, "limits": limits, "speed": speed}[arguments.what](arguments)


def ecg(arguments: argparse.Namespace) -> None:
    one = partial(run_cell, arguments=arguments)
    rows = []
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        for row in pool.imap_unordered(one, arguments.cells):
            rows.append(row)
            print(json.dumps(row), flush=True)
            if arguments.out:
                (arguments.out / "table.md").write_text(table(rows))
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| cell | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in sorted(rows, key=lambda row: row["cell"]):
        figures = [f"{row[name]:.3g}" if name in row else "" for name in COLUMNS]
        lines.append(f"| {row['cell']} | " + " | ".join(figures) + " |")
    return "\n".join(lines) + "\n"


_scenes: dict[bool, Scene] = {}


def load(data_home: str | None, with_ludb: bool) -> Scene:
    """Return the beats at 125 Hz, lead II or what is first; once in each process."""
    if with_ludb not in _scenes:
        with warnings.catch_warnings():
            # Flutter in record 207 is annotated without beats.
            warnings.simplefilter("ignore", BeatCountWarning)
            records = fetch_mitdb(data_home=data_home, records=[*DS1, *DS2]).data
            segmenter = QRSSegmenter("annotated", leads=[0], sampling_rate=125.0)
            whole = segmenter.fit_transform(records)
            parts = time_split(records)
            beats = segmenter.transform(parts)
        more = None
        if with_ludb:
            lead = QRSSegmenter("annotated", leads=[1], sampling_rate=125.0)
            found = lead.fit_transform(fetch_ludb(data_home=data_home).data)
            more = BeatSet.concatenate([found] * LUDB_TIMES)
            # Nearly all are: sinus rhythm or fibrillation.
            more = replace(more, labels=np.full(len(more.beats), "N"))
        _scenes[with_ludb] = Scene(
            whole,
            beats,
            np.array([record.subject for record in parts]),
            np.array([record.session for record in parts]),
            np.array([name.split()[0] in DS1 for name in beats.names]),
            more,
        )
    return _scenes[with_ludb]


def build(options: dict[str, str], arguments: argparse.Namespace) -> GANImageAnonymizer:
    name, n_beats = ARRANGEMENTS[options["arrangement"]]
    return GANImageAnonymizer(
        architecture=options["architecture"],
        imager=BeatImager(name, standardization="z-score", windows_per_image=n_beats),
        n_blended=int(options.get("blended", arguments.blended)),
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        epoch_size=arguments.epoch_size,
        patience=None,
        random_state=int(options.get("seed", arguments.seed)),
    )


def run_cell(cell: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train a cell and return its figures; they are written as they come."""
    kind, *more = cell.split("+")
    options = dict(zip(("architecture", "arrangement"), kind.split("/"), strict=True))
    options |= dict(part.split("=") for part in more)
    scene = load(arguments.data_home, options.get("people") == "ludb")
    row: dict[str, Any] = {"cell": cell}

    def note(figures: dict[str, float]) -> None:
        row.update(figures)
        if arguments.out:
            path = arguments.out / f"{cell.replace('/', '-')}.json"
            path.write_text(json.dumps(row, indent=1))

    model = build(options, arguments)
    train = scene.beats[scene.first]
    if scene.more is not None:
        train = BeatSet.concatenate([train, scene.more])
    start = perf_counter()
    model.fit(train)
    seconds = perf_counter() - start
    model.set_params(strength=float(options.get("strength", 1)))
    best = model.history_["distance"].argmin()
    note(
        {
            "seconds": seconds,
            "weights": sum(w.numel() for w in model.net_.module_.parameters()),
            "shape": model.pictures_.shape,
            "device": model.device_,
            "best epoch": int(best + 1),
            "distance": float(model.history_["distance"][best]),
            "diversity": float(model.history_["diversity"][best]),
        }
    )
    note(realism(model.transform(scene.beats[scene.first]), scene))
    note(membership(model, scene))
    if not arguments.quick:
        note(class_utility("tstr", scene.whole, model.transform(scene.whole)))
        if not _of_originals:
            _of_originals.update(class_utility("trtr", scene.whole, scene.whole))
        note(_of_originals)
        note(recognition(model, scene, arguments.attackers))
    return row


_of_originals: dict[str, float] = {}


def class_utility(crossing: str, whole: BeatSet, release: BeatSet) -> dict[str, float]:
    """Return how well a judge tells classes in originals; its macro-F1 in capitals."""
    figures = BeatClassUtility(crossings=[crossing]).evaluate(whole, release)
    return {crossing.upper(): figures[f"{crossing}_macro_f1"], **figures}


def realism(release: BeatSet, scene: Scene) -> dict[str, float]:
    """Compare a release of DS1 with people never seen, and with those it was learnt from."""
    rng = np.random.default_rng(0)
    seen, unseen = scene.beats[scene.first], scene.beats[~scene.first]
    rows = rng.permutation(len(seen.beats))[:N_COMPARED]
    others = rng.permutation(len(unseen.beats))[:N_COMPARED]
    real, made, new = (
        part[:, 0] for part in (seen.beats[rows], release.beats[rows], unseen.beats[others])
    )
    own = scene.subjects[scene.first][seen.record[rows]]
    of_new = scene.subjects[~scene.first][unseen.record[others]]
    pseudo = np.array([f"pseudo {record}" for record in release.record[rows]])
    one = np.array(
        [rng.choice(np.flatnonzero(seen.record == record)) for record in np.unique(seen.record)]
    )
    prdc = precision_recall_density_coverage(seen.beats[one, 0], release.beats[one, 0])
    _, of_others = np.unique(unseen.record[others], return_index=True)
    of_new_people = [
        precision_recall_density_coverage(new[of_others], part.beats[one, 0])
        for part in (release, seen)
    ]
    # Where the QRS is: its farthest sample from the beat's median, beside that of originals.
    at = [
        np.abs(part - np.median(part, axis=1, keepdims=True)).argmax(axis=1)
        for part in (real, made)
    ]
    off = [np.abs(a - seen.n_times // 2) * 1000 / seen.sampling_rate for a in at]
    as_tensors = [torch.from_numpy(part) for part in (new, made, real)]
    return {
        "RMSE from the original, mV": float(np.sqrt(np.mean((real - made) ** 2))),
        "AUC new people": two_sample_auc(new, made, of_new, pseudo, random_state=0),
        "AUC real training people": two_sample_auc(real, new, own, of_new, random_state=0),
        "MMD new people": mean_discrepancy(as_tensors[0], as_tensors[1]),
        "MMD real training people": mean_discrepancy(as_tensors[0], as_tensors[2]),
        "precision": prdc.precision,
        "recall": prdc.recall,
        "coverage": prdc.coverage,
        "coverage new people": of_new_people[0].coverage,
        "coverage new people by real": of_new_people[1].coverage,
        "largest deflection within 40 ms (original)": float(np.mean(off[0] <= 40)),
        "largest deflection within 40 ms": float(np.mean(off[1] <= 40)),
    }


def membership(model: Any, scene: Scene) -> dict[str, float]:
    """Return how well members are found, over four deals of who is public."""
    people = ~scene.first & (scene.subjects != TWICE)
    figures = []
    for deal in range(4):
        judge = MembershipInferenceScorer(max_beats=100, random_state=deal)
        judge.fit(scene.beats[people], scene.subjects[people])
        found = judge.evaluate(model, scene.beats[scene.first], scene.subjects[scene.first])
        figures.append([row.auc for row in (*found.rows, found.blind)])
    nearest, density, blind = np.mean(figures, axis=0).tolist()
    return {
        "membership": max(nearest, density),
        "membership nearest": nearest,
        "membership density": density,
        "membership blind": blind,
    }


def recognition(
    model: GANImageAnonymizer, scene: Scene, attackers: list[str]
) -> dict[str, float]:
    """Return what retrained attackers recognise, in every third minute of all people."""
    chosen = np.arange(len(scene.beats)) % 3 == 0
    judge = ReidentificationScorer(attackers, knowledge=["semi-informed"], contract=None)
    result = judge.evaluate(
        model, scene.beats[chosen], scene.subjects[chosen], sessions=scene.sessions[chosen]
    )
    rows = [row for row in result.rows if row.knowledge == "semi-informed"]
    figures = {f"rank-1 {row.attacker}, {row.evidence} beat(s)": row.rank1 for row in rows}
    return {"rank-1": max(row.rank1 for row in rows if row.evidence == 50), **figures}


def limits(arguments: argparse.Namespace) -> None:
    for with_ludb in (False, True):
        scene = load(arguments.data_home, with_ludb)
        own = train = scene.beats[scene.first]
        classes, counts = np.unique(train.labels, return_counts=True)
        if scene.more is not None:
            train = BeatSet.concatenate([train, scene.more])
        codes = np.searchsorted(classes, train.labels)
        rng = np.random.default_rng(arguments.seed)
        # Anybody's beat of the same class in place of each.
        dealt = np.arange(len(codes))
        for code in range(len(classes)):
            of_class = np.flatnonzero(codes == code)
            dealt[of_class] = rng.choice(of_class, len(of_class))
        releases = {"their beats, dealt out": train.beats[dealt]} | {
            f"blends of {n}": blend(train.beats, train.record, codes, n, rng)[0]
            for n in (3, 5, 10, 20)
        }
        normal = np.empty_like(train.beats)
        for code in range(len(classes)):
            of_class = train.beats[codes == code, 0]
            normal[codes == code, 0] = rng.multivariate_normal(
                of_class.mean(axis=0), np.cov(of_class.T), len(of_class)
            )
        releases["one normal distribution a class"] = normal
        # Classes as often as in MIT-BIH.
        drawn = rng.choice(len(classes), N_GENERATED, p=counts / counts.sum())
        people = "22 people and LUDB's 200" if with_ludb else "22 people"
        for name, beats in releases.items():
            rows = rng.choice(len(beats), N_GENERATED, p=_weights(codes, drawn))
            found = membership(beats[rows], scene)["membership"]
            row = realism(own.with_beats(beats[: len(own.beats)]), scene)
            print(
                f"{people}, {name}: membership {found:.2f}, AUC {row['AUC new people']:.2f}, "
                f"coverage {row['coverage']:.2f}, of new people "
                f"{row['coverage new people']:.2f}",
                flush=True,
            )


def _weights(codes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return how likely each beat is to be drawn if classes are to be as often as drawn."""
    wanted = np.bincount(drawn, minlength=codes.max() + 1) / len(drawn)
    return (wanted / np.bincount(codes))[codes]


def xray(arguments: argparse.Namespace) -> None:
    data = np.load(Path(arguments.data_home) / "kermany-chestxray-64.npz")
    X = data["images"].astype(np.float32)
    y = np.where(data["label"] == "normal", "normal", "pneumonia")
    rng = np.random.default_rng(arguments.seed)
    patients = rng.permutation(np.unique(data["patient"]))
    held = np.isin(data["patient"], patients[: len(patients) // 4])
    print(f"{(~held).sum()} images to learn from, {held.sum()} of other patients")
    start = perf_counter()
    judge = FakeTest(random_state=arguments.seed).fit(X[~held], y[~held])
    row = judge.evaluate(X[held], y[held])
    seconds = perf_counter() - start
    print(f"judge ({seconds:.0f} s), real, new patients: {sentence(row)}", flush=True)
    monitor = FakeTestMonitor(judge, np.repeat(["normal", "pneumonia"], 250))
    # An epoch is 100 iterations.
    model = GANImageAnonymizer(
        architecture=arguments.architecture,
        image_shape=(64, 64),
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        batch_size=32,
        lr=5e-4,
        discriminator_lr=5e-4,
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


def speed(arguments: argparse.Namespace) -> None:
    """Compare an epoch of the estimator, watch and all, with that of a plain loop."""
    scene = load(arguments.data_home, with_ludb=False)
    train = scene.beats[scene.first]
    options = {"architecture": "dcgan", "arrangement": "stack"}
    seconds: dict[str, list[float]] = {"estimator": [], "plain loop": []}
    for _ in range(arguments.rounds):
        took = []
        for n_epochs in (1, 4):
            model = build(options, arguments).set_params(max_epochs=n_epochs)
            start = perf_counter()
            model.fit(train)
            took.append(perf_counter() - start)
        seconds["estimator"].append((took[1] - took[0]) / 3)
        seconds["plain loop"].append(plain_loop(model, train, n_epochs=3) / 3)
    n_images = 2 * arguments.epoch_size
    for name, found in seconds.items():
        print(f"{name}: {n_images / np.median(found):.0f} images/s on {model.device_}")
    print(f"ratio {np.median(seconds['estimator']) / np.median(seconds['plain loop']):.2f}")


def plain_loop(model: GANImageAnonymizer, train: BeatSet, n_epochs: int) -> float:
    """Return the seconds that as many epochs of the same nets and losses take."""
    device, classes, n_views = model.device_, model.classes_, 2
    images = torch.as_tensor(model.pictures_.paint(train.beats), dtype=torch.float32)
    codes = np.searchsorted(classes, train.labels)
    images = images.to(device)
    condition = torch.eye(len(classes), device=device)[torch.from_numpy(codes).to(device)]
    weight = torch.from_numpy(1 / np.sqrt(np.bincount(codes))[codes]).to(device)
    bounds = torch.from_numpy(train.bounds()).to(device)
    record = torch.from_numpy(train.record).to(device)
    shape = {"n_channels": images.shape[1], "height": images.shape[2], "width": images.shape[3]}
    shape |= {"n_conditions": len(classes), "n_filters": model.n_filters}
    n_record, n_beat = model.n_latent_record, model.n_latent_beat
    generator = InvertibleGenerator(n_record=n_record, n_beat=n_beat, **shape).to(device)
    judge = Discriminator(n_views, classifies=False, normalized=True, **shape).to(device)
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    adam = partial(torch.optim.Adam, lr=5e-4, betas=(0.0, 0.99))
    move_generator, move_judge = adam(generator.parameters()), adam(judge.parameters())
    start = None
    for epoch in range(n_epochs + 1):
        drawn = torch.multinomial(weight, model.epoch_size, replacement=True)
        for rows in drawn.split(model.batch_size):
            first, size = bounds[record[rows]], bounds[record[rows] + 1] - bounds[record[rows]]
            other = first + (torch.rand(len(rows), device=device) * size).long()
            pair = torch.stack([rows, other], dim=1)
            real, known = images[pair], condition[pair]
            flat = known.flatten(0, 1)
            z_record = torch.randn(len(rows), 1, n_record, device=device)
            z_beat = torch.randn(len(rows), n_views, n_beat, device=device)
            z = torch.cat([z_record.expand(-1, n_views, -1), z_beat], dim=2).flatten(0, 1)
            fake = generator(z, flat).unflatten(0, (len(rows), n_views))
            move_judge.zero_grad()
            scores, fake_scores = judge(real, known)[0], judge(fake.detach(), known)[0]
            (F.softplus(-scores).mean() + F.softplus(fake_scores).mean()).backward()
            move_judge.step()
            judge.requires_grad_(False)
            move_generator.zero_grad()
            loss = F.softplus(-judge(fake, known)[0]).mean()
            loss = loss + F.mse_loss(generator.invert(fake.flatten(0, 1))[0], z)
            latent, logits = generator.invert(real.flatten(0, 1))
            shared = latent[:, :n_record].unflatten(0, (len(rows), n_views)).mean(1, True)
            latent = torch.cat(
                [shared.expand(-1, n_views, -1).flatten(0, 1), latent[:, n_record:]], dim=1
            )
            frozen = {name: w.detach() for name, w in generator.named_parameters()}
            back = functional_call(generator, frozen, (latent, flat))
            loss = loss + model.reconstruction * F.mse_loss(back, real.flatten(0, 1))
            (loss + F.cross_entropy(logits, flat)).backward()
            move_generator.step()
            average.update_parameters(generator)
            judge.requires_grad_(True)
        loss.item()  # until the device is done
        if epoch == 0:  # not timed, as the estimator's first is not
            start = perf_counter()
    assert start is not None
    return perf_counter() - start


if __name__ == "__main__":
    main()
