"""Perturbations learnt against whoever recognises people, beside whoever reads diagnoses."""

from sklearn_ecganon.anonymizers._perturbation._flow_field import FlowFieldAnonymizer
from sklearn_ecganon.anonymizers._perturbation._noise_field import NoiseFieldAnonymizer

__all__ = ["FlowFieldAnonymizer", "NoiseFieldAnonymizer"]
