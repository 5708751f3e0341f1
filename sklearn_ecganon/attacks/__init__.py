"""Attackers that identify the person behind a recording, and what they achieve."""

from sklearn_ecganon.attacks._attackers import (
    ATTACKERS,
    Attacker,
    StripAttacker,
    StripEmbedder,
    StripEmbeddingAttacker,
)
from sklearn_ecganon.attacks._attributes import AttributeInference, attribute_inference
from sklearn_ecganon.attacks._evidence import describe_evidence as describe_evidence
from sklearn_ecganon.attacks._identification import default_n_views as default_n_views
from sklearn_ecganon.attacks._identity_map import IdentityMap, identity_map
from sklearn_ecganon.attacks._ladder_row import LadderRow
from sklearn_ecganon.attacks._membership import MembershipInferenceScorer
from sklearn_ecganon.attacks._membership_result import MembershipResult, MembershipRow
from sklearn_ecganon.attacks._result import CROSSINGS as CROSSINGS
from sklearn_ecganon.attacks._result import Evaluation
from sklearn_ecganon.attacks._result_mixin import ResultMixin as ResultMixin
from sklearn_ecganon.attacks._result_mixin import json_number as json_number
from sklearn_ecganon.attacks._scorer import ReidentificationScorer
from sklearn_ecganon.exceptions import WeakAttackWarning

__all__ = [
    "ATTACKERS",
    "Attacker",
    "AttributeInference",
    "Evaluation",
    "IdentityMap",
    "LadderRow",
    "MembershipInferenceScorer",
    "MembershipResult",
    "MembershipRow",
    "ReidentificationScorer",
    "StripAttacker",
    "StripEmbedder",
    "StripEmbeddingAttacker",
    "WeakAttackWarning",
    "attribute_inference",
    "identity_map",
]
