"""Share ECGs, not identities: anonymization measured by attackers that adapt."""

from sklearn_ecganon.records import BeatSet, ECGRecord

__version__ = "0.1.0.dev0"

__all__ = ["BeatSet", "ECGRecord"]
