"""Records to the onsets, peaks and offsets of their P, QRS and T waves."""

from sklearn_ecganon.delineation._delineation import POINTS, WAVES, Delineation
from sklearn_ecganon.delineation._delineator import Delineator

__all__ = ["POINTS", "WAVES", "Delineation", "Delineator"]
