"""Made-up patients: ECGSYN with a heart, a body and visits of its own for each of them."""

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
from sklearn_ecganon.datasets._leads import DOWER, STANDARD_LEADS, with_derived_leads
from sklearn_ecganon.records import ECGRecord

Array = NDArray[np.float64]

#: Kinds of beats, in the order of the first axis of `_Heart`'s arrays.
KINDS = ("N", "S", "V")

#: Leads in the order in which fewer than 12 are given out.
PRIORITY = ("II", "V5", "V1", "I", "V2", "aVF", "V4", "aVL", "V6", "III", "V3", "aVR")

#: P, Q, R, S, T of a normal beat at 60 beats/min: peak after R, width before and after the
#: peak (standard deviations of half Gaussians, all in ms), and the peak's vector in mV
#: (to the left, down, to the back).
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
V_SIZE = (0.0, 0.25, 1.35, 0.40, -0.50)


@dataclass(frozen=True)
class _Heart:
    """What stays with a subject. First axis: `KINDS`, second: P Q R S T."""

    delay: Array  # (3, 5) s after R, at 60 beats/min
    rise: Array  # (3, 5) s
    fall: Array  # (3, 5) s
    vector: Array  # (3, 5, 3) mV
    body: Array  # (8, 3): how the heart's vector reaches the independent leads
    rr: float  # s
    hrv: Array  # (2,) relative sway of RR with the breath and with the Mayer waves
    breath_rate: float  # Hz
    swing: Array  # (3,) rad, turn of the heart at the top of a breath
    burden: dict[str, float]  # share of S and of V beats
    coupling: dict[str, float]  # prematurity: RR before the beat, of the normal RR


@dataclass(frozen=True)
class _Visit:
    """What changes from session to session."""

    field: Array  # (8, 3): `body`, with electrodes that sit a little elsewhere
    rr: float  # s
    repolarization: float  # size of T, of the usual one
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
    """Make ECG records of subjects who can be told apart, on several visits each.

    Each subject has waves, heart rate, heart rate variability and a body of its own. Each
    session moves the electrodes, turns the axis and changes gain, heart rate, T waves, noise
    and baseline wander. Each beat varies with the breath and by chance. So an attacker has
    something to learn, across sessions too, and not from one beat alone.

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
        of the beats, and at least one of each where a record has room for it.
    random_state : int, RandomState, Generator or None, default=None
        Seed. With an int the first subjects are the same whatever `n_subjects`.

    Returns
    -------
    bunch : Bunch
        With the attributes

        data : list of ECGRecord
            Signals of shape (n_times, n_leads) in mV, all records of the first subject
            first, with `r_peaks` (samples; the peak of the R wave of the heart's vector,
            whatever noise and wander do to it) and `beat_labels` (N, S, V).
        subject : ndarray of str of shape (n_subjects * n_sessions,)
            ``"s001"``, ``"s002"`` and so on.
        session : ndarray of str of shape (n_subjects * n_sessions,)
            ``"01"``, ``"02"`` and so on.
        DESCR : str
            What was made.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Notes
    -----
    The model is ECGSYN [1]_ as neurokit2 [2]_ implements it: five Gaussian waves on the
    circle of the heart cycle, their sum leaking with a time constant of 1 s, and an RR
    series with a peak at the breathing rate and one at the 0.1 Hz of the Mayer waves, drawn
    with neurokit2's own function. Deviations:

    - The start lies on the limit cycle, where the angle is the integral of 2 pi / RR and the
      equation of z is linear. So it is solved as a filter, without Runge-Kutta steps.
    - z is a vector of three axes, seen by eight leads through Dower's matrix [3]_, disturbed
      for each subject; III, aVR, aVL and aVF follow by Einthoven and Goldberger, noise
      included. Amplitudes are in mV and not stretched to -0.4..1.2 mV.
    - Waves rise and fall with different widths (T rises slowly).
    - Waves are set in ms, not in degrees: QRS keeps its width at every rate, T follows the
      cube root of RR (Fridericia), P its sixth root; in ECGSYN all scale with the root.
    - The RR of a beat is read at its R peak, at any time, not once per Mayer period; its two
      parts are drawn apart so that the same breath moves RR, axis, gain and baseline.
    - Each wave of each beat varies in size and time; ectopic beats, sessions, muscle noise
      and baseline wander are additions.

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
        heart_seed, *session_seeds = seed.spawn(n_sessions + 1)
        heart = _draw_heart(np.random.default_rng(heart_seed))
        ectopic = arrhythmia == "ectopic" and i % 2 == 0
        for j, session_seed in enumerate(session_seeds):
            rng = np.random.default_rng(session_seed)
            signals, r_peaks, labels = _record(heart, duration, sampling_rate, ectopic, rng)
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
    """Turn any scikit-learn random state into a seed; None never touches NumPy's global one."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(random_state.randint(2**32, size=4, dtype=np.uint32))
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(random_state.integers(2**32, size=4))
    return np.random.SeedSequence(random_state)  # type: ignore[arg-type]


