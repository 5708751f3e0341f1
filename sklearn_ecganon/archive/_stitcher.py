"""Released stretches back to one signal, without a seam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.archive._stretches import Stretch
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation._stitching import stitch_signal


class Stitcher:
    """Stitches one stretch after the other into what all of them at once would make.

    Between two R peaks a stitched signal depends on these two beats alone. So each stretch
    is written up to its last R peak, and that beat waits for the first one of the next.
    """

    def __init__(self, layout: BeatSet) -> None:
        self._done = 0
        self._windows = layout.beats[:0]
        self._peaks = np.empty(0, np.intp)
        self._gaps = np.empty((0, 2), np.intp)
        self._dead: list[tuple[int, int, NDArray[np.bool_]]] = []
        self._layout = layout

    def add(self, stretch: Stretch, released: BeatSet, *, last: bool) -> NDArray[np.float64]:
        """Return the next samples in mV: (n_times, n_leads).

        Parameters
        ----------
        stretch : Stretch
            Says where it lies, what of it is a gap, and which leads are dead.
        released : BeatSet
            Its beats anonymized.
        last : bool
            Whether none follows.
        """
        start, stop = stretch.start, stretch.stop
        windows = np.concatenate([self._windows, released.beats])
        peaks = np.concatenate([self._peaks, released.r_peaks + start])
        gaps = [self._gaps]
        if not len(released.beats):
            gaps.append(np.array([[start, stop]]))  # there is nothing to make it from
        elif released.gaps is not None:
            gaps.append(released.gaps[:, 1:] + start)
        self._gaps = np.concatenate(gaps)
        self._dead.append((start, stop, stretch.dead))
        # A stretch without beats is no reason to wait, or waiting might have no end.
        whole = last or not len(released.beats)
        end = stop if whole else int(peaks[-1])
        signal = self._stitched(windows, peaks, stop)[: end - self._done]
        for first, past, dead in self._dead:
            if dead.any():
                rows = slice(max(first - self._done, 0), max(past - self._done, 0))
                signal[rows, dead] = np.nan
        self._windows, self._peaks = (
            (windows[:0], peaks[:0]) if whole else (windows[-1:].copy(), peaks[-1:])
        )
        self._gaps = self._gaps[self._gaps[:, 1] > end]
        self._gaps = np.maximum(self._gaps, end)
        self._dead = [part for part in self._dead if part[1] > end]
        self._done = end
        return signal

    def _stitched(self, windows: NDArray, peaks: NDArray, stop: int) -> NDArray[np.float64]:
        """Return what windows make of the samples from what is done up to `stop`."""
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
