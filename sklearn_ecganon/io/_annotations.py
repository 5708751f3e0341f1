"""Annotations of a recording, reduced to what may be published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.io._errors import ECGReadError

__all__ = ["Annotations"]

#: AAMI EC57 class of each WFDB beat symbol; all other symbols are not beats.
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

#: Symbols of annotations that are not beats and need no note.
NON_BEATS = frozenset("[!]x()ptu^|~sT*D=")

#: The only notes that are read and written, with the symbol "+" of a change of rhythm.
RHYTHMS = frozenset(
    "(" + rhythm
    for rhythm in (
        *("AB", "AFIB", "AFL", "ASYS", "B", "BI", "BII", "BIII", "IVR", "J", "N", "NOD"),
        *("P", "PM", "PREX", "SAB", "SBR", "SVTA", "T", "VF", "VFL", "VT"),
    )
)


def _texts(values: Sequence[str] | NDArray) -> NDArray[np.str_]:
    """Return an array of texts; a string becomes an array of its characters."""
    sequence = values if isinstance(values, np.ndarray) else list(values)
    return np.asarray(sequence, np.str_).reshape(-1)


@dataclass(frozen=True, eq=False)
class Annotations:
    """Beats and other annotations of one record, in the symbols of WFDB.

    Unknown symbols are left out, and so are all notes that are not a known rhythm.

    Parameters
    ----------
    samples : array-like of int of shape (n_annotations,)
        Positions in samples from the start of the record.
    symbols : sequence of str of length n_annotations
        WFDB symbols, for example ``"N"``, ``"V"``, ``"+"``.
    notes : sequence of str of length n_annotations, optional
        Rhythms such as ``"(AFIB"`` where the symbol is ``"+"``.

    Examples
    --------
    >>> from sklearn_ecganon.io import Annotations
    >>> notes = ["(AFIB", "", "", "Jane Doe"]
    >>> annotations = Annotations([18, 77, 370, 400], "+NV+", notes)
    >>> annotations.symbols.tolist(), annotations.r_peaks.tolist()
    (['+', 'N', 'V'], [77, 370])
    >>> annotations.beat_labels.tolist()
    ['N', 'V']
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
            raise ValueError(
                "samples, symbols and notes must have one entry for each annotation."
            )
        is_known = np.isin(symbols, [*AAMI_CLASSES, *NON_BEATS])
        is_known |= (symbols == "+") & np.isin(notes, list(RHYTHMS))
        notes = np.where(symbols == "+", notes, "")
        for field, value in (("samples", samples), ("symbols", symbols), ("notes", notes)):
            object.__setattr__(self, field, value[is_known])

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def is_beat(self) -> NDArray[np.bool_]:
        """Whether each annotation is a beat."""
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
        """Return the annotations from sample `start` up to, not including, `stop`.

        Parameters
        ----------
        start, stop : int
            In samples from the start of the record; positions stay counted from there.

        Returns
        -------
        annotations : Annotations
            Those of the segment.
        """
        inside = np.flatnonzero((self.samples >= start) & (self.samples < stop))
        return Annotations(self.samples[inside], self.symbols[inside], self.notes[inside])

    def fitting(self, n_times: int) -> Annotations:
        """Return the annotations that lie within a record, in order of time.

        Of several beats at one sample only the first remains. If more than half of the
        annotations lie outside, they probably belong to another record and are refused.

        Parameters
        ----------
        n_times : int
            Length of the record in samples.

        Returns
        -------
        annotations : Annotations
            Those that lie within the record.
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
        """Raise an error if annotations do not fit the record.

        Parameters
        ----------
        n_times : int
            Samples of the record.

        Raises
        ------
        ECGReadError
            If an annotation lies outside the record, or beats are not in order.
        """
        outside = len(self) and (self.samples.min() < 0 or self.samples.max() >= n_times)
        if outside or (np.diff(self.r_peaks) <= 0).any():
            raise ECGReadError("bad_annotations")

    @classmethod
    def of_beats(
        cls, r_peaks: ArrayLike | None, beat_labels: Sequence[str] | NDArray | None = None
    ) -> Annotations | None:
        """Return the annotations of a record that was not read from a file.

        Parameters
        ----------
        r_peaks : array-like of shape (n_beats,) or None
            Positions of the beats in samples.
        beat_labels : sequence of str, optional
            Their classes; by default ``"N"``.

        Returns
        -------
        annotations : Annotations or None
            None if `r_peaks` is None.
        """
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
        """Return these annotations, moved with the beats of an anonymized record.

        Parameters
        ----------
        r_peaks : array-like of int of shape (n_beats,) or None
            Positions of the beats in the anonymized record, in samples.
        beat_labels : array-like of str of shape (n_beats,) or None
            AAMI classes of the beats.
        n_times : int
            Length of the record in samples.

        Returns
        -------
        annotations : Annotations or None
            If both records have equally many beats, finer symbols (``L`` and ``R`` among
            ``N``) stay if the class agrees, and annotations between beats move in
            proportion. Otherwise only the beats themselves remain. None if there are no R
            peaks.
        """
        of_beats = Annotations.of_beats(r_peaks, beat_labels)
        old = self.r_peaks
        if of_beats is None or len(of_beats) != len(old) or not len(old):
            return of_beats
        # Before the first and after the last beat the distance to that beat is unchanged.
        new = of_beats.samples
        ends = ([old[0] - n_times], [old[-1] + n_times])
        moved = ([new[0] - n_times], [new[-1] + n_times])
        samples = np.interp(
            self.samples,
            np.concatenate([ends[0], old, ends[1]]),
            np.concatenate([moved[0], new, moved[1]]),
        )
        symbols = self.symbols.copy()
        if beat_labels is not None:
            agrees = self.beat_labels == of_beats.beat_labels
            symbols[self.is_beat] = np.where(agrees, symbols[self.is_beat], of_beats.symbols)
        places = np.clip(np.rint(samples), 0, n_times - 1).astype(np.intp)
        order = np.argsort(places, kind="stable")
        return Annotations(places[order], symbols[order], self.notes[order])
