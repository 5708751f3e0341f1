"""Pictures of generated samples that are written during training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


class PreviewWriter:
    """Write a grid of generated samples as a PNG while a generator is trained.

    A callback of scikit-learn; a subclass writes ``_show(ax, sample, low, high)``.

    Parameters
    ----------
    folder : str or path
        Folder of ``epoch-0005.png`` and so on; it is created if it does not exist.
    every : int, default=5
        Epochs between two pictures.
    n_columns : int, default=8
        Samples of each row.
    random_state : int, default=0
        Seeds the draws.
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

    def _show(self, ax: Any, sample: np.ndarray, low: float, high: float) -> None:
        """Draw a sample; all samples of the grid lie between `low` and `high`."""
        raise NotImplementedError

    def setup(self, estimator: Any, context: Any) -> None:
        """Create the folder."""
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
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Write a picture at the end of every `every`-th epoch."""
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
                self._show(ax, sample, low, high)
        return figure

    def _rows(self, estimator: Any) -> dict[str, np.ndarray]:
        """Return the samples of each row of the grid by its name."""
        if hasattr(estimator, "_preview_rows"):
            return estimator._preview_rows(self.n_columns)
        classes = estimator.classes_
        n_samples = len(classes) * self.n_columns
        labels = None if classes.tolist() == [""] else np.repeat(classes, self.n_columns)
        X = estimator.sample(n_samples, labels, random_state=self.random_state)
        return dict(zip(classes, np.split(X, len(classes)), strict=True))
