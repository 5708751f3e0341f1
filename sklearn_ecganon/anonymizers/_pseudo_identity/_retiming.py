"""Resynthesize the rhythm of a record: same diagnosis, other numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from sklearn_ecganon.anonymizers._pseudo_identity._pauses import (
    MARGIN_S,
    PAUSE_S,
    cap,
    draw_pauses,
    shortest_pauses,
)
from sklearn_ecganon.anonymizers._pseudo_identity._rhythm import (
    ASYSTOLE,
    CHAOTIC,
    EARLY,
    IRREGULAR,
    Rhythm,
    choose_beats,
    read_rhythm,
)
from sklearn_ecganon.contracts import CATEGORIES, category

ZONES = CATEGORIES["rate_zone"]  # beats a minute
# Mean, spread, lowest and highest heart rate that is drawn in each zone, beats a minute.
RATES = ((55.0, 3.5, 42.0, 59.5), (76.0, 9.0, 60.7, 98.5), (110.0, 10.0, 101.0, 150.0))
# Mean and spread over people of the RR before an early beat, as a share of the sinus RR:
# of beats of class V, and of all others.
COUPLING = {True: (0.66, 0.08), False: (0.70, 0.09)}
COUPLING_LIMITS = (0.45, 0.82)
EDGE = 0.06  # s, closer to the end of a record no beat can be cut out
MIN_RR = 0.3  # of the mean RR


class Retimed(NamedTuple):
    """When the beats of a record come, and which of the old ones each of them is.

    Attributes
    ----------
    r_peaks : ndarray of shape (n_new,)
        Seconds from the start of the record.
    source : ndarray of int of shape (n_new,)
        Position of the old beat that gives the new one its class and its content.
    """

    r_peaks: NDArray[np.float64]
    source: NDArray[np.intp]


def retime(
    r_peaks: ArrayLike,
    labels: ArrayLike | None,
    duration: float,
    rng: np.random.Generator,
    *,
    strength: float = 1.0,
) -> Retimed:
    """Replace the rhythm of a record by a random one with the same rhythm diagnosis.

    Kept are what the diagnostic contract names: the length of the record, its rate zone
    (below 60, 60 to 100, above 100 a minute), whether RMSSD is above a tenth of the mean
    RR, and every S, V, F and Q with its neighbours: what came early comes early, with a
    pause after it or none. Every interval of 3 s or more stays one, with a length drawn
    between the same two limits of 3, 5 and 10 s, or within 10 % of its length beyond 10 s;
    no other interval becomes that long. Mean rate, variability, respiration, prematurity
    and the length of shorter pauses are drawn.

    Parameters
    ----------
    r_peaks : array-like of shape (n_beats,)
        R peaks in seconds from the start of the record, increasing.
    labels : array-like of str of shape (n_beats,) or None
        Clinical class of each beat, ``N S V F Q``. S and V count as early below 0.85 of the
        sinus RR around them, other beats, and all beats without labels, below 0.8; but in
        an irregular rhythm only S and V do.
    duration : float
        Length of the record in seconds.
    rng : numpy.random.Generator
        The one source of randomness; keyed to the record by the caller.
    strength : float, default=1.0
        Share of the way from the old rhythm to the drawn one. 0 returns the old R peaks
        bit for bit.

    Returns
    -------
    retimed : Retimed
        R peaks in seconds, strictly increasing, no nearer to both ends than 60 ms or than
        the old ones were, and the old beat that each of them stands for, which makes
        labels and windows follow: ``labels[source]``. A single beat comes anywhere.

    Raises
    ------
    ValueError
        If the R peaks do not increase within 0 and `duration`, if there is not one label a
        beat, or if strength is not in 0 to 1.

    Notes
    -----
    **Why the number of beats changes.** The number of beats over the length of the record
    is the mean rate. Where records are cut to one length, which is how they are shared,
    the same number of beats gives the old rate away whatever is done to the intervals and
    to the length. So the length is kept, and there are as many beats as the drawn rate
    makes: within runs of like beats some are left out or stand twice, while ectopic beats
    and their neighbors all stay. Where such runs are too few, runs of ectopic beats change
    their lengths, too; and where these are too few as well, as in bigeminy, the end of the
    record is left out, or it goes on with pieces of itself. An old beat that stands
    twice must be given other deviations each time, or counting copies tells the old number.

    **Model.** RR is a drawn mean times one plus a slow part (1/f, 0.005 to 0.15 Hz), a
    respiratory part (0.18 to 0.35 Hz with a wandering phase) and a white one. Their spread
    and shares are drawn once for the record. Where sinus intervals have an RMSSD above 0.15
    of their mean, judged by the median step, they are drawn from a gamma distribution
    instead, independently of each other. The RR before early beats, and the share of it
    that the next interval makes good, are drawn once for the record, with 3 % of spread for
    each beat. If need be, all deviations from the mean RR are scaled to bring RMSSD back to
    its side of the limit. Rates and spreads are those seen in 60 s parts of the MIT-BIH
    Arrhythmia Database.

    **What is not kept.** Trends of the rate over a record, the coupling of a beat to
    earlier ones in AV block, and how fast a tachycardia above 100 a minute is.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.anonymizers._pseudo_identity._retiming import retime
    >>> r_peaks = np.arange(0.4, 60, 0.75)  # 80 a minute
    >>> labels = np.full(len(r_peaks), "N")
    >>> new = retime(r_peaks, labels, 60.0, np.random.default_rng(0))
    >>> rate = 60 / np.diff(new.r_peaks).mean()
    >>> bool(60 < rate < 100), len(labels[new.source]) == len(new.r_peaks)
    (True, True)
    """
    old, classes = _check(r_peaks, labels, duration, strength)
    if strength == 0 or not len(old):
        return Retimed(old.copy(), np.arange(len(old)))
    if len(old) == 1:
        edge = min(EDGE, duration / 2)
        place = rng.uniform(edge, duration - edge)
        return Retimed((1 - strength) * old + strength * place, np.arange(1))
    rr = np.diff(old)
    rhythm = read_rhythm(rr, classes)
    between = rr[~rhythm.arrested[1:]]
    if not len(between):  # nothing but pauses: there is no rhythm to resynthesize
        return Retimed(old.copy(), np.arange(len(old)))
    start, span, n_new, pauses = _draw_rate(old, duration, rng, strength)
    source = choose_beats(rhythm, n_new, rng)
    is_pause = rhythm.arrested[source][1:]
    mean_rr = (span - pauses.sum()) / (~is_pause).sum()
    new = _draw_intervals(rhythm, source, mean_rr, rng)[~is_pause]
    before = np.r_[between.mean(), rr][source[1:]][~is_pause]
    deviation = (1 - strength) * _deviation(before)
    deviation = deviation + strength * _deviation(new)

    def intervals(deviation: NDArray) -> NDArray[np.float64]:
        all_intervals = np.empty(len(is_pause))
        all_intervals[is_pause] = pauses
        all_intervals[~is_pause] = cap(mean_rr * (1 + deviation))
        return all_intervals

    irregular = _variation(rr) >= IRREGULAR
    if len(pauses):
        deviation = _on_the_same_side_with_pauses(deviation, irregular, intervals)
    else:
        deviation = _on_the_same_side(deviation, irregular, rng)
    return Retimed(start + np.r_[0, np.cumsum(intervals(deviation))], source)


def _check(
    r_peaks: ArrayLike, labels: ArrayLike | None, duration: float, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.str_] | None]:
    peaks = np.asarray(r_peaks, dtype=np.float64)
    if peaks.ndim != 1 or not (np.diff(peaks, prepend=0, append=duration) >= 0).all():
        raise ValueError(
            f"r_peaks must be one row of seconds that increase from 0 to duration={duration}."
        )
    if (np.diff(peaks) <= 0).any():
        raise ValueError("r_peaks holds the same moment twice; want strictly increasing.")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength={strength}; want a number from 0 to 1.")
    if labels is None:
        return peaks, None
    classes = np.asarray(labels, dtype=np.str_)
    if classes.shape != peaks.shape:
        raise ValueError(
            f"labels has shape {classes.shape}; want one for each of the {peaks.size} R peaks."
        )
    return peaks, classes


def _draw_rate(
    old: NDArray, duration: float, rng: np.random.Generator, strength: float
) -> tuple[float, float, int, NDArray[np.float64]]:
    """Return the first R peak, the time from it to the last one, and the number of beats.

    The last value holds the lengths of the pauses in that time.
    """
    rr = np.diff(old)
    is_pause = rr >= PAUSE_S
    n_pauses = int(is_pause.sum())
    mean_rr = rr[~is_pause].mean()
    zone = int(category("rate_zone", 60 / mean_rr))
    center, spread, lowest, highest = RATES[zone]
    low, high = ndtr((np.array([lowest, highest]) - center) / spread)
    rate = 60 / (center + spread * ndtri(rng.uniform(low, high)))
    new_rr = mean_rr ** (1 - strength) * rate**strength
    ends = []
    for end in (old[0], duration - old[-1]):
        place = rng.uniform(EDGE, new_rr)
        if end > 2 * mean_rr:  # no beat was found for long, and none must appear
            place += end - new_rr / 2
            if end >= PAUSE_S:
                place = max(place, PAUSE_S + MARGIN_S)
        ends.append((1 - strength) * end + strength * place)
    span = duration - sum(ends)
    # A little inside of the zone, as R peaks are going to be rounded to samples.
    borders = np.array([0, *ZONES, np.inf]) / 60
    # The rate zone of a record with pauses is lower than that of its rhythm; both are kept.
    overall = int(category("rate_zone", 60 / rr.mean()))
    pauses = rr[is_pause]
    regular = _variation(rr) < IRREGULAR
    for lengths in (draw_pauses(pauses, strength, rng), pauses, shortest_pauses(pauses)):
        time = span - lengths.sum()
        # Longer pauses than there were can make a regular record irregular by themselves.
        steps = np.sqrt(2 * np.sum((lengths - new_rr) ** 2) * new_rr / max(time, new_rr))
        if n_pauses and regular and steps > 0.9 * IRREGULAR * new_rr:
            continue
        at_least, below = borders[zone] * time, borders[zone + 1] * time
        if n_pauses:
            at_least = max(at_least, borders[overall] * span - n_pauses / 1.002)
            below = min(below, borders[overall + 1] * span - n_pauses / 0.998)
        fewest, most = max(1, np.ceil(1.002 * at_least)), np.floor(0.998 * below)
        if fewest <= most:
            n_intervals = int(np.clip(round(time / new_rr), fewest, most))
            return float(ends[0]), float(span), 1 + n_intervals + n_pauses, lengths
    return float(old[0]), float(old[-1] - old[0]), len(old), pauses


def _draw_intervals(
    rhythm: Rhythm, source: NDArray[np.intp], mean_rr: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the RR before each new beat but the first, in no unit."""
    n = len(source)
    jitter = 1 + 0.03 * rng.standard_normal(n)
    rr = np.ones(n)
    if rhythm.variation > CHAOTIC:
        spread = np.clip(rng.lognormal(np.log(0.2), 0.3), 0.12, 0.35)
        # Half of the mean is the time in which the AV node conducts no second beat.
        rr = 0.5 + 0.5 * rng.gamma((2 * spread) ** -2, (2 * spread) ** 2, n)
    else:
        rr += _draw_modulation(n, mean_rr, rhythm.variation >= IRREGULAR, rng)
    prematurity = np.zeros(n)
    labels = rhythm.labels[source]
    early = rhythm.early[source]
    for is_v, (center, spread) in COUPLING.items():
        of_kind = early & ((labels == "V") == is_v)
        coupling = np.clip(center + spread * rng.standard_normal(), *COUPLING_LIMITS)
        prematurity[of_kind] = 1 - np.minimum(coupling * jitter[of_kind], EARLY)
    compensation, pause = rng.uniform(0.6, 1.0), rng.uniform(1.6, 2.1)
    rr[early] = 1 - prematurity[early]
    after = rhythm.compensated[source]
    later = np.maximum(compensation * np.roll(prematurity, 1)[after], 0.12)
    rr[after] = 1 + later * jitter[after]
    paused = rhythm.paused[source]
    longest = rhythm.relative[source][paused]
    arrest = rng.uniform(ASYSTOLE, 4.0)
    rr[paused] = np.where(longest > ASYSTOLE, arrest, pause) * jitter[paused]
    return rr[1:]


