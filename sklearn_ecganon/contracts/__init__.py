"""What a release promises to keep: the numbers of an ECG, and what a cardiologist concludes.

``"diagnostic"``: beat classes in order, rate zone, irregularity, narrow or wide QRS, and the
categories of PR, QTc and ST. ``"measurement"``: RR exact, and QRS duration, QT, PR and ST
within `TOLERANCES`. Whatever is kept also identifies: its floor is what an attacker achieves
who sees the contract and nothing else. The combination of all that is kept of one record is
its profile.
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
