"""Whether verifiers still recognize patients in images that an anonymizer has released.

    OMP_NUM_THREADS=1 python -m benchmarks.images.perturbation xray [--data nih kermany]
        [--methods flow noise k-same cyclegan gan pseudo-identity] [--degrees 0.001 0.005 0.01]
        [--weights 1 4 8] [--strengths 0.5 1] [--out FILE]
    python -m benchmarks.images.perturbation picture --out FILE
    OMP_NUM_THREADS=1 python -m benchmarks.images.perturbation speed

``xray``: chest X-rays, split by patient. Anonymizer, verifiers and classifiers learn from
two thirds of the patients and are tested on the others. A verifier decides whether an
original and a release are of one patient. Verifiers are trained from scratch: five on
originals (``ignorant``), five on pairs of an original and a release (``informed``), and
three on pairs of releases, as published. Two matching attackers compare places of both images:
one learned from originals, one from pairs of an original and a release. The attackers use
releases with another salt. One attacker learns nothing: it correlates pixels of originals and
releases, averaged to 32 x 32 and to 16 x 16. The classifiers of findings learn from originals.
For the flow field at mu 0.01 and 112,120 images it was published that verifiers fall from 81.8
to 57.7 %, which is three quarters of their AUC above guessing. Other methods for images are
compared as well.
With ``--quality``: classifiers that learn the finding from the release, tested on originals;
classifiers that distinguish releases from originals, beside the same for two groups of
originals; the nearest training image; and whether an image was among those in training. With
``--protect lungs`` lungs stay unchanged.

``picture``: the results that ``xray`` wrote to ``FILE``, as a Markdown table and, with the
ending .svg, as a figure of risk against the remaining finding.

``speed``: images per second in training, compared with a plain loop over the same nets.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit

from benchmarks._results import Results, make_parser, print_header, table
from benchmarks._speed import Step, compare, shuffled, train_plainly
from benchmarks.images._data import correlations, load_images, shrink
from benchmarks.images._quality import MEMBERSHIP, finding_auc, nearness, two_sample
from sklearn_ecganon.anonymizers import KSameAnonymizer
from sklearn_ecganon.images import (
    CycleGANTranslator,
    FakeTest,
    FlowFieldPerturbation,
    GANSynthesizer,
    MatchingVerifier,
    NoiseFieldPerturbation,
    PseudoIdentityImageAnonymizer,
    SiameseVerifier,
    load_kermany_chest_xrays,
    load_nih_chest_xrays,
    verification_pairs,
)
from sklearn_ecganon.networks import N_DRAWN, AuxiliaryNets, FlowField
from sklearn_ecganon.networks._verifier import PairLoss

FIELDS = {"flow": FlowFieldPerturbation, "noise": NoiseFieldPerturbation}
DEGREE = {"flow": "mu", "noise": "noise_degree"}
N_CLASSIFIERS = 2
# Passes of the classifiers that distinguish releases from originals.
JUDGE_EPOCHS = 10
TITLES = {"nih": "NIH ChestX-ray14", "kermany": "Kermany, children", "synthetic": "synthetic"}
NAMES = {
    "flow": "flow field",
    "noise": "noise field",
    "k-same": "k-Same, k=10",
    "cyclegan": "CycleGAN",
    "gan": "GAN",
    "pseudo-identity": "pseudo-identity",
}
# Attackers of whom the worst counts.
MATCHING = ("matching, ignorant", "matching, informed")
WORST = (
    "ignorant",
    "as published",
    "informed",
    *MATCHING,
    "linked",
    "pixels, 32",
    "pixels, 16",
)
# Verifiers of the published protocol, which is here for comparison.
N_PUBLISHED = 3
BATCH = 64
HEADER = (
    "method",
    "retrained network",
    "retrained matching",
    "linked",
    "pixels",
    "worst",
    "fall",
    "finding",
    "trained on the release",
    "two-sample",
    "nearest (others)",
    "membership",
)


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=["xray", "picture", "speed"], nargs="?", default="xray")
    parser.add_argument("--data", nargs="+", default=list(TITLES)[:2])
    parser.add_argument("--methods", nargs="+", default=list(NAMES))
    parser.add_argument("--degrees", nargs="+", type=float, default=[0.001, 0.005, 0.01])
    parser.add_argument("--strengths", nargs="+", type=float, default=[0.25, 0.5, 1.0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--verifier-epochs", type=int, default=SiameseVerifier().max_epochs)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument(
        "--weights", nargs="+", type=float, default=[1.0], help="of the verification loss"
    )
    parser.add_argument("--retrain", type=int, default=5)
    parser.add_argument("--classifiers", type=int, default=N_CLASSIFIERS)
    parser.add_argument("--protect", choices=["lungs"], help="what stays unchanged")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison of speed")
    parser.add_argument("--size", type=int, default=128, help="pixels of a side, at most")
    parser.add_argument("--n-images", type=int, help="only so many, for a trial")
    arguments = parser.parse_args(argv)
    if not arguments.quick:
        print_header(arguments)
        return {"xray": xray, "picture": picture, "speed": speed}[arguments.what](arguments)
    arguments.data, arguments.methods = ["synthetic"], ["flow", "k-same", "pseudo-identity"]
    arguments.quality = True
    arguments.degrees, arguments.strengths, arguments.retrain = [0.01], [1.0], 2
    arguments.epochs, arguments.verifier_epochs, arguments.filters = 1, 1, 2
    arguments.size, arguments.n_images, arguments.rounds = 32, 32, 1
    print_header(arguments)
    rows = xray(arguments)
    if arguments.out:
        picture(arguments)
    return [*rows, *speed(arguments)]


def field(method: str, arguments: argparse.Namespace, **settings: float) -> Any:
    """Return an untrained flow or noise field."""
    return FIELDS[method](
        n_filters=arguments.filters,
        max_epochs=arguments.epochs,
        lr=arguments.lr,
        protect=arguments.protect,
        random_state=arguments.seed,
        **settings,
    )


# X-rays


class Task:
    """The images of one data set, split by patient, and those who are asked about them.

    Parameters
    ----------
    name : str
        A key of `TITLES`.
    arguments : argparse.Namespace
        The settings of the run.
    """

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self.name = name
        self.arguments = arguments
        self.X, self.y, self.finding, self.match = load_xrays(name, arguments)
        split = GroupShuffleSplit(1, test_size=1 / 3, random_state=arguments.seed)
        [(train, test)] = split.split(self.X, groups=self.y)
        self.test = np.isin(np.arange(len(self.X)), test)
        print(f"{name}: {len(train)} images to learn from, {len(test)} of other patients")
        epochs = 1 if arguments.quick else 20
        self.classifiers = [
            FakeTest(max_epochs=epochs, random_state=seed).fit(
                self.X[~self.test], self.finding[~self.test]
            )
            for seed in range(arguments.classifiers)
        ]
        self.verifiers = [
            SiameseVerifier(max_epochs=arguments.verifier_epochs, random_state=seed)
            for seed in range(arguments.retrain)
        ]
        self.ignorant = [
            clone(one).fit(self.X[~self.test], self.y[~self.test]) for one in self.verifiers
        ]
        self.before = self.verify(self.ignorant, self.X)
        self.matching = MatchingVerifier(size=self.X.shape[1], random_state=0)
        self.matching_ignorant = self.match_places(self.X)
        [self.matching_before] = self.verify([self.matching_ignorant], self.X)
        self.linked_before = max(
            self.verify(verifiers, self.X, "linked").mean()
            for verifiers in (self.ignorant, [self.matching_ignorant])
        )
        # What a pseudo-identity has to show: the finding, and the view if it is known.
        first = self.match[:, 0] if self.match.ndim == 2 else self.match
        self.labels = np.char.add(np.char.add(self.finding.astype(str), " "), first.astype(str))

    def verify(
        self, verifiers: Sequence[Any], released: NDArray, evidence: str = "single"
    ) -> NDArray:
        """Return the AUC of each verifier for originals and releases of new patients."""
        sides: dict[str, Any] = {"released": released[self.test], "evidence": evidence}
        sides["match"] = self.match[self.test]
        return np.array(
            [v.evaluate(self.X[self.test], self.y[self.test], **sides).auc for v in verifiers]
        )

    def match_places(self, right: NDArray) -> MatchingVerifier:
        """Return a matching attacker that learned from pairs of originals and `right`."""
        train = ~self.test
        return clone(self.matching).fit(
            self.X[train], self.y[train], right[train], match=self.match[train]
        )

    def compare_pixels(self, released: NDArray) -> dict[str, float]:
        """Return the AUC of the correlation of pixels, at two sizes."""
        pairs, is_genuine = verification_pairs(
            self.y[self.test], match=self.match[self.test], random_state=0
        )
        sides = self.X[self.test], pairs, released[self.test]
        return {
            f"pixels, {size}": roc_auc_score(is_genuine, correlations(*sides, size))
            for size in (32, 16)
        }

    def classify(self, images: NDArray) -> float:
        """Return the AUC of the finding in new patients, by classifiers of originals."""
        tested = images[self.test], self.finding[self.test]
        return float(np.mean([one.evaluate(*tested).auc for one in self.classifiers]))

    def measure_originals(self) -> dict[str, float]:
        """Return the figures of the originals."""
        figures = {"verifier": self.before.mean(), "SD": spread(self.before)}
        figures["matching"] = self.matching_before
        figures["linked"] = self.linked_before
        figures |= self.compare_pixels(self.X) | {"finding": self.classify(self.X)}
        if self.arguments.quality:
            train = np.flatnonzero(~self.test)[: self.test.sum()]
            sides = self.X[self.test], self.y[self.test], self.X[train]
            figures["two-sample"] = two_sample(self.judge(), *sides)
        return figures

    def judge(self) -> FakeTest:
        """Return an untrained classifier for two samples."""
        epochs = 1 if self.arguments.quick else JUDGE_EPOCHS
        return FakeTest(max_epochs=epochs, random_state=0)

    def quality(self, released: NDArray, other: NDArray) -> dict[str, float]:
        """Return what a release is good for, and how close it is to the training images."""
        test, train = self.test, ~self.test
        truth = self.X[test], self.finding[test]
        learned = finding_auc(self.classifiers, other, self.finding[train], *truth)
        apart = two_sample(self.judge(), self.X[test], self.y[test], released[test])
        figures = {"finding, trained on the release": learned, "two-sample": apart}
        near = nearness(self.X, released, self.y, train, self.arguments.seed)
        return figures | near

    def measure(self, method: str, model: Any) -> dict[str, Any]:
        """Train an anonymizer, attack its release, and return all figures."""
        start = perf_counter()
        train = ~self.test
        rows = self.X.reshape(len(self.X), -1) if method == "k-same" else self.X
        labels = self.labels if method == "pseudo-identity" else self.finding
        model.fit(rows[train], self.y[train], labels=labels[train])
        seconds = perf_counter() - start
        shown = [labels] if method == "pseudo-identity" else []
        released = model.transform(rows, *shown).reshape(self.X.shape)
        # The attacker has the same anonymizer with another salt.
        resalted = model.resalt(self.arguments.seed + 1)
        other = resalted.transform(rows[train], *[one[train] for one in shown])
        other = other.reshape(-1, *self.X.shape[1:])
        originals, subjects = self.X[train], self.y[train]
        published = self.verifiers[:N_PUBLISHED]
        attacks = {
            "ignorant": self.ignorant,
            "as published": [clone(v).fit(other, subjects) for v in published],
            "informed": [clone(v).fit(originals, subjects, other) for v in self.verifiers],
        }
        figures: dict[str, Any] = {}
        for knowledge, verifiers in attacks.items():
            auc = self.verify(verifiers, released)
            fall = (self.before.mean() - auc.mean()) / (self.before.mean() - 0.5)
            figures[knowledge], figures[f"{knowledge}, SD"] = auc.mean(), spread(auc)
            figures[f"{knowledge}, fall"] = fall
        right = self.X.copy()
        right[train] = other
        matching = [self.matching_ignorant, self.match_places(right)]
        figures["linked"] = max(
            max(
                self.verify(verifiers, released, "linked").mean()
                for verifiers in attacks.values()
            ),
            self.verify(matching, released, "linked").max(),
        )
        figures |= dict(zip(MATCHING, map(float, self.verify(matching, released)), strict=True))
        figures |= self.compare_pixels(released)
        figures |= {
            "finding": self.classify(released),
            "change": np.abs(released - self.X).mean(),
            "training, s": seconds,
        }
        if self.arguments.quality:
            figures |= self.quality(released, other)
        history = getattr(model, "history_", {})
        return figures | {k: v[-1] for k, v in history.items() if k not in ("dur", "lr")}


def spread(values: NDArray) -> float:
    """Return the standard deviation, NaN of a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def load_xrays(
    name: str, arguments: argparse.Namespace
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return images, patients, findings, and what impostor pairs are matched by."""
    loaders = {"kermany": load_kermany_chest_xrays}
    bunch = load_images(loaders.get(name, load_nih_chest_xrays), arguments)
    if name == "kermany":
        # Normal against pneumonia; children of one class are compared with each other.
        finding, match = (bunch.target > 0).astype(int), bunch.target
    else:
        finding, match = bunch.target, np.column_stack([bunch.view, bunch.sex])
    subject = bunch.subject
    chosen = np.arange(len(subject))
    if arguments.n_images:
        # Patients with several images come first.
        patients, count = np.unique(subject, return_counts=True)
        several = np.random.default_rng(0).permutation(patients[count > 1])
        rank = np.full(len(patients), len(patients))
        rank[np.searchsorted(patients, several)] = np.arange(len(several))
        order = rank[np.searchsorted(patients, subject)]
        chosen = np.argsort(order, kind="stable")[: arguments.n_images]
    images = shrink(bunch.images, min(arguments.size, bunch.images.shape[1]))
    return images[chosen], subject[chosen], finding[chosen], match[chosen]


def xray(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the methods on each data set; print and return the rows."""
    results, rows = Results(arguments.out), []
    for name in arguments.data:
        task = Task(name, arguments)
        settings = {"data": name, "seed": arguments.seed, "epochs": arguments.epochs}
        settings |= {"size": arguments.size, "lr": arguments.lr}
        if arguments.protect is not None:
            settings["protect"] = arguments.protect
        rows.append(results.measure(settings, task.measure_originals))
        for given, model in candidates(arguments, task.X.shape[1:]):
            row = results.measure(
                settings | given,
                lambda given=given, model=model, task=task: task.measure(
                    given["method"], model
                ),
            )
            rows.append(row)
            shown = {k: round(v, 4) for k, v in row.items() if isinstance(v, float)}
            print("  " + ", ".join(f"{k} {v}" for k, v in {**given, **shown}.items()))
    return rows


def candidates(arguments, shape):
    """Yield the settings and the anonymizer of each row of the table."""
    for method in arguments.methods:
        if method in FIELDS:
            for degree, weight in product(arguments.degrees, arguments.weights):
                model = field(
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
    if method == "pseudo-identity":
        return PseudoIdentityImageAnonymizer(protect=arguments.protect, **common)
    if method == "k-same":
        return KSameAnonymizer(k=10, **common)
    learned = common | {"max_epochs": arguments.epochs}
    if method == "cyclegan":
        return CycleGANTranslator(
            batch_size=16,
            lr=4e-4,
            discriminator_lr=4e-4,
            n_filters=2 * arguments.filters,
            **learned,
        )
    return GANSynthesizer(
        batch_size=32,
        epoch_size=1600,
        n_filters=2 * arguments.filters,
        patience=None,
        **learned,
    )


def picture(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Print the measured rows as tables, draw them, and return them."""
    from matplotlib.figure import Figure

    rows = Results(arguments.out).rows
    data = list(dict.fromkeys(row["key"]["data"] for row in rows))
    figure = Figure(figsize=(5.6 * len(data), 4.6), layout="constrained")
    axes = figure.subplots(1, len(data), squeeze=False)[0]
    for ax, name in zip(axes, data, strict=True):
        of_data = [row for row in rows if row["key"]["data"] == name]
        original = next(row for row in of_data if "method" not in row["key"])
        released = [row for row in of_data if "method" in row["key"]]
        print(
            f"{name}: on originals, network {original['verifier']:.3f}, matching "
            f"{original['matching']:.3f}, linked {original['linked']:.3f}; "
            f"two-sample {original.get('two-sample', np.nan):.3f}"
        )
        print(table(HEADER, [_line(original, row) for row in released]))
        ax.plot(
            original["finding"],
            _recognized(original),
            "D",
            markersize=13,
            markerfacecolor="none",
            color="0.4",
            label="originals",
        )
        # A classifier of originals may know the images of which a release was made.
        learned = "finding, trained on the release"
        measured = all(learned in row for row in released)
        finding = learned if measured else "finding"
        for method in dict.fromkeys(row["key"]["method"] for row in released):
            of_method = [row for row in released if row["key"]["method"] == method]
            worst = [max(row[key] for key in WORST) for row in of_method]
            ax.plot([row[finding] for row in of_method], worst, "o", label=NAMES[method])
        ax.axhline(0.5, color="0.5", linestyle="--", label="guessing")
        ax.set(xlabel=f"AUC of the {finding}", ylabel="AUC of the strongest attacker")
        ax.set_title(f"{TITLES[name]}, patients split", loc="left")
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    figure.savefig(arguments.out.with_suffix(".svg"))
    return rows


def _line(original: dict[str, Any], row: dict[str, Any]) -> list[str]:
    key, worst = row["key"], max(row[name] for name in WORST)
    fall = (_recognized(original) - worst) / (_recognized(original) - 0.5)
    settings = " ".join(f"{k} {key[k]:g}" for k in ("degree", "weight", "strength") if k in key)
    network, deviation = f"{row['informed']:.3f}", row["informed, SD"]
    quality = ["", "", "", ""]
    if "two-sample" in row:
        quality = [
            f"{row['finding, trained on the release']:.3f}",
            f"{row['two-sample']:.3f}",
            f"{row['nearest training image']:.3f} "
            f"({row['nearest training image, other people']:.3f})",
            ", ".join(f"{row[name]:.2f}" for name in MEMBERSHIP),
        ]
    return [
        f"{NAMES[key['method']]}, {settings}",
        network if np.isnan(deviation) else f"{network} +- {deviation:.3f}",
        f"{row[MATCHING[1]]:.3f}",
        f"{row['linked']:.3f}",
        f"{row['pixels, 32']:.3f}",
        f"{worst:.3f}",
        f"{fall:.0%}".replace("-0%", "0%"),
        f"{original['finding']:.3f} -> {row['finding']:.3f}",
        *quality,
    ]


def _recognized(original: dict[str, Any]) -> float:
    """Return the AUC of the strongest attacker on originals."""
    return max(original["verifier"], original["matching"], original["linked"])


def speed(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare the training of a flow field with that of a plain loop over the same nets."""
    n, n_epochs = arguments.n_images or 2048, 1 if arguments.quick else 5
    size = (arguments.size, arguments.size)
    X = np.random.default_rng(0).random((n, *size), dtype=np.float32)
    y, finding = np.arange(n) // 2, np.arange(n) // 2 % 2
    model = FlowFieldPerturbation(n_filters=arguments.filters, max_epochs=n_epochs + 1)

    def estimator() -> float:
        # The first epoch warms up.
        return model.fit(X, y, labels=finding).history_["dur"][1:].sum()

    def plain() -> float:
        return sum(train_field_plainly(X, y, finding, arguments.filters, n_epochs + 1)[1:])

    return [compare("flow field", arguments.rounds, estimator, plain, n * n_epochs)]


def train_field_plainly(
    X: NDArray, y: NDArray, finding: NDArray, n_filters: int, n_epochs: int
) -> list[float]:
    """Return the seconds of each epoch of the same training without the package."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = FlowField(X.shape[1:], 1, 0.01, n_filters, 2.0).to(device).train()
    nets = AuxiliaryNets(2, 1, n_filters, 2).to(device).train()
    rows = torch.from_numpy(X[:, None]).to(device)
    subject, code = torch.from_numpy(y).to(device), torch.from_numpy(finding).to(device)
    free = torch.ones(1, 1, *X.shape[1:], device=device)
    pair_loss, cross_entropy = PairLoss(), torch.nn.CrossEntropyLoss()
    generated: dict[str, torch.Tensor] = {}

    def auxiliary_loss(batch: tuple[torch.Tensor]) -> torch.Tensor:
        (chosen,) = batch
        row, partner = rows[chosen], rows[chosen ^ 1]
        fake = generator(row, torch.randn(len(row), N_DRAWN, device=device), free)
        generated["fake"] = fake
        pairs = nets.verifier(torch.stack([partner, fake.detach()]))
        logits = nets.classifier(torch.cat([row, fake.detach()]))
        return pair_loss(pairs, subject[chosen]) + cross_entropy(logits, code[chosen].repeat(2))

    def generator_loss(batch: tuple[torch.Tensor]) -> torch.Tensor:
        (chosen,) = batch
        partner, fake = rows[chosen ^ 1], generated["fake"]
        genuine = nets.verifier(torch.stack([partner, fake])).diagonal()
        loss = torch.nn.functional.softplus(genuine).mean()
        return loss + cross_entropy(nets.classifier(fake), code[chosen])

    steps = [
        Step(auxiliary_loss, torch.optim.Adam(nets.parameters(), lr=1e-3)),
        Step(
            generator_loss,
            torch.optim.Adam(generator.parameters(), lr=1e-4),
            frozen=[nets],
        ),
    ]
    positions = torch.arange(len(rows), device=device)
    return train_plainly(lambda: shuffled(BATCH, positions), steps, n_epochs)[1]


if __name__ == "__main__":
    main()
