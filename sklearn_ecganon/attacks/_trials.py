"""Trials: the scores of several beats of one probe, combined."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.attacks._feature_sets import FeatureSet
from sklearn_ecganon.attacks._ladder_row import LadderRow
from sklearn_ecganon.metrics import equal_error_rate, rank_k, subject_bootstrap


class Trials(NamedTuple):
    """Scores of probes that an attacker tried to identify.

    Attributes
    ----------
    scores : ndarray of shape (n_trials, n_subjects)
        Log-scores, summed over the beats of a trial.
    subjects : ndarray of int of shape (n_trials,)
        The right subject: a column of `scores`.
    n_beats : ndarray of int of shape (n_trials,)
        Beats that were combined.
    """

    scores: NDArray[np.float64]
    subjects: NDArray[np.intp]
    n_beats: NDArray[np.intp]

    @property
    def comparable(self) -> NDArray[np.float64]:
        """Mean log-score of a beat, whatever their number: (n_trials, n_subjects)."""
        return self.scores / self.n_beats[:, np.newaxis]


def combine(scores: NDArray, probes: FeatureSet, evidence: int | str) -> Trials:
    """Sum the scores over runs of consecutive beats of one probe, or over all of them.

    Parameters
    ----------
    scores : ndarray of shape (n_probe_beats, n_subjects)
        In the order of ``probes.probe_beats``.
    probes : FeatureSet
        Gives the probe of each beat.
    evidence : int or str
        Beats in a run; ``"recording"`` for all beats of a probe, ``"linked"`` for all beats of
        all probes of a subject.
    """
    beats = probes.probe_beats
    if evidence == "linked":
        subjects, of_beat, counts = np.unique(
            probes.codes[beats], return_inverse=True, return_counts=True
        )
        # Sorting and summing runs is faster than np.add.at.
        order = np.argsort(of_beat, kind="stable")
        starts = np.cumsum(counts) - counts
        summed = np.add.reduceat(scores[order], starts, dtype=np.float64)
        return Trials(summed, subjects, counts)
    n_beats = len(beats) if isinstance(evidence, str) else evidence
    starts, counts = beat_runs(probes.probe[beats], n_beats)
    within = np.arange(len(beats)) - np.repeat(starts, np.diff(starts, append=len(beats)))
    used = np.where((within < n_beats)[:, np.newaxis], scores, 0.0)
    return Trials(np.add.reduceat(used, starts), probes.codes[beats][starts], counts)


def ladder_rows(
    attacker: str,
    knowledge: str,
    combined: dict[int | str, Trials],
    *,
    modality: str,
    random_state: int | np.random.RandomState,
) -> list[LadderRow]:
    """Return the figures of one attacker at one level of knowledge, for all evidence.

    Parameters
    ----------
    attacker, knowledge, modality : str
        Copied into the rows.
    combined : dict of int or str to Trials
        The trials by evidence; see `combine`.
    random_state : int or RandomState
        Draws the bootstrap samples.
    """
    rows = []
    for amount, trials in combined.items():
        n_requested = 0 if isinstance(amount, str) else amount
        gallery = np.arange(trials.scores.shape[1])
        hits = rank_k(trials.scores, trials.subjects, gallery)
        rank1, low, high = subject_bootstrap(hits, trials.subjects, random_state=random_state)
        rows.append(
            LadderRow(
                attacker=attacker,
                knowledge=knowledge,
                evidence=amount,
                rank1=rank1,
                low=low,
                high=high,
                rank1_probes=float(hits.mean()),
                eer=equal_error_rate(trials.comparable, trials.subjects, gallery),
                n_probes=len(hits),
                n_short=int((trials.n_beats < n_requested).sum()),
                modality=modality,
                subject_rank1=tuple(
                    float(hits[trials.subjects == s].mean()) for s in np.unique(trials.subjects)
                ),
            )
        )
    return rows


def beat_runs(
    probe: NDArray[np.intp], n_beats: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut the beats of each probe into runs of `n_beats`; a shorter probe is one run.

    Returns
    -------
    starts : ndarray of int of shape (n_trials,)
        First beat of each run. The remainder at the end of a probe is not used.
    counts : ndarray of int of shape (n_trials,)
        Beats used in each run.
    """
    first = np.flatnonzero(np.diff(probe, prepend=probe[0] - 1))
    lengths = np.diff(first, append=len(probe))
    runs = np.maximum(lengths // n_beats, 1)
    number = np.arange(runs.sum()) - np.repeat(np.cumsum(runs) - runs, runs)
    starts = np.repeat(first, runs) + number * n_beats
    return starts, np.repeat(np.minimum(lengths, n_beats), runs)
