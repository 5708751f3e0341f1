"""Options that several subcommands of ``ecganon`` share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn_ecganon.io import FORMATS, Limits

if TYPE_CHECKING:
    from sklearn_ecganon.archive import Subjects

# `contracts` takes seconds to import; a test compares the two.
CONTRACTS = ("diagnostic", "measurement")
CHECKSUM_HINT = (
    "hint         --accept-bad-checksums reads recordings that were refused as bad_checksum; "
    "do so only if you know why their samples were changed"
)
WRITABLE = tuple(name for name, format in FORMATS.items() if format.writer is not None)


def add_reading(command: Any) -> None:
    """Add the options for recordings that do not state their rate or their units."""
    command.add_argument(
        "--sampling-rate",
        type=float,
        metavar="HZ",
        help="sampling rate of tables and MATLAB files that do not state theirs",
    )
    command.add_argument(
        "--units",
        choices=("V", "mV", "uV", "nV"),
        help="units of tables and MATLAB files that do not state theirs (mV)",
    )


def add_accept_bad_checksums(command: Any, verb: str, more: str) -> None:
    """Add the option to accept what disagrees with its checksum."""
    command.add_argument(
        "--accept-bad-checksums",
        action="store_true",
        help=f"{verb} WFDB recordings that disagree with their checksum{more}",
    )


def add_subjects(command: Any) -> None:
    """Add the options that say which person each recording is of."""
    who = command.add_mutually_exclusive_group()
    who.add_argument(
        "--subjects",
        type=Path,
        metavar="TABLE",
        help="CSV file with a column 'record' (path in the folder) and a column 'subject': who "
        "is who. Default: the recordings of one folder are those of one person, unless they "
        "lie in the input folder itself",
    )
    who.add_argument(
        "--subject-regex",
        metavar="REGEX",
        help="regular expression that is searched for in the path of a recording; its first "
        r"group is the person, for example 'files/p\d+/(p\d+)/'",
    )
    command.add_argument(
        "--record-column",
        default="record",
        metavar="NAME",
        help="column of TABLE that holds the path of a recording (%(default)s)",
    )
    command.add_argument(
        "--subject-column",
        default="subject",
        metavar="NAME",
        help="column of TABLE that holds the person (%(default)s)",
    )


def names(text: str) -> tuple[str, ...]:
    """Return the names of an option that takes several, separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def subjects_of(arguments: argparse.Namespace) -> Subjects | None:
    """Return who is who, or None for folders."""
    from sklearn_ecganon.archive import Subjects

    if arguments.subjects is not None:
        return Subjects.from_table(
            arguments.subjects,
            record=arguments.record_column,
            subject=arguments.subject_column,
        )
    if arguments.subject_regex is not None:
        return Subjects.from_regex(arguments.subject_regex)
    return None


def limits_of(arguments: argparse.Namespace) -> Limits:
    """Return the limits that the options ask for."""
    return Limits(checksum="warn" if arguments.accept_bad_checksums else "refuse")
