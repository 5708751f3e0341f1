"""Bend signals and images by a field that was learnt against a verifier of people."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.anonymizers._perturbation._base import EDGE, BasePerturbation
from sklearn_ecganon.networks._field import MAX_EDGE_SLOPE, FlowField, NoiseField

# Deformation degree of signals and of images.
MU = {1: 0.1, 2: 0.01}


class FlowFieldAnonymizer(BasePerturbation):
    """Bend each record by a smooth displacement that a verifier of people is to stumble on.

    A U-Net predicts a displacement for every sample (a time warp) or pixel, at most `mu`
    of half a side. It learns against a Siamese net that tells whether two recordings are
    of one person, and beside a classifier that reads the diagnosis; both learn on.

    Parameters
    ----------
    strength : float, default=1.0
        Scales `mu`. 0 returns the input bit for bit.
    mu : float, optional
        Deformation degree: bound of the displacement, as a share of half a side. By default
        0.01 for images, as published, and 0.1 for signals: 5 % of a beat's window.
    smoothing : float, default=2.0
        Standard deviation in samples of the Gaussian that smooths the displacement; as much
        wider as it takes for the field to fold nowhere.
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
    NoiseFieldAnonymizer : Adds a field instead.
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

    **The R peak stays.** The displacement of a beat is 0 at column ``n_times // 2``: R peaks
    remain where a BeatSet says they are, and a shift of the whole beat, which is what the
    U-Net would learn otherwise, hides nobody from an attacker who aligns.

    **No folds.** The slope of a smoothed displacement is at most
    ``sqrt(2 / pi) * mu * side / (2 * smoothing)`` along an axis. The smoothing, and the
    edge of protected regions, are as wide as it takes to keep the sum over the axes below
    1: the Jacobian of the deformation is positive, whatever the net predicts. (Weights are
    softened to that end as well.)

    Source: PriCheXy-Net [1]_. Deviations:

    - The Gaussian smooths the displacement, never the grid. Zero-padded smoothing of the
      grid itself moves the image's border, however small `mu` is.
    - The draw next to the input, and no normalization over a batch.
    - The nets are small, and trained from scratch; verifier and classifier learn while the
      U-Net is trained to the identity.
    - Signals, several leads (one warp for all), protected regions.

    **What it is worth.** The published fall of the verifier, from 81.8 to 57.7 %, was not
    seen again. On a thousand X-rays of 128 pixels `mu` 0.01 is 0.6 of a pixel at most, and
    verifiers trained on releases keep all but 3 % of what they are above guessing (AUC 0.80
    to 0.79; ``benchmarks/perturbation.py xray``, 2026-11-22). Time warps of beats do more,
    but leave most people to be recognised (58 % of 89 on ECG-ID by the strongest retrained
    attacker; ``benchmarks/perturbation.py ecg``): the shape of the waves stays.

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> from sklearn_ecganon import QRSSegmenter, make_ecg_records
    >>> from sklearn_ecganon.anonymizers import FlowFieldAnonymizer
    >>> bunch = make_ecg_records(n_subjects=2, duration=10.0, random_state=0)
    >>> beats = QRSSegmenter().fit_transform(bunch.data)
    >>> flow = FlowFieldAnonymizer(n_filters=4, max_epochs=2, random_state=0)
    >>> released = flow.fit(beats, bunch.subject).transform(beats)
    >>> bool(np.abs(flow.field(beats)).max() < 0.05 * beats.n_times)
    True
    """

    _parameter_constraints: dict = {
        **BasePerturbation._parameter_constraints,
        "mu": [Interval(Real, 0, 1, closed="both"), None],
        "smoothing": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        mu: float | None = None,
        smoothing: float = 2.0,
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
        self.mu = mu
        self.smoothing = smoothing

    def _module(self) -> tuple[type[NoiseField], dict[str, Any]]:
        degree = MU[len(self.size_)] if self.mu is None else self.mu
        return FlowField, {"degree": degree, "smoothing": self.smoothing}

    def _units(self) -> NDArray[np.float64]:
        half = (np.array(self.size_) - 1) / 2
        return half.reshape(-1, *[1] * len(self.size_))

    def _edge(self) -> float:
        reach = self._settings["degree"] * (max(self.size_) - 1) / 2
        return max(EDGE, len(self.size_) * reach / MAX_EDGE_SLOPE)
