"""The ``ecganon`` command: a thin skin over the package."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

DATA = ("mitdb", "ecgid", "synthetic")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    status : int
        0, or 2 after an error that was told on stderr.

    Examples
    --------
    >>> from sklearn_ecganon.cli import main
    >>> main(["demo", "--data", "synthetic", "--out", "/dev/null/figures"])
    2
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (OSError, ValueError, ImportError) as error:
        print(f"ecganon: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecganon", description="Share ECGs, not identities, and measure what is left."
    )
    parser.add_argument(
        "--version", action="version", version=f"ecganon {version('sklearn-ecganon')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="anonymize, attack and tune on example data, in minutes",
        description="Replace the non-QRS part of every beat by a VAE's, let attackers who "
        "know more and more name the people, and draw the trade-off.",
    )
    demo.add_argument(
        "--data",
        choices=DATA,
        help="default: mitdb, else ecgid, whichever lies in the data folder; else synthetic",
    )
    demo.add_argument(
        "--data-home",
        type=Path,
        help="folder of the databases; default: the environment's SKLEARN_ECGANON_DATA",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("figures"), help="folder of the figures (%(default)s)"
    )
    demo.add_argument("--seed", type=int, default=0, help="of everything random (%(default)s)")
    demo.set_defaults(run=_demo)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    # Torch and the rest take seconds to import, which `--help` need not wait for.
    from sklearn_ecganon._demo import run_demo

    home = arguments.data_home or os.environ.get("SKLEARN_ECGANON_DATA")
    run_demo(
        arguments.data, None if home is None else Path(home), arguments.out, arguments.seed
    )
    return 0
