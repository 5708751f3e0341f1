"""Stitch beats into a signal by cross-fading neighbors, and add noise to long pauses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation._line_noise import add_line_noise
from sklearn_ecganon.segmentation._signals import between

_TAIL_MS = 20.0  # the end of a window from which the level beyond the window is estimated
_BLOCK = 128  # beats stitched at once, few enough for the processor's cache


def stitch_record(beats: BeatSet, i: int) -> ECGRecord:
    """Return the record stitched from the beats of record i, with NaN in its gaps.

    Parameters
    ----------
    beats : BeatSet
        Beats of one or more records.
    i : int
        Position of the record.

    Returns
    -------
    record : ECGRecord
        It has the name of its original, so that releases can be compared with their
        originals. `QRSSegmenter.inverse_transform` returns records to share instead, which
        are named otherwise.
    """
    first, last = np.searchsorted(beats.record, [i, i + 1])
    return ECGRecord(
        stitch_signal(beats, i).T,
        beats.sampling_rate,
        beats.lead_names[i],
        r_peaks=beats.r_peaks[first:last],
        beat_labels=None if beats.labels is None else beats.labels[first:last],
        name=beats.names[i],
    )


def under_opaque_names(records: Iterable[ECGRecord]) -> list[ECGRecord]:
    """Return records whose names do not follow from the names of their originals.

    A name is a digest of what the record itself holds. It reveals nothing that the record
    does not, it is the same in every order and selection of records, and it differs from the
    names of all originals. Records with the same content are numbered.
    """
    renamed = []
    n_alike: dict[str, int] = {}
    for record in records:
        digest = hashlib.blake2b(record.signal.tobytes(order="F"), digest_size=8)
        digest.update(repr((record.signal.shape, record.sampling_rate)).encode())
        name = digest.hexdigest()
        n_alike[name] = n_alike.get(name, 0) + 1
        if n_alike[name] > 1:
            name = f"{name}_{n_alike[name]}"
        renamed.append(replace(record, name=name))
    return renamed


def stitch_signal(beats: BeatSet, i: int) -> NDArray[np.float64]:
    """Return the signal of record i in mV, (n_leads, n_times), with NaN in its gaps.

    It is stitched from the beats, unless the anonymizer wrote the whole signal.
    """
    first, last = np.searchsorted(beats.record, [i, i + 1])
    windows, r_peaks = beats.beats[first:last], beats.r_peaks[first:last]
    gaps = np.empty((0, 3), dtype=np.intp) if beats.gaps is None else beats.gaps
    n_samples = int(beats.lengths[i])
    n_tail = min(beats.n_times, max(1, round(_TAIL_MS * beats.sampling_rate / 1000)))
    signal = np.full((beats.n_leads, n_samples), np.nan)
    written = None if beats.signals is None else beats.signals[i]
    for start, stop in between(gaps[gaps[:, 0] == i, 1:], n_samples):
        a, b = np.searchsorted(r_peaks, [start, stop])
        if a < b and written is not None:
            signal[:, start:stop] = written[:, start:stop]
        elif a < b:
            _stitch(signal[:, start:stop], windows[a:b], r_peaks[a:b] - start, n_tail)
            add_line_noise(
                signal[:, start:stop], windows[a:b], r_peaks[a:b] - start, beats.sampling_rate
            )
    if beats.lead_gaps is not None:
        for _, lead, start, stop in beats.lead_gaps[beats.lead_gaps[:, 0] == i]:
            signal[lead, start:stop] = np.nan
    return signal


def _stitch(signal: NDArray, beats: NDArray, r_peaks: NDArray[np.intp], n_tail: int) -> None:
    """Fill a stretch (n_leads, n_samples) with the beats (n_beats, n_leads, n_times) in it.

    Between two R peaks only these two beats are used. The earlier beat fades into the later
    beat over the samples that both windows cover. If the windows do not overlap, it fades
    over the samples between them, for which tails of `n_tail` samples extend both windows.
    """
    n_beats, _, n_times = beats.shape
    # Interval i lies between the R peaks of beats i - 1 and i. Before the first peak and
    # after the last peak, the same beat is on both sides.
    edges = np.r_[0, r_peaks, signal.shape[1]]
    for first in range(0, n_beats + 1, _BLOCK):
        last = min(first + _BLOCK, n_beats + 1)
        chosen = np.arange(first - 1, last).clip(0, n_beats - 1)
        _fill(
            signal[:, edges[first] : edges[last]],
            edges[first : last + 1],
            beats[chosen],
            r_peaks[chosen] - n_times // 2,
            n_tail,
        )


def _fill(
    signal: NDArray, edges: NDArray, beats: NDArray, starts: NDArray, n_tail: int
) -> None:
    """Fill the intervals between edges; interval i lies between beats[i] and beats[i + 1]."""
    n_beats, _, n_times = beats.shape
    windows = _with_tails(beats, n_tail)
    width = windows.shape[2]
    windows = windows.swapaxes(0, 1).reshape(len(signal), -1)  # one row for each lead

    def columns(time: NDArray, beat: NDArray, counts: NDArray) -> NDArray:
        """Return the positions in a row of `counts` points in time of each beat."""
        column = time - np.repeat(starts[beat] - n_tail, counts)
        return column.clip(0, width - 1, out=column) + np.repeat(beat * width, counts)

    ends = np.sort([starts[:-1] + n_times, starts[1:]], axis=0).clip(edges[:-1], edges[1:])
    begin, end = ends
    # A beat fills the samples from the end of its fade-in to the end of the next fade-in.
    turns = np.r_[edges[0], end, edges[-1]]
    unfaded = columns(np.arange(edges[0], edges[-1]), np.arange(n_beats), np.diff(turns))
    counts = (end - begin - 1).clip(0)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    time = step + np.repeat(begin, counts)
    fading = time - edges[0]
    earlier = columns(time, np.arange(n_beats - 1), counts)
    later = columns(time, np.arange(1, n_beats), counts)
    weight = (1 + np.cos(np.pi * (step / np.repeat(end - begin, counts)))) / 2
    for trace, samples in zip(signal, windows, strict=True):
        samples.take(unfaded, out=trace, mode="clip")  # other modes need a temporary copy
        a, b = samples.take(earlier), samples.take(later)
        trace[fading] = b + weight * (a - b)  # exact where a equals b


def _with_tails(beats: NDArray, n_tail: int) -> NDArray:
    """Extend windows from their first or last value to the mean of `n_tail` values there."""
    settle = (1 - np.cos(np.pi * np.arange(1, n_tail + 1) / n_tail)) / 2
    first, last = beats[..., :1], beats[..., -1:]
    before = first + (beats[..., :n_tail].mean(axis=-1, keepdims=True) - first) * settle[::-1]
    after = last + (beats[..., -n_tail:].mean(axis=-1, keepdims=True) - last) * settle
    return np.concatenate([before, beats, after], axis=-1)
