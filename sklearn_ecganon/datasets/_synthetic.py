"""Synthetic patients: ECGSYN with individual waves, bodies and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sklearn_ecganon.datasets._fetch import bunch_of
from sklearn_ecganon.datasets._leads import DOWER, with_derived_leads
from sklearn_ecganon.records import STANDARD_LEADS, ECGRecord

Array = NDArray[np.float64]

#: Beat classes, in the order of the first axis of the arrays of `_Subject`.
CLASSES = ("N", "S", "V")

#: The order in which leads are chosen if there are fewer than 12.
PRIORITY = ("II", "V5", "V1", "I", "V2", "aVF", "V4", "aVL", "V6", "III", "V3", "aVR")

#: P, Q, R, S, T of a normal beat at 60 beats/min: delay of the peak after R, widths before and
#: after the peak (standard deviations of half Gaussians, all in ms), and the cardiac vector at
#: the peak in mV (to the left, down, to the back).
DELAY = (-165.0, -25.0, 0.0, 27.0, 285.0)
RISE = (23.0, 8.0, 11.0, 9.0, 52.0)
FALL = (21.0, 8.0, 11.0, 11.0, 34.0)
VECTOR = (
    (0.09, 0.10, -0.01),
    (-0.14, -0.06, -0.22),
    (1.15, 0.80, 0.35),
    (-0.25, -0.12, 0.38),
    (0.28, 0.24, -0.16),
)

#: The same for a ventricular beat: no P wave, a wide and slurred QRS. Directions are given
#: along R, and turned for each subject.
V_DELAY = (0.0, -48.0, 0.0, 50.0, 330.0)
V_WIDTH = (1.0, 22.0, 27.0, 30.0, 55.0)
V_AMPLITUDE = (0.0, 0.25, 1.35, 0.40, -0.50)


@dataclass(frozen=True)
class _Subject:
    """Parameters of a subject. First axis of arrays: `CLASSES`, second: P Q R S T."""

    delay: Array  # (3, 5) s after R, at 60 beats/min
    rise: Array  # (3, 5) s
    fall: Array  # (3, 5) s
    vector: Array  # (3, 5, 3) mV
    body: Array  # (8, 3): projects the cardiac vector onto the independent leads
    rr: float  # s
    hrv: Array  # (2,) relative modulation of RR by respiration and by Mayer waves
    breath_rate: float  # Hz
    rotation: Array  # (3,) rad, rotation of the heart at maximum inspiration
    burden: dict[str, float]  # fraction of S and of V beats
    coupling: dict[str, float]  # RR before a premature beat, as a fraction of the normal RR


@dataclass(frozen=True)
class _Session:
    """Parameters of a session."""

    leads: Array  # (8, 3): `body`, with slightly displaced electrodes
    rr: float  # s
    repolarization: float  # amplitude of T, relative to that of the subject
    noise: float  # mV
    wander: float  # mV


@validate_params(
    {
        "n_subjects": [Interval(Integral, 1, None, closed="left")],
        "n_sessions": [Interval(Integral, 1, None, closed="left")],
        "duration": [Interval(Real, 2, None, closed="left")],
        "sampling_rate": [Interval(Real, 50, None, closed="left")],
        "n_leads": [Interval(Integral, 1, 12, closed="both")],
        "arrhythmia": [StrOptions({"none", "ectopic"})],
        "random_state": ["random_state", np.random.Generator],
    },
    prefer_skip_nested_validation=True,
)
def make_ecg_records(
    n_subjects: int = 10,
    *,
    n_sessions: int = 2,
    duration: float = 30.0,
    sampling_rate: float = 250.0,
    n_leads: int = 1,
    arrhythmia: Literal["none", "ectopic"] = "none",
    random_state: int | np.random.RandomState | np.random.Generator | None = None,
) -> Bunch:
    """Generate ECG records of identifiable subjects, in several sessions each.

    Each subject has individual waves, heart rate, heart rate variability and body. Each
    session moves the electrodes, turns the axis and changes gain, heart rate, T waves, noise
    and baseline wander. Each beat varies with respiration and at random. Therefore attackers
    can identify subjects, also across sessions, but not reliably from one beat alone.

    Parameters
    ----------
    n_subjects : int, default=10
        Number of persons.
    n_sessions : int, default=2
        Number of records of each person.
    duration : float, default=30.0
        Length of each record in seconds, at least 2.
    sampling_rate : float, default=250.0
        Rate in Hz, at least 50.
    n_leads : int, default=1
        Number of leads, 1 to 12. With 12: I II III aVR aVL aVF V1 to V6. Fewer are taken
        in the order II V5 V1 I V2 aVF V4 aVL V6 III V3 aVR.
    arrhythmia : {"none", "ectopic"}, default="none"
        With ``"ectopic"`` every other subject, starting with the first, has ventricular
        extrasystoles (V: early, wide, no P wave, another shape, full compensatory pause) and
        supraventricular ones (S: early, narrow, another P wave), 4 to 12 % and 3 to 8 %
        of the beats, and at least one of each if the record is long enough.
    random_state : int, RandomState, Generator or None, default=None
        Seed. With an int the first subjects do not depend on `n_subjects`.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (n_times, n_leads) in mV, all records of the first subject
            first, with `r_peaks` (samples; the peak of the R wave of the cardiac vector,
            without noise and wander) and `beat_labels` (N, S, V).
        subject : ndarray of str of shape (n_subjects * n_sessions,)
            ``"s001"``, ``"s002"`` and so on.
        session : ndarray of str of shape (n_subjects * n_sessions,)
            ``"01"``, ``"02"`` and so on.
        DESCR : str
            Description of the generated data.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    The model is ECGSYN [1]_ as neurokit2 [2]_ implements it: five Gaussian waves on the
    circle of the cardiac cycle, a leaky sum with a time constant of 1 s, and an RR series
    with spectral peaks at the respiratory rate and at the 0.1 Hz of the Mayer waves, which a
    function of neurokit2 generates. Deviations:

    - The start lies on the limit cycle, where the angle is the integral of 2 pi / RR and the
      equation of z is linear. Therefore a filter solves it, without Runge-Kutta steps.
    - z is a vector of three axes. Dower's matrix [3]_, perturbed for each subject, projects
      it onto eight leads; III, aVR, aVL and aVF follow by Einthoven and Goldberger, noise
      included. Amplitudes are in mV and not rescaled to -0.4..1.2 mV.
    - Waves rise and fall with different widths (T rises slowly).
    - Waves are specified in ms, not in degrees: the width of QRS does not depend on the rate,
      T follows the cube root of RR (Fridericia), and P its sixth root; in ECGSYN all scale
      with the square root.
    - The RR of a beat is read at its R peak, at any time, not once per Mayer period. Its two
      components are generated separately, so that the same respiration modulates RR, axis,
      gain and baseline.
    - Each wave of each beat varies in amplitude and time; ectopic beats, sessions, muscle
      noise and baseline wander are additions.

    References
    ----------
    .. [1] McSharry PE, Clifford GD, Tarassenko L, Smith LA. A dynamical model for generating
       synthetic electrocardiogram signals. IEEE Trans Biomed Eng 50(3):289-294 (2003).
    .. [2] Makowski D et al. NeuroKit2: A Python toolbox for neurophysiological signal
       processing. Behavior Research Methods 53:1689-1696 (2021).
    .. [3] Dower GE, Machado HB, Osborne JA. On deriving the electrocardiogram from
       vectorcardiographic leads. Clinical Cardiology 3:87-95 (1980).

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> bunch = make_ecg_records(n_subjects=2, n_leads=2, duration=10.0, random_state=0)
    >>> bunch.data[0]
    ECGRecord('s001_01': 10.0 s, 250 Hz, II V5)
    >>> bunch.subject
    array(['s001', 's001', 's002', 's002'], dtype='<U4')
    """
    leads = STANDARD_LEADS if n_leads == len(STANDARD_LEADS) else PRIORITY[:n_leads]
    data = []
    for i, seed in enumerate(_seed(random_state).spawn(n_subjects)):
        subject_seed, *session_seeds = seed.spawn(n_sessions + 1)
        subject = _sample_subject(np.random.default_rng(subject_seed))
        ectopic = arrhythmia == "ectopic" and i % 2 == 0
        for j, session_seed in enumerate(session_seeds):
            rng = np.random.default_rng(session_seed)
            signals, r_peaks, labels = _record(subject, duration, sampling_rate, ectopic, rng)
            data.append(
                ECGRecord(
                    np.stack([signals[lead] for lead in leads], axis=1),
                    sampling_rate,
                    leads,
                    r_peaks=r_peaks,
                    beat_labels=labels,
                    subject=f"s{i + 1:03d}",
                    session=f"{j + 1:02d}",
                    name=f"s{i + 1:03d}_{j + 1:02d}",
                )
            )
    return bunch_of(
        data,
        f"Synthetic ECG (ECGSYN): {n_subjects} subjects, {n_sessions} sessions of "
        f"{duration:g} s at {sampling_rate:g} Hz, arrhythmia: {arrhythmia}.",
    )


def _seed(random_state: object) -> np.random.SeedSequence:
    """Return a seed for any scikit-learn random state; None is not NumPy's global state."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(random_state.randint(2**32, size=4, dtype=np.uint32))
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(random_state.integers(2**32, size=4))
    return np.random.SeedSequence(random_state)  # type: ignore[arg-type]


