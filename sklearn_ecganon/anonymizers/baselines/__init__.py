"""Simple methods with which learned methods are compared."""

from sklearn_ecganon.anonymizers.baselines._block_average import BlockAverageAnonymizer
from sklearn_ecganon.anonymizers.baselines._k_same import KSameAnonymizer
from sklearn_ecganon.anonymizers.baselines._low_pass import LowPassAnonymizer
from sklearn_ecganon.anonymizers.baselines._noise import NoiseAnonymizer
from sklearn_ecganon.anonymizers.baselines._time_warp import TimeWarpAnonymizer

__all__ = [
    "BlockAverageAnonymizer",
    "KSameAnonymizer",
    "LowPassAnonymizer",
    "NoiseAnonymizer",
    "TimeWarpAnonymizer",
]
