"""Anonymize the originals again, as an attacker who has the software does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.archive import RecordAnonymizer, Subjects
from sklearn_ecganon.datasets import load_records
from sklearn_ecganon.io import Limits
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.report._provenance import manifest_of
from sklearn_ecganon.report._tables import partners_of_key, read_key

SAME = ("method", "strength", "contract", "k", "model")


def views_by_software(
    anonymizer: Any,
    before: Path,
    originals: Bunch,
    people: Sequence[str],
    n_views: int,
    *,
    manifest: dict[str, Any] | None,
    sampling_rate: float | None,
    units: str | None,
    limits: Limits | None,
    n_jobs: int | None,
) -> list[list[ECGRecord]]:
    """Return releases of a folder, each with a secret of its own.

    Parameters
    ----------
    anonymizer : estimator or callable
        As in `RecordAnonymizer`.
    before : Path
        The folder of the originals.
    originals : Bunch
        Its recordings, from `load_records`.
    people : sequence of str
        The person of each original, for releases whose profiles k people share.
    n_views : int
        How many releases.
    manifest : dict or None
        First line of the manifest of the release that is audited. Detector, format and leads
        are taken from it, and method, strength, contract and weights must agree with it.
    sampling_rate, units, limits, n_jobs : object
        As in `RecordAnonymizer`.

    Returns
    -------
    views : list of list of ECGRecord
        Under the names of the originals.

    Raises
    ------
    ValueError
        If the manifest states another method, strength, contract or k, or other weights.
    """
    options = manifest or {}
    subjects = None
    if options.get("k", 1) > 1:
        persons = dict(zip(originals.files, people, strict=True))
        subjects = Subjects({path: path for path in originals.omitted} | persons)
    views = []
    for _ in range(n_views):
        with tempfile.TemporaryDirectory() as folder:
            out, key = Path(folder, "view"), Path(folder, "key.csv")
            software = RecordAnonymizer(
                anonymizer,
                detector=options.get("detector") or "sleepecg",
                format=options.get("format"),
                leads=options.get("leads"),
                sampling_rate=sampling_rate,
                units=units,
                limits=limits,
            )
            software.anonymize_folder(
                before, out, key_file=key, n_jobs=n_jobs, subjects=subjects
            )
            _check_same(options, manifest_of(out) or {})
            releases = load_records(
                out, sampling_rate=sampling_rate, limits=limits, on_error="omit"
            )
            partners = partners_of_key(releases, originals, read_key(key), key, out)
        views.append(
            [
                replace(record, name=name)
                for record in releases.data
                if (name := partners[record.name]) is not None
            ]
        )
    return views


def _check_same(stated: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse software that is not the one which the manifest of a release states."""
    for name in SAME:
        if name in stated and stated[name] != given.get(name):
            raise ValueError(
                f"the release was made with {name} {stated[name]}, as its manifest states, but "
                f"the audit was given {name} {given.get(name)}; give the same."
            )
