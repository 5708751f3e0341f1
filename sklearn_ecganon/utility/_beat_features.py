"""Features of beats for a classifier: each beat is compared with the template of its record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from sklearn_ecganon.records import BeatSet

# Hz; beats are averaged in blocks to about this rate.
RATE = 120.0
# The waves and the part of a beat that a classifier uses, in ms from the R peak.
WAVES = {"P": (-280.0, -80.0), "QRS": (-120.0, 120.0), "T": (120.0, 400.0)}
REACH = 300.0
# A beat whose RR is below this fraction of the record's mean comes early.
EARLY = 0.9


def describe_beats(beats: BeatSet) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return shape and numbers of each beat, both relative to the record it belongs to.

    The template of a record is the median of the beats that do not come early. If most beats
    are ectopic, the median of all beats would not be a sinus beat.

    Parameters
    ----------
    beats : BeatSet
        Beats in mV of any class. Leave none out, because RR intervals need the neighbors.

    Returns
    -------
    shapes : ndarray of shape (n_beats, 2 * n_leads, n_used)
        300 ms to both sides of the R peak: each lead z-scored, then its difference from
        the record's template, in standard deviations of the template.
    numbers : ndarray of shape (n_beats, 5 + 13 * n_leads)
        RR ratios as logarithms, then for each lead how the beat differs from the template.
    """
    rr = _rr_ratios(beats)
    n_beats, n_leads, n_times = beats.beats.shape
    block = max(1, round(beats.sampling_rate / RATE))
    blocks = beats.beats[:, :, : n_times // block * block]
    x = blocks.reshape(n_beats, n_leads, -1, block).mean(axis=-1)
    x -= np.median(x, axis=-1, keepdims=True)
    time = np.arange(x.shape[-1]) * block + (block - 1) / 2 - n_times // 2
    time *= 1000 / beats.sampling_rate
    template, on_time = np.empty_like(x), rr[:, 0] > np.log(EARLY)
    bounds = beats.bounds()
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        if a < b:
            chosen = on_time[a:b] if on_time[a:b].any() else slice(None)
            template[a:b] = np.median(x[a:b][chosen], axis=0)
    scale = np.maximum(template.std(axis=-1, keepdims=True), 1e-3)
    difference = (x - template) / scale
    z_scored = x / np.maximum(x.std(axis=-1, keepdims=True), 1e-3)
    near = np.abs(time) <= REACH
    shapes = np.concatenate([z_scored, difference], axis=1)[..., near]
    numbers = [rr, *_numbers(x, template, difference, scale, time)]
    return shapes.astype(np.float32), np.concatenate(numbers, axis=1).astype(np.float32)


def _rr_ratios(beats: BeatSet) -> NDArray:
    """Return logarithms of RR ratios, shape (n_beats, 5).

    The columns are the previous and the next RR over the record's mean, the previous RR over
    its local means of 11 and of 41 beats, and the shorter local mean over the record's mean.
    """
    ratios = np.zeros((len(beats.beats), 5))
    bounds, rr = beats.bounds(), beats.rr
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        if b - a < 2:
            continue  # a beat without neighbors is neither early nor late
        # The first beat has no previous RR and the last no next one: the mean replaces them.
        mean = np.nanmean(rr[a:b])
        previous, following = np.r_[mean, rr[a + 1 : b]], np.r_[rr[a + 1 : b], mean]
        local, wide = (uniform_filter1d(previous, n, mode="nearest") for n in (11, 41))
        pairs = (previous, mean), (following, mean), (previous, local), (previous, wide)
        ratios[a:b] = np.log([p / q for p, q in (*pairs, (local, mean))]).T
    return ratios


def _numbers(
    x: NDArray, template: NDArray, difference: NDArray, scale: NDArray, time: NDArray
) -> list[NDArray]:
    """Compare beats with their template, wave by wave; each array is (n_beats, n_leads)."""
    waves = {name: (time >= a) & (time < b) for name, (a, b) in WAVES.items()}
    waves = {name: columns for name, columns in waves.items() if columns.any()}
    waves["beat"] = np.ones(len(time), dtype=bool)
    comparisons = []
    for columns in waves.values():
        comparisons.append(_correlation(x[..., columns], template[..., columns]))
        comparisons.append(np.sqrt(np.mean(difference[..., columns] ** 2, axis=-1)))
    qrs = waves["QRS"]
    height, template_height = (
        np.maximum(np.ptp(y[..., qrs], axis=-1), 1e-3) for y in (x, template)
    )
    width, template_width = (_width(y[..., qrs], time[qrs]) for y in (x, template))
    relative = x[..., qrs] / scale
    return [
        *comparisons,
        np.log(height / template_height),
        width,
        width - template_width,
        relative.max(axis=-1),
        relative.min(axis=-1),
    ]


def _correlation(x: NDArray, y: NDArray) -> NDArray:
    x, y = (z - z.mean(axis=-1, keepdims=True) for z in (x, y))
    scale = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    return np.sum(x * y, axis=-1) / np.maximum(scale, 1e-6)


def _width(qrs: NDArray, time: NDArray) -> NDArray:
    """Return the spread in ms of the steep parts of the QRS.

    It grows with the duration of the QRS, and needs no delineated edges.
    """
    steepness = np.diff(qrs, axis=-1) ** 2
    weight = steepness / np.maximum(steepness.sum(axis=-1, keepdims=True), 1e-9)
    middle = (time[1:] + time[:-1]) / 2
    center = np.sum(weight * middle, axis=-1, keepdims=True)
    return np.sqrt(np.sum(weight * (middle - center) ** 2, axis=-1))
