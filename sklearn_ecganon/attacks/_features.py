"""What an attacker looks at in a beat."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sklearn_ecganon._validation import Beats
from sklearn_ecganon.records import BeatSet

# Beats longer than this are averaged in blocks: a beat of 800 ms keeps 62 Hz or more.
MAX_TIMES = 100
EXTRAS_PER_LEAD = 2
# RR intervals around a beat that tell its local rhythm.
RHYTHM_WINDOW = 11


def beat_features(beats: NDArray) -> NDArray[np.float32]:
    """Return the shape of each beat, z-scored by lead, then its level and its size.

    Shape, level and size stand apart so that an attacker can learn which of them
    identifies: electrodes change the last two between sessions, but not the first.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Windows in mV.

    Returns
    -------
    features : ndarray of shape (n_beats, n_leads * n_kept + 2 * n_leads)
        ``n_kept`` values a lead, then the mean of each lead and the logarithm of its
        standard deviation.
    """
    n_beats, n_leads, n_times = beats.shape
    block = -(-n_times // MAX_TIMES)
    kept = beats[:, :, : n_times // block * block].reshape(n_beats, n_leads, -1, block)
    kept = kept.mean(axis=-1)
    level = kept.mean(axis=-1, keepdims=True)
    size = np.maximum(kept.std(axis=-1, keepdims=True), 1e-9)
    shape = ((kept - level) / size).reshape(n_beats, -1)
    extras = np.concatenate([level[..., 0], np.log(size[..., 0])], axis=1)
    return np.concatenate([shape, extras], axis=1).astype(np.float32)


def rhythm_features(beats: BeatSet) -> NDArray[np.float32]:
    """Return what the RR series says around each beat.

    Parameters
    ----------
    beats : BeatSet
        Only its R peaks are looked at.

    Returns
    -------
    features : ndarray of shape (n_beats, 8)
        RR before and after the beat, and of the eleven RR intervals around it the median,
        mean, standard deviation, root mean square of differences, minimum and maximum; all
        in ms. A record's first and last intervals stand in for those it does not have.
    """
    features = np.zeros((len(beats.beats), 8), dtype=np.float32)
    all_rr = beats.rr
    for start, stop in pairwise(beats.bounds()):
        rr = all_rr[start + 1 : stop]
        if len(rr) == 0:  # a record of one beat has no rhythm
            continue
        before, after = np.append(rr[0], rr), np.append(rr, rr[-1])
        half = RHYTHM_WINDOW // 2
        around = sliding_window_view(np.pad(before, half, mode="edge"), RHYTHM_WINDOW)
        features[start:stop] = np.column_stack(
            [
                before,
                after,
                np.median(around, axis=1),
                around.mean(axis=1),
                around.std(axis=1),
                np.sqrt(np.mean(np.diff(around, axis=1) ** 2, axis=1)),
                around.min(axis=1),
                around.max(axis=1),
            ]
        )
    return features


def features_seen(sees: str, X: Any, beats: Beats) -> NDArray[np.float32]:
    """Return what an attacker sees of X: its ``"waveform"`` or its ``"rhythm"``."""
    if sees == "waveform":
        return beat_features(beats.values)
    if not isinstance(X, BeatSet):
        raise ValueError(
            "the rhythm attacker reads RR intervals, which an array of beats does not have; "
            "hand in records or a BeatSet."
        )
    return rhythm_features(X)
