"""Decode a MATLAB file of version 4 or 5 in a separate process.

The decoder of SciPy is compiled and meant for honest files: a damaged one may end the process
or keep it busy without end. `_matlab` runs this script, and refuses the file then.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

#: Cells, objects and the like are not needed, and take time to build.
_SLOW_KINDS = frozenset(("cell", "object", "function", "opaque", "sparse", "unknown"))


def main(source: str, target: str, max_values: int, names: frozenset[str]) -> None:
    """Write the numeric arrays of some variables to a NumPy archive.

    Parameters
    ----------
    source, target : str
        MATLAB file and archive.
    max_values : int
        Values that a variable may have.
    names : frozenset of str
        Of the variables, in lower case.
    """
    from scipy.io import loadmat, whosmat

    chosen = []
    for name, shape, kind in whosmat(source):
        n_values = math.prod(shape)
        is_chosen = name.lower() in names and kind not in _SLOW_KINDS
        if is_chosen and n_values <= max_values and (kind != "struct" or n_values == 1):
            chosen.append(name)
    arrays: dict[str, np.ndarray] = {}
    _collect(loadmat(source, simplify_cells=True, variable_names=chosen), "", arrays)
    np.savez(target, **arrays)  # type: ignore[arg-type]


def _collect(content: dict[str, Any], prefix: str, arrays: dict[str, np.ndarray]) -> None:
    for name, value in content.items():
        if isinstance(value, dict) and not prefix:
            _collect(value, f"{name.lower()}.", arrays)
        elif isinstance(value, np.ndarray | int | float) and not name.startswith("__"):
            array = np.asarray(value)
            if array.dtype.kind in "fiu":
                arrays[prefix + name.lower()] = array


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), frozenset(sys.argv[4:]))
