"""Whether a release is a valid ECG, with the figures of the originals beside its own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from sklearn_ecganon.contracts import measure
from sklearn_ecganon.leads import LIMB_LEADS
from sklearn_ecganon.metrics import detection_scores
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.segmentation import QRSSegmenter, stitch_record
from sklearn_ecganon.utility._pairs import alike, check_pairs

DERIVED_LEADS = {name: pair for name, pair in LIMB_LEADS.items() if name not in ("I", "II")}
QRS_MS = 80.0  # half of the window around an R peak that holds the QRS complex
JUMP = 0.1  # mV between neighboring samples
JUMP_SLOPE = 0.02  # mV/ms; P and T waves are slower
RANGE = 5.0  # mV; recorders with 12 bits clip here
WINDOW_MS = 200.0
NOISELESS = 0.1  # fraction of the noise that is typical of the original
SPIKE_MS = 15.0  # longest duration of a pacing spike
SPIKE_BEFORE_MS = (40.0, 300.0)  # where a spike lies before an R peak
SPIKE = 0.1  # mV
RATE_TOLERANCE = 0.05
DETECTION_MS = 50.0


class ValidityRow(NamedTuple):
    """One check of a release.

    Attributes
    ----------
    name : str
        What is checked.
    unit : str
        Unit of the figures.
    before, after : float
        Figure of the original and of the release; NaN if the check does not apply.
    greater_is_better : bool
        Whether a valid ECG has a high figure.
    """

    name: str
    unit: str
    before: float
    after: float
    greater_is_better: bool


class Validity(NamedTuple):
    """All checks of a release; ``print(validity)`` shows them as a table.

    Attributes
    ----------
    rows : tuple of ValidityRow
        One row for each check.
    n_records : int
        Number of records.
    """

    rows: tuple[ValidityRow, ...]
    n_records: int

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name.

        Returns
        -------
        figures : dict of str to float
            Figures of the release, and with the prefix ``before_`` those of the original.
        """
        after = {row.name: row.after for row in self.rows}
        return after | {f"before_{row.name}": row.before for row in self.rows}

    def __str__(self) -> str:
        title = f"{self.n_records} records"
        lines = [f"{title:<30}{'unit':<12}{'original':>10}{'release':>10}"]
        for name, unit, before, after, _ in self.rows:
            lines.append(f"{name:<30}{unit:<12}{before:>10.4g}{after:>10.4g}")
        return "\n".join(lines)


def validity(
    before: Sequence[ECGRecord] | BeatSet,
    after: Sequence[ECGRecord] | BeatSet,
    *,
    fibrillation: Sequence[Any] | None = None,
    paced: Sequence[bool] | None = None,
) -> Validity:
    """Check whether a release is a valid ECG, beside the same checks of the originals.

    Parameters
    ----------
    before, after : sequence of ECGRecord, or BeatSet
        The same recordings in the same order. A BeatSet is stitched first. If a release has
        another rate, length or leads, both are cut to what they have in common, at the lower
        rate.
    fibrillation : sequence, optional
        For each record the intervals of annotated atrial fibrillation, an array of shape
        (n_intervals, 2) in s from the start of the record.
    paced : sequence of bool, optional
        For each record whether a pacemaker stimulates the heart.

    Returns
    -------
    validity : Validity
        One row for each check; figures are means over the records to which a check applies.
        ``limb_lead_error``: largest deviation of III, aVR, aVL and aVF from their
        combinations of I and II (99th percentile over time, mV). ``jumps``: number per
        minute of steps between neighboring samples outside of the QRS complexes that are too
        steep for a P or T wave. ``noiseless``: fraction of windows of 200 ms outside of the QRS
        complexes whose noise is below a tenth of the median of the original lead.
        ``out_of_range``: fraction of samples beyond 5 mV. ``amplitude``: 99.5th minus 0.5th
        percentile of a lead (mV). ``p_waves_in_fibrillation``: fraction of beats in
        annotated fibrillation in front of which a P wave is delineated. ``pacing_spikes``:
        fraction of the beats of paced records with a spike in front. ``r_peaks_f1``: F1 at
        50 ms of detected against annotated R peaks. ``heart_rate_kept``: fraction of
        records whose detected heart rate is within 5 % of that of the original's
        annotations. ``gaps_kept``: overlap of the missing samples with the original's, over
        their union. ``flat_leads_kept``: the same of leads without any variation.

    Raises
    ------
    ValueError
        If before and after differ in records, or `fibrillation` or `paced` do not fit them.

    Notes
    -----
    The limits are conventions. Therefore every figure is shown beside that of the original.
    Goldberger's equations give the augmented leads.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.utility import validity
    >>> records = make_ecg_records(n_subjects=2, duration=20.0, random_state=0).data
    >>> figures = validity(records, records).to_dict()
    >>> figures["gaps_kept"], figures["r_peaks_f1"] == figures["before_r_peaks_f1"]
    (1.0, True)
    """
    old, new = _as_records(before), _as_records(after)
    check_pairs(old, new)
    for name, given in (("fibrillation", fibrillation), ("paced", paced)):
        if given is not None and len(given) != len(old):
            raise ValueError(f"{name} has {len(given)} entries for {len(old)} records.")
    values: dict[str, list[list[float]]] = {name: [] for name in CHECKS}
    for i, pair in enumerate(map(alike, old, new)):
        detected = [_detected(record) for record in pair]
        for name, (_, figure, _) in CHECKS.items():
            extras = [_extra(name, i, fibrillation, paced)] * 2
            if name in DETECTION:
                extras = [(peaks, detected[0]) for peaks in detected]
            values[name].append(
                [figure(r, pair[0], extra) for r, extra in zip(pair, extras, strict=True)]
            )
    rows = []
    for name, (unit, _, greater_is_better) in CHECKS.items():
        table = np.array(values[name], dtype=float).reshape(-1, 2)
        known = np.isfinite(table).all(axis=1)
        means = table[known].mean(axis=0) if known.any() else np.full(2, np.nan)
        row = ValidityRow(name, unit, float(means[0]), float(means[1]), greater_is_better)
        rows.append(row)
    return Validity(tuple(rows), len(old))


