"""Traces to the magnitude and phase of their short-time Fourier transform, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

SHORTEST = 4


@dataclass(frozen=True)
class TimeFrequency:
    """A short-time Fourier transform that can be undone exactly.

    Parameters
    ----------
    n_times : int
        Samples of a trace, at least 2.
    length : int
        Samples of the Hann window, even and at most ``2 * n_times``.
    hop : int
        Samples from one frame to the next, at most half a window: every sample is then
        seen where the window is not near zero, and the inverse loses no digits.
    """

    n_times: int
    length: int
    hop: int

    @classmethod
    def finest(cls, n_times: int, height: int, width: int) -> TimeFrequency | None:
        """Return the transform that suits `n_times` best in a grid of that size, if any.

        The window is about twice the square root of the trace, which resolves time and
        frequency alike, or what `height` frequencies allow; it moves by a quarter of its
        length, or by up to a half if `width` frames allow no more.
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
            small waves are seen beside the QRS, and the phase as a share of pi.
        """
        stft = self._stft
        # Frames reach over both ends; zeros there would show a step at each.
        spectrum = stft.stft(traces, padding="edge")
        magnitude = 2 * np.sqrt(np.abs(spectrum) / stft.win.sum()) - 1
        return np.stack([magnitude, np.angle(spectrum) / np.pi], axis=2)

    def backward(self, pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the traces; what is no spectrum of any trace becomes the nearest one's."""
        stft = self._stft
        root = np.maximum(pictures[:, :, 0] + 1, 0) / 2
        magnitude = root**2 * stft.win.sum()
        spectrum = magnitude * np.exp(1j * np.pi * pictures[:, :, 1])
        return stft.istft(spectrum, k1=self.n_times)
