"""Units of voltage, and whether values can be an ECG in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Millivolts in one of each unit.
MILLIVOLTS = {
    **{"mv": 1.0, "millivolt": 1.0, "millivolts": 1.0},
    **{"uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "microvolt": 1e-3, "microvolts": 1e-3},
    **{"nv": 1e-6, "nanovolt": 1e-6, "nanovolts": 1e-6},
    **{"v": 1e3, "volt": 1e3, "volts": 1e3},
}
#: mV; the height of the largest waves of an ECG is between these.
SMALLEST, LARGEST = 0.05, 20.0
#: Height is measured between these percentiles, so that single artifacts do not count, in
#: windows of this many samples, so that a slow drift does not either.
_PERCENTILES = (0.5, 99.5)
_WINDOW = 2048


def millivolts_in(units: Sequence[str]) -> NDArray[np.float64]:
    """Return the millivolts in one of each unit, NaN where it is no voltage."""
    return np.array([MILLIVOLTS.get(unit.strip().lower(), np.nan) for unit in units])


def checked_scale(units: str) -> float:
    """Return the millivolts in one unit.

    Raises
    ------
    ValueError
        If it is no unit of voltage.
    """
    scale = float(millivolts_in([units])[0]) if isinstance(units, str) else np.nan
    if np.isnan(scale):
        raise ValueError(f"units={units!r} is no voltage; give 'mV', 'uV', 'nV' or 'V'.")
    return scale


def wave_height(values: NDArray) -> float:
    """Return the median height of the largest waves, 0 where there is no signal.

    Parameters
    ----------
    values : ndarray of shape (n_times, n_leads)
        In any unit, NaN where nothing was recorded.
    """
    heights: list[float] = []
    for start in range(0, len(values), _WINDOW):
        window = values[start : start + _WINDOW]
        window = window[:, ~np.isnan(window).all(axis=0)]
        if window.size:
            # Without gaps the plain function is much faster.
            percentile = np.nanpercentile if np.isnan(window).any() else np.percentile
            low, high = percentile(window, _PERCENTILES, axis=0)
            heights.append(float((high - low).max()))
    heights = [height for height in heights if height > 0]
    return float(np.median(heights)) if heights else 0.0


def unit_problem(height: float, unit: str) -> str | None:
    """Return why waves of some height cannot be an ECG in their unit.

    Parameters
    ----------
    height : float
        As from `wave_height`. Nothing is wrong with 0: other checks refuse a recording
        without any signal.
    unit : str
        A unit of voltage.

    Returns
    -------
    problem : str or None
        With the unit in which they would be an ECG, if there is one.
    """
    if height == 0 or _is_plausible(height, unit):
        return None
    fitting = next((u for u in ("uV", "mV", "V", "nV") if _is_plausible(height, u)), None)
    advice = (
        "they fit no unit of voltage; raw counts of a converter must be scaled first"
        if fitting is None
        else f"they would fit {fitting}: give units={fitting!r}"
    )
    return f"its amplitudes cannot be an ECG in {unit}; {advice}"


def _is_plausible(height: float, unit: str) -> bool:
    return bool(SMALLEST <= height * millivolts_in([unit])[0] <= LARGEST)
