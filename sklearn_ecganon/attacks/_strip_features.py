"""The strips that attackers on whole recordings look at, and the beats in each strip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import cut_strips

STRIP_HOP = 5.0  # s


def strips_of_beats(
    beats: BeatSet, recordings: list[ECGRecord] | None
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return strips of 10 s of the recordings, and for each beat the strip it is nearest to.

    Parameters
    ----------
    beats : BeatSet
        Gives the R peaks. It is stitched if there are no recordings, or if they lack
        leads of the beats.
    recordings : list of ECGRecord or None
        Whole signals of the same records.

    Returns
    -------
    strips : ndarray of float32 of shape (n_strips, n_leads, n_times)
        Every strip holds the center of at least one beat.
    row_of_beat : ndarray of int of shape (n_beats,)
        The strip of each beat.
    """
    source: Any = beats
    if recordings is not None:
        source = _with_leads(recordings, beats.lead_names) or beats
    strips = cut_strips(source, hop=STRIP_HOP)
    seconds = beats.r_peaks / beats.sampling_rate
    centers = strips.start + STRIP_HOP
    nearest = np.empty(len(seconds), dtype=np.intp)
    for record in range(len(beats)):
        of_beats = np.flatnonzero(beats.record == record)
        of_strips = np.flatnonzero(strips.record == record)
        if len(of_beats):
            distance = np.abs(seconds[of_beats, np.newaxis] - centers[of_strips])
            nearest[of_beats] = of_strips[distance.argmin(axis=1)]
    used, row_of_beat = np.unique(nearest, return_inverse=True)
    return strips.values[used], row_of_beat


def _with_leads(
    recordings: list[ECGRecord], lead_names: tuple[tuple[str, ...], ...]
) -> list[ECGRecord] | None:
    """Return the recordings with the leads of the beats, or None if one has others."""
    chosen = []
    for record, names in zip(recordings, lead_names, strict=True):
        if not set(names) <= set(record.lead_names):
            return None
        columns = [record.lead_names.index(name) for name in names]
        chosen.append(replace(record, signal=record.signal[:, columns], lead_names=names))
    return chosen
