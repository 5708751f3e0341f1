"""Features of all beats at one stage: originals, the release, or a view for training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator

from sklearn_ecganon._validation import layout_of, shape_sentence, validate_beats
from sklearn_ecganon.attacks._attackers import EnrolledAttacker
from sklearn_ecganon.attacks._modalities import Features, Source, extract_features
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import Release

# Any beat may be an artifact, with this probability: no single beat can exclude the right
# subject.
OUTLIER_PROBABILITY = 0.01


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of all beats at one stage, with subject and probe of each beat.

    Parameters
    ----------
    features : dict of str to Features
        By modality.
    codes : ndarray of int of shape (n_beats,)
        Subject of each beat.
    probe : ndarray of int of shape (n_beats,)
        Beats that an attacker may combine have the same number: those of one record, or of
        one subject for an array of beats.
    in_gallery : ndarray of bool of shape (n_beats,)
        False for the beats of probes.
    layout : tuple of (int, int, float or None)
        Leads, samples and rate of a beat.
    """

    features: dict[str, Features]
    codes: NDArray[np.intp]
    probe: NDArray[np.intp]
    in_gallery: NDArray[np.bool_]
    layout: tuple[int, int, float | None]

    @property
    def probe_beats(self) -> NDArray[np.intp]:
        """Positions of the probes' beats, those of one probe next to each other."""
        rows = np.flatnonzero(~self.in_gallery)
        return rows[np.argsort(self.probe[rows], kind="stable")]

    def only(self, modality: str) -> FeatureSet:
        """Return the same set with the features of one modality."""
        return replace(self, features={modality: self.features[modality]})


def make_feature_set(
    X: Any,
    codes: NDArray,
    in_gallery: NDArray | None,
    modalities: set[str],
    *,
    deal_seed: int = 0,
    recordings: list | None = None,
) -> FeatureSet:
    """Extract the features of samples.

    Parameters
    ----------
    X : BeatSet or ndarray
        Samples.
    codes : ndarray of int of shape (n_samples,)
        Subject of each sample.
    in_gallery : ndarray of bool of shape (n_samples,) or None
        None deals the beats of each subject at random to gallery and probes.
    modalities : set of str
        What to extract.
    deal_seed : int
        Seeds the random deal.
    recordings : list of ECGRecord, optional
        Whole signals of the samples.
    """
    checked = validate_beats(BaseEstimator(), X, reset=True)
    beats = X if isinstance(X, BeatSet) else None
    beat_codes = codes[checked.record]
    if in_gallery is not None:
        beat_in_gallery = in_gallery[checked.record]
    else:
        beat_in_gallery = _deal_beats(beat_codes, deal_seed)
    return FeatureSet(
        features=extract_features(modalities, Source(checked.beats, beats, recordings)),
        codes=beat_codes,
        probe=beat_codes if beats is None else checked.record,
        in_gallery=beat_in_gallery,
        layout=layout_of(checked),
    )


def release_feature_sets(
    release: Release, codes: NDArray, modalities: set[str], floor_modalities: set[str]
) -> tuple[FeatureSet, FeatureSet, list[FeatureSet]]:
    """Return the feature sets of the originals, the release, and the views for training.

    Parameters
    ----------
    release : Release
        What is evaluated.
    codes : ndarray of int of shape (n_samples,)
        Subject of each sample.
    modalities : set of str
        What the attackers look at.
    floor_modalities : set of str
        What the attackers that measure the floor look at; from originals only.
    """
    seed, in_gallery = release.deal_seed, release.in_gallery
    before, after = release.recordings or (None, None)
    original = make_feature_set(
        release.original,
        codes,
        in_gallery,
        modalities | floor_modalities,
        deal_seed=seed,
        recordings=before,
    )
    released = make_feature_set(
        release.released, codes, in_gallery, modalities, deal_seed=seed, recordings=after
    )
    gallery = np.ones(len(codes), dtype=bool) if in_gallery is None else in_gallery
    views = [
        make_feature_set(
            view,
            codes[gallery],
            None if in_gallery is None else in_gallery[gallery],
            modalities,
            deal_seed=seed,
            recordings=signals,
        )
        for view, signals in zip_longest(release.retrained, release.retrained_recordings)
    ]
    _need_comparable(original, [released, *views], np.unique(release.subjects))
    return original, released, views


