"""``ecganon anonymize``: its options, and what it prints."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn_ecganon._cli_options import (
    CHECKSUM_HINT,
    CONTRACTS,
    WRITABLE,
    add_accept_bad_checksums,
    add_reading,
    add_subjects,
    limits_of,
    names,
    subjects_of,
)
from sklearn_ecganon.archive import METHODS

if TYPE_CHECKING:
    from sklearn_ecganon.archive import Metadata


def add_anonymize(commands: Any) -> None:
    """Add the subcommand."""
    anonymize = commands.add_parser(
        "anonymize",
        help="anonymize all recordings of a folder",
        description="Anonymize all recordings of IN, whatever their format, into OUT under "
        "opaque names: waveforms, annotations, headers. OUT/manifest.jsonl lists the outcomes. "
        "Ends with 0 if all recordings were done, 1 if some were refused, 2 after an error.",
    )
    anonymize.add_argument("source", type=Path, metavar="IN", help="folder, or one recording")
    anonymize.add_argument("out", type=Path, metavar="OUT", help="new or empty folder")
    anonymize.add_argument(
        "--method",
        choices=METHODS,
        default="pseudo-identity",
        help="%(default)s, or one of the baselines, which remove little",
    )
    anonymize.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help="from 0, which copies the samples, rounded to the steps of the output file, to 1, "
        "which removes the most (%(default)s)",
    )
    anonymize.add_argument(
        "--contract", choices=CONTRACTS, help="what must survive (default: diagnostic)"
    )
    anonymize.add_argument(
        "--k",
        type=int,
        default=1,
        help="smallest number of people who share the categories of a release. Above 1, all "
        "recordings are read twice, and beat classes and rhythm are drawn anew (%(default)s)",
    )
    anonymize.add_argument(
        "--model", type=Path, metavar="FILE", help="weights written by `ecganon fit`"
    )
    anonymize.add_argument(
        "--seed-file",
        type=Path,
        metavar="FILE",
        help="the secret that names and pseudo-identities are derived from; created if it "
        "does not exist. Needed to --resume. Never share it",
    )
    anonymize.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="write which recording became which. Never share it",
    )
    anonymize.add_argument("--resume", action="store_true", help="continue an interrupted run")
    anonymize.add_argument(
        "--dry-run", action="store_true", help="show what would be done, but write nothing"
    )
    anonymize.add_argument(
        "--format", choices=WRITABLE, help="format to write; default: that of each recording"
    )
    anonymize.add_argument(
        "--leads", nargs="+", metavar="LEAD", help="leads to keep; default: all"
    )
    add_reading(anonymize)
    anonymize.add_argument(
        "--detector",
        choices=("sleepecg", "neurokit", "xqrs", "gqrs", "annotated"),
        default="sleepecg",
        help="method that finds the beats (%(default)s)",
    )
    add_accept_bad_checksums(anonymize, "accept", "; the manifest notes it")
    _add_people(anonymize)
    anonymize.add_argument(
        "--n-jobs",
        type=int,
        help="number of recordings at the same time; -1 for one on each processor",
    )
    anonymize.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask scheduler, for example tcp://host:8786. Its workers must see IN and OUT "
        "under the same paths",
    )
    anonymize.set_defaults(run=_anonymize)


def _add_people(command: Any) -> None:
    """Add the options about persons and what is known about them."""
    add_subjects(command)
    command.add_argument(
        "--identity",
        choices=("per-record", "per-subject"),
        default="per-record",
        help="whether each recording or each person gets a pseudo-identity of its own "
        "(%(default)s). With per-subject the recordings of a person can be followed over "
        "time, and whoever recognizes one of them has recognized all",
    )
    command.add_argument(
        "--shift-dates",
        action="store_true",
        help="write dates of acquisition to OUT/metadata.csv, moved into the past by a secret "
        "number of days for each person. The time between two recordings of a person stays, "
        "which links them. Default: no dates. Headers hold none in any case",
    )
    command.add_argument(
        "--metadata",
        type=Path,
        metavar="TABLE",
        help="CSV file with a line for each recording, of which --columns are carried over to "
        "OUT/metadata.csv under the opaque names",
    )
    command.add_argument(
        "--columns",
        type=names,
        metavar="NAME,...",
        help="columns of --metadata, for example age,sex. Names, numbers of people, dates, "
        "free text and columns with a value for each person are refused; single values that "
        "only one person has are left empty",
    )


def _metadata_of(arguments: argparse.Namespace) -> Metadata | None:
    if (arguments.metadata is None) != (not arguments.columns):
        raise ValueError("--metadata and --columns go together; give both.")
    if arguments.metadata is None:
        return None
    from sklearn_ecganon.archive import Metadata

    return Metadata.from_table(
        arguments.metadata, arguments.columns, record=arguments.record_column
    )


def _anonymize(arguments: argparse.Namespace) -> int:
    if arguments.resume and arguments.seed_file is None:
        raise ValueError("--resume needs the --seed-file of the run that was cut off.")
    from sklearn_ecganon._display import Display
    from sklearn_ecganon.archive import RecordAnonymizer, make_anonymizer

    method, strength, contract = arguments.method, arguments.strength, arguments.contract
    release = RecordAnonymizer(
        partial(
            make_anonymizer,
            method,
            strength,
            contract=contract,
            weights=arguments.model,
            identity=arguments.identity,
            k=arguments.k,
        ),
        detector=arguments.detector,
        format=arguments.format,
        leads=arguments.leads,
        sampling_rate=arguments.sampling_rate,
        units=arguments.units,
        limits=limits_of(arguments),
    )
    has_contract = method == "pseudo-identity"
    parameters = {
        "method": method,
        "strength": f"{strength:g}",
        "contract": (contract or "diagnostic") if has_contract else None,
        "k": str(arguments.k) if arguments.k > 1 else None,
        "identity": "per-subject" if arguments.identity == "per-subject" else None,
    }
    subjects, metadata = subjects_of(arguments), _metadata_of(arguments)
    if arguments.key_file is None and not arguments.dry_run:
        print(
            "ecganon: without --key-file nobody will know which release is of which recording.",
            file=sys.stderr,
        )
    try:
        with Display(parameters, format=arguments.format, resume=arguments.resume) as display:
            release.anonymize_folder(
                arguments.source,
                arguments.out,
                resume=arguments.resume,
                dry_run=arguments.dry_run,
                n_jobs=arguments.n_jobs,
                scheduler=arguments.scheduler,
                seed_file=arguments.seed_file,
                key_file=arguments.key_file,
                subjects=subjects,
                metadata=metadata,
                shift_dates=arguments.shift_dates,
                on_progress=display,
            )
    except OSError as error:  # its own message may hold a path
        raise ValueError(f"stopped: {error.strerror or 'cannot write'}.") from None
    if arguments.dry_run:
        return 0
    display.show_result()
    if any(outcome.reason == "bad_checksum" for outcome in display.outcomes):
        print(CHECKSUM_HINT)
    return int(any(outcome.outcome == "refused" for outcome in display.outcomes))
