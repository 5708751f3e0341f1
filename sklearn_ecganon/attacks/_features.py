"""What an attacker looks at in a beat."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sklearn_ecganon._validation import Beats
from sklearn_ecganon.contracts import CATEGORIES, TOLERANCES, Measurements, measure
from sklearn_ecganon.records import BeatSet

# Beats longer than this are averaged in blocks: a beat of 800 ms keeps 62 Hz or more.
MAX_TIMES = 100
EXTRAS_PER_LEAD = 2
# RR intervals around a beat that tell its local rhythm, and beats whose class is looked at.
RHYTHM_WINDOW = 11
CLASSES = ("N", "S", "V", "F", "Q")
# Stands for a number that could not be measured; trees can tell it from all others.
UNMEASURED = -1000.0


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


def number_features(beats: BeatSet, measured: Measurements) -> NDArray[np.float32]:
    """Return all that the measurement contract keeps: rhythm, class and intervals.

    Parameters
    ----------
    beats : BeatSet
        Its R peaks are looked at.
    measured : Measurements
        PR, QRS, QT and ST of its beats, and their classes.

    Returns
    -------
    features : ndarray of shape (n_beats, 17)
        `rhythm_features`, then PR, QRS and QT in ms and ST in mV, then the beat's class,
        one column for each of N, S, V, F and Q.
    """
    numbers = np.column_stack([getattr(measured, name) for name in TOLERANCES])
    classes = _one_hot(beats)
    return np.concatenate(
        [rhythm_features(beats), np.nan_to_num(numbers, nan=UNMEASURED), classes], axis=1
    ).astype(np.float32)


def category_features(beats: BeatSet, measured: Measurements) -> NDArray[np.float32]:
    """Return all that the diagnostic contract keeps: categories, and classes in order.

    Parameters
    ----------
    beats : BeatSet
        Tells which beats follow each other.
    measured : Measurements
        Of the same beats.

    Returns
    -------
    features : ndarray of shape (n_beats, 61)
        The six categories of the beat's record, then the classes of the eleven beats
        around it, five columns each; 0 beyond the ends of the record.
    """
    categories = measured.categories()
    of_record = np.column_stack([categories[name] for name in CATEGORIES])
    classes, half = _one_hot(beats), RHYTHM_WINDOW // 2
    around = np.zeros((len(classes), RHYTHM_WINDOW, len(CLASSES)), dtype=np.float32)
    for start, stop in pairwise(beats.bounds()):
        padded = np.pad(classes[start:stop], ((half, half), (0, 0)))
        if start < stop:
            windows = sliding_window_view(padded, RHYTHM_WINDOW, axis=0)
            around[start:stop] = windows.transpose(0, 2, 1)
    return np.concatenate(
        [of_record[beats.record], around.reshape(len(classes), -1)], axis=1
    ).astype(np.float32)


def _one_hot(beats: BeatSet) -> NDArray[np.float32]:
    """Return one column a class; all 0 where the beats have no labels."""
    if beats.labels is None:
        return np.zeros((len(beats.beats), len(CLASSES)), dtype=np.float32)
    return (beats.labels[:, np.newaxis] == np.array(CLASSES)).astype(np.float32)


#: What the attacker on a contract's features sees.
CONTRACT_VIEWS = {"diagnostic": "categories", "measurement": "numbers"}


def features_seen(views: set[str], X: Any, beats: Beats) -> dict[str, NDArray[np.float32]]:
    """Return what attackers see of X, view by view.

    ``"waveform"``: the beats. ``"rhythm"``: RR intervals. ``"numbers"`` and
    ``"categories"``: what a contract keeps.
    """
    if views - {"waveform"} and not isinstance(X, BeatSet):
        raise ValueError(
            f"an attacker who sees {' and '.join(sorted(views - {'waveform'}))} reads RR "
            "intervals, which an array of beats does not have; hand in records or a BeatSet."
        )
    seen = {}
    if "waveform" in views:
        seen["waveform"] = beat_features(beats.values)
    if "rhythm" in views:
        seen["rhythm"] = rhythm_features(X)
    if views & {"numbers", "categories"}:
        measured = measure(X)
        if "numbers" in views:
            seen["numbers"] = number_features(X, measured)
        if "categories" in views:
            seen["categories"] = category_features(X, measured)
    return seen
