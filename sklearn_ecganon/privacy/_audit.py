"""A lower bound of epsilon, measured from what a mechanism returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta

from sklearn_ecganon.privacy._gaussian import check_budget, gaussian_epsilon

_FEWEST_RUNS = 20


class EpsilonBound(NamedTuple):
    """A lower bound of the epsilon of a mechanism.

    Attributes
    ----------
    epsilon : float
        The mechanism has no smaller epsilon, with the given confidence.
    false_positives, true_positives : float
        How often the attacker reports the canary without it, and with it.
    n_runs : int
        Number of runs of each kind that were counted.
    """

    epsilon: float
    false_positives: float
    true_positives: float
    n_runs: int


def audit_epsilon(
    without: Callable[[np.random.Generator], float],
    with_canary: Callable[[np.random.Generator], float],
    *,
    delta: float,
    n_runs: int = 2000,
    confidence: float = 0.99,
    rng: np.random.Generator,
) -> EpsilonBound:
    """Attack a mechanism that adds Gaussian noise, and bound its epsilon from below.

    An attacker looks for one added person, the canary. If a mechanism is attacked more
    successfully than its stated epsilon permits, then it is broken.

    Parameters
    ----------
    without, with_canary : callable
        Run the mechanism on the same people without and with the canary, and return a score
        that is higher if the attacker believes that the canary is there.
    delta : float
        As stated by the mechanism.
    n_runs : int, default=2000
        Number of runs of each kind. One half chooses the threshold, the other is counted.
    confidence : float, default=0.99
        Probability with which the bound holds.
    rng : numpy.random.Generator
        Passed to both callables.

    Returns
    -------
    bound : EpsilonBound
        The lower bound, 0 if the attack has no success.

    Raises
    ------
    ValueError
        If there are fewer than 20 runs, or if a parameter is out of its range.

    Notes
    -----
    Clopper-Pearson intervals of both error rates give a lower bound of the distance between
    the two Gaussians that the attacker separates, and with it of epsilon [1]_. The bound holds
    for Gaussian mechanisms only. It is a test and no proof: a broken mechanism may pass if
    the canary or the score is weak.

    References
    ----------
    .. [1] M. Nasr et al., "Tight Auditing of Differentially Private Machine Learning",
       USENIX Security 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.privacy import audit_epsilon, gaussian_noise
    >>> noise = gaussian_noise(2.0, 1e-5)
    >>> bound = audit_epsilon(
    ...     lambda rng: noise * rng.standard_normal(),
    ...     lambda rng: 1 + noise * rng.standard_normal(),
    ...     delta=1e-5, rng=np.random.default_rng(0),
    ... )
    >>> 0.5 < bound.epsilon < 2.0
    True
    """
    check_budget(1.0, delta)
    if n_runs < _FEWEST_RUNS or not 0 < confidence < 1:
        raise ValueError(
            f"n_runs={n_runs} and confidence={confidence}; give {_FEWEST_RUNS} runs or more, "
            "and a confidence between 0 and 1."
        )
    absent = np.array([without(rng) for _ in range(n_runs)], dtype=float)
    present = np.array([with_canary(rng) for _ in range(n_runs)], dtype=float)
    n_first = n_runs // 2
    # Halfway between the medians both error rates are known best.
    threshold = (np.median(absent[:n_first]) + np.median(present[:n_first])) / 2
    false = absent[n_first:] > threshold
    true = present[n_first:] > threshold
    highest_false = _upper_limit(false, confidence)
    highest_missed = _upper_limit(~true, confidence)
    distance = max(0.0, float(-ndtri(highest_false) - ndtri(highest_missed)))
    return EpsilonBound(
        gaussian_epsilon(1.0, delta, distance),
        float(false.mean()),
        float(true.mean()),
        n_runs - n_first,
    )


def _upper_limit(errors: NDArray[np.bool_], confidence: float) -> float:
    """Return the one-sided Clopper-Pearson limit of an error rate, half of the risk each."""
    n_errors, n = int(errors.sum()), len(errors)
    if n_errors == n:
        return 1.0
    return float(beta.ppf(1 - (1 - confidence) / 2, n_errors + 1, n - n_errors))
