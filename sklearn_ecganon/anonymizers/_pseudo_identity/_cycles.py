"""The class of each beat, by its label or by its rhythm and shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import median_beat

BEAT_CLASSES = ("N", "S", "V", "F", "Q")
NORMAL, SUPRAVENTRICULAR, VENTRICULAR, FUSION, OTHER = range(5)

# Without labels. A ventricular beat looks unlike the median one and also comes early or is
# large; one whose QRS points the other way is ventricular whenever it comes. What comes early
# but looks alike is supraventricular. Mains noise is averaged away, and an R peak may have
# been found a little beside its place. On MIT-BIH, V have a sensitivity of .88.
LIKENESS, EARLY, LARGE = 0.8, 0.85, 1.4
# What is much smaller or larger than the median QRS, or lies on a steep slope of the baseline,
# is an artifact. Sizes are in median sizes, the slope in median heights within the window.
SMALLEST, LARGEST, STEEPEST = 0.3, 6.0, 1.5
QRS_MS, SMOOTH_MS, SHIFT_MS, SHIFT_STEP_MS = 120.0, 20.0, 40.0, 8.0


def window_times(n_times: int, rate: float) -> NDArray[np.float64]:
    """Return the times of a window's samples in ms from the R peak."""
    return np.asarray((np.arange(n_times) - n_times // 2) * (1000.0 / rate))


def around(beats: BeatSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return RR before and after each beat in ms, infinite at a record's ends."""
    before = np.where(np.isnan(beats.rr), np.inf, beats.rr)
    return before, np.append(before[1:], np.inf)


def find_beat_classes(
    windows: NDArray, before: NDArray, labels: NDArray | None, times: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the class of each beat of one record, a position in `BEAT_CLASSES`.

    By its label, or without labels by rhythm and QRS, compared with the record's median beat.
    """
    if labels is not None:
        beat_classes = np.full(len(windows), OTHER)
        for position, name in enumerate(BEAT_CLASSES):
            beat_classes[labels == name] = position
        return beat_classes
    if len(windows) == 1:  # a single beat cannot differ from the others
        return np.full(1, NORMAL)
    likeness, size, slope = _likeness(windows, times)
    known = before[np.isfinite(before)]
    early = before < EARLY * np.median(known) if len(known) else np.zeros(len(before), bool)
    unlike = (likeness < LIKENESS) & (early | (size > LARGE))
    is_beat = (size > SMALLEST) & (size < LARGEST) & (slope < STEEPEST)
    ventricular = (unlike | (likeness < 0)) & is_beat
    return np.where(ventricular, VENTRICULAR, np.where(early, SUPRAVENTRICULAR, NORMAL))


def _likeness(
    windows: NDArray, times: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compare each QRS with the median one, without the slope of the baseline.

    Returns correlation, size over the median size, and how far the baseline moves within the
    window over the median height.
    """
    step = times[1] - times[0] if len(times) > 1 else SMOOTH_MS
    near = np.flatnonzero(np.abs(times) <= QRS_MS + SHIFT_MS + SMOOTH_MS)
    windows, times = windows[..., near], times[near]
    line = np.linspace(-0.5, 0.5, len(times))
    rise = windows @ line / (line @ line)
    windows = _centered(windows - rise[..., np.newaxis] * line)
    height = np.median(np.ptp(windows, axis=-1).max(axis=1))
    slope = np.abs(rise).max(axis=1) / max(height, 1e-12)
    windows = uniform_filter1d(windows, max(1, round(SMOOTH_MS / step)), axis=-1)
    inside = np.flatnonzero(np.abs(times) <= QRS_MS)
    median_qrs = _centered(median_beat(windows[..., inside]))
    reach = round(SHIFT_MS / step)
    shifts = np.arange(-reach, reach + 1, max(1, round(SHIFT_STEP_MS / step)))
    # The median QRS is moved instead of the beats, so that one product serves all of them.
    edge, length = reach + 1, len(inside)
    padded = np.pad(windows, ((0, 0), (0, 0), (edge, edge)), mode="edge")
    starts = inside[0] + edge + shifts
    moved = np.zeros((*padded.shape[1:], len(shifts)))
    for i, start in enumerate(starts):
        moved[:, start : start + length, i] = median_qrs
    product = np.tensordot(padded, moved, axes=2)
    sums = np.zeros((2, *padded.shape[:2], padded.shape[2] + 1))
    np.cumsum(padded, axis=-1, out=sums[0, ..., 1:])
    np.cumsum(padded**2, axis=-1, out=sums[1, ..., 1:])
    total, power = sums[..., starts + length] - sums[..., starts]
    power -= total**2 / length
    norm = np.sqrt(power.sum(axis=1).clip(0)) * np.linalg.norm(median_qrs)
    likeness = (product / np.maximum(norm, 1e-12)).max(axis=1)
    size = np.linalg.norm(_centered(windows[..., inside]), axis=(1, 2))
    return likeness, size / max(np.median(size), 1e-12), slope


def _centered(qrs: NDArray) -> NDArray:
    return qrs - qrs.mean(axis=-1, keepdims=True)


def main_class(beat_classes: NDArray[np.intp]) -> int:
    """Return the class of a record: normal if it has normal beats, else the most frequent."""
    return NORMAL if (beat_classes == NORMAL).any() else int(np.bincount(beat_classes).argmax())
