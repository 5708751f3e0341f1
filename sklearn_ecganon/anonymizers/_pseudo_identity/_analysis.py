"""Describe one record by its template beat, its variation from beat to beat, and its noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, PchipInterpolator, make_interp_spline
from scipy.signal import resample_poly

from sklearn_ecganon.anonymizers._pseudo_identity import _cycles as cycles
from sklearn_ecganon.anonymizers._pseudo_identity._intervals import find_fiducial_points
from sklearn_ecganon.anonymizers._pseudo_identity._leads import observed_leads
from sklearn_ecganon.anonymizers._pseudo_identity._time_axis import (
    GRID,
    GRID_MS,
    STANDARD,
    FiducialPoints,
    fade,
    from_standard,
    to_standard,
)
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.segmentation import stitch_signal

RATE = 1000.0 / GRID_MS  # Hz; records are described at this rate
N_BEATS = 80  # consecutive beats of a long record that describe it
_LEVEL_MS = (-90.0, -52.0)  # before R: the PR segment, where the baseline is read
_CYCLE = (0.42, 0.60)  # fractions of the RR intervals that a beat fills
_ALIGN_MS = 60.0  # around R, in which beats are aligned with their template
_FEWEST = 3  # ectopic beats that show a template
_GAIN = (0.5, 1.5)  # of single beats
WANDER_HZ = np.arange(0.1, 0.85, 0.1)
_SHORTEST_S = 8.0  # of a baseline whose spectrum is read


@dataclass(frozen=True)
class Description:
    """What one record shows of its person, in the leads of a model; NaN where it does not.

    Attributes
    ----------
    template : ndarray of shape (n_leads, n_grid)
        Mean beat of the main classes on the standard time axis, in mV, 0 at both ends.
    fiducial_points : FiducialPoints
        Where its waves lie.
    has_p : bool
        Whether there is a P wave.
    ectopic : ndarray of shape (n_leads, n_grid)
        Mean ventricular beat on its own time axis, in mV.
    gain : float
        Logarithm of the standard deviation of the amplitude of single beats.
    deviations : ndarray of shape (n_beats, n_leads, n_grid)
        Deviations of these beats from the template times their gain, on the standard time
        axis, in mV.
    wander : ndarray of shape (n_leads,)
        Logarithm of the standard deviation of the baseline, in mV.
    offset : ndarray of shape (n_leads,)
        Mean baseline in mV.
    wander_correlation : ndarray of shape (n_leads, n_leads)
        Correlation of the baseline of two leads.
    wander_spectrum : ndarray of shape (n_wander,)
        Logarithm of the amplitude of the baseline at the frequencies `WANDER_HZ`, up to a
        constant; NaN for records of less than 8 s.
    """

    template: NDArray[np.float64]
    fiducial_points: FiducialPoints
    has_p: bool
    ectopic: NDArray[np.float64]
    gain: float
    deviations: NDArray[np.float32]
    wander: NDArray[np.float64]
    offset: NDArray[np.float64]
    wander_correlation: NDArray[np.float64]
    wander_spectrum: NDArray[np.float64]


def describe(record: BeatSet, leads: Sequence[str], *, delineate: bool = True) -> Description:
    """Describe a record of at least one beat.

    Parameters
    ----------
    record : BeatSet
        One record. Windows that overlap show the signal between the beats as well.
    leads : sequence of str
        Leads of the model.
    delineate : bool, default=True
        Find the fiducial points. Without it they are the standard ones.
    """
    signal, peaks, labels = _busiest_part(record)
    ratio = Fraction(RATE / record.sampling_rate).limit_denominator(1000)
    if ratio != 1:
        up, down = ratio.numerator, ratio.denominator
        signal = resample_poly(signal, up, down, axis=1, padtype="line")
        peaks = peaks * float(ratio)
    shown = observed_leads(signal, record.lead_names[0], leads)
    present = np.array(np.isfinite(shown).all(axis=1))
    if not present.any():
        present[:] = True
        shown = np.zeros((len(leads), signal.shape[1]))
    signal, n_samples = shown[present], signal.shape[1]
    baseline = _baseline(signal, peaks)
    degree = min(3, n_samples - 1)
    spline = make_interp_spline(np.arange(n_samples), signal - baseline, k=degree, axis=1)
    inside = _inside_cycle(peaks, GRID / GRID_MS, n_samples)
    windows = _read(spline, peaks, GRID / GRID_MS, n_samples)
    before = np.r_[np.inf, np.diff(peaks)] * GRID_MS
    beat_classes = cycles.find_beat_classes(windows, before, labels, GRID)
    is_main = np.isin(beat_classes, (cycles.NORMAL, cycles.SUPRAVENTRICULAR))
    if not is_main.any():
        is_main = beat_classes == cycles.main_class(beat_classes)
    peaks = _aligned(spline, n_samples, peaks, windows, inside, is_main)
    windows = _read(spline, peaks, GRID / GRID_MS, n_samples)
    windows = np.where(inside[:, np.newaxis], windows, np.nan)
    template = _mean_beat(windows[is_main])
    names = tuple(np.array(leads)[present])
    delineated = find_fiducial_points(_centered(template), RATE, names) if delineate else None
    fiducial_points, has_p = _checked(delineated)
    standard = _standard(template, fiducial_points)
    deviations, gain = _deviations(spline, n_samples, standard, fiducial_points, peaks, is_main)
    ventricular = (beat_classes == cycles.VENTRICULAR) & ~is_main
    ectopic = np.full_like(template, np.nan)
    if ventricular.sum() >= _FEWEST:
        ectopic = _mean_beat(windows[ventricular]) * fade()
    log_wander = np.log(baseline.std(axis=1) + 1e-3)
    correlation = _in_model(_in_model(correlation_of(baseline), present, 0), present, 1)
    return Description(
        _in_model(standard, present, 0),
        fiducial_points,
        has_p,
        _in_model(ectopic, present, 0),
        gain,
        _in_model(deviations, present, 1).astype(np.float32),
        _in_model(log_wander, present, 0),
        _in_model(baseline.mean(axis=1), present, 0),
        correlation,
        _wander_spectrum(baseline),
    )


def _in_model(values: NDArray, present: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Return values of the leads that are present as those of all leads, with NaN."""
    shape = list(values.shape)
    shape[axis] = len(present)
    full = np.full(shape, np.nan)
    np.moveaxis(full, axis, 0)[present] = np.moveaxis(values, axis, 0)
    return full


