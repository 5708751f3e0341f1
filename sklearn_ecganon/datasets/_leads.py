"""The 12 standard leads, and their projection from the cardiac vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: The eight leads that do not follow from each other.
INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

#: Rows: INDEPENDENT_LEADS. Columns: the cardiac vector to the left, down, and to the back.
#: Dower, Machado & Osborne (1980).
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)


def with_derived_leads(independent: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return all 12 leads, four of them by Einthoven's and Goldberger's equations.

    Parameters
    ----------
    independent : ndarray of shape (n_times, 8)
        `INDEPENDENT_LEADS`, in mV.

    Returns
    -------
    leads : dict of str to ndarray of shape (n_times,)
        Each standard lead in mV.
    """
    leads = dict(zip(INDEPENDENT_LEADS, independent.T, strict=True))
    one, two = leads["I"], leads["II"]
    derived = {
        "III": two - one,
        "aVR": -(one + two) / 2,
        "aVL": one - two / 2,
        "aVF": two - one / 2,
    }
    return leads | derived
