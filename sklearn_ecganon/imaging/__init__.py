"""Beats or stretches of records to images and back."""

from sklearn_ecganon.imaging._imager import BeatImager
from sklearn_ecganon.imaging._images import BeatImages

__all__ = ["BeatImager", "BeatImages"]
