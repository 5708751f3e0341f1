"""Share ECGs, not identities: anonymization measured by attackers that adapt."""

from sklearn_ecganon.anonymizers import NonQRSVAEAnonymizer
from sklearn_ecganon.attacks import ReidentificationScorer, WeakAttackWarning
from sklearn_ecganon.datasets import make_ecg_records
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import QRSSegmenter

__version__ = "0.1.0.dev0"

__all__ = [
    "BeatSet",
    "ECGRecord",
    "NonQRSVAEAnonymizer",
    "QRSSegmenter",
    "ReidentificationScorer",
    "WeakAttackWarning",
    "make_ecg_records",
]
