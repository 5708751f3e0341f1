"""Attackers as an estimator, and what they achieve on a release."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import check_layout, layout_of, validate_beats
from sklearn_ecganon.attacks._attackers import ATTACKERS, PANELS, modality_of, resolve_panel
from sklearn_ecganon.attacks._checks import check_subjects
from sklearn_ecganon.attacks._evidence import EVIDENCE, check_evidence
from sklearn_ecganon.attacks._feature_sets import beat_scores, need_beats
from sklearn_ecganon.attacks._identification import (
    TrainingOptions,
    check_levels,
    default_n_views,
    identify,
    train_panel,
)
from sklearn_ecganon.attacks._modalities import Source, extract_features
from sklearn_ecganon.attacks._result import Evaluation
from sklearn_ecganon.contracts import CONTRACTS
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import Release, as_beats, need_two_subjects


class ReidentificationScorer(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Identify the subject of a recording, and measure how well that works on a release.

    As a classifier: `fit` on identified recordings (the gallery), `transform` scores
    recordings against every gallery subject, `predict` identifies them. As a scorer:
    `evaluate` tries attackers with increasing knowledge on a fitted anonymizer, `identify`
    on a :class:`~sklearn_ecganon.releases.Release`.

    Parameters
    ----------
    attackers : str, Attacker, classifier, or sequence of them, default="default"
        Attackers on the waveform: ``"template"``: cosine similarity with everybody's mean
        beat. ``"lda"``: linear discriminant analysis with shrinkage. ``"averaged-lda"``: the
        same on log-compressed averages of ten beats and their slopes, the strongest across
        days. ``"trees"``: fifty extremely randomized trees. ``"small-conv"``: three
        convolutions. ``"conv"``: the six of the non-QRS work. ``"session"``: an embedding
        trained with a margin on beats changed as another day would change them.
        ``"cross-fitted"``: the same, but the template of each subject comes from a net that
        was not trained on them. Others: ``"rhythm"``: trees on the RR intervals alone.
        ``"intervals"``: trees on RR, beat classes, PR, QRS, QT and ST. ``"categories"``: trees
        on what the diagnostic contract keeps. ``"strip"``, ``"small-strip"``: a net on strips
        of 10 s of the stitched recording. ``"strip-embedding"``: two with a margin, each for
        people it was not trained on. A classifier with `predict_proba` looks at the waveform,
        in an :class:`~sklearn_ecganon.attacks.Attacker` at any modality. ``"default"``: lda,
        averaged-lda, trees, small-conv, rhythm and intervals. ``"strongest"``: all but
        small-strip and categories. For arrays, those on the waveform. The ladder reports each
        attacker, ``"fusion"``, the sum of all, and ``"waveform-fusion"``.
    knowledge : sequence of str, optional
        ``"ignorant"``: trained on originals, compares the release with originals.
        ``"lazy-informed"``: compares with a gallery that the attacker anonymized (same
        software, fresh salt). ``"semi-informed"``: trains on such galleries. By default all
        three, as far as the release has views of the gallery.
    evidence : sequence of int or str, default=(1, 5, 20, 50, "recording", "linked")
        How many consecutive beats of one probe are combined, by summing log-scores. A probe
        that has fewer is scored with all it has, and counted. ``"recording"``: all beats of a
        probe. ``"linked"``: all probes of a subject, which a folder, a date or a key links.
    split : {"auto", "session", "time", "random"}, default="auto"
        Which recordings are the gallery in `evaluate`; see :meth:`Release.by
        <sklearn_ecganon.releases.Release.by>`.
    max_beats : int, default=1000
        Rows of each subject that an attacker trains on or compares with, spread evenly over
        the gallery.
    n_views : int, optional
        How often an informed attacker anonymizes the gallery in `evaluate`, each time with a
        fresh salt; by default 6 times if an attacker on strips takes part, else 3 times.
    contract : {"diagnostic", "measurement"} or None, default="diagnostic"
        What the release promises to keep. The floor is what an attacker achieves on
        originals from that and nothing else. None leaves the floor out, and so do arrays,
        which have neither rhythm nor rate.
    min_original : float, default=0.9
        Rank-1 on originals, with the most evidence, that the best attacker must reach to
        be believed; below, a `WeakAttackWarning` is given.
    device : str, default="auto"
        Where nets are trained: ``"cpu"``, ``"cuda"``, or ``"auto"`` for whichever is there.
    n_jobs : int, default=None
        Number of attackers trained at the same time. It does not change the figures.
    verbose : int, default=0
        1 shows how many attackers are trained, and how long the others may take.
    random_state : int, RandomState instance or None, default=0
        Seeds the attackers in `fit`, and everything random in `evaluate`. Fixed by default:
        the same release gets the same figures.

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
    sklearn_ecganon.evaluation.evaluate : Adds utility, on the same probes.
    sklearn_ecganon.model_selection.PrivacyUtilityScorer : The same for GridSearchCV.

    Notes
    -----
    The ladder follows the knowledge levels of the VoicePrivacy challenge. ``"conv"`` is the
    classifier of "Using conditional generative models to protect patient's privacy" with
    AdamW, label smoothing and a one-cycle learning rate. ``"intervals"`` reads PR, QRS, QT
    and ST from the median of five neighboring beats: with few beats, it knows a little more
    than they hold.

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
            HasMethods(["enroll", "log_proba"]),
        ],
        "knowledge": [list, tuple, None],
        "evidence": [list, tuple],
        "split": [StrOptions({"auto", "session", "time", "random"})],
        "max_beats": [Interval(Integral, 1, None, closed="left")],
        "n_views": [Interval(Integral, 1, None, closed="left"), None],
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
        knowledge: Sequence[str] | None = None,
        evidence: Sequence[int | str] = EVIDENCE,
        split: str = "auto",
        max_beats: int = 1000,
        n_views: int | None = None,
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
        beats = validate_beats(self, X, reset=True)
        y = check_subjects(self, y, len(beats))
        need_two_subjects(y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_leads_, self.n_times_, self.sampling_rate_ = layout_of(beats)
        codes = codes[beats.record]
        need_beats(codes, self.classes_, "X")
        rng = check_random_state(self.random_state)
        source = Source(beats.beats, X if isinstance(X, BeatSet) else None)
        panel = resolve_panel(self.attackers, has_rhythm=source.beats is not None)
        features = extract_features({modality_of(a) for a in panel.values()}, source)
        options = TrainingOptions(self.max_beats, self.device)
        self.attackers_ = train_panel(panel, features, codes, self.n_leads_, options, rng)
        self._modalities = {name: modality_of(attacker) for name, attacker in panel.items()}
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Score recordings against every gallery subject.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Recordings to identify, laid out as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_subjects)
            Log-scores, summed over all beats of a record and over the attackers. Columns
            follow `classes_`.
        """
        check_is_fitted(self)
        X = as_beats(X)
        beats = validate_beats(self, X, reset=False)
        check_layout(
            self, layout_of(beats), (self.n_leads_, self.n_times_, self.sampling_rate_)
        )
        source = Source(beats.beats, X if isinstance(X, BeatSet) else None)
        features = extract_features(set(self._modalities.values()), source)
        all_beats = np.arange(len(beats.record))
        scores = sum(
            beat_scores(attacker, features[self._modalities[name]], all_beats)
            for name, attacker in self.attackers_.items()
        )
        summed = np.zeros((len(beats), len(self.classes_)))
        np.add.at(summed, beats.record, scores)
        return summed

    def predict(self, X: Any) -> NDArray:
        """Return the most likely gallery subject of each recording.

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
    ) -> Evaluation:
        """Release X through a fitted anonymizer and try every attacker on the release.

        Parameters
        ----------
        anonymizer : estimator
            Any fitted estimator that has `transform`: one step, or a Pipeline from records.
            ``"passthrough"`` releases the originals.
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Original recordings of all subjects. Those of one subject are in order of time.
        y : array-like of shape (n_samples,)
            Subject of each sample.
        sessions : array-like of shape (n_samples,), optional
            Session of each sample, sortable; by default the `session` of the records.

        Returns
        -------
        evaluation : Evaluation
            The ladder. ``print(evaluation)`` shows it.

        Raises
        ------
        ValueError
            If there is one subject only, or no subject has a second recording.

        Warns
        -----
        WeakAttackWarning
            If no attacker recognizes originals.
        """
        return self.identify(self.release(anonymizer, X, y, sessions=sessions))

    def release(
        self, anonymizer: Any, X: Any, y: ArrayLike, *, sessions: ArrayLike | None = None
    ) -> Release:
        """Return the release of X with the split, views and seed that the attackers need.

        Parameters
        ----------
        anonymizer, X, y, sessions : object
            As in `evaluate`.

        Returns
        -------
        release : Release
            Without views of the gallery if only the ignorant attacker is evaluated.
        """
        self._validate_params()
        is_informed = set(check_levels(self.knowledge)) - {"ignorant"}
        return Release.by(
            anonymizer,
            X,
            y,
            sessions=sessions,
            split=self.split,
            n_views=(self.n_views or default_n_views(self.attackers)) if is_informed else 0,
            random_state=self.random_state,
        )

    def identify(
        self, release: Release, *, random_state: int | np.random.RandomState | None = None
    ) -> Evaluation:
        """Try every attacker on a release.

        Parameters
        ----------
        release : Release
            Originals and released recordings.
        random_state : int, RandomState instance or None, default=None
            Seeds the attackers and the bootstrap. None continues the random sequence of the
            release, so that one seed fixes every figure.

        Returns
        -------
        evaluation : Evaluation
            Without utility; :func:`sklearn_ecganon.evaluation.evaluate` adds it.

        Raises
        ------
        ValueError
            If originals and release cannot be compared, or if the release has no view of the
            gallery that the chosen knowledge needs.

        Warns
        -----
        WeakAttackWarning
            If no attacker recognizes originals.
        """
        self._validate_params()
        check_evidence(self.evidence)
        return identify(
            release,
            self.attackers,
            levels=check_levels(self.knowledge, release),
            evidence=self.evidence,
            contract=self.contract,
            min_original=self.min_original,
            training=TrainingOptions(self.max_beats, self.device, self.n_jobs, self.verbose),
            random_state=release.attack_random_state(random_state),
        )

    def scorer(
        self, estimator: Any, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> dict[str, float]:
        """Score a fitted anonymizer, for ``GridSearchCV(scoring=...)``.

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
            ``privacy`` in [0, 1], and ``neg_rank1_<knowledge>_<evidence>`` of the best
            attacker at every threat level; greater is better everywhere.
        """
        return self.evaluate(estimator, X, y, sessions=groups).scores()
