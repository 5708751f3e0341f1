"""Beat detectors, and the refinement of R peaks to the extremum of the QRS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import sleepecg
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation._signals import between, bridged, gaps_of, runs_of
from sklearn_ecganon.segmentation._voting import find_by_vote
from sklearn_ecganon.segmentation._windows import FoundBeats

_EDGE_MS = 60.0  # half of a QRS: a QRS closer than this to an edge is not complete
_BASELINE_MS = 200.0  # half width of the median that estimates the isoelectric line


def _sleepecg(trace: NDArray, rate: float) -> ArrayLike:
    return sleepecg.detect_heartbeats(trace, rate)


# The other detectors are imported when they are used, because the import takes seconds.
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


# Each detector takes a finite trace in mV and its rate in Hz, and returns sample numbers.
DETECTORS: dict[str, Callable[[NDArray, float], ArrayLike]] = {
    "sleepecg": _sleepecg,
    "neurokit": _neurokit,
    "xqrs": _xqrs,
    "gqrs": _gqrs,
}


def find_beats(
    record: ECGRecord,
    leads: Sequence[int],
    *,
    detector: str,
    refine: float,
    n_times: int,
) -> FoundBeats:
    """Find the beats of a record by the vote of some of its leads.

    Parameters
    ----------
    record : ECGRecord
        A prepared record, with NaN wherever beats must not be searched.
    leads : sequence of int
        Positions of the leads to search, the most trusted first. R peaks are those of the
        first of them that was recorded at that moment.
    detector : str
        A key of `DETECTORS`, or ``"annotated"``.
    refine : float
        Largest distance in ms by which a peak may be moved.
    n_times : int
        Length of a beat's window in samples; shorter stretches are not searched.

    Returns
    -------
    beats : FoundBeats
        The beats with a complete QRS.
    """
    rate, annotated = record.sampling_rate, detector == "annotated"
    gaps, lead_gaps = gaps_of(record.signal, rate)
    runs = between(gaps, record.n_times)
    disagreement = 0.0
    if annotated:
        known = record.r_peaks
        peaks = np.empty(0, dtype=np.intp) if known is None else known
        n_candidates = len(peaks)
    else:
        peaks, disagreement = find_by_vote(record.signal, rate, leads, DETECTORS[detector])
    peaks = _refined(record, leads, peaks, refine)
    edge = round(_EDGE_MS * rate / 1000)
    r_peaks, n_found = [peaks[:0]], 0
    for start, stop in runs:
        if stop - start < n_times:
            continue
        inside = peaks[(peaks >= start) & (peaks < stop)]
        n_found += len(inside)
        r_peaks.append(inside[(inside >= start + edge) & (inside < stop - edge)])
    complete = np.concatenate(r_peaks)
    n_dropped = (n_candidates if annotated else n_found) - len(complete)
    return FoundBeats(
        record, runs, complete, n_found, n_dropped, n_times, lead_gaps, disagreement
    )


def _refined(
    record: ECGRecord, leads: Sequence[int], peaks: NDArray[np.intp], reach_ms: float
) -> NDArray[np.intp]:
    """Move each peak to the extremum of the first lead that was recorded around it."""
    rate = record.sampling_rate
    remaining, moved = peaks, [peaks[:0]]
    for lead in leads:
        if not len(remaining):
            break
        trace = bridged(record.signal[:, lead], rate)
        recorded = np.isfinite(trace[remaining])
        moved += [
            start + to_extremum(trace[start:stop], of_run - start, rate, reach_ms)
            for start, stop in runs_of(np.isfinite(trace))
            if len(
                of_run := remaining[recorded][
                    np.searchsorted(remaining[recorded], start) : np.searchsorted(
                        remaining[recorded], stop
                    )
                ]
            )
        ]
        remaining = remaining[~recorded]
    return np.unique(np.concatenate([*moved, remaining]))


def to_extremum(
    trace: NDArray, peaks: NDArray[np.intp], rate: float, reach_ms: float
) -> NDArray[np.intp]:
    """Move each peak to the nearby sample that is farthest from the isoelectric line.

    Parameters
    ----------
    trace : ndarray of shape (n_samples,)
        One lead in mV, without NaN.
    peaks : ndarray of int of shape (n_peaks,)
        Approximate positions of the R peaks, in samples.
    rate : float
        Sampling rate in Hz.
    reach_ms : float
        Largest distance in ms by which a peak may be moved.

    Returns
    -------
    peaks : ndarray of int
        Increasing positions. Peaks that moved to the same sample are merged.
    """
    reach, baseline = (round(ms * rate / 1000) for ms in (reach_ms, _BASELINE_MS))
    # The median takes most of the time of this function; one sample per 20 ms is enough.
    around = np.arange(-baseline, baseline + 1, max(1, baseline // 10))
    isoelectric = np.median(trace.take(peaks[:, None] + around, mode="clip"), axis=1)
    near = (peaks[:, None] + np.arange(-reach, reach + 1)).clip(0, len(trace) - 1)
    farthest = np.abs(trace[near] - isoelectric[:, None]).argmax(axis=1)
    return np.unique(near[np.arange(len(peaks)), farthest])


def recenter(beats: NDArray[np.floating], reach: int) -> NDArray[np.floating]:
    """Move windows so that the extremum near the center of the first lead is the center.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Windows in mV.
    reach : int
        Largest shift of a window, in samples.

    Returns
    -------
    moved : ndarray of the same shape and dtype
        Shifted windows; new samples repeat the edge.
    """
    n_times = beats.shape[2]
    center = n_times // 2
    reach = min(reach, n_times - 1 - center)
    isoelectric = np.median(beats[:, :1], axis=2)
    near = beats[:, 0, center - reach : center + reach + 1]
    shift = np.abs(near - isoelectric).argmax(axis=1) - reach
    columns = (np.arange(n_times) + shift[:, None]).clip(0, n_times - 1)
    return np.take_along_axis(beats, columns[:, None], axis=2)
