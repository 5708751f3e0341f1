"""Measure how well sex and age are read from originals and from releases, with a control group.

    python -m benchmarks.inference [--protocols ecgid-same-day ludb ptbxl-300]
        [--contracts diagnostic measurement]

Releases are those of the pretrained pseudo-identity at strength 1. An attacker learns the
attribute from originals of other people ("ignorant") or from their releases ("informed"), and
reads it from the release. "members" and "control" are read from originals, of people in the
release and of others, after learning from the release: only their difference is a risk of
taking part. Sex is an AUC, age a rank correlation; "chance" is what 95 % of random assignments
stay below. The data sets state sex and age in headers or, for PTB-XL, in a table, where blank
ages are unknown and 300 means 90 years or more.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._results import Results, load, make_parser, print_header, table
from sklearn_ecganon import QRSSegmenter
from sklearn_ecganon.anonymizers import PseudoIdentityAnonymizer
from sklearn_ecganon.attacks import attribute_inference
from sklearn_ecganon.datasets import get_data_home
from sklearn_ecganon.io import read_identity
from sklearn_ecganon.report import attributes_of_headers

READINGS = ("original", "ignorant", "informed", "members", "control", "chance_high")
OLDEST = 90.0
#: Folder of each database with headers.
FOLDERS = {"ecgid-same-day": "ecgiddb", "ludb": "ludb"}
Attributes = Mapping[str, Mapping[str, Any]]


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = make_parser(__doc__)
    parser.add_argument(
        "--protocols", nargs="+", default=["ecgid-same-day", "ludb", "ptbxl-300"]
    )
    parser.add_argument("--contracts", nargs="+", default=["diagnostic", "measurement"])
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.protocols, arguments.contracts = ["synthetic"], ["diagnostic"]
    print_header(arguments)
    results = Results(arguments.out)
    lines = []
    for name in arguments.protocols:
        for contract in arguments.contracts:
            key = {"protocol": name, "contract": contract, "seed": arguments.seed}
            row = results.measure(key, partial(figures, name, contract, arguments))
            for attribute in ("sex", "age"):
                values = [row[f"{attribute}, {reading}"] for reading in READINGS]
                people = str(row[f"{attribute}, n_subjects"])
                lines.append([name, contract, attribute, people, *values])
    print(table(["data", "contract", "attribute", "people", *READINGS], lines), flush=True)
    return results.rows


def figures(name: str, contract: str, arguments: Any) -> dict[str, float]:
    """Return all readings of sex and age for one data set and one contract."""
    protocol = load(name, arguments, n_subjects=20, n_sessions=1, duration=12.0)
    segmenter = QRSSegmenter(leads=protocol.segmenter["leads"], on_error="mask")
    beats = segmenter.fit_transform(protocol.records)
    # A record whose beats cannot be found has no release.
    usable = np.flatnonzero(np.diff(beats.bounds()) > 0)
    model = PseudoIdentityAnonymizer.from_pretrained(
        1.0, contract=contract, random_state=arguments.seed
    )
    released = segmenter.inverse_transform(model.transform(beats[usable]))
    originals = [protocol.records[i] for i in usable]
    subjects = protocol.subjects[usable]
    values: dict[str, float] = {}
    for attribute, of_people in attributes_of(name, protocol, arguments).items():
        missing: Any = "" if attribute == "sex" else np.nan
        column = [of_people.get(str(subject), missing) for subject in subjects]
        inference = attribute_inference(
            originals,
            released,
            column,
            subjects,
            leads=protocol.segmenter["leads"],
            random_state=arguments.seed,
        )
        for figure, value in inference._asdict().items():
            values[f"{attribute}, {figure}"] = value
    return values


def attributes_of(name: str, protocol: Any, arguments: Any) -> Attributes:
    """Return sex and age by person."""
    people = [str(subject) for subject in protocol.subjects]
    if name in FOLDERS:
        folder = get_data_home(arguments.data_home) / FOLDERS[name]
        return attributes_of_headers(
            {
                person: read_identity(folder / f"{record.name}.hea", root=folder).comments
                for person, record in zip(people, protocol.records, strict=True)
            }
        )
    if name == "ptbxl-300":
        return _of_ptbxl(get_data_home(arguments.data_home) / name / "ptbxl_database.csv")
    names = sorted(set(people))
    return {
        "sex": {person: "FM"[i % 2] for i, person in enumerate(names)},
        "age": {person: 20.0 + i for i, person in enumerate(names)},
    }


def _of_ptbxl(path: Path) -> Attributes:
    with path.open(newline="") as file:
        rows = [
            row | {"person": str(int(float(row["patient_id"])))} for row in csv.DictReader(file)
        ]
    return {
        "sex": {row["person"]: {"0": "M", "1": "F"}.get(row["sex"], "") for row in rows},
        "age": {
            row["person"]: min(float(row["age"]), OLDEST) for row in rows if row["age"].strip()
        },
    }


if __name__ == "__main__":
    main()