def gallery_rows(sets: list[FeatureSet], modality: str) -> tuple[NDArray, NDArray]:
    """Return the features and subjects of the gallery's rows, of all sets together."""
    values, codes = [], []
    for one in sets:
        features = one.features[modality]
        in_gallery = features.per_row(one.in_gallery)
        values.append(features.values[in_gallery])
        codes.append(features.per_row(one.codes)[in_gallery])
    return np.concatenate(values), np.concatenate(codes)


def row_scores(attacker: EnrolledAttacker, values: NDArray) -> NDArray[np.float64]:
    """Return log-scores of rows, each of which may be an artifact."""
    proba = softmax(attacker.log_proba(values).astype(np.float64), axis=1)
    return np.log((1 - OUTLIER_PROBABILITY) * proba + OUTLIER_PROBABILITY / proba.shape[1])


def beat_scores(
    attacker: EnrolledAttacker, features: Features, beats: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return log-scores of beats; the score of a row is divided among its beats.

    Then the sum over all beats of a row is the row's score, so that attackers with rows of
    several beats are combined like all others.
    """
    if features.row_of_beat is None:
        return row_scores(attacker, features.values[beats])
    of_beats = features.row_of_beat[beats]
    described = of_beats >= 0
    rows, place, counts = np.unique(
        of_beats[described], return_inverse=True, return_counts=True
    )
    of_rows = row_scores(attacker, features.values[rows]) / counts[:, np.newaxis]
    scores = np.zeros((len(beats), of_rows.shape[1]))
    scores[described] = of_rows[place]
    return scores


def spread_rows(codes: NDArray, max_rows: int) -> NDArray[np.intp]:
    """Return at most `max_rows` rows of each subject, spread evenly over all their rows."""
    rows = []
    for subject in np.unique(codes):
        of_subject = np.flatnonzero(codes == subject)
        n_rows = min(max_rows, len(of_subject))
        rows.append(of_subject[np.linspace(0, len(of_subject) - 1, n_rows).astype(int)])
    return np.sort(np.concatenate(rows))


def need_beats(codes: NDArray, subjects: NDArray, where: str) -> None:
    """Refuse subjects without a beat."""
    silent = np.setdiff1d(np.arange(len(subjects)), codes)
    if len(silent):
        raise ValueError(
            f"subject '{subjects[silent[0]]}' has no beat in {where}; leave it out."
        )


def _deal_beats(codes: NDArray, seed: int) -> NDArray[np.bool_]:
    """Put half of the beats of each subject into the gallery, at random."""
    rng = np.random.RandomState(seed)
    in_gallery = np.zeros(len(codes), dtype=bool)
    for subject in np.unique(codes):
        shuffled = rng.permutation(np.flatnonzero(codes == subject))
        in_gallery[shuffled[: len(shuffled) // 2]] = True
    return in_gallery


def _need_comparable(
    original: FeatureSet, releases: list[FeatureSet], subjects: NDArray
) -> None:
    """Refuse a release that cannot be compared with its originals."""
    probed = np.unique(original.codes[~original.in_gallery])
    for one in releases:
        if one.layout != original.layout:
            raise ValueError(
                f"originals have {shape_sentence(original.layout)}, the release "
                f"{shape_sentence(one.layout)}; cut and resample both alike."
            )
        probe_codes = one.codes[~one.in_gallery]
        if len(probe_codes):
            need_beats(np.searchsorted(probed, probe_codes), subjects[probed], "the release")
    for one, where in ((original, "the gallery"), *((r, "the release") for r in releases)):
        need_beats(one.codes[one.in_gallery], subjects, where)
