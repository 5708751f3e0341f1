"""Whether a release keeps the rhythm: heart rate, its variability and irregularity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch
from sklearn.base import BaseEstimator

from sklearn_ecganon.contracts import category
from sklearn_ecganon.utility._compare import agreement
from sklearn_ecganon.utility._pairs import Rhythm, check_pairs, rhythms

MIN_INTERVALS = 5
ERRORS = ("mean_rr", "sdnn", "rmssd", "pnn50", "log_lf_hf")
_GRID = 4.0  # Hz
_SPECTRUM_SECONDS = 120.0  # shorter records hold too few cycles of the LF band


class HRVUtility(BaseEstimator):
    """Compare heart rate variability, rate zone and irregularity, record by record.

    Parameters
    ----------
    frequency : bool, default=False
        Whether to compare LF/HF, too. Each record then needs 120 s.

    Notes
    -----
    The definitions are those of the Task Force [1]_. Where there are labels, variability and
    spectrum use intervals between two beats of class N; rate and irregularity use all. LF
    (0.04-0.15 Hz) and HF (0.15-0.4 Hz) come from Welch's spectrum, in windows of 256 s, of
    the intervals interpolated at 4 Hz. A rhythm is irregular if RMSSD exceeds a tenth of the
    mean RR. That is close to the threshold for atrial fibrillation in [2]_, which trims
    outliers and has two more criteria.

    References
    ----------
    .. [1] Task Force of the ESC and NASPE, "Heart rate variability: standards of
       measurement, physiological interpretation and clinical use", Circulation 93(5),
       1043-1065, 1996.
    .. [2] S. Dash et al., "Automatic real time detection of atrial fibrillation", Annals of
       Biomedical Engineering 37(9), 1701-1709, 2009.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.utility import HRVUtility
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter("annotated").fit_transform(bunch.data)
    >>> figures = HRVUtility().evaluate(beats, beats)
    >>> figures["error_rmssd"], figures["agreement_rate_zone"]
    (0.0, 1.0)
    """

    _parameter_constraints: dict = {"frequency": ["boolean"]}

    def __init__(self, *, frequency: bool = False) -> None:
        self.frequency = frequency

    def evaluate(self, before: Any, after: Any) -> dict[str, float]:
        """Return errors and agreement over the records.

        Parameters
        ----------
        before, after : BeatSet or list of ECGRecord
            The same records in the same order, with R peaks.

        Returns
        -------
        figures : dict of str to float
            Medians over records of absolute errors, smaller is better: ``error_mean_rr``,
            ``error_sdnn``, ``error_rmssd`` (ms), ``error_pnn50`` (percentage points),
            ``error_log_lf_hf`` (natural logarithm, if `frequency`). Records with too few
            normal beats for a figure are left out of it; ``n_records_sdnn`` counts those
            that remain. Fractions of records of the same class, and Cohen's kappa, greater
            is better: ``agreement_rate_zone`` and ``kappa_rate_zone`` (below 60, 60 to 100,
            above 100 per minute), ``agreement_irregularity`` and ``kappa_irregularity``. If
            all records are of one class before and after, kappa is 1.

        Raises
        ------
        ValueError
            If before and after are not of the same records, if a record has no `r_peaks`
            or fewer than five intervals, or if no record is left for a figure.
        """
        self._validate_params()
        before, after = check_pairs(before, after)
        old, new = ([self._measure(rhythm) for rhythm in rhythms(X)] for X in (before, after))
        figures = {}
        for name in ERRORS if self.frequency else ERRORS[:-1]:
            pairs = zip(old, new, strict=True)
            errors = np.abs([a[name] - b[name] for a, b in pairs])
            known = errors[np.isfinite(errors)]
            if not len(known):
                raise ValueError(
                    f"{name}: no record has {MIN_INTERVALS} intervals between normal beats"
                    + (f" over {_SPECTRUM_SECONDS:.0f} s" if name == ERRORS[-1] else "")
                    + ", before and after; give longer records."
                )
            figures[f"error_{name}"] = float(np.median(known))
            figures[f"n_records_{name}"] = float(len(known))
        for name in ("rate_zone", "irregularity"):
            a, b = (np.array([record[name] for record in side]) for side in (old, new))
            compared = agreement(a, b)
            figures[f"agreement_{name}"] = compared.fraction
            figures[f"kappa_{name}"] = compared.kappa
        return figures

    def _measure(self, rhythm: Rhythm) -> dict[str, float]:
        """Return the figures of one record, NaN where it has too few normal beats."""
        rr = 1000 * np.diff(rhythm.r_peaks)
        if len(rr) < MIN_INTERVALS:
            raise ValueError(
                f"record {rhythm.name!r}: has {len(rr)} RR intervals; at least "
                f"{MIN_INTERVALS} are needed. Leave the record out, before and after."
            )
        steps = np.diff(rr)
        figures = dict.fromkeys(ERRORS, np.nan)
        relative_rmssd = np.sqrt(np.mean(steps**2)) / rr.mean()
        figures["rate_zone"] = float(category("rate_zone", 60_000 / rr.mean()))
        figures["irregularity"] = float(category("irregularity", relative_rmssd))
        normal = np.ones(len(rr), dtype=bool)
        if rhythm.labels is not None:
            normal = (rhythm.labels[1:] == "N") & (rhythm.labels[:-1] == "N")
        nn, steps = rr[normal], steps[normal[1:] & normal[:-1]]
        if min(len(nn), len(steps)) >= MIN_INTERVALS:
            figures["mean_rr"] = float(nn.mean())
            figures["sdnn"] = float(nn.std(ddof=1))
            figures["rmssd"] = float(np.sqrt(np.mean(steps**2)))
            figures["pnn50"] = float(100 * np.mean(np.abs(steps) > 50))
            if self.frequency:
                figures["log_lf_hf"] = _log_lf_hf(nn, rhythm.r_peaks[1:][normal])
        return figures


def _log_lf_hf(nn: NDArray, times: NDArray) -> float:
    if times[-1] - times[0] < _SPECTRUM_SECONDS:
        return np.nan
    even = np.interp(np.arange(times[0], times[-1], 1 / _GRID), times, nn)
    frequency, power = welch(even, _GRID, nperseg=min(len(even), round(256 * _GRID)))
    low, high = (
        power[(frequency >= start) & (frequency < stop)].sum()
        for start, stop in ((0.04, 0.15), (0.15, 0.4))
    )
    # A constant rhythm has no power in either band; the ratio is then 1.
    return float(np.log((low + 1e-9) / (high + 1e-9)))
