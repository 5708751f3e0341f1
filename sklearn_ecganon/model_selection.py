"""Tune an anonymizer: splits by session, privacy and utility in one score, refit rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.metaestimators import available_if

from sklearn_ecganon._validation import check_records, is_records
from sklearn_ecganon.attacks import ReidentificationScorer
from sklearn_ecganon.attacks._ladder import release, resalted, until_beats
from sklearn_ecganon.attacks._split import (
    first_session,
    gallery_probe_split,
    session_labels,
)
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.utility import UtilityScorer

__all__ = [
    "PrivacyUtilityScorer",
    "SessionSplit",
    "max_utility",
    "pareto_front",
]

# Utility figures of which less is better, and those that are no score of the release.
_ERRORS = ("error_", "rmse_", "prd")
_NO_SCORE = ("n_records_", "bias_", "before_", "delineator_error_")
# Privacy differs by less than this between releases that leak alike.
_SAME_PRIVACY = 0.01


class SessionSplit(BaseCrossValidator):
    """Train on each subject's first session, test on the later ones.

    A subject with a single session is in the training set only. There is one split.

    Sessions are the `groups`, or those that the records carry. They are compared as they
    sort: ``"2004-12-07"`` comes before ``"2005-01-11"``.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.model_selection import SessionSplit
    >>> bunch = make_ecg_records(n_subjects=2, n_sessions=2, duration=5.0, random_state=0)
    >>> [(train, test)] = SessionSplit().split(bunch.data, bunch.subject)
    >>> set(bunch.session[train]) & set(bunch.session[test])
    set()
    """

    __metadata_request__split = {"groups": True}

    def split(
        self, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the indices of the training and the test samples.

        Parameters
        ----------
        X : list of ECGRecord, BeatSet or array-like
            Samples.
        y : array-like of shape (n_samples,)
            Subjects.
        groups : array-like of shape (n_samples,), optional
            Sessions; needed where X is not a list of records that carry them.

        Yields
        ------
        train, test : ndarray of int
            Positions of first-session and later samples.
        """
        sessions = session_labels(X, groups)
        if sessions is None:
            raise ValueError(
                "SessionSplit needs sessions: pass groups=, or records with a session."
            )
        first = first_session(np.asarray(y), sessions)
        if first.all():
            raise ValueError(
                "no subject has a second session; cut recordings in time with "
                "datasets.time_split."
            )
        yield np.flatnonzero(first), np.flatnonzero(~first)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1.

        Parameters
        ----------
        X, y, groups : object
            Not used, here for compatibility.

        Returns
        -------
        n_splits : int
            Always 1.
        """
        return 1


class PrivacyUtilityScorer:
    """Score an anonymizer by what it hides and what it keeps, for ``scoring=``.

    Parameters
    ----------
    reidentification : ReidentificationScorer, optional
        The attackers; by default LDA on waveforms and, for records, a forest on the rhythm,
        ignorant and retrained (semi-informed).
    utility : UtilityScorer, optional
        What must survive; by default the diagnostic contract.

    See Also
    --------
    max_utility : Pick the candidate to refit.
    sklearn_ecganon.plot.PrivacyUtilityDisplay : Plot ``cv_results_``.

    Notes
    -----
    The attackers need a gallery and probes of the same subjects within the test fold.
    With `SessionSplit` that fold holds the later sessions, which are split once more: by
    session where a subject has two left, otherwise in time.

    The default attackers are ``"lda"`` on waveforms and, for records, ``"rhythm"``: quick, and
    kinder than a panel, which is for what the search has picked.

    Attackers and utility look at one and the same release. Intervals of the originals are
    measured once for all candidates.

    Examples
    --------
    >>> from sklearn_ecganon import NonQRSVAEAnonymizer, QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.model_selection import PrivacyUtilityScorer
    >>> bunch = make_ecg_records(n_subjects=3, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> vae = NonQRSVAEAnonymizer(strength=0.0, max_epochs=1).fit(beats)
    >>> scores = PrivacyUtilityScorer()(vae, beats, bunch.subject, bunch.session)
    >>> scores["utility"]
    1.0
    """

    def __init__(
        self,
        reidentification: ReidentificationScorer | None = None,
        utility: UtilityScorer | None = None,
    ) -> None:
        self.reidentification = reidentification
        self.utility = utility

    def __call__(
        self, estimator: Any, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> dict[str, float]:
        """Return all figures of a fitted anonymizer; greater is better everywhere.

        Parameters
        ----------
        estimator : estimator
            Fitted anonymizer or Pipeline from records to beats.
        X : list of ECGRecord, BeatSet or array-like
            Held-out originals.
        y : array-like of shape (n_samples,)
            Subjects.
        groups : array-like of shape (n_samples,), optional
            Sessions.

        Returns
        -------
        scores : dict of str to float
            ``privacy`` and ``utility`` in [0, 1]; ``neg_rank1_<knowledge>_<evidence>``; the
            figures of :meth:`UtilityScorer.evaluate
            <sklearn_ecganon.utility.UtilityScorer.evaluate>`, errors with their sign turned
            and named ``neg_error_QT``, ``neg_rmse_qrs``, ``neg_prd``; NaN where a wave is
            gone from all records, of which GridSearchCV warns. Left out is what cannot be
            better or worse: counts, signed errors, and what the delineator and the detector
            make of the originals. An array has the waveform figures alone.
        """
        has_rhythm = is_records(X) or isinstance(X, BeatSet)
        attackers = self.reidentification or ReidentificationScorer(
            ["lda", "rhythm"] if has_rhythm else "lda",
            knowledge=("ignorant", "semi-informed"),
            contract=None,
        )
        sessions = session_labels(X, groups)
        if is_records(X) and attackers.split != "random":
            # A record that has to be gallery and probe is cut in two before it is beats.
            X, y, _, split = gallery_probe_split(
                check_records(X), np.asarray(y), attackers.split, sessions
            )
            sessions = sessions if split == "session" else None
        before, rest = until_beats(X, estimator)
        anonymizer = _ReleaseOnce(rest)
        scores = attackers.scorer(anonymizer, before, y, groups=sessions)
        figures = (self.utility or UtilityScorer()).evaluate(
            before, anonymizer.transform(before), y
        )
        for name, value in figures.items():
            if name.startswith(_ERRORS):
                scores[f"neg_{name}"] = -value
            elif not name.startswith(_NO_SCORE):
                scores[name] = value
        return scores

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell scikit-learn that sessions are welcome as `groups`.

        Returns
        -------
        routing : MetadataRequest
            Requests ``groups`` for ``score``.
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=True)
        return request


def _has_salt(once: _ReleaseOnce) -> bool:
    return isinstance(once.anonymizer, Pipeline) or hasattr(once.anonymizer, "resalt")


class _ReleaseOnce:
    """A fitted anonymizer that answers with what it made, if asked for the same thing."""

    def __init__(self, anonymizer: Any) -> None:
        # A single step is resalted with the very number that attackers draw for it.
        is_single = isinstance(anonymizer, Pipeline) and len(anonymizer) == 1
        self.anonymizer = anonymizer[0] if is_single else anonymizer
        self.last: tuple[Any, Any] | None = None

    def transform(self, X: Any) -> Any:
        if self.last is None or not _is_same(self.last[0], X):
            self.last = X, release(self.anonymizer, X)
        return self.last[1]

    @available_if(_has_salt)
    def resalt(self, random_state: int) -> Any:
        if isinstance(self.anonymizer, Pipeline):
            return resalted(self.anonymizer, check_random_state(random_state))
        return self.anonymizer.resalt(random_state)


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):  # lists of records are copied on checks
        return len(a) == len(b) and all(one is other for one, other in zip(a, b, strict=True))
    return a is b


def max_utility(risk: float = 0.05) -> Callable[[dict[str, Any]], int]:
    """Return a refit rule: the most useful candidate whose risk is low enough.

    Parameters
    ----------
    risk : float, default=0.05
        Largest accepted ``1 - privacy``: how far the worst attacker gets from chance (0)
        to certainty (1), mean over folds.

    Returns
    -------
    rule : callable
        For ``GridSearchCV(refit=...)``: takes ``cv_results_``, returns an index; of several
        of the same utility the more private.

    Raises
    ------
    ValueError
        If `risk` is not in [0, 1]; from the rule, if no candidate has finite scores.

    Warns
    -----
    UserWarning
        If no candidate is private enough. Then the most private one is taken, or rather the
        most useful of all within 0.01 of its privacy. One that changes nothing is taken only
        if there is no other among these: originals must not pass for a release. The warning
        tells where they are taken, or are no easier to recognise than what is.

    Notes
    -----
    A candidate changes nothing if its ``neg_prd`` is 0, or its utility 1 where the results
    have no ``neg_prd``. If it is private enough it may well be taken.

    Examples
    --------
    >>> from sklearn_ecganon.model_selection import max_utility
    >>> max_utility(risk=0.1)(
    ...     {"mean_test_privacy": [0.2, 0.95, 0.99], "mean_test_utility": [1.0, 0.8, 0.5]}
    ... )
    1
    """
    if not 0 <= risk <= 1:
        raise ValueError(f"risk={risk}; want a number from 0 to 1.")
    return partial(_most_useful, risk=risk)


def _most_useful(cv_results: dict[str, Any], risk: float) -> int:
    privacy = np.asarray(cv_results["mean_test_privacy"], dtype=float)
    utility = np.asarray(cv_results["mean_test_utility"], dtype=float)
    scored = np.isfinite(privacy) & np.isfinite(utility)
    if not scored.any():
        raise ValueError("no candidate has finite privacy and utility; see cv_results_.")
    accepted = scored & (privacy >= 1 - risk)
    if accepted.any():
        return _best(accepted, utility, privacy)
    alike = scored & (privacy >= privacy[scored].max() - _SAME_PRIVACY)
    unchanged = np.asarray(cv_results.get("mean_test_neg_prd", utility - 1)) == 0
    changed = alike & ~unchanged
    chosen = _best(changed if changed.any() else alike, utility, privacy)
    remark = ""
    if unchanged[chosen]:
        remark = " It changes nothing: what it releases are the originals."
    elif (alike & unchanged).any():
        remark = " The originals are no easier to recognise."
    warnings.warn(
        f"no candidate keeps the risk at {risk:.1%}; the most private one, refitted now, has "
        f"{1 - privacy[chosen]:.1%}.{remark}",
        UserWarning,
        stacklevel=2,
    )
    return chosen


def _best(allowed: NDArray[np.bool_], utility: NDArray, privacy: NDArray) -> int:
    return int(max(np.flatnonzero(allowed), key=lambda i: (utility[i], privacy[i])))


def pareto_front(scores: ArrayLike) -> NDArray[np.bool_]:
    """Tell which candidates no other one beats in every respect.

    Parameters
    ----------
    scores : array-like of shape (n_candidates, n_scores)
        Greater is better, for example columns ``privacy`` and ``utility``.

    Returns
    -------
    on_front : ndarray of bool of shape (n_candidates,)
        False where another candidate is at least as good in all scores and better in one.

    Examples
    --------
    >>> from sklearn_ecganon.model_selection import pareto_front
    >>> pareto_front([[0.1, 0.9], [0.5, 0.5], [0.4, 0.4], [0.9, 0.1]])
    array([ True,  True, False,  True])
    """
    scores = np.asarray(scores, dtype=float)
    at_least = (scores[:, np.newaxis] >= scores).all(axis=2)
    better = (scores[:, np.newaxis] > scores).any(axis=2)
    return np.logical_not((at_least & better).any(axis=0))
