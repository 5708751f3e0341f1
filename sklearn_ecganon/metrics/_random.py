"""Conversion of `random_state` to a generator."""

from __future__ import annotations

import numpy as np


def generator(random_state: int | np.random.RandomState | None) -> np.random.Generator:
    """Return a new generator; None seeds it from the operating system."""
    if isinstance(random_state, np.random.RandomState):
        random_state = int(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)
