"""What attackers look at: each modality turns recordings into rows of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sklearn_ecganon.attacks._average_features import N_AVERAGED, averaged_features
from sklearn_ecganon.attacks._strip_features import strips_of_beats
from sklearn_ecganon.contracts import TOLERANCES, Measurements, measure
from sklearn_ecganon.records import BeatSet, ECGRecord

# Beats longer than this are averaged in blocks: a beat of 800 ms keeps 62 Hz or more.
MAX_TIMES = 100
EXTRAS_PER_LEAD = 2
# RR intervals around a beat that describe its local rhythm, and beats whose class is used.
RHYTHM_WINDOW = 11
CLASSES = ("N", "S", "V", "F", "Q")
# Replaces values that could not be measured; trees can separate it from all others.
UNMEASURED = -1000.0


@dataclass(frozen=True, eq=False)
class Features:
    """Rows of features, and the beats that each row describes.

    Parameters
    ----------
    values : ndarray of shape (n_rows, ...)
        What an attacker is trained on.
    row_of_beat : ndarray of int of shape (n_beats,), optional
        The row that describes each beat, -1 for none. By default row i describes beat i. Rows
        that describe several beats, such as strips of a record, need it. Every row describes
        at least one beat, and only beats of one record.
    """

    values: NDArray
    row_of_beat: NDArray[np.intp] | None = None

    def per_row(self, of_beats: NDArray) -> NDArray:
        """Return a property of beats for each row: that of the row's first beat."""
        if self.row_of_beat is None:
            return of_beats
        described = np.flatnonzero(self.row_of_beat >= 0)
        rows, first = np.unique(self.row_of_beat[described], return_index=True)
        of_rows = np.empty(len(self.values), dtype=of_beats.dtype)
        of_rows[rows] = of_beats[described[first]]
        return of_rows


class Source(NamedTuple):
    """Recordings at one stage, from which features are extracted.

    Attributes
    ----------
    windows : ndarray of shape (n_beats, n_leads, n_times)
        Beat windows in mV.
    beats : BeatSet or None
        The same windows with R peaks and labels; None for an array of beats.
    recordings : list of ECGRecord or None
        Whole signals of the records of `beats`, if the release was given as records.
    """

    windows: NDArray
    beats: BeatSet | None = None
    recordings: list[ECGRecord] | None = None


class Modality(NamedTuple):
    """What attackers of one kind look at.

    Attributes
    ----------
    extract : callable
        Takes a `Source`, returns `Features`.
    needs_records : bool
        True if the modality needs R peaks, which an array of beats does not have.
    min_evidence : int
        Evidence in beats below which attackers of this modality are not reported, because a
        row holds more beats.
    """

    extract: Callable[[Any], Features]
    needs_records: bool = True
    min_evidence: int = 1


