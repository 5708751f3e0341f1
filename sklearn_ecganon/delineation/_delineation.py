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
        onsets, peaks, offsets = np.moveaxis(self.positions, 3, 0)
        n_leads_with = np.isfinite(peaks).sum(axis=1)
        n_leads_with_qrs = n_leads_with[:, [WAVES.index("QRS")]]
        exists = (n_leads_with > 0) & (2 * n_leads_with >= n_leads_with_qrs)
        near = np.array([_NEAR_MS[wave] for wave in WAVES]) * self.sampling_rate / 1000
        points = [
            _earliest_confirmed(onsets, near),
            _medians(np.sort(peaks, axis=1)),
            -_earliest_confirmed(-offsets, near),
        ]
        joined = np.where(exists[..., np.newaxis], np.stack(points, axis=-1), np.nan)
        return replace(
            self,
            positions=joined[:, np.newaxis],
            confidence=self.confidence.mean(axis=1, keepdims=True),
            lead_names=("combined",),
        )

    def __repr__(self) -> str:
        return (
            f"Delineation({self.name!r}: {len(self)} beats, {' '.join(self.lead_names)}, "
            f"{self.sampling_rate:g} Hz)"
        )


def _earliest_confirmed(
    positions: NDArray[np.float64], near: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the first position of each wave that enough others follow closely.

    Parameters
    ----------
    positions : ndarray of shape (n_beats, n_leads, n_waves)
        NaN in leads without the wave.
    near : ndarray of shape (n_waves,)
        Largest distance of the others.

    Returns
    -------
    first : ndarray of shape (n_beats, n_waves)
        The median where no position is confirmed.
    """
    positions = np.sort(positions, axis=1)  # NaN last
    n_others = np.minimum(_N_NEIGHBORS, np.isfinite(positions).sum(axis=1) - 1).clip(0)
    lead = np.arange(positions.shape[1])[:, np.newaxis] + n_others[:, np.newaxis]
    others = np.take_along_axis(positions, np.minimum(lead, positions.shape[1] - 1), axis=1)
    confirmed = (lead < positions.shape[1]) & (others - positions <= near)  # False for NaN
    first = confirmed.argmax(axis=1)[:, np.newaxis]
    earliest = np.take_along_axis(positions, first, axis=1)[:, 0]
    return np.where(confirmed.any(axis=1), earliest, _medians(positions))


def _medians(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the medians over leads of sorted positions (n_beats, n_leads, n_waves)."""
    n_known = np.isfinite(positions).sum(axis=1, keepdims=True)
    middle = [np.maximum(n_known - 1, 0) // 2, np.minimum(n_known // 2, positions.shape[1] - 1)]
    low, high = (np.take_along_axis(positions, index, axis=1)[:, 0] for index in middle)
    return np.asarray((low + high) / 2)
