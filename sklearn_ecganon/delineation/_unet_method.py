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
from scipy.signal import butter, firwin, resample_poly, sosfiltfilt

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
_BLOCK = 1024  # runs whose peaks are searched at once
# Weight of the mean over leads. In three folds of LUDB and all leads, the false positive
# rate of P waves is 9.6 % at weight 0, 8.1 % at 0.25 and 7.0 % at 0.35. Larger weights blur
# the edges of T waves.
_MEAN_WEIGHT = 0.3


@lru_cache(maxsize=4)
def load_net(path: Path) -> UNet1d:
    """Return the net with the weights of a safetensors file, for evaluation only."""
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
    return net.fuse()


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
    low, high = np.fmin.reduce(signal), np.fmax.reduce(signal)
    live = np.flatnonzero(low < high)  # False for NaN too
    if not len(live):
        return rows, missing
    traces = np.ascontiguousarray(signal.T[live])
    for i in np.flatnonzero(np.isnan(traces).any(axis=1)):
        known = np.flatnonzero(~np.isnan(traces[i]))
        traces[i] = np.interp(np.arange(traces.shape[1]), known, traces[i, known])
    if ratio != 1:
        up, down = ratio.numerator, ratio.denominator
        window = _antialiasing(up, down)
        traces = resample_poly(traces, up, down, axis=1, padtype="line", window=window)
    filtered = sosfiltfilt(HIGHPASS, traces, axis=1)
    rows[live] = filtered / _typical_amplitudes(filtered)[:, np.newaxis]
    return rows, missing


@lru_cache(maxsize=16)
def _antialiasing(up: int, down: int) -> NDArray[np.float64]:
    """Return the default filter of `resample_poly`, whose design takes longer than its use."""
    longest = max(up, down)
    return np.asarray(firwin(20 * longest + 1, 1 / longest, window=("kaiser", 5.0)))


def _typical_amplitudes(traces: NDArray) -> NDArray[np.float64]:
    """Return the median peak-to-peak amplitude in one second, robust against artifacts."""
    second = int(NET_RATE)
    n_whole = traces.shape[1] // second
    amplitudes = np.ptp(traces[:, : n_whole * second].reshape(-1, n_whole, second), axis=2)
    if (amplitudes > 0).all() and n_whole:
        return np.asarray(np.median(amplitudes, axis=1))
    positive = [of_lead[of_lead > 0] for of_lead in amplitudes]
    return np.array([np.median(of_lead) if len(of_lead) else 1.0 for of_lead in positive])


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
    """Segments in which the probability of a wave is above one half, row by row.

    Positions are at the net's rate and count from the start of the record. `row` is the
    position of the row, in increasing order. `first` and `stop` are whole samples. `onset`
    and `offset` are the positions between samples where the linearly interpolated probability
    crosses one half. `mass` is the sum of the probability.
    """

    row: NDArray[np.intp]
    first: NDArray[np.intp]
    stop: NDArray[np.intp]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]
    mass: NDArray[np.float64]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Mean probability inside each run."""
        return self.mass / (self.stop - self.first)


def find_runs(probability: NDArray, wave: NDArray[np.intp] | int) -> Runs:
    """Return the runs in probabilities of waves.

    Parameters
    ----------
    probability : ndarray of shape (n_rows, n_samples)
        Probability of one wave in one lead in each row; NaN in gaps.
    wave : int or ndarray of int of shape (n_rows,)
        Position of the wave of each row in `WAVES`.
    """
    # One sample of NaN before and after each row makes one line of all rows: no run passes
    # from one row to the next, and an edge beyond the last sample or in a gap becomes NaN.
    n_rows, n_samples = probability.shape
    n_columns = n_samples + 2
    p = np.full((n_rows, n_columns), np.nan, probability.dtype)
    p[:, 1:-1] = probability
    total = np.zeros(p.shape)
    np.nancumsum(p[:, :-1], axis=1, dtype=np.float64, out=total[:, 1:])
    p, total = p.reshape(-1), total.reshape(-1)
    inside = p > 0.5
    edges = 1 + np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)
    join, shortest = (
        np.broadcast_to(np.array(limits)[wave] * NET_RATE / 1000, n_rows)
        for limits in (_JOIN_MS, _SHORTEST_MS)
    )
    if len(edges) > 1:
        row = edges[:, 0] // n_columns
        apart = (edges[1:, 0] - edges[:-1, 1] > join[row[1:]]) | (row[1:] != row[:-1])
        starts, stops = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
        edges = np.stack([edges[starts, 0], edges[stops, 1]], axis=1)
    edges = edges[edges[:, 1] - edges[:, 0] >= shortest[edges[:, 0] // n_columns]]
    first, stop = edges.T
    row = first // n_columns
    zero = row * n_columns + 1  # first sample of the row
    onset = first - zero - (p[first] - 0.5) / (p[first] - p[first - 1])
    offset = stop - zero - 1 + (p[stop - 1] - 0.5) / (p[stop - 1] - p[stop])
    return Runs(row, first - zero, stop - zero, onset, offset, total[stop] - total[first])


def _peaks(
    rows: NDArray[np.float32],
    lead: NDArray[np.intp],
    first: NDArray[np.intp],
    stop: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Return the sample of each run that is farthest from the line between its ends."""
    peaks = np.empty_like(first)
    for start in range(0, len(first), _BLOCK):  # a long run would take memory for all others
        block = slice(start, start + _BLOCK)
        last = (stop - first - 1)[block, np.newaxis]
        index = np.arange(last.max() + 1)
        columns = first[block, np.newaxis] + np.minimum(index, last)
        wave = rows[lead[block, np.newaxis], columns]
        begin, end = wave[:, :1], wave[:, -1:]
        line = begin + index.astype(wave.dtype) * ((end - begin) / last.astype(wave.dtype))
        distance = np.where(index < last, np.abs(wave - line), 0)  # both ends lie on the line
        peaks[block] = first[block] + distance.argmax(axis=1)
    return peaks


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
    if known.all():  # the usual case, and much faster
        mean = probability.sum(axis=0) / np.int64(len(probability))
    else:
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
    runs = find_runs((np.nansum(probability, axis=0) / n_known)[np.newaxis], wave=1)
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


