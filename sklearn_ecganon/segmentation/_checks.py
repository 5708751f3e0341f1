"""Checks of records before and after segmentation, with their errors and warnings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation._screening import (
    MIN_RATE,
    NotAnECGError,
    Screened,
    SignalQualityWarning,
    lead_problem,
)
from sklearn_ecganon.segmentation._windows import FoundBeats

_HEART_RATES = (20.0, 250.0)  # physiological range, in beats per minute
_MAX_DISAGREEMENT = 0.5  # fraction of the candidate beats


class BeatCountWarning(UserWarning):
    """The heart rate of a record is outside the physiological range."""


def check_rate(record: ECGRecord, rate: float, *, resample: bool, detector: str) -> None:
    """Refuse a rate that differs from the segmenter's, or is too low for a detector."""
    if not resample and record.sampling_rate != rate:
        raise ValueError(
            f"record {record.name!r}: has {record.sampling_rate:g} Hz, but the segmenter "
            f"works at {rate:g} Hz; set QRSSegmenter(sampling_rate={rate:g}) to resample."
        )
    if detector != "annotated" and rate < MIN_RATE:
        raise ValueError(
            f"record {record.name!r}: {rate:g} Hz is too slow to find beats; "
            f"give sampling_rate={MIN_RATE:g} or more, or detector='annotated'."
        )


def check_length(record: ECGRecord, n_times: int, rate: float) -> None:
    """Refuse a record shorter than one window of `n_times` samples at `rate` Hz."""
    if record.n_times * (rate / record.sampling_rate) < n_times:
        raise ValueError(
            f"record {record.name!r}: lasts {1000 * record.duration:.0f} ms, which is less "
            f"than one beat window of {1000 * n_times / rate:.0f} ms; leave it out or set a "
            "shorter window."
        )


def check_n_leads(record: ECGRecord, n_leads: int, n_expected: int) -> None:
    """Refuse a record with more or fewer leads than the others."""
    if n_leads != n_expected:
        raise ValueError(
            f"record {record.name!r}: has {n_leads} lead(s) {record.lead_names}, but the "
            f"segmenter expects {n_expected}; choose them by QRSSegmenter(leads=...)."
        )


def check_band(record: ECGRecord, band: ArrayLike | None) -> None:
    """Refuse a pass band that is impossible at this rate."""
    if band is None:
        return
    edges, highest = np.asarray(band, dtype=float), record.sampling_rate / 2
    if edges.shape != (2,) or not 0 < edges[0] < edges[1] < highest:
        raise ValueError(
            f"record {record.name!r}: cannot be filtered with band={band!r}; give (low, "
            f"high) in Hz, 0 < low < high < {highest:g}."
        )


def check_annotation(record: ECGRecord, detector: str) -> None:
    """Refuse a record without R peaks if the detector is ``"annotated"``."""
    if detector == "annotated" and record.r_peaks is None:
        raise ValueError(
            f"record {record.name!r}: has no r_peaks for detector='annotated'; "
            "give ECGRecord(..., r_peaks=...) or choose a detector."
        )


def check_leads(record: ECGRecord, leads: Sequence[int]) -> None:
    """Refuse a record in which every lead is all NaN, flat or saturated."""
    problems = [lead_problem(record, lead) for lead in leads]
    if all(problem is not None for problem in problems):
        raise NotAnECGError(
            f"record {record.name!r}: lead {record.lead_names[leads[0]]!r} {problems[0]}"
            + (f", and {len(leads) - 1} other lead(s) too" if len(leads) > 1 else "")
            + "; leave the record out, choose other leads by QRSSegmenter(leads=...), or set "
            "on_error='mask'."
        )


def check_screened(record: ECGRecord, screened: Screened) -> None:
    """Refuse a record without an ECG, and warn if a part of it was masked."""
    if not screened.voters:
        raise NotAnECGError(
            f"record {record.name!r}: no lead shows beats that resemble each other "
            f"({screened.verdict} of the time and leads); leave the record out, or set "
            "QRSSegmenter(on_error='mask')."
        )
    if screened.masked:
        start, stop, reason = max(screened.masked, key=lambda gap: gap[1] - gap[0])
        seconds = sum(stop - start for start, stop, _ in screened.masked) / record.sampling_rate
        warnings.warn(
            f"record {record.name!r}: {seconds:.0f} s are not an analyzable ECG and become "
            f"gaps; the longest is from {start / record.sampling_rate:.0f} to "
            f"{stop / record.sampling_rate:.0f} s ({reason}).",
            SignalQualityWarning,
            stacklevel=2,
        )


def check_beats_found(record: ECGRecord, beats: FoundBeats, detector: str) -> None:
    """Refuse a record without beats; warn of implausible rates and of disagreement."""
    if not len(beats.r_peaks):
        raise NotAnECGError(
            f"record {record.name!r}: no beat found by detector={detector!r}; leave it out, "
            "or try another detector or detection_lead."
        )
    check_heart_rate(record, beats.n_found, beats.heart_rate)
    if beats.disagreement > _MAX_DISAGREEMENT:
        warnings.warn(
            f"record {record.name!r}: its leads disagree about {beats.disagreement:.0%} of "
            "the beats, and only those that most leads show were kept; look at the record, or "
            "choose a detection_lead.",
            SignalQualityWarning,
            stacklevel=2,
        )


def accepted_beats(
    records: list[ECGRecord],
    segmented: Sequence[tuple[FoundBeats, Screened]],
    detector: str,
    on_error: str,
) -> list[FoundBeats]:
    """Return the beats of all records but those to skip, or refuse what is no ECG.

    Parameters
    ----------
    records : list of ECGRecord
        The records.
    segmented : sequence of (FoundBeats, Screened)
        The beats of each record, and what of it was searched.
    detector : str
        The detector that was asked for.
    on_error : {"raise", "skip", "mask"}
        As in `QRSSegmenter`. What is masked has no beats.
    """
    accepted = []
    for record, (beats, screened) in zip(records, segmented, strict=True):
        try:
            check_screened(record, screened)
            check_beats_found(record, beats, detector)
        except NotAnECGError:
            if on_error == "raise":
                raise
            if on_error == "skip":
                continue
        accepted.append(beats)
    if not accepted:
        raise NotAnECGError(
            f"none of {len(records)} record(s) shows an ECG, so that no record remains; look "
            "at segmentation.signal_quality(record)."
        )
    return accepted


def is_plausible_rate(heart_rate: float) -> bool:
    """Return whether a heart rate, in beats per minute, is physiological."""
    return bool(_HEART_RATES[0] <= heart_rate <= _HEART_RATES[1])


def check_heart_rate(record: ECGRecord, n_beats: int, heart_rate: float) -> None:
    """Warn of a heart rate, in beats per minute, that is not physiological."""
    slowest, fastest = _HEART_RATES
    if not is_plausible_rate(heart_rate):
        warnings.warn(
            f"record {record.name!r}: {n_beats} beats are a heart rate of {heart_rate:.0f} per "
            f"minute, outside of {slowest:g} to {fastest:g}; check the sampling rate, or try "
            "another detector or detection_lead.",
            BeatCountWarning,
            stacklevel=2,
        )
