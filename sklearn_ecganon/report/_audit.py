"""Hold a release against the attackers, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.attacks import ReidentificationScorer, identity_map
from sklearn_ecganon.attacks._result import KNOWLEDGE
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.report._pairs import make_pairs
from sklearn_ecganon.report._result import AuditResult
from sklearn_ecganon.utility import UtilityScorer

N_STRIPS = 3


@dataclass(frozen=True)
class Replay:
    """Software that was run already: it answers with what it made then."""

    made: Any

    def transform(self, X: Any) -> Any:
        """Return the release."""
        return self.made


def audit(
    before: Any,
    after: Any,
    subjects: ArrayLike | None = None,
    *,
    sessions: ArrayLike | None = None,
    contract: str = "diagnostic",
    attackers: Any = "default",
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> AuditResult:
    """Measure who could be recognised in a release, and what it is still good for.

    The release may come from any tool: only the recordings before and after are needed.
    Without the tool itself, the informed attacker learns from that part of the release of
    which he knows the subjects, which is the gallery; the rest is to be named. Where some
    subject was released once only there is no such part, and the verdict says that only an
    attacker who holds originals was tried; measure the tool itself with
    `ReidentificationScorer`.

    Parameters
    ----------
    before : list of ECGRecord, BeatSet, or array of shape (n_beats, [n_leads,] n_times)
        Originals in mV; those of one subject in order of time.
    after : same kind as `before`
        Their releases. Records are matched by name; if no name occurs in both and there
        are as many, in order. Beats are found on either side on its own, unless both carry
        R peaks. Rates may differ (the lowest one is used), and so may lengths. Leads that
        all records have are compared; where there is none, the first of each.
    subjects : array-like of shape (n_samples,), optional
        Subject of each sample of `before`; by default the records' own.
    sessions : array-like of shape (n_samples,), optional
        Session of each sample of `before`, sortable; by default the records' own. Where
        any subject has two, those with one are only in the gallery; else all are split in
        time, a single recording in its middle.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        What the release promises to keep; its floor is measured beside it.
    attackers : str, classifier or sequence of them, default="default"
        As in `ReidentificationScorer`.
    random_state : int, default=0
        Seeds attackers and bootstrap.
    n_jobs : int, default=None
        Attackers trained at the same time. The figures are the same.
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    result : AuditResult
        ``print(result)`` shows it, `to_json` and `to_html` save it.

    Raises
    ------
    ValueError
        If before and after are not of the same recordings, a record of after is not in
        before, subjects are not known, or fewer than two subjects can be named. Records
        that the release lacks, or in which no beat is found, are left out and listed.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import LowPassAnonymizer
    >>> from sklearn_ecganon.report import audit
    >>> bunch = make_ecg_records(n_subjects=4, n_sessions=2, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> released = LowPassAnonymizer(random_state=0).fit_transform(beats)
    >>> result = audit(
    ...     beats, released, bunch.subject, sessions=bunch.session, attackers="lda"
    ... )
    >>> result.ladder.n_subjects
    4
    """
    pairs = make_pairs(before, after, subjects, sessions, N_STRIPS)
    scorer = ReidentificationScorer(
        attackers,
        contract=contract,
        split="session",
        # Who knows half of a single release knows whose it is: nothing is left to be named.
        knowledge=["ignorant"] if pairs.cut else KNOWLEDGE,
        n_views=1,  # the same release again would teach him nothing
        random_state=random_state,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    side = np.where(pairs.in_gallery, "1 gallery", "2 probe")
    ladder = scorer.evaluate(Replay(pairs.after), pairs.before, pairs.subjects, sessions=side)
    maps = {}
    if isinstance(pairs.before, BeatSet):
        stages = {"before": pairs.before}
        if not pairs.cut:  # else it would show that both halves of a release are of one kind
            stages["after"] = pairs.after
        maps = {
            stage: identity_map(
                X, pairs.subjects, sessions=side, split="session", random_state=random_state
            )
            for stage, X in stages.items()
        }
    return AuditResult(
        ladder=replace(ladder, split=pairs.split),
        utility=UtilityScorer(contract=contract).evaluate(pairs.before, pairs.after),
        contract=contract,
        n_samples=len(pairs.subjects),
        omitted=pairs.omitted,
        maps=maps,
        strips=pairs.strips,
        settings={
            "attackers": list(dict.fromkeys(row.attacker for row in ladder.rows)),
            "knowledge": list(
                dict.fromkeys(r.knowledge for r in ladder.rows if r.knowledge != "original")
            ),
            "leads": pairs.leads,
            "random_state": random_state,
        },
    )
