"""What a CycleGAN translates, what it costs, and whether it hides anybody.

    python -m benchmarks.images.cyclegan mri [--epochs 150] [--filters 32]
    python -m benchmarks.images.cyclegan xray [--epochs 60]
    python -m benchmarks.images.cyclegan ecg [--protocol ecgid-same-day] [--epochs 60]
    python -m benchmarks.images.cyclegan speed [--device cuda]

``mri``    T1 to T2 of `mni_paired`: learnt from two patients and tested on the third, in turn.
           Every slice is trained on as it is and mirrored, 192 images, about as many as in
           the founding work, which gives the losses it ended at: generator 3.5, discriminator
           0.5. Both contrasts of a patient are there, but which belong together is not used.
           A patient's translated slices are looked for among all patients' T2, by their
           edges: three people are no figure of identity, but if nearly each slice is found,
           nobody is hidden.
``xray``   NIH chest X-rays: two groups of patients, drawn by chance, and women against men.
           Verifiers are trained from scratch on pairs of original and release, and asked about
           patients that neither they nor the CycleGAN have seen.
``ecg``    Half of the people are A, the others B. The release of A is attacked on the ladder
           of `ReidentificationScorer`, at strengths 0.5 and 1.
``speed``  Images a second in training, beside a plain PyTorch loop over the same nets.

Each prints the date, the seed, and its settings. With ``--figures FOLDER`` pictures are
written.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from benchmarks._results import load, make_parser, print_header
from benchmarks._speed import Step, compare, shuffled, train_plainly, untrained
from benchmarks.images._data import load_images
from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import CycleGANAnonymizer
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.images import (
    CycleGANTranslator,
    SiameseVerifier,
    WeakAttackWarning,
    load_mri_slices,
    load_nih_chest_xrays,
    verify_release,
)
from sklearn_ecganon.releases import Release
from sklearn_ecganon.segmentation import BeatCountWarning

PUBLISHED = {"generator": 3.5, "discriminator": 0.5}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parts = {"mri": mri, "xray": xray, "ecg": ecg, "speed": speed}
    parser.add_argument("what", choices=parts, nargs="?", default="xray")
    parser.add_argument(
        "--protocol", choices=["mitdb-time", "ecgid-same-day"], default="mitdb-time"
    )
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--filters", type=int, default=32)
    parser.add_argument("--side", type=int, default=128, help="of an image, in pixels")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--adversarial", default="least-squares")
    parser.add_argument("--rotations", type=int, default=3, help="patients held out in turn")
    parser.add_argument("--retrain", type=int, default=5, help="verifiers of each kind")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.figures:
        arguments.figures.mkdir(parents=True, exist_ok=True)
    if not arguments.quick:
        print_header(arguments)
        return parts[arguments.what](arguments)
    arguments.epochs, arguments.filters, arguments.side, arguments.batch_size = 1, 2, 32, 16
    arguments.retrain, arguments.rounds = 1, 1
    print_header(arguments)
    rows = [*xray(arguments), *speed(arguments)]
    arguments.what = "ecg"
    return [*rows, *ecg(arguments)]


def model(
    arguments: argparse.Namespace, **parameters: object
) -> CycleGANAnonymizer | CycleGANTranslator:
    settings = {
        "n_filters": arguments.filters,
        "batch_size": arguments.batch_size,
        "lr": arguments.lr,
        "discriminator_lr": arguments.lr,
        "adversarial": arguments.adversarial,
        "device": arguments.device,
        "random_state": arguments.seed,
    }
    translator = CycleGANAnonymizer if arguments.what == "ecg" else CycleGANTranslator
    return translator(**settings | parameters)


def smaller(images: np.ndarray, side: int) -> np.ndarray:
    """Average square blocks of pixels."""
    n = images.shape[1] // side
    return images.reshape(len(images), side, n, side, n).mean(axis=(2, 4))


def mirrored(images: np.ndarray) -> np.ndarray:
    return np.concatenate([images, images[:, :, ::-1]])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of images in [0, 1], averaged over them."""
    filled = b.max(axis=(1, 2)) > 0  # not above the head
    return float(np.mean(-10 * np.log10(np.mean((a - b)[filled] ** 2, axis=(1, 2)))))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of images in [0, 1] (Wang et al. 2004, Gaussian of 1.5)."""

    def blur(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, (0, 1.5, 1.5), truncate=3.5)

    a, b = a.astype(float), b.astype(float)
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    both = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def mri(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Translate T1 to T2 and compare with the true T2."""
    bunch = load_mri_slices(arguments.data_home, subset="mni_paired")
    images = smaller(bunch.images, arguments.side)
    t1, t2 = (bunch.target == bunch.target_names.index(name) for name in ("T1", "T2"))
    patients = np.unique(bunch.subject)
    table = []
    for held in patients[: arguments.rotations]:
        own = bunch.subject == held
        a, b = mirrored(images[t1 & ~own]), mirrored(images[t2 & ~own])
        gan = model(arguments, max_epochs=arguments.epochs or 150)
        start = time.perf_counter()
        gan.fit(np.concatenate([a, b]), domain=["T1"] * len(a) + ["T2"] * len(b))
        seconds = time.perf_counter() - start
        x, wanted = images[t1 & own], images[t2 & own]
        new = gan.translate(x)
        back = gan.translate(new, "b-to-a")
        again = gan.translate(gan.translate(wanted, "b-to-a"), "a-to-b")
        cycles = np.abs(back - x).mean(), np.abs(again - wanted).mean()
        # What gray value alone can tell, learnt from pairs that a CycleGAN never has.
        gray = gray_map(images[t1 & ~own], images[t2 & ~own])(x)
        draw = np.abs(gan.transform(x) - new).mean() / np.abs(new - x).mean()
        row = {
            "PSNR": [psnr(part, wanted) for part in (x, gray, new)],
            "SSIM": [ssim(part, wanted) for part in (x, gray, new)],
            "cycle error": cycles,
            "found": [found(part, images[t2], bunch.subject[t2], held) for part in (x, new)],
        }
        table.append(row)
        losses = {name: gan.history_[f"{name}_loss"] for name in PUBLISHED}
        print(
            f"\n{held} held out: {len(a) + len(b)} images, {gan.n_iter_} epochs in "
            f"{seconds:.0f} s on {gan.device_}"
        )
        for name, values in losses.items():
            shown = " ".join(f"{v:.2f}" for v in values[:: max(len(values) // 8, 1)])
            print(f"  {name} loss {shown} ... {values[-1]:.2f} (published: {PUBLISHED[name]})")
        print(f"  cycle error in training {gan.history_['cycle_error'][-1]:.4f} of the range")
        print(f"  held out: T1 {cycles[0]:.4f}, T2 {cycles[1]:.4f} (bar: 0.05)")
        for name in ("PSNR", "SSIM"):
            identity, by_gray, ours = row[name]
            print(
                f"  {name} to the true T2: {ours:.3f}; identity {identity:.3f}, gray values "
                f"by pairs {by_gray:.3f}"
            )
        print(f"  a secret draw moves a release by {draw:.1%} of the translation")
        print(
            f"  edges of a translated slice are most like the patient's own T2 in "
            f"{row['found'][1]:.0%}, of a T1 that is not translated in {row['found'][0]:.0%} "
            f"(chance {1 / len(patients):.0%})",
            flush=True,
        )
        if arguments.figures:
            strip(
                arguments.figures / f"mri-{held.split('/')[-1]}.png",
                {"T1": x, "to T2": new, "true T2": wanted, "and back": back},
            )
    print("\nmean over the patients held out")
    for name in ("PSNR", "SSIM", "cycle error", "found"):
        print(f"  {name}: {np.round(np.mean([row[name] for row in table], axis=0), 4)}")
    return table


def gray_map(x: np.ndarray, wanted: np.ndarray):
    """Return the mean of `wanted` at each of 64 gray values of `x`, as a function."""
    bins = np.clip((x * 64).astype(int), 0, 63)
    sums = np.bincount(bins.ravel(), wanted.ravel(), minlength=64)
    means = sums / np.maximum(np.bincount(bins.ravel(), minlength=64), 1)
    return lambda new: means[np.clip((new * 64).astype(int), 0, 63)]


def found(new: np.ndarray, gallery: np.ndarray, owner: np.ndarray, held: str) -> float:
    """Return how often edges are most like those of the patient's own slice."""
    people = np.unique(owner)
    slices = np.stack([gallery[owner == person] for person in people], axis=1)
    # The top of a head may be out of a slice: an image without anything to compare.
    filled = slices.std(axis=(2, 3)).min(axis=1) > 0.01
    close = [
        [np.corrcoef(edges(one), edges(other))[0, 1] for other in others]
        for one, others in zip(new[filled], slices[filled], strict=True)
    ]
    return float(np.mean(people[np.argmax(close, axis=1)] == held))


def edges(image: np.ndarray) -> np.ndarray:
    """Return the steepness at each pixel: it is the same whatever is dark or light."""
    return np.hypot(*np.gradient(image)).ravel()


def xray(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Translate X-rays between two groups, and let verifiers attack the releases."""
    rows_of_groups = []
    bunch = load_images(load_nih_chest_xrays, arguments)
    images = smaller(bunch.images, arguments.side)
    rng = np.random.default_rng(arguments.seed)
    people = rng.permutation(np.unique(bunch.subject))
    test = np.isin(bunch.subject, people[: len(people) * 2 // 5])
    match = np.column_stack([bunch.view, bunch.sex])
    halves = np.isin(bunch.subject, people[len(people) * 2 // 5 :: 2])
    known = ~test & (bunch.sex != "")
    groups = {
        "groups drawn by chance": (~test, np.where(halves, "A", "B")),
        "women to men": (known, bunch.sex),
    }
    verifier = SiameseVerifier(device=arguments.device, random_state=arguments.seed)
    for name, (rows, domain) in groups.items():
        gan = model(arguments, max_epochs=arguments.epochs or 60)
        start = time.perf_counter()
        gan.fit(images[rows], domain=domain[rows])
        a, b = (int((domain[rows] == which).sum()) for which in gan.domains_)
        print(
            f"\n{name}: {a} and {b} images, {gan.n_iter_} epochs in "
            f"{time.perf_counter() - start:.0f} s on {gan.device_}, generator "
            f"{gan.history_['generator_loss'][-1]:.2f}, discriminator "
            f"{gan.history_['discriminator_loss'][-1]:.2f}, cycle error "
            f"{gan.history_['cycle_error'][-1]:.4f}"
        )
        # All are translated, also those of B among whom the verifiers learn.
        released = gan.transform(images)
        moved = np.abs(released - images)[test].mean()
        print(
            f"  new patients: moved by {moved:.4f} of the range, SSIM to the original "
            f"{ssim(released[test], images[test]):.3f}, there and back within "
            f"{np.abs(gan.round_trip(images[test]) - images[test]).mean():.4f}"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakAttackWarning)
            result = verify_release(
                verifier,
                images,
                released,
                bunch.subject,
                test,
                match=match,
                n_retrain=arguments.retrain,
            )
        print(result, flush=True)
        if arguments.figures:
            shown = images[test][:6]
            strip(
                arguments.figures / f"xray-{name.split()[0]}.png",
                {"original": shown, "released": released[test][:6]},
            )
        row = {"groups": name, "moved": float(moved)}
        levels = ("original", "ignorant", "semi-informed")
        row |= {f"{level}, AUC": float(result.auc(level).mean()) for level in levels}
        rows_of_groups.append(row)
    return rows_of_groups


def ecg(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Translate half of the people of a protocol, and attack their release."""
    protocol = load(arguments.protocol, arguments)
    with warnings.catch_warnings():
        # Flutter in record 207 is annotated without beats.
        warnings.simplefilter("ignore", BeatCountWarning)
        beats = QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records)
    subjects, sessions = protocol.subjects, protocol.sessions
    mixed = np.random.default_rng(arguments.seed).permutation(np.unique(subjects))
    domain = np.where(np.isin(subjects, mixed[::2]), "A", "B")
    attacked = domain == "A"
    gan = model(arguments, max_epochs=arguments.epochs or 60)
    start = time.perf_counter()
    gan.fit(beats, subjects, domain=domain)
    print(
        f"{beats}: {len(mixed[::2])} people to {len(mixed[1::2])}, {gan.n_iter_} epochs in "
        f"{time.perf_counter() - start:.0f} s on {gan.device_}, generator "
        f"{gan.history_['generator_loss'][-1]:.2f}, discriminator "
        f"{gan.history_['discriminator_loss'][-1]:.2f}, cycle error "
        f"{gan.history_['cycle_error'][-1]:.4f}"
    )
    original = beats[attacked]
    there = gan.translate(original)
    back = gan.translate(there, "b-to-a")
    away, missed = (
        np.median(rms(side.beats - original.beats) / rms(original.beats))
        for side in (there, back)
    )
    print(f"  median beat: {away:.1%} of its RMS away; there and back: {missed:.1%}")
    rows = []
    for strength in (0.5, 1.0):
        release = Release.by(
            copy.copy(gan).set_params(strength=strength),
            original,
            subjects[attacked],
            sessions=sessions[attacked],
            split="session",
            random_state=arguments.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakAttackWarning)
            attackers = ["lda"] if arguments.quick else ["lda", "trees"]
            evaluation = evaluate(release, attackers)
        print(f"\nstrength {strength:g}, {evaluation.n_subjects} people of A\n{evaluation}")
        shown = ("utility", "waveform", "correlation_qrs", "rmse_qrs")
        figures = {k: evaluation.utility_figures.get(k) for k in shown}
        print(figures, flush=True)
        rows.append({"strength": strength, "rank1": evaluation.worst.rank1, **figures})
    return rows


def rms(beats: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(beats**2, axis=(1, 2)))


def speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare the training with a plain loop over the same nets."""
    rng = np.random.default_rng(arguments.seed)
    side, n = arguments.side, 16 if arguments.quick else 64
    images = gaussian_filter(rng.random((2 * n, side, side)), (0, 2, 2))
    domain = np.repeat(["a", "b"], n)
    epochs = arguments.epochs or 3
    gan = model(arguments, max_epochs=epochs + 1, buffer_size=0)

    def estimator() -> float:
        # The first epoch also warms the device up.
        return gan.fit(images, domain=domain).history_["dur"][1:].sum()

    def plain() -> float:
        return sum(train_cyclegan_plainly(gan, images, epochs + 1)[1:])

    return [compare("CycleGAN, pairs", arguments.rounds, estimator, plain, epochs * n)]


def train_cyclegan_plainly(gan: Any, images: np.ndarray, n_epochs: int) -> list[float]:
    """Train the same nets as the published code does, and return the seconds of each epoch."""
    net = gan.net_
    module = untrained(net.module_)
    # A fitted model does not keep its discriminators.
    judges = net.initialized_instance(net.discriminator, net.get_params_for("discriminator"))
    judges = judges.to(gan.device_).train()
    adam, judge_adam = (
        torch.optim.Adam(nets.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for nets in (module, judges)
    )
    scaled = torch.as_tensor(2 * images[:, None] - 1, dtype=torch.float32).to(gan.device_)
    sides = scaled.chunk(2)
    generated: dict[str, torch.Tensor] = {}

    def draw(n: int) -> torch.Tensor:
        return torch.randn(n, gan.n_latent, device=gan.device_)

    def generator_loss(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        a, b, n = *batch, len(batch[0])
        fake_b, fake_a = module.a_to_b(a, draw(n)), module.b_to_a(b, draw(n))
        back_a, back_b = module.b_to_a(fake_b, draw(n)), module.a_to_b(fake_a, draw(n))
        same_b, same_a = module.a_to_b(b, draw(n)), module.b_to_a(a, draw(n))
        generated.update(a=fake_a, b=fake_b)
        return (
            (judges.a(fake_a) - 1).square().mean()
            + (judges.b(fake_b) - 1).square().mean()
            + 10 * (F.l1_loss(back_a, a) + F.l1_loss(back_b, b))
            + 5 * (F.l1_loss(same_a, a) + F.l1_loss(same_b, b))
        )

    def judge_loss(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        losses = [
            (judge(real) - 1).square().mean() + judge(generated[name].detach()).square().mean()
            for name, judge, real in zip("ab", (judges.a, judges.b), batch, strict=True)
        ]
        return sum(losses) / 2

    def batches() -> Iterator[tuple[torch.Tensor, ...]]:
        for (a,), (b,) in zip(*(shuffled(gan.batch_size, x) for x in sides), strict=True):
            yield a, b

    steps = [Step(generator_loss, adam, frozen=[judges]), Step(judge_loss, judge_adam)]
    return train_plainly(batches, steps, n_epochs)[1]


def strip(path: Path, rows: dict[str, np.ndarray]) -> None:
    """Write six columns of images, one row a kind."""
    from matplotlib.figure import Figure

    n = len(next(iter(rows.values())))
    chosen = np.linspace(0, n - 1, min(n, 6)).astype(int)
    figure = Figure(figsize=(len(chosen), len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(chosen), squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, i in zip(line, chosen, strict=True):
            ax.imshow(images[i], cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
