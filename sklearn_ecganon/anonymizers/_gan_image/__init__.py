"""Beats as pictures that an adversarial network draws anew."""

from sklearn_ecganon.anonymizers._gan_image._anonymizer import GANImageAnonymizer

__all__ = ["GANImageAnonymizer"]
