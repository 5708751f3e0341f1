"""Which of the model's leads a record's lead is, or follows from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Limb leads follow from two others by Einthoven's and Goldberger's equations.
DERIVED = {
    "III": {"II": 1.0, "I": -1.0},
    "AVR": {"I": -0.5, "II": -0.5},
    "AVL": {"I": 1.0, "II": -0.5},
    "AVF": {"II": 1.0, "I": -0.5},
}
ALIKE = {"MLII": "II", "II": "MLII", "MLI": "I", "ECG I": "I", "ECG": "II"}


def lead_weights(names: Sequence[str], channels: Sequence[str]) -> NDArray[np.float64]:
    """Return how each lead is made of the model's leads: (n_leads, n_channels).

    A lead the model knows is that lead; MLII and II stand for each other, and III, aVR, aVL
    and aVF follow from I and II. Any other lead is taken for the model's lead at its
    position, so that several unknown leads look different and belong to one heart.
    """
    known = {name.upper(): i for i, name in enumerate(channels)}
    weights = np.zeros((len(names), len(channels)))
    for position, name in enumerate(names):
        upper = name.upper()
        parts = DERIVED.get(upper, {})
        if upper in known:
            weights[position, known[upper]] = 1.0
        elif ALIKE.get(upper) in known:
            weights[position, known[ALIKE[upper]]] = 1.0
        elif parts and set(parts) <= set(known):
            for part, weight in parts.items():
                weights[position, known[part]] = weight
        else:
            weights[position, position % len(channels)] = 1.0
    return weights


def own_channels(weights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return pairs (lead, channel) of leads that are one of the model's; none of them twice."""
    pairs: dict[int, int] = {}
    for lead, row in enumerate(weights):
        if (row == 1.0).sum() == 1 and (row != 0).sum() == 1:
            pairs.setdefault(int(row.argmax()), lead)
    return [(lead, channel) for channel, lead in pairs.items()]
