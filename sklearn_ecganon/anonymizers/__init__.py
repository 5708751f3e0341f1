"""Estimators that take the person out of the beats: one method a file."""

from sklearn_ecganon.anonymizers._cyclegan import CycleGANAnonymizer
from sklearn_ecganon.anonymizers._gan_image import GANImageAnonymizer, GANTrainingWarning
from sklearn_ecganon.anonymizers._non_qrs_vae import NonQRSVAEAnonymizer
from sklearn_ecganon.anonymizers._perturbation import FlowFieldAnonymizer, NoiseFieldAnonymizer
from sklearn_ecganon.anonymizers._pseudo_identity import (
    PseudoIdentityAnonymizer,
    TrainingSource,
)
from sklearn_ecganon.anonymizers.baselines import (
    BlockAverageAnonymizer,
    KSameAnonymizer,
    LowPassAnonymizer,
    NoiseAnonymizer,
    TimeWarpAnonymizer,
)

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
    "TrainingSource",
]
