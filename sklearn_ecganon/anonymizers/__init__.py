"""Estimators that take the person out of the beats: one method a file."""

from sklearn_ecganon.anonymizers._block_average import BlockAverageAnonymizer
from sklearn_ecganon.anonymizers._cyclegan import CycleGANAnonymizer
from sklearn_ecganon.anonymizers._gan_image import GANImageAnonymizer, GANTrainingWarning
from sklearn_ecganon.anonymizers._k_same import KSameAnonymizer
from sklearn_ecganon.anonymizers._low_pass import LowPassAnonymizer
from sklearn_ecganon.anonymizers._noise import NoiseAnonymizer
from sklearn_ecganon.anonymizers._non_qrs_vae import NonQRSVAEAnonymizer
from sklearn_ecganon.anonymizers._perturbation import FlowFieldAnonymizer, NoiseFieldAnonymizer
from sklearn_ecganon.anonymizers._pseudo_identity import PseudoIdentityAnonymizer
from sklearn_ecganon.anonymizers._time_warp import TimeWarpAnonymizer

__all__ = [
    "BlockAverageAnonymizer",
    "CycleGANAnonymizer",
    "FlowFieldAnonymizer",
    "GANImageAnonymizer",
    "GANTrainingWarning",
    "KSameAnonymizer",
    "LowPassAnonymizer",
    "NoiseAnonymizer",
    "NoiseFieldAnonymizer",
    "NonQRSVAEAnonymizer",
    "PseudoIdentityAnonymizer",
    "TimeWarpAnonymizer",
]
