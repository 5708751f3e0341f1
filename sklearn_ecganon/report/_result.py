"""The result of an audit: a table, a file, a page."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ecganon.attacks import Evaluation, IdentityMap, ResultMixin, json_number
from sklearn_ecganon.metrics import cmc_curve, d_sys, tar_at_far
from sklearn_ecganon.records import ECGRecord

SCHEMA_VERSION = 2


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
    omitted : dict of str to str
        Names of recordings that were left out, and why.
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
    omitted: dict[str, str] = field(default_factory=dict)
    maps: dict[str, IdentityMap] = field(default_factory=dict)
    strips: tuple[tuple[ECGRecord, ECGRecord], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    created: str = field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @property
    def verdict(self) -> str:
        """The result in plain words."""
        evaluation, worst = self.evaluation, self.evaluation.worst
        n_recognized = worst.rank1 * evaluation.n_probe_subjects
        n_attacks = sum(row.knowledge != "original" for row in evaluation.rows)
        sentences = [
            f"Of {evaluation.n_probe_subjects} people, the most successful of {n_attacks} "
            f"attacks on this release recognizes {n_recognized:.1f} ({worst.rank1:.1%}; "
            f"between {worst.low:.1%} and {worst.high:.1%} with 95 % confidence). Guessing "
            f"recognizes {evaluation.chance:.1%}.",
            *self._excess_sentence(),
        ]
        if {row.knowledge for row in evaluation.rows} <= {"original", "ignorant"}:
            sentences.append(
                "CAUTION: only attackers who know the originals, and nothing of how the "
                "release was made, were tried. With the software, or a second release of the "
                "same people, an attacker may recognize more."
            )
        if evaluation.weak:
            sentences.append(
                "CAUTION: the attackers fail on the originals too, so their failure on the "
                "release proves nothing."
            )
        return " ".join(sentences)

    def _excess_sentence(self) -> list[str]:
        """Return the comparison with the floor of the contract, if there is one."""
        floor, excess = self.evaluation.floor, self.evaluation.excess
        if floor is None or excess is None:
            return []
        value, low, high = (f"{100 * figure:+.1f}" for figure in excess)
        comparison = "no attack recognizes more than that."
        if excess.low > 0:
            comparison = (
                f"the most successful attack is {100 * excess.value:.1f} percentage points "
                f"above that ({low} to {high})."
            )
        elif excess.value > 0:
            comparison = (
                f"the most successful attack is {value} percentage points from that ({low} to "
                f"{high}), which cannot be told from chance."
            )
        return [
            f"What the release is meant to keep (the {self.contract} contract) would by itself "
            f"recognize {floor.rank1:.1%}: {comparison}"
        ]

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
            "package_version": version("sklearn-ecganon"),
            "created": self.created,
            "verdict": self.verdict,
            "n_samples": self.n_samples,
            "settings": self.settings,
            "omitted": self.omitted,
            **self.evaluation.to_dict(),
            "contract": self.contract,
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
        return {**self.evaluation._summary(), "recordings": str(self.n_samples)}

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
        lines = [self.verdict, "", str(self.evaluation), "", "utility"]
        lines += [
            f"  {name:<36}{value:10.3f}"
            for name, value in self.evaluation.utility_figures.items()
        ]
        for name, reason in self.omitted.items():
            lines.append(f"left out: {name}: {reason}")
        return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
