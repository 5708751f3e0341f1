"""One recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.records._conversions import ConversionsMixin
from sklearn_ecganon.records._paper import draw_record, html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class ECGRecord(ConversionsMixin):
    """One continuous acquisition of one subject.

    Parameters
    ----------
    signal : array-like of shape (n_times, n_leads) or (n_times,)
        The recording in mV. NaN marks samples that were not recorded. A one-dimensional
        signal becomes a single lead. The record keeps a read-only float64 array.
    sampling_rate : float
        Samples per second in each lead, in Hz.
    lead_names : sequence of str, optional
        One name for each lead, for example ``("I", "II")``; by default ``lead 1``, ``lead
        2`` and so on.
    r_peaks : array-like of int, optional
        Increasing positions of the R peaks, in samples from the start of the record.
    beat_labels : array-like of str, optional
        One clinical class for each beat (``N S V F Q``), in the order of `r_peaks`.
    subject : str, optional
        The person. In this package the subject is the target `y`.
    session : str, optional
        The acquisition date, or another text that distinguishes visits. Sessions are sorted
        as text: `"2004-12-07"` comes before `"2005-01-11"`.
    name : str, optional
        Name of this record in errors and outputs.
    statements : sequence of str, optional
        Diagnostic statements about the whole recording, such as SCP-ECG codes. None if
        nobody has interpreted it; an empty sequence if nothing was stated.

    Raises
    ------
    ValueError
        If the signal is not a real, non-empty array of one or two dimensions, if it has more
        leads than samples, if the rate is not a positive finite number, or if names, R peaks
        or labels do not match it.

    See Also
    --------
    records_from_array : Records of an array of recordings.
    sklearn_ecganon.io.read_record : A record of a file.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import ECGRecord
    >>> record = ECGRecord(np.zeros((500, 2)), 250.0, ("I", "II"), name="A12")
    >>> record
    ECGRecord('A12': 2.0 s, 250 Hz, I II)
    >>> record.crop(0, 250).duration
    1.0
    """

    signal: NDArray[np.float64]
    sampling_rate: float
    lead_names: tuple[str, ...] = ()
    r_peaks: NDArray[np.intp] | None = None
    beat_labels: NDArray[np.str_] | None = None
    subject: str | None = None
    session: str | None = None
    name: str = "unnamed"
    statements: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        where = f"record {self.name!r}"
        signal = np.asarray(self.signal)
        if signal.ndim == 1:
            signal = signal[:, np.newaxis]
        if signal.ndim != 2 or signal.size == 0:
            raise ValueError(
                f"{where}: signal has shape {np.shape(self.signal)}; "
                "give a non-empty array of shape (n_times, n_leads)."
            )
        if signal.shape[1] > signal.shape[0]:
            raise ValueError(
                f"{where}: signal has {signal.shape[1]} leads of {signal.shape[0]} samples, so "
                "that it is probably transposed; give shape (n_times, n_leads): signal.T."
            )
        if signal.dtype.kind not in "fiub":
            raise ValueError(
                f"{where}: signal has dtype {signal.dtype}; give real numbers in mV."
            )
        if np.isinf(signal).any():
            raise ValueError(f"{where}: signal holds infinite values; use NaN for gaps.")
        try:
            rate = float(self.sampling_rate)
        except (TypeError, ValueError):
            rate = np.nan
        if not (np.isfinite(rate) and rate > 0):
            raise ValueError(
                f"{where}: sampling_rate is {self.sampling_rate!r} Hz; "
                "give a positive number, for example ECGRecord(..., sampling_rate=360)."
            )
        if isinstance(self.statements, str):
            raise ValueError(f"{where}: statements is a string; give a sequence of strings.")
        if self.statements is not None:
            object.__setattr__(self, "statements", tuple(map(str, self.statements)))
        if isinstance(self.lead_names, str):
            raise ValueError(f"{where}: lead_names is a string; give one name for each lead.")
        n_times, n_leads = signal.shape
        leads = tuple(str(lead) for lead in self.lead_names) or tuple(
            f"lead {i + 1}" for i in range(n_leads)
        )
        if len(leads) != n_leads:
            raise ValueError(
                f"{where}: there are {len(leads)} lead names for {n_leads} leads; "
                "give one name for each lead."
            )
        if len(set(leads)) != n_leads:
            raise ValueError(f"{where}: lead names {leads} are not all different.")
        peaks, labels = self.r_peaks, self.beat_labels
        if peaks is not None:
            peaks = np.asarray(peaks)
            if peaks.ndim != 1 or (peaks.size and peaks.dtype.kind not in "iu"):
                raise ValueError(f"{where}: r_peaks must be a list of sample numbers.")
            peaks = peaks.astype(np.intp)
            outside = peaks.size and (peaks[0] < 0 or peaks[-1] >= n_times)
            if outside or (np.diff(peaks) <= 0).any():
                raise ValueError(f"{where}: r_peaks must increase and lie in 0..{n_times - 1}.")
        if labels is not None:
            labels = np.asarray(labels).astype(np.str_)
            if peaks is None or labels.shape != peaks.shape:
                raise ValueError(f"{where}: beat_labels needs one label for each R peak.")
        # Most code reads whole leads, so each lead is contiguous in memory.
        frozen = signal.astype(np.float64, order="F")
        for array in (frozen, peaks, labels):
            if array is not None:
                array.setflags(write=False)
        for field, value in {
            "signal": frozen,
            "sampling_rate": rate,
            "lead_names": leads,
            "r_peaks": peaks,
            "beat_labels": labels,
        }.items():
            object.__setattr__(self, field, value)

    @property
    def n_times(self) -> int:
        """Number of samples in each lead."""
        return self.signal.shape[0]

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return self.signal.shape[1]

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self.n_times / self.sampling_rate

    def crop(self, start: int, stop: int) -> ECGRecord:
        """Return the stretch from sample `start` up to, not including, `stop`.

        Parameters
        ----------
        start, stop : int
            Sample numbers from the start of this record, ``0 <= start < stop <= n_times``.

        Returns
        -------
        record : ECGRecord
            The stretch. Its R peaks count from its start.
        """
        if not 0 <= start < stop <= self.n_times:
            raise ValueError(
                f"record {self.name!r}: cannot crop {start}..{stop} "
                f"out of 0..{self.n_times} samples."
            )
        peaks, labels = self.r_peaks, self.beat_labels
        if peaks is not None:
            first, last = np.searchsorted(peaks, [start, stop])
            peaks = peaks[first:last] - start
            labels = None if labels is None else labels[first:last]
        return replace(self, signal=self.signal[start:stop], r_peaks=peaks, beat_labels=labels)

    def plot(
        self,
        *,
        start: float = 0.0,
        duration: float | None = None,
        leads: Sequence[str | int] | None = None,
        limits: tuple[float, float] | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Draw the record on ECG paper: 1 s is as long as 2.5 mV are high.

        A small square is 40 ms by 0.1 mV, a large one 200 ms by 0.5 mV. Several leads are
        drawn below each other, each with its median on a heavy line.

        Parameters
        ----------
        start : float, default=0.0
            Where the strip begins, in s from the record's start.
        duration : float, optional
            Its length in s; by default it reaches to the end. More than 12 s are drawn
            without the small squares.
        leads : sequence of str or int, optional
            Names or positions of the leads; all by default.
        limits : (float, float), optional
            Lowest and highest value in mV that the paper shows, for figures of several records
            in the same scale; by default those of the strip.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.plot`, for all leads.

        Returns
        -------
        ax : matplotlib Axes
            Its x axis is in s, its y axis in mV. Gaps stay open.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the strip is not inside the record, or there is no such lead.

        Examples
        --------
        >>> from sklearn_ecganon import make_ecg_records
        >>> record = make_ecg_records(n_subjects=1, random_state=0).data[0]
        >>> record.plot(start=2, duration=5).get_xlabel()
        'time (s)'
        """
        return draw_record(self, start, duration, leads, limits, ax, kwargs)

    def _repr_html_(self) -> str:
        """Return a table for notebooks. Subject and session are not shown."""
        missing = float(np.isnan(self.signal).mean())
        return html_table(
            f"ECGRecord {self.name}",
            [
                ("duration", f"{self.duration:.1f} s ({self.n_times} samples)"),
                ("sampling rate", f"{self.sampling_rate:g} Hz"),
                ("leads", " ".join(self.lead_names)),
                ("R peaks", "not annotated" if self.r_peaks is None else len(self.r_peaks)),
                ("not recorded", f"{missing:.1%}"),
            ],
        )

    def __repr__(self) -> str:
        return (
            f"ECGRecord({self.name!r}: {self.duration:.1f} s, "
            f"{self.sampling_rate:g} Hz, {' '.join(self.lead_names)})"
        )
