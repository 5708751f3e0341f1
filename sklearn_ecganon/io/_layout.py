"""Everything that may travel from the header of one file into that of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.records import ECGRecord

__all__ = ["Layout"]

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

#: Names a lead may keep. What is not here becomes "lead 1", "lead 2" ...: a lead's name is
#: free text in most formats, and free text may name the patient.
KNOWN_LEADS = (
    *STANDARD_LEADS,
    *("V7", "V8", "V9", "V3R", "V4R", "V5R", "V6R", "X", "Y", "Z", "VX", "VY", "VZ"),
    *("MLI", "MLII", "MLIII", "MV1", "MV2", "MV3", "MV4", "MV5", "MV6", "MCL1", "MCL6"),
    *("CM1", "CM2", "CM4", "CM5", "CC5", "ML2", "ML5", "D3", "D4", "ES", "AS", "AI", "-aVR"),
    *("ECG", "ECG0", "ECG1", "ECG2", "ECG3", "ECG4"),
)
_PROPER = {lead.lower(): lead for lead in KNOWN_LEADS} | {
    "di": "I",
    "dii": "II",
    "diii": "III",
    "ekg": "ECG",
}
_PREFIX = re.compile(r"^(?:ecg|ekg|lead)[ _-]+", re.IGNORECASE)

#: Millivolts in one of each unit.
MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6, "v": 1e3}

#: Digital units a millivolt that a recorder may have; what is beyond is a mistake.
_GAINS = (1e-6, 1e12)

#: Digital units a millivolt where nothing else is asked for: a microvolt a step.
DEFAULT_GAIN = 1000.0


def allowed_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Return one name a lead, each out of `KNOWN_LEADS` or ``lead 1``, ``lead 2`` ..."""
    allowed: list[str] = []
    for position, name in enumerate(names):
        bare = _PREFIX.sub("", str(name).strip())
        known = _PROPER.get(bare.lower())
        if known is None or known in allowed:
            known = f"lead {position + 1}"
        allowed.append(known)
    return tuple(allowed)


