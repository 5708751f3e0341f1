"""What the fetchers share: where databases lie, how they get there, how they are checked."""

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
from sklearn_ecganon.records import ECGRecord

SUMS = "SHA256SUMS.txt"
INDEX = "RECORDS"


@dataclass(frozen=True)
class Database:
    """A PhysioNet database, as far as fetching it needs to know.

    Parameters
    ----------
    slug : str
        Its name in PhysioNet's addresses, and the name of its folder on disk.
    title, licence : str
        What a user must know before the download starts.
    extensions : tuple of str
        The files that make up one record.
    record_size : float
        What one record takes on disk, in MB.
    descr : str
        The whole story, for `DESCR`.
    """

    slug: str
    title: str
    licence: str
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
    """Make sure that the records are on disk and sound, then `read` each of them.

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
    _ensure(database, [INDEX], folder, download_if_missing, verify)
    published = (folder / INDEX).read_text().split()
    if isinstance(records, str):
        raise ValueError(f"records is a string; give a list, for example [{records!r}].")
    wanted = published if records is None else [str(record) for record in records]
    unknown = sorted(set(wanted) - set(published))
    if unknown or not wanted:
        raise ValueError(
            f"records: {unknown or 'an empty list'} found, but {database.title} has "
            f"{len(published)} records from {published[0]!r} to {published[-1]!r}."
        )
    files = [f"{record}.{end}" for record in wanted for end in database.extensions]
    _ensure(database, files, folder, download_if_missing, verify)
    return bunch_of([read(folder, record) for record in wanted], database.descr)


def bunch_of(data: list[ECGRecord], descr: str) -> Bunch:
    """Return the records with their subjects and sessions beside them."""
    return Bunch(
        data=data,
        subject=np.array([record.subject for record in data], dtype=np.str_),
        session=np.array([record.session for record in data], dtype=np.str_),
        DESCR=descr,
    )


def _ensure(
    database: Database, files: list[str], folder: Path, download: bool, verify: bool
) -> None:
    """Fetch what is missing, and check what was there already."""
    missing = [name for name in files if not (folder / name).is_file()]
    no_sums = (verify or bool(missing)) and not (folder / SUMS).is_file()
    if (missing or no_sums) and not download:
        lacking = [*missing, SUMS] if no_sums else missing
        raise FileNotFoundError(
            f"{database.title}: {len(lacking)} files are not in {folder}, the first is "
            f"{lacking[0]}; give data_home=, set SKLEARN_ECGANON_DATA, or allow the download "
            f"with download_if_missing=True ({SUMS} alone is not needed with verify=False)."
        )
    if no_sums:
        _download(database, [SUMS], folder, sums=None)
    if not (missing or verify):
        return
    sums = _read_sums(folder / SUMS)
    if verify:
        for name in files:
            if name not in missing:
                advice = "delete it and fetch again, or trust it with verify=False"
                _check(folder / name, name, sums, advice)
    if missing:
        if missing != [INDEX]:
            size = database.record_size * len(missing) / len(database.extensions)
            Console(stderr=True).print(
                f"Downloading {database.title} from physionet.org: {len(missing)} files, "
                f"about {size:.1f} MB, licence {database.licence}, into {folder}",
                soft_wrap=True,
                highlight=False,
            )
        _download(database, missing, folder, sums)


def _download(
    database: Database, files: list[str], folder: Path, sums: dict[str, str] | None
) -> None:
    """Fetch `files` one by one; each appears in `folder` only when whole and checked."""
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

    # Unfinished files live in a folder of their own: an interrupted run leaves whole files
    # behind and nothing else, and the next run goes on from there.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:

        def fetch(numbered: tuple[int, str]) -> None:
            number, name = numbered
            part = Path(scratch) / str(number)
            try:
                wfdb_download.dl_full_file(posixpath.join(base, name), str(part))
            except Exception as error:
                raise _failed(database, name, error) from error
            if sums is not None:
                _check(part, name, sums, "the download is damaged; nothing was kept, try again")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, target)

        # Two connections, as wfdb itself limits them. `map` cancels the rest on an error.
        with ThreadPoolExecutor(max_workers=2) as pool:
            done: Iterable[None] = pool.map(fetch, enumerate(files))
            if len(files) > 1:
                console = Console(stderr=True)
                done = track(done, database.slug, total=len(files), console=console)
            for _ in done:
                pass


def _failed(database: Database, what: str, error: Exception) -> OSError:
    return OSError(
        f"{database.slug}: {what} could not be downloaded from physionet.org "
        f"({type(error).__name__}: {error}); what is there already is kept, try again."
    )


def _read_sums(path: Path) -> dict[str, str]:
    """Return the publisher's digest of each file name."""
    rows = re.findall(r"^([0-9a-f]{64}) +(.+?)\s*$", path.read_text(), flags=re.MULTILINE)
    if not rows:
        raise OSError(f"{path} holds no SHA-256 digests; delete it and fetch again.")
    return {name: digest for digest, name in rows}


def _check(path: Path, name: str, sums: dict[str, str], advice: str) -> None:
    """Raise unless the file has the digest that the publisher gives for `name`."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    wanted = sums.get(name)
    if found != wanted:
        expected = "is not listed there" if wanted is None else f"should be {wanted[:12]}..."
        raise OSError(
            f"{name} does not match the publisher's {SUMS}: its SHA-256 is {found[:12]}..., "
            f"it {expected}; {advice}."
        )
