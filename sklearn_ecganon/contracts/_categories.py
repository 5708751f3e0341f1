"""The contracts, the limits of their categories, and the names of the categories."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONTRACTS = ("diagnostic", "measurement")
#: Largest median error that the measurement contract permits, in ms, and in mV for ST.
TOLERANCES = {"QRS": 10.0, "QT": 20.0, "PR": 15.0, "ST": 0.05}


def _above(limit: float) -> float:
    """Return the next larger float, so that the limit itself belongs to the lower category."""
    return float(np.nextafter(limit, np.inf))


#: Smallest value of each category except the lowest. Units: beats per minute for the rate,
#: RMSSD over mean RR for irregularity, mV for ST, ms for the others.
CATEGORIES: dict[str, tuple[float, ...]] = {
    "rate_zone": (60.0, _above(100.0)),
    "irregularity": (_above(0.1),),
    "wide_qrs": (120.0,),
    "pr": (120.0, _above(200.0)),
    "qtc": (450.0,),
    "st": (_above(-0.1), 0.1),
}
NO_P_WAVE = -1
UNMEASURED = -2

_Q, _ST = ("none", "significant"), ("depressed", "none", "elevated")
_T, _YES = ("negative", "flat", "positive"), ("no", "yes")
#: Categories of 12 leads: the label of each code from 0. All have code -2 where nothing can be
#: measured.
TWELVE_LEAD_CATEGORIES: dict[str, tuple[str, ...]] = {
    "q_anterior": _Q,
    "q_lateral": _Q,
    "q_inferior": _Q,
    "axis": ("left", "normal", "right"),
    "high_r_left": _YES,
    "high_r_right": _YES,
    "st_anterior": _ST,
    "st_lateral": _ST,
    "st_inferior": _ST,
    "t_anterior": _T,
    "t_lateral": _T,
    "t_inferior": _T,
    "ventricular_conduction": (
        "normal",
        "incomplete RBBB",
        "incomplete LBBB",
        "RBBB",
        "LBBB",
        "other wide",
    ),
    "low_voltage": _YES,
    "transition": ("early", "normal", "late"),
    "arrhythmia": (
        "regular with P",
        "irregular with P",
        "regular without P",
        "irregular without P",
        "paced",
    ),
    "pauses": ("none", "3 s or more"),
}


def category(name: str, values: ArrayLike) -> NDArray[np.intp]:
    """Return the category of each value.

    Parameters
    ----------
    name : str
        One of `CATEGORIES`.
    values : array-like of float
        Values in the unit of the limits in `CATEGORIES`.

    Returns
    -------
    categories : ndarray of int of the same shape
        Number of limits that each value reaches; -2 for NaN.

    Examples
    --------
    >>> from sklearn_ecganon.contracts import category
    >>> category("rate_zone", [59.9, 60.0, 100.0, 100.1])
    array([0, 1, 1, 2])
    """
    values = np.asarray(values, dtype=float)
    reached = np.searchsorted(CATEGORIES[name], values, side="right")
    return np.where(np.isnan(values), UNMEASURED, reached).astype(np.intp)
