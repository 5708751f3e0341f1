"""Finding beats: the detectors that can be named, and the R peak as the extremum of a QRS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import sleepecg
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation._signals import between, bridged, gaps_of, runs_of
from sklearn_ecganon.segmentation._voting import find_by_vote
from sklearn_ecganon.segmentation._windows import FoundBeats

_EDGE_MS = 60.0  # a QRS lasts about 120 ms: an R peak closer to an edge has lost part of it
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
        Prepared: NaN wherever there is nothing to search.
    leads : sequence of int
        Positions of the leads to look at, the most trusted first. R peaks are those of the
        first one that was recorded at that moment.
    detector : str
        A key of `DETECTORS`, or ``"annotated"``.
    refine : float
        How far in ms a peak may be moved.
    n_times : int
        Length of a beat's window in samples; shorter stretches are not searched.

    Returns
    -------
    beats : FoundBeats
        Those whose QRS is whole.
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
    kept_peaks = np.concatenate(r_peaks)
    n_dropped = (n_candidates if annotated else n_found) - len(kept_peaks)
    return FoundBeats(
        record, runs, kept_peaks, n_found, n_dropped, n_times, lead_gaps, disagreement
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
