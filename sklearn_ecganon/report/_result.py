"""What an audit found: a table, a file, a page."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_ecganon.attacks import IdentityMap, ReidentificationResult
from sklearn_ecganon.metrics import cmc_curve, d_sys, tar_at_far
from sklearn_ecganon.records import ECGRecord

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class AuditResult:
    """Who could be recognised in a release, and what it is still good for.

    Parameters
    ----------
    ladder : ReidentificationResult
        What each attacker achieved, and the floor of the contract.
    utility : dict of str to float
        From `UtilityScorer`.
    contract : {"diagnostic", "measurement"}
        What the release promises to keep.
    n_samples : int
        Recordings compared (beats, for arrays), after single ones were cut in two.
    omitted : dict of str to str
        Recordings that were left out, and why.
    maps : dict of str to IdentityMap
        Where in the beat people are recognised, ``"before"`` and ``"after"``; the latter only
        where people were released more than once.
    strips : tuple of (ECGRecord, ECGRecord)
        A few originals and releases for the page. They are NOT in the JSON file.
    settings : dict
        Attackers and seed.
    created : str
        When, in UTC.

    See Also
    --------
    audit : Makes it.
    """

    ladder: ReidentificationResult
    utility: dict[str, float]
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
        """The finding in plain words."""
        ladder, worst = self.ladder, self.ladder.worst
        named = worst.rank1 * ladder.n_probe_subjects
        n_attacks = sum(row.knowledge != "original" for row in ladder.rows)
        parts = [
            f"Of {ladder.n_probe_subjects} people, the most successful of {n_attacks} attacks "
            f"on this release recognises {named:.1f} ({worst.rank1:.1%}; between "
            f"{worst.low:.1%} and {worst.high:.1%} with 95 % confidence), where guessing "
            f"recognises {ladder.chance:.1%}."
        ]
        floor, excess = ladder.floor, ladder.excess
        if floor is not None and excess is not None:
            parts.append(
                f"What the release is meant to keep (the {self.contract} contract) would by "
                f"itself recognise {floor.rank1:.1%}: "
                + (
                    f"the most successful attack is {100 * excess.value:.1f} percentage points "
                    f"above that ({100 * excess.low:+.1f} to {100 * excess.high:+.1f})."
                    if excess.low > 0
                    else "beyond that, the release gives away nothing that could be told from "
                    f"chance ({100 * excess.value:+.1f} percentage points; "
                    f"{100 * excess.low:+.1f} to {100 * excess.high:+.1f})."
                    if excess.value > 0
                    else "no attack got more than that out of the release."
                )
            )
        if {row.knowledge for row in ladder.rows} <= {"original", "ignorant"}:
            parts.append(
                "CAUTION: only attackers who know the originals, and nothing of how the "
                "release was made, were tried. With the software, or a second release of the "
                "same people, one may recognise more."
            )
        if ladder.weak:
            parts.append(
                "CAUTION: the attackers fail on the originals too, so their failure on the "
                "release proves nothing."
            )
        return " ".join(parts)

    def identification(self) -> dict[str, dict[str, Any]]:
        """Return the curves of the worst attacker, on originals and on the release.

        Returns
        -------
        curves : dict of str to dict
            ``"original"`` and ``"release"``, each with `attacker`, `knowledge`, `cmc` (share
            of subjects within the first k names), `tar_at_far_0.01`, `tar_at_far_0.001`
            (None where there are too few strangers to observe such a rate), `d_sys` and its
            permutation `p_value`; from the most beats that were combined.
        """
        worst = self.ladder.worst
        curves = {}
        for stage, knowledge in (("original", "original"), ("release", worst.knowledge)):
            trials = self.ladder.trials[worst.attacker, knowledge]
            names = np.arange(trials.scores.shape[1])
            scores = trials.comparable
            n_strangers = len(scores) * (len(names) - 1)
            low, lower = (
                float(tar_at_far(scores, trials.subjects, names, far))
                if far * n_strangers >= 1  # else no such rate was observed
                else None
                for far in (0.01, 0.001)
            )
            linked = d_sys(scores, trials.subjects, names, n_permutations=200, random_state=0)
            curves[stage] = {
                "attacker": worst.attacker,
                "knowledge": knowledge,
                "cmc": cmc_curve(scores, trials.subjects, names).tolist(),
                "tar_at_far_0.01": low,
                "tar_at_far_0.001": lower,
                "d_sys": float(linked.value),
                "p_value": float(linked.p_value),
            }
        return curves

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON.

        Returns
        -------
        figures : dict
            As ``report/audit.schema.json`` describes; `schema_version` grows when a figure
            changes its name or meaning. Holds no signal.
        """
        ladder = self.ladder
        return {
            "schema_version": SCHEMA_VERSION,
            "package_version": version("sklearn-ecganon"),
            "created": self.created,
            "contract": self.contract,
            "verdict": self.verdict,
            "n_samples": self.n_samples,
            "n_subjects": ladder.n_subjects,
            "n_probe_subjects": ladder.n_probe_subjects,
            "chance": ladder.chance,
            "split": ladder.split,
            "weak": ladder.weak,
            "settings": self.settings,
            "omitted": self.omitted,
            "rank1": ladder.worst.rank1,
            "privacy": ladder.privacy,
            "worst": _plain(ladder.worst),
            "floor": None if ladder.floor is None else _plain(ladder.floor),
            "excess": None if ladder.excess is None else ladder.excess._asdict(),
            "ladder": [_plain(row) for row in (*ladder.rows, *ladder.floor_rows)],
            "identification": self.identification(),
            "identity_map": {
                stage: [
                    {key: _number(value) for key, value in row._asdict().items()}
                    for row in found.rows
                ]
                for stage, found in self.maps.items()
            },
            "utility": {name: _number(value) for name, value in self.utility.items()},
        }

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write all figures to a JSON file.

        Parameters
        ----------
        path : str or path-like
            Where; what lies there is replaced once the new file is complete.
        """
        _write(Path(path), json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write a page that opens offline and prints to A4.

        It shows a few seconds of some originals beside their releases: give it only to
        whoever may see the originals, or make it of an `AuditResult` without `strips`.

        Parameters
        ----------
        path : str or path-like
            Where; what lies there is replaced once the new file is complete.

        Raises
        ------
        ImportError
            If jinja2 or matplotlib is not installed.
        """
        from sklearn_ecganon.report._html import render

        _write(Path(path), render(self))

    def __str__(self) -> str:
        lines = [self.verdict, "", str(self.ladder), "", "utility"]
        lines += [f"  {name:<36}{value:10.3f}" for name, value in self.utility.items()]
        for name, reason in self.omitted.items():
            lines.append(f"left out: {name}: {reason}")
        return "\n".join(lines)


def _plain(row: Any) -> dict[str, Any]:
    kept = {key: value for key, value in row._asdict().items() if key != "subject_rank1"}
    return {"panel": row.panel, **{key: _number(value) for key, value in kept.items()}}


def _number(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
