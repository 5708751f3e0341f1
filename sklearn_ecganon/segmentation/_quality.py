"""Signal quality: which stretches of which leads show an ECG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation._quality_features import (
    features_of,
    regularity,
    slow_power,
)
from sklearn_ecganon.segmentation._signals import runs_of

#: Possible states of one window of one lead, from the best to the worst.
STATES = ("ecg", "quiet", "noise", "fibrillation-like", "flat", "missing")
_ECG, _QUIET, _NOISE, _FIBRILLATION, _FLAT, _MISSING = range(len(STATES))

WINDOW_S = 10.0
FLAT_S = 2.0  # a lead that is constant for longer is disconnected
FLAT_MV = 0.005  # two steps of a converter with a resolution of 2.5 uV, or one of 5 uV
_BLOCK_S = 0.25
_QUIET_FRACTION = 0.2
_FIBRILLATION_POWER = 0.8
_MIN_ECG_S = 300.0  # of a recording that is noise for the most part
_MAX_DEAD = 0.75  # a window with a larger missing or flat fraction is not analyzed


@dataclass(frozen=True, eq=False)
class SignalQuality:
    """The signal quality of one record, from `signal_quality`.

    Parameters
    ----------
    states : ndarray of int of shape (n_windows, n_leads)
        Index into `STATES` for each window of 10 s and each lead.
    bounds : ndarray of int of shape (n_windows + 1,)
        First sample of each window, and the end of the record.
    lead_gaps : ndarray of int of shape (n_gaps, 3)
        Stretches in which one lead is missing, or flat for longer than 2 s: position of the
        lead, first sample, one past the last.
    scores : ndarray of float of shape (n_windows, n_leads)
        Similarity of the beats in each window, from 0 to 1.
    """

    states: NDArray[np.int8]
    bounds: NDArray[np.intp]
    lead_gaps: NDArray[np.intp]
    scores: NDArray[np.float64]

    @cached_property
    def carries(self) -> NDArray[np.bool_]:
        """Whether each lead shows an ECG in half of its recorded windows, or in 5 minutes."""
        recorded = (self.states < _FLAT).sum(axis=0)
        usable = (self.states <= _QUIET).sum(axis=0)
        n_ecg = (self.states == _ECG).sum(axis=0)
        long_enough = (n_ecg >= _MIN_ECG_S / WINDOW_S) & (10 * usable >= recorded)
        return (n_ecg > 0) & ((2 * usable >= recorded) | long_enough)

    def best_leads(self) -> NDArray[np.intp]:
        """Return the leads that show an ECG, in decreasing order of quality.

        Returns
        -------
        leads : ndarray of int
            Positions of the leads; empty if no lead shows an ECG.
        """
        score = np.where(self.states == _ECG, self.scores, 0.0).sum(axis=0)
        order = np.argsort(-score, kind="stable")
        return order[self.carries[order]]

    def unusable(self, leads: NDArray[np.intp]) -> list[tuple[int, int, str]]:
        """Return the stretches in which none of the given leads shows an analyzable ECG.

        Parameters
        ----------
        leads : ndarray of int
            Positions of the leads to examine.

        Returns
        -------
        stretches : list of (int, int, str)
            First sample, one past the last, and the name of the state. Noise must fill two
            windows or more, because a single noisy window may hold an artifact.
        """
        best = self.states[:, leads].min(axis=1) if len(leads) else self.states.min(axis=1)
        stretches = []
        edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            state = int(best[first])
            long_enough = state != _NOISE or last - first > 1 or len(best) == 1
            if state in (_NOISE, _FIBRILLATION) and long_enough:
                start, stop = int(self.bounds[first]), int(self.bounds[last])
                stretches.append((start, stop, STATES[state]))
        return stretches

    def summary(self) -> str:
        """Return the fraction of windows in each state as text for messages.

        Returns
        -------
        summary : str
            For example ``"ecg 80%, noise 20%"``.
        """
        counts = np.bincount(self.states.ravel(), minlength=len(STATES))
        named = [f"{STATES[i]} {n / counts.sum():.0%}" for i, n in enumerate(counts) if n]
        return ", ".join(named)


def signal_quality(record: ECGRecord) -> SignalQuality:
    """Determine which stretches of which leads show an ECG.

    Parameters
    ----------
    record : ECGRecord
        Signal in mV, at 100 Hz or more.

    Returns
    -------
    quality : SignalQuality
        A state for each window of 10 s and each lead, and the exact stretches in which a
        lead is missing or flat.

    Notes
    -----
    sleepecg finds beats in each lead. A window shows an ECG if its beats resemble each
    other, exceed the signal between them, and have the peaked distribution of an ECG:

    - agreement: the mean of the three highest correlations of a beat's QRS with its twelve
      neighbors on either side (of fewer in a recording of less than twelve beats), median
      over the window, at least 0.8. This is the template matching index of [1]_ without a
      template, so that windows with ectopic beats pass.
    - contrast: ratio of the root mean square within 120 ms of the R peaks to that
      elsewhere, at least 1.15.
    - kurtosis of the signal in the QRS band, at least 4.5 (kSQI of [2]_, which asks for 5
      of the unfiltered signal).

    A window that fails them is still an ECG if its agreement is at least 0.74, if it repeats
    itself every 0.4 to 2 s (with an autocorrelation of at least 0.45 between 1 and 30 Hz, and
    no earlier peak of nearly that height), and if at least 5 % of its power lies between 5
    and 15 Hz. Beats with tall T waves pass by this rule; fibrillation repeats itself sooner,
    and a pulse wave has no fast part.

    A window that fails all of these is called fibrillation-like if more than 80 % of its
    power lies between 2 and 10 Hz. It is called quiet, as in a pause or an asystole, if its
    amplitude is less than a fifth of the amplitude of the lead's beats.

    References
    ----------
    .. [1] C. Orphanidou et al., "Signal-quality indices for the electrocardiogram and
       photoplethysmogram", IEEE J. Biomed. Health Inform. 19(3), 2015.
    .. [2] Q. Li, R. G. Mark and G. D. Clifford, "Robust heart rate estimation from multiple
       asynchronous noisy sources using signal quality indices and a Kalman filter",
       Physiol. Meas. 29(1), 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import ECGRecord, make_ecg_records
    >>> from sklearn_ecganon.segmentation import signal_quality
    >>> record = make_ecg_records(n_subjects=1, duration=30.0, random_state=0).data[0]
    >>> signal_quality(record).summary()
    'ecg 100%'
    >>> noise = np.random.default_rng(0).normal(0, 0.3, len(record.signal))
    >>> signal_quality(ECGRecord(noise, record.sampling_rate)).summary()
    'noise 100%'
    """
    rate, n_times = record.sampling_rate, record.n_times
    n_windows = max(1, int(n_times / (WINDOW_S * rate)))
    bounds = np.linspace(0, n_times, n_windows + 1).astype(np.intp)
    traces = np.ascontiguousarray(record.signal.T)
    missing = np.isnan(traces)
    dead = _dead_runs(traces, missing, rate)
    states, scores = _classify_windows(traces, missing, dead, bounds, rate)
    gaps = [
        (i, start, stop) for i, (runs, _) in enumerate(dead) for start, stop in runs.tolist()
    ]
    lead_gaps = np.array(gaps, dtype=np.intp).reshape(-1, 3)
    return SignalQuality(states.T, bounds, lead_gaps, scores.T)


def dead_stretches(traces: NDArray[np.float64], rate: float) -> list[NDArray[np.intp]]:
    """Return the stretches in which each lead is missing, or flat for more than 2 s.

    Parameters
    ----------
    traces : ndarray of shape (n_leads, n_times)
        Signals in mV, with NaN where nothing was recorded.
    rate : float
        Sampling rate in Hz.

    Returns
    -------
    stretches : list of ndarray of int of shape (n_stretches, 2)
        For each lead, first and one past the last sample.
    """
    return [runs for runs, _ in _dead_runs(traces, np.isnan(traces), rate)]


def _dead_runs(
    traces: NDArray, missing: NDArray[np.bool_], rate: float
) -> list[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Return the runs in which each lead is missing or flat, and which of these are flat."""
    nothing = np.empty((0, 2), np.intp)
    dead = []
    for trace, unknown, may_be_flat in zip(
        traces, missing, _may_be_flat(traces, rate), strict=True
    ):
        runs = runs_of(unknown) if unknown.any() else nothing
        flat = _flat_runs(trace, rate) if may_be_flat else nothing
        both = np.concatenate([runs, flat])
        order = np.argsort(both[:, 0], kind="stable")
        dead.append((both[order], order >= len(runs)))
    return dead


