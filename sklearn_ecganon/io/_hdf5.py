"""HDF5 in the layout of CODE-15 %: many recordings of one shape in one array."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._channels import select_channels
from sklearn_ecganon.io._errors import ECGReadError, load_extra, sanitized
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._reader import RecordReader
from sklearn_ecganon.io._writer import RecordWriter
from sklearn_ecganon.records import STANDARD_LEADS

#: Samples at 400 Hz; recordings of 7 and 10 s lie in the middle of zeros.
_CODE15_SHAPE = (4096, 12)
_CODE15_RATE = 400.0
#: Millivolts in one unit. The authors' ecg-preprocessing, which made the files, multiplies mV
#: by 2. (The description of their test set states "1e-4 V", and in the same line a factor that
#: means 1 mV; the PhysioNet Challenge of 2025 takes 1 mV. R waves of 0.1 to 0.3 mV rule out
#: 1e-4 V.)
_MILLIVOLTS = 0.5


def _plain_dataset(file: Any, name: str) -> Any:
    """Return a dataset of this file; links to other files are refused."""
    h5py = load_extra("h5py", "hdf5")
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ECGReadError("bad_header", f"a dataset {name!r} in the file itself is missing")
    data = file[name]
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
        raise ECGReadError("bad_header", f"a dataset {name!r} in the file itself is missing")
    return data


def read_exam_ids(path: str | PathLike[str]) -> NDArray[np.int64]:
    """Read the numbers of the exams in an HDF5 file in the layout of CODE-15 %.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    ids : ndarray of int of shape (n_records,)
        One number for each row of ``tracings``. The last row of the published files is
        padding, with number 0.

    Raises
    ------
    ECGReadError
        If the file is missing or damaged, has no such numbers, or h5py is not installed.

    Examples
    --------
    >>> from sklearn_ecganon.io import ECGReadError, read_exam_ids
    >>> try:
    ...     read_exam_ids("no-such-file.hdf5")
    ... except ECGReadError as error:
    ...     print(error.reason)
    missing_file
    """
    h5py = load_extra("h5py", "hdf5")
    with sanitized(), h5py.File(path, "r") as file:
        return np.asarray(_plain_dataset(file, "exam_id"), dtype=np.int64)


class HDF5Writer(RecordWriter):
    """Writes several recordings; the id of each is its position in the file."""

    holds_many = True

    def _begin(self) -> None:
        h5py = load_extra("h5py", "hdf5")
        layout = self.layout
        shape = (layout.n_times, layout.n_leads)
        self._file = h5py.File(self._staged.unfinished[0], "w")
        self._tracings = self._file.create_dataset(
            "tracings", (layout.n_records, *shape), "<f4", chunks=(1, *shape), compression=1
        )
        if (shape, layout.sampling_rate) != (_CODE15_SHAPE, _CODE15_RATE):
            self._tracings.attrs["sampling_rate"] = layout.sampling_rate
        self._file["exam_id"] = np.arange(layout.n_records, dtype="<i8")
        self._pending = np.empty((0, layout.n_leads))

    def _append(self, chunk: NDArray[np.float64]) -> None:
        n_times = self.layout.n_times
        done = (self.n_written - len(self._pending)) // n_times
        self._pending = np.concatenate([self._pending, chunk])
        for number in range(done, done + len(self._pending) // n_times):
            values = np.nan_to_num(self._pending[:n_times], nan=0.0) / _MILLIVOLTS
            self._tracings[number] = values
            self._pending = self._pending[n_times:]

    def _finish(self) -> None:
        self._file.close()

    def _abandon(self) -> None:
        self._file.close()


class HDF5(Format):
    """Files with ``tracings`` of shape (n_records, n_times, n_leads)."""

    name = "hdf5"
    suffixes = (".h5", ".hdf5")
    library = ("h5py", "hdf5")
    writer = HDF5Writer

    def sniff(self, head: bytes) -> bool:
        """Look for the signature."""
        return head.startswith(b"\x89HDF\r\n\x1a\n")

    def open(self, source: Source) -> RecordReader:
        """Open one of the recordings; only that one is read."""
        h5py = load_extra("h5py", "hdf5")
        stream = source.path.open("rb")
        try:
            file = h5py.File(stream, "r")
            data = _plain_dataset(file, "tracings")
            if data.ndim != 3 or data.dtype.kind not in "fi":
                raise ECGReadError(
                    "bad_header", "tracings must be numeric, with three dimensions"
                )
            n_records, n_times, n_leads = data.shape
            if not 0 <= source.index < n_records:
                raise ECGReadError("no_lead", f"it holds {n_records} recordings")
            rate = source.sampling_rate
            if rate is None and "sampling_rate" in data.attrs:
                rate = float(data.attrs["sampling_rate"])
            if rate is None and data.shape[1:] == _CODE15_SHAPE:
                rate = _CODE15_RATE
            if rate is None:
                raise ECGReadError("bad_rate", "give sampling_rate=...")
            source.limits.check_shape(n_times, n_leads, rate)
            # HDF5 unpacks a stored chunk as a whole.
            for size in (n_times * n_leads, np.prod(data.chunks or (1,), dtype=float)):
                source.limits.check_memory(int(size))
            leads = STANDARD_LEADS if n_leads == 12 else ("",) * n_leads
            signal = np.asarray(data[source.index], np.float64) * _MILLIVOLTS
        finally:
            stream.close()
        selection = select_channels(leads, ["mV"] * n_leads, source.leads)
        signal = signal[:, selection.channels]
        recorded = np.flatnonzero(signal.any(axis=1))
        if len(recorded):
            # Zeros in all leads at both ends are padding.
            signal[: recorded[0]] = np.nan
            signal[recorded[-1] + 1 :] = np.nan
        layout = Layout(self.name, rate, selection.names, n_times)
        return RecordReader.of_array(layout, signal, source.limits, n_records=n_records)
