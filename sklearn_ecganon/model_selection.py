"""Tune an anonymizer: splits by session, privacy and utility in one score, refit rules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.attacks import ReidentificationScorer
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import SessionSplit
from sklearn_ecganon.utility import UtilityScorer

__all__ = [
    "PrivacyUtilityScorer",
    "SessionSplit",
    "max_utility",
    "pareto_front",
]

# Releases whose privacy differs by less than this are considered equally private.
_SAME_PRIVACY = 0.01


class PrivacyUtilityScorer:
    """Score an anonymizer by privacy and utility, for ``GridSearchCV(scoring=...)``.

    Parameters
    ----------
    reidentification : ReidentificationScorer, optional
        The attackers. By default LDA on waveforms and, for records, a forest on the rhythm,
        ignorant and retrained (semi-informed).
    utility : UtilityScorer, optional
        What must survive; by default the diagnostic contract.
    metric : str, list of str or callable, optional
        By default the scorer returns a dict of all figures, for ``GridSearchCV`` and
        ``cross_validate``. A list of names, such as ``["privacy", "utility"]``, selects some of
        them. ``cross_val_score`` and ``HalvingGridSearchCV`` need a single number: give the
        name of a figure, or a function of the dict, such as
        ``lambda scores: min(scores["privacy"], scores["utility"])``.

    See Also
    --------
    sklearn_ecganon.evaluation.evaluate : Computes the figures.
    max_utility : Selects the candidate to refit.
    sklearn_ecganon.plot.PrivacyUtilityDisplay : Plots ``cv_results_``.

    Notes
    -----
    The attackers need a gallery and probes of the same subjects within the test fold.
    With `SessionSplit` that fold holds the later sessions, which are split again: by session
    if a subject has two of them, otherwise in time.

    The default attackers are fast and weaker than a panel. Evaluate the candidate that the
    search selects with a panel.

    Attackers and utility look at the same probes of the same release. Intervals of the
    originals are measured once for all candidates.

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
        metric: str | Sequence[str] | Callable[[dict[str, float]], float] | None = None,
    ) -> None:
        self.reidentification = reidentification
        self.utility = utility
        self.metric = metric

    def __call__(
        self, estimator: Any, X: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> dict[str, float] | float:
        """Return the figures of a fitted anonymizer; greater is better everywhere.

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
        scores : dict of str to float, or float
            The number that `metric` selects, or all:
            ``privacy`` and ``utility`` in [0, 1]; ``is_chance``, 0 or 1;
            ``neg_rank1_<knowledge>_<evidence>``; the figures of :meth:`UtilityScorer.evaluate
            <sklearn_ecganon.utility.UtilityScorer.evaluate>`, errors with their sign changed
            and named ``neg_error_QT``, ``neg_rmse_qrs``, ``neg_prd``; NaN, with a warning of
            GridSearchCV, if no released record has the wave, or if the release has other beats
            than the original, which leaves nothing to compare beat by beat. Counts, signed
            errors and
            figures of the originals are left out, because they cannot be better or worse.
            For an array there are only the waveform figures.

        Raises
        ------
        ValueError
            If there is no figure with a name in `metric`.
        """
        attackers = self.reidentification
        if attackers is None:
            has_rhythm = is_records(X) or isinstance(X, BeatSet)
            attackers = ReidentificationScorer(
                ["lda", "rhythm"] if has_rhythm else "lda",
                knowledge=("ignorant", "semi-informed"),
                contract=None,
            )
        release = attackers.release(estimator, X, y, sessions=groups)
        scores = evaluate(release, attackers, utility=self.utility).scores()
        if self.metric is None:
            return scores
        if callable(self.metric):
            return float(self.metric(scores))
        names = [self.metric] if isinstance(self.metric, str) else list(self.metric)
        for name in names:
            if name not in scores:
                raise ValueError(
                    f"metric is {name!r}, but the figures are {', '.join(scores)}; choose "
                    "from them."
                )
        if isinstance(self.metric, str):
            return scores[self.metric]
        return {name: scores[name] for name in names}

    def get_metadata_routing(self) -> MetadataRequest:
        """Return that the scorer accepts sessions as `groups`.

        Returns
        -------
        routing : MetadataRequest
            Requests ``groups`` for ``score``.
        """
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=True)
        return request


def max_utility(risk: float = 0.05) -> Callable[[dict[str, Any]], int]:
    """Return a refit rule: the most useful candidate whose risk is low enough.

    Parameters
    ----------
    risk : float, default=0.05
        Largest accepted ``1 - privacy``, mean over folds: 0 if the worst attacker guesses, 1
        if it always succeeds. A candidate is also accepted if its ``is_chance`` is 1 in all
        folds: no attacker could be told from guessing.

    Returns
    -------
    rule : callable
        For ``GridSearchCV(refit=...)``: takes ``cv_results_``, returns an index. Of several
        candidates with the same utility it takes the most private one.

    Raises
    ------
    ValueError
        If `risk` is not in [0, 1]; from the rule, if no candidate has finite scores.

    Warns
    -----
    UserWarning
        If no candidate is private enough. Then the rule takes the most useful of all
        candidates within 0.01 of the highest privacy. It takes a candidate that changes
        nothing only if there is no other among these, because originals are not a release.
        The warning states if such a candidate is taken, or if originals are no easier to
        recognize than the candidate that is taken.

    Notes
    -----
    The worst attacker is the highest of many figures. With 20 people and 60 figures the
    highest is near 0.25 if everybody guesses, so that pure noise would have a risk of 0.2.
    ``is_chance`` (see :class:`~sklearn_ecganon.attacks.Evaluation`) corrects for that by a
    permutation test. It has little power with few people: of candidates that pass by it
    alone, measure the chosen one again on more people.

    A candidate changes nothing if its ``neg_prd`` is 0, or if its utility is 1 and the
    results have no ``neg_prd``. The rule may take it if it is private enough.

    Examples
    --------
    >>> from sklearn_ecganon.model_selection import max_utility
    >>> max_utility(risk=0.1)(
    ...     {"mean_test_privacy": [0.2, 0.95, 0.99], "mean_test_utility": [1.0, 0.8, 0.5]}
    ... )
    1
    """
    if not 0 <= risk <= 1:
        raise ValueError(f"risk={risk}; give a number from 0 to 1.")
    return partial(_most_useful, risk=risk)


def _most_useful(cv_results: dict[str, Any], risk: float) -> int:
    privacy = np.asarray(cv_results["mean_test_privacy"], dtype=float)
    utility = np.asarray(cv_results["mean_test_utility"], dtype=float)
    scored = np.isfinite(privacy) & np.isfinite(utility)
    if not scored.any():
        raise ValueError("no candidate has finite privacy and utility; see cv_results_.")
    is_chance = np.asarray(cv_results.get("mean_test_is_chance", np.zeros(len(privacy)))) == 1
    accepted = scored & ((privacy >= 1 - risk) | is_chance)
    if accepted.any():
        return _best(accepted, utility, privacy)
    alike = scored & (privacy >= privacy[scored].max() - _SAME_PRIVACY)
    unchanged = np.asarray(cv_results.get("mean_test_neg_prd", utility - 1)) == 0
    changed = alike & ~unchanged
    chosen = _best(changed if changed.any() else alike, utility, privacy)
    remark = ""
    if unchanged[chosen]:
        remark = " It changes nothing and releases the originals."
    elif (alike & unchanged).any():
        remark = " The originals are no easier to recognize."
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
    """Return which candidates are on the Pareto front.

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
