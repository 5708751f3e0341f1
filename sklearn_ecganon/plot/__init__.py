"""Figures of what the attackers found and of what a release looks like.

matplotlib is needed to draw, not to import this package:
``pip install "sklearn-ecganon[plot]"``.
"""

from sklearn_ecganon.plot._beat_overlay import BeatOverlayDisplay
from sklearn_ecganon.plot._identity_map import IdentityMapDisplay
from sklearn_ecganon.plot._preview_grid import PreviewGrid
from sklearn_ecganon.plot._privacy_utility import PrivacyUtilityDisplay
from sklearn_ecganon.plot._reidentification import ReidentificationDisplay

__all__ = [
    "BeatOverlayDisplay",
    "IdentityMapDisplay",
    "PreviewGrid",
    "PrivacyUtilityDisplay",
    "ReidentificationDisplay",
]
