"""Arrays of whole recordings to records and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.leads import LIMB_LEADS
from sklearn_ecganon.records._record import ECGRecord
from sklearn_ecganon.records._units import checked_scale, unit_problem, wave_height

#: The usual order of the leads of a 12-lead ECG.
STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LAYOUTS = ("auto", "time_leads", "leads_time")
#: An axis can be the one of the leads if it has no more entries than the largest ECGs have
#: leads, and if the other axis is many times longer.
MAX_LEADS = 20
_MIN_RATIO = 5
#: Recordings whose amplitudes and limb leads are looked at.
_N_INSPECTED = 200
#: Largest error of the limb lead equations, as a fraction of the signal's variation.
_LIMB_LEAD_TOLERANCE = 0.05


def looks_like_recordings(shape: Sequence[int]) -> bool:
    """Return whether an array of this shape holds recordings, (n, n_times, n_leads).

    Beats are (n_beats, n_leads, n_times). Their last axis has dozens of samples at any
    sampling rate at which an ECG can be read, and their middle axis is a number of leads.
    """
    if len(shape) != 3:
        return False
    _, middle, last = shape
    return last <= MAX_LEADS < middle and middle >= _MIN_RATIO * last


@dataclass(frozen=True)
class ArrayLayout:
    """How an array holds recordings.

    Parameters
    ----------
    sampling_rate : float
        In Hz.
    lead_names : tuple of str
        One name a lead; empty if the leads have none.
    scale : float
        Millivolts in one unit of the array.
    leads_first : bool
        True for (n, n_leads, n_times), False for (n, n_times, n_leads).
    """

    sampling_rate: float
    lead_names: tuple[str, ...]
    scale: float
    leads_first: bool

    @classmethod
    def of(
        cls,
        X: NDArray,
        sampling_rate: float,
        lead_names: Sequence[str] | None,
        units: str,
        layout: str,
    ) -> Self:
        """Find out how an array is laid out, and check its unit.

        Parameters
        ----------
        X : ndarray of shape (n, n_times, n_leads) or (n, n_leads, n_times)
            As from `as_recordings`.
        sampling_rate, lead_names, units, layout
            As in `records_from_array`.

        Returns
        -------
        layout : ArrayLayout
            The layout.

        Raises
        ------
        ValueError
            If the layout is ambiguous, or the values cannot be an ECG in `units`.
        """
        scale = checked_scale(units)
        if isinstance(lead_names, str):
            raise ValueError("lead_names is a string; give one name a lead.")
        names = () if lead_names is None else tuple(str(name) for name in lead_names)
        leads_first = _leads_come_first(X.shape, len(names), layout)
        inspected = np.linspace(0, len(X) - 1, min(len(X), _N_INSPECTED)).astype(int)
        signals = [X[i].T if leads_first else X[i] for i in np.unique(inspected)]
        heights = [height for height in map(wave_height, signals) if height > 0]
        problem = unit_problem(float(np.median(heights)) if heights else 0.0, units)
        if problem is not None:
            raise ValueError(f"X cannot be used: {problem}.")
        if not names and _are_standard_leads(signals):
            names = STANDARD_LEADS
        return cls(sampling_rate, names, scale, leads_first)

    def record(self, values: NDArray, **fields: Any) -> ECGRecord:
        """Return one entry of the array as a record with other fields of ECGRecord."""
        signal = values.T if self.leads_first else values
        signal = signal * self.scale if self.scale != 1 else signal
        return ECGRecord(signal, self.sampling_rate, self.lead_names, **fields)

    def values(self, record: ECGRecord) -> NDArray[np.float64]:
        """Return the signal of a record as an entry of the array, in the array's unit."""
        signal = record.signal / self.scale if self.scale != 1 else record.signal
        return signal.T if self.leads_first else signal


def as_recordings(X: ArrayLike) -> NDArray:
    """Return X as an array of recordings with three axes, or say what is wrong with it."""
    try:
        X = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"X is no array ({error}); {_MAKE_RECORDS}.") from error
    if X.dtype.kind not in "fiu":
        raise ValueError(
            f"X has dtype {X.dtype}; give real numbers. If the recordings differ in length, "
            f"{_MAKE_RECORDS}."
        )
    if X.ndim != 3 or 0 in X.shape:
        raise ValueError(
            f"X has shape {X.shape}; give (n, n_times, n_leads) or (n, n_leads, n_times). "
            "A single recording is X[np.newaxis]; recordings of one lead, (n, n_times), are "
            "X[:, :, np.newaxis]."
        )
    return X


_MAKE_RECORDS = "make a list of ECGRecord, one each"


