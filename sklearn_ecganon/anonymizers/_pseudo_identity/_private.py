"""Adapt a public population to other people, with differential privacy of each person."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import describe
from sklearn_ecganon.anonymizers._pseudo_identity._blending import original_identity
from sklearn_ecganon.anonymizers._pseudo_identity._identity import (
    Population,
    layout,
    template_categories,
)
from sklearn_ecganon.anonymizers._pseudo_identity._workers import over_records
from sklearn_ecganon.privacy import PrivateMoments, private_moments
from sklearn_ecganon.records import BeatSet

N_DIMENSIONS = 12
#: Longest contribution of a person. That of most public people is shorter.
CLIP = 1.35 * np.sqrt(N_DIMENSIONS)
_N_ITERATIONS = 20
_PARTS = ("template", "fiducial_points")
# Fractions of the total variance in which directions are sought.
_WEIGHTS = {"template": 0.8, "fiducial_points": 0.2}


class Coordinates(NamedTuple):
    """Directions in which public people differ most.

    The contributions of public people have mean 0 and covariance 1.

    Attributes
    ----------
    columns : ndarray of int of shape (n_columns,)
        The numbers of a person that are used.
    mean : ndarray of shape (n_columns,)
        Their mean over public people.
    to : ndarray of shape (n_columns, n_dimensions)
        Turns deviations from the mean into coordinates.
    back : ndarray of shape (n_dimensions, n_columns)
        Turns coordinates into deviations.
    """

    columns: NDArray[np.intp]
    mean: NDArray[np.float64]
    to: NDArray[np.float64]
    back: NDArray[np.float64]

    def of(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coordinates of people: (n_people, n_dimensions)."""
        return (numbers[:, self.columns] - self.mean) @ self.to


def coordinates_of(population: Population) -> Coordinates:
    """Return the coordinates of a public population; they depend on nothing private."""
    parts = layout(len(population.basis), len(population.leads))
    columns, scales = [], []
    for name in _PARTS:
        part = population.people[:, parts[name]]
        columns.append(np.arange(population.people.shape[1])[parts[name]])
        # Coefficients of a template share a unit; fiducial points differ in their spread.
        spread = part.std(axis=0) * np.sqrt(part.shape[1])
        if name == "template":
            spread = np.full(part.shape[1], np.sqrt(part.var(axis=0).sum()))
        scales.append(np.sqrt(_WEIGHTS[name]) / np.maximum(spread, 1e-9))
    column, scale = np.concatenate(columns), np.concatenate(scales)
    mean = population.people[:, column].mean(axis=0)
    deviations = (population.people[:, column] - mean) * scale
    _, sizes, directions = np.linalg.svd(deviations, full_matrices=False)
    n_dimensions = min(N_DIMENSIONS, int((sizes > 1e-6 * sizes[0]).sum()))
    size = sizes[:n_dimensions] / np.sqrt(len(deviations))
    to = scale[:, np.newaxis] * directions[:n_dimensions].T / size
    back = size[:, np.newaxis] * directions[:n_dimensions] / scale
    coordinates = Coordinates(column, mean, to, back)
    # Some public people are clipped, which makes the others' moments smaller.
    for _ in range(_N_ITERATIONS):
        rows = coordinates.of(population.people)
        rows *= np.minimum(1, CLIP / np.maximum(np.linalg.norm(rows, axis=1), 1e-9))[:, None]
        shift = rows.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(rows.T, bias=True))
        root = np.sqrt(np.maximum(variances, 1e-9))
        coordinates = Coordinates(
            column,
            coordinates.mean + shift @ coordinates.back,
            coordinates.to @ (axes / root) @ axes.T,
            (axes * root) @ axes.T @ coordinates.back,
        )
    return coordinates


def adapted(population: Population, moments: PrivateMoments) -> Population:
    """Return a population whose people have other moments along the coordinates.

    Parameters
    ----------
    population : Population
        Public people. All that they have beside the coordinates stays.
    moments : PrivateMoments
        Mean and covariance of other people.
    """
    coordinates = coordinates_of(population)
    public = coordinates.of(population.people)
    variances, directions = np.linalg.eigh(moments.covariance)
    root = (directions * np.sqrt(variances)) @ directions.T
    moved = moments.mean + public @ root
    people = population.people.copy()
    people[:, coordinates.columns] += (moved - public) @ coordinates.back
    population = population._replace(people=people)
    return population._replace(categories=template_categories(population))


def coordinates_of_records(
    population: Population, beats: BeatSet, n_jobs: int | None
) -> NDArray[np.float64]:
    """Return the coordinates of records: (n_records, n_dimensions).

    Those of a record depend on this record and the public population alone.
    """
    numbers = over_records(_numbers_of, beats, lambda i, record: (population, record), n_jobs)
    return coordinates_of(population).of(np.stack(numbers))


def _numbers_of(population: Population, record: BeatSet) -> NDArray[np.float64]:
    description = describe(record, population.leads, delineate=len(record.beats) > 1)
    return original_identity(population, description).numbers


def private_population(
    population: Population,
    beats: BeatSet,
    subjects: Any,
    epsilon: float,
    delta: float,
    seed: int | None,
    n_jobs: int | None,
) -> tuple[Population, PrivateMoments]:
    """Return a public population with the moments of other people, and these moments.

    Parameters
    ----------
    population : Population
        Public people.
    beats : BeatSet
        Records of the other people. Records without beats are left out.
    subjects : array-like of shape (n_records,) or None
        The person of each record.
    epsilon, delta : float
        The guarantee for each person.
    seed : int or None
        Seed of the noise. The operating system draws it if it is None; anybody who guesses
        another one can remove the noise.
    n_jobs : int or None
        Number of joblib workers.

    Raises
    ------
    ValueError
        If subjects are missing, or if epsilon or delta is out of its range.
    """
    if subjects is None:
        raise ValueError(
            f"epsilon={epsilon} is a guarantee for people; give y, the subject of each record."
        )
    with_beats = np.flatnonzero(beats.n_beats)
    values = coordinates_of_records(population, beats[with_beats], n_jobs)
    moments = private_moments(
        values,
        np.asarray(subjects)[with_beats],
        epsilon=epsilon,
        delta=delta,
        clip=CLIP,
        rng=np.random.default_rng(seed),
    )
    return adapted(population, moments), moments
