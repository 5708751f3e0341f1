"""Are the intervals of a release those of the original."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_ecganon.contracts import TOLERANCES, Measurements
from sklearn_ecganon.utility._compare import agreement, measured_pair

#: Median absolute error of a record's median, in ms and for ST in mV: lead II of 200 records of
#: LUDB against the cardiologists' marks, each delineated by a net that had not seen it.
#: ``python -m benchmarks.intervals`` prints it.
DELINEATOR_ERRORS = {"QRS": 5.5, "QT": 7.7, "PR": 4.5, "ST": 0.006}
_SAME_MS = 1e-6  # what rounding does to equal intervals


class IntervalUtility(BaseEstimator):
    """Compare RR beat by beat, and QRS duration, QT, PR and ST record by record.

    Both sides are measured by the same delineator, so that its errors cancel where the
    waves stayed as they were.

    See Also
    --------
    sklearn_ecganon.contracts.measure : What the numbers are, and how they are read.
    DiagnosisUtility : What the numbers say.

    Notes
    -----
    A record's number is the median over its beats, of those of class N where there are
    labels. Waves beyond the window of a beat are not seen: with the default of 800 ms a T
    wave that ends more than 400 ms after the R peak is cut, before and after alike.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.utility import IntervalUtility
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    >>> figures = IntervalUtility().evaluate(beats, beats)
    >>> figures["rr_exact"], figures["error_QT"], figures["within_QT"]
    (1.0, 0.0, 1.0)
    """

    _parameter_constraints: dict = {}

    def evaluate(self, before: Any, after: Any) -> dict[str, float]:
        """Return errors of the intervals over the records.

        Parameters
        ----------
        before, after : BeatSet or list of ECGRecord
            The same records in the same order, with R peaks and the same number of leads.
            Records are cut at their R peaks by the defaults of `QRSSegmenter`.

        Returns
        -------
        figures : dict of str to float
            NaN where there was nothing to compare. For RR: ``rr_exact``, the share of
            records with the very same series; ``error_RR``, the median over records of the
            median absolute error of a beat in ms, of records with as many beats as before.
            For each of ``QRS``, ``QT``, ``PR`` (ms) and ``ST`` (mV): ``error_QRS``, the
            median over records of the absolute error, smaller is better; ``bias_QRS``, of
            the signed error; ``share_within_QRS``, the share of records whose error is
            within the measurement contract's tolerance, where a wave that was lost or made
            up is not; ``within_QRS``, 1 if the median error of all these records is;
            ``n_records_QRS``, in how many it was seen before and after;
            ``delineator_error_QRS``, the delineator's own error on LUDB.
            ``agreement_p_wave``: share of records that have P waves, or none, as before.

        Raises
        ------
        ValueError
            If before and after are not of the same records and leads, if a record has no
            R peaks, or if the rate is below 100 Hz.
        """
        return interval_figures(*measured_pair(before, after))


def interval_figures(old: Measurements, new: Measurements) -> dict[str, float]:
    """Return the figures of `IntervalUtility` for what is measured already."""
    figures = _rr_figures(old, new)
    medians = old.medians(), new.medians()
    for name, tolerance in TOLERANCES.items():
        a, b = (side[name] for side in medians)
        error = (b - a)[np.isfinite(a) | np.isfinite(b)]
        known = error[np.isfinite(error)]
        # A wave that is lost or made up is further off than any tolerance.
        distance = np.nan_to_num(np.abs(error), nan=np.inf)
        within = float(_median(distance) <= tolerance) if len(distance) else np.nan
        figures |= {
            f"error_{name}": _median(np.abs(known)),
            f"bias_{name}": _median(known),
            f"share_within_{name}": _mean(distance <= tolerance),
            f"within_{name}": within,
            f"n_records_{name}": float(len(known)),
            f"delineator_error_{name}": DELINEATOR_ERRORS[name],
        }
    figures["agreement_p_wave"] = agreement(*p_waves(old, new)).share
    return figures


def p_waves(old: Measurements, new: Measurements) -> tuple[NDArray, NDArray]:
    """Tell of each record with beats seen before: 1 with P waves, 0 without, -1 no beats."""
    pairs = [
        np.where(np.isfinite(side["QRS"]), np.isfinite(side["PR"]).astype(int), -1)
        for side in (old.medians(), new.medians())
    ]
    return pairs[0][pairs[0] >= 0], pairs[1][pairs[0] >= 0]


def _rr_figures(old: Measurements, new: Measurements) -> dict[str, float]:
    errors, exact = [], []
    for a, b in zip(_series(old), _series(new), strict=True):
        if len(a) != len(b):
            exact.append(False)
        elif len(a):
            difference = np.abs(b - a)
            errors.append(np.median(difference))
            exact.append(difference.max() <= _SAME_MS)
    return {"rr_exact": _mean(np.array(exact)), "error_RR": _median(np.array(errors))}


def _series(measured: Measurements) -> list[NDArray[np.float64]]:
    """Return the RR intervals of each record."""
    return [measured.RR[a:b][1:] for a, b in pairwise(measured.bounds())]


def _median(values: NDArray) -> float:
    return float(np.median(values)) if len(values) else np.nan


def _mean(values: NDArray) -> float:
    return float(np.mean(values)) if len(values) else np.nan
