"""Measure the delineators of the package on LUDB, five folds by record.

    OMP_NUM_THREADS=1 python -m benchmarks.delineation [--folds 5] [--nets FOLDER]

One net is trained for each fold and measured on the records that it has not seen. With
``--nets`` the nets are stored in a folder, and existing nets are not trained again. No method
knows the R peaks. ``tools/train_delineator.py`` trains the weights of the package.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
import wfdb
from numpy.typing import NDArray
from scipy.signal import resample_poly
from sklearn.model_selection import KFold
from sklearn.utils import Bunch

from benchmarks._results import load, make_parser, print_header, table
from sklearn_ecganon import ECGRecord
from sklearn_ecganon.datasets import WaveAnnotations, get_data_home
from sklearn_ecganon.delineation import WAVES, Delineator, train_delineator

MATCH_MS = 150.0
NOISE_RECORDS = {"wander": "bw", "muscle": "ma"}


def load_annotated(arguments: argparse.Namespace) -> Bunch:
    """Return LUDB, or with ``--quick`` synthetic records that the delineator annotates."""
    protocol = load("ludb", arguments, n_leads=12, n_sessions=1, duration=10.0)
    if arguments.quick:
        protocol.waves = []
        for record in protocol.records:
            delineation = Delineator().delineate(record)
            leads = {}
            for i, lead in enumerate(record.lead_names):
                waves = [
                    rows[np.isfinite(rows).all(axis=1)]
                    for rows in np.moveaxis(delineation.positions[:, i], 1, 0)
                ]
                edges = np.concatenate(waves)
                extent = int(edges.min()), int(edges.max())
                leads[lead] = WaveAnnotations(*waves, extent=extent)
            protocol.waves.append(leads)
    return protocol


def load_noise(arguments: argparse.Namespace) -> dict[str, NDArray]:
    """Return wander and muscle noise of the Noise Stress Test Database, at 250 Hz."""
    if arguments.quick:
        rng = np.random.default_rng(arguments.seed)
        white = rng.standard_normal((2, 5000))
        return {"wander": white[0].cumsum(), "muscle": white[1]}
    folder = get_data_home(arguments.data_home) / "nstdb"
    # These records are not calibrated; `open_record` refuses them.
    signals = {
        name: wfdb.rdrecord(str(folder / record)).p_signal
        for name, record in NOISE_RECORDS.items()
    }
    return {name: resample_poly(signal, 25, 36) for name, signal in signals.items()}


def fold_nets(
    protocol: Bunch, arguments: argparse.Namespace, folder: Path
) -> list[tuple[Path, NDArray[np.intp]]]:
    """Return for each fold the weights and the test records; missing weights are trained.

    Parameters
    ----------
    protocol : Bunch
        From `load_annotated`.
    arguments : argparse.Namespace
        With `folds`, `seed` and `epochs`.
    folder : Path
        Folder of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folds = KFold(arguments.folds, shuffle=True, random_state=arguments.seed)
    noise, nets = load_noise(arguments), []
    for k, (seen, unseen) in enumerate(folds.split(protocol.records)):
        settings = f"seed{arguments.seed}-epochs{arguments.epochs}"
        path = folder / f"fold{k + 1}of{arguments.folds}-{settings}.safetensors"
        if not path.exists():
            print(f"fold {k + 1} of {arguments.folds}", flush=True)
            train_delineator(
                [protocol.records[i] for i in seen],
                [protocol.waves[i] for i in seen],
                path,
                max_epochs=arguments.epochs,
                random_state=arguments.seed,
                verbose=1,
                **noise,
            )
        nets.append((path, unseen))
    return nets


class Tally:
    """Counts of detected, missed and invented waves, and errors, over leads."""

    def __init__(self) -> None:
        self.detected = dict.fromkeys(WAVES, 0)
        self.annotated = dict.fromkeys(WAVES, 0)
        self.correct = dict.fromkeys(WAVES, 0)
        self.claimed = dict.fromkeys(WAVES, 0)
        self.no_p = self.p_invented = 0
        self.errors: dict[str, list[float]] = {}

    def add(self, waves: WaveAnnotations, positions: NDArray[np.float64], rate: float) -> None:
        """Compare one lead's positions (n_beats, 3, 3) with its annotations, in samples."""
        ms = 1000 / rate
        beat_of: dict[str, NDArray[np.intp]] = {}
        for w, wave in enumerate(WAVES):
            true, ours = getattr(waves, wave), positions[:, w]
            whole = np.isfinite(true[:, [0, 2]]).all(axis=1)
            off = ms * (ours[np.newaxis] - true[:, np.newaxis])  # (n_true, n_beats, 3)
            off[np.isnan(off)] = np.inf
            far = np.abs(off[..., [0, 2]]).max(axis=2, initial=0.0)
            near = far <= MATCH_MS
            inside = (ours[:, 1] >= waves.extent[0]) & (ours[:, 1] <= waves.extent[1])
            self.annotated[wave] += int(whole.sum())
            self.detected[wave] += int((near.any(axis=1) & whole).sum())
            self.claimed[wave] += int(inside.sum())
            self.correct[wave] += int((near.any(axis=0) & inside).sum())
            beat = far.argmin(axis=1) if near.size else np.zeros(len(true), np.intp)
            beat_of[wave] = np.where(near.any(axis=1) & whole, beat, -1)
            for i, b in enumerate(beat_of[wave]):
                if b >= 0:
                    self._note(f"{wave} onset", off[i, b, 0])
                    self._note(f"{wave} offset", off[i, b, 2])
                    self._note(f"{wave} duration", off[i, b, 2] - off[i, b, 0])
        self._add_qt_and_absent_p(waves, positions, beat_of["QRS"], ms)

    def _add_qt_and_absent_p(
        self, waves: WaveAnnotations, positions: NDArray, beat_of: NDArray[np.intp], ms: float
    ) -> None:
        qrs, p, t = waves.QRS, waves.P, waves.T
        peaks = np.r_[qrs[:, 1], np.inf]
        for i, b in enumerate(beat_of):
            if b < 0:
                continue
            t_waves = t[(t[:, 1] > peaks[i]) & (t[:, 1] < peaks[i + 1])]
            if len(t_waves):
                true = ms * (t_waves[0, 2] - qrs[i, 0])
                ours = ms * (positions[b, 2, 2] - positions[b, 1, 0])
                if np.isfinite(true - ours):
                    self._note("QT", ours - true)
            # The P wave of the first beat of a lead usually exists, but is not annotated.
            if i and not ((p[:, 1] > peaks[i - 1]) & (p[:, 1] < peaks[i])).any():
                self.no_p += 1
                self.p_invented += bool(np.isfinite(positions[b, 0, 1]))

    def _note(self, name: str, error: float) -> None:
        self.errors.setdefault(name, []).append(error)

    def figures(self) -> dict[str, float]:
        """Return all rows of the table."""
        rows = {}
        for wave in WAVES:
            rows[f"{wave} detected"] = self.detected[wave] / self.annotated[wave]
            rows[f"{wave} correct"] = self.correct[wave] / max(self.claimed[wave], 1)
        rows["P claimed where none"] = self.p_invented / max(self.no_p, 1)
        for name, errors in self.errors.items():
            rows[f"{name}, ms"] = float(np.median(np.abs(errors)))
            rows[f"{name}, bias"] = float(np.median(errors))
        return rows


