"""Plan the release of a record, and write it stretch by stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import describe
from sklearn_ecganon.anonymizers._pseudo_identity._blending import blend, original_identity
from sklearn_ecganon.anonymizers._pseudo_identity._draft import (
    Draft,
    Plan,
    Settings,
    draft_release,
    write_draft,
)
from sklearn_ecganon.anonymizers._pseudo_identity._identity import Population, draw_identity
from sklearn_ecganon.anonymizers._pseudo_identity._intervals import (
    Intervals,
    beats_of,
    draw_intervals,
    has_spikes,
    measure_intervals,
    measure_record,
    n_misses,
    with_intervals,
)
from sklearn_ecganon.anonymizers._pseudo_identity._leads import lead_matrix
from sklearn_ecganon.anonymizers._pseudo_identity._surrogate import (
    intervals_of,
    is_paced_profile,
)
from sklearn_ecganon.contracts import NO_P_WAVE
from sklearn_ecganon.records import BeatSet

_N_TRIAL = 30  # beats that are written to see whether the contract is fulfilled
_N_CORRECTIONS = 2
_N_CANDIDATES = 2  # people who are drawn until one fulfills the contract
_LARGEST_STEP_MS = 30.0
#: Steps of the numbers that recorders write, in mV, the coarsest first.
_STEPS = (0.01, 0.005, 0.0025, 0.001)


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
    paced = has_spikes(record)
    step = _step_of(record.beats)
    if profile is None:
        measured = measure_record(record)
    else:
        measured = intervals_of(profile), dict(profile)
        paced = is_paced_profile(profile)
    draft = draft_release(settings, record, profile, stretch_seed)
    record = draft.record
    codes = {} if measured is None else dict(measured[1])
    no_p = codes.get("pr") == NO_P_WAVE
    if measured is not None:
        codes["no_p"] = int(no_p)
        if population.leads[_st_lead(record.lead_names[0], population)] != "II":
            codes.pop("st", None)  # the ST category of a person is that of lead II
    rr = _mean_rr(record.r_peaks, record), _mean_rr(draft.r_peaks, record)
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
        plan, missed = _corrected(population, settings, draft, plan, intervals, rr[1])
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
    settings: Settings,
    draft: Draft,
    plan: Plan,
    intervals: Intervals,
    rr: float,
) -> tuple[Plan, float]:
    """Return a plan whose release has these intervals as far as possible, and what it misses.

    The beats are written and measured as the contract is measured, and the waves are moved
    by what they miss. Of a long stretch only the first beats are written.
    """
    is_whole = len(draft.record.beats) <= _N_TRIAL
    if not is_whole:
        draft = _beginning(settings, draft)
    aim = np.array(intervals)
    lead = _st_lead(draft.record.lead_names[0], population)
    best, fewest = plan, np.inf
    for _ in range(_N_CORRECTIONS + 1):
        fiducial_points = with_intervals(
            plan.identity.fiducial_points, Intervals(*aim.tolist())
        )
        plan = plan._replace(identity=plan.identity._replace(fiducial_points=fiducial_points))
        written = write_draft(population, settings, draft, plan)
        measured = measure_intervals(written)
        missed = n_misses(intervals, measured, rr, settings.contract)
        if missed < fewest:
            best, fewest = plan, missed
            if is_whole:
                best = plan._replace(written=(draft.seed, written))
        if missed == 0 or measured is None:
            break
        has_p, shall_have_p = np.isfinite([measured.PR, intervals.PR])
        if missed == 1 and has_p != shall_have_p:
            break  # moving waves neither adds nor removes one
        step = np.nan_to_num(np.array(intervals) - np.array(measured))
        aim[:3] += step[:3].clip(-_LARGEST_STEP_MS, _LARGEST_STEP_MS)
        st = plan.identity.st + float(step[3])
        plan = plan._replace(identity=plan.identity._replace(st=st, st_lead=lead))
    return best, fewest


def _beginning(settings: Settings, draft: Draft) -> Draft:
    """Return the draft of the first beats of a stretch."""
    record = beats_of(draft.record, slice(0, _N_TRIAL))
    length = min(int(record.lengths[0]), int(record.r_peaks[-1]) + record.n_times)
    record = replace(record, lengths=np.array([length]), gaps=None, lead_gaps=None)
    seed = np.frombuffer(draft.seed, dtype=np.uint64)
    return draft_release(settings, record, None, seed)


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
    length = int(record.lengths[0])
    if plan is None or not len(record.beats):
        return replace(
            beats_of(record, slice(0, 0)), signals=(np.zeros((record.n_leads, length)),)
        )
    if plan.written is not None and plan.written[0] == stretch_seed.tobytes():
        return plan.written[1]
    draft = draft_release(settings, record, plan.profile, stretch_seed)
    return write_draft(population, settings, draft, plan)


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
