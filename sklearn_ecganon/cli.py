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
        0; 1 where an audit found more than the accepted risk; 2 after an error that was told
        on stderr.

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
    audit = commands.add_parser(
        "audit",
        help="measure who could be recognised in a release, whoever made it",
        description="Hold the records of AFTER against those of BEFORE: attackers try to name "
        "the people, and utilities compare what is left. A record is released under its old "
        "name, or under the one that --key tells.",
    )
    audit.add_argument("before", type=Path, help="folder of the original WFDB records")
    audit.add_argument("after", type=Path, help="folder of the released WFDB records")
    audit.add_argument(
        "--key",
        type=Path,
        help="CSV file with a column 'record' (path in BEFORE without extension) and any of "
        "'subject', 'session' and 'released' (path in AFTER); by default the subject is the "
        "record's folder, and the session its date",
    )
    audit.add_argument(
        "--contract",
        choices=("diagnostic", "measurement"),
        default="diagnostic",
        help="what the release promises to keep (%(default)s)",
    )
    audit.add_argument(
        "--attackers",
        nargs="+",
        default=["default"],
        metavar="NAME",
        help="a panel, default or strongest, or attackers by name (%(default)s)",
    )
    audit.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    audit.add_argument("--html", type=Path, metavar="FILE", help="write a page there")
    audit.add_argument(
        "--max-risk",
        type=float,
        metavar="SHARE",
        help="end with status 1 if more of the people are recognised, for example 0.1",
    )
    audit.add_argument("--n-jobs", type=int, help="attackers trained at the same time")
    audit.add_argument("--seed", type=int, default=0, help="of everything random (%(default)s)")
    audit.set_defaults(run=_audit)
    return parser


def _audit(arguments: argparse.Namespace) -> int:
    from sklearn_ecganon.report._folders import audit_folders

    for file in (arguments.json, arguments.html):
        if file is not None and not file.absolute().parent.is_dir():
            raise ValueError(f"{file}: there is no such folder to write into.")
    names = arguments.attackers
    result = audit_folders(
        arguments.before,
        arguments.after,
        key=arguments.key,
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
    if arguments.max_risk is not None and result.ladder.worst.rank1 > arguments.max_risk:
        print(
            f"ecganon: {result.ladder.worst.rank1:.1%} are recognised, more than "
            f"{arguments.max_risk:.1%}.",
            file=sys.stderr,
        )
        return 1
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    # Torch and the rest take seconds to import, which `--help` need not wait for.
    from sklearn_ecganon._demo import run_demo

    home = arguments.data_home or os.environ.get("SKLEARN_ECGANON_DATA")
    run_demo(
        arguments.data, None if home is None else Path(home), arguments.out, arguments.seed
    )
    return 0
