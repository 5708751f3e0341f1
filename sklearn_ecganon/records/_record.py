"""One recording."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ECGRecord:
    """One continuous acquisition of one subject.

    Parameters
    ----------
    signal : array-like of shape (n_times, n_leads) or (n_times,)
        The recording in mV. NaN marks samples that were not recorded. A one-dimensional
        signal becomes a single lead. The record keeps a read-only float64 array.
    sampling_rate : float
        Samples per second in each lead, in Hz.
    lead_names : sequence of str, optional
        One name for each lead, for example ``("I", "II")``; by default ``lead 1``, ``lead
        2`` and so on.
    r_peaks : array-like of int, optional
        Increasing positions of the R peaks, in samples from the start of the record.
    beat_labels : array-like of str, optional
        One clinical class for each beat (``N S V F Q``), in the order of `r_peaks`.
    subject : str, optional
        The person. In this package the subject is the target `y`.
    session : str, optional
        The acquisition date, or another text that distinguishes visits. Sessions are sorted
        as text: `"2004-12-07"` comes before `"2005-01-11"`.
    name : str, optional
        Name of this record in errors and outputs.

    Raises
    ------
    ValueError
        If the signal is not a real, non-empty array of one or two dimensions, if the rate
        is not a positive finite number, or if names, R peaks or labels do not match it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import ECGRecord
    >>> record = ECGRecord(np.zeros((500, 2)), 250.0, ("I", "II"), name="A12")
    >>> record
    ECGRecord('A12': 2.0 s, 250 Hz, I II)
    >>> record.crop(0, 250).duration
    1.0
    """

    signal: NDArray[np.float64]
    sampling_rate: float
    lead_names: tuple[str, ...] = ()
    r_peaks: NDArray[np.intp] | None = None
    beat_labels: NDArray[np.str_] | None = None
    subject: str | None = None
    session: str | None = None
    name: str = "unnamed"

    def __post_init__(self) -> None:
        where = f"record {self.name!r}"
        signal = np.asarray(self.signal)
        if signal.ndim == 1:
            signal = signal[:, np.newaxis]
        if signal.ndim != 2 or signal.size == 0:
            raise ValueError(
                f"{where}: signal has shape {np.shape(self.signal)}; "
                "give a non-empty array of shape (n_times, n_leads)."
            )
        if signal.dtype.kind not in "fiub":
            raise ValueError(
                f"{where}: signal has dtype {signal.dtype}; give real numbers in mV."
            )
        if np.isinf(signal).any():
            raise ValueError(f"{where}: signal holds infinite values; use NaN for gaps.")
        try:
            rate = float(self.sampling_rate)
        except (TypeError, ValueError):
            rate = np.nan
        if not (np.isfinite(rate) and rate > 0):
            raise ValueError(
                f"{where}: sampling_rate is {self.sampling_rate!r} Hz; "
                "give a positive number, for example ECGRecord(..., sampling_rate=360)."
            )
        if isinstance(self.lead_names, str):
            raise ValueError(f"{where}: lead_names is a string; give one name for each lead.")
        n_times, n_leads = signal.shape
        leads = tuple(str(lead) for lead in self.lead_names) or tuple(
            f"lead {i + 1}" for i in range(n_leads)
        )
        if len(leads) != n_leads:
            raise ValueError(
                f"{where}: there are {len(leads)} lead names for {n_leads} leads; "
                "give one name for each lead."
            )
        if len(set(leads)) != n_leads:
            raise ValueError(f"{where}: lead names {leads} are not all different.")
        peaks, labels = self.r_peaks, self.beat_labels
        if peaks is not None:
            peaks = np.asarray(peaks)
            if peaks.ndim != 1 or (peaks.size and peaks.dtype.kind not in "iu"):
                raise ValueError(f"{where}: r_peaks must be a list of sample numbers.")
            peaks = peaks.astype(np.intp)
            outside = peaks.size and (peaks[0] < 0 or peaks[-1] >= n_times)
            if outside or (np.diff(peaks) <= 0).any():
                raise ValueError(f"{where}: r_peaks must increase and lie in 0..{n_times - 1}.")
        if labels is not None:
            labels = np.asarray(labels).astype(np.str_)
            if peaks is None or labels.shape != peaks.shape:
                raise ValueError(f"{where}: beat_labels needs one label for each R peak.")
        # Most code reads whole leads, so each lead is contiguous in memory.
        frozen = signal.astype(np.float64, order="F")
        for array in (frozen, peaks, labels):
            if array is not None:
                array.setflags(write=False)
        for field, value in {
            "signal": frozen,
            "sampling_rate": rate,
            "lead_names": leads,
            "r_peaks": peaks,
            "beat_labels": labels,
        }.items():
            object.__setattr__(self, field, value)

    @property
    def n_times(self) -> int:
        """Number of samples in each lead."""
        return self.signal.shape[0]

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return self.signal.shape[1]

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self.n_times / self.sampling_rate

    def crop(self, start: int, stop: int) -> ECGRecord:
        """Return the stretch from sample `start` up to, not including, `stop`.

        Parameters
        ----------
        start, stop : int
            Sample numbers from the start of this record, ``0 <= start < stop <= n_times``.

        Returns
        -------
        record : ECGRecord
            The stretch. Its R peaks count from its start.
        """
        if not 0 <= start < stop <= self.n_times:
            raise ValueError(
                f"record {self.name!r}: cannot crop {start}..{stop} "
                f"out of 0..{self.n_times} samples."
            )
        peaks, labels = self.r_peaks, self.beat_labels
        if peaks is not None:
            first, last = np.searchsorted(peaks, [start, stop])
            peaks = peaks[first:last] - start
            labels = None if labels is None else labels[first:last]
        return replace(self, signal=self.signal[start:stop], r_peaks=peaks, beat_labels=labels)

    def __repr__(self) -> str:
        return (
            f"ECGRecord({self.name!r}: {self.duration:.1f} s, "
            f"{self.sampling_rate:g} Hz, {' '.join(self.lead_names)})"
        )