def _may_be_flat(traces: NDArray, rate: float) -> NDArray[np.bool_]:
    """Return which leads have enough flat blocks for a flat stretch, to save time."""
    block = max(1, round(_BLOCK_S * rate))
    n_blocks = traces.shape[1] // block
    blocks = traces[:, : n_blocks * block].reshape(len(traces), n_blocks, block)
    n_flat = (blocks.max(axis=2) - blocks.min(axis=2) <= FLAT_MV).sum(axis=1)
    return np.asarray(n_flat >= min(n_blocks, FLAT_S / _BLOCK_S - 2))


def _flat_runs(trace: NDArray, rate: float) -> NDArray[np.intp]:
    """Return the stretches of more than 2 s in which a lead stays within 5 uV."""
    block = max(1, round(_BLOCK_S * rate))
    n_blocks = len(trace) // block
    if n_blocks < FLAT_S / _BLOCK_S:
        constant = np.ptp(trace) <= FLAT_MV  # False if a sample is missing
        long_enough = len(trace) >= FLAT_S * rate
        return (
            np.array([[0, len(trace)]] if constant and long_enough else [])
            .reshape(-1, 2)
            .astype(np.intp)
        )
    blocks = trace[: n_blocks * block].reshape(n_blocks, block)
    low, high = blocks.min(axis=1), blocks.max(axis=1)
    runs = []
    constant_blocks = runs_of(high - low <= FLAT_MV)
    n_constant = np.diff(constant_blocks, axis=1)[:, 0]
    for first, last in constant_blocks[n_constant >= FLAT_S / _BLOCK_S - 2]:
        level = np.median(trace[first * block : last * block])
        start, stop = int(first * block), int(last * block)
        start = _extended(trace, start, -1, level)
        stop = _extended(trace, stop, 1, level)
        within = np.abs(trace[start:stop] - level) <= FLAT_MV
        for begin, end in runs_of(within):
            if end - begin >= FLAT_S * rate:
                runs.append((start + begin, start + end))
    return np.array(runs, dtype=np.intp).reshape(-1, 2)


