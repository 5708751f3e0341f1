"""The outcome of one recording, and the reasons why a recording is refused."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from sklearn_ecganon.io import ECGReadError

__all__ = ["Outcome", "Refusal"]

#: The reasons besides those of `ECGReadError`.
REASONS = {
    "disk_full": "there is no room to write it",
    "failed": "an unexpected error occurred; please report it",
    "no_beats": "no heartbeat was found",
    "not_an_ecg": "no lead shows beats that resemble each other",
    "suppressed": "its profile cannot be shared by k people",
    "too_short": "it is shorter than the window of one beat",
    "too_slow": "its sampling rate is below 100 Hz",
    "unfit_format": "the output format cannot hold it",
    "unfit_model": "the anonymizer was fitted to other leads, or another rate or window",
    "unwritable": "the operating system refuses to write it",
}

#: NumPy raises an OSError with errno None if it could not write all bytes.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)


class Refusal(Exception):
    """A recording that cannot be anonymized.

    Parameters
    ----------
    reason : str
        A key of `REASONS`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this recording is refused ({self.reason}): {REASONS[self.reason]}."


@dataclass(frozen=True)
class Outcome:
    """The outcome of one recording. It holds nothing that points to the original.

    Attributes
    ----------
    record : str
        Opaque name.
    outcome : {"done", "refused"}
        Whether a release was written.
    reason : str
        Why the recording was refused: a stable code.
    input : str
        Digest of the samples of the original, keyed with the secret.
    output : str
        Path in the output folder; for WFDB that of the header.
    format : str
        Format of the output.
    leads : tuple of str
        Names of the leads.
    sampling_rate : float
        In Hz.
    n_times : int
        Samples of each lead.
    n_records : int
        Recordings in the file.
    beats : int
        Beats in the output. The number in the input is not reported, because it reveals
        the mean heart rate.
    warnings : tuple of str
        Codes of anything unusual.
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
        """Duration of the ECG that was written, in hours."""
        if self.outcome != "done":
            return 0.0
        return self.n_records * self.n_times / self.sampling_rate / 3600

    def to_json(self) -> str:
        """Return the outcome as one line of the manifest.

        Returns
        -------
        line : str
            JSON without a line break. A refused recording has its name and the reason only.
        """
        fields = asdict(self)
        if self.outcome == "refused":
            fields = {key: fields[key] for key in ("record", "outcome", "reason")}
        else:
            del fields["reason"]
        return json.dumps(fields)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the outcome in a line of the manifest.

        Parameters
        ----------
        fields : dict
            The parsed line.

        Returns
        -------
        outcome : Outcome
            The same outcome as an object.
        """
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in fields.items()
        }
        return cls(**values)


def reason_of(error: Exception) -> str:
    """Return the code for an error; its own message may hold a path."""
    if isinstance(error, ECGReadError | Refusal):
        return error.reason
    if isinstance(error, OSError):
        return "disk_full" if error.errno in _FULL else "unwritable"
    return "too_large" if isinstance(error, MemoryError) else "failed"
