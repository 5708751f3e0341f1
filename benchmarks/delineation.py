"""Train the delineator of the package, and measure all three on LUDB, five folds by record.

Run it with one thread: ``OMP_NUM_THREADS=1 python benchmarks/delineation.py``. With
``--weights FILE`` it also trains on all records and writes the weights that are shipped.

The net sees single leads at 250 Hz. Only what lies between the first and the last mark of a
lead counts: LUDB's beats at both ends are mostly not marked. Examples are stretched in time,
scaled, turned upside down, smoothed, and disturbed with the muscle noise and the baseline
wander of the MIT-BIH Noise Stress Test Database and with mains hum.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
import wfdb
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.signal import butter, resample_poly, sosfiltfilt
from sklearn.model_selection import KFold
from torch import Tensor
from torch.nn import functional as F

from sklearn_ecganon import ECGRecord
from sklearn_ecganon.datasets import fetch_ludb
from sklearn_ecganon.delineation import WAVES, Delineator
from sklearn_ecganon.delineation._unet_method import N_CLASSES, NET_RATE, prepare
from sklearn_ecganon.networks._unet import UNet1d

LENGTH = 1280  # samples of one training example, 5.1 s
BATCH = 32
MATCH_MS = 150.0


@dataclass
class Marks:
    """The marks of one lead in samples at 500 Hz: onset, peak, offset, NaN if missing."""

    waves: dict[str, NDArray[np.float64]]  # each (n_waves, 3)
    first: int
    last: int


def read_marks(path: Path, lead: str) -> Marks:
    found = wfdb.rdann(str(path), lead.lower())
    symbols, samples = ["", *found.symbol, ""], [-1, *found.sample, -1]
    waves: dict[str, list] = {wave: [] for wave in WAVES}
    for i, symbol in enumerate(symbols):
        if symbol in ("p", "N", "t"):
            onset = samples[i - 1] if symbols[i - 1] == "(" else np.nan
            offset = samples[i + 1] if symbols[i + 1] == ")" else np.nan
            waves[WAVES["pNt".index(symbol)]].append((onset, samples[i], offset))
    arrays = {wave: np.array(rows, float).reshape(-1, 3) for wave, rows in waves.items()}
    return Marks(arrays, int(found.sample[0]), int(found.sample[-1]))


def targets(marks: Marks, n_samples: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much of each 4 ms each wave covers, (4, n_samples), and what counts."""
    centre = np.arange(n_samples) * 2.0  # in samples at 500 Hz
    covered = np.zeros((N_CLASSES, n_samples), np.float32)
    counts = ((centre >= marks.first) & (centre <= marks.last)).astype(np.float32)
    for i, wave in enumerate(WAVES):
        for onset, peak, offset in marks.waves[wave]:
            low, high = np.fmin(onset, peak), np.fmax(offset, peak)
            share = (np.minimum(high, centre + 1) - np.maximum(low, centre - 1)) / 2
            covered[i] = np.maximum(covered[i], share.clip(0, 1))
            if np.isnan(onset):
                counts[(centre < peak) & (centre > peak - 75)] = 0
            if np.isnan(offset):
                counts[(centre > peak) & (centre < peak + 75)] = 0
    covered[:3] /= np.maximum(covered[:3].sum(axis=0), 1)
    covered[3] = 1 - covered[:3].sum(axis=0)
    return covered, counts


def read_noise(home: Path) -> dict[str, Tensor]:
    """Return unit-variance noise at the net's rate, without what its filter removes."""
    sos = butter(2, 0.5, btype="highpass", fs=NET_RATE, output="sos")
    noise = {}
    for name in ("bw", "ma"):
        signal = wfdb.rdrecord(str(home / "nstdb" / name)).p_signal
        traces = [sosfiltfilt(sos, resample_poly(trace, 25, 36)) for trace in signal.T]
        traces = [trace / trace.std() for trace in traces]
        noise[name] = torch.tensor(np.concatenate(traces), dtype=torch.float32)
    return noise


