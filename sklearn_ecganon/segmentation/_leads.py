"""Selection of leads by name or position."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from sklearn_ecganon.records import ECGRecord


def find_lead(record: ECGRecord, lead: str | int) -> int:
    """Return the position of a lead given by its position or by its name in any case."""
    names = [name.upper() for name in record.lead_names]
    if isinstance(lead, Integral) and 0 <= lead < record.n_leads:
        return int(lead)
    if str(lead).upper() in names:
        return names.index(str(lead).upper())
    raise ValueError(
        f"record {record.name!r}: has no lead {lead!r}; its leads are "
        f"{', '.join(map(repr, record.lead_names))}."
    )


def kept_leads(record: ECGRecord, leads: Sequence[str | int] | None) -> list[int]:
    """Return the positions of the leads to keep, in the given order; None keeps all."""
    if leads is None:
        return list(range(record.n_leads))
    positions = [find_lead(record, lead) for lead in leads]
    if not positions or len(set(positions)) < len(positions):
        raise ValueError(
            f"record {record.name!r}: leads={leads!r} names no lead, or one lead twice; "
            "give each lead to keep once."
        )
    return positions


def used_leads(
    record: ECGRecord, leads: Sequence[str | int] | None, detection_lead: str | int | None
) -> tuple[list[int], int]:
    """Return the required leads, and the index of the one to search beats in.

    The leads to keep come first. By default beats are searched in MLII, II or the first lead.
    """
    used = kept_leads(record, leads)
    if detection_lead is None:
        names = [record.lead_names[i].upper() for i in used]
        return used, next((names.index(name) for name in ("MLII", "II") if name in names), 0)
    lead = find_lead(record, detection_lead)
    if lead not in used:
        used.append(lead)
    return used, used.index(lead)
