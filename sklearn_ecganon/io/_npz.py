"""NumPy archives: ``signal``, ``sampling_rate`` and the other fields of a record."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter

#: Arrays that are read: allowed kinds of dtype, and number of dimensions.
_MEMBERS = {
    "signal": ("fiu", 2),
    "sampling_rate": ("fiu", 0),
    "lead_names": ("U", 1),
    "samples": ("iu", 1),
    "symbols": ("U", 1),
    "notes": ("U", 1),
}
#: Bytes of a zip member that is not a signal.
_MAX_BYTES = 2**26


def _read_member(archive: zipfile.ZipFile, name: str, source: Source) -> NDArray:
    """Read one array after checking its declared shape against its real size."""
    kinds, n_dims = _MEMBERS[name]
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ECGReadError("bad_header", "an array is of an unknown version")
        if dtype.kind not in kinds or len(shape) != n_dims:
            raise ECGReadError("bad_header", f"{name} must have {n_dims} dimensions")
        if math.prod(shape) * dtype.itemsize + file.tell() != entry.file_size:
            raise ECGReadError("truncated")
    if name == "signal":
        source.limits.check_memory(math.prod(shape))
    elif entry.file_size > _MAX_BYTES:
        raise ECGReadError("too_large", f"{name} takes more than {_MAX_BYTES} bytes")
    with archive.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


class NPZWriter(RecordWriter):
    """Writes mV as float32, or as float64 on request."""

    def _save(self, signal: NDArray[np.float64], target: Path) -> None:
        arrays: dict[str, Any] = {
            "signal": signal.astype("<f4" if self.layout.variant == "f4" else "<f8"),
            "sampling_rate": np.float64(self.layout.sampling_rate),
            "lead_names": np.array(self.layout.lead_names),
        }
        if self.annotations is not None:
            arrays["samples"] = self.annotations.samples.astype("<i8")
            arrays["symbols"] = self.annotations.symbols.astype("<U1")
            arrays["notes"] = self.annotations.notes.astype("<U8")
        np.savez_compressed(target, **arrays)


class NPZ(Format):
    """Archives of `numpy.savez`."""

    name = "npz"
    suffixes = (".npz",)
    writer = NPZWriter

    def sniff(self, head: bytes) -> bool:
        """Look for a zip archive whose first member is an array."""
        name_end = 30 + int.from_bytes(head[26:28], "little")
        return head.startswith(b"PK\x03\x04") and head[30:name_end].endswith(b".npy")

    def open(self, source: Source) -> RecordReader:
        """Read the arrays that are known by name; pickled objects are refused."""
        with zipfile.ZipFile(source.path) as archive:
            names = {Path(name).stem for name in archive.namelist()}
            if "signal" not in names:
                raise ECGReadError("bad_header", "an array named signal in mV is missing")
            rate = source.sampling_rate
            if "sampling_rate" in names:
                rate = float(_read_member(archive, "sampling_rate", source))
            if rate is None:
                raise ECGReadError("bad_rate", "give sampling_rate=...")
            signal = _read_member(archive, "signal", source)
            labels = [""] * signal.shape[1]
            if "lead_names" in names:
                given = _read_member(archive, "lead_names", source)
                if len(given) != len(labels):
                    raise ECGReadError("bad_header", "it names another number of leads")
                labels = given.tolist()
            annotations = None
            if {"samples", "symbols"} <= names:
                rows = [
                    _read_member(archive, name, source)
                    for name in ("samples", "symbols", "notes")
                    if name in names
                ]
                annotations = Annotations(*rows)
        selection = select_channels(labels, ["mV"] * len(labels), source.leads)
        layout = Layout(
            self.name,
            rate,
            selection.names,
            len(signal),
            variant="f4" if signal.dtype == np.float32 else "f8",
        )
        return RecordReader.of_array(
            layout,
            signal[:, selection.channels].astype(np.float64),
            source.limits,
            annotations=annotations,
            warnings=selection.warnings,
        )
