"""Whether a QRS detector finds the heartbeats of a release."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_ecganon.metrics import DetectionScores, detection_scores
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import DETECTORS, find_beats, stitch_record, used_leads
from sklearn_ecganon.utility._pairs import check_pairs, rhythms

TOLERANCES = (150, 50)


class DetectionUtility(BaseEstimator):
    """Detect R peaks in a release, and compare them with its annotated R peaks.

    Parameters
    ----------
    detector : {"sleepecg", "neurokit", "xqrs", "gqrs"}, default="sleepecg"
        Detector, as in :class:`~sklearn_ecganon.QRSSegmenter`; it uses lead MLII, II or the
        first lead.
    refine : float, default=40.0
        Distance in ms within which a detected peak is moved to the extremum of its QRS.

    Notes
    -----
    These are gross figures over all records, as ANSI/AAMI EC57 defines them with 150 ms.
    Deviations: the learning period of five minutes is included; beats are matched as in
    :func:`~sklearn_ecganon.metrics.detection_scores`. A beat whose QRS reaches over the edge
    of a record by half cannot be detected, and counts as missed before and after.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.utility import DetectionUtility
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    >>> figures = DetectionUtility().evaluate(bunch.data, beats)
    >>> figures["f1_50ms"] > 0.9
    True
    """

    _parameter_constraints: dict = {
        "detector": [StrOptions(set(DETECTORS))],
        "refine": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, detector: str = "sleepecg", *, refine: float = 40.0) -> None:
        self.detector = detector
        self.refine = refine

    def evaluate(self, before: Any, after: Any) -> dict[str, float]:
        """Return how well the R peaks of the release and of the originals are detected.

        Parameters
        ----------
        before, after : BeatSet or list of ECGRecord
            The same records in the same order, with R peaks. A BeatSet is stitched first.

        Returns
        -------
        figures : dict of str to float
            ``sensitivity``, ``precision`` (+P) and ``f1``, each at 150 and at 50 ms as
            ``f1_150ms``, all in [0, 1], greater is better. The same figures of the originals,
            such as ``before_f1_150ms``, show the error of the detector itself.

        Raises
        ------
        ValueError
            If before and after are not of the same records, or a record has no `r_peaks`.
        """
        self._validate_params()
        before, after = check_pairs(before, after)
        of_original = {f"before_{name}": v for name, v in self._scores(before).items()}
        return self._scores(after) | of_original

    def _scores(self, X: Any) -> dict[str, float]:
        annotated = [record.r_peaks * 1000.0 for record in rhythms(X)]
        detected = [self._detect(X, i) for i in range(len(X))]
        if not sum(map(len, annotated)):
            raise ValueError("no record has an R peak; give records with `r_peaks`.")
        figures = {}
        for tolerance in TOLERANCES:
            pairs = zip(annotated, detected, strict=True)
            counts = np.sum([detection_scores(a, b, tolerance) for a, b in pairs], axis=0)
            scores = DetectionScores(*counts.tolist())
            for name in ("sensitivity", "precision", "f1"):
                figures[f"{name}_{tolerance}ms"] = float(getattr(scores, name))
        return figures

    def _detect(self, X: Any, i: int) -> np.ndarray:
        """Return the detected R peaks of record i, in ms."""
        record = stitch_record(X, i) if isinstance(X, BeatSet) else X[i]
        lead = used_leads(record, None, None)[1]
        detected = find_beats(
            record, [lead], detector=self.detector, refine=self.refine, n_times=1
        )
        return detected.r_peaks * (1000.0 / record.sampling_rate)
