"""The one rule for annotated R peaks: they count where they are nearly all beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME_BEAT_MS = 150.0  # the match window of ANSI/AAMI EC57
MIN_COVERED = 0.8  # of the detected beats, so that annotations are taken for all beats


def annotations_cover(
    annotated: NDArray[np.intp], detected: NDArray[np.intp], sampling_rate: float
) -> bool:
    """Tell whether the annotated beats are all beats of a recording.

    Some databases annotate the first ten beats only, and some the changes of rhythm.

    Parameters
    ----------
    annotated, detected : ndarray of int of shape (n_beats,)
        Increasing R peaks in samples, as annotated and as a detector finds them.
    sampling_rate : float
        In Hz.

    Returns
    -------
    cover : bool
        True if at least 80 % of the detected beats have an annotated one within 150 ms.
        False if there are no annotated or no detected beats.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.segmentation import annotations_cover
    >>> detected = np.arange(100, 5000, 250)
    >>> annotations_cover(detected + 5, detected, 250.0)
    True
    >>> annotations_cover(detected[:10], detected, 250.0)
    False
    """
    if not len(annotated) or not len(detected):
        return False
    nearest = np.searchsorted((annotated[1:] + annotated[:-1]) / 2, detected)
    reach = SAME_BEAT_MS * sampling_rate / 1000
    return float((np.abs(annotated[nearest] - detected) <= reach).mean()) >= MIN_COVERED