def _busiest_part(
    record: BeatSet,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray | None]:
    """Return signal, R peaks and labels of the part of a record that describes it.

    It is the run of beats without a gap that has the most ventricular ones.
    """
    peaks = record.r_peaks
    first, last = 0, len(peaks)
    if record.gaps is not None and len(record.gaps):
        edges = np.searchsorted(peaks, record.gaps[:, 1])
        runs = np.split(np.arange(len(peaks)), np.unique(edges))
        longest = max(runs, key=len)
        first, last = int(longest[0]), int(longest[-1]) + 1
    if last - first > N_BEATS:
        score = np.zeros(last - first)
        if record.labels is not None:
            score = (record.labels[first:last] == "V").astype(float)
        total = np.r_[0.0, np.cumsum(score)]
        counts = total[N_BEATS:] - total[:-N_BEATS]
        best = counts.argmax() if counts.any() else len(counts) // 2
        # A third of the beats must be of other classes than ventricular.
        allowed = np.flatnonzero(counts <= 2 * N_BEATS / 3)
        if len(allowed) and counts[best] > 2 * N_BEATS / 3:
            best = allowed[counts[allowed].argmax()]
        first, last = first + int(best), first + int(best) + N_BEATS
    half = record.n_times // 2
    start = max(0, int(peaks[first]) - half)
    stop = min(int(record.lengths[0]), int(peaks[last - 1]) - half + record.n_times)
    part = BeatSet(
        record.beats[first:last],
        np.zeros(last - first, dtype=np.intp),
        peaks[first:last] - start,
        np.array([stop - start]),
        record.sampling_rate,
        record.lead_names,
        record.names,
    )
    labels = None if record.labels is None else record.labels[first:last]
    return stitch_signal(part, 0), part.r_peaks.astype(float), labels


