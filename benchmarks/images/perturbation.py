"""What anonymizers of images leave to verifiers, and to whoever reads findings.

    OMP_NUM_THREADS=1 python benchmarks/images/perturbation.py xray [--data nih kermany]
        [--methods flow noise k-same cyclegan gan] [--degrees 0.001 0.005 0.01]
        [--weights 1 4 8] [--strengths 0.5 1] [--out FILE]
    python benchmarks/images/perturbation.py picture --out FILE
    OMP_NUM_THREADS=1 python benchmarks/images/perturbation.py speed

``xray``: chest X-rays, split by patient. The anonymizer and all judges learn from two
thirds of the patients and are asked about the others; verifiers, whether an original and a
release are of one of them. They are trained from scratch: five on originals
(``ignorant``), five on pairs of an original and a release (``informed``), and three on
pairs of releases, as was published. The attackers' releases are under another salt. Beside
them, an attacker who learns nothing: the correlation of an original's pixels with those of a
release, averaged to 32 x 32 and to 16 x 16. The classifiers of findings learn from originals.
Published for the flow field at mu 0.01 and 112,120 images: verifiers fall from 81.8 to
57.7 %, three quarters of what they are above guessing. Beside the learned fields the other
methods of the package that take images.

``picture``: what ``xray`` has written to ``FILE``, as a Markdown table and, with the ending
.svg, as a picture of risk against what is left of the finding.

``speed``: images a second in training, beside a plain loop over the same nets.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from verification import correlation, smaller

from sklearn_ecganon.anonymizers import (
    GANImageAnonymizer,
    KSameAnonymizer,
)
from sklearn_ecganon.images import (
    CycleGANTranslator,
    FakeTest,
    FlowFieldPerturbation,
    NoiseFieldPerturbation,
    SiameseVerifier,
    load_kermany_chest_xrays,
    load_nih_chest_xrays,
    verification_pairs,
)
from sklearn_ecganon.networks._field import N_DRAWN, FlowField, Judges
from sklearn_ecganon.networks._verifier import PairLoss

FIELDS = {"flow": FlowFieldPerturbation, "noise": NoiseFieldPerturbation}
DEGREE = {"flow": "mu", "noise": "noise_degree"}
N_JUDGES = 2
TITLES = {"nih": "NIH ChestX-ray14", "kermany": "Kermany, children"}
NAMES = {
    "flow": "flow field",
    "noise": "noise field",
    "k-same": "k-Same, k=10",
    "cyclegan": "CycleGAN",
    "gan": "GAN",
}
# Attackers of whom the worst counts.
WORST = ("ignorant", "as published", "informed", "pixels, 32", "pixels, 16")
# Verifiers of the published protocol, which is here for comparison.
N_PUBLISHED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["xray", "picture", "speed"])
    parser.add_argument("--data-home")
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--methods", nargs="+", default=[*FIELDS, "k-same", "cyclegan", "gan"])
    parser.add_argument("--degrees", nargs="+", type=float, default=[0.001, 0.005, 0.01])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.25, 0.5, 1.0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument(
        "--weights", nargs="+", type=float, default=[1.0], help="of the verification loss"
    )
    parser.add_argument("--retrain", type=int, default=5)
    parser.add_argument("--size", type=int, default=128, help="pixels of a side, at most")
    parser.add_argument("--n-images", type=int, help="only so many, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file of JSON lines that is added to")
    arguments = parser.parse_args()
    print(f"{date.today()}, {arguments.what}, {vars(arguments)}", flush=True)
    what = {"xray": xray, "picture": picture, "speed": speed}
    what[arguments.what](arguments)


def anonymizer(method, arguments, **settings):
    return FIELDS[method](
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        lr=arguments.lr,
        random_state=arguments.seed,
        **settings,
    )


def tell(figures, arguments):
    """Print a line of figures, and keep it."""
    figures = {k: float(v) if isinstance(v, np.floating) else v for k, v in figures.items()}
    shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print("  " + ", ".join(f"{k} {v}" for k, v in shown.items()), flush=True)
    if arguments.out:
        with arguments.out.open("a") as file:
            file.write(json.dumps(figures) + "\n")


# X-rays


def chest_xrays(name, arguments):
    """Return images, patients, findings, and what impostor pairs are matched by."""
    if name == "nih":
        bunch = load_nih_chest_xrays(arguments.data_home)
        match = np.column_stack([bunch.view, bunch.sex])
        finding = bunch.target
    else:
        bunch = load_kermany_chest_xrays(arguments.data_home)
        # Normal against pneumonia; children of one class are compared with each other.
        finding, match = (bunch.target > 0).astype(int), bunch.target
    subject = bunch.subject
    chosen = np.arange(len(subject))
    if arguments.n_images:
        # People with several images, as many as it takes.
        people, count = np.unique(subject, return_counts=True)
        several = np.random.default_rng(0).permutation(people[count > 1])
        rank = np.full(len(people), len(people))
        rank[np.searchsorted(people, several)] = np.arange(len(several))
        order = rank[np.searchsorted(people, subject)]
        chosen = np.argsort(order, kind="stable")[: arguments.n_images]
    images = smaller(bunch.images, min(arguments.size, bunch.images.shape[1]))
    return images[chosen], subject[chosen], finding[chosen], match[chosen]


def xray(arguments):
    for name in arguments.data or ["nih", "kermany"]:
        X, y, finding, match = chest_xrays(name, arguments)
        split = GroupShuffleSplit(1, test_size=1 / 3, random_state=arguments.seed)
        [(learnt, asked)] = split.split(X, groups=y)
        test = np.isin(np.arange(len(X)), asked)
        print(f"{name}: {len(learnt)} images to learn from, {len(asked)} of other patients")
        judges = [
            FakeTest(max_epochs=20, random_state=seed).fit(X[learnt], finding[learnt])
            for seed in range(N_JUDGES)
        ]

        def read(images, judges=judges, asked=asked, finding=finding):
            found = [judge.evaluate(images[asked], finding[asked]).auc for judge in judges]
            return float(np.mean(found))

        def ask(verifier, side, X=X, y=y, match=match, test=test):
            asked = {"released": side[test], "match": match[test]}
            return verifier.evaluate(X[test], y[test], **asked).auc

        verifiers = [SiameseVerifier(random_state=seed) for seed in range(arguments.retrain)]
        naive = [clone(verifier).fit(X[~test], y[~test]) for verifier in verifiers]
        before = np.array([ask(verifier, X) for verifier in naive])
        pairs, is_genuine = verification_pairs(y[test], match=match[test], random_state=0)

        def by_pixels(released, X=X, test=test, pairs=pairs, is_genuine=is_genuine):
            return {
                f"pixels, {side}": roc_auc_score(
                    is_genuine, correlation(X[test], pairs, released[test], side)
                )
                for side in (32, 16)
            }

        figures = {"data": name, "verifier": before.mean(), "SD": before.std(ddof=1)}
        figures |= by_pixels(X) | {"finding": read(X)}
        tell(figures, arguments)
        for given, model in candidates(arguments, X.shape[1:]):
            start = perf_counter()
            rows = X.reshape(len(X), -1) if given["method"] == "k-same" else X
            model.fit(rows[~test], y[~test], labels=finding[~test])
            seconds = perf_counter() - start
            released = model.transform(rows).reshape(X.shape)
            # The attacker has the anonymizer, and a salt of his own.
            own = (
                model.resalt(arguments.seed + 1)
                .transform(rows[~test])
                .reshape(-1, *X.shape[1:])
            )
            known = y[~test]
            attacks = {
                "ignorant": naive,
                "as published": [clone(v).fit(own, known) for v in verifiers[:N_PUBLISHED]],
                "informed": [clone(v).fit(X[~test], known, own) for v in verifiers],
            }
            figures = {"data": name, **given, "lr": model.get_params().get("lr")}
            figures["epochs"] = arguments.epochs
            for knowledge, attackers in attacks.items():
                found = np.array([ask(attacker, released) for attacker in attackers])
                figures[knowledge] = found.mean()
                figures[f"{knowledge}, SD"] = found.std(ddof=1)
                fall = (before.mean() - found.mean()) / (before.mean() - 0.5)
                figures[f"{knowledge}, fall"] = fall
            figures |= by_pixels(released)
            figures |= {
                "finding": read(released),
                "change": np.abs(released - X).mean(),
                "seconds": seconds,
            }
            history = getattr(model, "history_", {})
            figures |= {k: v[-1].item() for k, v in history.items() if k not in ("dur", "lr")}
            tell(figures, arguments)


def candidates(arguments, shape):
    """Yield the settings and the anonymizer of each row of the table."""
    for method in arguments.methods:
        if method in FIELDS:
            for degree, weight in product(arguments.degrees, arguments.weights):
                model = anonymizer(
                    method,
                    arguments,
                    verification_weight=weight,
                    **{DEGREE[method]: degree},
                )
                yield {"method": method, "degree": degree, "weight": weight}, model
            continue
        for strength in arguments.strengths:
            yield (
                {"method": method, "strength": strength},
                other(method, shape, arguments, strength),
            )


def other(method, shape, arguments, strength):
    common = {"strength": strength, "random_state": arguments.seed}
    if method == "k-same":
        return KSameAnonymizer(k=10, **common)
    learnt = common | {"image_shape": shape, "max_epochs": arguments.epochs}
    if method == "cyclegan":
        return CycleGANTranslator(
            batch_size=16,
            lr=4e-4,
            discriminator_lr=4e-4,
            n_filters=2 * arguments.filters,
            **learnt,
        )
    return GANImageAnonymizer(
        batch_size=32, epoch_size=1600, n_filters=2 * arguments.filters, patience=None, **learnt
    )


def picture(arguments):
    """Print what was measured as a table, and draw it."""
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    data = list(dict.fromkeys(line["data"] for line in lines))
    figure = Figure(figsize=(5.6 * len(data), 4.6), layout="constrained")
    axes = figure.subplots(1, len(data), squeeze=False)[0]
    for ax, of_data in zip(axes, data, strict=True):
        original = next(x for x in lines if x["data"] == of_data and "method" not in x)
        released = [x for x in lines if x["data"] == of_data and "method" in x]
        print(f"{of_data}: verifier on originals {original['verifier']:.3f}")
        print("| method | retrained verifier | ignorant | pixels | worst | fall | finding |")
        print("|---|---|---|---|---|---|---|")
        ax.plot(
            original["finding"],
            original["verifier"],
            "D",
            markersize=13,
            markerfacecolor="none",
            color="0.4",
            label="originals",
        )
        for x in released:
            worst = max(x[key] for key in WORST)
            fall = (original["verifier"] - worst) / (original["verifier"] - 0.5)
            told = " ".join(f"{k} {x[k]:g}" for k in ("degree", "weight", "strength") if k in x)
            name = f"{NAMES[x['method']]}, {told}"
            print(
                f"| {name} | {x['informed']:.3f} +- {x['informed, SD']:.3f} "
                f"| {x['ignorant']:.3f} | {x['pixels, 32']:.3f} | {worst:.3f} | {fall:.0%} "
                f"| {original['finding']:.3f} -> {x['finding']:.3f} |"
            )
        for method in dict.fromkeys(x["method"] for x in released):
            of_method = [x for x in released if x["method"] == method]
            worst = [max(x[key] for key in WORST) for x in of_method]
            ax.plot([x["finding"] for x in of_method], worst, "o", label=NAMES[method])
        ax.axhline(0.5, color="0.5", linestyle="--", label="guessing")
        ax.set(xlabel="AUC of the finding", ylabel="AUC of the worst verifier")
        ax.set_title(f"{TITLES[of_data]}, patients split", loc="left")
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    figure.savefig(arguments.out.with_suffix(".svg"))


# speed


def speed(arguments):
    n, epochs = arguments.n_images or 2048, 5
    rng = np.random.default_rng(0)
    X = rng.random((n, 128, 128), dtype=np.float32)
    y, finding = np.arange(n) // 2, np.arange(n) // 2 % 2
    ours, plain = [], []
    for _ in range(3):
        model = FlowFieldPerturbation(n_filters=arguments.filters, max_epochs=epochs)
        model.fit(X, y, labels=finding)
        # The first epoch warms up.
        ours.append(n / np.median(model.history_["dur"][1:]))
        plain.append(n / np.median(plain_loop(X, y, finding, arguments.filters, epochs)[1:]))
    ratio = np.median(plain) / np.median(ours)
    figures = {
        "device": model.device_,
        "images/s": float(np.median(ours)),
        "plain loop": float(np.median(plain)),
        "ratio": float(ratio),
    }
    tell(figures, arguments)


def plain_loop(X, y, finding, n_filters, n_epochs, batch_size=64):
    """Return the seconds of each epoch of the same training, written down as it comes."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    size = X.shape[1:]
    generator = FlowField(size, 1, 0.01, n_filters, 2.0).to(device)
    judges = Judges(2, 1, n_filters, 2).to(device)
    adam = torch.optim.Adam(generator.parameters(), lr=1e-4)
    judges_adam = torch.optim.Adam(judges.parameters(), lr=1e-3)
    rows = torch.from_numpy(X[:, None]).to(device)
    subject, code = torch.from_numpy(y).to(device), torch.from_numpy(finding).to(device)
    free = torch.ones(1, 1, *size, device=device)
    pair_loss, cross_entropy = PairLoss(), torch.nn.CrossEntropyLoss()
    seconds = []
    for _ in range(n_epochs):
        start = perf_counter()
        for batch in torch.randperm(len(rows), device=device).split(batch_size):
            row, partner = rows[batch], rows[batch ^ 1]
            fake = generator(row, torch.randn(len(row), N_DRAWN, device=device), free)
            judges.train()
            judges_adam.zero_grad()
            pairs = judges.verifier(torch.stack([partner, fake.detach()]))
            found = judges.classifier(torch.cat([row, fake.detach()]))
            loss = pair_loss(pairs, subject[batch]) + cross_entropy(
                found, code[batch].repeat(2)
            )
            loss.backward()
            judges_adam.step()
            judges.eval().requires_grad_(False)
            adam.zero_grad()
            genuine = judges.verifier(torch.stack([partner, fake])).diagonal()
            loss = torch.nn.functional.softplus(genuine).mean()
            loss = loss + cross_entropy(judges.classifier(fake), code[batch])
            loss.backward()
            adam.step()
            judges.requires_grad_(True)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
