"""Diagnostic categories of median beats with 12 leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.contracts._categories import (
    CATEGORIES,
    NO_P_WAVE,
    TWELVE_LEAD_CATEGORIES,
    UNMEASURED,
    category,
)
from sklearn_ecganon.contracts._fiducials import (
    GRID_RATE,
    Fiducials,
    on_grid,
    spatial_fiducials,
)
from sklearn_ecganon.leads import LIMB_LEADS

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
LEADS = (*LIMB_LEADS, *INDEPENDENT_LEADS[2:])
_AT = {name.upper(): position for position, name in enumerate(LEADS)}
_MS = GRID_RATE / 1000

_SMALLEST = 0.025  # mV, the smallest deflection that the Minnesota Code calls a wave
_QRS_MS = (140.0, 220.0)  # columns before and after R that are searched for waves of the QRS
_BASELINE_MS = 20.0
_ST_MS = (50.0, 70.0)  # after the end of the QRS
_T_MS = (80.0, 420.0)  # after the end of the QRS, if the end of T is not known

#: Leads of each region, as positions in `LEADS`.
REGIONS = {
    "anterior": [_AT[lead] for lead in ("V1", "V2", "V3", "V4")],
    "lateral": [_AT[lead] for lead in ("I", "AVL", "V5", "V6")],
    "inferior": [_AT[lead] for lead in ("II", "III", "AVF")],
}
WIDE_MS = CATEGORIES["wide_qrs"][0]
_CHEST = [_AT[f"V{i}"] for i in range(1, 7)]
# T waves of V1 and III are negative in many healthy people.
_T_LEADS = {
    "anterior": [_AT[lead] for lead in ("V2", "V3", "V4")],
    "lateral": [_AT[lead] for lead in ("I", "AVL", "V5", "V6")],
    "inferior": [_AT[lead] for lead in ("II", "AVF")],
}
# mV for each lead of `LEADS`.
_ST_ELEVATION = np.array([0.2 if lead in ("V1", "V2", "V3", "V4") else 0.1 for lead in LEADS])
_ST_DEPRESSION = -0.05
_T_LIMIT = 0.1


def has_twelve_leads(lead_names: Sequence[str]) -> bool:
    """Return whether a record has the leads that 12-lead categories need.

    Parameters
    ----------
    lead_names : sequence of str
        Names of the leads, in any case.

    Returns
    -------
    enough : bool
        True if the eight independent leads I, II and V1 to V6 are among them.

    Examples
    --------
    >>> from sklearn_ecganon.contracts import has_twelve_leads
    >>> has_twelve_leads(["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"])
    True
    >>> has_twelve_leads(["MLII", "V1"])
    False
    """
    return set(INDEPENDENT_LEADS) <= {name.upper() for name in lead_names}


def twelve_lead_categories(
    beats: ArrayLike,
    lead_names: Sequence[str],
    sampling_rate: float,
    *,
    r_peak: float | None = None,
    fiducials: Fiducials | None = None,
) -> dict[str, NDArray[np.intp]]:
    """Return the diagnostic categories of median beats with 12 leads.

    The function is pure and vectorized: hundreds of beats take a few milliseconds.

    Parameters
    ----------
    beats : array-like of shape (n_beats, n_leads, n_times)
        Median beats in mV. They reach from the P wave to the T wave.
    lead_names : sequence of str
        Names of the leads. I, II and V1 to V6 are used; the other limb leads are computed
        from I and II.
    sampling_rate : float
        In Hz.
    r_peak : float, optional
        Column of the R peak, by default ``n_times // 2``.
    fiducials : Fiducials, optional
        Edges of the waves in samples from the start of the beat. By default they are found
        by the spatial velocity and magnitude of all leads.

    Returns
    -------
    categories : dict of ndarray of int of shape (n_beats,)
        Those of `TWELVE_LEAD_CATEGORIES` that one beat shows (all but ``arrhythmia`` and
        ``pauses``), and ``pr`` with the codes of `category`. -2 where a beat has no QRS.

    Raises
    ------
    ValueError
        If a lead is missing, if the beats are no array of three dimensions, or if the rate
        is below 100 Hz.

    See Also
    --------
    TWELVE_LEAD_CATEGORIES : The labels of all codes.
    measure : Computes the categories of records.

    Notes
    -----
    The categories follow the groups of the Minnesota Code [1]_; the limits come from it, from
    the recommendations of AHA, ACCF and HRS [2]_, and from the Fourth Universal
    Definition of Myocardial Infarction [3]_. A region has a finding if at least two of its
    leads have it. Regions are anterior (V1 to V4), lateral (I, aVL, V5, V6) and inferior (II,
    III, aVF).

    - ``q_*``: a Q wave of 30 ms and 0.1 mV or a QS complex; in V2 and V3 any Q wave of 20 ms
      [3]_.
    - ``axis``: left of -30 degrees, normal, or right of 90 degrees [2]_, by the areas of
      QRS in I and aVF.
    - ``high_r_left``: Sokolow-Lyon (S in V1 + R in V5 or V6 of 3.5 mV or more) or Cornell
      (R in aVL + S in V3 above 2.8 mV, the limit of men, because sex is not known).
      ``high_r_right``: QRS below 120 ms, R in V1 of 0.5 mV or more, and at least as large
      as S.
    - ``st_*``: 60 ms after the end of the QRS, elevated by 0.1 mV (V1 to V4: 0.2 mV [1]_) or
      depressed by 0.05 mV [3]_. Elevation goes before depression.
    - ``t_*``: negative from -0.1 mV down, flat below 0.1 mV [2]_. V1 and III do not count, aVL
      only with an R wave above 0.3 mV, aVF only with an upright QRS.
    - ``ventricular_conduction``: RBBB and LBBB by [2]_ with QRS of 120 ms or more.
      Incomplete RBBB: R' larger than R in V1 or V2 with a narrower QRS [1]_. Incomplete
      LBBB: the shape of LBBB with a QRS of 110 ms or more [2]_.
    - ``low_voltage``: QRS below 0.5 mV from peak to peak in I, II and III, or below 1.0 mV in
      V1 to V6 [1]_.
    - ``transition``: the first of V1 to V6 in which R is at least as large as S: early in V1
      or V2, late in V5, V6 or none.

    Deviations from [1]_: few codes of each group are used; two leads of a region are
    required; a bundle branch block suppresses no other category.

    References
    ----------
    .. [1] R. J. Prineas, R. S. Crow, Z.-M. Zhang, "The Minnesota Code Manual of
       Electrocardiographic Findings", 2nd edition, Springer, 2010.
    .. [2] B. Surawicz et al., P. M. Rautaharju et al., E. W. Hancock et al., "AHA/ACCF/HRS
       Recommendations for the Standardization and Interpretation of the Electrocardiogram",
       parts III to V, Journal of the American College of Cardiology 53(11), 976-1002, 2009.
    .. [3] K. Thygesen et al., "Fourth Universal Definition of Myocardial Infarction (2018)",
       Circulation 138(20), e618-e651, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.contracts import INDEPENDENT_LEADS, twelve_lead_categories
    >>> time = np.arange(-200, 200) / 500
    >>> r_wave = np.exp(-((time / 0.015) ** 2))
    >>> t_wave = 0.3 * np.exp(-(((time - 0.28) / 0.05) ** 2))
    >>> amplitudes = np.array([0.6, 1.0, -0.6, -0.5, 0.3, 0.9, 1.0, 0.8])
    >>> beat = amplitudes[:, None] * r_wave + t_wave
    >>> categories = twelve_lead_categories(beat[None], INDEPENDENT_LEADS, 500.0)
    >>> categories["axis"], categories["pr"], categories["transition"]
    (array([1]), array([-1]), array([1]))
    """
    beats = np.asarray(beats)
    if beats.ndim != 3 or beats.shape[1] != len(lead_names):
        raise ValueError(
            f"beats has shape {beats.shape} with {len(lead_names)} lead names; give "
            "(n_beats, n_leads, n_times)."
        )
    if not has_twelve_leads(lead_names):
        raise ValueError(
            f"the leads are {', '.join(lead_names)}; 12-lead categories need "
            f"{', '.join(INDEPENDENT_LEADS)}."
        )
    if sampling_rate < 100.0:
        raise ValueError(
            f"{sampling_rate:g} Hz is too slow for the waves of the QRS; give 100 Hz or more."
        )
    names = [name.upper() for name in lead_names]
    center = beats.shape[2] // 2 if r_peak is None else r_peak
    chosen = beats[:, [names.index(lead) for lead in INDEPENDENT_LEADS]]
    grid, start, step = on_grid(chosen, sampling_rate, center)
    column = round((center - start) / step)
    if fiducials is None:
        edges = spatial_fiducials(grid, column)
    else:
        edges = Fiducials(
            *((np.broadcast_to(e, len(grid)).astype(float) - start) / step for e in fiducials)
        )
    waves = _measure_waves(_all_leads(grid), column, edges)
    categories = _categories(waves)
    no_qrs = np.isnan(waves.duration)
    return {
        name: np.where(no_qrs, UNMEASURED, values).astype(np.intp)
        for name, values in categories.items()
    }


def _all_leads(independent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the 12 leads in the order of `LEADS`."""
    limb = np.array(list(LIMB_LEADS.values()), dtype=np.float32) @ independent[:, :2]
    return np.concatenate([limb, independent[:, 2:]], axis=1)


