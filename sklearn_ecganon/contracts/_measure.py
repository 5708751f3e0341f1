"""Measures the numbers of an ECG, and the categories that follow from them."""

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
#: Largest median error of the measurement contract: ms, and mV for ST.
TOLERANCES = {"QRS": 10.0, "QT": 20.0, "PR": 15.0, "ST": 0.05}


def _above(limit: float) -> float:
    """Return the first number that is larger: the limit itself belongs to what is below."""
    return float(np.nextafter(limit, np.inf))


#: First value of each category but the lowest: beats a minute, RMSSD over mean RR, ms, mV.
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

_ST_MS = 60.0  # ST is read this long after the J point, against the level before the QRS
_LEVEL_MS = 20.0
# How much of a heart cycle belongs to a beat, before and after its R peak.
_CYCLE = (0.45, 0.6)
_N_REMEMBERED = 4096  # records; 60 s of one take 3 kB


def category(name: str, values: ArrayLike) -> NDArray[np.intp]:
    """Return the category of each value.

    Parameters
    ----------
    name : str
        One of `CATEGORIES`.
    values : array-like of float
        In the unit of its limits.

    Returns
    -------
    categories : ndarray of int of the same shape
        How many of the limits a value reaches; -2 for NaN.

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
    """The numbers of each beat, and what they come to for each record.

    Parameters
    ----------
    record : ndarray of int of shape (n_beats,)
        For each beat the index of its record.
    n_records : int
        Number of records.
    RR, PR, QRS, QT : ndarray of shape (n_beats,)
        Time since the beat before, and intervals, in ms; NaN where there is none.
    ST : ndarray of shape (n_beats,)
        Level 60 ms after the end of the QRS against the level before it, in mV.
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
        """Return where each record's beats start, plus the end: shape (n_records + 1,)."""
        return np.searchsorted(self.record, np.arange(self.n_records + 1))

    def medians(self) -> dict[str, NDArray[np.float64]]:
        """Return the median PR, QRS, QT and ST of each record.

        Returns
        -------
        medians : dict of ndarray of shape (n_records,)
            In ms, ST in mV. Over beats of class N where the record has such labels, else
            over all. PR is NaN where more than half of these beats have no P wave, the
            others where no beat shows them.
        """
        found = {name: np.full(self.n_records, np.nan) for name in TOLERANCES}
        for i, (start, stop) in enumerate(pairwise(self.bounds())):
            beats = normal = np.arange(start, stop)
            if self.labels is not None and (self.labels[beats] == "N").any():
                normal = beats[self.labels[beats] == "N"]
            for name, medians in found.items():
                values = getattr(self, name)[normal]
                known = values[np.isfinite(values)]
                if len(known) and (name != "PR" or 2 * len(known) >= len(values)):
                    medians[i] = np.median(known)
        return found

    def categories(self) -> dict[str, NDArray[np.intp]]:
        """Return what the numbers say of each record.

        Returns
        -------
        categories : dict of ndarray of int of shape (n_records,)
            How many of the limits in `CATEGORIES` the record reaches: ``rate_zone`` (below
            60, 60 to 100, above 100 a minute), ``irregularity`` (RMSSD above a tenth of the
            mean RR), ``wide_qrs`` (120 ms or more), ``pr`` (below 120, up to 200, above
            200 ms, and -1 without P waves), ``qtc`` (Bazett, 450 ms or more), ``st`` (0.1 mV
            or more below, level, or 0.1 mV or more above). -2 where there is nothing to
            be measured: no QRS complex, no T wave, or for the rhythm too few beats.
        """
        medians = self.medians()
        mean_rr, unrest = np.full((2, self.n_records), np.nan)
        for i, (start, stop) in enumerate(pairwise(self.bounds())):
            rr = self.RR[start:stop]
            rr = rr[np.isfinite(rr)]
            if len(rr):
                mean_rr[i] = rr.mean()
            if len(rr) > 1:
                unrest[i] = np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()
        values = {
            "rate_zone": 60_000 / mean_rr,
            "irregularity": unrest,
            "wide_qrs": medians["QRS"],
            "pr": medians["PR"],
            "qtc": medians["QT"] / np.sqrt(mean_rr / 1000),
            "st": medians["ST"],
        }
        found = {name: category(name, value) for name, value in values.items()}
        found["pr"][np.isnan(medians["PR"]) & np.isfinite(medians["QRS"])] = NO_P_WAVE
        return found


