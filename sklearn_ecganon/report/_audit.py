"""Audit a release, whichever tool made it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.attacks import IdentityMap, identity_map
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases import Release
from sklearn_ecganon.report._result import AuditResult

N_STRIPS = 3


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
    """Measure who can be recognized in a release, and what it is still good for.

    The release may come from any tool: only the recordings before and after are needed.
    Without the tool itself, the informed attacker learns from the released recordings of the
    gallery, whose subjects they know, and identifies the probes. If a subject was released
    only once there is no such recording, and the verdict says that only an attacker who holds
    originals was tried; if you have the tool, make a :class:`~sklearn_ecganon.releases.Release`
    with `Release.by` and evaluate that.

    Parameters
    ----------
    before : list of ECGRecord, BeatSet, or array of shape (n_beats, [n_leads,] n_times)
        Originals in mV. Those of one subject are in order of time.
    after : same type as `before`
        Their releases. Records are matched by name; if no name occurs in both and there
        are as many, they are matched in order, as those with the opaque names of
        `QRSSegmenter.inverse_transform`. Beats are found on each side separately,
        unless all records of that side carry R peaks. Rates may differ (the lowest one is
        used), and so may lengths. Leads that all records have are compared; if there is
        none, the first lead of each.
    subjects : array-like of shape (n_samples,), optional
        Subject of each sample of `before`; by default the records' own.
    sessions : array-like of shape (n_samples,), optional
        Session of each sample of `before`, sortable; by default the records' own. If any
        subject has two sessions, subjects with one are in the gallery only; otherwise all
        are split in time, a single recording at its middle.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        What the release promises to keep; its floor is measured beside it.
    attackers : str, Attacker, classifier or sequence of them, default="default"
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
        ``print(result)`` shows it, `to_json` and `to_html` save it. Utility is measured on
        the probes, like privacy.

    Raises
    ------
    ValueError
        If before and after are not of the same recordings, a record of after is not in
        before, subjects are not known, or fewer than two subjects have a gallery and a probe.
        Records that the release lacks, or that have no beat, are left out and listed.

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
    >>> result.evaluation.n_subjects
    4
    """
    release = Release.of_pairs(
        before, after, subjects, sessions=sessions, random_state=random_state
    )
    evaluation = evaluate(release, attackers, contract, n_jobs=n_jobs, verbose=verbose)
    knowledge = dict.fromkeys(row.knowledge for row in evaluation.rows)
    return AuditResult(
        evaluation=evaluation,
        contract=contract,
        n_samples=len(release.subjects),
        omitted=release.omitted,
        maps=_identity_maps(release, random_state),
        strips=_strips(release),
        settings={
            "attackers": list(dict.fromkeys(row.attacker for row in evaluation.rows)),
            "knowledge": [level for level in knowledge if level != "original"],
            "leads": release.leads,
            "random_state": random_state,
        },
    )


def _identity_maps(release: Release, random_state: int) -> dict[str, IdentityMap]:
    """Return where in a beat people are recognized, before and after."""
    if not isinstance(release.original, BeatSet):
        return {}
    stages = {"before": release.original}
    if not release.cut:  # the halves of one release are alike, which would prove nothing
        stages["after"] = release.released
    return {
        stage: identity_map(
            X, release.subjects, in_gallery=release.in_gallery, random_state=random_state
        )
        for stage, X in stages.items()
    }


def _strips(release: Release) -> tuple[tuple[ECGRecord, ECGRecord], ...]:
    """Return the first recording of some subjects, before and after."""
    if release.recordings is None:
        return ()
    before, after = release.recordings
    _, first = np.unique(release.subjects, return_index=True)
    return tuple((before[i], after[i]) for i in first[:N_STRIPS])
