"""Marks on a recording, reduced to what may be published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.io._errors import ECGReadError

__all__ = ["Annotations"]

#: AAMI EC57 class of each WFDB beat symbol; what is not here is not a beat.
AAMI_CLASSES = {
    symbol: aami
    for aami, symbols in {
        "N": "NLRBej",
        "S": "AaJSn",
        "V": "VEr",
        "F": "F",
        "Q": "/fQ?",
    }.items()
    for symbol in symbols
}

#: Marks that are no beats and mean something without a note.
MARKS = frozenset("[!]x()ptu^|~sT*D=")

#: The only texts that are kept, each with the mark "+", a change of rhythm.
RHYTHMS = frozenset(
    "(" + rhythm
    for rhythm in (
        *("AB", "AFIB", "AFL", "ASYS", "B", "BI", "BII", "BIII", "IVR", "J", "N", "NOD"),
        *("P", "PM", "PREX", "SAB", "SBR", "SVTA", "T", "VF", "VFL", "VT"),
    )
)


def _texts(given: Sequence[str] | NDArray) -> NDArray[np.str_]:
    """Return a row of texts; a string is a row of letters."""
    row = given if isinstance(given, np.ndarray) else list(given)
    return np.asarray(row, np.str_).reshape(-1)


@dataclass(frozen=True, eq=False)
class Annotations:
    """Beats and other marks of one record, in the symbols of WFDB.

    Whatever is no known beat, mark or rhythm is left out, and so is every other text.

    Parameters
    ----------
    samples : array-like of int of shape (n_marks,)
        Positions in samples from the start of the record.
    symbols : sequence of str of length n_marks
        WFDB symbols, for example ``"N"``, ``"V"``, ``"+"``.
    notes : sequence of str of length n_marks, optional
        Rhythms such as ``"(AFIB"`` where the symbol is ``"+"``.

    Examples
    --------
    >>> from sklearn_ecganon.io import Annotations
    >>> marks = Annotations([18, 77, 370, 400], "+NV+", ["(AFIB", "", "", "Jane Doe"])
    >>> marks.symbols.tolist(), marks.r_peaks.tolist(), marks.beat_labels.tolist()
    (['+', 'N', 'V'], [77, 370], ['N', 'V'])
    """

    samples: NDArray[np.intp]
    symbols: NDArray[np.str_]
    notes: NDArray[np.str_] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, np.intp).reshape(-1)
        symbols = _texts(self.symbols)
        notes = np.zeros(len(samples), "U1") if self.notes is None else _texts(self.notes)
        notes = np.char.rstrip(notes, "\0 ")
        if not len(samples) == len(symbols) == len(notes):
            raise ValueError("samples, symbols and notes must have one entry a mark.")
        keep = np.isin(symbols, [*AAMI_CLASSES, *MARKS])
        keep |= (symbols == "+") & np.isin(notes, list(RHYTHMS))
        notes = np.where(symbols == "+", notes, "")
        for field, value in (("samples", samples), ("symbols", symbols), ("notes", notes)):
            object.__setattr__(self, field, value[keep])

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def is_beat(self) -> NDArray[np.bool_]:
        """Which marks are beats."""
        return np.isin(self.symbols, list(AAMI_CLASSES))

    @property
    def r_peaks(self) -> NDArray[np.intp]:
        """Positions of the beats, in samples."""
        return self.samples[self.is_beat]

    @property
    def beat_labels(self) -> NDArray[np.str_]:
        """AAMI class (``N S V F Q``) of each beat."""
        symbols, place = np.unique(self.symbols[self.is_beat], return_inverse=True)
        return np.array([AAMI_CLASSES[symbol] for symbol in symbols], np.str_)[place]

    def within(self, start: int, stop: int) -> Annotations:
        """Return the marks from sample `start` up to, not including, `stop`.

        Parameters
        ----------
        start, stop : int
            In samples from the start of the record; positions stay counted from there.
        """
        inside = np.flatnonzero((self.samples >= start) & (self.samples < stop))
        return Annotations(self.samples[inside], self.symbols[inside], self.notes[inside])

    def fitting(self, n_times: int) -> Annotations:
        """Return the annotations that lie within a record, in order of time.

        Of several beats at one sample only the first remains. Where more than half of the
        annotations lie outside, they belong to another record, and are refused.

        Parameters
        ----------
        n_times : int
            Length of the record in samples.
        """
        inside = (self.samples >= 0) & (self.samples < n_times)
        if 2 * inside.sum() < len(self):
            raise ECGReadError("bad_annotations", "most of them lie outside of the recording")
        if inside.all() and (np.diff(self.samples) > 0).all():
            return self
        order = np.flatnonzero(inside)
        order = order[np.argsort(self.samples[order], kind="stable")]
        is_beat = self.is_beat[order]
        beats = self.samples[order[is_beat]]
        is_repeated = np.zeros(len(order), bool)
        is_repeated[np.flatnonzero(is_beat)[1:]] = np.diff(beats) == 0
        order = order[~is_repeated]
        return Annotations(self.samples[order], self.symbols[order], self.notes[order])

    def check(self, n_times: int) -> None:
        """Refuse annotations outside of the record, or beats out of order."""
        outside = len(self) and (self.samples.min() < 0 or self.samples.max() >= n_times)
        if outside or (np.diff(self.r_peaks) <= 0).any():
            raise ECGReadError("bad_annotations")

    @classmethod
    def of_beats(
        cls, r_peaks: ArrayLike | None, beat_labels: Sequence[str] | NDArray | None = None
    ) -> Annotations | None:
        """Return the marks of a record that came from no file, None where it has none."""
        if r_peaks is None:
            return None
        peaks = np.asarray(r_peaks)
        labels = ["N"] * len(peaks) if beat_labels is None else list(beat_labels)
        symbols = [label if label in AAMI_CLASSES else "Q" for label in labels]
        return cls(peaks, np.array(symbols, np.str_))

    def retimed(
        self,
        r_peaks: ArrayLike | None,
        beat_labels: Sequence[str] | NDArray | None,
        n_times: int,
    ) -> Annotations | None:
        """Return these marks moved along with the beats of an anonymized record.

        Parameters
        ----------
        r_peaks : array-like of int of shape (n_beats,) or None
            Where the beats lie now, in samples.
        beat_labels : array-like of str of shape (n_beats,) or None
            Their AAMI classes.
        n_times : int
            Length of the record in samples.

        Returns
        -------
        annotations : Annotations or None
            Where each beat has its counterpart here, finer symbols (``L`` and ``R`` among
            ``N``) are kept as long as the class agrees, and marks between beats move in
            proportion. Where beats were lost or found, only the beats themselves remain.
            None where there are no R peaks.
        """
        fresh = Annotations.of_beats(r_peaks, beat_labels)
        old = self.r_peaks
        if fresh is None or len(fresh) != len(old) or not len(old):
            return fresh
        # Beyond the first and last beat, marks keep their distance to it.
        new = fresh.samples
        ends = ([old[0] - n_times], [old[-1] + n_times])
        moved = ([new[0] - n_times], [new[-1] + n_times])
        samples = np.interp(
            self.samples,
            np.concatenate([ends[0], old, ends[1]]),
            np.concatenate([moved[0], new, moved[1]]),
        )
        symbols = self.symbols.copy()
        if beat_labels is not None:
            finer = self.beat_labels == fresh.beat_labels
            symbols[self.is_beat] = np.where(finer, symbols[self.is_beat], fresh.symbols)
        places = np.clip(np.rint(samples), 0, n_times - 1).astype(np.intp)
        order = np.argsort(places, kind="stable")
        return Annotations(places[order], symbols[order], self.notes[order])
