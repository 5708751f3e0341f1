"""Count, mean and covariance of people, with differential privacy of each person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.privacy._gaussian import check_budget, gaussian_noise

#: Euclidean distance between the results with and without one person: the count changes by
#: 1, the sum by a vector of length 1 at most, and so does the sum of the products.
SENSITIVITY = float(np.sqrt(3.0))
# Range of the variances along each direction, in units of the reference.
_VARIANCES = 0.05, 20.0
_FEWEST = 1.0  # the count is not allowed to be smaller


class PrivateMoments(NamedTuple):
    """Moments of a group of people, released with differential privacy.

    Attributes
    ----------
    n_people : float
        Noisy number of people, at least 1.
    mean : ndarray of shape (n_features,)
        Mean over people.
    covariance : ndarray of shape (n_features, n_features)
        Covariance over people, positive definite.
    epsilon, delta : float
        The guarantee for each person.
    noise : float
        Standard deviation of the noise on each sum of contributions, which have a length of
        1 at most.
    """

    n_people: float
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    epsilon: float
    delta: float
    noise: float


def private_moments(
    values: ArrayLike,
    subjects: ArrayLike,
    *,
    epsilon: float,
    delta: float,
    clip: float,
    rng: np.random.Generator,
) -> PrivateMoments:
    """Return count, mean and covariance with (epsilon, delta)-differential privacy of people.

    Each person contributes once: the mean of their records, shortened to the length `clip`.
    Gaussian noise is added to the number of people, the sum and the sum of products of their
    contributions. Mean and covariance follow from the noisy sums, and are drawn towards the
    reference (mean 0, covariance 1) as far as the noise makes them uncertain.

    Parameters
    ----------
    values : array-like of shape (n_records, n_features)
        Features with a mean near 0 and a variance near 1 in a public reference population.
    subjects : array-like of shape (n_records,)
        The person of each record.
    epsilon : float
        Above 0.
    delta : float
        Above 0 and below one over the number of people.
    clip : float
        Longest contribution of a person. Choose it from public data or n_features alone.
    rng : numpy.random.Generator
        Source of the noise. Anybody who can repeat it can remove the noise.

    Returns
    -------
    moments : PrivateMoments
        The guarantee holds for anything that is computed from it.

    Raises
    ------
    ValueError
        If `epsilon`, `delta` or `clip` is out of its range, if `delta` is not below one over
        the number of people, or if values and subjects do not fit or are not finite.

    Notes
    -----
    Two groups are neighbors if one has a person more, with any number of records. The sums of
    both differ by at most sqrt(3) if contributions are divided by `clip`, so that one
    analytic Gaussian mechanism [1]_ covers all of them. Nothing else is computed from the
    values; the number of people is compared with ``1 / delta``, and an error reveals the
    outcome. Noise is drawn in floating-point numbers, whose rounding is not covered [2]_.

    References
    ----------
    .. [1] B. Balle, Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy:
       Analytical Calibration and Optimal Denoising", ICML 2018.
    .. [2] I. Mironov, "On significance of the least significant bits for differential
       privacy", CCS 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.privacy import private_moments
    >>> rng = np.random.default_rng(0)
    >>> values = rng.standard_normal((2000, 3)) + 1
    >>> moments = private_moments(
    ...     values, np.arange(2000), epsilon=1.0, delta=1e-5, clip=4.0, rng=rng
    ... )
    >>> moments.mean.round(1)
    array([1., 1., 1.])
    """
    contributions = _contributions(values, subjects, clip)
    check_budget(epsilon, delta)
    n_people, n_features = contributions.shape
    if delta * n_people >= 1:
        raise ValueError(
            f"delta={delta} with {n_people} people; give a delta below one over the number of "
            "people, or it permits publishing one of them."
        )
    noise = gaussian_noise(epsilon, delta, SENSITIVITY)
    count = n_people + noise * rng.standard_normal()
    total = contributions.sum(axis=0) + noise * rng.standard_normal(n_features)
    products = contributions.T @ contributions + _symmetric_noise(n_features, noise, rng)
    # Everything below uses the noisy sums only.
    count = max(float(count), _FEWEST)
    uncertainty = clip * noise / count
    mean = clip * total / count
    mean *= 1 / (1 + n_features * uncertainty**2)
    covariance = clip**2 * products / count - np.outer(mean, mean)
    # Norm of a symmetric matrix of noise with these entries.
    error = 2 * np.sqrt(n_features) * clip * uncertainty
    weight = 1 / (1 + error**2)
    covariance = weight * covariance + (1 - weight) * np.eye(n_features)
    variances, directions = np.linalg.eigh(covariance)
    covariance = (directions * variances.clip(*_VARIANCES)) @ directions.T
    return PrivateMoments(count, mean, covariance, float(epsilon), float(delta), noise)


def _contributions(values: ArrayLike, subjects: ArrayLike, clip: float) -> NDArray[np.float64]:
    """Return one row for each person, of a length of 1 at most."""
    rows = np.asarray(values, dtype=np.float64)
    people = np.asarray(subjects)
    if rows.ndim != 2 or people.shape != rows.shape[:1] or not rows.size:
        raise ValueError(
            f"values has shape {rows.shape} and subjects {people.shape}; give "
            "(n_records, n_features), and one subject for each of at least one record."
        )
    if not np.isfinite(rows).all():
        raise ValueError("values holds NaN or infinite numbers; leave such records out.")
    if not 0 < clip < np.inf:
        raise ValueError(f"clip={clip}; give a length above 0.")
    persons, person_of = np.unique(people, return_inverse=True)
    means = np.zeros((len(persons), rows.shape[1]))
    np.add.at(means, person_of, rows)
    means /= np.bincount(person_of)[:, np.newaxis]
    length = np.linalg.norm(means, axis=1, keepdims=True)
    return means / np.maximum(length, clip)


def _symmetric_noise(
    n_features: int, noise: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return noise for a symmetric matrix.

    The upper triangle determines the matrix, and counts in the Euclidean norm twice, so that
    its entries need the standard deviation ``noise / sqrt(2)``.
    """
    upper = np.triu(rng.standard_normal((n_features, n_features)), 1) * (noise / np.sqrt(2))
    return upper + upper.T + np.diag(noise * rng.standard_normal(n_features))
