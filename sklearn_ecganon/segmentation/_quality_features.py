"""Features of each window of a lead that distinguish an ECG from noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt
from sleepecg import detect_heartbeats

_RATE = 100.0  # Hz; enough for the QRS band
_QRS_BAND = (5.0, 30.0)  # Hz
_HALF_QRS_S = 0.1
_NEIGHBORS = 12  # beats on each side that a beat is compared with
# These thresholds separate MIT-BIH, ECG-ID, LUDB and PTB-XL from the noise records of the
# Noise Stress Test, white and brown noise, EEG-like noise and sinusoids of 3 to 6 Hz.
_MIN_AGREEMENT = 0.8
_MIN_CONTRAST = 1.15
_MIN_KURTOSIS = 4.5
_MIN_QRS_MV = 0.03
_MIN_AGREEMENT_IF_REGULAR = 0.74
_PERIOD_S = (0.4, 2.0)
_MIN_REPETITION = 0.45
_MIN_FAST_POWER = 0.05


@dataclass(frozen=True)
class Features:
    """Features of each window of each lead, of shape (n_leads, n_windows), and the signal."""

    agreement: NDArray[np.float64]
    contrast: NDArray[np.float64]
    kurtosis: NDArray[np.float64]
    amplitude: NDArray[np.float64]  # median peak-to-peak amplitude of the QRS, in mV
    spread: NDArray[np.float64]  # 99th minus 1st percentile of the QRS band, in mV
    coarse: NDArray[np.float64]  # the leads at 100 to 200 Hz, of shape (n_leads, n_coarse)
    columns: NDArray[np.intp]  # of the samples of each window, of shape (n_windows, length)
    coarse_rate: float

    def windows(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the samples of the chosen ones of all windows: (n_chosen, length)."""
        lead, window = np.nonzero(chosen)
        return self.coarse[lead[:, np.newaxis], self.columns[window]]

    @property
    def may_be_ecg(self) -> NDArray[np.bool_]:
        """Whether the beats of each window are alike enough to ask how regular they are."""
        return (self.agreement >= _MIN_AGREEMENT_IF_REGULAR) & (self.amplitude >= _MIN_QRS_MV)

    @property
    def is_ecg(self) -> NDArray[np.bool_]:
        """Whether each window shows beats."""
        return (
            (self.agreement >= _MIN_AGREEMENT)
            & (self.contrast >= _MIN_CONTRAST)
            & (self.kurtosis >= _MIN_KURTOSIS)
            & (self.amplitude >= _MIN_QRS_MV)
        )


