"""Measure how real released 12-lead strips look, by our figures and by those of ecgen-eval.

    python -m benchmarks.realism [--n-records 100]

One hundred recordings of PTB-XL are compared with the pseudo-identities of one hundred other
people (pretrained model, trained without PTB-XL) and with those people's originals. The
package ecgen-eval, if installed, computes its Frechet distance and its precision and recall
from the same strips; both are means over the leads. Strips are filtered to 1 to 40 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.metrics import strip_realism
from sklearn_ecganon.segmentation import cut_strips

SAMPLING_RATE = 100.0


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--n-records", type=int, default=100, help="on each side")
    arguments = parser.parse_args(argv)
    name = "ptbxl-300"
    if arguments.quick:
        name, arguments.n_records = "synthetic", 10
    print_header(arguments)
    results = Results(arguments.out)
    key = {"protocol": name, "n_records": arguments.n_records, "seed": arguments.seed}
    protocol = load(name, arguments, n_subjects=20, n_sessions=1, duration=12.0)
    row = results.measure(key, lambda: figures(protocol, arguments))
    names = [figure for figure in row if figure.startswith("ours") or "ecgen" in figure]
    lines = [(figure, *row[figure]) for figure in names]
    print(table(["figure", "release", "real against real"], lines), flush=True)
    return [{f"{row['key']['protocol']} {n}": row[n][0] for n in names}]


def figures(protocol: Any, arguments: Any) -> dict[str, tuple[float, float]]:
    """Return each figure of the release and of the originals of the same people."""
    # A record whose beats cannot be found has no release.
    segmenter = QRSSegmenter(leads=protocol.segmenter["leads"], on_error="mask")
    beats = segmenter.fit_transform(protocol.records)
    usable = np.flatnonzero(np.diff(beats.bounds()) > 0)
    order = np.random.default_rng(arguments.seed).permutation(usable)
    n = arguments.n_records
    first, second = order[:n], order[n : 2 * n]
    model = PseudoIdentityAnonymizer.from_pretrained(1.0, random_state=arguments.seed)
    real, others = (_strips([protocol.records[i] for i in side]) for side in (first, second))
    released = _strips(segmenter.inverse_transform(model.transform(beats[second])))
    both = np.arange(2 * n)
    shown = {}
    if n >= 20:
        realism = strip_realism(
            np.concatenate([real, others]),
            np.concatenate(
                [_strips(segmenter.inverse_transform(model.transform(beats[first]))), released]
            ),
            both,
            both,
            sampling_rate=SAMPLING_RATE,
            random_state=arguments.seed,
        )
        for name in ("auc", "frechet", "precision", "recall"):
            pair = (getattr(realism, name), getattr(realism, f"{name}_control"))
            shown[f"ours, {name}"] = pair
    else:
        shown["ours, amplitude in mV"] = (float(released.std()), float(others.std()))
    if find_spec("ecgen_eval"):
        release, control = _ecgen_eval(real, released), _ecgen_eval(real, others)
        shown |= {name: (release[name], control[name]) for name in release}
    return shown


def _strips(records: Any) -> NDArray[np.float64]:
    """Return the first 10 s of each record, filtered to 1 to 40 Hz."""
    strips = cut_strips(records, sampling_rate=SAMPLING_RATE)
    first = np.unique(strips.record, return_index=True)[1]
    return strips.values[first].astype(np.float64)


def _ecgen_eval(real: NDArray, generated: NDArray) -> dict[str, float]:
    """Return the figures of ecgen-eval, means over the leads."""
    from ecgen_eval.metrics.fd import FDMetric
    from ecgen_eval.metrics.pr_dist import PRDistMetric

    distributions = PRDistMetric().compute(real, generated)
    return {
        "ecgen-eval, FD": float(FDMetric().compute(real, generated).score),
        **{
            f"ecgen-eval, {name}": float(np.mean(list(distributions.extra[name].values())))
            for name in ("precision", "recall")
        },
    }


if __name__ == "__main__":
    main()