def _extra(name: str, i: int, fibrillation: Any, paced: Any) -> Any:
    """Return the annotations of record i that a check needs, or None."""
    given = {"p_waves_in_fibrillation": fibrillation, "pacing_spikes": paced}.get(name)
    return None if given is None else given[i]


def _as_records(X: Any) -> list[ECGRecord]:
    if isinstance(X, BeatSet):
        return [stitch_record(X, i) for i in range(len(X))]
    return list(X)


def _limb_lead_error(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    leads = {name.upper(): record.signal[:, i] for i, name in enumerate(record.lead_names)}
    if not {"I", "II"} <= leads.keys() or not DERIVED_LEADS.keys() & leads.keys():
        return np.nan
    errors = [
        np.nanpercentile(np.abs(leads[name] - a * leads["I"] - b * leads["II"]), 99)
        for name, (a, b) in DERIVED_LEADS.items()
        if name in leads
    ]
    return float(np.max(errors))


def _outside_qrs(record: ECGRecord) -> NDArray[np.bool_]:
    """Return for each sample whether it is recorded and outside of the QRS complexes.

    Beats at both ends of a recording are often not annotated. Therefore everything before the
    first R peak and after the last one is left out.
    """
    outside = ~np.isnan(record.signal.sum(axis=1))
    reach = round(QRS_MS * record.sampling_rate / 1000)
    peaks = record.r_peaks
    if peaks is not None and len(peaks):
        outside[: peaks[0]] = outside[peaks[-1] :] = False
        for peak in peaks:
            outside[max(0, peak - reach) : peak + reach + 1] = False
    return outside


def _jumps(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    outside = _outside_qrs(record)
    both = outside[1:] & outside[:-1]
    if not both.any():
        return np.nan
    limit = max(JUMP, JUMP_SLOPE * 1000 / record.sampling_rate)
    steps = np.abs(np.diff(record.signal, axis=0)[both])
    per_lead = (steps > limit).sum(axis=0).mean()
    return float(per_lead * 60 * record.sampling_rate / both.sum())


def _noise(record: ECGRecord) -> NDArray[np.float64]:
    """Return the noise of windows outside of the QRS complexes: (n_windows, n_leads)."""
    width = max(4, round(WINDOW_MS * record.sampling_rate / 1000))
    n_windows = record.n_times // width
    if not n_windows:
        return np.empty((0, record.n_leads))
    clean = _outside_qrs(record)[: n_windows * width].reshape(n_windows, width).all(axis=1)
    windows = record.signal[: n_windows * width].reshape(n_windows, width, -1)[clean]
    # The second difference removes the waves, which are smooth at this scale.
    return np.sqrt((np.diff(windows, n=2, axis=1) ** 2).mean(axis=1))


def _noiseless(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    noise, typical = _noise(record), _noise(original)
    if not len(noise) or not len(typical):
        return np.nan
    median = np.median(typical, axis=0)
    if not (median > 0).any():
        return np.nan
    return float((noise < NOISELESS * median)[:, median > 0].mean())


def _out_of_range(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    known = record.signal[np.isfinite(record.signal)]
    return float((np.abs(known) > RANGE).mean()) if known.size else np.nan


def _amplitude(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    recorded = np.isfinite(record.signal).any(axis=0)
    if not recorded.any():
        return np.nan
    low, high = np.nanpercentile(record.signal[:, recorded], [0.5, 99.5], axis=0)
    return float((high - low).mean())


def _p_waves_in_fibrillation(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    if extra is None or not len(extra) or record.r_peaks is None or not len(record.r_peaks):
        return np.nan
    beats: Any = QRSSegmenter("annotated", refine=0).fit_transform([record])
    seconds = beats.r_peaks / beats.sampling_rate
    intervals = np.asarray(extra, dtype=float).reshape(-1, 2)
    inside = np.any([(seconds >= a) & (seconds < b) for a, b in intervals], axis=0)
    if not inside.any():
        return np.nan
    return float(np.isfinite(measure(beats, average=1).PR[inside]).mean())


def _pacing_spikes(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    if not extra or record.r_peaks is None or not len(record.r_peaks):
        return np.nan
    per_ms = record.sampling_rate / 1000
    width = 2 * max(1, round(SPIKE_MS * per_ms / 2)) + 1
    signal = np.nan_to_num(record.signal)
    spikes = np.abs(signal - median_filter(signal, (width, 1))).max(axis=1)
    near, far = (round(ms * per_ms) for ms in SPIKE_BEFORE_MS)
    heights = [
        spikes[max(0, peak - far) : max(0, peak - near)].max(initial=0.0)
        for peak in record.r_peaks
    ]
    return float((np.array(heights) > SPIKE).mean())


def _detected(record: ECGRecord) -> NDArray[np.intp] | None:
    """Return the R peaks that a detector finds, or None if it refuses the signal."""
    with warnings.catch_warnings():
        # This module measures the quality of the signal; warnings about it are not needed.
        warnings.simplefilter("ignore", UserWarning)
        try:
            beats: Any = QRSSegmenter(check_quality=False).fit_transform([record])
        except ValueError:
            return None
    return beats.r_peaks


def _r_peaks_f1(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    detected, detected_in_original = extra
    peaks = record.r_peaks
    if peaks is None:
        peaks = original.r_peaks if original.r_peaks is not None else detected_in_original
    if peaks is None or not len(peaks):
        return np.nan
    if detected is None:
        return 0.0
    to_ms = 1000 / record.sampling_rate
    scores = detection_scores(peaks * to_ms, detected * to_ms, DETECTION_MS)
    return float(scores.f1)


def _heart_rate_kept(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    detected, detected_in_original = extra
    expected = original.r_peaks if original.r_peaks is not None else detected_in_original
    if expected is None or len(expected) < 2:
        return np.nan
    if detected is None or len(detected) < 2:
        return 0.0
    ratio = np.diff(detected).mean() / np.diff(expected).mean()
    return float(abs(ratio - 1) <= RATE_TOLERANCE)


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum()) if (a | b).any() else 1.0


def _gaps_kept(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    return _overlap(np.isnan(record.signal), np.isnan(original.signal))


def _flat_leads_kept(record: ECGRecord, original: ECGRecord, extra: Any) -> float:
    # A lead that was never recorded counts as flat: its extremes are both 0.
    flat = [
        np.nanmax(side.signal, axis=0, initial=-RANGE) <= np.nanmin(side.signal, axis=0)
        for side in (record, original)
    ]
    return _overlap(*flat)


#: Checks whose extra argument is the detected R peaks of the record and of the original.
DETECTION = ("r_peaks_f1", "heart_rate_kept")
#: Unit, figure of (record, original, extra), and whether a valid ECG has a high figure.
CHECKS = {
    "limb_lead_error": ("mV", _limb_lead_error, False),
    "jumps": ("1/min", _jumps, False),
    "noiseless": ("fraction", _noiseless, False),
    "out_of_range": ("fraction", _out_of_range, False),
    "amplitude": ("mV", _amplitude, True),
    "p_waves_in_fibrillation": ("fraction", _p_waves_in_fibrillation, False),
    "pacing_spikes": ("fraction", _pacing_spikes, True),
    "r_peaks_f1": ("fraction", _r_peaks_f1, True),
    "heart_rate_kept": ("fraction", _heart_rate_kept, True),
    "gaps_kept": ("fraction", _gaps_kept, True),
    "flat_leads_kept": ("fraction", _flat_leads_kept, True),
}
