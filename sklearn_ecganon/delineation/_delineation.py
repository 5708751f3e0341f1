"""What a delineator answers: where each wave of each beat starts, peaks and ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

WAVES = ("P", "QRS", "T")
POINTS = ("onset", "peak", "offset")

# Martínez et al.: a mark stands when this many other leads have theirs close by.
_N_NEIGHBOURS = 3
_NEAR_MS = {"P": 12.0, "QRS": 10.0, "T": 12.0}


@dataclass(frozen=True, eq=False)
class Delineation:
    """The waves of one record, beat by beat and lead by lead.

    Parameters
    ----------
    positions : ndarray of shape (n_beats, n_leads, 3, 3)
        P, QRS and T by onset, peak and offset, in samples from the start of the record,
        between samples too. NaN where there is no such wave, or where the record starts,
        ends or has a gap before its edge is seen.
    confidence : ndarray of shape (n_beats, n_leads, 3)
        For each wave from 0 to 1: the mean probability inside of it; of an absent wave the
        largest probability there was. NaN throughout for methods that give none.
    r_peaks : ndarray of int of shape (n_beats,)
        The R peak of each beat, in samples.
    sampling_rate : float
        In Hz.
    lead_names : tuple of str
        One name a lead.
    name : str
        The record's name.

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
            In ms: `PR` from P onset to QRS onset, `QRS` its duration, `QT` from QRS onset
            to T offset; NaN where a wave is absent.
        """
        ms = 1000 / self.sampling_rate
        start = self["QRS", "onset"]
        return {
            "PR": ms * (start - self["P", "onset"]),
            "QRS": ms * (self["QRS", "offset"] - start),
            "QT": ms * (self["T", "offset"] - start),
        }

    def combined(self) -> Delineation:
        """Join the leads into one answer for the heart.

        A wave exists if at least half of the leads that show the beat's QRS show it. It
        starts at the earliest onset and ends at the latest offset that three other leads
        confirm within 12 ms (QRS: 10 ms) [1]_; all the others, if there are fewer. Where
        none is confirmed, and for the peak, the median of the leads stands. The confidence
        is the mean over leads.

        Returns
        -------
        delineation : Delineation
            With a single lead, ``"combined"``.

        References
        ----------
        .. [1] Martínez JP et al. A wavelet-based ECG delineator: evaluation on standard
           databases. IEEE Trans Biomed Eng 51(4):570-581 (2004).
        """
        joined = np.full((len(self), 1, len(WAVES), len(POINTS)), np.nan)
        peaks = self.positions[:, :, :, POINTS.index("peak")]
        n_showing = np.isfinite(peaks).sum(axis=1)
        exists = (n_showing > 0) & (2 * n_showing >= n_showing[:, [WAVES.index("QRS")]])
        for w, wave in enumerate(WAVES):
            near = _NEAR_MS[wave] * self.sampling_rate / 1000
            for beat in np.flatnonzero(exists[:, w]):
                onsets, peaks_here, offsets = self.positions[beat, :, w].T
                joined[beat, 0, w] = (
                    _earliest_confirmed(onsets, near),
                    np.nanmedian(peaks_here),
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


def _earliest_confirmed(marks: NDArray[np.float64], near: float) -> float:
    """Return the first mark with enough others within `near` samples after it."""
    marks = np.sort(marks[np.isfinite(marks)])
    if not len(marks):
        return np.nan
    others = min(_N_NEIGHBOURS, len(marks) - 1)
    confirmed = np.flatnonzero(marks[others:] - marks[: len(marks) - others] <= near)
    return float(marks[confirmed[0]] if len(confirmed) else np.median(marks))
