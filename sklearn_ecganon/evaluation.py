"""The evaluation of a release: how many people are identified, and its utility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_ecganon.attacks import Evaluation, ReidentificationScorer
from sklearn_ecganon.contracts import measure, profile_anonymity, profiles
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import Release
from sklearn_ecganon.utility import UtilityScorer

__all__ = ["Evaluation", "evaluate"]


def evaluate(
    release: Release,
    attackers: Any = "default",
    contract: str | None = "diagnostic",
    utility: UtilityScorer | None = None,
    *,
    evidence: Sequence[int | str] = (1, 5, 20, 50, "recording", "linked"),
    knowledge: Sequence[str] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    random_state: int | np.random.RandomState | None = None,
) -> Evaluation:
    """Measure privacy and utility of a release, on the same probes.

    Parameters
    ----------
    release : Release
        Originals and released recordings: of :meth:`Release.by
        <sklearn_ecganon.releases.Release.by>` if you have the anonymizer, of
        :meth:`Release.of_pairs <sklearn_ecganon.releases.Release.of_pairs>` if you do not.
    attackers : str, Attacker, classifier, sequence of them, or ReidentificationScorer
        The attackers, as in `ReidentificationScorer`. The parameters of a scorer replace
        `contract`, `evidence`, `knowledge`, `n_jobs` and `verbose`.
    contract : {"diagnostic", "measurement"} or None, default="diagnostic"
        What the release promises to keep. It determines the floor, which is measured with
        the attackers, and the utility. None leaves the floor out.
    utility : UtilityScorer, optional
        How utility is measured; by default ``UtilityScorer(contract)``.
    evidence : sequence of int or str, default=(1, 5, 20, 50, "recording", "linked")
        How many beats of one probe attackers combine, or all of its beats, or all probes of
        one subject.
    knowledge : sequence of str, optional
        Levels of knowledge; by default all that the release allows: ``"ignorant"``, and with
        views of the gallery also ``"lazy-informed"`` and ``"semi-informed"``.
    n_jobs : int, default=None
        Number of attackers trained at the same time. It does not change the figures.
    verbose : int, default=0
        1 shows progress.
    random_state : int, RandomState instance or None, default=None
        Seeds the attackers. None continues the random sequence of the release, so that one
        seed fixes every figure.

    Returns
    -------
    evaluation : Evaluation
        ``print(evaluation)`` shows the ladder of attackers.

    Raises
    ------
    ValueError
        If originals and release cannot be compared, or if the release has no view of the
        gallery that the chosen knowledge needs.

    Warns
    -----
    WeakAttackWarning
        If no attacker recognizes originals.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import LowPassAnonymizer
    >>> from sklearn_ecganon.evaluation import evaluate
    >>> from sklearn_ecganon.releases import Release
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> method = LowPassAnonymizer(random_state=0).fit(beats)
    >>> release = Release.by(method, beats, bunch.subject, sessions=bunch.session)
    >>> evaluation = evaluate(release, "lda")
    >>> evaluation.n_subjects
    4
    >>> 0 <= evaluation.utility <= 1
    True
    """
    scorer = attackers
    if isinstance(attackers, ReidentificationScorer):
        contract = attackers.contract
    else:
        scorer = ReidentificationScorer(
            attackers,
            contract=contract,
            evidence=evidence,
            knowledge=knowledge,
            n_jobs=n_jobs,
            verbose=verbose,
        )
    evaluation = scorer.identify(release, random_state=random_state)
    utility_scorer = utility or UtilityScorer(contract or "diagnostic")
    before, after = release.probes()
    subjects = release.probe_subjects()
    figures = utility_scorer.evaluate(before, after, subjects)
    anonymity = None
    if isinstance(after, BeatSet):
        of_records = profiles(measure(after), contract or "diagnostic")
        anonymity = profile_anonymity(of_records, subjects)
    return replace(evaluation, utility_figures=figures, profiles=anonymity)