def _extended(trace: NDArray, position: int, step: int, level: float) -> int:
    """Return the end of a flat run before (step -1) or after a position (step 1)."""
    while 0 <= position - (step < 0) < len(trace):
        sample = trace[position - (step < 0)]
        if not abs(sample - level) <= FLAT_MV:
            break
        position += step
    return position


def _classify_windows(
    traces: NDArray,
    missing: NDArray[np.bool_],
    dead: list[tuple[NDArray[np.intp], NDArray[np.bool_]]],
    bounds: NDArray[np.intp],
    rate: float,
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return the state and the score of each window of each lead: (n_leads, n_windows)."""
    covered = np.array([_covered(runs, bounds) for runs, _ in dead])
    flat = np.array([_covered(runs[is_flat], bounds) for runs, is_flat in dead])
    states = np.where(2 * flat > covered, _FLAT, _MISSING).astype(np.int8)
    scores = np.zeros(states.shape)
    alive = covered < _MAX_DEAD
    leads = np.flatnonzero(alive.any(axis=1))
    if not len(leads):
        return states, scores
    filled = traces[leads]
    for trace, unknown in zip(filled, missing[leads], strict=True):
        if unknown.any():
            known = np.flatnonzero(~unknown)
            trace[:] = np.interp(np.arange(len(trace)), known, trace[known])
    features = features_of(filled, bounds, rate)
    is_ecg = features.is_ecg.copy()
    of_leads = np.where(is_ecg, features.agreement, 0.0)
    doubtful = ~is_ecg & features.may_be_ecg
    regular = regularity(features.windows(doubtful), features.coarse_rate)
    is_ecg[doubtful] = regular > 0
    of_leads[doubtful] = regular
    if_alive = np.full(is_ecg.shape, _NOISE, dtype=np.int8)
    slow = slow_power(features.windows(~is_ecg), features.coarse_rate)
    if_alive[~is_ecg] = np.where(slow >= _FIBRILLATION_POWER, _FIBRILLATION, _NOISE)
    alive = alive[leads]
    for of_lead, spread, shows in zip(if_alive, features.spread, is_ecg & alive, strict=True):
        if shows.any():
            of_lead[spread < _QUIET_FRACTION * np.median(spread[shows])] = _QUIET
    if_alive[is_ecg] = _ECG
    states[leads] = np.where(alive, if_alive, states[leads])
    scores[leads] = of_leads
    return states, scores


def _covered(runs: NDArray[np.intp], bounds: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the fraction of each window that runs cover."""
    below = np.zeros(len(bounds))
    for start, stop in runs:
        below += np.clip(bounds - start, 0, stop - start)
    return np.diff(below) / np.maximum(np.diff(bounds), 1)
