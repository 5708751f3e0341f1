"""Measure which beats the pseudo-identities take for ventricular ones if no beat is labelled.

    OMP_NUM_THREADS=1 python -m benchmarks.ectopy

ECG-ID (lead I of volunteers, without a filter), LUDB and PTB-XL (12 leads): recordings in
which a ventricular beat is seen. For PTB-XL they are divided by whether ventricular beats, or a
pacemaker, are stated. MIT-BIH (48 recordings, both leads): ventricular beats against the
annotations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import load, make_parser, print_header, table
from sklearn_ecganon import BeatSet, QRSSegmenter, make_ecg_records
from sklearn_ecganon.anonymizers._pseudo_identity._cycles import (
    VENTRICULAR,
    around,
    find_beat_classes,
    window_times,
)
from sklearn_ecganon.datasets import fetch_mitdb

STATED = {"PVC", "BIGU", "TRIGU", "PACE"}


def ventricular(beats: BeatSet) -> NDArray[np.bool_]:
    """Return which beats of one recording are taken for ventricular ones, without labels."""
    times = window_times(beats.n_times, beats.sampling_rate)
    return find_beat_classes(beats.beats, around(beats)[0], None, times) == VENTRICULAR


def recordings(name: str, arguments: Any) -> list[dict[str, Any]]:
    """Count the recordings of a protocol in which a ventricular beat is seen."""
    protocol = load(name, arguments)
    beats = QRSSegmenter(on_error="mask", **protocol.segmenter).fit_transform(protocol.records)
    detected = np.array([ventricular(beats[i]).any() for i in range(len(beats))])
    groups = {"all": np.ones(len(detected), bool)}
    if protocol.name == "ptbxl-300":
        stated = np.array([bool(STATED & set(names)) for names in protocol.statements])
        groups = {"stated": stated, "not stated": ~stated}
    return [
        {
            "data": name,
            "recordings": label,
            "n": int(group.sum()),
            "with ventricular beats": int(detected[group].sum()),
        }
        for label, group in groups.items()
    ]


def annotated(arguments: Any) -> dict[str, Any]:
    """Compare with the annotations of MIT-BIH."""
    if arguments.quick:
        records = make_ecg_records(2, n_sessions=1, arrhythmia="ectopic", random_state=0).data
    else:
        records = fetch_mitdb(data_home=arguments.data_home).data
    n_annotated = n_detected = n_correct = 0
    for record in records:
        beats = QRSSegmenter("annotated", refine=0).fit_transform([record])
        detected, expected = ventricular(beats), beats.labels == "V"
        n_annotated += int(expected.sum())
        n_detected += int(detected.sum())
        n_correct += int((detected & expected).sum())
    return {
        "data": "mitdb",
        "ventricular beats": n_annotated,
        "sensitivity": n_correct / max(n_annotated, 1),
        "precision": n_correct / max(n_detected, 1),
    }


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    arguments = make_parser(__doc__ or "").parse_args(argv)
    print_header(arguments)
    names = ["ptbxl-300"] if arguments.quick else ["ecgid-same-day", "ludb", "ptbxl-300"]
    rows = [row for name in names for row in recordings(name, arguments)]
    print(table(list(rows[0]), [row.values() for row in rows]))
    beats = annotated(arguments)
    print(table(list(beats), [beats.values()]))
    return [*rows, beats]


if __name__ == "__main__":
    main()
