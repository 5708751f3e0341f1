"""What a generator makes, as a picture every few epochs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


class PreviewGrid:
    """Write a grid of generated samples as a PNG while a generator is trained.

    A callback of scikit-learn: ``estimator.set_callbacks(PreviewGrid("previews"))``. Each
    row of the grid is a class, each column the same draw in every picture, so that one can
    see it change.

    Of a :class:`~sklearn_ecganon.anonymizers.CycleGANAnonymizer` the rows are examples of
    each domain, their translations, and what is translated back. Such pictures show
    originals: keep them as those are kept.

    Parameters
    ----------
    folder : str or path
        Where ``epoch-0005.png`` and so on are written; it is made if it is not there.
    every : int, default=5
        Epochs between two pictures.
    n_columns : int, default=8
        Samples of each class.
    random_state : int, default=0
        Seeds the draws.

    Attributes
    ----------
    paths : list of Path
        Pictures written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn_ecganon.anonymizers import GANImageAnonymizer
    >>> from sklearn_ecganon.plot import PreviewGrid
    >>> faces = np.random.default_rng(0).random((20, 8, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     preview = PreviewGrid(folder, every=2)
    ...     gan = GANImageAnonymizer(image_shape=(8, 8), n_filters=4, max_epochs=4)
    ...     _ = gan.set_callbacks(preview).fit(faces)
    >>> [path.name for path in preview.paths]
    ['epoch-0002.png', 'epoch-0004.png']
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        every: int = 5,
        n_columns: int = 8,
        random_state: int = 0,
    ) -> None:
        self.folder = folder
        self.every = every
        self.n_columns = n_columns
        self.random_state = random_state
        self.paths: list[Path] = []

    def setup(self, estimator: Any, context: Any) -> None:
        """Make the folder."""
        try:
            import matplotlib.figure  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "PreviewGrid draws with matplotlib, which is not installed; run "
                'pip install "sklearn-ecganon[plot]"'
            ) from error
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        self.paths = []

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing is left to do."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing is to be done."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Write a picture, at the end of every `every`-th epoch."""
        n_epochs = estimator.net_.n_epochs_ if context.task_name == "epoch" else 0
        if n_epochs and n_epochs % self.every == 0:
            path = Path(self.folder) / f"epoch-{n_epochs:04d}.png"
            self._draw(estimator).savefig(path, dpi=100)
            self.paths.append(path)
        return False

    def _draw(self, estimator: Any) -> Any:
        from matplotlib.figure import Figure

        rows = self._rows(estimator)
        size = (self.n_columns, len(rows))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(rows), self.n_columns, squeeze=False, sharey=True)
        low, high = (f([f(X) for X in rows.values()]) for f in (np.min, np.max))
        for ax in axes.flat:
            ax.set(xticks=[], yticks=[])
        for line, (name, X) in zip(axes, rows.items(), strict=True):
            line[0].set_ylabel(name)
            for ax, sample in zip(line, X, strict=False):
                if estimator.image_shape is None:
                    ax.plot(np.atleast_2d(sample).T, color="black", linewidth=0.8)
                else:
                    picture = sample.reshape(estimator.image_shape)
                    ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
        return figure

    def _rows(self, estimator: Any) -> dict[str, np.ndarray]:
        """Return the samples of each row by its name."""
        if hasattr(estimator, "_preview_rows"):
            return estimator._preview_rows(self.n_columns)
        classes = estimator.classes_
        n_samples = len(classes) * self.n_columns
        asked = None if classes.tolist() == [""] else np.repeat(classes, self.n_columns)
        X = estimator.sample(n_samples, asked, random_state=self.random_state)
        return dict(zip(classes, np.split(X, len(classes)), strict=True))