def _draw_modulation(
    n: int, mean_rr: float, irregular: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return relative deviations of n intervals of a rhythm led by the sinus node."""
    time = mean_rr * np.arange(n)
    slow = np.geomspace(0.005, 0.15, 12)[:, np.newaxis]
    phase = rng.uniform(0, 2 * np.pi, (12, 1))
    weight = slow ** -rng.uniform(-0.9, 0.5)
    drift = (weight * np.sin(2 * np.pi * slow * time + phase)).sum(axis=0)
    drift *= np.sqrt(2 / (weight**2).sum())
    breath = 2 * np.pi * rng.uniform(0.18, 0.35) * time + np.cumsum(rng.normal(0, 0.3, n))
    fast = rng.uniform(0.7, 1.0) if irregular else rng.uniform(0.1, 1.0)
    white = rng.uniform(0.0, 1.0)
    spread = min(np.exp(rng.normal(-3.3, 0.55)), 0.08) * (3 if irregular else 1)
    parts = (
        (1 - fast, drift),
        (fast * (1 - white), np.sqrt(2) * np.sin(breath)),
        (fast * white, rng.standard_normal(n)),
    )
    deviation = spread * sum(np.sqrt(share) * part for share, part in parts)
    return np.clip(deviation + 0.012 * rng.standard_normal(n), -0.5, 0.5)


def _on_the_same_side(
    deviation: NDArray, irregular: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scale relative deviations so that RMSSD is on its side of the limit, and no RR tiny."""
    target = rng.uniform(1.05, 1.5) if irregular else rng.uniform(0.6, 0.97)
    ratio = _variation(1 + deviation) / IRREGULAR
    if ratio > 0 and (ratio < 1.05 if irregular else ratio > 0.97):
        deviation = deviation * (target / ratio)
    return deviation * min(1, (1 - MIN_RR) / max(-deviation.min(), 1e-9))


def _on_the_same_side_with_pauses(
    deviation: NDArray, irregular: bool, intervals: Callable[[NDArray], NDArray]
) -> NDArray[np.float64]:
    """Do what `_on_the_same_side` does where pauses, which must not change, count too."""
    deviation = deviation * min(1, (1 - MIN_RR) / max(-deviation.min(), 1e-9))
    # More spread may be needed than there is, and it is limited by the shortest interval.
    widest = (1 - MIN_RR) / max(-deviation.min(), 1e-9)
    for factor in np.geomspace(1, min(4.0, widest) if irregular else 0.02, 25):
        variation = _variation(intervals(factor * deviation)) / IRREGULAR
        if variation >= 1.01 if irregular else variation <= 0.99:
            return factor * deviation
    return deviation


def _deviation(rr: NDArray) -> NDArray[np.float64]:
    return rr / rr.mean() - 1


def _variation(rr: NDArray) -> float:
    """RMSSD over mean RR; 0 for a single interval."""
    return float(np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()) if len(rr) > 1 else 0.0
