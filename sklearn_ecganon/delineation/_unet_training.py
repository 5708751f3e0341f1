"""Training of the delineator's net: examples with augmentation, loss and training loop."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import save_file
from scipy.signal import sosfiltfilt
from torch import Tensor
from torch.nn import functional as F

from sklearn_ecganon.datasets import WaveAnnotations
from sklearn_ecganon.delineation._delineation import WAVES
from sklearn_ecganon.delineation._unet_method import HIGHPASS, N_CLASSES, NET_RATE, prepare
from sklearn_ecganon.networks import UNet1d
from sklearn_ecganon.records import ECGRecord

LENGTH = 1280  # samples of one training example, 5.1 s
BATCH = 32
LR, WEIGHT_DECAY = 4e-3, 0.02
# Samples this close to a wave without an annotated edge do not count in the loss, in ms.
UNKNOWN_EDGE_MS = 150.0
# Name of each noise, the n of its probability 1 / n, and its largest amplitude.
NOISE = (("wander", 2, 0.15), ("muscle", 2, 0.08))
# One in so many examples loses its P waves; others keep only a part of the amplitude.
NO_P, SMALL_P, SMALLEST_P = 10, 5, 0.4
# A line that replaces a P wave starts and ends this many samples outside of its edges.
P_MARGIN = 2
# Half of the examples without P waves get fibrillatory waves. Their largest amplitude is in mV,
# their frequencies are in Hz (240 to 600 per minute).
FIBRILLATION_MV, FIBRILLATION_HZ = 0.08, (4.0, 10.0)


def as_noise(values: ArrayLike, name: str) -> Tensor:
    """Return noise of unit variance after the high-pass filter of the net's input."""
    signal = np.asarray(values, dtype=np.float64)
    signal = signal[:, np.newaxis] if signal.ndim == 1 else signal
    if signal.ndim != 2 or len(signal) <= LENGTH or not np.isfinite(signal).all():
        raise ValueError(
            f"{name} has shape {signal.shape}; give more than {LENGTH} finite samples at "
            f"{NET_RATE:g} Hz, one column for each channel."
        )
    traces = [sosfiltfilt(HIGHPASS, trace) for trace in signal.T]
    joined = np.concatenate([trace / trace.std() for trace in traces])
    return torch.tensor(joined, dtype=torch.float32)


