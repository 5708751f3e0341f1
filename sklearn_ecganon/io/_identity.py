"""Facts of a header about the person, which are read separately and never written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

__all__ = ["IdentityFacts"]


@dataclass(frozen=True)
class IdentityFacts:
    """Facts in the header of an original recording that point to the person.

    `open_record` and `read_record` drop these facts. Data sets and audits need some of them
    to group recordings by session, and get them from `read_identity`. There is no function
    that writes them. The `repr` shows none of them either.

    Parameters
    ----------
    acquired : datetime.date, optional
        Day of the acquisition. Dates that the format prescribes for an unknown date, such
        as 1985-01-01 in EDF, count as missing.
    comments : tuple of str, default=()
        Free text of the header, and its fields about the patient as ``"name: value"``.

    Examples
    --------
    >>> from datetime import date
    >>> from sklearn_ecganon.io import IdentityFacts
    >>> facts = IdentityFacts(date(2004, 12, 7), ("Age: 25",))
    >>> facts
    IdentityFacts()
    >>> facts.acquired.isoformat(), facts.comments
    ('2004-12-07', ('Age: 25',))
    """

    acquired: date | None = field(default=None, repr=False)
    comments: tuple[str, ...] = field(default=(), repr=False)


def date_or_none(year: int, month: int, day: int) -> date | None:
    """Return a date, or None if there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None
