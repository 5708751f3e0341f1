"""A whole archive in, an archive of strangers out."""

from sklearn_ecganon.archive._anonymizer import RecordAnonymizer
from sklearn_ecganon.archive._outcome import Outcome
from sklearn_ecganon.archive._secret import Secret

__all__ = ["Outcome", "RecordAnonymizer", "Secret"]