def measure(
    beats: BeatSet,
    *,
    average: int = 5,
    delineator: Delineator | None = None,
    remember: bool = True,
) -> Measurements:
    """Measure RR, PR, QRS, QT and ST of every beat.

    Edges are read from the median of a few consecutive beats of one record and class, which
    they share: noise is averaged away, and it takes a fifth of the time. What was measured
    is remembered by the content of a record, so that a search over many candidates measures
    the originals once.

    Parameters
    ----------
    beats : BeatSet
        Beats in mV. Waves that reach beyond the window are not seen. Where hearts beat
        fast, 45 % of a record's median cycle are looked at before an R peak and 60 % after.
    average : int, default=5
        How many beats share one measurement.
    delineator : Delineator, optional
        Who finds the edges; by default ``Delineator("unet")``. All leads have a say; ST is
        that of lead MLII or II, or of the first lead.
    remember : bool, default=True
        Keep the numbers of the last few thousand records, by their content.

    Returns
    -------
    measurements : Measurements
        One value a beat.

    Raises
    ------
    ValueError
        If the rate is below 100 Hz.
    """
    delineator = delineator or Delineator()
    numbers = [np.empty((len(TOLERANCES), 0))]
    for i, (start, stop) in enumerate(pairwise(beats.bounds())):
        if start < stop:
            own = beats[i]
            asked = _Asked(
                _content(own, average, delineator),
                partial(_measure_record, own, average, delineator),
            )
            numbers.append((_remembered if remember else _remembered.__wrapped__)(asked))
    found = dict(zip(TOLERANCES, np.concatenate(numbers, axis=1), strict=True))
    return Measurements(beats.record, len(beats), beats.rr, labels=beats.labels, **found)


@dataclass(unsafe_hash=True)
class _Asked:
    """A record to be measured, known by its content."""

    content: bytes
    measure: Callable[[], NDArray[np.float64]] | None = field(compare=False)


@lru_cache(maxsize=_N_REMEMBERED)
def _remembered(asked: _Asked) -> NDArray[np.float64]:
    assert asked.measure is not None
    numbers = asked.measure()
    asked.measure = None  # the memory keeps this key, and must not keep the signal with it
    return numbers


def _content(record: BeatSet, average: int, delineator: Delineator) -> bytes:
    labels = None if record.labels is None else record.labels.tolist()
    rest = (
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
    digest.update(repr(rest).encode())
    return digest.digest()


def _measure_record(
    record: BeatSet, average: int, delineator: Delineator
) -> NDArray[np.float64]:
    """Return what `TOLERANCES` names of each beat of one record: (n_numbers, n_beats)."""
    n_beats = len(record.beats)
    numbers = np.full((len(TOLERANCES), n_beats), np.nan)
    blocks = _blocks(record.labels, n_beats, average)
    windows = np.stack([np.median(record.beats[block], axis=0) for block in blocks])
    strip = _strip(windows, record)
    if np.ptp(strip.signal, axis=0).any():  # else only flat lines: no wave to be measured
        measured = _measure_strip(strip, delineator, len(blocks))
        for i, name in enumerate(TOLERANCES):
            for block, value in zip(blocks, measured[name], strict=True):
                numbers[i, block] = value
    return numbers


def _blocks(
    labels: NDArray[np.str_] | None, n_beats: int, average: int
) -> list[NDArray[np.intp]]:
    """Return runs of consecutive beats of one class, at most `average` long."""
    classes = [np.arange(n_beats)]
    if labels is not None:
        classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [own[a : a + average] for own in classes for a in range(0, len(own), average)]


def _strip(windows: NDArray[np.float64], record: BeatSet) -> ECGRecord:
    """Lay windows end to end, each with its ends at 0 mV: a record that can be delineated."""
    before, after = _reach(record)
    windows = windows[:, :, before:after]
    r_peak = record.n_times // 2 - before
    n_windows, n_leads, n_times = windows.shape
    ramp = np.linspace(0, 1, n_times)
    level = windows[:, :, :1] + (windows[:, :, -1:] - windows[:, :, :1]) * ramp
    # The net needs context: the windows go round, beyond both ends and until it is enough.
    shortest = SHORTEST_MS * record.sampling_rate / 1000
    order = np.arange(-1, max(n_windows, shortest // n_times) + 1, dtype=np.intp) % n_windows
    signal = (windows - level)[order].transpose(1, 0, 2).reshape(n_leads, -1)
    return ECGRecord(
        signal.T,
        record.sampling_rate,
        record.lead_names[0],
        r_peaks=np.arange(len(order)) * n_times + r_peak,
        name=record.names[0],
    )


def _reach(record: BeatSet) -> tuple[int, int]:
    """Return the columns to look at: where hearts beat fast, neighbours are in the window."""
    n_times, r_peak = record.n_times, record.n_times // 2
    if len(record.r_peaks) < 2:
        return 0, n_times
    cycle = np.median(np.diff(record.r_peaks))
    before, after = (round(share * cycle) for share in _CYCLE)
    return max(0, r_peak - before), min(n_times, r_peak + after)


def _measure_strip(
    strip: ECGRecord, delineator: Delineator, n_windows: int
) -> dict[str, NDArray[np.float64]]:
    """Return PR, QRS, QT and ST of the windows of a strip, which start at its second."""
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
    """Return how far ST lies above the level before the QRS, in the unit of the trace.

    Parameters
    ----------
    trace : ndarray of shape (n_times,)
        One lead.
    onset, offset : ndarray of shape (n_beats,)
        Edges of each QRS in samples, NaN where unknown.
    per_ms : float
        Samples in a millisecond.
    """
    levels = np.full(len(onset), np.nan)
    reach = max(1, round(_LEVEL_MS * per_ms))
    for beat in np.flatnonzero(np.isfinite(onset + offset)):
        before, after = int(onset[beat]), round(offset[beat] + _ST_MS * per_ms)
        rest = trace[max(0, before - reach) : before]
        st = trace[after - reach // 2 : after + reach // 2 + 1]
        if len(rest) and len(st):
            levels[beat] = st.mean() - rest.mean()
    return levels
