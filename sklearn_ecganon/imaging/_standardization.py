"""Conversion of millivolts to pixel values and back."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STANDARDIZATIONS = ("global", "adapted", "z-score")
TOP = 255


@dataclass(frozen=True)
class Standardization:
    """A scale in mV, for all traces or adapted to each.

    Parameters
    ----------
    center, scale : float
        The value in mV that becomes 0, and the number of mV that become 1.
    limit : float
        Largest absolute value that 8 bits represent.
    adapted : bool
        Whether each trace is scaled to its own range, whose ends the image then holds on the
        global scale.
    levels : int or None
        Number of levels to which the ends of a range are rounded; None keeps them exact.
    """

    center: float
    scale: float
    limit: float = 1.0
    adapted: bool = False
    levels: int | None = None

    @classmethod
    def learn(cls, kind: str, values: NDArray, levels: int | None) -> Standardization:
        """Return the standardization of that kind for values in mV of any shape."""
        low, high = float(values.min()), float(values.max())
        if low == high:  # no range to learn from: 1 mV in both directions
            return cls(low, 1.0, 1.0, kind == "adapted", levels)
        if kind != "z-score":
            return cls((low + high) / 2, (high - low) / 2, 1.0, kind == "adapted", levels)
        center = float(values.mean(dtype=np.float64))
        scale = float(values.std(dtype=np.float64))
        return cls(center, scale, max(high - center, center - low) / scale)

    @property
    def n_ends(self) -> int:
        """Number of values that an image holds in addition to the samples of a trace."""
        return 2 if self.adapted else 0

    def ends(self, traces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ends of the range of each trace, rounded to levels.

        They are rounded outward, so that every trace lies within its range. The two ends of
        a trace never have the same level.

        Parameters
        ----------
        traces : ndarray of shape (n_images, n_traces, n_times)
            In mV.

        Returns
        -------
        ends : ndarray of shape (n_images, n_traces, 0 or 2)
            On the global scale, in [-1, 1].
        """
        if not self.adapted:
            return np.empty((*traces.shape[:2], 0))
        low, high = traces.min(axis=2), traces.max(axis=2)
        ends = (np.stack([low, high], axis=2) - self.center) / self.scale
        if self.levels is None:
            return ends
        level = (ends + 1) / 2 * (self.levels - 1)
        lower = np.clip(np.floor(level[..., 0]), 0, self.levels - 2)
        upper = np.clip(np.ceil(level[..., 1]), lower + 1, self.levels - 1)
        return np.stack([lower, upper], axis=2) / (self.levels - 1) * 2 - 1

    def forward(self, traces: NDArray[np.float64], ends: NDArray) -> NDArray[np.float64]:
        """Return standardized traces, given the ends of their ranges."""
        center, scale = self._center_and_scale(ends)
        return (traces - center) / scale

    def backward(self, values: NDArray, ends: NDArray) -> NDArray[np.float64]:
        """Return the traces in mV."""
        center, scale = self._center_and_scale(ends)
        return values * scale + center

    def _center_and_scale(self, ends: NDArray) -> tuple[NDArray | float, NDArray | float]:
        """Return center and scale of each trace, of shape (n_images, n_traces, 1)."""
        if not self.adapted:
            return self.center, self.scale
        ends = ends.astype(np.float64)
        if self.levels is not None:
            ends = np.rint((ends + 1) / 2 * (self.levels - 1)) / (self.levels - 1) * 2 - 1
        # A generated image may have its ends in the wrong order.
        low, high = np.split(np.sort(ends, axis=2) * self.scale + self.center, 2, axis=2)
        half = (high - low) / 2
        return (low + high) / 2, np.where(half == 0, 1.0, half)

    def to_bytes(self, numbers: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return 0 to 255 for ``-limit`` to ``limit``, rounded to the nearest."""
        steps = np.rint((numbers.astype(np.float64) / self.limit + 1) / 2 * TOP)
        outside = np.mean((steps < 0) | (steps > TOP))
        if outside:
            warnings.warn(
                f"a fraction of {outside:.2g} of the pixels is outside the range seen in fit "
                "and is clipped to 8 bits; fit on data with this range, or give dtype='float'.",
                UserWarning,
                stacklevel=3,
            )
        return np.clip(steps, 0, TOP).astype(np.uint8)

    def from_bytes(self, steps: NDArray) -> NDArray[np.float64]:
        """Return the values of the steps 0 to 255."""
        return (steps.astype(np.float64) / TOP * 2 - 1) * self.limit
