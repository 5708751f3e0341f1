"""Where the diagnosis is: parts of beats and images that an anonymizer leaves alone."""

from sklearn_ecganon.regions._qrs import QRSRegion
from sklearn_ecganon.regions._unet_segmenter import UNetSegmenter

__all__ = ["QRSRegion", "UNetSegmenter"]
