"""Attackers behind one small protocol, one a file."""

from sklearn_ecganon.attacks._attackers._conv import ConvAttacker
from sklearn_ecganon.attacks._attackers._lda import LDAAttacker
from sklearn_ecganon.attacks._attackers._protocol import EnrolledAttacker, TrainableAttacker
from sklearn_ecganon.attacks._attackers._registry import (
    ATTACKERS,
    PANELS,
    Training,
    build_attacker,
    floor_attackers,
    modality_of,
    resolve_panel,
)
from sklearn_ecganon.attacks._attackers._strip import (
    StripAttacker,
    StripEmbedder,
    StripEmbeddingAttacker,
)
from sklearn_ecganon.core import Attacker

__all__ = [
    "ATTACKERS",
    "PANELS",
    "Attacker",
    "ConvAttacker",
    "EnrolledAttacker",
    "LDAAttacker",
    "StripAttacker",
    "StripEmbedder",
    "StripEmbeddingAttacker",
    "TrainableAttacker",
    "Training",
    "build_attacker",
    "floor_attackers",
    "modality_of",
    "resolve_panel",
]
