"""Figures of evaluations, and of recordings before and after.

matplotlib is needed to draw, not to import this package:
``pip install "sklearn-ecganon[plot]"``.
"""

from sklearn_ecganon.plot._beat_overlay import BeatOverlayDisplay
from sklearn_ecganon.plot._identity_map import IdentityMapDisplay
from sklearn_ecganon.plot._preview_grid import PreviewGrid
from sklearn_ecganon.plot._privacy_utility import PrivacyUtilityDisplay
from sklearn_ecganon.plot._reidentification import ReidentificationDisplay

# The report draws its figures in the same style.
from sklearn_ecganon.plot._style import KNOWLEDGE_STYLE as KNOWLEDGE_STYLE
from sklearn_ecganon.plot._style import ORIGINAL as ORIGINAL
from sklearn_ecganon.plot._style import TEXT as TEXT

__all__ = [
    "BeatOverlayDisplay",
    "IdentityMapDisplay",
    "PreviewGrid",
    "PrivacyUtilityDisplay",
    "ReidentificationDisplay",
]
