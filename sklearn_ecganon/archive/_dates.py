"""Dates of acquisition, moved by a secret number of days for each person."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from sklearn_ecganon.archive._secret import Secret
from sklearn_ecganon.io import ECGReadError, Limits, read_identity

#: Fewest and most days by which the dates of a person are moved into the past.
SHIFT_DAYS = (365, 3650)


def shifted_date(acquired: date, subject: str, secret: Secret) -> date | None:
    """Return a date of a person, moved by the secret offset of that person.

    Parameters
    ----------
    acquired : datetime.date
        Day of the acquisition.
    subject : str
        The person. All dates of one person move by the same number of days, so that the
        time between them stays.
    secret : Secret
        Gives the offset.

    Returns
    -------
    shifted : datetime.date or None
        None if there is no such day in the calendar.
    """
    fewest, most = SHIFT_DAYS
    number = secret.number_of_subject(subject)
    try:
        return acquired - timedelta(days=fewest + number % (most - fewest + 1))
    except OverflowError:
        return None


def released_date(path: str, root: Path, subject: str, secret: Secret, limits: Limits) -> str:
    """Return the shifted date of a recording as text; empty where its header has none.

    Parameters
    ----------
    path : str
        The recording, relative to `root`.
    root : Path
        Folder in which all its files lie.
    subject, secret
        As in `shifted_date`.
    limits : Limits
        How much the file may ask for.
    """
    try:
        acquired = read_identity(root / path, root=root, limits=limits).acquired
    except ECGReadError:
        return ""
    shifted = None if acquired is None else shifted_date(acquired, subject, secret)
    return "" if shifted is None else shifted.isoformat()