def _leads_come_first(shape: tuple[int, ...], n_names: int, layout: str) -> bool:
    """Return whether the middle axis is the one of the leads."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}; choose from {LAYOUTS}.")
    _, middle, last = shape
    if layout != "auto":
        n_leads = middle if layout == "leads_time" else last
        if n_names and n_names != n_leads:
            raise ValueError(
                f"X has shape {shape}, which is {n_leads} lead(s) with layout={layout!r}, but "
                f"lead_names has {n_names}; give one name a lead, or another layout."
            )
        return layout == "leads_time"
    if n_names and n_names not in (middle, last):
        raise ValueError(
            f"X has shape {shape}, but lead_names has {n_names} entries; give one name a lead."
        )
    n_leads, n_times = sorted((middle, last))
    is_clear = n_leads <= MAX_LEADS and n_times >= _MIN_RATIO * n_leads
    if not is_clear or n_names not in (0, n_leads):
        raise ValueError(
            f"X has shape {shape}, and either axis could be the one of the leads; give "
            "layout='time_leads' for (n, n_times, n_leads), or layout='leads_time' for "
            "(n, n_leads, n_times)."
        )
    return middle == n_leads


def _are_standard_leads(signals: Sequence[NDArray]) -> bool:
    """Return whether the first leads of twelve obey the equations of the limb leads."""
    if signals[0].shape[1] != len(STANDARD_LEADS):
        return False
    limb = np.concatenate([signal[:, :6] for signal in signals]).astype(np.float64)
    one, two = limb[:, 0], limb[:, 1]
    errors = [
        limb[:, position] - (of_one * one + of_two * two)
        for position, (of_one, of_two) in enumerate(LIMB_LEADS.values())
    ]
    error = max(_variation(trace) for trace in errors)
    return bool(error <= _LIMB_LEAD_TOLERANCE * _variation(two))


def _variation(trace: NDArray) -> float:
    """Return the standard deviation of the recorded samples; infinite without any."""
    recorded = trace[np.isfinite(trace)]
    return float(recorded.std()) if recorded.size else np.inf


def records_from_array(
    X: ArrayLike,
    sampling_rate: float,
    lead_names: Sequence[str] | None = None,
    *,
    units: str = "mV",
    layout: str = "auto",
    subjects: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> list[ECGRecord]:
    """Make records of an array of whole recordings.

    Parameters
    ----------
    X : array-like of shape (n, n_times, n_leads) or (n, n_leads, n_times)
        Recordings of one length, as PTB-XL is often stored. NaN marks gaps.
    sampling_rate : float
        In Hz.
    lead_names : sequence of str, optional
        One name a lead. By default twelve leads are ``I, II, III, aVR, aVL, aVF, V1`` to
        ``V6`` if the limb leads of X obey Einthoven's and Goldberger's equations in this
        order; all other leads are ``lead 1``, ``lead 2`` ...
    units : {"mV", "uV", "nV", "V"}, default="mV"
        Unit of X.
    layout : {"auto", "time_leads", "leads_time"}, default="auto"
        Which axis is which. ``"auto"`` takes an axis of at most 20 for the leads if the
        other one is at least five times as long, and refuses X otherwise.
    subjects, sessions : array-like of shape (n,), optional
        Subject and session of each recording.
    names : sequence of str, optional
        What errors call the recordings; ``"row 0"``, ``"row 1"`` ... by default.

    Returns
    -------
    records : list of ECGRecord
        One record an entry of X, in mV.

    Raises
    ------
    ValueError
        If X has not three axes of real numbers, if its layout is ambiguous, if its
        amplitudes are not those of an ECG in `units` (0.05 to 20 mV), or if names, subjects
        or sessions do not fit it.

    See Also
    --------
    records_to_array : The way back.
    anonymize : Array in, anonymized array out.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import make_ecg_records, records_from_array, records_to_array
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> X = records_to_array(bunch.data)
    >>> X.shape
    (4, 2500, 1)
    >>> records_from_array(X, 250.0, ["II"], subjects=bunch.subject)[3]
    ECGRecord('row 3': 10.0 s, 250 Hz, II)
    """
    X = as_recordings(X)
    array_layout = ArrayLayout.of(X, sampling_rate, lead_names, units, layout)
    columns: dict[str, list[str]] = {}
    for field, parameter, values in (
        ("name", "names", [f"row {i}" for i in range(len(X))] if names is None else names),
        ("subject", "subjects", subjects),
        ("session", "sessions", sessions),
    ):
        if values is None:
            continue
        entries = [str(value) for value in np.asarray(values).tolist()]
        if len(entries) != len(X):
            raise ValueError(
                f"{parameter} has {len(entries)} entries; want {len(X)}, one a recording."
            )
        columns[field] = entries
    return [
        array_layout.record(values, **{field: column[i] for field, column in columns.items()})
        for i, values in enumerate(X)
    ]


def records_to_array(
    records: Sequence[ECGRecord], *, units: str = "mV", layout: str = "time_leads"
) -> NDArray[np.float64]:
    """Make one array of records of the same length, rate and leads.

    Parameters
    ----------
    records : sequence of ECGRecord
        At least one.
    units : {"mV", "uV", "nV", "V"}, default="mV"
        Unit of the array.
    layout : {"time_leads", "leads_time"}, default="time_leads"
        Order of its axes.

    Returns
    -------
    X : ndarray of shape (n, n_times, n_leads) or (n, n_leads, n_times)
        NaN where nothing was recorded.

    Raises
    ------
    ValueError
        If the records differ in length, rate or leads.

    See Also
    --------
    records_from_array : The way back.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records, records_to_array
    >>> records = make_ecg_records(n_subjects=2, duration=10.0, random_state=0).data
    >>> records_to_array(records, layout="leads_time").shape
    (4, 1, 2500)
    """
    if layout not in LAYOUTS[1:]:
        raise ValueError(f"layout={layout!r}; choose from {LAYOUTS[1:]}.")
    if not len(records):
        raise ValueError("there are no records; give at least one.")
    first = records[0]
    for record in records:
        if not isinstance(record, ECGRecord):
            raise ValueError(f"records holds a {type(record).__name__}; want ECGRecord.")
        if (record.n_times, record.sampling_rate, record.lead_names) != (
            first.n_times,
            first.sampling_rate,
            first.lead_names,
        ):
            raise ValueError(
                f"record {record.name!r} has {_describe(record)}, but {first.name!r} has "
                f"{_describe(first)}; an array needs recordings of the same layout."
            )
    array_layout = ArrayLayout(
        first.sampling_rate, first.lead_names, checked_scale(units), layout == "leads_time"
    )
    return np.stack([array_layout.values(record) for record in records])


def _describe(record: ECGRecord) -> str:
    leads = " ".join(record.lead_names)
    return f"{record.n_times} samples at {record.sampling_rate:g} Hz of {leads}"