def _sample_subject(rng: np.random.Generator) -> _Subject:
    def vary(values: ArrayLike, sigma: float) -> Array:
        return np.asarray(values) * np.exp(sigma * rng.standard_normal(np.shape(values)))

    turn = Rotation.from_rotvec(np.deg2rad(15) * rng.standard_normal((5, 3)))
    axis = Rotation.from_rotvec(np.deg2rad([6, 8, 16]) * rng.standard_normal(3))
    vector = axis.apply(turn.apply(VECTOR)) * vary(np.ones((5, 1)), 0.3)
    delay, rise, fall = vary(DELAY, 0.11), vary(RISE, 0.15), vary(FALL, 0.15)

    # S: an ectopic focus, nearer to the AV node, excites the atria.
    s_vector, s_delay = vector.copy(), delay.copy()
    s_vector[0] = Rotation.from_rotvec(rng.uniform(1.2, 2.2) * _direction(rng)).apply(vector[0])
    s_delay[0] *= rng.uniform(0.72, 0.85)
    # V: a ventricular focus; excitation spreads slowly through the myocardium.
    focus = Rotation.from_rotvec(rng.uniform(1.2, 2.6) * _direction(rng))
    v_turn = Rotation.from_rotvec(np.deg2rad(20) * rng.standard_normal((5, 3)))
    v_vector = v_turn.apply(focus.apply(np.outer(V_AMPLITUDE, vector[2])))
    v_delay, v_width = vary(V_DELAY, 0.08), vary(V_WIDTH, 0.08)

    return _Subject(
        delay=np.stack([delay, s_delay, v_delay]) / 1000,
        rise=np.stack([rise, rise, v_width]) / 1000,
        fall=np.stack([fall, fall, v_width]) / 1000,
        vector=np.stack([vector, s_vector, v_vector]),
        body=DOWER + 0.08 * rng.standard_normal(DOWER.shape),
        rr=60 / rng.uniform(55, 90),
        hrv=rng.uniform(0.008, 0.03, size=2),
        breath_rate=rng.uniform(0.2, 0.32),
        rotation=np.deg2rad(rng.uniform(2, 5)) * _direction(rng),
        burden={"S": rng.uniform(0.03, 0.08), "V": rng.uniform(0.04, 0.12)},
        coupling={"S": rng.uniform(0.68, 0.8), "V": rng.uniform(0.58, 0.7)},
    )


