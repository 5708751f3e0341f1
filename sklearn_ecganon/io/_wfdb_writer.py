"""Write WFDB records in format 16."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._quantization import Quantizer
from sklearn_ecganon.io._wfdb_annotations import encode_annotations
from sklearn_ecganon.io._wfdb_segment import plain
from sklearn_ecganon.io._writer import RecordWriter

#: Largest digital value that is written; the smallest is its negative, one less is a gap.
_LARGEST = 2**15 - 1
_GAP = -_LARGEST - 1
#: Samples that are scaled at once when a gain has changed.
_CHUNK = 2**18


class WFDBWriter(RecordWriter):
    """Writes format 16 in chunks; the header is written last."""

    def _files(self) -> tuple[Path, ...]:
        if self.path.suffix != ".hea":
            raise ValueError(f"{self.path} is no WFDB header; call it NAME.hea.")
        if re.fullmatch(r"[-\w]+", self.path.stem, re.ASCII) is None:
            raise ValueError(
                f"{self.path.stem!r} is no WFDB record name; use letters, digits, - and _."
            )
        return tuple(self.path.with_suffix(suffix) for suffix in (".dat", ".atr", ".hea"))

    def _begin(self) -> None:
        n_leads = self.layout.n_leads
        self._quantizer = Quantizer(n_leads, _LARGEST, _GAP)
        self._sum = np.zeros(n_leads, np.int64)
        self._initial: NDArray[np.int32] | None = None
        self._dat = self._staged.unfinished[0].open("wb")

    def _append(self, chunk: NDArray[np.float64]) -> None:
        digital, ratio = self._quantizer.digitize(chunk)
        if ratio is not None:
            self._rescale(ratio)
        self.n_clipped = self._quantizer.n_clipped
        if self._initial is None and len(digital):
            self._initial = digital[0]
        samples = digital.astype("<i2")
        # Checksums have 16 bits, so that the sum may overflow.
        self._sum += samples.sum(axis=0, dtype=np.int16)
        np.ascontiguousarray(samples).tofile(self._dat)

    def _rescale(self, ratio: NDArray[np.float64]) -> None:
        """Convert the written samples to the present gains, in place."""
        self._dat.flush()
        self._sum[:] = 0
        n_leads = self.layout.n_leads
        with self._staged.unfinished[0].open("r+b") as file:
            for start in range(0, self.n_written, _CHUNK):
                n_times = min(_CHUNK, self.n_written - start)
                file.seek(2 * start * n_leads)
                old = np.fromfile(file, "<i2", n_times * n_leads).reshape(n_times, n_leads)
                new = self._quantizer.rescale(old, ratio).astype("<i2")
                if start == 0:
                    self._initial = new[0].astype(np.int32)
                self._sum += new.sum(axis=0, dtype=np.int16)
                file.seek(2 * start * n_leads)
                file.write(new.tobytes())

    def _finish(self) -> None:
        self._dat.close()
        dat, atr, hea = self._staged.unfinished
        if self.annotations is not None and len(self.annotations):
            atr.write_bytes(encode_annotations(self.annotations))
        layout = self.layout
        rate = plain(layout.sampling_rate)
        lines = [f"{hea.stem} {layout.n_leads} {rate} {layout.n_times}"]
        assert self._initial is not None
        for lead, name in enumerate(layout.lead_names):
            checksum = (int(self._sum[lead]) + 2**15) % 2**16 - 2**15
            lines.append(
                f"{dat.name} 16 {plain(self._quantizer.gain[lead])}(0)/mV 16 0 "
                f"{self._initial[lead]} {checksum} 0 {name}"
            )
        hea.write_text("\n".join(lines) + "\n", encoding="ascii")

    def _abandon(self) -> None:
        self._dat.close()
