"""Evaluation protocols: which records of a database are compared with which."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import wfdb
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sklearn_ecganon.datasets._ecgid import fetch_ecgid
from sklearn_ecganon.datasets._fetch import get_data_home
from sklearn_ecganon.datasets._ludb import fetch_ludb
from sklearn_ecganon.datasets._mitdb import fetch_mitdb
from sklearn_ecganon.datasets._ptbxl import load_ptbxl
from sklearn_ecganon.datasets._synthetic import make_ecg_records
from sklearn_ecganon.datasets._time_split import time_split
from sklearn_ecganon.records import ECGRecord

#: De Chazal's inter-patient split of MIT-BIH; the four paced records are left out.
# fmt: off
DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)
# fmt: on

WAVE_SYMBOLS = {"P": "p", "QRS": "N", "T": "t"}


class WaveAnnotations(NamedTuple):
    """The waves that cardiologists annotated in one lead.

    Attributes
    ----------
    P, QRS, T : ndarray of shape (n_waves, 3)
        Onset, peak and offset of each wave in samples, NaN where an edge was not annotated.
    extent : tuple of (int, int)
        The first and the last annotated sample. Waves outside it were not annotated.
    """

    P: NDArray[np.float64]
    QRS: NDArray[np.float64]
    T: NDArray[np.float64]
    extent: tuple[int, int]


def load_protocol(
    name: str, *, data_home: str | os.PathLike[str] | None = None, **options: Any
) -> Bunch:
    """Load the records of an evaluation protocol, and which of them the attacker holds.

    Every benchmark, the demo and the tests read their recordings here, so that two figures
    with the same protocol can be compared.

    Parameters
    ----------
    name : str
        One of the following protocols. The first four measure re-identification.

        ``"mitdb-time"``
            The MIT-BIH Arrhythmia Database, 47 subjects. The gallery is the first 45 % of
            each recording and the probes are the last 45 %, both cut into records of 60 s.
        ``"ecgid-same-day"``
            The ECG-ID Database, 89 subjects. The gallery is the first recording of each
            person, and the probe is their next recording of the same date. Person 74 has a
            single recording and is left out.
        ``"ecgid-across-day"``
            The ECG-ID Database, 90 subjects. The gallery is all recordings of each person's
            first date. The probes are the 83 recordings of later dates, of 20 persons. Two
            persons contribute 37 of them, so that the mean over persons is the headline.
        ``"synthetic"``
            30 simulated subjects with two records of 60 s each, on different visits.
            Nothing is read from disk.
        ``"mitdb-ds1-ds2"``
            Whole recordings of MIT-BIH for the classification of beats: train on DS1, test
            on DS2 [1]_. The four recordings with paced beats are left out. Recordings 201
            (DS1) and 202 (DS2) come from one person, as in the published split.
        ``"ludb"``
            The Lobachevsky University Database, 200 subjects, with the waves that
            cardiologists annotated in each of the 12 leads.
        ``"ptbxl-300"``
            300 12-lead recordings of 300 patients of PTB-XL [2]_ with their diagnostic
            superclasses. The folder ``ptbxl-300`` of `data_home` must hold them in the
            publisher's layout; they are not downloaded.
    data_home : str or path-like, optional
        The folder of the databases. By default the environment variable
        ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.
    **options
        Passed on to `fetch_mitdb`, `fetch_ecgid` or `fetch_ludb`, for example
        ``download_if_missing=False``, or to `make_ecg_records`, for example
        ``n_subjects=6``.

    Returns
    -------
    protocol : Bunch
        With the attributes

        name : str
            The name of the protocol.
        records : list of ECGRecord
            The recordings, in the order of the database.
        subjects : ndarray of str of shape (n_records,)
            The person of each record. Records 201 and 202 of MIT-BIH are one person.
        sessions : ndarray of str of shape (n_records,)
            Sorted as text they are in order of time; the gallery is each subject's first
            session.
        gallery : ndarray of bool of shape (n_records,), or None
            True for the records that the attacker holds; the others are probes. None where
            the protocol does not measure re-identification.
        segmenter : dict
            Arguments of `QRSSegmenter`: the R peaks and the leads that the protocol uses.
        train : ndarray of bool of shape (n_records,)
            Only ``"mitdb-ds1-ds2"``: True for DS1.
        waves : list of dict of str to WaveAnnotations
            Only ``"ludb"``: the annotated waves of each record, by lead.
        labels : ndarray of bool of shape (n_records, 5)
            Only ``"ptbxl-300"``: the diagnostic superclasses, several at once.
        label_names : tuple of str
            Only ``"ptbxl-300"``: NORM, MI, STTC, CD and HYP.
        folds : ndarray of int of shape (n_records,)
            Only ``"ptbxl-300"``: the publisher's fold, 1 to 10.
        statements : list of tuple of str
            Only ``"ptbxl-300"`` and ``"ludb"``: what cardiologists stated about each record:
            the SCP-ECG statements of any likelihood, and the diagnoses of LUDB's headers.
        axes : ndarray of str of shape (n_records,)
            Only ``"ptbxl-300"``: the publisher's code of the QRS axis; empty where unknown.
        DESCR : str
            One sentence about the protocol.

    Raises
    ------
    ValueError
        If there is no protocol of this name.
    FileNotFoundError
        If files are missing and must not be downloaded.
    OSError
        If a download fails, or a file does not match the publisher's checksum.

    References
    ----------
    .. [1] P. de Chazal, M. O'Dwyer, R. B. Reilly, "Automatic classification of heartbeats
       using ECG morphology and heartbeat interval features", IEEE Transactions on
       Biomedical Engineering 51(7), 1196-1206, 2004.
    .. [2] P. Wagner et al., "PTB-XL, a large publicly available electrocardiography
       dataset", Scientific Data 7, 154, 2020.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter
    >>> from sklearn_ecganon.datasets import load_protocol
    >>> protocol = load_protocol("synthetic", n_subjects=3, duration=10.0)
    >>> protocol.subjects.tolist()
    ['s001', 's001', 's002', 's002', 's003', 's003']
    >>> protocol.gallery.tolist()
    [True, False, True, False, True, False]
    >>> len(QRSSegmenter(**protocol.segmenter).fit_transform(protocol.records))
    6
    """
    if name not in PROTOCOLS:
        raise ValueError(f"there is no protocol {name!r}; choose one of {list(PROTOCOLS)}.")
    return PROTOCOLS[name](data_home, options)


def _bunch(
    name: str,
    records: list[ECGRecord],
    description: str,
    *,
    leads: list[int] | None,
    detector: str = "annotated",
    identifies: bool = True,
    **more: Any,
) -> Bunch:
    subjects = np.array([record.subject for record in records], dtype=np.str_)
    sessions = np.array([record.session for record in records], dtype=np.str_)
    first = {subject: min(sessions[subjects == subject]) for subject in np.unique(subjects)}
    gallery = sessions == np.array([first[subject] for subject in subjects])
    return Bunch(
        name=name,
        records=records,
        subjects=subjects,
        sessions=sessions,
        gallery=gallery if identifies else None,
        segmenter={"detector": detector, "leads": leads},
        DESCR=description,
        **more,
    )


def _mitdb_time(data_home: Any, options: dict[str, Any]) -> Bunch:
    records = time_split(fetch_mitdb(data_home=data_home, **options).data)
    return _bunch(
        "mitdb-time",
        records,
        "MIT-BIH Arrhythmia Database: records of 60 s from the first 45 % of each recording "
        "(gallery) and from the last 45 % (probes), 47 subjects",
        leads=[0],
    )


def _ecgid_same_day(data_home: Any, options: dict[str, Any]) -> Bunch:
    everything = fetch_ecgid(data_home=data_home, **options).data
    records = []
    for subject in dict.fromkeys(record.subject for record in everything):
        first, *later = [record for record in everything if record.subject == subject]
        same_day = [record for record in later if record.session == first.session]
        if same_day:
            records.append(replace(first, session="1 first"))
            records.append(replace(same_day[0], session="2 next"))
    return _bunch(
        "ecgid-same-day",
        records,
        "ECG-ID Database: the first recording of each person (gallery) and their next "
        "recording of the same date (probe), lead I, 89 subjects",
        leads=[0],
        detector="sleepecg",
    )


def _ecgid_across_day(data_home: Any, options: dict[str, Any]) -> Bunch:
    return _bunch(
        "ecgid-across-day",
        fetch_ecgid(data_home=data_home, **options).data,
        "ECG-ID Database: all recordings of each person's first date (gallery, 90 subjects) "
        "and those of later dates (83 probes of 20 persons), lead I",
        leads=[0],
        detector="sleepecg",
    )


def _synthetic(data_home: Any, options: dict[str, Any]) -> Bunch:
    settings = {"n_subjects": 30, "n_sessions": 2, "duration": 60.0, "random_state": 0}
    records = make_ecg_records(**settings | options).data
    return _bunch(
        "synthetic",
        records,
        f"SYNTHETIC records (ECGSYN) of {len({record.subject for record in records})} "
        "simulated subjects; figures on recordings of patients differ",
        leads=[0],
    )


def _mitdb_ds1_ds2(data_home: Any, options: dict[str, Any]) -> Bunch:
    records = fetch_mitdb(data_home=data_home, records=[*DS1, *DS2], **options).data
    return _bunch(
        "mitdb-ds1-ds2",
        records,
        "MIT-BIH Arrhythmia Database: train on DS1, test on DS2 (de Chazal et al. 2004), 44 "
        "recordings of half an hour",
        leads=None,
        identifies=False,
        train=np.array([record.name in DS1 for record in records]),
    )


def _ludb(data_home: Any, options: dict[str, Any]) -> Bunch:
    bunch = fetch_ludb(data_home=data_home, **options)
    folder = get_data_home(data_home) / "ludb"
    return _bunch(
        "ludb",
        bunch.data,
        "Lobachevsky University Database: 10 s, 12 leads, 200 subjects, with the waves that "
        "cardiologists annotated in each lead",
        leads=None,
        identifies=False,
        waves=[
            {lead: _read_waves(folder / str(record.name), lead) for lead in record.lead_names}
            for record in bunch.data
        ],
        statements=[_read_diagnoses(folder / str(record.name)) for record in bunch.data],
    )


def _read_diagnoses(path: Path) -> tuple[str, ...]:
    comments = wfdb.rdheader(str(path)).comments
    return tuple(line.strip(" .") for line in comments if not line.startswith("<"))


def _read_waves(path: Path, lead: str) -> WaveAnnotations:
    annotations = wfdb.rdann(str(path), lead.lower())
    symbols, samples = ["", *annotations.symbol, ""], [-1, *annotations.sample, -1]
    waves: dict[str, list[tuple[float, float, float]]] = {wave: [] for wave in WAVE_SYMBOLS}
    for wave, symbol_of_peak in WAVE_SYMBOLS.items():
        for i, symbol in enumerate(symbols):
            if symbol == symbol_of_peak:
                onset = samples[i - 1] if symbols[i - 1] == "(" else np.nan
                offset = samples[i + 1] if symbols[i + 1] == ")" else np.nan
                waves[wave].append((onset, samples[i], offset))
    return WaveAnnotations(
        **{wave: np.array(rows, dtype=float).reshape(-1, 3) for wave, rows in waves.items()},
        extent=(int(samples[1]), int(samples[-2])),
    )


def _ptbxl_300(data_home: Any, options: dict[str, Any]) -> Bunch:
    bunch = load_ptbxl(get_data_home(data_home) / "ptbxl-300", **options)
    return _bunch(
        "ptbxl-300",
        bunch.data,
        "PTB-XL: 300 recordings of 300 patients, 10 s, 12 leads, 100 Hz, with their diagnostic "
        "superclasses",
        leads=None,
        detector="sleepecg",
        identifies=False,
        labels=bunch.labels,
        label_names=bunch.label_names,
        folds=bunch.folds,
        statements=[record.statements for record in bunch.data],
        axes=bunch.axes,
    )


PROTOCOLS: dict[str, Callable[[Any, dict[str, Any]], Bunch]] = {
    "mitdb-time": _mitdb_time,
    "ecgid-same-day": _ecgid_same_day,
    "ecgid-across-day": _ecgid_across_day,
    "synthetic": _synthetic,
    "mitdb-ds1-ds2": _mitdb_ds1_ds2,
    "ludb": _ludb,
    "ptbxl-300": _ptbxl_300,
}
