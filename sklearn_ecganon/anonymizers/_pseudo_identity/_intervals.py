"""The intervals of a record, those of its release, and the fiducial points that give them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import FiducialPoints
from sklearn_ecganon.contracts import TOLERANCES, Measurements, category, is_paced, measure
from sklearn_ecganon.delineation import Delineator
from sklearn_ecganon.records import BeatSet, ECGRecord

SHORTEST_WINDOW_MS = 500.0
LOWEST_RATE = 100.0  # Hz
N_MEASURED = 300  # beats of a record that its intervals are read from
_N_PACED = 30  # beats that are searched for spikes
_IN_A_ROW = 5  # beats that share one measurement
_N_COPIES = 5  # of a beat in a row: the delineator needs context

# Mean and standard deviation over people of PR, QRS, QTc in ms and ST in mV, and the range of
# each category that is drawn from: away from the limits by the error of a delineator.
_DRAWN: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "pr": ((112.0, 8.0, 95.0, 114.0), (160.0, 20.0, 127.0, 193.0), (222.0, 15.0, 207.0, 260.0)),
    "wide_qrs": ((95.0, 10.0, 72.0, 113.0), (145.0, 14.0, 127.0, 175.0)),
    "qtc": ((412.0, 20.0, 365.0, 440.0), (472.0, 14.0, 460.0, 510.0)),
    "st": ((-0.17, 0.05, -0.35, -0.12), (0.0, 0.04, -0.08, 0.08), (0.16, 0.04, 0.12, 0.3)),
}


class Intervals(NamedTuple):
    """Intervals in ms and ST in mV; NaN where there is none.

    Attributes
    ----------
    PR, QRS, QT, ST : float
        As `sklearn_ecganon.contracts.measure` reads them.
    """

    PR: float
    QRS: float
    QT: float
    ST: float


def can_be_measured(n_times: int, rate: float) -> bool:
    """Return whether windows are long and dense enough to show the waves."""
    return rate >= LOWEST_RATE and 1000 * n_times / rate >= SHORTEST_WINDOW_MS


def measure_record(record: BeatSet) -> tuple[Intervals, dict[str, int]] | None:
    """Return the intervals and the diagnostic categories of a record.

    None for a single beat, for windows that do not show the waves, and without a QRS complex.
    """
    if not _is_measured(record):
        return None
    measured = measure(_some_beats(record), remember=False)
    intervals = _intervals_of(measured)
    if intervals is None:
        return None
    codes = {name: int(values[0]) for name, values in measured.categories().items()}
    rr = record.rr[np.isfinite(record.rr)]
    if len(record.beats) > N_MEASURED and len(rr) > 1:
        # The rhythm is that of all beats.
        irregularity = np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()
        codes |= {
            "rate_zone": int(category("rate_zone", 60_000 / rr.mean())),
            "irregularity": int(category("irregularity", irregularity)),
            "qtc": int(category("qtc", intervals.QT / np.sqrt(rr.mean() / 1000))),
        }
    return intervals, codes


def measure_intervals(record: BeatSet) -> Intervals | None:
    """Return the intervals of a record without its categories, as `measure_record` does."""
    if not _is_measured(record):
        return None
    measured = measure(_some_beats(record), remember=False, twelve_leads=False)
    return _intervals_of(measured)


def _is_measured(record: BeatSet) -> bool:
    """Return whether a record is measured. A single beat, such as a row of an array, is not."""
    return len(record.beats) > 1 and can_be_measured(record.n_times, record.sampling_rate)


def _intervals_of(measured: Measurements) -> Intervals | None:
    """Return the intervals of the only record that was measured; None without a QRS."""
    medians = measured.medians()
    # Rounded, so that the last bit of a sum does not decide which identity is drawn.
    intervals = Intervals(*(round(float(medians[name][0]), 4) for name in Intervals._fields))
    return intervals if np.isfinite(intervals.QRS) else None


def _some_beats(record: BeatSet) -> BeatSet:
    """Return a record with few beats: runs of a few that are evenly spaced."""
    n_beats = len(record.beats)
    if n_beats <= N_MEASURED:
        return record
    starts = np.linspace(0, n_beats - _IN_A_ROW, N_MEASURED // _IN_A_ROW).astype(np.intp)
    return beats_of(record, np.unique(starts[:, np.newaxis] + np.arange(_IN_A_ROW)))


def has_spikes(record: BeatSet) -> bool:
    """Return whether the first beats of a record have pacing spikes."""
    return is_paced(record.beats[:_N_PACED], record.sampling_rate)


def beats_of(record: BeatSet, rows: NDArray[np.intp] | slice) -> BeatSet:
    """Return some beats of a record."""
    return BeatSet(
        record.beats[rows],
        record.record[rows],
        record.r_peaks[rows],
        record.lengths,
        record.sampling_rate,
        record.lead_names,
        record.names,
        None if record.labels is None else record.labels[rows],
        record.gaps,
        record.lead_gaps,
    )


def find_fiducial_points(
    beat: NDArray, rate: float, lead_names: tuple[str, ...]
) -> FiducialPoints | None:
    """Delineate one beat, (n_leads, n_times) in mV; NaN where a wave is absent.

    Parameters
    ----------
    beat : ndarray of shape (n_leads, n_times)
        With the R peak in the middle.
    rate : float
        In Hz.
    lead_names : tuple of str
        Names of the leads.

    Returns
    -------
    fiducial_points : FiducialPoints or None
        None for a beat without a QRS complex.
    """
    n_times = beat.shape[1]
    ramp = np.linspace(0, 1, n_times)
    flat = beat - (beat[:, :1] + (beat[:, -1:] - beat[:, :1]) * ramp)
    if not np.ptp(flat, axis=1).any():
        return None
    n_copies = max(_N_COPIES, int(np.ceil(2.5 * rate / n_times)))
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
    return FiducialPoints(p_onset, onset, offset, t_offset)


def draw_intervals(
    original: Intervals,
    codes: dict[str, int],
    fiducial_points: FiducialPoints,
    rr: tuple[float, float],
    normal: NDArray[np.float64],
) -> Intervals:
    """Return the intervals of a pseudo-identity in the categories of a record.

    Those of the synthetic person are taken where they lie well inside the category, and
    others are drawn where they do not.

    Parameters
    ----------
    original : Intervals
        Those of the record. They say which interval is absent.
    codes : dict of str to int
        Categories of the record.
    fiducial_points : FiducialPoints
        Of the synthetic person.
    rr : (float, float)
        Mean RR in ms, of the record and of its release.
    normal : ndarray of shape (4,)
        Standard normal numbers.
    """
    corrected = np.sqrt(rr[1] / 1000.0)
    person = {
        "pr": fiducial_points.onset - fiducial_points.p_onset,
        "wide_qrs": fiducial_points.offset - fiducial_points.onset,
        "qtc": (fiducial_points.t_offset - fiducial_points.onset) / corrected,
        "st": np.nan,
    }
    absent = dict(zip(("pr", "wide_qrs", "qtc", "st"), np.isnan(original), strict=True))
    drawn = {}
    for (name, value), number in zip(person.items(), normal, strict=True):
        if absent[name]:
            drawn[name] = np.nan
            continue
        mean, spread, low, high = _DRAWN[name][max(0, codes[name])]
        if low <= value <= high:
            drawn[name] = value
            continue
        first, last = ndtr([(low - mean) / spread, (high - mean) / spread])
        drawn[name] = mean + spread * ndtri(first + (last - first) * ndtr(number))
    return Intervals(drawn["pr"], drawn["wide_qrs"], drawn["qtc"] * corrected, drawn["st"])


def with_intervals(fiducial_points: FiducialPoints, intervals: Intervals) -> FiducialPoints:
    """Return fiducial points with these intervals; R keeps its place in the QRS."""
    qrs = fiducial_points.offset - fiducial_points.onset
    factor = intervals.QRS / qrs if np.isfinite(intervals.QRS) else 1.0
    onset, offset = fiducial_points.onset * factor, fiducial_points.offset * factor
    pr = fiducial_points.onset - fiducial_points.p_onset
    qt = fiducial_points.t_offset - fiducial_points.onset
    return FiducialPoints(
        onset - (intervals.PR if np.isfinite(intervals.PR) else pr),
        onset,
        offset,
        onset + (intervals.QT if np.isfinite(intervals.QT) else qt),
    ).ordered()


def n_misses(
    intervals: Intervals, released: Intervals | None, rr: float, contract: str
) -> float:
    """Return how many intervals are out of tolerance, or in another category.

    Parameters
    ----------
    intervals : Intervals
        What the release shall have.
    released : Intervals or None
        What it has.
    rr : float
        Mean RR of the release in ms.
    contract : str
        ``"measurement"`` compares with `TOLERANCES`, ``"diagnostic"`` compares categories.
    """
    if released is None:
        return np.inf
    if contract == "measurement":
        return float(
            sum(
                np.isfinite(value) and not abs(value - measured) <= TOLERANCES[name]
                for name, value, measured in zip(
                    Intervals._fields, intervals, released, strict=True
                )
            )
        )
    corrected = np.sqrt(rr / 1000.0)
    missed = float(np.isnan(intervals.PR) != np.isnan(released.PR))
    pairs = (
        ("pr", intervals.PR, released.PR),
        ("wide_qrs", intervals.QRS, released.QRS),
        ("qtc", intervals.QT / corrected, released.QT / corrected),
        ("st", intervals.ST, released.ST),
    )
    for name, value, measured in pairs:
        if np.isfinite(value) and (name != "pr" or np.isfinite(measured)):
            missed += float(category(name, value) != category(name, measured))
    return missed
