"""Relations between leads, which are differences of electrode potentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LIMB_LEADS", "LimbRelations", "limb_relations"]

#: Each limb lead as a combination of the leads I and II, by its name in upper case.
#: Einthoven's law gives III, Goldberger's definitions the augmented leads.
LIMB_LEADS = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "AVR": (-0.5, -0.5),
    "AVL": (1.0, -0.5),
    "AVF": (-0.5, 1.0),
}


class LimbRelations(NamedTuple):
    """Limb leads of a record that are linear combinations of two others.

    Parameters
    ----------
    basis : tuple of int
        Positions of the two leads from which the others are computed.
    derived : tuple of int
        Positions of the derived leads.
    coefficients : ndarray of shape (n_derived, 2)
        Each derived lead as a combination of the two.
    """

    basis: tuple[int, int]
    derived: tuple[int, ...]
    coefficients: NDArray[np.float64]

    def derive(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derived leads: (..., n_derived, n_times).

        Parameters
        ----------
        windows : ndarray of shape (..., n_leads, n_times)
            In mV.
        """
        return self.coefficients @ windows[..., list(self.basis), :]

    def errors(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the median absolute error of each derived lead, in mV.

        Parameters
        ----------
        windows : ndarray of shape (n_beats, n_leads, n_times)
            In mV.

        Returns
        -------
        errors : ndarray of shape (n_derived,)
            0 for leads that obey the relations.
        """
        deviation = windows[:, list(self.derived)] - self.derive(windows)
        return np.median(np.abs(deviation), axis=(0, 2))

    def of_derived(self, chosen: NDArray[np.bool_]) -> LimbRelations:
        """Return the relations of some of the derived leads.

        Parameters
        ----------
        chosen : ndarray of bool of shape (n_derived,)
            Whether to keep each derived lead.
        """
        derived = tuple(np.array(self.derived)[chosen].tolist())
        return LimbRelations(self.basis, derived, self.coefficients[chosen])


def limb_relations(lead_names: Sequence[str]) -> LimbRelations | None:
    """Return the relations between the limb leads of a record.

    Parameters
    ----------
    lead_names : sequence of str
        Names of the leads of a record, in any case.

    Returns
    -------
    relations : LimbRelations or None
        The basis is I and II if the record has both. None for fewer than three limb leads.

    Examples
    --------
    >>> from sklearn_ecganon.leads import limb_relations
    >>> relations = limb_relations(["I", "II", "V1", "aVF"])
    >>> relations.basis, relations.derived, relations.coefficients.tolist()
    ((0, 1), (3,), [[-0.5, 1.0]])
    >>> limb_relations(["MLII", "V1"]) is None
    True
    """
    positions = {
        name.upper(): position
        for position, name in enumerate(lead_names)
        if name.upper() in LIMB_LEADS
    }
    if len(positions) < 3:
        return None
    first, second = [name for name in LIMB_LEADS if name in positions][:2]
    derived = [name for name in positions if name not in (first, second)]
    by_first_two = np.array([LIMB_LEADS[name] for name in (first, second)])
    by_i_and_ii = np.array([LIMB_LEADS[name] for name in derived])
    return LimbRelations(
        (positions[first], positions[second]),
        tuple(positions[name] for name in derived),
        by_i_and_ii @ np.linalg.inv(by_first_two),
    )
