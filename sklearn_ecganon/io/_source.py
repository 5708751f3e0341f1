"""Check the path of a file and recognize its format before anything else is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sklearn_ecganon.io._errors import ECGReadError, sanitized
from sklearn_ecganon.io._files import PathLike, Source, regular_file
from sklearn_ecganon.io._format import Format
from sklearn_ecganon.io._limits import Limits
from sklearn_ecganon.io._registry import HEAD, recognize
from sklearn_ecganon.records import MILLIVOLTS


def check_source(
    path: PathLike,
    *,
    root: PathLike | None,
    limits: Limits | None,
    leads: Sequence[str] | None = None,
    annotator: str | None = None,
    sampling_rate: float | None = None,
    units: str | None = None,
    index: int = 0,
) -> tuple[Source, Format]:
    """Return a regular file below the root, and its format."""
    if isinstance(leads, str):
        raise ValueError(f"leads is a string; give a list, for example [{leads!r}].")
    if annotator is not None and not annotator.isidentifier():
        raise ValueError(f"annotator is {annotator!r}; give an extension like 'atr'.")
    if units is not None and units.lower() not in MILLIVOLTS:
        raise ValueError(f"units is {units!r}; give 'V', 'mV', 'uV' or 'nV'.")
    given = Path(path).absolute()
    with sanitized():
        folder = given.parent if root is None else Path(root)
        try:
            folder = folder.resolve(strict=True)
        except FileNotFoundError:
            raise ECGReadError("missing_file") from None
        except RuntimeError:
            raise ECGReadError("not_a_file") from None
        source = Source(
            regular_file(given, folder),
            folder,
            limits or Limits(),
            None if leads is None else tuple(leads),
            annotator,
            sampling_rate,
            units,
            index,
        )
        with given.open("rb") as file:
            head = file.read(HEAD)
        return source, recognize(head)