class _Waves(NamedTuple):
    """What is read from each lead: (n_beats, 12) in mV and ms, durations (n_beats,) in ms."""

    duration: NDArray  # of the QRS
    pr: NDArray  # NaN without P
    q: NDArray  # depth of an initial negative wave
    q_ms: NDArray
    qs: NDArray[np.bool_]
    r: NDArray  # largest positive value
    r_ms: NDArray  # time of that value after the start of the QRS
    s: NDArray  # depth of the most negative value
    r_before: NDArray  # largest positive value before the most negative one
    r_after: NDArray  # the same after it, above the level at the end of the QRS
    s_ms: NDArray  # time spent below zero after the largest positive value
    area: NDArray
    st: NDArray
    t: NDArray


def _measure_waves(beats: NDArray[np.float32], column: int, edges: Fiducials) -> _Waves:
    n_times = beats.shape[2]
    known = np.isfinite(edges.qrs_onset) & np.isfinite(edges.qrs_offset)
    onset = np.where(known, edges.qrs_onset, column)
    offset = np.where(known, edges.qrs_offset, column + 1)
    first = max(0, column - round(_QRS_MS[0] * _MS))
    last = min(n_times, column + round(_QRS_MS[1] * _MS))
    columns = np.arange(n_times)
    n_baseline = round(_BASELINE_MS * _MS)
    baseline = _mean_between(beats, np.floor(onset) - n_baseline, np.floor(onset) - 1)
    # Everything below is relative to the baseline before the QRS.
    qrs = beats[:, :, first:last] - baseline[:, :, None]
    time = columns[first:last]
    inside = (time >= onset[:, None]) & (time <= offset[:, None])
    qrs *= inside[:, None]
    index = np.arange(last - first)
    peak, nadir = qrs.argmax(axis=2), qrs.argmin(axis=2)
    r, s = qrs.max(axis=2), -qrs.min(axis=2)
    positive = qrs >= _SMALLEST
    first_r = np.where(positive.any(axis=2), positive.argmax(axis=2), last - first)
    initial = index < first_r[:, :, None]
    below = qrs <= -_SMALLEST
    q = -np.where(initial, qrs, 0).min(axis=2)
    q_ms = (initial & below).sum(axis=2) / _MS
    earlier = index < nadir[:, :, None]
    r_before = np.where(earlier, qrs, 0).max(axis=2)
    j_level = _mean_between(beats, np.floor(offset), np.floor(offset)) - baseline
    r_after = np.where(earlier, 0, qrs).max(axis=2) - j_level.clip(0)
    s_ms = (below & (index > peak[:, :, None])).sum(axis=2) / _MS
    st = _mean_between(beats, *(np.rint(offset + ms * _MS) for ms in _ST_MS)) - baseline
    return _Waves(
        duration=np.where(known, (offset - onset) / _MS, np.nan),
        pr=np.where(known, (onset - edges.p_onset) / _MS, np.nan),
        q=q,
        q_ms=q_ms,
        qs=(s >= 0.1) & (r_before < _SMALLEST) & (r_after < _SMALLEST),
        r=r,
        r_ms=(first + peak - onset[:, None]) / _MS,
        s=s,
        r_before=r_before,
        r_after=r_after,
        s_ms=s_ms,
        area=qrs.sum(axis=2),
        st=st,
        t=_t_amplitudes(beats, baseline, offset, np.asarray(edges.t_end)),
    )


