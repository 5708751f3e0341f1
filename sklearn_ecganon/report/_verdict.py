"""The verdict of an audit: at or below the limit, above it, or cannot tell."""

from __future__ import annotations

from typing import Any, NamedTuple

from scipy.stats import beta

#: With fewer people an audit never passes: guessing alone recognizes more than one in 20, and
#: even if nobody is recognized, a risk of 14 % cannot be excluded (1 - 0.05 ** (1 / 20)).
MIN_SUBJECTS = 20
#: Highest accepted risk by default: that of the European Medicines Agency and Health Canada for
#: clinical data that they publish (EMA policy 0070: 0.09, one in eleven).
MAX_RISK = 0.09
CONFIDENCE = 0.95

BELOW, ABOVE, UNKNOWN = "at or below the limit", "above the limit", "cannot tell"


class Decision(NamedTuple):
    """The outcome of an audit.

    Attributes
    ----------
    outcome : str
        ``"at or below the limit"``, ``"above the limit"`` or ``"cannot tell"``.
    reasons : tuple of str
        Why the audit cannot tell; empty for the other outcomes.
    risk : float
        Fraction of people recognized by the most successful attack, or the fraction of
        signals that are identical to an original if that is higher.
    upper : float
        With 95 % confidence the risk is no higher, if each person is an independent trial
        (Clopper-Pearson, one-sided).
    """

    outcome: str
    reasons: tuple[str, ...]
    risk: float
    upper: float


def check_max_risk(max_risk: float) -> float:
    """Return the limit, or refuse one that is no fraction."""
    if not 0 < max_risk < 1:
        raise ValueError(
            f"max_risk is {max_risk:g}; give a fraction between 0 and 1, for example 0.05 "
            "for 5 %."
        )
    return float(max_risk)


def decide(result: Any) -> Decision:
    """Compare the risk that an audit has measured with its limit."""
    evaluation = result.evaluation
    n_people = evaluation.n_probe_subjects
    n_pairs = max(result.n_pairs, 1)
    risk = max(evaluation.worst.rank1, result.n_identical / n_pairs)
    upper = _upper_end(risk, n_people)
    if n_people < MIN_SUBJECTS:
        few = f"only {n_people} people were probed, and a verdict needs {MIN_SUBJECTS}"
        return Decision(UNKNOWN, (few,), risk, upper)
    if risk > result.max_risk:
        return Decision(ABOVE, (), risk, upper)
    reasons = []
    if evaluation.weak:
        reasons.append("the attackers fail on the originals too")
    if result.is_ignorant and not result.allow_ignorant:
        reasons.append(
            "only attackers that know nothing of how the release was made were tried"
        )
    if upper > result.max_risk:
        reasons.append(
            f"with {n_people} people, a risk of up to {_percent(upper)} is compatible with "
            "the result"
        )
    return Decision(UNKNOWN if reasons else BELOW, tuple(reasons), risk, upper)


def verdict_sentences(result: Any) -> list[str]:
    """Return the verdict in plain words, the most important sentence first."""
    decision, evaluation = result.decision, result.evaluation
    limit = f"the limit of {_percent(result.max_risk)}"
    outcome = {
        BELOW: f"The risk is at or below {limit}.",
        ABOVE: f"The risk is above {limit}.",
        UNKNOWN: f"This audit cannot tell whether the risk is at or below {limit}: "
        f"{'; '.join(decision.reasons)}.",
    }[decision.outcome]
    worst = evaluation.worst
    n_attacks = sum(row.knowledge != "original" for row in evaluation.rows)
    sentences = [
        _identical_sentence(result),
        outcome,
        f"The most successful of {n_attacks} attacks recognizes {_percent(worst.rank1)} of "
        f"{evaluation.n_probe_subjects} people at the first guess (95 % interval "
        f"{_percent(worst.low)} to {_percent(worst.high)}); guessing recognizes "
        f"{_percent(evaluation.chance)}.",
        *_excess_sentence(result),
    ]
    if result.is_ignorant:
        sentences.append(
            "CAUTION: only attackers that know the originals, and nothing of how the release "
            "was made, were tried. With the software, or a second release of the same people, "
            "an attacker may recognize more."
        )
    if not result.is_strong:
        sentences.append(
            "CAUTION: the strongest attackers, on strips that are not cut into beats, were not "
            "tried, because they take longer. They may recognize more."
        )
    if evaluation.weak:
        sentences.append(
            "CAUTION: the attackers fail on the originals too, so their failure on the "
            "release proves nothing."
        )
    return sentences


