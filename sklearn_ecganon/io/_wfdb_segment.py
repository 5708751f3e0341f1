"""One segment of a WFDB record, decoded by wfdb after strict checks of its files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._errors import ECGReadError, sanitized
from sklearn_ecganon.io._files import Source
from sklearn_ecganon.io._wfdb_header import Header

#: The value that stands for "not recorded" in each storage format; format 8 has none.
GAPS = {
    **{"16": -(2**15), "61": -(2**15), "160": -(2**15), "516": -(2**15)},
    **{"24": -(2**23), "524": -(2**23), "32": -(2**31)},
    **{"80": -(2**7), "508": -(2**7), "212": -(2**11), "310": -(2**9), "311": -(2**9)},
}
_SMALL = frozenset(GAPS) - {"24", "32", "524"}

#: Values read at once while checksums are verified.
_CHUNK = 2**21

#: wfdb interprets a path with one of these as an address or a pattern.
_SPECIAL = re.compile(r"::|://|[*?\[\]]")


class Segment:
    """A segment of a record, with separate signal files.

    Parameters
    ----------
    base : Path
        Path of the header, without extension.
    header : Header
        Content of the header.
    start : int
        First sample, counted from the start of the record.
    n_times : int
        Samples of each signal.
    """

    def __init__(self, base: Path, header: Header, start: int, n_times: int) -> None:
        self.base = base
        self.header = header
        self.start = start
        self.n_times = n_times
        self._base_for_wfdb = base
        if not self.is_plain and (header.n_times is None or _SPECIAL.search(str(base))):
            self._base_for_wfdb = self._linked()

    @property
    def is_plain(self) -> bool:
        """Whether all signals are 16-bit numbers in one file, which needs no library."""
        signals = self.header.signals
        return all(
            (signal.format, signal.skew, signal.file) == ("16", 0, signals[0].file)
            for signal in signals
        )

    def _linked(self) -> Path:
        """Return the base of a copy of the header, with a length and in a plain folder.

        wfdb cannot read segments of a record whose header has no length, nor any file in a
        folder with brackets in its name. The copy is in a temporary folder with links to the
        signal files. The folder is deleted with this object.
        """
        folder = Path(tempfile.mkdtemp(prefix="ecganon-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        header = self.header
        lines = [f"s {header.n_signals} {plain(header.sampling_rate)} {self.n_times}"]
        for signal in header.signals:
            link = folder / signal.file
            if not os.path.lexists(link):
                _link(self.base.with_name(signal.file), link)
            skew = f":{signal.skew}" if signal.skew else ""
            offset = f"+{signal.offset}" if signal.offset else ""
            lines.append(
                f"{signal.file} {signal.format}{skew}{offset} "
                f"{plain(signal.gain)}({signal.baseline})/mV 0 0 {signal.initial} 0 0"
            )
        (folder / "s.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        return folder / "s"

    def check_agreement(self) -> None:
        """Check that wfdb and this package read the header alike, if wfdb reads the signals."""
        if self.is_plain:
            return
        import wfdb

        with sanitized("bad_header"):
            theirs = wfdb.rdheader(str(self._base_for_wfdb))
            ours = self.header
            if theirs.fs != ours.sampling_rate or theirs.sig_len != self.n_times:
                raise ValueError
            for channel, signal in enumerate(ours.signals):
                as_wfdb_reads_it = (
                    theirs.file_name[channel],
                    theirs.fmt[channel],
                    theirs.skew[channel] or 0,
                    theirs.byte_offset[channel] or 0,
                    theirs.adc_gain[channel],
                    theirs.baseline[channel],
                    theirs.init_value[channel] or 0,
                )
                as_we_read_it = (
                    signal.file,
                    signal.format,
                    signal.skew,
                    signal.offset,
                    signal.gain,
                    signal.baseline,
                    signal.initial,
                )
                if as_wfdb_reads_it != as_we_read_it or theirs.samps_per_frame[channel] != 1:
                    raise ValueError

    def digital(self, start: int, stop: int, *, aligned: bool = True) -> NDArray[np.integer]:
        """Read digital values, counted from the start of the segment."""
        if self.is_plain:
            first = self.header.signals[0]
            width = self.header.n_signals
            path = self.base.with_name(first.file)
            offset = first.offset + 2 * start * width
            values = np.fromfile(path, "<i2", (stop - start) * width, offset=offset)
            return values.reshape(stop - start, width)
        import wfdb

        small = all(signal.format in _SMALL for signal in self.header.signals)
        raw = wfdb.rdrecord(
            str(self._base_for_wfdb),
            sampfrom=start,
            sampto=stop,
            physical=False,
            ignore_skew=not aligned,
            return_res=16 if small else 32,
        )
        return raw.d_signal

    def millivolts(
        self, start: int, stop: int, channels: list[int], scale: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Read mV of some channels, NaN where nothing was recorded."""
        digital = self.digital(start, stop)
        values = np.empty((stop - start, len(channels)), order="F")
        # One lead at a time is many times faster than along rows of two.
        for column, channel in enumerate(channels):
            signal = self.header.signals[channel]
            lead, raw = values[:, column], np.ascontiguousarray(digital[:, channel])
            np.subtract(raw, signal.baseline, out=lead, dtype=np.float64)
            lead /= signal.gain
            if scale[column] != 1:
                lead *= scale[column]
            if signal.format in GAPS and raw.min() == GAPS[signal.format]:
                lead[raw == GAPS[signal.format]] = np.nan
        return values

    def has_right_checksums(self) -> bool:
        """Read all samples once, and compare their sums with the checksums in the header."""
        signals = self.header.signals
        if all(signal.checksum is None for signal in signals):
            return True
        total = np.zeros(len(signals), np.int64)
        step = max(1, _CHUNK // len(signals))
        if any(signal.format == "8" for signal in signals):
            step = self.n_times  # It stores differences, only readable from the start.
        for start in range(0, self.n_times, step):
            digital = self.digital(start, min(start + step, self.n_times), aligned=False)
            leads = np.ascontiguousarray(digital.T)
            # Checksums have 16 bits, so that the sum may overflow.
            total += leads.sum(axis=1, dtype=leads.dtype)
        return all(
            signal.checksum is None or (lead_total - signal.checksum) % 2**16 == 0
            for signal, lead_total in zip(signals, total.tolist(), strict=True)
        )


def open_segment(source: Source, path: Path, header: Header, start: int) -> Segment:
    """Check the signal files of a header before memory of their declared size is allocated."""
    n_times = header.n_times
    for file in dict.fromkeys(signal.file for signal in header.signals):
        size = source.sibling(file).stat().st_size
        frame = header.frame_bytes(file)
        first = next(signal for signal in header.signals if signal.file == file)
        if frame is None:
            available = _flac_length(path.with_name(file), header, file) - first.offset
            n_times = available if n_times is None else n_times
            fits = available >= n_times
        else:
            if n_times is None:
                n_times = int((size - first.offset) / frame)
            fits = size >= header.required_bytes(file, n_times)
        if not fits:
            raise ECGReadError("truncated")
    if not n_times or n_times < 0:
        raise ECGReadError("bad_length")
    if any(signal.skew >= n_times for signal in header.signals):
        raise ECGReadError("bad_header", "a skew is longer than the record")
    source.limits.check_shape(n_times, header.n_signals, header.sampling_rate)
    if any(signal.format == "8" for signal in header.signals):
        source.limits.check_memory(n_times * header.n_signals)
    segment = Segment(path.with_suffix(""), header, start, n_times)
    segment.check_agreement()
    return segment


def plain(number: float) -> str:
    """Return a number without an exponent, as in headers."""
    return np.format_float_positional(number, trim="-")


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path.absolute())
    except OSError:  # Some systems do not let everybody make links.
        shutil.copyfile(path, link)


def _flac_length(path: Path, header: Header, file: str) -> int:
    import soundfile

    info = soundfile.info(str(path))
    if info.channels != sum(signal.file == file for signal in header.signals):
        raise ECGReadError("bad_header", "a signal file has another number of channels")
    return info.frames