def _draw_heart(rng: np.random.Generator) -> _Heart:
    def vary(values: ArrayLike, sigma: float) -> Array:
        return np.asarray(values) * np.exp(sigma * rng.standard_normal(np.shape(values)))

    turn = Rotation.from_rotvec(np.deg2rad(15) * rng.standard_normal((5, 3)))
    axis = Rotation.from_rotvec(np.deg2rad([6, 8, 16]) * rng.standard_normal(3))
    vector = axis.apply(turn.apply(VECTOR)) * vary(np.ones((5, 1)), 0.3)
    delay, rise, fall = vary(DELAY, 0.11), vary(RISE, 0.15), vary(FALL, 0.15)

    # S: the atria are excited from elsewhere, nearer to the node.
    s_vector, s_delay = vector.copy(), delay.copy()
    s_vector[0] = Rotation.from_rotvec(rng.uniform(1.2, 2.2) * _direction(rng)).apply(vector[0])
    s_delay[0] *= rng.uniform(0.72, 0.85)
    # V: the ventricles too, and from there the wave must cross muscle.
    focus = Rotation.from_rotvec(rng.uniform(1.2, 2.6) * _direction(rng))
    v_turn = Rotation.from_rotvec(np.deg2rad(20) * rng.standard_normal((5, 3)))
    v_vector = v_turn.apply(focus.apply(np.outer(V_SIZE, vector[2])))
    v_delay, v_width = vary(V_DELAY, 0.08), vary(V_WIDTH, 0.08)

    return _Heart(
        delay=np.stack([delay, s_delay, v_delay]) / 1000,
        rise=np.stack([rise, rise, v_width]) / 1000,
        fall=np.stack([fall, fall, v_width]) / 1000,
        vector=np.stack([vector, s_vector, v_vector]),
        body=DOWER + 0.08 * rng.standard_normal(DOWER.shape),
        rr=60 / rng.uniform(55, 90),
        hrv=rng.uniform(0.008, 0.03, size=2),
        breath_rate=rng.uniform(0.2, 0.32),
        swing=np.deg2rad(rng.uniform(2, 5)) * _direction(rng),
        burden={"S": rng.uniform(0.03, 0.08), "V": rng.uniform(0.04, 0.12)},
        coupling={"S": rng.uniform(0.68, 0.8), "V": rng.uniform(0.58, 0.7)},
    )


def _draw_visit(heart: _Heart, rng: np.random.Generator) -> _Visit:
    electrodes = Rotation.from_rotvec(np.deg2rad(1.5) * rng.standard_normal(3))
    gain = np.exp(0.06 * rng.standard_normal((8, 1)))
    return _Visit(
        field=gain * heart.body @ electrodes.as_matrix(),
        rr=heart.rr * np.exp(0.04 * rng.standard_normal()),
        repolarization=np.exp(0.04 * rng.standard_normal()),
        noise=0.02 * np.exp(0.3 * rng.standard_normal()),
        wander=0.04 * np.exp(0.4 * rng.standard_normal()),
    )


def _direction(rng: np.random.Generator) -> Array:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _record(
    heart: _Heart, duration: float, rate: float, ectopic: bool, rng: np.random.Generator
) -> tuple[dict[str, Array], NDArray[np.intp], NDArray[np.str_]]:
    """Return all 12 leads of one visit in mV, the R peaks in samples, and the classes."""
    visit = _draw_visit(heart, rng)
    margin = 3.0  # s before and after, so that the record starts and ends in mid-life
    breath = _oscillation(heart.breath_rate, duration + 2 * margin, rng)
    mayer = _oscillation(0.1, duration + 2 * margin, rng)

    r_series = [0.0]
    while r_series[-1] < duration + 2 * margin:
        sway = heart.hrv @ [-breath(r_series[-1]), mayer(r_series[-1])]
        r_series.append(r_series[-1] + visit.rr * np.exp(sway))
    r_times = np.array(r_series)
    kinds = np.zeros(len(r_times), dtype=np.intp)
    if ectopic:
        inside = np.flatnonzero((r_times > margin) & (r_times < margin + duration))
        r_times, kinds = _with_ectopic_beats(heart, r_times, inside, rng)

    n_times = round((duration + 2 * margin) * rate)
    t = np.arange(n_times) / rate
    waves = _waves(heart, visit, r_times, kinds, n_times, rate, rng)
    vector = _leak(waves, rate)
    depth = breath(t)[:, np.newaxis]
    vector = (1 + 0.03 * depth) * (vector + depth * np.cross(heart.swing, vector))
    signal = vector @ visit.field.T
    signal += _disturbance(visit, depth, n_times, rate, rng)

    first, n_kept = round(margin * rate), round(duration * rate)
    positions = np.round(r_times * rate).astype(np.intp) - first
    kept = (positions >= 0) & (positions < n_kept)
    leads = with_derived_leads(signal[first : first + n_kept])
    return leads, positions[kept], np.array(KINDS)[kinds[kept]]