def chosen_leads(
    names: Sequence[str], units: Sequence[str], wanted: Sequence[str] | None
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the channels to read and the millivolts in one of the unit of each.

    Parameters
    ----------
    names : sequence of str
        From `allowed_leads`.
    units : sequence of str
        As the file gives them.
    wanted : sequence of str or None
        Names out of `names`; all by default.
    """
    if wanted is not None and (not wanted or set(wanted) - set(names)):
        raise ECGReadError("no_lead", f"its leads are {', '.join(names)}")
    channels = [names.index(lead) for lead in (names if wanted is None else wanted)]
    scale = [MILLIVOLTS.get(units[channel].strip().lower()) for channel in channels]
    if None in scale:
        raise ECGReadError("bad_units", "choose the ECG leads with leads=[...]")
    return channels, np.array(scale, float)


@dataclass(frozen=True)
class Layout:
    """How a recording is laid out: all that a written header is made of.

    There is no field for a name, a date, a device or a remark, so none can be written.

    Parameters
    ----------
    format : str
        Name of the file format, for example ``"wfdb"``.
    sampling_rate : float
        In Hz.
    lead_names : tuple of str
        One name a lead. Names that are not known ECG leads become ``lead 1``, ``lead 2`` ...
    n_times : int
        Samples of each lead.
    gain : tuple of float, default=()
        Digital units a mV of each lead; empty where samples are stored in floating point.
    baseline : tuple of float, default=()
        Digital value of 0 mV of each lead.
    digital_range : tuple of (int, int), default=()
        Smallest and largest digital value of each lead, where the format keeps them.
    units : tuple of str, default=()
        ``"uV"``, ``"mV"`` or ``"V"`` for each lead, where the format keeps them.
    variant : str, default=""
        What the format offers a choice of, out of its own closed list.
    block : int, default=0
        Samples of each lead in one data record, where the format has such.
    n_records : int, default=1
        Recordings of this shape in the file; more than one in HDF5 only.

    Examples
    --------
    >>> from sklearn_ecganon.io import Layout
    >>> Layout("wfdb", 360.0, ("MLII", "Jane Doe"), 650000).lead_names
    ('MLII', 'lead 2')
    """

    format: str
    sampling_rate: float
    lead_names: tuple[str, ...]
    n_times: int
    gain: tuple[float, ...] = ()
    baseline: tuple[float, ...] = ()
    digital_range: tuple[tuple[int, int], ...] = ()
    units: tuple[str, ...] = ()
    variant: str = ""
    block: int = 0
    n_records: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "lead_names", allowed_leads(self.lead_names))
        object.__setattr__(self, "sampling_rate", float(self.sampling_rate))
        if not all(_GAINS[0] <= gain <= _GAINS[1] for gain in self.gain):
            raise ECGReadError("bad_gain")
        if not np.isfinite(self.baseline).all():
            raise ECGReadError("bad_gain")

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return len(self.lead_names)

    @classmethod
    def of(cls, record: ECGRecord, format: str) -> Layout:
        """Return a layout for a record that came from no file.

        Parameters
        ----------
        record : ECGRecord
            Gives rate, leads and length.
        format : str
            Name of the file format.

        Returns
        -------
        layout : Layout
            With a gain of 1000 units a mV, or less where the signal would not fit 16 bits.
        """
        largest = np.nanmax(np.abs(record.signal), axis=0, initial=0)
        gain = np.minimum(DEFAULT_GAIN, 32767 / np.maximum(largest, 1e-9))
        # Whole numbers read well, and a tenth of a unit is lost in rounding anyway.
        gain = np.where(gain >= 1, np.floor(gain), gain)
        return cls(
            format,
            record.sampling_rate,
            record.lead_names,
            record.n_times,
            gain=tuple(gain.tolist()),
            baseline=(0.0,) * record.n_leads,
        )

    def in_format(self, format: str) -> Layout:
        """Return the same for another format, without what only the old one has."""
        if format == self.format:
            return self
        return replace(
            self, format=format, digital_range=(), units=(), variant="", block=0, n_records=1
        )


def sixteen_bits(
    gain: float, baseline: float, lowest: float, highest: float
) -> tuple[float, float]:
    """Return gain and baseline that a copy in 16 bits can have.

    They are the recording's own wherever its digital values fit 16 bits. Where they do
    not, the gain falls by a whole factor that leaves room for twice the amplitude.
    """
    if lowest >= -(2**15) and highest < 2**15:
        return float(gain), float(baseline)
    reach = max(highest - baseline, baseline - lowest)
    return float(gain / np.ceil(2 * reach / (2**15 - 1))), 0.0


def digitized(
    chunk: NDArray[np.float64],
    gain: ArrayLike,
    baseline: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    gap: ArrayLike,
) -> tuple[NDArray[np.int32], int]:
    """Turn mV into digital values.

    Parameters
    ----------
    chunk : ndarray of shape (n_times, n_leads)
        In mV, NaN where nothing was recorded.
    gain, baseline : array-like of shape (n_leads,)
        Units a mV, and the unit that 0 mV has.
    low, high, gap : array-like of shape (n_leads,)
        Smallest and largest digital value, and the one that stands for NaN.

    Returns
    -------
    digital : ndarray of int32 of shape (n_times, n_leads)
        Values beyond the range are cut to it, as a recorder does.
    n_clipped : int
        How many were.
    """
    values = chunk * np.asarray(gain)
    values += np.asarray(baseline)
    np.rint(values, out=values)
    n_clipped = 0
    # The extremes tell most often that nothing is to do; NaN fails both comparisons.
    inside = (values.min(axis=0) >= low).all() and (values.max(axis=0) <= high).all()
    if len(values) and not inside:
        n_clipped = int(((values < low) | (values > high)).sum())
        values = np.where(np.isnan(values), gap, np.clip(values, low, high))
    return values.astype(np.int32), n_clipped
