"""An attacker that decides whether two images show the same person."""

from __future__ import annotations

from numbers import Integral
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from sklearn_ecganon.images._learner import ImageLearner
from sklearn_ecganon.images._pair_verifier import PairVerifier
from sklearn_ecganon.networks import PairLoss, VerificationNet
from sklearn_ecganon.training import ResidentSubjects


class SiameseVerifier(PairVerifier, ImageLearner):
    """Learn to decide whether two images show the same person.

    One residual network maps each image of a pair to a point; the closer the points, the
    more likely it is one person. The network is trained from scratch, on pairs of all the
    people in X, and then compares images of people it has never seen: split by patient
    first. Trained with ``released=``, it is an attacker that knows the anonymizer.

    A chest X-ray archive has hundreds of patients with one or two images each. That is too
    little to learn a person from, so the question is whether two images belong together.
    :meth:`score_matrix` gives the scores of a gallery, if people are to be identified.

    Parameters
    ----------
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
    width : int, default=8
        Channels of the first stage of the network, which is a narrower ResNet-18.
    augment : bool, default=True
        Whether to change images while training as another visit would: position, size and
        exposure. Images are not flipped.
    max_epochs : int, default=20
        Passes over the training data, each of as many pairs as there are images.
    batch_size : int, default=64
        Pairs of a step; each left side is compared with each right side.
    lr : float, default=0.003
        Largest learning rate of AdamW, on a one-cycle schedule.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, pairs and augmentation.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The network.
    device_ : str
        The device it was trained on.
    history_ : dict of str to ndarray of shape (max_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    n_iter_ : int
        Number of epochs.
    size_ : (int, int)
        Height and width of the images seen in `fit`.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    MatchingVerifier : Recognizes more where there are few hundred people.
    verify_release : Trains this verifier several times against a release.
    verification_pairs : The pairs that it compares.

    Notes
    -----
    After [1]_ and the source code of [2]_: a ResNet-50, pretrained on ImageNet, maps either
    image of 256 pixels a side to 128 numbers, and a dense layer takes their absolute
    differences; Adam 1e-4, batches of 32 out of 10,000 fixed pairs.
    Deviations, all of them because there are a thousand images here and not a hundred
    thousand: a ResNet-18 with fewer channels and no pretraining; its last stage is averaged
    over 3 x 3 cells and not as a whole; the scaled cosine of both points; every left side
    of a batch is compared with every right side, and genuine and impostor pairs have the
    same weight, so that the answer is a probability where both are equally frequent; people
    with a single image are paired with an augmented copy of it.

    On 1000 images of 128 pixels of NIH ChestX-ray14, three folds by patient, pairs of the
    same view and sex, five verifiers a fold: AUC 0.831 (0.817 to 0.836 by seed, standard
    deviation within a fold 0.016), where the correlation of pixels has 0.721
    (``benchmarks/images/verification.py auc``, 2026-11-22).

    References
    ----------
    .. [1] K. Packhäuser et al., "Deep learning-based patient re-identification is able to
       exploit the biometric nature of medical chest X-ray data", Scientific Reports 12,
       14851, 2022.
    .. [2] K. Packhäuser et al., "Deep learning-based anonymization of chest radiographs: a
       utility-preserving measure for patient privacy", MICCAI, 262-272, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import SiameseVerifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(np.arange(40), 4)
    >>> patterns = rng.random((40, 2, 2)).repeat(8, axis=1).repeat(8, axis=2)
    >>> X = patterns[y] + 0.1 * rng.normal(size=(160, 16, 16))
    >>> known = y < 20
    >>> verifier = SiameseVerifier(width=4, max_epochs=8, batch_size=16, random_state=0)
    >>> row = verifier.fit(X[known], y[known]).evaluate(X[~known], y[~known])
    >>> row.auc > 0.6
    True
    """

    attacker = "siamese"

    _parameter_constraints: dict = {
        **ImageLearner._parameter_constraints,
        "width": [Interval(Integral, 1, None, closed="left")],
        "augment": ["boolean"],
    }

    def __init__(
        self,
        *,
        image_shape: tuple[int, int] | None = None,
        width: int = 8,
        augment: bool = True,
        max_epochs: int = 20,
        batch_size: int = 64,
        lr: float = 3e-3,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.width = width
        self.augment = augment
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, released: ArrayLike | None = None) -> Self:
        """Learn from images of known people.

        Parameters
        ----------
        X : array-like of shape (n, h, w), or (n, h * w)
            Original images.
        y : array-like of shape (n,)
            The person in each. At least two people, one of whom has two images or more.
        released : array-like of the shape of X, optional
            The same images after an anonymizer. If given, the left side of every pair is an
            original and the right side a released image: the semi-informed attacker.

        Returns
        -------
        self : SiameseVerifier
            The trained verifier.

        Raises
        ------
        ValueError
            If there is one person, nobody has two images, X and `released` differ in
            shape, or either holds no images.
        """
        images, subjects, others = self._training_data(X, y, released)
        views = [images] if others is None else [images, others]
        self._offset = float(images.min())
        self._scale = float(images.max()) - self._offset or 1.0
        # The images of a subject are adjacent, so that batches need no search.
        order = np.argsort(subjects, kind="stable")

        def make_tensors() -> tuple[torch.Tensor, torch.Tensor]:
            stacked = torch.stack([self._tensor(view[order]) for view in views], dim=1)
            return stacked, torch.from_numpy(subjects[order]).to(self.device_)

        self._train(len(images), self._seed(), make_tensors)
        return self

    def embed(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the points that the network maps images to.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.

        Returns
        -------
        points : ndarray of shape (n, 64)
            Vectors of length 1.
        """
        check_is_fitted(self)
        return self._infer(self._images(X, reset=False), lambda net, x: net.embed(x))

    def score_matrix(self, X: ArrayLike, gallery: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that each probe and each gallery image are of one person.

        With one image of each person in the gallery these are the scores that
        :func:`sklearn_ecganon.metrics.cmc_curve` and
        :func:`sklearn_ecganon.metrics.rank_k` take.

        Parameters
        ----------
        X, gallery : array-like
            Images as in `fit`.

        Returns
        -------
        scores : ndarray of shape (n_probes, n_gallery)
            Probabilities as those of :meth:`score_pairs`.
        """
        return self._probability(self.embed(X) @ self.embed(gallery).T)

    def _describe(self, X: ArrayLike) -> NDArray[np.float64]:
        return self.embed(X)

    def _compare(
        self, left: NDArray, right: NDArray, pairs: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        return (left[pairs[:, 0]] * right[pairs[:, 1]]).sum(axis=1)

    def _build_net(self) -> NeuralNet:
        return self._net(
            VerificationNet,
            module__n_dims=2,
            module__n_channels=1,
            module__width=self.width,
            module__augment=self.augment,
            criterion=PairLoss,
            optimizer__weight_decay=0.05,
            iterator_train=ResidentSubjects,
        )

    def _probability(self, cosines: NDArray) -> NDArray[np.float64]:
        net = self.net_.module_
        with torch.no_grad():
            scale, bias = float(net.log_scale.exp()), float(net.bias)
        return 1 / (1 + np.exp(-(scale * cosines + bias)))
