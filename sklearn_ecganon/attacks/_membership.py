"""Who was in the training data of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import signature
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_ecganon._validation import (
    Beats,
    check_beats,
    check_layout,
    check_records,
    forget_columns,
    is_records,
)
from sklearn_ecganon.attacks._feature_sets import need_beats, spread_rows
from sklearn_ecganon.attacks._modalities import beat_features
from sklearn_ecganon.metrics import membership_advantage
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import apply, as_beats, segment_first, take, with_fresh_salt

#: Does not look at the model, and so must not find anything.
BLIND = "blind"
FALSE_POSITIVE_RATES = (0.01, 0.1)
N_RESAMPLES = 1000
N_TREES = 200
# Generated beats that the classifier learns from; the search for the nearest takes all.
MAX_GENERATED = 20_000
# Keep logarithms finite. The z-scored beats that distances are measured on are some ten long.
SMALLEST_DISTANCE = 1e-3
SMALLEST_PROBA = 0.01


class MembershipRow(NamedTuple):
    """What one attack achieved.

    Attributes
    ----------
    attack : str
        ``"nearest"``, ``"density"``, or ``"blind"``, who does not see the model.
    auc : float
        Probability that a member scores above a non-member; 0.5 for guessing.
    low, high : float
        Ends of its 95 % interval from a bootstrap over subjects.
    advantage : float
        Largest true minus false positive rate; above 0 for guessing, too.
    p_value : float
        How often an AUC as high comes about when membership is dealt out at random.
    tpr : dict of float to float
        True positive rate at each false positive rate for which there are subjects enough.
    """

    attack: str
    auc: float
    low: float
    high: float
    advantage: float
    p_value: float
    tpr: dict[float, float]


@dataclass(frozen=True)
class MembershipResult:
    """How well members of the training data can be told from people the model never saw.

    Parameters
    ----------
    rows : tuple of MembershipRow
        One for each attack on the model.
    blind : MembershipRow
        The attack that does not see the model. Where it finds something, members and
        non-members differ before any training, and no figure here is about the model.
    p_value : float
        Of the larger AUC: how often the larger of both is as high when membership is dealt
        out at random.
    n_members, n_non_members, n_public : int
        Subjects on either side, and subjects whose recordings the attacker had.
    n_generated : int
        Generated beats that he looked at.
    scores : dict of str to tuple of ndarray
        For each attack the scores of the members and those of the non-members, one a
        subject.
    """

    rows: tuple[MembershipRow, ...]
    blind: MembershipRow
    p_value: float
    n_members: int
    n_non_members: int
    n_public: int
    n_generated: int
    scores: dict[str, tuple[NDArray, NDArray]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def worst(self) -> MembershipRow:
        """The attack with the highest AUC."""
        return max(self.rows, key=lambda row: row.auc)

    @property
    def privacy(self) -> float:
        """1 where the worst attack does no better than guessing, 0 where it never fails."""
        return float(np.clip(2 - 2 * self.worst.auc, 0, 1))

    @property
    def unlike(self) -> bool:
        """True if members and non-members can be told apart without the model."""
        return not self.blind.low <= 0.5 <= self.blind.high

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, ready for ``pandas.DataFrame``."""
        return [row._asdict() for row in (*self.rows, self.blind)]

    def __str__(self) -> str:
        lines = [
            f"membership inference: {self.n_members} members, {self.n_non_members} "
            f"non-members, {self.n_public} public subjects, {self.n_generated} generated beats",
            f"{'attack':<10}{'AUC [95 % interval]':<24}{'advantage':<12}{'p':<9}"
            + "".join(f"{f'TPR at FPR {fpr:.0%}':<17}" for fpr in self.blind.tpr),
        ]
        for row in (*self.rows, self.blind):
            lines.append(
                f"{row.attack:<10}{f'{row.auc:.2f} [{row.low:.2f}, {row.high:.2f}]':<24}"
                f"{row.advantage:<12.2f}{row.p_value:<9.3f}"
                + "".join(f"{tpr:<17.2f}" for tpr in row.tpr.values())
            )
        worst = self.worst
        lines.append(
            f"worst: AUC {worst.auc:.2f} by {worst.attack}; p {self.p_value:.3f} for the "
            f"larger of both; privacy {self.privacy:.2f}"
        )
        lines.append(
            f"With {self.n_members} and {self.n_non_members} subjects an AUC up to "
            f"{worst.high:.2f} is not ruled out."
        )
        if self.unlike:
            lines.append(
                "UNLIKE GROUPS: members and non-members differ without the model; this "
                "proves nothing about it."
            )
        return "\n".join(lines)


