"""The segmenter, which cuts records into beats and stitches beats into records."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._validation import (
    BeatFeatureNamesMixin,
    check_layout,
    check_records,
    forget_columns,
    is_flat,
    is_records,
    layout_of,
    validate_beats,
)
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import _checks as checks
from sklearn_ecganon.segmentation._detectors import DETECTORS, find_beats, recenter
from sklearn_ecganon.segmentation._leads import kept_leads, used_leads
from sklearn_ecganon.segmentation._screening import Screened, screen
from sklearn_ecganon.segmentation._signals import bandpass, resample, select_leads
from sklearn_ecganon.segmentation._stitching import stitch_record, under_opaque_names
from sklearn_ecganon.segmentation._windows import FoundBeats, cut_windows


class QRSSegmenter(BeatFeatureNamesMixin, TransformerMixin, BaseEstimator):
    """Cut records into beats aligned at their R peaks, and stitch beats into records.

    First, :func:`signal_quality` checks every lead in windows of 10 s. Stretches in which a
    lead is missing, or flat for more than 2 s, become gaps of that lead. Stretches in which
    no lead shows beats that resemble each other (noise, ventricular fibrillation) become
    gaps of all leads, with a `SignalQualityWarning`. A record without an ECG is refused.
    Beats are searched in up to five leads that show an ECG and are kept if most of these
    leads agree. Gaps of up to 0.2 s are bridged for the search. Every detected peak is then
    moved to the extremum of its QRS, whatever its polarity: the sample within `refine` ms
    that is farthest from the median of the 400 ms around it.

    Longer gaps of all leads split the record. No window extends across such a gap or beyond
    the record: its missing samples repeat the last recorded sample. Beats whose R peak is
    closer than 60 ms to such an edge are dropped, because their QRS is incomplete.
    :meth:`describe` counts these beats, and the windows that were padded or that overlap.

    :meth:`inverse_transform` places beats at their R peaks. Between two R peaks it uses
    only the windows of these two beats. It cross-fades them with a raised cosine where they
    overlap, and bridges the interval where neither window extends. The original signal
    between windows is never stored or returned. Gaps become NaN.

    Parameters
    ----------
    detector : {"sleepecg", "neurokit", "xqrs", "gqrs", "annotated"}, default="sleepecg"
        Beat detector. `"annotated"` uses the `r_peaks` of the record, which are also
        refined unless `refine=0`, and keeps their labels.
    window : float, default=800.0
        Length of a beat in ms. Half of it lies before the R peak.
    leads : sequence of str or int, default=None
        Names (upper or lower case) or positions of the leads to keep, in this order. `None`
        keeps all; all records must then have the same number of leads.
    detection_lead : str or int, default=None
        The only lead in which beats are searched; it need not be kept. `None` searches all
        kept leads that show an ECG. R peaks are then those of MLII or II if it is among
        them, else those of the lead whose beats resemble each other most.
    sampling_rate : float, default=None
        Rate of the beats in Hz. Records at another rate are resampled; with `None` all
        records must have the same rate, which is kept. Arrays are never resampled: this is
        the rate of their columns, and with `None` a row lasts `window` ms.
    band : (float, float), default=None
        Pass band in Hz of a zero-phase Butterworth filter (order 2, run both ways) for the
        records. `inverse_transform` returns filtered records.
    refine : float, default=40.0
        Largest distance in ms by which a peak is moved to the extremum of its QRS.
    check_quality : bool, default=True
        Whether to check that a record is an ECG. Attackers use `False` for releases that no
        longer look like an ECG.
    on_error : {"raise", "skip", "mask"}, default="raise"
        Handling of a record without an ECG. `"raise"` raises an error with the reason.
        `"skip"` leaves the record out; the result's `names` list the remaining records.
        `"mask"` returns a record without beats, which :meth:`inverse_transform` turns into
        a record of NaN.
    n_jobs : int, default=None
        Number of joblib workers for the records. It does not change the result.

    Attributes
    ----------
    sampling_rate_ : float
        Rate of the beats in Hz.
    n_times_ : int
        Number of samples of a beat; the R peak is at column ``n_times_ // 2``.
    n_leads_ : int
        Number of leads of a beat.
    n_features_in_ : int
        Second dimension of the array that `fit` received; not set for records.
    feature_names_in_ : ndarray of str
        Column names, when `fit` saw a data frame.

    See Also
    --------
    ECGRecord : One recording.
    BeatSet : The beats of many recordings.

    Notes
    -----
    Detectors: a modified Pan-Tompkins of sleepecg [1]_ [2]_; NeuroKit's [3]_; XQRS and GQRS
    of WFDB [4]_. They are called with their defaults; this package adds the vote and the
    refinement. A whole lead is masked if it is all NaN, flat, or saturated: at its extreme
    value (other than 0 mV, the isoelectric line) for more than a tenth of the time.

    Arrays of beats, (n_beats, n_times) or (n_beats, n_leads, n_times), keep their shape and
    dtype. Each row is shifted so that the sample farthest from the row's median, searched
    within `refine` ms of the center of the first lead, moves to column ``n_times // 2``.
    New columns repeat the edge. `detector`, `leads`, `detection_lead` and `band` have no
    effect on arrays, and `inverse_transform` returns them unchanged.

    A stretch between gaps is not searched if it is shorter than a window or, except with
    `"annotated"`, shorter than a second. Stretches without beats are returned as NaN.

    References
    ----------
    .. [1] J. Pan and W. J. Tompkins, "A real-time QRS detection algorithm", IEEE Trans.
       Biomed. Eng. 32(3), 1985.
    .. [2] F. Brunner and C. Hofer, "SleepECG: a Python package for sleep staging based on
       heart rate", J. Open Source Softw. 8(86), 2023.
    .. [3] D. Makowski et al., "NeuroKit2: a Python toolbox for neurophysiological signal
       processing", Behav. Res. Methods 53, 2021.
    .. [4] C. Xie et al., "Waveform Database Software Package (WFDB) for Python",
       PhysioNet, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import ECGRecord, QRSSegmenter
    >>> time = np.arange(2500) / 250
    >>> signal = -np.exp(-(((time % 0.8 - 0.4) / 0.02) ** 2)) + 0.05 * np.sin(time)
    >>> segmenter = QRSSegmenter(window=600)
    >>> beats = segmenter.fit_transform([ECGRecord(signal, 250, ["II"], name="A12")])
    >>> beats
    BeatSet(1 records, 12 beats, 1 leads, 150 samples at 250 Hz)
    >>> float(beats.rr[1:].mean())
    800.0
    >>> segmenter.inverse_transform(beats)
    [ECGRecord('...': 10.0 s, 250 Hz, II)]
    """

    _parameter_constraints: dict = {
        "detector": [StrOptions({*DETECTORS, "annotated"})],
        "window": [Interval(Real, 0, None, closed="neither")],
        "leads": ["array-like", None],
        "detection_lead": [str, Interval(Integral, 0, None, closed="left"), None],
        "sampling_rate": [Interval(Real, 0, None, closed="neither"), None],
        "band": ["array-like", None],
        "refine": [Interval(Real, 0, None, closed="left")],
        "check_quality": ["boolean"],
        "on_error": [StrOptions({"raise", "skip", "mask"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        detector: str = "sleepecg",
        *,
        window: float = 800.0,
        leads: Sequence[str | int] | None = None,
        detection_lead: str | int | None = None,
        sampling_rate: float | None = None,
        band: tuple[float, float] | None = None,
        refine: float = 40.0,
        check_quality: bool = True,
        on_error: str = "raise",
        n_jobs: int | None = None,
    ) -> None:
        self.detector = detector
        self.window = window
        self.leads = leads
        self.detection_lead = detection_lead
        self.sampling_rate = sampling_rate
        self.band = band
        self.refine = refine
        self.check_quality = check_quality
        self.on_error = on_error
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: list[ECGRecord] | ArrayLike, y: Any = None) -> Self:
        """Check the records and fix the rate, the window and the number of leads.

        Parameters
        ----------
        X : list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            Records, or beats that are already cut, in mV.
        y : ignored
            Present by scikit-learn's convention.

        Returns
        -------
        self : QRSSegmenter
            The fitted segmenter.

        Raises
        ------
        ValueError
            If a record cannot be segmented (a lead is missing, all leads are NaN, flat or
            saturated, it is shorter than one window, it has no `r_peaks` for
            `"annotated"`), if the records differ in rate or number of leads, if a list
            holds other objects than records, or if an array does not hold beats.
        """
        if is_records(X):
            records = check_records(X)
            forget_columns(self)
            self.sampling_rate_ = float(self.sampling_rate or records[0].sampling_rate)
            self.n_times_ = max(1, round(self.window * self.sampling_rate_ / 1000))
            self.n_leads_ = len(kept_leads(records[0], self.leads))
            self._check(records)
        else:
            self.n_leads_, self.n_times_, _ = layout_of(self._check_rows(X, reset=True))
            rate = self.sampling_rate or 1000 * self.n_times_ / self.window
            self.sampling_rate_ = float(rate)
        return self

    def transform(self, X: list[ECGRecord] | ArrayLike) -> BeatSet | NDArray[np.floating]:
        """Cut records into beats, or recenter beats on their R peak.

        Parameters
        ----------
        X : list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            Records, or beats that are already cut, in mV.

        Returns
        -------
        beats : BeatSet, or ndarray of the shape of X
            One entry for each record with windows of ``n_times_`` samples; for arrays the
            shifted rows. A detected beat gets the label of the nearest annotated beat
            within 150 ms, or `"Q"`. There are no labels unless all records have labels.

        Raises
        ------
        ValueError
            As in :meth:`fit`; also if X has another layout, or if a record has no beats.

        Warns
        -----
        BeatCountWarning
            If a record has fewer than 20 or more than 250 beats per minute.
        SignalQualityWarning
            If stretches were masked, or the leads disagree about more than half of the beats.
        """
        check_is_fitted(self)
        if is_records(X):
            records = check_records(X)
            self._check(records)
            return cut_windows(self._find_all(records), self.n_leads_)
        rows = self._check_rows(X, reset=False)
        check_layout(self, layout_of(rows), (self.n_leads_, self.n_times_, None))
        moved = recenter(rows.beats, round(self.refine * self.sampling_rate_ / 1000))
        return moved[:, 0] if is_flat(X) else moved

    def fit_transform(
        self, X: list[ECGRecord] | ArrayLike, y: Any = None
    ) -> BeatSet | NDArray[np.floating]:
        """Call :meth:`fit` and :meth:`transform`, but check the records only once.

        Parameters
        ----------
        X, y : as in `fit`
            Records, or beats that are already cut, in mV; `y` is ignored.

        Returns
        -------
        beats : BeatSet, or ndarray of the shape of X
            The result of `transform`.
        """
        self.fit(X)
        if not is_records(X):
            return self.transform(X)
        return cut_windows(self._find_all(check_records(X)), self.n_leads_)

    def inverse_transform(self, X: BeatSet | ArrayLike) -> list[ECGRecord] | ArrayLike:
        """Stitch the beats of each record into a continuous record.

        Parameters
        ----------
        X : BeatSet, or array-like
            Original or anonymized beats.

        Returns
        -------
        records : list of ECGRecord
            One record of the original length for each entry of X, in mV at the rate of the
            beats, NaN in its gaps, with R peaks, labels and lead names, but without subject
            and session. Its name is opaque: 16 hexadecimal digits that follow from what the
            record holds, and not from the name of the original, which is ``X.names[i]`` for
            record ``i``. A record without beats is all NaN. An array is returned unchanged.

        See Also
        --------
        stitch_record : Stitches one record under the name of its original.
        """
        check_is_fitted(self)
        if not isinstance(X, BeatSet):
            return X
        return under_opaque_names(stitch_record(X, i) for i in range(len(X)))

    def describe(self, X: list[ECGRecord]) -> dict[str, NDArray]:
        """Count what :meth:`transform` does with each record.

        Parameters
        ----------
        X : list of ECGRecord
            Records in mV.

        Returns
        -------
        counts : dict of ndarray of shape (n_records,)
            `name`; number of `beats`; number `dropped`, because an edge cuts the QRS or, if
            annotated, it is in a gap; number with `padded` windows; number with windows
            `overlapping` a neighbor's; `heart_rate` in beats per minute of recorded signal.

        Examples
        --------
        >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
        >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
        >>> counts = QRSSegmenter().fit(bunch.data).describe(bunch.data)
        >>> bool((counts["beats"] > 0).all())
        True
        """
        check_is_fitted(self)
        records = check_records(X)
        self._check(records)
        rows = [beats.counts() for beats in self._find_all(records)]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}

    def _check(self, records: list[ECGRecord]) -> None:
        """Refuse records that cannot be segmented before anything is computed."""
        for record in records:
            used, _ = used_leads(record, self.leads, self.detection_lead)
            checks.check_rate(
                record,
                self.sampling_rate_,
                resample=self.sampling_rate is not None,
                detector=self.detector,
            )
            checks.check_n_leads(record, len(kept_leads(record, self.leads)), self.n_leads_)
            checks.check_length(record, self.n_times_, self.sampling_rate_)
            checks.check_band(record, self.band)
            checks.check_annotation(record, self.detector)
            if self.on_error == "raise":
                checks.check_leads(record, used)

    def _check_rows(self, X: Any, *, reset: bool) -> BeatSet:
        if isinstance(X, BeatSet):
            raise ValueError(f"{X!r} is already segmented; give the original records.")
        return validate_beats(self, X, reset=reset)

    def _find_all(self, records: list[ECGRecord]) -> list[FoundBeats]:
        """Find the beats of all records that are not skipped."""
        results = Parallel(n_jobs=self.n_jobs)(delayed(self._find)(one) for one in records)
        return checks.accepted_beats(records, results, self.detector, self.on_error)

    def _find(self, record: ECGRecord) -> tuple[FoundBeats, Screened]:
        """Screen one record and find its beats."""
        used, detection_lead = used_leads(record, self.leads, self.detection_lead)
        screened = screen(
            select_leads(record, used),
            None if self.detection_lead is None else detection_lead,
            check_quality=self.check_quality and self.detector != "annotated",
        )
        searched = screened.searchable()
        if self.band is not None:
            searched = bandpass(searched, self.band)
        searched = resample(searched, self.sampling_rate_)
        beats = find_beats(
            searched,
            screened.voters,
            detector=self.detector,
            refine=self.refine,
            n_times=self.n_times_,
        )
        return beats, screened

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
