"""Convert millivolts to integers, with a gain out of a short list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Gains of written files in digital units per mV. The first is the default: one step is 1 uV,
#: and 16 bits cover 32 mV. The others are for larger amplitudes. The gain of the input is never
#: used, because a gain that was computed for one recording identifies it.
GAINS = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)


class Quantizer:
    """Digitize a recording that arrives in chunks, without clipping it.

    Each lead begins with the finest gain. When a chunk does not fit, the gain of its lead
    falls to the next one of `GAINS` that does, and the writer scales what it has already
    written. Chunks are not stored.

    Parameters
    ----------
    n_leads : int
        Number of leads.
    largest : int
        Largest digital value. The smallest is its negative.
    gap : int
        Digital value that stands for NaN.

    Attributes
    ----------
    gain : ndarray of float of shape (n_leads,)
        Present gain in digital units per mV.
    n_clipped : int
        Number of values beyond the range of the coarsest gain: more than 32 V in 16 bits.
    """

    def __init__(self, n_leads: int, largest: int, gap: int) -> None:
        self.gain = np.full(n_leads, float(GAINS[0]))
        self.n_clipped = 0
        self._largest = largest
        self._gap = gap

    def digitize(
        self, chunk: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64] | None]:
        """Return the digital values of a chunk, after lowering the gain of leads that need it.

        Parameters
        ----------
        chunk : ndarray of shape (n_times, n_leads)
            In mV, NaN where nothing was recorded.

        Returns
        -------
        digital : ndarray of int32 of shape (n_times, n_leads)
            At the present gain.
        ratio : ndarray of shape (n_leads,) or None
            New gain divided by the gain of earlier chunks; None if no gain has changed.
        """
        if not len(chunk):
            return chunk.astype(np.int32), None
        # The extremes of a lead with a gap are NaN here and are computed separately.
        peaks = np.maximum(chunk.max(axis=0), -chunk.min(axis=0))
        has_gap = np.isnan(peaks)
        if has_gap.any():
            with_gaps = chunk[:, has_gap]
            extremes = np.fmax(np.fmax.reduce(with_gaps), -np.fmin.reduce(with_gaps))
            # A lead without any sample needs no range.
            peaks[has_gap] = np.fmax(extremes, 0.0)
        ratio = self._lower(peaks)
        values = chunk * self.gain
        np.rint(values, out=values)
        is_beyond = peaks * self.gain > self._largest
        if is_beyond.any():
            self.n_clipped += int((np.abs(values) > self._largest).sum())
            np.clip(values, -self._largest, self._largest, out=values)
        if has_gap.any():
            values = np.where(np.isnan(values), self._gap, values)
        return values.astype(np.int32), ratio

    def _lower(self, peaks: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Lower the gains to fit peaks in mV; return the ratio of new to old gains."""
        if (peaks * self.gain <= self._largest).all():
            return None
        fitting = [
            next((gain for gain in GAINS if peak * gain <= self._largest), GAINS[-1])
            for peak in peaks.tolist()
        ]
        lowered = np.minimum(self.gain, fitting)
        ratio = lowered / self.gain
        self.gain = lowered
        return None if (ratio == 1).all() else ratio

    def rescale(
        self, digital: NDArray[np.integer], ratio: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """Convert digital values from an earlier gain to the present one."""
        scaled = np.rint(digital * ratio)
        return np.where(digital == self._gap, self._gap, scaled).astype(np.int32)
