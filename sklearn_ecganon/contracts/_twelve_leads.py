"""Diagnostic categories of median beats with 12 leads."""

from __future__ import annotations

from collections.abc import Sequence

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
    Fiducials,
    on_grid,
    spatial_fiducials,
)
from sklearn_ecganon.contracts._lead_waves import (
    AT,
    INDEPENDENT_LEADS,
    LEADS,
    Waves,
    all_leads,
    measure_waves,
)

# mV, half a small square of ECG paper: smallest Q in V2 and V3, and R' in V1 and V2.
_VISIBLE = 0.05
#: Leads of each region, as positions in `LEADS`.
REGIONS = {
    "anterior": [AT[lead] for lead in ("V1", "V2", "V3", "V4")],
    "lateral": [AT[lead] for lead in ("I", "AVL", "V5", "V6")],
    "inferior": [AT[lead] for lead in ("II", "III", "AVF")],
}
WIDE_MS = CATEGORIES["wide_qrs"][0]
_CHEST = [AT[f"V{i}"] for i in range(1, 7)]
# T waves of V1 and III are negative in many healthy people.
_T_LEADS = {
    "anterior": [AT[lead] for lead in ("V2", "V3", "V4")],
    "lateral": [AT[lead] for lead in ("I", "AVL", "V5", "V6")],
    "inferior": [AT[lead] for lead in ("II", "AVF")],
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
        ``pauses``), and ``pr`` with the codes of `category`. -2 where a beat has no QRS, or
        where one of the eight leads is flat.

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
    - ``st_*``: elevated by 0.1 mV (V1 to V4: 0.2 mV [1]_) at the end of the QRS, or depressed
      by 0.05 mV 60 ms later [3]_. Elevation goes before depression.
    - ``t_*``: negative from -0.1 mV down, flat below 0.1 mV [2]_. V1 and III do not count, aVL
      only with an R wave above 0.3 mV, aVF only with an upright QRS.
    - ``ventricular_conduction``: RBBB and LBBB by [2]_ with QRS of 120 ms or more.
      Incomplete RBBB: R' in V1 or V2 with a narrower QRS [1]_. Incomplete LBBB: the shape
      of LBBB with a QRS of 110 ms or more [2]_.
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
    waves = measure_waves(all_leads(grid), column, edges)
    categories = _categories(waves)
    flat = (chosen == chosen[..., :1]).all(axis=2).any(axis=1)
    lost = np.isnan(waves.duration) | flat
    return {
        name: np.where(lost, UNMEASURED, values).astype(np.intp)
        for name, values in categories.items()
    }


def _categories(waves: Waves) -> dict[str, NDArray]:
    result: dict[str, NDArray] = {}
    wide = waves.duration >= WIDE_MS
    for region, leads in REGIONS.items():
        result[f"q_{region}"] = _in_two(_significant_q(waves)[:, leads])
        elevated = _in_two((waves.j >= _ST_ELEVATION)[:, leads])
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
    sokolow = s[:, AT["V1"]] + np.maximum(r[:, AT["V5"]], r[:, AT["V6"]])
    cornell = r[:, AT["AVL"]] + s[:, AT["V3"]]
    result["high_r_left"] = (sokolow >= 3.5) | (cornell > 2.8)
    tall_v1 = (r[:, AT["V1"]] >= 0.5) & (r[:, AT["V1"]] >= s[:, AT["V1"]])
    result["high_r_right"] = tall_v1 & ~wide
    result["ventricular_conduction"] = _conduction(waves)
    span = r + s
    limb = [AT["I"], AT["II"], AT["III"]]
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


def _significant_q(waves: Waves) -> NDArray[np.bool_]:
    significant = waves.qs | ((waves.q_ms >= 30) & (waves.q >= 0.1))
    for lead in (AT["V2"], AT["V3"]):
        significant[:, lead] |= (waves.q_ms >= 20)[:, lead] & (waves.q >= _VISIBLE)[:, lead]
    return significant


def _counted_t(waves: Waves) -> NDArray[np.bool_]:
    counted = np.ones_like(waves.qs)
    counted[:, AT["AVL"]] = waves.r[:, AT["AVL"]] > 0.3
    counted[:, AT["AVF"]] = waves.r[:, AT["AVF"]] > waves.s[:, AT["AVF"]]
    return counted


def _axis_degrees(waves: Waves) -> NDArray[np.float64]:
    """Return the frontal QRS axis from -180 to 180 degrees."""
    # The augmented lead is shorter than I by the factor 2 / sqrt(3).
    vertical = waves.area[:, AT["AVF"]] * 2 / np.sqrt(3)
    return np.degrees(np.arctan2(vertical, waves.area[:, AT["I"]]))


def _conduction(waves: Waves) -> NDArray[np.intp]:
    v1, v2, v5, v6, i = (AT[lead] for lead in ("V1", "V2", "V5", "V6", "I"))
    wide = waves.duration >= WIDE_MS
    late_r = (waves.r_after >= _VISIBLE) & (waves.r_after > waves.r_before)
    right = late_r[:, v1] | late_r[:, v2]
    some_late_r = (waves.r_after >= _VISIBLE)[:, [v1, v2]].any(axis=1)
    broad_s = (waves.s_ms[:, i] >= 40) | (waves.s_ms[:, v6] >= 40)
    left = (
        (waves.area[:, v1] < 0)
        & (waves.r_after[:, v1] < _VISIBLE)
        & (waves.area[:, v6] > 0)
        & (waves.area[:, i] > 0)
        & (waves.q < _VISIBLE)[:, [i, v6]].all(axis=1)
        & (np.maximum(waves.r_ms[:, v5], waves.r_ms[:, v6]) >= 60)
    )
    label = TWELVE_LEAD_CATEGORIES["ventricular_conduction"].index
    shapes = {
        "LBBB": wide & left,
        "RBBB": wide & right & broad_s,
        "other wide": wide,
        "incomplete LBBB": left & (waves.duration >= 110),
        "incomplete RBBB": some_late_r,
    }
    return np.select(list(shapes.values()), [label(name) for name in shapes], label("normal"))
