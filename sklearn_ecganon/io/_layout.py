"""The part of a header that may be copied into the header of a release."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sklearn_ecganon.records import STANDARD_LEADS, ECGRecord

__all__ = ["Layout"]

#: Names that a lead may have in a release. Others become "lead 1", "lead 2" ..., because lead
#: names are free text in most formats, and free text may name the patient.
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
#: Prefixes of the name of a lead, one or several: "ECG lead II".
_PREFIX = re.compile(
    r"^(?:(?:mdc_)?ecg_lead_|mdc_ecg_elec_potl_|(?:ecg|ekg|lead|channel)[ _:-]+)+",
    re.IGNORECASE,
)

#: Rates of 250 Hz or more are rounded to whole Hz, lower ones to steps of 0.5 Hz or 0.1 Hz. No
#: rate changes by more than 0.25 %.
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
    """Return a name for each lead: one of `KNOWN_LEADS`, or ``lead 1``, ``lead 2`` ..."""
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
    """The layout of a recording: everything that the header of a release contains.

    There is no field for a name, a date, a device or a remark, so that none can be written.
    There is no field for a gain, an offset or a range of values either, because the extremes
    of a recording identify it. Writers choose the gain from a short list.

    Parameters
    ----------
    format : str
        Name of the file format, for example ``"wfdb"``.
    sampling_rate : float
        In Hz.
    lead_names : tuple of str
        A name for each lead. Names that are not known ECG leads become ``lead 1``,
        ``lead 2`` ...
    n_times : int
        Number of samples of each lead.
    variant : str, default=""
        Variant of the format, out of a closed list of the format.
    n_records : int, default=1
        Number of recordings of this shape in the file; more than one in HDF5 only.

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
        """Return the layout of a record that was not read from a file.

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
