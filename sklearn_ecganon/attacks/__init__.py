"""Attackers who try to name the person behind a recording, and what they achieve."""

from sklearn_ecganon.attacks._attributes import AttributeInference, attribute_inference
from sklearn_ecganon.attacks._identity_map import IdentityMap, identity_map
from sklearn_ecganon.attacks._membership import (
    MembershipInferenceScorer,
    MembershipResult,
    MembershipRow,
)
from sklearn_ecganon.attacks._result import LadderRow, ReidentificationResult
from sklearn_ecganon.attacks._scorer import ReidentificationScorer
from sklearn_ecganon.exceptions import WeakAttackWarning

__all__ = [
    "AttributeInference",
    "IdentityMap",
    "LadderRow",
    "MembershipInferenceScorer",
    "MembershipResult",
    "MembershipRow",
    "ReidentificationResult",
    "ReidentificationScorer",
    "WeakAttackWarning",
    "attribute_inference",
    "identity_map",
]
