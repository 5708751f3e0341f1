"""Anonymizers, which remove identity from beats."""

from sklearn_ecganon.anonymizers._cyclegan import CycleGANAnonymizer as CycleGANAnonymizer
from sklearn_ecganon.anonymizers._gan_image import GANImageAnonymizer as GANImageAnonymizer
from sklearn_ecganon.anonymizers._gan_image import GANTrainingWarning as GANTrainingWarning
from sklearn_ecganon.anonymizers._non_qrs_vae import NonQRSVAEAnonymizer as NonQRSVAEAnonymizer
from sklearn_ecganon.anonymizers._perturbation import FlowFieldAnonymizer as FlowFieldAnonymizer
from sklearn_ecganon.anonymizers._perturbation import (
    NoiseFieldAnonymizer as NoiseFieldAnonymizer,
)
from sklearn_ecganon.anonymizers._pseudo_identity import (
    PseudoIdentityAnonymizer as PseudoIdentityAnonymizer,
)
from sklearn_ecganon.anonymizers._pseudo_identity import TrainingSource as TrainingSource
from sklearn_ecganon.anonymizers.baselines import (
    BlockAverageAnonymizer as BlockAverageAnonymizer,
)
from sklearn_ecganon.anonymizers.baselines import KSameAnonymizer as KSameAnonymizer
from sklearn_ecganon.anonymizers.baselines import LowPassAnonymizer as LowPassAnonymizer
from sklearn_ecganon.anonymizers.baselines import NoiseAnonymizer as NoiseAnonymizer
from sklearn_ecganon.anonymizers.baselines import TimeWarpAnonymizer as TimeWarpAnonymizer

# The imports above define the public names.
__all__ = sorted(name for name, value in vars().items() if isinstance(value, type))
