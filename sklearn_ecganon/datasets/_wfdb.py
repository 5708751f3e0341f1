"""One WFDB record from disk, with one clear error for whatever may be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import AAMI_CLASSES
from sklearn_ecganon.io._layout import MILLIVOLTS
from sklearn_ecganon.records import ECGRecord


@contextmanager
def _named(name: str, what: str) -> Iterator[None]:
    """Turn whatever wfdb raises on a broken file into one error that names the record."""
    try:
        with np.errstate(all="ignore"):
            yield
    except Exception as error:
        raise ValueError(
            f"record {name!r}: {what} cannot be read ({type(error).__name__}: {error})."
        ) from error


def read_header(path: Path, name: str) -> wfdb.Record | wfdb.MultiRecord:
    """Read a record's header, not those of its segments.

    Parameters
    ----------
    path : Path
        The record's path, without extension.
    name : str
        What errors call it.

    Returns
    -------
    header : wfdb.Record or wfdb.MultiRecord
        As wfdb gives it.

    Raises
    ------
    ValueError
        If it cannot be read, gives no sampling rate above 0 Hz, or points to another folder.
    """
    file = path.with_name(path.name + ".hea")
    with _named(name, file.name):
        lines = file.read_text(encoding="latin-1").splitlines()
        first = next(line for line in lines if line.strip() and not line.startswith("#"))
        header = wfdb.rdheader(str(path))
        multi = isinstance(header, wfdb.MultiRecord)
        parts = set((header.seg_name if multi else header.file_name) or ()) - {"~"}
    # wfdb takes 250 Hz when the header gives no rate. A guess is no sampling rate.
    if len(first.split()) < 3 or not header.fs > 0:
        raise ValueError(
            f"record {name!r}: {file.name} gives no sampling rate above 0 Hz; "
            "write it into the third field of its first line."
        )
    if not all(line.isascii() for line in lines if not line.startswith("#")):
        # wfdb drops such characters: microvolts written with a mu would become volts
        raise ValueError(
            f"record {name!r}: {file.name} has characters beyond ASCII; write a unit of "
            "microvolts as uV."
        )
    for part in sorted(parts):
        if Path(part).name != part:
            raise ValueError(
                f"record {name!r}: its header points to {part!r}; all files of a record must "
                "lie in one folder."
            )
        if not multi and not (path.parent / part).is_file():
            raise ValueError(
                f"record {name!r}: its signal file {part!r} is missing; put it beside "
                f"{file.name}."
            )
    return header


def read_wfdb(path: Path, name: str) -> wfdb.Record:
    """Read a record, of one segment or of several, in its own units.

    Parameters
    ----------
    path : Path
        The record's path, without extension.
    name : str
        What errors call it.

    Returns
    -------
    raw : wfdb.Record
        With `p_signal` of shape (n_times, n_leads).

    Raises
    ------
    ValueError
        If a file is missing, lies elsewhere or cannot be read, if the sampling rate is
        missing or not positive, or if leads have different rates.
    """
    header = read_header(path, name)
    multi = isinstance(header, wfdb.MultiRecord)
    segments = [part for part in header.seg_name if part != "~"] if multi else []
    headers = [read_header(path.with_name(part), f"{name}: {part}") for part in segments]
    for part in headers or [header]:
        if set(part.samps_per_frame or [1]) != {1}:
            raise ValueError(
                f"record {name!r}: its leads have different sampling rates; bring them to "
                "one rate first."
            )
    with _named(name, "its signal"):
        if multi:
            return wfdb.rdrecord(str(path))
        # Faster than asking wfdb for physical units, and the same numbers.
        small = set(header.fmt) <= {"16", "212"}
        raw = wfdb.rdrecord(str(path), physical=False, return_res=16 if small else 64)
        raw.p_signal = raw.dac()
        return raw


def ecg_record(
    raw: wfdb.Record, name: str, leads: Mapping[int, str] | None = None, **fields: Any
) -> ECGRecord:
    """Turn what wfdb read into an ECGRecord.

    Parameters
    ----------
    raw : wfdb.Record
        From `read_wfdb`.
    name : str
        Name of the record.
    leads : mapping of int to str, optional
        Which channels to keep, in which order, and what to call them. By default all of
        them under their own names.
    **fields
        Further fields of the ECGRecord.

    Returns
    -------
    record : ECGRecord
        In mV.

    Raises
    ------
    ValueError
        If a channel is not a voltage.
    """
    leads = dict(enumerate(raw.sig_name)) if leads is None else leads
    channels = list(leads)
    units = [str(raw.units[channel]) for channel in channels]
    for lead, unit in zip(leads.values(), units, strict=True):
        if unit.lower() not in MILLIVOLTS:
            raise ValueError(
                f"record {name!r}: lead {lead!r} is in {unit!r}, which is no voltage; "
                "choose the ECG leads."
            )
    signal = raw.p_signal
    if channels != list(range(signal.shape[1])):
        signal = signal[:, channels]
    scale = np.array([MILLIVOLTS[unit.lower()] for unit in units])
    if (scale != 1).any():
        signal = signal * scale
    return ECGRecord(signal, raw.fs, tuple(leads.values()), name=name, **fields)


def read_beats(
    path: Path, name: str, annotator: str
) -> tuple[NDArray[np.intp], NDArray[np.str_]]:
    """Read the beats of an annotation file and leave out all that is not a beat.

    Parameters
    ----------
    path : Path
        The record's path, without extension.
    name : str
        What errors call it.
    annotator : str
        Extension of the annotation file.

    Returns
    -------
    r_peaks : ndarray of int of shape (n_beats,)
        Sample numbers.
    beat_labels : ndarray of str of shape (n_beats,)
        AAMI classes N S V F Q.
    """
    with _named(name, f"its annotation file .{annotator}"):
        annotation = wfdb.rdann(str(path), annotator)
    labels = np.array([AAMI_CLASSES.get(symbol, "") for symbol in annotation.symbol], np.str_)
    is_beat = labels != ""
    return np.asarray(annotation.sample, np.intp)[is_beat], labels[is_beat]
