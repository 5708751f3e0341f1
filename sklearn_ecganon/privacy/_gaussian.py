"""The analytic Gaussian mechanism."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr

_LARGEST_EPSILON = 1e3


def gaussian_noise(epsilon: float, delta: float, sensitivity: float = 1.0) -> float:
    """Return the standard deviation of the noise that gives (epsilon, delta)-privacy.

    Parameters
    ----------
    epsilon : float
        Above 0.
    delta : float
        Between 0 and 1.
    sensitivity : float, default=1.0
        Largest Euclidean distance between the exact results with and without one person.

    Returns
    -------
    scale : float
        Smallest standard deviation of Gaussian noise on each number of the result.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    gaussian_epsilon : The inverse.

    Notes
    -----
    Algorithm 1 of [1]_, solved by a root search. Unlike the classical bound it holds for
    every epsilon, and it adds less noise.

    References
    ----------
    .. [1] B. Balle, Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy:
       Analytical Calibration and Optimal Denoising", ICML 2018.

    Examples
    --------
    >>> from sklearn_ecganon.privacy import gaussian_noise
    >>> round(gaussian_noise(1.0, 1e-5), 3)
    3.731
    """
    check_budget(epsilon, delta)
    if not 0 < sensitivity < np.inf:
        raise ValueError(f"sensitivity={sensitivity}; give a number above 0.")

    def excess(log_scale: float) -> float:
        return _log_delta(epsilon, np.exp(-log_scale)) - np.log(delta)

    high = 0.0
    while excess(high) > 0:
        high += 1.0
    low = high - 1.0
    while excess(low) <= 0:
        low -= 1.0
    return float(sensitivity * np.exp(brentq(excess, low, high, xtol=1e-12)))


def gaussian_epsilon(scale: float, delta: float, sensitivity: float = 1.0) -> float:
    """Return the epsilon of Gaussian noise of a standard deviation.

    Parameters
    ----------
    scale : float
        Standard deviation of the noise, above 0.
    delta : float
        Between 0 and 1.
    sensitivity : float, default=1.0
        As for :func:`gaussian_noise`.

    Returns
    -------
    epsilon : float
        Smallest epsilon of the mechanism for this delta; at most 1000.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from sklearn_ecganon.privacy import gaussian_epsilon
    >>> round(gaussian_epsilon(3.73, 1e-5), 2)
    1.0
    """
    check_budget(1.0, delta)
    if not scale > 0 or not sensitivity >= 0:
        raise ValueError(f"scale={scale} and sensitivity={sensitivity}; give numbers above 0.")
    if sensitivity == 0:
        return 0.0
    distance = sensitivity / scale

    def excess(epsilon: float) -> float:
        return _log_delta(epsilon, distance) - np.log(delta)

    if excess(0.0) <= 0:
        return 0.0
    if excess(_LARGEST_EPSILON) > 0:
        return _LARGEST_EPSILON
    return float(brentq(excess, 0.0, _LARGEST_EPSILON, xtol=1e-10))


def check_budget(epsilon: float, delta: float) -> None:
    """Refuse a privacy budget that means nothing.

    Parameters
    ----------
    epsilon : float
        Must be above 0 and finite.
    delta : float
        Must lie between 0 and 1.

    Raises
    ------
    ValueError
        If it does not.
    """
    if not 0 < epsilon < np.inf:
        raise ValueError(f"epsilon={epsilon}; give a finite number above 0.")
    if not 0 < delta < 1:
        raise ValueError(
            f"delta={delta}; give a number between 0 and 1, and below one over the number "
            "of people."
        )


def _log_delta(epsilon: float, distance: float) -> float:
    """Return the logarithm of the smallest delta of a mechanism.

    `distance` is the sensitivity over the standard deviation of the noise.
    """
    first = log_ndtr(distance / 2 - epsilon / distance)
    second = epsilon + log_ndtr(-distance / 2 - epsilon / distance)
    return float(first + np.log1p(-np.exp(min(second - first, -1e-16))))
