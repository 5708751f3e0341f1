"""Everything that may be copied from the header of one file into that of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    **{"di": "I", "dii": "II", "diii": "III", "d1": "I", "d2": "II"},
    **{"ekg": "ECG", "ekg1-ekg2": "ECG", "ecg1-ecg2": "ECG"},
}
#: What may stand before the name of a lead, once or several times: "ECG lead II".
_PREFIX = re.compile(
    r"^(?:(?:mdc_)?ecg_lead_|mdc_ecg_elec_potl_|(?:ecg|ekg|lead|channel)[ _:-]+)+",
    re.IGNORECASE,
)

#: Millivolts in one of each unit.
MILLIVOLTS = {
    **{"mv": 1.0, "millivolt": 1.0, "millivolts": 1.0},
    **{"uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "microvolt": 1e-3, "microvolts": 1e-3},
    **{"nv": 1e-6, "nanovolt": 1e-6, "nanovolts": 1e-6},
    **{"v": 1e3, "volt": 1e3, "volts": 1e3},
}

#: Rates from here on are rounded to whole Hz; slower ones to steps of a half or a tenth, so
#: that none changes by more than 0.25 %.
_ROUNDED_TO = ((250.0, 1.0), (100.0, 0.5), (10.0, 0.1))


def shared_rate(sampling_rate: float) -> float:
    """Return a sampling rate without the digits that identify a device.

    Parameters
    ----------
    sampling_rate : float
        In Hz.

    Returns
    -------
    rounded : float
        In Hz, at most 0.25 % away.
    """
    for smallest, step in _ROUNDED_TO:
        if sampling_rate >= smallest:
            return float(f"{round(sampling_rate / step) * step:.1f}")
    return sampling_rate


def allowed_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Return one name a lead, each out of `KNOWN_LEADS` or ``lead 1``, ``lead 2`` ..."""
    bare = [_PREFIX.sub("", str(name).strip()).lower() for name in names]
    # "D3" is the third limb lead beside D1 or D2; alone it is a bipolar chest lead.
    proper = _PROPER | ({"d3": "III"} if {"d1", "d2"} & set(bare) else {})
    allowed: list[str] = []
    for position, name in enumerate(bare):
        known = proper.get(name)
        if known is None or known in allowed:
            known = f"lead {position + 1}"
        allowed.append(known)
    return tuple(allowed)


@dataclass(frozen=True)
class Layout:
    """How a recording is laid out: all that a written header is made of.

    There is no field for a name, a date, a device or a remark, so that none can be written.
    There is none for a gain, an offset or a range of values either: a file that was scaled
    to its own extremes is identified by them. Writers choose theirs from a short list.

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
    variant : str, default=""
        What the format offers a choice of, out of its own closed list.
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
    variant: str = ""
    n_records: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "lead_names", allowed_leads(self.lead_names))
        object.__setattr__(self, "sampling_rate", float(self.sampling_rate))

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
            Without a variant.
        """
        return cls(format, record.sampling_rate, record.lead_names, record.n_times)

    def in_format(self, format: str) -> Layout:
        """Return the layout of a copy of the recording.

        Parameters
        ----------
        format : str
            Name of the file format of the copy.

        Returns
        -------
        layout : Layout
            With a rounded sampling rate, and without the variant of another format.
        """
        rate = shared_rate(self.sampling_rate)
        if format == self.format:
            return self if rate == self.sampling_rate else replace(self, sampling_rate=rate)
        return replace(self, format=format, sampling_rate=rate, variant="", n_records=1)