def targets(
    waves: WaveAnnotations, n_samples: int, step: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the fraction of each sample that each wave covers, and the samples that count.

    Parameters
    ----------
    waves : WaveAnnotations
        Annotations of one lead.
    n_samples : int
        Number of samples of the net's input.
    step : float
        Samples of the record for each sample of the net's input.

    Returns
    -------
    covered : ndarray of shape (4, n_samples)
        Fractions of P, QRS, T and none, which sum to 1.
    counts : ndarray of shape (n_samples,)
        1 where the annotations are complete, else 0.
    """
    center = np.arange(n_samples) * step
    reach = UNKNOWN_EDGE_MS / 1000 * NET_RATE * step
    covered = np.zeros((N_CLASSES, n_samples), np.float32)
    first, last = waves.extent
    counts = ((center >= first) & (center <= last)).astype(np.float32)
    for i, wave in enumerate(WAVES):
        for onset, peak, offset in getattr(waves, wave):
            low, high = np.fmin(onset, peak), np.fmax(offset, peak)
            overlap = np.minimum(high, center + step / 2) - np.maximum(low, center - step / 2)
            covered[i] = np.maximum(covered[i], (overlap / step).clip(0, 1))
            if np.isnan(onset):
                counts[(center < peak) & (center > peak - reach)] = 0
            if np.isnan(offset):
                counts[(center > peak) & (center < peak + reach)] = 0
    covered[:3] /= np.maximum(covered[:3].sum(axis=0), 1)
    covered[3] = 1 - covered[:3].sum(axis=0)
    return covered, counts


class Examples:
    """Single leads with their targets, from which augmented segments are drawn."""

    def __init__(
        self, records: Sequence[ECGRecord], waves: Sequence[Mapping[str, WaveAnnotations]]
    ) -> None:
        rows, covered, counts, first, last = [], [], [], [], []
        for record, of_leads in zip(records, waves, strict=True):
            rows.append(prepare(record.signal, record.sampling_rate)[0])
            step = record.sampling_rate / NET_RATE
            for lead in record.lead_names:
                covers, counted = targets(of_leads[lead], rows[-1].shape[1], step)
                covered.append(covers)
                counts.append(counted)
                first.append(int(of_leads[lead].extent[0] / step))
                last.append(int(of_leads[lead].extent[1] / step))
        self.rows = torch.from_numpy(np.concatenate(rows))
        self.targets = torch.from_numpy(np.stack(covered))
        self.counts = torch.from_numpy(np.stack(counts))
        self.first, self.last = torch.tensor(first), torch.tensor(last)

    def __len__(self) -> int:
        return len(self.rows)

    def draw(
        self, which: Tensor, noise: Mapping[str, Tensor], rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return signals (n, LENGTH), targets (n, 4, LENGTH) and loss weights (n, LENGTH)."""
        n = len(which)
        x, y, counts, inside = self._stretched(which, rng)
        x, y = self._change_some_p_waves(x, y, rng)
        x = (
            x
            * torch.exp(0.25 * torch.randn(n, 1, generator=rng))
            * (1 - 2 * _one_in(3, n, rng))
        )
        smooth = F.avg_pool1d(F.pad(x[:, None], (1, 1), mode="replicate"), 3, 1)[:, 0]
        x = torch.where(_one_in(5, n, rng) > 0, smooth, x)
        for name, chance, largest in NOISE:
            start = torch.randint(len(noise[name]) - LENGTH, (n, 1), generator=rng)
            segment = noise[name][start + torch.arange(LENGTH)]
            amplitude = _one_in(chance, n, rng) * _uniform(0, 1, n, rng) ** 2 * largest
            x = x + amplitude * segment
        mains = torch.where(_one_in(2, n, rng) > 0, 50.0, 60.0) / NET_RATE
        phase = _uniform(0, 1, n, rng)
        hum = torch.sin(2 * np.pi * (mains * torch.arange(LENGTH) + phase))
        x = x + _one_in(6, n, rng) * _uniform(0, 0.05, n, rng) * hum
        white = torch.randn(n, LENGTH, generator=rng)
        x = (x + _uniform(0, 0.01, n, rng) * white) * inside
        return self._replace_some_by_noise(x, y, counts, white, noise["muscle"], rng)

    def _stretched(
        self, which: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return segments of leads at another speed, and the samples that lie in the lead."""
        n, n_times = len(which), self.rows.shape[1]
        step = torch.exp(_uniform(-0.25, 0.25, n, rng))
        room = (self.last[which] - self.first[which])[:, None] - step * LENGTH
        start = self.first[which][:, None] + _uniform(0, 1, n, rng) * room
        place = start + step * torch.arange(LENGTH)
        inside = ((place >= 0) & (place <= n_times - 2)).float()
        left = place.clamp(0, n_times - 2).floor().long()
        weight = (place - left).clamp(0, 1)

        def sample(values: Tensor) -> Tensor:
            wide = values[which]
            index = left if wide.ndim == 2 else left[:, None].expand(-1, N_CLASSES, -1)
            w = weight if wide.ndim == 2 else weight[:, None]
            return wide.gather(-1, index) * (1 - w) + wide.gather(-1, index + 1) * w

        x, y = sample(self.rows), sample(self.targets)
        return x, y, (sample(self.counts) > 0.99).float() * inside, inside

    @staticmethod
    def _change_some_p_waves(
        x: Tensor, y: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Remove the P waves of some examples, as in fibrillation, and make others smaller.

        Few of the annotated records have no P waves. Without these examples the net expects
        one before each QRS complex.
        """
        n, index = len(x), torch.arange(LENGTH)
        lies_in_p = F.max_pool1d(y[:, :1], 2 * P_MARGIN + 1, 1, P_MARGIN)[:, 0] > 0
        left = torch.where(lies_in_p, -1, index).cummax(dim=1).values.clamp(min=0)
        right = torch.where(lies_in_p, LENGTH, index).flip(1).cummin(dim=1).values.flip(1)
        right = right.clamp(max=LENGTH - 1)
        weight = (index - left) / (right - left).clamp(min=1)
        line = torch.lerp(x.gather(1, left), x.gather(1, right), weight)
        smaller = _one_in(SMALL_P, n, rng) * _uniform(0, 1 - SMALLEST_P, n, rng)
        removed = _one_in(NO_P, n, rng) > 0
        without = line + Examples._fibrillatory_waves(n, rng)
        x = torch.where(removed, without, torch.lerp(x, line, smaller))
        none = torch.stack([torch.zeros_like(x), y[:, 1], y[:, 2], y[:, 3] + y[:, 0]], dim=1)
        return x, torch.where(removed[..., None], none, y)

    @staticmethod
    def _fibrillatory_waves(n: int, rng: torch.Generator) -> Tensor:
        """Return waves of slowly changing frequency and amplitude; half of the rows are 0."""
        time = torch.arange(LENGTH) / NET_RATE
        slow = _uniform(0.1, 0.6, n, rng) * time + _uniform(0, 1, n, rng)
        drift = torch.sin(2 * np.pi * slow)
        turns = _uniform(*FIBRILLATION_HZ, n, rng) * time + _uniform(0, 1, n, rng)
        phase = 2 * np.pi * turns + drift
        # The second harmonic makes the waves pointed, as those of flutter are.
        shape = phase.sin() + _uniform(0, 0.4, n, rng) * (2 * phase + 0.8).sin()
        amplitude = _one_in(2, n, rng) * _uniform(0, FIBRILLATION_MV, n, rng)
        return amplitude * (1 + 0.3 * drift) * shape

    @staticmethod
    def _replace_some_by_noise(
        x: Tensor,
        y: Tensor,
        counts: Tensor,
        white: Tensor,
        muscle: Tensor,
        rng: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Replace a few examples by noise of the amplitude of a heartbeat."""
        n = len(x)
        start = torch.randint(len(muscle) - LENGTH, (n, 1), generator=rng)
        segment = muscle[start + torch.arange(LENGTH)]
        noise = torch.lerp(segment, white, _uniform(0, 1, n, rng))
        noise = noise / (noise.amax(dim=1, keepdim=True) - noise.amin(dim=1, keepdim=True))
        empty = _one_in(40, n, rng) > 0
        nothing = torch.tensor([0.0, 0.0, 0.0, 1.0])[:, None]
        x = torch.where(empty, noise, x)
        y = torch.where(empty[..., None], nothing, y)
        return x, y, torch.where(empty, 1.0, counts)


def _uniform(low: float, high: float, n: int, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, 1, generator=rng)


def _one_in(k: float, n: int, rng: torch.Generator) -> Tensor:
    return (torch.rand(n, 1, generator=rng) < 1 / k).float()


def train(
    examples: Examples,
    noise: Mapping[str, Tensor],
    max_epochs: int,
    seed: int,
    verbose: int = 0,
) -> tuple[UNet1d, NDArray[np.float64]]:
    """Train a net; return it and the mean loss of each epoch."""
    n_batches = len(examples) // BATCH
    if not n_batches:
        raise ValueError(
            f"there are {len(examples)} leads; give at least {BATCH}, the size of a batch."
        )
    rng = torch.Generator().manual_seed(seed)
    losses = []
    with torch.random.fork_rng():  # the initial weights come from the global generator
        torch.manual_seed(seed)
        net = UNet1d(N_CLASSES)
    adam = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adam, max_lr=LR, total_steps=max_epochs * n_batches
    )
    for epoch in range(max_epochs):
        start, total = perf_counter(), 0.0
        order = torch.randperm(len(examples), generator=rng)
        for which in order[: n_batches * BATCH].split(BATCH):
            x, y, counts = examples.draw(which, noise, rng)
            each = -(y * net(x).log_softmax(dim=1)).sum(dim=1)
            loss = (each * counts).sum() / counts.sum()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            total += loss.item() / n_batches
        losses.append(total)
        if verbose:
            seconds = perf_counter() - start
            print(f"  epoch {epoch + 1:3d}: {total:.4f}, {seconds:.0f} s", flush=True)
    return net.eval(), np.array(losses)


def save(net: UNet1d, path: str | os.PathLike[str]) -> None:
    """Write the weights as float16."""
    state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    save_file({key: value.half().contiguous() for key, value in state.items()}, path)
