"""What the conversions of records ask of packages, amplitudes and times."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.records._units import checked_scale, unit_problem, wave_height


def import_package(package: str, method: str) -> Any:
    """Import an optional package, or say how to get it.

    Parameters
    ----------
    package : str
        Its name, for the import and for pip.
    method : str
        The method that needs it.

    Returns
    -------
    module : module
        The package.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"ECGRecord.{method} needs {package}, which is not installed; run "
            f"pip install {package}"
        ) from error


def refuse_implausible(
    signal: NDArray, name: str, *, units: str | None = None, in_volts: bool = False
) -> None:
    """Refuse a signal in mV whose amplitudes cannot be those of an ECG.

    `units` is the unit that the caller chose. Where another package fixed the unit, there is
    nothing to choose, and the values themselves must be corrected.
    """
    height = wave_height(signal)
    if units is not None:
        problem = unit_problem(height / checked_scale(units), units)
        if problem is not None:
            raise ValueError(f"record {name!r}: {problem}.")
    elif unit_problem(height, "mV") is not None:
        where = "; MNE stores V, so divide values in mV by 1000" if in_volts else ""
        raise ValueError(
            f"record {name!r}: its waves are {height:g} mV high, which no ECG is{where}. "
            "Correct the values or their unit."
        )


def rate_of_times(times: ArrayLike | None, name: str) -> float:
    """Return the rate in Hz of an index of times, which must not have gaps."""
    values: Any = np.asarray(times) if times is not None else np.empty(0)
    if values.dtype.kind in "mM":
        values = (values - values[:1]) / np.timedelta64(1, "ns") * 1e-9
    if len(values) < 2 or values.dtype.kind != "f":
        raise ValueError(
            f"record {name!r}: its sampling rate is not known, because the index is no time; "
            "give sampling_rate= in Hz."
        )
    steps = np.diff(values)
    usual = float(np.median(steps))
    if usual <= 0 or (np.abs(steps - usual) > usual / 2).any():
        raise ValueError(
            f"record {name!r}: its times do not advance in equal steps; fill gaps with NaN, "
            "or give sampling_rate= in Hz if the times are wrong."
        )
    return round(float((len(values) - 1) / (values[-1] - values[0])), 3)
