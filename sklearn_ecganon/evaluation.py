"""The evaluation of a release: how many people are identified, and its utility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.attacks import Evaluation, ReidentificationScorer
from sklearn_ecganon.contracts import measure, profile_anonymity, profiles
from sklearn_ecganon.metrics import Realism, strip_realism
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases import Release
from sklearn_ecganon.segmentation import cut_strips, stitch_record
from sklearn_ecganon.utility import UtilityScorer, label_utility, validity

__all__ = ["Evaluation", "evaluate"]

# Strips are compared at this rate, at which all frequencies of an ECG are seen.
STRIP_RATE = 125.0
# Of each recording, at most this many strips are compared: those of a long one are alike.
MAX_STRIPS = 3


def evaluate(
    release: Release,
    attackers: Any = "default",
    contract: str | None = "diagnostic",
    utility: UtilityScorer | None = None,
    *,
    realism: bool = False,
    labels: Mapping[str, ArrayLike] | None = None,
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
    realism : bool, default=False
        Whether strips of the release are compared with real strips of other people, and real
        strips with real ones as the control, as in
        :func:`~sklearn_ecganon.metrics.strip_realism`. It needs 20 people.
    labels : dict of str to array-like of shape (n_samples,), optional
        By name, a clinical label of each sample: one of several classes, ``""`` where unknown.
        A net learns each from originals and from the release, and is tested on both; see
        :func:`~sklearn_ecganon.utility.label_utility`. It takes minutes for each label.
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
        ``print(evaluation)`` shows the ladder of attackers. If the release was given as
        records or as a BeatSet, it also holds the checks of
        :func:`~sklearn_ecganon.utility.validity` and the number of people who share each
        profile of the contract.

    Raises
    ------
    ValueError
        If originals and release cannot be compared, if the release has no view of the
        gallery that the chosen knowledge needs, or if realism or labels cannot be measured.

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
    has_records = isinstance(release.original, BeatSet)
    if (realism or labels) and not has_records:
        raise ValueError(
            "realism and labels need records, and the release holds arrays of beats; give "
            "records or a BeatSet."
        )
    # These refuse what cannot be measured, which should not happen after hours of attacks.
    seed = random_state if isinstance(random_state, int) else 0
    realistic = _realism(release, seed) if realism else None
    by_label = _label_figures(release, labels or {}, seed)
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
    anonymity, checks = None, None
    if has_records:
        of_records = profiles(measure(after), contract or "diagnostic")
        anonymity = profile_anonymity(of_records, subjects)
        checks = validity(*_signals(release, probes_only=True))
    return replace(
        evaluation,
        utility_figures=figures,
        profiles=anonymity,
        validity=checks,
        realism=realistic,
        label_figures=by_label,
    )


def _signals(
    release: Release, *, probes_only: bool = False
) -> tuple[list[ECGRecord], list[ECGRecord]]:
    """Return the whole signals before and after, with the R peaks that attackers use.

    If the release was given as beats, the signals are stitched from them.
    """
    chosen = list(range(len(release.subjects)))
    if probes_only and release.in_gallery is not None:
        chosen = np.flatnonzero(~release.in_gallery).tolist()
    sides = []
    for side, beats in enumerate((release.original, release.released)):
        if release.recordings is None:
            sides.append([stitch_record(beats, i) for i in chosen])
        else:
            records = release.recordings[side]
            sides.append([_with_peaks(records[i], beats, i) for i in chosen])
    return sides[0], sides[1]


def _with_peaks(record: ECGRecord, beats: BeatSet, i: int) -> ECGRecord:
    """Return a record with the R peaks of record i of a BeatSet."""
    start, stop = beats.bounds()[i : i + 2]
    peaks = beats.r_peaks[start:stop] * (record.sampling_rate / beats.sampling_rate)
    samples = np.rint(peaks).astype(np.intp).clip(0, record.n_times - 1)
    return replace(record, r_peaks=np.unique(samples), beat_labels=None)


def _realism(release: Release, seed: int) -> Realism:
    """Compare strips of the release with real strips of other people."""
    strips, people = [], []
    for records in _signals(release):
        # Of releases under other names of leads, the first lead is compared.
        cut = cut_strips(records, sampling_rate=STRIP_RATE, leads=release.leads or None)
        first = np.flatnonzero(_number_in_record(cut.record) < MAX_STRIPS)
        strips.append(cut.values[first])
        people.append(release.subjects[cut.record[first]])
    return strip_realism(*strips, *people, sampling_rate=STRIP_RATE, random_state=seed)


def _number_in_record(record: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many strips of the same record stand before each strip."""
    return np.arange(len(record)) - np.searchsorted(record, record)


def _label_figures(
    release: Release, labels: Mapping[str, ArrayLike], seed: int
) -> dict[str, dict[str, float]]:
    """Return how well each label is learned from the release, over the known samples."""
    if not labels:
        return {}
    before, after = _signals(release)
    figures = {}
    for name, column in labels.items():
        values = np.asarray(column).astype(str)
        if len(values) != len(before):
            raise ValueError(
                f"label {name!r} has {len(values)} values for {len(before)} samples of the "
                "release; give one for each."
            )
        known = np.flatnonzero(~np.isin(values, ["", "nan", "None"]))
        if len(np.unique(values[known])) < 2:
            raise ValueError(
                f"label {name!r} has {len(np.unique(values[known]))} class in {len(known)} "
                "samples where it is known; give two or more."
            )
        try:
            figures[name] = label_utility(
                [before[i] for i in known],
                [after[i] for i in known],
                values[known],
                release.subjects[known],
                leads=release.leads or None,
                random_state=seed,
            )
        except ValueError as error:
            raise ValueError(f"label {name!r}: {error}") from None
    return figures
