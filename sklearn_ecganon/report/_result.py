"""The result of an audit: a table, a file, a page."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ecganon import __version__
from sklearn_ecganon.attacks import (
    AttributeInference,
    Evaluation,
    IdentityMap,
    ResultMixin,
    json_number,
)
from sklearn_ecganon.metrics import cmc_curve, d_sys, tar_at_far
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.report._exposure import ExposedRelease
from sklearn_ecganon.report._labels import describe_figure
from sklearn_ecganon.report._names import hide_names
from sklearn_ecganon.report._singling_out import SinglingOut
from sklearn_ecganon.report._verdict import (
    MAX_RISK,
    Decision,
    decide,
    next_steps,
    verdict_sentences,
)

N_PRINTED = 5
SCHEMA_VERSION = 3


@dataclass(frozen=True, eq=False, repr=False)
class AuditResult(ResultMixin):
    """Who can be recognized in a release, and what it is still good for.

    Parameters
    ----------
    evaluation : Evaluation
        What each attacker achieves, the floor of the contract, and utility.
    contract : {"diagnostic", "measurement"}
        What the release promises to keep.
    n_samples : int
        Number of recordings compared (beats, for arrays), after single ones were cut in two.
    n_pairs, n_identical : int
        Recordings compared, before single ones were cut in two (beats, for arrays), and how
        many releases are identical to their original.
    max_risk : float
        The limit: highest accepted fraction of people recognized.
    allow_ignorant : bool
        Whether the audit may pass if only the ignorant attacker was tried.
    omitted : dict of str to str
        Names of recordings that were left out, and why.
    exposed : tuple of ExposedRelease
        The releases that attackers recognize, the most exposed first.
    singled_out : tuple of SinglingOut
        How many people unique values single out that the release keeps.
    inferred : dict of str to AttributeInference
        How well attributes of people are read from the release.
    provenance : dict
        Hashes of the folders and of the manifest, and what the manifest states.
    maps : dict of str to IdentityMap
        Where in the beat people are recognized, ``"before"`` and ``"after"``; the latter only
        if people were released more than once.
    strips : tuple of (ECGRecord, ECGRecord)
        A few originals and releases for the page. They are NOT in the JSON file.
    settings : dict
        Attackers and seed.
    created : str
        Time of the audit in UTC.

    See Also
    --------
    audit : Makes it.
    """

    evaluation: Evaluation
    contract: str
    n_samples: int
    n_pairs: int = 0
    n_identical: int = 0
    max_risk: float = MAX_RISK
    allow_ignorant: bool = False
    omitted: dict[str, str] = field(default_factory=dict)
    exposed: tuple[ExposedRelease, ...] = ()
    singled_out: tuple[SinglingOut, ...] = ()
    inferred: dict[str, AttributeInference] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, IdentityMap] = field(default_factory=dict)
    strips: tuple[tuple[ECGRecord, ECGRecord], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    created: str = field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @property
    def decision(self) -> Decision:
        """The outcome with its reasons, the risk, and the upper end of its interval."""
        return decide(self)

    @property
    def outcome(self) -> str:
        """``"at or below the limit"``, ``"above the limit"`` or ``"cannot tell"``."""
        return self.decision.outcome

    @property
    def is_ignorant(self) -> bool:
        """True if only attackers that know nothing of how the release was made were tried."""
        levels = {row.knowledge for row in self.evaluation.rows}
        return levels <= {"original", "ignorant"}

    @property
    def is_strong(self) -> bool:
        """False if no attacker on strips was tried although rhythms are known (not arrays)."""
        modalities = {row.modality for row in self.evaluation.rows}
        return "strip" in modalities or not self.maps

    @property
    def verdict(self) -> str:
        """The result in plain words."""
        return " ".join(verdict_sentences(self))

    @property
    def next_steps(self) -> list[str]:
        """What the owner of the release can do about the result."""
        return next_steps(self)

    def without_names(self) -> AuditResult:
        """Return the result with numbers in place of the names of originals and subjects.

        Returns
        -------
        result : AuditResult
            Names of releases stay, unless a release has the name of its original. The
            captions of strips are changed too; their signals are not.
        """
        return hide_names(self)

    def identification(self) -> dict[str, dict[str, Any]]:
        """Return the curves of the worst attacker, on originals and on the release.

        Returns
        -------
        curves : dict of str to dict
            ``"original"`` and ``"release"``, each with `attacker`, `knowledge`, `cmc` (fraction
            of probes whose subject is among the first k guesses), `tar_at_far_0.01`,
            `tar_at_far_0.001` (None if there are too few impostors to observe such a rate),
            `d_sys` and its permutation `p_value`; from the most evidence.
        """
        worst = self.evaluation.worst
        curves = {}
        for stage, knowledge in (("original", "original"), ("release", worst.knowledge)):
            trials = self.evaluation.trials[worst.attacker, knowledge]
            subjects = np.arange(trials.scores.shape[1])
            scores = trials.comparable
            n_impostors = len(scores) * (len(subjects) - 1)
            tar_at_1, tar_at_01 = (
                float(tar_at_far(scores, trials.subjects, subjects, far))
                if far * n_impostors >= 1  # else no such rate was observed
                else None
                for far in (0.01, 0.001)
            )
            linkability = d_sys(
                scores, trials.subjects, subjects, n_permutations=200, random_state=0
            )
            curves[stage] = {
                "attacker": worst.attacker,
                "knowledge": knowledge,
                "cmc": cmc_curve(scores, trials.subjects, subjects).tolist(),
                "tar_at_far_0.01": tar_at_1,
                "tar_at_far_0.001": tar_at_01,
                "d_sys": float(linkability.value),
                "p_value": float(linkability.p_value),
            }
        return curves

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows of the evaluation as dictionaries.

        Returns
        -------
        records : list of dict
            Ready for ``pandas.DataFrame``.
        """
        return self.evaluation.to_records()

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON.

        Returns
        -------
        figures : dict
            As ``report/audit.schema.json`` describes; `schema_version` grows when a figure
            changes its name or meaning. Holds no signal.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "package_version": __version__,
            "created": self.created,
            "verdict": self.verdict,
            "outcome": self.outcome,
            "reasons": list(self.decision.reasons),
            "risk": self.decision.risk,
            "risk_upper": self.decision.upper,
            "max_risk": self.max_risk,
            "allow_ignorant": self.allow_ignorant,
            "next_steps": self.next_steps,
            "n_pairs": self.n_pairs,
            "n_identical": self.n_identical,
            "n_samples": self.n_samples,
            "settings": self.settings,
            "omitted": self.omitted,
            **self.evaluation.to_dict(),
            "contract": self.contract,
            "singling_out": [row._asdict() for row in self.singled_out],
            "inference": {
                name: {key: json_number(value) for key, value in row._asdict().items()}
                for name, row in self.inferred.items()
            },
            "most_exposed": [row._asdict() for row in self.exposed],
            "provenance": self.provenance,
            "identification": self.identification(),
            "identity_map": {
                stage: [
                    {key: json_number(value) for key, value in row._asdict().items()}
                    for row in identity.rows
                ]
                for stage, identity in self.maps.items()
            },
        }

    def _summary(self) -> dict[str, str]:
        return {
            "outcome": f"{self.outcome} ({self.max_risk:.1%})",
            **self.evaluation._summary(),
            "recordings": str(self.n_samples),
        }

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write all figures to a JSON file.

        Parameters
        ----------
        path : str or path-like
            Destination; an existing file is replaced once the new one is complete.
        """
        _write(Path(path), json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page that opens offline and prints to A4.

        It shows a few seconds of some originals beside their releases: give it only to
        people who may see the originals, or write the page of an `AuditResult` without
        `strips`.

        Parameters
        ----------
        path : str or path-like
            Destination; an existing file is replaced once the new one is complete.

        Raises
        ------
        ImportError
            If jinja2 or matplotlib is not installed.
        """
        from sklearn_ecganon.report._html import render

        _write(Path(path), render(self))

    def __str__(self) -> str:
        lines = [self.verdict, "", str(self.evaluation), ""]
        if self.singled_out:
            lines.append("singling out: people with a value that is unique and kept")
            lines += [
                f"  {row.value:<36}{row.n_people:6d} ({row.fraction:.1%})"
                for row in self.singled_out
            ]
        for name, row in self.inferred.items():
            lines += ["", f"inference of {name}: {row}"]
        if self.exposed:
            lines += ["", "most exposed releases (attacks that recognize them)"]
            lines += [
                f"  {row.released:<36}{row.n_right:4d} of {row.n_attacks}"
                for row in self.exposed[:N_PRINTED]
            ]
        lines += ["", "utility"]
        for name, value in self.evaluation.utility_figures.items():
            label, unit = describe_figure(name)
            lines.append(f"  {label:<48}{value:10.3f} {unit}".rstrip())
        lines += ["", "what to do next", *(f"  {step}" for step in self.next_steps)]
        for name, reason in self.omitted.items():
            lines.append(f"left out: {name}: {reason}")
        return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
