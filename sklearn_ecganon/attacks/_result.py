"""What the attackers achieved, as a table that prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

KNOWLEDGE = ("ignorant", "lazy-informed", "semi-informed")


class WeakAttackWarning(UserWarning):
    """The attacker fails on originals, so that its failure on a release proves nothing."""


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
    """

    rows: tuple[LadderRow, ...]
    n_subjects: int
    n_probe_subjects: int
    split: str
    weak: bool

    @property
    def chance(self) -> float:
        """Rank-1 of guessing."""
        return 1 / self.n_subjects

    @property
    def worst(self) -> LadderRow:
        """The rung with the highest rank-1 on the release."""
        released = [row for row in self.rows if row.knowledge != "original"]
        return max(released, key=lambda row: row.rank1)

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
        return [{**row._asdict(), "split": self.split} for row in self.rows]

    def __str__(self) -> str:
        evidence = sorted({row.evidence for row in self.rows})
        rungs = dict.fromkeys((row.attacker, row.knowledge) for row in self.rows)
        table = {(r.attacker, r.knowledge, r.evidence): r for r in self.rows}
        lines = [
            f"rank-1 in % [95 % interval], {self.n_subjects} subjects, "
            f"{self.n_probe_subjects} of them probed, split by {self.split}, "
            f"chance {self.chance:.1%}",
            f"{'attacker':<12}{'knowledge':<15}"
            + "".join(f"{f'{e} beat' + 's' * (e > 1):>23}" for e in evidence),
        ]
        for attacker, knowledge in rungs:
            cells = ""
            for e in evidence:
                row = table[attacker, knowledge, e]
                interval = f"[{100 * row.low:.1f}, {100 * row.high:.1f}]"
                cells += f"{f'{100 * row.rank1:.1f} {interval}':>23}"
            lines.append(f"{attacker:<12}{knowledge:<15}{cells}")
        worst = self.worst
        lines.append(
            f"worst: {worst.rank1:.1%} by {worst.attacker}, {worst.knowledge}, "
            f"{worst.evidence} beats; EER {worst.eer:.1%}; privacy {self.privacy:.2f}"
        )
        if self.split == "random":
            lines.append(
                "Beats of one recording are on both sides (beat-level random split): "
                "for comparison with published figures only."
            )
        if self.weak:
            lines.append("WEAK ATTACK: the attackers fail on originals; this proves nothing.")
        return "\n".join(lines)
