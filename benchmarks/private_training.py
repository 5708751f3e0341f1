"""Show what training with differential privacy of each person costs.

    OMP_NUM_THREADS=1 python -m benchmarks.private_training

`NonQRSVAEAnonymizer` (vae) and `GANImageAnonymizer` (gan) are trained with epsilon = 1, 4 and
10, all with delta = 1e-5 and 300 steps, and as usual without a budget (``inf``).

On lead II of PTB-XL, trained on every second person (150 people): AUC is the two-sample AUC of
released and original beats of the others, by extremely randomized trees. Membership is the
largest AUC of `MembershipInferenceScorer`, which finds the 150 people among 75 others; its
standard error is about .04. Error (vae) is the root mean square error of the reconstruction of
the others, of regions that are scaled to [0, 1], beside that of the mean region.

On the first lead of MIT-BIH, trained on the 22 people of DS1: TSTR is the macro-F1 of a
classifier of beats that learns from their release and is tested on originals of DS2. Without
any release (train on real) it is printed below.

Row: time of training for each beat that a step looks at, in microseconds, on PTB-XL; a group of
the gan has two beats.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import BeatSet, NonQRSVAEAnonymizer, QRSSegmenter
from sklearn_ecganon.anonymizers import GANImageAnonymizer
from sklearn_ecganon.attacks import MembershipInferenceScorer
from sklearn_ecganon.datasets import DS1
from sklearn_ecganon.metrics import two_sample_auc
from sklearn_ecganon.segmentation import BeatCountWarning
from sklearn_ecganon.training import GROUPS_OF_A_PERSON, ROWS_OF_A_PERSON, GANTrainingWarning
from sklearn_ecganon.utility import BeatClassUtility

N_STEPS = 300
EPOCH_SIZE = 1600  # beats of an epoch of a gan without a budget
MODELS = ("vae", "gan")


def build(name: str, epsilon: float | None, arguments: Namespace) -> Any:
    """Return an unfitted model; None trains as usual."""
    budget = {} if epsilon is None else {"epsilon": epsilon, "max_epochs": N_STEPS}
    if name == "vae":
        model = NonQRSVAEAnonymizer(random_state=arguments.seed)
        budget |= {} if epsilon is None else {"lr": 0.01}
    else:
        model = GANImageAnonymizer(random_state=arguments.seed, epoch_size=EPOCH_SIZE)
    if arguments.quick:
        budget["max_epochs"] = 2
    return model.set_params(**budget)


def rows_of_step(name: str, model: Any, n_beats: int, n_people: int) -> int:
    """Return how many beats an epoch of the training looks at."""
    if model.epsilon is None:
        return n_beats if name == "vae" else 2 * min(model.epoch_size, n_beats)
    return n_people * (ROWS_OF_A_PERSON if name == "vae" else 2 * GROUPS_OF_A_PERSON)


def figures(
    name: str, epsilon: float | None, beats: BeatSet, y: Any, arguments: Namespace
) -> dict[str, float | None]:
    """Return the figures of one model and budget on PTB-XL."""
    train, test = np.arange(0, len(beats), 2), np.arange(1, len(beats), 2)
    model = build(name, epsilon, arguments)
    model.fit(beats[train], y[train])
    n_rows = rows_of_step(name, model, len(beats[train].beats), len(np.unique(y[train])))
    original = beats[test]
    released = model.transform(original)
    scorer = MembershipInferenceScorer(random_state=arguments.seed).fit(original, y[test])
    attack = scorer.evaluate(model, beats[train], y[train])
    row: dict[str, float | None] = {
        "AUC": two_sample_auc(
            original.beats, released.beats, original.record, original.record, random_state=0
        ),
        "membership": attack.worst.auc,
        "p": attack.p_value,
        "row": 1e6 * float(np.sum(model.history_["dur"])) / model.n_iter_ / n_rows,
        "error": None,
        "mean beat": None,
    }
    return row | (reconstruction_errors(model, original) if name == "vae" else {})


def reconstruction_errors(model: NonQRSVAEAnonymizer, original: BeatSet) -> dict[str, float]:
    """Return the error of reconstructions at the mean of the latent, and of the mean region."""
    region = original.beats[:, 0, model.columns_]
    low, span = region.min(axis=1, keepdims=True), np.ptp(region, axis=1, keepdims=True)
    scaled = (region - low) / np.where(span > 0, span, 1.0)
    network = model.net_.module_.eval()
    rows = torch.as_tensor(scaled, dtype=torch.float32, device=model.device_)
    with torch.no_grad():
        mean, _ = network.encode(rows)
        error = float(((network.decode(mean) - rows) ** 2).mean().sqrt())
    of_mean = float(np.sqrt(((scaled - scaled.mean(axis=0)) ** 2).mean()))
    return {"error": error, "mean beat": of_mean}


def class_figures(
    name: str, epsilon: float | None, whole: BeatSet, arguments: Namespace
) -> dict[str, float]:
    """Return how well classes are learned from a release of DS1 by a model of DS1."""
    people = np.array([record_name.split()[0] for record_name in whole.names])
    train = np.flatnonzero(np.isin(people, DS1))
    model = build(name, epsilon, arguments).fit(whole[train], people[train])
    utility = BeatClassUtility(crossings=["tstr"])
    return {"TSTR": utility.evaluate(whole, model.transform(whole))["tstr_macro_f1"]}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    arguments = parser.parse_args(argv)
    print_header(arguments)
    # Of noise a gan learns nothing, and warns.
    warnings.simplefilter("ignore", GANTrainingWarning)
    warnings.simplefilter("ignore", BeatCountWarning)
    protocol = load("ptbxl-300", arguments, n_subjects=20, n_sessions=1)
    lead = 0 if arguments.quick else 1
    beats = QRSSegmenter(leads=[lead], on_error="mask").fit_transform(protocol.records)
    usable = np.flatnonzero(beats.n_beats)
    beats, y = beats[usable], np.asarray(protocol.subjects)[usable]
    whole = None
    if not arguments.quick:
        records = load("mitdb-ds1-ds2", arguments).records
        segmenter = QRSSegmenter("annotated", leads=[0], sampling_rate=125.0)
        whole = segmenter.fit_transform(records)
    results = Results(arguments.out)
    columns = ["AUC", "membership", "p", "TSTR", "error", "mean beat", "row"]
    rows = []
    for name in arguments.models:
        for epsilon in (None, 10.0, 4.0, 1.0):
            key = {"model": name, "epsilon": epsilon}
            key |= {"seed": arguments.seed, "quick": arguments.quick}
            of_people = results.measure(
                key, lambda n=name, e=epsilon: figures(n, e, beats, y, arguments)
            )
            row = dict(of_people)
            if whole is not None:
                row |= results.measure(
                    key | {"data": "mitdb"},
                    lambda n=name, e=epsilon: class_figures(n, e, whole, arguments),
                )
            shown = "inf" if epsilon is None else f"{epsilon:g}"
            rows.append([name, shown, *(row.get(column) for column in columns)])
    print(table(["model", "epsilon", *columns], rows), flush=True)
    if whole is not None:
        key = {"model": "originals", "seed": arguments.seed}
        utility = BeatClassUtility(crossings=["trtr"])
        real = results.measure(key, lambda: utility.evaluate(whole, whole))
        print(
            f"macro-F1 of a classifier that learns from originals: {real['trtr_macro_f1']:.3f}"
        )
    return results.rows


if __name__ == "__main__":
    main()
