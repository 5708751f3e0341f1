"""Where the waves of a heart's usual beat lie, and how to move them where they should be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_ecganon.contracts import NO_P_WAVE, category
from sklearn_ecganon.delineation import Delineator
from sklearn_ecganon.records import ECGRecord

SHORTEST_WINDOW_MS = 500.0
LOWEST_RATE = 100.0  # Hz
N_COPIES = 5  # of a beat in a row: the delineator needs context
ST_MS = 60.0  # as sklearn_ecganon.contracts reads it
RAMP_MS = 25.0

# Mean and spread over people of PR, QRS, QTc in ms and ST in mV, and the range of each
# category that is drawn from: away from the limits by what a delineator is off.
DRAWN: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "pr": ((112.0, 8.0, 95.0, 114.0), (160.0, 20.0, 127.0, 193.0), (222.0, 15.0, 207.0, 260.0)),
    "wide_qrs": ((95.0, 10.0, 72.0, 113.0), (145.0, 14.0, 127.0, 175.0)),
    "qtc": ((412.0, 20.0, 365.0, 440.0), (472.0, 14.0, 460.0, 510.0)),
    "st": ((-0.17, 0.05, -0.35, -0.12), (0.0, 0.04, -0.08, 0.08), (0.16, 0.04, 0.12, 0.3)),
}
# A pseudo-identity whose waves must be stretched by more is not taken, if there is another.
STRETCH = 1.5


class Landmarks(NamedTuple):
    """Of one beat, in ms from the R peak; NaN where there is no such wave."""

    p_onset: float
    onset: float
    offset: float
    t_offset: float


def can_be_found(n_times: int, rate: float) -> bool:
    """Tell whether windows are long and dense enough to show the waves."""
    return rate >= LOWEST_RATE and 1000 * n_times / rate >= SHORTEST_WINDOW_MS


def find_landmarks(beat: NDArray, rate: float, lead_names: tuple[str, ...]) -> Landmarks | None:
    """Delineate one beat, (n_leads, n_times) in mV; None if it shows no QRS."""
    n_times = beat.shape[1]
    ramp = np.linspace(0, 1, n_times)
    flat = beat - (beat[:, :1] + (beat[:, -1:] - beat[:, :1]) * ramp)
    if not np.ptp(flat, axis=1).any():
        return None
    n_copies = max(N_COPIES, int(np.ceil(2.5 * rate / n_times)))
    r_peaks = np.arange(n_copies) * n_times + n_times // 2
    strip = ECGRecord(np.tile(flat, n_copies).T, rate, lead_names, r_peaks=r_peaks)
    waves = Delineator().delineate(strip).combined()
    middle, ms = n_copies // 2, 1000.0 / rate
    points = [("P", "onset"), ("QRS", "onset"), ("QRS", "offset"), ("T", "offset")]
    p_onset, onset, offset, t_offset = (
        round(float(ms * (waves[point][middle, 0] - r_peaks[middle])), 3) for point in points
    )
    if not np.isfinite([onset, offset]).all():
        return None
    return Landmarks(p_onset, onset, offset, t_offset)


def draw_targets(
    own: dict[str, float], rr: tuple[float, float], normal: NDArray[np.float64]
) -> dict[str, float]:
    """Draw PR, QRS, QT and ST of another heart within the categories of this one.

    Parameters
    ----------
    own : dict of str to float
        The record's own medians in ms, ST in mV; NaN where absent, and then absent again.
    rr : (float, float)
        Mean RR in ms, before and after.
    normal : ndarray of shape (4,)
        Standard normal numbers.
    """
    old, new = (np.sqrt(value / 1000.0) for value in rr)
    values = {"pr": own["PR"], "wide_qrs": own["QRS"], "qtc": own["QT"] / old, "st": own["ST"]}
    drawn = []
    for (name, value), number in zip(values.items(), normal, strict=True):
        if np.isnan(value):
            drawn.append(np.nan)
            continue
        mean, spread, low, high = DRAWN[name][max(0, int(category(name, value)))]
        first, last = ndtr([(low - mean) / spread, (high - mean) / spread])
        drawn.append(mean + spread * ndtri(first + (last - first) * ndtr(number)))
    pr, qrs, qtc, st = (float(value) for value in drawn)
    return {"PR": pr, "QRS": qrs, "QT": qtc * new, "ST": st}


def category_vector(own: dict[str, float] | None, rr: float) -> NDArray[np.float64]:
    """Return what a record's categories say of its shape, as zeros and ones: (9,)."""
    if own is None:
        return np.zeros(9)
    heart_rate = 60_000.0 / rr
    pr = NO_P_WAVE if np.isnan(own["PR"]) else int(category("pr", own["PR"]))
    st = int(category("st", np.nan_to_num(own["ST"])))
    zone = int(category("rate_zone", heart_rate))
    said = [
        category("wide_qrs", own["QRS"]) == 1,
        pr == NO_P_WAVE,
        pr == 0,
        pr == 2,
        category("qtc", own["QT"] / np.sqrt(rr / 1000.0)) == 1,
        st == 0,
        st == 2,
        zone == 0,
        zone == 2,
    ]
    return np.array(said, dtype=np.float64)


