"""The clinical information that a release must preserve, and how to measure it.

The ``"diagnostic"`` contract preserves the conclusions of a cardiologist: the beat classes
in order, the rate zone, irregularity, narrow or wide QRS, and the categories of PR, QTc and
ST. On 12 leads it also preserves categories after the groups of the Minnesota Code
(`TWELVE_LEAD_CATEGORIES`). The ``"measurement"`` contract preserves RR intervals exactly, and
QRS duration, QT, PR and ST within `TOLERANCES`.

Preserved information also identifies people. The floor of a contract is the identification
rate of an attacker who knows the preserved information and nothing else. The profile of a
record is the combination of all its preserved information.
"""

from sklearn_ecganon.contracts._categories import (
    CATEGORIES,
    CONTRACTS,
    NO_P_WAVE,
    TOLERANCES,
    TWELVE_LEAD_CATEGORIES,
    UNMEASURED,
    category,
)
from sklearn_ecganon.contracts._fiducials import Fiducials
from sklearn_ecganon.contracts._k_anonymity import (
    KAnonymousProfiles,
    k_anonymous_profiles,
    nearest_profiles,
)
from sklearn_ecganon.contracts._lead_waves import INDEPENDENT_LEADS
from sklearn_ecganon.contracts._measure import measure, st_levels
from sklearn_ecganon.contracts._measurements import Measurements
from sklearn_ecganon.contracts._pacing import is_paced
from sklearn_ecganon.contracts._profiles import ProfileAnonymity, profile_anonymity, profiles
from sklearn_ecganon.contracts._twelve_leads import (
    has_twelve_leads,
    twelve_lead_categories,
)

__all__ = [
    "CATEGORIES",
    "CONTRACTS",
    "INDEPENDENT_LEADS",
    "NO_P_WAVE",
    "TOLERANCES",
    "TWELVE_LEAD_CATEGORIES",
    "UNMEASURED",
    "Fiducials",
    "KAnonymousProfiles",
    "Measurements",
    "ProfileAnonymity",
    "category",
    "has_twelve_leads",
    "is_paced",
    "k_anonymous_profiles",
    "measure",
    "nearest_profiles",
    "profile_anonymity",
    "profiles",
    "st_levels",
    "twelve_lead_categories",
]
