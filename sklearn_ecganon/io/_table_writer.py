"""Write tables: a column of times and one column in mV for each lead, as CSV or Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.io._errors import load_extra
from sklearn_ecganon.io._writer import RecordWriter


def _columns(writer: RecordWriter, signal: NDArray[np.float64]) -> dict[str, NDArray]:
    # Without a column of times the sampling rate would be lost.
    seconds = np.arange(len(signal)) / writer.layout.sampling_rate
    leads = {lead: signal[:, i] for i, lead in enumerate(writer.layout.lead_names)}
    return {"time": seconds.round(6)} | leads


class CSVWriter(RecordWriter):
    """Writes seconds and mV with six decimals."""

    def _save(self, signal: NDArray[np.float64], target: Path) -> None:
        import pandas as pd

        table = pd.DataFrame(_columns(self, signal))
        table.to_csv(target, index=False, float_format="%.6f", lineterminator="\n")


class ParquetWriter(RecordWriter):
    """Writes columns of float64 without any metadata."""

    def _save(self, signal: NDArray[np.float64], target: Path) -> None:
        arrow = load_extra("pyarrow", "parquet")
        parquet = load_extra("pyarrow.parquet", "parquet")
        parquet.write_table(arrow.table(_columns(self, signal)), target)
