"""Perturbations that are trained against a verifier and preserve a diagnosis."""

from sklearn_ecganon.anonymizers._perturbation._flow_field import FlowFieldAnonymizer
from sklearn_ecganon.anonymizers._perturbation._noise_field import NoiseFieldAnonymizer

__all__ = ["FlowFieldAnonymizer", "NoiseFieldAnonymizer"]
