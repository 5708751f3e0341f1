"""Base of all anonymizers, and the pseudonym of a record."""

from __future__ import annotations

import copy
import hashlib
from abc import abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._salt import new_salt
from sklearn_ecganon._validation import (
    BeatFeatureNamesMixin,
    check_layout,
    is_flat,
    layout_of,
    validate_beats,
)
from sklearn_ecganon.core._draws import Draws
from sklearn_ecganon.core._physics import obeyed_relations, with_relations
from sklearn_ecganon.leads import LimbRelations
from sklearn_ecganon.records import BeatSet


class Pseudonym(Protocol):
    """The pseudo-identity of one record.

    :meth:`BaseAnonymizer.pseudonym` returns one. It can be pickled and used in another
    process. It is as secret as the salt of the model that it came from.
    """

    def release(self, stretch: BeatSet) -> BeatSet:
        """Return the release of one stretch of the record.

        The answer depends on the pseudonym and on the stretch alone, so that stretches may
        be released in any order and by several workers.

        Parameters
        ----------
        stretch : BeatSet
            Beats of one record: the whole of it, or consecutive ones.

        Returns
        -------
        released : BeatSet
            The stretch under the pseudo-identity.
        """
        ...


@dataclass(frozen=True)
class RecordPseudonym:
    """The :class:`Pseudonym` that every anonymizer of this package returns.

    Parameters
    ----------
    model : BaseAnonymizer
        The fitted anonymizer. It is not changed.
    salt : bytes
        The secret that keys the draws, in place of the model's own.
    first : bytes
        Keyed digest of the record's first stretch.
    settled : object
        Decisions that the anonymizer took at the first stretch, besides the draws.
    relations : LimbRelations or None
        Relations between limb leads that the first stretch obeys. The release obeys them
        too.
    """

    model: BaseAnonymizer
    salt: bytes
    first: bytes
    settled: Any
    relations: LimbRelations | None = None

    def release(self, stretch: BeatSet) -> BeatSet:
        """Return the release of one stretch of the record.

        Parameters
        ----------
        stretch : BeatSet
            Beats of one record, in the layout that the model was fitted on. A stretch
            without beats is returned unchanged.

        Returns
        -------
        released : BeatSet
            The stretch under the pseudo-identity.

        Raises
        ------
        ValueError
            If `stretch` is not one record, or is laid out differently.
        """
        _check_one_record(stretch, "release")
        if len(stretch.beats) == 0:
            return stretch
        beats = self.model._validated(stretch)
        if self.model.strength == 0:
            return stretch
        draws = Draws(self.salt, beats, (self.first,), self.settled)
        return with_relations(self.model._release(beats, draws), beats, [self.relations])


