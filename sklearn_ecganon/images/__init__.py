"""Chest X-rays, MRI and other images of patients: removing the person, measuring what is left.

All arrays are (n, h, w). Nothing in this package is about ECGs.
"""

from sklearn_ecganon.exceptions import WeakAttackWarning
from sklearn_ecganon.images._cyclegan import CycleGANTranslator
from sklearn_ecganon.images._fake_test import FakeTest, FakeTestRow
from sklearn_ecganon.images._fake_test_monitor import FakeTestMonitor
from sklearn_ecganon.images._flow_field import FlowFieldPerturbation
from sklearn_ecganon.images._folder import (
    ReleasedImage,
    anonymize_folder,
    read_image_folder,
)
from sklearn_ecganon.images._gan import GANSynthesizer
from sklearn_ecganon.images._load_kermany import load_kermany_chest_xrays
from sklearn_ecganon.images._load_montgomery import load_montgomery_chest_xrays
from sklearn_ecganon.images._load_mri import load_mri_slices
from sklearn_ecganon.images._load_nih import load_nih_chest_xrays
from sklearn_ecganon.images._lungs import segment_lungs
from sklearn_ecganon.images._matching import MatchingVerifier
from sklearn_ecganon.images._noise_field import NoiseFieldPerturbation
from sklearn_ecganon.images._pair_verifier import VerificationRow
from sklearn_ecganon.images._pairs import verification_pairs
from sklearn_ecganon.images._preview_grid import PreviewGrid
from sklearn_ecganon.images._pseudo_identity import PseudoIdentityImageAnonymizer
from sklearn_ecganon.images._release import VerificationResult, verify_release
from sklearn_ecganon.images._segmenter import UNetSegmenter
from sklearn_ecganon.images._verifier import SiameseVerifier
from sklearn_ecganon.training import GANTrainingWarning

__all__ = [
    "CycleGANTranslator",
    "FakeTest",
    "FakeTestMonitor",
    "FakeTestRow",
    "FlowFieldPerturbation",
    "GANSynthesizer",
    "GANTrainingWarning",
    "MatchingVerifier",
    "NoiseFieldPerturbation",
    "PreviewGrid",
    "PseudoIdentityImageAnonymizer",
    "ReleasedImage",
    "SiameseVerifier",
    "UNetSegmenter",
    "VerificationResult",
    "VerificationRow",
    "WeakAttackWarning",
    "anonymize_folder",
    "load_kermany_chest_xrays",
    "load_montgomery_chest_xrays",
    "load_mri_slices",
    "load_nih_chest_xrays",
    "read_image_folder",
    "segment_lungs",
    "verification_pairs",
    "verify_release",
]
