"""What attackers achieve: one result type, which prints itself and becomes a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sklearn_ecganon.attacks._evidence import describe_evidence, sort_evidence
from sklearn_ecganon.attacks._ladder_row import PANEL_NAMES, LadderRow
from sklearn_ecganon.attacks._result_mixin import ResultMixin, json_number
from sklearn_ecganon.attacks._trials import Trials
from sklearn_ecganon.contracts import ProfileAnonymity
from sklearn_ecganon.metrics import Estimate, Realism, paired_difference

# Below, guessing and identifying one person in ten look alike.
FEWEST_SUBJECTS = 20
SIGNIFICANCE = 0.05
#: What a classifier of labels is trained on and tested on.
CROSSINGS = {
    "trtr": "real on real",
    "tstr": "release on real",
    "trts": "real on release",
    "tsts": "release on release",
}


@dataclass(frozen=True, repr=False)
class Evaluation(ResultMixin):
    """What attackers achieve on one release, and what the release is still good for.

    ``print(evaluation)`` shows the ladder of attackers. Two evaluations are equal if their
    rows are: trials and utility are not compared.

    Parameters
    ----------
    rows : tuple of LadderRow
        All attackers at all threat levels.
    n_subjects : int
        Size of the gallery.
    n_probe_subjects : int
        Number of subjects that have a probe.
    split : {"session", "time", "random"}
        How gallery and probes were separated.
    weak : bool
        True if no attacker was strong enough on originals to be believed.
    contract : {"diagnostic", "measurement"} or None
        What the release promises to keep.
    floor_rows : tuple of LadderRow
        What attackers achieve on originals from what the contract keeps, and nothing else.
    utility_figures : dict of str to float
        From :meth:`UtilityScorer.evaluate <sklearn_ecganon.utility.UtilityScorer.evaluate>`
        on the probes; empty if utility was not measured.
    trials : dict of (str, str) to Trials
        For each attacker and knowledge the scores of all probes, with the most evidence from
        one recording; for CMC and DET curves.
    p_value : float or None
        How often the highest of all figures is as high if subjects are permuted; see
        :func:`~sklearn_ecganon.metrics.highest_rank1`.
    profiles : ProfileAnonymity or None
        How many subjects share each profile of the released probes; None if not measured.
    validity : Validity or None
        Whether the released probes are valid ECGs, beside the same checks of their originals;
        from :func:`~sklearn_ecganon.utility.validity`.
    realism : Realism or None
        How well released strips can be distinguished from real ones, with a control.
    label_figures : dict of str to dict
        For each label of the user the figures of
        :func:`~sklearn_ecganon.utility.label_utility`.

    See Also
    --------
    sklearn_ecganon.evaluation.evaluate : Computes it.
    """

    rows: tuple[LadderRow, ...]
    n_subjects: int
    n_probe_subjects: int
    split: str
    weak: bool
    contract: str | None = None
    floor_rows: tuple[LadderRow, ...] = ()
    utility_figures: dict[str, float] = field(default_factory=dict, compare=False)
    trials: dict[tuple[str, str], Trials] = field(default_factory=dict, compare=False)
    p_value: float | None = field(default=None, compare=False)
    profiles: ProfileAnonymity | None = field(default=None, compare=False)
    validity: Any = field(default=None, compare=False)
    realism: Realism | None = field(default=None, compare=False)
    label_figures: dict[str, dict[str, float]] = field(default_factory=dict, compare=False)

    @property
    def chance(self) -> float:
        """Rank-1 of guessing."""
        return 1 / self.n_subjects

    @property
    def worst(self) -> LadderRow:
        """The row with the highest rank-1 on the release.

        Its interval does not account for the choice of the highest of many figures.
        """
        return self.worst_of(*PANEL_NAMES)

    def worst_of(self, *panels: str) -> LadderRow:
        """Return the row with the highest rank-1 on the release, of some panels.

        Parameters
        ----------
        *panels : {"waveform", "full"}
            Panels whose attackers count.

        Returns
        -------
        row : LadderRow
            The worst.

        Raises
        ------
        ValueError
            If no attacker of these panels was evaluated.
        """
        released = [r for r in self.rows if r.knowledge != "original" and r.panel in panels]
        if not released:
            raise ValueError(f"no attacker of the panels {panels} was evaluated.")
        return max(released, key=lambda row: row.rank1)

    @property
    def privacy(self) -> float:
        """1 if the worst attacker does no better than chance, 0 if it always succeeds."""
        return min(1.0, 1 - (self.worst.rank1 - self.chance) / (1 - self.chance))

    @property
    def is_chance(self) -> bool:
        """Whether the attackers cannot be told from attackers who guess.

        True if at least 20 subjects were probed and the p-value of the highest of all figures
        is above 0.05. With few people a small leak remains undetected: this says that the
        figures are compatible with guessing, not that the release gives nothing away.
        """
        if self.p_value is None or self.n_probe_subjects < FEWEST_SUBJECTS:
            return False
        return self.p_value > SIGNIFICANCE

    @property
    def floor(self) -> LadderRow | None:
        """The floor of the contract, or None without a contract.

        It is the highest row of the floor with as much evidence as the worst row has.
        """
        rows = [row for row in self.floor_rows if row.evidence == self.worst.evidence]
        return max(rows, key=lambda row: row.rank1, default=None)

    @property
    def excess(self) -> Estimate | None:
        """Rank-1 of the worst attacker minus the floor, or None without a contract.

        The worst figure is the highest of many, the floor the highest of few. The difference
        is therefore above 0 more often than not, even if the release gives nothing away. Its
        interval, from a bootstrap over subjects, does not account for that.
        """
        if self.floor is None:
            return None
        return paired_difference(
            self.worst.subject_rank1, self.floor.subject_rank1, random_state=0
        )

    @property
    def utility(self) -> float | None:
        """Fraction of the contract that the release keeps, or None if not measured."""
        return self.utility_figures.get("utility")

    @property
    def evidence(self) -> list[int | str]:
        """The evidence of all rows, from little to much."""
        return sort_evidence(row.evidence for row in self.rows)

    def best_of_panel(self) -> dict[tuple[str, int | str], LadderRow]:
        """Return the most successful attacker for each knowledge and evidence.

        Returns
        -------
        best : dict
            Keys are pairs of knowledge and evidence, values are rows.
        """
        best: dict[tuple[str, int | str], LadderRow] = {}
        for row in self.rows:
            key = (row.knowledge, row.evidence)
            if key not in best or row.rank1 > best[key].rank1:
                best[key] = row
        return best

    def scores(self) -> dict[str, float]:
        """Return flat figures for ``GridSearchCV(scoring=...)``; greater is better everywhere.

        Returns
        -------
        scores : dict of str to float
            ``privacy`` in [0, 1], ``is_chance`` as 0 or 1,
            ``neg_rank1_<knowledge>_<evidence>`` of the best attacker, and the figures of
            utility: errors with their sign changed, as ``neg_<name>``, without counts, signed
            errors and figures of the originals.
        """
        scores = {"privacy": self.privacy, "is_chance": float(self.is_chance)}
        for (knowledge, evidence), row in self.best_of_panel().items():
            scores[f"neg_rank1_{knowledge.replace('-', '_')}_{evidence}"] = -row.rank1
        for name, value in self.utility_figures.items():
            if name.startswith(_ERRORS):
                scores[f"neg_{name}"] = -value
            elif not name.startswith(_NO_SCORE):
                scores[name] = value
        return scores

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, with their panel and split.

        Returns
        -------
        records : list of dict
            Ready for ``pandas.DataFrame``.
        """
        return [
            {"panel": row.panel, **row._asdict(), "split": self.split}
            for row in (*self.rows, *self.floor_rows)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON.

        Returns
        -------
        figures : dict
            Headline figures, ``ladder`` with one dictionary for each row, and ``utility``.
            Unknown figures are None. `validity` has one dictionary for each check.
        """
        validity = [] if self.validity is None else self.validity.rows
        realism = {} if self.realism is None else self.realism._asdict()
        return {
            "contract": self.contract,
            "n_subjects": self.n_subjects,
            "n_probe_subjects": self.n_probe_subjects,
            "chance": self.chance,
            "split": self.split,
            "weak": self.weak,
            "rank1": self.worst.rank1,
            "privacy": self.privacy,
            "worst": self.worst.to_dict(),
            "p_value": self.p_value,
            "profiles": None if self.profiles is None else self.profiles.to_dict(),
            "floor": None if self.floor is None else self.floor.to_dict(),
            "excess": None if self.excess is None else self.excess._asdict(),
            "ladder": [row.to_dict() for row in (*self.rows, *self.floor_rows)],
            "utility": _json_numbers(self.utility_figures),
            "validity": [_json_numbers(row._asdict()) for row in validity],
            "realism": _json_numbers(realism) or None,
            "labels": {n: _json_numbers(row) for n, row in self.label_figures.items()},
        }

    def _summary(self) -> dict[str, str]:
        worst = self.worst
        summary = {
            "worst": f"{worst.estimate:.1%} by {worst.attacker}, {worst.knowledge}, "
            f"{describe_evidence(worst.evidence)}",
            "privacy": f"{self.privacy:.2f}",
        }
        if self.floor is not None and self.excess is not None:
            summary["floor"] = f"{self.floor.estimate:.1%}"
            summary["excess"] = f"{self.excess:+.1%}"
        if self.utility is not None:
            summary["utility"] = f"{self.utility:.2f}"
        summary["subjects"] = str(self.n_subjects)
        return summary

    def __str__(self) -> str:
        lines = [
            f"rank-1 in % [95 % interval], {self.n_subjects} subjects, "
            f"{self.n_probe_subjects} of them probed, split by {self.split}, "
            f"chance {self.chance:.1%}",
            *self._table(),
            *self._conclusions(),
        ]
        if self.validity is not None:
            lines += ["", f"is the release a valid ECG: {self.validity}"]
        if self.realism is not None:
            lines += ["", f"realism of strips: {self.realism}"]
        if self.label_figures:
            lines += ["", *self._label_lines()]
        return "\n".join(lines)

    def _label_lines(self) -> list[str]:
        """Return a table of the labels: the mean AUC of each crossing."""
        headers = "".join(f"{words:>20}" for words in CROSSINGS.values())
        lines = [f"{'label (AUC, trained on)':<24}{headers}"]
        for name, row in self.label_figures.items():
            cells = "".join(f"{row[crossing]:>20.3f}" for crossing in CROSSINGS)
            lines.append(f"{name:<24}{cells}")
        return lines

    def _table(self) -> list[str]:
        """Return the lines of the ladder: one for each attacker and threat level."""
        evidence = self.evidence
        rows = sorted(self.rows, key=lambda row: PANEL_NAMES.index(row.panel))
        rows += self.floor_rows
        cells = {
            (r.attacker, r.knowledge, r.evidence): (
                f"{100 * r.rank1:.1f} [{100 * r.low:.1f}, {100 * r.high:.1f}]"
            )
            for r in rows
        }
        headers = "".join(f"{describe_evidence(e):>23}" for e in evidence)
        lines = [f"{'attacker':<18}{'knowledge':<15}{headers}"]
        for attacker, knowledge in dict.fromkeys((r.attacker, r.knowledge) for r in rows):
            of_line = "".join(
                f"{cells.get((attacker, knowledge, e), '-'):>23}" for e in evidence
            )
            lines.append(f"{attacker:<18}{knowledge:<15}{of_line}")
        return lines

    def _conclusions(self) -> list[str]:
        """Return the lines below the ladder: the worst, the floor, utility and caveats."""
        worst = self.worst
        lines = [
            f"worst: {worst.rank1:.1%} by {worst.attacker}, {worst.knowledge}, "
            f"{describe_evidence(worst.evidence)}; EER {worst.eer:.1%}; "
            f"privacy {self.privacy:.2f}"
        ]
        if self.p_value is not None:
            lines.append(
                "probability that the highest of all figures is as high by chance: "
                f"{self.p_value:.3g}"
            )
        if len({row.panel for row in self.rows}) > 1:
            of_panels = [
                f"{panel} panel {self.worst_of(panel).rank1:.1%}" for panel in PANEL_NAMES
            ]
            lines.append("worst of the " + ", of the ".join(of_panels))
        floor, excess = self.floor, self.excess
        if floor is not None and excess is not None:
            lines.append(
                f"floor of the {self.contract} contract: {floor.rank1:.1%} "
                f"[{100 * floor.low:.1f}, {100 * floor.high:.1f}]; excess "
                f"{100 * excess.value:+.1f} points "
                f"[{100 * excess.low:+.1f}, {100 * excess.high:+.1f}]"
            )
        if self.profiles is not None:
            lines.append(f"profiles: {self.profiles}")
        if self.utility is not None:
            lines.append(f"utility, measured on the probes: {self.utility:.2f}")
        if self.split == "random":
            lines.append(
                "Beats of one recording are on both sides (beat-level random split): "
                "for comparison with published figures only."
            )
        if self.weak:
            lines.append("WEAK ATTACK: the attackers fail on originals; this proves nothing.")
        return lines


# Utility figures of which less is better, and those that are no score of the release.
_ERRORS = ("error_", "rmse_", "prd")
_NO_SCORE = ("n_records_", "bias_", "before_", "delineator_error_")


def _json_numbers(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures with None for those that are unknown."""
    return {name: json_number(value) for name, value in figures.items()}
