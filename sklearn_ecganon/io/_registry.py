"""Which formats there are, and which of them a file is, by what is in it."""

from __future__ import annotations

from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._format import Format

#: How much of a file is looked at to tell its format.
HEAD = 4096


def formats() -> dict[str, Format]:
    """Return all formats by name, those with a signature first."""
    from sklearn_ecganon.io._dicom import DICOM
    from sklearn_ecganon.io._edf import EDF
    from sklearn_ecganon.io._hdf5 import HDF5
    from sklearn_ecganon.io._npz import NPZ
    from sklearn_ecganon.io._table import CSV, Parquet
    from sklearn_ecganon.io._wfdb import WFDB

    every: list[Format] = [DICOM(), EDF(), HDF5(), NPZ(), Parquet(), WFDB(), CSV()]
    return {format.name: format for format in every}


#: Formats that are recognised and refused: how they begin, and where, and a way out.
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


def recognise(head: bytes) -> Format:
    """Return the format of a file that begins like this, or refuse it."""
    for place, mark, name, way_out in _FOREIGN:
        if head[place : place + len(mark)] == mark:
            raise ECGReadError("unsupported", f"{name} is not read; {way_out}")
    # UTF-16 has a zero beside each letter.
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if text.startswith((b"<?xml", b"<!DOCTYPE", b"<AnnotatedECG", b"<RestingECG")):
        name, way_out = next(entry[1:] for entry in _FOREIGN_XML if entry[0] in text)
        raise ECGReadError("unsupported", f"{name} is not read; {way_out}")
    for format in formats().values():
        if format.sniff(head):
            return format
    raise ECGReadError("unknown_format", "for WFDB give the header, NAME.hea")
