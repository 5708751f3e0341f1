"""Join released stretches to one signal without seams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.archive._stretches import Stretch
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import stitch_signal


class Stitcher:
    """Stitches one stretch after the other; the result is that of all stretches at once.

    Between two R peaks, a stitched signal depends on these two beats only. So each stretch is
    written up to its last R peak, and that beat is kept until the next stretch arrives. Whole
    signals, which some anonymizers write, need no stitching.
    """

    def __init__(self, layout: BeatSet) -> None:
        self._done = 0
        self._windows = layout.beats[:0]
        self._peaks = np.empty(0, np.intp)
        self._gaps = np.empty((0, 2), np.intp)
        self._lead_gaps = np.empty((0, 3), np.intp)
        self._layout = layout

    def add(self, stretch: Stretch, released: BeatSet, *, last: bool) -> NDArray[np.float64]:
        """Return the next samples in mV: (n_times, n_leads).

        Parameters
        ----------
        stretch : Stretch
            Position, gaps and dead leads of the stretch.
        released : BeatSet
            Its anonymized beats.
        last : bool
            Whether this is the last stretch.
        """
        start, stop = stretch.start, stretch.stop
        if released.signals is not None:
            self._done = stop
            return stitch_signal(released, 0).T
        windows = np.concatenate([self._windows, released.beats])
        peaks = np.concatenate([self._peaks, released.r_peaks + start])
        gaps = [self._gaps]
        if not len(released.beats):
            gaps.append(np.array([[start, stop]]))  # without beats there is no signal
        elif released.gaps is not None:
            gaps.append(released.gaps[:, 1:] + start)
        self._gaps = np.concatenate(gaps)
        if stretch.beats.lead_gaps is not None:
            lead_gaps = stretch.beats.lead_gaps[:, 1:] + [0, start, start]
            self._lead_gaps = np.concatenate([self._lead_gaps, lead_gaps])
        # After a stretch without beats nothing is kept back, so that memory stays bounded.
        is_complete = last or not len(released.beats)
        end = stop if is_complete else int(peaks[-1])
        signal = self._stitched(windows, peaks, stop)[: end - self._done]
        for lead, first, past in self._lead_gaps:
            signal[max(first - self._done, 0) : max(past - self._done, 0), lead] = np.nan
        self._windows, self._peaks = (
            (windows[:0], peaks[:0]) if is_complete else (windows[-1:].copy(), peaks[-1:])
        )
        self._gaps = self._gaps[self._gaps[:, 1] > end]
        self._gaps = np.maximum(self._gaps, end)
        self._lead_gaps = self._lead_gaps[self._lead_gaps[:, 2] > end]
        self._done = end
        return signal

    def _stitched(self, windows: NDArray, peaks: NDArray, stop: int) -> NDArray[np.float64]:
        """Return the signal of the windows, from the last written sample to `stop`."""
        n_times = stop - self._done
        if not len(windows):
            return np.full((n_times, windows.shape[1]), np.nan)
        gaps = self._gaps - self._done
        layout = self._layout
        beats = BeatSet(
            beats=windows,
            record=np.zeros(len(peaks), np.intp),
            r_peaks=peaks - self._done,
            lengths=np.array([n_times]),
            sampling_rate=layout.sampling_rate,
            lead_names=layout.lead_names,
            names=layout.names,
            gaps=np.c_[np.zeros(len(gaps), np.intp), gaps],
        )
        return stitch_signal(beats, 0).T
