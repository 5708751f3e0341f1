"""Would a cardiologist conclude from a release what the original shows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_ecganon.contracts import CATEGORIES, UNMEASURED, Measurements
from sklearn_ecganon.utility._compare import agreement, measured_pair

LOST = "lost"
# Runs of beats by which one of two records may begin earlier than the other.
MOST_SHIFTED = 64


class DiagnosisUtility(BaseEstimator):
    """Compare the categories of the diagnostic contract, and beat classes in order.

    See Also
    --------
    sklearn_ecganon.contracts.CATEGORIES : Their limits.
    IntervalUtility : The numbers themselves.
    BeatClassUtility : Whether the beats look like their classes.

    Notes
    -----
    Beat classes are those a release says its beats are of. Anonymizers of this package hand
    them on as they came; whether the waveforms still show them is for `BeatClassUtility`.

    Kappa hangs on few records where nearly all are of one category. Its ``n_records`` and
    the plain agreement stand beside it for that.

    References
    ----------
    .. [1] J. Cohen, "A coefficient of agreement for nominal scales", Educational and
       Psychological Measurement 20(1), 37-46, 1960.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.utility import DiagnosisUtility
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    >>> figures = DiagnosisUtility().evaluate(beats, beats)
    >>> figures["agreement_wide_qrs"], figures["kappa_beat_classes"]
    (1.0, 1.0)
    """

    _parameter_constraints: dict = {}

    def evaluate(self, before: Any, after: Any) -> dict[str, float]:
        """Return agreement and Cohen's kappa of each category.

        Parameters
        ----------
        before, after : BeatSet or list of ECGRecord
            The same records in the same order, with R peaks and the same number of leads.
            Records are cut at their R peaks by the defaults of `QRSSegmenter`.

        Returns
        -------
        figures : dict of str to float
            Greater is better. ``agreement_rate_zone`` and ``kappa_rate_zone``, likewise for
            ``irregularity``, ``wide_qrs``, ``pr``, ``qtc`` and ``st``, over the
            ``n_records_rate_zone`` records in which it could be measured before; what can
            no longer be measured after does not agree. ``agreement_beat_classes`` and
            ``kappa_beat_classes``, over all beats of records where both sides have labels;
            NaN where not. Where a release has more or fewer beats, as another rate of the
            same zone makes, runs of like beats, each single or several, are laid side by
            side where they agree best. Where all are of one class before and after, kappa is 1.

        Raises
        ------
        ValueError
            If before and after are not of the same records and leads, if a record has no
            R peaks, or if the rate is below 100 Hz.
        """
        return diagnosis_figures(*measured_pair(before, after))


def diagnosis_figures(old: Measurements, new: Measurements) -> dict[str, float]:
    """Return the figures of `DiagnosisUtility` for what is measured already."""
    figures = {}
    for name, (a, b) in compared(old, new).items():
        found = agreement(a, b)
        figures[f"agreement_{name}"] = found.share
        figures[f"kappa_{name}"] = found.kappa
        if name in CATEGORIES:
            figures[f"n_records_{name}"] = float(len(a))
    return figures


def compared(old: Measurements, new: Measurements) -> dict[str, tuple[NDArray, NDArray]]:
    """Return the classes that are held against each other, by name of what they tell."""
    before, after = old.categories(), new.categories()
    pairs = {}
    for name in CATEGORIES:
        known = before[name] != UNMEASURED
        pairs[name] = before[name][known], after[name][known]
    pairs["beat_classes"] = _beat_classes(old, new)
    return pairs


def _beat_classes(old: Measurements, new: Measurements) -> tuple[NDArray, NDArray]:
    if old.labels is None or new.labels is None:
        return np.empty(0, dtype=str), np.empty(0, dtype=str)
    pairs = []
    for (a, b), (c, d) in zip(pairwise(old.bounds()), pairwise(new.bounds()), strict=True):
        before, after = old.labels[a:b], new.labels[c:d]
        if len(before) != len(after):
            before, after = _beside(_runs(before), _runs(after))
        pairs.append((before.astype(object), after.astype(object)))
    first, second = zip(*pairs, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _runs(labels: NDArray) -> NDArray:
    """Return the class of each run of like beats, twice where it has several."""
    if not len(labels):
        return labels
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    several = np.diff(np.r_[starts, len(labels)]) > 1
    return np.where(several, np.char.add(labels[starts], labels[starts]), labels[starts])


def _beside(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """Lay two sequences side by side where they agree best, and fill up what one lacks.

    A record that was cut at the same time before and after was not cut at the same beat.
    """
    shifts = sorted(range(-MOST_SHIFTED, MOST_SHIFTED + 1), key=abs)
    shift = max(shifts, key=lambda k: _n_alike(a[max(k, 0) :], b[max(-k, 0) :]))
    first = np.r_[[LOST] * max(-shift, 0), a]
    second = np.r_[[LOST] * max(shift, 0), b]
    n = max(len(first), len(second))
    whole = (np.r_[x, [LOST] * (n - len(x))] for x in (first, second))
    return tuple(whole)  # type: ignore[return-value]


def _n_alike(a: NDArray, b: NDArray) -> int:
    n = min(len(a), len(b))
    return int((a[:n] == b[:n]).sum())
