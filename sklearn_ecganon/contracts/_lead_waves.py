"""The leads of a beat, and the waves in each of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.contracts._fiducials import GRID_RATE, Fiducials
from sklearn_ecganon.leads import LIMB_LEADS

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
LEADS = (*LIMB_LEADS, *INDEPENDENT_LEADS[2:])
AT = {name.upper(): position for position, name in enumerate(LEADS)}
_MS = GRID_RATE / 1000

SMALLEST = 0.025  # mV, the smallest deflection that the Minnesota Code calls a wave
_QRS_MS = (140.0, 220.0)  # columns before and after R that are searched for waves of the QRS
_BASELINE_MS = 20.0
_J_MS = (0.0, 20.0)  # after the end of the QRS; ST elevation is read there
_ST_MS = (50.0, 70.0)  # ST depression
_T_MS = (80.0, 420.0)  # after the end of the QRS, if the end of T is not known


def all_leads(independent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the 12 leads in the order of `LEADS`: (n_beats, 12, n_times).

    Parameters
    ----------
    independent : ndarray of shape (n_beats, 8, n_times)
        The leads of `INDEPENDENT_LEADS`.
    """
    limb = np.array(list(LIMB_LEADS.values()), dtype=np.float32) @ independent[:, :2]
    return np.concatenate([limb, independent[:, 2:]], axis=1)


class Waves(NamedTuple):
    """Waves of each lead, in mV and ms: (n_beats, 12), unless stated otherwise."""

    duration: NDArray  # of the QRS: (n_beats,); NaN without a QRS
    pr: NDArray  # (n_beats,); NaN without P
    q: NDArray  # depth of an initial negative wave
    q_ms: NDArray
    qs: NDArray[np.bool_]
    r: NDArray  # largest positive value
    r_ms: NDArray  # time of that value after the start of the QRS
    s: NDArray  # depth of the most negative value
    r_before: NDArray  # largest positive value before the most negative one
    r_after: NDArray  # the same after it, above the level at the end of the QRS
    s_ms: NDArray  # time spent below zero after the largest positive value
    area: NDArray
    j: NDArray  # level at the end of the QRS
    st: NDArray  # level 60 ms later
    t: NDArray


def measure_waves(beats: NDArray[np.float32], column: int, edges: Fiducials) -> Waves:
    """Measure the waves of each lead relative to the level before the QRS.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, 12, n_times)
        Median beats of all leads at `GRID_RATE`, in mV.
    column : int
        Column of the R peak.
    edges : Fiducials
        In columns.
    """
    n_times = beats.shape[2]
    known = np.isfinite(edges.qrs_onset) & np.isfinite(edges.qrs_offset)
    onset = np.where(known, edges.qrs_onset, column)
    offset = np.where(known, edges.qrs_offset, column + 1)
    first = max(0, column - round(_QRS_MS[0] * _MS))
    last = min(n_times, column + round(_QRS_MS[1] * _MS))
    columns = np.arange(n_times)
    n_baseline = round(_BASELINE_MS * _MS)
    baseline = _mean_between(beats, np.floor(onset) - n_baseline, np.floor(onset) - 1)
    # Everything below is relative to the baseline before the QRS.
    qrs = beats[:, :, first:last] - baseline[:, :, None]
    time = columns[first:last]
    inside = (time >= onset[:, None]) & (time <= offset[:, None])
    qrs *= inside[:, None]
    index = np.arange(last - first)
    peak, nadir = qrs.argmax(axis=2), qrs.argmin(axis=2)
    r, s = qrs.max(axis=2), -qrs.min(axis=2)
    positive = qrs >= SMALLEST
    first_r = np.where(positive.any(axis=2), positive.argmax(axis=2), last - first)
    initial = index < first_r[:, :, None]
    below = qrs <= -SMALLEST
    q = -np.where(initial, qrs, 0).min(axis=2)
    # Q lasts to the zero crossing, of which the threshold misses a part.
    began = np.logical_or.accumulate(initial & below, axis=2)
    q_ms = (initial & began & (qrs < 0)).sum(axis=2) / _MS
    earlier = index < nadir[:, :, None]
    r_before = np.where(earlier, qrs, 0).max(axis=2)
    end_level = _mean_between(beats, np.floor(offset), np.floor(offset)) - baseline
    r_after = np.where(earlier, 0, qrs).max(axis=2) - end_level.clip(0)
    s_ms = (below & (index > peak[:, :, None])).sum(axis=2) / _MS
    j, st = (
        _mean_between(beats, *(np.rint(offset + ms * _MS) for ms in span)) - baseline
        for span in (_J_MS, _ST_MS)
    )
    return Waves(
        duration=np.where(known, (offset - onset) / _MS, np.nan),
        pr=np.where(known, (onset - edges.p_onset) / _MS, np.nan),
        q=q,
        q_ms=q_ms,
        qs=(s >= 0.1) & (r_before < SMALLEST) & (r_after < SMALLEST),
        r=r,
        r_ms=(first + peak - onset[:, None]) / _MS,
        s=s,
        r_before=r_before,
        r_after=r_after,
        s_ms=s_ms,
        area=qrs.sum(axis=2),
        j=j,
        st=st,
        t=_t_amplitudes(beats, baseline, offset, np.asarray(edges.t_end)),
    )


def _mean_between(beats: NDArray, first: NDArray, last: NDArray) -> NDArray:
    """Return the mean of the samples from first to last of each beat: (n_beats, n_leads)."""
    n_times = beats.shape[2]
    first, last = (
        np.asarray(edge).clip(0, n_times - 1).astype(np.intp) for edge in (first, last)
    )
    width = int((last - first).max(initial=0)) + 1
    columns = np.minimum(first[:, None] + np.arange(width), last[:, None])
    return np.take_along_axis(beats, columns[:, None, :], axis=2).mean(axis=2)


def _t_amplitudes(
    beats: NDArray, baseline: NDArray, offset: NDArray, t_end: NDArray
) -> NDArray:
    """Return the value of T in each lead that is farthest from the baseline."""
    first = offset + _T_MS[0] * _MS
    last = np.where(np.isfinite(t_end), t_end, offset + _T_MS[1] * _MS)
    start = int(np.clip(first.min(initial=beats.shape[2]), 0, beats.shape[2] - 1))
    stop = int(np.clip(last.max(initial=0) + 1, start + 1, beats.shape[2]))
    columns = np.arange(start, stop)
    inside = (columns >= first[:, None]) & (columns <= last[:, None])
    waves = (beats[:, :, start:stop] - baseline[:, :, None]) * inside[:, None]
    high, low = waves.max(axis=2), waves.min(axis=2)
    return np.where(high >= -low, high, low)
