"""Records to beats and back: find the R peaks, cut windows around them, stitch them again."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import sleepecg
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt
from sklearn import config_context
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_ecganon.records import BeatSet, ECGRecord

__all__ = ["BeatCountWarning", "QRSSegmenter"]

logger = logging.getLogger(__name__)

_EDGE_MS = 60.0  # a QRS lasts about 120 ms: an R peak closer to an edge has lost part of it
_BASELINE_MS = 200.0  # half width of the median that stands for the isoelectric line
_LABEL_MS = 150.0  # the match window of ANSI/AAMI EC57
_TAIL_MS = 20.0  # what a window's end says about the level beyond it
_RAIL_SHARE = 0.1  # LUDB holds the most of the databases we know: 2.8 % (record 115, II)
_SHORTEST_MS = 1000.0  # the detectors learn their thresholds on a first second or two
_BLOCK = 128  # beats stitched at once: few enough to stay in the cache
_MIN_RATE = 100.0  # the detectors filter up to 30 Hz and more
_HEART_RATES = (20.0, 250.0)  # beats a minute


class BeatCountWarning(UserWarning):
    """The number of beats found in a record is not what a heart does."""


class _Found(NamedTuple):
    """Where the beats of one record are, and what was counted on the way."""

    record: ECGRecord | None  # at the rate of the beats; None if the given one is
    stretches: NDArray[np.intp]
    peaks: list[NDArray[np.intp]]  # of each stretch, from its start
    counts: dict[str, Any]


class QRSSegmenter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Cut records into beats aligned at their R peaks, and stitch beats into records.

    Every detected peak is moved to the extremum of its QRS, whatever its polarity: the
    sample within `refine` ms that lies farthest from the median of the 400 ms around it.
    A stretch of NaN in any kept lead splits the record: each finite stretch is searched on
    its own and no window reaches across the gap or over the end of the record; what is
    missing of a window repeats the last sample there is. Beats whose R peak is closer than
    60 ms to such an edge are dropped, as part of the QRS is lost; :meth:`describe` counts
    them, and the windows that were filled up or that overlap.

    :meth:`inverse_transform` puts beats back at their R peaks. Between two R peaks it uses
    the windows of these two beats alone: cross-faded with a raised cosine where both reach,
    bridged from end to end where none does. The signal between the windows is never stored
    and never comes back.

    Parameters
    ----------
    detector : {"sleepecg", "neurokit", "xqrs", "gqrs", "annotated"}, default="sleepecg"
        Who finds the beats. `"annotated"` takes the record's own `r_peaks`, which are
        refined too (`refine=0` leaves them where they are), and keeps their labels.
    window : float, default=800.0
        Length of a beat in ms, half of it before the R peak.
    leads : sequence of str or int, default=None
        Names (upper or lower case) or positions of the leads to keep, in this order.
        `None` keeps all; the records must then agree in their number.
    detection_lead : str or int, default=None
        Lead in which beats are found, kept or not. `None` takes MLII or II if it is among
        the kept ones, else the first of them.
    sampling_rate : float, default=None
        Rate of the beats in Hz. Records at another rate are resampled to it; `None` keeps
        their own, which must then be the same for all. Arrays are never resampled: for them
        it is the rate of their columns, and `None` says that a row lasts `window` ms.
    band : (float, float), default=None
        Pass band in Hz of a zero-phase Butterworth filter (order 2, run both ways) that the
        records go through first. What comes back by `inverse_transform` is filtered too.
    refine : float, default=40.0
        How far in ms a peak may be moved to the extremum of its QRS.
    n_jobs : int, default=None
        Number of joblib workers, each on records of its own. The result is the same.

    Attributes
    ----------
    sampling_rate_ : float
        Rate of the beats in Hz.
    n_times_ : int
        Samples of a beat; the R peak is at column ``n_times_ // 2``.
    n_leads_ : int
        Leads of a beat.
    n_features_in_ : int
        Second dimension of the array seen by `fit`; not set by records.
    feature_names_in_ : ndarray of str
        Column names, when `fit` saw a data frame.

    See Also
    --------
    ECGRecord : One recording.
    BeatSet : The beats of many recordings.

    Notes
    -----
    Detectors: sleepecg's, a modified Pan-Tompkins [1]_ [2]_; NeuroKit's [3]_; XQRS and GQRS
    of WFDB [4]_. They are called with their defaults; only the refinement is ours. Records
    are refused when a lead used is all NaN, flat, or saturated: at its own largest or
    smallest value (other than 0 mV, the isoelectric line) for more than a tenth of the time.

    Arrays of beats, (n_beats, n_times) or (n_beats, n_leads, n_times), keep their shape and
    dtype. Each row is moved so that the sample farthest from the row's median, searched
    within `refine` ms of the centre in the first lead, comes to column ``n_times // 2``;
    the columns that come in repeat the edge. `detector`, `leads`, `detection_lead` and
    `band` do not touch arrays, and `inverse_transform` leaves them as they are.

    A finite stretch between gaps is not searched when it is flat, shorter than a window, or,
    except with `"annotated"`, shorter than a second. A stretch without beats comes back as
    NaN, since there is nothing to make it from.

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
    [ECGRecord('A12': 10.0 s, 250 Hz, II)]
    """

    _parameter_constraints: dict = {
        "detector": [StrOptions({"sleepecg", "neurokit", "xqrs", "gqrs", "annotated"})],
        "window": [Interval(Real, 0, None, closed="neither")],
        "leads": ["array-like", None],
        "detection_lead": [str, Interval(Integral, 0, None, closed="left"), None],
        "sampling_rate": [Interval(Real, 0, None, closed="neither"), None],
        "band": ["array-like", None],
        "refine": [Interval(Real, 0, None, closed="left")],
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
        n_jobs: int | None = None,
    ) -> None:
        self.detector = detector
        self.window = window
        self.leads = leads
        self.detection_lead = detection_lead
        self.sampling_rate = sampling_rate
        self.band = band
        self.refine = refine
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: list[ECGRecord] | ArrayLike, y: Any = None) -> QRSSegmenter:
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
            If a record cannot be segmented (a lead is missing, all NaN, flat or saturated,
            it is shorter than one window, `"annotated"` finds no `r_peaks`), if the records
            differ in rate or number of leads, or if the array is not one of beats.
        TypeError
            If some entries of a list are records and others are not.
        """
        records = _as_records(X)
        if records is None:
            beats = _validate_beats(self, X, reset=True)
            self.n_times_ = beats.shape[-1]
            self.n_leads_ = beats.shape[1] if beats.ndim == 3 else 1
            self.sampling_rate_ = float(
                self.sampling_rate or 1000.0 * self.n_times_ / self.window
            )
            return self
        for stale in ("n_features_in_", "feature_names_in_"):  # of an earlier fit on arrays
            if hasattr(self, stale):
                delattr(self, stale)
        self.sampling_rate_ = float(self.sampling_rate or records[0].sampling_rate)
        self.n_times_ = max(1, round(self.window * self.sampling_rate_ / 1000))
        self.n_leads_ = len(_kept_leads(records[0], self.leads))
        if self.detector != "annotated" and self.sampling_rate_ < _MIN_RATE:
            raise ValueError(
                f"{_where(records[0])}: {self.sampling_rate_:g} Hz is too slow to find beats; "
                f"give sampling_rate={_MIN_RATE:g} or more, or detector='annotated'."
            )
        self._check_records(records)
        return self

    def transform(self, X: list[ECGRecord] | ArrayLike) -> BeatSet | NDArray[np.floating]:
        """Cut records into beats, or re-centre beats on their R peak.

        Parameters
        ----------
        X : list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            Records, or beats that are already cut, in mV.

        Returns
        -------
        beats : BeatSet, or ndarray of the shape of X
            One entry a record with windows of ``n_times_`` samples; for arrays the moved
            rows. A detected beat bears the label of the annotated one nearest to it within
            150 ms, or `"Q"`; there are no labels unless all records have some.

        Raises
        ------
        ValueError
            As :meth:`fit`, or if the records or the array do not agree with what `fit` saw,
            or if no beat is found in a record.

        Warns
        -----
        BeatCountWarning
            If a record has fewer than 20 or more than 250 beats a minute.
        """
        check_is_fitted(self)
        records = _as_records(X)
        if records is None:
            return self._recentre(_validate_beats(self, X, reset=False))
        self._check_records(records)
        return self._to_beats(records)

    def fit_transform(
        self, X: list[ECGRecord] | ArrayLike, y: Any = None
    ) -> BeatSet | NDArray[np.floating]:
        """Do what :meth:`fit` and :meth:`transform` do, checking the records only once.

        Parameters
        ----------
        X : list of ECGRecord, or array-like of shape (n_beats, [n_leads,] n_times)
            Records, or beats that are already cut, in mV.
        y : ignored
            Present by scikit-learn's convention.

        Returns
        -------
        beats : BeatSet, or ndarray of the shape of X
            As from `transform`.
        """
        records = _as_records(X)
        self.fit(X)
        return self.transform(X) if records is None else self._to_beats(records)

    def inverse_transform(self, X: BeatSet | ArrayLike) -> list[ECGRecord] | ArrayLike:
        """Stitch the beats of each record into a continuous record.

        Parameters
        ----------
        X : BeatSet, or array-like
            The beats, changed or not.

        Returns
        -------
        records : list of ECGRecord
            One record of the old length for each entry of X, in mV at the rate of the
            beats, NaN in its gaps, with R peaks, labels, lead names and name; no subject
            and no session. An array is returned as it is.

        Raises
        ------
        ValueError
            If a record has no beats to be made from.
        """
        check_is_fitted(self)
        if not isinstance(X, BeatSet):
            return X
        gaps = np.empty((0, 3), dtype=np.intp) if X.gaps is None else X.gaps
        tail = min(X.n_times, max(1, round(_TAIL_MS * X.sampling_rate / 1000)))
        records = []
        bounds = X.bounds()
        for i, (first, last) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            if first == last:
                raise ValueError(
                    f"record {X.names[i]!r}: has no beats to be stitched from; leave it out."
                )
            signal = np.full((X.lengths[i], X.n_leads), np.nan)
            peaks = X.r_peaks[first:last]
            edges = np.r_[0, gaps[gaps[:, 0] == i, 1:].ravel(), X.lengths[i]]
            for start, stop in edges.reshape(-1, 2):  # the stretches between the gaps
                a, b = first + np.searchsorted(peaks, [start, stop])
                if a < b:
                    _stitch(X.beats[a:b], X.r_peaks[a:b] - start, signal[start:stop], tail)
            records.append(
                ECGRecord(
                    signal,
                    X.sampling_rate,
                    X.lead_names[i],
                    r_peaks=peaks,
                    beat_labels=None if X.labels is None else X.labels[first:last],
                    name=X.names[i],
                )
            )
        return records

    def describe(self, X: list[ECGRecord]) -> dict[str, NDArray]:
        """Count what :meth:`transform` does with each record.

        Parameters
        ----------
        X : list of ECGRecord
            The records; beats are looked for as in `transform`.

        Returns
        -------
        counts : dict of ndarray of shape (n_records,)
            `name`; `beats`, those kept; `dropped`, those with a QRS cut by an edge or, if
            annotated, in a gap; `padded`, with a window that reaches over an edge;
            `overlapping`, with samples in a neighbour's window too; `crowded`, with the R
            peak of another beat in the window; `heart_rate` in beats a minute of
            recorded signal; `missing`, the length of the gaps in s.

        Examples
        --------
        >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
        >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
        >>> counts = QRSSegmenter().fit(bunch.data).describe(bunch.data)
        >>> bool((counts["beats"] > 0).all())
        True
        """
        check_is_fitted(self)
        records = _as_records(X)
        if records is None:
            raise TypeError("describe counts the beats of a list of ECGRecord, not an array.")
        self._check_records(records)
        counts = [found.counts for found in self._find_all(records)]
        return {key: np.array([count[key] for count in counts]) for key in counts[0]}

    def _check_records(self, records: list[ECGRecord]) -> None:
        """Refuse what cannot be segmented before anything is computed."""
        for record in records:
            where = _where(record)
            if self.sampling_rate is None and record.sampling_rate != self.sampling_rate_:
                raise ValueError(
                    f"{where}: has {record.sampling_rate:g} Hz, but the segmenter works at "
                    f"{self.sampling_rate_:g} Hz; set "
                    f"QRSSegmenter(sampling_rate={self.sampling_rate_:g}) to resample."
                )
            kept = _kept_leads(record, self.leads)
            if len(kept) != self.n_leads_:
                raise ValueError(
                    f"{where}: has {len(kept)} lead(s) {record.lead_names}, but the segmenter "
                    f"wants {self.n_leads_}; choose them by QRSSegmenter(leads=...)."
                )
            if self.band is not None:
                band = np.asarray(self.band, dtype=float)
                if band.shape != (2,) or not 0 < band[0] < band[1] < record.sampling_rate / 2:
                    raise ValueError(
                        f"{where}: cannot be filtered with band={self.band!r}; give (low, "
                        f"high) in Hz, 0 < low < high < {record.sampling_rate / 2:g}."
                    )
            ratio = self.sampling_rate_ / record.sampling_rate
            if record.n_times * ratio < self.n_times_:
                raise ValueError(
                    f"{where}: lasts {1000 * record.duration:.0f} ms, less than one beat "
                    f"window of {self.window:g} ms; leave it out or set a shorter window."
                )
            if self.detector == "annotated" and record.r_peaks is None:
                raise ValueError(
                    f"{where}: has no r_peaks for detector='annotated'; "
                    "give ECGRecord(..., r_peaks=...) or choose a detector."
                )
            for lead in self._used_leads(record)[1]:
                _check_lead(record, lead)

    def _to_beats(self, records: list[ECGRecord]) -> BeatSet:
        """Cut the windows of all records into one array."""
        everything = self._find_all(records)
        for count in ("dropped", "padded", "overlapping"):
            total = sum(found.counts[count] for found in everything)
            logger.info("%d beats %s in %d records", total, count, len(records))
        n_beats = [found.counts["beats"] for found in everything]
        n_times = self.n_times_
        beats = np.empty((sum(n_beats), self.n_leads_, n_times))
        r_peaks, labels, gaps, prepared = [], [], [], []
        row = 0
        for i, (given, found) in enumerate(zip(records, everything, strict=True)):
            record = found.record or given
            prepared.append(record)
            for (start, stop), peaks in zip(found.stretches, found.peaks, strict=True):
                if not len(peaks):
                    continue
                piece = record.signal[start:stop, : self.n_leads_]
                first = peaks - n_times // 2
                inside = first.clip(0, len(piece) - n_times)
                windows = np.lib.stride_tricks.sliding_window_view(piece, n_times, axis=0)
                rows = beats[row : row + len(peaks)]
                rows[:] = windows[inside]
                over = np.flatnonzero(first != inside)
                columns = first[over, None] + np.arange(n_times)
                rows[over] = piece[columns.clip(0, len(piece) - 1)].transpose(0, 2, 1)
                r_peaks.append(start + peaks)
                row += len(peaks)
            edges = np.r_[0, found.stretches.ravel(), record.n_times].reshape(-1, 2)
            edges = edges[edges[:, 0] < edges[:, 1]]
            gaps.append(np.c_[np.full(len(edges), i), edges])
            if record.beat_labels is not None:
                labels.append(self._label(record, found))
        return BeatSet(
            beats=beats,
            record=np.repeat(np.arange(len(records)), n_beats),
            r_peaks=np.concatenate(r_peaks),
            lengths=np.array([record.n_times for record in prepared]),
            sampling_rate=self.sampling_rate_,
            lead_names=tuple(record.lead_names[: self.n_leads_] for record in prepared),
            names=tuple(record.name for record in prepared),
            labels=np.concatenate(labels) if len(labels) == len(records) else None,
            gaps=np.concatenate(gaps),
        )

    def _find_all(self, records: list[ECGRecord]) -> list[_Found]:
        everything = Parallel(n_jobs=self.n_jobs)(
            delayed(self._find)(record) for record in records
        )
        for record, found in zip(records, everything, strict=True):
            if not found.counts["beats"]:
                raise ValueError(
                    f"{_where(record)}: no beat found by detector={self.detector!r}; leave "
                    "it out, or try another detector or detection_lead."
                )
            _check_beat_count(record, found.counts)
        return everything

    def _find(self, given: ECGRecord) -> _Found:
        """Find the beats of one record, one finite stretch at a time."""
        lead, used = self._used_leads(given)
        record = self._prepare(given, used)
        rate, width, half = self.sampling_rate_, self.n_times_, self.n_times_ // 2
        stretches = _stretches(record.signal)
        annotated = np.empty(0, np.intp) if record.r_peaks is None else record.r_peaks
        edge = round(_EDGE_MS * rate / 1000)
        all_peaks = []
        counts: Counter[str] = Counter()
        for start, stop in stretches:
            trace = record.signal[start:stop, used.index(lead)]
            peaks = self._search(trace, annotated - start)
            counts["found"] += len(peaks)
            peaks = peaks[(peaks >= edge) & (peaks < len(trace) - edge)]
            all_peaks.append(peaks)
            rr = np.diff(peaks)
            over = (peaks < half) | (peaks - half + width > len(trace))
            counts["beats"] += len(peaks)
            counts["padded"] += int(over.sum())
            counts["overlapping"] += _count_close(rr < width, rr < width)
            counts["crowded"] += _count_close(rr <= half, rr < width - half)
        n_recorded = np.diff(stretches).sum()
        n_known = len(annotated) if self.detector == "annotated" else counts["found"]
        described = {
            "name": record.name,
            "beats": counts["beats"],
            "dropped": n_known - counts["beats"],
            "padded": counts["padded"],
            "overlapping": counts["overlapping"],
            "crowded": counts["crowded"],
            "heart_rate": 60 * counts["found"] * rate / max(1, n_recorded),
            "missing": (record.n_times - n_recorded) / rate,
        }
        return _Found(None if record is given else record, stretches, all_peaks, described)

    def _used_leads(self, record: ECGRecord) -> tuple[int, list[int]]:
        """Return the lead to find beats in, and all that must not be missing."""
        kept = _kept_leads(record, self.leads)
        lead = _detection_lead(record, self.detection_lead, kept)
        return lead, kept if lead in kept else [*kept, lead]

    def _prepare(self, record: ECGRecord, used: list[int]) -> ECGRecord:
        """Keep the used leads; filter and resample each finite stretch by itself."""
        names = tuple(record.lead_names[i] for i in used)
        ratio = Fraction(self.sampling_rate_ / record.sampling_rate).limit_denominator(1000)
        if self.band is None and ratio == 1:
            if names == record.lead_names:
                return record
            return replace(record, signal=record.signal[:, used], lead_names=names)
        up, down = ratio.numerator, ratio.denominator
        # New sample j stands at the time of old sample j / ratio; rounding up at both ends
        # keeps the stretches apart and inside the record.
        old = _stretches(record.signal[:, used])
        signal = np.full((-(-record.n_times * up // down), len(used)), np.nan)
        for (start, stop), (begin, end) in zip(old, -(-old * up // down), strict=True):
            piece = record.signal[start:stop, used]
            if self.band is not None:
                rate = record.sampling_rate
                sos = butter(2, self.band, btype="bandpass", fs=rate, output="sos")
                # SciPy's own padding, or what a short stretch allows of it
                padlen = min(3 * (2 * len(sos) + 1), len(piece) - 1)
                piece = sosfiltfilt(sos, piece, axis=0, padlen=padlen)
            if ratio != 1:
                piece = resample_poly(piece, up, down, axis=0, padtype="line")
            signal[begin:end] = piece[: end - begin]
        peaks, labels = record.r_peaks, record.beat_labels
        if peaks is not None:
            peaks = np.rint(peaks * float(ratio)).astype(np.intp).clip(0, len(signal) - 1)
            peaks, first = np.unique(peaks, return_index=True)
            labels = None if labels is None else labels[first]
        return replace(
            record,
            signal=signal,
            sampling_rate=self.sampling_rate_,
            lead_names=names,
            r_peaks=peaks,
            beat_labels=labels,
        )

    def _label(self, record: ECGRecord, found: _Found) -> NDArray[np.str_]:
        """Return for each beat the label of the nearest annotated one, or Q beyond reach."""
        known, labels = np.asarray(record.r_peaks), np.asarray(record.beat_labels)
        if not len(known):
            return np.full(found.counts["beats"], "Q")
        starts = found.stretches[:, 0]
        peaks = np.concatenate([s + p for s, p in zip(starts, found.peaks, strict=True)])
        nearest = np.searchsorted((known[1:] + known[:-1]) / 2, peaks)
        reach = _LABEL_MS * self.sampling_rate_ / 1000
        return np.where(np.abs(known[nearest] - peaks) <= reach, labels[nearest], "Q")

    def _search(self, trace: NDArray, annotated: NDArray) -> NDArray[np.intp]:
        """Return the R peaks of a finite stretch of one lead, increasing."""
        shortest = self.n_times_
        if self.detector != "annotated":
            shortest = max(shortest, _SHORTEST_MS * self.sampling_rate_ / 1000)
        if len(trace) < shortest or np.ptp(trace) == 0:
            return np.empty(0, dtype=np.intp)
        if self.detector == "annotated":
            peaks = annotated[(annotated >= 0) & (annotated < len(trace))]
        else:
            peaks = np.asarray(_DETECTORS[self.detector](trace, self.sampling_rate_))
            peaks = np.unique(peaks.astype(np.intp))
        reach = round(self.refine * self.sampling_rate_ / 1000)
        baseline = round(_BASELINE_MS * self.sampling_rate_ / 1000)
        # A sample each 20 ms is enough for the median, which takes most of the time here.
        around = np.arange(-baseline, baseline + 1, max(1, baseline // 10))
        level = np.median(trace.take(peaks[:, None] + around, mode="clip"), axis=1)
        near = np.clip(peaks[:, None] + np.arange(-reach, reach + 1), 0, len(trace) - 1)
        farthest = np.abs(trace[near] - level[:, None]).argmax(axis=1)
        return np.unique(near[np.arange(len(peaks)), farthest])

    def _recentre(self, beats: NDArray[np.floating]) -> NDArray[np.floating]:
        """Move each row so that its extremum near the centre comes to the centre."""
        n_times, half = self.n_times_, self.n_times_ // 2
        reach = min(round(self.refine * self.sampling_rate_ / 1000), n_times - 1 - half)
        trace = beats if beats.ndim == 2 else beats[:, 0]
        near = trace[:, half - reach : half + reach + 1]
        level = np.median(trace, axis=1, keepdims=True)
        shift = np.abs(near - level).argmax(axis=1) - reach
        columns = np.clip(np.arange(n_times) + shift[:, None], 0, n_times - 1)
        if beats.ndim == 3:
            columns = columns[:, None]
        return np.take_along_axis(beats, columns, axis=-1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _sleepecg(trace: NDArray, rate: float) -> ArrayLike:
    return sleepecg.detect_heartbeats(trace, rate)


# The other detectors are imported when they are asked for: it takes seconds.
def _neurokit(trace: NDArray, rate: float) -> ArrayLike:
    import neurokit2

    clean = neurokit2.ecg_clean(trace, sampling_rate=rate)
    return neurokit2.ecg_findpeaks(clean, sampling_rate=rate)["ECG_R_Peaks"]


def _xqrs(trace: NDArray, rate: float) -> ArrayLike:
    from wfdb.processing import xqrs_detect

    return xqrs_detect(trace, rate, verbose=False)


def _gqrs(trace: NDArray, rate: float) -> ArrayLike:
    from wfdb.processing import gqrs_detect

    return gqrs_detect(trace, rate)


_DETECTORS: dict[str, Callable[[NDArray, float], ArrayLike]] = {
    "sleepecg": _sleepecg,
    "neurokit": _neurokit,
    "xqrs": _xqrs,
    "gqrs": _gqrs,
}


def _where(record: ECGRecord) -> str:
    return f"record {record.name!r}"


def _as_records(X: Any) -> list[ECGRecord] | None:
    """Return X as a list if it is one of records, None if it should be an array."""
    if isinstance(X, ECGRecord):
        raise TypeError(f"{_where(X)}: give a list of records, [record] for one.")
    if isinstance(X, BeatSet):
        raise TypeError(f"{X!r} is segmented already; give the records it came from.")
    is_objects = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if not (isinstance(X, list | tuple) or is_objects):
        return None
    if len(X) == 0:
        raise ValueError("X is an empty list; give at least one ECGRecord.")
    strangers = [i for i, item in enumerate(X) if not isinstance(item, ECGRecord)]
    if not strangers:
        return list(X)
    stranger = X[strangers[0]]
    if (
        len(strangers) < len(X)
        or stranger is None
        or isinstance(stranger, str | dict | BeatSet)
    ):
        raise TypeError(
            f"X[{strangers[0]}] is of type {type(stranger).__name__}; "
            "give a list of nothing but ECGRecord, or an array of beats."
        )
    return None


def _validate_beats(segmenter: QRSSegmenter, X: Any, reset: bool) -> NDArray:
    if hasattr(X, "detach"):
        X = X.detach().cpu().numpy()
    with config_context(array_api_dispatch=False):  # what comes out is NumPy's anyway
        beats = validate_data(
            segmenter, X, dtype=[np.float64, np.float32], allow_nd=True, reset=reset
        )
    if beats.ndim > 3 or 0 in beats.shape:
        raise ValueError(
            f"X has shape {beats.shape}; "
            "give (n_beats, n_times) or (n_beats, n_leads, n_times)."
        )
    if not reset:
        # scikit-learn compares the second dimension alone, and nothing after records.
        wanted = (segmenter.n_leads_, segmenter.n_times_)
        found = (beats.shape[1] if beats.ndim == 3 else 1, beats.shape[-1])
        if found != wanted:
            raise ValueError(
                f"X has shape {beats.shape}, (n_leads, n_times) = {found}, "
                f"but QRSSegmenter was fitted with {wanted}."
            )
    return beats


def _lead(record: ECGRecord, lead: str | int) -> int:
    """Return the position of a lead given by name or position."""
    if isinstance(lead, Integral):
        if 0 <= lead < record.n_leads:
            return int(lead)
    else:
        names = [name.upper() for name in record.lead_names]
        if lead in record.lead_names:
            return record.lead_names.index(lead)
        if str(lead).upper() in names:
            return names.index(str(lead).upper())
    raise ValueError(
        f"{_where(record)}: has no lead {lead!r}; its leads are "
        f"{', '.join(map(repr, record.lead_names))}."
    )


def _kept_leads(record: ECGRecord, leads: Sequence[str | int] | None) -> list[int]:
    if leads is None:
        return list(range(record.n_leads))
    kept = [_lead(record, lead) for lead in leads]
    if not kept or len(set(kept)) < len(kept):
        raise ValueError(
            f"{_where(record)}: leads={leads!r} names no lead, or one lead twice; "
            "give each lead to keep once."
        )
    return kept


def _detection_lead(record: ECGRecord, lead: str | int | None, kept: list[int]) -> int:
    if lead is not None:
        return _lead(record, lead)
    by_name = {record.lead_names[i].upper(): i for i in reversed(kept)}
    return by_name.get("MLII", by_name.get("II", kept[0]))


def _check_lead(record: ECGRecord, lead: int) -> None:
    trace = np.ascontiguousarray(record.signal[:, lead])
    where = f"{_where(record)}: lead {record.lead_names[lead]!r}"
    remedy = "leave the record out or choose other leads by QRSSegmenter(leads=...)"
    low, high = trace.min(), trace.max()
    if np.isnan(low):
        trace = trace[~np.isnan(trace)]
        if not len(trace):
            raise ValueError(f"{where} is all NaN; {remedy}.")
        low, high = trace.min(), trace.max()
    if low == high:
        raise ValueError(f"{where} is flat at {low:g} mV; {remedy}.")
    for rail in (low, high):
        share = np.count_nonzero(trace == rail) / len(trace)
        if rail != 0 and share > _RAIL_SHARE:
            raise ValueError(
                f"{where} is saturated: {100 * share:.0f} % of it is at {rail:g} mV, its "
                f"extreme; set such stretches to NaN, {remedy}."
            )


def _check_beat_count(record: ECGRecord, counts: dict[str, Any]) -> None:
    slowest, fastest = _HEART_RATES
    if not slowest <= counts["heart_rate"] <= fastest:
        warnings.warn(
            f"{_where(record)}: {counts['beats'] + counts['dropped']} beats make "
            f"{counts['heart_rate']:.0f} a minute, a heart does {slowest:g} to {fastest:g}; "
            "check the sampling rate, or try another detector or detection_lead.",
            BeatCountWarning,
            stacklevel=2,
        )


def _stretches(signal: NDArray) -> NDArray[np.intp]:
    """Return first and one past the last sample of each run in which no lead is NaN."""
    missing = np.zeros(len(signal) + 2, dtype=bool)
    missing[0] = missing[-1] = True
    for trace in signal.T:
        missing[1:-1] |= np.isnan(trace)
    return np.flatnonzero(missing[1:] != missing[:-1]).reshape(-1, 2)


def _count_close(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> int:
    """Count the beats that are close to the one before or to the one after."""
    return int(np.sum(np.r_[False, before] | np.r_[after, False]))


def _stitch(beats: NDArray, r_peaks: NDArray, out: NDArray, tail: int) -> None:
    """Fill a stretch (n_samples, n_leads) with the beats (n_beats, n_leads, n_times) in it.

    Each window is continued at both sides by a tail that leaves from its last value and
    settles at the mean of its last `tail` samples. Then any two neighbours meet in one way:
    a cross-fade from the earlier to the later one, over the samples that both windows
    reach, or else over those that none does.
    """
    n_beats, _, n_times = beats.shape
    width = n_times + 2 * tail
    # Interval i lies between the R peaks of the beats left[i] and right[i]; the first and
    # the last have the same beat at both sides.
    edges = np.r_[0, r_peaks, len(out)]
    left = np.r_[0, np.arange(n_beats)]
    right = np.r_[np.arange(n_beats), n_beats - 1]
    start = r_peaks - n_times // 2  # of each window
    ends = np.sort(np.c_[start[left] + n_times, start[right]], axis=1)
    fade_from, fade_to = np.clip(ends, edges[:-1, None], edges[1:, None]).T

    for block in range(0, n_beats + 1, _BLOCK):  # few enough to stay in the cache
        here = slice(block, block + _BLOCK)
        first = left[block]
        samples = _with_tails(beats[first : right[here][-1] + 1], tail)
        lengths = np.diff(edges)[here]
        time = edges[block] + np.arange(lengths.sum())
        earlier, later = (
            (time - np.repeat(start[beat] - tail, lengths)).clip(0, width - 1)
            + np.repeat((beat - first) * width, lengths)
            for beat in (left[here], right[here])
        )
        begin, end = np.repeat(fade_from[here], lengths), np.repeat(fade_to[here], lengths)
        filled = out[edges[block] : edges[block] + len(time)]
        samples.take(np.where(time < end, earlier, later), axis=0, out=filled, mode="clip")
        both = np.flatnonzero((time > begin) & (time < end))
        progress = (time - begin)[both] / (end - begin)[both]
        weight = (1 + np.cos(np.pi * progress[:, None])) / 2
        a, b = samples.take(earlier[both], axis=0), samples.take(later[both], axis=0)
        filled[both] = b + weight * (a - b)  # exactly a where both agree


def _with_tails(beats: NDArray, tail: int) -> NDArray:
    """Continue windows (n_beats, n_leads, n_times); return (n_beats * n_samples, n_leads)."""
    windows = beats.transpose(0, 2, 1)
    settle = (1 - np.cos(np.pi * np.arange(1, tail + 1)[:, None] / tail)) / 2
    first, last = windows[:, :1], windows[:, -1:]
    before = first + (windows[:, :tail].mean(axis=1, keepdims=True) - first) * settle[::-1]
    after = last + (windows[:, -tail:].mean(axis=1, keepdims=True) - last) * settle
    return np.concatenate([before, windows, after], axis=1).reshape(-1, beats.shape[1])
