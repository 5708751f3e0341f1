"""What an attacker can do: learn subjects, score beats, compare with a new gallery."""

from __future__ import annotations

from typing import Protocol, Self

from numpy.typing import NDArray


class Attacker(Protocol):
    """Scores beats.

    ``log_proba(X)`` turns features (n_beats, n_features) into (n_beats, n_subjects).
    """

    def log_proba(self, X: NDArray) -> NDArray: ...


class TrainableAttacker(Attacker, Protocol):
    """Learns who is who.

    ``fit(X, y)`` learns from features and subject numbers ``0 .. n_subjects - 1``;
    ``enroll(X, y)`` returns an attacker who kept what he learnt but compares with the
    templates of another gallery.
    """

    def fit(self, X: NDArray, y: NDArray) -> Self: ...

    def enroll(self, X: NDArray, y: NDArray) -> Attacker: ...