def beat_features(beats: NDArray) -> NDArray[np.float32]:
    """Return the shape of each beat, z-scored by lead, then its baseline and its amplitude.

    Shape, baseline and amplitude are separate, so that an attacker can learn which of them
    identifies: electrodes change the last two between sessions, but not the first.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Windows in mV.

    Returns
    -------
    features : ndarray of shape (n_beats, n_leads * n_used + 2 * n_leads)
        ``n_used`` values a lead, then the mean of each lead and the logarithm of its
        standard deviation.
    """
    n_beats, n_leads, n_times = beats.shape
    block = -(-n_times // MAX_TIMES)
    averaged = beats[:, :, : n_times // block * block].reshape(n_beats, n_leads, -1, block)
    averaged = averaged.mean(axis=-1)
    baseline = averaged.mean(axis=-1, keepdims=True)
    amplitude = np.maximum(averaged.std(axis=-1, keepdims=True), 1e-9)
    shape = ((averaged - baseline) / amplitude).reshape(n_beats, -1)
    extras = np.concatenate([baseline[..., 0], np.log(amplitude[..., 0])], axis=1)
    return np.concatenate([shape, extras], axis=1).astype(np.float32)


def beat_averages(windows: NDArray, beats: BeatSet) -> NDArray[np.float32]:
    """Return `averaged_features` of the shapes of beats.

    Parameters
    ----------
    windows : ndarray of shape (n_beats, n_leads, n_times)
        In mV.
    beats : BeatSet
        Gives the record of each beat.

    Returns
    -------
    features : ndarray of shape (n_beats, n_features)
        Baseline and amplitude, which electrodes change between days, are left out.
    """
    n_leads = windows.shape[1]
    shapes = beat_features(windows)[:, : -EXTRAS_PER_LEAD * n_leads]
    return averaged_features(shapes.reshape(len(windows), n_leads, -1), beats.bounds())


def rhythm_features(beats: BeatSet) -> NDArray[np.float32]:
    """Return features of the RR intervals around each beat.

    Parameters
    ----------
    beats : BeatSet
        Only its R peaks are used.

    Returns
    -------
    features : ndarray of shape (n_beats, 8)
        RR before and after the beat, and of the eleven RR intervals around it the median,
        mean, standard deviation, root mean square of differences, minimum and maximum; all
        in ms. The first and last intervals of a record replace those beyond its ends.
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


def interval_features(beats: BeatSet, measured: Measurements) -> NDArray[np.float32]:
    """Return everything that the measurement contract keeps: rhythm, class and intervals.

    Parameters
    ----------
    beats : BeatSet
        Its R peaks are used.
    measured : Measurements
        PR, QRS, QT and ST of its beats, and their classes.

    Returns
    -------
    features : ndarray of shape (n_beats, 17)
        `rhythm_features`, then PR, QRS and QT in ms and ST in mV, then the beat's class,
        one column for each of N, S, V, F and Q.
    """
    intervals = np.column_stack([getattr(measured, name) for name in TOLERANCES])
    classes = _one_hot(beats)
    return np.concatenate(
        [rhythm_features(beats), np.nan_to_num(intervals, nan=UNMEASURED), classes], axis=1
    ).astype(np.float32)


def category_features(beats: BeatSet, measured: Measurements) -> NDArray[np.float32]:
    """Return everything that the diagnostic contract keeps: categories, and classes in order.

    Parameters
    ----------
    beats : BeatSet
        Gives the order of the beats.
    measured : Measurements
        Of the same beats.

    Returns
    -------
    features : ndarray of shape (n_beats, 61), with 12 leads (n_beats, 78)
        The six categories of the beat's record, with 12 leads those of
        `TWELVE_LEAD_CATEGORIES` too, then the classes of the eleven beats around it, five
        columns each; 0 beyond the ends of the record.
    """
    of_record = np.column_stack(list(measured.categories().values()))
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
    """Return one column a class; all 0 if the beats have no labels."""
    if beats.labels is None:
        return np.zeros((len(beats.beats), len(CLASSES)), dtype=np.float32)
    return (beats.labels[:, np.newaxis] == np.array(CLASSES)).astype(np.float32)


#: All modalities. `measure` remembers records, so two modalities do not measure twice.
MODALITIES: dict[str, Modality] = {
    "waveform": Modality(lambda s: Features(beat_features(s.windows)), needs_records=False),
    "averages": Modality(
        lambda s: Features(beat_averages(s.windows, s.beats)), min_evidence=2 * N_AVERAGED
    ),
    "rhythm": Modality(lambda s: Features(rhythm_features(s.beats))),
    "intervals": Modality(lambda s: Features(interval_features(s.beats, measure(s.beats)))),
    "categories": Modality(lambda s: Features(category_features(s.beats, measure(s.beats)))),
    # A strip of 10 s holds 5 to 30 beats.
    "strip": Modality(
        lambda s: Features(*strips_of_beats(s.beats, s.recordings)), min_evidence=50
    ),
}


def extract_features(modalities: set[str], source: Source) -> dict[str, Features]:
    """Return the features of a source for each modality.

    Parameters
    ----------
    modalities : set of str
        Keys of `MODALITIES`.
    source : Source
        The recordings.

    Raises
    ------
    ValueError
        If a modality needs R peaks, and the source is an array of beats.
    """
    needy = sorted(name for name in modalities if MODALITIES[name].needs_records)
    if needy and source.beats is None:
        raise ValueError(
            f"attackers on {' and '.join(needy)} need RR intervals, which an array of beats "
            "does not have; give records or a BeatSet."
        )
    return {
        name: modality.extract(source)
        for name, modality in MODALITIES.items()
        if name in modalities
    }