@dataclass(frozen=True)
class Fitting:
    """How the waves of a beat are moved: a warp of time, a flat stretch, a shift of ST.

    Parameters
    ----------
    here, there : ndarray of shape (n_knots,)
        Times in ms in the new beat, and in the old one that they show.
    flat_before : float
        Before this time there is no P wave; NaN where there is one or nobody knows.
    st : (float, float, float)
        Level in mV that is added to ST, from the end of the QRS to the end of T in ms.
    """

    here: NDArray[np.float64]
    there: NDArray[np.float64]
    flat_before: float
    st: tuple[float, float, float]

    @property
    def stretch(self) -> float:
        """The largest factor by which a wave is stretched or pressed."""
        steps = np.diff(self.here) / np.maximum(np.diff(self.there), 1e-9)
        return float(np.exp(np.abs(np.log(steps.clip(1e-3, 1e3))).max()))

    def times(self, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where in the old beat the new one's times lie."""
        inner = np.interp(wanted, self.here, self.there)
        before = wanted < self.here[0]
        after = wanted > self.here[-1]
        inner[before] = wanted[before] + self.there[0] - self.here[0]
        inner[after] = wanted[after] + self.there[-1] - self.here[-1]
        return inner

    def bump(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is added to ST at these times, in mV."""
        level, start, stop = self.st
        rise = ((times - start) / RAMP_MS).clip(0, 1)
        fall = ((stop - times) / max(stop - start - ST_MS - RAMP_MS, RAMP_MS)).clip(0, 1)
        return level * (1 - np.cos(np.pi * np.minimum(rise, fall))) / 2

    def level(self, windows: NDArray, times: NDArray[np.float64]) -> NDArray:
        """Take the P wave out of windows (..., n_times), where there is to be none."""
        if np.isnan(self.flat_before):
            return windows
        keep = ((times - self.flat_before + 20.0) / 20.0).clip(0, 1)
        start = int(np.searchsorted(times, self.flat_before).clip(0, len(times) - 1))
        rest = windows[..., start : start + 1]
        return rest + keep * (windows - rest)

    def plus_st(self, more: float) -> Fitting:
        """Return the same with another level added to ST."""
        return replace(self, st=(self.st[0] + more, *self.st[1:]))


def fit_landmarks(found: Landmarks, wanted: dict[str, float]) -> Fitting:
    """Return how a beat with these landmarks gets these intervals. R stays where it is."""
    qrs = found.offset - found.onset
    factor = wanted["QRS"] / qrs if np.isfinite(wanted["QRS"]) else 1.0
    onset, offset = found.onset * factor, found.offset * factor
    there, here = [found.onset, 0.0, found.offset], [onset, 0.0, offset]
    no_p = np.isnan(wanted["PR"])
    if not no_p and np.isfinite(found.p_onset):
        there.insert(0, found.p_onset)
        here.insert(0, onset - wanted["PR"])
    t_offset = found.t_offset
    if np.isfinite(t_offset) and np.isfinite(wanted["QT"]):
        there.append(t_offset)
        t_offset = max(onset + wanted["QT"], offset + ST_MS)
        here.append(t_offset)
    end = t_offset if np.isfinite(t_offset) else offset + 4 * ST_MS
    return Fitting(
        np.array(here),
        np.array(there),
        onset - 10.0 if no_p else np.nan,
        (0.0, offset, end),
    )
