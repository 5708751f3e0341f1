"""A synthetic person for each record, who writes the whole recording."""

from sklearn_ecganon.anonymizers._pseudo_identity._anonymizer import PseudoIdentityAnonymizer
from sklearn_ecganon.anonymizers._pseudo_identity._sources import TrainingSource

__all__ = ["PseudoIdentityAnonymizer", "TrainingSource"]
