"""The Lobachevsky University Electrocardiography Database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import wfdb
from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import Database, fetch_records, read_published
from sklearn_ecganon.records import ECGRecord

LUDB = Database(
    slug="ludb",
    title="Lobachevsky University Electrocardiography Database",
    license="ODC-By 1.0",
    extensions=("hea", "dat", "ii"),
    record_size=0.12,
    descr="""\
Lobachevsky University Electrocardiography Database (LUDB)
==========================================================
200 ECG recordings of 200 persons (115 men, 85 women, 11 to 90 years), each 10 s of the 12
standard leads at 500 Hz, healthy and with many diagnoses; some have a pacemaker. Onsets,
peaks and offsets of P, QRS and T were annotated by cardiologists in every lead. They are the
reference for intervals.

- Each person has one recording: use the database for intervals and shapes, not for
  re-identification.
- The files scale each lead of each recording to 1 mV from peak to peak. The stored integers
  are microvolts: ``true_amplitudes=True`` restores them, and Einthoven's law then holds.
- `r_peaks` are the QRS peaks annotated in lead II. Most beats at the ends of a recording are
  not annotated, and annotations have no beat class.

License: Open Data Commons Attribution 1.0 (ODC-By).

Cite:
Kalyakulina AI et al. LUDB: A New Open-Access Validation Tool for Electrocardiogram
Delineation Algorithms. IEEE Access 8:186181-186190 (2020). doi:10.13026/eegm-h675
Goldberger AL et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation
101(23):e215-e220 (2000).
""",
)


def fetch_ludb(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    records: Sequence[str] | None = None,
    verify: bool = True,
    true_amplitudes: bool = False,
) -> Bunch:
    """Load the Lobachevsky University Database: 12 leads of 200 persons, manually delineated.

    Missing files are downloaded from PhysioNet (25 MB, ODC-By 1.0) one by
    one, so that an interrupted download continues where it stopped.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds, or will hold, the folder ``ludb``. By default the
        environment variable ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.
    download_if_missing : bool, default=True
        If False, missing files raise an error.
    records : sequence of str, optional
        Which records, for example ``["data/1", "data/17"]``; all 200 by default.
    verify : bool, default=True
        Check each file against the publisher's SHA256SUMS.txt. Downloaded files are always
        checked.
    true_amplitudes : bool, default=False
        Undo the scaling of the files, in which each lead of each recording spans 1 mV. The
        stored integers are microvolts: of all recordings, III = II - I holds in them, apart
        from a constant, and not in the scaled values.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (5000, 12) in mV at 500 Hz, leads I II III aVR aVL aVF V1 to
            V6, with `r_peaks` in samples as annotated in lead II, without beat labels.
        subject : ndarray of str of shape (n_records,)
            The number of the record, ``"1"`` to ``"200"``.
        session : ndarray of str of shape (n_records,)
            "1" throughout.
        DESCR : str
            Important facts, license and citations.

    Raises
    ------
    FileNotFoundError
        If files are missing and `download_if_missing` is False.
    OSError
        If a download fails, or a file does not match the publisher's checksum; the message
        names the file.
    ValueError
        If `records` names an unknown record, or if a record cannot be read.

    References
    ----------
    .. [1] Kalyakulina AI et al. LUDB: A New Open-Access Validation Tool for
       Electrocardiogram Delineation Algorithms. IEEE Access 8:186181-186190 (2020).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import fetch_ludb
    >>> bunch = fetch_ludb(records=["data/1"])  # doctest: +SKIP
    >>> bunch.data[0].lead_names[:3]  # doctest: +SKIP
    ('I', 'II', 'III')
    """
    return fetch_records(
        LUDB,
        _read_true if true_amplitudes else _read,
        data_home=data_home,
        download_if_missing=download_if_missing,
        records=records,
        verify=verify,
    )


def _read(folder: Path, name: str) -> ECGRecord:
    record = read_published(folder, name, "ii")
    # In this database the symbol "N" marks the peak of a QRS complex, of whatever class.
    return replace(record, beat_labels=None, subject=name.split("/")[-1], session="1")


def _read_true(folder: Path, name: str) -> ECGRecord:
    """Read a record with its stored integers as microvolts."""
    record = _read(folder, name)
    per_mv = np.array(wfdb.rdheader(str(folder / name)).adc_gain)
    return replace(record, signal=record.signal * per_mv / 1000)
