"""The pixel of each value of an image: one function for each arrangement."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_ecganon.imaging._time_frequency import SHORTEST, TimeFrequency

Size = tuple[int, int]
Pixels = NDArray[np.intp]

# Values of one trace in addition to its samples: the ends of its range.
N_ENDS = 2


@dataclass(frozen=True, eq=False)
class Arrangement:
    """A place in the image for every value of every trace.

    Parameters
    ----------
    image_shape : tuple of int
        ``(h, w)``, or ``(h, w, 3)`` in color.
    pixels : ndarray of int of shape (n_traces, n_values)
        Pixels of the flattened image that show each trace. No pixel occurs twice.
    time_frequency : TimeFrequency or None
        Transform from the samples of a trace to its values.
    """

    image_shape: tuple[int, ...]
    pixels: Pixels
    time_frequency: TimeFrequency | None = None

    @property
    def padding(self) -> NDArray[np.bool_]:
        """True for unused pixels; has the shape of the image."""
        empty = np.ones(self.image_shape, dtype=bool)
        empty.flat[self.pixels.ravel()] = False
        return empty

    def paint(self, traces: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray:
        """Return images of standardized traces and the ends of their ranges.

        Parameters
        ----------
        traces : ndarray of shape (n_images, n_traces, n_times)
            Standardized samples.
        ends : ndarray of shape (n_images, n_traces, 0 or 2)
            Standardized ends of the range of each trace.

        Returns
        -------
        images : ndarray of shape (n_images, *image_shape)
            Unused pixels are 0, the middle of the range.
        """
        if self.time_frequency is not None:
            traces = self.time_frequency.forward(traces).reshape(*traces.shape[:2], -1)
        images = np.zeros((len(traces), *self.image_shape))
        flat = images.reshape(len(images), -1)
        flat[:, self.pixels] = np.concatenate([traces, ends], axis=2)
        return images

    def read(self, images: NDArray, n_ends: int) -> tuple[NDArray, NDArray]:
        """Return the traces and the ends of their ranges, undoing `paint`."""
        values = images.reshape(len(images), -1)[:, self.pixels]
        traces, ends = np.split(values, [values.shape[2] - n_ends], axis=2)
        if self.time_frequency is not None:
            shape = (*traces.shape[:2], 2, *self.time_frequency.grid)
            traces = self.time_frequency.backward(traces.reshape(shape))
        return traces, ends


def arrange(
    name: str, n_traces: int, n_times: int, n_ends: int, size: Size | None
) -> Arrangement:
    """Return the arrangement of that name for traces of that length.

    Parameters
    ----------
    name : str
        A key of `ARRANGEMENTS`.
    n_traces, n_times, n_ends : int
        Traces of an image, samples of a trace, and 2 if the image holds ranges, else 0.
    size : tuple of int or None
        Height and width; None takes the smallest size that holds everything.

    Raises
    ------
    ValueError
        If an image of that size is too small.
    """
    return ARRANGEMENTS[name](n_traces, n_times, n_ends, size)


def _raster(n_traces: int, n_times: int, n_ends: int, size: Size | None) -> Arrangement:
    n_values = n_times + n_ends
    h, w = _square("raster", n_traces * n_values, size)
    return Arrangement((h, w), np.arange(n_traces * n_values).reshape(n_traces, n_values))


def _serpentine(n_traces: int, n_times: int, n_ends: int, size: Size | None) -> Arrangement:
    n_values = n_times + n_ends
    h, w = _square("serpentine", n_traces * n_values, size)
    row, column = np.divmod(np.arange(n_traces * n_values), w)
    pixels = row * w + np.where(row % 2, w - 1 - column, column)
    return Arrangement((h, w), pixels.reshape(n_traces, n_values))


def _stack(n_traces: int, n_times: int, n_ends: int, size: Size | None) -> Arrangement:
    n_values = n_times + n_ends
    h, w = size or (n_traces, n_values)
    if h < n_traces or w < n_values:
        raise _too_small(
            "stack", (h, w), f"one row for each trace: ({n_traces}, {n_values}) or more"
        )
    return Arrangement((h, w), _grid(n_traces, n_values, w))


def _rgb(n_traces: int, n_times: int, n_ends: int, size: Size | None) -> Arrangement:
    if n_traces > 3:
        raise ValueError(
            f"arrangement='rgb' has one channel for each of up to 3 traces, but an image has "
            f"{n_traces} (leads times windows_per_image); give fewer, or "
            "arrangement='rgb-concatenated'."
        )
    n_values = n_times + n_ends
    h, w = _square("rgb", n_values, size)
    return Arrangement((h, w, 3), 3 * np.arange(n_values) + np.arange(n_traces)[:, np.newaxis])


def _rgb_concatenated(
    n_traces: int, n_times: int, n_ends: int, size: Size | None
) -> Arrangement:
    n_values = n_times + n_ends
    third = -(-n_traces * n_values // 3)
    h, w = _square("rgb-concatenated", third, size)
    channel, position = np.divmod(np.arange(n_traces * n_values), third)
    return Arrangement((h, w, 3), (3 * position + channel).reshape(n_traces, n_values))


def _time_frequency(n_traces: int, n_times: int, n_ends: int, size: Size | None) -> Arrangement:
    """Traces side by side, magnitude above phase, low frequencies at the bottom.

    The ranges, if the image holds them, are in an additional row below.
    """
    n_rows = 1 if n_ends else 0
    height, width = size or (sys.maxsize, sys.maxsize)
    transform = TimeFrequency.finest(n_times, (height - n_rows) // 2, width // n_traces)
    if transform is None or width < n_traces * n_ends:
        smallest = TimeFrequency(n_times, SHORTEST, SHORTEST // 2).grid
        needed = (2 * smallest[0] + n_rows, n_traces * smallest[1])
        raise _too_small("time-frequency", size, f"the coarsest transform: {needed} or more")
    n_frequencies, n_frames = transform.grid
    h, w = size or (2 * n_frequencies + n_rows, n_traces * max(n_frames, n_ends))
    upward = _grid(n_frequencies, n_frames, w)[::-1]
    first = np.concatenate([upward.ravel(), upward.ravel() + n_frequencies * w])
    trace = np.arange(n_traces)[:, np.newaxis]
    ends = 2 * n_frequencies * w + N_ENDS * trace + np.arange(n_ends)
    return Arrangement((h, w), np.hstack([first + n_frames * trace, ends]), transform)


ARRANGEMENTS: dict[str, Callable[[int, int, int, Size | None], Arrangement]] = {
    "raster": _raster,
    "serpentine": _serpentine,
    "stack": _stack,
    "rgb": _rgb,
    "rgb-concatenated": _rgb_concatenated,
    "time-frequency": _time_frequency,
}


def _grid(n_rows: int, n_columns: int, w: int) -> Pixels:
    return np.arange(n_rows)[:, np.newaxis] * w + np.arange(n_columns)


def _square(name: str, n_pixels: int, size: Size | None) -> Size:
    """Return the size of an image with room for that many values per channel."""
    if size is None:
        side = int(np.ceil(np.sqrt(n_pixels)))
        return side, side
    if size[0] * size[1] < n_pixels:
        raise _too_small(name, size, f"{n_pixels} pixels per channel")
    return size


def _too_small(name: str, size: Size | None, needed: str) -> ValueError:
    return ValueError(
        f"image_shape={size} is too small: arrangement={name!r} needs {needed}; "
        "image_shape=None takes the smallest size that fits."
    )
