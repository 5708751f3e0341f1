"""Two sessions from one long recording: its beginning and its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sklearn_ecganon.records import ECGRecord

EARLY, LATE = "1 early", "2 late"


def time_split(
    records: Sequence[ECGRecord], *, fraction: float = 0.45, duration: float | None = 60.0
) -> list[ECGRecord]:
    """Turn the beginning and the end of each long recording into two sessions.

    Parameters
    ----------
    records : sequence of ECGRecord
        Long recordings.
    fraction : float, default=0.45
        The fraction of a recording that each end receives. The middle is left out.
    duration : float or None, default=60.0
        Each end is cut into records of this length in seconds; a shorter remainder is left
        out. None keeps each end whole.

    Returns
    -------
    parts : list of ECGRecord
        Records with the `session` ``"1 early"`` or ``"2 late"`` and the subject of the
        recording that they come from.

    Raises
    ------
    ValueError
        If `fraction` is not in (0, 0.5], or if an end is shorter than `duration`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.datasets import time_split
    >>> parts = time_split([ECGRecord(np.zeros(40_000), 100.0, subject="a")])
    >>> [part.session for part in parts]
    ['1 early', '1 early', '1 early', '2 late', '2 late', '2 late']
    """
    if not 0 < fraction <= 0.5:
        raise ValueError(f"fraction={fraction}; give a number above 0 and up to 0.5.")
    parts = []
    for record in records:
        end = int(record.n_times * fraction)
        length = end if duration is None else round(duration * record.sampling_rate)
        if not 0 < length <= end:
            raise ValueError(
                f"record {record.name!r}: {fraction:.0%} of it are "
                f"{end / record.sampling_rate:.1f} s, shorter than duration={duration} s."
            )
        for session, offset in ((EARLY, 0), (LATE, record.n_times - end)):
            for number, start in enumerate(range(offset, offset + end - length + 1, length)):
                part = record.crop(start, start + length)
                name = f"{record.name} {session.split()[1]} {number + 1}"
                parts.append(replace(part, session=session, name=name))
    return parts
