"""Marks of a recording, moved along with the beats of its release."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.archive._stretches import Stretch
from sklearn_ecganon.io import Annotations
from sklearn_ecganon.records import BeatSet

# Changes of rhythm, and where fibrillation begins and ends. All other marks that are no
# beats are about waves and noise, which the release does not have.
RHYTHM_SYMBOLS = ("+", "[", "]")


def rhythms_of(marks: Annotations) -> Annotations:
    """Return those of the marks that move along with beats, in order of time."""
    chosen = np.flatnonzero(np.isin(marks.symbols, RHYTHM_SYMBOLS))
    chosen = chosen[np.argsort(marks.samples[chosen], kind="stable")]
    return Annotations(marks.samples[chosen], marks.symbols[chosen], marks.notes[chosen])


def moved_rhythms(rhythms: Annotations, stretch: Stretch, released: BeatSet) -> Annotations:
    """Return the rhythms of one stretch of a release whose beats are not where they were.

    A rhythm begins at a beat: ectopic ones, which are all kept, tell at which, and between
    them time runs in proportion. Thereby nothing is left of when it began in the input.

    Parameters
    ----------
    rhythms : Annotations
        Of the whole input, from `rhythms_of`.
    stretch : Stretch
        What came in.
    released : BeatSet
        Its release.

    Returns
    -------
    rhythms : Annotations
        Counted from the start of the recording.
    """
    part = slice(*np.searchsorted(rhythms.samples, [stretch.start, stretch.stop]))
    samples = np.interp(rhythms.samples[part] - stretch.start, *_anchors(stretch, released))
    places = np.rint(samples).astype(np.intp)
    peaks = released.r_peaks
    if len(peaks):
        places = peaks[np.searchsorted(peaks, places).clip(max=len(peaks) - 1)]
    symbols = rhythms.symbols[part]
    # Of two rhythms that begin at the same beat, one is over before it began.
    replaced = (np.diff(places) == 0) & (symbols[1:] == symbols[:-1])
    last = np.append(~replaced, True)[: len(places)]
    return Annotations(places[last] + stretch.start, symbols[last], rhythms.notes[part][last])


def _anchors(stretch: Stretch, released: BeatSet) -> tuple[NDArray, NDArray]:
    """Return moments of a stretch, and when the same comes in its release."""
    ends = np.array([0, stretch.stop - stretch.start])
    before, after = (_ectopic(beats) for beats in (stretch.beats, released))
    if len(before) != len(after):
        return ends, ends
    return np.insert(ends, 1, before), np.insert(ends, 1, after)


def _ectopic(beats: BeatSet) -> NDArray[np.intp]:
    if beats.labels is None:
        return beats.r_peaks[:0]
    return beats.r_peaks[np.isin(beats.labels, ("S", "V", "F"))]


def joined(beats: Annotations, rhythms: list[Annotations]) -> Annotations:
    """Return the marks of a release: rhythms come before the beats that they begin with.

    Parameters
    ----------
    beats : Annotations
        Of all stretches.
    rhythms : list of Annotations
        By stretch.
    """
    samples, symbols, notes = (
        np.concatenate([getattr(part, field) for part in (*rhythms, beats)])
        for field in ("samples", "symbols", "notes")
    )
    order = np.argsort(samples, kind="stable")
    return Annotations(samples[order], symbols[order], notes[order])
