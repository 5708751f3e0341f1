"""The attackers on strips of the whole recording."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from sklearn_ecganon.attacks._attackers._lda import LDAAttacker
from sklearn_ecganon.training import ArcFace, StripSize, apply_strip_net, fit_strip_net

SCALE = 20.0
N_DIMS = 128
N_FOLDS = 2


class StripAttacker:
    """A 1-D residual net that identifies people from strips of 10 s, not cut into beats.

    Two classifiers read the embedding of the net: its linear output and :class:`LDAAttacker`.
    Their log-probabilities are averaged. Discriminant analysis gains most where releases
    are noisy, because it averages all training strips of a person. Against another gallery,
    which the net has not learned, it is the only one.

    Parameters
    ----------
    size : {"auto", "small", "large"} or StripSize, default="auto"
        ``"small"`` suits two CPU cores, ``"large"`` a GPU; ``"auto"`` follows the device.
    device : str, default="auto"
        Where to train.
    seed : int, default=0
        For the net.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import StripAttacker
    >>> from sklearn_ecganon.segmentation import cut_strips
    >>> from sklearn_ecganon.training import StripSize
    >>> bunch = make_ecg_records(n_subjects=4, n_sessions=1, duration=20.0, random_state=0)
    >>> strips = cut_strips(bunch.data)
    >>> brief = StripSize(width=4, n_windows=100, min_epochs=1, max_epochs=5)
    >>> attacker = StripAttacker(size=brief, device="cpu").fit(strips.values, strips.record)
    >>> attacker.log_proba(strips.values).shape
    (8, 4)
    """

    modality = "strip"

    def __init__(
        self, *, size: str | StripSize = "auto", device: str = "auto", seed: int = 0
    ) -> None:
        self.size = size
        self.device = device
        self.seed = seed

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Learn who is who.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of the gallery.
        y : ndarray of int of shape (n_strips,)
            Subject numbers from 0 upwards.

        Returns
        -------
        self : object
            The fitted attacker.
        """
        self.net_ = fit_strip_net(
            X,
            y,
            n_outputs=int(y.max()) + 1,
            # Log-probabilities are summed over strips: one overconfident strip must not decide.
            criterion__label_smoothing=0.1,
            size=self.size,
            device=self.device,
            seed=self.seed,
        )
        self.templates_ = LDAAttacker().fit(self.embed(X), y)
        return self

    def enroll(self, X: NDArray, y: NDArray) -> _Enrolled:
        """Return an attacker who compares strips with those of another gallery.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of the other gallery, of the same people.
        y : ndarray of int of shape (n_strips,)
            Their subject numbers.

        Returns
        -------
        attacker : object
            Has `log_proba`.
        """
        return _Enrolled(self, self.templates_.enroll(self.embed(X), y))

    def log_proba(self, X: NDArray) -> NDArray:
        """Return the log-probability of each subject.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of probes.

        Returns
        -------
        scores : ndarray of shape (n_strips, n_subjects)
            Columns follow the subject numbers.
        """
        points = self.embed(X)
        output = self.net_.module_.output
        weight, bias = (p.detach().cpu().double().numpy() for p in output.parameters())
        of_net = log_softmax(points @ weight.T + bias, axis=1)
        return log_softmax((of_net + self.templates_.log_proba(points)) / 2, axis=1)

    def embed(self, X: NDArray) -> NDArray[np.float32]:
        """Return the pooled channels of the net.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips.

        Returns
        -------
        points : ndarray of shape (n_strips, n_dims)
            One row for each strip.
        """
        return apply_strip_net(self.net_, X, embed=True)


class _Enrolled:
    """A strip attacker who compares embeddings with those of another gallery."""

    def __init__(self, strip: StripAttacker, templates: LDAAttacker) -> None:
        self.strip = strip
        self.templates = templates

    def log_proba(self, X: NDArray) -> NDArray:
        return self.templates.log_proba(self.strip.embed(X))


