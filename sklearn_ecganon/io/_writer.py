"""Write a recording in chunks, into a file that appears only when it is complete."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.io._annotations import Annotations
from sklearn_ecganon.io._files import Staged
from sklearn_ecganon.io._layout import Layout

__all__ = ["RecordWriter"]


class RecordWriter:
    """A file that `create_record` begins, `write` fills and `close` puts in its place.

    Used in a ``with`` block, the file appears at the end of the block, complete, under its
    name; after an exception nothing of it remains. This class keeps the samples until then;
    formats that can be written in chunks have a subclass that does not.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        Content of the header.
    annotations : Annotations, optional
        Annotations to write, if the format can store them.
    overwrite : bool, default=False
        Whether an existing file is replaced.

    Attributes
    ----------
    n_written : int
        Number of samples of each lead so far, over all recordings of the file.
    n_clipped : int
        Number of values that were clipped to the largest range of the format. The gain of
        each lead adapts to its amplitude, so that only values beyond 32 V are clipped.
    """

    #: Whether a file of the format may hold several recordings.
    holds_many = False

    def __init__(
        self,
        path: Path,
        layout: Layout,
        annotations: Annotations | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        self.path = path
        # The layout rounds the sampling rate, whose exact value may identify the device.
        layout = layout.in_format(layout.format)
        self.layout = layout
        self.annotations = annotations
        self.n_written = 0
        self.n_clipped = 0
        self._n_times = layout.n_times * layout.n_records
        if layout.n_records != 1 and not self.holds_many:
            raise ValueError(f"a file of format {layout.format!r} holds one recording.")
        if annotations is not None:
            annotations.check(layout.n_times)
        self._staged = Staged(*self._files(), overwrite=overwrite)
        try:
            self._begin()
        except BaseException:
            self._staged.discard()
            raise

    def write(self, chunk: ArrayLike) -> None:
        """Append a chunk.

        Parameters
        ----------
        chunk : array-like of shape (n_times, n_leads)
            In mV, NaN where nothing was recorded.

        Raises
        ------
        ValueError
            If the chunk has another number of leads, holds infinite values, or exceeds the
            length of the layout.
        """
        values = np.asarray(chunk, np.float64)
        if values.ndim != 2 or values.shape[1] != self.layout.n_leads:
            raise ValueError(
                f"a chunk has shape {values.shape}; give (n_times, {self.layout.n_leads})."
            )
        if np.isinf(values).any():
            raise ValueError("a chunk holds infinite values; use NaN for gaps.")
        if self.n_written + len(values) > self._n_times:
            raise ValueError(
                f"{self.n_written + len(values)} samples for a recording of {self._n_times}."
            )
        self._append(values)
        self.n_written += len(values)

    def close(self) -> None:
        """Complete the file and move it to its path.

        Raises
        ------
        ValueError
            If there are fewer samples than the layout states; no file is written then.
        """
        try:
            if self.n_written != self._n_times:
                raise ValueError(
                    f"{self.n_written} samples for a recording of {self._n_times}."
                )
            self._finish()
            self._staged.commit()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Stop writing and delete what has been written."""
        self._abandon()
        self._staged.discard()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    # Formats override these hooks. The last file is the one whose presence means that the
    # recording is complete.

    def _files(self) -> tuple[Path, ...]:
        return (self.path,)

    def _begin(self) -> None:
        self._chunks: list[NDArray[np.float64]] = []

    def _append(self, chunk: NDArray[np.float64]) -> None:
        self._chunks.append(chunk)

    def _finish(self) -> None:
        self._save(np.concatenate(self._chunks), self._staged.unfinished[-1])

    def _abandon(self) -> None:
        pass

    def _save(self, signal: NDArray[np.float64], target: Path) -> None:
        raise NotImplementedError
