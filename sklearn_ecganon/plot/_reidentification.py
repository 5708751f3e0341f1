"""A figure of the ladder: rank-1 of the attackers at each threat level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.attacks import Evaluation, LadderRow, ReidentificationScorer
from sklearn_ecganon.plot._style import KNOWLEDGE_STYLE, TEXT, WARNING
from sklearn_ecganon.records import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure

# Horizontal offset of the lines, so that no interval hides another.
SIDESTEP = 0.07


class ReidentificationDisplay:
    """Rank-1 against evidence, one line for each level of knowledge.

    Create it with :meth:`from_result` or :meth:`from_estimator`.

    Parameters
    ----------
    result : Evaluation
        The evaluation to draw.
    attacker : str, optional
        Draw this attacker; by default the most successful of the panel at every point.

    Attributes
    ----------
    rows : dict of str to list of LadderRow
        The rows that are drawn: those of each level of knowledge, in order of evidence.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.
    lines_ : dict of str to matplotlib ErrorbarContainer
        The line of each level of knowledge.

    Raises
    ------
    ValueError
        If the result has no such attacker.

    See Also
    --------
    sklearn_ecganon.ReidentificationScorer : Computes the result.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, ReidentificationScorer, make_ecg_records
    >>> from sklearn_ecganon.plot import ReidentificationDisplay
    >>> bunch = make_ecg_records(n_subjects=4, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> scorer = ReidentificationScorer("lda", evidence=(1, 5))
    >>> result = scorer.evaluate("passthrough", beats, bunch.subject, sessions=bunch.session)
    >>> display = ReidentificationDisplay.from_result(result)
    >>> display.ax_.get_ylabel()
    'subjects recognized, rank-1 (%)'
    """

    rows: dict[str, list[LadderRow]]
    ax_: Axes
    figure_: Figure
    lines_: dict[str, ErrorbarContainer]

    def __init__(self, result: Evaluation, *, attacker: str | None = None) -> None:
        self.result = result
        self.attacker = attacker
        panel = list(dict.fromkeys(row.attacker for row in result.rows))
        if attacker is not None and attacker not in panel:
            raise ValueError(f"attacker={attacker!r}; the result has {panel}.")
        self._attackers = attacker or ", ".join(panel)
        rows = [row for row in result.rows if row.attacker == attacker]
        if attacker is None:
            rows = list(result.best_of_panel().values())
            if len(panel) > 1:
                # A title of many names would be cut.
                names = self._attackers if len(panel) <= 3 else f"{len(panel)} attackers"
                self._attackers = f"best of {names} at each point"
        order = result.evidence
        rows.sort(key=lambda row: order.index(row.evidence))
        self.rows = {
            knowledge: level
            for knowledge in KNOWLEDGE_STYLE
            if (level := [row for row in rows if row.knowledge == knowledge])
        }

    @classmethod
    def from_result(
        cls,
        result: Evaluation,
        *,
        attacker: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw an evaluation.

        Parameters
        ----------
        result : Evaluation
            From `evaluate` or `ReidentificationScorer.evaluate`.
        attacker : str, optional
            Draw this attacker; by default the most successful of the panel at every point.
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.errorbar`, for all lines.

        Returns
        -------
        display : ReidentificationDisplay
            The figure is in its `figure_`.
        """
        return cls(result, attacker=attacker).plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        anonymizer: Any,
        X: Any,
        y: ArrayLike,
        *,
        sessions: ArrayLike | None = None,
        scorer: ReidentificationScorer | None = None,
        attacker: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Evaluate a fitted anonymizer, and draw the result.

        Parameters
        ----------
        anonymizer : estimator
            Fitted anonymizer or Pipeline; ``"passthrough"`` for the originals.
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Original recordings in mV.
        y : array-like of shape (n_samples,)
            Subject of each sample.
        sessions : array-like of shape (n_samples,), optional
            Session of each sample; by default the `session` of the records.
        scorer : ReidentificationScorer, optional
            The attackers; by default those of ``ReidentificationScorer()``.
        attacker : str, optional
            Draw this attacker; by default the most successful of the panel at every point.
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.errorbar`, for all lines.

        Returns
        -------
        display : ReidentificationDisplay
            The figures are in its `result`.
        """
        scorer = ReidentificationScorer() if scorer is None else scorer
        result = scorer.evaluate(anonymizer, X, y, sessions=sessions)
        return cls.from_result(result, attacker=attacker, ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the ladder.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.errorbar`, for all lines.

        Returns
        -------
        self : ReidentificationDisplay
            With `ax_`, `figure_` and `lines_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax, figsize=(7.5, 4.2))
        result = self.result
        # The number of short probes depends on the evidence only, so any level has it.
        at_evidence = {row.evidence: row for level in self.rows.values() for row in level}
        columns = {
            evidence: column
            for column, evidence in enumerate(e for e in result.evidence if e in at_evidence)
        }
        notes = [
            f"* {at_evidence[e].n_short} of {at_evidence[e].n_probes} probes had fewer than {e}"
            for e in columns
            if at_evidence[e].n_short
        ]
        middle = (len(self.rows) - 1) / 2
        self.lines_ = {}
        for place, (knowledge, rows) in enumerate(self.rows.items()):
            rank1, low, high = 100 * np.array([(r.rank1, r.low, r.high) for r in rows]).T
            options = {**KNOWLEDGE_STYLE[knowledge], "capsize": 3, "markersize": 6, **kwargs}
            self.lines_[knowledge] = ax.errorbar(
                [columns[row.evidence] + SIDESTEP * (place - middle) for row in rows],
                rank1,
                # The mean of few subjects may lie a rounding error outside its interval.
                yerr=np.clip([rank1 - low, high - rank1], 0, None),
                label="originals" if knowledge == "original" else knowledge,
                **options,
            )
        chance = ax.axhline(
            100 * result.chance,
            color=TEXT,
            linestyle=":",
            linewidth=1.2,
            label=f"chance, {100 * result.chance:.1f} %",
            zorder=0,
        )
        ax.set(
            xlabel="\n".join(["evidence (beats of one recording)", *notes]),
            ylabel="subjects recognized, rank-1 (%)",
            xlim=(-0.4, len(columns) - 0.6),
            ylim=(-3, 103),
        )
        labels = [f"{e}*" if at_evidence[e].n_short else f"{e}" for e in columns]
        ax.set_xticks(range(len(columns)), labels)
        ax.grid(axis="y", color="0.92")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(
            handles=[*self.lines_.values(), chance],
            title="attacker's knowledge\n(bars: 95 % interval)",
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            frameon=False,
            alignment="left",
        )
        ax.set_title(self._title(), loc="left", fontsize="medium")
        if result.weak:
            ax.text(
                1.03,
                0.0,
                "WEAK ATTACK: fails on\noriginals, proves nothing",
                color=WARNING,
                transform=ax.transAxes,
            )
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _title(self) -> str:
        result = self.result
        split = f"split by {result.split}"
        if result.split == "random":
            split = "beats split at random (only to compare with published figures)"
        people = f"{result.n_subjects} subjects"
        if result.n_probe_subjects < result.n_subjects:
            people += f", {result.n_probe_subjects} of them probed"
        return f"Re-identification, {split}\n{people}; attacker: {self._attackers}"
