"""What hearts have in common: statistics of norms, deviations, sizes, levels and noise.

A *norm* is the mean latent of one record's beats of one kind: who it is. A *deviation* is
what a beat differs from its norm by: what happens. Both are drawn from moments over many
records; no record is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.signal import lfilter
from scipy.special import gammaincinv
from sklearn.cluster import KMeans

from sklearn_ecganon.anonymizers._pseudo_identity._background import (
    SMALLEST,
    Background,
    learn_noise,
)
from sklearn_ecganon.anonymizers._pseudo_identity._cycles import (
    FUSION,
    KINDS,
    NORMAL,
    OTHER,
    SUPRAVENTRICULAR,
    VENTRICULAR,
)

# How many records of the autoencoder's own prior, N(0, I), are added to those seen.
PRIOR_RECORDS = 10.0
N_GROUPS, FEWEST_RECORDS = 6, 5  # of records with alike norms
FARTHEST = 2.5  # a norm from the median one, in median distances
FEWEST_BEATS = 8  # of a record and kind, to say how beats deviate
MEMORY = 0.3  # of a deviation, from one beat of a kind to the next
# Squared deviations within a record, over their median, are spread as those of Student's t of
# so many degrees of freedom (MIT-BIH: 2.4, 3.4 and 6.2 at 90, 95 and 99 %).
TAIL, LARGEST_FACTOR = 6.0, 4.0
# Fusion beats are this much ventricular; supraventricular ones differ from normal ones by
# about as much as normal ones from each other (16 records of MIT-BIH: 0.75, factor 1.6).
FUSED = 0.25
SUPRA_SIZE, SUPRA_SPREAD = 0.75, 0.5
#: Two hearts closer than this are one: mean squared distance of norms, in standard
#: deviations of the population, over its expectation for two strangers.
MIN_DISTANCE = 0.6
N_TRIES = 16


@dataclass
class Hearts:
    """Training beats as the autoencoder sees them, and what it does not see of a record.

    Parameters
    ----------
    rows : ndarray of float32 of shape (n_beats, n_channels, n_times)
        Own part of each beat, level taken away and divided by its lead's size; NaN where
        not seen.
    record, kinds : ndarray of int of shape (n_beats,)
        Record, and position in `KINDS`.
    size, level, wander : ndarray of shape (n_records, n_channels)
        Logarithm of the usual beat's peak-to-peak size in mV, mean level in mV, logarithm
        of the level's spread from beat to beat in mV; NaN for leads that are not there.
    categories : ndarray of shape (n_records, n_categories)
        What the contract's categories say, zeros and ones.
    weight : ndarray of shape (n_records,)
        How much each record says of the population.
    """

    rows: NDArray[np.float32]
    record: NDArray[np.intp]
    kinds: NDArray[np.intp]
    size: NDArray[np.float64]
    level: NDArray[np.float64]
    wander: NDArray[np.float64]
    categories: NDArray[np.float64]
    weight: NDArray[np.float64]

    def of_beats(self, rows: NDArray[np.bool_]) -> Hearts:
        """Return the same records with some of their beats."""
        return replace(
            self, rows=self.rows[rows], record=self.record[rows], kinds=self.kinds[rows]
        )

    @classmethod
    def concatenate(cls, parts: list[Hearts]) -> Hearts:
        """Join hearts of several sources."""
        shift = np.cumsum([0] + [len(part.weight) for part in parts])
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in cls.__dataclass_fields__
            if name != "record"
        }
        record = np.concatenate([p.record + s for p, s in zip(parts, shift, strict=False)])
        return cls(record=record, **joined)


class Heart(NamedTuple):
    """One pseudo-identity."""

    norms: NDArray[np.float64]  # (n_kinds, n_latent)
    scales: NDArray[np.float64]  # (n_kinds,), of deviations
    size: NDArray[np.float64]  # (n_channels,), logarithm, mV
    background: Background  # by channel


def learn_population(
    hearts: Hearts, latents: NDArray[np.float64], residuals: list[NDArray]
) -> dict[str, NDArray[np.float64]]:
    """Return the moments that pseudo-identities are drawn from.

    Parameters
    ----------
    hearts : Hearts
        Training beats.
    latents : ndarray of shape (n_beats, n_latent)
        Their latents.
    residuals : list of ndarray of shape (n_traces, n_samples)
        For each record and lead, one after the other as `hearts.size` has them, what the
        autoencoder leaves over where a beat is quiet, in mV; empty for absent leads.
    """
    n_records, n_latent = len(hearts.weight), latents.shape[1]
    norms, counts = _means(latents, hearts.record, hearts.kinds, n_records)
    found = _learn_norms(norms, counts, hearts)
    found |= _learn_deviations(latents, norms, counts, hearts)
    found |= _learn_leads(hearts, residuals)
    assert found["spread"].shape == (n_latent, n_latent)
    return {name: np.asarray(value, dtype=np.float64) for name, value in found.items()}


def _means(
    values: NDArray, record: NDArray, kinds: NDArray, n_records: int
) -> tuple[NDArray, NDArray]:
    """Return mean latents by record and kind, NaN where there are none, and counts."""
    group, n_groups = record * len(KINDS) + kinds, n_records * len(KINDS)
    counts = np.bincount(group, minlength=n_groups)
    sums = np.stack([np.bincount(group, column, n_groups) for column in values.T], axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / counts[:, np.newaxis]
    shape = (n_records, len(KINDS))
    return means.reshape(*shape, -1), counts.reshape(shape)


def _covariance(rows: NDArray, weight: NDArray, toward: NDArray) -> NDArray:
    """Return the rows' second moment about 0, shrunk toward a covariance."""
    n_effective = weight.sum() ** 2 / (weight**2).sum() if len(weight) else 0.0
    moment = (rows * (weight / max(weight.sum(), 1e-12))[:, np.newaxis]).T @ rows
    share = PRIOR_RECORDS / (PRIOR_RECORDS + n_effective)
    return (1 - share) * moment + share * toward