def one_lead(record: ECGRecord, lead: str) -> ECGRecord:
    """Return one lead of a record, without R peaks."""
    signal = record.signal[:, record.lead_names.index(lead)]
    return replace(record, signal=signal, lead_names=(lead,), r_peaks=None, beat_labels=None)


def measure(
    delineator: Delineator,
    records: list[ECGRecord],
    waves: list[dict[str, WaveAnnotations]],
    lead_ii: Tally,
    all_leads: Tally | None = None,
) -> None:
    """Add records to the tallies. The delineator is not given the R peaks."""
    for record, of_leads in zip(records, waves, strict=True):
        rate = record.sampling_rate
        try:
            positions = delineator.delineate(one_lead(record, "II")).positions[:, 0]
        except ValueError as error:
            print(f"  {delineator}: {error}")
            positions = np.empty((0, 3, 3))
        lead_ii.add(of_leads["II"], positions, rate)
        if all_leads is not None:
            bare = replace(record, r_peaks=None, beat_labels=None)
            positions = delineator.delineate(bare).positions
            for i, lead in enumerate(record.lead_names):
                all_leads.add(of_leads[lead], positions[:, i], rate)


BARS = {
    "QRS detected": ">= 0.99",
    "P detected": ">= 0.97",
    "T detected": ">= 0.97",
    "P claimed where none": "<= 0.10",
    "QRS onset, ms": "<= 8",
    "QRS offset, ms": "<= 8",
    "QRS duration, ms": "<= 10",
    "QRS duration, bias": "-4 .. 4",
    "QT, ms": "<= 12",
    "P onset, ms": "<= 8",
}


def measure_speed(record: ECGRecord) -> dict[str, Any]:
    """Print and return the seconds of one record."""
    bare, times = replace(record, r_peaks=None, beat_labels=None), []
    for _ in range(10):
        start = perf_counter()
        Delineator().delineate(bare)
        times.append(perf_counter() - start)
    print(
        f"{record.duration:g} s x {record.n_leads} leads: first call {times[0]:.3f} s, then "
        f"{np.median(times):.3f} s with {torch.get_num_threads()} thread(s) (bar: <= 0.2 s)"
    )
    return {"figure": "seconds of a record", "U-Net, all leads": float(np.median(times))}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--nets", type=Path, help="the folder of the nets, one for each fold")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.folds, arguments.epochs = 2, 1
    torch.set_num_threads(1)
    print_header(arguments)
    protocol = load_annotated(arguments)
    records, waves = protocol.records, protocol.waves
    tallies = {name: Tally() for name in ("U-Net, II", "U-Net, all leads")}
    folder = arguments.nets or Path(tempfile.mkdtemp())
    for path, unseen in fold_nets(protocol, arguments, folder):
        # A net that was trained for one epoch on few records is not worth measuring.
        delineator = Delineator() if arguments.quick else Delineator(weights=path)
        measure(
            delineator,
            [records[i] for i in unseen],
            [waves[i] for i in unseen],
            *tallies.values(),
        )
    for method in ("prominence", "dwt"):
        tallies[f"{method}, II"] = Tally()
        measure(Delineator(method), records, waves, tallies[f"{method}, II"])
    figures = {name: tally.figures() for name, tally in tallies.items()}
    rows = [
        {"figure": name} | {method: column.get(name) for method, column in figures.items()}
        for name in next(iter(figures.values()))
    ]
    lines = [[*row.values(), BARS.get(row["figure"], "")] for row in rows]
    print(table(["figure", *figures, "bar"], lines))
    for name, tally in tallies.items():
        counts = ", ".join(f"{wave} {n}" for wave, n in tally.annotated.items())
        print(f"annotated, {name}: {counts} and {tally.no_p} beats without P")
    return [*rows, measure_speed(records[0])]


if __name__ == "__main__":
    main()
