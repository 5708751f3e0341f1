"""Attackers who try to name the person behind a recording, and what they achieve."""

from sklearn_ecganon.attacks._identity_map import IdentityMap, identity_map
from sklearn_ecganon.attacks._membership import (
    MembershipInferenceScorer,
    MembershipResult,
    MembershipRow,
)
from sklearn_ecganon.attacks._pairs import verification_pairs
from sklearn_ecganon.attacks._release import VerificationResult, verify_release
from sklearn_ecganon.attacks._result import LadderRow, ReidentificationResult, WeakAttackWarning
from sklearn_ecganon.attacks._scorer import ReidentificationScorer
from sklearn_ecganon.attacks._verification import SiameseVerifier, VerificationRow

__all__ = [
    "IdentityMap",
    "LadderRow",
    "MembershipInferenceScorer",
    "MembershipResult",
    "MembershipRow",
    "ReidentificationResult",
    "ReidentificationScorer",
    "SiameseVerifier",
    "VerificationResult",
    "VerificationRow",
    "WeakAttackWarning",
    "identity_map",
    "verification_pairs",
    "verify_release",
]
