"""Replacement of a record's template by the average template of several people."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import ndtr
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length

from sklearn_ecganon.core import BaseAnonymizer, Draws
from sklearn_ecganon.records import BeatSet


class KSameAnonymizer(BaseAnonymizer):
    """Move each record's template to the average template of at least k people.

    A template is the mean beat of a person in one clinical class. `fit` forms groups of at
    least `k` people with similar templates and stores the average template of each group.
    `transform` moves a record's template towards the averages nearest to it. The
    within-record residuals of the beats shrink at the same time.

    Parameters
    ----------
    strength : float, default=1.0
        Fraction of the distance to the average. 0 returns the input bit for bit. At 1 all
        beats of a record and class are equal.
    k : int, default=5
        Smallest number of people in an average. If the training data have fewer people, all
        of them are averaged, and `k_` is their number.
    random_state : int, RandomState instance or None, default=None
        Seeds the order of grouping and the salt. A salt that comes from a number can be
        drawn again by anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    averages_ : dict of ndarray of shape (n_groups, n_leads, n_times)
        Averages of the groups in mV. There is a key for each class that at least `k_`
        people have, and the key None for all beats together.
    k_ : int
        Smallest number of people in an average.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    NonQRSVAEAnonymizer : Replaces the beat outside of the QRS.

    Notes
    -----
    Source: [1]_, k-Same on pixels: pick a face, average it with its k - 1 nearest faces,
    replace all k of them by the average, and continue with the remaining faces. The last
    group contains all faces when fewer than 2 k remain. No classifier can then identify one
    of the k people with a probability above 1 / k, as long as each person is released once
    and belongs to that closed set.

    Deviations, of which the first three weaken this guarantee:

    - Templates of beats take the place of faces, with one grouping for each clinical class.
      Beats without labels, and beats of a class that too few people have, use the averages
      over all beats.
    - New records, and other records of the training people, may be released: a record moves
      to the averages nearest to it instead of to the average of its group.
    - A record moves to a mixture of the two nearest averages, with a weight drawn once for
      the record, so that two records of one person do not become equal.
    - Each person has the same weight in an average, whatever the number of beats.

    An average of few people is close to each of them, so the model reveals its training
    people when `k` is small (`MembershipInferenceScorer` measures this).

    References
    ----------
    .. [1] E. M. Newton, L. Sweeney, B. Malin, "Preserving privacy by de-identifying face
       images", IEEE Transactions on Knowledge and Data Engineering 17(2), 232-243, 2005.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import KSameAnonymizer
    >>> bunch = make_ecg_records(n_subjects=6, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> same = KSameAnonymizer(k=3, random_state=0).fit(beats, bunch.subject)
    >>> same.averages_[None].shape == (2, beats.n_leads, beats.n_times)
    True
    >>> released = same.transform(beats)
    """

    _parameter_constraints: dict = {
        **BaseAnonymizer._parameter_constraints,
        "k": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        k: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strength = strength
        self.k = k
        self.random_state = random_state

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        if y is None:
            y = np.arange(len(beats))
        y = np.asarray(column_or_1d(y))
        check_consistent_length(np.empty(len(beats)), y)
        person = np.unique(y, return_inverse=True)[1][beats.record]
        n_people = len(np.unique(person))
        if n_people < 2:
            raise ValueError(
                "KSameAnonymizer averages people, but X has beats of 1 subject only "
                f"(n_samples={len(beats)}); give records of at least k={self.k} subjects."
            )
        self.k_ = min(self.k, n_people)
        rng = check_random_state(seed)
        self.averages_ = {}
        for key, rows in _classes(len(person), beats.labels):
            _, templates = _mean_beats(beats.beats[rows], person[rows])
            if len(templates) >= self.k_:
                self.averages_[key] = _k_same(templates, self.k_, rng)

    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        fraction = ndtr(draws.for_records(1))[:, :, np.newaxis]
        new = np.empty(beats.beats.shape)
        # The averages over all beats come first. Those of each class then overwrite them.
        for key, rows in _classes(len(new), beats.labels):
            if key not in self.averages_:
                continue
            averages = self.averages_[key]
            records, templates = _mean_beats(beats.beats[rows], beats.record[rows])
            near = np.argsort(_distances(templates, averages), axis=1, kind="stable")
            nearest, second = averages[near[:, 0]], averages[near[:, :2][:, -1]]
            target = nearest + fraction[records] * (second - nearest)
            new[rows] = target[np.searchsorted(records, beats.record[rows])]
        return beats.with_beats((1 - self.strength) * beats.beats + self.strength * new)


def _classes(n_beats: int, labels: NDArray | None) -> list[tuple[str | None, NDArray]]:
    """Return the rows of all beats under None, then the rows of each class."""
    classes = np.unique([] if labels is None else labels)
    return [
        (None, np.arange(n_beats)),
        *((str(name), np.flatnonzero(labels == name)) for name in classes),
    ]


def _mean_beats(values: NDArray, group: NDArray) -> tuple[NDArray, NDArray]:
    """Return the sorted groups and the mean beat of each group in float64."""
    order = np.argsort(group, kind="stable")
    groups, starts, counts = np.unique(group[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(values[order], starts, axis=0, dtype=np.float64)
    return groups, sums / counts[:, np.newaxis, np.newaxis]


def _distances(a: NDArray, b: NDArray) -> NDArray:
    return cdist(a.reshape(len(a), -1), b.reshape(len(b), -1))


def _k_same(templates: NDArray, k: int, rng: np.random.RandomState) -> NDArray:
    """Average groups of k templates: a remaining template and those nearest to it."""
    remaining = rng.permutation(len(templates))
    averages = []
    while len(remaining):
        size = k if len(remaining) >= 2 * k else len(remaining)
        distances = _distances(templates[remaining[:1]], templates[remaining])[0]
        group = np.argsort(distances, kind="stable")[:size]
        averages.append(templates[remaining[group]].mean(axis=0))
        remaining = np.delete(remaining, group)
    return np.array(averages)
