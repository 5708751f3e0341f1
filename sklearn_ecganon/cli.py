"""The ``ecganon`` command: each subcommand parses, calls one public function, and shows."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn_ecganon._cli_anonymize import add_anonymize
from sklearn_ecganon._cli_fit import add_fit
from sklearn_ecganon._cli_options import (
    CONTRACTS,
    add_accept_bad_checksums,
    add_reading,
    limits_of,
)
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
        0 if all is well; 1 for refused recordings or more than the accepted risk; 2 for errors.

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
    parser.add_argument(
        "--version", action="version", version=f"ecganon {version('sklearn-ecganon')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_anonymize(commands)
    _add_info(commands)
    add_fit(commands)
    _add_audit(commands)
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
        help="anonymize, attack and tune on example data, within minutes",
        description="Replace the non-QRS part of every beat with the output of a VAE, let "
        "attackers with more and more knowledge identify the people, and plot the trade-off.",
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


def _add_audit(commands: Any) -> None:
    audit = commands.add_parser(
        "audit",
        help="measure who could be recognized in a release, whatever made it",
        description="Compare the recordings of AFTER with those of BEFORE: attackers try to "
        "recognize the people, and utility measures compare what was kept. The folders may "
        "hold any format. Recordings are matched by name, or by the file given with --key.",
    )
    audit.add_argument("before", type=Path, metavar="BEFORE", help="folder of the originals")
    audit.add_argument("after", type=Path, metavar="AFTER", help="folder of the releases")
    audit.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="CSV file with a column 'record' (path in BEFORE) and any of 'subject', 'session' "
        "and 'released' (path in AFTER), for example that of `ecganon anonymize --key-file`; "
        "by default the subject is the folder of a recording, and the session its date",
    )
    add_reading(audit)
    add_accept_bad_checksums(audit, "compare", " too")
    audit.add_argument(
        "--contract",
        choices=CONTRACTS,
        default="diagnostic",
        help="what the release is meant to keep (%(default)s)",
    )
    audit.add_argument(
        "--attackers",
        nargs="+",
        default=["default"],
        metavar="NAME",
        help="a panel (default or strongest), or names of attackers (%(default)s)",
    )
    audit.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures to this file"
    )
    audit.add_argument("--html", type=Path, metavar="FILE", help="write a page to this file")
    audit.add_argument(
        "--max-risk",
        type=float,
        metavar="FRACTION",
        help="end with status 1 if more of the people are recognized, for example 0.1",
    )
    audit.add_argument(
        "--n-jobs", type=int, help="number of attackers trained at the same time"
    )
    audit.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    audit.set_defaults(run=_audit)


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


def _audit(arguments: argparse.Namespace) -> int:
    from sklearn_ecganon.report import audit_folders

    for file in (arguments.json, arguments.html):
        if file is not None and not file.absolute().parent.is_dir():
            raise ValueError(f"{file}: its folder does not exist.")
    names = arguments.attackers
    result = audit_folders(
        arguments.before,
        arguments.after,
        key=arguments.key,
        sampling_rate=arguments.sampling_rate,
        units=arguments.units,
        limits=limits_of(arguments),
        contract=arguments.contract,
        attackers=names[0] if len(names) == 1 else names,
        random_state=arguments.seed,
        n_jobs=arguments.n_jobs,
        verbose=1,
    )
    print(result)
    if arguments.json is not None:
        result.to_json(arguments.json)
    if arguments.html is not None:
        result.to_html(arguments.html)
    if arguments.max_risk is not None and result.evaluation.worst.rank1 > arguments.max_risk:
        print(
            f"ecganon: {result.evaluation.worst.rank1:.1%} are recognized, more than "
            f"{arguments.max_risk:.1%}.",
            file=sys.stderr,
        )
        return 1
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    # Torch takes seconds to import; `--help` must not wait for it.
    from sklearn_ecganon._demo import run_demo

    home = arguments.data_home or os.environ.get("SKLEARN_ECGANON_DATA")
    run_demo(
        arguments.data, None if home is None else Path(home), arguments.out, arguments.seed
    )
    return 0
