"""The attacker as an estimator, and the ladder as a scorer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    TransformerMixin,
    _fit_context,
    is_classifier,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_ecganon._validation import (
    Beats,
    check_beats,
    check_layout,
    check_records,
    is_records,
)
from sklearn_ecganon.attacks._attackers import (
    ATTACKERS,
    Attacker,
    TrainableAttacker,
    attacker_name,
    make_attacker,
    sees,
)
from sklearn_ecganon.attacks._features import features_seen
from sklearn_ecganon.attacks._ladder import (
    Scene,
    as_beats,
    beat_scores,
    climb,
    gallery_of,
    make_scene,
    release,
    resalted,
    spread,
    until_beats,
)
from sklearn_ecganon.attacks._result import (
    KNOWLEDGE,
    LadderRow,
    ReidentificationResult,
    WeakAttackWarning,
)
from sklearn_ecganon.attacks._split import gallery_probe_split, session_labels


class ReidentificationScorer(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Name the subject of a recording, and measure what an anonymizer leaves to name.

    As a classifier: `fit` on identified recordings (the gallery), `transform` scores
    recordings against every gallery subject, `predict` names them. As a scorer:
    `evaluate` holds a fitted anonymizer against attackers who know more and more of it.

    Parameters
    ----------
    attackers : str, classifier, or sequence of them, default="lda"
        ``"template"``: cosine similarity with everybody's mean beat. ``"lda"``: linear
        discriminant analysis with shrinkage, a second on 47 subjects. ``"trees"``: fifty
        extremely randomized trees, seconds. ``"small-conv"``: three convolutions, about
        half a minute. ``"conv"``: the six convolutions of the non-QRS work, about a minute.
        ``"rhythm"``: trees that see the RR intervals and nothing else. Or any scikit-learn
        classifier with `predict_proba`. Of several, the classifier adds up the scores and
        the ladder reports each.
    knowledge : sequence of str, default=("ignorant", "lazy-informed", "semi-informed")
        ``"ignorant"``: trained on originals, compares the release with originals.
        ``"lazy-informed"``: compares with a gallery that he anonymized himself (same
        software, own salt). ``"semi-informed"``: retrains on that gallery.
    evidence : sequence of int, default=(1, 5, 20, 50)
        How many consecutive beats of one probe are combined, by adding log-scores. A probe
        that has fewer is scored with what it has, and counted.
    split : {"auto", "session", "time", "random"}, default="auto"
        Which recordings are the gallery in `evaluate`. ``"session"``: each subject's first
        session; ``"time"``: the earlier half of its recordings, or of its only one;
        ``"auto"``: by session where a subject has two, else by time. ``"random"`` deals
        single beats out to both sides at random. It flatters attackers and anonymizers
        alike, is here to compare with published figures, and every output says so.
    max_beats : int, default=1000
        Training beats a subject, spread evenly over the gallery.
    n_views : int, default=3
        How often an informed attacker anonymizes his gallery, each time with a new salt:
        he who sees a person under one pseudo-identity only learns the pseudo-identity.
    min_original : float, default=0.9
        Rank-1 on originals, with the most evidence, that the best attacker must reach to
        be believed; below, `evaluate` gives a `WeakAttackWarning`.
    device : str, default="auto"
        For the net: ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=0
        Seeds the net, the attacker's salt and the bootstrap. Fixed by default: the same
        release gets the same figures.

    Attributes
    ----------
    classes_ : ndarray of shape (n_subjects,)
        Gallery subjects.
    attackers_ : dict of str to object
        The trained attackers.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    sklearn_ecganon.model_selection.PrivacyUtilityScorer : Adds utility, for GridSearchCV.

    Notes
    -----
    The ladder follows the knowledge levels of the VoicePrivacy challenge. ``"conv"`` is the
    classifier of "Using conditional generative models to protect patient's privacy" (six
    Conv1d of kernel 6, 32-32-64-64-128-128 channels, pooling 2, 3 and 3, 128 units, dropout
    0.25). Deviations: AdamW with weight decay, label smoothing and a one-cycle learning
    rate; the beat is z-scored, with its level and size beside it; its length is free.
    All attackers but ``"rhythm"`` see the beats of a release and not the RR series.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, ReidentificationScorer, make_ecg_records
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> first = bunch.session == sorted(bunch.session)[0]
    >>> attacker = ReidentificationScorer().fit(beats[first], bunch.subject[first])
    >>> attacker.score(beats[~first], bunch.subject[~first])
    1.0
    """

    _parameter_constraints: dict = {
        "attackers": [StrOptions(set(ATTACKERS)), list, tuple, HasMethods("predict_proba")],
        "knowledge": [list, tuple],
        "evidence": [list, tuple],
        "split": [StrOptions({"auto", "session", "time", "random"})],
        "max_beats": [Interval(Integral, 1, None, closed="left")],
        "n_views": [Interval(Integral, 1, None, closed="left")],
        "min_original": [Interval(Real, 0, 1, closed="both")],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        attackers: Any = "lda",
        *,
        knowledge: Sequence[str] = KNOWLEDGE,
        evidence: Sequence[int] = (1, 5, 20, 50),
        split: str = "auto",
        max_beats: int = 1000,
        n_views: int = 3,
        min_original: float = 0.9,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.attackers = attackers
        self.knowledge = knowledge
        self.evidence = evidence
        self.split = split
        self.max_beats = max_beats
        self.n_views = n_views
        self.min_original = min_original
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Train the attackers on identified recordings.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            The gallery. Records are segmented with the defaults of `QRSSegmenter`.
        y : array-like of shape (n_samples,)
            Subject of each record, or of each row of an array.

        Returns
        -------
        self : object
            The trained attacker.
        """
        X = as_beats(X)
        beats = check_beats(self, X, reset=True)
        y = self._check_subjects(y, beats)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_leads_, self.n_times_, self.sampling_rate_ = beats.layout
        codes = codes[beats.record]
        rng = check_random_state(self.random_state)
        self.attackers_ = {
            name: self._train(
                chosen, features_seen(sees(chosen), X, beats), codes, self.n_leads_, rng
            )
            for name, chosen in self._panel().items()
        }
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Score recordings against every gallery subject.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Recordings to be named, laid out as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_subjects)
            Log-scores, added over all beats of a record and over the attackers. Columns
            follow `classes_`.
        """
        check_is_fitted(self)
        X = as_beats(X)
        beats = check_beats(self, X, reset=False)
        check_layout(self, beats.layout, (self.n_leads_, self.n_times_, self.sampling_rate_))
        scores = sum(
            beat_scores(self.attackers_[name], features_seen(sees(chosen), X, beats))
            for name, chosen in self._panel().items()
        )
        summed = np.zeros((beats.n_records, len(self.classes_)))
        np.add.at(summed, beats.record, scores)
        return summed

    def predict(self, X: Any) -> NDArray:
        """Name the most likely gallery subject of each recording.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet or array-like
            As in `transform`.

        Returns
        -------
        subjects : ndarray of shape (n_samples,)
            One of `classes_` for each sample.
        """
        scores = self.transform(X)
        return self.classes_[np.argmax(scores, axis=1)]

    def evaluate(
        self, anonymizer: Any, X: Any, y: ArrayLike, *, sessions: ArrayLike | None = None
    ) -> ReidentificationResult:
        """Release X through a fitted anonymizer and let every attacker try.

        Parameters
        ----------
        anonymizer : estimator
            Anything fitted that has `transform`; one step or a Pipeline from records.
            ``"passthrough"`` releases the originals.
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Original recordings of all subjects, those of one subject in order of time.
        y : array-like of shape (n_samples,)
            Subject of each sample.
        sessions : array-like of shape (n_samples,), optional
            Session of each sample, sortable; by default the records' own.

        Returns
        -------
        result : ReidentificationResult
            The ladder. ``print(result)`` shows it.

        Raises
        ------
        ValueError
            If there is one subject only, or nobody has a second recording to be named.

        Warns
        -----
        WeakAttackWarning
            If no attacker recognises originals.
        """
        self._validate_params()
        panel, rungs = self._panel(), self._rungs()
        X = check_records(X) if is_records(X) else X
        y = np.asarray(column_or_1d(y))
        check_consistent_length(X, y)
        _need_two_subjects(y)
        split, in_gallery = self.split, None
        if split != "random":
            X, y, in_gallery, split = gallery_probe_split(
                X, y, split, session_labels(X, sessions)
            )
        subjects, codes = np.unique(y, return_inverse=True)
        rng = check_random_state(self.random_state)
        X, anonymizer = until_beats(X, anonymizer)
        deal = int(rng.randint(2**31 - 1))
        views = {sees(chosen) for chosen in panel.values()}

        def scene(samples: Any) -> Scene:
            return make_scene(samples, codes, in_gallery, views, np.random.RandomState(deal))

        original, released = scene(X), scene(release(anonymizer, X))
        own: list[Scene] = []
        if set(rungs) - {"ignorant"}:
            own = [scene(release(resalted(anonymizer, rng), X)) for _ in range(self.n_views)]
        rows: list[LadderRow] = []
        for name, chosen in panel.items():
            informed = self._trained(chosen, [original], rng)
            tries: dict[str, tuple[Attacker, Scene]] = {
                "original": (informed, original),
                "ignorant": (informed, released),
            }
            if "lazy-informed" in rungs:
                tries["lazy-informed"] = (
                    informed.enroll(*gallery_of(own, sees(chosen))),
                    released,
                )
            if "semi-informed" in rungs:
                tries["semi-informed"] = (self._trained(chosen, own, rng), released)
            for knowledge, (attacker, target) in tries.items():
                if knowledge in ("original", *rungs):
                    rows += climb(
                        name,
                        knowledge,
                        attacker,
                        target,
                        sees=sees(chosen),
                        evidence=list(self.evidence),
                        random_state=rng,
                    )
        most = max(self.evidence)
        strongest = max(
            row.rank1 for row in rows if row.knowledge == "original" and row.evidence == most
        )
        weak = strongest < self.min_original
        if weak:
            warnings.warn(
                f"the best attacker names only {strongest:.1%} of the ORIGINALS with {most} "
                f"beats (want {self.min_original:.0%}): what it fails to name in the release "
                "proves nothing.",
                WeakAttackWarning,
                stacklevel=2,
            )
        return ReidentificationResult(
            rows=tuple(rows),
            n_subjects=len(subjects),
            n_probe_subjects=len(np.unique(original.codes[~original.in_gallery])),
            split=split,
            weak=weak,
        )

    def scorer(
        self, estimator: Any, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> dict[str, float]:
        """Score a fitted anonymizer, as ``GridSearchCV(scoring=...)`` wants it.

        Parameters
        ----------
        estimator : estimator
            Fitted anonymizer or Pipeline.
        X : list of ECGRecord, BeatSet or array-like
            Held-out originals.
        y : array-like of shape (n_samples,)
            Subjects.
        groups : array-like of shape (n_samples,), optional
            Sessions.

        Returns
        -------
        scores : dict of str to float
            ``privacy`` in [0, 1], and ``neg_rank1_<knowledge>_<evidence>`` for every rung
            (best attacker); greater is better everywhere.
        """
        result = self.evaluate(estimator, X, y, sessions=groups)
        scores = {"privacy": result.privacy}
        for (knowledge, evidence), row in result.best_of_panel().items():
            scores[f"neg_rank1_{knowledge.replace('-', '_')}_{evidence}"] = -row.rank1
        return scores

    def _trained(
        self, chosen: Any, scenes: list[Scene], rng: np.random.RandomState
    ) -> TrainableAttacker:
        features, codes = gallery_of(scenes, sees(chosen))
        return self._train(chosen, features, codes, scenes[0].n_leads, rng)

    def _train(
        self,
        chosen: Any,
        features: NDArray,
        codes: NDArray,
        n_leads: int,
        rng: np.random.RandomState,
    ) -> TrainableAttacker:
        rows = spread(codes, self.max_beats)
        seed = int(rng.randint(2**31 - 1))
        attacker = make_attacker(chosen, n_leads=n_leads, device=self.device, seed=seed)
        return attacker.fit(features[rows], codes[rows])

    def _panel(self) -> dict[str, Any]:
        """Return the attackers by the names that tables call them."""
        chosen = self.attackers
        panel = list(chosen) if isinstance(chosen, (list, tuple)) else [chosen]
        for attacker in panel:
            known = (
                attacker in ATTACKERS if isinstance(attacker, str) else is_classifier(attacker)
            )
            if not known:
                raise ValueError(
                    f"attackers: {attacker!r} is none of {ATTACKERS}, nor a classifier."
                )
        if not panel:
            raise ValueError(f"attackers is empty; choose from {ATTACKERS}.")
        return {attacker_name(attacker): attacker for attacker in panel}

    def _rungs(self) -> list[str]:
        rungs = list(self.knowledge)
        if not rungs or any(rung not in KNOWLEDGE for rung in rungs):
            raise ValueError(f"knowledge={self.knowledge!r}; choose from {KNOWLEDGE}.")
        counts = list(self.evidence)
        if not counts or any(not isinstance(e, Integral) or e < 1 for e in counts):
            raise ValueError(f"evidence={self.evidence!r}; give numbers of beats, 1 or more.")
        return rungs

    def _check_subjects(self, y: ArrayLike, beats: Beats) -> NDArray:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        y = np.asarray(column_or_1d(y, warn=True))
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        check_consistent_length(np.empty(beats.n_records), y)
        _need_two_subjects(y)
        return y


def _need_two_subjects(y: NDArray) -> None:
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"y holds one class (subject '{y[0]}'); naming people takes at least two."
        )
