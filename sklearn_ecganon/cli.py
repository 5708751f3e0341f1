"""The ``ecganon`` command: each subcommand parses, calls one public function, and shows."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn_ecganon import __version__
from sklearn_ecganon._cli_anonymize import add_anonymize
from sklearn_ecganon._cli_audit import add_audit
from sklearn_ecganon._cli_fit import add_fit
from sklearn_ecganon._cli_leaderboard import add_leaderboard
from sklearn_ecganon.io import Limits, open_record

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
        0 if all is well; 1 for refused recordings or more than the accepted risk; 2 for
        errors; 3 if an audit cannot tell.

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
    except KeyboardInterrupt:
        print("ecganon: stopped.", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecganon", description="Share ECGs, not identities, and measure what remains."
    )
    parser.add_argument("--version", action="version", version=f"ecganon {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_anonymize(commands)
    _add_info(commands)
    add_fit(commands)
    add_audit(commands)
    add_leaderboard(commands)
    _add_demo(commands)
    return parser


def _add_info(commands: Any) -> None:
    info = commands.add_parser(
        "info",
        help="show the layout of a recording, but nothing about the person",
        description="Show format, leads, rate and length of a recording. Names, dates and "
        "comments in its header are not shown.",
    )
    info.add_argument("file", type=Path, metavar="FILE", help="for WFDB the header, NAME.hea")
    info.set_defaults(run=_info)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="anonymize and attack example data, within minutes",
        description="Anonymize by a published method and by the method of this package, let "
        "attackers with more and more knowledge identify the people, and draw both.",
    )
    demo.add_argument(
        "--data",
        choices=DATA,
        help="default: mitdb or ecgid if the data folder holds one of them, else synthetic",
    )
    demo.add_argument(
        "--data-home",
        type=Path,
        help="folder of the databases; default: environment variable SKLEARN_ECGANON_DATA",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("figures"), help="folder for the figures (%(default)s)"
    )
    demo.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    demo.set_defaults(run=_demo)


def _info(arguments: argparse.Namespace) -> int:
    with open_record(arguments.file, limits=Limits(checksum="warn")) as reader:
        annotations = reader.annotations
        minutes, seconds = divmod(reader.n_times / reader.sampling_rate, 60)
        rows = {
            "format": reader.layout.format,
            "recordings": reader.n_records if reader.n_records > 1 else None,
            "leads": " ".join(name.replace(" ", "_") for name in reader.lead_names),
            "rate": f"{reader.sampling_rate:g} Hz",
            "length": f"{reader.n_times} samples, {minutes:.0f} min {seconds:.1f} s",
            "gain": " ".join(f"{gain:g}" for gain in reader.gain) + " units/mV"
            if reader.gain
            else "floating point",
            "annotations": "none"
            if annotations is None
            else f"{len(annotations)}, {len(annotations.r_peaks)} of them beats",
            "warnings": " ".join(reader.warnings) or None,
        }
    for name, value in rows.items():
        if value is not None:
            print(f"{name:<13}{value}")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    # Torch takes seconds to import; `--help` must not wait for it.
    from sklearn_ecganon._demo import run_demo

    home = arguments.data_home or os.environ.get("SKLEARN_ECGANON_DATA")
    run_demo(
        arguments.data, None if home is None else Path(home), arguments.out, arguments.seed
    )
    return 0
