"""All formats by name, and how the content of a file tells its format."""

from __future__ import annotations

from sklearn_ecganon.io._dicom import DICOM
from sklearn_ecganon.io._edf import EDF
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._hdf5 import HDF5
from sklearn_ecganon.io._npz import NPZ
from sklearn_ecganon.io._table import CSV, Parquet
from sklearn_ecganon.io._wfdb import WFDB

__all__ = ["FORMATS"]

#: The first bytes of a file that are enough to recognize its format.
HEAD = 4096

#: All formats by name. The order matters: formats with a signature are tried first.
FORMATS: dict[str, Format] = {
    format.name: format for format in (DICOM(), EDF(), HDF5(), NPZ(), Parquet(), WFDB(), CSV())
}

#: Formats that are recognized but not read: position and bytes of the signature, name, advice.
_EXPORT = "export it as DICOM from the ECG management system"
_BIOSIG = "convert it to EDF, for example with BioSig's save2gdf -f=EDF"
_FOREIGN = (
    (16, b"SCPECG", "SCP-ECG", _BIOSIG),
    (0, b"ISHNE1.0", "ISHNE Holter", _BIOSIG),
    (0, b"GDF ", "GDF", _BIOSIG),
    (0, b"MATLAB 5.0", "MATLAB", "give the .hea file beside it, or convert it to .npz"),
)
_FOREIGN_XML = (
    (b"AnnotatedECG", "HL7 aECG", _BIOSIG),
    (b"RestingECG", "MUSE XML", _EXPORT),
    (b"restingecgdata", "Philips XML", _EXPORT),
    (b"", "XML", _EXPORT),
)
_FOREIGN_SUFFIXES = (".scp",)


def expected_suffixes() -> frozenset[str]:
    """Return the extensions of files that should be recordings.

    A file with one of them whose content is of no known format is reported as refused. Files
    with any other extension are assumed not to be recordings.
    """
    suffixes = set(_FOREIGN_SUFFIXES)
    for format in FORMATS.values():
        if not format.needs_suffix:
            suffixes.update(format.suffixes, format.sidecar_suffixes)
    return frozenset(suffixes)


def recognize(head: bytes) -> Format:
    """Return the format of a file that begins with these bytes, or refuse the file."""
    for place, signature, name, advice in _FOREIGN:
        if head[place : place + len(signature)] == signature:
            raise ECGReadError("unsupported", f"{name} is not read; {advice}")
    # UTF-16 has a zero byte beside each letter.
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if text.startswith((b"<?xml", b"<!DOCTYPE", b"<AnnotatedECG", b"<RestingECG")):
        name, advice = next(entry[1:] for entry in _FOREIGN_XML if entry[0] in text)
        raise ECGReadError("unsupported", f"{name} is not read; {advice}")
    for format in FORMATS.values():
        if format.sniff(head):
            return format
    raise ECGReadError("unknown_format", "for WFDB give the header, NAME.hea")
