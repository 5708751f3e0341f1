"""The MIT-BIH Arrhythmia Database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import Database, fetch_records, read_published
from sklearn_ecganon.records import ECGRecord

MITDB = Database(
    slug="mitdb",
    title="MIT-BIH Arrhythmia Database",
    license="ODC-By 1.0",
    extensions=("hea", "dat", "atr"),
    record_size=1.96,
    descr="""\
MIT-BIH Arrhythmia Database
===========================
48 ambulatory ECG recordings of 47 persons, each 30 minutes, two leads, 360 Hz, 11 bits
over 10 mV; about 110,000 beats annotated by two cardiologists or more.

- Records 201 and 202 are one person, from one analog tape: both have subject "201" and
  session "1". Nobody has recordings of two days.
- The leads differ by record: modified limb lead II (MLII) comes first wherever it is
  there. 102 and 104 have V5 and V2 only.
- 102, 104, 107 and 217 are paced (their paced beats are class Q).
- Beat classes follow AAMI EC57: N = N L R e j, S = A a J S, V = V E, F = F, Q = / f Q.

License: Open Data Commons Attribution 1.0 (ODC-By).

Cite:
Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Engineering in
Medicine and Biology 20(3):45-50 (2001). doi:10.13026/C2F305
Goldberger AL et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation
101(23):e215-e220 (2000).
""",
)

#: Records of persons who have another record, by name.
SAME_PERSON = {"202": "201"}


def fetch_mitdb(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    records: Sequence[str] | None = None,
    verify: bool = True,
) -> Bunch:
    """Load the MIT-BIH Arrhythmia Database: 48 half-hour records of 47 people.

    Missing files are downloaded from PhysioNet (95 MB, ODC-By 1.0) one by
    one, so that an interrupted download continues where it stopped.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds, or will hold, the folder ``mitdb``. By default the
        environment variable ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.
    download_if_missing : bool, default=True
        If False, missing files raise an error.
    records : sequence of str, optional
        Which records, for example ``["100", "201"]``; all 48 by default.
    verify : bool, default=True
        Check each file against the publisher's SHA256SUMS.txt. Downloaded files are always
        checked.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (650000, 2) in mV at 360 Hz, lead MLII first where there is
            one, with `r_peaks` in samples and `beat_labels` (AAMI classes N S V F Q).
        subject : ndarray of str of shape (n_records,)
            The person: the record's name, but "201" for 202, which is the same person.
        session : ndarray of str of shape (n_records,)
            "1" throughout. 201 and 202 come from the same tape and are one visit.
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
    .. [1] Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE
       Engineering in Medicine and Biology 20(3):45-50 (2001).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import fetch_mitdb
    >>> bunch = fetch_mitdb(records=["100", "114"])  # doctest: +SKIP
    >>> bunch.data[1]  # doctest: +SKIP
    ECGRecord('114': 1805.6 s, 360 Hz, MLII V5)
    """
    return fetch_records(
        MITDB,
        _read,
        data_home=data_home,
        download_if_missing=download_if_missing,
        records=records,
        verify=verify,
    )


def _read(folder: Path, name: str) -> ECGRecord:
    record = read_published(folder, name, "atr")
    order = sorted(range(record.n_leads), key=lambda lead: record.lead_names[lead] != "MLII")
    return replace(
        record,
        signal=record.signal[:, order],
        lead_names=tuple(record.lead_names[lead] for lead in order),
        subject=SAME_PERSON.get(name, name),
        session="1",
    )