def _sample_session(subject: _Subject, rng: np.random.Generator) -> _Session:
    electrodes = Rotation.from_rotvec(np.deg2rad(1.5) * rng.standard_normal(3))
    gain = np.exp(0.06 * rng.standard_normal((8, 1)))
    return _Session(
        leads=gain * subject.body @ electrodes.as_matrix(),
        rr=subject.rr * np.exp(0.04 * rng.standard_normal()),
        repolarization=np.exp(0.04 * rng.standard_normal()),
        noise=0.02 * np.exp(0.3 * rng.standard_normal()),
        wander=0.04 * np.exp(0.4 * rng.standard_normal()),
    )


def _direction(rng: np.random.Generator) -> Array:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _record(
    subject: _Subject, duration: float, rate: float, ectopic: bool, rng: np.random.Generator
) -> tuple[dict[str, Array], NDArray[np.intp], NDArray[np.str_]]:
    """Return all 12 leads of one session in mV, the R peaks in samples, and the classes."""
    session = _sample_session(subject, rng)
    margin = 3.0  # s that are simulated before and after the record
    breath = _oscillation(subject.breath_rate, duration + 2 * margin, rng)
    mayer = _oscillation(0.1, duration + 2 * margin, rng)

    r_series = [0.0]
    while r_series[-1] < duration + 2 * margin:
        change = subject.hrv @ [-breath(r_series[-1]), mayer(r_series[-1])]
        r_series.append(r_series[-1] + session.rr * np.exp(change))
    r_times = np.array(r_series)
    classes = np.zeros(len(r_times), dtype=np.intp)
    if ectopic:
        inside = np.flatnonzero((r_times > margin) & (r_times < margin + duration))
        r_times, classes = _with_ectopic_beats(subject, r_times, inside, rng)

    n_times = round((duration + 2 * margin) * rate)
    t = np.arange(n_times) / rate
    waves = _waves(subject, session, r_times, classes, n_times, rate, rng)
    vector = _leak(waves, rate)
    depth = breath(t)[:, np.newaxis]
    vector = (1 + 0.03 * depth) * (vector + depth * np.cross(subject.rotation, vector))
    signal = vector @ session.leads.T
    signal += _disturbance(session, depth, n_times, rate, rng)

    first, n_recorded = round(margin * rate), round(duration * rate)
    positions = np.round(r_times * rate).astype(np.intp) - first
    recorded = (positions >= 0) & (positions < n_recorded)
    leads = with_derived_leads(signal[first : first + n_recorded])
    return leads, positions[recorded], np.array(CLASSES)[classes[recorded]]


