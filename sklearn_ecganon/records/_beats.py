"""The beats of several recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.records._paper import draw_beats, html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class BeatSet:
    """The beats of several records, aligned at their R peaks.

    A BeatSet is a sequence of RECORDS: ``len``, indexing, splitting and `y` count records,
    while the arrays inside are flat over beats. It holds beat windows and their positions, not
    the recorded signal between them. An anonymizer that writes whole recordings adds the
    signals that it wrote.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Beat windows in mV, with the R peak at column ``n_times // 2``.
    record : ndarray of int of shape (n_beats,)
        For each beat the index of its record, in increasing order.
    r_peaks : ndarray of int of shape (n_beats,)
        Position of each R peak, in samples from the start of its record.
    lengths : ndarray of int of shape (n_records,)
        Length of each record in samples.
    sampling_rate : float
        Common rate of all the beats, in Hz.
    lead_names : tuple of tuple of str
        Names of the leads of each record.
    names : tuple of str
        Name of each record.
    labels : ndarray of str of shape (n_beats,), optional
        Clinical class of each beat.
    gaps : ndarray of int of shape (n_gaps, 3), optional
        Stretches that were not recorded: record index, first sample, one past the last.
    lead_gaps : ndarray of int of shape (n_lead_gaps, 4), optional
        Stretches in which one lead was not recorded while others were: record index, position
        of the lead, first sample, one past the last.
    statements : tuple of (tuple of str or None), optional
        Diagnostic statements of each record; None for a record without any.
    signals : tuple of ndarray of shape (n_leads, length), optional
        Signal of each record in mV, as an anonymizer wrote it. The windows are cut from it.

    See Also
    --------
    QRSSegmenter : Cuts records into a BeatSet and stitches records from a BeatSet.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> len(beats) == len(bunch.data)
    True
    >>> beats.beats.shape[1:] == (1, beats.n_times)
    True
    """

    beats: NDArray[np.float64]
    record: NDArray[np.intp]
    r_peaks: NDArray[np.intp]
    lengths: NDArray[np.intp]
    sampling_rate: float
    lead_names: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    labels: NDArray[np.str_] | None = None
    gaps: NDArray[np.intp] | None = None
    lead_gaps: NDArray[np.intp] | None = None
    statements: tuple[tuple[str, ...] | None, ...] | None = None
    signals: tuple[NDArray[np.float64], ...] | None = None

    def __post_init__(self) -> None:
        n_beats, n_records = len(self.beats), len(self.lengths)
        if self.beats.ndim != 3:
            raise ValueError(
                f"beats has shape {self.beats.shape}; give (n_beats, n_leads, n_times)."
            )
        # The extremes are NaN or infinite if any value is. A mask would take more memory.
        if not np.isfinite([self.beats.min(initial=0), self.beats.max(initial=0)]).all():
            raise ValueError("beats holds NaN or infinite values.")
        labels = () if self.labels is None else (self.labels,)
        if any(len(flat) != n_beats for flat in (self.record, self.r_peaks, *labels)):
            raise ValueError(f"record, r_peaks and labels must have {n_beats} entries.")
        if len(self.names) != n_records or len(self.lead_names) != n_records:
            raise ValueError(f"names and lead_names must have {n_records} entries.")
        for name in ("statements", "signals"):
            given = getattr(self, name)
            if given is not None and len(given) != n_records:
                raise ValueError(f"{name} has {len(given)} entries; give {n_records}.")
        if n_beats and not (
            self.record[0] >= 0
            and self.record[-1] < n_records
            and (np.diff(self.record) >= 0).all()
        ):
            raise ValueError(f"record must increase and lie in 0..{n_records - 1}.")
        if (np.diff(self.r_peaks)[np.diff(self.record) == 0] <= 0).any():
            raise ValueError("r_peaks must increase within each record.")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def shape(self) -> tuple[int]:
        """Number of records, which are the samples in scikit-learn's sense."""
        return (len(self),)

    @property
    def n_leads(self) -> int:
        """Number of leads of every beat."""
        return self.beats.shape[1]

    @property
    def n_times(self) -> int:
        """Number of samples of every beat."""
        return self.beats.shape[2]

    @property
    def n_beats(self) -> NDArray[np.intp]:
        """Number of beats of each record."""
        return np.bincount(self.record, minlength=len(self))

    @property
    def rr(self) -> NDArray[np.float64]:
        """Time since the previous beat, in ms; NaN for the first beat of a record."""
        rr = np.diff(self.r_peaks, prepend=0) * (1000.0 / self.sampling_rate)
        rr[np.diff(self.record, prepend=-1) != 0] = np.nan
        return rr

    def bounds(self) -> NDArray[np.intp]:
        """Return where the beats of each record start and end.

        Returns
        -------
        bounds : ndarray of int of shape (n_records + 1,)
            Index of the first beat of each record, and the number of beats at the end.
        """
        return np.searchsorted(self.record, np.arange(len(self) + 1))

    def with_beats(self, beats: ArrayLike) -> BeatSet:
        """Return the same records with other beat windows.

        Parameters
        ----------
        beats : array-like of shape (n_beats, n_leads, n_times)
            Windows in mV that replace the present ones. They have the same shape. Signals are
            left out.

        Returns
        -------
        beatset : BeatSet
            A new set; this one is not changed.
        """
        new = np.asarray(beats, dtype=np.float64)
        if new.shape != self.beats.shape:
            raise ValueError(f"beats has shape {new.shape}; give {self.beats.shape}.")
        return replace(self, beats=new, signals=None)

    def __getitem__(self, index: Any) -> BeatSet:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        bounds = self.bounds()
        counts = np.diff(bounds)[chosen]
        record = np.repeat(np.arange(len(chosen)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(bounds[:-1][chosen], counts) + within
        return BeatSet(
            beats=self.beats[rows],
            record=record,
            r_peaks=self.r_peaks[rows],
            lengths=self.lengths[chosen],
            sampling_rate=self.sampling_rate,
            lead_names=tuple(self.lead_names[i] for i in chosen),
            names=tuple(self.names[i] for i in chosen),
            labels=None if self.labels is None else self.labels[rows],
            gaps=_rows_of_records(self.gaps, chosen),
            lead_gaps=_rows_of_records(self.lead_gaps, chosen),
            statements=_of_records(self.statements, chosen),
            signals=_of_records(self.signals, chosen),
        )

    def __iter__(self) -> Iterator[BeatSet]:
        return (self[i] for i in range(len(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[BeatSet]) -> BeatSet:
        """Join sets of the same rate, number of leads and window length into one.

        Parameters
        ----------
        parts : sequence of BeatSet
            At least one set. Labels and signals are kept if every set has them, statements
            if any set has.

        Returns
        -------
        beatset : BeatSet
            The records of all sets, in order.
        """
        layouts = {(beats.sampling_rate, beats.n_leads, beats.n_times) for beats in parts}
        if len(layouts) != 1:
            raise ValueError(
                "parts must share (sampling_rate, n_leads, n_times) to be joined; "
                f"got {sorted(layouts)}."
            )
        offsets = np.cumsum([0] + [len(beats) for beats in parts])
        labels = [beats.labels for beats in parts if beats.labels is not None]
        gaps = _joined([beats.gaps for beats in parts], offsets)
        lead_gaps = _joined([beats.lead_gaps for beats in parts], offsets)
        statements: tuple[tuple[str, ...] | None, ...] | None = None
        if any(beats.statements is not None for beats in parts):
            statements = sum((beats.statements or (None,) * len(beats) for beats in parts), ())
        signals = [beats.signals for beats in parts if beats.signals is not None]
        return cls(
            beats=np.concatenate([beats.beats for beats in parts]),
            record=np.concatenate(
                [beats.record + offset for beats, offset in zip(parts, offsets, strict=False)]
            ),
            r_peaks=np.concatenate([beats.r_peaks for beats in parts]),
            lengths=np.concatenate([beats.lengths for beats in parts]),
            sampling_rate=parts[0].sampling_rate,
            lead_names=sum((beats.lead_names for beats in parts), ()),
            names=sum((beats.names for beats in parts), ()),
            labels=np.concatenate(labels) if len(labels) == len(parts) else None,
            gaps=gaps,
            lead_gaps=lead_gaps,
            statements=statements,
            signals=sum(signals, ()) if len(signals) == len(parts) else None,
        )

    def plot(
        self, record: int = 0, *, lead: str | int = 0, ax: Axes | None = None, **kwargs: Any
    ) -> Axes:
        """Draw the beats of one record over each other, with their median, on ECG paper.

        Parameters
        ----------
        record : int, default=0
            Position of the record.
        lead : str or int, default=0
            Name or position of the lead.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.plot`, for the single beats.

        Returns
        -------
        ax : matplotlib Axes
            Its x axis is in ms from the R peak, its y axis in mV.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the record has no beats, or no such lead.

        Examples
        --------
        >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
        >>> bunch = make_ecg_records(n_subjects=1, duration=10.0, random_state=0)
        >>> QRSSegmenter().fit_transform(bunch.data).plot(1).get_xlabel()
        'time from the R peak (ms)'
        """
        return draw_beats(self, record, lead, ax, kwargs)

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        counts = self.n_beats
        per_record = f"{counts.min()} to {counts.max()}" if len(counts) else "none"
        return html_table(
            "BeatSet",
            [
                ("records", len(self)),
                ("beats", len(self.beats)),
                ("beats of a record", per_record),
                ("leads", self.n_leads),
                ("window", f"{1000 * self.n_times / self.sampling_rate:.0f} ms"),
                ("sampling rate", f"{self.sampling_rate:g} Hz"),
                ("classes", "not known" if self.labels is None else _counts(self.labels)),
            ],
        )

    def __repr__(self) -> str:
        return (
            f"BeatSet({len(self)} records, {len(self.beats)} beats, {self.n_leads} leads, "
            f"{self.n_times} samples at {self.sampling_rate:g} Hz)"
        )


def _counts(labels: NDArray[np.str_]) -> str:
    """Return how many beats each class has, in words."""
    classes, counts = np.unique(labels, return_counts=True)
    return ", ".join(f"{n} {label}" for label, n in zip(classes, counts, strict=True))


def _of_records(values: tuple | None, chosen: NDArray) -> tuple | None:
    """Return the values of the chosen records."""
    return None if values is None else tuple(values[i] for i in chosen)


def _rows_of_records(table: NDArray | None, chosen: NDArray) -> NDArray | None:
    """Return the rows of the chosen records, with the new index of each record."""
    if table is None:
        return None
    groups = [table[table[:, 0] == old] for old in chosen]
    renumbered = [
        np.c_[np.full(len(rows), new), rows[:, 1:]] for new, rows in enumerate(groups)
    ]
    return np.concatenate([table[:0], *renumbered])


def _joined(tables: Sequence[NDArray | None], offsets: NDArray) -> NDArray | None:
    """Join tables whose first column is a record, and shift these by `offsets`."""
    shifted = []
    for table, offset in zip(tables, offsets, strict=False):
        if table is not None:
            moved = table.copy()
            moved[:, 0] += offset
            shifted.append(moved)
    return np.concatenate(shifted) if shifted else None
