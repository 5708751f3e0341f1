"""The result of a delineation: onset, peak and offset of each wave of each beat."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

WAVES = ("P", "QRS", "T")
POINTS = ("onset", "peak", "offset")

# Martínez et al.: this many other leads must confirm an onset or offset.
_N_NEIGHBORS = 3
_NEAR_MS = {"P": 12.0, "QRS": 10.0, "T": 12.0}


@dataclass(frozen=True, eq=False)
class Delineation:
    """The waves of one record, beat by beat and lead by lead.

    Parameters
    ----------
    positions : ndarray of shape (n_beats, n_leads, 3, 3)
        Onset, peak and offset of P, QRS and T, in samples from the start of the record.
        Positions may lie between samples. They are NaN where a wave is absent, and where
        the start, the end or a gap of the record cuts its edge off.
    confidence : ndarray of shape (n_beats, n_leads, 3)
        Confidence of each wave from 0 to 1: the mean probability inside the wave, or the
        largest probability if the wave is absent. It is NaN for methods without confidence.
    r_peaks : ndarray of int of shape (n_beats,)
        R peak of each beat, in samples.
    sampling_rate : float
        Sampling rate in Hz.
    lead_names : tuple of str
        One name for each lead.
    name : str
        Name of the record.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.delineation import Delineator
    >>> record = make_ecg_records(1, duration=10.0, n_leads=2, random_state=0).data[0]
    >>> waves = Delineator().delineate(record)
    >>> waves["QRS", "onset"].shape == (len(waves), 2)
    True
    >>> sorted(waves.combined().intervals())
    ['PR', 'QRS', 'QT']
    """

    positions: NDArray[np.float64]
    confidence: NDArray[np.float64]
    r_peaks: NDArray[np.intp]
    sampling_rate: float
    lead_names: tuple[str, ...]
    name: str = "unnamed"

    def __len__(self) -> int:
        return len(self.r_peaks)

    def __getitem__(self, key: tuple[str, str]) -> NDArray[np.float64]:
        """Return one point of one wave, as in ``waves["QRS", "onset"]``: (n_beats, n_leads)."""
        wave, point = key
        if wave not in WAVES or point not in POINTS:
            raise KeyError(f"{key!r}; give one of {WAVES} and one of {POINTS}.")
        return self.positions[:, :, WAVES.index(wave), POINTS.index(point)]

    def intervals(self) -> dict[str, NDArray[np.float64]]:
        """Return PR, QRS and QT of each beat in each lead.

        Returns
        -------
        intervals : dict of ndarray of shape (n_beats, n_leads)
            Intervals in ms. `PR` lasts from P onset to QRS onset, `QRS` from QRS onset to
            QRS offset, and `QT` from QRS onset to T offset. They are NaN where a wave is
            absent.
        """
        ms = 1000 / self.sampling_rate
        start = self["QRS", "onset"]
        return {
            "PR": ms * (start - self["P", "onset"]),
            "QRS": ms * (self["QRS", "offset"] - start),
            "QT": ms * (self["T", "offset"] - start),
        }

    def combined(self) -> Delineation:
        """Combine the leads into one delineation.

        A wave exists if at least half of the leads that contain the QRS of the beat contain
        the wave. It starts at the earliest onset and ends at the latest offset that three
        other leads confirm within 12 ms (QRS: 10 ms) [1]_. With fewer than four leads, all
        other leads must confirm it. If no onset or offset is confirmed, the median of the
        leads is used, as it is for the peak. The confidence is the mean over leads.

        Returns
        -------
        delineation : Delineation
            Delineation with a single lead, ``"combined"``.

        References
        ----------
        .. [1] Martínez JP et al. A wavelet-based ECG delineator: evaluation on standard
           databases. IEEE Trans Biomed Eng 51(4):570-581 (2004).
        """
        joined = np.full((len(self), 1, len(WAVES), len(POINTS)), np.nan)
        peaks = self.positions[:, :, :, POINTS.index("peak")]
        n_leads_with = np.isfinite(peaks).sum(axis=1)
        n_leads_with_qrs = n_leads_with[:, [WAVES.index("QRS")]]
        exists = (n_leads_with > 0) & (2 * n_leads_with >= n_leads_with_qrs)
        for w, wave in enumerate(WAVES):
            near = _NEAR_MS[wave] * self.sampling_rate / 1000
            for beat in np.flatnonzero(exists[:, w]):
                onsets, peaks_of_wave, offsets = self.positions[beat, :, w].T
                joined[beat, 0, w] = (
                    _earliest_confirmed(onsets, near),
                    np.nanmedian(peaks_of_wave),
                    -_earliest_confirmed(-offsets, near),
                )
        return replace(
            self,
            positions=joined,
            confidence=self.confidence.mean(axis=1, keepdims=True),
            lead_names=("combined",),
        )

    def __repr__(self) -> str:
        return (
            f"Delineation({self.name!r}: {len(self)} beats, {' '.join(self.lead_names)}, "
            f"{self.sampling_rate:g} Hz)"
        )


def _earliest_confirmed(positions: NDArray[np.float64], near: float) -> float:
    """Return the first position that enough others follow within `near` samples."""
    positions = np.sort(positions[np.isfinite(positions)])
    if not len(positions):
        return np.nan
    others = min(_N_NEIGHBORS, len(positions) - 1)
    spread = positions[others:] - positions[: len(positions) - others]
    confirmed = np.flatnonzero(spread <= near)
    return float(positions[confirmed[0]] if len(confirmed) else np.median(positions))
