"""The rhythm of a record: what is kept of it, and which beats a release of it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity._pauses import PAUSE_S
from sklearn_ecganon.contracts import CATEGORIES

(IRREGULAR,) = CATEGORIES["irregularity"]  # RMSSD over mean RR
# Variability of N-N intervals above this is treated as in atrial fibrillation: without order.
CHAOTIC = 0.15
# RR over the sinus RR around it: below, between and above which a beat is early, follows
# its neighbour as usual, or ends a pause; a pause after an early beat may be shorter.
EARLY, COMPENSATED, PAUSE, ASYSTOLE = 0.85, 1.1, 1.3, 2.5
LONG_RR = 1.5  # s, more than what makes good for an early beat, or occurs in fibrillation
EARLY_SINUS = 0.8  # the same for beats that are not labelled S or V
MEDIAN_OF_NORMAL = 0.6745  # median absolute value of a standard normal number
PIECE = 12  # beats on average before a bigeminy that has to last longer goes on elsewhere
LOCAL = 11  # intervals whose average is the sinus RR around a beat


class Rhythm(NamedTuple):
    """What of a rhythm is kept. One entry a beat; the first beat has no RR, so is plain."""

    early: NDArray[np.bool_]
    compensated: NDArray[np.bool_]
    paused: NDArray[np.bool_]
    arrested: NDArray[np.bool_]  # the interval before the beat is PAUSE_S or longer
    relative: NDArray[np.float64]  # RR over the sinus RR around it
    labels: NDArray[np.str_]
    variation: float  # RMSSD of sinus intervals over their mean, outliers left aside

    @property
    def plain(self) -> NDArray[np.bool_]:
        return ~(self.early | self.compensated | self.paused | self.arrested)


def read_rhythm(rr: NDArray, labels: NDArray[np.str_] | None) -> Rhythm:
    """Return what is kept of the intervals and classes of a record."""
    labelled = labels is not None
    if labels is None:
        early = rr < EARLY_SINUS * _running(np.minimum(rr, 2 * np.median(rr)), np.mean)
        labels = np.where(np.r_[False, early], "V", "N")
    ectopic = np.isin(labels, ("S", "V"))
    sinus = ~(ectopic[1:] | ectopic[:-1])
    steps = np.diff(rr)[sinus[1:] & sinus[:-1]]
    if len(steps) < 3:  # bigeminy: two intervals together are two sinus intervals
        around = _running(np.minimum(rr, 2 * np.median(rr)), np.mean)
        variation = 0.0
    else:
        at = np.flatnonzero(sinus)
        around = np.interp(np.arange(len(rr)), at, _running(rr[at], np.median))
        # By the median step: one pause or one missed beat makes no irregular rhythm.
        variation = float(np.median(np.abs(steps)) / MEDIAN_OF_NORMAL / rr[at].mean())
    relative = np.r_[1.0, rr / around]
    early = relative < np.where(ectopic, EARLY, EARLY_SINUS)
    paused = relative > PAUSE
    compensated = np.r_[False, early[:-1]] & (relative > COMPENSATED)
    long = np.r_[0, rr] >= LONG_RR
    compensated &= ~(paused & long)
    arrested = np.r_[0, rr] >= PAUSE_S
    compensated &= ~arrested
    if variation >= IRREGULAR:
        # An irregular rhythm is early and late all the time: only classes stand out.
        early, compensated = early & ectopic & labelled, np.zeros_like(early)
        paused = long & (relative > ASYSTOLE)
    paused &= ~(compensated | arrested)
    return Rhythm(early, compensated, paused, arrested, relative, labels, variation)


def choose_beats(rhythm: Rhythm, n_new: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return which old beats make the new record, in order."""
    # However many draws this takes, what is drawn later must not reveal the old number.
    rng = np.random.default_rng(rng.integers(2**63))
    n_old = len(rhythm.labels)
    plain, labels = rhythm.plain, rhythm.labels
    like = plain[1:] & plain[:-1] & (labels[1:] == labels[:-1])
    within_run = 1 + np.flatnonzero(like[1:] & like[:-1])
    is_ectopic = np.isin(labels[within_run], ("S", "V", "F"))
    # Runs of ectopic beats change their length only where all other runs do not suffice.
    for run in (within_run[~is_ectopic], within_run):
        times = np.ones(n_old, dtype=np.intp)
        if n_old - len(run) <= n_new <= n_old:
            times[rng.choice(run, n_old - n_new, replace=False)] = 0
            return np.repeat(np.arange(n_old), times)
        if n_old < n_new <= n_old + 2 * len(run):
            again = rng.choice(np.repeat(run, 2), n_new - n_old, replace=False)
            times += np.bincount(again, minlength=n_old)
            return np.repeat(np.arange(n_old), times)
    if rhythm.arrested.any():
        return _around_pauses(rhythm, n_new, rng)
    return _in_pieces(labels, n_new, rng)


def _in_pieces(
    labels: NDArray[np.str_], n_new: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return a way through a record that is too regular to be made longer or shorter.

    It goes on elsewhere now and then, after a beat of the same class: the record over again
    would reveal by its period how many beats there were.
    """
    n_old = len(labels)
    if n_new <= n_old:
        return np.arange(n_new)
    source = [int(rng.integers(n_old))]
    while len(source) < n_new:
        now = source[-1]
        if now == n_old - 1 or rng.random() < 1 / PIECE:
            now = int(rng.choice(np.flatnonzero(labels == labels[now])))
        source.append((now + 1) % n_old)
    return np.array(source)


def _around_pauses(rhythm: Rhythm, n_new: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a way through a record that `_in_pieces` makes between its pauses.

    The beat that ends a pause stays where it is. All other beats of a run between two pauses
    are chosen from that run, as many of them as its fraction of the record is.
    """
    first = np.r_[0, np.flatnonzero(rhythm.arrested)]
    sizes = np.diff(np.r_[first, len(rhythm.labels)]) - 1
    total = np.round(np.cumsum(sizes) * ((n_new - len(first)) / sizes.sum()))
    chosen = []
    for start, size, n_beats in zip(first, sizes, np.diff(total, prepend=0), strict=True):
        chosen.append([start])
        if n_beats > 0:
            labels = rhythm.labels[start + 1 : start + 1 + size]
            chosen.append(start + 1 + _in_pieces(labels, int(n_beats), rng))
    return np.concatenate(chosen).astype(np.intp)


def _running(values: NDArray, average: Callable[..., NDArray]) -> NDArray[np.float64]:
    """Return the average of `LOCAL` values around each, fewer where there are fewer."""
    padded = np.pad(values, LOCAL // 2, mode="reflect" if len(values) > LOCAL else "edge")
    return average(sliding_window_view(padded, LOCAL), axis=1)
