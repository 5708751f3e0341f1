"""Audit the recordings of a folder against their releases in another folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from sklearn_ecganon.archive import Subjects
from sklearn_ecganon.attacks import default_n_views
from sklearn_ecganon.datasets import load_records
from sklearn_ecganon.io import Limits, open_record, read_identity
from sklearn_ecganon.records import ECGRecord
from sklearn_ecganon.report._audit import audit
from sklearn_ecganon.report._provenance import manifest_of, provenance_of
from sklearn_ecganon.report._result import AuditResult
from sklearn_ecganon.report._sessions import enough_probed
from sklearn_ecganon.report._software import views_by_software
from sklearn_ecganon.report._tables import (
    Attributes,
    Columns,
    attributes_of_columns,
    attributes_of_headers,
    chosen_columns,
    columns_of_table,
    partners_of_key,
    read_key,
    with_subjects_of_key,
)

PathLike = str | os.PathLike[str]
USUAL_ATTRIBUTES = ("sex", "age")


def audit_folders(
    before: PathLike,
    after: PathLike,
    *,
    key: PathLike | None = None,
    subjects: Subjects | None = None,
    metadata: PathLike | None = None,
    attributes: Sequence[str] | None = None,
    labels: Sequence[str] = (),
    record_column: str = "record",
    subject_column: str = "subject",
    anonymizer: Any = None,
    n_views: int | None = None,
    sampling_rate: float | None = None,
    units: str | None = None,
    limits: Limits | None = None,
    verbose: int = 0,
    **parameters: Any,
) -> AuditResult:
    """Audit the recordings of a folder against their releases in another folder.

    Both folders may hold any format that `load_records` reads, also different ones.
    Recordings that cannot be read are left out; the result lists them.

    Parameters
    ----------
    before, after : str or path-like
        Folder of the originals, and folder of the releases.
    key : str or path-like, optional
        CSV file with a column ``record`` and any of ``subject``, ``session`` and
        ``released``, as `RecordAnonymizer.anonymize_folder` writes it. ``record`` is the
        path of an original in `before`, and ``released`` that of its release in `after`,
        both with or without extension. The line of a file that holds several recordings
        applies to each of them. Without a key, releases must have the names of their
        originals. By default the subject of a record is its folder, and its session its
        date of acquisition.
    subjects : Subjects, optional
        The rule that gives the person of each original, as in `RecordAnonymizer`:
        ``Subjects.from_table`` or ``Subjects.from_regex``.
    metadata : str or path-like, optional
        CSV file with a line for each original or for each person. Its column ``session``, if
        it has one, replaces the date of acquisition.
    attributes : sequence of str, optional
        Columns of `metadata` that attackers try to infer from the release; by default ``sex``
        and ``age``, where the table or the headers of the originals state them.
    labels : sequence of str, default=()
        Columns of `metadata` that hold clinical labels. Whether they can be learned from the
        release is measured, which takes minutes for each.
    record_column, subject_column : str, default="record" and "subject"
        Columns of `metadata` that hold the path of an original, and the person.
    anonymizer : estimator or callable, optional
        The software that made the release, as in `RecordAnonymizer`. The originals are
        anonymized again with it, each time with a fresh secret, and informed attackers are
        trained on the result. A manifest in `after` must state the same method.
    n_views : int, optional
        How often they are anonymized again; by default 6 times if an attacker on strips
        takes part, else 3 times.
    sampling_rate, units : float and str, optional
        For originals that do not state theirs, as in `load_records`.
    limits : Limits, optional
        How much one file may ask for, and whether a wrong checksum is an error.
    verbose : int, default=0
        1 shows how many people were found before the long computation starts, and progress.
    **parameters
        Other parameters of `audit`.

    Returns
    -------
    result : AuditResult
        Who could be recognized in the release, and what it is still good for.

    Raises
    ------
    ValueError
        If a folder holds no recording, if a table does not fit the folders, if names do not
        match and there is no key, or for the reasons of `audit`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
    >>> from sklearn_ecganon.archive import RecordAnonymizer
    >>> from sklearn_ecganon.io import write_record
    >>> from sklearn_ecganon.report import audit_folders
    >>> folder = Path(tempfile.mkdtemp())
    >>> for record in make_ecg_records(n_subjects=3, duration=20, random_state=0).data:
    ...     (folder / "in" / record.subject).mkdir(parents=True, exist_ok=True)
    ...     _ = write_record(record, folder / "in" / record.subject / f"{record.session}.edf")
    >>> key = folder / "key.csv"
    >>> _ = RecordAnonymizer(NoiseAnonymizer(strength=1)).anonymize_folder(
    ...     folder / "in", folder / "out", key_file=key
    ... )
    >>> result = audit_folders(folder / "in", folder / "out", key=key, attackers="lda")
    >>> result.n_samples, result.evaluation.n_subjects, result.outcome
    (6, 3, 'cannot tell')
    """
    before, after = Path(before), Path(after)
    originals = load_records(
        before, sampling_rate=sampling_rate, units=units, limits=limits, on_error="omit"
    )
    # A table keeps its layout, so a release may lack its rate too; its unit is always mV.
    releases = load_records(after, sampling_rate=sampling_rate, limits=limits, on_error="omit")
    old, new, paired = originals.data, releases.data, {r.name: r.name for r in releases.data}
    states_subjects, states_sessions = subjects is not None, False
    if key is not None:
        rows = read_key(Path(key))
        old = with_subjects_of_key(originals, rows, key, before)
        partners = partners_of_key(releases, originals, rows, key, after)
        # A release whose original could not be read is left out.
        new = [record for record in new if partners[record.name] is not None]
        paired = {name: partner for name, partner in partners.items() if partner is not None}
        states_subjects |= any(row.get("subject") for row in rows.values())
        states_sessions = any(row.get("session") for row in rows.values())
    headers = (
        _headers(before, originals, sampling_rate=sampling_rate, units=units, limits=limits),
        _headers(after, releases, sampling_rate=sampling_rate, units=None, limits=limits),
    )
    if subjects is not None:
        persons = subjects.of(originals.files)
        old = [replace(r, subject=person) for r, person in zip(old, persons, strict=True)]
    people = [str(record.subject) for record in old]
    columns: Columns = {}
    if metadata is not None:
        columns = columns_of_table(
            Path(metadata), originals, people, record=record_column, subject=subject_column
        )
        old = _with_sessions(old, columns.get("session", [""] * len(old)))
        states_sessions |= "session" in columns
    if attributes is None:
        attributes = [name for name in USUAL_ATTRIBUTES if name in columns]
    of_people = chosen_columns(metadata, columns, attributes)
    of_records = chosen_columns(metadata, columns, labels)
    probed, note = (old, "") if states_sessions else enough_probed(old)
    if verbose:
        _show_people(old, new, note, states_subjects=states_subjects)
    left_out = _left_out("before", originals) | _left_out("after", releases)
    views: list[list[ECGRecord]] = []
    if anonymizer is not None:
        n_views = n_views or default_n_views(parameters.get("attackers", "default"))
        if verbose:
            print(f"the originals are anonymized again, {n_views} times with fresh secrets")
        views = views_by_software(
            anonymizer,
            before,
            originals,
            people,
            n_views,
            manifest=manifest_of(after),
            sampling_rate=sampling_rate,
            units=units,
            limits=limits,
            n_jobs=parameters.get("n_jobs"),
        )
        in_views = set.intersection(*({r.name for r in view} for view in views))
        names = {paired[record.name] for record in new}
        left_out |= dict.fromkeys(sorted(names - in_views), "refused by the software")
        new = [record for record in new if paired[record.name] in in_views]
    result = audit(
        probed,
        new,
        paired=paired,
        views=views,
        headers=headers,
        attributes=_attributes(old, headers[0]) | attributes_of_columns(of_people, people),
        labels=_by_name(old, of_records),
        verbose=verbose,
        **parameters,
    )
    return replace(
        result,
        omitted=result.omitted | left_out,
        settings=result.settings | {"sessions": note},
        provenance=provenance_of(before, after, None if key is None else Path(key)),
    )


def _left_out(side: str, bunch: Bunch) -> dict[str, str]:
    """Return the recordings of a folder that could not be read, and why."""
    return {f"{side}: {path}": reason for path, reason in bunch.omitted.items()}


def _with_sessions(records: list[ECGRecord], sessions: list[str]) -> list[ECGRecord]:
    """Return the records with the sessions of a table, where it has some."""
    return [
        replace(record, session=session or record.session)
        for record, session in zip(records, sessions, strict=True)
    ]


def _by_name(records: list[ECGRecord], columns: Columns) -> dict[str, dict[str, str]]:
    """Return each column by the name of the record."""
    names = [record.name for record in records]
    return {name: dict(zip(names, values, strict=True)) for name, values in columns.items()}


def _headers(
    folder: Path, bunch: Bunch, *, limits: Limits | None, **options: Any
) -> dict[str, dict[str, Any]]:
    """Return what the header of each recording states beside the signal, None if nothing."""
    root = folder.resolve()
    by_file: dict[str, dict[str, Any]] = {}
    for path in dict.fromkeys(bunch.files):
        with open_record(root / path, root=root, limits=limits, **options) as reader:
            gain = reader.gain or None
        facts = read_identity(root / path, root=root, limits=limits)
        by_file[path] = {
            "gain": gain,
            "date in the header": facts.acquired,
            "text in the header": facts.comments or None,
        }
    return {
        record.name: by_file[path] for record, path in zip(bunch.data, bunch.files, strict=True)
    }


def _attributes(records: list[ECGRecord], headers: dict[str, dict[str, Any]]) -> Attributes:
    """Return what the headers of the originals state about sex and age."""
    comments: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for record in records:
        comments[str(record.subject)] += headers[record.name]["text in the header"] or ()
    return attributes_of_headers(comments)


def _show_people(
    old: list[ECGRecord], new: list[ECGRecord], note: str, *, states_subjects: bool
) -> None:
    """Show how many recordings and people there are, and a note on who is probed."""
    sessions = {(record.subject, record.session) for record in old}
    n_people = len({record.subject for record in old})
    print(
        f"before: {len(old)} recordings of {n_people} people in {len(sessions)} "
        f"sessions; after: {len(new)} recordings"
    )
    if n_people == len(old) and not states_subjects:
        print(
            "Each recording counts as a person of its own. If that is wrong, give --subjects "
            "or --subject-regex."
        )
    if note:
        print(note)
