"""Guarantees that hold by construction: differential privacy of people, and its audit."""

from sklearn_ecganon.privacy._audit import EpsilonBound, audit_epsilon
from sklearn_ecganon.privacy._gaussian import check_budget, gaussian_epsilon, gaussian_noise
from sklearn_ecganon.privacy._moments import PrivateMoments, private_moments

__all__ = [
    "EpsilonBound",
    "PrivateMoments",
    "audit_epsilon",
    "check_budget",
    "gaussian_epsilon",
    "gaussian_noise",
    "private_moments",
]
