"""Preserve the physical relations between the limb leads of a record in its release."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.leads import LimbRelations, limb_relations
from sklearn_ecganon.records import BeatSet

# Twice the largest deviation that rounding to 5 uV causes in a combination of two leads.
_MAX_ERROR_MV = 0.015


def obeyed_relations(beats: BeatSet, record: int) -> LimbRelations | None:
    """Return the relations between limb leads that the beats of a record obey, or None."""
    relations = limb_relations(beats.lead_names[record])
    if relations is None:
        return None
    first, last = np.searchsorted(beats.record, [record, record + 1])
    if first == last:
        return None
    obeyed = relations.errors(beats.beats[first:last]) <= _MAX_ERROR_MV
    return relations.of_derived(obeyed) if obeyed.any() else None


def with_relations(
    released: BeatSet, original: BeatSet, relations: list[LimbRelations | None]
) -> BeatSet:
    """Return a release in which each record obeys its relations.

    Samples at which a method changed no limb lead, for example in a protected region, stay
    the same bit for bit.
    """
    if all(relation is None for relation in relations):
        return released
    windows = np.array(released.beats)
    bounds = released.bounds()
    in_place = np.array_equal(released.r_peaks, original.r_peaks)
    for relation, first, last in zip(relations, bounds[:-1], bounds[1:], strict=True):
        if relation is None or first == last:
            continue
        new = windows[first:last]
        derived = list(relation.derived)
        values = relation.derive(new)
        if in_place:
            limb = [*relation.basis, *derived]
            old = original.beats[first:last]
            changed = (new[:, limb] != old[:, limb]).any(axis=1, keepdims=True)
            values = np.where(changed, values, new[:, derived])
        new[:, derived] = values
    signals = released.signals
    if signals is not None:
        signals = tuple(
            signal if relation is None else _with_derived(signal, relation)
            for signal, relation in zip(signals, relations, strict=True)
        )
    return replace(released, beats=windows, signals=signals)


def _with_derived(signal: NDArray, relation: LimbRelations) -> NDArray[np.float64]:
    """Return a signal of shape (n_leads, n_times) that obeys the relations."""
    signal = signal.copy()
    signal[list(relation.derived)] = relation.derive(signal)
    return signal
