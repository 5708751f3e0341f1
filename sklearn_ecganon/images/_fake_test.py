"""Whether generated images show the classes that they are meant to show."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context, clone
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d
from skorch import NeuralNet
from torch import Tensor

from sklearn_ecganon.images._learner import ImageLearner
from sklearn_ecganon.networks import ResNet18

N_FOLDS = 3


class FakeTestRow(NamedTuple):
    """How a classifier does on images of known classes.

    Attributes
    ----------
    accuracy : float
        Fraction of the images that the classifier gives the right class.
    auc : float
        Area under the receiver operating characteristic; with more than two classes the
        mean of each class against all others.
    f1 : float
        Mean of the F1 of the classes.
    n_iterations : int or None
        Training steps of the generator by then.
    """

    accuracy: float
    auc: float
    f1: float
    n_iterations: int | None = None


class FakeTest(ImageLearner):
    """Classify generated images by a network that has learned from real images.

    A residual network learns classes, such as findings, from real images. Its accuracy on
    generated images shows whether they look like the class that they were generated for.
    :meth:`tell_apart` answers another question: it trains a classifier to distinguish
    generated from real images.

    If generated images are meant to deceive a classifier, a fall of its accuracy is a
    success of the attack, as in [1]_. Here generated images replace real ones. The same
    fall then means that the finding is lost, and the data are less useful.

    Parameters
    ----------
    image_shape : (int, int), optional
        Height and width of images that come flattened, one a row. A flat row without it is
        an image of one line.
    width : int, default=16
        Channels of the first stage of the network, which is a narrower ResNet-18 (64 in
        [2]_).
    max_epochs : int, default=10
        Passes over the training data.
    batch_size : int, default=64
        Images of a step.
    lr : float, default=0.003
        Largest learning rate of AdamW, on a one-cycle schedule.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one.
    random_state : int, RandomState instance or None, default=0
        Seeds the classifier. Fixed by default: the same images get the same figures.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The classifier.
    classes_ : ndarray of shape (n_classes,)
        The classes it knows.
    device_ : str
        The device it was trained on.
    history_ : dict of str to ndarray of shape (max_epochs,)
        ``train_loss`` and ``dur`` (seconds).
    n_iter_ : int
        Number of epochs.
    size_ : tuple of int
        Height and width of the images seen in `fit`, and 3 if they were in color.
    n_features_in_ : int
        Second dimension of the X seen in `fit`.

    See Also
    --------
    FakeTestMonitor : Applies it to a generator during training.
    sklearn_ecganon.metrics.two_sample_auc : Real against generated data, by trees.

    Notes
    -----
    After [1]_, where a ResNet-18 reaches an accuracy of 0.98 on real chest X-rays and 0.63,
    0.57 and 0.55 on those of a GAN after 100, 200 and 500 iterations. Deviations: the
    network is narrower, without pooling before its first stage; its weights are random, not
    pretrained; all classes have the same weight.

    References
    ----------
    .. [1] "Deep-fake medical image (X-ray) using GAN", a work that this class reproduces.
    .. [2] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition",
       CVPR, 770-778, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import FakeTest
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["flat", "stripes"], 40)
    >>> stripes = np.sin(np.arange(16))[:, None] * (y == "stripes")[:, None, None]
    >>> X = stripes + 0.1 * rng.normal(size=(80, 16, 16))
    >>> classifier = FakeTest(width=4, max_epochs=15, batch_size=16)
    >>> _ = classifier.fit(X[::2], y[::2])
    >>> classifier.evaluate(X[1::2], y[1::2]).accuracy > 0.9
    True
    """

    _accepts_color = True

    _parameter_constraints: dict = {
        **ImageLearner._parameter_constraints,
        "width": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        image_shape: tuple[int, int] | None = None,
        width: int = 16,
        max_epochs: int = 10,
        batch_size: int = 64,
        lr: float = 3e-3,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.image_shape = image_shape
        self.width = width
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the classifier on real images.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, 3) or (n, h * w)
            Real images.
        y : array-like of shape (n,)
            Their classes, two or more. In other estimators y is the subject; here it is the
            clinical class.

        Returns
        -------
        self : FakeTest
            The fitted classifier.

        Raises
        ------
        ValueError
            If there is one class, or X holds no images.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        images = self._images(X, reset=True)
        self.classes_, codes = np.unique(_check_classes(images, y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class, {self.classes_.tolist()[0]!r}; give two classes or more."
            )
        self._n_channels = images.shape[1]
        self._offset, self._scale = float(images.mean()), float(images.std()) or 1.0
        # Each class is drawn equally often, so that an epoch is a plain pass.
        seed = self._seed()
        weight = 1 / np.bincount(codes)[codes]
        rows = np.random.default_rng(seed).choice(
            len(images), len(images), p=weight / weight.sum()
        )

        def make_tensors() -> tuple[Tensor, Tensor]:
            return self._tensor(images[rows]), torch.from_numpy(codes[rows]).to(self.device_)

        self._train(len(images), seed, make_tensors)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.

        Returns
        -------
        proba : ndarray of shape (n, n_classes)
            Columns follow `classes_`.
        """
        check_is_fitted(self)
        images = self._images(X, reset=False)
        return self._infer(images, lambda net, x: net(x).softmax(dim=1))

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most likely class of each image.

        Parameters
        ----------
        X : array-like
            Images as in `fit`.

        Returns
        -------
        y : ndarray of shape (n,)
            One of `classes_` for each.
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def evaluate(
        self, X: ArrayLike, y: ArrayLike, *, n_iterations: int | None = None
    ) -> FakeTestRow:
        """Compare the predicted classes with those that images have, or should have.

        Parameters
        ----------
        X : array-like
            Real images that the classifier has not seen, or generated ones.
        y : array-like of shape (n,)
            Their classes, or those that they were generated to be of. All of `classes_`.
        n_iterations : int, optional
            Is copied into the row.

        Returns
        -------
        row : FakeTestRow
            Accuracy, AUC and F1.

        Raises
        ------
        ValueError
            If a class is missing, or was not in `fit`.
        """
        proba = self.predict_proba(X)
        y = _check_classes(proba, y)
        if not np.array_equal(np.unique(y), self.classes_):
            raise ValueError(
                f"y holds the classes {np.unique(y).tolist()}, but fit saw "
                f"{self.classes_.tolist()}; give images of each of these and of no others."
            )
        predicted = self.classes_[proba.argmax(axis=1)]
        scores = proba[:, 1] if len(self.classes_) == 2 else proba
        return FakeTestRow(
            float(accuracy_score(y, predicted)),
            float(roc_auc_score(y, scores, multi_class="ovr")),
            float(f1_score(y, predicted, average="macro")),
            n_iterations,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def tell_apart(
        self,
        real: ArrayLike,
        generated: ArrayLike,
        real_groups: ArrayLike | None = None,
        generated_groups: ArrayLike | None = None,
    ) -> FakeTestRow:
        """Train classifiers to distinguish generated from real images, on folds.

        The fitted classifier is not changed; `fit` is not needed.

        Parameters
        ----------
        real, generated : array-like
            Images of one size.
        real_groups, generated_groups : array-like, optional
            Patient of each image, whose images are never on both sides of a split; by
            default each image is a group. Give both or neither.

        Returns
        -------
        row : FakeTestRow
            Over three folds. The AUC is 0.5 if the classifier cannot distinguish them at all,
            and 1 if it always does.

        Raises
        ------
        ValueError
            If one side has groups and the other has not, or sizes differ.
        """
        if (real_groups is None) != (generated_groups is None):
            raise ValueError(
                "one of real_groups and generated_groups is None; give both or neither."
            )
        rows = np.concatenate([np.asarray(real), np.asarray(generated)])
        is_real = np.repeat([1, 0], [len(np.asarray(real)), len(np.asarray(generated))])
        groups = np.arange(len(rows))
        if real_groups is not None:
            groups = np.concatenate([np.asarray(real_groups), np.asarray(generated_groups)])
        check_consistent_length(rows, groups)
        rng = check_random_state(self.random_state)
        _, groups = np.unique(groups, return_inverse=True)
        groups = rng.permutation(groups.max() + 1)[groups]
        proba = np.empty(len(rows))
        for train, test in GroupKFold(N_FOLDS).split(rows, is_real, groups):
            classifier = clone(self).set_params(random_state=rng.randint(2**31 - 1))
            classifier.fit(rows[train], is_real[train])
            proba[test] = classifier.predict_proba(rows[test])[:, 1]
        return FakeTestRow(
            float(accuracy_score(is_real, proba > 0.5)),
            float(roc_auc_score(is_real, proba)),
            float(f1_score(is_real, proba > 0.5, average="macro")),
        )

    def _build_net(self) -> NeuralNet:
        return self._net(
            ResNet18,
            module__n_dims=2,
            module__n_channels=self._n_channels,
            module__n_classes=len(self.classes_),
            module__width=self.width,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer__weight_decay=0.05,
        )


def _check_classes(rows: NDArray, y: ArrayLike) -> NDArray:
    y = np.asarray(column_or_1d(y))
    check_consistent_length(rows, y)
    return y
