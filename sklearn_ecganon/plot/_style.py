"""Colors for color-blind readers, and axes, for all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette; originals are gray in every figure.
ORIGINAL = "#8c8c8c"
RELEASED = "#0072B2"
WARNING = "#D55E00"
TEXT = "#4d4d4d"
#: The more an attacker knows, the darker or warmer the line.
KNOWLEDGE_STYLE: dict[str, dict[str, Any]] = {
    "original": {"color": ORIGINAL, "linestyle": "--", "marker": "D"},
    "ignorant": {"color": "#56B4E9", "linestyle": "-", "marker": "o"},
    "lazy-informed": {"color": RELEASED, "linestyle": "-", "marker": "s"},
    "semi-informed": {"color": WARNING, "linestyle": "-", "marker": "^"},
}
PAPER_MAJOR = "#e8a9a1"
PAPER_MINOR = "#f8e3e0"


def axes_for(display: Any, ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure.

    Parameters
    ----------
    display : object
        The display that draws; errors name its class.
    ax : matplotlib Axes or None
        The axes that the caller chose.
    figsize : tuple of float
        Width and height in inches of a new figure.

    Returns
    -------
    ax : matplotlib Axes
        The axes to draw into.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__} draws with matplotlib, which is not installed; run "
            'pip install "sklearn-ecganon[plot]"'
        ) from error
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax
