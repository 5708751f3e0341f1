"""How much a file may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sklearn_ecganon.io._errors import ECGReadError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """How much one file may ask for before it is refused.

    What a header declares is compared with these and with the real size of the file before
    any memory is taken.

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
        of one stretch in `open_record`. The default allows 2 GiB.
    max_header_bytes : int, default=2**20
        Size of a header.
    max_annotation_bytes : int, default=2**24
        Size of an annotation file.
    checksum : {"refuse", "warn"}, default="refuse"
        What to do where samples disagree with the checksum in a WFDB header: refuse the
        record (reason ``bad_checksum``), or read it and note ``bad_checksum`` among the
        reader's `warnings`. Eleven published recordings of the ECG-ID Database disagree.

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
        """Refuse a record that declares more than may be, or nothing."""
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
        """Refuse to hold more values at once than may be."""
        if n_values > self.max_values:
            raise ECGReadError(
                "too_large",
                f"more than {self.max_values} values at once; raise Limits(max_values=...), "
                "or read it in stretches with open_record",
            )
