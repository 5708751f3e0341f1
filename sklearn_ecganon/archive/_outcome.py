"""What became of one recording, and the reasons for which one is refused."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from sklearn_ecganon.io import ECGReadError

__all__ = ["Outcome", "Refusal"]

#: Besides those of `ECGReadError`.
REASONS = {
    "disk_full": "there is no room to write it",
    "failed": "something went wrong that should not; please report it",
    "no_beats": "no heartbeat was found",
    "too_short": "it is shorter than the window of one beat",
    "too_slow": "its sampling rate is below 100 Hz",
    "unfit_format": "the format to be written cannot hold it",
    "unfit_model": "the anonymizer was fitted to other leads, another rate or window",
    "unwritable": "the operating system refuses to write it",
}

#: None is what NumPy raises where fewer bytes could be written than there were.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)


class Refusal(Exception):
    """A recording that cannot be anonymized; `reason` is a key of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this recording is refused ({self.reason}): {REASONS[self.reason]}."


@dataclass(frozen=True)
class Outcome:
    """What became of one recording. Nothing in it tells where it came from.

    Attributes
    ----------
    record : str
        Opaque name.
    outcome : {"done", "refused"}
        What happened.
    reason : str
        Why it was refused: a stable code.
    input : str
        Digest of the samples that came in, keyed with the secret.
    output : str
        Path below the output folder; of WFDB the header.
    format : str
        Of the output.
    leads : tuple of str
        Names of the leads.
    sampling_rate : float
        In Hz.
    n_times : int
        Samples of each lead.
    n_records : int
        Recordings in the file.
    beats : int
        In the output. How many were found in the input is not told: it gives the mean
        rate away.
    warnings : tuple of str
        Codes of what was done otherwise than usual.
    """

    record: str
    outcome: str
    reason: str = ""
    input: str = ""
    output: str = ""
    format: str = ""
    leads: tuple[str, ...] = ()
    sampling_rate: float = 0.0
    n_times: int = 0
    n_records: int = 1
    beats: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def hours(self) -> float:
        """Hours of ECG that were written."""
        if self.outcome != "done":
            return 0.0
        return self.n_records * self.n_times / self.sampling_rate / 3600

    def to_json(self) -> str:
        """Return one line, without what is empty where a recording was refused."""
        fields = asdict(self)
        if self.outcome == "refused":
            fields = {key: fields[key] for key in ("record", "outcome", "reason")}
        else:
            del fields["reason"]
        return json.dumps(fields)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return what a line was made of."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in fields.items()
        }
        return cls(**values)


def reason_of(error: Exception) -> str:
    """Return the code that stands for an error, whose own text may hold a path."""
    if isinstance(error, ECGReadError | Refusal):
        return error.reason
    if isinstance(error, OSError):
        return "disk_full" if error.errno in _FULL else "unwritable"
    return "too_large" if isinstance(error, MemoryError) else "failed"
