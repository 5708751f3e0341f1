"""A figure of how well each part of a beat identifies people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from sklearn_ecganon.attacks import IdentityMap
from sklearn_ecganon.plot._style import ORIGINAL, RELEASED, TEXT
from sklearn_ecganon.records import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure


class IdentityMapDisplay:
    """Rank-1 from each slice of the beat alone, with the mean beat.

    Create it with :meth:`from_map`.

    Parameters
    ----------
    identity : IdentityMap
        The map to draw.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.
    bars_ : matplotlib BarContainer
        One bar for each slice.

    See Also
    --------
    sklearn_ecganon.attacks.identity_map : Computes the map.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import identity_map
    >>> from sklearn_ecganon.plot import IdentityMapDisplay
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> display = IdentityMapDisplay.from_map(identity_map(bunch.data, bunch.subject))
    >>> display.ax_.get_xlabel()
    'time from the R peak (ms)'
    """

    ax_: Axes
    figure_: Figure
    bars_: BarContainer

    def __init__(self, identity: IdentityMap) -> None:
        self.identity = identity

    @classmethod
    def from_map(cls, identity: IdentityMap, *, ax: Axes | None = None) -> Self:
        """Draw the result of `identity_map`.

        Parameters
        ----------
        identity : IdentityMap
            The map to draw.
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.

        Returns
        -------
        display : IdentityMapDisplay
            The figure is in its `figure_`.
        """
        return cls(identity).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw slices as bars, parts as horizontal lines, and list the others in the title.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.

        Returns
        -------
        display : IdentityMapDisplay
            This display.
        """
        ax = axes_for(self, ax, (8.0, 4.4))
        identity = self.identity
        slices = [row for row in identity.rows if row.part == "slice"]
        parts = [row for row in identity.rows if row.part in ("before QRS", "QRS", "after QRS")]
        # Parts that are not intervals of the beat are listed in the title.
        placed = {"slice", *(row.part for row in parts)}
        others = [row for row in identity.rows if row.part not in placed]
        rank1 = 100 * np.array([row.rank1 for row in slices])
        spread = 100 * np.array([[r.rank1 - r.low, r.high - r.rank1] for r in slices]).T
        self.bars_ = ax.bar(
            [(row.start + row.stop) / 2 for row in slices],
            rank1,
            width=0.9 * (slices[0].stop - slices[0].start),
            yerr=spread,
            color=RELEASED,
            ecolor=TEXT,
            capsize=2,
            label="one slice alone",
        )
        for row in parts:
            ax.hlines(100 * row.rank1, row.start, row.stop, color=TEXT, linewidth=2)
        ax.axhline(
            100 * identity.chance,
            color=TEXT,
            linestyle=":",
            label=f"chance, {100 * identity.chance:.1f} %",
        )
        ax.set(
            xlabel="time from the R peak (ms)",
            ylabel="subjects recognized, rank-1 (%)",
            ylim=(0, 112),
            yticks=range(0, 101, 20),
        )
        ax.set_title(
            f"Identification from one part alone: {identity.n_subjects} subjects, "
            f"{identity.evidence} beats, {identity.attacker}\n"
            + ", ".join(f"{row.part} {100 * row.rank1:.0f} %" for row in others),
            loc="left",
            fontsize="medium",
        )
        beat = ax.twinx()
        times = np.arange(len(identity.mean_beat)) - len(identity.mean_beat) // 2
        beat.plot(
            1000 * times / identity.sampling_rate,
            identity.mean_beat,
            color=ORIGINAL,
            linewidth=1.5,
            label="mean beat",
        )
        # The beat stays below the horizontal lines.
        low, height = identity.mean_beat.min(), np.ptp(identity.mean_beat)
        beat.set_ylim(low - 0.1 * height, low + 1.7 * height)
        beat.set_ylabel("mean beat (mV)", color=ORIGINAL)
        for row in parts:
            # The axes of the beat are in front; texts stand on white before bars and curve.
            beat.annotate(
                f"{row.part} {100 * row.rank1:.0f} %",
                ((row.start + row.stop) / 2, 100 * row.rank1),
                xycoords=ax.transData,
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize="small",
                color=TEXT,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
            )
        for axes in (ax, beat):
            axes.spines["top"].set_visible(False)
        handles = [*ax.get_legend_handles_labels()[0], *beat.get_legend_handles_labels()[0]]
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.1, 1), frameon=False)
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self
