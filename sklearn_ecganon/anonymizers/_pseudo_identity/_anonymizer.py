"""Release records under random synthetic identities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._salt import new_salt
from sklearn_ecganon._validation import forget_columns
from sklearn_ecganon.anonymizers._pseudo_identity._checks import (
    check_no_epsilon,
    check_records,
    check_without_fit,
)
from sklearn_ecganon.anonymizers._pseudo_identity._guarantees import GuaranteesMixin
from sklearn_ecganon.anonymizers._pseudo_identity._identity import Population
from sklearn_ecganon.anonymizers._pseudo_identity._population import learn_population
from sklearn_ecganon.anonymizers._pseudo_identity._release import (
    Plan,
    Settings,
    plan_release,
    write_release,
)
from sklearn_ecganon.anonymizers._pseudo_identity._sources import (
    TrainingSource,
    describe_sources,
)
from sklearn_ecganon.anonymizers._pseudo_identity._weights import (
    SHIPPED,
    load_population,
    save_population,
    warn_of_few_subjects,
)
from sklearn_ecganon.anonymizers._pseudo_identity._workers import over_records
from sklearn_ecganon.contracts import CONTRACTS
from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet

_N_SEED = 4  # numbers that seed a generator


class PseudoIdentityAnonymizer(GuaranteesMixin, BaseAnonymizer):
    """Write each record anew under a random synthetic identity, within a contract.

    A population of synthetic people is learned from many records. For each record, `transform`
    draws a person with the same diagnostic categories, and a rhythm of the same kind. It then
    writes the whole recording: beats, baseline and noise, for the eight independent leads, from
    which all other leads follow. At strength 1 it uses nothing of the signal except the
    information that the contract preserves: the class of each beat, the kind of rhythm, and
    intervals or their categories. The name, length, gaps, leads and sampling rate of a record
    do not change.

    Parameters
    ----------
    strength : float, default=1.0
        0 returns the input bit for bit. Between 0 and 1, the identity lies between that of
        the record and the pseudo-identity, and what a description leaves of the original
        fades out.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        Clinical information to preserve. ``"diagnostic"`` preserves the order of beat
        classes, and the categories that `sklearn_ecganon.contracts.measure` finds: rate
        zone, irregularity, QRS width, PR, QTc and ST, and those of 12 leads if the record
        has them; R peaks, intervals and the number of beats are those of the
        pseudo-identity. ``"measurement"`` preserves the R peaks bit for bit, and the
        record's median QRS duration, QT, PR and ST within
        `sklearn_ecganon.contracts.TOLERANCES`. Preserved information identifies people: see
        the floor of each contract in the user guide.
    identity : {"per_record"} or callable, default="per_record"
        Each record gets its own pseudo-identity by default. A function from a record's name
        to a key gives all records of one key the same synthetic person: ``lambda name:
        name.split("/")[0]`` uses one for each person if folders are persons. The person of a
        key is drawn without regard to the categories of its records, and only intervals and P
        waves follow them. Anyone can see that such records belong together, and identifying
        one of them identifies all.
    k : int, default=1
        Smallest number of people who share a released profile, the combination of all
        categories. Above 1, `fit` takes all records that are going to be released and their
        subjects, groups people with `sklearn_ecganon.contracts.k_anonymous_profiles`, and
        gives all records of a group the same categories. At strength 1 a release then depends
        on its profile, the frame of the record (length, leads, gaps, sampling rate,
        resolution) and the salt alone: beat classes and rhythm are drawn from the profile as
        well. It needs the diagnostic contract. See also :meth:`fit_profiles`.
    weights : {"pretrained"}, path-like or None, default="pretrained"
        The population: ``"pretrained"`` for the one that comes with the package, a file that
        `save_weights` wrote, or None to learn it from X in `fit`.
    epsilon : float, default=None
        Learn from X with differential privacy of each person: `fit` adapts the population of
        `weights`, which counts as public, to mean and covariance of the people of X in 12
        coordinates of beats. Smaller is more private, and less is learned of few people.
    delta : float, default=1e-5
        For `epsilon`: probability of a failure, below one over the number of people.
    novelty : float, default=0.7
        For ``weights=None``: fraction of the standard deviation of a synthetic person that
        comes from other people than the one they resemble most. 0 copies people.
    n_components : int, default=64
        For ``weights=None``: number of principal components of a beat of all leads.
    n_people : int, default=3000
        For ``weights=None``: number of synthetic people.
    sampling_rate : float, default=250.0
        Sampling rate of array input in Hz. A BeatSet has its own.
    n_jobs : int, default=None
        Number of joblib workers of `fit` and `transform`. The result is the same.
    random_state : int, RandomState instance or None, default=None
        Seeds the population and the salt. A salt that comes from a number can be drawn again
        by anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    leads_ : tuple of str
        Leads in which the population is described.
    n_people_ : int
        Number of synthetic people.
    statement_names_ : tuple of str
        Diagnostic statements that the population knows.
    k_anonymity_ : KAnonymousProfiles
        For ``k > 1``: released profiles, how many people share each, and the fraction of
        categories that did not change. Suppressed records are released without a beat.
    private_moments_ : PrivateMoments
        For `epsilon`: everything that was learned from X.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`; None after `from_pretrained`, which accepts any
        layout.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    ReidentificationScorer : Measures what an attacker still recognizes.
    sklearn_ecganon.contracts.measure : Measures the intervals and categories of a contract.

    Notes
    -----
    **Population.** Each record is described by numbers: principal components of its mean beat
    on a time axis on which the waves of all people lie at the same places, the places of these
    waves, noise and how it changes within a beat, variation from beat to beat, and baseline.
    A synthetic person is a variance-preserving mixture of several people with the same
    statements, P waves or none, and narrow or wide QRS complexes. The model stores synthetic
    people only. Leads that a record does not have are drawn given those that it has.

    **Draws.** The person is one of those with the fewest different categories; a small part
    of the difference of two others is added if it changes none of them. If a record has
    diagnostic statements that the population knows, a person with the same statements is
    preferred. Nothing keeps a drawn person away from the record's own or from those of other
    records: the draw does not look at them.

    **A record.** Beats are zero at both ends and are added where they lie, so that there
    are no seams. The end of the T wave follows the RR interval. Noise and deviations are
    drawn for each beat and depend on its phase. Without P waves and with an irregular rhythm,
    fibrillatory waves are written. Records with pacing spikes get new ones.

    **Intervals.** The waves are moved to the intervals that the contract asks for. Some beats
    are written, measured as the contract is measured, and corrected up to twice; if they still
    miss it, another person is drawn once.

    **Without labels**, a beat counts as V if its QRS has a correlation below 0.8 with that
    of the record's median beat and if it comes after less than 0.85 of the median RR or has
    1.4 times the amplitude. A beat of the opposite polarity also counts as V. An early beat
    with a similar QRS counts as S.

    **Arrays** have no record of each beat, so each row is a record of one beat. Such a
    record has no rhythm, its beat is not moved, and its intervals are not measured.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
    >>> bunch = make_ecg_records(n_subjects=3, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> released = PseudoIdentityAnonymizer(random_state=0).fit_transform(beats)
    >>> len(released) == len(beats)
    True
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "contract": [StrOptions(set(CONTRACTS))],
        "identity": [StrOptions({"per_record"}), callable],
        "weights": [StrOptions({"pretrained"}), str, PathLike, None],
        "k": [Interval(Integral, 1, None, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "novelty": [Interval(Real, 0, 1, closed="both")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_people": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        contract: str = "diagnostic",
        identity: str | Callable[[str], Any] = "per_record",
        k: int = 1,
        weights: str | PathLike[str] | None = "pretrained",
        epsilon: float | None = None,
        delta: float = 1e-5,
        novelty: float = 0.7,
        n_components: int = 64,
        n_people: int = 3000,
        sampling_rate: float = 250.0,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.contract = contract
        self.identity = identity
        self.k = k
        self.weights = weights
        self.epsilon = epsilon
        self.delta = delta
        self.novelty = novelty
        self.n_components = n_components
        self.n_people = n_people
        self.sampling_rate = sampling_rate
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def from_pretrained(
        cls, strength: float = 1.0, *, weights: Any = "pretrained", **parameters: Any
    ) -> Self:
        """Return a model that needs no `fit`, and takes beats of any lead, rate and window.

        The salt is new each time, unless `random_state` is given.

        Parameters
        ----------
        strength : float, default=1.0
            As above.
        weights : "pretrained" or path-like, default="pretrained"
            As above.
        **parameters
            `contract`, `identity`, `k` (then call :meth:`fit_profiles`), `n_jobs` and
            `random_state`, as above.

        Returns
        -------
        model : PseudoIdentityAnonymizer
            Fitted; `models/pseudo_identity.md` in the package is its model card.

        Raises
        ------
        ValueError
            If `weights` is not a file that :meth:`save_weights` wrote, or if a parameter is
            wrong.
        """
        model = cls(
            strength, weights="pretrained" if weights is None else weights, **parameters
        )
        model._validate_params()
        check_without_fit(model.epsilon)
        model._load()
        model._take_any_layout()
        model.salt_ = new_salt(model.random_state)
        return model

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write the population as safetensors, without the salt.

        Parameters
        ----------
        path : str or path-like
            File to write. Numbers are rounded to 16 bits.
        """
        check_is_fitted(self)
        moments = getattr(self, "private_moments_", None)
        save_population(str(path), self._population, self.statement_names_, moments)

    def fit_sources(self, sources: Sequence[TrainingSource]) -> Self:
        """Learn a population from several databases, whatever `weights` says.

        The fitted model takes beats of any leads and rate.

        Parameters
        ----------
        sources : sequence of TrainingSource
            The databases.

        Returns
        -------
        self : PseudoIdentityAnonymizer
            The fitted model. If `random_state` is a number it seeds the draws directly.

        Raises
        ------
        ValueError
            If there is no source.
        """
        self._validate_params()
        if not len(sources):
            raise ValueError("sources is empty; give at least one TrainingSource.")
        self._take_any_layout()
        self.salt_ = new_salt(self.random_state)
        seed = self.random_state
        self._learn_from(sources, int(seed) if isinstance(seed, Integral) else None)
        return self

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        if self.k > 1:
            self._learn_profiles(beats, y)
        if self.weights is not None:
            self._load()
            self._learn_privately(beats, y, seed)
            return
        check_no_epsilon(self.epsilon)
        warn_of_few_subjects(len(beats) if y is None else len(np.unique(np.asarray(y))))
        self._learn_from([TrainingSource(beats, y)], seed)

    def _learn_from(self, sources: Sequence[TrainingSource], seed: int | None) -> None:
        leads, people, weights, statements, names = describe_sources(sources, self.n_jobs)
        population = learn_population(
            people,
            weights,
            statements,
            leads,
            np.random.default_rng(seed),
            n_people=self.n_people,
            n_components=self.n_components,
            novelty=self.novelty,
        )
        self._take(population, names)

    def _load(self) -> None:
        path = SHIPPED if self.weights == "pretrained" else self.weights
        assert path is not None
        self._take(*load_population(Path(path)))

    def _take_any_layout(self) -> None:
        forget_columns(self)
        self.n_leads_ = self.n_times_ = self.sampling_rate_ = None  # type: ignore[assignment]

    def _take(self, population: Population, statement_names: tuple[str, ...]) -> None:
        self._population = population
        self.leads_ = population.leads
        self.n_people_ = len(population.people)
        self.statement_names_ = statement_names

    def _settle(self, first: BeatSet, draws: Draws) -> list[Plan | None]:
        """Return for each record what its first stretch decides; None without beats."""
        keyed = callable(self.identity)
        check_records(first, self.contract, keyed=keyed)
        of_records = draws.for_records(_N_SEED).view(np.uint64)
        seeds = [
            self._seed_of_key(self.identity(name), draws.salt) if callable(self.identity) else s
            for name, s in zip(first.names, of_records, strict=True)
        ]
        stretch_seeds = self._stretch_seeds(draws)
        profiles = self._released_profiles(first)
        fixed = self._population, self._settings()
        return over_records(
            plan_release,
            first,
            lambda i, record: (*fixed, record, seeds[i], stretch_seeds[i], keyed, profiles[i]),
            self.n_jobs,
        )

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        stretch_seeds = self._stretch_seeds(draws)
        settings = self._settings()
        released = over_records(
            write_release,
            beats,
            lambda i, record: (
                self._population,
                settings,
                record,
                draws.settled[i],
                stretch_seeds[i],
            ),
            self.n_jobs,
        )
        return BeatSet.concatenate(released)

    def _settings(self) -> Settings:
        return Settings(self.strength, self.contract, self.statement_names_)

    def _stretch_seeds(self, draws: Draws) -> NDArray[np.uint64]:
        """Return for each stretch the seed of its rhythm, its beats and its noise."""
        # The first numbers of a record's first stretch have seeded its identity.
        seeds = draws.for_stretches([2 * _N_SEED] * len(draws.beats)).reshape(-1, 2 * _N_SEED)
        return np.ascontiguousarray(seeds[:, _N_SEED:]).view(np.uint64)

    def _seed_of_key(self, key: Any, salt: bytes) -> NDArray[np.uint64]:
        digest = hashlib.blake2b(repr(key).encode(), key=salt).digest()
        return np.frombuffer(digest[: 8 * _N_SEED], dtype=np.uint64)
