"""Check whether values can be an ECG in their declared unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.records import unit_problem, wave_height


def check_amplitude(values: NDArray[np.float64], unit: str) -> None:
    """Refuse values that cannot be an ECG in their unit.

    Parameters
    ----------
    values : ndarray of shape (n_times, n_leads)
        In `unit`, NaN where nothing was recorded.
    unit : str
        ``"V"``, ``"mV"``, ``"uV"`` or ``"nV"``.

    Raises
    ------
    ECGReadError
        With the unit in which the values would be an ECG, if there is one.
    """
    problem = unit_problem(wave_height(values), unit)
    if problem is not None:
        raise ECGReadError("bad_units", problem)
