"""Beat detection by a vote of several leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.segmentation._signals import bridged

MAX_VOTERS = 5  # more leads take time and do not improve the result
_SHORTEST_S = 1.0  # detectors need the first seconds to adapt their thresholds
_SAME_BEAT_S = 0.08  # largest distance between peaks of one QRS in different leads
_HALF_QRS_S = 0.06
_MIN_RELATIVE_AMPLITUDE = 0.1  # relative to the median QRS
_PAUSE_S = 1.0  # from the nearest beat; in long pauses detectors report noise


def find_by_vote(
    signal: NDArray[np.float64],
    rate: float,
    voters: Sequence[int],
    detect: Callable[[NDArray, float], ArrayLike],
) -> tuple[NDArray[np.intp], float]:
    """Find beats in several leads and keep those that most leads agree on.

    Parameters
    ----------
    signal : ndarray of shape (n_times, n_leads)
        Signal in mV, NaN where a lead was not recorded.
    rate : float
        Sampling rate in Hz.
    voters : sequence of int
        Positions of the leads that vote, the most trusted first.
    detect : callable
        Function of a finite trace and its rate that returns sample numbers.

    Returns
    -------
    peaks : ndarray of int of shape (n_beats,)
        Increasing positions. A beat is kept if more than half of the leads recorded at that
        moment show it, or exactly half of them including the most trusted one.
    disagreement : float
        Fraction of all candidates that at least one recorded voter does not show.
    """
    voters = list(voters)[:MAX_VOTERS]
    if not voters:
        return np.empty(0, np.intp), 0.0
    if len(voters) == 2 and np.isfinite(bridged(signal[:, voters[0]], rate)).all():
        voters = voters[:1]  # of two leads the more trusted one decides
    traces = [bridged(signal[:, lead], rate) for lead in voters]
    by_lead = [_peaks_of(trace, rate, detect) for trace in traces]
    if len(voters) == 1:
        return by_lead[0], 0.0
    peaks = np.concatenate(by_lead)
    lead = np.repeat(np.arange(len(voters)), [len(one) for one in by_lead])
    if not len(peaks):
        return peaks, 0.0
    order = np.argsort(peaks, kind="stable")
    peaks, lead = peaks[order], lead[order]
    group = np.cumsum(np.diff(peaks, prepend=peaks[0]) > _SAME_BEAT_S * rate)
    n_groups = int(group[-1]) + 1
    votes = np.zeros((n_groups, len(voters)), dtype=bool)
    votes[group, lead] = True
    # The most trusted lead that shows a beat determines its position.
    first = np.lexsort((lead, group))
    first = first[np.flatnonzero(np.diff(group[first], prepend=-1))]
    positions = peaks[first]
    recorded = np.column_stack([np.isfinite(trace[positions]) for trace in traces])
    n_recorded, n_votes = recorded.sum(axis=1), (votes & recorded).sum(axis=1)
    with_trusted = votes[np.arange(n_groups), recorded.argmax(axis=1)]
    accepted = (2 * n_votes > n_recorded) | ((2 * n_votes == n_recorded) & with_trusted)
    disagreement = float((n_votes < n_recorded).mean())
    return np.unique(positions[accepted]), disagreement


def _peaks_of(
    trace: NDArray, rate: float, detect: Callable[[NDArray, float], ArrayLike]
) -> NDArray[np.intp]:
    """Return the beats of one lead; recorded stretches are searched separately."""
    known = np.isfinite(trace)
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0))
    by_stretch = [np.empty(0, np.intp)]
    for start, stop in edges.reshape(-1, 2):
        stretch = trace[start:stop]
        if len(stretch) < _SHORTEST_S * rate or np.ptp(stretch) == 0:
            continue
        peaks = np.asarray(detect(stretch, rate)).astype(np.intp)
        by_stretch.append(start + peaks[~_in_pause(stretch, peaks, rate)])
    return np.concatenate(by_stretch)


def _in_pause(stretch: NDArray, peaks: NDArray[np.intp], rate: float) -> NDArray[np.bool_]:
    """Return which peaks are noise in a pause: small, and far from every beat."""
    if not len(peaks):
        return np.empty(0, dtype=bool)
    half = max(1, round(_HALF_QRS_S * rate))
    around = (peaks[:, np.newaxis] + np.arange(-half, half + 1)).clip(0, len(stretch) - 1)
    amplitudes = np.ptp(stretch[around], axis=1)
    is_large = amplitudes >= _MIN_RELATIVE_AMPLITUDE * np.median(amplitudes)
    beats = peaks[is_large]
    after = np.searchsorted(beats, peaks)
    before = np.abs(peaks - beats[np.maximum(after - 1, 0)])
    distance = np.minimum(before, np.abs(beats[np.minimum(after, len(beats) - 1)] - peaks))
    return ~is_large & (distance > _PAUSE_S * rate)
