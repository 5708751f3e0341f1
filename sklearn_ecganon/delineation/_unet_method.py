"""Delineation by a U-Net, which predicts probabilities of P, QRS and T for every sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.signal import butter, resample_poly, sosfiltfilt

from sklearn_ecganon.networks import UNet1d

NET_RATE = 250.0  # sampling rate of the net's input, in Hz
N_CLASSES = 4  # P, QRS, T, none
SHIPPED = Path(str(files("sklearn_ecganon") / "models" / "delineator.safetensors"))

_CHUNK = 8192  # samples in one window of a long signal, a multiple of the net's stride
_MARGIN = 768  # more than the 1.9 s receptive field on either side, so windows join exactly
HIGHPASS = butter(2, 0.5, btype="highpass", fs=NET_RATE, output="sos")

# Segments of one wave are joined if they are closer than this, and dropped if they are
# shorter than this. In ms, for P, QRS and T.
_JOIN_MS = (40.0, 40.0, 60.0)
_SHORTEST_MS = (30.0, 30.0, 60.0)
_QRS_REACH_MS = 150.0  # on either side of the R peak, the match window of ANSI/AAMI EC57
_P_REACH_MS = 600.0  # before the R peak; longer than PR in first-degree AV block
_T_REACH_MS = 900.0  # after the R peak
_REFRACTORY_MS = 200.0
# Weight of the mean over leads. In three folds of LUDB and all leads, the false positive
# rate of P waves is 9.6 % at weight 0, 8.1 % at 0.25 and 7.0 % at 0.35. Larger weights blur
# the edges of T waves.
_MEAN_WEIGHT = 0.3


@lru_cache(maxsize=4)
def load_net(path: Path) -> UNet1d:
    """Return the net with the weights of a safetensors file, in evaluation mode."""
    # The file holds float16.
    weights = {key: value.float() for key, value in load_file(path).items()}
    net = UNet1d(N_CLASSES)
    state = net.state_dict()
    shapes = {key: value.shape for key, value in state.items() if value.is_floating_point()}
    if {key: value.shape for key, value in weights.items()} != shapes:
        raise ValueError(
            f"{path}: holds no weights of the delineator's net; give a file that "
            "tools/train_delineator.py wrote."
        )
    net.load_state_dict(state | weights)
    return net.eval()


def prepare(signal: NDArray, rate: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Convert leads to the net's input: 250 Hz, no wander, a typical amplitude of 1.

    Parameters
    ----------
    signal : ndarray of shape (n_times, n_leads)
        Signal in mV, NaN in gaps.
    rate : float
        Sampling rate in Hz.

    Returns
    -------
    rows : ndarray of float32 of shape (n_leads, n_samples)
        Gaps are interpolated linearly; a lead without a signal is all 0. New sample j has
        the time of old sample ``j * rate / 250``.
    missing : ndarray of bool of shape (n_leads, n_samples)
        True in the gaps.
    """
    ratio = Fraction(NET_RATE / rate).limit_denominator(1000)
    n_samples = -(-len(signal) * ratio.numerator // ratio.denominator)
    nearest = np.rint(np.arange(n_samples) / float(ratio)).astype(np.intp)
    missing = np.isnan(signal).T[:, nearest.clip(0, len(signal) - 1)]
    rows = np.zeros((signal.shape[1], n_samples), dtype=np.float32)
    live, traces = [], []
    for lead, trace in enumerate(signal.T):
        known = np.flatnonzero(~np.isnan(trace))
        if not len(known) or np.ptp(trace[known]) == 0:
            continue
        live.append(lead)
        traces.append(np.interp(np.arange(len(trace)), known, trace[known]))
    if not live:
        return rows, missing
    # All leads at once: the filters are designed anew by each call.
    filtered = resample_poly(
        np.array(traces), ratio.numerator, ratio.denominator, axis=1, padtype="line"
    )
    filtered = sosfiltfilt(HIGHPASS, filtered, axis=1)
    for lead, trace in zip(live, filtered, strict=True):
        rows[lead] = trace / _typical_amplitude(trace)
    return rows, missing


def _typical_amplitude(trace: NDArray) -> float:
    """Return the median peak-to-peak amplitude in one second, robust against artifacts."""
    second = int(NET_RATE)
    n_whole = len(trace) // second
    amplitudes = np.ptp(trace[: n_whole * second].reshape(n_whole, second), axis=1)
    return float(np.median(amplitudes[amplitudes > 0])) if amplitudes.any() else 1.0


def probabilities(net: UNet1d, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of P, QRS, T and none: (n_rows, 4, n_samples)."""
    n_samples = rows.shape[1]
    padded = np.pad(rows, ((0, 0), (0, -n_samples % net.stride)))
    chunks = []
    with torch.inference_mode():
        for start in range(0, n_samples, _CHUNK):
            first = max(0, start - _MARGIN)
            window = torch.from_numpy(padded[:, first : start + _CHUNK + _MARGIN].copy())
            output = net(window).softmax(dim=1).numpy()
            chunks.append(output[:, :, start - first : start - first + _CHUNK])
    return np.concatenate(chunks, axis=2)[:, :, :n_samples]


@dataclass(frozen=True)
class Runs:
    """Segments of one lead in which the probability of one wave is above one half.

    Positions are at the net's rate. `first` and `stop` are whole samples. `onset` and
    `offset` are the positions between samples where the linearly interpolated probability
    crosses one half. `mass` is the sum of the probability.
    """

    first: NDArray[np.intp]
    stop: NDArray[np.intp]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]
    mass: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Mean probability inside each run."""
        return self.mass / (self.stop - self.first)


def find_runs(probability: NDArray, wave: int) -> Runs:
    """Return the runs of one wave, given its probability of shape (n_samples,)."""
    inside = probability > 0.5
    # np.concatenate, because np.r_ and np.c_ would take longer than everything else here.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]))).reshape(-1, 2)
    if len(edges) > 1:
        apart = edges[1:, 0] - edges[:-1, 1] > _JOIN_MS[wave] * NET_RATE / 1000
        starts, stops = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
        edges = np.stack([edges[starts, 0], edges[stops, 1]], axis=1)
    long = edges[:, 1] - edges[:, 0] >= _SHORTEST_MS[wave] * NET_RATE / 1000
    first, stop = edges[long].T
    # p[i + 1] is sample i. An edge beyond the last sample or in a gap becomes NaN.
    p = np.concatenate([[np.nan], probability, [np.nan]])
    onset = first - (p[first + 1] - 0.5) / (p[first + 1] - p[first])
    offset = stop - 1 + (p[stop] - 0.5) / (p[stop] - p[stop + 1])
    total = np.concatenate([[0.0], np.nancumsum(probability, dtype=np.float64)])
    return Runs(first, stop, onset, offset, total[stop] - total[first])


def mix_leads(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix the probabilities of each lead with the mean over leads.

    All leads record the same beats, so the other leads help where one lead is ambiguous.

    Parameters
    ----------
    probability : ndarray of shape (n_leads, 3, n_samples)
        Probabilities of P, QRS and T; NaN in gaps.

    Returns
    -------
    mixed : ndarray of the same shape
        Weighted means; NaN in the same places.
    """
    known = ~np.isnan(probability)
    mean = np.nansum(probability, axis=0) / np.maximum(known.sum(axis=0), 1)
    return probability + _MEAN_WEIGHT * (mean - probability)


def find_r_peaks(probability: NDArray, rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Find beats by the mean probability of a QRS over all leads.

    Parameters
    ----------
    probability : ndarray of shape (n_leads, n_samples)
        Probability of QRS in leads that have a signal; NaN in gaps.
    rows : ndarray of shape (n_leads, n_samples)
        Input of the net.

    Returns
    -------
    r_peaks : ndarray of int of shape (n_beats,)
        Positions of the largest absolute amplitude over leads in each QRS, at the net's
        rate. A QRS that a gap or the end of the record cuts is left out.
    """
    known = ~np.isnan(probability)
    n_known = np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    runs = find_runs(np.nansum(probability, axis=0) / n_known, wave=1)
    amplitude = np.abs(rows).sum(axis=0)
    beats: list[int] = []
    for run in np.flatnonzero(np.isfinite(runs.onset + runs.offset)):
        first = runs.first[run]
        if beats:
            before = beats[-1]
            close = first - runs.first[before] < _REFRACTORY_MS * NET_RATE / 1000
            if close and runs.mass[run] <= runs.mass[before]:
                continue
            if close:
                beats.pop()
        beats.append(int(run))
    peaks = [runs.first[k] + amplitude[runs.first[k] : runs.stop[k]].argmax() for k in beats]
    return np.array(peaks, dtype=np.intp)


def waves_of_lead(
    probability: NDArray, row: NDArray[np.float32], r_peaks: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Assign waves of one lead to beats.

    The QRS is assigned first. P is the most probable wave between the previous QRS and this
    QRS, and T is the most probable wave between this QRS and the next QRS.

    Parameters
    ----------
    probability : ndarray of shape (3, n_samples)
        Probabilities of P, QRS and T; NaN in gaps.
    row : ndarray of shape (n_samples,)
        Input of the net.
    r_peaks : ndarray of int of shape (n_beats,)
        R peaks at the net's rate.

    Returns
    -------
    positions : ndarray of shape (n_beats, 3, 3)
        Onset, peak and offset of P, QRS and T, at the net's rate; NaN where absent.
    confidence : ndarray of shape (n_beats, 3)
        Mean probability inside a wave, or the largest probability if the wave is absent.
    """
    n_beats, per_ms = len(r_peaks), NET_RATE / 1000
    positions = np.full((n_beats, 3, 3), np.nan)
    confidence = np.zeros((n_beats, 3))
    runs = [find_runs(probability[wave], wave) for wave in range(3)]

    def fill(wave: int, low: NDArray, high: NDArray) -> None:
        """Assign to each beat the run of the largest mass whose middle lies in low..high."""
        candidates = runs[wave]
        middle = (candidates.first + candidates.stop) / 2
        firsts, lasts = np.searchsorted(middle, low), np.searchsorted(middle, high)
        for beat in np.flatnonzero(firsts >= lasts).tolist():
            searched = probability[wave, max(0, int(low[beat])) : max(0, int(high[beat])) + 1]
            confidence[beat, wave] = np.fmax.reduce(searched, initial=0.0)
        beats = np.flatnonzero(firsts < lasts)
        best = firsts[beats]
        for i in np.flatnonzero(lasts[beats] - best > 1).tolist():
            best[i] += candidates.mass[best[i] : lasts[beats[i]]].argmax()
        for k, run in zip(beats.tolist(), best.tolist(), strict=True):
            inside = row[candidates.first[run] : candidates.stop[run]]
            line = np.linspace(inside[0], inside[-1], len(inside))
            positions[k, wave, 1] = candidates.first[run] + np.abs(inside - line).argmax()
        positions[beats, wave, 0] = candidates.onset[best]
        positions[beats, wave, 2] = candidates.offset[best]
        confidence[beats, wave] = candidates.confidence[best]

    fill(1, r_peaks - _QRS_REACH_MS * per_ms, r_peaks + _QRS_REACH_MS * per_ms)
    # If a lead has no QRS, the R peak separates the T wave from the previous P wave.
    starts = np.where(np.isnan(positions[:, 1, 0]), r_peaks, positions[:, 1, 0])
    stops = np.where(np.isnan(positions[:, 1, 2]), r_peaks, positions[:, 1, 2])
    before, after = np.r_[0.0, stops[:-1]], np.r_[starts[1:], float(len(row))]
    fill(0, np.maximum(before, r_peaks - _P_REACH_MS * per_ms), starts)
    fill(2, stops, np.minimum(after, r_peaks + _T_REACH_MS * per_ms))
    return positions, confidence
