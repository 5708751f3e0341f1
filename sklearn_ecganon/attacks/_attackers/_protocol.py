"""What every attacker can do: learn subjects, score rows, compare with another gallery."""

from __future__ import annotations

from typing import Protocol, Self

from numpy.typing import NDArray


class EnrolledAttacker(Protocol):
    """Scores rows against the subjects of a gallery.

    ``log_proba(X)`` turns features of shape (n_rows, ...) into log-scores of shape
    (n_rows, n_subjects).
    """

    def log_proba(self, X: NDArray) -> NDArray: ...


class TrainableAttacker(EnrolledAttacker, Protocol):
    """Learns to identify subjects.

    ``fit(X, y)`` learns from features and subject numbers ``0 .. n_subjects - 1``.
    ``enroll(X, y)`` returns an attacker that keeps what it has learned but compares with the
    templates of another gallery.
    """

    def fit(self, X: NDArray, y: NDArray) -> Self: ...

    def enroll(self, X: NDArray, y: NDArray) -> EnrolledAttacker: ...
