"""How much of a probe the attacker combines: beats, a recording, all recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

#: Everything of one probe, and all probes of one subject.
WHOLE = ("recording", "linked")
EVIDENCE: tuple[int | str, ...] = (1, 5, 20, 50, *WHOLE)


def check_evidence(evidence: Sequence[int | str]) -> None:
    """Refuse evidence that holds neither positive numbers of beats nor names."""
    known = [e in WHOLE if isinstance(e, str) else isinstance(e, Integral) for e in evidence]
    if not known or not all(known) or any(not isinstance(e, str) and e < 1 for e in evidence):
        raise ValueError(
            f"evidence={evidence!r}; give numbers of beats, 1 or more, or names of {WHOLE}."
        )


def sort_evidence(evidence: Iterable[int | str]) -> list[int | str]:
    """Return the different kinds of evidence, from little to much."""
    return sorted(
        set(evidence), key=lambda e: (1 + WHOLE.index(e), 0) if isinstance(e, str) else (0, e)
    )


def describe_evidence(evidence: int | str) -> str:
    """Return evidence in words: ``"1 beat"``, ``"20 beats"``, ``"whole recording"``..."""
    if isinstance(evidence, str):
        return {"recording": "whole recording", "linked": "all recordings"}[evidence]
    return f"{evidence} beat{'s' * (evidence > 1)}"
