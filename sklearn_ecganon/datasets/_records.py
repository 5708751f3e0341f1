"""Records of one's own, from a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import bunch_of
from sklearn_ecganon.datasets._wfdb import ecg_record, read_beats, read_header, read_wfdb


def load_records(
    folder: str | os.PathLike[str],
    *,
    subject: Callable[[str], str] | None = None,
    session: Callable[[str], str] | None = None,
    leads: Sequence[str] | None = None,
    annotator: str = "atr",
) -> Bunch:
    """Read every WFDB record in a folder and the folders inside it.

    Parameters
    ----------
    folder : str or path-like
        Where to look for ``.hea`` files. The record's name is its path from here, with
        ``/`` between folders and without extension: ``"Person_01/rec_1"``.
    subject : callable, optional
        Takes the record's name, returns the person. By default the folder in which the
        record lies (``"Person_01"``); for records that lie in `folder` itself, their name.
    session : callable, optional
        Takes the record's name, returns the visit. By default the recording date of the
        header (``"2004-12-07"``), and ``"1"`` when it has none: without a date nothing is
        taken for a second visit.
    leads : sequence of str, optional
        Which leads to read, in which order; by default all of them. Needed where a record
        holds more than ECG, for example blood pressure.
    annotator : str, default="atr"
        Extension of the annotation files. Where there is one, its beats become `r_peaks`
        and `beat_labels` (AAMI classes N S V F Q).

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (n_times, n_leads) in mV, sorted by path. Records of several
            segments are joined, NaN where nothing was recorded.
        subject : ndarray of str of shape (n_records,)
            The person.
        session : ndarray of str of shape (n_records,)
            The visit.
        DESCR : str
            How much was found where.

    Raises
    ------
    ValueError
        If the folder holds no record, or one of them cannot be used: signal file missing
        or damaged, no sampling rate above 0 Hz, leads of different rates, a lead that is
        absent or no voltage. The message names the record.

    Examples
    --------
    >>> import tempfile, numpy as np, wfdb
    >>> from sklearn_ecganon.datasets import load_records
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     wfdb.wrsamp("a12", 250, ["mV"], ["II"], np.zeros((500, 1)), fmt=["16"],
    ...                 write_dir=folder)
    ...     bunch = load_records(folder)
    >>> bunch.data
    [ECGRecord('a12': 2.0 s, 250 Hz, II)]
    >>> bunch.subject
    array(['a12'], dtype='<U3')
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; give the folder that holds the .hea files.")
    if isinstance(leads, str):
        raise ValueError(f"leads is a string; give a list, for example [{leads!r}].")
    headers = {
        path: read_header(path, path.relative_to(root).as_posix())
        for path in sorted(file.with_suffix("") for file in root.rglob("*.hea"))
    }
    # The segments of a longer record have headers too, but are no records of their own.
    segments = {
        path.with_name(part)
        for path, header in headers.items()
        for part in getattr(header, "seg_name", None) or ()
    }
    data = []
    for path in (path for path in headers if path not in segments):
        name = path.relative_to(root).as_posix()
        raw = read_wfdb(path, name)
        beats: dict[str, Any] = {}
        if path.with_name(f"{path.name}.{annotator}").is_file():
            beats = dict(
                zip(("r_peaks", "beat_labels"), read_beats(path, name, annotator), strict=True)
            )
        home = PurePosixPath(name).parent.as_posix()
        person = name if home == "." else home
        visit = "1" if raw.base_date is None else raw.base_date.isoformat()
        data.append(
            ecg_record(
                raw,
                name,
                None if leads is None else _chosen(raw.sig_name, leads, name),
                subject=person if subject is None else str(subject(name)),
                session=visit if session is None else str(session(name)),
                **beats,
            )
        )
    if not data:
        raise ValueError(f"{root} holds no WFDB record (no .hea file).")
    persons = {record.subject for record in data}
    return bunch_of(data, f"{len(data)} WFDB records of {len(persons)} subjects from {root}.")


def _chosen(found: list[str], wanted: Sequence[str], name: str) -> dict[int, str]:
    absent = [lead for lead in wanted if lead not in found]
    if absent:
        raise ValueError(f"record {name!r}: no lead {absent[0]!r}; it has {found}.")
    return {found.index(lead): lead for lead in wanted}
