"""Finding beats: the detectors that can be named, and the R peak as the extremum of a QRS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sleepecg
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation._signals import stretches
from sklearn_ecganon.segmentation._windows import FoundBeats

_EDGE_MS = 60.0  # a QRS lasts about 120 ms: an R peak closer to an edge has lost part of it
_SHORTEST_MS = 1000.0  # the detectors learn their thresholds on a first second or two
_BASELINE_MS = 200.0  # half width of the median that stands for the isoelectric line


def _sleepecg(trace: NDArray, rate: float) -> ArrayLike:
    return sleepecg.detect_heartbeats(trace, rate)


# The other detectors are imported when they are asked for: it takes seconds.
def _neurokit(trace: NDArray, rate: float) -> ArrayLike:
    import neurokit2

    clean = neurokit2.ecg_clean(trace, sampling_rate=rate)
    return neurokit2.ecg_findpeaks(clean, sampling_rate=rate)["ECG_R_Peaks"]


def _xqrs(trace: NDArray, rate: float) -> ArrayLike:
    from wfdb.processing import xqrs_detect

    return xqrs_detect(trace, rate, verbose=False)


def _gqrs(trace: NDArray, rate: float) -> ArrayLike:
    from wfdb.processing import gqrs_detect

    return gqrs_detect(trace, rate)


# Each takes a finite trace in mV and its rate in Hz, and returns sample numbers.
DETECTORS: dict[str, Callable[[NDArray, float], ArrayLike]] = {
    "sleepecg": _sleepecg,
    "neurokit": _neurokit,
    "xqrs": _xqrs,
    "gqrs": _gqrs,
}


def find_beats(
    record: ECGRecord, lead: int, *, detector: str, refine: float, n_times: int
) -> FoundBeats:
    """Find the beats of a record, one finite stretch at a time.

    Parameters
    ----------
    record : ECGRecord
        Made ready: its leads are those that must not be missing.
    lead : int
        Position of the lead to look at.
    detector : str
        A key of `DETECTORS`, or ``"annotated"``.
    refine : float
        How far in ms a peak may be moved.
    n_times : int
        Length of a beat's window in samples; shorter stretches are not searched.

    Returns
    -------
    found : FoundBeats
        Those whose QRS is whole.
    """
    rate, annotated = record.sampling_rate, detector == "annotated"
    known = np.empty(0, dtype=np.intp) if record.r_peaks is None else record.r_peaks
    edge = round(_EDGE_MS * rate / 1000)
    shortest = n_times if annotated else max(n_times, _SHORTEST_MS * rate / 1000)
    runs, r_peaks, n_found = stretches(record.signal), [known[:0]], 0
    for start, stop in runs:
        trace = record.signal[start:stop, lead]
        if len(trace) < shortest or np.ptp(trace) == 0:
            continue
        if annotated:
            peaks = known[(known >= start) & (known < stop)] - start
        else:
            peaks = np.asarray(DETECTORS[detector](trace, rate)).astype(np.intp)
        peaks = to_extremum(trace, peaks, rate, refine)
        n_found += len(peaks)
        whole = (peaks >= edge) & (peaks < len(trace) - edge)
        r_peaks.append(start + peaks[whole])
    kept = np.concatenate(r_peaks)
    n_dropped = (len(known) if annotated else n_found) - len(kept)
    return FoundBeats(record, runs, kept, n_found, n_dropped, n_times)


def to_extremum(
    trace: NDArray, peaks: NDArray[np.intp], rate: float, reach_ms: float
) -> NDArray[np.intp]:
    """Move peaks to the sample near them that lies farthest from the isoelectric line.

    Parameters
    ----------
    trace : ndarray of shape (n_samples,)
        One lead in mV, without NaN.
    peaks : ndarray of int of shape (n_peaks,)
        Roughly where the R peaks are, in samples.
    rate : float
        Sampling rate in Hz.
    reach_ms : float
        How far a peak may be moved.

    Returns
    -------
    peaks : ndarray of int
        Increasing; fewer where two came to the same place.
    """
    reach, baseline = (round(ms * rate / 1000) for ms in (reach_ms, _BASELINE_MS))
    # A sample each 20 ms is enough for the median, which takes most of the time here.
    around = np.arange(-baseline, baseline + 1, max(1, baseline // 10))
    level = np.median(trace.take(peaks[:, None] + around, mode="clip"), axis=1)
    near = (peaks[:, None] + np.arange(-reach, reach + 1)).clip(0, len(trace) - 1)
    farthest = np.abs(trace[near] - level[:, None]).argmax(axis=1)
    return np.unique(near[np.arange(len(peaks)), farthest])


def recentre(beats: NDArray[np.floating], reach: int) -> NDArray[np.floating]:
    """Move windows so that the extremum near the centre of the first lead is the centre.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Windows in mV.
    reach : int
        How far a window may be moved, in samples.

    Returns
    -------
    moved : ndarray of the same shape and dtype
        The samples that come in repeat the edge.
    """
    n_times = beats.shape[2]
    centre = n_times // 2
    reach = min(reach, n_times - 1 - centre)
    level = np.median(beats[:, :1], axis=2)
    near = beats[:, 0, centre - reach : centre + reach + 1]
    shift = np.abs(near - level).argmax(axis=1) - reach
    columns = (np.arange(n_times) + shift[:, None]).clip(0, n_times - 1)
    return np.take_along_axis(beats, columns[:, None], axis=2)
