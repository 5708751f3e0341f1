"""Turn millivolts into whole numbers with a gain out of a short list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Digital units a millivolt that a written file may have. The first is the usual one: a
#: microvolt a step, which covers 32 mV in 16 bits. The others are for larger releases.
#: A gain that a recorder or a library computed for one recording identifies this recording,
#: which is why the gain of the input is never used.
GAINS = (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)


class Quantizer:
    """Digitize a recording that arrives in chunks, without clipping it.

    Each lead begins with the finest gain. When a chunk does not fit, the gain of its lead
    falls to the next one of `GAINS` that does, and the writer scales what it has already
    written. No chunk is kept.

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
        Digital units a mV so far.
    n_clipped : int
        Values beyond the range of the coarsest gain, which is more than 32 V in 16 bits.
    """

    def __init__(self, n_leads: int, largest: int, gap: int) -> None:
        self.gain = np.full(n_leads, float(GAINS[0]))
        self.n_clipped = 0
        self._largest = largest
        self._gap = gap

    def adapt(self, chunk: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Lower the gain of the leads that need it.

        Parameters
        ----------
        chunk : ndarray of shape (n_times, n_leads)
            In mV, NaN where nothing was recorded.

        Returns
        -------
        ratio : ndarray of shape (n_leads,) or None
            New gain divided by the old one; None where no gain has changed.
        """
        if not len(chunk):
            return None
        # The larger of 0 and NaN is 0 here: a lead without samples needs no range.
        peaks = np.fmax(np.fmax.reduce(chunk, axis=0), -np.fmin.reduce(chunk, axis=0))
        peaks = np.fmax(peaks, 0.0)
        if (peaks * self.gain <= self._largest).all():
            return None
        gain = [
            next((gain for gain in GAINS if peak * gain <= self._largest), GAINS[-1])
            for peak in peaks.tolist()
        ]
        lowered = np.minimum(self.gain, gain)
        ratio = lowered / self.gain
        self.gain = lowered
        return None if (ratio == 1).all() else ratio

    def digitize(self, chunk: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the digital values of a chunk, after `adapt` has seen it."""
        values = chunk * self.gain
        np.rint(values, out=values)
        # NaN fails both comparisons, so that gaps are handled here too.
        inside = (values.min(axis=0) >= -self._largest).all() if len(values) else True
        inside = inside and (not len(values) or (values.max(axis=0) <= self._largest).all())
        if not inside:
            self.n_clipped += int((np.abs(values) > self._largest).sum())
            clipped = np.clip(values, -self._largest, self._largest)
            values = np.where(np.isnan(values), self._gap, clipped)
        return values.astype(np.int32)

    def rescale(
        self, digital: NDArray[np.integer], ratio: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """Return digital values of a former gain as those of the present one."""
        scaled = np.rint(digital * ratio)
        return np.where(digital == self._gap, self._gap, scaled).astype(np.int32)
