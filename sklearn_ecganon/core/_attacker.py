"""A scikit-learn classifier as an attacker, on any modality."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

# Smallest probability of a subject. Without it a single beat could rule a subject out.
MIN_PROBA = 1e-3


class Attacker:
    """A classifier and the modality that it uses.

    Give it to :class:`~sklearn_ecganon.ReidentificationScorer` or
    :func:`~sklearn_ecganon.evaluation.evaluate` to try an attacker of your own. To compare
    with another gallery (the lazy-informed attacker) it computes how often each subject of
    that gallery is taken for each subject it was trained on. The score of a row is the
    similarity of its predicted probabilities to these.

    To write an attacker that is not a classifier, subclass this class and override `fit`,
    `enroll` and `log_proba`.

    Parameters
    ----------
    classifier : classifier with `predict_proba`
        It is cloned before it is fitted.
    modality : str, default="waveform"
        Input of the classifier. ``"waveform"``: z-scored beat windows with their baseline
        and amplitude. ``"rhythm"``: RR intervals around each beat. ``"intervals"``: RR
        intervals, PR, QRS, QT, ST and the beat class. ``"categories"``: the categories that
        the diagnostic contract keeps.
    name : str, optional
        Name in tables; by default the name of the classifier's class and the modality.
    seed : int, optional
        The attacker passes it to the classifier as `random_state` if that is None.
        `ReidentificationScorer` sets a seed where none is given.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_ecganon.attacks import Attacker
    >>> Attacker(KNeighborsClassifier(), modality="rhythm")
    Attacker('KNeighborsClassifier-rhythm', modality='rhythm')
    """

    def __init__(
        self,
        classifier: Any = None,
        modality: str = "waveform",
        *,
        name: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.classifier = classifier
        self.modality = modality
        self.name = name or self._default_name()
        self.seed = seed

    def _default_name(self) -> str:
        source = self if self.classifier is None else self.classifier
        suffix = "" if self.modality == "waveform" else f"-{self.modality}"
        return type(source).__name__ + suffix

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Learn from the gallery.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Features of the attacker's modality.
        y : ndarray of int of shape (n_rows,)
            Subjects, numbered from 0.

        Returns
        -------
        self : Attacker
            The trained attacker.
        """
        classifier = clone(self.classifier)
        if classifier.get_params().get("random_state", 0) is None:
            classifier.set_params(random_state=self.seed)
        self.classifier_ = classifier.fit(X, y)
        self.confusion_ = np.eye(y.max() + 1)
        return self

    def enroll(self, X: NDArray, y: NDArray) -> Attacker:
        """Return an attacker that compares with another gallery, without training again.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Features of the other gallery.
        y : ndarray of int of shape (n_rows,)
            Its subjects, numbered from 0.

        Returns
        -------
        attacker : Attacker
            A copy. This attacker does not change.
        """
        proba = self.classifier_.predict_proba(X)
        enrolled = copy.copy(self)
        enrolled.confusion_ = np.array(
            [proba[y == subject].mean(axis=0) for subject in range(y.max() + 1)]
        )
        return enrolled

    def log_proba(self, X: NDArray) -> NDArray:
        """Return log-scores.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Features.

        Returns
        -------
        scores : ndarray of shape (n_rows, n_subjects)
            They need not be normalized.
        """
        return np.log(self.classifier_.predict_proba(X) @ self.confusion_.T + MIN_PROBA)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, modality={self.modality!r})"
