"""What the attackers achieved, as a table that prints itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sklearn_ecganon.metrics import subject_bootstrap

if TYPE_CHECKING:
    from sklearn_ecganon.attacks._ladder import Trials

KNOWLEDGE = ("ignorant", "lazy-informed", "semi-informed")
PANEL_NAMES = ("waveform", "full")
#: Attackers who add up the scores of others, and what they thereby see.
FUSION_SEES = {"waveform-fusion": "waveform", "fusion": "all"}


def fusions(seen_by: dict[str, str]) -> dict[str, list[str]]:
    """Return who adds up whose scores, for attackers and what they see."""
    waveform = [name for name, sees in seen_by.items() if sees == "waveform"]
    found = {}
    if len(waveform) > 1:
        found["waveform-fusion"] = waveform
    if 0 < len(waveform) < len(seen_by):
        found["fusion"] = list(seen_by)
    return found


class LadderRow(NamedTuple):
    """One attacker at one rung of the ladder.

    Attributes
    ----------
    attacker : str
        Name of the attacker.
    knowledge : str
        ``"original"`` (no anonymization: how strong the attacker is), ``"ignorant"``,
        ``"lazy-informed"`` or ``"semi-informed"``.
    evidence : int
        Beats of one probe that were combined.
    rank1 : float
        Share of probes named correctly, mean over subjects.
    low, high : float
        Ends of its 95 % interval from a bootstrap over subjects.
    rank1_probes : float
        The same, mean over probes.
    eer : float
        Equal error rate of verification.
    n_probes : int
        Probes scored.
    n_short : int
        Probes among them that had fewer beats than `evidence`; all they had was used.
    sees : str
        What the attacker looks at: ``"waveform"``, ``"rhythm"``, ``"numbers"``,
        ``"categories"``, or ``"all"`` that the panel sees.
    subject_rank1 : tuple of float
        Share of probes named correctly, for each probed subject in order.
    """

    attacker: str
    knowledge: str
    evidence: int
    rank1: float
    low: float
    high: float
    rank1_probes: float
    eer: float
    n_probes: int
    n_short: int
    sees: str = "waveform"
    subject_rank1: tuple[float, ...] = ()

    @property
    def panel(self) -> str:
        """``"waveform"`` if the attacker sees beat windows only, else ``"full"``."""
        return PANEL_NAMES[self.sees != "waveform"]


class Excess(NamedTuple):
    """How much more the worst attacker names than what the contract keeps gives away.

    The worst is the highest of many figures, the floor of few: where nothing is given away
    the difference is above 0 more often than not, and the interval does not know that.

    Attributes
    ----------
    value : float
        Difference of two rank-1 figures; below 0, less is named than the floor.
    low, high : float
        Ends of its 95 % interval from a bootstrap over subjects, who are the same in both.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ReidentificationResult:
    """The ladder of one release: what each attacker achieved with what he knew.

    Parameters
    ----------
    rows : tuple of LadderRow
        All rungs.
    n_subjects : int
        Size of the gallery.
    n_probe_subjects : int
        Subjects that had a probe.
    split : str
        How gallery and probes were told apart: ``"session"``, ``"time"`` or ``"random"``.
    weak : bool
        True if no attacker was strong enough on originals to be believed.
    contract : {"diagnostic", "measurement"} or None
        What the release is said to keep.
    floor_rows : tuple of LadderRow
        What an attacker achieves on originals who sees the contract's features alone.
    trials : dict of (str, str) to Trials
        For each attacker and knowledge the scores of all probes, with the most evidence;
        for CMC and DET curves.
    """

    rows: tuple[LadderRow, ...]
    n_subjects: int
    n_probe_subjects: int
    split: str
    weak: bool
    contract: str | None = None
    floor_rows: tuple[LadderRow, ...] = ()
    trials: dict[tuple[str, str], Trials] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def chance(self) -> float:
        """Rank-1 of guessing."""
        return 1 / self.n_subjects

    @property
    def worst(self) -> LadderRow:
        """The rung with the highest rank-1 on the release.

        Its interval is its own: it does not know that the highest of many was picked.
        """
        return self.worst_of(*PANEL_NAMES)

    def worst_of(self, *panels: str) -> LadderRow:
        """Return the rung with the highest rank-1 on the release, of some panels.

        Parameters
        ----------
        *panels : {"waveform", "full"}
            Whose attackers count.

        Returns
        -------
        row : LadderRow
            The worst.

        Raises
        ------
        ValueError
            If no such attacker was there.
        """
        released = [r for r in self.rows if r.knowledge != "original" and r.panel in panels]
        if not released:
            raise ValueError(f"no attacker of {panels} tried; the panel was another.")
        return max(released, key=lambda row: row.rank1)

    @property
    def floor(self) -> LadderRow | None:
        """The floor of the contract: its highest rung, or None without a contract."""
        return max(self.floor_rows, key=lambda row: row.rank1, default=None)

    @property
    def excess(self) -> Excess | None:
        """Rank-1 of the worst attacker minus the floor, or None without a contract."""
        if self.floor is None:
            return None
        more = np.subtract(self.worst.subject_rank1, self.floor.subject_rank1)
        value, low, high = subject_bootstrap(more, np.arange(len(more)), random_state=0)
        # Alike in everybody, resampling shows no spread; a difference has two open ends.
        if not more.any():
            low = -high
        elif (more == -1).all():
            high = -float(0.025 ** (1 / len(more)))
        return Excess(value, low, high)

    @property
    def privacy(self) -> float:
        """1 where the worst attacker does no better than chance, 0 where he always wins."""
        return min(1.0, 1 - (self.worst.rank1 - self.chance) / (1 - self.chance))

    def best_of_panel(self) -> dict[tuple[str, int], LadderRow]:
        """Return for each (knowledge, evidence) the row of the most successful attacker."""
        best: dict[tuple[str, int], LadderRow] = {}
        for row in self.rows:
            key = (row.knowledge, row.evidence)
            if key not in best or row.rank1 > best[key].rank1:
                best[key] = row
        return best

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, ready for ``pandas.DataFrame``."""
        return [
            {"panel": row.panel, **row._asdict(), "split": self.split}
            for row in (*self.rows, *self.floor_rows)
        ]

    def __str__(self) -> str:
        evidence = sorted({row.evidence for row in self.rows})
        rows = sorted(self.rows, key=lambda row: PANEL_NAMES.index(row.panel))
        rows += self.floor_rows
        rungs = dict.fromkeys((row.attacker, row.knowledge) for row in rows)
        table = {(r.attacker, r.knowledge, r.evidence): r for r in rows}
        lines = [
            f"rank-1 in % [95 % interval], {self.n_subjects} subjects, "
            f"{self.n_probe_subjects} of them probed, split by {self.split}, "
            f"chance {self.chance:.1%}",
            f"{'attacker':<17}{'knowledge':<15}"
            + "".join(f"{f'{e} beat' + 's' * (e > 1):>23}" for e in evidence),
        ]
        for attacker, knowledge in rungs:
            cells = ""
            for e in evidence:
                row = table[attacker, knowledge, e]
                interval = f"[{100 * row.low:.1f}, {100 * row.high:.1f}]"
                cells += f"{f'{100 * row.rank1:.1f} {interval}':>23}"
            lines.append(f"{attacker:<17}{knowledge:<15}{cells}")
        worst = self.worst
        lines.append(
            f"worst: {worst.rank1:.1%} by {worst.attacker}, {worst.knowledge}, "
            f"{worst.evidence} beats; EER {worst.eer:.1%}; privacy {self.privacy:.2f}"
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
        if self.split == "random":
            lines.append(
                "Beats of one recording are on both sides (beat-level random split): "
                "for comparison with published figures only."
            )
        if self.weak:
            lines.append("WEAK ATTACK: the attackers fail on originals; this proves nothing.")
        return "\n".join(lines)
