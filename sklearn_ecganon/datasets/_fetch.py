"""Download, check and read published databases; all fetchers use this module."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from rich.console import Console
from rich.progress import track
from sklearn.utils import Bunch
from wfdb.io import download as wfdb_download

from sklearn_ecganon._data_home import get_data_home
from sklearn_ecganon.io import ECGReadError, Limits, open_record
from sklearn_ecganon.records import ECGRecord

#: The publisher's SHA-256 digests decide whether a file is sound. Eleven headers of the ECG-ID
#: Database have wrong checksums, although the files are as published.
LIMITS = Limits(checksum="warn")

SUMS = "SHA256SUMS.txt"
INDEX = "RECORDS"


@dataclass(frozen=True)
class Database:
    """A PhysioNet database, with everything that a download needs.

    Parameters
    ----------
    slug : str
        Name of the database in PhysioNet's addresses, and of its folder on disk.
    title, license : str
        Shown to the user before the download starts.
    extensions : tuple of str
        Extensions of the files of one record.
    record_size : float
        Size of one record on disk, in MB.
    descr : str
        Description of the database, for `DESCR`.
    """

    slug: str
    title: str
    license: str
    extensions: tuple[str, ...]
    record_size: float
    descr: str


def fetch_records(
    database: Database,
    read: Callable[[Path, str], ECGRecord],
    *,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
    records: Sequence[str] | None,
    verify: bool,
) -> Bunch:
    """Make sure that the records are on disk and unchanged, then read each of them.

    Parameters
    ----------
    database : Database
        Which database.
    read : callable
        Turns the database's folder and a record's name into an ECGRecord.
    data_home, download_if_missing, records, verify
        As in the public fetchers.

    Returns
    -------
    bunch : Bunch
        With `data`, `subject`, `session` and `DESCR`.
    """
    folder = get_data_home(data_home) / database.slug
    ensure_files(database, [INDEX], folder, download_if_missing, verify)
    published = (folder / INDEX).read_text().split()
    if isinstance(records, str):
        raise ValueError(f"records is a string; give a list, for example [{records!r}].")
    names = published if records is None else [str(record) for record in records]
    unknown = sorted(set(names) - set(published))
    if unknown or not names:
        raise ValueError(
            f"records is {unknown or 'an empty list'}, but {database.title} has "
            f"{len(published)} records from {published[0]!r} to {published[-1]!r}; choose "
            "among them."
        )
    files = [f"{name}.{extension}" for name in names for extension in database.extensions]
    ensure_files(database, files, folder, download_if_missing, verify)
    return bunch_of([read(folder, name) for name in names], database.descr)


def read_published(folder: Path, name: str, annotator: str | None = None) -> ECGRecord:
    """Read a WFDB record of a database, with all its leads.

    Parameters
    ----------
    folder : Path
        Folder of the database.
    name : str
        Name of the record: its path in the folder, without extension.
    annotator : str, optional
        Extension of the annotation file to read.

    Returns
    -------
    record : ECGRecord
        In mV, under the given name.

    Raises
    ------
    ValueError
        If the record cannot be read; the message names it.
    """
    path = folder / f"{name}.hea"
    try:
        with open_record(path, root=folder, limits=LIMITS, annotator=annotator) as reader:
            return reader.record(name)
    except ECGReadError as error:
        raise ValueError(f"record {name!r}: {error}") from None


def bunch_of(data: list[ECGRecord], descr: str) -> Bunch:
    """Return the records in a Bunch, with their subjects and sessions as arrays."""
    return Bunch(
        data=data,
        subject=np.array([record.subject for record in data], dtype=np.str_),
        session=np.array([record.session for record in data], dtype=np.str_),
        DESCR=descr,
    )


def ensure_files(
    database: Database, files: list[str], folder: Path, download: bool, verify: bool
) -> None:
    """Download the files that are missing, and check those that were there already.

    Parameters
    ----------
    database : Database
        Which database.
    files : list of str
        Paths in the database.
    folder : Path
        Folder of the database on disk.
    download : bool
        If False, missing files raise FileNotFoundError.
    verify : bool
        Whether files that are on disk are checked.
    """
    missing = [name for name in files if not (folder / name).is_file()]
    no_sums = (verify or bool(missing)) and not (folder / SUMS).is_file()
    if (missing or no_sums) and not download:
        lacking = [*missing, SUMS] if no_sums else missing
        raise FileNotFoundError(
            f"{database.title}: {len(lacking)} files are missing in {folder}, for example "
            f"{lacking[0]}; give data_home=, set SKLEARN_ECGANON_DATA, or allow the download "
            f"with download_if_missing=True. With verify=False, {SUMS} is not needed."
        )
    if no_sums:
        _download(database, [SUMS], folder, sums=None)
    if not (missing or verify):
        return
    sums = _read_sums(folder / SUMS)
    if verify:
        for name in files:
            if name not in missing:
                advice = "delete it and fetch it again, or skip this check with verify=False"
                _check(folder / name, name, sums, advice)
    if missing:
        if missing != [INDEX]:
            size = database.record_size * len(missing) / len(database.extensions)
            Console(stderr=True).print(
                f"Downloading {database.title} from physionet.org: {len(missing)} files, "
                f"about {size:.1f} MB, license {database.license}, into {folder}",
                soft_wrap=True,
                highlight=False,
            )
        _download(database, missing, folder, sums)


def _download(
    database: Database, files: list[str], folder: Path, sums: dict[str, str] | None
) -> None:
    """Download files one by one; each appears in the folder once it is complete and checked."""
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise OSError(f"{database.slug}: {name!r} would be written outside of {folder}.")

    folder.mkdir(parents=True, exist_ok=True)
    try:
        version = wfdb_download.get_version(database.slug)
    except Exception as error:
        raise _failed(database, "its version", error) from error
    base = posixpath.join(wfdb_download.config.db_index_url, database.slug, version)

    # Unfinished files are in a temporary folder. An interrupted download therefore leaves
    # only complete files, and the next one continues from there.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:

        def fetch(numbered: tuple[int, str]) -> None:
            number, name = numbered
            unfinished = Path(scratch) / str(number)
            try:
                wfdb_download.dl_full_file(posixpath.join(base, name), str(unfinished))
            except Exception as error:
                raise _failed(database, name, error) from error
            if sums is not None:
                advice = "the download is damaged and was discarded; try again"
                _check(unfinished, name, sums, advice)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(unfinished, target)

        # wfdb uses two connections too. After an error, `map` cancels the remaining files.
        with ThreadPoolExecutor(max_workers=2) as pool:
            downloads: Iterable[None] = pool.map(fetch, enumerate(files))
            if len(files) > 1:
                console = Console(stderr=True)
                downloads = track(downloads, database.slug, total=len(files), console=console)
            for _ in downloads:
                pass


def _failed(database: Database, what: str, error: Exception) -> OSError:
    return OSError(
        f"{database.slug}: {what} could not be downloaded from physionet.org "
        f"({type(error).__name__}: {error}); complete files remain on disk; try again."
    )


def _read_sums(path: Path) -> dict[str, str]:
    """Return the publisher's digest of each file, by file name."""
    rows = re.findall(
        r"^([0-9a-f]{64}) +(?:\./)?(.+?)\s*$", path.read_text(), flags=re.MULTILINE
    )
    if not rows:
        raise OSError(f"{path} holds no SHA-256 digests; delete it and fetch again.")
    return {name: digest for digest, name in rows}


def _check(path: Path, name: str, sums: dict[str, str], advice: str) -> None:
    """Raise unless the file has the digest that the publisher gives for `name`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    published = sums.get(name)
    if published is None:
        raise OSError(f"{name} is not listed in the publisher's {SUMS}; {advice}.")
    if digest != published:
        raise OSError(
            f"{name} does not match the publisher's {SUMS}: its SHA-256 is {digest[:12]}..., "
            f"but should be {published[:12]}...; {advice}."
        )
