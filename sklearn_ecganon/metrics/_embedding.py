"""A fixed embedding of ECG strips, without trained weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Edges of the frequency bands in Hz, and quantiles of amplitudes.
BANDS = (0.5, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: Distances in s at which a strip is compared with itself.
LAGS = (0.02, 0.04, 0.08, 0.16, 0.3, 0.5, 0.7, 0.9, 1.1)
WINDOW = 0.1  # s, for the local noise
EPSILON = 1e-6  # mV, keeps logarithms of flat leads finite


def strip_embedding(
    strips: ArrayLike, sampling_rate: float, *, by_lead: bool = False
) -> NDArray[np.float64]:
    """Return features of strips: spectrum, amplitudes, rhythm and noise.

    Parameters
    ----------
    strips : array-like of shape (n_strips, n_leads, n_times)
        Signals in mV without gaps, at least 2 s long.
    sampling_rate : float
        In Hz, at least 100.
    by_lead : bool, default=False
        Return the numbers of each lead one after the other, for classifiers that know the
        leads, instead of their mean and standard deviation over leads.

    Returns
    -------
    embedding : ndarray of shape (n_strips, 108) or (n_strips, 54 * n_leads)
        Mean over leads of 54 numbers, then their standard deviation over leads (0 for a
        single lead). For each lead, in this order: log power in 12 bands from 0.5 to
        48 Hz (12); signed log of the 7 quantiles (1 to 99 %) of the signal around its
        median, and log of the 7 quantiles of the absolute difference of neighboring
        samples and of its local mean in windows of 100 ms (21); autocorrelation at 9 lags
        from 20 ms to 1.1 s (9); the same for the absolute difference (9); skewness and
        log kurtosis, and log of the signal's standard deviation (3).

    Raises
    ------
    ValueError
        If the strips have another shape, hold NaN, are too short, or the rate is too low.

    Notes
    -----
    It replaces the trained network of the Frechet inception distance: nothing is downloaded,
    and the result is the same on every machine up to rounding. The numbers are chosen to
    expose what synthetic ECGs lack: noise between the beats, slow changes of
    amplitude, and variation from beat to beat.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.metrics import strip_embedding
    >>> strips = np.random.default_rng(0).normal(size=(4, 2, 500))
    >>> strip_embedding(strips, 100.0).shape
    (4, 108)
    """
    values = np.asarray(strips, dtype=float)
    if values.ndim != 3 or not len(values) or not np.isfinite(values).all():
        raise ValueError(
            f"strips has shape {values.shape}; give finite numbers of shape "
            "(n_strips, n_leads, n_times)."
        )
    n_times = values.shape[2]
    if sampling_rate < 100 or n_times < 2 * sampling_rate:
        raise ValueError(
            f"strips of {n_times / sampling_rate:g} s at {sampling_rate:g} Hz; give 2 s or "
            "more at 100 Hz or more."
        )
    slope = np.abs(np.diff(values, axis=2))
    local = _moving_mean(slope, max(2, round(WINDOW * sampling_rate)))
    centered = values - np.median(values, axis=2, keepdims=True)
    quantiles = np.moveaxis(np.quantile(centered, QUANTILES, axis=2), 0, -1)
    rates = [np.quantile(x, QUANTILES, axis=2) for x in (slope, local)]
    deviation = values.std(axis=2) + EPSILON
    shape = (values - values.mean(axis=2, keepdims=True)) / deviation[..., np.newaxis]
    features = np.concatenate(
        [
            _band_powers(values, sampling_rate),
            np.sign(quantiles) * np.log1p(np.abs(quantiles) / 0.01),
            *(np.moveaxis(np.log(rate + EPSILON), 0, -1) for rate in rates),
            _autocorrelation(values, sampling_rate),
            _autocorrelation(slope, sampling_rate),
            np.stack(
                [(shape**3).mean(axis=2), np.log1p((shape**4).mean(axis=2)), np.log(deviation)],
                axis=-1,
            ),
        ],
        axis=2,
    )
    if by_lead:
        return features.reshape(len(features), -1)
    return np.concatenate([features.mean(axis=1), features.std(axis=1)], axis=1)


def _band_powers(values: NDArray, rate: float) -> NDArray[np.float64]:
    """Return the log power in each band, in mV: (n_strips, n_leads, n_bands)."""
    n_times = values.shape[2]
    window = np.hanning(n_times)
    spectrum = np.abs(np.fft.rfft(values * window, axis=2)) ** 2 / (window**2).sum() / n_times
    frequency = np.fft.rfftfreq(n_times, 1 / rate)
    band = np.digitize(frequency, BANDS)
    powers = [spectrum[..., band == i].sum(axis=2) for i in range(1, len(BANDS))]
    return 0.5 * np.log(np.stack(powers, axis=-1) + EPSILON**2)


def _autocorrelation(values: NDArray, rate: float) -> NDArray[np.float64]:
    """Return correlations with the delayed signal: (n_strips, n_leads, n_lags)."""
    centered = values - values.mean(axis=2, keepdims=True)
    power = (centered**2).mean(axis=2) + EPSILON**2
    delays = [max(1, round(lag * rate)) for lag in LAGS]
    products = [(centered[..., d:] * centered[..., :-d]).mean(axis=2) / power for d in delays]
    return np.stack(products, axis=-1)


def _moving_mean(values: NDArray, width: int) -> NDArray[np.float64]:
    total = np.cumsum(values, axis=2)
    return (total[..., width:] - total[..., :-width]) / width
