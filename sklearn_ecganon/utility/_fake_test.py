"""What a judge who learnt from real samples makes of generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.utils import check_array, check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d
from skorch import NeuralNet

from sklearn_ecganon.networks._resnet import ResNet18
from sklearn_ecganon.training._nets import (
    FIXED,
    NetStateMixin,
    one_cycle,
    resolve_device,
    seeded,
    single_thread,
    train,
)

CHUNK = 256
N_FOLDS = 3


class FakeTestRow(NamedTuple):
    """What the judge made of samples of known classes.

    Attributes
    ----------
    accuracy : float
        Share of the samples whose class the judge names.
    auc : float
        Area under the receiver operating characteristic; the mean over classes against the
        rest if there are more than two.
    f1 : float
        Mean of the F1 of the classes.
    n_iterations : int or None
        Training steps of the generator by then.
    """

    accuracy: float
    auc: float
    f1: float
    n_iterations: int | None = None


class FakeTest(NetStateMixin, BaseEstimator):
    """Let a judge who learnt from real samples say what generated ones show.

    A residual network learns classes (findings, beat classes) from real samples. Asked
    about samples that were generated to be of a class, it is right as often as the class is
    really in them. In the other direction, :meth:`tell_apart` trains a judge to tell
    generated from real ones.

    Where generated images are to deceive a classifier, a fall of its accuracy is a success
    of the attack: so it reads in [1]_. Here samples are generated to be used in place of
    real ones. The same fall then says that what a patient has is lost, and with it the use
    of the data. Both read the same number; this class gives it, and takes no side.

    Parameters
    ----------
    kind : {"auto", "signals", "images"}, default="auto"
        What the samples are. ``"auto"``: (n, n_times) are signals, (n, h, w) are images;
        for (n, n_leads, n_times) say ``"signals"``.
    width : int, default=16
        Channels of the first stage of the network, ResNet-18 but narrower (64 in [2]_).
    max_epochs : int, default=10
        Passes over the training data.
    batch_size : int, default=64
        Samples of a step.
    lr : float, default=0.003
        Largest learning rate of AdamW, on a one-cycle schedule.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, or whichever is there.
    random_state : int, RandomState instance or None, default=0
        Seeds the judge. Fixed by default: the same samples get the same figures.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The judge.
    classes_ : ndarray of shape (n_classes,)
        What it tells apart.

    See Also
    --------
    BeatClassUtility : Trains on a release instead, and knows of RR intervals.
    sklearn_ecganon.metrics.two_sample_auc : Real against generated, by trees.

    Notes
    -----
    After [1]_, where a ResNet-18 reaches an accuracy of 0.98 on real chest X-rays and 0.63,
    0.57 and 0.55 on those of a GAN after 100, 200 and 500 iterations. Deviations: the
    network is narrower, without pooling before its first stage, and one-dimensional for
    signals; weights are drawn, not pretrained; classes weigh alike.

    References
    ----------
    .. [1] "Deep-fake medical image (X-ray) using GAN", a work that this class reproduces.
    .. [2] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition",
       CVPR, 770-778, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.utility import FakeTest
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["flat", "wave"], 40)
    >>> X = np.sin(np.arange(64)) * (y == "wave")[:, None] + 0.1 * rng.normal(size=(80, 64))
    >>> judge = FakeTest(width=4, max_epochs=15, batch_size=16).fit(X[::2], y[::2])
    >>> judge.evaluate(X[1::2], y[1::2]).accuracy
    1.0
    """

    _parameter_constraints: dict = {
        "kind": [StrOptions({"auto", "signals", "images"})],
        "width": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        kind: str = "auto",
        *,
        width: int = 16,
        max_epochs: int = 10,
        batch_size: int = 64,
        lr: float = 3e-3,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.kind = kind
        self.width = width
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the judge on real samples.

        Parameters
        ----------
        X : array-like of shape (n, n_times), (n, n_leads, n_times), (n, h, w) or (n, h, w, 3)
            Real signals or images.
        y : array-like of shape (n,)
            Their classes, two or more. In other estimators y is the subject; what is judged
            here is the clinical class.

        Returns
        -------
        self : FakeTest
            The judge.

        Raises
        ------
        ValueError
            If there is one class, or X is not made of signals or images.
        """
        rows, self._n_dims = self._rows(X)
        y = self._check_classes(rows, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class, {self.classes_.tolist()[0]!r}; a judge needs two or more."
            )
        self._n_channels = rows.shape[1]
        self._center, self._scale = float(rows.mean()), float(rows.std()) or 1.0
        self._n_steps = self.max_epochs * -(-len(rows) // self.batch_size)
        self.device_ = resolve_device(self.device)
        # Classes are drawn alike, so that an epoch is a plain pass.
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        weight = 1 / np.bincount(codes)[codes]
        drawn = np.random.default_rng(seed).choice(
            len(rows), len(rows), p=weight / weight.sum()
        )
        with seeded(seed):
            self.net_ = self._build_net()
            targets = torch.from_numpy(codes[drawn]).to(self.device_)
            train(self.net_, self._tensor(rows[drawn]), targets)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how likely each class is.

        Parameters
        ----------
        X : array-like
            Signals or images as in `fit`.

        Returns
        -------
        proba : ndarray of shape (n, n_classes)
            Columns follow `classes_`.
        """
        check_is_fitted(self)
        rows, n_dims = self._rows(X)
        if (n_dims, rows.shape[1]) != (self._n_dims, self._n_channels):
            raise ValueError(
                f"X has {rows.shape[1]} channel(s) of {n_dims} dimension(s), but the judge was "
                f"fitted on {self._n_channels} of {self._n_dims}."
            )
        net = self.net_.module_.eval()
        with torch.no_grad(), single_thread():
            logits = [net(self._tensor(rows[b])) for b in gen_batches(len(rows), CHUNK)]
            return torch.cat(logits).double().softmax(dim=1).cpu().numpy()

    def predict(self, X: ArrayLike) -> NDArray:
        """Name the likeliest class of each sample.

        Parameters
        ----------
        X : array-like
            Signals or images as in `fit`.

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
        """Hold the judge's verdict against the classes that samples are, or should be.

        Parameters
        ----------
        X : array-like
            Real samples that the judge has not seen, or generated ones.
        y : array-like of shape (n,)
            Their classes, or those that they were generated to be of. All of `classes_`.
        n_iterations : int, optional
            Goes into the row.

        Returns
        -------
        row : FakeTestRow
            Accuracy, AUC and F1.

        Raises
        ------
        ValueError
            If a class is not there, or was not in `fit`.
        """
        proba = self.predict_proba(X)
        y = self._check_classes(proba, y)
        if not np.array_equal(np.unique(y), self.classes_):
            raise ValueError(
                f"y holds {np.unique(y).tolist()}; the judge knows {self.classes_.tolist()} "
                "and wants to be asked about each of them."
            )
        found = self.classes_[proba.argmax(axis=1)]
        scores = proba[:, 1] if len(self.classes_) == 2 else proba
        return FakeTestRow(
            float(accuracy_score(y, found)),
            float(roc_auc_score(y, scores, multi_class="ovr")),
            float(f1_score(y, found, average="macro")),
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
        """Train judges to tell generated from real samples, on folds.

        The fitted judge is not touched; `fit` is not needed.

        Parameters
        ----------
        real, generated : array-like
            Samples of one layout.
        real_groups, generated_groups : array-like, optional
            Record or patient of each, which never stands on both sides of a split; by
            default each is its own. Both or neither.

        Returns
        -------
        row : FakeTestRow
            Over three folds. An AUC of 0.5 where the judge cannot tell, 1 where it always
            can.

        Raises
        ------
        ValueError
            If one side has groups and the other has not, or layouts differ.
        """
        if (real_groups is None) != (generated_groups is None):
            raise ValueError(
                "one of real_groups and generated_groups is None; give both or neither."
            )
        parts = [self._rows(X)[0] for X in (real, generated)]
        rows = np.concatenate(parts)
        is_real = np.repeat([1, 0], [len(part) for part in parts])
        groups = np.arange(len(rows))
        if real_groups is not None:
            groups = np.concatenate([np.asarray(real_groups), np.asarray(generated_groups)])
        check_consistent_length(rows, groups)
        rng = check_random_state(self.random_state)
        _, groups = np.unique(groups, return_inverse=True)
        groups = rng.permutation(groups.max() + 1)[groups]
        found = np.empty(len(rows))
        for learnt, asked in GroupKFold(N_FOLDS).split(rows, is_real, groups):
            judge = clone(self).set_params(
                kind=self._kind(real), random_state=rng.randint(2**31 - 1)
            )
            judge.fit(_as_given(rows[learnt], judge.kind), is_real[learnt])
            proba = judge.predict_proba(_as_given(rows[asked], judge.kind))
            found[asked] = proba[:, 1]
        return FakeTestRow(
            float(accuracy_score(is_real, found > 0.5)),
            float(roc_auc_score(is_real, found)),
            float(f1_score(is_real, found > 0.5, average="macro")),
        )

    def _build_net(self) -> NeuralNet:
        net = NeuralNet(
            ResNet18,
            module__n_dims=self._n_dims,
            module__n_channels=self._n_channels,
            module__n_classes=len(self.classes_),
            module__width=self.width,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=0.05,
            lr=self.lr,
            callbacks=[one_cycle(self.lr, self._n_steps)],
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            **FIXED,
        )
        return net.initialize()

    def _kind(self, X: Any) -> str:
        if self.kind != "auto":
            return self.kind
        return "signals" if np.ndim(X) == 2 else "images"

    def _rows(self, X: ArrayLike) -> tuple[NDArray[np.float32], int]:
        """Return samples as (n, n_channels, *size), and the dimensions of their size."""
        kind = self._kind(X)
        rows = check_array(X, allow_nd=True, dtype=np.float32, input_name="X")
        if kind == "signals" and rows.ndim in (2, 3):
            return (rows[:, np.newaxis] if rows.ndim == 2 else rows), 1
        if kind == "images" and rows.ndim == 3:
            return rows[:, np.newaxis], 2
        if kind == "images" and rows.ndim == 4:
            return np.moveaxis(rows, -1, 1), 2
        raise ValueError(
            f"X has shape {rows.shape}; want signals (n, n_times) or (n, n_leads, n_times), or "
            "images (n, h, w) or (n, h, w, 3), as kind= says."
        )

    def _check_classes(self, rows: NDArray, y: ArrayLike) -> NDArray:
        y = np.asarray(column_or_1d(y))
        check_consistent_length(rows, y)
        return y

    def _tensor(self, rows: NDArray) -> torch.Tensor:
        scaled = (rows - self._center) / self._scale
        return torch.as_tensor(scaled, dtype=torch.float32).to(self.device_)


class FakeTestMonitor:
    """Ask a judge about a generator while it is trained: a callback of scikit-learn.

    Parameters
    ----------
    judge : FakeTest
        Fitted on real samples.
    labels : array-like of shape (n,)
        Classes of the samples to ask about, every time.
    every : int, default=1
        Epochs between two questions.
    random_state : int, default=0
        Seeds the draws of the generator.

    Attributes
    ----------
    rows : list of FakeTestRow
        One for each time, with the steps of the generator's training by then.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.anonymizers import GANImageAnonymizer
    >>> from sklearn_ecganon.utility import FakeTest, FakeTestMonitor
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["flat", "wave"], 40)
    >>> X = np.sin(np.arange(64)) * (y == "wave")[:, None] + 0.1 * rng.normal(size=(80, 64))
    >>> judge = FakeTest(width=4, max_epochs=2, batch_size=16).fit(X, y)
    >>> monitor = FakeTestMonitor(judge, np.tile(["flat", "wave"], 20))
    >>> gan = GANImageAnonymizer(n_filters=4, batch_size=32, max_epochs=2, random_state=0)
    >>> _ = gan.set_callbacks(monitor).fit(X, labels=y)
    >>> [row.n_iterations for row in monitor.rows]
    [3, 6]
    """

    def __init__(
        self,
        judge: FakeTest,
        labels: Sequence[Any] | ArrayLike,
        *,
        every: int = 1,
        random_state: int = 0,
    ) -> None:
        self.judge = judge
        self.labels = np.asarray(labels)
        self.every = every
        self.random_state = random_state
        self.rows: list[FakeTestRow] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin with an empty list."""
        self.rows = []

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing is left to do."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing is to be done."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Ask, at the end of every `every`-th epoch."""
        n_epochs = estimator.net_.n_epochs_ if context.task_name == "epoch" else 0
        if n_epochs and n_epochs % self.every == 0:
            drawn = estimator.sample(
                len(self.labels), self.labels, random_state=self.random_state
            )
            n_iterations = int(estimator.net_.n_steps_)
            row = self.judge.evaluate(drawn, self.labels, n_iterations=n_iterations)
            self.rows.append(row)
        return False


def _as_given(rows: NDArray, kind: str) -> NDArray:
    """Return rows with their channels where `fit` expects them."""
    return rows if kind == "signals" else np.moveaxis(rows, 1, -1)
