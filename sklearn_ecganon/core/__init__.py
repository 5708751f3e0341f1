"""What an extension author subclasses or calls."""

from sklearn_ecganon.core._anonymizer import BaseAnonymizer, Pseudonym, RecordPseudonym
from sklearn_ecganon.core._attacker import Attacker
from sklearn_ecganon.core._draws import Draws
from sklearn_ecganon.io import Format

__all__ = ["Attacker", "BaseAnonymizer", "Draws", "Format", "Pseudonym", "RecordPseudonym"]
