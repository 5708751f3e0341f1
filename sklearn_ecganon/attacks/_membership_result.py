"""What membership inference achieves: its figures and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sklearn_ecganon.attacks._result_mixin import ResultMixin, json_number
from sklearn_ecganon.metrics import Estimate, auc_interval, membership_advantage

FALSE_POSITIVE_RATES = (0.01, 0.1)
N_RESAMPLES = 1000


class MembershipRow(NamedTuple):
    """What one attack achieved.

    Attributes
    ----------
    attack : str
        ``"nearest"``, ``"density"``, or ``"blind"``, which does not use the model.
    auc : float
        Probability that a member scores above a non-member; 0.5 for guessing.
    low, high : float
        Ends of its 95 % interval from a bootstrap over subjects.
    advantage : float
        Largest true minus false positive rate; above 0 for guessing, too.
    p_value : float
        How often the AUC is as high if membership is assigned at random.
    tpr : dict of float to float
        True positive rate at each false positive rate that the number of subjects allows.
    """

    attack: str
    auc: float
    low: float
    high: float
    advantage: float
    p_value: float
    tpr: dict[float, float]

    @property
    def estimate(self) -> Estimate:
        """The AUC and its interval."""
        return Estimate(self.auc, self.low, self.high)


@dataclass(frozen=True, repr=False)
class MembershipResult(ResultMixin):
    """How well attacks separate members of the training data from people it does not hold.

    Parameters
    ----------
    rows : tuple of MembershipRow
        One for each attack on the model.
    blind : MembershipRow
        The attack that does not use the model. If it succeeds, members and non-members
        differ before any training, and no figure here is about the model.
    p_value : float
        How often the larger AUC of both attacks is as high if membership is assigned at
        random.
    n_members, n_non_members, n_public : int
        Subjects on either side, and subjects whose recordings the attacker had.
    n_generated : int
        Number of generated beats that the attacker used.
    scores : dict of str to tuple of ndarray
        For each attack the scores of the members and those of the non-members, one a
        subject.
    """

    rows: tuple[MembershipRow, ...]
    blind: MembershipRow
    p_value: float
    n_members: int
    n_non_members: int
    n_public: int
    n_generated: int
    scores: dict[str, tuple[NDArray, NDArray]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def worst(self) -> MembershipRow:
        """The attack with the highest AUC."""
        return max(self.rows, key=lambda row: row.auc)

    @property
    def privacy(self) -> float:
        """1 if the worst attack does no better than guessing, 0 if it never fails."""
        return float(np.clip(2 - 2 * self.worst.auc, 0, 1))

    @property
    def unlike(self) -> bool:
        """True if members and non-members can be separated without the model."""
        return not self.blind.low <= 0.5 <= self.blind.high

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries.

        Returns
        -------
        records : list of dict
            One dictionary for each row, ready for ``pandas.DataFrame``.
        """
        return [row._asdict() for row in (*self.rows, self.blind)]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, ready for JSON.

        Returns
        -------
        figures : dict
            Headline figures, and ``rows`` with one dictionary for each attack.
        """
        rows = [
            {name: json_number(value) for name, value in record.items() if name != "tpr"}
            | {"tpr": {f"{rate:g}": value for rate, value in record["tpr"].items()}}
            for record in self.to_records()
        ]
        return {
            "privacy": self.privacy,
            "auc": self.worst.auc,
            "p_value": self.p_value,
            "unlike": self.unlike,
            "n_members": self.n_members,
            "n_non_members": self.n_non_members,
            "n_public": self.n_public,
            "n_generated": self.n_generated,
            "rows": rows,
        }

    def _summary(self) -> dict[str, str]:
        return {
            "worst": f"AUC {self.worst.estimate:.2f} by {self.worst.attack}",
            "p": f"{self.p_value:.3f}",
            "privacy": f"{self.privacy:.2f}",
            "subjects": f"{self.n_members} members and {self.n_non_members} non-members",
        }

    def __str__(self) -> str:
        lines = [
            f"membership inference: {self.n_members} members, {self.n_non_members} "
            f"non-members, {self.n_public} public subjects, {self.n_generated} generated beats",
            f"{'attack':<10}{'AUC [95 % interval]':<24}{'advantage':<12}{'p':<9}"
            + "".join(f"{f'TPR at FPR {fpr:.0%}':<17}" for fpr in self.blind.tpr),
        ]
        for row in (*self.rows, self.blind):
            lines.append(
                f"{row.attack:<10}{f'{row.auc:.2f} [{row.low:.2f}, {row.high:.2f}]':<24}"
                f"{row.advantage:<12.2f}{row.p_value:<9.3f}"
                + "".join(f"{tpr:<17.2f}" for tpr in row.tpr.values())
            )
        worst = self.worst
        lines.append(
            f"worst: AUC {worst.auc:.2f} by {worst.attack}; p {self.p_value:.3f} for the "
            f"larger of both; privacy {self.privacy:.2f}"
        )
        lines.append(
            f"With {self.n_members} and {self.n_non_members} subjects an AUC up to "
            f"{worst.high:.2f} is not ruled out."
        )
        if self.unlike:
            lines.append(
                "UNLIKE GROUPS: members and non-members differ without the model; this "
                "proves nothing about it."
            )
        return "\n".join(lines)


def membership_row(
    attack: str,
    members: NDArray,
    others: NDArray,
    null: NDArray,
    random_state: np.random.RandomState,
) -> MembershipRow:
    """Return the figures of one attack.

    Parameters
    ----------
    attack : str
        Name of the attack.
    members, others : ndarray of shape (n_members,) and (n_non_members,)
        Scores of people.
    null : ndarray of shape (n_permutations,)
        From `null_aucs`.
    random_state : RandomState
        Draws the bootstrap samples.
    """
    separation = membership_advantage(members, others)
    _, low, high = auc_interval(
        members, others, n_resamples=N_RESAMPLES, random_state=random_state
    )
    return MembershipRow(
        attack=attack,
        auc=separation.auc,
        low=low,
        high=high,
        advantage=separation.advantage,
        p_value=permutation_p_value(null, separation.auc),
        tpr={
            fpr: tpr_at_fpr(members, others, fpr)
            for fpr in FALSE_POSITIVE_RATES
            if round(fpr * len(others), 9) >= 1
        },
    )


def tpr_at_fpr(members: NDArray, others: NDArray, fpr: float) -> float:
    """Return the fraction of members above all but the highest `fpr` of the others."""
    allowed = int(round(fpr * len(others), 9))
    return float((members > np.sort(others)[::-1][allowed]).mean())


def null_aucs(
    scores: NDArray, n_members: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Return the AUC of each attack if membership is assigned at random.

    The draws are the same for all attacks: shape (n_attacks, N_RESAMPLES).
    """
    n = scores.shape[1]
    ranks = rankdata(scores, axis=1)
    members = rng.random_sample((N_RESAMPLES, n)).argsort(axis=1)[:, :n_members]
    sums = ranks[:, members].sum(axis=2) - n_members * (n_members + 1) / 2
    return sums / (n_members * (n - n_members))


def permutation_p_value(null: NDArray, auc: float) -> float:
    """Return the permutation p-value; the outcome itself is one of the permutations."""
    return float((1 + (null >= auc - 1e-9).sum()) / (1 + len(null)))
