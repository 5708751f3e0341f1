"""Previews of generated images during training."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_ecganon.training import PreviewWriter


class PreviewGrid(PreviewWriter):
    """Write a grid of generated images as a PNG during training.

    A callback of scikit-learn: ``estimator.set_callbacks(PreviewGrid("previews"))``. Each
    row of the grid is a class. A column has the same draw in every picture, so that pictures
    can be compared.

    With a :class:`CycleGANTranslator` the rows are examples of each domain, their
    translations, and these translated back. Such pictures show originals: store them like
    the originals.

    Parameters
    ----------
    folder : str or path
        Folder of ``epoch-0005.png`` and so on; it is created if it does not exist.
    every : int, default=5
        Epochs between two pictures.
    n_columns : int, default=8
        Samples of each class.
    random_state : int, default=0
        Seeds the draws.

    Attributes
    ----------
    paths : list of Path
        The pictures.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn_ecganon.images import CycleGANTranslator, PreviewGrid
    >>> images = np.random.default_rng(0).random((20, 8, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     preview = PreviewGrid(folder, every=2)
    ...     gan = CycleGANTranslator(n_filters=4, max_epochs=4).set_callbacks(preview)
    ...     _ = gan.fit(images)
    >>> [path.name for path in preview.paths]
    ['epoch-0002.png', 'epoch-0004.png']
    """

    def _show(self, ax: Any, sample: np.ndarray, low: float, high: float) -> None:
        ax.imshow(np.atleast_2d(sample), cmap="gray", vmin=low, vmax=high)