def _baseline(signal: NDArray, peaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the baseline, which passes through the PR segment of each beat."""
    low, high = (round(ms / GRID_MS) for ms in _LEVEL_MS)
    at = np.rint(peaks).astype(np.intp)
    at = at[(at + low >= 0) & (at + high <= signal.shape[1])]
    if len(at) < 2:
        return np.repeat(np.median(signal, axis=1, keepdims=True), signal.shape[1], axis=1)
    columns = at[:, np.newaxis] + np.arange(low, high)
    levels = np.median(signal[:, columns], axis=2)
    knots = at + (low + high) / 2
    curve = PchipInterpolator(knots, levels, axis=1)
    return np.asarray(curve(np.arange(signal.shape[1]).clip(knots[0], knots[-1])))


def _inside_cycle(
    peaks: NDArray[np.float64], times: NDArray[np.float64], n_samples: int
) -> NDArray[np.bool_]:
    """Return which samples of each window show the beat and not its neighbors."""
    rr = np.diff(peaks)
    before, after = np.r_[np.inf, rr][:, np.newaxis], np.r_[rr, np.inf][:, np.newaxis]
    at = peaks[:, np.newaxis] + times
    inside = (times >= -_CYCLE[0] * before) & (times <= _CYCLE[1] * after)
    return inside & (at >= 0) & (at <= n_samples - 1)


def _read(
    spline: BSpline, peaks: NDArray, times: NDArray, n_samples: int
) -> NDArray[np.float64]:
    """Return windows (n_beats, n_leads, n_times) at positions between samples."""
    values = spline((peaks[:, np.newaxis] + times).clip(0, n_samples - 1))
    return np.moveaxis(np.asarray(values), 1, 0)


def _mean_beat(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the trimmed mean of windows with NaN, without holes: (n_leads, n_times)."""
    ordered = np.sort(windows, axis=0)
    known = np.isfinite(ordered[:, 0]).sum(axis=0)
    cut = known // 5
    rank = np.arange(len(windows))[:, np.newaxis]
    chosen = (rank >= cut) & (rank < known - cut)
    total = np.where(chosen[:, np.newaxis], ordered, 0.0).sum(axis=0)
    mean = total / np.maximum(chosen.sum(axis=0), 1)
    columns = np.flatnonzero(known > 0)
    positions = np.arange(windows.shape[2])
    return np.stack([np.interp(positions, columns, lead[columns]) for lead in mean])


def _aligned(
    spline: BSpline,
    n_samples: int,
    peaks: NDArray,
    windows: NDArray,
    inside: NDArray,
    is_main: NDArray,
) -> NDArray[np.float64]:
    """Return R peaks between samples, so that the main beats lie best on their mean."""
    times = GRID / GRID_MS
    near = np.abs(GRID) <= _ALIGN_MS
    peaks = peaks.copy()
    template = _mean_beat(np.where(inside[:, np.newaxis], windows, np.nan)[is_main])[:, near]
    slope = np.gradient(template, axis=1)
    energy = max(float((slope**2).sum()), 1e-9)
    for _ in range(3):
        error = _read(spline, peaks[is_main], times[near], n_samples) - template
        shift = -(error * slope).sum(axis=(1, 2)) / energy
        peaks[is_main] += shift.clip(-1.0, 1.0)
    return peaks


def _centered(template: NDArray) -> NDArray[np.float64]:
    """Return a template with the R peak in the middle, as the delineator takes it."""
    zero = int(np.searchsorted(GRID, 0.0))
    missing = len(GRID) - 2 * zero
    return np.pad(template, ((0, 0), (max(missing, 0), 0)), mode="edge")


def _checked(delineated: FiducialPoints | None) -> tuple[FiducialPoints, bool]:
    """Return fiducial points without holes, and whether there is a P wave."""
    if delineated is None:
        return STANDARD, True
    has_p = bool(np.isfinite(delineated.p_onset))
    p_onset = (
        delineated.p_onset if has_p else delineated.onset + STANDARD.p_onset - STANDARD.onset
    )
    t_offset = delineated.t_offset if np.isfinite(delineated.t_offset) else STANDARD.t_offset
    return FiducialPoints(
        p_onset, delineated.onset, delineated.offset, t_offset
    ).ordered(), has_p


def _standard(template: NDArray, fiducial_points: FiducialPoints) -> NDArray[np.float64]:
    """Return a template on the standard time axis, faded to zero at both ends."""
    times = from_standard(GRID, fiducial_points)
    spline = make_interp_spline(GRID, template, k=3, axis=1)
    return np.asarray(spline(times.clip(GRID[0], GRID[-1]))) * fade()


def _deviations(
    spline: BSpline,
    n_samples: int,
    standard: NDArray[np.float64],
    fiducial_points: FiducialPoints,
    peaks: NDArray[np.float64],
    is_main: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], float]:
    """Return the deviations of the main beats, and the log spread of their gains."""
    times = from_standard(GRID, fiducial_points) / GRID_MS
    inside = _inside_cycle(peaks, times, n_samples)[is_main]
    beats = _read(spline, peaks[is_main], times, n_samples)
    near = np.abs(GRID) <= _ALIGN_MS
    qrs = standard[:, near]
    gains = (beats[:, :, near] * qrs).sum(axis=(1, 2)) / max((qrs**2).sum(), 1e-9)
    gains = np.where(inside[:, near].all(axis=1), gains, 1.0).clip(*_GAIN)
    spread = np.std(gains) if len(gains) > 2 else 0.03
    deviations = beats - gains[:, np.newaxis, np.newaxis] * standard
    # A template is zero at both ends; what all beats have there is no deviation of single ones.
    count = np.maximum(inside.sum(axis=0), 1)
    deviations = np.where(inside[:, np.newaxis], deviations, 0.0)
    mean = deviations.sum(axis=0) / count
    deviations = np.where(inside[:, np.newaxis], deviations - mean, np.nan)
    # The mean of few beats takes a part of their variance.
    deviations *= np.sqrt(count / np.maximum(count - 1, 1))
    return deviations, float(np.log(np.clip(spread, 0.005, 0.15)))


