"""The methods that all results share, and numbers for JSON."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame


class ResultMixin:
    """Adds to a result its rows as a table, a short `repr`, and an HTML `repr`."""

    def to_records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        raise NotImplementedError

    def to_frame(self) -> DataFrame:
        """Return the rows as a data frame; needs pandas.

        Returns
        -------
        frame : pandas.DataFrame
            One row for each row of the result.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ImportError("to_frame needs pandas; run pip install pandas") from error
        return DataFrame(self.to_records())

    def _summary(self) -> dict[str, str]:
        """Return the headline figures in words, by name."""
        raise NotImplementedError

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self._summary().items())
        return f"{type(self).__name__}({figures})"

    def _repr_html_(self) -> str:
        headline = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._summary().items()
        )
        return (
            f"<table>{headline}</table>"
            f"<details><summary>all figures</summary><pre>{escape(str(self))}</pre></details>"
        )


def json_number(value: Any) -> Any:
    """Return None for a number that is not finite, which JSON cannot hold."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
