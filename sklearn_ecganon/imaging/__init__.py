"""Beats, or whole records, as images and back."""

from sklearn_ecganon.imaging._imager import BeatImager
from sklearn_ecganon.imaging._images import BeatImages
from sklearn_ecganon.imaging._images import windows_of_images as windows_of_images

__all__ = ["BeatImager", "BeatImages"]
