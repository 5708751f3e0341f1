"""An open recording, whose samples are read in segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._errors import ECGReadError, sanitized
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.records import ECGRecord

__all__ = ["RecordReader"]

Fetch = Callable[[int, int], NDArray[np.float64]]

#: Smallest and largest plausible gain, in digital units per mV.
_GAINS = (1e-6, 1e12)


class RecordReader:
    """A recording opened by `open_record`, read in segments of bounded memory.

    Use it in a ``with`` block, or call `close`.

    Parameters
    ----------
    layout : Layout
        Format, rate, leads and length: everything that the header of a copy needs.
    fetch : callable
        Takes the first sample and one past the last; returns mV of shape (n_times, n_leads).
    limits : Limits
        Largest size of one segment in memory.
    annotations : Annotations, optional
        Annotations of the whole recording. Those outside of it are dropped, and so are all
        but the first of several beats at one sample; the warning ``dropped_annotations``
        reports it.
    gain : tuple of float, default=()
        Digital units per mV of each lead in the file; empty if samples are stored as
        floating-point numbers. It is shown to the user and never written.
    warnings : tuple of str, default=()
        Codes of defects that do not prevent reading.
    n_records : int, default=1
        Number of recordings in the file.
    close : callable, optional
        Function that `close` calls.

    Attributes
    ----------
    layout, gain, warnings, n_records
        As passed to the constructor.
    annotations : Annotations or None
        Annotations within the recording, in order of time.
    n_dropped_annotations : int
        Number of dropped annotations.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from sklearn_ecganon import ECGRecord
    >>> from sklearn_ecganon.io import open_record, write_record
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "r1.hea")
    ...     _ = write_record(ECGRecord(np.zeros((1000, 2)), 250, ("I", "II")), path)
    ...     with open_record(path) as reader:
    ...         print(reader.layout.format, reader.n_times, reader.read(100, 350).shape)
    wfdb 1000 (250, 2)
    """

    def __init__(
        self,
        layout: Layout,
        fetch: Fetch,
        limits: Limits,
        *,
        annotations: Annotations | None = None,
        gain: tuple[float, ...] = (),
        warnings: tuple[str, ...] = (),
        n_records: int = 1,
        close: Callable[[], None] | None = None,
    ) -> None:
        limits.check_shape(layout.n_times, layout.n_leads, layout.sampling_rate)
        if not all(_GAINS[0] <= value <= _GAINS[1] for value in gain):
            raise ECGReadError("bad_gain")
        self.n_dropped_annotations = 0
        if annotations is not None:
            fitting = annotations.fitting(layout.n_times)
            self.n_dropped_annotations = len(annotations) - len(fitting)
            annotations = fitting
        if self.n_dropped_annotations:
            warnings = (*warnings, "dropped_annotations")
        self.layout = layout
        self.annotations = annotations
        self.gain = gain
        self.warnings = warnings
        self.n_records = n_records
        self._fetch = fetch
        self._limits = limits
        self._close = close

    @classmethod
    def of_array(
        cls,
        layout: Layout,
        signal: NDArray[np.float64],
        limits: Limits,
        *,
        annotations: Annotations | None = None,
        gain: tuple[float, ...] = (),
        warnings: tuple[str, ...] = (),
        n_records: int = 1,
    ) -> RecordReader:
        """Return a reader for a format that can only be read as a whole.

        Parameters
        ----------
        layout : Layout
            Leads, sampling rate and length.
        signal : ndarray of shape (n_times, n_leads)
            In mV.
        limits : Limits
            What is accepted.
        annotations : Annotations, optional
            Beats and rhythms.
        gain : tuple of float, default=()
            Steps of each lead in a mV.
        warnings : tuple of str, default=()
            What was unusual about the file.
        n_records : int, default=1
            Recordings in the file.

        Returns
        -------
        reader : RecordReader
            Reads from the array.
        """
        return cls(
            layout,
            lambda start, stop: signal[start:stop],
            limits,
            annotations=annotations,
            gain=gain,
            warnings=warnings,
            n_records=n_records,
        )

    @property
    def sampling_rate(self) -> float:
        """Sampling rate in Hz."""
        return self.layout.sampling_rate

    @property
    def lead_names(self) -> tuple[str, ...]:
        """Names of the leads, out of a list of known names."""
        return self.layout.lead_names

    @property
    def n_times(self) -> int:
        """Number of samples of each lead."""
        return self.layout.n_times

    @property
    def n_leads(self) -> int:
        """Number of leads."""
        return self.layout.n_leads

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Read a segment.

        Parameters
        ----------
        start : int, default=0
            First sample.
        stop : int, optional
            One past the last; the end by default.

        Returns
        -------
        signal : ndarray of shape (stop - start, n_leads)
            In mV, NaN where nothing was recorded.

        Raises
        ------
        ECGReadError
            If the segment cannot be decoded or is larger than the limits allow.
        """
        stop = self.n_times if stop is None else stop
        if not 0 <= start < stop <= self.n_times:
            raise ValueError(f"cannot read {start}..{stop} out of 0..{self.n_times} samples.")
        self._limits.check_memory((stop - start) * self.n_leads)
        with sanitized():
            signal = np.asarray(self._fetch(start, stop), np.float64)
            if signal.shape != (stop - start, self.n_leads) or np.isinf(signal).any():
                raise ValueError
        return signal

    def chunks(self, n_times: int = 2**18) -> Iterator[NDArray[np.float64]]:
        """Read the whole recording in segments.

        Parameters
        ----------
        n_times : int, default=2**18
            Number of samples of each lead in one segment.

        Yields
        ------
        signal : ndarray of shape (at most n_times, n_leads)
            In mV.
        """
        for start in range(0, self.n_times, n_times):
            yield self.read(start, min(start + n_times, self.n_times))

    def record(self, name: str = "unnamed") -> ECGRecord:
        """Read the whole recording into an ECGRecord.

        Parameters
        ----------
        name : str, default="unnamed"
            Name of the record.

        Returns
        -------
        record : ECGRecord
            With `r_peaks` and `beat_labels` (AAMI classes) if the file has annotated beats.
        """
        annotations = self.annotations
        return ECGRecord(
            self.read(),
            self.sampling_rate,
            self.lead_names,
            r_peaks=None if annotations is None else annotations.r_peaks,
            beat_labels=None if annotations is None else annotations.beat_labels,
            name=name,
        )

    def close(self) -> None:
        """Close the file."""
        if self._close is not None:
            self._close()
            self._close = None

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
