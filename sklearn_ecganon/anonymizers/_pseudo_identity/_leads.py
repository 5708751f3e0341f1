"""How the leads of a record follow from those that a population describes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.leads import LIMB_LEADS

#: The leads of a 12-lead ECG that are independent of each other.
STANDARD_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
_SAME = {"MLII": "II", "MLI": "I", "ECG I": "I", "ECG II": "II", "ECG": "II"}


def model_leads(lead_names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the leads that describe records: the eight independent ones if any is known.

    Parameters
    ----------
    lead_names : sequence of sequence of str
        Names of the leads of each record.
    """
    names = {_SAME.get(name.upper(), name) for leads in lead_names for name in leads}
    known = {name.upper() for name in names} & {*STANDARD_LEADS, *LIMB_LEADS}
    return STANDARD_LEADS if known else tuple(sorted(names))


def lead_matrix(names: Sequence[str], leads: Sequence[str]) -> NDArray[np.float64]:
    """Return how each lead of a record is made of the leads of the model.

    MLII counts as II. III, aVR, aVL and aVF follow from I and II. Any other lead is taken for
    the lead of the model at its position, so that several unknown leads look different and
    belong to one person.

    Parameters
    ----------
    names : sequence of str of length n_leads
        Leads of the record.
    leads : sequence of str of length n_model_leads
        Leads of the model.

    Returns
    -------
    matrix : ndarray of shape (n_leads, n_model_leads)
        In mV per mV.
    """
    position = {name.upper(): i for i, name in enumerate(leads)}
    matrix = np.zeros((len(names), len(leads)))
    for row, name in zip(matrix, names, strict=True):
        upper = _SAME.get(name.upper(), name).upper()
        if upper in position:
            row[position[upper]] = 1.0
        elif upper in LIMB_LEADS and {"I", "II"} <= position.keys():
            row[[position["I"], position["II"]]] = LIMB_LEADS[upper]
    unknown = np.flatnonzero(~matrix.any(axis=1))
    matrix[unknown, unknown % len(leads)] = 1.0
    return matrix


def observed_leads(
    signal: NDArray[np.float64], names: Sequence[str], leads: Sequence[str]
) -> NDArray[np.float64]:
    """Return a signal of shape (n_leads, n_times) in the leads of the model.

    Leads of the model that do not follow from those of the record are NaN. I and II follow
    from any two limb leads.
    """
    matrix = lead_matrix(names, leads)
    solution = np.linalg.pinv(matrix)
    determined = np.isclose(np.abs(solution @ matrix).sum(axis=1), 1.0) & np.isclose(
        np.diag(solution @ matrix), 1.0
    )
    shown = np.full((len(leads), signal.shape[1]), np.nan)
    shown[determined] = solution[determined] @ signal
    return shown
