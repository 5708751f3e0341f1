"""A figure of original and release on ECG paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.plot._style import ORIGINAL, RELEASED
from sklearn_ecganon.records import (
    UNITS_PER_S,
    BeatSet,
    ECGRecord,
    axes_for,
    rule_ecg_paper,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


class BeatOverlayDisplay:
    """The release drawn over the original, on ECG paper.

    Make it with :meth:`from_beats` or :meth:`from_records`. A small square is 40 ms by
    0.1 mV, a large one 200 ms by 0.5 mV. As on paper at 25 mm/s and 10 mm/mV, 1 s is as
    long as 2.5 mV are high, unless the figure would become too narrow or too high.

    Parameters
    ----------
    before, after : array-like of shape (n_traces, n_times)
        Waveforms in mV.
    time : array-like of shape (n_times,)
        Times of the samples of `before`, in `unit`.
    time_after : array-like of shape (n_times_after,), optional
        Times of the samples of `after`, if its sampling rate is another.
    unit : {"ms", "s"}, default="ms"
        Unit of the times. In ms they count from the R peak, in s from the record's start.
    lead : str, default=""
        Name of the lead.
    name : str, default=""
        Name of the record.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.
    before_lines_, after_lines_ : list of matplotlib Line2D
        One line for each trace.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.plot import BeatOverlayDisplay
    >>> before = np.exp(-((np.arange(200) - 100) / 5.0) ** 2) * np.ones((3, 1))
    >>> display = BeatOverlayDisplay.from_beats(before, 0.9 * before, sampling_rate=250)
    >>> float(display.time[before[0].argmax()])
    0.0
    """

    ax_: Axes
    figure_: Figure
    before_lines_: list[Line2D]
    after_lines_: list[Line2D]

    def __init__(
        self,
        before: ArrayLike,
        after: ArrayLike,
        *,
        time: ArrayLike,
        time_after: ArrayLike | None = None,
        unit: str = "ms",
        lead: str = "",
        name: str = "",
    ) -> None:
        if unit not in UNITS_PER_S:
            raise ValueError(f"unit={unit!r}; choose from {list(UNITS_PER_S)}.")
        self.before = np.atleast_2d(np.asarray(before, dtype=float))
        self.after = np.atleast_2d(np.asarray(after, dtype=float))
        self.time = np.asarray(time, dtype=float)
        self.time_after = (
            self.time if time_after is None else np.asarray(time_after, dtype=float)
        )
        self.unit = unit
        self.lead = lead
        self.name = name

    @classmethod
    def from_beats(
        cls,
        before: BeatSet | ArrayLike,
        after: BeatSet | ArrayLike,
        *,
        record: int = 0,
        lead: int | str = 0,
        n_beats: int = 8,
        sampling_rate: float | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw beats of one record, aligned at their R peaks.

        Parameters
        ----------
        before, after : BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            The same beats in mV, R peak at column ``n_times // 2``.
        record : int, default=0
            Position of the record in a BeatSet. An array has the beats of one record.
        lead : int or str, default=0
            The lead, by position, or by name in a BeatSet.
        n_beats : int, default=8
            Number of beats, evenly spread over the record.
        sampling_rate : float, optional
            Sampling rate in Hz; needed for arrays. A BeatSet has its own.
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.plot`, for all lines.

        Returns
        -------
        display : BeatOverlayDisplay
            The figure is in its `figure_`.

        Raises
        ------
        ValueError
            If the beats do not correspond, an array comes without its sampling rate, or the
            lead does not exist.

        Examples
        --------
        >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
        >>> from sklearn_ecganon.plot import BeatOverlayDisplay
        >>> bunch = make_ecg_records(n_subjects=1, duration=10.0, random_state=0)
        >>> beats = QRSSegmenter().fit_transform(bunch.data)
        >>> display = BeatOverlayDisplay.from_beats(beats, beats, record=1, n_beats=3)
        >>> len(display.after_lines_)
        3
        """
        if isinstance(before, BeatSet) and isinstance(after, BeatSet):
            old, new, rate = before[record].beats, after[record].beats, before.sampling_rate
            name, leads = before.names[record], before.lead_names[record]
        else:
            if sampling_rate is None:
                raise ValueError("arrays have no sampling rate; give sampling_rate= in Hz.")
            old, new, rate = np.asarray(before), np.asarray(after), sampling_rate
            n_leads = old.shape[1] if old.ndim == 3 else 1
            name, leads = "", tuple(f"lead {i + 1}" for i in range(n_leads))
        if old.shape != new.shape or old.ndim not in (2, 3):
            raise ValueError(
                f"before has shape {old.shape} and after {new.shape}; give the same beats "
                "twice, (n_beats, n_times) or (n_beats, n_leads, n_times)."
            )
        if n_beats < 1:
            raise ValueError(f"n_beats={n_beats}; give 1 or more.")
        shown = min(n_beats, len(old))
        rows = ((np.arange(shown) + 0.5) * len(old) / shown).astype(int)
        column = _lead_column(lead, leads)
        n_times = old.shape[-1]
        old, new = (
            beats.reshape(len(beats), -1, n_times)[rows, column] for beats in (old, new)
        )
        return cls(
            old,
            new,
            time=(np.arange(n_times) - n_times // 2) * 1000 / rate,
            lead=leads[column],
            name=name,
        ).plot(ax=ax, **kwargs)

    @classmethod
    def from_records(
        cls,
        before: ECGRecord,
        after: ECGRecord,
        *,
        start: float = 0.0,
        duration: float = 5.0,
        lead: int | str = 0,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a strip of one record.

        Parameters
        ----------
        before, after : ECGRecord
            The same record; the sampling rates may differ. Gaps (NaN) stay open.
        start : float, default=0.0
            Start of the strip, in s from the start of the record.
        duration : float, default=5.0
            Length of the strip in s.
        lead : int or str, default=0
            The lead of `after`, by position or name. The lead of `before` has the same name.
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.plot`, for both lines.

        Returns
        -------
        display : BeatOverlayDisplay
            The figure is in its `figure_`.

        Raises
        ------
        ValueError
            If the strip is not inside the record, or one of the records has no such lead.

        Examples
        --------
        >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
        >>> from sklearn_ecganon.plot import BeatOverlayDisplay
        >>> [record] = make_ecg_records(n_subjects=1, n_sessions=1, random_state=0).data
        >>> segmenter = QRSSegmenter()
        >>> beats = segmenter.fit_transform([record])
        >>> [stitched] = segmenter.inverse_transform(beats)
        >>> strip = BeatOverlayDisplay.from_records(record, stitched, start=2, duration=3)
        >>> strip.ax_.get_xlabel()
        'time (s)'
        """
        name = after.lead_names[_lead_column(lead, after.lead_names)]
        times, traces = [], []
        for record in (before, after):
            first = round(start * record.sampling_rate)
            last = round((start + duration) * record.sampling_rate)
            if not 0 <= first < last <= record.n_times:
                raise ValueError(
                    f"record {record.name!r}: {start:g} to {start + duration:g} s is not in "
                    f"its {record.duration:g} s; give another start or duration."
                )
            column = _lead_column(name, record.lead_names)
            times.append(np.arange(first, last) / record.sampling_rate)
            traces.append(record.signal[first:last, column])
        return cls(
            *traces, time=times[0], time_after=times[1], unit="s", lead=name, name=before.name
        ).plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the release over the original.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.plot`, for all lines.

        Returns
        -------
        self : BeatOverlayDisplay
            With `ax_`, `figure_`, `before_lines_` and `after_lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        width = 5.4 if self.unit == "ms" else 9.0
        is_new_figure = ax is None
        ax = axes_for(self, ax, figsize=(width, 4.0))
        many = len(self.before) > 1
        look = {"linewidth": 1.0 if many else 1.4, "alpha": 0.75 if many else 1.0, **kwargs}
        original = {"color": ORIGINAL, "label": "original", **look}
        released = {"color": RELEASED, "label": "released", **look}
        self.before_lines_ = ax.plot(self.time, self.before.T, **original)
        self.after_lines_ = ax.plot(self.time_after, self.after.T, **released)
        ax.set_xlim(self.time[0], self.time[-1])
        lead = self.lead if self.lead.startswith("lead") else f"lead {self.lead}".strip()
        ax.set(
            xlabel="time from the R peak (ms)" if self.unit == "ms" else "time (s)",
            ylabel=f"{lead} (mV)",
        )
        ratio = rule_ecg_paper(ax, self.unit)
        if is_new_figure:  # fit it to the paper, labels and legend
            ax.figure.set_size_inches(width, (width - 2.2) * ratio + 1.0)  # type: ignore[union-attr]
        ax.legend(
            handles=[self.before_lines_[0], self.after_lines_[0]],
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            frameon=False,
        )
        ax.set_title(f"record {self.name}" if self.name else "", loc="left", fontsize="medium")
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self


def _lead_column(lead: int | str, names: tuple[str, ...]) -> int:
    """Return the position of a lead, given by position or name."""
    if isinstance(lead, str):
        if lead in names:
            return names.index(lead)
    elif 0 <= lead < len(names):
        return int(lead)
    raise ValueError(f"lead={lead!r} does not exist; the leads are {', '.join(names)}.")
