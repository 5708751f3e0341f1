"""Leads by name or position."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

from sklearn_ecganon.records import ECGRecord


def find_lead(record: ECGRecord, lead: str | int) -> int:
    """Return the position of a lead given by position or by its name in any case."""
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
    """Return the positions of the leads to keep, in the order asked for; None is all."""
    if leads is None:
        return list(range(record.n_leads))
    kept = [find_lead(record, lead) for lead in leads]
    if not kept or len(set(kept)) < len(kept):
        raise ValueError(
            f"record {record.name!r}: leads={leads!r} names no lead, or one lead twice; "
            "give each lead to keep once."
        )
    return kept


def used_leads(
    record: ECGRecord, leads: Sequence[str | int] | None, detection_lead: str | int | None
) -> tuple[list[int], int]:
    """Return the leads that must not be missing, and which of them to find beats in.

    The kept ones come first. Beats are found in MLII, II or the first of them by default.
    """
    used = kept_leads(record, leads)
    if detection_lead is None:
        names = [record.lead_names[i].upper() for i in used]
        return used, next((names.index(name) for name in ("MLII", "II") if name in names), 0)
    lead = find_lead(record, detection_lead)
    if lead not in used:
        used.append(lead)
    return used, used.index(lead)
