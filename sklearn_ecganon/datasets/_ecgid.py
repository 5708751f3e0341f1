"""The ECG-ID Database."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sklearn.utils import Bunch

from sklearn_ecganon.datasets._fetch import Database, fetch_records, read_published
from sklearn_ecganon.io import read_identity
from sklearn_ecganon.records import ECGRecord

ECGID = Database(
    slug="ecgiddb",
    title="ECG-ID Database",
    license="ODC-By 1.0",
    extensions=("hea", "dat"),
    record_size=0.04,
    descr="""\
ECG-ID Database
===============
310 ECG recordings of 90 volunteers (44 men, 46 women, 13 to 75 years), each 20 s of lead I
at 500 Hz, 12 bits over 10 mV, once raw and once filtered.

- Only 20 persons were recorded on two or more dates, 1 to 156 days apart. The other 70
  were recorded on one day: nothing about them is "across days".
- Person 74 has a single recording.
- The checksums inside the headers of 11 recordings disagree with the published signals.
  The files are as published (SHA256SUMS.txt), so this is ignored.
- The published beat annotations are those of an unaudited detector, ten beats a recording;
  they are not loaded.

License: Open Data Commons Attribution 1.0 (ODC-By).

Cite:
Lugovaya TS. Biometric human identification based on electrocardiogram. Master's thesis,
Saint-Petersburg Electrotechnical University "LETI" (2005). doi:10.13026/C2J01F
Goldberger AL et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation
101(23):e215-e220 (2000).
""",
)


def fetch_ecgid(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    records: Sequence[str] | None = None,
    filtered: bool = False,
    verify: bool = True,
) -> Bunch:
    """Load the ECG-ID Database: 310 recordings of 90 persons, some of them on several days.

    Missing files are downloaded from PhysioNet (12 MB, ODC-By 1.0) one by
    one, so that an interrupted download continues where it stopped.

    Parameters
    ----------
    data_home : str or path-like, optional
        The folder that holds, or will hold, the folder ``ecgiddb``. By default the
        environment variable ``SKLEARN_ECGANON_DATA``, else ``~/sklearn_ecganon_data``.
    download_if_missing : bool, default=True
        If False, missing files raise an error.
    records : sequence of str, optional
        Which records, for example ``["Person_01/rec_1"]``; all 310 by default.
    filtered : bool, default=False
        Load the publisher's filtered copy of lead I instead of the raw one.
    verify : bool, default=True
        Check each file against the publisher's SHA256SUMS.txt. Downloaded files are always
        checked.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (10000, 1) in mV at 500 Hz, lead I, no R peaks. They come in
            the publisher's order: by person, then by number.
        subject : ndarray of str of shape (n_records,)
            The person, ``"Person_01"`` to ``"Person_90"``.
        session : ndarray of str of shape (n_records,)
            The date of the recording, for example ``"2004-12-07"``.
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
    .. [1] Lugovaya TS. Biometric human identification based on electrocardiogram. Master's
       thesis, Saint-Petersburg Electrotechnical University "LETI" (2005).

    Examples
    --------
    >>> from sklearn_ecganon.datasets import fetch_ecgid
    >>> bunch = fetch_ecgid(records=["Person_01/rec_1"])  # doctest: +SKIP
    >>> bunch.subject[0], bunch.session[0]  # doctest: +SKIP
    ('Person_01', '2004-12-07')
    """
    return fetch_records(
        ECGID,
        partial(_read, filtered=filtered),
        data_home=data_home,
        download_if_missing=download_if_missing,
        records=records,
        verify=verify,
    )


def _read(folder: Path, name: str, *, filtered: bool) -> ECGRecord:
    record = read_published(folder, name)
    date = read_identity(folder / f"{name}.hea", root=folder).acquired
    if date is None:
        raise ValueError(f"record {name!r}: its header gives no 'ECG date: dd.mm.yyyy'.")
    return replace(
        record,
        signal=record.signal[:, [int(filtered)]],
        lead_names=("I",),
        subject=name.split("/")[0],
        session=date.isoformat(),
    )
