"""A figure of the privacy and utility of each candidate of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.model_selection import pareto_front
from sklearn_ecganon.plot._style import ORIGINAL, RELEASED, WARNING
from sklearn_ecganon.records import axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Fraction of an axis; the texts of two candidates that are nearer would overlap.
NEAR = 0.02


class PrivacyUtilityDisplay:
    """Risk against utility of each candidate, and the Pareto front.

    Create it with :meth:`from_cv_results`.

    Parameters
    ----------
    utility : array-like of shape (n_candidates,)
        Utility of each candidate, from 0 to 1.
    privacy : array-like of shape (n_candidates,)
        1 if the worst attacker does no better than chance, 0 if it always succeeds.
    labels : sequence of str, optional
        Text beside each candidate.
    label_name : str, default=""
        Name of the parameter in the labels, for the legend.
    best_index : int, optional
        The candidate that was refitted.

    Attributes
    ----------
    risk : ndarray of shape (n_candidates,)
        ``1 - privacy``.
    on_front : ndarray of bool of shape (n_candidates,)
        True for candidates on the Pareto front, False without a score.
    ax_ : matplotlib Axes
        The axes of the figure.
    figure_ : matplotlib Figure
        The figure.
    points_ : matplotlib PathCollection
        All candidates, in their order.
    front_ : matplotlib Line2D
        The front: the lowest risk at each utility or more.

    See Also
    --------
    sklearn_ecganon.model_selection.PrivacyUtilityScorer : Scores the candidates.
    sklearn_ecganon.model_selection.pareto_front : Computes the front.

    Examples
    --------
    >>> from sklearn_ecganon.plot import PrivacyUtilityDisplay
    >>> cv_results = {
    ...     "params": [{"strength": 0.0}, {"strength": 0.5}, {"strength": 1.0}],
    ...     "mean_test_privacy": [0.1, 0.8, 0.9],
    ...     "mean_test_utility": [1.0, 0.9, 0.6],
    ... }
    >>> display = PrivacyUtilityDisplay.from_cv_results(cv_results, best_index=1)
    >>> display.on_front
    array([ True,  True,  True])
    """

    ax_: Axes
    figure_: Figure
    points_: PathCollection
    front_: Line2D

    def __init__(
        self,
        utility: ArrayLike,
        privacy: ArrayLike,
        *,
        labels: list[str] | None = None,
        label_name: str = "",
        best_index: int | None = None,
    ) -> None:
        self.utility = np.asarray(utility, dtype=float)
        self.risk = 1 - np.asarray(privacy, dtype=float)
        self.labels = labels
        self.label_name = label_name
        self.best_index = best_index
        scored = np.isfinite(self.utility) & np.isfinite(self.risk)
        if not scored.any():
            raise ValueError(
                "no candidate has both a utility and a privacy; every fit or score failed, "
                "see GridSearchCV(error_score='raise')."
            )
        self.on_front = np.zeros(len(scored), dtype=bool)
        self.on_front[scored] = pareto_front(np.c_[self.utility, -self.risk][scored])

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        best_index: int | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the candidates of a search that `PrivacyUtilityScorer` scored.

        Parameters
        ----------
        cv_results : mapping
            ``cv_results_`` of the search. Means over its splits are drawn, and each
            candidate is labeled with the parameters that vary.
        best_index : int, optional
            ``best_index_`` of the search, to mark the candidate that was refitted.
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : PrivacyUtilityDisplay
            The figure is in its `figure_`.

        Raises
        ------
        ValueError
            If `cv_results` has no privacy and utility, or no candidate has both.
        """
        columns = ("mean_test_utility", "mean_test_privacy")
        missing = [key for key in columns if key not in cv_results]
        if missing:
            raise ValueError(
                f"cv_results has no {' and no '.join(missing)}; search with "
                "scoring=PrivacyUtilityScorer()."
            )
        label_name, labels = _varied(cv_results["params"])
        display = cls(
            *(cv_results[key] for key in columns),
            labels=labels,
            label_name=label_name,
            best_index=best_index,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw candidates and front.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw into; a new figure by default.
        **kwargs
            For `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        self : PrivacyUtilityDisplay
            With `ax_`, `figure_`, `points_` and `front_`.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = axes_for(self, ax, figsize=(6.4, 4.4))
        front = np.flatnonzero(self.on_front)
        front = front[np.argsort(self.utility[front])]
        # The front is drawn in steps, because nothing was measured between two candidates.
        (self.front_,) = ax.plot(
            self.utility[front],
            self.risk[front],
            drawstyle="steps-pre",
            marker="o",
            color=RELEASED,
            linewidth=1.2,
            label="Pareto front",
            zorder=1,
        )
        colors = np.where(self.on_front, RELEASED, ORIGINAL)
        self.points_ = ax.scatter(
            self.utility, self.risk, **{"c": colors, "s": 42, "zorder": 3, **kwargs}
        )
        if self.best_index is not None:
            ax.scatter(
                self.utility[self.best_index],
                self.risk[self.best_index],
                s=190,
                facecolors="none",
                edgecolors=WARNING,
                linewidths=1.8,
                label="refitted",
                zorder=2,
            )
        for (x, y), label in self._texts().items():
            # The front never runs below and to the right of a candidate, and slanted texts of
            # neighbors do not overlap.
            ax.annotate(
                label,
                (x, y),
                xytext=(7, -7),
                textcoords="offset points",
                rotation=-45,
                rotation_mode="anchor",
                va="top",
                fontsize="small",
            )
        ax.margins(x=0.1)
        ax.set(
            xlabel="utility (1: as the original)",
            ylabel="risk: worst attacker, chance (0) to certainty (1)",
            ylim=(-0.05, 1.05),
        )
        ax.set_yticks(np.linspace(0, 1, 6))
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(
            title=f"beside each: {self.label_name}" if self.label_name else None,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            frameon=False,
            alignment="left",
        )
        ax.set_title("Privacy and utility of each candidate", loc="left", fontsize="medium")
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self

    def _texts(self) -> dict[tuple[float, float], str]:
        """Return the text at each position. Candidates whose texts would overlap share one."""
        texts: dict[tuple[float, float], str] = {}
        near = np.array([np.nanmax(self.utility) - np.nanmin(self.utility), 1.0]) * NEAR
        for x, y, label in zip(self.utility, self.risk, self.labels or (), strict=False):
            if not np.isfinite([x, y]).all():
                continue
            place = (round(float(x), 3), round(float(y), 3))
            for other in texts:
                if (np.abs(np.subtract(place, other)) <= near).all():
                    sign = "=" if other == place else "\N{ALMOST EQUAL TO}"
                    texts[other] = f"{texts[other]} {sign} {label}"
                    break
            else:
                texts[place] = label
        return texts


def _varied(params: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """Return the name of the varied parameters, and the label of each candidate."""
    keys = sorted({key for candidate in params for key in candidate})
    values = {key: [str(candidate.get(key, "")) for candidate in params] for key in keys}
    varied = [key for key in keys if len(set(values[key])) > 1]
    names = [key.rpartition("__")[2] for key in varied]
    labels = [", ".join(values[key][i] for key in varied) for i in range(len(params))]
    return ", ".join(names), labels
