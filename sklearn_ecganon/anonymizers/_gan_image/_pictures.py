"""Beats to images that a network learns from, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from sklearn_ecganon.imaging import BeatImager, windows_of_images
from sklearn_ecganon.records import BeatSet

Size = tuple[int, int]

DEFAULT = BeatImager("stack", standardization="z-score")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Standardized images of traces: an imager's, or the traces themselves.

    Parameters
    ----------
    imager : BeatImager or None
        Fitted; None if the traces are images.
    size : tuple of int
        Height and width of such images.
    center, scale : float
        Mean and standard deviation of their pixels.
    low, high : float
        Their range.
    """

    imager: BeatImager | None = None
    size: Size = (1, 1)
    center: float = 0.0
    scale: float = 1.0
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def learn(cls, traces: NDArray, imager: BeatImager | None, size: Size | None) -> Pictures:
        """Return what makes images of traces (n_images, n_traces, n_times)."""
        if size is not None:
            mean, spread = float(traces.mean()), float(traces.std())
            return cls(None, size, mean, spread, float(traces.min()), float(traces.max()))
        imager = DEFAULT if imager is None else imager
        # Windows are grouped beforehand, so that arrays will do.
        return cls(clone(imager).set_params(windows_per_image=1).fit(traces))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        if self.imager is None:
            return (1, *self.size)
        height, width, *colours = self.imager.image_shape_
        return (colours[0] if colours else 1), height, width

    def paint(self, traces: NDArray) -> NDArray[np.float64]:
        """Return images (n_images, n_channels, height, width)."""
        if self.imager is None:
            return ((traces - self.center) / self.scale).reshape(-1, *self.shape)
        images = np.asarray(self.imager.transform(traces))
        return np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, np.newaxis]

    def read(self, images: NDArray) -> NDArray[np.float64]:
        """Return the traces of images, undoing `paint`; pixels stay within their range."""
        if self.imager is None:
            return np.clip(images * self.scale + self.center, self.low, self.high)[:, 0]
        colours = len(self.imager.image_shape_) == 3
        pixels = np.moveaxis(images, 1, -1) if colours else images[:, 0]
        return np.asarray(self.imager.inverse_transform(pixels))


def group_windows(beats: BeatSet, n_windows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the windows in each image (n_images, n_windows), and the record of each."""
    counts = np.bincount(beats.record, minlength=len(beats))
    members = windows_of_images(counts, n_windows)
    return members, np.repeat(np.arange(len(beats)), -(-counts // n_windows))


def check_learnable(
    beats: BeatSet, imager: BeatImager | None, image_shape: ArrayLike | None
) -> Size | None:
    """Refuse what no images can be made of, and return the size of those that X holds."""
    n_records = len(np.unique(beats.record))
    if n_records < 2:
        raise ValueError(
            f"n_samples={n_records} with beats: a part of the records (rows) is held out, so "
            "that one is too few; give 2 or more."
        )
    if beats.beats.min() == beats.beats.max():
        raise ValueError(
            f"every value of X is {beats.beats.flat[0]:g}; there is nothing to learn from "
            "constant images."
        )
    if imager is not None and imager.windows_per_image > 1 and beats.n_beats.max() < 2:
        raise ValueError(
            f"imager has windows_per_image={imager.windows_per_image}, but an array does "
            "not say which of its rows follow each other; hand in a BeatSet."
        )
    if imager is not None and imager.dtype != "float":
        raise ValueError(
            f"imager has dtype={imager.dtype!r}; a network makes images of floats: take "
            "dtype='float'."
        )
    if imager is not None and image_shape is not None:
        raise ValueError("X holds images if image_shape is given; give no imager then.")
    return check_image_size(beats, image_shape)


def check_image_size(beats: BeatSet, image_shape: ArrayLike | None) -> Size | None:
    """Return height and width of the images that X holds, if it holds images."""
    if image_shape is None:
        return None
    asked = np.asarray(image_shape)
    if asked.shape != (2,) or asked.dtype.kind not in "iu" or (asked < 1).any():
        raise ValueError(
            f"image_shape is {image_shape!r}; give (height, width), two positive integers."
        )
    size, found = (int(asked[0]), int(asked[1])), beats.beats.shape[1:]
    if beats.beats[0].size != asked.prod() or not (found[0] == 1 or found == size):
        raise ValueError(
            f"X has rows of shape {found[1:] if found[0] == 1 else found}, which are no images "
            f"of image_shape={size}; want {size} or ({asked.prod()},)."
        )
    return size
