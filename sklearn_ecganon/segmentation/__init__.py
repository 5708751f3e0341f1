"""Records to beats and back: find the R peaks, cut windows around them, stitch them again."""

from sklearn_ecganon.segmentation._checks import BeatCountWarning
from sklearn_ecganon.segmentation._segmenter import QRSSegmenter
from sklearn_ecganon.segmentation._stitching import stitch_record
from sklearn_ecganon.segmentation._strips import Strips, cut_strips

__all__ = ["BeatCountWarning", "QRSSegmenter", "Strips", "cut_strips", "stitch_record"]
