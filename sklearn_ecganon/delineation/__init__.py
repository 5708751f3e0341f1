"""Delineation of records: onset, peak and offset of each P, QRS and T wave."""

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
