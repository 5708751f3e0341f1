"""Learn a population from several databases with different leads and rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.parallel import Parallel, delayed

from sklearn_ecganon.anonymizers._pseudo_identity._analysis import Description, describe
from sklearn_ecganon.anonymizers._pseudo_identity._leads import model_leads
from sklearn_ecganon.records import BeatSet


@dataclass(frozen=True, eq=False)
class TrainingSource:
    """The beats of one database.

    Parameters
    ----------
    beats : BeatSet
        Beats in mV. Windows of 1.4 s show the whole cycle, and the noise between the beats.
    subjects : array-like of shape (n_records,), optional
        Subject of each record. Each subject counts once, however many records they have.
    weight : float, default=1.0
        How much each subject of this source counts.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import TrainingSource
    >>> bunch = make_ecg_records(n_subjects=3, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter(window=1400).fit_transform(bunch.data)
    >>> TrainingSource(beats, bunch.subject).weight
    1.0
    """

    beats: BeatSet
    subjects: ArrayLike | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"weight={self.weight}; give a number above 0.")
        if self.subjects is not None and len(np.asarray(self.subjects)) != len(self.beats):
            raise ValueError(
                f"subjects has {len(np.asarray(self.subjects))} entries for "
                f"{len(self.beats)} records; give one for each record."
            )


def describe_sources(
    sources: Sequence[TrainingSource], n_jobs: int | None = None
) -> tuple[
    tuple[str, ...],
    list[Description],
    NDArray[np.float64],
    NDArray[np.bool_],
    tuple[str, ...],
]:
    """Describe all records with beats, in common leads.

    Returns
    -------
    leads : tuple of str
        The leads.
    descriptions : list of Description
        One for each record with beats.
    weights : ndarray of shape (n_records,)
        What each record counts.
    statements : ndarray of bool of shape (n_records, n_statements)
        Which statements hold for each record.
    statement_names : tuple of str
        All statements, in alphabetical order.
    """
    leads = model_leads([names for source in sources for names in source.beats.lead_names])
    records, weights, stated = [], [], []
    for source in sources:
        counts = np.ones(len(source.beats), dtype=np.intp)
        if source.subjects is not None:
            _, person, n_records = np.unique(
                np.asarray(source.subjects), return_inverse=True, return_counts=True
            )
            counts = n_records[person]
        for i, record in enumerate(source.beats):
            if len(record.beats):
                records.append(record)
                weights.append(source.weight / counts[i])
                stated.append((record.statements or (None,))[0] or ())
    # A single beat has no rhythm and is not worth a delineation, as in a release.
    descriptions = Parallel(n_jobs=n_jobs)(
        delayed(describe)(record, leads, delineate=len(record.beats) > 1) for record in records
    )
    names = sorted({name for of_record in stated for name in of_record})
    statements = np.array([[name in row for name in names] for row in stated], dtype=bool)
    return (
        leads,
        descriptions,
        np.array(weights),
        statements.reshape(len(records), len(names)),
        tuple(names),
    )
