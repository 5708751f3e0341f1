"""The two containers of this package: one recording, and the beats of many."""

from sklearn_ecganon.records._beats import BeatSet
from sklearn_ecganon.records._record import ECGRecord

__all__ = ["BeatSet", "ECGRecord"]
