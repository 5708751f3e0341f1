"""The subcommand ``ecganon audit``: its options, and what it prints and returns."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from sklearn_ecganon._cli_options import (
    CONTRACTS,
    add_accept_bad_checksums,
    add_reading,
    add_subjects,
    limits_of,
    names,
    subjects_of,
)
from sklearn_ecganon.archive import METHODS

DESCRIPTION = (
    "Compare the recordings of AFTER with those of BEFORE: attackers try to recognize the "
    "people, and utility measures compare what was kept. The folders may hold any format. "
    "Recordings are matched by the file given with --key, or by equal names, and by nothing "
    "else. The verdict is one of: at or below the limit, above the limit, cannot tell."
)
EPILOG = (
    "Ends with 0 after an audit without --max-risk, or if the risk is at or below that limit; "
    "1 if it is above; 3 if the audit cannot tell (fewer than 20 people, only ignorant "
    "attackers, weak attackers, or too few people for the limit); 2 after an error."
)
STATUS_ABOVE, STATUS_UNKNOWN = 1, 3


def add_audit(commands: Any) -> None:
    """Add the subcommand.

    Parameters
    ----------
    commands : subparsers
        Of the command.
    """
    audit = commands.add_parser(
        "audit",
        help="measure who could be recognized in a release, whatever made it",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    _add_folders(audit)
    _add_measurement(audit)
    add_reading(audit)
    add_accept_bad_checksums(audit, "compare", " too")
    audit.set_defaults(run=_audit)


def _add_folders(audit: argparse.ArgumentParser) -> None:
    audit.add_argument("before", type=Path, metavar="BEFORE", help="folder of the originals")
    audit.add_argument("after", type=Path, metavar="AFTER", help="folder of the releases")
    people = audit.add_argument_group("which recordings belong together")
    people.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="CSV file with a column 'record' (path in BEFORE) and any of 'subject', 'session' "
        "and 'released' (path in AFTER), for example that of `ecganon anonymize --key-file`; "
        "by default the subject is the folder of a recording, and the session its date",
    )
    add_subjects(people)
    known = audit.add_argument_group("what else is known about the people")
    known.add_argument(
        "--metadata",
        type=Path,
        metavar="TABLE",
        help="CSV file with a line for each recording or each person, in the columns that "
        "--record-column and --subject-column name; default: that of --subjects. A column "
        "'session' replaces the dates",
    )
    known.add_argument(
        "--attributes",
        type=names,
        metavar="NAME,...",
        help="columns of the metadata that attackers infer from the release; default: sex and "
        "age, where the metadata or the headers of the originals state them",
    )
    known.add_argument(
        "--labels",
        type=names,
        default=(),
        metavar="NAME,...",
        help="columns of the metadata with clinical labels: a net learns each from originals "
        "and from the release, and is tested on both. Takes minutes for each",
    )
    software = audit.add_argument_group(
        "the software that made the release",
        "With any of these the originals are anonymized again with fresh secrets, and the "
        "attackers are trained on the result, as an attacker could do who has the software.",
    )
    software.add_argument("--method", choices=METHODS, help="as in `ecganon anonymize`")
    software.add_argument("--strength", type=float, help="as in `ecganon anonymize` (1)")
    software.add_argument("--k", type=int, help="as in `ecganon anonymize` (1)")
    software.add_argument(
        "--model", type=Path, metavar="FILE", help="as in `ecganon anonymize`"
    )


def _add_measurement(audit: argparse.ArgumentParser) -> None:
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
        "--realism",
        action="store_true",
        help="compare strips of the release with real ones of other people; needs 20 people",
    )
    audit.add_argument(
        "--max-risk",
        type=_fraction,
        metavar="FRACTION",
        help="limit for the fraction of people who are recognized, between 0 and 1. With it, "
        "the exit status tells the verdict (without it, the verdict takes 0.09)",
    )
    audit.add_argument(
        "--allow-ignorant",
        action="store_true",
        help="let --max-risk pass although no attacker was trained on releases",
    )
    audit.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures to this file"
    )
    audit.add_argument("--html", type=Path, metavar="FILE", help="write a page to this file")
    audit.add_argument(
        "--hide-names",
        action="store_true",
        help="show numbers in place of the names of originals and subjects",
    )
    audit.add_argument(
        "--n-jobs", type=int, help="number of attackers trained at the same time"
    )
    audit.add_argument("--seed", type=int, default=0, help="random seed (%(default)s)")


def _audit(arguments: argparse.Namespace) -> int:
    from sklearn_ecganon.report import ABOVE, MAX_RISK, UNKNOWN, audit_folders

    for file in (arguments.json, arguments.html):
        if file is not None and not file.absolute().parent.is_dir():
            raise ValueError(f"{file}: its folder does not exist.")
    attackers = arguments.attackers
    result = audit_folders(
        arguments.before,
        arguments.after,
        key=arguments.key,
        subjects=subjects_of(arguments),
        metadata=arguments.metadata or arguments.subjects,
        attributes=arguments.attributes,
        labels=arguments.labels,
        record_column=arguments.record_column,
        subject_column=arguments.subject_column,
        realism=arguments.realism,
        anonymizer=_software(arguments),
        sampling_rate=arguments.sampling_rate,
        units=arguments.units,
        limits=limits_of(arguments),
        contract=arguments.contract,
        max_risk=MAX_RISK if arguments.max_risk is None else arguments.max_risk,
        allow_ignorant=arguments.allow_ignorant,
        attackers=attackers[0] if len(attackers) == 1 else attackers,
        random_state=arguments.seed,
        n_jobs=arguments.n_jobs,
        verbose=1,
    )
    if arguments.hide_names:
        result = result.without_names()
    print(result)
    if arguments.json is not None:
        result.to_json(arguments.json)
    if arguments.html is not None:
        result.to_html(arguments.html)
    status = {ABOVE: STATUS_ABOVE, UNKNOWN: STATUS_UNKNOWN}.get(result.outcome, 0)
    if arguments.max_risk is None or not status:
        return 0
    reasons = "; ".join(result.decision.reasons) or f"{result.decision.risk:.1%} are recognized"
    print(
        f"ecganon: {result.outcome} of {arguments.max_risk:.1%}: {reasons}."
        if status == STATUS_ABOVE
        else f"ecganon: cannot tell whether the risk is at or below {arguments.max_risk:.1%}: "
        f"{reasons}.",
        file=sys.stderr,
    )
    return status


def _software(arguments: argparse.Namespace) -> Any:
    """Return what makes the anonymizer that was named, or None if none was."""
    method, strength, model = arguments.method, arguments.strength, arguments.model
    if method is None and strength is None and model is None and arguments.k is None:
        return None
    from sklearn_ecganon.archive import make_anonymizer

    method = method or "pseudo-identity"
    contract = arguments.contract if method == "pseudo-identity" else None
    software = partial(
        make_anonymizer,
        method,
        1.0 if strength is None else strength,
        contract=contract,
        weights=model,
        k=1 if arguments.k is None else arguments.k,
    )
    software()  # a wrong parameter must be found before the folders are read
    return software


def _fraction(text: str) -> float:
    """Return a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(
            f"{text} is not between 0 and 1; give a fraction, for example 0.05 for 5 %"
        )
    return value
