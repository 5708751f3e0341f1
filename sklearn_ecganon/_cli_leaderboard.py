"""``ecganon leaderboard``: its options, and what it prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any


def add_leaderboard(commands: Any) -> None:
    """Add the subcommand with its two actions."""
    leaderboard = commands.add_parser(
        "leaderboard",
        help="measure an anonymizer of your own by the rules of the leaderboard",
        description="Measure any anonymizer with the recordings and attackers of the "
        "leaderboard, and show rows that were measured.",
    )
    actions = leaderboard.add_subparsers(required=True, metavar="ACTION")
    _add_run(actions)
    show = actions.add_parser("show", help="print rows as a table")
    show.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files of run")
    show.set_defaults(run=_show)


def _add_run(actions: Any) -> None:
    run = actions.add_parser(
        "run",
        help="measure one anonymizer and write a row",
        description="Import CLASS, fit it on the gallery of the protocol, release all "
        "recordings, attack them, and write a row in JSON. The module of CLASS is executed. "
        "With ecgid-same-day this takes a few minutes on two cores.",
    )
    run.add_argument("anonymizer", metavar="MODULE:CLASS", help="the current folder counts")
    # The names are repeated here so that --help does not import torch.
    run.add_argument(
        "--protocol",
        choices=("ecgid-same-day", "mitdb-time", "synthetic"),
        default="ecgid-same-day",
        help="which recordings (%(default)s)",
    )
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="parameters",
        help="a parameter of the anonymizer; VALUE is JSON, or else text",
    )
    run.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")
    run.add_argument(
        "--data-home",
        type=Path,
        help="folder of the databases; default: environment variable SKLEARN_ECGANON_DATA",
    )
    run.add_argument("--n-jobs", type=int, help="attackers that are trained at the same time")
    run.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="file to write; default: print the row"
    )
    run.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from sklearn_ecganon.leaderboard import load_anonymizer, results_table, run

    if arguments.out is not None and not arguments.out.absolute().parent.is_dir():
        # After many minutes this would be a pity.
        raise ValueError(f"{arguments.out.absolute().parent} is not a folder; make it first.")
    # A console script does not look for modules in the current folder.
    sys.path.insert(0, os.getcwd())
    parameters = dict(_parameter(text) for text in arguments.parameters)
    anonymizer = load_anonymizer(arguments.anonymizer, parameters)
    row = run(
        anonymizer,
        arguments.protocol,
        seed=arguments.seed,
        data_home=arguments.data_home,
        n_jobs=arguments.n_jobs,
    )
    text = json.dumps(row, indent=1) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text)
        print(results_table([row]))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from sklearn_ecganon.leaderboard import results_table

    print(results_table([json.loads(path.read_text()) for path in arguments.files]))
    return 0


def _parameter(text: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE``."""
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise ValueError(f"--set is {text!r}; write NAME=VALUE, for example strength=0.5.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