def _mixture(
    rows: NDArray, weight: NDArray, most: int, toward: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Return means, shares and common spread of groups of rows; a mean is never one row."""
    rows = _tamed(rows)
    n_groups = min(most, len(rows) // FEWEST_RECORDS, len(np.unique(rows.round(6), axis=0)))
    if n_groups < 2:
        share = weight / (weight.sum() + PRIOR_RECORDS)
        mean = share @ rows if len(rows) else np.zeros(rows.shape[1])
        spread = np.linalg.cholesky(_covariance(rows - mean, weight, toward))
        return mean[np.newaxis], np.ones(1), spread
    found = KMeans(n_groups, n_init=5, random_state=0).fit(rows, sample_weight=weight)
    counts = np.bincount(found.labels_, minlength=n_groups)
    # A group of few would stand for somebody: its rows go to the nearest large one.
    large = np.flatnonzero(counts >= FEWEST_RECORDS)
    far = ((rows[:, np.newaxis] - found.cluster_centers_[large]) ** 2).sum(axis=2)
    group = far.argmin(axis=1)
    shares = np.bincount(group, weight, len(large))
    means = np.array(
        [
            np.average(rows[group == g], axis=0, weights=weight[group == g])
            for g in range(len(large))
        ]
    )
    rest = rows - means[group]
    spread = np.linalg.cholesky(_covariance(rest, weight, toward))
    return means, shares / shares.sum(), spread


def _tamed(rows: NDArray) -> NDArray:
    """Draw in what lies far out, so that nobody alone says how hearts differ."""
    if len(rows) < 2:
        return rows
    middle = np.median(rows, axis=0)
    away = np.linalg.norm(rows - middle, axis=1)
    limit = FARTHEST * np.median(away)
    return middle + (rows - middle) * np.minimum(1, limit / np.maximum(away, 1e-12))[:, None]


def _learn_norms(norms: NDArray, counts: NDArray, hearts: Hearts) -> dict[str, NDArray]:
    present = counts.sum(axis=1) > 0
    norms, counts = norms[present], counts[present]
    weights, categories = hearts.weight[present], hearts.categories[present]
    unit = np.eye(norms.shape[2])
    # Where a record has no normal beat, its most frequent kind stands for it.
    usual = np.where(counts[:, NORMAL] > 0, NORMAL, counts.argmax(axis=1))
    rows = norms[np.arange(len(norms)), usual]
    # The few records of paced or unknown rhythm are a kind of their own.
    known = usual == NORMAL if (usual == NORMAL).any() else np.ones(len(norms), bool)
    normal, weight, said = _tamed(rows[known]), weights[known], categories[known]
    share = weight / (weight.sum() + PRIOR_RECORDS)
    mean, usual_said = share @ normal, share @ said / share.sum()
    centred = (said - usual_said) * weight[:, np.newaxis]
    gram = (said - usual_said).T @ centred + 3.0 * np.eye(said.shape[1])
    by_category = np.linalg.solve(gram, centred.T @ (normal - mean))
    rest = normal - mean - (said - usual_said) @ by_category
    middles, shares, spread = _mixture(rest, weight, N_GROUPS, unit)
    total = _covariance(normal - mean, weight, unit)
    found = {
        "mean": mean,
        "said": usual_said,
        "by_category": by_category,
        "middles": middles,
        "shares": shares,
        "spread": spread,
        "distance": np.linalg.cholesky(total),
    }
    for kind, least in ((VENTRICULAR, 2), (OTHER, 20)):
        own = norms[counts[:, kind] >= least, kind]
        own = own if len(own) else mean[np.newaxis]
        many = np.sqrt(np.minimum(counts[counts[:, kind] >= least, kind], 100.0))
        many = many if len(many) else np.ones(1)
        middles, shares, spread = _mixture(own, many, N_GROUPS, spread @ spread.T)
        if len(own) < FEWEST_RECORDS:
            middles = np.average(own, axis=0, weights=many)[np.newaxis]
        found[f"middles_{KINDS[kind]}"] = middles
        found[f"shares_{KINDS[kind]}"] = shares
        found[f"spread_{KINDS[kind]}"] = spread
        spread = found["spread"]
    for kind in (SUPRAVENTRICULAR, FUSION):
        both = (counts[:, kind] >= 2) & (counts[:, NORMAL] > 0)
        base = norms[both, NORMAL]
        if kind == FUSION:
            beside = norms[both, VENTRICULAR]
            base = base + FUSED * (np.where(np.isnan(beside), base, beside) - base)
        steps, many = norms[both, kind] - base, np.minimum(counts[both, kind], 50.0)
        middle = np.sqrt(many) @ steps / (np.sqrt(many).sum() + PRIOR_RECORDS)
        sizes = np.sqrt(((steps - middle) ** 2).mean(axis=1))
        turns = (steps - middle) / np.maximum(sizes, 1e-9)[:, np.newaxis]
        found[f"mean_{KINDS[kind]}"] = middle
        found[f"spread_{KINDS[kind]}"] = np.linalg.cholesky(
            _covariance(turns, 10 * np.sqrt(many), unit)
        )
        logs = np.log(np.maximum(sizes, 1e-3))
        found[f"size_{KINDS[kind]}"] = np.array(
            [logs.mean(), logs.std()] if len(logs) > 1 else [np.log(0.5), 0.3]
        )
    return found


def _learn_deviations(
    latents: NDArray, norms: NDArray, counts: NDArray, hearts: Hearts
) -> dict[str, NDArray]:
    n_latent = latents.shape[1]
    spreads = np.tile(np.eye(n_latent), (len(KINDS), 1, 1))
    scales = np.tile([np.log(0.3), 0.4], (len(KINDS), 1))
    many = counts[hearts.record, hearts.kinds]
    rest = latents - norms[hearts.record, hearts.kinds]
    for kind in range(len(KINDS)):
        rows = np.flatnonzero((hearts.kinds == kind) & (many >= FEWEST_BEATS))
        if len(rows):
            squares = (rest[rows] ** 2).mean(axis=1)
            present, first = np.unique(hearts.record[rows], return_index=True)
            n_beats = counts[present, kind]
            # Of the usual beat: artefacts are a matter of the tail.
            usual = [np.median(part) for part in np.split(squares, first[1:])]
            size = np.sqrt(np.array(usual) * n_beats / (n_beats - 1))
            turns = rest[rows] / np.sqrt(np.maximum(squares, 1e-12))[:, np.newaxis]
            covariance = _covariance(turns, 1 / many[rows], np.eye(n_latent))
            spreads[kind] = np.linalg.cholesky(covariance)
            logs = np.log(np.maximum(size, 1e-3))
            # Ten seconds show little of what half an hour does.
            known = np.minimum(n_beats, 500)
            middle = np.average(logs, weights=known)
            spread = np.sqrt(np.average((logs - middle) ** 2, weights=known))
            scales[kind] = middle, max(spread, 0.1)
        elif kind != NORMAL:
            spreads[kind], scales[kind] = spreads[NORMAL], scales[NORMAL]
    return {"deviation": spreads, "scale": scales}


def _learn_leads(hearts: Hearts, residuals: list[NDArray]) -> dict[str, NDArray]:
    n_records, n_channels = hearts.size.shape
    present = np.isfinite(hearts.size)
    noise = np.array([np.log(r.std() + SMALLEST) if r.size else np.nan for r in residuals])
    noise = noise.reshape(n_records, n_channels)
    size = _by_channel(hearts.size, present, hearts.weight, together=True)
    level = _by_channel(hearts.level, np.isfinite(hearts.level), hearts.weight, together=True)
    wander = _by_channel(hearts.wander, np.isfinite(hearts.wander), hearts.weight)
    # Small leads have less noise, but not in proportion.
    known = np.isfinite(noise) & np.isfinite(hearts.level)
    slope = 0.0
    if known.sum() > 20:
        slope = float(np.polyfit(hearts.size[known], noise[known], 1)[0].clip(0, 1))
    relative = _by_channel(noise - slope * hearts.size, known, hearts.weight)
    weight = np.repeat(hearts.weight, n_channels) * known.ravel()
    return {
        "size": size,
        "level": level,
        "wander": wander,
        "noise": relative,
        "noise_slope": np.array([slope]),
        "noise_colour": learn_noise(residuals, weight),
    }


def _by_channel(
    values: NDArray, known: NDArray, weight: NDArray, *, together: bool = False
) -> NDArray:
    """Return mean, spread common to a record's leads, and own spread: (3, n_channels)."""
    found = np.zeros((3, values.shape[1]))
    if not known.any():
        return found
    rest = np.full(values.shape, np.nan)
    for channel in range(values.shape[1]):
        rows = known[:, channel]
        if rows.any():
            own = values[rows, channel]
            found[0, channel] = np.average(own, weights=weight[rows])
            # Over all people, artefacts aside.
            half = np.subtract(*np.percentile(own, [84, 16])) / 2 if len(own) > 2 else 0.0
            rest[rows, channel] = (own - found[0, channel]).clip(-3 * half, 3 * half)
        else:
            found[0, channel] = values[known].mean()
    variance = np.nanmean(rest**2)
    several = known.sum(axis=1) > 1
    shared = 0.5
    if several.sum() > 5:
        counts = known[several].sum(axis=1)
        sums = np.nansum(rest[several], axis=1)
        squares = np.nansum(rest[several] ** 2, axis=1)
        products = (sums**2 - squares).sum() / (counts * (counts - 1)).sum()
        shared = float(np.clip(products / max(variance, 1e-12), 0.0, 1.0))
    if not together:
        shared = 0.5
    found[1] = np.sqrt(variance * shared)
    found[2] = np.sqrt(variance * (1 - shared))
    return found


def distance(population: dict[str, NDArray], a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Return how far norms (..., n_latent) are apart; two strangers: about 1."""
    step = np.atleast_2d(np.asarray(a) - np.asarray(b))
    unit = solve_triangular(population["distance"], step.T, lower=True)
    return np.sqrt((unit**2).mean(axis=0) / 2)


def draw_norm(
    population: dict[str, NDArray], said: NDArray, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the norm of a heart of which the categories say `said`."""
    mean = population["mean"] + (said - population["said"]) @ population["by_category"]
    return mean + _draw_mixture(population, "", rng)


def _draw_mixture(
    population: dict[str, NDArray], kind: str, rng: np.random.Generator
) -> NDArray[np.float64]:
    shares = population[f"shares{kind}"]
    group = int(np.searchsorted(np.cumsum(shares), rng.random()).clip(0, len(shares) - 1))
    middle = population[f"middles{kind}"][group]
    return middle + population[f"spread{kind}"] @ rng.standard_normal(len(middle))


def draw_heart(
    population: dict[str, NDArray],
    said: NDArray[np.float64],
    own: NDArray[np.float64],
    rng: np.random.Generator,
) -> Heart:
    """Draw a pseudo-identity, no nearer to the record's own norm than `MIN_DISTANCE`."""
    # However many tries this takes, all else of a heart is the same.
    tries = np.random.default_rng(rng.integers(2**63))
    for _ in range(N_TRIES):
        normal = draw_norm(population, said, tries)
        if distance(population, normal, own)[0] >= MIN_DISTANCE:
            break
    n_latent = len(normal)
    common = rng.standard_normal()
    scales = population["scale"]
    scales = np.exp(
        scales[:, 0] + scales[:, 1] * (0.7 * common + 0.7 * rng.standard_normal(len(scales)))
    )
    scales[SUPRAVENTRICULAR] = scales[NORMAL]
    norms = np.tile(normal, (len(KINDS), 1))
    for kind in (VENTRICULAR, OTHER):
        norms[kind] = _draw_mixture(population, f"_{KINDS[kind]}", rng)
    turn = population["spread_S"] @ rng.standard_normal(n_latent)
    size = SUPRA_SIZE * scales[NORMAL] * np.exp(SUPRA_SPREAD * rng.standard_normal())
    norms[SUPRAVENTRICULAR] = normal + population["mean_S"] + size * turn
    turn = population["spread_F"] @ rng.standard_normal(n_latent)
    middle, spread = population["size_F"]
    norms[FUSION] = normal + FUSED * (norms[VENTRICULAR] - normal) + population["mean_F"]
    norms[FUSION] += np.exp(middle + spread * rng.standard_normal()) * turn
    return Heart(norms, scales, *_draw_leads(population, rng))


def _draw_leads(
    population: dict[str, NDArray], rng: np.random.Generator
) -> tuple[NDArray, Background]:
    def drawn(name: str) -> NDArray[np.float64]:
        mean, common, own = population[name]
        return mean + common * rng.standard_normal() + own * rng.standard_normal(len(mean))

    size, level, wander, noise = (drawn(name) for name in ("size", "level", "wander", "noise"))
    noise = noise + population["noise_slope"][0] * size
    return size, Background(level, np.exp(wander), np.exp(noise))


def draw_deviations(
    population: dict[str, NDArray],
    heart: Heart,
    kinds: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw what each beat differs from its norm by, as beats of one heart do."""
    n_latent = heart.norms.shape[1]
    white = rng.standard_normal((len(kinds), n_latent))
    drawn = np.empty_like(white)
    for kind in np.unique(kinds):
        rows = kinds == kind
        chain = white[rows]
        chain[1:] *= np.sqrt(1 - MEMORY**2)
        chain = lfilter([1.0], [1.0, -MEMORY], chain, axis=0)
        drawn[rows] = heart.scales[kind] * chain @ population["deviation"][kind].T
    # Some beats differ much more than others: artefacts, and what a class does not say.
    median = 2 * gammaincinv(TAIL / 2, 0.5)
    factor = np.sqrt(median / rng.chisquare(TAIL, (len(kinds), 1)))
    return drawn * np.minimum(factor, LARGEST_FACTOR)
