"""What a judge of beat classes sees: each beat beside the usual beat of its own record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from sklearn_ecganon.records import BeatSet

# Rate at which beats are looked at, roughly, in Hz.
RATE = 120.0
# Where the waves are, in ms from the R peak, and how far from it a judge looks.
PARTS = {"P": (-280.0, -80.0), "QRS": (-120.0, 120.0), "T": (120.0, 400.0)}
REACH = 300.0
# A beat whose RR is below this share of the record's mean comes early.
EARLY = 0.9


def describe_beats(beats: BeatSet) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return shape and numbers of each beat, both relative to the record it belongs to.

    The usual beat of a record is the median of those that do not come early: where ectopic
    beats are many, the median of all is no sinus beat.

    Parameters
    ----------
    beats : BeatSet
        Beats in mV, of any classes; neighbours count, so none should be left out.

    Returns
    -------
    shapes : ndarray of shape (n_beats, 2 * n_leads, n_kept)
        300 ms to both sides of the R peak: each lead z-scored, then its difference from
        the record's usual beat, in standard deviations of that beat.
    numbers : ndarray of shape (n_beats, 5 + 13 * n_leads)
        RR ratios as logarithms, then for each lead what tells the beat from the usual one.
    """
    rr = _rr_ratios(beats)
    n_beats, n_leads, n_times = beats.beats.shape
    block = max(1, round(beats.sampling_rate / RATE))
    kept = beats.beats[:, :, : n_times // block * block].reshape(n_beats, n_leads, -1, block)
    x = kept.mean(axis=-1)
    x -= np.median(x, axis=-1, keepdims=True)
    time = np.arange(x.shape[-1]) * block + (block - 1) / 2 - n_times // 2
    time *= 1000 / beats.sampling_rate
    usual, on_time = np.empty_like(x), rr[:, 0] > np.log(EARLY)
    bounds = beats.bounds()
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        if a < b:
            chosen = on_time[a:b] if on_time[a:b].any() else slice(None)
            usual[a:b] = np.median(x[a:b][chosen], axis=0)
    scale = np.maximum(usual.std(axis=-1, keepdims=True), 1e-3)
    difference = (x - usual) / scale
    own = x / np.maximum(x.std(axis=-1, keepdims=True), 1e-3)
    near = np.abs(time) <= REACH
    shapes = np.concatenate([own, difference], axis=1)[..., near]
    numbers = [rr, *_numbers(x, usual, difference, scale, time)]
    return shapes.astype(np.float32), np.concatenate(numbers, axis=1).astype(np.float32)


def _rr_ratios(beats: BeatSet) -> NDArray:
    """Logarithms: RR over the record's mean, next, over the local mean of 10 and of 40."""
    ratios = np.zeros((len(beats.beats), 5))
    bounds, rr = beats.bounds(), beats.rr
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        if b - a < 2:
            continue  # a beat without neighbours is neither early nor late
        # The first beat has no RR and the last no next one: the mean stands in.
        mean = np.nanmean(rr[a:b])
        previous, following = np.r_[mean, rr[a + 1 : b]], np.r_[rr[a + 1 : b], mean]
        local, wide = (uniform_filter1d(previous, n, mode="nearest") for n in (11, 41))
        pairs = (previous, mean), (following, mean), (previous, local), (previous, wide)
        ratios[a:b] = np.log([p / q for p, q in (*pairs, (local, mean))]).T
    return ratios


def _numbers(
    x: NDArray, usual: NDArray, difference: NDArray, scale: NDArray, time: NDArray
) -> list[NDArray]:
    """Compare beats with their usual beat, wave by wave; each (n_beats, n_leads)."""
    waves = {name: (time >= a) & (time < b) for name, (a, b) in PARTS.items()}
    waves = {name: columns for name, columns in waves.items() if columns.any()}
    waves["beat"] = np.ones(len(time), dtype=bool)
    found = []
    for columns in waves.values():
        found.append(_correlation(x[..., columns], usual[..., columns]))
        found.append(np.sqrt(np.mean(difference[..., columns] ** 2, axis=-1)))
    qrs = waves["QRS"]
    height, usual_height = (np.maximum(np.ptp(y[..., qrs], axis=-1), 1e-3) for y in (x, usual))
    width, usual_width = (_width(y[..., qrs], time[qrs]) for y in (x, usual))
    relative = x[..., qrs] / scale
    return [
        *found,
        np.log(height / usual_height),
        width,
        width - usual_width,
        relative.max(axis=-1),
        relative.min(axis=-1),
    ]


def _correlation(x: NDArray, y: NDArray) -> NDArray:
    x, y = (z - z.mean(axis=-1, keepdims=True) for z in (x, y))
    size = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.sum(x * y, axis=-1) / np.maximum(size, 1e-6)


def _width(qrs: NDArray, time: NDArray) -> NDArray:
    """Spread in ms of where the QRS is steep: grows with its duration, needs no edges."""
    steepness = np.diff(qrs, axis=-1) ** 2
    weight = steepness / np.maximum(steepness.sum(axis=-1, keepdims=True), 1e-9)
    middle = (time[1:] + time[:-1]) / 2
    centre = np.sum(weight * middle, axis=-1, keepdims=True)
    return np.sqrt(np.sum(weight * (middle - centre) ** 2, axis=-1))
