"""Where in a beat the person is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ecganon.attacks._attackers import make_attacker, sees
from sklearn_ecganon.attacks._features import EXTRAS_PER_LEAD, beat_features
from sklearn_ecganon.attacks._ladder import (
    Scene,
    as_beats,
    climb,
    gallery_of,
    make_scene,
    probe_scores,
    spread,
)
from sklearn_ecganon.attacks._split import gallery_probe_split, session_labels
from sklearn_ecganon.records import BeatSet

# Where the QRS ends on either side of the R peak, in ms.
QRS_EDGE = 70.0
MAX_BEATS = 1000


class MapRow(NamedTuple):
    """What one part of the beats gives away.

    Attributes
    ----------
    part : str
        ``"whole beat"``, ``"before QRS"``, ``"QRS"``, ``"after QRS"``, ``"slice"``,
        ``"size and level"``, ``"rhythm"``, or ``"lead <name>"``.
    start, stop : float
        Where it lies, in ms from the R peak; NaN for the rhythm.
    rank1 : float
        Share of probes named correctly from it alone, mean over subjects.
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
    """Which parts of the beats tell people apart.

    Parameters
    ----------
    rows : tuple of MapRow
        One for each part.
    mean_beat : ndarray of shape (n_times,)
        Mean over subjects of the first lead, in mV; to draw the parts on.
    sampling_rate : float
        Of the mean beat, in Hz.
    n_subjects : int
        Size of the gallery.
    evidence : int
        Beats of one probe that were combined.
    attacker : str
        Who named them.
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
    attacker: str = "lda",
    evidence: int = 20,
    slice_width: float = 40.0,
    random_state: int | np.random.RandomState | None = 0,
) -> IdentityMap:
    """Let an attacker name people from one part of their beats at a time.

    Parameters
    ----------
    X : list of ECGRecord or BeatSet
        Recordings, originals or a release; those of one subject in order of time.
    y : array-like of shape (n_records,)
        Subject of each record.
    sessions : array-like of shape (n_records,), optional
        Session of each record; by default the records' own.
    split : {"auto", "session", "time"}, default="auto"
        Which recordings are the gallery, as in `ReidentificationScorer`.
    attacker : {"lda", "trees", "template"}, default="lda"
        Who tries.
    evidence : int, default=20
        Beats of one probe that are combined.
    slice_width : float, default=40.0
        Length of the slices that the beat is cut into, in ms.
    random_state : int, RandomState instance or None, default=0
        Seeds attacker and bootstrap.

    Returns
    -------
    found : IdentityMap
        ``print(found)`` shows it.

    Raises
    ------
    ValueError
        If X is not records or beats of records, or nobody can be named.

    See Also
    --------
    ReidentificationScorer : The whole ladder, on whole beats.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import identity_map
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> found = identity_map(bunch.data, bunch.subject)
    >>> [row.part for row in found.rows][:4]
    ['whole beat', 'before QRS', 'QRS', 'after QRS']
    """
    if attacker not in ("lda", "trees", "template"):
        raise ValueError(f"attacker={attacker!r}; choose from 'lda', 'trees', 'template'.")
    y = np.asarray(column_or_1d(y))
    check_consistent_length(X, y, sessions)
    X, y, in_gallery, _ = gallery_probe_split(X, y, split, session_labels(X, sessions))
    beats = as_beats(X)
    if not isinstance(beats, BeatSet):
        raise ValueError("identity_map needs records or a BeatSet; an array has no rhythm.")
    subjects, codes = np.unique(y, return_inverse=True)
    rng = check_random_state(random_state)
    scene = make_scene(beats, codes, in_gallery, {"rhythm"}, rng)
    rows = []
    for part, start, stop, features in _parts(beats, slice_width):
        seen = scene if features is None else replace(scene, features={"waveform": features})
        rows.append(_row(part, start, stop, seen, attacker, evidence, rng))
    by_subject = [beats.beats[scene.codes == s, 0].mean(axis=0) for s in range(len(subjects))]
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
    stretches = [
        ("whole beat", first, last),
        ("before QRS", first, -QRS_EDGE),
        ("QRS", -QRS_EDGE, QRS_EDGE),
        ("after QRS", QRS_EDGE, last),
        *(("slice", e * slice_width, (e + 1) * slice_width) for e in edges[:-1]),
    ]
    for part, start, stop in stretches:
        start, stop = max(start, first), min(stop, last)
        if round((stop - start) * per_ms) < 1:  # the window is too short to have it
            continue
        columns = slice(center + round(start * per_ms), center + round(stop * per_ms))
        yield part, start, stop, beat_features(beats.beats[:, :, columns])
    n_extra = EXTRAS_PER_LEAD * beats.n_leads
    yield "size and level", first, last, beat_features(beats.beats)[:, -n_extra:]
    yield "rhythm", np.nan, np.nan, None
    if beats.n_leads > 1:
        for lead, name in enumerate(beats.lead_names[0]):
            yield f"lead {name}", first, last, beat_features(beats.beats[:, [lead]])


def _row(
    part: str,
    start: float,
    stop: float,
    scene: Scene,
    attacker: str,
    evidence: int,
    rng: np.random.RandomState,
) -> MapRow:
    who = "rhythm" if part == "rhythm" else attacker
    features, codes = gallery_of([scene], sees(who))
    rows = spread(codes, MAX_BEATS)
    # All columns are shape here: the parts need no telling apart from level and size.
    trained = make_attacker(who, n_leads=0, device="cpu", seed=int(rng.randint(2**31 - 1))).fit(
        features[rows], codes[rows]
    )
    scores = probe_scores(trained, scene, sees(who))
    [figures] = climb(
        who, "original", scores, scene, sees=sees(who), evidence=[evidence], random_state=rng
    )
    return MapRow(part, start, stop, figures.rank1, figures.low, figures.high)