class Examples:
    """Single leads with their targets; each draw is a stretched and disturbed piece."""

    def __init__(self, records: list[ECGRecord], marks: list[list[Marks]]) -> None:
        rows, covered, counts, first, last = [], [], [], [], []
        for record, leads in zip(records, marks, strict=True):
            rows.append(prepare(record.signal, record.sampling_rate)[0])
            for lead in leads:
                parts = targets(lead, rows[-1].shape[1])
                covered.append(parts[0])
                counts.append(parts[1])
                first.append(lead.first // 2)
                last.append(lead.last // 2)
        self.rows = torch.from_numpy(np.concatenate(rows))
        self.targets = torch.from_numpy(np.stack(covered))
        self.counts = torch.from_numpy(np.stack(counts))
        self.first, self.last = torch.tensor(first), torch.tensor(last)

    def __len__(self) -> int:
        return len(self.rows)

    def draw(
        self, which: Tensor, noise: dict[str, Tensor], rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return signals (n, LENGTH), targets (n, 4, LENGTH) and what counts (n, LENGTH)."""
        n, n_times = len(which), self.rows.shape[1]

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(n, 1, generator=rng)

        def one_in(k: float) -> Tensor:
            return (torch.rand(n, 1, generator=rng) < 1 / k).float()

        step = torch.exp(uniform(-0.25, 0.25))
        room = (self.last[which] - self.first[which])[:, None] - step * LENGTH
        start = self.first[which][:, None] + uniform(0, 1) * room
        place = start + step * torch.arange(LENGTH)
        inside = ((place >= 0) & (place <= n_times - 2)).float()
        left = place.clamp(0, n_times - 2).floor().long()
        part = (place - left).clamp(0, 1)

        def sample(values: Tensor) -> Tensor:
            wide = values[which]
            index = left if wide.ndim == 2 else left[:, None].expand(-1, N_CLASSES, -1)
            weight = part if wide.ndim == 2 else part[:, None]
            return wide.gather(-1, index) * (1 - weight) + wide.gather(-1, index + 1) * weight

        x, y = sample(self.rows), sample(self.targets)
        counts = (sample(self.counts) > 0.99).float() * inside
        x = x * torch.exp(0.25 * torch.randn(n, 1, generator=rng)) * (1 - 2 * one_in(3))
        smooth = F.avg_pool1d(F.pad(x[:, None], (1, 1), mode="replicate"), 3, 1)[:, 0]
        x = torch.where(one_in(5) > 0, smooth, x)
        for name, chance, largest in (("bw", 2, 0.15), ("ma", 2, 0.08)):
            at = torch.randint(len(noise[name]) - LENGTH, (n, 1), generator=rng)
            piece = noise[name][at + torch.arange(LENGTH)]
            x = x + one_in(chance) * uniform(0, 1) ** 2 * largest * piece
        mains = torch.where(one_in(2) > 0, 50.0, 60.0) / NET_RATE * torch.arange(LENGTH)
        phase = uniform(0, 1)
        x = x + one_in(6) * uniform(0, 0.05) * torch.sin(2 * np.pi * (mains + phase))
        hiss = torch.randn(n, LENGTH, generator=rng)
        x = (x + uniform(0, 0.01) * hiss) * inside
        # a few rows are noise alone, as large as a heartbeat
        at = torch.randint(len(noise["ma"]) - LENGTH, (n, 1), generator=rng)
        hiss = torch.lerp(noise["ma"][at + torch.arange(LENGTH)], hiss, uniform(0, 1))
        hiss = hiss / (hiss.amax(dim=1, keepdim=True) - hiss.amin(dim=1, keepdim=True))
        empty = one_in(40) > 0
        nothing = torch.tensor([0.0, 0.0, 0.0, 1.0])[:, None]
        x = torch.where(empty, hiss, x)
        y = torch.where(empty[..., None], nothing, y)
        return x, y, torch.where(empty, 1.0, counts)


def train(
    examples: Examples, chosen: NDArray, noise: dict[str, Tensor], epochs: int, seed: int
) -> UNet1d:
    """Train a net on the chosen leads."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    net = UNet1d(N_CLASSES)
    n_steps = epochs * (len(chosen) // BATCH)
    adam = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=4e-3, total_steps=n_steps)
    chosen = torch.from_numpy(chosen)
    for epoch in range(epochs):
        begin, total = perf_counter(), 0.0
        order = chosen[torch.randperm(len(chosen), generator=rng)]
        batches = order[: len(order) // BATCH * BATCH].split(BATCH)
        for which in batches:
            x, y, counts = examples.draw(which, noise, rng)
            each = -(y * net(x).log_softmax(dim=1)).sum(dim=1)
            loss = (each * counts).sum() / counts.sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            total += loss.item() / len(batches)
        print(
            f"  epoch {epoch + 1:3d}: {total:.4f}, {perf_counter() - begin:.0f} s", flush=True
        )
    return net.eval()


def save(net: UNet1d, path: Path) -> None:
    """Write the weights as float16."""
    state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    save_file({key: value.half().contiguous() for key, value in state.items()}, path)


class Tally:
    """What a method found, missed and made up, over all leads it is shown."""

    def __init__(self) -> None:
        self.found = dict.fromkeys(WAVES, 0)
        self.marked = dict.fromkeys(WAVES, 0)
        self.right = dict.fromkeys(WAVES, 0)
        self.claimed = dict.fromkeys(WAVES, 0)
        self.no_p = self.p_made_up = 0
        self.errors: dict[str, list[float]] = {}

    def add(self, marks: Marks, positions: NDArray[np.float64], rate: float) -> None:
        """Compare one lead's positions (n_beats, 3, 3) with its marks, in samples."""
        ms = 1000 / rate
        beat_of: dict[str, NDArray[np.intp]] = {}
        for w, wave in enumerate(WAVES):
            true, ours = marks.waves[wave], positions[:, w]
            whole = np.isfinite(true[:, [0, 2]]).all(axis=1)
            off = ms * (ours[np.newaxis] - true[:, np.newaxis])  # (n_true, n_beats, 3)
            off[np.isnan(off)] = np.inf
            far = np.abs(off[..., [0, 2]]).max(axis=2, initial=0.0)
            near = far <= MATCH_MS
            inside = (ours[:, 1] >= marks.first) & (ours[:, 1] <= marks.last)
            self.marked[wave] += int(whole.sum())
            self.found[wave] += int((near.any(axis=1) & whole).sum())
            self.claimed[wave] += int(inside.sum())
            self.right[wave] += int((near.any(axis=0) & inside).sum())
            beat = far.argmin(axis=1) if near.size else np.zeros(len(true), np.intp)
            beat_of[wave] = np.where(near.any(axis=1) & whole, beat, -1)
            for i, b in enumerate(beat_of[wave]):
                if b >= 0:
                    self._note(f"{wave} onset", off[i, b, 0])
                    self._note(f"{wave} offset", off[i, b, 2])
                    self._note(f"{wave} duration", off[i, b, 2] - off[i, b, 0])
        self._add_qt_and_absent_p(marks, positions, beat_of["QRS"], ms)

    def _add_qt_and_absent_p(
        self, marks: Marks, positions: NDArray, beat_of: NDArray[np.intp], ms: float
    ) -> None:
        qrs, p, t = (marks.waves[wave] for wave in ("QRS", "P", "T"))
        peaks = np.r_[qrs[:, 1], np.inf]
        for i, b in enumerate(beat_of):
            if b < 0:
                continue
            mine = t[(t[:, 1] > peaks[i]) & (t[:, 1] < peaks[i + 1])]
            if len(mine):
                true = ms * (mine[0, 2] - qrs[i, 0])
                ours = ms * (positions[b, 2, 2] - positions[b, 1, 0])
                if np.isfinite(true - ours):
                    self._note("QT", ours - true)
            # the P wave of a lead's first beat is mostly there and not marked
            if i and not ((p[:, 1] > peaks[i - 1]) & (p[:, 1] < peaks[i])).any():
                self.no_p += 1
                self.p_made_up += bool(np.isfinite(positions[b, 0, 1]))

    def _note(self, name: str, error: float) -> None:
        self.errors.setdefault(name, []).append(error)

    def figures(self) -> dict[str, float]:
        """Return all rows of the table."""
        rows = {}
        for wave in WAVES:
            rows[f"{wave} found"] = self.found[wave] / self.marked[wave]
            rows[f"{wave} right"] = self.right[wave] / max(self.claimed[wave], 1)
        rows["P claimed where none"] = self.p_made_up / max(self.no_p, 1)
        for name, errors in self.errors.items():
            rows[f"{name}, ms"] = float(np.median(np.abs(errors)))
            rows[f"{name}, bias"] = float(np.median(errors))
        return rows


def one_lead(record: ECGRecord, lead: str) -> ECGRecord:
    signal = record.signal[:, record.lead_names.index(lead)]
    return replace(record, signal=signal, lead_names=(lead,), r_peaks=None)


def measure(
    delineator: Delineator,
    records: list[ECGRecord],
    marks: list[list[Marks]],
    lead_ii: Tally,
    all_leads: Tally | None = None,
) -> None:
    """Add records to the tallies. Nobody is told where the R peaks are."""
    for record, leads in zip(records, marks, strict=True):
        ii, rate = record.lead_names.index("II"), record.sampling_rate
        try:
            found = delineator.delineate(one_lead(record, "II")).positions[:, 0]
        except ValueError as error:
            print(f"  {delineator}: {error}")
            found = np.empty((0, 3, 3))
        lead_ii.add(leads[ii], found, rate)
        if all_leads is not None:
            found = delineator.delineate(replace(record, r_peaks=None)).positions
            for i, lead in enumerate(leads):
                all_leads.add(lead, found[:, i], rate)


BARS = {
    "QRS found": ">= 0.99",
    "P found": ">= 0.97",
    "T found": ">= 0.97",
    "P claimed where none": "<= 0.10",
    "QRS onset, ms": "<= 8",
    "QRS offset, ms": "<= 8",
    "QRS duration, ms": "<= 10",
    "QRS duration, bias": "-4 .. 4",
    "QT, ms": "<= 12",
    "P onset, ms": "<= 8",
}


def print_table(tallies: dict[str, Tally]) -> None:
    figures = {name: tally.figures() for name, tally in tallies.items()}
    print(f"\n{'':24s}" + "".join(f"{name:>18s}" for name in figures) + f"{'bar':>10s}")
    for row in next(iter(figures.values())):
        form = "{:18.1f}" if row.endswith(("ms", "bias")) else "{:18.4f}"
        values = "".join(form.format(column.get(row, np.nan)) for column in figures.values())
        print(f"{row:24s}{values}{BARS.get(row, ''):>10s}")
    marked = ", ".join(
        f"{name}: {' '.join(f'{wave} {tally.marked[wave]}' for wave in WAVES)} and "
        f"{tally.no_p} beats without P"
        for name, tally in tallies.items()
    )
    print(f"waves marked: {marked}")


def print_speed(record: ECGRecord) -> None:
    bare, times = replace(record, r_peaks=None), []
    for _ in range(10):
        begin = perf_counter()
        Delineator().delineate(bare)
        times.append(perf_counter() - begin)
    print(
        f"{record.duration:g} s x {record.n_leads} leads: first call {times[0]:.3f} s, then "
        f"{np.median(times):.3f} s with {torch.get_num_threads()} thread(s) (bar: <= 0.2 s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="holds ludb, nstdb; default: SKLEARN_ECGANON_DATA")
    parser.add_argument("--folds", type=int, default=5, help="0: no evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument(
        "--nets",
        type=Path,
        help="keep the folds' nets here; those that lie there are not trained again",
    )
    parser.add_argument("--weights", type=Path, help="train on all records and write this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    home = Path(args.data_home or os.environ["SKLEARN_ECGANON_DATA"])
    records = fetch_ludb(data_home=home).data
    marks = [
        [read_marks(home / "ludb" / r.name, lead) for lead in r.lead_names] for r in records
    ]
    examples, noise = Examples(records, marks), read_noise(home)
    n_leads = records[0].n_leads

    def leads_of(chosen: NDArray[np.intp]) -> NDArray[np.intp]:
        return (chosen[:, np.newaxis] * n_leads + np.arange(n_leads)).ravel()

    print(
        f"{date.today()}: LUDB, {len(records)} records, seed {args.seed}, "
        f"{args.epochs} epochs, torch {torch.__version__}"
    )
    if args.folds:
        folder = args.nets or Path(tempfile.mkdtemp())
        folder.mkdir(parents=True, exist_ok=True)
        tallies = {name: Tally() for name in ("U-Net, II", "U-Net, all leads")}
        folds = KFold(args.folds, shuffle=True, random_state=args.seed).split(records)
        for k, (seen, unseen) in enumerate(folds):
            print(f"fold {k + 1} of {args.folds}", flush=True)
            kind = f"seed{args.seed}-epochs{args.epochs}"
            path = folder / f"fold{k + 1}of{args.folds}-{kind}.safetensors"
            if not path.exists():
                save(train(examples, leads_of(seen), noise, args.epochs, args.seed), path)
            measure(
                Delineator(weights=path),
                [records[i] for i in unseen],
                [marks[i] for i in unseen],
                *tallies.values(),
            )
        for method in ("prominence", "dwt"):
            tallies[f"{method}, II"] = Tally()
            measure(Delineator(method), records, marks, tallies[f"{method}, II"])
        print_table(tallies)
    if args.weights:
        print("all records")
        net = train(examples, leads_of(np.arange(len(records))), noise, args.epochs, args.seed)
        save(net, args.weights)
    print_speed(records[0])


if __name__ == "__main__":
    main()
