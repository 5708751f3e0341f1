"""What a record must be to be segmented, and the sentences that say what it is instead."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.records import ECGRecord

_MIN_RATE = 100.0  # the detectors filter up to 30 Hz and more
_RAIL_SHARE = 0.1  # LUDB holds the most of the databases we know: 2.8 % (record 115, II)
_HEART_RATES = (20.0, 250.0)  # beats a minute


class BeatCountWarning(UserWarning):
    """The number of beats found in a record is not what a heart does."""


def check_rate(record: ECGRecord, rate: float, *, resample: bool, detector: str) -> None:
    """Refuse a rate that is not the others', or too low for a detector."""
    if not resample and record.sampling_rate != rate:
        raise ValueError(
            f"record {record.name!r}: has {record.sampling_rate:g} Hz, but the segmenter "
            f"works at {rate:g} Hz; set QRSSegmenter(sampling_rate={rate:g}) to resample."
        )
    if detector != "annotated" and rate < _MIN_RATE:
        raise ValueError(
            f"record {record.name!r}: {rate:g} Hz is too slow to find beats; "
            f"give sampling_rate={_MIN_RATE:g} or more, or detector='annotated'."
        )


def check_length(record: ECGRecord, n_times: int, rate: float) -> None:
    """Refuse a record shorter than one window of `n_times` samples at `rate` Hz."""
    if record.n_times * (rate / record.sampling_rate) < n_times:
        raise ValueError(
            f"record {record.name!r}: lasts {1000 * record.duration:.0f} ms, less than one "
            f"beat window of {1000 * n_times / rate:.0f} ms; leave it out or set a shorter "
            "window."
        )


def check_n_leads(record: ECGRecord, n_found: int, n_wanted: int) -> None:
    """Refuse a record with more or fewer leads than the others."""
    if n_found != n_wanted:
        raise ValueError(
            f"record {record.name!r}: has {n_found} lead(s) {record.lead_names}, but the "
            f"segmenter wants {n_wanted}; choose them by QRSSegmenter(leads=...)."
        )


def check_band(record: ECGRecord, band: ArrayLike | None) -> None:
    """Refuse a pass band that no filter can have at this rate."""
    if band is None:
        return
    edges, highest = np.asarray(band, dtype=float), record.sampling_rate / 2
    if edges.shape != (2,) or not 0 < edges[0] < edges[1] < highest:
        raise ValueError(
            f"record {record.name!r}: cannot be filtered with band={band!r}; give (low, "
            f"high) in Hz, 0 < low < high < {highest:g}."
        )


def check_annotation(record: ECGRecord, detector: str) -> None:
    """Refuse a record without R peaks where they are the ones to take."""
    if detector == "annotated" and record.r_peaks is None:
        raise ValueError(
            f"record {record.name!r}: has no r_peaks for detector='annotated'; "
            "give ECGRecord(..., r_peaks=...) or choose a detector."
        )


def check_trace(record: ECGRecord, lead: int) -> None:
    """Refuse a lead that is all NaN, flat or saturated."""
    where = f"record {record.name!r}: lead {record.lead_names[lead]!r}"
    remedy = "leave the record out or choose other leads by QRSSegmenter(leads=...)"
    trace = record.signal[:, lead]
    low, high = np.fmin.reduce(trace), np.fmax.reduce(trace)
    if np.isnan(low):
        raise ValueError(f"{where} is all NaN; {remedy}.")
    if low == high:
        raise ValueError(f"{where} is flat at {low:g} mV; {remedy}.")
    n_recorded = len(trace) - np.count_nonzero(np.isnan(trace))
    for rail in (low, high):
        share = np.count_nonzero(trace == rail) / n_recorded
        if rail != 0 and share > _RAIL_SHARE:
            raise ValueError(
                f"{where} is saturated: {100 * share:.0f} % of it is at {rail:g} mV, its "
                f"extreme; set such stretches to NaN, {remedy}."
            )


def check_heart_rate(record: ECGRecord, n_beats: int, heart_rate: float) -> None:
    """Warn of a heart rate in beats a minute that no heart has."""
    slowest, fastest = _HEART_RATES
    if not slowest <= heart_rate <= fastest:
        warnings.warn(
            f"record {record.name!r}: {n_beats} beats make {heart_rate:.0f} a minute, a heart "
            f"does {slowest:g} to {fastest:g}; check the sampling rate, or try another "
            "detector or detection_lead.",
            BeatCountWarning,
            stacklevel=2,
        )
