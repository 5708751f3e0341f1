"""Which recordings of a person are the gallery and which the probes, in an audit of folders."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.report._verdict import MIN_SUBJECTS

#: Note of the page on audits whose dates are too few.
FEW_DATES = (
    "Only {n_dates} people were recorded on two dates, which is too few for a verdict. "
    "Therefore the earlier half of the recordings of each person is the gallery, and the later "
    "half are the probes, also where both are of one date. People are then easier to recognize "
    "than across days."
)


def enough_probed(records: list[ECGRecord]) -> tuple[list[ECGRecord], str]:
    """Give the records other sessions where too few people were recorded on two dates.

    A verdict needs 20 people with gallery and probes. If fewer people have recordings of two
    dates, but at least 20 have two recordings, the recordings of each person are divided into
    an earlier and a later half. Recordings of one date are in the order given.

    Parameters
    ----------
    records : list of ECGRecord
        Originals, with their subjects. Their sessions are dates.

    Returns
    -------
    records : list of ECGRecord
        The same records, with new sessions if those were needed.
    note : str
        What was done and why; empty if nothing was.
    """
    of_person: dict[str, list[int]] = defaultdict(list)
    for i, record in enumerate(records):
        of_person[str(record.subject)].append(i)
    n_several = sum(len(rows) > 1 for rows in of_person.values())
    n_dates = sum(len({records[i].session for i in rows}) > 1 for rows in of_person.values())
    dated = all(record.session is not None for record in records)
    if not dated or not 0 < n_dates < MIN_SUBJECTS <= n_several:
        return records, ""
    halves = list(records)
    for rows in of_person.values():
        order = np.argsort([str(records[i].session) for i in rows], kind="stable")
        n_early = (len(rows) + 1) // 2
        for position, row in enumerate(order):
            half = "1 earlier" if position < n_early else "2 later"
            halves[rows[row]] = replace(records[rows[row]], session=half)
    return halves, FEW_DATES.format(n_dates=n_dates)
