"""ECG paper, and records and beats drawn on it. Only drawing needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PAPER_MAJOR = "#e8a9a1"
PAPER_MINOR = "#f8e3e0"
INK = "#1a1a1a"
BEAT = "#8c8c8c"
MEDIAN_BEAT = "#0072B2"
# On paper 1 s is 25 mm long and 1 mV is 10 mm high.
MM_PER_S = 25.0
MM_PER_MV = 10.0
UNITS_PER_S = {"ms": 1000.0, "s": 1.0}
# With more small squares than this their lines would merge, so they are not drawn. The
# height of the paper over its width is limited as well.
MOST_SMALL_SQUARES = 300
BOX_RATIOS = (0.12, 1.6)
#: Distance in mV of two leads on one sheet, at least and at most, and the height of the sheet
#: up to which leads are given more than the least.
_ROW_HEIGHTS = (1.0, 4.0)
_SHEET_HEIGHT = 28.0


def axes_for(owner: Any, ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure.

    Parameters
    ----------
    owner : object
        The object that draws; errors name its class.
    ax : matplotlib Axes or None
        The axes that the caller chose.
    figsize : tuple of float
        Width and height in inches of a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The axes to draw into.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(owner).__name__} draws with matplotlib, which is not installed; run "
            'pip install "sklearn-ecganon[plot]"'
        ) from error
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def rule_ecg_paper(ax: Axes, unit: str) -> float:
    """Rule the axes like ECG paper, to its scale, and return their height over their width.

    Parameters
    ----------
    ax : matplotlib Axes
        Their limits are those of the paper; the y axis is in mV.
    unit : {"ms", "s"}
        Unit of the x axis.

    Returns
    -------
    ratio : float
        Height over width of the box.
    """
    from matplotlib.ticker import FuncFormatter, MultipleLocator, NullLocator

    per_s = UNITS_PER_S[unit]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    seconds, millivolts = (right - left) / per_s, top - bottom
    for axis, squares, small in (
        (ax.xaxis, seconds / 0.04, 0.04 * per_s),
        (ax.yaxis, millivolts / 0.1, 0.1),
    ):
        few = squares <= MOST_SMALL_SQUARES
        axis.set_minor_locator(MultipleLocator(small) if few else NullLocator())
        if few:
            axis.set_major_locator(MultipleLocator(5 * small))
    if seconds > 3 and unit == "s":
        # The large squares stay, but only whole seconds have a number.
        whole = FuncFormatter(lambda s, _: f"{s:.0f}" if abs(s - round(s)) < 1e-6 else "")
        ax.xaxis.set_major_formatter(whole)
        if millivolts > 2:
            # Ten seconds side by side are small, and every second number would cover the next.
            ax.yaxis.set_major_formatter(whole)
    ax.grid(which="minor", color=PAPER_MINOR, linewidth=0.5)
    ax.grid(which="major", color=PAPER_MAJOR, linewidth=0.7)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_color(PAPER_MAJOR)
    ax.set_axisbelow(True)
    ratio = float(np.clip(millivolts * MM_PER_MV / (seconds * MM_PER_S), *BOX_RATIOS))
    ax.set_box_aspect(ratio)
    return ratio


def draw_record(
    record: Any,
    start: float,
    duration: float | None,
    leads: Sequence[str | int] | None,
    limits: tuple[float, float] | None,
    ax: Axes | None,
    style: dict[str, Any],
) -> Axes:
    """Draw a strip of a record; see `ECGRecord.plot`."""
    columns = [column_of(lead, record.lead_names, record.name) for lead in leads or ()]
    columns = columns or list(range(record.n_leads))
    stop = record.duration if duration is None else start + duration
    first, last = round(start * record.sampling_rate), round(stop * record.sampling_rate)
    if not 0 <= first < last <= record.n_times:
        raise ValueError(
            f"record {record.name!r}: cannot show {start:g} to {stop:g} s of "
            f"{record.duration:g} s; choose another start or duration."
        )
    traces = record.signal[first:last, columns]
    names = [record.lead_names[column] for column in columns]
    baselines = np.zeros(len(columns))
    if len(columns) > 1:
        # Each lead has its median on a heavy line of the paper.
        recorded = ~np.isnan(traces).all(axis=0)
        medians = np.zeros(len(columns))
        medians[recorded] = np.nanmedian(traces[:, recorded], axis=0)
        row_height = _row_height(traces[:, recorded])
        baselines = row_height * np.arange(len(columns), dtype=float)[::-1]
        traces = traces - medians + baselines
    width = 10.0
    is_new = ax is None
    ax = axes_for(record, ax, figsize=(width, 4.0))
    time = np.arange(first, last) / record.sampling_rate
    ax.plot(time, traces, **{"color": INK, "linewidth": 0.8, **style})
    ax.set_xlim(time[0], last / record.sampling_rate)
    if limits is not None:
        ax.set_ylim(*limits)
    ax.set(xlabel="time (s)", ylabel=f"lead {names[0]} (mV)".replace("lead lead", "lead"))
    if len(columns) > 1:
        ax.set_ylabel("leads; a large square is 0.5 mV high")
    ratio = rule_ecg_paper(ax, "s")
    if len(columns) > 1:
        _name_rows(ax, baselines, names)
    if is_new:
        ax.figure.set_size_inches(width, (width - 1.0) * ratio + 0.8)  # type: ignore[union-attr]
    ax.set_title(f"record {record.name}", loc="left", fontsize="medium")
    return ax


def draw_beats(
    beats: Any, record: int, lead: str | int, ax: Axes | None, style: dict[str, Any]
) -> Axes:
    """Draw the beats of one record and their median; see `BeatSet.plot`."""
    chosen = beats[record]
    [name], [lead_names] = chosen.names, chosen.lead_names
    column = column_of(lead, lead_names, name)
    windows = chosen.beats[:, column]
    if not len(windows):
        raise ValueError(f"record {name!r}: has no beats to draw.")
    time = (np.arange(beats.n_times) - beats.n_times // 2) * 1000 / beats.sampling_rate
    width = 5.0
    is_new = ax is None
    ax = axes_for(beats, ax, figsize=(width, 4.0))
    every = {"color": BEAT, "linewidth": 0.6, "alpha": 0.5, **style}
    ax.plot(time, windows.T, **every)
    ax.plot(time, np.median(windows, axis=0), color=MEDIAN_BEAT, linewidth=1.6)
    ax.set_xlim(time[0], time[-1])
    ax.set(
        xlabel="time from the R peak (ms)",
        ylabel=f"lead {lead_names[column]} (mV)".replace("lead lead", "lead"),
    )
    ratio = rule_ecg_paper(ax, "ms")
    if is_new:
        ax.figure.set_size_inches(width, (width - 1.0) * ratio + 0.8)  # type: ignore[union-attr]
    title = f"record {name}: {len(windows)} beats and their median"
    ax.set_title(title, loc="left", fontsize="medium")
    return ax


def column_of(lead: str | int, names: Sequence[str], record: str) -> int:
    """Return the position of a lead, given by position or name."""
    if isinstance(lead, str):
        if lead in names:
            return list(names).index(lead)
    elif 0 <= lead < len(names):
        return int(lead)
    raise ValueError(
        f"record {record!r}: has no lead {lead!r}; its leads are {', '.join(names)}."
    )


def _row_height(traces: np.ndarray) -> float:
    """Return the distance of two leads in mV, a whole number of large squares."""
    if not traces.size:
        return _ROW_HEIGHTS[0]
    low, high = np.nanpercentile(traces, [0.1, 99.9], axis=0)
    least, most = _ROW_HEIGHTS
    most = max(least, min(most, _SHEET_HEIGHT / (traces.shape[1] + 1)))
    squares = min(np.ceil((high - low).max() / 0.5), most // 0.5)
    return max(least, float(squares) * 0.5)


def _name_rows(ax: Axes, baselines: np.ndarray, names: Sequence[str]) -> None:
    """Write the name of each lead at its baseline, and leave the paper's lines as they are."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator

    def name_at(value: float, _: Any) -> str:
        nearest = int(np.abs(baselines - value).argmin())
        return names[nearest] if abs(baselines[nearest] - value) < 1e-6 else ""

    if not isinstance(ax.yaxis.get_major_locator(), MultipleLocator):
        ax.yaxis.set_major_locator(FixedLocator(baselines.tolist()))
    ax.yaxis.set_major_formatter(FuncFormatter(name_at))


def html_table(caption: str, rows: Sequence[tuple[str, Any]]) -> str:
    """Return a small table for notebooks; all text is escaped.

    Parameters
    ----------
    caption : str
        Title of the table.
    rows : sequence of (str, object)
        Name and value of each row.

    Returns
    -------
    html : str
        A ``<table>`` element.
    """
    from html import escape

    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows
    )
    title = f'<caption style="text-align:left"><b>{escape(caption)}</b></caption>'
    return f"<table>{title}{cells}</table>"
