"""A record of which nothing is known except its frame and a profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity import _cycles as cycles
from sklearn_ecganon.anonymizers._pseudo_identity._intervals import (
    Intervals,
    has_spikes,
    measure_record,
)
from sklearn_ecganon.anonymizers._pseudo_identity._retiming import COUPLING, RATES
from sklearn_ecganon.contracts import NO_P_WAVE, TWELVE_LEAD_CATEGORIES, UNMEASURED
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import between

#: Categories beside those of the contract: how many beats are ectopic, and pacing spikes.
EXTRA = ("supraventricular", "ventricular", "paced")
_FREQUENT = 0.1  # fraction of ectopic beats from which they are frequent
# Fraction of ectopic beats that is written for each category: none, some, frequent.
_ECTOPIC = (0.0, 0.03, 0.2)
_PAUSE_S = 3.5
_EDGE_S = 0.3  # from the ends of a segment to the nearest beat
_SINUS = 0.13  # RMSSD over mean RR in an irregular rhythm with P waves
_FIBRILLATION = 0.2  # standard deviation of RR over its mean in one without P waves
_LABELS = {"supraventricular": "S", "ventricular": "V"}
_PACED = TWELVE_LEAD_CATEGORIES["arrhythmia"].index("paced")


def profile_of(record: BeatSet) -> dict[str, int]:
    """Return all categories that a k-anonymous release takes from a record.

    They are empty if the waves of the record cannot be measured.

    Parameters
    ----------
    record : BeatSet
        One record, or its first stretch.
    """
    measured = measure_record(record) if len(record.beats) else None
    if measured is None:
        return {}
    codes = dict(measured[1])
    before, _ = cycles.around(record)
    times = cycles.window_times(record.n_times, record.sampling_rate)
    beat_classes = cycles.find_beat_classes(record.beats, before, record.labels, times)
    for name, kind in zip(EXTRA, (cycles.SUPRAVENTRICULAR, cycles.VENTRICULAR), strict=False):
        fraction = float((beat_classes == kind).mean())
        codes[name] = int(fraction > 0) + int(fraction >= _FREQUENT)
    codes["paced"] = int(has_spikes(record))
    return codes


def intervals_of(codes: Mapping[str, int]) -> Intervals:
    """Return which intervals a profile has: 0 where there is one, and NaN where not."""
    return Intervals(
        *(
            np.nan if codes.get(name, UNMEASURED) < 0 else 0.0
            for name in ("pr", "wide_qrs", "qtc", "st")
        )
    )._replace(QRS=0.0)


def is_paced_profile(codes: Mapping[str, int]) -> bool:
    """Return whether a profile has pacing spikes."""
    return codes.get("paced") == 1 or codes.get("arrhythmia") == _PACED


def surrogate(record: BeatSet, codes: Mapping[str, int], rng: np.random.Generator) -> BeatSet:
    """Return a record with the same frame, and with R peaks and labels drawn from a profile.

    The frame is the length, the leads, the sampling rate, the gaps and the size of windows,
    which are zero. The answer depends on nothing else of the record.

    Parameters
    ----------
    record : BeatSet
        One record, or a stretch of it.
    codes : mapping of str to int
        The profile.
    rng : numpy.random.Generator
        Source of the draws.
    """
    rate, length = record.sampling_rate, int(record.lengths[0])
    gaps = np.empty((0, 2), np.intp) if record.gaps is None else record.gaps[:, 1:]
    peaks, labels = [], []
    pause = codes.get("pauses") == 1
    for start, stop in between(gaps, length):
        duration = (stop - start) / rate
        has_pause = pause and duration > 2 * _PAUSE_S
        times, classes = _rhythm(duration, codes, has_pause, rng)
        if len(times):
            peaks.append(start + np.rint(times * rate).astype(np.intp))
            labels.append(classes)
            pause &= not has_pause
    if not peaks:  # too short for a rhythm: one beat in the middle
        peaks, labels = [np.array([length // 2], dtype=np.intp)], [np.array(["N"])]
    r_peaks = np.concatenate(peaks)
    return replace(
        record,
        beats=np.zeros((len(r_peaks), record.n_leads, record.n_times)),
        record=np.zeros(len(r_peaks), dtype=np.intp),
        r_peaks=r_peaks,
        labels=np.concatenate(labels),
        statements=None,
        signals=None,
    )


def _rhythm(
    duration: float, codes: Mapping[str, int], pause: bool, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Return R peaks in seconds and the class of each beat, without any if it is too short."""
    zone = codes.get("rate_zone", UNMEASURED)
    mean_rr = 60.0 / RATES[zone if zone >= 0 else 1][0]
    pause_s = _PAUSE_S if pause else 0.0
    n_intervals = int((duration - pause_s - 2 * _EDGE_S) / mean_rr)
    if n_intervals < 1:
        return np.empty(0), np.empty(0, dtype=np.str_)
    rr = np.ones(n_intervals)
    labels = np.full(n_intervals + 1, "N")
    if codes.get("irregularity") == 1:
        if codes.get("pr") == NO_P_WAVE:
            shape = (2 * _FIBRILLATION) ** -2
            rr = 0.5 + 0.5 * rng.gamma(shape, 1 / shape, n_intervals)
        else:
            white = rng.standard_normal(n_intervals)
            steps = np.sqrt(np.mean(np.diff(white) ** 2)) if n_intervals > 1 else 1.0
            rr += (_SINUS / steps * white).clip(-0.4, 0.4)
    for name, label in _LABELS.items():
        fraction = _ECTOPIC[max(0, codes.get(name, 0))]
        if not fraction:
            continue
        # No ectopic beat is a neighbor of another one, or at an end of the segment.
        free = [i for i in range(1, n_intervals - 1) if (labels[i - 1 : i + 2] == "N").all()]
        for place in rng.permutation(free)[: max(1, round(fraction * n_intervals))]:
            if (labels[place - 1 : place + 2] == "N").all():
                labels[place] = label
                early = 1 - COUPLING[label == "V"][0]
                rr[place - 1] -= early * rr[place - 1]
                rr[place] += early
    rr *= mean_rr * n_intervals / rr.sum()
    if pause_s:
        rr[n_intervals // 2] = pause_s
    start = (duration - rr.sum()) / 2
    return start + np.r_[0.0, np.cumsum(rr)], labels
