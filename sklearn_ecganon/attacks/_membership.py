"""Membership inference: who was in the training data of a model."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import (
    check_layout,
    check_records,
    forget_columns,
    is_flat,
    is_records,
    layout_of,
    validate_beats,
)
from sklearn_ecganon.attacks._checks import check_subjects
from sklearn_ecganon.attacks._feature_sets import need_beats, spread_rows
from sklearn_ecganon.attacks._membership_result import (
    MembershipResult,
    membership_row,
    null_aucs,
    permutation_p_value,
)
from sklearn_ecganon.attacks._modalities import beat_features
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import apply, as_beats, segment_first, take, with_fresh_salt

#: The attack that does not use the model, and so must not succeed.
BLIND = "blind"
N_TREES = 200
# Generated beats that the classifier is trained on; the nearest-neighbor search uses all.
MAX_GENERATED = 20_000
# Keep logarithms finite. Z-scored beats have a length of about ten.
SMALLEST_DISTANCE = 1e-3
SMALLEST_PROBA = 0.01


class MembershipInferenceScorer(BaseEstimator):
    """Infer who was in the training data of a model from what the model generates.

    `fit` takes people that no model was trained on. Half of them, drawn once, are public:
    the attacker has their recordings. The others are the non-members. `evaluate` takes a
    model and its members, and attacks person by person in two ways; the stronger attack counts.

    Parameters
    ----------
    classifier : classifier with `predict_proba`, optional
        Separates generated from public beats, for the density ratio. By default 200
        extremely randomized trees, which come close to a search for neighbors.
    max_beats : int, default=200
        Number of beats of each subject, spread evenly over their recordings.
    n_views : int, default=3
        How often an anonymizer releases the recordings of the public people, each time
        with a fresh salt. A model that is sampled generates that many beats for each beat of
        theirs.
    random_state : int, RandomState instance or None, default=0
        Draws the public half, and seeds salts, classifier, bootstrap and permutations.

    Attributes
    ----------
    holdout_ : list of ECGRecord, BeatSet or ndarray
        The recordings passed to `fit`.
    subjects_ : ndarray of shape (n_samples,)
        Subject of each sample of `holdout_`.
    public_subjects_, non_member_subjects_ : ndarray
        The two halves of the people.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    ReidentificationScorer : Asks who is behind a release, which is another question.
    sklearn_ecganon.metrics.nearest_record_ratio : The same comparison, sample by sample.

    Notes
    -----
    Both attacks score beats, with the features of the other attackers, and average over the
    beats of a subject:

    ``"nearest"``
        The logarithm of the distance to the nearest public beat over that to the nearest
        generated one. The first calibrates the second, because an unusual beat is far from all
        others. After [1]_, with public beats in place of a reference generator.
    ``"density"``
        The logarithm of the density ratio of generated and public beats, [2]_. Deviation:
        a classifier's log-odds estimate it, not two density estimates, which 100
        dimensions do not allow.

    A third, ``"blind"``, uses nothing but the distance to the nearest public beat. It does
    not count; it shows whether the two groups can be separated without the model [3]_.

    The question is whether the MODEL gives its training data away. The release of a
    member's own recording is close to it because it is made from it, member or not. So an
    anonymizer is given the public people's recordings, and a model with `sample` is
    sampled: whatever the outputs reveal about the members came through the weights. The
    attack that passes a person's own recording through the model, and measures how well it
    is reproduced, is not included.

    A person's score is the mean over their beats, so that a person with many beats is no
    easier to find than others. The p-value of the result permutes membership among the
    people, for both attacks at once, because the stronger of two attacks is above 0.5 by
    chance. An AUC far below 0.5 is no privacy: check whether both groups come from the same
    source.

    The true positive rate at a low false positive rate [4]_ is given if the non-members
    are at least as many as one over that rate. Intervals describe the sampling of people:
    another training would give another model.

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
    >>> scorer = MembershipInferenceScorer().fit(beats[8:], bunch.subject[8:])
    >>> copies = beats[:8]  # a "model" that returns its training data
    >>> scorer.evaluate(copies, beats[:8], bunch.subject[:8]).worst.auc
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
        """Store the recordings of people who are in no training data, and draw the public half.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            The recordings of these people, from the same source as those of the members.
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
            beats = validate_beats(self, X, reset=True)
            if not isinstance(X, BeatSet):
                X = beats.beats[:, 0] if is_flat(X) else beats.beats
        self.holdout_, self.subjects_ = X, check_subjects(self, y, len(X))
        people = np.unique(self.subjects_)
        if len(people) < 2:
            raise ValueError(
                f"y holds one class (subject '{people[0]}'); half of the people are public and "
                "half non-members: give 4 or more."
            )
        order = check_random_state(self.random_state).permutation(len(people))
        self.public_subjects_ = people[np.sort(order[: len(people) // 2])]
        self.non_member_subjects_ = people[np.sort(order[len(people) // 2 :])]
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
            Recordings of people that the model was trained on: the training recordings, or
            others of the same people.
        y : array-like of shape (n_samples,)
            Subject of each sample.

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
        y = check_subjects(self, y, len(X))
        self._check_sides(y)
        rng = check_random_state(self.random_state)
        is_public = np.isin(self.subjects_, self.public_subjects_)
        public, model = segment_first(take(self.holdout_, is_public), generator)
        others, _ = segment_first(take(self.holdout_, ~is_public), generator)
        members, _ = segment_first(X, generator)

        layout = layout_of(self._beats(public, None))
        reference, _ = self._features(public, self.subjects_[is_public], layout)
        inside, of_member = self._features(members, y, layout)
        outside, of_other = self._features(others, self.subjects_[~is_public], layout)
        generated = self._generated(model, public, len(reference), rng, layout)
        per_beat = self._attack(np.concatenate([inside, outside]), generated, reference, rng)
        n_members = len(np.unique(y))
        codes = np.concatenate([of_member, of_other + n_members])
        scores = {
            attack: np.bincount(codes, weights=of_beats) / np.bincount(codes)
            for attack, of_beats in per_beat.items()
        }
        nulls = null_aucs(np.array(list(scores.values())), n_members, rng)
        rows = {
            attack: membership_row(attack, s[:n_members], s[n_members:], null, rng)
            for (attack, s), null in zip(scores.items(), nulls, strict=True)
        }
        blind = rows.pop(BLIND)
        largest = max(row.auc for row in rows.values())
        return MembershipResult(
            rows=tuple(rows.values()),
            blind=blind,
            p_value=permutation_p_value(nulls[: len(rows)].max(axis=0), largest),
            n_members=n_members,
            n_non_members=len(self.non_member_subjects_),
            n_public=len(self.public_subjects_),
            n_generated=len(generated),
            scores={a: (s[:n_members], s[n_members:]) for a, s in scores.items()},
        )

    def scorer(self, estimator: Any, X: Any, y: ArrayLike) -> dict[str, float]:
        """Score a fitted model, for ``GridSearchCV(scoring=...)``.

        Parameters
        ----------
        estimator : estimator
            Fitted anonymizer, Pipeline, or model with `sample`.
        X : list of ECGRecord, BeatSet or array-like
            Recordings of people that it was trained on. Split by session, not by subject, so
            that the test fold holds later recordings of the same people.
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
        """Return the features of beats that the model generates or has generated."""
        # Data frames also have methods named sample and transform.
        are_beats = isinstance(model, BeatSet | list) or hasattr(model, "__array__")
        if are_beats:
            views = [model]
        elif hasattr(model, "sample"):
            seeded = {}
            if "random_state" in signature(model.sample).parameters:
                seeded["random_state"] = rng.randint(2**31 - 1)
            samples = model.sample(self.n_views * n_public, **seeded)
            views = [samples[0] if isinstance(samples, tuple) else samples]
        elif hasattr(model, "transform") or model == "passthrough":
            views = [apply(with_fresh_salt(model, rng), public) for _ in range(self.n_views)]
        else:
            raise ValueError(
                f"generator is {model!r}; give a fitted model with transform or sample, or "
                "beats that it generated."
            )
        beats = [self._beats(view, layout).beats for view in views]
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
        return beat_features(beats.beats[rows]), codes[rows]

    def _beats(self, X: Any, layout: Sequence[Any] | None) -> BeatSet:
        """Return beats, after a check that they have the layout of the public ones."""
        beats = validate_beats(BaseEstimator(), as_beats(X), reset=True)
        if layout is not None:
            *shape, rate = layout_of(beats)
            # An array has no rate; it is assumed to be that of the others.
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
        """Return the scores of the candidates' beats for each attack."""
        near, far = (_log_distance(candidates, rows) for rows in (generated, reference))
        classifier = ExtraTreesClassifier(N_TREES, class_weight="balanced")
        if self.classifier is not None:
            classifier = clone(self.classifier)
        if "random_state" in classifier.get_params():
            classifier.set_params(random_state=rng.randint(2**31 - 1))
        training = generated[spread_rows(np.zeros(len(generated), np.intp), MAX_GENERATED)]
        is_generated = np.repeat([1, 0], [len(training), len(reference)])
        classifier.fit(np.concatenate([training, reference]), is_generated)
        proba = classifier.predict_proba(candidates)[:, 1]
        odds = (proba + SMALLEST_PROBA) / (1 - proba + SMALLEST_PROBA)
        return {"nearest": far - near, "density": np.log(odds), BLIND: -far}

    def _check_sides(self, y: NDArray) -> None:
        """Refuse people on both sides, and sides of fewer than two people."""
        both = sorted(set(y.tolist()) & set(self.subjects_.tolist()))
        if both:
            raise ValueError(
                f"subject '{both[0]}' is a member and in the hold-out of fit; nobody can be "
                "both."
            )
        n_members, n_others = len(np.unique(y)), len(self.non_member_subjects_)
        if min(n_members, n_others) < 2:
            raise ValueError(
                f"found {n_members} members and {n_others} non-members; give 2 or more of each "
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
