"""Measure the beats that a GAN of beats as images generates.

    OMP_NUM_THREADS=1 python -m benchmarks.gan_image ecg [--cells dcgan/stack ...]
    OMP_NUM_THREADS=1 python -m benchmarks.gan_image limits
    OMP_NUM_THREADS=1 python -m benchmarks.gan_image speed

``ecg``: MIT-BIH, de Chazal's people. The generator is trained on 60 s records of DS1 and never
sees DS2. A cell is an architecture and an arrangement of the image, and may have options:
``dcgan/raster+blended=5+strength=0.5+seed=1``. With ``stack`` the image is a line, and the
generator one of signals. ``people=ludb`` adds the 200 people of LUDB. Each cell is trained for
the same number of the discriminator's steps. With ``--out`` an interrupted run continues.

``limits``: what membership inference detects, and how near new people a release is, without any
network: the training beats exchanged, blends of them, one normal distribution a class.

``speed``: images a second, beside a plain loop over the same nets.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks._results import QUICK, Results, make_parser, print_header, table
from benchmarks._speed import Step, compare, train_plainly
from sklearn_ecganon import BeatSet, QRSSegmenter
from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.anonymizers._gan_image._blending import blend
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import DS1, DS2, load_protocol
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.imaging import BeatImager
from sklearn_ecganon.metrics import precision_recall_density_coverage, two_sample_auc
from sklearn_ecganon.networks import Discriminator, InvertibleGenerator
from sklearn_ecganon.releases import Release
from sklearn_ecganon.segmentation import BeatCountWarning
from sklearn_ecganon.training import mean_discrepancy
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
    "training, s",
)


class Scene(NamedTuple):
    """Beats of MIT-BIH, of whole records and of 60 s, and who they are of."""

    whole: BeatSet
    beats: BeatSet
    subjects: np.ndarray
    sessions: np.ndarray
    first: np.ndarray
    more: BeatSet | None


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parts = {"ecg": ecg, "limits": limits, "speed": speed}
    parser.add_argument("what", choices=parts, nargs="?", default="ecg")
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--epoch-size", type=int, default=6400)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--blended", type=int, default=10)
    parser.add_argument("--attackers", nargs="+", default=["lda", "trees"])
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison of speed")
    parser.add_argument("--realism-only", action="store_true", help="no attackers, no classes")
    arguments = parser.parse_args(argv)
    if not arguments.quick:
        print_header(arguments)
        return parts[arguments.what](arguments)
    arguments.cells, arguments.epochs, arguments.epoch_size = ["dcgan/stack"], 1, 128
    arguments.filters, arguments.rounds, arguments.attackers = 2, 1, ["lda"]
    print_header(arguments)
    return [*ecg(arguments), *speed(arguments)]


def ecg(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and measure each cell."""
    results, rows = Results(arguments.out), []
    for cell in arguments.cells:
        key = {
            "cell": cell,
            "seed": arguments.seed,
            "epochs": arguments.epochs,
            "epoch_size": arguments.epoch_size,
            "filters": arguments.filters,
            "realism_only": arguments.realism_only,
        }
        row = results.measure(key, partial(run_cell, cell, arguments))
        rows.append(row)
        print(f"# {cell}: {row['seconds']:.0f} s", flush=True)
    lines = [[row["key"]["cell"], *(row.get(name) for name in COLUMNS)] for row in rows]
    print(table(["cell", *COLUMNS], lines))
    return rows


_scenes: dict[bool, Scene] = {}


