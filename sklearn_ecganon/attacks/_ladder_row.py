"""One row of the ladder: what one attacker achieves at one threat level."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn_ecganon.attacks._result_mixin import json_number
from sklearn_ecganon.metrics import Estimate

KNOWLEDGE = ("ignorant", "lazy-informed", "semi-informed")
PANEL_NAMES = ("waveform", "full")
# Modalities that use nothing but beat windows.
BEAT_WINDOWS = ("waveform", "averages")


class LadderRow(NamedTuple):
    """One attacker at one threat level.

    Attributes
    ----------
    attacker : str
        Name of the attacker.
    knowledge : str
        ``"original"`` (no anonymization: how strong the attacker is), ``"ignorant"``,
        ``"lazy-informed"``, ``"semi-informed"``, or ``"floor"`` (on originals, from what the
        contract keeps).
    evidence : int or str
        Beats of one probe that were combined; ``"recording"``: all of them; ``"linked"``: those
        of all probes of a subject.
    rank1 : float
        Fraction of probes identified at the first guess, mean over subjects.
    low, high : float
        Ends of its 95 % interval from a bootstrap over subjects.
    rank1_probes : float
        The same, mean over probes.
    eer : float
        Equal error rate of verification.
    n_probes : int
        Number of probes.
    n_short : int
        Number of probes with fewer beats than `evidence`; all their beats were used.
    modality : str
        What the attacker looks at: ``"waveform"``, ``"averages"``, ``"rhythm"``,
        ``"intervals"``, ``"categories"``, ``"strip"``, or ``"all"`` for the fusion of
        attackers on several.
    subject_rank1 : tuple of float
        Fraction of probes identified, for each probed subject in order.
    """

    attacker: str
    knowledge: str
    evidence: int | str
    rank1: float
    low: float
    high: float
    rank1_probes: float
    eer: float
    n_probes: int
    n_short: int
    modality: str = "waveform"
    subject_rank1: tuple[float, ...] = ()

    @property
    def panel(self) -> str:
        """``"waveform"`` if the attacker looks at beat windows only, else ``"full"``."""
        return PANEL_NAMES[self.modality not in BEAT_WINDOWS]

    @property
    def estimate(self) -> Estimate:
        """Rank-1 and its interval."""
        return Estimate(self.rank1, self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the row, ready for JSON.

        Returns
        -------
        figures : dict
            With its panel, and without the figures of single subjects.
        """
        figures = {"panel": self.panel, **self._asdict()}
        figures.pop("subject_rank1")
        return {name: json_number(value) for name, value in figures.items()}
