"""Limits on the sizes that a file may declare."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sklearn_ecganon.io._errors import ECGReadError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Limits on the sizes that one file may declare; larger files are refused.

    The sizes in a header are compared with these limits and with the real size of the file
    before memory is allocated.

    Parameters
    ----------
    max_leads : int, default=256
        Leads of one record.
    max_rate : float, default=100_000
        Sampling rate in Hz.
    max_duration : float, default=2_678_400
        Length of one record in seconds; 31 days by default.
    max_values : int, default=2**28
        Samples times leads held in memory at once: those of a whole record in `read_record`,
        of one segment in `open_record`. The default allows 2 GiB.
    max_header_bytes : int, default=2**20
        Size of a header.
    max_annotation_bytes : int, default=2**24
        Size of an annotation file.
    checksum : {"refuse", "warn"}, default="refuse"
        What to do if samples disagree with the checksum in a WFDB header: refuse the record
        (reason ``bad_checksum``), or read it and add ``bad_checksum`` to the `warnings` of
        the reader. Eleven published recordings of the ECG-ID Database disagree.

    Examples
    --------
    >>> from sklearn_ecganon.io import Limits
    >>> Limits(max_duration=3600, checksum="warn").max_leads
    256
    """

    max_leads: int = 256
    max_rate: float = 100_000.0
    max_duration: float = 31 * 86_400.0
    max_values: int = 2**28
    max_header_bytes: int = 2**20
    max_annotation_bytes: int = 2**24
    checksum: str = "refuse"

    def __post_init__(self) -> None:
        if self.checksum not in ("refuse", "warn"):
            raise ValueError(f"checksum is {self.checksum!r}; give 'refuse' or 'warn'.")

    def check_shape(self, n_times: int, n_leads: int, sampling_rate: float) -> None:
        """Raise an error if a record declares too much, or nothing.

        Parameters
        ----------
        n_times : int
            Samples of each lead.
        n_leads : int
            Number of leads.
        sampling_rate : float
            In Hz.

        Raises
        ------
        ECGReadError
            With the reason.
        """
        if not (math.isfinite(sampling_rate) and sampling_rate > 0):
            raise ECGReadError("bad_rate")
        if n_times < 1 or n_leads < 1:
            raise ECGReadError("bad_length")
        if n_leads > self.max_leads:
            raise ECGReadError("too_large", f"more than {self.max_leads} leads")
        if sampling_rate > self.max_rate:
            raise ECGReadError("too_large", f"more than {self.max_rate:g} Hz")
        if n_times / sampling_rate > self.max_duration:
            raise ECGReadError("too_large", f"longer than {self.max_duration:g} s")

    def check_memory(self, n_values: int) -> None:
        """Raise an error if too many values would be in memory at once.

        Parameters
        ----------
        n_values : int
            Number of samples of all leads together.

        Raises
        ------
        ECGReadError
            If there are more than `max_values`.
        """
        if n_values > self.max_values:
            raise ECGReadError(
                "too_large",
                f"more than {self.max_values} values at once; raise Limits(max_values=...), "
                "or read it in segments with open_record",
            )