def waves_of_leads(
    probability: NDArray, rows: NDArray[np.float32], r_peaks: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Assign waves of each lead to beats.

    The QRS is assigned first. P is the most probable wave between the previous QRS and this
    QRS, and T is the most probable wave between this QRS and the next QRS.

    Parameters
    ----------
    probability : ndarray of shape (n_leads, 3, n_samples)
        Probabilities of P, QRS and T; NaN in gaps.
    rows : ndarray of shape (n_leads, n_samples)
        Input of the net.
    r_peaks : ndarray of int of shape (n_beats,)
        R peaks at the net's rate.

    Returns
    -------
    positions : ndarray of shape (n_leads, n_beats, 3, 3)
        Onset, peak and offset of P, QRS and T, at the net's rate; NaN where absent.
    confidence : ndarray of shape (n_leads, n_beats, 3)
        Mean probability inside a wave, or the largest probability if the wave is absent.
    """
    (n_leads, n_samples), n_beats, per_ms = rows.shape, len(r_peaks), NET_RATE / 1000
    positions = np.full((3, n_leads, n_beats, 3), np.nan)
    confidence = np.zeros((3, n_leads, n_beats))
    by_wave = probability.swapaxes(0, 1).reshape(3 * n_leads, n_samples)
    runs = find_runs(by_wave, np.repeat(np.arange(3), n_leads))
    peaks = _peaks(rows, runs.row % n_leads, runs.first, runs.stop)
    points = np.stack([runs.onset, peaks, runs.offset], axis=1)
    # A last column of 0 for searches that begin at the end of the record.
    padded = np.zeros((3 * n_leads, n_samples + 1))
    padded[:, :-1] = np.nan_to_num(by_wave)

    def fill(wave: int, low: NDArray, high: NDArray) -> None:
        of_wave = slice(wave * n_leads, (wave + 1) * n_leads)
        best, exists = _best_runs(runs, wave * n_leads, n_samples, low, high)
        confidence[wave] = _largest(padded[of_wave], low, high)
        positions[wave][exists] = points[best]
        confidence[wave][exists] = runs.confidence[best]

    def everywhere(columns: NDArray) -> NDArray:
        return np.broadcast_to(columns, (n_leads, n_beats))

    reach = _QRS_REACH_MS * per_ms
    fill(1, everywhere(r_peaks - reach), everywhere(r_peaks + reach))
    # If a lead has no QRS, the R peak separates the T wave from the previous P wave.
    starts, stops = (
        np.where(np.isnan(edge), r_peaks, edge)
        for edge in (positions[1, :, :, 0], positions[1, :, :, 2])
    )
    before, after = np.zeros_like(stops), np.full_like(starts, n_samples)
    before[:, 1:], after[:, :-1] = stops[:, :-1], starts[:, 1:]
    fill(0, np.maximum(before, r_peaks - _P_REACH_MS * per_ms), starts)
    fill(2, stops, np.minimum(after, r_peaks + _T_REACH_MS * per_ms))
    return np.moveaxis(positions, 0, 2), np.moveaxis(confidence, 0, 2)


def _best_runs(
    runs: Runs,
    first_row: int,
    n_samples: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return for each beat the run of the largest mass whose middle lies from low to high.

    Parameters
    ----------
    runs : Runs
        Of all rows.
    first_row : int
        Row of the first lead.
    n_samples : int
        Length of a row.
    low, high : ndarray of shape (n_leads, n_beats)
        Where each beat's wave is searched.

    Returns
    -------
    best : ndarray of int of shape (n_existing,)
        Position in `runs` for each beat that has such a run.
    exists : ndarray of bool of shape (n_leads, n_beats)
        Which beats have one.
    """
    # Middles are multiples of one half, so twice their value is a whole number, and one
    # search serves all leads.
    span = 2 * n_samples + 2
    offset = span * (first_row + np.arange(len(low))[:, np.newaxis])
    middles = span * runs.row + runs.first + runs.stop
    firsts, lasts = (
        np.searchsorted(middles, offset + np.ceil(2 * edge).clip(0, span - 1).astype(np.intp))
        for edge in (low, high)
    )
    exists = firsts < lasts
    best, last = firsts[exists], lasts[exists]
    for i in np.flatnonzero(last - best > 1).tolist():
        best[i] += runs.mass[best[i] : last[i]].argmax()
    return best, exists


def _largest(
    padded: NDArray, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest probability from low to high of each beat; 0 if there is none.

    Parameters
    ----------
    padded : ndarray of shape (n_leads, n_samples + 1)
        Probabilities, and a last column of 0.
    low, high : ndarray of shape (n_leads, n_beats)
        First and last position. They need not lie in the record.
    """
    n_leads, n_columns = padded.shape
    start = low.astype(np.intp).clip(0, n_columns - 1)
    stop = (high.astype(np.intp).clip(0) + 1).clip(max=n_columns - 1)
    bounds = np.stack([start, stop], axis=-1)
    bounds += n_columns * np.arange(n_leads)[:, np.newaxis, np.newaxis]
    largest = np.maximum.reduceat(padded.reshape(-1), bounds.reshape(-1))[::2]
    return np.where(start < stop, largest.reshape(low.shape), 0.0)