class StripEmbedder:
    """An embedding of strips, trained with an angular margin, that enrolls new people.

    Parameters
    ----------
    size : {"auto", "small", "large"} or StripSize, default="auto"
        As in `StripAttacker`.
    device : str, default="auto"
        Where to train.
    seed : int, default=0
        For the net.

    Notes
    -----
    The margin is ArcFace's (see `ArcFace`). Points lie on a sphere of 128 dimensions, and
    a person is the direction of the mean of their points, so that nobody has to be known
    in training.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import StripEmbedder
    >>> from sklearn_ecganon.segmentation import cut_strips
    >>> from sklearn_ecganon.training import StripSize
    >>> bunch = make_ecg_records(n_subjects=4, n_sessions=1, duration=20.0, random_state=0)
    >>> strips = cut_strips(bunch.data)
    >>> brief = StripSize(width=4, n_windows=100, min_epochs=1, max_epochs=5)
    >>> embedder = StripEmbedder(size=brief, device="cpu").fit(strips.values, strips.record)
    >>> embedder.templates(strips.values, strips.record).shape
    (4, 128)
    """

    def __init__(
        self, *, size: str | StripSize = "auto", device: str = "auto", seed: int = 0
    ) -> None:
        self.size = size
        self.device = device
        self.seed = seed

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Learn who is who.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of the gallery.
        y : ndarray of int of shape (n_strips,)
            Subject numbers from 0 upwards.

        Returns
        -------
        self : object
            The fitted attacker.
        """
        self.net_ = fit_strip_net(
            X,
            y,
            n_outputs=int(y.max()) + 1,
            criterion=ArcFace,
            size=self.size,
            n_dims=N_DIMS,
            device=self.device,
            seed=self.seed,
        )
        return self

    def embed(self, X: NDArray) -> NDArray[np.float32]:
        """Return the embedding of each strip.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips.

        Returns
        -------
        points : ndarray of shape (n_strips, 128)
            Each of length 1.
        """
        return apply_strip_net(self.net_, X, embed=True)

    def templates(self, X: NDArray, y: NDArray) -> NDArray[np.float32]:
        """Return the direction of the mean point of each subject.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips.
        y : ndarray of int of shape (n_strips,)
            Subject numbers from 0 upwards.

        Returns
        -------
        templates : ndarray of shape (n_subjects, 128)
            Each of length 1.
        """
        points = self.embed(X)
        means = np.array([points[y == subject].mean(axis=0) for subject in range(y.max() + 1)])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)


class StripEmbeddingAttacker:
    """Nearest template in an embedding that was learned from other people.

    The gallery's people are divided into two halves, and a net learns from each. A strip
    is compared with a person's template by the net that was not trained on that person.

    Parameters
    ----------
    size : {"auto", "small", "large"} or StripSize, default="auto"
        As in `StripAttacker`.
    device : str, default="auto"
        Where to train.
    seed : int, default=0
        For the halves and the nets.

    Examples
    --------
    >>> from sklearn_ecganon import make_ecg_records
    >>> from sklearn_ecganon.attacks import StripEmbeddingAttacker
    >>> from sklearn_ecganon.segmentation import cut_strips
    >>> from sklearn_ecganon.training import StripSize
    >>> bunch = make_ecg_records(n_subjects=4, n_sessions=1, duration=20.0, random_state=0)
    >>> strips = cut_strips(bunch.data)
    >>> brief = StripSize(width=4, n_windows=100, min_epochs=1, max_epochs=5)
    >>> attacker = StripEmbeddingAttacker(size=brief, device="cpu")
    >>> attacker.fit(strips.values, strips.record).log_proba(strips.values).shape
    (8, 4)
    """

    modality = "strip"

    def __init__(
        self, *, size: str | StripSize = "auto", device: str = "auto", seed: int = 0
    ) -> None:
        self.size = size
        self.device = device
        self.seed = seed

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Learn who is who.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of the gallery.
        y : ndarray of int of shape (n_strips,)
            Subject numbers from 0 upwards.

        Returns
        -------
        self : object
            The fitted attacker.
        """
        n_subjects = int(y.max()) + 1
        order = np.random.default_rng(self.seed).permutation(n_subjects)
        self.fold_ = np.empty(n_subjects, dtype=np.intp)
        self.fold_[order] = np.arange(n_subjects) % N_FOLDS
        self.nets_ = []
        for fold in range(N_FOLDS):
            others = self.fold_[y] != fold
            codes = np.unique(y[others], return_inverse=True)[1]
            net = StripEmbedder(size=self.size, device=self.device, seed=self.seed + fold)
            self.nets_.append(net.fit(X[others], codes))
        return self._set_templates(X, y)

    def enroll(self, X: NDArray, y: NDArray) -> Self:
        """Return an attacker who compares strips with those of another gallery.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of the other gallery, of the same people.
        y : ndarray of int of shape (n_strips,)
            Their subject numbers.

        Returns
        -------
        attacker : object
            Has `log_proba`.
        """
        return copy.copy(self)._set_templates(X, y)

    def log_proba(self, X: NDArray) -> NDArray:
        """Return the log-probability of each subject.

        Parameters
        ----------
        X : ndarray of shape (n_strips, n_leads, n_times)
            Strips of probes.

        Returns
        -------
        scores : ndarray of shape (n_strips, n_subjects)
            Columns follow the subject numbers.
        """
        cosines = np.empty((len(X), len(self.fold_)), dtype=np.float32)
        for fold, net in enumerate(self.nets_):
            members = self.fold_ == fold
            cosines[:, members] = net.embed(X) @ self.templates_[members].T
        return log_softmax(SCALE * cosines, axis=1)

    def _set_templates(self, X: NDArray, y: NDArray) -> Self:
        of_nets = [net.templates(X, y) for net in self.nets_]
        self.templates_ = np.choose(self.fold_[:, np.newaxis], of_nets)
        return self
