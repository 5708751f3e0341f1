"""Which segments of a beat identify the person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ecganon.attacks._attackers import Training, modality_of
from sklearn_ecganon.attacks._feature_sets import (
    FeatureSet,
    beat_scores,
    gallery_rows,
    make_feature_set,
)
from sklearn_ecganon.attacks._identification import train_attacker
from sklearn_ecganon.attacks._modalities import EXTRAS_PER_LEAD, Features, beat_features
from sklearn_ecganon.attacks._trials import combine, ladder_rows
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import as_beats, gallery_probe_split, session_labels

# Where the QRS ends on either side of the R peak, in ms.
QRS_EDGE = 70.0
MAX_BEATS = 1000


class MapRow(NamedTuple):
    """How well one part of the beats identifies people.

    Attributes
    ----------
    part : str
        ``"whole beat"``, ``"before QRS"``, ``"QRS"``, ``"after QRS"``, ``"slice"``,
        ``"amplitude and baseline"``, ``"rhythm"``, or ``"lead <name>"``.
    start, stop : float
        Its ends in ms from the R peak; NaN for the rhythm.
    rank1 : float
        Fraction of probes identified from it alone, mean over subjects.
    low, high : float
        Ends of its 95 % interval from a bootstrap over subjects.
    """

    part: str
    start: float
    stop: float
    rank1: float
    low: float
    high: float


@dataclass(frozen=True)
class IdentityMap:
    """Which parts of the beats identify people.

    Parameters
    ----------
    rows : tuple of MapRow
        One row for each part.
    mean_beat : ndarray of shape (n_times,)
        Mean over subjects of the first lead in mV. Plots show the parts on it.
    sampling_rate : float
        Rate of the mean beat in Hz.
    n_subjects : int
        Size of the gallery.
    evidence : int
        Beats of one probe that were combined.
    attacker : str
        Name of the attacker.
    """

    rows: tuple[MapRow, ...]
    mean_beat: NDArray[np.float64]
    sampling_rate: float
    n_subjects: int
    evidence: int
    attacker: str

    @property
    def chance(self) -> float:
        """Rank-1 of guessing."""
        return 1 / self.n_subjects

    def __str__(self) -> str:
        lines = [
            f"rank-1 in % [95 % interval] from one part alone, {self.evidence} beats, "
            f"{self.attacker}, {self.n_subjects} subjects, chance {self.chance:.1%}"
        ]
        for row in self.rows:
            where = "" if np.isnan(row.start) else f"{row.start:.0f} to {row.stop:.0f} ms"
            lines.append(
                f"{row.part:<16}{where:<18}{100 * row.rank1:6.1f} "
                f"[{100 * row.low:.1f}, {100 * row.high:.1f}]"
            )
        return "\n".join(lines)


def identity_map(
    X: Any,
    y: ArrayLike,
    *,
    sessions: ArrayLike | None = None,
    split: str = "auto",
    in_gallery: ArrayLike | None = None,
    attacker: str = "lda",
    evidence: int = 20,
    slice_width: float = 40.0,
    random_state: int | np.random.RandomState | None = 0,
) -> IdentityMap:
    """Let an attacker identify people from one part of their beats at a time.

    Parameters
    ----------
    X : list of ECGRecord or BeatSet
        Recordings, originals or a release. Those of one subject are in order of time.
    y : array-like of shape (n_records,)
        Subject of each record.
    sessions : array-like of shape (n_records,), optional
        Session of each record; by default the `session` of the records.
    split : {"auto", "session", "time"}, default="auto"
        Which recordings are the gallery, as in `ReidentificationScorer`.
    in_gallery : array-like of bool of shape (n_records,), optional
        The gallery itself, for example of a :class:`~sklearn_ecganon.releases.Release`.
        Replaces `sessions` and `split`.
    attacker : {"lda", "trees", "template"}, default="lda"
        The attacker.
    evidence : int, default=20
        Beats of one probe that are combined.
    slice_width : float, default=40.0
        Length in ms of the slices that the beat is cut into.
    random_state : int, RandomState instance or None, default=0
        Seeds attacker and bootstrap.

    Returns
    -------
    identity : IdentityMap
        ``print(identity)`` shows it.

    Raises
    ------
    ValueError
        If X is neither records nor beats of records, or if nobody has a probe.

    See Also
    --------
    ReidentificationScorer : The whole ladder, on whole beats.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import identity_map
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> identity = identity_map(bunch.data, bunch.subject)
    >>> [row.part for row in identity.rows][:4]
    ['whole beat', 'before QRS', 'QRS', 'after QRS']
    """
    if attacker not in ("lda", "trees", "template"):
        raise ValueError(f"attacker={attacker!r}; choose from 'lda', 'trees', 'template'.")
    y = np.asarray(column_or_1d(y))
    check_consistent_length(X, y, sessions, in_gallery)
    if in_gallery is None:
        X, y, in_gallery, _ = gallery_probe_split(X, y, split, session_labels(X, sessions))
    in_gallery = np.asarray(in_gallery, dtype=bool)
    beats = as_beats(X)
    if not isinstance(beats, BeatSet):
        raise ValueError("identity_map needs records or a BeatSet; an array has no rhythm.")
    subjects, codes = np.unique(y, return_inverse=True)
    rng = check_random_state(random_state)
    whole = make_feature_set(beats, codes, in_gallery, {"rhythm"})
    rows = []
    for part, start, stop, values in _parts(beats, slice_width):
        features = whole
        if values is not None:
            features = replace(whole, features={"waveform": Features(values)})
        rows.append(_row(part, start, stop, features, attacker, evidence, rng))
    by_subject = [beats.beats[whole.codes == s, 0].mean(axis=0) for s in range(len(subjects))]
    return IdentityMap(
        rows=tuple(rows),
        mean_beat=np.mean(by_subject, axis=0),
        sampling_rate=beats.sampling_rate,
        n_subjects=len(subjects),
        evidence=evidence,
        attacker=attacker,
    )


def _parts(
    beats: BeatSet, slice_width: float
) -> Iterator[tuple[str, float, float, NDArray | None]]:
    """Yield name, start, stop and features of each part; no features for the rhythm."""
    per_ms, center = beats.sampling_rate / 1000, beats.n_times // 2
    if round(slice_width * per_ms) < 1:
        raise ValueError(f"slice_width={slice_width:g} ms is less than a sample; give more.")
    first, last = -center / per_ms, (beats.n_times - center) / per_ms
    edges = np.arange(np.ceil(first / slice_width), np.floor(last / slice_width) + 1)
    segments = [
        ("whole beat", first, last),
        ("before QRS", first, -QRS_EDGE),
        ("QRS", -QRS_EDGE, QRS_EDGE),
        ("after QRS", QRS_EDGE, last),
        *(("slice", e * slice_width, (e + 1) * slice_width) for e in edges[:-1]),
    ]
    for part, start, stop in segments:
        start, stop = max(start, first), min(stop, last)
        if round((stop - start) * per_ms) < 1:  # the window does not reach it
            continue
        columns = slice(center + round(start * per_ms), center + round(stop * per_ms))
        yield part, start, stop, beat_features(beats.beats[:, :, columns])
    n_extra = EXTRAS_PER_LEAD * beats.n_leads
    yield "amplitude and baseline", first, last, beat_features(beats.beats)[:, -n_extra:]
    yield "rhythm", np.nan, np.nan, None
    if beats.n_leads > 1:
        for lead, name in enumerate(beats.lead_names[0]):
            part = name if name.lower().startswith("lead") else f"lead {name}"
            yield part, first, last, beat_features(beats.beats[:, [lead]])


def _row(
    part: str,
    start: float,
    stop: float,
    features: FeatureSet,
    attacker: str,
    evidence: int,
    rng: np.random.RandomState,
) -> MapRow:
    """Train an attacker on one part, and return what it achieves."""
    name = "rhythm" if part == "rhythm" else attacker
    modality = modality_of(name)
    values, codes = gallery_rows([features], modality)
    # Parts have no columns for baseline and amplitude: n_leads=0 makes all columns shape.
    settings = Training(n_leads=0, device="cpu", seed=int(rng.randint(2**31 - 1)))
    trained = train_attacker(name, values, codes, settings, MAX_BEATS)
    scores = beat_scores(trained, features.features[modality], features.probe_beats)
    trials = combine(scores.astype(np.float32), features, evidence)
    [row] = ladder_rows(
        name, "original", {evidence: trials}, modality=modality, random_state=rng
    )
    return MapRow(part, start, stop, row.rank1, row.low, row.high)
