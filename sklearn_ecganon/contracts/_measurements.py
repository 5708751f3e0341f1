"""The measurements of records, their medians and their categories."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.contracts._categories import (
    NO_P_WAVE,
    TOLERANCES,
    TWELVE_LEAD_CATEGORIES,
    UNMEASURED,
    category,
)

PACED = TWELVE_LEAD_CATEGORIES["arrhythmia"].index("paced")
_PAUSE_MS = 3000.0


@dataclass(frozen=True, eq=False)
class Measurements:
    """The intervals of each beat, and the medians and categories of each record.

    Parameters
    ----------
    record : ndarray of int of shape (n_beats,)
        For each beat the index of its record.
    n_records : int
        Number of records.
    RR, PR, QRS, QT : ndarray of shape (n_beats,)
        Time since the previous beat, and intervals, in ms; NaN where there is none.
    ST : ndarray of shape (n_beats,)
        Voltage 60 ms after the end of the QRS relative to the baseline before it, in mV.
    labels : ndarray of str of shape (n_beats,) or None
        Clinical class of each beat.
    twelve_leads : dict of ndarray of int of shape (n_records,), optional
        Categories of the median beat of each record by `twelve_lead_categories`, and
        ``paced``; -2 for records without 12 leads. None if no record has them.
    longest_rr : ndarray of shape (n_records,), optional
        Longest RR without a gap inside, in ms.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.contracts import measure
    >>> bunch = make_ecg_records(n_subjects=2, duration=20.0, random_state=0)
    >>> measured = measure(QRSSegmenter().fit_transform(bunch.data))
    >>> sorted(measured.categories())
    ['irregularity', 'pr', 'qtc', 'rate_zone', 'st', 'wide_qrs']
    """

    record: NDArray[np.intp]
    n_records: int
    RR: NDArray[np.float64]
    PR: NDArray[np.float64]
    QRS: NDArray[np.float64]
    QT: NDArray[np.float64]
    ST: NDArray[np.float64]
    labels: NDArray[np.str_] | None = None
    twelve_leads: dict[str, NDArray[np.intp]] | None = None
    longest_rr: NDArray[np.float64] | None = None

    def bounds(self) -> NDArray[np.intp]:
        """Return where the beats of each record start and end.

        Returns
        -------
        bounds : ndarray of int of shape (n_records + 1,)
            Index of the first beat of each record, and the number of beats at the end.
        """
        return np.searchsorted(self.record, np.arange(self.n_records + 1))

    def medians(self) -> dict[str, NDArray[np.float64]]:
        """Return the median PR, QRS, QT and ST of each record.

        Returns
        -------
        medians : dict of ndarray of shape (n_records,)
            Medians in ms, and in mV for ST. They are taken over beats of class N if the
            record has such labels, else over all beats. PR is NaN if more than half of
            these beats have no P wave. The others are NaN if no beat has a value.
        """
        medians = {name: np.full(self.n_records, np.nan) for name in TOLERANCES}
        for i, (start, stop) in enumerate(pairwise(self.bounds())):
            labels = None if self.labels is None else self.labels[start:stop]
            for name, by_record in medians.items():
                values = getattr(self, name)[start:stop]
                by_record[i] = median_of_record(values, labels, mostly=name == "PR")
        return medians

    def categories(self) -> dict[str, NDArray[np.intp]]:
        """Return the diagnostic categories of each record.

        Returns
        -------
        categories : dict of ndarray of int of shape (n_records,)
            Number of limits in `CATEGORIES` that the record reaches: ``rate_zone`` (below
            60, 60 to 100, or above 100 beats per minute), ``irregularity`` (RMSSD above a
            tenth of the mean RR), ``wide_qrs`` (120 ms or more), ``pr`` (below 120, up to
            200, or above 200 ms; -1 without P waves), ``qtc`` (Bazett, 450 ms or more),
            ``st`` (depressed by 0.1 mV or more, isoelectric, or elevated by 0.1 mV or
            more). The category is -2 where nothing can be measured: without a QRS complex,
            without a T wave, or with too few beats for a rhythm. With 12 leads also those of
            `TWELVE_LEAD_CATEGORIES`.
        """
        medians = self.medians()
        mean_rr, irregularity = np.full((2, self.n_records), np.nan)
        for i, (start, stop) in enumerate(pairwise(self.bounds())):
            rr = self.RR[start:stop]
            rr = rr[np.isfinite(rr)]
            if len(rr):
                mean_rr[i] = rr.mean()
            if len(rr) > 1:
                irregularity[i] = np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()
        values = {
            "rate_zone": 60_000 / mean_rr,
            "irregularity": irregularity,
            "wide_qrs": medians["QRS"],
            "pr": medians["PR"],
            "qtc": medians["QT"] / np.sqrt(mean_rr / 1000),
            "st": medians["ST"],
        }
        categories = {name: category(name, value) for name, value in values.items()}
        no_p_wave = np.isnan(medians["PR"]) & np.isfinite(medians["QRS"])
        categories["pr"][no_p_wave] = NO_P_WAVE
        if self.twelve_leads is not None:
            categories |= self._of_twelve_leads(categories)
        return categories

    def _of_twelve_leads(
        self, categories: dict[str, NDArray[np.intp]]
    ) -> dict[str, NDArray[np.intp]]:
        """Return the categories of `TWELVE_LEAD_CATEGORIES`."""
        assert self.twelve_leads is not None
        assert self.longest_rr is not None
        result = {
            name: self.twelve_leads[name]
            for name in TWELVE_LEAD_CATEGORIES
            if name in self.twelve_leads
        }
        irregular, pr = categories["irregularity"], categories["pr"]
        lost = result["axis"] == UNMEASURED
        arrhythmia = irregular + 2 * (pr == NO_P_WAVE)
        arrhythmia[lost | (irregular == UNMEASURED) | (pr == UNMEASURED)] = UNMEASURED
        arrhythmia[self.twelve_leads["paced"] == 1] = PACED
        pauses = (self.longest_rr >= _PAUSE_MS).astype(np.intp)
        pauses[lost | np.isnan(self.longest_rr)] = UNMEASURED
        return result | {"arrhythmia": arrhythmia, "pauses": pauses}


def median_of_record(
    values: NDArray[np.float64], labels: NDArray[np.str_] | None, *, mostly: bool = False
) -> float:
    """Return the median over the beats of class N, or over all beats if there are none.

    Parameters
    ----------
    values : ndarray of shape (n_beats,)
        NaN where a beat has no value.
    labels : ndarray of str of shape (n_beats,) or None
        Class of each beat.
    mostly : bool, default=False
        Return NaN if more than half of the beats have no value.
    """
    if labels is not None and (labels == "N").any():
        values = values[labels == "N"]
    known = values[np.isfinite(values)]
    if not len(known) or (mostly and 2 * len(known) < len(values)):
        return np.nan
    return float(np.median(known))
