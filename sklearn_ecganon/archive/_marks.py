"""Move the annotations of a recording along with the beats of its release."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.archive._stretches import Stretch
from sklearn_ecganon.io import Annotations
from sklearn_ecganon.records import BeatSet

# Changes of rhythm, and the begin and end of fibrillation. All other annotations that are not
# beats describe waves and noise of the original, which the release does not contain.
RHYTHM_SYMBOLS = ("+", "[", "]")


def rhythms_of(annotations: Annotations) -> Annotations:
    """Return the annotations of rhythms, in order of time."""
    rows = np.flatnonzero(np.isin(annotations.symbols, RHYTHM_SYMBOLS))
    rows = rows[np.argsort(annotations.samples[rows], kind="stable")]
    return Annotations(
        annotations.samples[rows], annotations.symbols[rows], annotations.notes[rows]
    )


def moved_rhythms(rhythms: Annotations, stretch: Stretch, released: BeatSet) -> Annotations:
    """Return the rhythms of one stretch of a release whose beats have moved.

    A rhythm begins at a beat. Between two ectopic beats, time is scaled linearly to find that
    beat; if the release has another number of ectopic beats, between the ends of the stretch.
    The moment at which the rhythm began in the input is lost.

    Parameters
    ----------
    rhythms : Annotations
        Rhythms of the whole input, from `rhythms_of`.
    stretch : Stretch
        Stretch of the input.
    released : BeatSet
        Release of the stretch.

    Returns
    -------
    rhythms : Annotations
        Positions count from the start of the recording.
    """
    inside = slice(*np.searchsorted(rhythms.samples, [stretch.start, stretch.stop]))
    samples = np.interp(rhythms.samples[inside] - stretch.start, *_anchors(stretch, released))
    places = np.rint(samples).astype(np.intp)
    peaks = released.r_peaks
    if len(peaks):
        places = peaks[np.searchsorted(peaks, places).clip(max=len(peaks) - 1)]
    symbols = rhythms.symbols[inside]
    # If two rhythms begin at the same beat, only the later one is kept.
    replaced = (np.diff(places) == 0) & (symbols[1:] == symbols[:-1])
    last = np.append(~replaced, True)[: len(places)]
    return Annotations(places[last] + stretch.start, symbols[last], rhythms.notes[inside][last])


def _anchors(stretch: Stretch, released: BeatSet) -> tuple[NDArray, NDArray]:
    """Return positions in a stretch, and the corresponding positions in its release."""
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
    """Return the annotations of a release; a rhythm comes before the beat it begins with.

    Parameters
    ----------
    beats : Annotations
        Beats of all stretches.
    rhythms : list of Annotations
        Rhythms of each stretch.
    """
    samples, symbols, notes = (
        np.concatenate([getattr(annotations, field) for annotations in (*rhythms, beats)])
        for field in ("samples", "symbols", "notes")
    )
    order = np.argsort(samples, kind="stable")
    return Annotations(samples[order], symbols[order], notes[order])
