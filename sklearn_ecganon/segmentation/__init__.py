"""Records to beats and back: find the R peaks, cut windows around them, stitch them again."""

from sklearn_ecganon.segmentation._checks import BeatCountWarning
from sklearn_ecganon.segmentation._segmenter import QRSSegmenter

__all__ = ["BeatCountWarning", "QRSSegmenter"]