def phases(
    peaks: NDArray[np.float64],
    n_samples: int,
    fiducial_points: FiducialPoints,
    rate: float = RATE,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return for each sample its beat, and its place on the standard time axis in ms.

    Parameters
    ----------
    peaks : ndarray of shape (n_beats,)
        R peaks in samples.
    n_samples : int
        Length of the signal.
    fiducial_points : FiducialPoints
        Of all beats.
    rate : float
        In Hz.
    """
    turns = peaks[:-1] + _CYCLE[1] * np.diff(peaks)
    # The first sample after each turn belongs to the next beat.
    first = (np.floor(turns).astype(np.intp) + 1).clip(0, n_samples)
    beat = np.repeat(np.arange(len(peaks)), np.diff(first, prepend=0, append=n_samples))
    times = (np.arange(n_samples) - peaks[beat]) * (1000.0 / rate)
    return beat, to_standard(times, fiducial_points)


def correlation_of(traces: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the correlation of traces; that of a constant trace with others is 0."""
    deviation = traces - traces.mean(axis=1, keepdims=True)
    deviation /= np.maximum(np.linalg.norm(deviation, axis=1, keepdims=True), 1e-9)
    return deviation @ deviation.T


def _wander_spectrum(baseline: NDArray) -> NDArray[np.float64]:
    """Return the log amplitude of a baseline at `WANDER_HZ`, mean over leads."""
    n_samples = baseline.shape[1]
    if n_samples < _SHORTEST_S * RATE:
        return np.full(len(WANDER_HZ), np.nan)
    deviation = baseline - baseline.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(deviation * np.hanning(n_samples), axis=1)) ** 2
    frequency = np.fft.rfftfreq(n_samples, 1 / RATE)
    edges = np.r_[WANDER_HZ - 0.05, WANDER_HZ[-1] + 0.05]
    band = np.digitize(frequency, edges) - 1
    power = spectrum.mean(axis=0)
    logs = [
        0.5 * np.log(power[band == i].mean() + 1e-12) if (band == i).any() else np.nan
        for i in range(len(WANDER_HZ))
    ]
    return np.array(logs) - np.nanmean(logs)
