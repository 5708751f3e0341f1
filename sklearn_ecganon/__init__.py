"""Share ECGs, not identities: anonymization measured by attackers that adapt."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn_ecganon.records import (
    BeatSet,
    ECGRecord,
    records_from_array,
    records_to_array,
)

if TYPE_CHECKING:
    from sklearn_ecganon._anonymize import anonymize
    from sklearn_ecganon.anonymizers import (
        GANImageAnonymizer,
        NonQRSVAEAnonymizer,
        PseudoIdentityAnonymizer,
    )
    from sklearn_ecganon.attacks import ReidentificationScorer, WeakAttackWarning
    from sklearn_ecganon.datasets import make_ecg_records
    from sklearn_ecganon.imaging import BeatImager
    from sklearn_ecganon.segmentation import QRSSegmenter

__version__ = "0.2.0"

__all__ = [
    "BeatImager",
    "BeatSet",
    "ECGRecord",
    "GANImageAnonymizer",
    "NonQRSVAEAnonymizer",
    "PseudoIdentityAnonymizer",
    "QRSSegmenter",
    "ReidentificationScorer",
    "WeakAttackWarning",
    "anonymize",
    "make_ecg_records",
    "records_from_array",
    "records_to_array",
]

# Importing torch takes seconds, so each room is imported when it is first used.
_ROOMS = {
    "BeatImager": "imaging",
    "GANImageAnonymizer": "anonymizers",
    "NonQRSVAEAnonymizer": "anonymizers",
    "PseudoIdentityAnonymizer": "anonymizers",
    "QRSSegmenter": "segmentation",
    "ReidentificationScorer": "attacks",
    "WeakAttackWarning": "attacks",
    "anonymize": "_anonymize",
    "make_ecg_records": "datasets",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