def next_steps(result: Any) -> list[str]:
    """Return what the owner of the release can do about the result."""
    decision, evaluation = result.decision, result.evaluation
    steps = []
    if result.n_identical:
        steps.append(
            "Do not share this folder. Some of its recordings are the originals: anonymize "
            "them, or find out why they were not."
        )
    if decision.outcome == ABOVE:
        steps += _steps_to_less_risk(result)
        if result.exposed:
            steps.append(
                "Look at the most exposed releases first. Leaving them out lowers the risk "
                "for those people; the others must be audited again."
            )
    if evaluation.n_probe_subjects < MIN_SUBJECTS or any(
        "compatible" in reason for reason in decision.reasons
    ):
        steps.append(
            "Audit more people: the fewer there are, the less a low figure proves. The whole "
            "archive that the release comes from is the right choice."
        )
    if result.is_ignorant:
        steps.append(
            "Audit with the software: ecganon audit --method ... --strength ... anonymizes the "
            "originals again with fresh secrets and trains the attackers on the result."
        )
    if not result.is_strong:
        steps.append(
            "Audit with the strongest attackers (--attackers strongest) before the release is "
            "shared: in our measurements, attackers on strips recognize twice as many people."
        )
    if evaluation.weak:
        steps.append(
            "Try stronger attackers (--attackers strongest), and check that subjects and "
            "leads of the originals are right."
        )
    if any(row.n_people for row in result.singled_out):
        steps.append(
            "Cut all recordings to one length, and write all with the same rate, leads and "
            "gain: a value that one person alone has, and that is kept, singles them out."
        )
    steps.append(
        "Show this page to your data protection officer. Whether data still counts as "
        "personal is a legal question, which no figure answers by itself."
    )
    return steps


def _steps_to_less_risk(result: Any) -> list[str]:
    """Return what can lower the risk of this release, and not what was done already."""
    worst, floor = result.evaluation.worst, result.evaluation.floor
    manifest = result.provenance.get("manifest") or {}
    steps = []
    if manifest.get("strength", 0.0) < 1:
        steps.append("Raise the strength, and audit again.")
    if result.contract != "diagnostic":
        steps.append("Choose the diagnostic contract if nobody measures intervals.")
    if floor is not None and floor.rank1 > result.max_risk:
        steps.append(
            f"What the {result.contract} contract keeps recognizes {_percent(floor.rank1)} of "
            "the people by itself, whatever the strength. Release only findings that more "
            "people share: ecganon anonymize with a higher --k."
        )
    of_one = max(
        (
            row.rank1
            for row in result.evaluation.rows
            if row.knowledge != "original" and row.evidence != "linked"
        ),
        default=worst.rank1,
    )
    if of_one < worst.rank1:
        steps.append(
            "Release one recording of each person, or do not state which recordings are of one "
            "person: from a single recording, the attacks recognize at most "
            f"{_percent(of_one)}."
        )
    steps.append("Share the recordings under an agreement instead of openly.")
    return steps


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _identical_sentence(result: Any) -> str:
    if not result.n_pairs:
        return ""
    if result.n_identical:
        return (
            f"ATTENTION: {result.n_identical} of {result.n_pairs} signals are identical to an "
            "original."
        )
    return f"None of {result.n_pairs} signals is identical to its original."


def _excess_sentence(result: Any) -> list[str]:
    """Return the comparison with the floor of the contract, if there are enough people."""
    floor, excess = result.evaluation.floor, result.evaluation.excess
    if floor is None or excess is None or result.evaluation.n_probe_subjects < MIN_SUBJECTS:
        return []
    interval = f"95 % interval {100 * excess.low:+.1f} to {100 * excess.high:+.1f}"
    return [
        f"What the {result.contract} contract keeps would by itself recognize "
        f"{_percent(floor.rank1)}; the most successful attack differs from that by "
        f"{100 * excess.value:+.1f} percentage points ({interval})."
    ]


def _upper_end(risk: float, n_people: int) -> float:
    """Return the upper end of the interval of a fraction of people."""
    if risk >= 1:
        return 1.0
    n_recognized = risk * n_people
    return float(beta.ppf(CONFIDENCE, n_recognized + 1, n_people - n_recognized))
