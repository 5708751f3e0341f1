"""Plan the release of a record, and write it stretch by stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity import _cycles as cycles
from sklearn_ecganon.anonymizers._pseudo_identity._analysis import describe
from sklearn_ecganon.anonymizers._pseudo_identity._background import background
from sklearn_ecganon.anonymizers._pseudo_identity._blending import (
    blend,
    original_identity,
    residual_of_original,
    windows_of,
)
from sklearn_ecganon.anonymizers._pseudo_identity._identity import (
    Identity,
    Population,
    draw_identity,
)
from sklearn_ecganon.anonymizers._pseudo_identity._intervals import (
    Intervals,
    beats_of,
    draw_intervals,
    has_spikes,
    measure_record,
    n_misses,
    with_intervals,
)
from sklearn_ecganon.anonymizers._pseudo_identity._leads import lead_matrix
from sklearn_ecganon.anonymizers._pseudo_identity._retiming import retime
from sklearn_ecganon.anonymizers._pseudo_identity._surrogate import (
    intervals_of,
    is_paced_profile,
    surrogate,
)
from sklearn_ecganon.anonymizers._pseudo_identity._writer import (
    Rhythm,
    add_spikes,
    write_beats,
)
from sklearn_ecganon.contracts import NO_P_WAVE
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import between

_N_TRIAL = 30  # beats that are written to see whether the contract is fulfilled
_N_CORRECTIONS = 2
_N_CANDIDATES = 2  # people who are drawn until one fulfills the contract
_LARGEST_STEP_MS = 30.0
#: Steps of the numbers that recorders write, in mV, the coarsest first.
_STEPS = (0.01, 0.005, 0.0025, 0.001)


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
    """

    identity: Identity
    original: Identity | None
    fibrillation: bool
    paced: bool
    step: float
    profile: Mapping[str, int] | None = None


def plan_release(
    population: Population,
    settings: Settings,
    record: BeatSet,
    seed: NDArray[np.uint64],
    stretch_seed: NDArray[np.uint64],
    keyed: bool,
    profile: Mapping[str, int] | None = None,
) -> Plan | None:
    """Draw the identity of a record; None for a record without beats, or a suppressed one.

    Parameters
    ----------
    population : Population
        Synthetic people.
    settings : Settings
        Parameters.
    record : BeatSet
        One record, or its first stretch.
    seed, stretch_seed : ndarray of uint64
        Seeds of the identity, and of what is drawn for this stretch.
    keyed : bool
        Whether the identity belongs to a key, and not to this record.
    profile : mapping of str to int, optional
        Categories that replace those of the record. An empty one suppresses the record.
    """
    if not len(record.beats) or (profile is not None and not profile):
        return None
    rng = np.random.default_rng(seed.tolist())
    stretch_rng = np.random.default_rng(stretch_seed.tolist())
    paced = has_spikes(record)
    step = _step_of(record.beats)
    if profile is None:
        measured = measure_record(record)
    else:
        measured = intervals_of(profile), dict(profile)
        paced = is_paced_profile(profile)
        if settings.strength == 1:
            record = surrogate(record, profile, stretch_rng)
    codes = {} if measured is None else dict(measured[1])
    no_p = codes.get("pr") == NO_P_WAVE
    if measured is not None:
        codes["no_p"] = int(no_p)
        if population.leads[_st_lead(record.lead_names[0], population)] != "II":
            codes.pop("st", None)  # the ST category of a person is that of lead II
    new_peaks, _ = _retimed(record, settings, stretch_rng)
    rr = _mean_rr(record.r_peaks, record), _mean_rr(new_peaks, record)
    original = None
    if settings.strength < 1:
        description = describe(record, population.leads, delineate=measured is not None)
        original = original_identity(population, description)
    best, fewest = None, np.inf
    for _ in range(1 if keyed or measured is None else _N_CANDIDATES):
        identity = draw_identity(
            population, {} if keyed else codes, _statements(record, settings), rng
        )
        if measured is not None and (keyed or no_p):
            identity = identity._replace(has_p=not no_p)
        if original is not None:
            identity = blend(population, original, identity, settings.strength)
        fibrillation = no_p and codes.get("irregularity") == 1
        plan = Plan(identity, original, fibrillation, paced, step, profile)
        if measured is None:
            return plan
        intervals = measured[0]
        if settings.contract == "diagnostic":
            normal = rng.standard_normal(4)
            drawn = draw_intervals(intervals, measured[1], identity.fiducial_points, rr, normal)
            share = settings.strength
            blended = (1 - share) * np.array(intervals) + share * np.array(drawn)
            intervals = Intervals(*blended.tolist())
        plan, missed = _corrected(population, record, settings, plan, intervals, rr[1], rng)
        if best is None or missed < fewest:
            best, fewest = plan, missed
        if missed == 0:
            break
    return best


