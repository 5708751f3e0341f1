"""What all benchmarks share: arguments, result rows that resume, and Markdown tables."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from sklearn_ecganon.datasets import load_protocol

# Enough people and beats of each class for every script to run.
QUICK = {"n_subjects": 6, "duration": 20.0, "arrhythmia": "ectopic"}


def make_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all scripts share.

    Parameters
    ----------
    doc : str
        The docstring of the script. Its first line describes the command.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data-home", help="the folder of the databases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file of JSON lines that the script extends")
    parser.add_argument(
        "--quick", action="store_true", help="a test of the script on synthetic data"
    )
    return parser


def print_header(arguments: argparse.Namespace) -> None:
    """Print the date, the machine and the settings above the figures."""
    settings = {k: v for k, v in vars(arguments).items() if v is not None and k != "data_home"}
    shown = ", ".join(f"{name} {value}" for name, value in settings.items())
    print(f"{date.today()}, {platform.machine()}: {shown}", flush=True)


def load(name: str, arguments: argparse.Namespace, **quick: Any) -> Any:
    """Load a protocol, or its synthetic stand-in with ``--quick``.

    Parameters
    ----------
    name : str
        As for `load_protocol`.
    arguments : argparse.Namespace
        From a parser of `make_parser`.
    **quick
        Arguments of `make_ecg_records` for the stand-in, in addition to `QUICK`.
    """
    if arguments.quick:
        return load_protocol("synthetic", **QUICK | quick)
    return load_protocol(name, data_home=arguments.data_home)


class Results:
    """Rows of figures. A row that the file already holds is not measured again.

    Parameters
    ----------
    path : Path, optional
        A file of JSON lines. It grows by one line with each measurement, so that an
        interrupted run continues where it stopped.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.rows = [json.loads(line) for line in path.read_text().splitlines()]

    def measure(
        self, key: Mapping[str, Any], function: Callable[[], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the row of a key: the stored one, or what the function measures now.

        Parameters
        ----------
        key : mapping of str to JSON value
            All settings that the figures depend on.
        function : callable
            Takes nothing and returns the figures.
        """
        key = _plain(key)
        for row in self.rows:
            if row["key"] == key:
                return row
        start = perf_counter()
        figures = _plain(function())
        seconds = round(perf_counter() - start, 1)
        row = {"key": key, "date": str(date.today()), "seconds": seconds, **figures}
        self.rows.append(row)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return row


def _plain(value: Any) -> Any:
    """Return the value with built-in types, for JSON."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; numbers are right-aligned, floats have three decimals."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(header, *cells, strict=True)]
    numeric = [
        all(_is_number(row[i]) for row in cells) and bool(cells) for i in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = [
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join([line(header), line(rule), *map(line, cells)])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == "-"
    return True
