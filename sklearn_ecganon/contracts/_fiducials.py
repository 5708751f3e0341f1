"""Fiducial points of median beats, and where a beat is read."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

#: Median beats are read at this rate, in Hz, whatever the rate of the recording.
GRID_RATE = 250.0
_MS = GRID_RATE / 1000

_QRS_REACH_MS = (200.0, 300.0)  # search of the edges of the QRS before and after R
_QUIET_MS = 24.0  # the spatial velocity stays below its limit for this long outside the QRS
_QUIET_FRACTION = 0.08  # of the largest spatial velocity
# Smooth waves begin and end before and after the limits above. The edges lie this much further
# out, which is the median difference from the delineator's on LUDB and PTB-XL.
_OUTWARD_MS = {"P": 12.0, "QRS onset": 8.0, "QRS offset": 4.0, "T": 20.0}
_P_REACH_MS = 280.0  # search of the P wave before the QRS
_P_GAP_MS = 8.0  # the upstroke of the QRS is no P wave
_P_PEAK_MS = 220.0  # search of the peak of P before the QRS
_P_HALF_MS = 120.0  # P rises within this time
_SMALLEST_P = 0.02  # mV, by which the spatial magnitude rises to the peak of P
_EDGE_FRACTION = 0.15  # of the height of P or T, at which the wave begins or ends
_T_START_MS = 80.0  # after the QRS


class Fiducials(NamedTuple):
    """Edges of the waves of median beats, in samples from the start of the beat.

    Each is a number, or an array of shape (n_beats,). Positions may lie between samples.

    Attributes
    ----------
    qrs_onset, qrs_offset : array-like of float
        NaN where a beat has no QRS; then it has no category.
    p_onset : array-like of float
        NaN where a beat has no P wave.
    t_end : array-like of float
        NaN where a beat has no T wave, or where its end is cut off.
    """

    qrs_onset: ArrayLike
    qrs_offset: ArrayLike
    p_onset: ArrayLike
    t_end: ArrayLike


@lru_cache(maxsize=64)
def _interpolation(
    n_times: int, step: float, r_peak: float
) -> tuple[NDArray[np.float32] | None, NDArray]:
    """Return the matrix that interpolates beats on the grid, and the positions of the grid.

    There is no matrix if all positions are samples.
    """
    first, last = np.ceil(-r_peak / step), np.floor((n_times - 1 - r_peak) / step)
    positions = r_peak + step * np.arange(first, last + 1)
    nearest = np.rint(positions).astype(np.intp)
    if np.allclose(positions, nearest):
        return None, nearest
    matrix = CubicSpline(np.arange(n_times), np.eye(n_times))(positions).T
    return matrix.astype(np.float32), positions


def on_grid(
    beats: NDArray, sampling_rate: float, r_peak: float
) -> tuple[NDArray[np.float32], float, float]:
    """Interpolate beats by cubic splines at `GRID_RATE`, with the R peak on a sample.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        In mV.
    sampling_rate : float
        In Hz.
    r_peak : float
        Position of the R peak in samples.

    Returns
    -------
    beats : ndarray of shape (n_beats, n_leads, n_grid)
        The same beats on the grid.
    start : float
        Position of the first sample of the grid, in samples of the input.
    step : float
        Distance of two samples of the grid, in samples of the input.
    """
    step = sampling_rate / GRID_RATE
    matrix, positions = _interpolation(beats.shape[-1], step, float(r_peak))
    if matrix is None:
        stride = positions[1] - positions[0] if len(positions) > 1 else 1
        beats = beats[..., positions[0] :: stride].astype(np.float32)
    else:
        beats = beats.astype(np.float32) @ matrix
    return beats, float(positions[0]), step


def spatial_fiducials(beats: NDArray[np.float32], r_peak: int) -> Fiducials:
    """Find fiducial points by the spatial magnitude and velocity of all leads.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Median beats at `GRID_RATE`, in mV.
    r_peak : int
        Column of the R peak.

    Returns
    -------
    fiducials : Fiducials
        On the grid. The QRS ends on either side of its fastest sample where the spatial
        velocity first stays below 8 % of its maximum for 24 ms. P is the highest spatial
        magnitude above the level before the QRS, within 220 ms of it. It exists if it
        rises by 0.02 mV within 120 ms. T is the highest magnitude from 80 ms after the QRS.
        P begins and T ends at 15 % of their height. All edges are moved outward by
        constants, so that their medians agree with those of the delineator. The magnitude
        is the root mean square over leads.
    """
    n_times = beats.shape[2]
    velocity = np.sqrt((np.diff(beats, axis=2) ** 2).mean(axis=1))
    velocity = _smooth(velocity, 5)
    first = max(0, r_peak - round(_QRS_REACH_MS[0] * _MS))
    last = min(n_times - 1, r_peak + round(_QRS_REACH_MS[1] * _MS))
    near = slice(max(0, r_peak - round(60 * _MS)), r_peak + round(60 * _MS))
    fastest = near.start + velocity[:, near].argmax(axis=1)
    limit = _QUIET_FRACTION * velocity[:, near].max(axis=1, keepdims=True)
    quiet_length = round(_QUIET_MS * _MS)
    quiet = _runs_of(velocity < limit, quiet_length)  # True where a quiet run begins
    columns = np.arange(quiet.shape[1])
    before = quiet & (columns >= first) & (columns + quiet_length <= fastest[:, None])
    after = quiet & (columns > fastest[:, None]) & (columns < last)
    onset = np.where(
        before.any(axis=1),
        quiet.shape[1] - 1 - before[:, ::-1].argmax(axis=1) + quiet_length,
        first,
    ).astype(float)
    offset = np.where(after.any(axis=1), after.argmax(axis=1), last).astype(float)
    onset = np.maximum(onset - _OUTWARD_MS["QRS onset"] * _MS, 0)
    offset = np.minimum(offset + _OUTWARD_MS["QRS offset"] * _MS, n_times - 1)
    flat = velocity[:, near].max(axis=1) <= 0
    onset[flat] = offset[flat] = np.nan
    p_onset = _p_onsets(beats, np.nan_to_num(onset, nan=r_peak).astype(np.intp))
    t_end = _t_ends(beats, np.nan_to_num(offset, nan=r_peak).astype(np.intp))
    p_onset[flat] = t_end[flat] = np.nan
    return Fiducials(onset, offset, p_onset, t_end)


def _smooth(rows: NDArray, n: int) -> NDArray:
    """Return centered means of n samples."""
    padded = np.pad(rows, ((0, 0), (n // 2, n // 2)), mode="edge")
    total = padded[:, : rows.shape[1]].copy()
    for i in range(1, n):
        total += padded[:, i : i + rows.shape[1]]
    return total / n


def _runs_of(rows: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Return where the next n samples are all True."""
    counts = np.cumsum(np.pad(rows, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
    return counts[:, n:] - counts[:, :-n] == n


def _p_onsets(beats: NDArray, onset: NDArray[np.intp]) -> NDArray[np.float64]:
    n_search, gap = round(_P_REACH_MS * _MS), round(_P_GAP_MS * _MS)
    columns = onset[:, None] - gap - np.arange(n_search)[::-1]
    inside = columns >= 0
    stretch = np.take_along_axis(beats, columns.clip(0)[:, None, :], axis=2)
    level = stretch[:, :, -3:].mean(axis=2, keepdims=True)
    magnitude = _smooth(np.sqrt(((stretch - level) ** 2).mean(axis=1)), 5)
    index = np.arange(n_search)
    in_reach = inside & (index >= n_search - round(_P_PEAK_MS * _MS))
    peak = np.where(in_reach, magnitude, -1).argmax(axis=1)[:, None]
    height = np.take_along_axis(magnitude, peak, axis=1)
    earlier = inside & (index < peak) & (index >= peak - round(_P_HALF_MS * _MS))
    valley = np.where(earlier, magnitude, height).min(axis=1, keepdims=True)
    low = earlier & (magnitude <= valley + _EDGE_FRACTION * (height - valley))
    edge = np.where(low.any(axis=1), n_search - 1 - low[:, ::-1].argmax(axis=1), 0)
    starts = np.take_along_axis(columns, edge[:, None], axis=1)[:, 0]
    starts = np.maximum(starts - _OUTWARD_MS["P"] * _MS, 0)
    return np.where((height - valley)[:, 0] >= _SMALLEST_P, starts, np.nan)


def _t_ends(beats: NDArray, offset: NDArray[np.intp]) -> NDArray[np.float64]:
    n_times = beats.shape[2]
    level = beats[:, :, -3:].mean(axis=2, keepdims=True)
    magnitude = _smooth(np.sqrt(((beats - level) ** 2).mean(axis=1)), 5)
    columns = np.arange(n_times)
    magnitude *= columns >= offset[:, None] + round(_T_START_MS * _MS)
    peak, height = magnitude.argmax(axis=1), magnitude.max(axis=1)
    low = (magnitude < _EDGE_FRACTION * height[:, None]) & (columns > peak[:, None])
    end = np.where(low.any(axis=1), low.argmax(axis=1), n_times - 1)
    return np.minimum(end + _OUTWARD_MS["T"] * _MS, n_times - 1)
