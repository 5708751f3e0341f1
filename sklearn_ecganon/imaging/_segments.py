"""Segments of records: cutting them out and putting them back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records import BeatSet, ECGRecord


def cut_segments(records: list[ECGRecord], segment: float) -> BeatSet:
    """Return segments of `segment` ms, with 0 mV where nothing was recorded."""
    first = records[0]
    for record in records:
        if (record.sampling_rate, record.n_leads) != (first.sampling_rate, first.n_leads):
            raise ValueError(
                f"record {record.name!r}: {record.n_leads} lead(s) at "
                f"{record.sampling_rate:g} Hz, but record {first.name!r} has {first.n_leads} "
                f"at {first.sampling_rate:g} Hz; convert them separately, or resample them."
            )
    n_times = round(segment * first.sampling_rate / 1000)
    if n_times < 2:
        raise ValueError(
            f"segment={segment:g} ms is {n_times} sample(s) at {first.sampling_rate:g} Hz; "
            "an image needs 2 or more."
        )
    segments = []
    for record in records:
        padded = np.zeros((-(-record.n_times // n_times) * n_times, record.n_leads))
        padded[: record.n_times] = np.nan_to_num(record.signal)
        segments.append(padded.reshape(-1, n_times, record.n_leads).transpose(0, 2, 1))
    counts = [len(windows) for windows in segments]
    place = np.concatenate([np.arange(count) for count in counts])
    return BeatSet(
        beats=np.concatenate(segments),
        record=np.repeat(np.arange(len(segments)), counts),
        r_peaks=place * n_times + n_times // 2,  # the middle of each segment
        lengths=np.array([record.n_times for record in records]),
        sampling_rate=first.sampling_rate,
        lead_names=tuple(record.lead_names for record in records),
        names=tuple(record.name for record in records),
    )


def with_segments(record: ECGRecord, segments: NDArray) -> ECGRecord:
    """Return the record with the signal of these segments, and NaN in its gaps."""
    whole = segments.transpose(0, 2, 1).reshape(-1, record.n_leads)[: record.n_times]
    return replace(record, signal=np.where(np.isnan(record.signal), np.nan, whole))


def frame_of(X: Any) -> BeatSet | tuple[ECGRecord, ...]:
    """Return X without its signal, subjects and sessions."""
    if isinstance(X, BeatSet):
        return replace(X, beats=np.empty((*X.beats.shape[:2], 0)))
    blank = [np.where(np.isnan(record.signal), np.nan, 0.0) for record in X]
    return tuple(
        replace(record, signal=signal, subject=None, session=None)
        for record, signal in zip(X, blank, strict=True)
    )
