"""Screening of records: mask what is not an ECG and choose the leads to search."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.segmentation._quality import dead_stretches, signal_quality

MIN_RATE = 100.0  # Hz; the detectors use frequencies above 30 Hz
_RAIL_FRACTION = 0.1  # the largest fraction in LUDB is 2.8 % (record 115, lead II)
_PREFERRED = ("MLII", "II")


class NotAnECGError(ValueError):
    """No lead of a record shows beats that resemble each other."""


class SignalQualityWarning(UserWarning):
    """Stretches of a record were masked, or its leads disagree."""


@dataclass(frozen=True, eq=False)
class Screened:
    """A record in which everything but the ECG is masked.

    Parameters
    ----------
    record : ECGRecord
        The record, with NaN where a lead is missing, flat for more than 2 s or saturated,
        and where no lead can be analyzed.
    voters : list of int
        Positions of the leads in which beats are searched, the most trusted first; empty if
        there is no ECG.
    masked : list of (int, int, str)
        First sample, one past the last, and reason of each stretch that was masked although
        it was recorded: ``"noise"`` or ``"fibrillation-like"``.
    verdict : str
        Summary of the signal quality.
    """

    record: ECGRecord
    voters: list[int]
    masked: list[tuple[int, int, str]]
    verdict: str

    def searchable(self) -> ECGRecord:
        """Return the record, or a record of NaN if there is no ECG."""
        if self.voters:
            return self.record
        missing = np.full_like(self.record.signal, np.nan)
        return replace(self.record, signal=missing, r_peaks=None, beat_labels=None)


def screen(
    record: ECGRecord, detection_lead: int | None = None, *, check_quality: bool = True
) -> Screened:
    """Mask everything that is not an ECG and choose the leads to search.

    Parameters
    ----------
    record : ECGRecord
        Record that holds only the leads to examine.
    detection_lead : int, optional
        The only lead to search, if the user chose one.
    check_quality : bool, default=True
        Whether to check if the record is an ECG. Otherwise only missing, flat and saturated
        stretches are masked, and the leads are trusted in their order.

    Returns
    -------
    screened : Screened
        If lead MLII or II shows an ECG, it is the first voter, so that R peaks are those of
        the rhythm strip.
    """
    dead, lead_gaps = _dead_leads(record)
    signal = record.signal
    if len(lead_gaps) or dead.any():
        signal = signal.copy(order="F")
        signal[:, dead] = np.nan
        for lead, start, stop in lead_gaps:
            signal[start:stop, lead] = np.nan
        record = replace(record, signal=signal)
    alive = np.flatnonzero(~dead)
    if not check_quality or not len(alive):
        voters = alive.tolist() if detection_lead is None else [detection_lead]
        return Screened(record, _preferred(record, voters), [], "missing, flat or saturated")
    quality = signal_quality(record)
    voters = quality.best_leads().tolist()
    if detection_lead is not None:
        voters = [detection_lead] if detection_lead in voters else []
    verdict = quality.summary()
    if not voters:
        return Screened(record, [], [], verdict)
    masked = quality.unusable(np.array(voters))
    if masked:
        signal = record.signal.copy(order="F")
        for start, stop, _ in masked:
            signal[start:stop] = np.nan
        record = replace(record, signal=signal)
    return Screened(record, _preferred(record, voters), masked, verdict)


def _dead_leads(record: ECGRecord) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return which leads are useless as a whole, and where the others are flat."""
    dead = np.array([lead_problem(record, lead) is not None for lead in range(record.n_leads)])
    alive = np.flatnonzero(~dead)
    by_lead = dead_stretches(np.ascontiguousarray(record.signal.T[alive]), record.sampling_rate)
    stretches = [
        np.c_[np.full(len(runs), lead), runs] for lead, runs in zip(alive, by_lead, strict=True)
    ]
    return dead, np.concatenate([np.empty((0, 3), np.intp), *stretches])


def lead_problem(record: ECGRecord, lead: int) -> str | None:
    """Return a description of what makes a whole lead useless, or None.

    Parameters
    ----------
    record : ECGRecord
        The record.
    lead : int
        Position of the lead.

    Returns
    -------
    problem : str or None
        ``"is all NaN"``, ``"is flat at ..."`` or ``"is saturated: ..."``.
    """
    trace = record.signal[:, lead]
    low, high = np.fmin.reduce(trace), np.fmax.reduce(trace)
    if np.isnan(low):
        return "is all NaN"
    if low == high:
        return f"is flat at {low:g} mV"
    n_recorded = len(trace) - np.count_nonzero(np.isnan(trace))
    for rail in (low, high):
        fraction = np.count_nonzero(trace == rail) / n_recorded
        if rail != 0 and fraction > _RAIL_FRACTION and not _stays(trace, rail, record):
            return f"is saturated: {100 * fraction:.0f} % of it is at its extreme, {rail:g} mV"
    return None


def _stays(trace: NDArray, rail: float, record: ECGRecord) -> bool:
    """Return whether a lead is at its extreme in long flat stretches, which are masked."""
    at_rail = trace == rail
    in_flat = sum(
        np.count_nonzero(at_rail[start:stop])
        for start, stop in dead_stretches(trace[np.newaxis], record.sampling_rate)[0]
    )
    return bool(in_flat > 0.9 * np.count_nonzero(at_rail))


def _preferred(record: ECGRecord, voters: list[int]) -> list[int]:
    """Return the voters with MLII or II at the front."""
    names = [record.lead_names[lead].upper() for lead in voters]
    for name in _PREFERRED:
        if name in names:
            first = voters[names.index(name)]
            return [first, *(lead for lead in voters if lead != first)]
    return voters
