"""Conversion of traces to a short-time Fourier transform and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

SHORTEST = 4


@dataclass(frozen=True)
class TimeFrequency:
    """A short-time Fourier transform with an exact inverse.

    Parameters
    ----------
    n_times : int
        Samples of a trace, at least 2.
    length : int
        Samples of the Hann window, even and at most ``2 * n_times``.
    hop : int
        Samples from one frame to the next, at most half a window. Every sample is then in a
        frame whose window is not near zero, so that the inverse loses no digits.
    """

    n_times: int
    length: int
    hop: int

    @classmethod
    def finest(cls, n_times: int, height: int, width: int) -> TimeFrequency | None:
        """Return the finest transform that fits into a grid, or None.

        The window has about twice the square root of the samples of a trace, which resolves
        time and frequency equally, or as many as `height` frequencies allow. The hop is a
        quarter of the window, or up to a half if `width` allows no more frames.
        """
        longest = 2 ** round(np.log2(2 * np.sqrt(n_times)))
        length = min(longest, 2 * (height - 1))
        for hop in range(length // 4, length // 2 + 1) if length >= SHORTEST else ():
            transform = cls(n_times, length, hop)
            if transform.grid[1] <= width:
                return transform
        return None

    @property
    def _stft(self) -> ShortTimeFFT:
        return ShortTimeFFT(hann(self.length, sym=False), self.hop, fs=1.0)

    @property
    def grid(self) -> tuple[int, int]:
        """Frequencies and frames."""
        return self.length // 2 + 1, self._stft.p_num(self.n_times)

    def forward(self, traces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return magnitude and phase of each trace.

        Parameters
        ----------
        traces : ndarray of shape (n_images, n_traces, n_times)
            Standardized.

        Returns
        -------
        pictures : ndarray of shape (n_images, n_traces, 2, n_frequencies, n_frames)
            In [-1, 1] for traces in [-1, 1]: the square root of the magnitude, so that
            small waves are visible next to the QRS, and the phase divided by pi.
        """
        stft = self._stft
        # Frames extend beyond both ends; padding with zeros would add a step there.
        spectrum = stft.stft(traces, padding="edge")
        magnitude = 2 * np.sqrt(np.abs(spectrum) / stft.win.sum()) - 1
        return np.stack([magnitude, np.angle(spectrum) / np.pi], axis=2)

    def backward(self, pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the traces whose spectra are nearest to the given ones."""
        stft = self._stft
        root = np.maximum(pictures[:, :, 0] + 1, 0) / 2
        magnitude = root**2 * stft.win.sum()
        spectrum = magnitude * np.exp(1j * np.pi * pictures[:, :, 1])
        return stft.istft(spectrum, k1=self.n_times)
