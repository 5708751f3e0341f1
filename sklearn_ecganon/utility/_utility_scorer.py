"""All utilities together, and one figure for how much of a contract a release keeps."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ecganon._validation import is_records
from sklearn_ecganon.contracts import (
    CATEGORIES,
    CONTRACTS,
    TOLERANCES,
    TWELVE_LEAD_CATEGORIES,
    Measurements,
)
from sklearn_ecganon.datasets import DS1, DS2
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.utility._beat_class import BeatClassUtility
from sklearn_ecganon.utility._compare import Agreement, agreement, measured_pair, paired_beats
from sklearn_ecganon.utility._detection import DetectionUtility
from sklearn_ecganon.utility._diagnosis import category_pairs, diagnosis_figures
from sklearn_ecganon.utility._hrv import ERRORS, MIN_INTERVALS, HRVUtility
from sklearn_ecganon.utility._interval import interval_figures, p_waves
from sklearn_ecganon.utility._pairs import check_pairs, rhythms
from sklearn_ecganon.utility._waveform import WaveformUtility

#: Weights of the terms of `utility`, by contract.
WEIGHTS: dict[str, dict[str, float]] = {
    "diagnostic": dict.fromkeys(
        ("beat_classes", *CATEGORIES, *TWELVE_LEAD_CATEGORIES, "detection", "classifier"), 1.0
    ),
    "measurement": dict.fromkeys(("RR", *TOLERANCES, "p_wave"), 1.0),
}
_TERMS = {*WEIGHTS["diagnostic"], *WEIGHTS["measurement"], "waveform"}
_VARIABILITY = ERRORS[:-1]  # most records are too short for LF/HF
_WAVEFORM = (
    "waveform",
    "correlation",
    "correlation_qrs",
    "correlation_outside",
    "rmse_qrs",
    "rmse_outside",
    "prd",
)


class UtilityScorer(BaseEstimator):
    """Compute all utilities, and one figure for how much of a contract is kept.

    Parameters
    ----------
    contract : {"diagnostic", "measurement"}, default="diagnostic"
        What the release promises: ``"diagnostic"``, that a cardiologist draws the same
        conclusions; ``"measurement"``, that the numbers are unchanged, within tolerances.
    weights : dict of str to float, optional
        Weights of the terms in the table below, of either contract. A term that is not
        listed has weight 0. By default each term of the contract has weight 1.
    classifier : BeatClassUtility, optional
        Trains a classifier of beat classes on the release, which takes a minute and needs
        labels. By default none is trained.
    qrs_width : float, default=100.0
        Width of the QRS in the waveform figures, in ms.
    sampling_rate : float, default=250.0
        Rate of arrays in Hz; records and a BeatSet know their rate.

    See Also
    --------
    sklearn_ecganon.model_selection.PrivacyUtilityScorer : Adds privacy, for GridSearchCV.

    Notes
    -----
    ``utility`` is 1 if the release is the original, bit for bit, and 0 if nothing is kept.
    It is the weighted mean of these terms; a term with nothing to compare is left out.

    ================  ===========  =========================================================
    term              contract     value
    ================  ===========  =========================================================
    `beat_classes`    diagnostic   kappa of the labels of all beats in order, or of their
                                   runs, if a release has more or fewer beats
    `rate_zone`,      diagnostic   kappa of each category over the records
    `irregularity`,
    `wide_qrs`,
    `pr`, `qtc`,
    `st`
    `q_anterior` ...  diagnostic   with 12 leads the same for each of the
                                   `TWELVE_LEAD_CATEGORIES`
    `detection`       diagnostic   F1 of R peaks at 150 ms, over that of the originals
    `classifier`      diagnostic   macro-F1 of beat classes, trained on the release and tested
                                   on originals, over that of training on originals
    `RR`              measurement  fraction of records with exactly the same series
    `QRS`, `QT`,      measurement  fraction of records within the tolerance
    `PR`, `ST`
    `p_wave`          measurement  kappa of having P waves
    `waveform`        none         mean of the correlations on the QRS and outside of it
    ================  ===========  =========================================================

    Agreement is corrected for chance: a release in which all records show the same normal
    ECG agrees with most originals by chance, and gets no credit for it. If nearly all records
    are of one category, kappa depends on few records. The weight of a kappa is therefore
    multiplied by ``1 - chance``. This mean is the pooled kappa of [1]_, and the other terms
    enter it with a chance of 0. With few records all figures are uncertain; ``n_records`` is
    returned beside each.

    No contract promises the waveform, because a release under another identity should look
    different. The waveform has weight 0 unless `weights` lists it. Arrays hold nothing else:
    their ``utility`` is that term, under every contract.

    References
    ----------
    .. [1] H. De Vries et al., "Using pooled kappa to summarize interrater agreement across
       many items", Field Methods 20(3), 272-282, 2008.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import LowPassAnonymizer
    >>> from sklearn_ecganon.utility import UtilityScorer
    >>> bunch = make_ecg_records(n_subjects=3, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    >>> scorer = UtilityScorer(contract="measurement")
    >>> scorer.evaluate(beats, beats)["utility"]
    1.0
    >>> smooth = LowPassAnonymizer().fit_transform(beats)
    >>> scorer.evaluate(beats, smooth)["utility"] < 1
    True
    """

    _parameter_constraints: dict = {
        "contract": [StrOptions(set(CONTRACTS))],
        "weights": [dict, None],
        "classifier": [BeatClassUtility, None],
        "qrs_width": [Interval(Real, 0, None, closed="neither")],
        "sampling_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        contract: str = "diagnostic",
        *,
        weights: dict[str, float] | None = None,
        classifier: BeatClassUtility | None = None,
        qrs_width: float = 100.0,
        sampling_rate: float = 250.0,
    ) -> None:
        self.contract = contract
        self.weights = weights
        self.classifier = classifier
        self.qrs_width = qrs_width
        self.sampling_rate = sampling_rate

    def evaluate(
        self,
        before: Any,
        after: Any,
        groups: ArrayLike | None = None,
        *,
        train: Sequence[str] = DS1,
        test: Sequence[str] = DS2,
    ) -> dict[str, float]:
        """Return the figures of all utilities, and ``utility``.

        Parameters
        ----------
        before, after : BeatSet, list of ECGRecord, or array-like (n_beats, [n_leads,] n_times)
            The same records in the same order, with R peaks and the same number of leads;
            or the same beats in mV, R peak at column ``n_times // 2``.
        groups : array-like of shape (n_records,), optional
            Groups of the records for the classifier; see :meth:`BeatClassUtility.evaluate`.
        train, test : sequence of str
            Groups to train the classifier on and to test it on.

        Returns
        -------
        figures : dict of str to float
            ``utility`` in [0, 1], and the figures of `WaveformUtility`, `IntervalUtility`,
            `DiagnosisUtility`, `HRVUtility` (errors), `DetectionUtility` and the classifier.
            A figure that cannot be computed is NaN: those of the waveform if no record has
            as many beats as before, in windows of the same length; errors of heart rate
            variability if no record has enough normal beats. Arrays get the waveform figures
            alone.

        Raises
        ------
        ValueError
            If `before` and `after` are not of the same records, if a weight is negative or
            has an unknown name, or if no term with a weight is left.
        """
        self._validate_params()
        weights = self._weights()
        waveform = WaveformUtility(qrs_width=self.qrs_width, sampling_rate=self.sampling_rate)
        if not (isinstance(before, BeatSet) or is_records(before)):
            figures = waveform.evaluate(before, after)
            return figures | {"waveform": figures["utility"]}
        before, after = check_pairs(before, after)
        old, new = paired_beats(before, after)
        measured = measured_pair(old, new)
        figures = (
            _waveform_figures(waveform, old, new)
            | interval_figures(*measured)
            | diagnosis_figures(*measured)
            | _hrv_figures(before, after)
            | DetectionUtility().evaluate(before, after)
        )
        if self.classifier is not None:
            figures |= self.classifier.evaluate(old, new, groups, train=train, test=test)
        utility = pooled(_terms(*measured, figures), weights)
        return figures | {"utility": utility}

    def _weights(self) -> dict[str, float]:
        weights = WEIGHTS[self.contract] if self.weights is None else self.weights
        unknown = sorted(set(weights) - _TERMS)
        if unknown or not any(weights.values()) or min(weights.values()) < 0:
            raise ValueError(
                f"weights={weights!r}; give positive numbers for some of {sorted(_TERMS)}."
            )
        return weights


def pooled(terms: dict[str, Agreement], weights: dict[str, float]) -> float:
    """Return the weighted fraction that is kept beyond chance, from 0 to 1.

    Parameters
    ----------
    terms : dict of str to Agreement
        Agreement of each term; NaN if there is nothing to compare.
    weights : dict of str to float
        Weight of each term.
    """
    known = [
        (terms[name], w) for name, w in weights.items() if not np.isnan(terms[name].fraction)
    ]
    if not any(w for _, w in known):
        raise ValueError(
            f"none of {sorted(weights)} can be measured in these records; give longer records, "
            "or other weights."
        )
    beyond_chance = sum(w * (term.fraction - term.chance) for term, w in known)
    maximum = sum(w * (1 - term.chance) for term, w in known)
    return float(np.clip(beyond_chance / maximum, 0, 1)) if maximum else 1.0


def _terms(
    old: Measurements, new: Measurements, figures: dict[str, float]
) -> dict[str, Agreement]:
    terms = dict.fromkeys(TWELVE_LEAD_CATEGORIES, Agreement(np.nan, np.nan))
    terms |= {name: agreement(*pair) for name, pair in category_pairs(old, new).items()}
    terms["p_wave"] = agreement(*p_waves(old, new))
    fractions = {
        "RR": figures["rr_exact"],
        **{name: figures[f"fraction_within_{name}"] for name in TOLERANCES},
        "detection": _ratio(figures["f1_150ms"], figures["before_f1_150ms"]),
        "classifier": _ratio(figures.get("tstr_macro_f1"), figures.get("trtr_macro_f1")),
        "waveform": figures["waveform"],
    }
    return terms | {name: Agreement(fraction) for name, fraction in fractions.items()}


def _ratio(after: float | None, before: float | None) -> float:
    """Return the ratio of a figure after to before, at most 1; NaN without a figure before."""
    if after is None or not before:
        return np.nan
    return min(after / before, 1.0)


def _waveform_figures(
    waveform: WaveformUtility, old: BeatSet, new: BeatSet
) -> dict[str, float]:
    """Compare the records whose beats correspond; ``utility`` is returned as ``waveform``."""
    same = np.flatnonzero(old.n_beats == new.n_beats)
    layouts = [(X.n_times, X.sampling_rate) for X in (old, new)]
    if layouts[0] != layouts[1] or not old.n_beats[same].any():
        return dict.fromkeys(_WAVEFORM, np.nan)
    if len(same) < len(old):
        old, new = old[same], new[same]
    figures = waveform.evaluate(old, new)
    return {"waveform": figures.pop("utility"), **figures}


def _hrv_figures(before: Any, after: Any) -> dict[str, float]:
    """Return errors over the records that are long enough, without the categories."""
    figures = {f"error_{name}": np.nan for name in _VARIABILITY}
    figures |= {f"n_records_{name}": 0.0 for name in _VARIABILITY}
    counts = [[len(rhythm.r_peaks) for rhythm in rhythms(X)] for X in (before, after)]
    long = np.flatnonzero(np.min(counts, axis=0) > MIN_INTERVALS)
    sides = [
        X[long] if isinstance(X, BeatSet) else [X[i] for i in long] for X in (before, after)
    ]
    try:
        measured = HRVUtility().evaluate(*sides) if len(long) else {}
    except ValueError:  # no record has enough normal beats
        measured = {}
    return figures | {name: value for name, value in measured.items() if name in figures}