def _statements(record: BeatSet, settings: Settings) -> NDArray[np.bool_] | None:
    """Return which statements hold for a record, or None if nothing is known of it."""
    if record.statements is None or record.statements[0] is None:
        return None
    given = record.statements[0]
    return np.array([name in given for name in settings.statement_names], dtype=bool)


def _corrected(
    population: Population,
    record: BeatSet,
    settings: Settings,
    plan: Plan,
    intervals: Intervals,
    rr: float,
    rng: np.random.Generator,
) -> tuple[Plan, float]:
    """Return a plan whose release has these intervals as far as possible, and what it misses.

    Some beats are written and measured as the contract is measured, and the waves are moved
    by what they miss.
    """
    trial = beats_of(record, slice(0, _N_TRIAL))
    length = min(int(record.lengths[0]), int(trial.r_peaks[-1]) + record.n_times)
    trial = replace(trial, lengths=np.array([length]), gaps=None, lead_gaps=None)
    seed = np.array([rng.integers(2**63)], dtype=np.uint64)
    aim = np.array(intervals)
    lead = _st_lead(record.lead_names[0], population)
    best, fewest = plan, np.inf
    for _ in range(_N_CORRECTIONS + 1):
        fiducial_points = with_intervals(
            plan.identity.fiducial_points, Intervals(*aim.tolist())
        )
        plan = plan._replace(identity=plan.identity._replace(fiducial_points=fiducial_points))
        released = measure_record(write_release(population, settings, trial, plan, seed))
        measured = None if released is None else released[0]
        missed = n_misses(intervals, measured, rr, settings.contract)
        if missed < fewest:
            best, fewest = plan, missed
        if missed == 0 or measured is None:
            break
        step = np.nan_to_num(np.array(intervals) - np.array(measured))
        aim[:3] += step[:3].clip(-_LARGEST_STEP_MS, _LARGEST_STEP_MS)
        st = plan.identity.st + float(step[3])
        plan = plan._replace(identity=plan.identity._replace(st=st, st_lead=lead))
    return best, fewest


def _st_lead(names: tuple[str, ...], population: Population) -> int:
    """Return the lead of the model in which the contract measures ST: II, or the first."""
    matrix = lead_matrix(names, population.leads)
    upper = [name.upper() for name in names]
    row = next((upper.index(name) for name in ("MLII", "II") if name in upper), 0)
    return int(np.abs(matrix[row]).argmax())


def write_release(
    population: Population,
    settings: Settings,
    record: BeatSet,
    plan: Plan | None,
    stretch_seed: NDArray[np.uint64],
) -> BeatSet:
    """Write one stretch of a record.

    Parameters
    ----------
    population : Population
        What all people share.
    settings : Settings
        Parameters.
    record : BeatSet
        The stretch.
    plan : Plan or None
        What was decided for the record.
    stretch_seed : ndarray of uint64
        Seed of rhythm, deviations and noise.
    """
    n_times, length = record.n_times, int(record.lengths[0])
    if plan is None or not len(record.beats):
        return replace(
            beats_of(record, slice(0, 0)), signals=(np.zeros((record.n_leads, length)),)
        )
    rng = np.random.default_rng(stretch_seed.tolist())
    has_labels = record.labels is not None
    if plan.profile is not None and settings.strength == 1:
        record = surrogate(record, plan.profile, rng)
    new_peaks, origin = _retimed(record, settings, rng)
    rate = record.sampling_rate
    times = cycles.window_times(n_times, rate)
    before, _ = cycles.around(record)
    beat_classes = cycles.find_beat_classes(record.beats, before, record.labels, times)
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
        beats=windows_of(signal, new_peaks, n_times),
        record=np.zeros(len(origin), dtype=np.intp),
        r_peaks=new_peaks,
        labels=record.labels[origin] if has_labels and record.labels is not None else None,
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


def _mean_rr(r_peaks: NDArray[np.intp], record: BeatSet) -> float:
    """Return the mean of the RR intervals in ms, or of a second where there are none."""
    if len(r_peaks) < 2:
        return 1000.0
    return float(np.diff(r_peaks).mean() * 1000.0 / record.sampling_rate)


def _step_of(windows: NDArray[np.float64]) -> float:
    """Return the step of recorded numbers if it is a usual one, otherwise 0.

    The release has it as well; it belongs to the type of recorder. Only the steps of a fixed
    list are looked for, so that no unusual one gets into a release.
    """
    some = windows[:: max(1, len(windows) // 5)].ravel()
    for step in _STEPS:
        count = some / step
        if np.abs(count - np.rint(count)).max() < 1e-6 and np.ptp(some) > 50 * step:
            return step
    return 0.0
