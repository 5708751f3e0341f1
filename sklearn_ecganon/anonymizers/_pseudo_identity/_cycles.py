"""Heart cycles: which part of a window is the beat's own, and windows out of cycles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from sklearn_ecganon.records import BeatSet

KINDS = ("N", "S", "V", "F", "Q")
NORMAL, SUPRAVENTRICULAR, VENTRICULAR, FUSION, OTHER = range(5)
MODEL_RATE = 250.0  # Hz

# Between two R peaks the first 58 % are the earlier beat's, the rest the later one's: the
# T wave ends before, the P wave starts after. What is learnt overlaps a little.
TURN = 0.58
OWN_BEFORE, OWN_AFTER = 0.42, 0.60
FADE_MS, FADED = 12.0, 12.0  # width, and how many of them away the rest is nothing

# Without labels: the QRS of a ventricular beat looks unlike the usual one, and what comes
# early but looks alike is supraventricular.
LIKENESS, EARLY, QRS_MS = 0.75, 0.85, 120.0


def window_times(n_times: int, rate: float) -> NDArray[np.float64]:
    """Return the times of a window's samples in ms from the R peak."""
    return np.asarray((np.arange(n_times) - n_times // 2) * (1000.0 / rate))


def evaluate(
    curves: NDArray, times: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return curves (..., n_times) at other times; beyond their ends the last value."""
    spline = make_interp_spline(times, curves, k=min(3, len(times) - 1), axis=-1)
    return spline(wanted.clip(times[0], times[-1]))


def around(beats: BeatSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return RR before and after each beat in ms, infinite at a record's ends."""
    before = np.where(np.isnan(beats.rr), np.inf, beats.rr)
    return before, np.append(before[1:], np.inf)


def own_part(before: NDArray, after: NDArray, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which samples show the beat itself and not its neighbours: (n_beats, n_times)."""
    start, stop = -(OWN_BEFORE * before).clip(min=120.0), (OWN_AFTER * after).clip(min=160.0)
    return (times >= start[:, np.newaxis]) & (times <= stop[:, np.newaxis])


def find_kinds(
    windows: NDArray, before: NDArray, labels: NDArray | None, times: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Return the kind of each beat of one record, a position in `KINDS`.

    By its label, or without labels by rhythm and QRS: what looks unlike the record's median
    beat is ventricular, what comes early is supraventricular, all else is normal.
    """
    if labels is not None:
        kinds = np.full(len(windows), OTHER)
        for kind, name in enumerate(KINDS):
            kinds[labels == name] = kind
        return kinds
    qrs = windows[..., np.abs(times) <= QRS_MS]
    qrs = qrs - qrs.mean(axis=-1, keepdims=True)
    usual = np.median(qrs, axis=0)
    size = np.linalg.norm(qrs, axis=(1, 2)) * np.linalg.norm(usual)
    likeness = (qrs * usual).sum(axis=(1, 2)) / np.maximum(size, 1e-12)
    known = before[np.isfinite(before)]
    early = before < EARLY * np.median(known) if len(known) else np.zeros(len(before), bool)
    return np.where(likeness < LIKENESS, VENTRICULAR, np.where(early, SUPRAVENTRICULAR, NORMAL))


def usual_kind(kinds: NDArray[np.intp]) -> int:
    """Return the kind that stands for the record: normal if there is any, else most."""
    return NORMAL if (kinds == NORMAL).any() else int(np.bincount(kinds).argmax())


def usual_beat(windows: NDArray, kinds: NDArray[np.intp], most: int = 200) -> NDArray:
    """Return the median of the beats of the usual kind: (n_leads, n_times)."""
    rows = np.flatnonzero(kinds == usual_kind(kinds))
    return np.median(windows[spread(rows, most)], axis=0)


def spread(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most `most` of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.intp)]


def join(windows: NDArray, r_peaks: NDArray[np.intp], rate: float) -> NDArray:
    """Let each window show its neighbours where it reaches into them.

    Between two R peaks the earlier beat gives way to the later at `TURN`, so that the
    windows of both hold the same signal there, as windows cut from one recording do.
    """
    joined = windows.copy()
    n_times = windows.shape[2]
    steps = np.arange(n_times) - n_times // 2
    fade = max(FADE_MS * rate / 1000.0, 0.5)
    gaps = np.diff(r_peaks)
    near = np.flatnonzero(gaps < n_times)
    for own, other, sign in ((near, near + 1, 1), (near + 1, near, -1)):
        turn = TURN * gaps[near] - np.where(sign > 0, 0, gaps[near])
        away = sign * (steps - turn[:, np.newaxis]) / fade
        column = steps - sign * gaps[near, np.newaxis] + n_times // 2
        # Where the neighbour says nothing there is nothing to be done.
        row, at = np.nonzero((away > -FADED) & (column >= 0) & (column < n_times))
        weight = 1 / (1 + np.exp(-away[row, at]))[:, np.newaxis]
        beside = windows[other[row], :, column[row, at]]
        mine = joined[own[row], :, at]
        joined[own[row], :, at] = mine + weight * (beside - mine)
    return joined


def record_slices(beats: BeatSet) -> list[slice]:
    """Return where each record's beats lie."""
    return [slice(a, b) for a, b in pairwise(beats.bounds())]
