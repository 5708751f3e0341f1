"""``ecganon fit``: its options, and what it prints."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from sklearn_ecganon._cli_options import (
    CHECKSUM_HINT,
    add_accept_bad_checksums,
    add_subjects,
    limits_of,
    subjects_of,
)


def add_fit(commands: Any) -> None:
    """Add the subcommand."""
    fit = commands.add_parser(
        "fit",
        help="train the anonymizer on your own archive",
        description="Learn a population of synthetic people from the recordings of FOLDER. "
        "The model file holds synthetic people and statistics, no recording. Recordings of 20 "
        "people are needed at least, and of 100 or more advised.",
    )
    fit.add_argument("source", type=Path, metavar="FOLDER", help="folder to learn from")
    fit.add_argument(
        "-o", "--out", type=Path, required=True, metavar="MODEL", help="file to write"
    )
    fit.add_argument(
        "--leads", nargs="+", metavar="LEAD", help="default: those of the first recording"
    )
    fit.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        help="minutes of each recording to use (%(default)s)",
    )
    fit.add_argument(
        "--epsilon",
        type=float,
        help="adapt the shipped population with differential privacy of each person; needs no "
        "20 people, but hundreds to be useful. Smaller is more private",
    )
    fit.add_argument(
        "--delta",
        type=float,
        default=1e-5,
        help="with --epsilon: probability of a failure, below one over the number of people "
        "(%(default)s)",
    )
    add_subjects(fit)
    add_accept_bad_checksums(fit, "learn from", " too")
    fit.set_defaults(run=_fit)


def _fit(arguments: argparse.Namespace) -> int:
    from sklearn_ecganon._display import FitDisplay
    from sklearn_ecganon.archive import fit_archive
    from sklearn_ecganon.exceptions import FewSubjectsWarning

    with warnings.catch_warnings(record=True) as caught, FitDisplay() as display:
        warnings.simplefilter("always", FewSubjectsWarning)
        result = fit_archive(
            arguments.source,
            arguments.out,
            leads=arguments.leads,
            minutes=arguments.minutes,
            limits=limits_of(arguments),
            subjects=subjects_of(arguments),
            epsilon=arguments.epsilon,
            delta=arguments.delta,
            on_progress=display,
        )
    for warning in caught:
        if issubclass(warning.category, FewSubjectsWarning):
            print(f"ecganon: {warning.message}", file=sys.stderr)
    reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(result.left_out.items()))
    print(
        f"trained on {result.n_records} recordings of {result.n_subjects} people"
        + (f"; left out: {reasons}" if result.left_out else "")
    )
    if arguments.epsilon is not None:
        print(
            f"differential privacy of each person: epsilon {arguments.epsilon:g}, delta "
            f"{arguments.delta:g}; the shipped population counts as public"
        )
    if "bad_checksum" in result.left_out:
        print(CHECKSUM_HINT)
    return 0
