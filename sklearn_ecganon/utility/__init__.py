"""What a release is still good for."""

from sklearn_ecganon.utility._beat_class import BeatClassUtility
from sklearn_ecganon.utility._detection import DetectionUtility
from sklearn_ecganon.utility._diagnosis import DiagnosisUtility
from sklearn_ecganon.utility._hrv import HRVUtility
from sklearn_ecganon.utility._interval import IntervalUtility
from sklearn_ecganon.utility._labels import label_utility
from sklearn_ecganon.utility._utility_scorer import UtilityScorer
from sklearn_ecganon.utility._validity import Validity, ValidityRow, validity
from sklearn_ecganon.utility._waveform import WaveformUtility, waveform_utility

__all__ = [
    "BeatClassUtility",
    "DetectionUtility",
    "DiagnosisUtility",
    "HRVUtility",
    "IntervalUtility",
    "UtilityScorer",
    "Validity",
    "ValidityRow",
    "WaveformUtility",
    "label_utility",
    "validity",
    "waveform_utility",
]
