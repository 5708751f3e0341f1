"""Whether a cardiologist would draw the same conclusions from a release."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_ecganon.contracts import UNMEASURED, Measurements
from sklearn_ecganon.utility._compare import agreement, measured_pair

LOST = "lost"
# Runs of beats by which one of two sequences may begin earlier than the other.
MOST_SHIFTED = 64


class DiagnosisUtility(BaseEstimator):
    """Compare the categories of the diagnostic contract, and beat classes in order.

    See Also
    --------
    sklearn_ecganon.contracts.CATEGORIES : Their limits.
    sklearn_ecganon.contracts.TWELVE_LEAD_CATEGORIES : Those of records with 12 leads.
    IntervalUtility : Compares the numbers themselves.
    BeatClassUtility : Checks whether the beats look like their classes.

    Notes
    -----
    Beat classes are read from the labels of the release. Anonymizers of this package do not
    change labels; `BeatClassUtility` measures whether the waveforms still show the classes.

    If nearly all records are of one category, kappa depends on few records. Therefore
    ``n_records`` and the plain agreement are returned beside it.

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
            ``irregularity``, ``wide_qrs``, ``pr``, ``qtc`` and ``st``, and with 12 leads
            each of `TWELVE_LEAD_CATEGORIES`, over the ``n_records_rate_zone`` records in
            which the category could be measured before.
            A category that can no longer be measured after does not agree.
            ``agreement_beat_classes`` and ``kappa_beat_classes``, over all beats; NaN if one
            side has no labels. If a release has more or fewer beats, for example at another
            rate of the same zone, runs of beats of one class are compared instead, at the
            shift at which they agree best. If all are of one class before and after, kappa
            is 1.

        Raises
        ------
        ValueError
            If before and after are not of the same records and leads, if a record has no
            R peaks, or if the rate is below 100 Hz.
        """
        return diagnosis_figures(*measured_pair(before, after))


def diagnosis_figures(old: Measurements, new: Measurements) -> dict[str, float]:
    """Return the figures of `DiagnosisUtility` from two measurements."""
    figures = {}
    for name, (a, b) in category_pairs(old, new).items():
        compared = agreement(a, b)
        figures[f"agreement_{name}"] = compared.fraction
        figures[f"kappa_{name}"] = compared.kappa
        if name != "beat_classes":
            figures[f"n_records_{name}"] = float(len(a))
    return figures


def category_pairs(old: Measurements, new: Measurements) -> dict[str, tuple[NDArray, NDArray]]:
    """Return the values before and after of each category, and the beat classes."""
    before, after = old.categories(), new.categories()
    pairs = {}
    for name, codes in before.items():
        known = codes != UNMEASURED
        lost = np.full_like(codes, UNMEASURED)
        pairs[name] = codes[known], after.get(name, lost)[known]
    pairs["beat_classes"] = _beat_classes(old, new)
    return pairs


def _beat_classes(old: Measurements, new: Measurements) -> tuple[NDArray, NDArray]:
    if old.labels is None or new.labels is None:
        return np.empty(0, dtype=str), np.empty(0, dtype=str)
    pairs = []
    for (a, b), (c, d) in zip(pairwise(old.bounds()), pairwise(new.bounds()), strict=True):
        before, after = old.labels[a:b], new.labels[c:d]
        if len(before) != len(after):
            before, after = _align(_runs(before), _runs(after))
        pairs.append((before.astype(object), after.astype(object)))
    first, second = zip(*pairs, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _runs(labels: NDArray) -> NDArray:
    """Return the class of each run of beats of one class, doubled for runs of several."""
    if not len(labels):
        return labels
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    several = np.diff(np.r_[starts, len(labels)]) > 1
    return np.where(several, np.char.add(labels[starts], labels[starts]), labels[starts])


def _align(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """Align two sequences at the shift at which they agree best, and pad both.

    If a record is cut at the same time before and after, it is not cut at the same beat.
    """
    shifts = sorted(range(-MOST_SHIFTED, MOST_SHIFTED + 1), key=abs)
    shift = max(shifts, key=lambda k: _n_alike(a[max(k, 0) :], b[max(-k, 0) :]))
    first = np.r_[[LOST] * max(-shift, 0), a]
    second = np.r_[[LOST] * max(shift, 0), b]
    n = max(len(first), len(second))
    padded = (np.r_[x, [LOST] * (n - len(x))] for x in (first, second))
    return tuple(padded)  # type: ignore[return-value]


def _n_alike(a: NDArray, b: NDArray) -> int:
    n = min(len(a), len(b))
    return int((a[:n] == b[:n]).sum())
