"""Evaluation of a generator of images while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_ecganon.images._fake_test import FakeTest, FakeTestRow


class FakeTestMonitor:
    """Evaluate a generator while it is trained, as a callback of scikit-learn.

    Parameters
    ----------
    classifier : FakeTest
        Fitted on real images.
    labels : array-like of shape (n,)
        Classes of the images that are generated for each evaluation.
    every : int, default=1
        Epochs between two evaluations.
    to_images : callable, optional
        Turns what the generator samples into images as `classifier` takes them, such as the
        ``transform`` of a fitted imager where a generator samples signals.
    random_state : int, default=0
        Seeds the draws of the generator.

    Attributes
    ----------
    rows : list of FakeTestRow
        One for each evaluation, with the steps of the generator's training by then.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ecganon.images import FakeTest, FakeTestMonitor, GANSynthesizer
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["flat", "stripes"], 40)
    >>> stripes = np.sin(np.arange(8))[:, None] * (y == "stripes")[:, None, None]
    >>> X = stripes + 0.1 * rng.normal(size=(80, 8, 8))
    >>> classifier = FakeTest(width=4, max_epochs=2, batch_size=16).fit(X, y)
    >>> monitor = FakeTestMonitor(classifier, np.tile(["flat", "stripes"], 20))
    >>> gan = GANSynthesizer(n_filters=4, batch_size=32, max_epochs=2)
    >>> _ = gan.set_callbacks(monitor).fit(X, labels=y)
    >>> [row.n_iterations for row in monitor.rows]
    [3, 6]
    """

    def __init__(
        self,
        classifier: FakeTest,
        labels: Sequence[Any] | ArrayLike,
        *,
        every: int = 1,
        to_images: Callable[[NDArray], ArrayLike] | None = None,
        random_state: int = 0,
    ) -> None:
        self.classifier = classifier
        self.labels = np.asarray(labels)
        self.every = every
        self.to_images = to_images
        self.random_state = random_state
        self.rows: list[FakeTestRow] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin with an empty list."""
        self.rows = []

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Evaluate the generator at the end of every `every`-th epoch."""
        n_epochs = estimator.net_.n_epochs_ if context.task_name == "epoch" else 0
        if n_epochs and n_epochs % self.every == 0:
            samples = estimator.sample(
                len(self.labels), self.labels, random_state=self.random_state
            )
            images = samples if self.to_images is None else self.to_images(samples)
            n_iterations = int(estimator.net_.n_steps_)
            row = self.classifier.evaluate(images, self.labels, n_iterations=n_iterations)
            self.rows.append(row)
        return False
