"""A population of synthetic people, each a mixture of several described ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import (
    WANDER_HZ,
    Description,
)
from sklearn_ecganon.anonymizers._pseudo_identity._identity import (
    Population,
    likeness,
    template_categories,
)
from sklearn_ecganon.anonymizers._pseudo_identity._variation import (
    Noise,
    learn_variation,
    noise_of,
)
from sklearn_ecganon.contracts import CATEGORIES

N_PEOPLE = 3000  # synthetic people
N_ECTOPIC = 400  # synthetic ventricular beats
N_COMPONENTS = 64  # of a template
N_ECTOPIC_COMPONENTS = 12
NOVELTY = 0.7  # fraction of the standard deviation of a synthetic person that others give
N_OTHERS = 6  # people who give it
FEWEST_ALIKE = 5  # people of one shape that are mixed among themselves
N_ALIKE = 12  # people with the most similar statements in a group, and all as similar
_PRIOR = 0.05  # mV, of what a template has beside its components
_N_ITERATIONS = 12


def learn_population(
    people: Sequence[Description],
    weights: NDArray[np.float64],
    statements: NDArray[np.bool_],
    leads: Sequence[str],
    rng: np.random.Generator,
    *,
    n_people: int = N_PEOPLE,
    n_components: int = N_COMPONENTS,
    novelty: float = NOVELTY,
) -> Population:
    """Mix described people into synthetic ones.

    A synthetic person is the mean of a group, plus the deviation of one of its members from
    it times ``sqrt(1 - novelty**2)``, plus a random combination of the deviations of others
    with the length `novelty`. So the synthetic people have the covariance of the real ones,
    and none of them is one of these. A group has similar statements, a P wave or none, and
    narrow or wide QRS complexes.

    Parameters
    ----------
    people : sequence of Description
        One for each record.
    weights : ndarray of shape (n_records,)
        How often each record leads a mixture, relative to others.
    statements : ndarray of bool of shape (n_records, n_statements)
        Which statements hold for each record.
    leads : sequence of str
        Leads of the descriptions.
    rng : numpy.random.Generator
        Draws the mixtures.
    n_people, n_components : int
        Number of synthetic people, and of components of a template.
    novelty : float
        Between 0, which copies, and 1.
    """
    templates = np.stack([person.template for person in people])
    mean, basis, coefficients = _components(templates, n_components, rng)
    variation = learn_variation(people)
    noises = [noise_of(person, variation) for person in people]
    vectors = np.concatenate([coefficients, _other_numbers(people, noises)], axis=1)
    has_p = np.array([person.has_p for person in people])
    qrs = np.array(
        [person.fiducial_points.offset - person.fiducial_points.onset for person in people]
    )
    wide = qrs >= CATEGORIES["wide_qrs"][0]
    groups = _groups(statements, has_p, wide)
    chances = weights / weights.sum()
    leaders = rng.choice(len(people), n_people, p=chances)
    mixed = np.stack([_mixture(vectors, groups[i], i, novelty, rng) for i in leaders])
    ectopic_mean, ectopic_basis, ectopic = _ectopic(people, rng, novelty)
    population = Population(
        leads=tuple(leads),
        mean=mean,
        basis=basis,
        people=mixed,
        has_p=has_p[leaders],
        statements=statements[leaders],
        categories={},
        ectopic_mean=ectopic_mean,
        ectopic_basis=ectopic_basis,
        ectopic=ectopic,
        deviation_basis=variation.basis,
        deviation_scale=variation.scale,
        persistence=variation.persistence,
        noise_correlation=_mean_correlation([noise.correlation for noise in noises]),
        wander_correlation=_mean_correlation([p.wander_correlation[None] for p in people])[0],
        wander_spectrum=_wander_spectrum(people),
    )
    return population._replace(categories=template_categories(population))


def _components(
    templates: NDArray[np.float64], n_components: int, rng: np.random.Generator
) -> tuple[NDArray, NDArray, NDArray]:
    """Return mean, principal components and coefficients of templates with missing leads.

    Components are fitted to the templates with filled holes; the coefficients of what a
    template does not show are drawn given what it shows.
    """
    rows = templates.reshape(len(templates), -1)
    known = np.isfinite(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0.0).sum(axis=0) / counts
    deviations = np.where(known, rows - mean, 0.0)
    n_components = max(1, min(n_components, len(rows) - 1, rows.shape[1]))
    complete = known.all(axis=1)
    fitted = complete if complete.sum() > n_components else np.ones(len(rows), dtype=bool)
    filled = deviations[fitted].copy()
    for _ in range(1 if fitted is complete else _N_ITERATIONS):
        _, values, basis = np.linalg.svd(filled, full_matrices=False)
        basis, values = basis[:n_components], values[:n_components]
        model = filled @ basis.T @ basis
        filled = np.where(known[fitted], deviations[fitted], model)
    basis = np.pad(basis, ((0, n_components - len(basis)), (0, 0)))
    spread = np.pad(values, (0, n_components - len(values))) / np.sqrt(len(filled))
    spread = np.maximum(spread, 1e-6)
    coefficients = np.empty((len(rows), n_components))
    for i, (row, shown) in enumerate(zip(deviations, known, strict=True)):
        if shown.all():
            coefficients[i] = basis @ row
            continue
        part = basis[:, shown]
        precision = part @ part.T / _PRIOR**2 + np.diag(spread**-2.0)
        factor = np.linalg.cholesky(np.linalg.inv(precision))
        expected = factor @ factor.T @ (part @ row[shown]) / _PRIOR**2
        coefficients[i] = expected + factor @ rng.standard_normal(n_components)
    shape = templates.shape[1:]
    return mean.reshape(shape), basis.reshape(-1, *shape), coefficients


def _other_numbers(
    people: Sequence[Description], noises: Sequence[Noise]
) -> NDArray[np.float64]:
    """Return what describes people beside their templates, without holes."""
    n = len(people)
    columns = [
        np.array([person.fiducial_points for person in people], dtype=float),
        _filled(np.array([noise.level for noise in noises])).reshape(n, -1),
        np.array([noise.shape for noise in noises]).reshape(n, -1),
        np.array([[person.gain] for person in people]),
        np.array([[noise.size] for noise in noises]),
        _filled(np.array([person.wander for person in people])[:, np.newaxis])[:, 0],
        _filled(np.array([person.offset for person in people])[:, np.newaxis])[:, 0],
    ]
    return np.concatenate(columns, axis=1)


def _filled(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill leads that are missing by the level of the others and the mean of their lead.

    Parameters
    ----------
    levels : ndarray of shape (n_people, n_bands, n_leads)
        Logarithms, NaN where missing.
    """
    known = np.isfinite(levels)
    mean_level = np.where(known, levels, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    difference = np.where(known, levels - mean_level, 0.0).sum(axis=2, keepdims=True)
    difference /= np.maximum(known.sum(axis=2, keepdims=True), 1)
    return np.where(known, levels, mean_level + difference)


def _groups(
    statements: NDArray[np.bool_], has_p: NDArray[np.bool_], wide: NDArray[np.bool_]
) -> list[NDArray[np.intp]]:
    """Return for each person all people who are mixed with them, and the person.

    They have the same shape and equal statements, or the most similar ones if too few people
    have equal ones.
    """
    groups = []
    for i in range(len(has_p)):
        alike = likeness(statements[i], statements)
        shape = (has_p == has_p[i]) & (wide == wide[i])
        for same in (shape, wide == wide[i], np.ones_like(wide)):
            if same.sum() >= min(FEWEST_ALIKE, len(same)):
                break
        enough = np.sort(alike[same])[::-1][:N_ALIKE][-1]
        groups.append(np.flatnonzero(same & (alike >= enough)))
    return groups


def _mixture(
    vectors: NDArray[np.float64],
    group: NDArray[np.intp],
    leader: int,
    novelty: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return one synthetic person of a group."""
    mean = vectors[group].mean(axis=0)
    others = rng.choice(group, N_OTHERS)
    direction = rng.standard_normal(N_OTHERS)
    direction *= novelty / np.linalg.norm(direction)
    deviation = np.sqrt(1 - novelty**2) * (vectors[leader] - mean)
    return mean + deviation + direction @ (vectors[others] - mean)


def _ectopic(
    people: Sequence[Description], rng: np.random.Generator, novelty: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Return mean, components and coefficients of synthetic ventricular beats."""
    templates = np.array([person.ectopic for person in people])
    templates = templates[np.isfinite(templates).any(axis=(1, 2))]
    if len(templates) < 2:
        shape = people[0].template.shape
        one = templates[0] if len(templates) else np.zeros(shape)
        return np.nan_to_num(one), np.zeros((1, *shape)), np.zeros((1, 1))
    mean, basis, coefficients = _components(templates, N_ECTOPIC_COMPONENTS, rng)
    everyone = np.arange(len(templates))
    leaders = rng.integers(len(templates), size=N_ECTOPIC)
    mixed = [_mixture(coefficients, everyone, i, novelty, rng) for i in leaders]
    return mean, basis, np.stack(mixed)


def _mean_correlation(matrices: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of correlation matrices with holes: (n_bands, n_leads, n_leads)."""
    values = np.array(matrices)
    known = np.isfinite(values)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    energy, directions = np.linalg.eigh((mean + mean.swapaxes(1, 2)) / 2)
    repaired = (directions * np.maximum(energy, 1e-3)[:, np.newaxis]) @ directions.swapaxes(
        1, 2
    )
    size = np.sqrt(np.diagonal(repaired, axis1=1, axis2=2))
    return repaired / size[:, :, np.newaxis] / size[:, np.newaxis]


def _wander_spectrum(people: Sequence[Description]) -> NDArray[np.float64]:
    """Return the mean log amplitude of baselines at `WANDER_HZ`."""
    spectra = np.array([person.wander_spectrum for person in people])
    known = np.isfinite(spectra)
    mean = np.where(known, spectra, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known.any(axis=0), mean, -np.log(WANDER_HZ / WANDER_HZ[0]))
