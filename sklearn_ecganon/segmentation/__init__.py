"""Records to beats and back: find the R peaks, cut windows around them, stitch them again."""

from sklearn_ecganon.segmentation._checks import BeatCountWarning
from sklearn_ecganon.segmentation._quality import SignalQuality, signal_quality
from sklearn_ecganon.segmentation._screening import NotAnECGError, SignalQualityWarning
from sklearn_ecganon.segmentation._segmenter import QRSSegmenter
from sklearn_ecganon.segmentation._stitching import stitch_record
from sklearn_ecganon.segmentation._strips import Strips, cut_strips

__all__ = [
    "BeatCountWarning",
    "NotAnECGError",
    "QRSSegmenter",
    "SignalQuality",
    "SignalQualityWarning",
    "Strips",
    "cut_strips",
    "signal_quality",
    "stitch_record",
]
