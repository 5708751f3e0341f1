"""Additive fields that are learned against a verifier of people."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.anonymizers._perturbation._base import BasePerturbation
from sklearn_ecganon.networks import NoiseField

# Smoothing as a fraction of the window.
SMOOTHING = 0.02


class NoiseFieldAnonymizer(BasePerturbation):
    """Add a pattern to each record that confuses a verifier of people.

    It is trained like :class:`FlowFieldAnonymizer`, but the output of its U-Net is added to
    every sample instead of displacing it.

    Parameters
    ----------
    strength : float, default=1.0
        Factor by which `noise_degree` is multiplied. 0 returns the input bit for bit.
    noise_degree : float, default=0.1
        Largest added value, as a fraction of the range `range_` of the values seen in
        `fit`.
    smoothing : float, optional
        Standard deviation in samples of a Gaussian that smooths the field; 0 is none. By
        default 2 % of the window.
    protect : None, array-like, callable, or object with ``predict``, default=None
        Samples that must not change, in `fit` as well as in `transform`. A mask of
        booleans, or of weights in [0, 1] where 1 is protected and a lower weight reduces
        the change: of shape (n_times,) for all beats alike, or of the shape of X. A
        callable, or the ``predict`` of a :class:`~sklearn_ecganon.regions.QRSRegion`, gets
        X and returns such a mask. Where the mask is 1 the output equals the input bit for
        bit, and the transition lies outside of it. Wrap an estimator in
        :class:`sklearn.frozen.FrozenEstimator` if this anonymizer is cloned.
    n_filters : int, default=8
        Channels of the U-Net at full size, and of the first stage of verifier and
        classifier.
    max_epochs : int, default=100
        Passes over the training rows.
    pretraining : float, default=0.2
        Fraction of the epochs in which the U-Net learns to change nothing, while verifier
        and classifier learn their tasks.
    classifier_weight, verification_weight : float, default=1.0 and 1.0
        Weights in the loss of the U-Net: of the cross-entropy of the classifier, and of
        ``-log(1 - p)`` for the probability `p` of the verifier that a release and another
        original are of one subject.
    batch_size : int, default=64
        Number of rows in each step. Each row has a partner of its subject; the partners of
        other rows are impostors.
    lr : float, default=0.001
        Learning rate of Adam for the U-Net.
    auxiliary_lr : float, default=0.001
        Learning rate of verifier and classifier, which are trained together with the U-Net.
    checkpoint : str or path, default=None
        File that is written after every epoch. If it exists, training continues from it and
        ends with the same weights as without an interruption, bit for bit. It holds weights
        and a hash of the data, no sample.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds training and the salt. A salt that comes from a number can be drawn again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted U-Net. Verifier and classifier are discarded.
    history_ : dict of str to ndarray of shape (n_epochs,)
        Means over an epoch: ``identity_error``, mean squared change, of X scaled to [0, 1];
        ``verification_loss``; ``verifier_loss`` of the verifier that is trained alongside,
        on pairs of an original and a release, about 1.4 for guessing; ``classifier_loss``
        and ``class_accuracy`` on releases (NaN without classes); ``dur``, seconds.
    n_iter_ : int
        Number of epochs.
    classes_ : ndarray
        Classes seen in `fit`; a single one if there were no labels.
    low_, range_ : float
        Lower end and length of the range that holds 99.8 % of the values seen in `fit`.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        The device of the net.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    FlowFieldAnonymizer : Warps time instead of adding a field.
    sklearn_ecganon.images.NoiseFieldPerturbation : The same for images.
    NoiseAnonymizer : Adds noise that is not learned.
    ReidentificationScorer : Measures what an attacker still recognizes.

    Notes
    -----
    **Random draws.** The published net is deterministic. Here the input of the net also
    contains a coarse field of 16 normal numbers, keyed by the salt and the content of the
    record, and the net learns how to use them. Given model and salt, nothing is random.

    **The unit is the record.** For a BeatSet the field is predicted once, from the mean
    beat of the record, and all its beats share it: averaging many beats of a release does not
    remove it. Each row of an array is a record.

    **Pairs.** `y` holds the subjects. A genuine pair consists of two records of one subject
    or, if there is only one, of two groups of its beats. Without `y` each record counts as
    a subject, and the partner of a row of an array is the same row, shifted and with
    another baseline. `labels` train the classifier; without labels, or with a single class,
    there is no classifier. The nets learn from means of up to 8 beats of a record and
    class.

    **Measured.** The strongest retrained attacker on ECG-ID still identifies 22 % of
    89 people, nearly all of them by the rhythm, but only a third of what a diagnosis needs
    is left (``benchmarks/leaderboard.py --methods field``, 2026-11-22).

    Source: the learned noise that [1]_ and its successors compare their flow field with.
    Deviations: the draw as an additional input, no normalization over a batch, small nets from
    scratch, signals and their smoothing, protected regions.

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import NoiseFieldAnonymizer
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> noise = NoiseFieldAnonymizer(n_filters=4, max_epochs=2, random_state=0)
    >>> released = noise.fit(beats, bunch.subject).transform(beats)
    >>> bool(np.abs(released.beats - beats.beats).max() < 0.1 * noise.range_)
    True
    """

    _parameter_constraints: dict = {
        **BasePerturbation._parameter_constraints,
        "noise_degree": [Interval(Real, 0, None, closed="left")],
        "smoothing": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        noise_degree: float = 0.1,
        smoothing: float | None = None,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        n_filters: int = 8,
        max_epochs: int = 100,
        pretraining: float = 0.2,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        batch_size: int = 64,
        lr: float = 1e-3,
        auxiliary_lr: float = 1e-3,
        checkpoint: str | os.PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            strength,
            protect=protect,
            n_filters=n_filters,
            max_epochs=max_epochs,
            pretraining=pretraining,
            classifier_weight=classifier_weight,
            verification_weight=verification_weight,
            batch_size=batch_size,
            lr=lr,
            auxiliary_lr=auxiliary_lr,
            checkpoint=checkpoint,
            device=device,
            random_state=random_state,
        )
        self.noise_degree = noise_degree
        self.smoothing = smoothing

    def _module(self) -> tuple[type[NoiseField], dict[str, Any]]:
        smoothing = SMOOTHING * self.n_times_ if self.smoothing is None else self.smoothing
        return NoiseField, {"degree": self.noise_degree, "smoothing": smoothing}

    def _units(self) -> float:
        return self.range_
