"""What an attacker looks at in a beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Beats longer than this are averaged in blocks: a beat of 800 ms keeps 62 Hz or more.
MAX_TIMES = 100
EXTRAS_PER_LEAD = 2


def beat_features(beats: NDArray) -> NDArray[np.float32]:
    """Return the shape of each beat, z-scored by lead, then its level and its size.

    Shape, level and size stand apart so that an attacker can learn which of them
    identifies: electrodes change the last two between sessions, but not the first.

    Parameters
    ----------
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Windows in mV.

    Returns
    -------
    features : ndarray of shape (n_beats, n_leads * n_kept + 2 * n_leads)
        ``n_kept`` values a lead, then the mean of each lead and the logarithm of its
        standard deviation.
    """
    n_beats, n_leads, n_times = beats.shape
    block = -(-n_times // MAX_TIMES)
    kept = beats[:, :, : n_times // block * block].reshape(n_beats, n_leads, -1, block)
    kept = kept.mean(axis=-1)
    level = kept.mean(axis=-1, keepdims=True)
    size = np.maximum(kept.std(axis=-1, keepdims=True), 1e-9)
    shape = ((kept - level) / size).reshape(n_beats, -1)
    extras = np.concatenate([level[..., 0], np.log(size[..., 0])], axis=1)
    return np.concatenate([shape, extras], axis=1).astype(np.float32)
