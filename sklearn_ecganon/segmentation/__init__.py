"""Segmentation: find R peaks, cut records into beats, and stitch beats into records."""

from sklearn_ecganon.segmentation._checks import BeatCountWarning, is_plausible_rate
from sklearn_ecganon.segmentation._coverage import annotations_cover
from sklearn_ecganon.segmentation._detectors import DETECTORS, find_beats, to_extremum
from sklearn_ecganon.segmentation._leads import used_leads
from sklearn_ecganon.segmentation._quality import SignalQuality, signal_quality
from sklearn_ecganon.segmentation._screening import (
    NotAnECGError,
    Screened,
    SignalQualityWarning,
    screen,
)
from sklearn_ecganon.segmentation._segmenter import QRSSegmenter
from sklearn_ecganon.segmentation._signals import between, resample, select_leads
from sklearn_ecganon.segmentation._stitching import stitch_record, stitch_signal
from sklearn_ecganon.segmentation._strips import Strips, cut_strips
from sklearn_ecganon.segmentation._windows import FoundBeats, cut_windows, median_beat

__all__ = [
    "DETECTORS",
    "BeatCountWarning",
    "FoundBeats",
    "NotAnECGError",
    "QRSSegmenter",
    "Screened",
    "SignalQuality",
    "SignalQualityWarning",
    "Strips",
    "annotations_cover",
    "between",
    "cut_strips",
    "cut_windows",
    "find_beats",
    "is_plausible_rate",
    "median_beat",
    "resample",
    "screen",
    "select_leads",
    "signal_quality",
    "stitch_record",
    "stitch_signal",
    "to_extremum",
    "used_leads",
]
