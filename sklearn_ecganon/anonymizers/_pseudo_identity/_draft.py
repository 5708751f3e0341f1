"""Draft the release of a stretch, and write it with the identity of a plan."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity import _cycles as cycles
from sklearn_ecganon.anonymizers._pseudo_identity._background import background
from sklearn_ecganon.anonymizers._pseudo_identity._blending import (
    residual_of_original,
    windows_of,
)
from sklearn_ecganon.anonymizers._pseudo_identity._identity import Identity, Population
from sklearn_ecganon.anonymizers._pseudo_identity._leads import lead_matrix
from sklearn_ecganon.anonymizers._pseudo_identity._retiming import retime
from sklearn_ecganon.anonymizers._pseudo_identity._surrogate import surrogate
from sklearn_ecganon.anonymizers._pseudo_identity._writer import (
    Rhythm,
    add_spikes,
    write_beats,
)
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import between


class Settings(NamedTuple):
    """What the parameters of the anonymizer say.

    Attributes
    ----------
    strength : float
        Between 0 and 1.
    contract : str
        ``"diagnostic"`` or ``"measurement"``.
    statement_names : tuple of str
        Columns of `Population.statements`.
    """

    strength: float
    contract: str
    statement_names: tuple[str, ...]


class Plan(NamedTuple):
    """What the first stretch of a record decides for the whole record.

    Attributes
    ----------
    identity : Identity
        The synthetic person, already blended with the original.
    original : Identity or None
        The record described in the population, where some of it stays.
    fibrillation, paced : bool
        Whether fibrillatory waves and pacing spikes are written.
    step : float
        Step of the released numbers in mV, 0 if they are not rounded.
    profile : dict of str to int or None
        Released profile that many people share, and which alone the release depends on; None
        if the record's own categories are preserved.
    written : (bytes, BeatSet) or None
        The release of the first stretch and the seed of that stretch, if it was written as a
        whole to see whether it fulfills the contract.
    """

    identity: Identity
    original: Identity | None
    fibrillation: bool
    paced: bool
    step: float
    profile: Mapping[str, int] | None = None
    written: tuple[bytes, BeatSet] | None = None


class Draft(NamedTuple):
    """What of a release does not depend on the synthetic person.

    Attributes
    ----------
    record : BeatSet
        The stretch, or what stands in its place if the release depends on a profile alone.
    r_peaks : ndarray of int
        New R peaks.
    origin : ndarray of int
        Beat of `record` that each new R peak stands for.
    beat_classes : ndarray of int
        Class of each beat of `record`.
    seed : bytes
        Seed of the stretch.
    rng : numpy.random.Generator
        Source of all further draws. Every writing takes a copy.
    """

    record: BeatSet
    r_peaks: NDArray[np.intp]
    origin: NDArray[np.intp]
    beat_classes: NDArray[np.intp]
    seed: bytes
    rng: np.random.Generator


def draft_release(
    settings: Settings,
    record: BeatSet,
    profile: Mapping[str, int] | None,
    stretch_seed: NDArray[np.uint64],
) -> Draft:
    """Return everything of the release of a stretch that does not depend on the person."""
    rng = np.random.default_rng(stretch_seed.tolist())
    if profile is not None and settings.strength == 1:
        record = surrogate(record, profile, rng)
    new_peaks, origin = _retimed(record, settings, rng)
    times = cycles.window_times(record.n_times, record.sampling_rate)
    before, _ = cycles.around(record)
    beat_classes = cycles.find_beat_classes(record.beats, before, record.labels, times)
    return Draft(record, new_peaks, origin, beat_classes, stretch_seed.tobytes(), rng)


def write_draft(
    population: Population, settings: Settings, draft: Draft, plan: Plan
) -> BeatSet:
    """Write a draft with the beats, the baseline and the noise of the plan's identity."""
    record, new_peaks, origin, beat_classes = draft[:4]
    rng = copy.deepcopy(draft.rng)
    rate, length = record.sampling_rate, int(record.lengths[0])
    matrix = lead_matrix(record.lead_names[0], population.leads)
    rhythm = Rhythm(new_peaks.astype(float), beat_classes[origin], rate, length)
    signal = write_beats(population, plan.identity, matrix, rhythm, rng)
    behind = background(
        population,
        plan.identity,
        matrix,
        rhythm.peaks,
        length,
        rate,
        rng,
        fibrillation=plan.fibrillation,
    )
    signal += settings.strength * behind
    if plan.paced:
        add_spikes(signal, population, plan.identity, matrix, rhythm, rng)
    if plan.original is not None:
        old_rhythm = Rhythm(record.r_peaks.astype(float), beat_classes, rate, length)
        written = write_beats(population, plan.original, matrix, old_rhythm, None)
        residual = residual_of_original(record, written, new_peaks, origin)
        signal += (1 - settings.strength) * residual
    if plan.step:
        signal = np.rint(signal / plan.step) * plan.step
    return replace(
        record,
        beats=windows_of(signal, new_peaks, record.n_times),
        record=np.zeros(len(origin), dtype=np.intp),
        r_peaks=new_peaks,
        labels=None if record.labels is None else record.labels[origin],
        signals=(signal,),
    )


def _retimed(
    record: BeatSet, settings: Settings, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return new R peaks, and for each of them the old beat that it stands for."""
    r_peaks, rate = record.r_peaks, record.sampling_rate
    # A single beat, such as a row of an array, has no rhythm.
    if settings.contract == "measurement" or len(r_peaks) == 1:
        return r_peaks, np.arange(len(r_peaks))
    gaps = np.empty((0, 2), np.intp) if record.gaps is None else record.gaps[:, 1:]
    peaks, origins = [], []
    for start, stop in between(gaps, int(record.lengths[0])):
        first, last = np.searchsorted(r_peaks, [start, stop])
        if first == last:
            continue
        new = retime(
            (r_peaks[first:last] - start) / rate,
            None if record.labels is None else record.labels[first:last],
            (stop - start) / rate,
            rng,
            strength=settings.strength,
        )
        moved = start + np.rint(new.r_peaks * rate).astype(np.intp)
        moved, first_of = np.unique(moved.clip(start, stop - 1), return_index=True)
        peaks.append(moved)
        origins.append(first + new.source[first_of])
    return np.concatenate(peaks), np.concatenate(origins)