def _oscillation(frequency: float, duration: float, rng: np.random.Generator) -> CubicSpline:
    """Return one of the two parts of ECGSYN's RR process, with mean 0 and deviation 1."""
    # Slow to import; only those who simulate pay for it.
    from neurokit2.ecg.ecg_simulate import _ecg_simulate_rrprocess

    n = 2 ** int(np.ceil(np.log2(max(duration, 64))))
    process = _ecg_simulate_rrprocess(fhi=frequency, lfhfratio=0, n=n, rng=rng)
    return CubicSpline(np.arange(n), (process - process.mean()) / process.std())


def _with_ectopic_beats(
    heart: _Heart, r_times: Array, inside: NDArray[np.intp], rng: np.random.Generator
) -> tuple[Array, NDArray[np.intp]]:
    """Make some of the beats `inside` come early; at least two normal ones lie between."""
    kinds = np.zeros(len(r_times), dtype=np.intp)
    slots = inside[2:-2:4]
    slots = rng.permutation(slots + rng.integers(0, 2, size=len(slots)))
    rr = np.diff(r_times, prepend=r_times[0])
    for kind in ("V", "S"):
        wanted = max(1, round(heart.burden[kind] * len(inside)))
        chosen, slots = slots[:wanted], slots[wanted:]
        kinds[chosen] = KINDS.index(kind)
        early = rr[chosen] * (1 - heart.coupling[kind]) * rng.uniform(0.93, 1.07, len(chosen))
        rr[chosen] -= early
        # The sinus node goes on undisturbed after V; S resets it.
        rr[chosen + 1] += early if kind == "V" else 0.05 * rr[chosen + 1]
    return r_times[0] + np.cumsum(rr), kinds


def _waves(
    heart: _Heart,
    visit: _Visit,
    r_times: Array,
    kinds: NDArray[np.intp],
    n_times: int,
    rate: float,
    rng: np.random.Generator,
) -> Array:
    """Return the sum of all waves of all beats, shape (n_times, 3) in mV."""
    before = np.diff(r_times, prepend=r_times[0] - visit.rr)
    stretch = (0.7 * visit.rr + 0.3 * before)[:, np.newaxis] ** [1 / 6, 0, 0, 0, 1 / 3]
    jitter = [0.007, 0.0015, 0, 0.0015, 0.009] * rng.standard_normal(stretch.shape)
    size = np.exp([0.2, 0.15, 0.04, 0.12, 0.12] * rng.standard_normal(stretch.shape))
    size[:, -1] *= visit.repolarization

    centre = r_times[:, np.newaxis] + stretch * heart.delay[kinds] + jitter
    rise, fall = stretch * heart.rise[kinds], stretch * heart.fall[kinds]
    vector = size[..., np.newaxis] * heart.vector[kinds]

    total = np.zeros((n_times, 3))
    for wave in range(centre.shape[1]):
        reach = int(5 * rate * max(rise[:, wave].max(), fall[:, wave].max())) + 1
        where = np.round(rate * centre[:, [wave]]).astype(np.intp) + np.arange(
            -reach, reach + 1
        )
        offset = where / rate - centre[:, [wave]]
        width = np.where(offset < 0, rise[:, [wave]], fall[:, [wave]])
        shape = np.exp(-0.5 * (offset / width) ** 2)
        beat, column = np.nonzero((where >= 0) & (where < n_times))
        np.add.at(
            total, where[beat, column], shape[beat, column, np.newaxis] * vector[beat, wave]
        )
    return total


def _leak(waves: Array, rate: float) -> Array:
    """Solve ECGSYN's dz/dt = d(waves)/dt - z, from its mean state on."""
    decay = np.exp(-1 / rate)
    gain = (1 - decay) * rate
    steps = np.diff(waves, axis=0, prepend=waves[:1])
    start = -waves.mean(axis=0, keepdims=True)
    return lfilter([gain], [1, -decay], steps, axis=0, zi=decay * start)[0]


def _disturbance(
    visit: _Visit, depth: Array, n_times: int, rate: float, rng: np.random.Generator
) -> Array:
    """Return muscle noise and baseline wander of the independent leads, (n_times, 8) in mV."""
    noise = rng.standard_normal((n_times, len(DOWER)))
    decay = np.exp(-2 * np.pi * 0.15 / rate)
    drift = lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.standard_normal(noise.shape), 0)
    drift = lfilter([1 - decay], [1, -decay], drift, axis=0)
    breathing = depth * rng.normal(0, 0.7, size=len(DOWER))
    return visit.noise * noise + visit.wander * (drift + breathing)
