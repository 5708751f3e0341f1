"""Add a field to signals and images that was learnt against a verifier of people."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.anonymizers._perturbation._base import BasePerturbation
from sklearn_ecganon.networks._field import NoiseField

# Bound of the noise in signals and in images.
DEGREE = {1: 0.1, 2: 0.01}
# Smoothing as a share of the length of signals and of images.
SMOOTHING = {1: 0.02, 2: 0.0}


class NoiseFieldAnonymizer(BasePerturbation):
    """Add to each record a pattern that a verifier of people is to stumble on.

    The machine of :class:`FlowFieldAnonymizer` with another output: what its U-Net predicts
    is added to every sample or pixel, instead of bending the signal or the image.

    Parameters
    ----------
    strength : float, default=1.0
        Scales `noise_degree`. 0 returns the input bit for bit.
    noise_degree : float, optional
        Bound of what is added, as a share of the range `range_` of the values seen in `fit`. By
        default 0.01 for images and 0.1 for signals.
    smoothing : float, optional
        Standard deviation in samples of a Gaussian that smooths the field. By default 0 for
        images, which is none, as published, and 2 % of a beat's window for signals.
    protect : None, array-like, callable, or object with ``predict``, default=None
        What must not be changed, in `fit` as well as in `transform`. A mask of booleans, or
        of weights in [0, 1] where 1 is protected and less asks to be gentle: of shape
        (n_times,) or (h, w) for all alike, or of the shape of X. A callable, or the
        ``predict`` of a fitted segmenter, gets X and returns such a mask. Where the mask is
        1 the output is the input bit for bit, and the edge lies outside of it. Put an
        estimator into :class:`sklearn.frozen.FrozenEstimator` where this one is cloned.
    image_shape : (int, int), optional
        Says that X holds images of this height and width, as (n, h, w) or flattened. None:
        X holds signals.
    n_filters : int, default=8
        Channels of the U-Net at full size, and of the first stage of its judges.
    max_epochs : int, default=100
        Passes over the training rows.
    pretraining : float, default=0.2
        Share of the epochs in which the U-Net learns to change nothing, and its judges
        what they judge.
    classifier_weight, verification_weight : float, default=1.0 and 1.0
        Weights in the U-Net's loss: of the classifier's cross-entropy, and of
        ``-log(1 - p)`` for the verifier's `p` that a release and another original are of
        one subject.
    batch_size : int, default=64
        Rows of a step. Each has a partner of its subject; those of the others are strangers.
    lr : float, optional
        Learning rate of Adam for the U-Net. By default 0.0001 for images, as published, and
        0.001 for signals.
    judge_lr : float, default=0.001
        That of its judges, which are not trained beforehand here.
    checkpoint : str or path, default=None
        File that is written after every epoch, and gone on from if it is there: a training
        that was interrupted ends with the same weights, bit for bit. It holds weights and
        a hash of the data, no sample.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=None
        Seeds training, and makes the salt. A salt made from a number can be made again by
        anyone who guesses the number: leave None for a release.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The fitted U-Net; its judges are forgotten.
    history_ : dict of str to ndarray of shape (n_epochs,)
        Means over an epoch: ``identity_error``, mean squared change, of X scaled to [0, 1];
        ``verification_loss``; ``verifier_loss`` of the verifier that learns along, on pairs
        of an original and a release, about 1.4 for guessing; ``classifier_loss`` and
        ``class_accuracy`` on releases (NaN without classes); ``dur``, seconds.
    n_iter_ : int
        Epochs done.
    classes_ : ndarray
        Classes seen in `fit`; a single one if there were no labels.
    low_, range_ : float
        Lower end and length of the range that holds 99.8 % of the values seen in `fit`.
    size_, n_channels_ : tuple of int, int
        Of what the nets see: samples of a signal with its leads, or height and width of an
        image.
    salt_ : ndarray of uint8 of shape (16,)
        Secret that keys the draws.
    device_ : str
        Where the net lives.
    n_leads_, n_times_, sampling_rate_ : int, int, float
        Layout of the beats seen in `fit`.
    n_features_in_ : int
        Seen in `fit` on arrays.

    See Also
    --------
    FlowFieldAnonymizer : Bends instead.
    NoiseAnonymizer : Adds noise that nobody has learnt.
    ReidentificationScorer : Measures what an attacker still recognises.

    Notes
    -----
    **What is drawn and what is not.** The published net is deterministic. Here it sees, next
    to the input, a coarse field of 16 normal numbers, keyed by the salt and the record's
    content: how far it follows them is learnt. Given model and salt, nothing is random.

    **The unit is the record.** For a BeatSet the field is predicted once, from the record's
    mean beat, and all its beats share it: averaging many beats of a release undoes nothing.
    Images, and rows of an array, are records of their own.

    **Pairs.** `y` says who is who. A genuine pair is of two records of one subject; where
    there is only one, of two groups of its beats. Without `y` each record is taken for a
    subject, and a row of an array has none but itself for a partner, which the verifier
    sees moved, turned and in another contrast. `labels` train the classifier; without
    them, or with a single class, it is left out. For beats, the nets learn from means of
    up to 8 beats of a record and class.

    Values may leave the range of the input by `noise_degree`: clip images before they are
    written as integers.

    **What it is worth.** At the degree of 0.01 verifiers of X-rays that were trained on
    releases lose nothing (AUC 0.79 before and after; ``benchmarks/perturbation.py xray``,
    2026-11-22). At 0.1, on 48 pixels, those trained on releases alone lose 45 % of what
    they are above guessing, those trained on pairs of an original and a release 10 % (two
    of each, with ``--size 48 --degrees 0.1 --filters 4 --epochs 40 --lr 3e-3``).

    On beats, where the default is 0.1, the strongest retrained attacker on ECG-ID still
    names 22 % of 89 people, nearly all of them by the rhythm, but a third of what a
    diagnosis needs is left (``benchmarks/perturbation.py ecg``).

    Source: the learned noise that [1]_ and its successors compare their flow field with.
    Deviations: the draw next to the input, no normalization over a batch, small nets from
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
        "noise_degree": [Interval(Real, 0, None, closed="left"), None],
        "smoothing": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        noise_degree: float | None = None,
        smoothing: float | None = None,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        image_shape: tuple[int, int] | None = None,
        n_filters: int = 8,
        max_epochs: int = 100,
        pretraining: float = 0.2,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        batch_size: int = 64,
        lr: float | None = None,
        judge_lr: float = 1e-3,
        checkpoint: str | os.PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            strength,
            protect=protect,
            image_shape=image_shape,
            n_filters=n_filters,
            max_epochs=max_epochs,
            pretraining=pretraining,
            classifier_weight=classifier_weight,
            verification_weight=verification_weight,
            batch_size=batch_size,
            lr=lr,
            judge_lr=judge_lr,
            checkpoint=checkpoint,
            device=device,
            random_state=random_state,
        )
        self.noise_degree = noise_degree
        self.smoothing = smoothing

    def _module(self) -> tuple[type[NoiseField], dict[str, Any]]:
        degree = DEGREE[len(self.size_)] if self.noise_degree is None else self.noise_degree
        smoothing = SMOOTHING[len(self.size_)] * max(self.size_)
        if self.smoothing is not None:
            smoothing = self.smoothing
        return NoiseField, {"degree": degree, "smoothing": smoothing}

    def _units(self) -> float:
        return self.range_
