"""Measure the intervals of an ECG and derive diagnostic categories from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.contracts._categories import TOLERANCES, UNMEASURED
from sklearn_ecganon.contracts._fiducials import Fiducials
from sklearn_ecganon.contracts._measurements import Measurements, median_of_record
from sklearn_ecganon.contracts._pacing import is_paced
from sklearn_ecganon.contracts._twelve_leads import has_twelve_leads, twelve_lead_categories
from sklearn_ecganon.delineation import SHORTEST_MS, Delineator
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import median_beat, used_leads

_ST_MS = 60.0  # ST is read this long after the J point
_BASELINE_MS = 20.0  # length of the PR segment that is the reference for ST
# Fractions of the cardiac cycle that belong to a beat, before and after its R peak.
_CYCLE = (0.45, 0.6)
_N_AVERAGED = 200  # largest number of beats in the median beat of a record with 12 leads
_N_REMEMBERED = 4096  # records; 60 s of one record take 3 kB


def measure(
    beats: BeatSet,
    *,
    average: int = 5,
    delineator: Delineator | None = None,
    remember: bool = True,
    twelve_leads: bool = True,
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
    twelve_leads : bool, default=True
        Derive also the categories of 12 leads of records that have them. They are not needed
        for the intervals.

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
    by_record: list[dict[str, int] | None] = []
    for i, (start, stop) in enumerate(pairwise(beats.bounds())):
        if start == stop:
            by_record.append(None)
            continue
        record = beats[i]
        measure_it = partial(_measure_record, record, average, delineator, twelve_leads)
        if remember:
            content = _content(record, average, delineator, twelve_leads)
            result = _remembered(_MeasurementRequest(content, measure_it))
        else:
            result = measure_it()
        tables.append(result.values)
        by_record.append(result.twelve_leads)
    values = dict(zip(TOLERANCES, np.concatenate(tables, axis=1), strict=True))
    return Measurements(
        beats.record,
        len(beats),
        beats.rr,
        labels=beats.labels,
        twelve_leads=_by_category(by_record),
        longest_rr=_longest_rr(beats),
        **values,
    )


def _by_category(
    records: list[dict[str, int] | None],
) -> dict[str, NDArray[np.intp]] | None:
    """Return one array for each category, or None if no record has 12 leads."""
    names = next((list(record) for record in records if record is not None), None)
    if names is None:
        return None
    lost = dict.fromkeys(names, UNMEASURED)
    rows = [lost if record is None else record for record in records]
    return {name: np.array([row[name] for row in rows], dtype=np.intp) for name in names}


def _longest_rr(beats: BeatSet) -> NDArray[np.float64]:
    """Return the longest RR of each record without a gap inside, in ms; NaN without any."""
    rr = beats.rr.copy()
    for gap_record, start, _ in [] if beats.gaps is None else beats.gaps:
        of_record = np.flatnonzero(beats.record == gap_record)
        after = np.searchsorted(beats.r_peaks[of_record], start)
        if after < len(of_record):
            rr[of_record[after]] = np.nan
    longest = np.full(len(beats), -np.inf)
    np.maximum.at(longest, beats.record, np.nan_to_num(rr, nan=-np.inf))
    return np.where(np.isfinite(longest), longest, np.nan)


@dataclass(frozen=True)
class _RecordMeasurement:
    """The values named in `TOLERANCES` of each beat, and the categories of 12 leads."""

    values: NDArray[np.float64]
    twelve_leads: dict[str, int] | None


@dataclass(unsafe_hash=True)
class _MeasurementRequest:
    """A record to be measured; requests with the same content are equal."""

    content: bytes
    measure: Callable[[], _RecordMeasurement] | None = field(compare=False)


@lru_cache(maxsize=_N_REMEMBERED)
def _remembered(request: _MeasurementRequest) -> _RecordMeasurement:
    assert request.measure is not None
    result = request.measure()
    request.measure = None  # the cache keeps the request and must not keep the signal
    return result


def _content(
    record: BeatSet, average: int, delineator: Delineator, twelve_leads: bool
) -> bytes:
    labels = None if record.labels is None else record.labels.tolist()
    settings = (
        record.beats.shape,
        _reach(record),
        record.sampling_rate,
        record.lead_names,
        labels,
        average,
        twelve_leads,
        delineator.method,
        delineator.weights,
    )
    digest = blake2b(np.ascontiguousarray(record.beats).data, digest_size=16)
    digest.update(repr(settings).encode())
    return digest.digest()


def _measure_record(
    record: BeatSet, average: int, delineator: Delineator, twelve_leads: bool
) -> _RecordMeasurement:
    n_beats = len(record.beats)
    names = (*TOLERANCES, "onset")
    values = np.full((len(names), n_beats), np.nan)
    blocks = _blocks(record.labels, n_beats, average)
    windows = np.stack([median_beat(record.beats[block]) for block in blocks])
    strip = _strip(windows, record)
    if np.ptp(strip.signal, axis=0).any():  # a flat signal has no waves to measure
        measured = _measure_strip(strip, delineator, len(blocks))
        for i, name in enumerate(names):
            for block, value in zip(blocks, measured[name], strict=True):
                values[i, block] = value
    categories = None
    if twelve_leads and has_twelve_leads(record.lead_names[0]):
        by_name = dict(zip(names, values, strict=True))
        categories = _twelve_leads_of(record, by_name)
    return _RecordMeasurement(values[:-1], categories)


def _twelve_leads_of(record: BeatSet, values: dict[str, NDArray[np.float64]]) -> dict[str, int]:
    """Return the categories of the median beat of a record, and whether it is paced."""
    median = {
        name: median_of_record(of_beats, record.labels, mostly=name == "PR")
        for name, of_beats in values.items()
    }
    rows = np.arange(len(record.beats))
    if record.labels is not None and (record.labels == "N").any():
        rows = rows[record.labels == "N"]
    rows = rows[:: -(-len(rows) // _N_AVERAGED)]
    before, after = _reach(record)
    beat = median_beat(record.beats[rows, :, before:after])
    per_ms = record.sampling_rate / 1000
    r_peak = record.n_times // 2 - before
    onset = r_peak + median["onset"] * per_ms
    fiducials = Fiducials(
        onset,
        onset + median["QRS"] * per_ms,
        onset - median["PR"] * per_ms,
        onset + median["QT"] * per_ms,
    )
    names = record.lead_names[0]
    categories = twelve_lead_categories(
        beat[np.newaxis], names, record.sampling_rate, r_peak=r_peak, fiducials=fiducials
    )
    paced = is_paced(record.beats[rows], record.sampling_rate)
    return {name: int(codes[0]) for name, codes in categories.items()} | {"paced": int(paced)}


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
    """Return PR, QRS, QT, ST and QRS onset of the windows; the first one is context."""
    windows = slice(1, 1 + n_windows)
    waves = delineator.delineate(strip).combined()
    intervals = waves.intervals()
    leads, searched = used_leads(strip, None, None)
    trace = strip.signal[:, leads[searched]]
    per_ms = strip.sampling_rate / 1000
    onset = waves["QRS", "onset"][windows, 0]
    return {name: values[windows, 0] for name, values in intervals.items()} | {
        "ST": st_levels(trace, onset, waves["QRS", "offset"][windows, 0], per_ms),
        "onset": (onset - waves.r_peaks[windows]) / per_ms,
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
