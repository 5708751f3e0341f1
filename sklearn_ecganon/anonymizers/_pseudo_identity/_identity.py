"""Draw the identity of a record from a population of synthetic people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import RATE
from sklearn_ecganon.anonymizers._pseudo_identity._leads import STANDARD_LEADS
from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import (
    GRID,
    GRID_MS,
    FiducialPoints,
    from_standard,
)
from sklearn_ecganon.anonymizers._pseudo_identity._variation import BANDS, PHASES
from sklearn_ecganon.contracts import (
    Fiducials,
    category,
    twelve_lead_categories,
)

ST_MS = 60.0  # after the end of the QRS, as `sklearn_ecganon.contracts` reads it
_ST_LEAD = STANDARD_LEADS.index("II")
_R_COLUMN = int(np.searchsorted(GRID, 0.0))
_BLOCK = 500
_FEWEST_LIKE = 4  # synthetic people with the fewest differences from which one is drawn
_JITTER = 0.2  # of the difference of two people that is added to the chosen one
_N_TRIALS = 4
_STATEMENT = 6.0  # what statements without any in common count, in categories


class Population(NamedTuple):
    """Synthetic people, and what all of them share. It holds no record.

    Attributes
    ----------
    leads : tuple of str
        Leads in which people are described.
    mean : ndarray of shape (n_leads, n_grid)
        Mean template in mV.
    basis : ndarray of shape (n_components, n_leads, n_grid)
        Principal components of templates.
    people : ndarray of shape (n_people, n_numbers)
        One row for each synthetic person; see `layout`.
    has_p : ndarray of bool of shape (n_people,)
        Whether the person has P waves.
    statements : ndarray of bool of shape (n_people, n_statements)
        Which statements hold for the person.
    categories : dict of ndarray of int of shape (n_people,)
        Diagnostic categories of each person's template.
    ectopic_mean, ectopic_basis, ectopic : ndarray
        The same for ventricular beats.
    deviation_basis : ndarray of shape (n_deviations, n_leads, n_grid)
        Principal deviations of single beats.
    deviation_scale, persistence : ndarray of shape (n_deviations,)
        Their sizes, and the correlation of those of two consecutive beats.
    noise_correlation : ndarray of shape (n_bands, n_leads, n_leads)
        Correlation of the noise of two leads.
    wander_correlation : ndarray of shape (n_leads, n_leads)
        The same of the baseline.
    wander_spectrum : ndarray of shape (n_wander,)
        Log amplitude of the baseline at `WANDER_HZ`.
    """

    leads: tuple[str, ...]
    mean: NDArray[np.float64]
    basis: NDArray[np.float64]
    people: NDArray[np.float64]
    has_p: NDArray[np.bool_]
    statements: NDArray[np.bool_]
    categories: dict[str, NDArray[np.intp]]
    ectopic_mean: NDArray[np.float64]
    ectopic_basis: NDArray[np.float64]
    ectopic: NDArray[np.float64]
    deviation_basis: NDArray[np.float64]
    deviation_scale: NDArray[np.float64]
    persistence: NDArray[np.float64]
    noise_correlation: NDArray[np.float64]
    wander_correlation: NDArray[np.float64]
    wander_spectrum: NDArray[np.float64]


class Identity(NamedTuple):
    """All numbers that the signal of one synthetic person is written from.

    Attributes
    ----------
    numbers : ndarray of shape (n_numbers,)
        As a row of `Population.people`.
    ectopic : ndarray of shape (n_ectopic_components,)
        Coefficients of the ventricular beat.
    fiducial_points : FiducialPoints
        Where the waves lie.
    has_p : bool
        Whether there are P waves.
    st : float
        What is added to ST, in mV, in the lead of the model `st_lead`.
    st_lead : int
        Position of that lead.
    """

    numbers: NDArray[np.float64]
    ectopic: NDArray[np.float64]
    fiducial_points: FiducialPoints
    has_p: bool
    st: float = 0.0
    st_lead: int = 0


@lru_cache(maxsize=16)
def layout(n_components: int, n_leads: int) -> dict[str, slice]:
    """Return where each part of the numbers of a person lies."""
    sizes = {
        "template": n_components,
        "fiducial_points": 4,
        "noise": len(BANDS) * n_leads,
        "noise_shape": len(BANDS) * len(PHASES),
        "gain": 1,
        "deviation": 1,
        "wander": n_leads,
        "offset": n_leads,
    }
    ends = np.cumsum(list(sizes.values())).tolist()
    return {
        name: slice(end - size, end)
        for (name, size), end in zip(sizes.items(), ends, strict=True)
    }


def section(population: Population, numbers: NDArray, name: str) -> NDArray[np.float64]:
    """Return one part of the numbers of one or several people; see `layout`."""
    return numbers[..., layout(len(population.basis), len(population.leads))[name]]


def fiducial_points_of(population: Population, numbers: NDArray) -> FiducialPoints:
    """Return the fiducial points of a person."""
    return FiducialPoints(*section(population, numbers, "fiducial_points").tolist()).ordered()


def decode_templates(population: Population, numbers: NDArray) -> NDArray[np.float64]:
    """Return templates on the standard time axis in mV: (n_people, n_leads, n_grid)."""
    coefficients = section(population, np.atleast_2d(numbers), "template")
    return population.mean + np.tensordot(coefficients, population.basis, axes=1)


def template_categories(
    population: Population, numbers: NDArray | None = None, has_p: NDArray | None = None
) -> dict[str, NDArray[np.intp]]:
    """Return the diagnostic categories of people, read from their templates.

    ``wide_qrs`` and ``no_p`` are known for all leads, the others for the standard leads.
    """
    rows = population.people if numbers is None else np.atleast_2d(numbers)
    with_p = population.has_p if has_p is None else has_p
    marks = [fiducial_points_of(population, row) for row in rows]
    qrs = np.array([mark.offset - mark.onset for mark in marks])
    result: dict[str, NDArray[np.intp]] = {
        "wide_qrs": category("wide_qrs", qrs),
        "no_p": np.where(with_p, 0, 1),
    }
    if population.leads != STANDARD_LEADS:
        return result
    tables: dict[str, list[NDArray[np.intp]]] = {"st": []}
    for start in range(0, len(rows), _BLOCK):
        chosen = slice(start, start + _BLOCK)
        beats, fiducials = rendered(population, rows[chosen], marks[chosen], with_p[chosen])
        measured = twelve_lead_categories(
            beats, STANDARD_LEADS, RATE, r_peak=_R_COLUMN, fiducials=fiducials
        )
        for name, values in measured.items():
            tables.setdefault(name, []).append(values)
        at = (np.array([mark.offset for mark in marks[chosen]]) + ST_MS - GRID[0]) / GRID_MS
        levels = beats[np.arange(len(beats)), _ST_LEAD, np.rint(at).astype(np.intp)]
        tables["st"].append(category("st", levels))
    tables.pop("pr", None)  # intervals are set when a record is written
    return result | {name: np.concatenate(blocks) for name, blocks in tables.items()}


def rendered(
    population: Population,
    numbers: NDArray,
    marks: Sequence[FiducialPoints],
    has_p: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], Fiducials]:
    """Return templates on people's own time axes, and the edges of their waves."""
    templates = decode_templates(population, numbers)
    beats = np.empty_like(templates)
    for beat, template, mark in zip(beats, templates, marks, strict=True):
        # The inverse of `from_standard` is piecewise linear as well.
        at = np.interp(GRID, from_standard(GRID, mark), np.arange(len(GRID)))
        low = at.astype(np.intp).clip(0, len(GRID) - 2)
        beat[:] = template[:, low] + (at - low) * (template[:, low + 1] - template[:, low])
    edges = (np.array(marks, dtype=float) - GRID[0]) * (RATE / 1000)
    p_onset = np.where(has_p, edges[:, 0], np.nan)
    return beats, Fiducials(edges[:, 1], edges[:, 2], p_onset, edges[:, 3])


