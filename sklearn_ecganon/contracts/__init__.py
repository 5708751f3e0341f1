"""The clinical information that a release must preserve, and how to measure it.

The ``"diagnostic"`` contract preserves the conclusions of a cardiologist: the beat classes
in order, the rate zone, irregularity, narrow or wide QRS, and the categories of PR, QTc and
ST. The ``"measurement"`` contract preserves RR intervals exactly, and QRS duration, QT, PR
and ST within `TOLERANCES`.

Preserved information also identifies people. The floor of a contract is the identification
rate of an attacker who knows the preserved information and nothing else. The profile of a
record is the combination of all its preserved information.
"""

from sklearn_ecganon.contracts._measure import (
    CATEGORIES,
    CONTRACTS,
    NO_P_WAVE,
    TOLERANCES,
    UNMEASURED,
    Measurements,
    category,
    measure,
    st_levels,
)
from sklearn_ecganon.contracts._profiles import ProfileAnonymity, profile_anonymity, profiles

__all__ = [
    "CATEGORIES",
    "CONTRACTS",
    "NO_P_WAVE",
    "TOLERANCES",
    "UNMEASURED",
    "Measurements",
    "ProfileAnonymity",
    "category",
    "measure",
    "profile_anonymity",
    "profiles",
    "st_levels",
]
