"""Read the recordings of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import bunch_of
from sklearn_ecganon.io import (
    ECGReadError,
    FolderContents,
    Limits,
    find_recordings,
    open_record,
    read_identity,
)
from sklearn_ecganon.records import ECGRecord


def load_records(
    folder: str | os.PathLike[str],
    *,
    subject: Callable[[str], str] | None = None,
    session: Callable[[str], str] | None = None,
    leads: Sequence[str] | None = None,
    annotator: str | None = "atr",
    sampling_rate: float | None = None,
    units: str | None = None,
    limits: Limits | None = None,
    on_error: str = "raise",
) -> Bunch:
    """Read all recordings in a folder and the folders inside it, whatever their format.

    Parameters
    ----------
    folder : str or path-like
        The folder. Recordings are recognized by their content; other files are ignored.
        The name of a record is its path in the folder, with ``/`` between folders and
        without extension: ``"Person_01/rec_1"``. Where two files would get the same name,
        both keep their extension. The recordings of an HDF5 file that holds several are
        numbered from 0: ``"exams#0"``.
    subject : callable, optional
        Takes the name of a record and returns its subject. By default the folder that the
        record lies in (``"Person_01"``). A record that lies in `folder` itself, or in a
        file together with others, is a separate subject.
    session : callable, optional
        Takes the name of a record and returns its session. By default the date of
        acquisition in the header (``"2004-12-07"``), or ``"1"`` if the header has none.
    leads : sequence of str, optional
        Leads to read, in this order; by default all. Needed where a record holds more than
        ECG, for example blood pressure.
    annotator : str or None, default="atr"
        Extension of WFDB annotation files; None reads none.
    sampling_rate : float, optional
        In Hz, for files that do not state it, such as tables without a column of times.
    units : {"V", "mV", "uV", "nV"}, optional
        For files that do not state theirs (tables, MATLAB files); by default mV.
    limits : Limits, optional
        How much one file may ask for, and whether a wrong checksum is an error;
        ``Limits()`` by default.
    on_error : {"raise", "omit"}, default="raise"
        What to do with a recording that cannot be read: raise an error, or leave it out
        and list it in `omitted`.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (n_times, n_leads) in mV, sorted by path, NaN where nothing
            was recorded. Lead names that are not known ECG leads become ``lead 1``,
            ``lead 2`` ... Annotated beats become `r_peaks` and `beat_labels` (AAMI
            classes N S V F Q).
        subject : ndarray of str of shape (n_records,)
            Subject of each record.
        session : ndarray of str of shape (n_records,)
            Session of each record.
        files : list of str
            Path of the file of each record, relative to `folder`.
        omitted : dict of str to str
            Path and reason of each recording that was left out.
        DESCR : str
            Number of records and subjects.

    Raises
    ------
    ValueError
        If the folder holds no recording, or if one of them cannot be read; the message
        names it.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.datasets import load_records
    >>> from sklearn_ecganon.io import write_record
    >>> record = ECGRecord(np.zeros((500, 1)), 250, ("II",))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_record(record, Path(folder, "a12.hea"))
    ...     _ = write_record(record, Path(folder, "b07.edf"))
    ...     bunch = load_records(folder)
    >>> bunch.data
    [ECGRecord('a12': 2.0 s, 250 Hz, II), ECGRecord('b07': 2.0 s, 250 Hz, II)]
    >>> bunch.subject.tolist()
    ['a12', 'b07']
    """
    if not os.path.isdir(folder):
        raise ValueError(f"{folder} is not a folder; give one that holds recordings.")
    if isinstance(leads, str):
        raise ValueError(f"leads is a string; give a list, for example [{leads!r}].")
    if on_error not in ("raise", "omit"):
        raise ValueError(f"on_error is {on_error!r}; give 'raise' or 'omit'.")
    contents = find_recordings(folder)
    names = _names(contents)
    data: list[ECGRecord] = []
    files: list[str] = []
    omitted: dict[str, str] = {}
    options = {
        "leads": leads,
        "annotator": annotator,
        "sampling_rate": sampling_rate,
        "units": units,
    }

    def leave_out(path: str, error: ECGReadError) -> None:
        if on_error == "raise":
            raise ValueError(f"record {names.get(path, path)!r}: {error}") from None
        omitted[path] = error.reason

    for path, reason in contents.refused:
        leave_out(path, ECGReadError(reason))
    for path, name in names.items():
        try:
            records = _read_file(contents, path, name, limits, options)
        except ECGReadError as error:
            leave_out(path, error)
            continue
        data += records
        files += [path] * len(records)
    if not data:
        raise ValueError(_no_recording(folder, omitted))
    data = [
        replace(
            record,
            subject=record.subject if subject is None else str(subject(record.name)),
            session=record.session if session is None else str(session(record.name)),
        )
        for record in data
    ]
    n_subjects = len({record.subject for record in data})
    bunch = bunch_of(data, f"{len(data)} records of {n_subjects} subjects from {folder}.")
    return Bunch(files=files, omitted=omitted, **bunch)


def _names(contents: FolderContents) -> dict[str, str]:
    """Return the record name of each file: its path, without extension where that is unique."""
    stems = {
        file.path: PurePosixPath(file.path).with_suffix("").as_posix()
        for file in contents.recordings
    }
    n_files = Counter(stems.values())
    return {path: stem if n_files[stem] == 1 else path for path, stem in stems.items()}


def _read_file(
    contents: FolderContents,
    path: str,
    name: str,
    limits: Limits | None,
    options: dict[str, Any],
) -> list[ECGRecord]:
    """Return the recordings of a file, with their default subjects and sessions."""
    root = contents.root
    records: list[ECGRecord] = []
    n_records = 1
    while len(records) < n_records:
        with open_record(
            root / path, root=root, limits=limits, index=len(records), **options
        ) as reader:
            n_records = reader.n_records
            number = f"#{len(records)}" if n_records > 1 else ""
            records.append(reader.record(f"{name}{number}"))
    acquired = read_identity(root / path, root=root, limits=limits).acquired
    session = "1" if acquired is None else acquired.isoformat()
    folder = PurePosixPath(path).parent.as_posix()
    is_alone = folder == "." or n_records > 1
    return [
        replace(record, subject=record.name if is_alone else folder, session=session)
        for record in records
    ]


def _no_recording(folder: str | os.PathLike[str], omitted: dict[str, str]) -> str:
    if not omitted:
        return f"{folder} holds no recording of a known format; give another folder."
    path, reason = next(iter(omitted.items()))
    return (
        f"{folder} holds no recording that can be read; {len(omitted)} were left out, for "
        f"example {path!r} ({reason})."
    )
