"""Add a field to images that is learned against a verifier of patients."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from sklearn_ecganon.images._perturbation import BaseFieldPerturbation
from sklearn_ecganon.networks import NoiseField


class NoiseFieldPerturbation(BaseFieldPerturbation):
    """Add a pattern to each image that confuses a verifier of patients.

    It is trained like :class:`FlowFieldPerturbation`, but the output of its U-Net is added
    to every pixel instead of displacing it.

    Parameters
    ----------
    strength : float, default=1.0
        Scales `noise_degree`. 0 returns the input bit for bit.
    noise_degree : float, default=0.01
        Bound of what is added, as a fraction of the range `range_` of the values seen in
        `fit`.
    smoothing : float, default=0.0
        Standard deviation in pixels of a Gaussian that smooths the field; 0 is none, as
        published.
    protect : None, "lungs", array-like, callable, or object with ``predict``, default=None
        What must not be changed, in `fit` as well as in `transform`. ``"lungs"`` finds the
        lungs in chest X-rays with :func:`segment_lungs`. A mask of booleans, or of weights
        in [0, 1] where 1 is protected and a lower weight reduces the change, has the shape
        (h, w) for all images alike, or that of X.
        A callable, or the ``predict`` of a fitted :class:`UNetSegmenter`, gets
        images (n, h, w) and returns such a mask. Where the mask is 1 the output is
        the input bit for bit, and the edge lies outside of it. Put an estimator into
        :class:`sklearn.frozen.FrozenEstimator` where this one is cloned.
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
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
        Rows of a step. Each has a partner of its subject; those of all others are impostors.
    lr : float, default=0.0001
        Learning rate of Adam for the U-Net, as published.
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
        The fitted U-Net; verifier and classifier are not kept.
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
    size_ : (int, int)
        Height and width of the images seen in `fit`.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    FlowFieldPerturbation : Deforms images instead.
    verify_release : Measures what a retrained verifier still recognizes.
    UNetSegmenter : Finds what is to be protected.

    Notes
    -----
    **What is random.** The published net is deterministic. Here the input of the net also
    has a coarse field of 16 normal numbers, keyed by the salt and the content of the
    image; the net learns how far to follow them. Given model and salt, nothing is random.

    **Pairs.** `y` holds the patients. A genuine pair is of two images of one patient.
    Without `y`, or where a patient has a single image, an image has only itself as a
    partner, which the verifier sees moved, turned and in another contrast. `labels` train
    the classifier; without them, or with a single class, there is none.

    Values may leave the range of the input by `noise_degree`: clip images before they are
    written as integers.

    **Measured.** At the degree of 0.01 verifiers that are trained on releases of
    X-rays lose nothing (AUC 0.79 before and after; ``benchmarks/images/perturbation.py
    xray``, 2026-11-22). At 0.1, on 48 pixels, those trained on releases alone lose 45 % of
    their AUC above guessing, those trained on pairs of an original and a release 10 % (two
    of each, with ``--size 48 --degrees 0.1 --filters 4 --epochs 40 --lr 3e-3``).

    Source: the learned noise that [1]_ and its successors compare their flow field with.
    Deviations: the draw as an additional input, no normalization over a batch, small nets
    that are trained from scratch, protected regions.

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import NoiseFieldPerturbation
    >>> images = np.random.default_rng(0).random((12, 16, 16))
    >>> noise = NoiseFieldPerturbation(n_filters=4, max_epochs=2, random_state=0)
    >>> released = noise.fit(images, np.repeat(np.arange(4), 3)).transform(images)
    >>> bool(np.abs(released - images).max() <= 0.01 * noise.range_)
    True
    """

    _parameter_constraints: dict = {
        **BaseFieldPerturbation._parameter_constraints,
        "noise_degree": [Interval(Real, 0, None, closed="left")],
        "smoothing": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        strength: float = 1.0,
        *,
        noise_degree: float = 0.01,
        smoothing: float = 0.0,
        protect: ArrayLike | Callable[..., ArrayLike] | Any = None,
        image_shape: tuple[int, int] | None = None,
        n_filters: int = 8,
        max_epochs: int = 100,
        pretraining: float = 0.2,
        classifier_weight: float = 1.0,
        verification_weight: float = 1.0,
        batch_size: int = 64,
        lr: float = 1e-4,
        auxiliary_lr: float = 1e-3,
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
            auxiliary_lr=auxiliary_lr,
            checkpoint=checkpoint,
            device=device,
            random_state=random_state,
        )
        self.noise_degree = noise_degree
        self.smoothing = smoothing

    def _module(self) -> tuple[type[NoiseField], dict[str, Any]]:
        return NoiseField, {"degree": self.noise_degree, "smoothing": self.smoothing}

    def _units(self) -> float:
        return self.range_