def _mean_between(beats: NDArray, first: NDArray, last: NDArray) -> NDArray:
    """Return the mean of the samples from first to last of each beat: (n_beats, n_leads)."""
    n_times = beats.shape[2]
    first, last = (
        np.asarray(edge).clip(0, n_times - 1).astype(np.intp) for edge in (first, last)
    )
    width = int((last - first).max(initial=0)) + 1
    columns = np.minimum(first[:, None] + np.arange(width), last[:, None])
    return np.take_along_axis(beats, columns[:, None, :], axis=2).mean(axis=2)


def _t_amplitudes(
    beats: NDArray, baseline: NDArray, offset: NDArray, t_end: NDArray
) -> NDArray:
    """Return the value of T in each lead that is farthest from the baseline."""
    first = offset + _T_MS[0] * _MS
    last = np.where(np.isfinite(t_end), t_end, offset + _T_MS[1] * _MS)
    start = int(np.clip(first.min(initial=beats.shape[2]), 0, beats.shape[2] - 1))
    stop = int(np.clip(last.max(initial=0) + 1, start + 1, beats.shape[2]))
    columns = np.arange(start, stop)
    inside = (columns >= first[:, None]) & (columns <= last[:, None])
    waves = (beats[:, :, start:stop] - baseline[:, :, None]) * inside[:, None]
    high, low = waves.max(axis=2), waves.min(axis=2)
    return np.where(high >= -low, high, low)