def load_scene(arguments: argparse.Namespace, with_ludb: bool) -> Scene:
    """Return the beats at 125 Hz, of lead II or the first lead; loaded once."""
    if with_ludb in _scenes:
        return _scenes[with_ludb]
    home = arguments.data_home
    if arguments.quick:
        quick = QUICK | {"n_subjects": 12, "duration": 15.0}
        timed = whole = load_protocol("synthetic", **quick)
        first = np.isin(timed.subjects, np.unique(timed.subjects)[:6])
        chosen = np.arange(len(timed.records))
    else:
        whole = load_protocol("mitdb-ds1-ds2", data_home=home)
        timed = load_protocol("mitdb-time", data_home=home)
        names = np.array([record.name.split()[0] for record in timed.records])
        chosen = np.flatnonzero(np.isin(names, [*DS1, *DS2]))
        first = np.isin(names, DS1)
    segmenter = QRSSegmenter("annotated", leads=[0], sampling_rate=125.0)
    with warnings.catch_warnings():
        # Flutter in record 207 is annotated without beats.
        warnings.simplefilter("ignore", BeatCountWarning)
        beats_of_whole = segmenter.fit_transform(whole.records)
        beats = segmenter.transform([timed.records[i] for i in chosen])
    more = None
    if with_ludb:
        lead_ii = QRSSegmenter("annotated", leads=[1], sampling_rate=125.0)
        ludb = lead_ii.fit_transform(load_protocol("ludb", data_home=home).records)
        more = BeatSet.concatenate([ludb] * LUDB_TIMES)
        # Nearly all of its beats are normal: sinus rhythm or fibrillation.
        more = replace(more, labels=np.full(len(more.beats), "N"))
    _scenes[with_ludb] = Scene(
        beats_of_whole,
        beats,
        timed.subjects[chosen],
        timed.sessions[chosen],
        first[chosen],
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
    """Train a cell and return its figures."""
    kind, *more = cell.split("+")
    options = dict(zip(("architecture", "arrangement"), kind.split("/"), strict=True))
    options |= dict(option.split("=") for option in more)
    scene = load_scene(arguments, options.get("people") == "ludb")
    model = build(options, arguments)
    train, people = scene.beats[scene.first], scene.subjects[scene.first]
    if scene.more is not None:
        train = BeatSet.concatenate([train, scene.more])
        ludb = [f"ludb {i}" for i in range(len(scene.more) // LUDB_TIMES)]
        people = np.concatenate([people, ludb * LUDB_TIMES])
    start = perf_counter()
    model.fit(train, people)
    seconds = perf_counter() - start
    model.set_params(strength=float(options.get("strength", 1)))
    best = model.history_["distance"].argmin()
    row = {
        "training, s": seconds,
        "weights": sum(w.numel() for w in model.net_.module_.parameters()),
        "shape": list(model.pictures_.shape),
        "device": model.device_,
        "best epoch": int(best + 1),
        "distance": model.history_["distance"][best],
        "diversity": model.history_["diversity"][best],
    }
    row |= realism(model.transform(scene.beats[scene.first]), scene)
    row |= membership(model, scene, n_splits=1 if arguments.quick else 4)
    if arguments.realism_only or arguments.quick:
        return row
    if not _of_originals:
        _of_originals.update(class_utility("trtr", scene.whole, scene.whole))
    released = model.transform(scene.whole)
    row |= class_utility("tstr", scene.whole, released) | _of_originals
    return row | recognition(model, scene, arguments.attackers)


_of_originals: dict[str, float] = {}


def class_utility(crossing: str, whole: BeatSet, release: BeatSet) -> dict[str, float]:
    """Return how well classes are recognized in originals; the macro-F1 in capitals."""
    figures = BeatClassUtility(crossings=[crossing]).evaluate(whole, release)
    return {crossing.upper(): figures[f"{crossing}_macro_f1"], **figures}


def realism(release: BeatSet, scene: Scene) -> dict[str, float]:
    """Compare a release of DS1 with new people, and with those the generator was trained on."""
    rng = np.random.default_rng(0)
    seen, unseen = scene.beats[scene.first], scene.beats[~scene.first]
    rows = rng.permutation(len(seen.beats))[:N_COMPARED]
    others = rng.permutation(len(unseen.beats))[:N_COMPARED]
    real, generated, new = (
        side[:, 0] for side in (seen.beats[rows], release.beats[rows], unseen.beats[others])
    )
    of_real = scene.subjects[scene.first][seen.record[rows]]
    of_new = scene.subjects[~scene.first][unseen.record[others]]
    pseudo = np.array([f"pseudo {record}" for record in release.record[rows]])
    one = np.array(
        [rng.choice(np.flatnonzero(seen.record == record)) for record in np.unique(seen.record)]
    )
    prdc = precision_recall_density_coverage(seen.beats[one, 0], release.beats[one, 0])
    _, of_others = np.unique(unseen.record[others], return_index=True)
    of_new_people = [
        precision_recall_density_coverage(new[of_others], side.beats[one, 0])
        for side in (release, seen)
    ]
    # Where the QRS is: its farthest sample from the beat's median, beside that of originals.
    at = [
        np.abs(side - np.median(side, axis=1, keepdims=True)).argmax(axis=1)
        for side in (real, generated)
    ]
    off = [np.abs(a - seen.n_times // 2) * 1000 / seen.sampling_rate for a in at]
    as_tensors = [torch.from_numpy(side) for side in (new, generated, real)]
    return {
        "RMSE from the original, mV": float(np.sqrt(np.mean((real - generated) ** 2))),
        "AUC new people": two_sample_auc(new, generated, of_new, pseudo, random_state=0),
        "AUC real training people": two_sample_auc(real, new, of_real, of_new, random_state=0),
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


def membership(model: Any, scene: Scene, n_splits: int = 4) -> dict[str, float]:
    """Return how well members are detected, over splits of the people into public and not."""
    people = ~scene.first & (scene.subjects != TWICE)
    figures = []
    for seed in range(n_splits):
        scorer = MembershipInferenceScorer(max_beats=100, random_state=seed)
        scorer.fit(scene.beats[people], scene.subjects[people])
        result = scorer.evaluate(model, scene.beats[scene.first], scene.subjects[scene.first])
        figures.append([row.auc for row in (*result.rows, result.blind)])
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
    """Return what retrained attackers recognize, in every third minute of all people."""
    chosen = np.arange(len(scene.beats)) % 3 == 0
    release = Release.by(
        model,
        scene.beats[chosen],
        scene.subjects[chosen],
        sessions=scene.sessions[chosen],
        split="session",
    )
    evaluation = evaluate(release, attackers, contract=None, knowledge=["semi-informed"])
    rows = [row for row in evaluation.rows if row.knowledge == "semi-informed"]
    figures = {f"rank-1 {row.attacker}, {row.evidence} beat(s)": row.rank1 for row in rows}
    return {"rank-1": max(row.rank1 for row in rows if row.evidence == 50), **figures}


def limits(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure releases that no network makes."""
    rows_of_table = []
    for with_ludb in (False, True):
        scene = load_scene(arguments, with_ludb)
        original = train = scene.beats[scene.first]
        classes, counts = np.unique(train.labels, return_counts=True)
        if scene.more is not None:
            train = BeatSet.concatenate([train, scene.more])
        codes = np.searchsorted(classes, train.labels)
        rng = np.random.default_rng(arguments.seed)
        # Anybody's beat of the same class in place of each.
        exchanged = np.arange(len(codes))
        for code in range(len(classes)):
            of_class = np.flatnonzero(codes == code)
            exchanged[of_class] = rng.choice(of_class, len(of_class))
        releases = {"their beats, exchanged": train.beats[exchanged]} | {
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
        drawn_classes = rng.choice(len(classes), N_GENERATED, p=counts / counts.sum())
        people = "22 people and LUDB's 200" if with_ludb else "22 people"
        for name, beats in releases.items():
            rows = rng.choice(len(beats), N_GENERATED, p=_weights(codes, drawn_classes))
            detected = membership(beats[rows], scene)["membership"]
            row = realism(original.with_beats(beats[: len(original.beats)]), scene)
            print(
                f"{people}, {name}: membership {detected:.2f}, "
                f"AUC {row['AUC new people']:.2f}, coverage {row['coverage']:.2f}, "
                f"of new people {row['coverage new people']:.2f}",
                flush=True,
            )
            rows_of_table.append({"people": people, "release": name, **row})
    return rows_of_table


def _weights(codes: np.ndarray, drawn_classes: np.ndarray) -> np.ndarray:
    """Return the probability of each beat for classes as frequent as in `drawn_classes`."""
    target = np.bincount(drawn_classes, minlength=codes.max() + 1) / len(drawn_classes)
    return (target / np.bincount(codes))[codes]


def speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare an epoch of the estimator, with its monitors, with that of a plain loop."""
    scene = load_scene(arguments, with_ludb=False)
    train = scene.beats[scene.first]
    options = {"architecture": "dcgan", "arrangement": "stack"}
    n_epochs = 1 if arguments.quick else 3
    models = [build(options, arguments).set_params(max_epochs=n) for n in (1, n_epochs + 1)]

    def estimator() -> float:
        seconds = []
        for model in models:
            start = perf_counter()
            model.fit(train)
            seconds.append(perf_counter() - start)
        return seconds[1] - seconds[0]

    def plain() -> float:
        return sum(train_gan_plainly(models[0], train, n_epochs + 1)[1:])

    n_images = 2 * arguments.epoch_size * n_epochs
    return [compare("GAN", arguments.rounds, estimator, plain, n_images)]


def train_gan_plainly(model: GANImageAnonymizer, train: BeatSet, n_epochs: int) -> list[float]:
    """Return the seconds of each epoch of the same nets and losses."""
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
    discriminator = Discriminator(n_views, classifies=False, normalized=True, **shape).to(
        device
    )
    average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    adam = partial(torch.optim.Adam, lr=5e-4, betas=(0.0, 0.99))
    generated: dict[str, torch.Tensor] = {}

    def discriminator_loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        real, known = batch
        flat = known.flatten(0, 1)
        z_record = torch.randn(len(real), 1, n_record, device=device)
        z_beat = torch.randn(len(real), n_views, n_beat, device=device)
        z = torch.cat([z_record.expand(-1, n_views, -1), z_beat], dim=2).flatten(0, 1)
        fake = generator(z, flat).unflatten(0, (len(real), n_views))
        generated.update(z=z, fake=fake)
        scores, fake_scores = (
            discriminator(real, known)[0],
            discriminator(fake.detach(), known)[0],
        )
        return F.softplus(-scores).mean() + F.softplus(fake_scores).mean()

    def generator_loss(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        real, known = batch
        flat, fake = known.flatten(0, 1), generated["fake"]
        loss = F.softplus(-discriminator(fake, known)[0]).mean()
        loss = loss + F.mse_loss(generator.invert(fake.flatten(0, 1))[0], generated["z"])
        latent, logits = generator.invert(real.flatten(0, 1))
        shared = latent[:, :n_record].unflatten(0, (len(real), n_views)).mean(1, True)
        latent = torch.cat(
            [shared.expand(-1, n_views, -1).flatten(0, 1), latent[:, n_record:]], dim=1
        )
        frozen = {name: w.detach() for name, w in generator.named_parameters()}
        back = functional_call(generator, frozen, (latent, flat))
        loss = loss + model.reconstruction * F.mse_loss(back, real.flatten(0, 1))
        return loss + F.cross_entropy(logits, flat)

    def batches() -> Any:
        chosen = torch.multinomial(weight, model.epoch_size, replacement=True)
        for rows in chosen.split(model.batch_size):
            first, size = bounds[record[rows]], bounds[record[rows] + 1] - bounds[record[rows]]
            other = first + (torch.rand(len(rows), device=device) * size).long()
            pair = torch.stack([rows, other], dim=1)
            yield images[pair], condition[pair]

    steps = [
        Step(discriminator_loss, adam(discriminator.parameters())),
        Step(generator_loss, adam(generator.parameters()), frozen=[discriminator]),
    ]
    return train_plainly(
        batches, steps, n_epochs, after_batch=lambda: average.update_parameters(generator)
    )[1]


if __name__ == "__main__":
    main()
