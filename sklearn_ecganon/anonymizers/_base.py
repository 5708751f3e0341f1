"""The contract of an anonymizer. A method writes only what is its own."""

from __future__ import annotations

import copy
from abc import abstractmethod
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from sklearn_ecganon._salt import content_key, keyed_normals, new_salt
from sklearn_ecganon._validation import (
    ArrayFeatureNamesMixin,
    Beats,
    check_beats,
    check_layout,
)
from sklearn_ecganon.records import BeatSet


class BaseAnonymizer(
    ArrayFeatureNamesMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator
):
    """Base of all anonymizers: input, strength, salt and output are kept here.

    A method inherits from this class and writes ``__init__`` (with `strength` and
    `random_state`), ``_parameter_constraints`` and

    ``_fit_beats(beats, labels, y, seed, context)``
        Learn from ``beats.values`` of shape (n_beats, n_leads, n_times), in mV. `labels`
        (one a beat) and `y` (the subject of each record) are None where not known. A
        method with `max_epochs` counts them on `context`, the rest of scikit-learn's
        callbacks is done here.
    ``_anonymize(beats, labels)``
        Return the new windows, same shape. Called only with ``strength > 0``. Randomness
        comes from ``_draw_for_records(beats, size)`` and from nowhere else, so that the
        answer depends on nothing but the fitted model and the record. A method that is
        meant to show what averaging undoes uses ``_draw_for_beats(beats, size)`` instead.

    A method that changes more of a BeatSet than its windows, such as its R peaks, writes
    ``_anonymize_records(X, beats)`` too. `CONTRIBUTING.md` walks through an example.
    """

    _parameter_constraints: dict = {
        "strength": [Interval(Real, 0, 1, closed="both")],
        "random_state": ["random_state"],
    }

    strength: float
    random_state: Any
    n_leads_: int
    n_times_: int
    sampling_rate_: float
    # Set in the copies that `of_one_record` makes.
    _content_of_record: bytes | None = None

    @abstractmethod
    def _fit_beats(
        self, beats: Beats, labels: NDArray | None, y: Any, seed: int, context: Any
    ) -> None: ...

    @abstractmethod
    def _anonymize(self, beats: Beats, labels: NDArray | None) -> NDArray: ...

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: BeatSet | ArrayLike, y: Any = None, labels: ArrayLike | None = None
    ) -> Self:
        """Learn what hearts look like from beats of many records.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats in mV, R peak at column ``n_times // 2``.
        y : array-like of shape (n_records,), optional
            Subject of each record, or of each row of an array. Methods that put people
            together use it, all others leave it aside.
        labels : array-like of shape (n_beats,), optional
            Clinical class of each beat. A BeatSet brings its own.

        Returns
        -------
        self : object
            The fitted anonymizer.

        Raises
        ------
        ValueError
            If X is not made of finite real beats, or labels do not fit it.
        """
        beats = check_beats(self, X, reset=True)
        if labels is None and isinstance(X, BeatSet):
            labels = X.labels
        if labels is not None:
            labels = np.asarray(labels)
            if labels.shape != (len(beats.values),):
                raise ValueError(
                    f"labels has shape {labels.shape}; want one for each of the "
                    f"{len(beats.values)} beats."
                )
        self.n_leads_, self.n_times_, self.sampling_rate_ = self._layout(beats)
        self.salt_ = new_salt(self.random_state)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        context = self._init_callback_context(max_subtasks=getattr(self, "max_epochs", 0))
        context.call_on_fit_task_begin(estimator=self)
        self._fit_beats(beats, labels, y, seed, context)
        context.call_on_fit_task_end(estimator=self)
        return self

    def transform(self, X: BeatSet | ArrayLike) -> BeatSet | NDArray:
        """Give each record's beats to its pseudo-identity.

        Parameters
        ----------
        X : BeatSet, or array-like of shape (n_beats, n_times) or (n_beats, n_leads, n_times)
            Beats as in `fit`. All beats of one record of a BeatSet share one draw. An
            array does not say which beats belong together, so that each row is drawn for
            on its own, and an attacker who holds many rows of a person can average: hand
            in a BeatSet to be safe from that.

        Returns
        -------
        X_new : BeatSet or ndarray
            What came in, with other windows: same shape, same dtype.
        """
        check_is_fitted(self)
        beats = check_beats(self, X, reset=False)
        check_layout(
            self, self._layout(beats), (self.n_leads_, self.n_times_, self.sampling_rate_)
        )
        if isinstance(X, BeatSet):
            return X if self.strength == 0 else self._anonymize_records(X, beats)
        new = beats.values if self.strength == 0 else self._anonymize(beats, None)
        squeezed = new[:, 0] if beats.flat else new
        return np.array(squeezed, dtype=beats.values.dtype)

    def _anonymize_records(self, X: BeatSet, beats: Beats) -> BeatSet:
        """Return the release of records whose checked windows are `beats`."""
        return X.with_beats(self._anonymize(beats, X.labels))

    def inverse_transform(self, X: Any) -> Any:
        """Return X as it is: what was removed is gone, and a Pipeline goes on to stitch.

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

    def resalt(self, random_state: int | np.random.RandomState | None = None) -> Self:
        """Return a copy of the fitted model that draws other pseudo-identities.

        This is how one ships a model without its salt, and what a semi-informed attacker
        does: the same software, a secret of his own.

        Parameters
        ----------
        random_state : int, RandomState or None, default=None
            Source of the new salt. None takes it from the operating system, which is the
            only choice for a release: a salt made from a number can be made again.

        Returns
        -------
        model : object
            A copy with the same weights.
        """
        check_is_fitted(self)
        other = copy.deepcopy(self)
        other.salt_ = new_salt(random_state)
        return other

    def of_one_record(self, first: BeatSet) -> Self:
        """Return a copy that takes all it is given for stretches of one record.

        So a long recording gets one pseudo-identity, though it never is in memory as a
        whole.

        Parameters
        ----------
        first : BeatSet
            The first stretch that has beats; the draws are keyed by it.

        Returns
        -------
        model : object
            A copy with the same weights and salt.
        """
        check_is_fitted(self)
        other = copy.copy(self)
        other._content_of_record = self._content(first.beats)
        return other

    def _layout(self, beats: Beats) -> tuple[int, int, Any]:
        """Leads, samples and rate of beats; an array has the rate of the parameter."""
        n_leads, n_times, rate = beats.layout
        return n_leads, n_times, getattr(self, "sampling_rate", None) if rate is None else rate

    def _draw_for_records(self, beats: Beats, size: int) -> NDArray[np.float64]:
        """Return standard normal numbers keyed by salt and content: (n_records, size)."""
        return self._draw(beats, np.full(beats.n_records, size)).reshape(-1, size)

    def _draw_for_beats(self, beats: Beats, size: int) -> NDArray[np.float64]:
        """Return other numbers for each beat of a record, by its position: (n_beats, size)."""
        n_beats = np.bincount(beats.record, minlength=beats.n_records)
        return self._draw(beats, n_beats * size).reshape(-1, size)

    def _draw(self, beats: Beats, sizes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return as many numbers as asked for each record, one record after the other."""
        bounds = np.searchsorted(beats.record, np.arange(beats.n_records + 1))
        streams = []
        for start, stop, size in zip(bounds[:-1], bounds[1:], sizes.tolist(), strict=True):
            content = self._content_of_record or self._content(beats.values[start:stop])
            streams.append(keyed_normals(content, size))
        return np.concatenate(streams)

    def _content(self, windows: NDArray) -> bytes:
        return content_key(windows, self.salt_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
