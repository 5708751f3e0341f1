"""MATLAB files of the challenges: one array of leads, in the versions 4, 5 and 7.3."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._amplitude import check_amplitude
from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError, load_extra
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.records import STANDARD_LEADS

#: Names of the signal, the most common first: in the challenges of PhysioNet ``val``, in
#: that of the China Physiological Signal Challenge ``ECG.data``.
_SIGNALS = ("val", "ecg.data", "signal", "signals", "ecg", "data", "x")
_RATES = ("fs", "sampling_rate", "samplingrate", "sfreq", "frequency", "ecg.fs")
_TOP_NAMES = {name.split(".")[0] for name in (*_SIGNALS, *_RATES)}
#: s; an honest file takes one.
_MOST_SECONDS = 60.0
_SCRIPT = Path(__file__).with_name("_matlab_decode.py")
#: The first integer of version 4: little endian, a full matrix of numbers, by their type.
_VERSION_4_TYPES = {0: 8, 10: 4, 20: 4, 30: 2, 40: 2, 50: 1}
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]{0,62}\0")
_COMPRESSED = 15
_CHUNK = 2**20


class MATLAB(Format):
    """Arrays of MATLAB; only the signal is read."""

    name = "matlab"
    suffixes = (".mat",)
    written_as = "wfdb"
    writer = None
    has_signature = False  # a WFDB header beside it takes precedence

    def sniff(self, head: bytes) -> bool:
        """Look for the text of versions 5 and 7.3, or the numbers of version 4."""
        if head.startswith((b"MATLAB 5.0 MAT-file", b"MATLAB 7.3")):
            return True
        if len(head) < 20:
            return False
        kind, n_rows, n_columns, is_complex, n_name = struct.unpack_from("<5i", head)
        is_matrix = kind in _VERSION_4_TYPES and min(n_rows, n_columns) > 0 and not is_complex
        return is_matrix and _NAME.fullmatch(head[20 : 20 + max(0, n_name)]) is not None

    def open(self, source: Source) -> RecordReader:
        """Read the array after measuring its unpacked size."""
        with source.path.open("rb") as file:
            is_hdf5 = file.read(10) == b"MATLAB 7.3"
        arrays = _read_hdf5(source) if is_hdf5 else _read_mat(source)
        values = next((arrays[name] for name in _SIGNALS if name in arrays), None)
        if values is not None and values.ndim == 1:
            values = values[:, np.newaxis]  # a row that was simplified to a list
        if values is None or values.ndim != 2 or values.dtype.kind not in "fiu":
            raise ECGReadError("bad_header", "a numeric matrix named val is missing")
        rate = source.sampling_rate
        for name in _RATES:
            if rate is None and name in arrays and arrays[name].size == 1:
                rate = float(arrays[name].reshape(-1)[0])
        if rate is None:
            raise ECGReadError("bad_rate", "give sampling_rate=...")
        # Leads may be rows or columns; there are fewer leads than samples.
        values = values.T if values.shape[0] < values.shape[1] else values
        n_times, n_leads = values.shape
        source.limits.check_shape(n_times, n_leads, rate)
        labels = STANDARD_LEADS if n_leads == 12 else ("",) * n_leads
        unit = source.units or "mV"
        selection = select_channels(labels, [unit] * n_leads, source.leads)
        signal = values[:, selection.channels].astype(np.float64)
        check_amplitude(signal, unit)
        signal *= selection.scale
        layout = Layout(self.name, rate, selection.names, n_times)
        return RecordReader.of_array(layout, signal, source.limits, warnings=selection.warnings)


def _read_mat(source: Source) -> dict[str, NDArray]:
    """Read versions 4 and 5."""
    source.limits.check_memory(source.size)
    with source.path.open("rb") as file:
        head = file.read(128)
    if head.startswith(b"MATLAB 5.0"):
        _check_unpacked(source.path, "<" if head[126:128] == b"IM" else ">", source.limits)
    with tempfile.TemporaryDirectory(prefix="ecganon-") as folder:
        target = Path(folder, "arrays.npz")
        arguments = [str(source.path), str(target), str(source.limits.max_values)]
        try:
            subprocess.run(
                [sys.executable, "-P", str(_SCRIPT), *arguments, *sorted(_TOP_NAMES)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_MOST_SECONDS,
                check=True,
            )
        except subprocess.TimeoutExpired:
            raise ECGReadError("too_large", "decoding takes too long") from None
        except subprocess.CalledProcessError:
            raise ECGReadError("damaged") from None
        with np.load(target, allow_pickle=False) as arrays:
            return dict(arrays)


def _check_unpacked(path: Path, order: str, limits: Limits) -> None:
    """Measure the unpacked size of the compressed elements of version 5."""
    n_bytes = 0
    with path.open("rb") as file:
        file.seek(128)
        while len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{order}2I", tag)
            if kind != _COMPRESSED:
                file.seek(length, 1)
                continue
            stream = zlib.decompressobj()
            packed = file.read(length)
            while packed and not stream.eof:
                n_bytes += len(stream.decompress(packed, _CHUNK))
                packed = stream.unconsumed_tail
                # A value needs at least one byte.
                limits.check_memory(n_bytes)


def _read_hdf5(source: Source) -> dict[str, NDArray]:
    """Read version 7.3, which is HDF5."""
    h5py = load_extra("h5py", "hdf5")
    arrays: dict[str, NDArray] = {}
    with source.path.open("rb") as stream, h5py.File(stream, "r") as file:
        for name in _hdf5_names(file, h5py):
            data = file[name]
            if data.external or data.is_virtual or data.dtype.kind not in "fiu":
                continue
            source.limits.check_memory(int(data.size))
            # HDF5 unpacks a stored chunk as a whole.
            source.limits.check_memory(int(np.prod(data.chunks or (1,), dtype=float)))
            arrays[name.replace("/", ".").lower()] = np.asarray(data)
    return arrays


def _hdf5_names(file: Any, h5py: Any) -> Iterator[str]:
    """Yield the paths of known arrays that lie in the file itself, not behind a link."""
    known = {*_SIGNALS, *_RATES}
    for name in list(file)[:256]:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            continue
        item = file[name]
        if isinstance(item, h5py.Dataset) and name.lower() in known:
            yield name
        elif isinstance(item, h5py.Group):
            for inner in list(item)[:256]:
                path = f"{name}/{inner}"
                is_here = isinstance(item.get(inner, getlink=True), h5py.HardLink)
                is_known = path.replace("/", ".").lower() in known
                if is_here and is_known and isinstance(item[inner], h5py.Dataset):
                    yield path
