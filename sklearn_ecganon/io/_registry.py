"""All formats by name, and their recognition by content."""

from __future__ import annotations

import re

from sklearn_ecganon.io._dicom import DICOM
from sklearn_ecganon.io._edf import EDF
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._hdf5 import HDF5
from sklearn_ecganon.io._hospital import (
    AECG,
    MFER,
    SCPECG,
    KardiaJSON,
    MuseXML,
    PhilipsXML,
    head_text,
)
from sklearn_ecganon.io._ishne import ISHNE
from sklearn_ecganon.io._matlab import MATLAB
from sklearn_ecganon.io._npz import NPZ
from sklearn_ecganon.io._table import CSV, Parquet
from sklearn_ecganon.io._wfdb import WFDB

__all__ = ["FORMATS"]

#: The first bytes of a file that are enough to recognize its format.
HEAD = 4096

#: All formats by name. The order matters: formats with a signature are tried first.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        *(DICOM(), EDF(), HDF5(), NPZ(), Parquet(), ISHNE(), MFER(), SCPECG(), MATLAB()),
        *(MuseXML(), AECG(), PhilipsXML(), KardiaJSON(), WFDB(), CSV()),
    )
}

#: Formats that are recognized but not read: position and bytes of the signature, name, advice.
_FOREIGN = (
    (0, b"GDF ", "GDF", "convert it to EDF, for example with BioSig's save2gdf -f=EDF"),
)
#: An XML document with one of these words is an ECG in an unknown format.
_ECG_WORDS = re.compile(rb"ecg|ekg|waveform", re.IGNORECASE)


def expected_suffixes() -> frozenset[str]:
    """Return the extensions of files that should be recordings.

    A file with one of them whose content is of no known format is reported as refused. Files
    with any other extension are assumed not to be recordings.
    """
    suffixes: set[str] = set()
    for format in FORMATS.values():
        if not format.needs_suffix and not format.has_common_suffix:
            suffixes.update(format.suffixes, format.sidecar_suffixes)
    return frozenset(suffixes)


def recognize(head: bytes) -> Format:
    """Return the format of a file that begins with these bytes, or refuse the file."""
    for place, signature, name, advice in _FOREIGN:
        if head[place : place + len(signature)] == signature:
            raise ECGReadError("unsupported", f"{name} is not supported; {advice}")
    for format in FORMATS.values():
        if format.sniff(head):
            return format
    text = head_text(head)
    if text.startswith(b"<") and _ECG_WORDS.search(text):
        raise ECGReadError(
            "unsupported",
            "this XML format is not supported; export DICOM from the ECG system",
        )
    raise ECGReadError("unknown_format", "for WFDB give the header, NAME.hea")