class BaseAnonymizer(
    BeatFeatureNamesMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator
):
    """Base class of all anonymizers; it checks the input and holds strength and salt.

    A method inherits from this class and writes ``__init__`` (with `strength` and
    `random_state`), ``_parameter_constraints`` where it has other parameters, and

    ``_release(beats, draws)``
        Return the release of a BeatSet as a BeatSet. This method is called only with
        ``strength > 0``. All randomness comes from `draws`, a :class:`Draws`, so that the
        answer depends on nothing but the fitted model and the record.

    A method that learns something also writes

    ``_learn(beats, y, seed, context)``
        Learn from ``beats.beats`` of shape (n_beats, n_leads, n_times), in mV.
        ``beats.labels`` (one for each beat) and `y` (the subject of each record) are None
        where they are not known. `seed` is an int. A method with `max_epochs` counts its
        epochs on `context`; this class handles the other callbacks of scikit-learn.

    A method whose decisions take more than random numbers, such as the record's mean beat,
    also writes

    ``_settle(first, draws)``
        Return whatever the first stretch of each record decides for all the others. Every
        later stretch finds the answer in ``draws.settled``.

    Limb leads need no care: where III, aVR, aVL and aVF of the original follow from I and II,
    those of the release are computed from its own I and II afterwards.

    In all three `beats` is a :class:`BeatSet`. The rows of an array arrive as records of
    one beat each. `CONTRIBUTING.md` walks through an example, and
    :func:`sklearn_ecganon.testing.check_anonymizer` checks a new method.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.core import BaseAnonymizer
    >>> class Gain(BaseAnonymizer):
    ...     def __init__(self, strength=1.0, *, random_state=None):
    ...         self.strength = strength
    ...         self.random_state = random_state
    ...
    ...     def _release(self, beats, draws):
    ...         gain = np.exp(self.strength * draws.for_records(1)[beats.record])
    ...         return beats.with_beats(beats.beats * gain[:, :, np.newaxis])
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> Gain(random_state=0).fit(beats).transform(beats).beats.shape == beats.beats.shape
    True
    """

    _parameter_constraints: dict = {
        "strength": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    }

    strength: float
    random_state: Any
    salt_: NDArray[np.uint8]
    n_leads_: int
    n_times_: int
    sampling_rate_: Any  # float, or None where the rate of an array is not known

    def _learn(self, beats: BeatSet, y: Any, seed: int, context: Any) -> None:
        """Learn from beats; by default this does nothing."""

    def _settle(self, first: BeatSet, draws: Draws) -> Any:
        """Return the decisions of the first stretches for all others; by default None."""
        return None

    @abstractmethod
    def _release(self, beats: BeatSet, draws: Draws) -> BeatSet:
        """Return the release of some beats."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: BeatSet | ArrayLike, y: Any = None, labels: ArrayLike | None = None
    ) -> Self:
        """Learn what heartbeats look like from the beats of many records.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats in mV, R peak at column ``n_times // 2``.
        y : array-like of shape (n_records,), optional
            Subject of each record, or of each row of an array. Methods that group people
            use it, all others ignore it.
        labels : array-like of shape (n_beats,), optional
            Clinical class of each beat, in place of the labels of a BeatSet.

        Returns
        -------
        self : object
            The fitted anonymizer.

        Raises
        ------
        ValueError
            If X does not hold finite real beats, or if `labels` has another length.
        """
        beats = validate_beats(
            self, X, reset=True, labels=labels, rate=getattr(self, "sampling_rate", None)
        )
        self.n_leads_, self.n_times_, self.sampling_rate_ = layout_of(beats)
        self.salt_ = new_salt(self.random_state)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        context = self._init_callback_context(max_subtasks=getattr(self, "max_epochs", 0))
        context.call_on_fit_task_begin(estimator=self)
        self._learn(beats, y, seed, context)
        context.call_on_fit_task_end(estimator=self)
        return self

    def transform(self, X: BeatSet | ArrayLike) -> BeatSet | NDArray:
        """Release each record under its pseudo-identity.

        This is :meth:`pseudonym` and then ``release`` for each record.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats as in `fit`. All beats of one record of a BeatSet share one draw. An
            array does not say which beats belong together, so each row counts as a record
            of one beat, and an attacker who holds many rows of a person can average the
            draws away: pass a BeatSet to be safe from that.

        Returns
        -------
        X_new : BeatSet or ndarray
            The anonymized beats, with the shape and the dtype of the input.
        """
        check_is_fitted(self)
        beats = self._validated(X)
        if self.strength == 0:
            return X if isinstance(X, BeatSet) else _as_array(beats, X)
        draws = Draws(self.salt_.tobytes(), beats)
        released = self._release(beats, draws.after(self._settle(beats, draws)))
        relations = [obeyed_relations(beats, record) for record in range(len(beats))]
        released = with_relations(released, beats, relations)
        if isinstance(X, BeatSet):
            return released
        return _as_array(released, X).astype(beats.beats.dtype)

    def pseudonym(self, first: BeatSet, salt: bytes | None = None) -> Pseudonym:
        """Draw the pseudo-identity of one record.

        It allows you to release a recording that does not fit into memory, stretch by
        stretch. This method makes all draws that the stretches share. Draws that change
        along the record are keyed by the content of each stretch.

        Parameters
        ----------
        first : BeatSet
            The record, or its first stretch that has beats. The draws are keyed by it.
        salt : bytes, optional
            Secret in place of `salt_`, of at most 64 bytes.

        Returns
        -------
        pseudonym : Pseudonym
            Its ``release`` takes the stretches of the record, in any order.

        Raises
        ------
        ValueError
            If `first` is not one record with beats of the layout seen in `fit`.

        Examples
        --------
        >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
        >>> from sklearn_ecganon.anonymizers import NoiseAnonymizer
        >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
        >>> beats = QRSSegmenter().fit_transform(bunch.data)
        >>> model = NoiseAnonymizer(random_state=0).fit(beats)
        >>> released = model.pseudonym(beats[0]).release(beats[0])
        >>> bool((released.beats == model.transform(beats)[0].beats).all())
        True
        """
        check_is_fitted(self)
        _check_one_record(first, "pseudonym")
        beats = self._validated(first)
        draws = Draws(self.salt_.tobytes() if salt is None else bytes(salt), beats)
        settled = None if self.strength == 0 else self._settle(beats, draws)
        relations = obeyed_relations(beats, 0)
        return RecordPseudonym(self, draws.salt, draws.digests[0], settled, relations)

    def inverse_transform(self, X: Any) -> Any:
        """Return X unchanged, so that a Pipeline can go on to stitch records.

        Parameters
        ----------
        X : BeatSet or array-like
            Anonymized beats.

        Returns
        -------
        X : BeatSet or array-like
            The same object.
        """
        return X

    def resalt(self, random_state: int | np.random.RandomState | bytes | None = None) -> Self:
        """Return a copy of the fitted model that draws other pseudo-identities.

        Use it to pass a model on without its salt. Semi-informed attackers do the same:
        they run the same software with a salt of their own.

        Parameters
        ----------
        random_state : int, RandomState, bytes or None, default=None
            Source of the new salt, or the salt itself as bytes. None takes it from the
            operating system, which is the only choice for a release: a salt that comes from
            a number can be drawn again.

        Returns
        -------
        model : object
            A copy with the same weights.
        """
        check_is_fitted(self)
        other = copy.deepcopy(self)
        other.salt_ = _as_salt(random_state)
        return other

    def _validated(self, X: BeatSet | ArrayLike) -> BeatSet:
        """Return X as a BeatSet after comparing its layout with that of the training beats."""
        beats = validate_beats(self, X, reset=False, rate=getattr(self, "sampling_rate", None))
        if self.n_times_ is not None:  # a pretrained model takes any layout
            fitted = self.n_leads_, self.n_times_, self.sampling_rate_
            check_layout(self, layout_of(beats), fitted)
        return beats

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _as_array(beats: BeatSet, X: ArrayLike) -> NDArray:
    """Return a copy of the windows in the shape of the array X."""
    return np.array(beats.beats[:, 0] if is_flat(X) else beats.beats)


def _check_one_record(beats: Any, method: str) -> None:
    if not isinstance(beats, BeatSet) or len(beats) != 1:
        given = f"{len(beats)} records" if isinstance(beats, BeatSet) else type(beats).__name__
        raise ValueError(
            f"{method} takes a BeatSet of one record, but got {given}; "
            "call it for each record, or call transform."
        )


def _as_salt(random_state: int | np.random.RandomState | bytes | None) -> NDArray[np.uint8]:
    """Return bytes as a salt, or a new salt from anything else."""
    if not isinstance(random_state, bytes):
        return new_salt(random_state)
    most = hashlib.blake2b.MAX_KEY_SIZE
    if not 1 <= len(random_state) <= most:
        raise ValueError(f"the salt has {len(random_state)} bytes; give 1 to {most} bytes.")
    return np.frombuffer(random_state, dtype=np.uint8)
