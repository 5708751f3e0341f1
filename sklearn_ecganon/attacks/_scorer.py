"""The attacker as an estimator, and the ladder as a scorer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.progress import track
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
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from sklearn_ecganon._validation import (
    Beats,
    check_beats,
    check_layout,
    check_records,
    is_records,
    shape_sentence,
)
from sklearn_ecganon.attacks._attackers import (
    ATTACKERS,
    NOT_WAVEFORM,
    PANELS,
    Attacker,
    TrainableAttacker,
    attacker_name,
    make_attacker,
    sees,
)
from sklearn_ecganon.attacks._features import CONTRACT_VIEWS, features_seen
from sklearn_ecganon.attacks._ladder import (
    Scene,
    Trials,
    as_beats,
    beat_scores,
    climb,
    combine,
    gallery_of,
    make_scene,
    need_beats,
    probe_scores,
    release,
    resalted,
    spread,
    until_beats,
)
from sklearn_ecganon.attacks._result import (
    FUSION_SEES,
    KNOWLEDGE,
    LadderRow,
    ReidentificationResult,
    fusions,
)
from sklearn_ecganon.attacks._split import gallery_probe_split, session_labels
from sklearn_ecganon.contracts import CONTRACTS
from sklearn_ecganon.exceptions import WeakAttackWarning
from sklearn_ecganon.records import BeatSet


class ReidentificationScorer(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Name the subject of a recording, and measure what an anonymizer leaves to name.

    As a classifier: `fit` on identified recordings (the gallery), `transform` scores
    recordings against every gallery subject, `predict` names them. As a scorer:
    `evaluate` holds a fitted anonymizer against attackers who know more and more of it.

    Parameters
    ----------
    attackers : str, classifier, or sequence of them, default="default"
        Who see the waveform: ``"template"``: cosine similarity with everybody's mean beat.
        ``"lda"``: linear discriminant analysis with shrinkage, a second on 47 subjects.
        ``"trees"``: fifty extremely randomized trees, seconds. ``"small-conv"``: three
        convolutions, about half a minute. ``"conv"``: the six convolutions of the non-QRS
        work, about a minute. ``"session"``: an embedding trained with a margin on beats
        changed as another day would change them, a minute or two. ``"siamese"``: the same,
        and nobody's template comes from a net that was trained on him. Who see other
        things: ``"rhythm"``: trees on the RR intervals alone. ``"numbers"``: trees on RR,
        beat classes, PR, QRS, QT and ST.
        ``"categories"``: trees on what the diagnostic contract keeps. Or any scikit-learn
        classifier with `predict_proba`, who sees the waveform. ``"default"`` is a panel of
        lda, trees, small-conv, rhythm and numbers, ``"strongest"`` of all but categories;
        for arrays, of those who see the waveform. Of several, the classifier adds up the
        scores, and the ladder reports each, ``"fusion"``, who adds them up, and
        ``"waveform-fusion"``, who adds up those who see the waveform.
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
    contract : {"diagnostic", "measurement"} or None, default="diagnostic"
        What the release promises to keep. `evaluate` measures the floor: what an attacker
        achieves who sees that and nothing else. None leaves it out, and so do arrays,
        which have neither rhythm nor rate.
    min_original : float, default=0.9
        Rank-1 on originals, with the most evidence, that the best attacker must reach to
        be believed; below, `evaluate` gives a `WeakAttackWarning`.
    device : str, default="auto"
        For the net: ``"cpu"``, ``"cuda"``, or whichever is there.
    n_jobs : int, default=None
        Attackers trained at the same time. The figures are the same.
    verbose : int, default=0
        1 shows how many attackers are done, and how long the rest may take.
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

    The floor's attacker is a forest trained on the numbers or categories of originals. PR,
    QRS, QT and ST come from :func:`sklearn_ecganon.contracts.measure`, which reads them
    from the median of five neighbouring beats: with few beats as evidence, ``"numbers"``
    knows a little more than they hold.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, ReidentificationScorer, make_ecg_records
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> first = bunch.session == sorted(bunch.session)[0]
    >>> attacker = ReidentificationScorer("lda").fit(beats[first], bunch.subject[first])
    >>> attacker.score(beats[~first], bunch.subject[~first])
    1.0
    """

    _parameter_constraints: dict = {
        "attackers": [
            StrOptions({*ATTACKERS, *PANELS}),
            list,
            tuple,
            HasMethods("predict_proba"),
        ],
        "knowledge": [list, tuple],
        "evidence": [list, tuple],
        "split": [StrOptions({"auto", "session", "time", "random"})],
        "max_beats": [Interval(Integral, 1, None, closed="left")],
        "n_views": [Interval(Integral, 1, None, closed="left")],
        "contract": [StrOptions(set(CONTRACTS)), None],
        "min_original": [Interval(Real, 0, 1, closed="both")],
        "device": [str],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        attackers: Any = "default",
        *,
        knowledge: Sequence[str] = KNOWLEDGE,
        evidence: Sequence[int] = (1, 5, 20, 50),
        split: str = "auto",
        max_beats: int = 1000,
        n_views: int = 3,
        contract: str | None = "diagnostic",
        min_original: float = 0.9,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.attackers = attackers
        self.knowledge = knowledge
        self.evidence = evidence
        self.split = split
        self.max_beats = max_beats
        self.n_views = n_views
        self.contract = contract
        self.min_original = min_original
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
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
        need_beats(codes, self.classes_, "X")
        rng = check_random_state(self.random_state)
        panel = self._panel(X)
        features = features_seen({sees(chosen) for chosen in panel.values()}, X, beats)
        self.attackers_ = {
            name: self._train(
                chosen, features[sees(chosen)], codes, self.n_leads_, rng.randint(2**31 - 1)
            )
            for name, chosen in panel.items()
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
        views = {name: sees(name) for name in self.attackers_}
        features = features_seen(set(views.values()), X, beats)
        scores = sum(
            beat_scores(attacker, features[views[name]])
            for name, attacker in self.attackers_.items()
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
        rungs = self._rungs()
        if is_records(X):
            X = check_records(X)
        elif not isinstance(X, BeatSet):
            X = np.asarray(X)
        y = np.asarray(column_or_1d(y))
        check_consistent_length(X, y, sessions)
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
        original_beats, released_beats = as_beats(X), as_beats(release(anonymizer, X))
        panel = self._panel(original_beats)
        views = {sees(chosen) for chosen in panel.values()}

        def scene(
            samples: Any, views: set[str] = views, *, only_gallery: bool = False
        ) -> Scene:
            dealt = np.random.RandomState(deal)
            if only_gallery and in_gallery is not None:
                return make_scene(
                    samples[in_gallery], codes[in_gallery], in_gallery[in_gallery], views, dealt
                )
            return make_scene(samples, codes, in_gallery, views, dealt)

        floor_view = None
        if self.contract is not None and isinstance(original_beats, BeatSet):
            floor_view = CONTRACT_VIEWS[self.contract]
        original = scene(original_beats, views | ({floor_view} if floor_view else set()))
        released = scene(released_beats)
        own: list[Scene] = []
        if set(rungs) - {"ignorant"}:
            for _ in range(self.n_views):
                seen = as_beats(release(resalted(anonymizer, rng), X))
                own.append(scene(seen, only_gallery=True))
        _need_alike(original, [released, *own], subjects)
        tasks: list[tuple] = []
        for name, chosen in panel.items():
            targets = {"original": original}
            targets |= {
                rung: released for rung in rungs if rung in ("ignorant", "lazy-informed")
            }
            tasks.append((name, chosen, [original], targets, rng.randint(2**31 - 1)))
            if "semi-informed" in rungs:
                targets = {"semi-informed": released}
                tasks.append((name, chosen, own, targets, rng.randint(2**31 - 1)))
        if floor_view:
            targets = {"floor": original}
            tasks.append((floor_view, floor_view, [original], targets, rng.randint(2**31 - 1)))
        found = self._attack_all(tasks, own)
        seen_by = {name: sees(chosen) for name, chosen in panel.items()}
        for fusion, parts in fusions(seen_by).items():
            for rung in ("original", *rungs):
                found[fusion, rung] = np.sum([found[part, rung] for part in parts], axis=0)
        # The same people are resampled in every row.
        resampling = rng.randint(2**31 - 1)
        rows: list[LadderRow] = []
        trials: dict[tuple[str, str], Trials] = {}
        for (name, rung), scores in found.items():
            target = original if rung in ("original", "floor") else released
            rows += climb(
                name,
                rung,
                scores,
                target,
                sees=seen_by.get(name) or FUSION_SEES.get(name) or sees(name),
                evidence=list(self.evidence),
                random_state=resampling,
            )
            trials[name, rung] = combine(scores, target, max(self.evidence))
        most = max(self.evidence)
        strongest: dict[str, float] = {}
        for row in rows:
            if row.knowledge == "original" and row.evidence == most:
                strongest[row.panel] = max(row.rank1, strongest.get(row.panel, 0.0))
        # Who sees less may know less; but no rhythm makes up for blind eyes.
        credible = strongest.get("waveform", max(strongest.values()))
        weak = credible < self.min_original
        if weak:
            told = " and ".join(f"{rank1:.1%} ({name})" for name, rank1 in strongest.items())
            warnings.warn(
                f"the best attackers name only {told} of the ORIGINALS with {most} beats (want "
                f"{self.min_original:.0%}): what they fail to name in the release proves "
                "nothing.",
                WeakAttackWarning,
                stacklevel=2,
            )
        return ReidentificationResult(
            rows=tuple(row for row in rows if row.knowledge != "floor"),
            n_subjects=len(subjects),
            n_probe_subjects=len(np.unique(original.codes[~original.in_gallery])),
            split=split,
            weak=weak,
            contract=self.contract if floor_view else None,
            floor_rows=tuple(row for row in rows if row.knowledge == "floor"),
            trials=trials,
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

    def _attack_all(
        self, tasks: list[tuple], own: list[Scene]
    ) -> dict[tuple[str, str], NDArray[np.float32]]:
        """Return the scores of every attacker with every knowledge, in the order of tasks."""
        done = Parallel(n_jobs=self.n_jobs, return_as="generator")(
            delayed(self._attack)(chosen, trained_on, targets, own, seed)
            for _, chosen, trained_on, targets, seed in tasks
        )
        found: dict[tuple[str, str], NDArray[np.float32]] = {}
        shown = track(
            done,
            description=f"{len(tasks)} attackers",
            total=len(tasks),
            disable=not self.verbose,
        )
        for (name, *_), scores in zip(tasks, shown, strict=True):
            found |= {(name, rung): of_rung for rung, of_rung in scores.items()}
        return found

    def _attack(
        self,
        chosen: Any,
        trained_on: list[Scene],
        targets: dict[str, Scene],
        own: list[Scene],
        seed: int,
    ) -> dict[str, NDArray[np.float32]]:
        """Train one attacker, and let him name the probes of each scene."""
        features, codes = gallery_of(trained_on, sees(chosen))
        attacker = self._train(chosen, features, codes, trained_on[0].layout[0], seed)
        found = {}
        for rung, scene in targets.items():
            knows: Attacker = attacker
            if rung == "lazy-informed":
                knows = attacker.enroll(*gallery_of(own, sees(chosen)))
            found[rung] = probe_scores(knows, scene, sees(chosen))
        return found

    def _train(
        self, chosen: Any, features: NDArray, codes: NDArray, n_leads: int, seed: int
    ) -> TrainableAttacker:
        rows = spread(codes, self.max_beats)
        attacker = make_attacker(chosen, n_leads=n_leads, device=self.device, seed=seed)
        return attacker.fit(features[rows], codes[rows])

    def _panel(self, X: Any) -> dict[str, Any]:
        """Return the attackers by the names that tables call them."""
        chosen = self.attackers
        if isinstance(chosen, str) and chosen in PANELS:
            has_rhythm = isinstance(X, BeatSet)
            chosen = [a for a in PANELS[chosen] if has_rhythm or a not in NOT_WAVEFORM]
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
        named: dict[str, Any] = {}
        for attacker in panel:
            name = attacker_name(attacker)
            if name in named and not isinstance(attacker, str):
                name += f"-{sum(other.split('-')[0] == name for other in named) + 1}"
            named[name] = attacker
        return named

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


def _need_alike(original: Scene, releases: list[Scene], subjects: NDArray) -> None:
    """Refuse a release that cannot be held against the originals."""
    probed = np.unique(original.codes[~original.in_gallery])
    for scene in releases:
        if scene.layout != original.layout:
            raise ValueError(
                f"originals have {shape_sentence(original.layout)}, the release "
                f"{shape_sentence(scene.layout)}; cut and resample both alike."
            )
        asked = scene.codes[~scene.in_gallery]
        if len(asked):
            need_beats(np.searchsorted(probed, asked), subjects[probed], "the release")
    for scene, where in ((original, "the gallery"), *((s, "the release") for s in releases)):
        need_beats(scene.codes[scene.in_gallery], subjects, where)


def _need_two_subjects(y: NDArray) -> None:
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"y holds one class (subject '{y[0]}'); naming people takes at least two."
        )
