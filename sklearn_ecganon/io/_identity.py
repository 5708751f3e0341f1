"""Facts of a header about the person, which are read separately and never written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

__all__ = ["IdentityFacts"]

# A line that states the date of the recording. Dates of birth and of diagnoses have other
# names. Only two notations are unambiguous: ISO, and the day first with points.
_DATE_LINE = re.compile(
    r"\W*(?:(?:ecg|record|recording|acquisition|study|test|exam|examination)[ _-]?)?date\W*[:=]"
    r"\s*(?:([0-9]{4})-([0-9]{2})-([0-9]{2})|([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}))"
    r"(?![0-9.-])",
    re.IGNORECASE,
)


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


def date_in_comments(comments: Sequence[str]) -> date | None:
    """Return the date of the recording that free text states, or None if none does.

    Parameters
    ----------
    comments : sequence of str
        Lines such as ``"ECG date: 07.12.2004"`` or ``"Recording date: 2004-12-07"``. Other
        notations are not read, because day and month cannot be distinguished. If lines
        state several dates, none is taken.
    """
    dates = set()
    for line in comments:
        match = _DATE_LINE.match(line)
        if match is not None:
            year, month, day = (int(a or b) for a, b in zip(*_by_notation(match), strict=True))
            dates.add(date_or_none(year, month, day))
    return dates.pop() if len(dates) == 1 else None


def _by_notation(match: re.Match[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return year, month and day in ISO notation, and in that with the day first."""
    year, month, day, day_2, month_2, year_2 = match.groups()
    return (year, month, day), (year_2, month_2, day_2)
