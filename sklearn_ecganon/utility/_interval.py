"""Whether a release keeps the intervals of the original."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_ecganon.contracts import TOLERANCES, Measurements
from sklearn_ecganon.utility._compare import agreement, measured_pair

#: Median absolute error of a record's median, in ms and for ST in mV: lead II of 200 records of
#: LUDB against the cardiologists' annotations, each delineated by a net not trained on it.
#: ``python -m benchmarks.intervals`` prints it.
DELINEATOR_ERRORS = {"QRS": 5.8, "QT": 6.9, "PR": 4.3, "ST": 0.006}
_SAME_MS = 1e-6  # equal intervals differ by rounding


class IntervalUtility(BaseEstimator):
    """Compare RR beat by beat, and QRS duration, QT, PR and ST record by record.

    Both sides are measured by the same delineator, so that its errors cancel where the
    waves are unchanged.

    See Also
    --------
    sklearn_ecganon.contracts.measure : Defines the numbers and measures them.
    DiagnosisUtility : Compares the categories of these numbers.

    Notes
    -----
    A record's number is the median over its beats, or over those of class N if there are
    labels. Waves beyond the window of a beat are not measured: with the default of 800 ms a
    T wave that ends more than 400 ms after the R peak is cut off, before and after alike.

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
            NaN if there is nothing to compare. For RR: ``rr_exact``, the fraction of records
            with exactly the same series; ``error_RR``, the median over records of the median
            absolute error of a beat in ms, of records with as many beats as before.
            For each of ``QRS``, ``QT``, ``PR`` (ms) and ``ST`` (mV): ``error_QRS``, the
            median over records of the absolute error, smaller is better; ``bias_QRS``, that
            of the signed error; ``fraction_within_QRS``, the fraction of records whose error
            is within the tolerance of the measurement contract, which a lost or invented
            wave never is; ``within_QRS``, 1 if the median error of all these records is
            within it; ``n_records_QRS``, the number of records in which the wave was
            measured before and after; ``delineator_error_QRS``, the error of the delineator
            itself on LUDB. ``agreement_p_wave``: the fraction of records that have P waves
            both before and after, or neither.

        Raises
        ------
        ValueError
            If before and after are not of the same records and leads, if a record has no
            R peaks, or if the rate is below 100 Hz.
        """
        return interval_figures(*measured_pair(before, after))


def interval_figures(old: Measurements, new: Measurements) -> dict[str, float]:
    """Return the figures of `IntervalUtility` from two measurements."""
    figures = _rr_figures(old, new)
    medians = old.medians(), new.medians()
    for name, tolerance in TOLERANCES.items():
        a, b = (side[name] for side in medians)
        error = (b - a)[np.isfinite(a) | np.isfinite(b)]
        known = error[np.isfinite(error)]
        # The error of a lost or invented wave exceeds every tolerance.
        distance = np.nan_to_num(np.abs(error), nan=np.inf)
        within = float(_median(distance) <= tolerance) if len(distance) else np.nan
        figures |= {
            f"error_{name}": _median(np.abs(known)),
            f"bias_{name}": _median(known),
            f"fraction_within_{name}": _mean(distance <= tolerance),
            f"within_{name}": within,
            f"n_records_{name}": float(len(known)),
            f"delineator_error_{name}": DELINEATOR_ERRORS[name],
        }
    figures["agreement_p_wave"] = agreement(*p_waves(old, new)).fraction
    return figures


def p_waves(old: Measurements, new: Measurements) -> tuple[NDArray, NDArray]:
    """Return for each record with beats before: 1 with P waves, 0 without, -1 for no beats."""
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
