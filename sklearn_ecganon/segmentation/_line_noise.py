"""Noise for the isoelectric line where no beat reaches: in pauses and at silent ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfilt

SHORTEST_MS = 1000.0  # shorter bridges between windows stay smooth
AVERAGE_MS = 80.0  # what varies faster than this is noise, outside of the QRS complex
HIGHEST_HZ = 100.0  # muscle noise is broad
MOST_NOISE = (
    0.005  # of the peak-to-peak amplitude of the smaller beat, at one standard deviation
)
N_SETTLE = 100  # samples until the filter has forgotten its start


def add_line_noise(
    signal: NDArray[np.float64],
    beats: NDArray[np.float64],
    r_peaks: NDArray[np.intp],
    sampling_rate: float,
) -> None:
    """Add noise, in place, where a stitched signal lies far from every window.

    The noise has the covariance between leads that the calmer half of the two windows
    around it has, up to a common factor, so that it obeys the same relations between leads.
    In most leads it is at most 0.5 % of the amplitude of the beats, as a detector must find
    no beat in it. It is a function of these two windows and of its length, and uses no
    sample of the original.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Stitched signal in mV.
    beats : ndarray of shape (n_beats, n_leads, n_times)
        Windows in mV that it was stitched from.
    r_peaks : ndarray of shape (n_beats,)
        Positions of the R peaks in samples.
    sampling_rate : float
        In Hz.
    """
    n_shortest = round(SHORTEST_MS * sampling_rate / 1000)
    for start, stop, chosen in _bridges(beats.shape[2], r_peaks, signal.shape[1], n_shortest):
        windows = beats[chosen]
        key = hashlib.blake2b(np.ascontiguousarray(windows).data, digest_size=16).digest()
        rng = np.random.default_rng(int.from_bytes(key))
        mixing = _root_covariance(windows, sampling_rate)
        # Detectors become more sensitive in a pause, and must find no beat in the noise.
        spread = np.linalg.norm(mixing, axis=1)
        allowed = MOST_NOISE * np.ptp(windows, axis=-1).min(axis=0)
        mixing *= min(1.0, float(np.median(allowed / np.maximum(spread, 1e-12))))
        band = butter(2, min(HIGHEST_HZ, 0.4 * sampling_rate), fs=sampling_rate, output="sos")
        white = rng.standard_normal((len(signal), stop - start + N_SETTLE))
        noise = sosfilt(band, white)[:, N_SETTLE:]
        noise = mixing @ (noise / noise.std())
        n_ramp = round(AVERAGE_MS * sampling_rate / 1000)
        ramp = (1 - np.cos(np.pi * np.arange(1, n_ramp + 1) / (n_ramp + 1))) / 2
        noise[:, :n_ramp] *= ramp
        noise[:, -n_ramp:] *= ramp[::-1]
        signal[:, start:stop] += noise


def _bridges(
    n_times: int, r_peaks: NDArray[np.intp], n_samples: int, n_shortest: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Yield start and end of each long bridge, and the one or two beats around it."""
    starts = r_peaks - n_times // 2
    begin, end = np.r_[0, starts + n_times], np.r_[starts, n_samples]
    for i in np.flatnonzero(end - begin >= n_shortest):
        beats = [max(int(i) - 1, 0), min(int(i), len(r_peaks) - 1)]
        yield int(begin[i]), int(end[i]), beats


def _root_covariance(windows: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return the symmetric root of the leads' noise covariance: (n_leads, n_leads) in mV."""
    n_average = max(3, round(AVERAGE_MS * rate / 1000))
    residual = windows - uniform_filter1d(windows, n_average, axis=-1, mode="nearest")
    size = np.maximum(residual.std(axis=(0, 2), keepdims=True), 1e-12)
    energy = ((residual / size) ** 2).sum(axis=1)
    energy = uniform_filter1d(energy, n_average, axis=-1, mode="nearest")
    calm = residual.swapaxes(1, 2)[energy <= np.median(energy)]
    values, vectors = np.linalg.eigh(calm.T @ calm / len(calm))
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