def features_of(traces: NDArray, bounds: NDArray[np.intp], rate: float) -> Features:
    """Return the features of each window of each lead.

    Parameters
    ----------
    traces : ndarray of shape (n_leads, n_times)
        Finite signals in mV.
    bounds : ndarray of int of shape (n_windows + 1,)
        First sample of each window, and the end.
    rate : float
        Sampling rate in Hz.
    """
    coarse, factor = _decimated(traces, rate)
    rate = rate / factor
    band = sosfiltfilt(_qrs_filter(rate), coarse)
    n_leads, n_times = band.shape
    detected = [_detect(trace, rate) for trace in coarse]
    lead = np.repeat(np.arange(n_leads), [len(peaks) for peaks in detected])
    lead, peaks = _to_extremes(band, lead, np.concatenate(detected), round(0.06 * rate))
    near, amplitudes, agreement = _compare_beats(band, lead, peaks, rate)
    # All windows get the same length, so that each feature is one array expression.
    edges = np.minimum(bounds // factor, n_times)
    length = max(1, int(np.diff(edges).min()))
    columns = edges[:-1, np.newaxis] + np.arange(length)
    windows, inside = (values[:, columns].reshape(-1, length) for values in (band, near))
    power = windows**2
    sampled = windows[:, :: max(1, length // 300)]
    lower, upper = sampled.shape[1] // 100, int(0.99 * (sampled.shape[1] - 1))
    ordered = np.partition(sampled, [lower, upper], axis=1)
    spread = ordered[:, upper] - ordered[:, lower]
    n_inside = inside.sum(axis=1)
    near_power, total_power = np.einsum("ij,ij->i", power, inside), power.sum(axis=1)
    within = near_power / np.maximum(n_inside, 1)
    outside = (total_power - near_power) / np.maximum(length - n_inside, 1)
    n_windows = len(columns)
    window_of = lead * n_windows + np.searchsorted(edges, peaks, side="right") - 1
    n_beats, medians = _window_medians(
        n_leads * n_windows, window_of, np.array([agreement, amplitudes])
    )
    comparable = (n_beats >= 2) & (n_inside < length)
    features = {
        "agreement": np.where(comparable, medians[0], 0.0),
        "contrast": np.where(comparable, np.sqrt(within / np.maximum(outside, 1e-12)), 0.0),
        "kurtosis": length
        * np.einsum("ij,ij->i", power, power)
        / np.maximum(total_power**2, 1e-18),
        "amplitude": np.where(comparable, medians[1], 0.0),
        "spread": spread,
    }
    by_lead = {name: values.reshape(n_leads, n_windows) for name, values in features.items()}
    return Features(**by_lead, coarse=coarse, columns=columns, coarse_rate=rate)


@lru_cache(maxsize=64)
def _qrs_filter(rate: float) -> NDArray[np.float64]:
    """Return the filter of the QRS band; designing it takes longer than filtering 10 s."""
    high = min(_QRS_BAND[1], 0.45 * rate)
    return butter(2, [_QRS_BAND[0], high], "bandpass", fs=rate, output="sos")


def _decimated(traces: NDArray, rate: float) -> tuple[NDArray[np.float64], int]:
    """Return leads decimated to 100 to 200 Hz with a median of 0, and the factor."""
    factor = max(1, int(rate // _RATE))
    n_times = traces.shape[1] // factor * factor
    coarse = traces[:, :n_times:factor].copy()
    for phase in range(1, factor):
        coarse += traces[:, phase:n_times:factor]
    coarse /= factor
    some = coarse[:, :: max(1, coarse.shape[1] // 10_000)]
    coarse -= np.median(some, axis=1, keepdims=True)
    return coarse, factor


def _window_medians(
    n_windows: int, window_of: NDArray[np.intp], values: NDArray
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the number of beats of each window, and the lower median of each feature."""
    n_beats = np.bincount(window_of, minlength=n_windows)
    medians = np.zeros((len(values), n_windows))
    filled = n_beats > 0
    middle = (np.cumsum(n_beats) - n_beats + (n_beats - 1) // 2)[filled]
    for row, of_beats in zip(medians, values, strict=True):
        row[filled] = of_beats[np.lexsort((of_beats, window_of))][middle]
    return n_beats, medians


def _detect(trace: NDArray, rate: float) -> NDArray[np.intp]:
    if len(trace) < 2 * rate or np.ptp(trace) == 0:
        return np.empty(0, np.intp)
    return np.asarray(detect_heartbeats(trace, rate), dtype=np.intp)


def _to_extremes(
    band: NDArray, lead: NDArray[np.intp], peaks: NDArray[np.intp], reach: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Move each peak to the largest absolute value within reach; return leads and peaks."""
    n_times = band.shape[1]
    around = (peaks[:, np.newaxis] + np.arange(-reach, reach + 1)).clip(0, n_times - 1)
    farthest = np.abs(band[lead[:, np.newaxis], around]).argmax(axis=1)
    moved = around[np.arange(len(peaks)), farthest]
    return np.divmod(np.unique(lead * n_times + moved), n_times)


def _compare_beats(
    band: NDArray, lead: NDArray[np.intp], peaks: NDArray[np.intp], rate: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return the samples near beats, and each beat's amplitude and agreement with others.

    Amplitude and agreement of the only beat of a lead are 0.
    """
    n_leads, n_times = band.shape

    def around(half: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        columns = peaks[:, np.newaxis] + np.arange(-half, half + 1)
        return lead[:, np.newaxis], columns.clip(0, n_times - 1)

    near = np.zeros(band.shape, dtype=bool)
    near[around(round(0.12 * rate))] = True
    beats = band[around(round(_HALF_QRS_S * rate))]
    amplitudes = np.ptp(beats, axis=1)
    beats = beats - beats.mean(axis=1, keepdims=True)
    beats /= np.maximum(np.linalg.norm(beats, axis=1, keepdims=True), 1e-12)
    correlations = np.full((len(peaks), 2 * _NEIGHBORS), -1.0)
    for lag in range(1, min(_NEIGHBORS, len(peaks) - 1) + 1):
        pairs = np.where(
            lead[lag:] == lead[:-lag], (beats[lag:] * beats[:-lag]).sum(axis=1), -1.0
        )
        correlations[lag:, lag - 1] = pairs
        correlations[:-lag, _NEIGHBORS + lag - 1] = pairs
    # Of few beats each may have one of its kind only.
    n_beats = np.bincount(lead, minlength=n_leads)[lead]
    n_best = np.clip(n_beats // 4, 1, 3)
    total = np.cumsum(-np.sort(-correlations, axis=1)[:, :3], axis=1)
    agreement = total[np.arange(len(peaks)), n_best - 1] / n_best
    is_single = n_beats < 2
    amplitudes[is_single] = agreement[is_single] = 0.0
    return near, amplitudes, agreement


def slow_power(windows: NDArray, rate: float) -> NDArray[np.float64]:
    """Return the fraction of each window's power above 0.5 Hz that lies between 2 and 10 Hz."""
    length = min(windows.shape[1], round(5 * rate))
    centered = windows[:, :length] - windows[:, :length].mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centered * np.hanning(length))) ** 2
    frequency = np.fft.rfftfreq(length, 1 / rate)
    total = power[:, frequency > 0.5].sum(axis=1)
    slow = power[:, (frequency >= 2) & (frequency <= 10)].sum(axis=1)
    return slow / np.maximum(total, 1e-18)


def regularity(windows: NDArray, rate: float) -> NDArray[np.float64]:
    """Return how well each window repeats itself at the rate of a heart, 0 if it does not."""
    n_windows, length = windows.shape
    first, last = round(0.12 * rate), min(round(_PERIOD_S[1] * rate), length - 1)
    if not n_windows or last <= first:
        return np.zeros(n_windows)
    spectrum = np.abs(np.fft.rfft(windows - windows.mean(axis=1, keepdims=True), 2 * length))
    frequency = np.fft.rfftfreq(2 * length, 1 / rate)
    power = spectrum**2
    fast = power[:, (frequency >= 5) & (frequency <= 15)].sum(axis=1)
    fast /= np.maximum(power[:, frequency > 0.5].sum(axis=1), 1e-18)
    power[:, (frequency < 1) | (frequency > 30)] = 0
    correlation = np.fft.irfft(power)[:, : last + 1]
    correlation /= np.maximum(correlation[:, :1], 1e-18)
    correlation *= length / (length - np.arange(last + 1))
    inner = correlation[:, first:last]
    is_peak = (inner > correlation[:, first - 1 : last - 1]) & (
        inner >= correlation[:, first + 1 : last + 1]
    )
    heights = np.where(is_peak, inner, 0.0)
    highest = heights.max(axis=1)
    period = (first + (heights > 0.8 * highest[:, np.newaxis]).argmax(axis=1)) / rate
    regular = (period >= _PERIOD_S[0]) & (highest >= _MIN_REPETITION)
    return np.where(regular & (fast >= _MIN_FAST_POWER), np.minimum(highest, 1.0), 0.0)
