"""Estimators that take the person out of the beats: one method a file."""

from sklearn_ecganon.anonymizers._non_qrs_vae import NonQRSVAEAnonymizer

__all__ = ["NonQRSVAEAnonymizer"]
