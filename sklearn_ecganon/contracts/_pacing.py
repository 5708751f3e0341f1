"""Pacing spikes in beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SLOWEST = 250.0  # Hz; below, filters have removed the spikes
_SPIKE_MS = 6.0  # a spike is over after this time
_SMALLEST_SPIKE = 0.2  # mV
_REACH_MS = (300.0, 10.0)  # search before R: atrial and ventricular spikes


def is_paced(
    beats: NDArray[np.float64], sampling_rate: float, labels: NDArray[np.str_] | None
) -> bool:
    """Return whether most beats of a record have a pacing spike."""
    return False
