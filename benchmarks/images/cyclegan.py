"""What a CycleGAN translates, what it costs, and whether it hides anybody.

    OMP_NUM_THREADS=1 python benchmarks/images/cyclegan.py mri [--epochs 150] [--filters 32]
    OMP_NUM_THREADS=1 python benchmarks/images/cyclegan.py xray [--epochs 60]
    OMP_NUM_THREADS=1 python benchmarks/images/cyclegan.py ecg [--data ecgid] [--epochs 60]
    OMP_NUM_THREADS=1 python benchmarks/images/cyclegan.py speed [--device cuda]

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
import os
import statistics
import time
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from sklearn_ecganon import QRSSegmenter, ReidentificationScorer
from sklearn_ecganon.anonymizers import CycleGANAnonymizer
from sklearn_ecganon.datasets import fetch_ecgid, fetch_mitdb, time_split
from sklearn_ecganon.images import (
    CycleGANTranslator,
    SiameseVerifier,
    WeakAttackWarning,
    load_mri_slices,
    load_nih_chest_xrays,
    verify_release,
)
from sklearn_ecganon.segmentation import BeatCountWarning
from sklearn_ecganon.training._nets import seeded
from sklearn_ecganon.utility import UtilityScorer

PUBLISHED = {"generator": 3.5, "discriminator": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["mri", "xray", "ecg", "speed"])
    parser.add_argument("--data-home", default=os.environ.get("SKLEARN_ECGANON_DATA"))
    parser.add_argument("--data", choices=["mitdb", "ecgid"], default="mitdb")
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    if arguments.figures:
        arguments.figures.mkdir(parents=True, exist_ok=True)
    print(f"{date.today()}, {arguments.what}, {vars(arguments)}")
    {"mri": mri, "xray": xray, "ecg": ecg, "speed": speed}[arguments.what](arguments)


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


def mri(arguments: argparse.Namespace) -> None:
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


def xray(arguments: argparse.Namespace) -> None:
    bunch = load_nih_chest_xrays(arguments.data_home)
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


def ecg(arguments: argparse.Namespace) -> None:
    with warnings.catch_warnings():
        # Flutter in record 207 is annotated without beats.
        warnings.simplefilter("ignore", BeatCountWarning)
        if arguments.data == "mitdb":
            records = time_split(fetch_mitdb(data_home=arguments.data_home).data)
            beats = QRSSegmenter("annotated", leads=[0]).fit_transform(records)
        else:
            bunch = fetch_ecgid(data_home=arguments.data_home)
            # Recordings of a person's first day, so that the split is one of recordings.
            dates = np.asarray(bunch.session)
            first = {s: min(dates[bunch.subject == s]) for s in np.unique(bunch.subject)}
            records = [
                record
                for record, day, subject in zip(bunch.data, dates, bunch.subject, strict=True)
                if day == first[subject]
            ]
            beats = QRSSegmenter(leads=[0]).fit_transform(records)
    subjects = np.array([record.subject for record in records])
    sessions = np.array([record.session for record in records])
    people, counts = np.unique(subjects, return_counts=True)
    mixed = np.random.default_rng(arguments.seed).permutation(people)
    domain = np.where(np.isin(subjects, mixed[::2]), "A", "B")
    several = np.isin(subjects, people[counts > 1])
    attacked = (domain == "A") & several
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
    own = beats[attacked]
    there = gan.translate(own)
    back = gan.translate(there, "b-to-a")
    away, missed = (
        np.median(rms(part.beats - own.beats) / rms(own.beats)) for part in (there, back)
    )
    print(f"  median beat: {away:.1%} of its RMS away; there and back: {missed:.1%}")
    judge = ReidentificationScorer(
        ["lda", "trees"],
        contract=None,
        split="session" if arguments.data == "mitdb" else "time",
        random_state=arguments.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakAttackWarning)
        for strength in (0.5, 1.0):
            released = copy.copy(gan).set_params(strength=strength)
            kept = {"sessions": sessions[attacked]} if arguments.data == "mitdb" else {}
            print(f"\nstrength {strength:g}, {len(np.unique(subjects[attacked]))} people of A")
            print(judge.evaluate(released, own, subjects[attacked], **kept))
            figures = UtilityScorer().evaluate(own, released.transform(own))
            shown = ("utility", "waveform", "correlation_qrs", "rmse_qrs")
            print({name: round(figures[name], 3) for name in shown if name in figures})
            print(flush=True)


def rms(beats: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(beats**2, axis=(1, 2)))


def speed(arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(arguments.seed)
    side, n = arguments.side, 64
    images = gaussian_filter(rng.random((2 * n, side, side)), (0, 2, 2))
    domain = np.repeat(["a", "b"], n)
    epochs = arguments.epochs or 3
    ratios = []
    for _ in range(arguments.rounds):
        gan = model(arguments, max_epochs=epochs + 1, buffer_size=0).fit(images, domain=domain)
        # The first epoch also warms the device up.
        ours = epochs * n / gan.history_["dur"][1:].sum()
        plain = epochs * n / plain_loop(gan, images, epochs)
        ratios.append(plain / ours)
        print(
            f"  ours {ours:.1f} pairs of {side} x {side} a second, plain loop {plain:.1f}, "
            f"ratio of times {ratios[-1]:.2f}",
            flush=True,
        )
    where = torch.cuda.get_device_name() if gan.device_ == "cuda" else "one core"
    print(
        f"{where}, batches of {arguments.batch_size}, {arguments.filters} filters: ratio "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def plain_loop(gan: CycleGANTranslator, images: np.ndarray, epochs: int) -> float:
    """Train the same nets as the published code does, and return seconds."""
    with seeded(0):
        net = gan._build_net()
        module, judges = net.module_.train(), net.discriminator_.train()
        adam = torch.optim.Adam(module.parameters(), lr=2e-4, betas=(0.5, 0.999))
        judge_adam = torch.optim.Adam(judges.parameters(), lr=2e-4, betas=(0.5, 0.999))
        scaled = torch.as_tensor(2 * images[:, None] - 1, dtype=torch.float32)
        scaled = scaled.to(gan.device_)
        half = len(scaled) // 2

        def draw(n: int) -> torch.Tensor:
            return torch.randn(n, gan.n_latent, device=gan.device_)

        for epoch in range(epochs + 1):
            if epoch == 1:
                start = time.perf_counter()
            order = [torch.randperm(half, device=gan.device_) + k * half for k in (0, 1)]
            rows = zip(*(part.split(gan.batch_size) for part in order), strict=True)
            for rows_a, rows_b in rows:
                a, b, n = scaled[rows_a], scaled[rows_b], len(rows_a)
                judges.requires_grad_(False)
                adam.zero_grad()
                fake_b, fake_a = module.a_to_b(a, draw(n)), module.b_to_a(b, draw(n))
                back_a, back_b = module.b_to_a(fake_b, draw(n)), module.a_to_b(fake_a, draw(n))
                same_b, same_a = module.a_to_b(b, draw(n)), module.b_to_a(a, draw(n))
                loss = (
                    (judges.a(fake_a) - 1).square().mean()
                    + (judges.b(fake_b) - 1).square().mean()
                    + 10 * (F.l1_loss(back_a, a) + F.l1_loss(back_b, b))
                    + 5 * (F.l1_loss(same_a, a) + F.l1_loss(same_b, b))
                )
                loss.backward()
                adam.step()
                judges.requires_grad_(True)
                judge_adam.zero_grad()
                judged = torch.zeros((), device=gan.device_)
                sides = ((judges.a, a, fake_a), (judges.b, b, fake_b))
                for judge, real, fake in sides:
                    judged = (
                        judged
                        + (
                            (judge(real) - 1).square().mean()
                            + judge(fake.detach()).square().mean()
                        )
                        / 2
                    )
                judged.backward()
                judge_adam.step()
                loss.item()
        return time.perf_counter() - start


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
