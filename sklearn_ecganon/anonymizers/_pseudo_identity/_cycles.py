"""Heart cycles: which part of a window is the beat's own, and windows out of cycles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.ndimage import uniform_filter1d

from sklearn_ecganon.records import BeatSet

KINDS = ("N", "S", "V", "F", "Q")
NORMAL, SUPRAVENTRICULAR, VENTRICULAR, FUSION, OTHER = range(5)
MODEL_RATE = 250.0  # Hz

# Between two R peaks the first 58 % are the earlier beat's, the rest the later one's: the
# T wave ends before, the P wave starts after. What is learnt overlaps a little.
TURN = 0.58
OWN_BEFORE, OWN_AFTER = 0.42, 0.60
FADE_MS, FADED = 12.0, 12.0  # width, and how many of them away the rest is nothing

# Without labels. A ventricular beat looks unlike the usual one and also comes early or is
# large; one whose QRS points the other way is ventricular whenever it comes. What comes early
# but looks alike is supraventricular. Mains noise is averaged away, and an R peak may have
# been found a little beside the usual place. On MIT-BIH: 91 % of V found, 96 % of those right.
LIKENESS, EARLY, LARGE = 0.8, 0.85, 1.4
QRS_MS, SMOOTH_MS, SHIFT_MS, SHIFT_STEP_MS = 120.0, 20.0, 40.0, 8.0


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

    By its label, or without labels by rhythm and QRS, compared with the record's median beat.
    """
    if labels is not None:
        kinds = np.full(len(windows), OTHER)
        for kind, name in enumerate(KINDS):
            kinds[labels == name] = kind
        return kinds
    if len(windows) == 1:  # a single beat cannot differ from the others
        return np.full(1, NORMAL)
    likeness, size = _likeness(windows, times)
    known = before[np.isfinite(before)]
    early = before < EARLY * np.median(known) if len(known) else np.zeros(len(before), bool)
    unlike = (likeness < LIKENESS) & (early | (size > LARGE))
    return np.where(
        unlike | (likeness < 0), VENTRICULAR, np.where(early, SUPRAVENTRICULAR, NORMAL)
    )


def _likeness(windows: NDArray, times: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return correlation of each QRS with the median one, and its size over the median size."""
    step = times[1] - times[0] if len(times) > 1 else SMOOTH_MS
    windows = uniform_filter1d(windows, max(1, round(SMOOTH_MS / step)), axis=-1)
    inside = np.flatnonzero(np.abs(times) <= QRS_MS)
    usual = _centred(np.median(windows[..., inside], axis=0))
    length = np.linalg.norm(usual)
    likeness = np.full(len(windows), -1.0)
    reach = round(SHIFT_MS / step)
    for shift in range(-reach, reach + 1, max(1, round(SHIFT_STEP_MS / step))):
        qrs = _centred(windows[..., (inside + shift).clip(0, len(times) - 1)])
        norm = np.linalg.norm(qrs, axis=(1, 2)) * length
        likeness = np.maximum(
            likeness, (qrs * usual).sum(axis=(1, 2)) / np.maximum(norm, 1e-12)
        )
    size = np.linalg.norm(_centred(windows[..., inside]), axis=(1, 2))
    return likeness, size / max(np.median(size), 1e-12)


def _centred(qrs: NDArray) -> NDArray:
    return qrs - qrs.mean(axis=-1, keepdims=True)


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
    _, n_leads, n_times = windows.shape
    steps = np.arange(n_times) - n_times // 2
    fade = max(FADE_MS * rate / 1000.0, 0.5)
    gaps = np.diff(r_peaks)
    near = np.flatnonzero(gaps < n_times)
    read, written = windows.reshape(-1), joined.reshape(-1)
    for own, other, sign in ((near, near + 1, 1), (near + 1, near, -1)):
        turn = TURN * gaps[near] - np.where(sign > 0, 0, gaps[near])
        away = sign * (steps - turn[:, np.newaxis]) / fade
        column = steps - sign * gaps[near, np.newaxis] + n_times // 2
        # Where the neighbour says nothing there is nothing to be done.
        row, at = np.nonzero((away > -FADED) & (column >= 0) & (column < n_times))
        weight = 1 / (1 + np.exp(-away[row, at]))
        mine = own[row] * n_leads * n_times + at
        beside = other[row] * n_leads * n_times + column[row, at]
        for lead in range(0, n_leads * n_times, n_times):
            before = written.take(mine + lead)
            written[mine + lead] = before + weight * (read.take(beside + lead) - before)
    return joined


def record_slices(beats: BeatSet) -> list[slice]:
    """Return where each record's beats lie."""
    return [slice(a, b) for a, b in pairwise(beats.bounds())]
