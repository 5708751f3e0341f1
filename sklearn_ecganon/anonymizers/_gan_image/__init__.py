"""Anonymized beats that a GAN generates as images."""

from sklearn_ecganon.anonymizers._gan_image._anonymizer import GANImageAnonymizer
from sklearn_ecganon.training import GANTrainingWarning

__all__ = ["GANImageAnonymizer", "GANTrainingWarning"]
