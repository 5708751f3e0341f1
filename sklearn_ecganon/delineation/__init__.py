"""Records to the onsets, peaks and offsets of their P, QRS and T waves."""

from sklearn_ecganon.delineation._delineation import POINTS, WAVES, Delineation
from sklearn_ecganon.delineation._delineator import SHORTEST_MS, Delineator
from sklearn_ecganon.delineation._train import train_delineator

__all__ = [
    "POINTS",
    "SHORTEST_MS",
    "WAVES",
    "Delineation",
    "Delineator",
    "train_delineator",
]
