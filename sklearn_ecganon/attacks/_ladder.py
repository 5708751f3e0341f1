"""The rungs of the ladder: beats of gallery and probes, trials, and one attacker's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from sklearn_ecganon._validation import check_beats, is_records
from sklearn_ecganon.attacks._attackers import Attacker
from sklearn_ecganon.attacks._features import features_seen
from sklearn_ecganon.attacks._result import LadderRow
from sklearn_ecganon.metrics import equal_error_rate, rank_k, subject_bootstrap
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import QRSSegmenter

# A beat may be an artefact that says nothing: it is taken for one with this probability, so
# that no single beat can rule the right person out.
OUTLIER_SHARE = 0.01


@dataclass(frozen=True)
class Scene:
    """Features of all beats at one stage (original, released, the attacker's own release).

    Parameters
    ----------
    features : dict of str to ndarray of shape (n_beats, n_features)
        What attackers see, by view.
    codes : ndarray of int of shape (n_beats,)
        Subject of each beat.
    probe : ndarray of int of shape (n_beats,)
        Which beats an attacker may combine: those of one record, or of one subject where
        the input did not say.
    in_gallery : ndarray of bool of shape (n_beats,)
        The other beats are to be named.
    layout : tuple
        Leads, samples and rate of a beat.
    """

    features: dict[str, NDArray[np.float32]]
    codes: NDArray[np.intp]
    probe: NDArray[np.intp]
    in_gallery: NDArray[np.bool_]
    layout: tuple[int, int, float | None]

    @property
    def probed(self) -> NDArray[np.intp]:
        """The beats to be named, those of one probe next to each other."""
        rows = np.flatnonzero(~self.in_gallery)
        return rows[np.argsort(self.probe[rows], kind="stable")]


class Trials(NamedTuple):
    """Scores of the probes an attacker was asked to name.

    Attributes
    ----------
    scores : ndarray of shape (n_trials, n_subjects)
        Log-scores, added over the beats of a trial.
    subjects : ndarray of int of shape (n_trials,)
        Who it was: a column of `scores`.
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


def gallery_of(scenes: list[Scene], sees: str) -> tuple[NDArray, NDArray]:
    """Return features and subjects of the gallery's beats, of all scenes together."""
    return (
        np.concatenate([scene.features[sees][scene.in_gallery] for scene in scenes]),
        np.concatenate([scene.codes[scene.in_gallery] for scene in scenes]),
    )


def make_scene(
    X: Any,
    codes: NDArray,
    in_gallery: NDArray | None,
    views: set[str],
    random_state: np.random.RandomState,
) -> Scene:
    """Return the scene of samples X, dealing beats at random where `in_gallery` is None."""
    X = as_beats(X)
    beats = check_beats(BaseEstimator(), X, reset=True)
    beat_codes = codes[beats.record]
    if in_gallery is not None:
        dealt = in_gallery[beats.record]
    else:
        dealt = np.zeros(len(beat_codes), dtype=bool)
        for subject in np.unique(codes):
            own = random_state.permutation(np.flatnonzero(beat_codes == subject))
            dealt[own[: len(own) // 2]] = True
    return Scene(
        features=features_seen(views, X, beats),
        codes=beat_codes,
        probe=beats.record if isinstance(X, BeatSet) else beat_codes,
        in_gallery=dealt,
        layout=beats.layout,
    )


def as_beats(X: Any) -> Any:
    """Return records as a BeatSet cut by the defaults of QRSSegmenter, beats as they are."""
    return QRSSegmenter().fit_transform(X) if is_records(X) else X


def until_beats(X: Any, estimator: Any) -> tuple[Any, Any]:
    """Run the leading step of a Pipeline that turns records into beats.

    Attackers compare the release with originals, so both must be cut alike. A step that
    makes other records of records has its part in the release, and so is left to it.

    Returns
    -------
    X : list of ECGRecord, BeatSet or ndarray
        Original beats, or the records where the estimator works on records.
    rest : estimator or "passthrough"
        What is left to be done to them.
    """
    if isinstance(estimator, Pipeline):
        for position, (_, step) in enumerate(estimator.steps):
            if not is_records(X):
                return X, estimator[position:]
            if step in (None, "passthrough"):
                continue
            made = step.transform(X)
            if is_records(made):
                return X, estimator[position:]
            X = made
        return X, "passthrough"
    return X, estimator


def release(estimator: Any, X: Any) -> Any:
    """Return what the estimator makes of X."""
    return X if isinstance(estimator, str) else estimator.transform(X)


def resalted(estimator: Any, random_state: np.random.RandomState) -> Any:
    """Return the same fitted software with another secret, in every step that has one."""
    if isinstance(estimator, Pipeline):
        return Pipeline([(n, resalted(step, random_state)) for n, step in estimator.steps])
    if hasattr(estimator, "resalt"):
        return estimator.resalt(random_state.randint(2**31 - 1))
    return estimator


def spread(codes: NDArray, most: int) -> NDArray[np.intp]:
    """Return at most `most` rows a subject, evenly spread over what there is."""
    rows = []
    for subject in np.unique(codes):
        own = np.flatnonzero(codes == subject)
        rows.append(own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)])
    return np.sort(np.concatenate(rows))


def need_beats(codes: NDArray, subjects: NDArray, where: str) -> None:
    """Refuse subjects of whom there is no beat."""
    silent = np.setdiff1d(np.arange(len(subjects)), codes)
    if len(silent):
        raise ValueError(
            f"subject '{subjects[silent[0]]}' has no beat in {where}; leave it out."
        )


def beat_scores(attacker: Attacker, features: NDArray) -> NDArray[np.float64]:
    """Return log-scores of beats, where each beat may be an artefact."""
    proba = softmax(attacker.log_proba(features).astype(np.float64), axis=1)
    return np.log((1 - OUTLIER_SHARE) * proba + OUTLIER_SHARE / proba.shape[1])


def probe_scores(attacker: Attacker, scene: Scene, sees: str) -> NDArray[np.float32]:
    """Return log-scores of the beats to be named, in the order of `Scene.probed`."""
    return beat_scores(attacker, scene.features[sees][scene.probed]).astype(np.float32)


def combine(scores: NDArray, scene: Scene, n_beats: int) -> Trials:
    """Add up the scores of runs of beats of one probe.

    Parameters
    ----------
    scores : ndarray of shape (n_probed, n_subjects)
        From `probe_scores`.
    scene : Scene
        Tells which beats belong together.
    n_beats : int
        Beats in a run.
    """
    probed = scene.probed
    starts, counts = _runs(scene.probe[probed], n_beats)
    within = np.arange(len(probed)) - np.repeat(starts, np.diff(starts, append=len(probed)))
    used = np.where((within < n_beats)[:, np.newaxis], scores, 0.0)
    return Trials(np.add.reduceat(used, starts), scene.codes[probed][starts], counts)


def climb(
    name: str,
    knowledge: str,
    scores: NDArray,
    scene: Scene,
    *,
    sees: str,
    evidence: list[int],
    random_state: int | np.random.RandomState,
) -> list[LadderRow]:
    """Name the scene's probes by an attacker's scores, with more and more beats of each."""
    rows = []
    for n_beats in evidence:
        trials = combine(scores, scene, n_beats)
        gallery = np.arange(scores.shape[1])
        hits = rank_k(trials.scores, trials.subjects, gallery)
        rank1, low, high = subject_bootstrap(hits, trials.subjects, random_state=random_state)
        rows.append(
            LadderRow(
                attacker=name,
                knowledge=knowledge,
                evidence=n_beats,
                rank1=rank1,
                low=low,
                high=high,
                rank1_probes=float(hits.mean()),
                eer=equal_error_rate(trials.comparable, trials.subjects, gallery),
                n_probes=len(hits),
                n_short=int((trials.n_beats < n_beats).sum()),
                sees=sees,
                subject_rank1=tuple(
                    float(hits[trials.subjects == s].mean()) for s in np.unique(trials.subjects)
                ),
            )
        )
    return rows


def _runs(probe: NDArray, n_beats: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut each probe's beats into runs of `n_beats`; a shorter probe is one run.

    Returns
    -------
    starts : ndarray of int of shape (n_trials,)
        First beat of each run. What is left over at a probe's end is not used.
    counts : ndarray of int of shape (n_trials,)
        Beats used in each run.
    """
    first = np.flatnonzero(np.diff(probe, prepend=probe[0] - 1))
    lengths = np.diff(first, append=len(probe))
    runs = np.maximum(lengths // n_beats, 1)
    number = np.arange(runs.sum()) - np.repeat(np.cumsum(runs) - runs, runs)
    starts = np.repeat(first, runs) + number * n_beats
    return starts, np.repeat(np.minimum(lengths, n_beats), runs)