def _categories(waves: _Waves) -> dict[str, NDArray]:
    result: dict[str, NDArray] = {}
    wide = waves.duration >= WIDE_MS
    for region, leads in REGIONS.items():
        result[f"q_{region}"] = _in_two(_significant_q(waves)[:, leads])
        elevated = _in_two((waves.st >= _ST_ELEVATION)[:, leads])
        depressed = _in_two((waves.st <= _ST_DEPRESSION)[:, leads])
        result[f"st_{region}"] = np.where(elevated, 2, np.where(depressed, 0, 1))
        counted = _counted_t(waves)[:, _T_LEADS[region]]
        t = waves.t[:, _T_LEADS[region]]
        negative = _in_two(counted & (t <= -_T_LIMIT))
        low = _in_two(counted & (t < _T_LIMIT))
        result[f"t_{region}"] = np.where(negative, 0, np.where(low, 1, 2))
    axis = _axis_degrees(waves)
    result["axis"] = np.where(
        (axis < -30) & (axis >= -90), 0, np.where(abs(axis - 30) <= 60, 1, 2)
    )
    r, s = waves.r, waves.s
    sokolow = s[:, _AT["V1"]] + np.maximum(r[:, _AT["V5"]], r[:, _AT["V6"]])
    cornell = r[:, _AT["AVL"]] + s[:, _AT["V3"]]
    result["high_r_left"] = (sokolow >= 3.5) | (cornell > 2.8)
    tall_v1 = (r[:, _AT["V1"]] >= 0.5) & (r[:, _AT["V1"]] >= s[:, _AT["V1"]])
    result["high_r_right"] = tall_v1 & ~wide
    result["ventricular_conduction"] = _conduction(waves)
    span = r + s
    limb = [_AT["I"], _AT["II"], _AT["III"]]
    result["low_voltage"] = (span[:, limb] < 0.5).all(axis=1) | (span[:, _CHEST] < 1.0).all(
        axis=1
    )
    upright = r[:, _CHEST] >= s[:, _CHEST]
    lead = np.where(upright.any(axis=1), upright.argmax(axis=1), len(_CHEST))
    result["transition"] = np.searchsorted([2, 4], lead, side="right")
    pr = category("pr", waves.pr)
    result["pr"] = np.where(np.isnan(waves.pr), NO_P_WAVE, pr)
    return {name: result[name] for name in (*TWELVE_LEAD_CATEGORIES, "pr") if name in result}


def _in_two(leads: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return leads.sum(axis=1) >= 2


def _significant_q(waves: _Waves) -> NDArray[np.bool_]:
    significant = waves.qs | ((waves.q_ms >= 30) & (waves.q >= 0.1))
    for lead in (_AT["V2"], _AT["V3"]):
        significant[:, lead] |= waves.q_ms[:, lead] >= 20
    return significant


def _counted_t(waves: _Waves) -> NDArray[np.bool_]:
    counted = np.ones_like(waves.qs)
    counted[:, _AT["AVL"]] = waves.r[:, _AT["AVL"]] > 0.3
    counted[:, _AT["AVF"]] = waves.r[:, _AT["AVF"]] > waves.s[:, _AT["AVF"]]
    return counted


def _axis_degrees(waves: _Waves) -> NDArray[np.float64]:
    """Return the frontal QRS axis from -180 to 180 degrees."""
    # The augmented lead is shorter than I by the factor 2 / sqrt(3).
    vertical = waves.area[:, _AT["AVF"]] * 2 / np.sqrt(3)
    return np.degrees(np.arctan2(vertical, waves.area[:, _AT["I"]]))


def _conduction(waves: _Waves) -> NDArray[np.intp]:
    v1, v2, v5, v6, i = (_AT[lead] for lead in ("V1", "V2", "V5", "V6", "I"))
    wide = waves.duration >= WIDE_MS
    late_r = (waves.r_after >= 0.05) & (waves.r_after > waves.r_before)
    right = late_r[:, v1] | late_r[:, v2]
    broad_s = (waves.s_ms[:, i] >= 40) | (waves.s_ms[:, v6] >= 40)
    left = (
        (waves.area[:, v1] < 0)
        & (waves.r_after[:, v1] < 0.05)
        & (waves.area[:, v6] > 0)
        & (waves.area[:, i] > 0)
        & ((waves.q < 0.05) | (waves.q_ms < 10))[:, [i, v6]].all(axis=1)
        & (np.maximum(waves.r_ms[:, v5], waves.r_ms[:, v6]) >= 60)
    )
    label = TWELVE_LEAD_CATEGORIES["ventricular_conduction"].index
    shapes = {
        "LBBB": wide & left,
        "RBBB": wide & right & broad_s,
        "other wide": wide,
        "incomplete LBBB": left & (waves.duration >= 110),
        "incomplete RBBB": right,
    }
    return np.select(list(shapes.values()), [label(name) for name in shapes], label("normal"))
