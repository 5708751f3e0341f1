"""Beats as pictures that an adversarial network draws anew."""

from sklearn_ecganon.anonymizers._gan_image._anonymizer import GANImageAnonymizer
from sklearn_ecganon.training import GANTrainingWarning

__all__ = ["GANImageAnonymizer", "GANTrainingWarning"]
