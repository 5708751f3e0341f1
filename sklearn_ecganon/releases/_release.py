"""One release: the originals, their releases, and the split into gallery and probes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ecganon._validation import check_records, is_records
from sklearn_ecganon.records import BeatSet, ECGRecord
from sklearn_ecganon.releases._apply import (
    apply,
    as_beats,
    need_two_subjects,
    segment_first,
    take,
    with_fresh_salt,
)
from sklearn_ecganon.releases._pairs import match_pairs
from sklearn_ecganon.releases._split import gallery_probe_split, session_labels

SPLITS = ("auto", "session", "time", "random")


@dataclass(frozen=True, eq=False)
class Release:
    """Original recordings, their release, and the split into gallery and probes.

    A release stores everything that an evaluation needs, so that attackers neither segment nor
    anonymize again. Create it with `Release.by` if you have the anonymizer, and with
    `Release.of_pairs` if you only have the recordings before and after.

    Parameters
    ----------
    original : BeatSet, or ndarray of shape (n_beats, [n_leads,] n_times)
        Original beats of all samples in mV.
    released : same type as `original`
        The release of the same samples in the same order.
    retrained : tuple of BeatSet or ndarray
        Releases of the gallery that an informed attacker generates for training, each with a
        fresh salt. They hold the samples of the gallery only (all samples for a random split).
    subjects : ndarray of shape (n_samples,)
        Subject of each sample.
    in_gallery : ndarray of bool of shape (n_samples,) or None
        True for recordings that the attacker holds under their names, False for probes. None
        for a random split, which divides single beats.
    split : {"session", "time", "random"}
        How gallery and probes were separated.
    recordings : tuple of two lists of ECGRecord, optional
        The whole signals before and after, sample by sample, if the release was given as
        records. Attackers that do not look at beat windows use them.
    omitted : dict of str to str
        Names of recordings that were left out, and why.
    leads : list of str or int
        Leads that are compared; empty if the beats were given as they are.
    cut : bool
        True if single releases were cut in two, so that both halves of one release are
        gallery and probe. Such a release does not allow an informed attacker.
    released_names : tuple of str
        Name of the release of each sample, if originals and releases have their own.
    n_pairs, n_identical : int
        Pairs of original and release, before single records were cut, and how many of them
        are identical: no sample differs by more than 5 microvolts.
    retrained_recordings : tuple of list of ECGRecord
        Signals of the views of the gallery, if the release was given as records.
    deal_seed : int
        Seeds the random split of beats.
    random_state : RandomState, optional
        The random sequence that attackers continue by default, so that one seed fixes every
        figure.

    See Also
    --------
    sklearn_ecganon.evaluation.evaluate : Measures a release.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import LowPassAnonymizer
    >>> from sklearn_ecganon.releases import Release
    >>> bunch = make_ecg_records(n_subjects=4, duration=20.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> method = LowPassAnonymizer(random_state=0).fit(beats)
    >>> Release.by(method, beats, bunch.subject, sessions=bunch.session)
    Release(8 samples of 4 subjects, split by session, 4 probes, 3 retrained views)
    """

    original: Any
    released: Any
    retrained: tuple[Any, ...]
    subjects: NDArray
    in_gallery: NDArray[np.bool_] | None
    split: str
    recordings: tuple[list[ECGRecord], list[ECGRecord]] | None = None
    omitted: dict[str, str] = field(default_factory=dict)
    leads: list[str] | list[int] = field(default_factory=list)
    cut: bool = False
    released_names: tuple[str, ...] = ()
    n_pairs: int = 0
    n_identical: int = 0
    retrained_recordings: tuple[list[ECGRecord], ...] = ()
    deal_seed: int = 0
    random_state: np.random.RandomState | None = None

    @classmethod
    def by(
        cls,
        anonymizer: Any,
        X: Any,
        y: ArrayLike,
        *,
        sessions: ArrayLike | None = None,
        split: str = "auto",
        n_views: int = 3,
        random_state: int | np.random.RandomState | None = 0,
    ) -> Self:
        """Release X through a fitted anonymizer, and its gallery again with fresh salts.

        Parameters
        ----------
        anonymizer : estimator
            Any fitted estimator that has `transform`: one step, or a Pipeline from records.
            ``"passthrough"`` releases the originals.
        X : list of ECGRecord, BeatSet, or array-like of shape (n_beats, [n_leads,] n_times)
            Original recordings of all subjects. Those of one subject are in order of time.
        y : array-like of shape (n_samples,)
            Subject of each sample.
        sessions : array-like of shape (n_samples,), optional
            Session of each sample, sortable; by default the `session` of the records.
        split : {"auto", "session", "time", "random"}, default="auto"
            Which recordings are the gallery. ``"session"``: the first session of each
            subject. ``"time"``: the earlier half of the samples of each subject, or of its
            only record. ``"auto"``: by session if any subject has two, otherwise by time.
            ``"random"``: half of the beats of each subject, at random. A random split flatters
            attackers and anonymizers alike. It exists to compare with published figures.
        n_views : int, default=3
            Number of releases of the gallery that informed attackers train on, each with a
            fresh salt. From a single view of a person, attackers would learn only that
            pseudo-identity. With 0 only an ignorant attacker can be evaluated.
        random_state : int, RandomState instance or None, default=0
            Seeds the salts and the random split. Attackers continue this sequence.

        Returns
        -------
        release : Release
            Originals, release and views of the gallery.

        Raises
        ------
        ValueError
            If there is one subject only, or no subject has a probe.
        """
        if split not in SPLITS:
            raise ValueError(f"split={split!r}; choose from {SPLITS}.")
        if is_records(X):
            X = check_records(X)
        elif not isinstance(X, BeatSet):
            X = np.asarray(X)
        y = np.asarray(column_or_1d(y))
        check_consistent_length(X, y, sessions)
        need_two_subjects(y)
        in_gallery = None
        if split != "random":
            X, y, in_gallery, split = gallery_probe_split(
                X, y, split, session_labels(X, sessions)
            )
        X, anonymizer = segment_first(X, anonymizer)
        rng = check_random_state(random_state)
        deal_seed = int(rng.randint(2**31 - 1))
        original, released = as_beats(X), as_beats(apply(anonymizer, X))
        gallery = X if in_gallery is None else take(X, in_gallery)
        retrained = tuple(
            as_beats(apply(with_fresh_salt(anonymizer, rng), gallery)) for _ in range(n_views)
        )
        return cls(
            original=original,
            released=released,
            retrained=retrained,
            subjects=y,
            in_gallery=in_gallery,
            split=split,
            deal_seed=deal_seed,
            random_state=rng,
        )

    @classmethod
    def of_pairs(
        cls,
        before: Any,
        after: Any,
        subjects: ArrayLike | None = None,
        *,
        sessions: ArrayLike | None = None,
        paired: str | Mapping[str, str] = "name",
        views: Sequence[list[ECGRecord]] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> Self:
        """Pair recordings with their releases, whichever tool made them.

        Without the tool itself, the informed attacker learns from the released recordings of
        the gallery, whose subjects they know. If a subject was released only once, no such
        recordings exist, and only an ignorant attacker can be evaluated. With `views`, the
        informed attacker learns from those.

        The pairing is tested, because a wrong one makes any release look private.

        Parameters
        ----------
        before : list of ECGRecord, BeatSet, or array of shape (n_beats, [n_leads,] n_times)
            Originals in mV. Those of one subject are in order of time.
        after : same type as `before`
            Their releases. Rates and lengths may differ. Annotated R peaks are taken where
            they are nearly all beats of a record; otherwise beats are detected.
        subjects : array-like of shape (n_samples,), optional
            Subject of each sample of `before`; by default the `subject` of the records.
        sessions : array-like of shape (n_samples,), optional
            Session of each sample of `before`, sortable; by default the records' own.
        paired : {"name", "order"} or dict of str to str, default="name"
            Which release belongs to which original: that of the same name, that at the same
            position, or by the name of the original for the name of each release. Arrays
            have no names and need ``"order"``.
        views : sequence of list of ECGRecord, default=()
            Other releases of `before` by the same software, each with a secret of its own
            and under the names of `before`. The more, the better the informed attacker.
        random_state : int, RandomState instance or None, default=0
            The random sequence that attackers use.

        Returns
        -------
        release : Release
            With `omitted` for recordings that could not be used.

        Raises
        ------
        ValueError
            If before and after are not of the same recordings, if subjects are not known, or
            if fewer than two subjects have both a gallery and a probe recording. Also if the
            pairing looks wrong: a release is identical to another original, several correlate
            by .9 with another original and not with their own, or another pairing matches
            more median beats than chance would in one case of a thousand.
        """
        pairs = match_pairs(before, after, subjects, sessions, paired, views)
        need_two_subjects(pairs.subjects)
        rng = check_random_state(random_state)
        retrained, signals = tuple(pairs.views), tuple(pairs.view_recordings)
        # Half of a single release, known by name, identifies the other half: nothing is left
        # for an informed attacker to achieve.
        if not views and not pairs.cut:
            retrained = (take(pairs.after, pairs.in_gallery),)
            if pairs.recordings is not None:
                signals = (take(pairs.recordings[1], pairs.in_gallery),)
        return cls(
            original=pairs.before,
            released=pairs.after,
            retrained=retrained,
            subjects=pairs.subjects,
            in_gallery=pairs.in_gallery,
            split=pairs.split,
            recordings=pairs.recordings,
            omitted=pairs.omitted,
            leads=pairs.leads,
            cut=pairs.cut,
            released_names=pairs.released_names,
            n_pairs=len(pairs.identical),
            n_identical=int(pairs.identical.sum()),
            retrained_recordings=signals,
            deal_seed=int(rng.randint(2**31 - 1)),
            random_state=rng,
        )

    @property
    def n_subjects(self) -> int:
        """Number of subjects in the gallery."""
        return len(np.unique(self.subjects))

    def probes(self) -> tuple[Any, Any]:
        """Return the originals and the releases of the probes.

        Returns
        -------
        before, after : BeatSet or ndarray
            The same samples in the same order. Everything for a random split, where each
            recording is on both sides.
        """
        if self.in_gallery is None:
            return self.original, self.released
        return take(self.original, ~self.in_gallery), take(self.released, ~self.in_gallery)

    def probe_subjects(self) -> NDArray:
        """Return the subject of each sample of `probes`.

        Returns
        -------
        subjects : ndarray of shape (n_probes,)
            In the order of `probes`.
        """
        return self.subjects if self.in_gallery is None else self.subjects[~self.in_gallery]

    def attack_random_state(
        self, random_state: int | np.random.RandomState | None = None
    ) -> np.random.RandomState:
        """Return the random sequence for attackers.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            None continues a copy of the sequence of the release.

        Returns
        -------
        random_state : RandomState
            The release's own sequence is not advanced.
        """
        if random_state is None and self.random_state is not None:
            return copy.deepcopy(self.random_state)
        return check_random_state(random_state)

    def __repr__(self) -> str:
        return (
            f"Release({len(self.subjects)} samples of {self.n_subjects} subjects, split by "
            f"{self.split}, {len(self.probe_subjects())} probes, "
            f"{len(self.retrained)} retrained views)"
        )
