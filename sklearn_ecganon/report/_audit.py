"""Audit a release, whichever tool made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_ecganon.attacks import (
    AttributeInference,
    IdentityMap,
    attribute_inference,
    identity_map,
)
from sklearn_ecganon.evaluation import evaluate
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases import Release
from sklearn_ecganon.report._exposure import exposed_releases
from sklearn_ecganon.report._result import AuditResult
from sklearn_ecganon.report._singling_out import SinglingOut, release_values, singling_out
from sklearn_ecganon.report._verdict import MAX_RISK, check_max_risk

N_STRIPS = 3
#: What headers state: for the name of each record its values by name, None if unknown.
Headers = Mapping[str, Mapping[str, Any]]


def audit(
    before: Any,
    after: Any,
    subjects: ArrayLike | None = None,
    *,
    sessions: ArrayLike | None = None,
    paired: str | Mapping[str, str] = "name",
    views: Sequence[list[ECGRecord]] = (),
    contract: str = "diagnostic",
    max_risk: float = MAX_RISK,
    allow_ignorant: bool = False,
    attackers: Any = "default",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    realism: bool = False,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    headers: tuple[Headers, Headers] | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> AuditResult:
    """Measure who can be recognized in a release, and what it is still good for.

    The release may come from any tool: only the recordings before and after are needed. If
    you have the tool, give `views`: an attacker can run it too. Without them, the informed
    attacker learns from the released recordings of the gallery, whose subjects they know, and
    identifies the probes. If a subject was released only once there are none, and without
    `views` only an attacker who holds originals is tried.

    The outcome is ``"at or below the limit"``, ``"above the limit"`` or ``"cannot tell"``: the
    last of them if fewer than 20 people were probed, if the attackers fail on originals,
    if only the ignorant attacker was tried, or if the number of people is too small for the
    limit: with 95 % confidence the risk must be no higher (Clopper-Pearson).

    Parameters
    ----------
    before : list of ECGRecord, BeatSet, or array of shape (n_beats, [n_leads,] n_times)
        Originals in mV. Those of one subject are in order of time.
    after : same type as `before`
        Their releases. Rates may differ (the lowest one is used), and so may lengths.
        Annotated R peaks are taken where they are nearly all beats of a record, on each side
        by itself; otherwise beats are detected. Leads that all records have are compared; if
        there is none, the first lead of each.
    subjects : array-like of shape (n_samples,), optional
        Subject of each sample of `before`; by default the records' own.
    sessions : array-like of shape (n_samples,), optional
        Session of each sample of `before`, sortable; by default the records' own. If any
        subject has two sessions, subjects with one are in the gallery only; otherwise all
        are split in time, a single recording at its middle.
    paired : {"name", "order"} or dict of str to str, default="name"
        Which release belongs to which original: that of the same name, that at the same
        position, or by the name of the original for the name of each release. Arrays have
        no names, and `QRSSegmenter.inverse_transform` gives opaque ones: both need
        ``"order"``. The pairing is tested in any case.
    views : sequence of list of ECGRecord, default=()
        Other releases of `before` by the same software, each with a fresh secret and under
        the names of `before`. Informed attackers train on them.
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        What the release promises to keep; its floor is measured beside it.
    max_risk : float, default=0.09
        The limit: highest accepted fraction of people recognized. The default is that of the
        European Medicines Agency for published clinical data (policy 0070).
    allow_ignorant : bool, default=False
        Whether an audit may pass in which only the ignorant attacker was tried.
    attackers : str, Attacker, classifier or sequence of them, default="default"
        As in `ReidentificationScorer`.
    attributes : dict of str to dict, optional
        Attributes of the subjects, for example ``{"sex": {"s001": "F", "s002": "M"}}``.
        Attackers infer them from the release.
    realism : bool, default=False
        Whether strips of the release are compared with real strips of other people, with a
        control; it needs 20 people.
    labels : dict of str to dict, optional
        Clinical labels of the originals by their names, for example ``{"diagnosis": {"a1":
        "MI", "a2": "NORM"}}``. Whether each can be learned from the release and recognized in
        it is measured, which takes minutes.
    headers : tuple of two dict, optional
        For originals and for releases the values in the header of each record, by the name
        of the record. Values that one person alone has, and that are kept, are counted.
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
        If before and after are not of the same recordings, names do not match, the pairing
        looks wrong, subjects are not known, or fewer than two subjects have a gallery and a
        probe. Records that the release lacks, or that have no beat, are left out and listed.

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
    >>> result.evaluation.n_subjects, result.outcome
    (4, 'cannot tell')
    """
    max_risk = check_max_risk(max_risk)
    release = Release.of_pairs(
        before,
        after,
        subjects,
        sessions=sessions,
        paired=paired,
        views=views,
        random_state=random_state,
    )
    evaluation = evaluate(
        release,
        attackers,
        contract,
        realism=realism,
        labels=_label_columns(release, labels or {}),
        n_jobs=n_jobs,
        verbose=verbose,
    )
    knowledge = dict.fromkeys(row.knowledge for row in evaluation.rows)
    inferred, not_inferred = _inferred(release, attributes or {}, random_state)
    return AuditResult(
        evaluation=evaluation,
        contract=contract,
        n_samples=len(release.subjects),
        n_pairs=release.n_pairs,
        n_identical=release.n_identical,
        max_risk=max_risk,
        allow_ignorant=allow_ignorant,
        omitted=release.omitted | not_inferred,
        exposed=exposed_releases(release, evaluation),
        singled_out=_singled_out(release, headers),
        inferred=inferred,
        maps=_identity_maps(release, random_state),
        strips=_strips(release),
        settings={
            "attackers": list(dict.fromkeys(row.attacker for row in evaluation.rows)),
            "knowledge": [level for level in knowledge if level != "original"],
            "leads": release.leads,
            "random_state": random_state,
            "n_views": len(views),
        },
    )


def _singled_out(
    release: Release, headers: tuple[Headers, Headers] | None
) -> tuple[SinglingOut, ...]:
    """Return how many people unique values of signals and headers single out."""
    if release.recordings is None:
        return ()
    before, after, subjects, names = release_values(release)
    if headers is not None:
        released = dict(
            zip((r.name for r in release.recordings[0]), release.released_names, strict=True)
        )
        for column in next(iter(headers[0].values())):
            before[column] = [headers[0][name][column] for name in names]
            after[column] = [headers[1][released[name]][column] for name in names]
    return singling_out(before, after, subjects)


def _label_columns(
    release: Release, labels: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    """Return each label for the samples of a release, empty where it is not known."""
    if not isinstance(release.original, BeatSet):
        return {}
    names = release.original.names
    return {label: [str(of.get(name, "")) for name in names] for label, of in labels.items()}


def _inferred(
    release: Release, attributes: Mapping[str, Mapping[str, Any]], random_state: int
) -> tuple[dict[str, AttributeInference], dict[str, str]]:
    """Return how well each attribute is read from the release, and why others are not."""
    inferred, reasons = {}, {}
    for name, values in attributes.items():
        of_samples = [values.get(str(subject)) for subject in release.subjects]
        is_number = all(isinstance(v, int | float) for v in of_samples if v is not None)
        missing: Any = np.nan if is_number else ""
        column = np.array([missing if v is None else v for v in of_samples])
        before, after = release.recordings or (release.original, release.released)
        try:
            inferred[name] = attribute_inference(
                before,
                after,
                column,
                release.subjects,
                leads=release.leads or None,
                random_state=random_state,
            )
        except ValueError as error:
            reasons[f"attribute {name}"] = f"not inferred: {error}"
    return inferred, reasons


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