class MembershipInferenceScorer(BaseEstimator):
    """Find out who was in the training data of a model, from what the model generates.

    `fit` takes people that no model was trained on. Half of them, drawn once, are public:
    the attacker has their recordings. The others are the non-members. `evaluate` takes a
    model and its members, and attacks person by person in two ways; the stronger counts.

    Parameters
    ----------
    classifier : classifier with `predict_proba`, optional
        Tells generated from public beats, for the density ratio. By default 200 extremely
        randomized trees, which come close to a search for neighbours.
    max_beats : int, default=200
        Beats a subject, spread evenly over its recordings.
    n_views : int, default=3
        How often an anonymizer releases the recordings of the public people, each time
        with a new salt; a model that is sampled gives that many beats for each of theirs.
    random_state : int, RandomState instance or None, default=0
        Draws the public half, and seeds salts, classifier, bootstrap and permutations.

    Attributes
    ----------
    holdout_ : list of ECGRecord, BeatSet or ndarray
        What `fit` was given.
    subjects_ : ndarray of shape (n_samples,)
        Subject of each sample of `holdout_`.
    public_subjects_, non_member_subjects_ : ndarray
        Either half.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    ReidentificationScorer : Who is behind a release, which is another question.
    sklearn_ecganon.metrics.nearest_record_ratio : The same comparison, sample by sample.

    Notes
    -----
    Both attacks score beats, as the other attackers see them, and average over the beats
    of a subject:

    ``"nearest"``
        The logarithm of the distance to the nearest public beat over that to the nearest
        generated one. The first calibrates the second: a rare heart is far from all. After
        [1]_, with public beats in place of a reference generator.
    ``"density"``
        The logarithm of the density ratio of generated and public beats, [2]_. Deviation:
        a classifier's log-odds estimate it, not two density estimates, which 100
        dimensions do not allow.

    A third, ``"blind"``, knows nothing but the distance to the nearest public beat. It does
    not count; it shows whether the two groups could be told apart without the model [3]_.

    What is asked is whether the MODEL gives its training data away. The release of a
    member's own recording is near to it because it is made from it, member or not. So an
    anonymizer is given the public people's recordings, and a model with `sample` is
    sampled: what of the members is in there came through the weights. Not asked is what an
    attacker finds who puts the person's own recording through the model, and looks at how
    well it comes back.

    A person's score is the mean over its beats, so that who has many beats is no easier to
    find than others. The p-value of the result deals membership out anew among the people,
    for both attacks at once, since the stronger of two attacks is above 0.5 by chance. An
    AUC far below 0.5 is no privacy: look whether both groups are of one kind.

    The true positive rate at a low false positive rate [4]_ is given where the non-members
    are at least as many as one over that rate. Intervals are about people: training again
    would give another model.

    References
    ----------
    .. [1] D. Chen, N. Yu, Y. Zhang, M. Fritz, "GAN-Leaks: a taxonomy of membership inference
       attacks against generative models", ACM CCS, 343-362, 2020.
    .. [2] B. van Breugel, H. Sun, Z. Qian, M. van der Schaar, "Membership inference attacks
       against synthetic data through overfitting detection", AISTATS, 2023.
    .. [3] D. Das, J. Zhang, F. Tramèr, "Blind baselines beat membership inference attacks
       for foundation models", arXiv:2406.16201, 2024.
    .. [4] N. Carlini et al., "Membership inference attacks from first principles", IEEE
       Symposium on Security and Privacy, 1897-1914, 2022.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.attacks import MembershipInferenceScorer
    >>> bunch = make_ecg_records(n_subjects=24, n_sessions=1, duration=6.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> judge = MembershipInferenceScorer().fit(beats[8:], bunch.subject[8:])
    >>> copies = beats[:8]  # a "model" that gives out what it was trained on
    >>> judge.evaluate(copies, beats[:8], bunch.subject[:8]).worst.auc
    1.0
    """

    _parameter_constraints: dict = {
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
        "max_beats": [Interval(Integral, 1, None, closed="left")],
        "n_views": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        classifier: Any = None,
        *,
        max_beats: int = 200,
        n_views: int = 3,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.classifier = classifier
        self.max_beats = max_beats
        self.n_views = n_views
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Take people that no model was trained on, and draw the public half.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Their recordings, made like those of the members.
        y : array-like of shape (n_samples,)
            Subject of each record, or of each row of an array.

        Returns
        -------
        self : object
            The scorer.

        Raises
        ------
        ValueError
            If there is one subject only, or X is neither records nor beats.
        """
        if is_records(X):
            forget_columns(self)
            X = check_records(X)
        else:
            beats = check_beats(self, X, reset=True)
            if not isinstance(X, BeatSet):
                X = beats.values[:, 0] if beats.flat else beats.values
        self.holdout_, self.subjects_ = X, self._check_subjects(X, y)
        people = np.unique(self.subjects_)
        if len(people) < 2:
            raise ValueError(
                f"y holds one class (subject '{people[0]}'); half of the people are public and "
                "half non-members: give 4 or more."
            )
        drawn = check_random_state(self.random_state).permutation(len(people))
        self.public_subjects_ = people[np.sort(drawn[: len(people) // 2])]
        self.non_member_subjects_ = people[np.sort(drawn[len(people) // 2 :])]
        return self

    def evaluate(self, generator: Any, X: Any, y: ArrayLike) -> MembershipResult:
        """Attack a model whose members are known.

        Parameters
        ----------
        generator : estimator, list of ECGRecord, BeatSet or array-like
            A fitted model with ``sample(n_samples)``, as scikit-learn's mixtures have it; or
            a fitted anonymizer, or Pipeline from records; or beats that a model generated.
            Such beats must not be made from recordings of members or of the hold-out.
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Recordings of people that the model was trained on: those very ones, or others of
            the same people.
        y : array-like of shape (n_samples,)
            Their subjects.

        Returns
        -------
        result : MembershipResult
            ``print(result)`` shows it.

        Raises
        ------
        ValueError
            If there are fewer than 2 members or non-members, somebody is on both sides, or
            beats are not laid out alike.
        """
        check_is_fitted(self)
        self._validate_params()
        X = check_records(X) if is_records(X) else X
        y = self._check_subjects(X, y)
        self._check_sides(y)
        rng = check_random_state(self.random_state)
        is_public = np.isin(self.subjects_, self.public_subjects_)
        public, model = segment_first(take(self.holdout_, is_public), generator)
        others, _ = segment_first(take(self.holdout_, ~is_public), generator)
        members, _ = segment_first(X, generator)

        layout = self._beats(public, None).layout
        reference, _ = self._features(public, self.subjects_[is_public], layout)
        inside, of_member = self._features(members, y, layout)
        outside, of_other = self._features(others, self.subjects_[~is_public], layout)
        generated = self._generated(model, public, len(reference), rng, layout)
        per_beat = self._attack(np.concatenate([inside, outside]), generated, reference, rng)
        n_members = len(np.unique(y))
        codes = np.concatenate([of_member, of_other + n_members])
        scores = {
            attack: np.bincount(codes, weights=found) / np.bincount(codes)
            for attack, found in per_beat.items()
        }
        nulls = _null_aucs(np.array(list(scores.values())), n_members, rng)
        rows = {
            attack: _row(attack, found[:n_members], found[n_members:], null, rng)
            for (attack, found), null in zip(scores.items(), nulls, strict=True)
        }
        blind = rows.pop(BLIND)
        largest = max(row.auc for row in rows.values())
        return MembershipResult(
            rows=tuple(rows.values()),
            blind=blind,
            p_value=_share_above(nulls[: len(rows)].max(axis=0), largest),
            n_members=n_members,
            n_non_members=len(self.non_member_subjects_),
            n_public=len(self.public_subjects_),
            n_generated=len(generated),
            scores={a: (found[:n_members], found[n_members:]) for a, found in scores.items()},
        )

    def scorer(self, estimator: Any, X: Any, y: ArrayLike) -> dict[str, float]:
        """Score a fitted model, as ``GridSearchCV(scoring=...)`` wants it.

        Parameters
        ----------
        estimator : estimator
            Fitted anonymizer, Pipeline, or model with `sample`.
        X : list of ECGRecord, BeatSet or array-like
            Recordings of people that it was trained on: those of a split by session, where
            the test fold holds later recordings of the same people, not one by subject.
        y : array-like of shape (n_samples,)
            Subjects.

        Returns
        -------
        scores : dict of str to float
            ``privacy`` in [0, 1]; ``neg_auc`` and ``neg_advantage`` of the worst attack, and
            ``neg_auc_<attack>``; greater is better everywhere.
        """
        result = self.evaluate(estimator, X, y)
        return {
            "privacy": result.privacy,
            "neg_auc": -result.worst.auc,
            "neg_advantage": -max(row.advantage for row in result.rows),
            **{f"neg_auc_{row.attack}": -row.auc for row in result.rows},
        }

    def _generated(
        self,
        model: Any,
        public: Any,
        n_public: int,
        rng: np.random.RandomState,
        layout: Sequence[Any],
    ) -> NDArray[np.float32]:
        """Return the features of beats that the model generates, or of those at hand."""
        # Data frames, too, have methods named sample and transform.
        at_hand = isinstance(model, BeatSet | list) or hasattr(model, "__array__")
        if at_hand:
            views = [model]
        elif hasattr(model, "sample"):
            seeded = {}
            if "random_state" in signature(model.sample).parameters:
                seeded["random_state"] = rng.randint(2**31 - 1)
            drawn = model.sample(self.n_views * n_public, **seeded)
            views = [drawn[0] if isinstance(drawn, tuple) else drawn]
        elif hasattr(model, "transform") or model == "passthrough":
            views = [apply(with_fresh_salt(model, rng), public) for _ in range(self.n_views)]
        else:
            raise ValueError(
                f"generator is {model!r}; give a fitted model with transform or sample, or "
                "beats that it generated."
            )
        beats = [self._beats(view, layout).values for view in views]
        return np.concatenate([beat_features(values) for values in beats])

    def _features(
        self, X: Any, y: NDArray, layout: Sequence[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return features of beats, with 0, 1, ... for their subjects in sorted order."""
        beats = self._beats(X, layout)
        subjects, codes = np.unique(y, return_inverse=True)
        codes = codes[beats.record]
        need_beats(codes, subjects, "any record")
        rows = spread_rows(codes, self.max_beats)
        return beat_features(beats.values[rows]), codes[rows]

    def _beats(self, X: Any, layout: Sequence[Any] | None) -> Beats:
        """Return beats, after making sure that they are laid out as the public ones."""
        beats = check_beats(BaseEstimator(), as_beats(X), reset=True)
        if layout is not None:
            *shape, rate = beats.layout
            # An array does not know its rate: it is taken to be the others'.
            known = rate is not None and layout[-1] is not None
            check_layout(self, (*shape, rate if known else layout[-1]), layout)
        return beats

    def _attack(
        self,
        candidates: NDArray,
        generated: NDArray,
        reference: NDArray,
        rng: np.random.RandomState,
    ) -> dict[str, NDArray[np.float64]]:
        """Return the scores of the candidates' beats, attack by attack."""
        near, far = (_log_distance(candidates, rows) for rows in (generated, reference))
        classifier = ExtraTreesClassifier(N_TREES, class_weight="balanced")
        if self.classifier is not None:
            classifier = clone(self.classifier)
        if "random_state" in classifier.get_params():
            classifier.set_params(random_state=rng.randint(2**31 - 1))
        learnt = generated[spread_rows(np.zeros(len(generated), np.intp), MAX_GENERATED)]
        is_generated = np.repeat([1, 0], [len(learnt), len(reference)])
        classifier.fit(np.concatenate([learnt, reference]), is_generated)
        proba = classifier.predict_proba(candidates)[:, 1]
        odds = (proba + SMALLEST_PROBA) / (1 - proba + SMALLEST_PROBA)
        return {"nearest": far - near, "density": np.log(odds), BLIND: -far}

    def _check_subjects(self, X: Any, y: ArrayLike) -> NDArray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        y = np.asarray(column_or_1d(y, warn=True))
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        check_consistent_length(X, y)
        return y

    def _check_sides(self, y: NDArray) -> None:
        both = sorted(set(y.tolist()) & set(self.subjects_.tolist()))
        if both:
            raise ValueError(
                f"subject '{both[0]}' is a member and in the hold-out of fit; nobody can be "
                "both."
            )
        found = len(np.unique(y)), len(self.non_member_subjects_)
        if min(found) < 2:
            raise ValueError(
                f"found {found[0]} members and {found[1]} non-members; want 2 or more of each "
                "(half of the people in fit are non-members), and many more for an answer."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags


def _log_distance(rows: NDArray, reference: NDArray) -> NDArray[np.float64]:
    """Return the logarithm of each row's distance to its nearest in `reference`."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(reference)
    return np.log(search.kneighbors(rows)[0][:, 0].astype(np.float64) + SMALLEST_DISTANCE)


def _row(
    attack: str,
    members: NDArray,
    others: NDArray,
    null: NDArray,
    rng: np.random.RandomState,
) -> MembershipRow:
    found = membership_advantage(members, others)
    low, high = _auc_interval(members, others, rng)
    return MembershipRow(
        attack=attack,
        auc=found.auc,
        low=low,
        high=high,
        advantage=found.advantage,
        p_value=_share_above(null, found.auc),
        tpr={
            fpr: _tpr_at(members, others, fpr)
            for fpr in FALSE_POSITIVE_RATES
            if round(fpr * len(others), 9) >= 1
        },
    )


def _tpr_at(members: NDArray, others: NDArray, fpr: float) -> float:
    """Return the share of members above all but the highest `fpr` of the others."""
    allowed = int(round(fpr * len(others), 9))
    return float((members > np.sort(others)[::-1][allowed]).mean())


def _auc_interval(
    members: NDArray, others: NDArray, rng: np.random.RandomState
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the AUC, people of either side resampled."""
    wins = np.sign(members[:, np.newaxis] - others) / 2 + 0.5
    if wins.min() == wins.max() != 0.5:
        # No spread to resample: the exact bound for as many independent pairs, all won.
        bound = float(0.025 ** (1 / min(wins.shape)))
        return (bound, 1.0) if wins.min() == 1 else (0.0, 1 - bound)
    n, m = wins.shape
    weights = [rng.multinomial(k, np.full(k, 1 / k), N_RESAMPLES) / k for k in (n, m)]
    aucs = np.einsum("ri,ij,rj->r", weights[0], wins, weights[1], optimize=True)
    low, high = np.quantile(aucs, [0.025, 0.975])
    return float(low), float(high)


def _null_aucs(
    scores: NDArray, n_members: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Return the AUC of each attack when as many members are drawn from all people.

    The draws are the same for all attacks: shape (n_attacks, N_RESAMPLES).
    """
    n = scores.shape[1]
    ranks = rankdata(scores, axis=1)
    drawn = rng.random_sample((N_RESAMPLES, n)).argsort(axis=1)[:, :n_members]
    sums = ranks[:, drawn].sum(axis=2) - n_members * (n_members + 1) / 2
    return sums / (n_members * (n - n_members))


def _share_above(null: NDArray, auc: float) -> float:
    """Return the permutation p-value; the outcome itself is one of the permutations."""
    return float((1 + (null >= auc - 1e-9).sum()) / (1 + len(null)))