def likeness(statements: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how alike statements are: those in common over all that either has (Jaccard).

    Parameters
    ----------
    statements : ndarray of bool of shape (n_statements,)
        Of one record.
    others : ndarray of bool of shape (n_others, n_statements)
        Of others. Two records without any statement are alike.
    """
    either = (statements | others).sum(axis=1)
    return np.where(either, (statements & others).sum(axis=1) / np.maximum(either, 1), 1.0)


def draw_identity(
    population: Population,
    categories: Mapping[str, int],
    statements: NDArray[np.bool_] | None,
    rng: np.random.Generator,
) -> Identity:
    """Draw a synthetic person with the categories and statements of a record.

    One of the synthetic people with the fewest differences is chosen, and a small part of
    the difference of two others is added, unless this changes a category.

    Parameters
    ----------
    population : Population
        The people.
    categories : mapping of str to int
        Categories of the record. Names that the population does not know are ignored, and so
        are negative codes, which say that something was not measured.
    statements : ndarray of bool of shape (n_statements,) or None
        Statements of the record, if there are any.
    rng : numpy.random.Generator
        Source of the draws.
    """
    requested = {
        name: code
        for name, code in categories.items()
        if name in population.categories and code >= 0
    }
    cost = np.zeros(len(population.people))
    for name, code in requested.items():
        weight = 3.0 if name in ("wide_qrs", "no_p") else 1.0
        cost += weight * (population.categories[name] != code)
    if statements is not None and population.statements.shape[1]:
        cost += _STATEMENT * (1 - likeness(statements, population.statements))
    # Ties are broken by chance.
    order = np.lexsort((rng.random(len(cost)), cost))
    n_like = max(_FEWEST_LIKE, int((cost == cost[order[0]]).sum()))
    chosen = int(order[rng.integers(min(n_like, len(order)))])
    numbers, has_p = population.people[chosen], bool(population.has_p[chosen])
    alike = order[: max(n_like, 50)]
    first, second = population.people[rng.choice(alike, (_N_TRIALS, 2)).T]
    moved = numbers + _JITTER * (first - second)
    measured = template_categories(population, moved, np.full(_N_TRIALS, has_p))
    same = np.array(
        [measured[name] == population.categories[name][chosen] for name in measured]
    )
    if same.all(axis=0).any():
        numbers = moved[same.all(axis=0).argmax()]
    ectopic = population.ectopic[rng.integers(len(population.ectopic))]
    return Identity(numbers, ectopic, fiducial_points_of(population, numbers), has_p)
