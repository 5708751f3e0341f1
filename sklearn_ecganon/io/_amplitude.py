"""Check whether values can be an ECG in their declared unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import millivolts_in
from sklearn_ecganon.io._errors import ECGReadError

#: mV; the height of the largest waves of an ECG is between these.
SMALLEST, LARGEST = 0.05, 20.0
#: Height is measured between these percentiles, so that single artifacts do not count, in
#: windows of this many samples, so that a slow drift does not either.
_PERCENTILES = (0.5, 99.5)
_WINDOW = 2048


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
    heights: list[float] = []
    for start in range(0, len(values), _WINDOW):
        window = values[start : start + _WINDOW]
        window = window[:, ~np.isnan(window).all(axis=0)]
        if window.size:
            low, high = np.nanpercentile(window, _PERCENTILES, axis=0)
            heights.append((high - low).max())
    heights = [height for height in heights if height > 0]
    height = float(np.median(heights)) if heights else 0.0
    # A recording without any signal has no amplitude to check; other checks refuse it.
    if height == 0 or SMALLEST <= height * millivolts_in([unit])[0] <= LARGEST:
        return
    fitting = [
        other
        for other in ("uV", "mV", "V", "nV")
        if SMALLEST <= height * millivolts_in([other])[0] <= LARGEST
    ]
    advice = (
        f"they would fit {fitting[0]}: give units={fitting[0]!r}"
        if fitting
        else ("they fit no unit of voltage; raw counts of a converter must be scaled first")
    )
    raise ECGReadError("bad_units", f"its amplitudes cannot be an ECG in {unit}; {advice}")
