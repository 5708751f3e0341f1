"""Train pseudo-identities on several databases, each of which teaches a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._salt import new_salt
from sklearn_ecganon.anonymizers._pseudo_identity._cycles import (
    MODEL_RATE,
    NORMAL,
    window_times,
)
from sklearn_ecganon.anonymizers._pseudo_identity._population import (
    MIN_DISTANCE,
    Hearts,
    draw_norm,
)
from sklearn_ecganon.records import BeatSet

ASPECTS = ("classes", "amplitude", "baseline", "wander")
WINDOW_S = 0.8  # of a beat, in seconds


@dataclass(frozen=True, eq=False)
class TrainingSource:
    """The beats of one database, and what a model may learn from them.

    Parameters
    ----------
    beats : BeatSet
        Beats in mV, in windows of 0.8 s.
    subjects : array-like of shape (n_records,), optional
        Subject of each record. Each subject counts once, however many records they have.
    weight : float, default=1.0
        How much each subject of this source counts.
    teaches : sequence of str, default=("classes", "amplitude", "baseline", "wander")
        The aspects that can be learned from this source beside the shape of beats.
        ``"classes"``: without it only normal beats are used; what looks abnormal in a
        database without labels may be an artifact. ``"amplitude"``: the amplitude of leads in
        mV. ``"baseline"`` and ``"wander"``: the level between beats, and how it changes.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import TrainingSource
    >>> bunch = make_ecg_records(n_subjects=3, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> TrainingSource(beats, bunch.subject, teaches=["amplitude"]).weight
    1.0
    """

    beats: BeatSet
    subjects: ArrayLike | None = None
    weight: float = 1.0
    teaches: Sequence[str] = ASPECTS

    def __post_init__(self) -> None:
        unknown = sorted(set(self.teaches) - set(ASPECTS))
        if isinstance(self.teaches, str) or unknown:
            raise ValueError(f"teaches={self.teaches!r}; give a list out of {list(ASPECTS)}.")
        if not self.weight > 0:
            raise ValueError(f"weight={self.weight}; give a number above 0.")
        if self.subjects is not None and len(np.asarray(self.subjects)) != len(self.beats):
            raise ValueError(
                f"subjects has {len(np.asarray(self.subjects))} entries for "
                f"{len(self.beats)} records; give one for each record."
            )


class SourcesMixin:
    """Training on several sources. The class it is mixed into is `PseudoIdentityAnonymizer`."""

    def fit_sources(
        self,
        sources: Sequence[TrainingSource],
        *,
        leads: Sequence[str] | None = None,
        amplitudes: Mapping[str, float] | None = None,
    ) -> Self:
        """Learn from several databases. The fitted model takes beats of any leads and rate.

        Parameters
        ----------
        sources : sequence of TrainingSource
            The databases.
        leads : sequence of str, optional
            Leads that the model shall know; by default all leads of the sources.
        amplitudes : mapping of str to float, optional
            Typical peak-to-peak amplitude in mV of leads whose amplitude no source teaches.

        Returns
        -------
        self : PseudoIdentityAnonymizer
            The fitted model. If `random_state` is a number it seeds the training directly.

        Raises
        ------
        ValueError
            If there is no source, or an amplitude is given for a lead that is not there.
        """
        model: Any = self
        model._validate_params()
        if not len(sources):
            raise ValueError("sources is empty; give at least one TrainingSource.")
        everything = {name for s in sources for names in s.beats.lead_names for name in names}
        model.channels_ = tuple(sorted(everything) if leads is None else leads)
        absent = sorted(set(amplitudes or {}) - set(model.channels_))
        if absent:
            raise ValueError(f"amplitudes names {absent}, but the leads are {model.channels_}.")
        model.times_ = window_times(round(WINDOW_S * MODEL_RATE), MODEL_RATE)
        model.n_leads_ = model.n_times_ = model.sampling_rate_ = None
        model.salt_ = new_salt(model.random_state)
        seed = model.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        model._learn_hearts(_gather(model, sources), int(seed))
        for lead, amplitude in (amplitudes or {}).items():
            model.population_["size"][0, model.channels_.index(lead)] = np.log(amplitude)
        return self

    def draw_distances(
        self, sources: Sequence[TrainingSource], n_draws: int = 100_000, random_state: int = 0
    ) -> dict[str, float]:
        """Return how near drawn identities come to training records, and to each other.

        Distances are between class means of normal beats in the latent space, in units of
        the root mean square distance of two strangers.

        Parameters
        ----------
        sources : sequence of TrainingSource
            The sources of the training.
        n_draws : int, default=100_000
            Identities to draw.
        random_state : int, default=0
            Seeds the draws.

        Returns
        -------
        figures : dict of str to float
            ``nearest`` and ``median_nearest``: the smallest and the median distance of a draw
            to its nearest training record. ``median_nearest_of_records``: the same among the
            training records. ``fraction_near_a_record`` and ``fraction_near_a_draw``: the
            fraction of draws, and of pairs of draws, that are nearer than one identity is to
            itself (0.6).
        """
        check_is_fitted(self)
        model: Any = self
        hearts, population = _gather(model, sources), model.population_
        latents = model._encode(hearts.rows)
        normal = hearts.kinds == NORMAL
        means = np.array(
            [
                latents[normal & (hearts.record == i)].mean(axis=0)
                for i in np.unique(hearts.record[normal])
            ]
        )
        rng = np.random.default_rng(random_state)
        categories = hearts.categories[rng.integers(len(hearts.weight), size=n_draws)]
        draws = np.array([draw_norm(population, row, rng) for row in categories])
        unit = np.linalg.inv(population["distance"]).T
        means, draws = means @ unit, draws @ unit
        scale = np.sqrt(2 * means.shape[1])
        blocks = np.array_split(draws, -(-n_draws // 1000))
        nearest = np.concatenate([cdist(block, means).min(axis=1) for block in blocks]) / scale
        among = cdist(means, means) / scale
        np.fill_diagonal(among, np.inf)
        half = min(n_draws // 2, 4000)
        pairs = cdist(draws[:half], draws[half : 2 * half]) / scale
        return {
            "nearest": float(nearest.min()),
            "median_nearest": float(np.median(nearest)),
            "median_nearest_of_records": float(np.median(among.min(axis=1))),
            "fraction_near_a_record": float((nearest < MIN_DISTANCE).mean()),
            "fraction_near_a_draw": float((pairs < MIN_DISTANCE).mean()),
        }


def _gather(model: Any, sources: Sequence[TrainingSource]) -> Hearts:
    """Return the training beats of all sources, NaN where a source does not teach."""
    gathered = []
    for source in sources:
        subjects = None if source.subjects is None else np.asarray(source.subjects)
        hearts = model._hearts(source.beats, subjects)
        if "classes" not in source.teaches:
            hearts = hearts.of_beats(hearts.kinds == NORMAL)
        if "amplitude" not in source.teaches:
            hearts.size[:] = np.nan
        if "baseline" not in source.teaches:
            hearts.level[:] = np.nan
        if "wander" not in source.teaches:
            hearts.wander[:] = np.nan
        hearts.weight *= source.weight
        gathered.append(hearts)
    return Hearts.concatenate(gathered)
