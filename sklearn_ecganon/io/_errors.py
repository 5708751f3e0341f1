"""The exception of this room, and the context that converts all others to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

import numpy as np

__all__ = ["ECGReadError"]

#: Explanation of each code in `ECGReadError.reason`.
REASONS = {
    "bad_annotations": "its annotations cannot be decoded or do not fit the signal",
    "bad_checksum": "its samples do not add up to the checksum in its header",
    "bad_gain": "a lead has no finite gain above 0",
    "bad_header": "its header breaks the rules of its format",
    "bad_length": "its number of samples is not known, or 0",
    "bad_path": "its path or a name inside it is not that of a plain local file",
    "bad_rate": "it gives no finite sampling rate above 0 Hz",
    "bad_units": "the unit of a lead is no voltage, or does not fit its amplitudes",
    "damaged": "its content cannot be decoded",
    "missing_extra": "a library to read it is not installed",
    "missing_file": "it, or a file that it names, does not exist",
    "mixed_rates": "its leads have different sampling rates",
    "no_ecg": "no channel has a voltage and a label that an ECG may have",
    "no_lead": "it lacks a lead or record that was requested",
    "not_a_file": "it is a folder, device, pipe or endless link, not a regular file",
    "outside_root": "it, or a file it names, lies outside of the input folder",
    "too_large": "it is larger than the limits allow",
    "truncated": "it holds fewer samples than its header declares",
    "unknown_format": "its content is of no known format",
    "unreadable": "the operating system refuses to read it",
    "unsupported": "its format is known but not supported",
}

#: Explanation of each code in `RecordReader.warnings`.
WARNINGS = {
    "bad_checksum": "samples disagree with the checksum in the header",
    "dropped_annotations": "annotations outside of the recording, or second beats at one "
    "sample, were dropped",
    "left_out_channels": "channels that are not an ECG were left out; leads=[...] selects "
    "others",
    "time_gaps": "it is not continuous; the pauses are gaps",
}


class ECGReadError(ValueError):
    """Raised if a recording is refused, with a reason that programs can act on.

    The message never holds text out of the file or its path: both may name the patient.

    Parameters
    ----------
    reason : str
        A stable code, for example ``"truncated"``; the user guide lists them.
    detail : str, default=""
        What is wrong and what to do, without any text of the file.

    Attributes
    ----------
    reason : str
        The code.

    Examples
    --------
    >>> from sklearn_ecganon.io import ECGReadError, read_record
    >>> try:
    ...     read_record("no-such-file.edf")
    ... except ECGReadError as error:
    ...     print(error.reason)
    missing_file
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self._sentence = f"this recording is refused ({reason}): {REASONS[reason]}"
        self._detail = detail

    def __str__(self) -> str:
        return f"{self._sentence}; {self._detail}." if self._detail else f"{self._sentence}."


@contextmanager
def sanitized(reason: str = "damaged") -> Iterator[None]:
    """Convert all exceptions to ECGReadError: messages of libraries may quote the header."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ECGReadError:
        raise
    except FileNotFoundError:
        raise ECGReadError("missing_file") from None
    except PermissionError:
        raise ECGReadError("unreadable") from None
    except Exception:
        raise ECGReadError(reason) from None


def load_extra(module: str, extra: str) -> ModuleType:
    """Import a library that only one format needs."""
    try:
        return import_module(module)
    except ImportError:
        raise ECGReadError(
            "missing_extra", f"pip install 'sklearn-ecganon[{extra}]' brings it"
        ) from None
