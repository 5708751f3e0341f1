"""Write EDF, EDF+C, BDF and BDF+C in chunks."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._edf_header import BDF, MAIN_WIDTHS, SIGNAL_WIDTHS, eight_characters
from sklearn_ecganon.io._layout import Layout
from sklearn_ecganon.io._quantization import Quantizer
from sklearn_ecganon.io._writer import RecordWriter

#: The largest data record that the standard advises, in bytes.
_RECORD_BYTES = 61440
#: Largest digital value by bytes of a sample. The range in mV must fit eight characters.
_LARGEST = {2: 2**15 - 1, 3: 8_388_000}
#: How far the rate that the header implies may be off, as a fraction.
_RATE_TOLERANCE = 1e-6
#: Data records that are scaled at once when a gain has changed.
_CHUNK = 2**10


class EDFWriter(RecordWriter):
    """Writes data records in chunks; gaps become 0 mV."""

    def _begin(self) -> None:
        layout = self.layout
        self._kind = "bdf" if layout.variant.startswith("bdf") else "edf"
        self._width = 3 if self._kind == "bdf" else 2
        self._has_track = layout.variant.endswith("+") or bool(self.annotations)
        self._block = _block(layout)
        self._rate = self._block / float(eight_characters(self._block / layout.sampling_rate))
        self._quantizer = Quantizer(layout.n_leads, _LARGEST[self._width], gap=0)
        self._pending = np.empty((0, layout.n_leads), np.int32)
        self._track_samples = 0
        self._track_bounds = self._grouped_annotations() if self._has_track else None
        self._n_records = 0
        self._file = self._staged.unfinished[0].open("wb")
        # The gains of the header are known only at the end.
        self._file.write(self._header())

    def _append(self, chunk: NDArray[np.float64]) -> None:
        digital, ratio = self._quantizer.digitize(chunk)
        if ratio is not None:
            self._rescale(ratio)
        self.n_clipped = self._quantizer.n_clipped
        digital = np.concatenate([self._pending, digital])
        n_records = len(digital) // self._block
        self._pending = digital[n_records * self._block :]
        if not n_records:
            return
        raw = self._packed(digital[: n_records * self._block])
        if self._track_bounds is not None:
            numbers = range(self._n_records, self._n_records + n_records)
            tracks = np.frombuffer(b"".join(self._track(i) for i in numbers), np.uint8)
            raw = np.concatenate([raw, tracks.reshape(n_records, -1)], axis=1)
        self._n_records += n_records
        raw.tofile(self._file)

    def _packed(self, digital: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return whole data records as bytes, shape (n_records, bytes of the signals)."""
        n_records = len(digital) // self._block
        blocks = digital.reshape(n_records, self._block, -1)
        records = blocks.transpose(0, 2, 1).astype("<i4", order="C")
        words = records.view(np.uint8).reshape(n_records, -1, 4)
        return np.ascontiguousarray(words[..., : self._width]).reshape(n_records, -1)

    def _unpacked(self, raw: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the digital values from the bytes that `_packed` returns."""
        n_leads = self.layout.n_leads
        words = np.zeros((raw.size // self._width, 4), np.uint8)
        words[:, 4 - self._width :] = raw.reshape(-1, self._width)
        values = words.reshape(-1).view("<i4") >> 8 * (4 - self._width)
        blocks = values.reshape(len(raw), n_leads, self._block)
        return blocks.transpose(0, 2, 1).reshape(-1, n_leads)

    def _rescale(self, ratio: NDArray[np.float64]) -> None:
        """Convert the written samples to the present gains, in place."""
        self._pending = self._quantizer.rescale(self._pending, ratio)
        self._file.flush()
        n_bytes = self._width * self._block * self.layout.n_leads
        n_record = n_bytes + self._width * self._track_samples
        n_header = len(self._header())
        with self._staged.unfinished[0].open("r+b") as file:
            for first in range(0, self._n_records, _CHUNK):
                n_records = min(_CHUNK, self._n_records - first)
                file.seek(n_header + first * n_record)
                raw = np.fromfile(file, np.uint8, n_records * n_record).reshape(n_records, -1)
                digital = self._unpacked(raw[:, :n_bytes])
                raw[:, :n_bytes] = self._packed(self._quantizer.rescale(digital, ratio))
                file.seek(n_header + first * n_record)
                file.write(raw.tobytes())

    def _finish(self) -> None:
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()

    def _abandon(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _grouped_annotations(self) -> NDArray[np.intp]:
        """Return the bounds of the annotations of each data record, and reserve space."""
        n_records = self.layout.n_times // self._block
        samples = np.empty(0, np.intp) if self.annotations is None else self.annotations.samples
        bounds = np.searchsorted(samples // self._block, np.arange(n_records + 1))
        longest = len(f"+{self.layout.n_times / self.layout.sampling_rate:.6f}") + 10
        room = longest * (1 + int(np.diff(bounds).max(initial=0)))
        self._track_samples = ceil(room / self._width)
        return bounds

    def _track(self, number: int) -> bytes:
        """Return the annotations of one data record."""
        entries = [f"{_onset(number * self._block / self._rate)}\x14\x14\x00"]
        if self.annotations is not None and self._track_bounds is not None:
            annotations = self.annotations
            for i in range(self._track_bounds[number], self._track_bounds[number + 1]):
                symbol = annotations.symbols[i]
                text = annotations.notes[i] if symbol == "+" else symbol
                onset = _onset(annotations.samples[i] / self._rate)
                entries.append(f"{onset}\x14{text}\x14\x00")
        return "".join(entries).encode("ascii").ljust(self._track_samples * self._width, b"\0")

    def _header(self) -> bytes:
        """Return a header that contains the layout, the gains, and constants."""
        layout = self.layout
        largest = _LARGEST[self._width]
        labels = [_label(lead) for lead in layout.lead_names]
        units = ["mV"] * layout.n_leads
        physical = [eight_characters(largest / gain) for gain in self._quantizer.gain]
        low, high = [f"-{value}" for value in physical], physical
        bottom, top = [str(-largest)] * layout.n_leads, [str(largest)] * layout.n_leads
        per_record = [str(self._block)] * layout.n_leads
        if self._has_track:
            limit = 2 ** (8 * self._width - 1)
            labels.append(f"{self._kind.upper()} Annotations")
            units.append("")
            low, high = [*low, "-1"], [*high, "1"]
            bottom, top = [*bottom, str(-limit)], [*top, str(limit - 1)]
            per_record.append(str(self._track_samples))
        empty = [""] * len(labels)
        main = [
            "0",
            "X X X X",
            "Startdate X X X X",
            "01.01.85",  # the standard prescribes it for a date that must not be known
            "00.00.00",
            str(256 * (1 + len(labels))),
            f"{self._kind.upper()}+C" if self._has_track else _RESERVED[self._kind],
            str(layout.n_times // self._block),
            eight_characters(self._block / layout.sampling_rate),
            str(len(labels)),
        ]
        columns = [labels, empty, units, low, high, bottom, top, empty, per_record, empty]
        content = b"".join(
            text.encode("ascii").ljust(width)
            for texts, width in zip(
                [[text] for text in main] + columns, MAIN_WIDTHS + SIGNAL_WIDTHS, strict=True
            )
            for text in texts
        )
        return (BDF if self._kind == "bdf" else content[:8]) + content[8:]


_RESERVED = {"edf": "", "bdf": "24BIT"}


def _label(lead: str) -> str:
    return lead if lead.startswith(("ECG", "lead")) else f"ECG {lead}"


def _onset(seconds: float) -> str:
    return "+" + (f"{seconds:.6f}".rstrip("0").rstrip("."))


def _block(layout: Layout) -> int:
    """Return samples of a data record: about a second, and a divisor of the length.

    It is a function of length, rate and number of leads, not of the data record of the input.
    """
    most = max(1, _RECORD_BYTES // 2 // layout.n_leads)
    sizes = np.arange(1, min(most, layout.n_times) + 1)
    sizes = sizes[layout.n_times % sizes == 0]
    sizes = sizes[np.argsort(np.abs(np.log(sizes / layout.sampling_rate)), kind="stable")]
    for tolerance in (1e-9, _RATE_TOLERANCE):
        for size in sizes.tolist():
            seconds = float(eight_characters(size / layout.sampling_rate))
            if seconds and abs(size / seconds / layout.sampling_rate - 1) <= tolerance:
                return size
    raise ValueError(
        f"EDF cannot hold {layout.n_times} samples at {layout.sampling_rate:g} Hz without "
        "filling up its last data record; choose another format or crop the record."
    )
