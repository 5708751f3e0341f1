"""Which releases are recognized most easily."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sklearn_ecganon.attacks import Evaluation
from sklearn_ecganon.records import BeatSet
from sklearn_ecganon.releases import Release

N_EXPOSED = 20


class ExposedRelease(NamedTuple):
    """One release, and how easily attackers recognize it.

    Attributes
    ----------
    released : str
        Name of the release.
    original : str
        Name of the original.
    subject : str
        The person.
    by_worst : bool
        Whether the most successful attack recognizes it.
    rank : int
        At which guess the most successful attack names the right person.
    n_right, n_attacks : int
        How many attacks recognize it, of how many, with the whole recording as evidence.
    """

    released: str
    original: str
    subject: str
    by_worst: bool
    rank: int
    n_right: int
    n_attacks: int


def exposed_releases(release: Release, evaluation: Evaluation) -> tuple[ExposedRelease, ...]:
    """Return the releases that attackers recognize, the most exposed first.

    Parameters
    ----------
    release : Release
        Of records.
    evaluation : Evaluation
        Of the same release.

    Returns
    -------
    exposed : tuple of ExposedRelease
        At most 20, and only those that at least one attack recognizes. Empty for arrays, and
        if attackers combine less than a whole recording.
    """
    if release.in_gallery is None or not isinstance(release.released, BeatSet):
        return ()
    probes = np.flatnonzero(~release.in_gallery)
    attacks = [key for key in evaluation.trials if key[1] not in ("original", "floor")]
    ranks = {}
    for key in attacks:
        trials = evaluation.trials[key]
        if len(trials.scores) != len(probes):
            return ()
        of_right = trials.scores[np.arange(len(probes)), trials.subjects]
        ranks[key] = 1 + (trials.scores > of_right[:, np.newaxis]).sum(axis=1)
    worst = ranks[evaluation.worst.attacker, evaluation.worst.knowledge]
    n_right = np.sum([rank == 1 for rank in ranks.values()], axis=0)
    rows = [
        ExposedRelease(
            released=release.released_names[i],
            original=release.released.names[i],
            subject=str(release.subjects[i]),
            by_worst=bool(worst[place] == 1),
            rank=int(worst[place]),
            n_right=int(n_right[place]),
            n_attacks=len(attacks),
        )
        for place, i in enumerate(probes)
        if n_right[place]
    ]
    rows.sort(key=lambda row: (-row.by_worst, -row.n_right, row.rank, row.released))
    return tuple(rows[:N_EXPOSED])
