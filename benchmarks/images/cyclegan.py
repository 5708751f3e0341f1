"""What a CycleGAN translates, how much that loses, and whether it removes identity.

    python -m benchmarks.images.cyclegan mri [--epochs 150] [--filters 32]
    python -m benchmarks.images.cyclegan xray [--epochs 60]
    python -m benchmarks.images.cyclegan speed [--device cuda]

``mri``    T1 to T2 of `mni_paired`: learned from two patients and tested on the third, in
           turn. Training uses every slice and its mirror image, 192 images, about as many as
           the founding work, which ended at these losses: generator 3.5, discriminator 0.5.
           The data have both contrasts of each patient, but the training does not use which
           belong together. An attacker searches each translated slice among all patients'
           T2 slices, by edges. Three patients are too few for a figure of identity, but if
           nearly every slice is found, the translation hides nobody.
``xray``   NIH chest X-rays: two random groups of patients, and women to men. Verifiers are
           trained from scratch on pairs of an original and a release, and tested on patients
           whom neither they nor the CycleGAN have seen.
``speed``  Images per second in training, compared with a plain PyTorch loop over the same
           nets.

Each prints date, seed and settings. With ``--figures FOLDER`` pictures are written. The
CycleGAN of beats is measured by ``python -m benchmarks.leaderboard``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from benchmarks._results import make_parser, print_header
from benchmarks._speed import Step, compare, shuffled, train_plainly, untrained
from benchmarks.images._data import load_images
from sklearn_ecganon.images import (
    CycleGANTranslator,
    SiameseVerifier,
    WeakAttackWarning,
    load_mri_slices,
    load_nih_chest_xrays,
    verify_release,
)

PUBLISHED = {"generator": 3.5, "discriminator": 0.5}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parts = {"mri": mri, "xray": xray, "speed": speed}
    parser.add_argument("what", choices=parts, nargs="?", default="xray")
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
    return [*xray(arguments), *speed(arguments)]


def model(arguments: argparse.Namespace, **parameters: object) -> CycleGANTranslator:
    settings = {
        "n_filters": arguments.filters,
        "batch_size": arguments.batch_size,
        "lr": arguments.lr,
        "discriminator_lr": arguments.lr,
        "adversarial": arguments.adversarial,
        "device": arguments.device,
        "random_state": arguments.seed,
    }
    return CycleGANTranslator(**settings | parameters)


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
        of_patient = bunch.subject == held
        a, b = mirrored(images[t1 & ~of_patient]), mirrored(images[t2 & ~of_patient])
        gan = model(arguments, max_epochs=arguments.epochs or 150)
        start = time.perf_counter()
        gan.fit(np.concatenate([a, b]), domain=["T1"] * len(a) + ["T2"] * len(b))
        seconds = time.perf_counter() - start
        x, true_t2 = images[t1 & of_patient], images[t2 & of_patient]
        new = gan.translate(x)
        back = gan.translate(new, "b-to-a")
        again = gan.translate(gan.translate(true_t2, "b-to-a"), "a-to-b")
        cycles = np.abs(back - x).mean(), np.abs(again - true_t2).mean()
        # Translation of gray values alone, learned from pairs that a CycleGAN never gets.
        gray = gray_map(images[t1 & ~of_patient], images[t2 & ~of_patient])(x)
        draw = np.abs(gan.transform(x) - new).mean() / np.abs(new - x).mean()
        row = {
            "PSNR": [psnr(version, true_t2) for version in (x, gray, new)],
            "SSIM": [ssim(version, true_t2) for version in (x, gray, new)],
            "cycle error": cycles,
            "identified": [
                identified(version, images[t2], bunch.subject[t2], held) for version in (x, new)
            ],
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
        before, after = row["identified"]
        print(
            "  the T2 with the most similar edges is the same patient's for "
            f"{after:.0%} of the translated slices, for {before:.0%} of the T1 slices "
            f"(chance {1 / len(patients):.0%})",
            flush=True,
        )
        if arguments.figures:
            strip(
                arguments.figures / f"mri-{held.split('/')[-1]}.png",
                {"T1": x, "to T2": new, "true T2": true_t2, "and back": back},
            )
    print("\nmean over the patients held out")
    for name in ("PSNR", "SSIM", "cycle error", "identified"):
        print(f"  {name}: {np.round(np.mean([row[name] for row in table], axis=0), 4)}")
    return table


def gray_map(x: np.ndarray, target: np.ndarray):
    """Return the mean of `target` at each of 64 gray values of `x`, as a function."""
    bins = np.clip((x * 64).astype(int), 0, 63)
    sums = np.bincount(bins.ravel(), target.ravel(), minlength=64)
    means = sums / np.maximum(np.bincount(bins.ravel(), minlength=64), 1)
    return lambda new: means[np.clip((new * 64).astype(int), 0, 63)]


def identified(new: np.ndarray, gallery: np.ndarray, owner: np.ndarray, held: str) -> float:
    """Return how often the edges of a slice are most similar to those of the same patient."""
    people = np.unique(owner)
    slices = np.stack([gallery[owner == person] for person in people], axis=1)
    # A slice above the head is empty, so that there is nothing to compare.
    filled = slices.std(axis=(2, 3)).min(axis=1) > 0.01
    close = [
        [np.corrcoef(edges(one), edges(other))[0, 1] for other in others]
        for one, others in zip(new[filled], slices[filled], strict=True)
    ]
    return float(np.mean(people[np.argmax(close, axis=1)] == held))


def edges(image: np.ndarray) -> np.ndarray:
    """Return the size of the gradient at each pixel, which inverted contrast preserves."""
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
        "groups drawn at random": (~test, np.where(halves, "A", "B")),
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
        # All images are translated: the verifiers also learn from patients of B.
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
    discriminators = net.initialized_instance(
        net.discriminator, net.get_params_for("discriminator")
    )
    discriminators = discriminators.to(gan.device_).train()
    adam, discriminator_adam = (
        torch.optim.Adam(nets.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for nets in (module, discriminators)
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
            (discriminators.a(fake_a) - 1).square().mean()
            + (discriminators.b(fake_b) - 1).square().mean()
            + 10 * (F.l1_loss(back_a, a) + F.l1_loss(back_b, b))
            + 5 * (F.l1_loss(same_a, a) + F.l1_loss(same_b, b))
        )

    def discriminator_loss(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        losses = [
            (net(real) - 1).square().mean() + net(generated[name].detach()).square().mean()
            for name, net, real in zip(
                "ab", (discriminators.a, discriminators.b), batch, strict=True
            )
        ]
        return sum(losses) / 2

    def batches() -> Iterator[tuple[torch.Tensor, ...]]:
        for (a,), (b,) in zip(*(shuffled(gan.batch_size, x) for x in sides), strict=True):
            yield a, b

    steps = [
        Step(generator_loss, adam, frozen=[discriminators]),
        Step(discriminator_loss, discriminator_adam),
    ]
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
