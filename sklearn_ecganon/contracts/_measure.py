"""Measure the intervals of an ECG and derive diagnostic categories from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.delineation import SHORTEST_MS, Delineator
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import used_leads

__all__ = ["CATEGORIES", "CONTRACTS", "TOLERANCES", "Measurements", "category", "measure"]

CONTRACTS = ("diagnostic", "measurement")
#: Largest median error that the measurement contract permits, in ms, and in mV for ST.
TOLERANCES = {"QRS": 10.0, "QT": 20.0, "PR": 15.0, "ST": 0.05}


def _above(limit: float) -> float:
    """Return the next larger float, so that the limit itself belongs to the lower category."""
    return float(np.nextafter(limit, np.inf))


#: Smallest value of each category except the lowest. Units: beats per minute for the rate,
#: RMSSD over mean RR for irregularity, mV for ST, ms for the others.
CATEGORIES: dict[str, tuple[float, ...]] = {
    "rate_zone": (60.0, _above(100.0)),
    "irregularity": (_above(0.1),),
    "wide_qrs": (120.0,),
    "pr": (120.0, _above(200.0)),
    "qtc": (450.0,),
    "st": (_above(-0.1), 0.1),
}
NO_P_WAVE = -1
UNMEASURED = -2

_ST_MS = 60.0  # ST is read this long after the J point
_BASELINE_MS = 20.0  # length of the PR segment that is the reference for ST
# Fractions of the cardiac cycle that belong to a beat, before and after its R peak.
_CYCLE = (0.45, 0.6)
_N_REMEMBERED = 4096  # records; 60 s of one record take 3 kB


def category(name: str, values: ArrayLike) -> NDArray[np.intp]:
    """Return the category of each value.

    Parameters
    ----------
    name : str
        One of `CATEGORIES`.
    values : array-like of float
        Values in the unit of the limits in `CATEGORIES`.

    Returns
    -------
    categories : ndarray of int of the same shape
        Number of limits that each value reaches; -2 for NaN.

    Examples
    --------
    >>> from sklearn_ecganon.contracts import category
    >>> category("rate_zone", [59.9, 60.0, 100.0, 100.1])
    array([0, 1, 1, 2])
    """
    values = np.asarray(values, dtype=float)
    reached = np.searchsorted(CATEGORIES[name], values, side="right")
    return np.where(np.isnan(values), UNMEASURED, reached).astype(np.intp)


@dataclass(frozen=True, eq=False)
class Measurements:
    """The intervals of each beat, and the medians and categories of each record.

    Parameters
    ----------
    record : ndarray of int of shape (n_beats,)
        For each beat the index of its record.
    n_records : int
        Number of records.
    RR, PR, QRS, QT : ndarray of shape (n_beats,)
        Time since the previous beat, and intervals, in ms; NaN where there is none.
    ST : ndarray of shape (n_beats,)
        Voltage 60 ms after the end of the QRS relative to the baseline before it, in mV.
    labels : ndarray of str of shape (n_beats,) or None
        Clinical class of each beat.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.contracts import measure
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> measured = measure(QRSSegmenter().fit_transform(bunch.data))
    >>> sorted(measured.categories())
    ['irregularity', 'pr', 'qtc', 'rate_zone', 'st', 'wide_qrs']
    """

    record: NDArray[np.intp]
    n_records: int
    RR: NDArray[np.float64]
    PR: NDArray[np.float64]
    QRS: NDArray[np.float64]
    QT: NDArray[np.float64]
    ST: NDArray[np.float64]
    labels: NDArray[np.str_] | None = None

    def bounds(self) -> NDArray[np.intp]:
        """Return where the beats of each record start and end.

        Returns
        -------
        bounds : ndarray of int of shape (n_records + 1,)
            Index of the first beat of each record, and the number of beats at the end.
        """
        return np.searchsorted(self.record, np.arange(self.n_records + 1))

    def medians(self) -> dict[str, NDArray[np.float64]]:
        """Return the median PR, QRS, QT and ST of each record.

        Returns
        -------
        medians : dict of ndarray of shape (n_records,)
            Medians in ms, and in mV for ST. They are taken over beats of class N if the
            record has such labels, else over all beats. PR is NaN if more than half of
            these beats have no P wave. The others are NaN if no beat has a value.
        """
        medians = {name: np.full(self.n_records, np.nan) for name in TOLERANCES}
        for i, (start, stop) in enumerate(pairwise(self.bounds())):
            beats = normal = np.arange(start, stop)
            if self.labels is not None and (self.labels[beats] == "N").any():
                normal = beats[self.labels[beats] == "N"]
            for name, by_record in medians.items():
                values = getattr(self, name)[normal]
                known = values[np.isfinite(values)]
                if len(known) and (name != "PR" or 2 * len(known) >= len(values)):
                    by_record[i] = np.median(known)
        return medians

    def categories(self) -> dict[str, NDArray[np.intp]]:
        """Return the diagnostic categories of each record.

        Returns
        -------
        categories : dict of ndarray of int of shape (n_records,)
            Number of limits in `CATEGORIES` that the record reaches: ``rate_zone`` (below
            60, 60 to 100, or above 100 beats per minute), ``irregularity`` (RMSSD above a
            tenth of the mean RR), ``wide_qrs`` (120 ms or more), ``pr`` (below 120, up to
            200, or above 200 ms; -1 without P waves), ``qtc`` (Bazett, 450 ms or more),
            ``st`` (depressed by 0.1 mV or more, isoelectric, or elevated by 0.1 mV or
            more). The category is -2 where nothing can be measured: without a QRS complex,
            without a T wave, or with too few beats for a rhythm.
        """
        medians = self.medians()
        mean_rr, irregularity = np.full((2, self.n_records), np.nan)
        for i, (start, stop) in enumerate(pairwise(self.bounds())):
            rr = self.RR[start:stop]
            rr = rr[np.isfinite(rr)]
            if len(rr):
                mean_rr[i] = rr.mean()
            if len(rr) > 1:
                irregularity[i] = np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()
        values = {
            "rate_zone": 60_000 / mean_rr,
            "irregularity": irregularity,
            "wide_qrs": medians["QRS"],
            "pr": medians["PR"],
            "qtc": medians["QT"] / np.sqrt(mean_rr / 1000),
            "st": medians["ST"],
        }
        categories = {name: category(name, value) for name, value in values.items()}
        no_p_wave = np.isnan(medians["PR"]) & np.isfinite(medians["QRS"])
        categories["pr"][no_p_wave] = NO_P_WAVE
        return categories


def measure(
    beats: BeatSet,
    *,
    average: int = 5,
    delineator: Delineator | None = None,
    remember: bool = True,
) -> Measurements:
    """Measure RR, PR, QRS, QT and ST of every beat.

    A few consecutive beats of one record and class share one measurement of their median
    beat, which removes noise and takes a fifth of the time. Results are cached by the
    content of a record, so that a search over many candidates measures the originals once.

    Parameters
    ----------
    beats : BeatSet
        Beats in mV. Waves outside the window are not measured. At fast heart rates,
        neighboring beats reach into the window, and only 45 % of a record's median cycle
        before an R peak and 60 % after it are used.
    average : int, default=5
        Number of beats that share one measurement.
    delineator : Delineator, optional
        Finds the edges of the waves, by default ``Delineator("unet")``. Intervals are
        combined from all leads. ST is read in lead MLII or II if there is one, else in the
        first lead.
    remember : bool, default=True
        Cache the results of the last few thousand records by their content.

    Returns
    -------
    measurements : Measurements
        One value for each beat.

    Raises
    ------
    ValueError
        If the sampling rate is below 100 Hz.
    """
    delineator = delineator or Delineator()
    tables = [np.empty((len(TOLERANCES), 0))]
    for i, (start, stop) in enumerate(pairwise(beats.bounds())):
        if start < stop:
            record = beats[i]
            request = _MeasurementRequest(
                _content(record, average, delineator),
                partial(_measure_record, record, average, delineator),
            )
            tables.append((_remembered if remember else _remembered.__wrapped__)(request))
    values = dict(zip(TOLERANCES, np.concatenate(tables, axis=1), strict=True))
    return Measurements(beats.record, len(beats), beats.rr, labels=beats.labels, **values)


@dataclass(unsafe_hash=True)
class _MeasurementRequest:
    """A record to be measured; requests with the same content are equal."""

    content: bytes
    measure: Callable[[], NDArray[np.float64]] | None = field(compare=False)


@lru_cache(maxsize=_N_REMEMBERED)
def _remembered(request: _MeasurementRequest) -> NDArray[np.float64]:
    assert request.measure is not None
    values = request.measure()
    request.measure = None  # the cache keeps the request and must not keep the signal
    return values


def _content(record: BeatSet, average: int, delineator: Delineator) -> bytes:
    labels = None if record.labels is None else record.labels.tolist()
    settings = (
        record.beats.shape,
        _reach(record),
        record.sampling_rate,
        record.lead_names,
        labels,
        average,
        delineator.method,
        delineator.weights,
    )
    digest = blake2b(np.ascontiguousarray(record.beats).data, digest_size=16)
    digest.update(repr(settings).encode())
    return digest.digest()


def _measure_record(
    record: BeatSet, average: int, delineator: Delineator
) -> NDArray[np.float64]:
    """Return the values named in `TOLERANCES` of each beat: (n_tolerances, n_beats)."""
    n_beats = len(record.beats)
    values = np.full((len(TOLERANCES), n_beats), np.nan)
    blocks = _blocks(record.labels, n_beats, average)
    windows = np.stack([np.median(record.beats[block], axis=0) for block in blocks])
    strip = _strip(windows, record)
    if np.ptp(strip.signal, axis=0).any():  # a flat signal has no waves to measure
        measured = _measure_strip(strip, delineator, len(blocks))
        for i, name in enumerate(TOLERANCES):
            for block, value in zip(blocks, measured[name], strict=True):
                values[i, block] = value
    return values


def _blocks(
    labels: NDArray[np.str_] | None, n_beats: int, average: int
) -> list[NDArray[np.intp]]:
    """Return runs of consecutive beats of one class, at most `average` long."""
    classes = [np.arange(n_beats)]
    if labels is not None:
        classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [
        rows[start : start + average]
        for rows in classes
        for start in range(0, len(rows), average)
    ]


def _strip(windows: NDArray[np.float64], record: BeatSet) -> ECGRecord:
    """Concatenate windows, each with both ends at 0 mV, to a record for the delineator."""
    before, after = _reach(record)
    windows = windows[:, :, before:after]
    r_peak = record.n_times // 2 - before
    n_windows, n_leads, n_times = windows.shape
    ramp = np.linspace(0, 1, n_times)
    baseline = windows[:, :, :1] + (windows[:, :, -1:] - windows[:, :, :1]) * ramp
    # The net needs context, so the windows repeat until the strip is long enough, and one
    # window more stands at either end.
    shortest = SHORTEST_MS * record.sampling_rate / 1000
    order = np.arange(-1, max(n_windows, shortest // n_times) + 1, dtype=np.intp) % n_windows
    signal = (windows - baseline)[order].transpose(1, 0, 2).reshape(n_leads, -1)
    return ECGRecord(
        signal.T,
        record.sampling_rate,
        record.lead_names[0],
        r_peaks=np.arange(len(order)) * n_times + r_peak,
        name=record.names[0],
    )


def _reach(record: BeatSet) -> tuple[int, int]:
    """Return the range of columns of a beat, without its neighbors at fast rates."""
    n_times, r_peak = record.n_times, record.n_times // 2
    if len(record.r_peaks) < 2:
        return 0, n_times
    cycle = np.median(np.diff(record.r_peaks))
    before, after = (round(fraction * cycle) for fraction in _CYCLE)
    return max(0, r_peak - before), min(n_times, r_peak + after)


def _measure_strip(
    strip: ECGRecord, delineator: Delineator, n_windows: int
) -> dict[str, NDArray[np.float64]]:
    """Return PR, QRS, QT and ST of the windows of a strip; its first window is context."""
    windows = slice(1, 1 + n_windows)
    waves = delineator.delineate(strip).combined()
    intervals = waves.intervals()
    leads, searched = used_leads(strip, None, None)
    trace = strip.signal[:, leads[searched]]
    per_ms = strip.sampling_rate / 1000
    return {name: values[windows, 0] for name, values in intervals.items()} | {
        "ST": st_levels(
            trace,
            waves["QRS", "onset"][windows, 0],
            waves["QRS", "offset"][windows, 0],
            per_ms,
        )
    }


def st_levels(
    trace: NDArray[np.float64], onset: NDArray, offset: NDArray, per_ms: float
) -> NDArray[np.float64]:
    """Return the ST level relative to the baseline before the QRS.

    Parameters
    ----------
    trace : ndarray of shape (n_times,)
        One lead.
    onset, offset : ndarray of shape (n_beats,)
        Edges of each QRS in samples, NaN where unknown.
    per_ms : float
        Number of samples per millisecond.

    Returns
    -------
    levels : ndarray of shape (n_beats,)
        NaN where a beat has no edges.
    """
    levels = np.full(len(onset), np.nan)
    reach = max(1, round(_BASELINE_MS * per_ms))
    for beat in np.flatnonzero(np.isfinite(onset + offset)):
        before, after = int(onset[beat]), round(offset[beat] + _ST_MS * per_ms)
        baseline = trace[max(0, before - reach) : before]
        st = trace[after - reach // 2 : after + reach // 2 + 1]
        if len(baseline) and len(st):
            levels[beat] = st.mean() - baseline.mean()
    return levels