def _oscillation(frequency: float, duration: float, rng: np.random.Generator) -> CubicSpline:
    """Return a component of ECGSYN's RR process, with mean 0 and standard deviation 1."""
    # This import is slow; only simulations need it.
    from neurokit2.ecg.ecg_simulate import _ecg_simulate_rrprocess

    n = 2 ** int(np.ceil(np.log2(max(duration, 64))))
    process = _ecg_simulate_rrprocess(fhi=frequency, lfhfratio=0, n=n, rng=rng)
    return CubicSpline(np.arange(n), (process - process.mean()) / process.std())


def _with_ectopic_beats(
    subject: _Subject, r_times: Array, inside: NDArray[np.intp], rng: np.random.Generator
) -> tuple[Array, NDArray[np.intp]]:
    """Move some of the beats `inside` forward; at least two normal beats lie between them."""
    classes = np.zeros(len(r_times), dtype=np.intp)
    slots = inside[2:-2:4]
    slots = rng.permutation(slots + rng.integers(0, 2, size=len(slots)))
    rr = np.diff(r_times, prepend=r_times[0])
    for name in ("V", "S"):
        n_beats = max(1, round(subject.burden[name] * len(inside)))
        chosen, slots = slots[:n_beats], slots[n_beats:]
        classes[chosen] = CLASSES.index(name)
        advance = rr[chosen] * (1 - subject.coupling[name])
        advance = advance * rng.uniform(0.93, 1.07, len(chosen))
        rr[chosen] -= advance
        # A ventricular beat does not reset the sinus node; a supraventricular beat does.
        rr[chosen + 1] += advance if name == "V" else 0.05 * rr[chosen + 1]
    return r_times[0] + np.cumsum(rr), classes


def _waves(
    subject: _Subject,
    session: _Session,
    r_times: Array,
    classes: NDArray[np.intp],
    n_times: int,
    rate: float,
    rng: np.random.Generator,
) -> Array:
    """Return the sum of all waves of all beats, shape (n_times, 3) in mV."""
    before = np.diff(r_times, prepend=r_times[0] - session.rr)
    dilation = (0.7 * session.rr + 0.3 * before)[:, np.newaxis] ** [1 / 6, 0, 0, 0, 1 / 3]
    jitter = [0.007, 0.0015, 0, 0.0015, 0.009] * rng.standard_normal(dilation.shape)
    amplitude = np.exp([0.2, 0.15, 0.04, 0.12, 0.12] * rng.standard_normal(dilation.shape))
    amplitude[:, -1] *= session.repolarization

    center = r_times[:, np.newaxis] + dilation * subject.delay[classes] + jitter
    rise, fall = dilation * subject.rise[classes], dilation * subject.fall[classes]
    vector = amplitude[..., np.newaxis] * subject.vector[classes]

    total = np.zeros((n_times, 3))
    for wave in range(center.shape[1]):
        reach = int(5 * rate * max(rise[:, wave].max(), fall[:, wave].max())) + 1
        where = np.round(rate * center[:, [wave]]).astype(np.intp) + np.arange(
            -reach, reach + 1
        )
        offset = where / rate - center[:, [wave]]
        width = np.where(offset < 0, rise[:, [wave]], fall[:, [wave]])
        shape = np.exp(-0.5 * (offset / width) ** 2)
        beat, column = np.nonzero((where >= 0) & (where < n_times))
        np.add.at(
            total, where[beat, column], shape[beat, column, np.newaxis] * vector[beat, wave]
        )
    return total


def _leak(waves: Array, rate: float) -> Array:
    """Solve ECGSYN's dz/dt = d(waves)/dt - z, starting from its mean state."""
    decay = np.exp(-1 / rate)
    gain = (1 - decay) * rate
    steps = np.diff(waves, axis=0, prepend=waves[:1])
    start = -waves.mean(axis=0, keepdims=True)
    return lfilter([gain], [1, -decay], steps, axis=0, zi=decay * start)[0]


def _disturbance(
    session: _Session, depth: Array, n_times: int, rate: float, rng: np.random.Generator
) -> Array:
    """Return muscle noise and baseline wander of the independent leads, (n_times, 8) in mV."""
    noise = rng.standard_normal((n_times, len(DOWER)))
    decay = np.exp(-2 * np.pi * 0.15 / rate)
    drift = lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.standard_normal(noise.shape), 0)
    drift = lfilter([1 - decay], [1, -decay], drift, axis=0)
    breathing = depth * rng.normal(0, 0.7, size=len(DOWER))
    return session.noise * noise + session.wander * (drift + breathing)
