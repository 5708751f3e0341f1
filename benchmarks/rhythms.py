"""Measure how many beats of each rhythm get a P wave from the delineators.

    OMP_NUM_THREADS=1 python -m benchmarks.rhythms [--weights FILE]

The eight records of the MIT-BIH Arrhythmia Database with atrial fibrillation are delineated in
their first lead, without knowing R peaks. In fibrillation and flutter there are no P waves. The
shipped net was trained on other data. Cardiologists annotated the rhythms; beats within 1 s of
a change of rhythm are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._results import load, make_parser, print_header, table
from sklearn_ecganon import ECGRecord
from sklearn_ecganon.datasets import get_data_home
from sklearn_ecganon.delineation import Delineator
from sklearn_ecganon.io import open_record

RECORDS = ("201", "202", "203", "210", "217", "219", "221", "222")
RHYTHMS = {"(AFIB": "atrial fibrillation", "(AFL": "atrial flutter", "(N": "sinus rhythm"}
_MARGIN_S = 1.0

#: First and last sample of a stretch, and its rhythm.
Stretch = tuple[int, int, str]


def annotated_records(arguments: Any) -> Iterator[tuple[ECGRecord, list[Stretch]]]:
    """Yield single-lead records with their stretches of one rhythm."""
    if arguments.quick:
        for record in load("synthetic", arguments).records[:2]:
            yield record, [(0, record.n_times, "(N")]
        return
    folder = get_data_home(arguments.data_home) / "mitdb"
    for name in RECORDS:
        with open_record(folder / f"{name}.hea") as reader:
            record, annotations = reader.record(name), reader.annotations
        changes = np.flatnonzero(annotations.notes != "")
        ends = [*annotations.samples[changes[1:]].tolist(), record.n_times]
        stretches = [
            (int(annotations.samples[i]), end, str(annotations.notes[i]))
            for i, end in zip(changes, ends, strict=True)
        ]
        record = replace(
            record,
            signal=record.signal[:, :1],
            lead_names=record.lead_names[:1],
            r_peaks=None,
            beat_labels=None,
        )
        yield record, stretches


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--weights", type=Path, help="a net instead of the shipped one")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    print_header(arguments)
    delineators = {
        "unet": Delineator(weights=arguments.weights),
        "prominence": Delineator("prominence"),
    }
    counts = {(name, rhythm): [0, 0] for name in delineators for rhythm in RHYTHMS}
    for record, stretches in annotated_records(arguments):
        margin = _MARGIN_S * record.sampling_rate
        for name, delineator in delineators.items():
            waves = delineator.delineate(record)
            has_p = np.isfinite(waves["P", "peak"][:, 0])
            for first, end, rhythm in stretches:
                inside = (waves.r_peaks > first + margin) & (waves.r_peaks < end - margin)
                if rhythm in RHYTHMS:
                    counts[name, rhythm][0] += int(has_p[inside].sum())
                    counts[name, rhythm][1] += int(inside.sum())
    rows = [
        {"method": name, "rhythm": RHYTHMS[rhythm], "beats": n, "with P": with_p / n}
        for (name, rhythm), (with_p, n) in counts.items()
        if n
    ]
    print(
        table(
            ["method", "rhythm", "beats", "fraction with a P wave"], [r.values() for r in rows]
        )
    )
    return rows


if __name__ == "__main__":
    main()
